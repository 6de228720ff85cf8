/* client.h: the other side of HTTP, as much of it as the command line wants of a server of ours: one request a connection,
 * HTTP/1.0, so that a body ends where the connection does. */
#ifndef CLIENT_H
#define CLIENT_H
#include <stdbool.h>
#include <stddef.h>

struct client {
    char host[256], port[8], path[256]; /* path: what stands before every address, "" or "/convd" */
    const char *key;                    /* for servers that ask for one; "" or NULL: none        */
    int timeout;                        /* seconds that nothing may come for                     */
};
/* "http://HOST[:PORT][/PATH]" or "HOST:PORT"; an address that means all of a machine's becomes its loopback. False: it is
 * neither. */
bool client_read(struct client *c, const char *url);

struct client_answer {
    int status;
    char media[80], file_name[80]; /* "" where the server did not say */
    char location[256];
};
/* Asks, and gives the body to put piece by piece, once the answer is known; put returns false to stop. fields: NULL, or
 * lines "Name: value\r\n". False: no whole answer came, why says so in words; stopped by put: true. */
bool client_ask(const struct client *c, const char *method, const char *address, const char *fields,
                struct client_answer *a, bool (*put)(void *arg, const void *data, size_t n),
                void *arg, char why[256]);
#endif

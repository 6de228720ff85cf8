/* http.h: the socket side. http.c is the only file that knows libmicrohttpd. */
#ifndef HTTP_H
#define HTTP_H
#include "serve.h"

/* Listens on the given socket (taken over). NULL when it cannot. */
struct http *http_start(struct server *server, int listener);
/* Stops accepting; what is open goes on. */
void http_quiesce(struct http *http);
/* Closes what is left. No request may be with the workers any more. */
void http_stop(struct http *http);

/* Called by workers and by the timer: the request's reply is ready. */
void http_resume(struct request *rq);
/* Suspends; only from stream_read, on the event thread. */
void http_suspend(struct request *rq);
const char *http_reason(int status);
#endif

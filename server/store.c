/* store.c: what every store shares. */
#include "store.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

const char *const job_state_words[JOB_STATES] = {"queued", "running", "succeeded", "failed",
                                                 "cancelled"};

void store_blob_release(struct store_blob *b)
{
    if (b->mapped)
        munmap((void *)(uintptr_t)b->data, b->mapped);
    else
        free((void *)(uintptr_t)b->data);
    *b = (struct store_blob){0};
}

void store_job_release(struct store_job *j)
{
    store_blob_release(&j->spec);
    store_blob_release(&j->error);
}

void store_make_id(char id[STORE_ID])
{
    unsigned char random[16];
    size_t n = 0;
    while (n < sizeof random) {
        ssize_t got = getrandom(random + n, sizeof random - n, 0);
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            abort(); /* no kernel that runs this lacks it */
    }
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = "0123456789abcdef"[random[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    id[STORE_ID - 1] = 0;
}

int64_t store_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool store_default_dir(char *out, size_t room)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = state && state[0] == '/' ? snprintf(out, room, "%s/convd", state)
            : home && home[0] == '/' ? snprintf(out, room, "%s/.local/state/convd", home)
                                     : -1;
    return n > 0 && (size_t)n < room;
}

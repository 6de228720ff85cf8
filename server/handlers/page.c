/* page.c: GET / and the files it needs: they travel inside the program. */
#include "../../api/embed.h"
#include "../request.h"
#include <stdio.h>
#include <xxhash.h>

EMBED(web_html, "server/web/index.html");
EMBED(web_script, "server/web/app.js");
EMBED(web_learn, "server/web/learn.js");
EMBED(web_style, "server/web/style.css");

/* Nothing from elsewhere, no inline code; pictures also from memory, for what was dropped and what came back. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static bool file(struct request *rq, const char *media, const unsigned char *data, size_t n)
{
    char etag[40];
    snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)XXH3_64bits(data, n));
    reply_bytes(rq, 200, media, data, n, etag);
    reply_header(rq, "Content-Security-Policy", "%s", policy);
    reply_header(rq, "Referrer-Policy", "no-referrer");
    return true;
}

bool page_html(struct request *rq)
{
    return file(rq, "text/html; charset=utf-8", web_html, web_html_size);
}

bool page_script(struct request *rq)
{
    return file(rq, "text/javascript; charset=utf-8", web_script, web_script_size);
}

bool page_learn(struct request *rq)
{
    return file(rq, "text/javascript; charset=utf-8", web_learn, web_learn_size);
}

bool page_style(struct request *rq)
{
    return file(rq, "text/css; charset=utf-8", web_style, web_style_size);
}

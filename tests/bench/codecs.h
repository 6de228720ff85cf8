/* codecs.h: workloads of pictures in and out, for engine.c. */
#ifndef BENCH_CODECS_H
#define BENCH_CODECS_H
#include <stdbool.h>
#include <stddef.h>

struct codec_work;
/* Whether rows of that kind are pictures in or out: pngdec, pngenc, pngencgray, jpgdec, jpgenc, webpdec, webpenc. */
bool codec_kind(const char *kind);
/* The level in a peer's name, "convd-L6"; -1 for "convd". */
int codec_level(const char *peer);
/* path: the picture's files without their endings. NULL where one is missing or broken. */
struct codec_work *codec_work_new(const char *kind, const char *path, ptrdiff_t width, ptrdiff_t height, int level,
                                  size_t threads);
void codec_work_run(struct codec_work *w);
/* Of the file read or written. */
size_t codec_work_bytes(const struct codec_work *w);
void codec_work_free(struct codec_work *w);
#endif

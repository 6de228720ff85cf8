/* embed.h: files that travel inside the program. EMBED(edges, "api/pipelines/edges.json") at file scope makes
 *
 *     const unsigned char edges[];      the bytes, with a NUL behind them
 *     const unsigned char edges_end[];  one past the last
 *     const size_t edges_size;          how many
 *
 * for this file alone. Paths are seen from the top of the tree. The Makefile rebuilds whoever includes this header when
 * any embedded file changes: the compiler's own dependency lists do not know .incbin. */
#ifndef API_EMBED_H
#define API_EMBED_H
#include <stddef.h>

#define EMBED(SYMBOL, PATH)                                                                        \
    __asm__(".pushsection .rodata,\"a\"\n"                                                         \
            ".balign 16\n" #SYMBOL ":\n"                                                           \
            ".incbin \"" PATH "\"\n" #SYMBOL "_end:\n"                                             \
            ".byte 0\n"                                                                            \
            ".balign 8\n" #SYMBOL "_size:\n"                                                       \
            ".quad " #SYMBOL "_end - " #SYMBOL "\n"                                                \
            ".popsection\n");                                                                      \
    __attribute__((visibility("hidden"))) extern const unsigned char SYMBOL[];                     \
    __attribute__((visibility("hidden"))) extern const unsigned char SYMBOL##_end[];               \
    __attribute__((visibility("hidden"))) extern const size_t SYMBOL##_size
#endif

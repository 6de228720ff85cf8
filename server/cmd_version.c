/* cmd_version.c: convd version. */
#include <stdlib.h>

#include "../core/simd/simd.h"
#include "cmd.h"

static int run(struct cmd_line *line)
{
    (void)line;
    printf("convd %s\n%s, instruction set %s\n", CONVD_VERSION,
#if defined __clang__
           "clang " __clang_version__,
#else
           "gcc " __VERSION__,
#endif
           convd_simd_choose(getenv("CONVD_ISA"))->name);
    return CMD_OK;
}

const struct cmd cmd_version = {
    .name = "version",
    .usage = "",
    .summary = "version, compiler and the instruction set in use",
    .help = "CONVD_ISA=base (avx2, avx512, neon) in the environment forces an instruction set.\n",
    .run = run,
};

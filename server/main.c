/* main.c: the program. What it can do is in cmds.def. */
#include "cmd.h"

extern char **environ;

int main(int argc, char **argv)
{
    return cmd_main(argc, argv, environ);
}

/* docs.c: the reference pages are what the program makes. */
#include "../t.h"
#include "lib_child.h"

TEST(the_pages_are_what_the_rows_make)
{
    struct child names = CONVD("help", "docs");
    size_t pages = 0;
    EQ(0, names.code);
    for (char *name = strtok(names.out, "\n"); name; name = strtok(NULL, "\n"), pages++) {
        char path[64];
        size_t n;
        struct child c = CONVD("help", "docs", name);
        EQ(0, c.code);
        snprintf(path, sizeof path, "../../docs/%s.md", name);
        char *page = t_file(path, &n);
        if (n != c.out_n || memcmp(page, c.out, n) != 0)
            T_FAIL("docs/%s.md is old: run make docs", name);
        free(page);
        child_release(&c);
    }
    EQ(6, pages);
    child_release(&names);
}

TEST(no_other_page_is_made)
{
    struct child c = CONVD("help", "docs", "nothing");
    EQ(2, c.code);
    EQ(0, c.out_n);
    child_release(&c);
}

T_MAIN("cli/docs")

/* learn_files.c: which files are examples of what: names only. */
#include "learn.h"
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

struct file {
    const char *path; /* behind the folders that hold everything */
    size_t folder;    /* length of its first folder              */
    size_t number;    /* of the list                             */
};

static bool is_hidden(const char *path)
{
    for (const char *p = path; *p; p = strchr(p, '/') ? strchr(p, '/') + 1 : "")
        if (*p == '.' || strncmp(p, "__MACOSX/", 9) == 0) return true;
    return false;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* Length of a first folder, with its '/', that all of them stand in and that holds folders only; 0: none. */
static size_t wrapping(const struct file *f, size_t n)
{
    const char *slash = n ? strchr(f[0].path, '/') : NULL;
    const size_t length = slash ? (size_t)(slash - f[0].path) + 1 : 0;
    for (size_t i = 0; i < n; i++)
        if (strncmp(f[i].path, f[0].path, length) != 0 || !strchr(f[i].path + length, '/'))
            return 0;
    return length;
}

/* The files that stand in a folder, sorted; what holds all of them cut off. */
static struct file *list(struct api_learn *x, const char *const *names, size_t n, size_t *count)
{
    struct file *f = convd_arena_array(&x->work.mem, n + 1, sizeof *f);
    *count = 0;
    for (size_t i = 0; f && i < n; i++)
        if (!is_hidden(names[i]) && strchr(names[i], '/') && names[i][strlen(names[i]) - 1] != '/')
            f[(*count)++] = (struct file){.path = names[i], .number = i};
    for (size_t cut; f && (cut = wrapping(f, *count)) > 0;)
        for (size_t i = 0; i < *count; i++) f[i].path += cut;
    for (size_t i = 0; f && i < *count; i++)
        f[i].folder = (size_t)(strchr(f[i].path, '/') - f[i].path);
    if (f) qsort(f, *count, sizeof *f, by_path);
    return f;
}

static bool in_folder(const struct file *f, const char *name)
{
    return strlen(name) == f->folder && strncmp(f->path, name, f->folder) == 0;
}

/* ---- classes ---- */

static bool same_folder(const struct file *a, const struct file *b)
{
    return a->folder == b->folder && strncmp(a->path, b->path, a->folder) == 0;
}

/* Byte order of the folders' own names: "a" stands before "a-b", though '-' sorts before '/'. */
static int by_class(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool classes(struct api_learn *x, const struct file *f, size_t n)
{
    x->classes = convd_arena_array(&x->work.mem, n, sizeof *x->classes);
    if (!x->classes) return false;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !same_folder(&f[i], &f[i - 1])) {
            x->classes[x->n_classes] = convd_arena_text(&x->work.mem, f[i].path, f[i].folder);
            if (!x->classes[x->n_classes++]) return false;
        }
    qsort(x->classes, x->n_classes, sizeof *x->classes, by_class);
    for (size_t c = 0; c < x->n_classes; c++)
        for (size_t i = 0; i < n; i++)
            if (in_folder(&f[i], x->classes[c]))
                x->examples[x->n_examples++] =
                    (struct api_learn_example){.picture = f[i].number, .target = NONE, .class = c};
    return true;
}

/* ---- pairs ---- */

/* Length of the path behind the folder, without the ending. */
static size_t stem(const struct file *f)
{
    const char *name = f->path + f->folder, *slash = strrchr(name, '/'), *dot = strrchr(slash, '.');
    return dot && dot > slash + 1 ? (size_t)(dot - name) : strlen(name);
}

static bool same_stem(const struct file *a, const struct file *b)
{
    return stem(a) == stem(b) && strncmp(a->path + a->folder, b->path + b->folder, stem(a)) == 0;
}

static void pairs(struct api_learn *x, const struct file *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool input = in_folder(&f[i], "input");
        size_t other = 0;
        while (other < n &&
               (in_folder(&f[other], "input") == input || !same_stem(&f[other], &f[i])))
            other++;
        if (other == n)
            convd_fault_expected(
                x->work.faults, CONVD_MISSING, NULL, "files of equal names in input/ and target/",
                "%s has no partner in %s/", x->names[f[i].number], input ? "target" : "input");
        else if (input)
            x->examples[x->n_examples++] =
                (struct api_learn_example){.picture = f[i].number, .target = f[other].number};
    }
}

bool api_learn_files(struct api_learn *x, const char *const *names, size_t n)
{
    const size_t before = convd_faults_count(x->work.faults);
    size_t count, of_pairs[2] = {0, 0};
    struct file *f = list(x, names, n, &count);
    x->names = names;
    x->examples = convd_arena_array(&x->work.mem, count + 1, sizeof *x->examples);
    if (!f || !x->examples) goto no_memory;
    for (size_t i = 0; i < count; i++) {
        of_pairs[0] += in_folder(&f[i], "input");
        of_pairs[1] += in_folder(&f[i], "target");
    }
    if (count == 0)
        convd_fault_expected(x->work.faults, CONVD_MISSING, NULL,
                             "pictures in one folder for each class (x/1.png, y/1.png), or in "
                             "folders input/ and target/",
                             n ? "no picture stands in a folder" : "there are no pictures");
    else if (of_pairs[0] && of_pairs[0] + of_pairs[1] == count)
        pairs(x, f, count);
    else if (!classes(x, f, count))
        goto no_memory;
    if (x->n_classes == 1)
        convd_fault_expected(x->work.faults, CONVD_MISSING, NULL,
                             "two folders or more: one for each class",
                             "all pictures are of one class, %s", x->classes[0]);
    return convd_faults_count(x->work.faults) == before;
no_memory:
    convd_fault(x->work.faults, CONVD_NO_MEMORY, NULL, "no memory for the names of %zu files", n);
    return false;
}

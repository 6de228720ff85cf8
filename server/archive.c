/* archive.c: see archive.h. */
#include "archive.h"
#include "../api/json.h"
#include "../core/convd.h"
#include "../core/err.h"
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATIO_FROM ((size_t)1 << 20) /* bytes out of an archive from which the ratio is looked at */
#define NAME_MOST  1024
#define MOMENT     315619200 /* 1980-01-02, which zip can say: the same result whenever it is made */

const char *const archive_media[] = {"", "application/zip", "application/x-tar",
                                     "application/gzip"};
const char *const archive_extensions[] = {"", "zip", "tar", "tar.gz"};

enum archive_kind archive_kind_of(const void *data, size_t n)
{
    const uint8_t *b = data;
    if (n >= 4 && b[0] == 'P' && b[1] == 'K' &&
        ((b[2] == 3 && b[3] == 4) || (b[2] == 5 && b[3] == 6)))
        return ARCHIVE_ZIP;
    if (n >= 10 && b[0] == 0x1f && b[1] == 0x8b) return ARCHIVE_TAR_GZ;
    if (n >= 512 && memcmp(b + 257, "ustar", 5) == 0) return ARCHIVE_TAR;
    if (n >= 1024 && b[0] == 0 && memcmp(b, b + 1, 1023) == 0)
        return ARCHIVE_TAR; /* its end alone */
    return ARCHIVE_NONE;
}

/* The library turns names from and into the charset of the thread's locale: here UTF-8, wherever the process was started.
 * In "C" it has no words for an é, and its writer of tars reads through NULL. */
static locale_t utf8_new(void)
{
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static void utf8_free(locale_t utf8)
{
    if (utf8) freelocale(utf8);
}

struct archive_in {
    struct archive *from;
    struct archive_entry *entry;
    struct archive_limits limits;
    locale_t utf8;
    size_t packed, unpacked, entries;
    bool limit, ended;
    char words[256];
    char name[3 * NAME_MOST]; /* of the entry: UTF-8 */
};

static void say(struct archive_in *a, bool limit, const char *words)
{
    a->limit = limit;
    snprintf(a->words, sizeof a->words, "%.250s", words ? words : "it cannot be read");
}

struct archive_in *archive_open(const void *data, size_t n, const struct archive_limits *limits)
{
    struct archive_in *a = calloc(1, sizeof *a);
    enum archive_kind kind = archive_kind_of(data, n);
    if (!a || kind == ARCHIVE_NONE) {
        free(a);
        return NULL;
    }
    a->limits = *limits;
    a->utf8 = utf8_new();
    a->packed = n;
    a->ended = kind == ARCHIVE_ZIP &&
               ((const char *)data)[2] == 5; /* a zip that begins with its end holds no files */
    a->from = archive_read_new();
    if (!a->from) {
        archive_close(a);
        return NULL;
    }
    if (kind == ARCHIVE_ZIP) {
        archive_read_support_format_zip_seekable(a->from);
    } else {
        archive_read_support_format_tar(a->from);
        if (kind == ARCHIVE_TAR_GZ) archive_read_support_filter_gzip(a->from);
    }
    if (a->ended || archive_read_open_memory(a->from, data, n) == ARCHIVE_OK) return a;
    archive_close(a);
    return NULL;
}

struct archive_in *archive_begin(const void *data, size_t n, const struct archive_limits *limits,
                                 struct convd_faults *f)
{
    struct archive_in *in = archive_open(data, n, limits);
    if (in) return in;
    if (n == 0)
        convd_fault_expected(f, CONVD_BAD_REQUEST, NULL, "a zip or tar(.gz) of pictures",
                             "the archive has 0 bytes");
    else if (archive_kind_of(data, n) == ARCHIVE_NONE)
        convd_fault_expected(f, CONVD_UNSUPPORTED, NULL, "a zip, a tar or a tar.gz",
                             "this is no archive that is read here");
    else
        convd_fault_expected(f, CONVD_BAD_IMAGE, NULL, "a whole zip or tar(.gz)",
                             "the archive is broken or cut off: nothing can be read of it");
    return NULL;
}

void archive_close(struct archive_in *a)
{
    if (!a) return;
    archive_read_free(a->from);
    utf8_free(a->utf8);
    free(a);
}

const char *archive_fault(const struct archive_in *a, bool *limit)
{
    *limit = a->limit;
    return a->words[0] ? a->words : NULL;
}

/* Why a name cannot be one inside a folder, or NULL. */
static const char *bad_name(const char *name)
{
    if (!*name) return "its name is empty";
    if (strlen(name) >= NAME_MOST) return "its name is longer than 1023 bytes";
    if (name[0] == '/' || strchr(name, '\\') || (name[0] && name[1] == ':'))
        return "its name is not relative to the archive";
    for (const char *s = name; s; s = strchr(s, '/')) {
        if (*s == '/') s++;
        size_t n = strcspn(s, "/");
        if (n == 2 && s[0] == '.' && s[1] == '.') return "its name leads out of the archive";
    }
    for (const char *s = name; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 127) return "its name has control characters";
    return NULL;
}

static bool within(struct archive_in *a)
{
    char words[200] = "";
    if (a->limits.stop && atomic_load(a->limits.stop)) {
        say(a, false, "it was not read to its end");
        return false;
    }
    if (a->entries > a->limits.entries)
        snprintf(words, sizeof words, "it has more than %zu files", a->limits.entries);
    else if (a->unpacked > a->limits.unpacked)
        snprintf(words, sizeof words, "more than %zu bytes come out of it", a->limits.unpacked);
    else if (a->unpacked > RATIO_FROM && a->unpacked / a->limits.ratio > a->packed)
        snprintf(words, sizeof words, "more than %zu bytes come out of each of its bytes",
                 a->limits.ratio);
    if (words[0]) say(a, true, words);
    return !words[0];
}

/* What nobody put there on purpose. */
static bool is_litter(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    return strncmp(name, "__MACOSX/", 9) == 0 || strncmp(base, "._", 2) == 0 ||
           strcmp(base, ".DS_Store") == 0 || strcmp(base, "Thumbs.db") == 0;
}

/* The entry's name. Bytes that are no UTF-8 (what an older system wrote) become %XX: the name stays one, and whoever knows
 * the system can tell what it was. */
static const char *read_name(struct archive_in *a)
{
    const char *s = archive_entry_pathname_utf8(a->entry);
    if (!s) s = archive_entry_pathname(a->entry);
    if (!s) s = "";
    const uint8_t *p = (const uint8_t *)s, *end = p + strlen(s);
    size_t n = 0;
    while (p < end && n + 4 < sizeof a->name) {
        size_t k = *p < 128 ? 1 : api_utf8_length(p, end);
        if (k == 0) {
            n += (size_t)snprintf(a->name + n, 4, "%%%02X", *p++);
            continue;
        }
        memcpy(a->name + n, p, k);
        n += k;
        p += k;
    }
    a->name[n] = 0;
    const char *name = a->name;
    while (name[0] == '.' && name[1] == '/') name += 2;
    return name;
}

/* Passes over what is left of the entry, counting what comes out. */
static bool skip(struct archive_in *a)
{
    const void *data;
    size_t n;
    la_int64_t at;
    int rc;
    while ((rc = archive_read_data_block(a->from, &data, &n, &at)) == ARCHIVE_OK) {
        a->unpacked += n;
        if (!within(a)) return false;
    }
    if (rc == ARCHIVE_EOF) return true;
    if (rc != ARCHIVE_FATAL) return true;
    say(a, false, archive_error_string(a->from));
    return false;
}

static bool next(struct archive_in *a, struct archive_entry_info *e)
{
    while (!a->words[0] && !a->ended) {
        if (a->entry && !skip(a)) return false;
        int rc = archive_read_next_header(a->from, &a->entry);
        a->ended = rc == ARCHIVE_EOF;
        if (a->ended) return false;
        if (rc == ARCHIVE_FATAL || rc == ARCHIVE_RETRY) {
            say(a, false, archive_error_string(a->from));
            return false;
        }
        a->entries++;
        if (!within(a)) return false;
        const char *name = read_name(a);
        if (archive_entry_filetype(a->entry) == AE_IFDIR || is_litter(name)) continue;
        *e = (struct archive_entry_info){.name = name, .size = UINT64_MAX};
        if (archive_entry_size_is_set(a->entry)) e->size = (uint64_t)archive_entry_size(a->entry);
        e->refused = bad_name(name);
        if (!e->refused &&
            (archive_entry_hardlink(a->entry) || archive_entry_filetype(a->entry) != AE_IFREG))
            e->refused = "it is no file of its own";
        if (!e->refused && archive_entry_is_encrypted(a->entry)) e->refused = "it is encrypted";
        return true;
    }
    return false;
}

bool archive_next(struct archive_in *a, struct archive_entry_info *e)
{
    locale_t last = uselocale(a->utf8);
    bool there = next(a, e);
    uselocale(last);
    return there;
}

void *archive_read(struct archive_in *a, size_t *n)
{
    size_t room = 65536;
    uint8_t *out = malloc(room);
    *n = 0;
    while (out) {
        if (*n == room) {
            uint8_t *more = room < a->limits.entry ? realloc(out, room *= 2) : NULL;
            if (!more) break;
            out = more;
        }
        la_ssize_t got = archive_read_data(a->from, out + *n, room - *n);
        if (got == 0) {
            if (*n > a->limits.entry) break;
            return out;
        }
        if (got < 0) {
            if (got == ARCHIVE_FATAL) say(a, false, archive_error_string(a->from));
            break;
        }
        *n += (size_t)got;
        a->unpacked += (size_t)got;
        if (!within(a)) break;
    }
    free(out);
    return NULL;
}

/* ---- writing ---- */

struct archive_out {
    struct archive *to;
    bool (*put)(void *arg, const void *data, size_t n);
    void *arg;
    locale_t utf8;
    bool failed;
};

static la_ssize_t on_write(struct archive *to, void *self, const void *data, size_t n)
{
    struct archive_out *a = self;
    if (!a->failed && a->put(a->arg, data, n)) return (la_ssize_t)n;
    a->failed = true;
    archive_set_error(to, -1, "no room");
    return -1;
}

static bool set_up(struct archive_out *a, enum archive_kind kind)
{
    int rc = kind == ARCHIVE_ZIP ? archive_write_set_format_zip(a->to)
                                 : archive_write_set_format_pax_restricted(a->to);
    /* pictures are packed already */
    if (rc == ARCHIVE_OK && kind == ARCHIVE_ZIP)
        rc = archive_write_zip_set_compression_store(a->to);
    if (rc == ARCHIVE_OK && kind == ARCHIVE_TAR_GZ) {
        rc = archive_write_add_filter_gzip(a->to);
        archive_write_set_filter_option(a->to, "gzip", "compression-level", "1");
        archive_write_set_filter_option(a->to, "gzip", "timestamp", NULL);
    }
    if (rc == ARCHIVE_OK) rc = archive_write_set_bytes_in_last_block(a->to, 1);
    return rc == ARCHIVE_OK &&
           archive_write_open2(a->to, a, NULL, on_write, NULL, NULL) == ARCHIVE_OK;
}

struct archive_out *archive_create(enum archive_kind kind,
                                   bool (*put)(void *arg, const void *data, size_t n), void *arg)
{
    struct archive_out *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    *a =
        (struct archive_out){.to = archive_write_new(), .put = put, .arg = arg, .utf8 = utf8_new()};
    if (a->to && set_up(a, kind)) return a;
    archive_end(a, false);
    return NULL;
}

bool archive_add(struct archive_out *a, const char *name, const void *data, size_t n)
{
    struct archive_entry *e = archive_entry_new();
    if (!e) return false;
    locale_t last = uselocale(a->utf8);
    archive_entry_copy_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)n);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, MOMENT, 0);
    bool fine = archive_write_header(a->to, e) >= ARCHIVE_WARN &&
                archive_write_data(a->to, data, n) == (la_ssize_t)n;
    archive_entry_free(e);
    uselocale(last);
    return fine && !a->failed;
}

bool archive_end(struct archive_out *a, bool finish)
{
    if (!a) return false;
    if (a->to && !finish) archive_write_fail(a->to);
    bool fine = a->to && archive_write_close(a->to) == ARCHIVE_OK && !a->failed;
    if (a->to) archive_write_free(a->to);
    utf8_free(a->utf8);
    free(a);
    return fine && finish;
}

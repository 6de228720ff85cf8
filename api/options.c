/* options.c: reading and printing what stands beside the steps; see options.h. */
#include "options.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const channels_words[] = {
    [CONVD_RGB] = "rgb", [CONVD_GRAY] = "gray", [CONVD_RGBA] = "rgba", NULL};
static const char *const alpha_words[] = {"composite", "keep", NULL};
static const char *const orient_words[] = {"on", "off", NULL};
static const char *const values_words[] = {
    [API_VALUES_AUTO] = "auto", [API_VALUES_ALL] = "all", [API_VALUES_NONE] = "none", NULL};

/* ---- formats ---- */

bool api_format_at(size_t i, struct api_format *out)
{
    size_t seen = 0;
    for (size_t k = 0;; k++) {
        const struct convd_codec *c = convd_codec_at(k);
        if (!c) break;
        bool npy = strcmp(c->name, "npy") == 0, safetensors = strcmp(c->name, "safetensors") == 0;
        if (!c->encode && !npy && !safetensors) continue;
        if (seen++ < i) continue;
        *out = (struct api_format){.name = c->name,
                                   .media = c->media,
                                   .codec = c,
                                   .kind = npy           ? API_NPY
                                           : safetensors ? API_SAFETENSORS
                                                         : API_PICTURE};
        out->extension = c->name;
        return true;
    }
    *out = (struct api_format){
        .name = "json", .media = "application/json", .extension = "json", .kind = API_JSON};
    return seen == i;
}

bool api_format_named(const char *name, struct api_format *out)
{
    for (size_t i = 0; api_format_at(i, out); i++)
        if (strcmp(out->name, name) == 0 ||
            (out->codec && convd_word_in(out->codec->extensions, name)))
            return true;
    return false;
}

const char *api_format_list(struct convd_arena *mem)
{
    struct api_format x;
    const char *list = "";
    for (size_t i = 0; list && api_format_at(i, &x); i++)
        list = convd_arena_printf(mem, "%s%s%s", list, i ? ", " : "", x.name);
    return list ? list : "";
}

static const char *format_name(const void *unused, size_t i)
{
    struct api_format x;
    (void)unused;
    return api_format_at(i, &x) ? x.name : NULL;
}

const char *api_format_nearest(const char *name)
{
    return convd_nearest(name, format_name, NULL, 64);
}

/* ---- one option from its value ---- */

struct reader {
    struct api_options *o;
    const struct api_option_row *row;
    const char *member;
    const struct convd_value *v;
    struct convd_arena *mem;
    struct convd_faults *f;
    bool query;
};

static const char *expects(const struct reader *r);

static struct convd_fault *refuse(const struct reader *r, int code, const struct convd_value *v)
{
    return convd_fault_expected(r->f, code, r->query ? NULL : r->member, expects(r), "%s%s is %s",
                                r->query ? "the query's " : "", r->member,
                                convd_value_show(r->f->mem, v));
}

static const char *word_at(const void *words, size_t i)
{
    return ((const char *const *)words)[i];
}

static bool read_word(const struct reader *r, int *out)
{
    const char *const *words = r->row->words;
    if (r->v->kind != CONVD_STRING) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], r->v->string) == 0) {
            *out = i;
            return true;
        }
    refuse(r, CONVD_OUT_OF_RANGE, r->v)->suggestion =
        convd_nearest(r->v->string, word_at, words, 64);
    return false;
}

static bool read_int(const struct reader *r, int *out)
{
    const struct api_option_row *row = r->row;
    if (r->v->kind != CONVD_NUMBER) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    if (r->v->number != floor(r->v->number) || r->v->number < row->lo || r->v->number > row->hi ||
        fmod(r->v->number - row->lo, row->step) != 0) {
        refuse(r, CONVD_OUT_OF_RANGE, r->v);
        return false;
    }
    *out = (int)r->v->number;
    return true;
}

static bool read_background(const struct reader *r)
{
    const char *s = r->v->kind == CONVD_STRING ? r->v->string : NULL;
    if (!s) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    if (r->query && *s != '#') /* '#' ends a URL's query, so it may be left out there */
        s = convd_arena_printf(r->mem, "#%s", s);
    if (!s || strlen(s) != 7 || *s != '#' || strspn(s + 1, "0123456789abcdefABCDEF") != 6) {
        refuse(r, CONVD_OUT_OF_RANGE, r->v);
        return false;
    }
    long x = strtol(s + 1, NULL, 16);
    for (int i = 0; i < 3; i++) r->o->background[i] = (uint8_t)(x >> (16 - 8 * i));
    return true;
}

static bool read_texts(const struct reader *r, const char *const **list, size_t *n)
{
    const struct convd_value *items = r->v->kind == CONVD_ARRAY ? r->v->items : r->v;
    size_t count = r->v->kind == CONVD_ARRAY ? r->v->n : 1;
    const char **texts = convd_arena_array(r->mem, count ? count : 1, sizeof *texts);
    if (!texts) {
        convd_fault(r->f, CONVD_NO_MEMORY, r->member, "no memory for a list of %zu", count);
        return false;
    }
    bool fine = true;
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == CONVD_STRING) {
            texts[i] = items[i].string;
            continue;
        }
        size_t mark = convd_enter(r->f, r->member);
        if (r->v->kind == CONVD_ARRAY) convd_enter_item(r->f, i);
        convd_fault_expected(r->f, CONVD_WRONG_TYPE, NULL, expects(r), "%s is %s", r->member,
                             convd_value_show(r->f->mem, &items[i]));
        convd_leave(r->f, mark);
        fine = false;
    }
    *list = texts;
    *n = count;
    return fine;
}

/* A query's "a,b" as a list. */
static struct convd_value split_commas(const char *s, struct convd_arena *mem)
{
    size_t n = 1;
    for (const char *p = s; *p; p++) n += *p == ',';
    struct convd_value *items = convd_arena_array(mem, n, sizeof *items);
    char *copy = convd_arena_text(mem, s, strlen(s));
    if (!items || !copy) return convd_string("");
    for (size_t i = 0; i < n; i++) {
        items[i] = convd_string(copy);
        copy += strcspn(copy, ",");
        *copy++ = '\0';
    }
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)n, .items = items};
}

static bool read_from(const struct reader *r)
{
    struct reader list = *r;
    struct convd_value split;
    if (r->query && r->v->kind == CONVD_STRING && strchr(r->v->string, ',')) {
        split = split_commas(r->v->string, r->mem);
        list.v = &split;
    }
    r->o->from_listed = list.v->kind == CONVD_ARRAY;
    r->o->from_query = r->query;
    if (list.v->kind == CONVD_ARRAY && list.v->n == 0) {
        refuse(r, CONVD_OUT_OF_RANGE, list.v);
        return false;
    }
    if (!read_texts(&list, &r->o->from, &r->o->n_from)) return false;
    r->o->from_all = r->o->n_from == 1 && strcmp(r->o->from[0], "*") == 0;
    return true;
}

static bool read_format(const struct reader *r)
{
    if (r->v->kind != CONVD_STRING) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    if (api_format_named(r->v->string, &r->o->format)) return true;
    struct convd_fault *x = refuse(r, r->query ? API_NOT_ACCEPTABLE : CONVD_OUT_OF_RANGE, r->v);
    x->expected = convd_arena_printf(r->f->mem, "one of %s", api_format_list(r->f->mem));
    x->suggestion = api_format_nearest(r->v->string);
    return false;
}

static bool read_view(const struct reader *r)
{
    const char *s = r->v->kind == CONVD_STRING ? r->v->string : NULL;
    if (!s) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    if (strcmp(s, "auto") == 0 || strcmp(s, "grid") == 0) {
        r->o->view = *s == 'a' ? CONVD_VIEW_AUTO : CONVD_VIEW_GRID;
        return true;
    }
    size_t digits = strncmp(s, "channel:", 8) == 0 ? strspn(s + 8, "0123456789") : 0;
    if (digits == 0 || digits > 9 || s[8 + digits]) {
        static const char *const known[] = {"auto", "grid", "channel:0", NULL};
        refuse(r, CONVD_OUT_OF_RANGE, r->v)->suggestion = convd_nearest(s, word_at, known, 3);
        return false;
    }
    r->o->view = CONVD_VIEW_CHANNEL;
    r->o->channel = strtol(s + 8, NULL, 10);
    return true;
}

static bool read_labels(const struct reader *r)
{
    if (r->v->kind != CONVD_ARRAY) {
        refuse(r, CONVD_WRONG_TYPE, r->v);
        return false;
    }
    return read_texts(r, &r->o->labels, &r->o->n_labels);
}

static bool read_option(const struct reader *r, enum api_option which)
{
    int x = 0;
    bool fine = false;
    switch (which) {
    case API_OPTION_CHANNELS:
        fine = read_word(r, &x);
        r->o->channels = (enum convd_channels)x;
        break;
    case API_OPTION_BACKGROUND:
        return read_background(r);
    case API_OPTION_ALPHA:
        fine = read_word(r, &x);
        r->o->keep_alpha = x == 1;
        break;
    case API_OPTION_ORIENT:
        fine = read_word(r, &x);
        r->o->raw_orientation = x == 1;
        break;
    case API_OPTION_FROM:
        return read_from(r);
    case API_OPTION_FORMAT:
        return read_format(r);
    case API_OPTION_VIEW:
        return read_view(r);
    case API_OPTION_NORMALIZE:
        fine = read_word(r, &x);
        r->o->normalize = (enum convd_normalize)x;
        break;
    case API_OPTION_LABELS:
        return read_labels(r);
    case API_OPTION_QUALITY:
        return read_int(r, &r->o->quality);
    case API_OPTION_COMPRESSION:
        return read_int(r, &r->o->compression);
    case API_OPTION_DEPTH:
        return read_int(r, &r->o->depth);
    case API_OPTION_VALUES:
        fine = read_word(r, &x);
        r->o->values = (enum api_values)x;
        break;
    case API_OPTIONS:
        break;
    }
    return fine;
}

/* ---- all of them ---- */

static const struct api_option_row rows[API_OPTIONS] = {
#define OPTION(NAME, MEMBER, SECTION, QUERY, KIND, WORDS, LO, HI, STEP, SUMMARY)                   \
    {MEMBER, SECTION, QUERY, API_KIND_##KIND, WORDS, LO, HI, STEP, SUMMARY},
#include "options.def"
#undef OPTION
};

const struct api_option_row *api_option_row(size_t i)
{
    return i < API_OPTIONS ? &rows[i] : NULL;
}

static const char *words_expected(const char *const *words, struct convd_arena *mem)
{
    const char *list = "";
    for (size_t i = 0; words[i] && list; i++)
        list = convd_arena_printf(mem, "%s%s\"%s\"", list,
                                  i == 0         ? ""
                                  : words[i + 1] ? ", "
                                                 : " or ",
                                  words[i]);
    return list ? list : "";
}

const char *api_option_expects(size_t i, struct convd_arena *mem)
{
    const struct api_option_row *row = &rows[i];
    const char *text = NULL;
    switch (row->kind) {
    case API_KIND_WORD:
        return words_expected(row->words, mem);
    case API_KIND_INT:
        text = row->lo + row->step == row->hi
                   ? convd_arena_printf(mem, "%d or %d", row->lo, row->hi)
                   : convd_arena_printf(mem, "an integer from %d to %d", row->lo, row->hi);
        break;
    case API_KIND_COLOUR:
        return "a colour as \"#rrggbb\"";
    case API_KIND_IDS:
        return "a step's id, a list of them, or \"*\"";
    case API_KIND_FORMAT:
        text = convd_arena_printf(mem, "one of %s", api_format_list(mem));
        break;
    case API_KIND_VIEW:
        return "\"auto\", \"grid\" or \"channel:N\"";
    case API_KIND_TEXTS:
        return "a list of strings, one for each number";
    }
    return text ? text : "";
}

bool api_option_described(size_t i, struct api_described *o, struct convd_arena *mem)
{
    const struct api_option_row *row = api_option_row(i);
    if (row && o)
        *o = (struct api_described){row->member, row->section, api_option_expects(i, mem),
                                    row->summary, row->query};
    return row != NULL;
}

static const char *expects(const struct reader *r)
{
    return api_option_expects((size_t)(r->row - rows), r->f->mem);
}

struct api_options api_options_default(void)
{
    return (struct api_options){.background = {255, 255, 255},
                                .quality = 90,
                                .compression = -1,
                                .depth = 8,
                                .from_prefix = ""};
}

struct section {
    const char *name;
    bool query;
};

/* The i-th member of a section, or of a query. */
static const char *member_of(const void *arg, size_t i)
{
    const struct section *s = arg;
    for (size_t k = 0; k < API_OPTIONS; k++)
        if ((s->query ? rows[k].query : strcmp(rows[k].section, s->name) == 0) && i-- == 0)
            return rows[k].member;
    return NULL;
}

static int find(const struct section *s, const char *member)
{
    for (int k = 0; k < API_OPTIONS; k++)
        if ((s->query ? rows[k].query : strcmp(rows[k].section, s->name) == 0) &&
            strcmp(rows[k].member, member) == 0)
            return k;
    return -1;
}

static const char *members_list(const struct section *s, struct convd_arena *mem)
{
    const char *list = "one of", *name;
    for (size_t i = 0; list && (name = member_of(s, i)); i++)
        list = convd_arena_printf(mem, "%s%s %s", list, i ? "," : "", name);
    return list ? list : "";
}

void api_options_read(struct api_options *o, const char *section, const struct convd_value *v,
                      struct convd_arena *mem, struct convd_faults *f)
{
    const struct section s = {.name = section};
    if (!v) return;
    size_t mark = convd_enter(f, section);
    if (v->kind != CONVD_OBJECT)
        convd_fault_expected(f, CONVD_WRONG_TYPE, NULL, "an object", "%s is %s", section,
                             convd_value_show(f->mem, v));
    for (uint32_t i = 0; v->kind == CONVD_OBJECT && i < v->n; i++) {
        const char *name = v->members[i].name;
        int k = find(&s, name);
        if (k < 0) {
            struct convd_fault *x =
                convd_fault_expected(f, CONVD_UNKNOWN_MEMBER, name, members_list(&s, f->mem),
                                     "%s has no member \"%.64s\"", section, name);
            x->suggestion = convd_nearest(name, member_of, &s, API_OPTIONS);
            continue;
        }
        const struct reader r = {
            .o = o, .row = &rows[k], .member = name, .v = &v->members[i].value, .mem = mem, .f = f};
        if (read_option(&r, (enum api_option)k)) o->given |= 1u << k;
    }
    convd_leave(f, mark);
}

/* A query's text as a spec would have it: integers are numbers. */
static struct convd_value text_value(const char *s)
{
    size_t n = strlen(s), digits = strspn(s, "0123456789");
    return n > 0 && n < 10 && digits == n ? convd_number((double)strtol(s, NULL, 10))
                                          : convd_string(s);
}

void api_options_query(struct api_options *o, const struct api_pair *query, size_t n,
                       struct convd_arena *mem, struct convd_faults *f)
{
    const struct section s = {.query = true};
    unsigned seen = 0;
    for (size_t i = 0; i < n; i++) {
        int k = find(&s, query[i].name);
        if (k < 0) {
            struct convd_fault *x =
                convd_fault_expected(f, CONVD_BAD_REQUEST, NULL, members_list(&s, f->mem),
                                     "no query parameter \"%.64s\"", query[i].name);
            x->suggestion = convd_nearest(query[i].name, member_of, &s, API_OPTIONS);
            continue;
        }
        if (seen & 1u << k) {
            convd_fault_expected(f, CONVD_BAD_REQUEST, NULL, "each query parameter once",
                                 "the query parameter \"%s\" is there twice", rows[k].member);
            continue;
        }
        seen |= 1u << k;
        const struct convd_value v = k == API_OPTION_BACKGROUND || k == API_OPTION_FROM
                                         ? convd_string(query[i].value)
                                         : text_value(query[i].value);
        const struct reader r = {.o = o,
                                 .row = &rows[k],
                                 .member = rows[k].member,
                                 .v = &v,
                                 .mem = mem,
                                 .f = f,
                                 .query = true};
        if (read_option(&r, (enum api_option)k)) o->given |= 1u << k;
    }
}

void api_options_merge(struct api_options *o, const struct api_options *over)
{
    unsigned g = over->given;
    o->given |= g;
#define TAKE(NAME, FIELD)                                                                          \
    if (g & API_GIVEN(NAME)) o->FIELD = over->FIELD
    TAKE(CHANNELS, channels);
    TAKE(ALPHA, keep_alpha);
    TAKE(ORIENT, raw_orientation);
    TAKE(FORMAT, format);
    TAKE(VIEW, view);
    TAKE(VIEW, channel);
    TAKE(NORMALIZE, normalize);
    TAKE(LABELS, labels);
    TAKE(LABELS, n_labels);
    TAKE(QUALITY, quality);
    TAKE(COMPRESSION, compression);
    TAKE(DEPTH, depth);
    TAKE(VALUES, values);
    TAKE(FROM, from);
    TAKE(FROM, n_from);
    TAKE(FROM, from_all);
    TAKE(FROM, from_listed);
    TAKE(FROM, from_query);
    TAKE(FROM, from_prefix);
#undef TAKE
    if (g & API_GIVEN(BACKGROUND)) memcpy(o->background, over->background, sizeof o->background);
}

/* ---- printing ---- */

static struct convd_value texts_value(const char *const *list, size_t n, struct convd_arena *mem)
{
    struct convd_value *items = convd_arena_array(mem, n ? n : 1, sizeof *items);
    for (size_t i = 0; items && i < n; i++) items[i] = convd_string(list[i]);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = items ? (uint32_t)n : 0, .items = items};
}

struct convd_value api_option_value(const struct api_options *o, size_t i, struct convd_arena *mem)
{
    const char *s = NULL;
    switch ((enum api_option)i) {
    case API_OPTION_CHANNELS:
        return convd_string(channels_words[o->channels]);
    case API_OPTION_BACKGROUND:
        s = convd_arena_printf(mem, "#%02x%02x%02x", o->background[0], o->background[1],
                               o->background[2]);
        return convd_string(s ? s : "");
    case API_OPTION_ALPHA:
        return convd_string(alpha_words[o->keep_alpha]);
    case API_OPTION_ORIENT:
        return convd_string(orient_words[o->raw_orientation]);
    case API_OPTION_FROM:
        return o->from_listed ? texts_value(o->from, o->n_from, mem)
                              : convd_string(o->n_from ? o->from[0] : "");
    case API_OPTION_FORMAT:
        return convd_string(o->format.name ? o->format.name : "");
    case API_OPTION_VIEW:
        s = o->view == CONVD_VIEW_CHANNEL ? convd_arena_printf(mem, "channel:%td", o->channel)
            : o->view == CONVD_VIEW_GRID  ? "grid"
                                          : "auto";
        return convd_string(s ? s : "");
    case API_OPTION_NORMALIZE:
        return convd_string(convd_normalize_words[o->normalize]);
    case API_OPTION_LABELS:
        return texts_value(o->labels, o->n_labels, mem);
    case API_OPTION_QUALITY:
        return convd_number(o->quality);
    case API_OPTION_COMPRESSION:
        return convd_number(o->compression);
    case API_OPTION_DEPTH:
        return convd_number(o->depth);
    case API_OPTION_VALUES:
        return convd_string(values_words[o->values]);
    case API_OPTIONS:
        break;
    }
    return (struct convd_value){.kind = CONVD_NULL};
}

bool api_option_idle(const struct api_options *o, size_t i)
{
    if (!(o->given >> i & 1)) return true;
    struct convd_arena mem;
    convd_arena_init(&mem, NULL, 0);
    const struct api_options none = api_options_default();
    bool counts = i == API_OPTION_FROM || i == API_OPTION_FORMAT || i == API_OPTION_LABELS;
    bool same = false;
    if (!counts) {
        struct convd_value a = api_option_value(o, i, &mem), b = api_option_value(&none, i, &mem);
        same = convd_value_equal(&a, &b);
    }
    convd_arena_release(&mem);
    return same;
}

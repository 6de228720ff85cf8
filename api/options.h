/* options.h: what the `input` and `output` members of a spec and a query say beside the steps. */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H
#include "api.h"

/* ---- formats of answers: the codecs that write, and json ---- */
enum api_format_kind { API_PICTURE, API_NPY, API_SAFETENSORS, API_JSON };
struct api_format {
    const char *name, *media, *extension;
    enum api_format_kind kind;
    const struct convd_codec *codec; /* NULL for json */
};
bool api_format_at(size_t i, struct api_format *out);            /* false past the end */
bool api_format_named(const char *name, struct api_format *out); /* "jpg" too          */
const char *api_format_list(struct convd_arena *mem);            /* "png, jpeg, …"     */
const char *api_format_nearest(const char *name);

enum api_option {
#define OPTION(NAME, ...) API_OPTION_##NAME,
#include "options.def"
#undef OPTION
    API_OPTIONS
};
#define API_GIVEN(NAME) (1u << API_OPTION_##NAME)

enum api_values { API_VALUES_AUTO, API_VALUES_ALL, API_VALUES_NONE };
struct api_options {
    unsigned given;                 /* API_GIVEN(CHANNELS) | … : what was said                              */
    enum convd_channels channels;
    uint8_t background[3];
    bool keep_alpha, raw_orientation;
    const char *const *from;        /* ids as written                                                       */
    size_t n_from;
    bool from_all, from_listed;     /* "*"; a list rather than one id: decides the pointer of faults        */
    bool from_query;                /* said by the query: faults have no pointer                            */
    const char *from_prefix;        /* ids stand behind this                                                */
    struct api_format format;
    enum convd_view_kind view;
    ptrdiff_t channel;
    enum convd_normalize normalize;
    const char *const *labels;
    size_t n_labels;
    int quality, compression, depth;
    enum api_values values;
};
/* What holds when nothing is said. */
struct api_options api_options_default(void);
/* Reads one section ("input", "output") of a spec, at the faults' place of the spec. v NULL: nothing was said. */
void api_options_read(struct api_options *o, const char *section, const struct convd_value *v, struct convd_arena *mem,
                      struct convd_faults *f);
/* Reads a query: pairs whose names are in none of the rows are faults with the nearest name; a name twice too. */
void api_options_query(struct api_options *o, const struct api_pair *query, size_t n, struct convd_arena *mem,
                       struct convd_faults *f);
/* Takes over from `over` what it says. */
void api_options_merge(struct api_options *o, const struct api_options *over);

/* The rows of options.def. */
enum api_option_kind {
    API_KIND_WORD,   /* one of words                                  */
    API_KIND_INT,    /* lo, lo + step … hi                            */
    API_KIND_COLOUR, /* "#rrggbb"                                     */
    API_KIND_IDS,    /* an id or a list of them                       */
    API_KIND_FORMAT, /* api_format_named                              */
    API_KIND_VIEW,   /* "auto", "grid", "channel:N"                   */
    API_KIND_TEXTS,  /* a list of strings                             */
};
struct api_option_row {
    const char *member, *section; /* section "": a query's alone */
    bool query;
    enum api_option_kind kind;
    const char *const *words;
    int lo, hi, step;
    const char *summary;
};
const struct api_option_row *api_option_row(size_t i); /* NULL past the end */
/* The words of what it takes: "one of …", "an integer from 1 to 100". */
const char *api_option_expects(size_t i, struct convd_arena *mem);

/* For printing: option i (enum api_option) as its value, and whether it says what holds anyway. */
struct convd_value api_option_value(const struct api_options *o, size_t i, struct convd_arena *mem);
bool api_option_idle(const struct api_options *o, size_t i);
#endif

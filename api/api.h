/* api.h: from what a request says to what it answers. Text and pictures in, text and pictures out; knows JSON, knows no
 * HTTP server, opens no socket and no file. The server's handlers and `convd run` both stand on these calls:
 *
 *     api_work_prepare   reads the pipeline and the picture's header, plans, settles format, memory and ETag
 *     api_work_run       decodes, runs, encodes; fails only for what a header cannot tell (and for cancelling)
 *
 * All memory of a piece of work comes from its struct convd_memory and goes back with api_work_release. */
#ifndef API_H
#define API_H
#include "../core/draw.h"
#include "../core/graph.h"
#include "../core/image/image.h"
#include "../core/plan.h"

/* ---- pipelines that have a name: built in (pipelines/NAME.json, parsed once), and saved ones ---- */
/* A library never changes. Adding makes another one; who uses one holds it until its graphs are gone. */
struct api_library;
struct convd_grad;
/* Parses every built-in pipeline and plans it once for a small picture: a broken one is a fault. NULL after one. */
struct api_library *api_library_new(struct convd_faults *f);
struct api_library *api_library_hold(const struct api_library *lib);
void api_library_free(struct api_library *lib); /* lets go of it: the last one's frees it; NULL is fine */
const struct convd_names *api_library_names(const struct api_library *lib);
struct api_pipeline {
    const char *name, *summary, *json; /* json: the file's text */
    size_t json_n;
    const struct convd_value *spec;
    bool built_in;
    const struct convd_tensor *tensors; /* saved: "NAME" of "@NAME", and learned ones, "STEP.weight" */
    size_t n_tensors;
    uint64_t hash;                      /* saved: of all that it does                                */
};
const struct api_pipeline *api_library_at(const struct api_library *lib, size_t i); /* NULL past the end */
const struct api_pipeline *api_library_find(const struct api_library *lib, const char *name);

struct api_part { const char *name; const void *data; size_t n; };
struct api_limits {
    struct convd_limits plan;
    size_t max_pixels;
    ptrdiff_t max_side;
};
/* What a pipeline that is to be saved says, and what of it is kept. */
struct api_save {
    const char *name;
    const char *text;              /* a spec or a chain                                             */
    size_t n;
    const struct api_part *tensors;/* "@name": npy or safetensors                                   */
    size_t n_tensors;
    const void *weights;           /* safetensors: NAME of "@NAME", and STEP.weight; NULL: none      */
    size_t weights_n;
    struct api_limits limits;
    /* made: */
    struct convd_bytes spec;       /* JSON: as it came, or what the chain stands for                 */
    struct convd_bytes kept;       /* all its tensors as safetensors; n 0: it has none               */
};
/* Whether a pipeline may have that name; a fault says why not. */
bool api_library_may(const struct api_library *lib, const char *name, struct convd_faults *f);
/* lib with the pipeline added or replaced, or NULL after faults (all of them, with pointers into its text). Release spec and
 * kept in any case. */
struct api_library *api_library_save(const struct api_library *lib, struct api_save *save, struct convd_faults *f);
struct api_library *api_library_without(const struct api_library *lib, const char *name);
/* The names of saved pipelines that cannot be read without the one called name: "a, b", in mem. NULL: there are none. */
const char *api_library_users(const struct api_library *lib, const char *name, const struct api_limits *limits,
                              struct convd_arena *mem);

/* ---- codes and statuses: problem.def ---- */
enum api_code {
    API_CODES_BEGIN = CONVD_CODES - 1,
#define PROBLEM(CODE, STATUS, WORD, TITLE, SUMMARY)
#define OWN_PROBLEM(NAME, STATUS, WORD, TITLE, SUMMARY) API_##NAME,
#include "problem.def"
#undef PROBLEM
#undef OWN_PROBLEM
    API_CODES_END
};
int api_code_status(int code);
const char *api_code_word(int code);
const char *api_code_title(int code);
const char *api_code_summary(int code);
/* The status of a list of faults: that of the first, which is also the answer's top level (500 is never made: NO_MEMORY is
 * 503). Faults come in the order a request is read: query, JSON, pipeline, picture, plan. */
int api_faults_status(const struct convd_faults *f);
/* Appends application/problem+json (RFC 9457): the first fault at the top level, the rest in "errors", each in the same
 * form; instance is the request id. */
bool api_problem_write(const struct convd_faults *f, const char *instance, struct convd_bytes *out);

/* ---- one piece of work ---- */
struct api_pair { const char *name, *value; };          /* decoded */

/* What is asked of a pipeline and a picture. */
enum api_ask {
    API_RUN,      /* what comes out                                                                      */
    API_PROBE,    /* what one number of one step is made of: probe.c                                     */
    API_GRADIENT, /* how one output changes with the picture, the tensors, the weights: gradient.c       */
};
enum api_at { API_AT_STEP, API_AT_CHANNEL, API_AT_X, API_AT_Y, API_AT_MEMBERS };

enum api_pipeline_form {
    API_CHAIN,    /* a chain whose unknown names are 404 (a request path) */
    API_PIPELINE, /* JSON when it begins with { [ or ", else a chain      */
};

struct api_work {
    /* set by the caller; everything outlives the work */
    enum api_ask ask;
    const struct api_library *library;
    const struct convd_memory *memory;
    struct api_limits limits;
    size_t threads;                    /* of the pool that will run it */
    enum api_pipeline_form form;
    const char *pipeline;              /* text; segments of a chain are percent-decoded later, by api_chain   */
    size_t pipeline_n;
    const struct convd_value *pipeline_value; /* or: the member `pipeline` of a JSON request, parsed              */
    const char *request;               /* or, in place of pipeline, image and tensors: the JSON form of a whole request
                                          as it came, {"pipeline", "image", "tensors"}; pipeline may still be given  */
    size_t request_n;
    const void *image;                 /* NULL: none came                                                    */
    size_t image_n;
    const struct api_part *tensors;    /* "@name": npy or safetensors                                        */
    size_t n_tensors;
    const struct convd_tensor *given;  /* tensors that are numbers already, beside those                     */
    size_t n_given;
    const struct convd_value *tensor_values;  /* or: object of nested arrays and base64 texts                 */
    const struct convd_value *at[API_AT_MEMBERS]; /* PROBE: which number; a string may stand for a number; NULL: left out */
    const void *upstream;              /* GRADIENT: dL/d output, npy; NULL: ones                             */
    size_t upstream_n;
    const struct convd_value *upstream_value; /* or: nested arrays or base64                                 */
    const struct api_pair *query;      /* format values view normalize from channels background alpha quality
                                          compression depth orient; unknown names are faults                 */
    size_t n_query;
    const char *accept;                /* the Accept header, or NULL                                         */

    /* settled by prepare */
    struct convd_memory counted;       /* memory, counting: what mem, graph and plan take                    */
    size_t taken;
    struct convd_arena mem;
    struct convd_faults *faults;       /* in mem */
    struct convd_graph *graph;
    struct convd_plan *plan;
    struct api_probe *probe;           /* probe.c                                                            */
    struct convd_grad *grad;           /* in place of plan for GRADIENT                                      */
    struct api_gradient *gradient;     /* gradient.c                                                         */
    struct convd_tensor *tensor_into;  /* where a tensor that is being read goes; NULL: the graph            */
    struct api_brought *brought;       /* tensors of safetensors files by their own names: tensors.c           */
    struct api_names *names;           /* library.c                                                          */
    uint64_t saved;                    /* hash of the saved pipelines in use, 0: none                        */
    struct api_output *output;         /* output.c: format, view, which nodes                                */
    struct convd_image_info info;
    bool sizable; /* a size may stand for the picture: explain                           */
    bool image_refused;                /* a picture came in the request, and was no base64                    */
    size_t bytes;                      /* most memory the run takes: decoded picture, workspace, outputs, encoding */
    char etag[40];                     /* with its quotes */

    struct convd_pool *pool;           /* run's, for the codecs                                              */

    /* made by run */
    struct convd_bytes body;
    const char *media;                 /* Content-Type */
    const char *extension;             /* for Content-Disposition */
    double saturated;                  /* share 0..1; NAN: nothing was mapped to 8 or 16 bits */
    struct { double decode_ms, run_ms, encode_ms; } timing;
    uint64_t *step_ns;                 /* time of each node of the graph, over all workers; from prepare on  */
};
/* Reads all but the picture: pipeline, tensors, query, outputs. False after faults. In place of prepare. */
bool api_work_check(struct api_work *w);
/* False after faults (in w->faults; pointers as the client wrote it). */
bool api_work_prepare(struct api_work *w);
bool api_work_run(struct api_work *w, struct convd_pool *pool, const atomic_bool *cancel);
/* In place of run, to see how long running takes: decodes once, runs once and then `rounds` times over the same memory,
 * encodes nothing. After each of those each() finds timing.run_ms and step_ns of that round alone. */
bool api_work_rounds(struct api_work *w, struct convd_pool *pool, size_t rounds,
                     void (*each)(void *self, size_t round), void *self);
void api_work_release(struct api_work *w); /* also after a failed prepare */

/* ---- the same up to the plan, for explain; size instead of a picture ---- */
struct api_size { ptrdiff_t width, height, channels; };
/* format: json (also NULL), text, chain, spec. size: in place of a picture, or NULL; channels is what the pipeline sees.
 * chain and spec need neither. Appends to w->body, sets media. */
bool api_explain(struct api_work *w, const struct api_size *size, const char *format);
const char *api_explain_format(size_t i);      /* NULL past the end                               */
bool api_explain_sized(const char *format);    /* whether it asks for a size or a picture         */

/* ---- the catalogue, as JSON ---- */
bool api_ops_write(const char *name, struct convd_bytes *out);      /* NULL: all of them; false: no such op     */
bool api_kernels_write(const char *name, struct convd_bytes *out);
/* One kernel with the arguments that a query gives it, and format=json or png. False: f says why; without a fault there is no
 * such kernel, or no memory. */
bool api_kernel_write(const char *name, const struct api_pair *query, size_t n, struct convd_arena *mem,
                      struct convd_faults *f, struct convd_bytes *out, const char **media);
bool api_pipelines_write(const struct api_library *lib, const char *name, struct convd_bytes *out);
/* Option i of options.def, for the docs; false past the end. o NULL: only asked whether there is one. */
struct api_described {
    const char *member, *section, *expects, *summary;
    bool query;
};
bool api_option_described(size_t i, struct api_described *o, struct convd_arena *mem);
/* The server's routes, for the description of it all. Words of takes, query and gives: openapi.def. */
struct api_route {
    const char *method, *pattern; /* "/v1/ops/{name}"                       */
    const char *id, *tag;
    const char *takes, *query;    /* blank-separated                        */
    const char *gives;            /* "" nothing                             */
    const char *statuses;         /* blank-separated, in order              */
    const char *summary;
    bool open;                    /* no key is asked for                    */
    bool needs_body;
};
/* OpenAPI 3.1. */
bool api_openapi_write(const struct api_library *lib, const struct api_limits *l, const struct api_route *routes, size_t n,
                       struct convd_bytes *out);
/* JSON Schema 2020-12 of a pipeline; limits NULL: the defaults. */
bool api_schema_write(const struct api_library *lib, const struct api_limits *l, struct convd_bytes *out);
bool api_limits_write(const struct api_limits *l, struct convd_bytes *out); /* members without braces: the server adds its own */
#endif

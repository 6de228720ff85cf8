/* spec.h: pipelines as text: the JSON form (spec) and the URL form (chain), read into a graph and printed from it. The
 * meaning of steps, ids and names is core's (graph.h); here text becomes values and back. */
#ifndef API_SPEC_H
#define API_SPEC_H
#include "json.h"
#include "options.h"

/* Reads a spec that is already a value (object, array of steps, or a string: a chain) into g; what its input and output
 * say goes to o. At the faults' current place. */
void api_spec_read(const struct convd_value *v, struct convd_graph *g, struct api_options *o, struct convd_faults *f,
                   struct convd_arena *mem);
/* Reads text: JSON when it begins with { [ or ", else a chain. path: it is a request's path, whose unknown names are 404. */
void api_pipeline_read(const char *text, size_t n, bool path, struct convd_graph *g, struct api_options *o,
                       struct convd_faults *f, struct convd_arena *mem);
/* What a pipeline's name at the start or end of g brings along: its input and its output. */
void api_options_named(struct api_options *o, const struct convd_graph *g, struct convd_arena *mem);

/* Appends the spec: what was written, in canonical names. o: what else was said, or NULL. False without memory. */
bool api_spec_write(const struct convd_graph *g, const struct api_options *o, struct convd_bytes *out);

/* Reads a chain. Faults point into the spec it stands for and name the segment. */
void api_chain_read(const char *text, size_t n, bool path, struct convd_graph *g, struct convd_faults *f,
                    struct convd_arena *mem);
/* Appends the chain. False after a fault: NOT_EXPRESSIBLE with the step's pointer, or NO_MEMORY. */
bool api_chain_write(const struct convd_graph *g, const struct api_options *o, struct convd_bytes *out,
                     struct convd_faults *f);
#endif

/* cmd_stats.c: the times and the statistics of a result, for people. The numbers are those of the JSON result. */
#include "cmd_stats.h"

#include <math.h>
#include <string.h>

#include "../api/json.h"

static double number(const struct convd_value *v, const char *name)
{
    const struct convd_value *x = convd_value_get(v, name);
    return x && x->kind == CONVD_NUMBER ? x->number : NAN;
}

static void print_output(const struct convd_value *output)
{
    const struct convd_value *id = convd_value_get(output, "id"),
                             *shape = convd_value_get(output, "shape");
    const struct convd_value *stats = convd_value_get(output, "stats");
    fprintf(stderr, "  %s ", id && id->kind == CONVD_STRING ? id->string : "");
    for (uint32_t i = 0; shape && shape->kind == CONVD_ARRAY && i < shape->n; i++)
        fprintf(stderr, "%s%.0f", i ? "x" : "", shape->items[i].number);
    fprintf(stderr, ": min %.6g, max %.6g, mean %.6g, std %.6g, zeros %.0f, nonfinite %.0f\n",
            number(stats, "min"), number(stats, "max"), number(stats, "mean"), number(stats, "std"),
            number(stats, "zeros"), number(stats, "nonfinite"));
}

void cmd_stats_print(const struct cmd_work *c, const char *input, const struct api_work *done,
                     struct convd_pool *pool)
{
    const struct convd_input *in = &done->info.input;
    fprintf(stderr, "%s: %tdx%td, decode %.2f ms, run %.2f ms, encode %.2f ms",
            strcmp(input, "-") ? input : "standard input", in->width, in->height,
            done->timing.decode_ms, done->timing.run_ms, done->timing.encode_ms);
    if (!isnan(done->saturated)) fprintf(stderr, ", %.2f %% saturated", 100 * done->saturated);
    fputc('\n', stderr);

    const struct api_pair query[] = {{"format", "json"}, {"values", "none"}};
    struct api_work w = cmd_work_on(c, done->image, done->image_n);
    w.threads = done->threads;
    w.query = query;
    w.n_query = sizeof query / sizeof *query;
    struct convd_value json;
    if (!api_work_prepare(&w) || !api_work_run(&w, pool, NULL) ||
        !api_json_parse((const char *)w.body.data, w.body.n, w.body.n, &w.mem, w.faults, &json)) {
        cmd_say_faults(w.faults, input);
    } else {
        const struct convd_value *outputs = convd_value_get(&json, "outputs");
        for (uint32_t i = 0; outputs && outputs->kind == CONVD_ARRAY && i < outputs->n; i++)
            print_output(&outputs->items[i]);
    }
    api_work_release(&w);
}

/* lib_fuzz.h: what the fuzz targets of api share: a picture, small limits, and the promise that what prints reads back. */
#ifndef TESTS_FUZZ_LIB_FUZZ_H
#define TESTS_FUZZ_LIB_FUZZ_H
#include "../../api/spec.h"
#include "../../api/work.h"
#include <stdlib.h>
#include <string.h>

static inline const struct api_library *fuzz_library(void)
{
    static struct api_library *lib;
    if (!lib) {
        struct convd_faults *f = convd_faults_new();
        lib = api_library_new(f);
        convd_faults_free(f);
        if (!lib) abort();
    }
    return lib;
}

/* A work with limits that keep a single run short. */
static inline struct api_work fuzz_work(const char *text, size_t n, enum api_pipeline_form form)
{
    static const char picture[] = "P6\n5 4\n255\n"
                                  "012345678901234567890123456789012345678901234567890123456789";
    return (struct api_work){
        .library = fuzz_library(),
        .threads = 1,
        .form = form,
        .pipeline = text,
        .pipeline_n = n,
        .image = picture,
        .image_n = sizeof picture - 1,
        .limits = {.plan = {.memory = 8u << 20, .macs = 1e6, .steps = 40, .expanded = 200}}};
}

static inline char *fuzz_printed(const char *text, size_t n, enum api_pipeline_form form,
                          const char *format)
{
    struct api_work w = fuzz_work(text, n, form);
    char *out = NULL;
    if (api_explain(&w, NULL, format)) {
        out = malloc(w.body.n + 1);
        if (!out) abort();
        memcpy(out, w.body.data, w.body.n);
        out[w.body.n] = 0;
    } else if (!w.faults->first) {
        abort(); /* no answer and no reason */
    }
    api_work_release(&w);
    return out;
}

/* What can be read prints as a spec and, where one can say it, as a chain; both read back as the same pipeline. */
static inline void fuzz_round_trip(const char *text, size_t n, enum api_pipeline_form form)
{
    char *spec = fuzz_printed(text, n, form, "spec");
    if (!spec) return;
    char *again = fuzz_printed(spec, strlen(spec), API_PIPELINE, "spec");
    if (!again || strcmp(spec, again) != 0) abort();
    char *chain = fuzz_printed(spec, strlen(spec), API_PIPELINE, "chain");
    if (chain) {
        char *back = fuzz_printed(chain, strlen(chain), API_PIPELINE, "spec"),
             *twice = fuzz_printed(chain, strlen(chain), API_PIPELINE, "chain");
        if (!back || !twice || strcmp(chain, twice) != 0) abort();
        free(back);
        free(twice);
    }
    free(chain);
    free(again);
    free(spec);
}

/* Charts and programs are made or refused; one number and the gradient are asked for. */
static inline void fuzz_ask(const char *text, size_t n, enum api_pipeline_form form)
{
    static const char *const formats[] = {"json", "text", "mermaid", "pytorch", "opencv"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        free(fuzz_printed(text, n, form, formats[i]));
    const struct convd_value zero = convd_number(0);
    struct api_work w = fuzz_work(text, n, form);
    w.ask = API_PROBE;
    w.at[API_AT_X] = w.at[API_AT_Y] = &zero;
    if (!(api_work_prepare(&w) && api_work_run(&w, NULL, NULL)) && !w.faults->first) abort();
    api_work_release(&w);
    w = fuzz_work(text, n, form);
    w.ask = API_GRADIENT;
    if (!(api_work_prepare(&w) && api_work_run(&w, NULL, NULL)) && !w.faults->first) abort();
    api_work_release(&w);
}

/* Plans and runs; a refusal is a problem that is JSON. */
static inline void fuzz_run(const char *text, size_t n, enum api_pipeline_form form)
{
    struct api_work w = fuzz_work(text, n, form);
    if (!api_work_prepare(&w) || !api_work_run(&w, NULL, NULL)) {
        struct convd_bytes b = {0};
        struct convd_faults *f = convd_faults_new();
        if (!w.faults->first || !api_problem_write(w.faults, "fuzz", &b) ||
            !api_json_scan((const char *)b.data, b.n, f))
            abort();
        convd_faults_free(f);
        convd_bytes_release(&b);
    }
    api_work_release(&w);
}
#endif

/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc */
/* A warm request asks the C library's heap for nothing: all its memory comes from where it was told. (What codec
 * libraries do inside is theirs; this picture is read and written by our own code.) */
#include "../heap.h"
#include "../t.h"
#include "lib_work.h"

static const struct {
    const char *pipeline, *format;
} cases[] = {
    {"edges", "bmp"},
    {"grayscale/gaussian:5/max_pool:2", "ppm"},
    {"{\"steps\":[\"grayscale\",{\"op\":\"filter\",\"kernel\":[[0,1,0],[1,-4,1],[0,1,0]]},\"abs\"]"
     "}",
     "ppm"},
    {"{\"input\":{\"channels\":\"gray\"},\"steps\":[{\"op\":\"residual\",\"steps\":[\"edges\"]}]}",
     "json"},
    {"features", "bmp"},
    {"features", "npy"},
    {"edges-xy/global_sum_pool", "json"},
    {"grayscale/abs", "safetensors"},
};

TEST(a_warm_request_leaves_the_heap_alone)
{
    struct counting *c = counting_new();
    size_t n;
    uint8_t *x = test_picture(160, 120, 3, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int round = 0; round < 3; round++) {
            const struct api_pair query[] = {{"format", cases[i].format}};
            struct api_work w = test_work(c, x, n, cases[i].pipeline);
            w.query = query;
            w.n_query = 1;
            heap = 0;
            watching = round == 2; /* by then every block is among those that were given back */
            bool fine = api_work_prepare(&w) && api_work_run(&w, NULL, NULL);
            size_t during = heap;
            watching = false;
            if (!fine) T_FAIL("%s: %s", cases[i].pipeline, test_faults(w.faults));
            if (during) T_FAIL("%s as %s: %zu times", cases[i].pipeline, cases[i].format, during);
            watching = round == 2;
            api_work_release(&w);
            watching = false;
        }
    }
    counting_free(c);
    free(x);
}

TEST(the_watch_sees_what_it_should)
{
    watching = true;
    void *volatile p = malloc(10);
    watching = false;
    OK(heap > 0);
    free(p);
}
T_MAIN("api/heap")

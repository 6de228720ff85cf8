/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc */
/* Between the first step and the last learning asks the heap for nothing. */
#include "../../core/learn/learn.h"
#include "../../core/threads.h"
#include "../heap.h"
#include "../t.h"

enum { SIDE = 9, SAMPLES = 14 };

TEST(steps_of_learning_leave_the_heap_alone)
{
    static const struct {
        const char *op, *args;
    } steps[] = {{"conv", "weight=@w,padding=1,padding_mode=reflect"},
                 {"batch_norm", ""},
                 {"silu", ""},
                 {"instance_norm", ""},
                 {"dropout", "0.2"},
                 {"max_pool", "2"},
                 {"global_avg_pool", ""},
                 {"linear", "weight=@v"}};
    float w[3 * 9], v[6], pixels[SAMPLES][SIDE * SIDE];
    for (int i = 0; i < 27; i++) w[i] = (float)sin(i * 1.3);
    for (int i = 0; i < 6; i++) v[i] = (float)cos(i * 1.1);
    const struct convd_tensor tw = {"w", 4, {3, 1, 3, 3}, w}, tv = {"v", 2, {2, 3}, v};
    struct convd_faults *f = convd_faults_new();
    struct convd_graph *g = convd_graph_new(NULL, f);
    convd_graph_tensor(g, &tw);
    convd_graph_tensor(g, &tv);
    int node = CONVD_IMAGE;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        node = convd_graph_add(g, steps[i].op, steps[i].args, node);
        OK(node > 0);
        g->nodes[node].learn = 1;
    }
    struct convd_arena mem;
    struct convd_arg *args;
    struct convd_learn_settings s;
    size_t n;
    convd_arena_init(&mem, NULL, 0);
    OK(convd_args_split(f, &mem, "epochs=4,batch_size=4,validation=0.2", &args, &n));
    OK(convd_learn_read(args, n, &s, &mem, f));
    s.augment = (struct convd_augment){.flip = CONVD_MIRROR_XY, .shift = 1, .noise = 0.1};
    struct convd_pool *pool = convd_pool_new(1);
    struct convd_learner *l = convd_learner_new(g, node, &s, NULL, 2, f);
    for (int k = 0; k < SAMPLES; k++) {
        for (int i = 0; i < SIDE * SIDE; i++) pixels[k][i] = (float)sin(k + i * (k % 2 + 0.5));
        const struct convd_example e = {.name = "it",
                                        .input = {.pixels = CONVD_F32_NCHW,
                                                  .n = 1,
                                                  .height = SIDE,
                                                  .width = SIDE,
                                                  .stored = 1,
                                                  .channels = 1},
                                        .pixels = pixels[k],
                                        .class = k % 2};
        OK(convd_learner_add(l, &e, pool, NULL, f));
    }
    OK(convd_learner_ready(l, f));
    const struct convd_learn_run run = {.pool = pool};
    watching = true;
    const bool fine = convd_learner_run(l, &run, f);
    watching = false;
    OK(fine);
    EQ(0, heap);
    EQ(0, convd_faults_count(f));
    convd_learner_free(l);
    convd_pool_free(pool);
    convd_graph_free(g);
    convd_arena_release(&mem);
    convd_faults_free(f);
}

T_MAIN("core/learn_heap")

/* What is written becomes steps, and what cannot be says where and why. Values are made by hand: core knows no JSON. */
#include "../../core/graph.h"
#include "../../core/kernels.h"
#include "../t.h"

/* ---- a tiny way to write values ---- */
static struct convd_arena mem;
static struct convd_value S(const char *s) { return convd_string(s); }
static struct convd_value N(double x) { return convd_number(x); }
static struct convd_value list(size_t n, const struct convd_value *items)
{
    struct convd_value *copy = convd_arena_array(&mem, n ? n : 1, sizeof *copy);
    memcpy(copy, items, n * sizeof *copy);
    return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)n, .items = copy};
}
static struct convd_value object(size_t n, const struct convd_member *members)
{
    struct convd_member *copy = convd_arena_array(&mem, n ? n : 1, sizeof *copy);
    memcpy(copy, members, n * sizeof *copy);
    return (struct convd_value){.kind = CONVD_OBJECT, .n = (uint32_t)n, .members = copy};
}
#define L(...)                                                                                     \
    list(sizeof((struct convd_value[]){__VA_ARGS__}) / sizeof(struct convd_value),                 \
         (struct convd_value[]){__VA_ARGS__})
#define O(...)                                                                                     \
    object(sizeof((struct convd_member[]){__VA_ARGS__}) / sizeof(struct convd_member),             \
           (struct convd_member[]){__VA_ARGS__})
#define M(name, value) {name, value}

static struct convd_faults *f;
static struct convd_graph *g;
static void begin(void)
{
    convd_arena_init(&mem, NULL, 0);
    f = convd_faults_new();
    g = convd_graph_new(NULL, f);
}
static void end(void)
{
    convd_graph_free(g);
    convd_faults_free(f);
    convd_arena_release(&mem);
}
static int steps(struct convd_value v)
{
    size_t mark = convd_enter(f, "steps");
    int node = convd_graph_steps(g, &v);
    convd_leave(f, mark);
    return node;
}
/* The one fault there is. */
static void fault(int code, const char *pointer)
{
    const struct convd_fault *x = convd_faults_first(f);
    if (convd_faults_count(f) != 1)
        for (const struct convd_fault *y = x; y; y = y->next)
            print_error("%s: %s\n", y->pointer, y->detail);
    EQ(1, convd_faults_count(f));
    STR(convd_code_word(code), convd_code_word(x->code));
    STR(pointer, x->pointer);
    OK(*x->detail);
}

TEST(calls_and_lists_and_segments_make_the_same_steps)
{
    begin();
    int gray = convd_graph_add(g, "grayscale", "", CONVD_IMAGE);
    int pool = convd_graph_add(g, "max_pool", "kernel_size=3x2,stride=2", gray);
    EQ(2, pool);
    STR("s1", g->nodes[pool].id);
    struct convd_value two =
        L(S("grayscale"),
          O(M("op", S("max_pool")), M("kernel_size", L(N(3), N(2))), M("stride", N(2))));
    struct convd_graph *h = convd_graph_new(NULL, f);
    EQ(2, convd_graph_steps(h, &two));
    struct convd_graph *k = convd_graph_new(NULL, f);
    EQ(1, convd_graph_segment(k, "grayscale"));
    EQ(2, convd_graph_segment(k, "max_pool:3x2,2"));
    EQ(0, convd_faults_count(f));
    EQ(0, memcmp(g->nodes[2].params, h->nodes[2].params, g->nodes[2].op->params_size));
    EQ(0, memcmp(g->nodes[2].params, k->nodes[2].params, g->nodes[2].op->params_size));
    EQ(g->nodes[2].given, k->nodes[2].given);
    convd_graph_free(h);
    convd_graph_free(k);
    end();
}

TEST(branches_name_earlier_steps)
{
    begin();
    int sum =
        steps(L(O(M("op", S("abs")), M("id", S("a"))), O(M("op", S("neg")), M("input", S("image"))),
                O(M("op", S("add")), M("inputs", L(S("a"), S("s1"), S("image"))))));
    EQ(0, convd_faults_count(f));
    EQ(3, g->nodes[sum].n_inputs);
    EQ(1, g->nodes[sum].inputs[0]);
    EQ(2, g->nodes[sum].inputs[1]);
    EQ(CONVD_IMAGE, g->nodes[sum].inputs[2]);
    end();
}

TEST(names_of_other_libraries_are_understood)
{
    begin();
    steps(L(O(M("op", S("MaxPool")), M("ksize", N(2)))));
    EQ(0, convd_faults_count(f));
    STR("max_pool", g->nodes[1].op->name);
    end();
}

TEST(each_fault_has_its_pointer)
{
    static const struct {
        const char *what, *pointer;
        int code;
    } table[] = {{"later", "/steps/0/input", CONVD_BAD_GRAPH},
                 {"unknown", "/steps/0/input", CONVD_UNKNOWN_NAME},
                 {"op", "/steps/0/op", CONVD_UNKNOWN_OP},
                 {"no op", "/steps/0/op", CONVD_MISSING},
                 {"member", "/steps/0/colour", CONVD_UNKNOWN_MEMBER},
                 {"type", "/steps/0/kernel_size", CONVD_WRONG_TYPE},
                 {"item", "/steps/0/kernel_size/1", CONVD_OUT_OF_RANGE},
                 {"twice", "/steps/1/id", CONVD_BAD_GRAPH},
                 {"image", "/steps/0/id", CONVD_OUT_OF_RANGE},
                 {"missing", "/steps/0/kernel_size", CONVD_MISSING},
                 {"number", "/steps/0", CONVD_WRONG_TYPE},
                 {"one input", "/steps/0/inputs", CONVD_BAD_GRAPH},
                 {"no inputs", "/steps/0/inputs", CONVD_MISSING},
                 {"empty", "/steps", CONVD_MISSING},
                 {"tensor", "/steps/0/input", CONVD_UNKNOWN_NAME},
                 {"kernel", "/steps/0/kernel", CONVD_UNKNOWN_KERNEL},
                 {"rule", "/steps/0/padding", CONVD_OUT_OF_RANGE}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        begin();
        const char *what = table[i].what;
        struct convd_value v = L(N(0));
        v.n = 0;
        if (!strcmp(what, "later"))
            v = L(O(M("op", S("abs")), M("input", S("b"))),
                  O(M("op", S("abs")), M("id", S("b")), M("input", S("image"))));
        if (!strcmp(what, "unknown")) v = L(O(M("op", S("abs")), M("input", S("nobody"))));
        if (!strcmp(what, "op")) v = L(O(M("op", S("maxpol"))));
        if (!strcmp(what, "no op")) v = L(O(M("kernel", S("sobel_x"))));
        if (!strcmp(what, "member")) v = L(O(M("op", S("abs")), M("colour", N(1))));
        if (!strcmp(what, "type")) v = L(O(M("op", S("max_pool")), M("kernel_size", S("two"))));
        if (!strcmp(what, "item"))
            v = L(O(M("op", S("max_pool")), M("kernel_size", L(N(2), N(0)))));
        if (!strcmp(what, "twice"))
            v = L(O(M("op", S("abs")), M("id", S("a"))), O(M("op", S("abs")), M("id", S("a"))));
        if (!strcmp(what, "image")) v = L(O(M("op", S("abs")), M("id", S("image"))));
        if (!strcmp(what, "missing")) v = L(S("max_pool"));
        if (!strcmp(what, "number")) v = L(N(1));
        if (!strcmp(what, "one input")) v = L(O(M("op", S("add")), M("inputs", L(S("image")))));
        if (!strcmp(what, "no inputs")) v = L(S("add"));
        if (!strcmp(what, "tensor")) v = L(O(M("op", S("abs")), M("input", S("@w"))));
        if (!strcmp(what, "kernel")) v = L(O(M("op", S("filter")), M("kernel", S("sobel_z"))));
        if (!strcmp(what, "rule"))
            v = L(O(M("op", S("max_pool")), M("kernel_size", L(N(2), N(9))), M("padding", N(2))));
        EQ(-1, steps(v) >= 0 && convd_faults_count(f) == 0 ? 0 : -1);
        print_message("%s\n", what);
        fault(table[i].code, table[i].pointer);
        end();
    }
}

TEST(all_faults_of_a_list_are_found_at_once)
{
    begin();
    steps(L(S("sobell"), O(M("op", S("max_pool")), M("kernel_size", N(0)), M("strid", N(1))),
            O(M("op", S("abs")), M("id", S("9")))));
    EQ(4, convd_faults_count(f));
    const struct convd_fault *x = convd_faults_first(f);
    STR("/steps/0", x->pointer);
    OK(x->suggestion && strncmp(x->suggestion, "sobel", 5) == 0);
    STR("/steps/1/kernel_size", x->next->pointer);
    STR("/steps/1/strid", x->next->next->pointer);
    STR("stride", x->next->next->suggestion);
    STR("/steps/2/id", x->next->next->next->pointer);
    end();
}

TEST(segments_refuse_what_no_chain_can_mean)
{
    static const struct {
        const char *segment;
        int code;
        const char *pointer;
    } table[] = {
        {"", CONVD_BAD_REQUEST, "/steps/0"},
        {"max_pool:", CONVD_BAD_REQUEST, "/steps/0"},
        {"max_pool:2,,3", CONVD_BAD_REQUEST, "/steps/0"},
        {"max_pool:kernel_size=2,2", CONVD_BAD_REQUEST, "/steps/0"},
        {"max_pool:kernel_size=2,kernel_size=3", CONVD_BAD_REQUEST, "/steps/0/kernel_size"},
        {"max_pool:kernel_size=", CONVD_BAD_REQUEST, "/steps/0"},
        {"max_pool:2x", CONVD_WRONG_TYPE, "/steps/0/kernel_size"},
        {"scale:nan", CONVD_WRONG_TYPE, "/steps/0/mul"},
        {"scale:inf", CONVD_WRONG_TYPE, "/steps/0/mul"},
        {"scale:0x10", CONVD_WRONG_TYPE, "/steps/0/mul"},
        {"sobell", CONVD_UNKNOWN_NAME, "/steps/0"},
        {"abs:1", CONVD_BAD_REQUEST, "/steps/0"},
        {"gaussian:5,nan", CONVD_WRONG_TYPE, "/steps/0/kernel/sigma"},
        {"gaussian:5,size=3", CONVD_BAD_REQUEST, "/steps/0/kernel"},
        {"max_pool:2,colour=2", CONVD_UNKNOWN_MEMBER, "/steps/0/colour"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        begin();
        print_message("%s\n", table[i].segment);
        EQ(-1, convd_graph_segment(g, table[i].segment));
        OK(convd_faults_count(f) >= 1);
        STR(convd_code_word(table[i].code), convd_code_word(convd_faults_first(f)->code));
        STR(table[i].pointer, convd_faults_first(f)->pointer);
        end();
    }
}

TEST(a_kernel_alone_means_filter_and_takes_filters_arguments)
{
    begin();
    int a = convd_graph_segment(g, "sobel_x");
    int b = convd_graph_segment(g, "gaussian:5,1.2,padding_mode=zeros");
    int c = convd_graph_segment(g, "gaussian:5,1.2,zeros");
    EQ(0, convd_faults_count(f));
    STR("filter", g->nodes[a].op->name);
    const struct convd_param *row = convd_param_find(g->nodes[b].op->params, "padding_mode");
    EQ(0, *(int *)(void *)((char *)g->nodes[b].params + row->offset));
    EQ(0, *(int *)(void *)((char *)g->nodes[c].params + row->offset));
    end();
}

static const struct convd_value *find(void *self, const char *name)
{
    const struct convd_member *m = self;
    for (; m->name; m++)
        if (strcmp(m->name, name) == 0)
            return &m->value;
    return NULL;
}
static const char *name_at(const void *self, size_t i)
{
    return ((const struct convd_member *)self)[i].name;
}

TEST(a_pipelines_name_stands_for_its_steps)
{
    begin();
    const struct convd_member library[] = {
        M("edges",
          O(M("input", O(M("channels", S("gray")))),
            M("steps", L(O(M("op", S("filter")), M("kernel", S("sobel_x")), M("id", S("x"))),
                         O(M("op", S("abs")), M("input", S("x"))))),
            M("output", O(M("view", S("grid")))))),
        M(NULL, S(""))};
    const struct convd_names names = {find, name_at, (void *)(uintptr_t)library};
    convd_graph_setup(g, &names, NULL);
    int a = convd_graph_segment(g, "edges"), b = convd_graph_segment(g, "edges");
    EQ(0, convd_faults_count(f));
    STR("edges.s1", g->nodes[a].id);
    STR("edges2.s1", g->nodes[b].id);
    EQ(a, convd_graph_node(g, "edges"));
    EQ(b, convd_graph_node(g, "edges2"));
    EQ(1, convd_graph_node(g, "edges.x"));
    EQ(3, convd_graph_node(
              g, "edges2.grayscale")); /* the second does not stand first: it gets gray made */
    OK(g->first_input != NULL);
    OK(g->last_output != NULL);
    STR("edges2.", g->output_prefix);
    convd_graph_segment(g, "abs");
    OK(g->last_output == NULL);
    STR("edges", g->written->pipeline);
    STR("edges", g->written->next->pipeline);
    STR("abs", g->written->next->next->op->name);
    end();
}

TEST(blocks_expand_to_plain_steps_that_can_be_named)
{
    begin();
    int r = steps(L(O(M("op", S("residual")), M("id", S("r")),
                      M("steps", L(O(M("op", S("abs")), M("id", S("f"))), S("neg")))),
                    O(M("op", S("dense")), M("layers", N(3)), M("steps", L(S("abs")))),
                    O(M("op", S("neg")), M("input", S("r.f")))));
    EQ(0, convd_faults_count(f));
    OK(r > 0);
    OK(convd_graph_node(g, "r.f") > 0);
    OK(convd_graph_node(g, "r.add") > 0);
    EQ(convd_graph_node(g, "r.add"), convd_graph_node(g, "r"));
    OK(convd_graph_node(g, "s1.s0") > 0);
    OK(convd_graph_node(g, "s1.2.s0") > 0);
    OK(g->written->first_child && g->written->first_child->next &&
       !g->written->first_child->next->next);
    STR("residual", g->written->op->name);
    end();
}

TEST(steps_after_expansion_are_limited)
{
    begin();
    struct convd_value inner = L(S("abs"));
    for (int i = 0; i < 9; i++)
        inner = L(O(M("op", S("dense")), M("layers", N(10)), M("steps", inner)));
    steps(inner);
    fault(CONVD_TOO_MANY_STEPS, convd_faults_first(f)->pointer);
    OK(g->n_nodes <= 4100);
    end();
    begin();
    struct convd_value many[257];
    for (int i = 0; i < 257; i++)
        many[i] = S("abs");
    steps(list(257, many));
    fault(CONVD_TOO_MANY_STEPS, "/steps");
    end();
    begin();
    EQ(256, steps(list(256, many)));
    EQ(0, convd_faults_count(f));
    end();
}

TEST(tensors_are_bound_by_name)
{
    begin();
    float w[6] = {1, 2, 3, 4, 5, 6};
    OK(convd_graph_tensor(
        g, &(struct convd_tensor){.name = "bank", .rank = 2, .dim = {2, 3}, .data = w}));
    int a = convd_graph_add(g, "filter", "@bank", CONVD_IMAGE);
    OK(a > 0);
    const struct convd_kernel *k =
        (const void *)((char *)g->nodes[a].params + g->nodes[a].op->params[0].offset);
    EQ(2, k->h);
    EQ(3, k->w);
    EQ(-1, convd_graph_add(g, "filter", "@bnak", CONVD_IMAGE));
    fault(CONVD_UNKNOWN_NAME, "/steps/1/kernel");
    STR("@bank", convd_faults_first(f)->suggestion);
    end();
}

TEST(a_node_that_failed_does_not_make_the_next_call_complain)
{
    begin();
    int a = convd_graph_add(g, "nonsense", "", CONVD_IMAGE);
    int b = convd_graph_add(g, "abs", "", a);
    EQ(-1, b);
    EQ(1, convd_faults_count(f));
    end();
}
T_MAIN("core/graph")

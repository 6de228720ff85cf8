/* estimate.c: how long a step will take, about: one thread of a server core of 2023, as its algorithm was measured there with
 * `convd bench`. Within a factor of two or three; it orders plans and warns of slow ones, no more. */
#include "plan_inner.h"
#include <string.h>

/* Multiply-adds, and bytes of maps that lie in memory and in a core's cache, a second, of float loops. */
static const struct {
    const char *isa;
    double macs, memory, cache;
} rates[] = {{"vnni", 45e9, 10e9, 40e9}, {"avx512", 45e9, 10e9, 40e9}, {"avx2", 28e9, 10e9, 35e9},
             {"base", 9e9, 8e9, 20e9},   {"neon", 9e9, 8e9, 20e9},     {"ref", 0.5e9, 4e9, 4e9}};

/* What a step's loops do of the multiply-adds that its definition has, for windows of h x w. */
static double once(double h, double w)
{
    (void)h, (void)w;
    return 1;
}
static double across_and_down(double h, double w)
{
    return (h + w) / (h * w);
}
static double none(double h, double w)
{
    (void)h, (void)w;
    return 0;
}
static double winograd(double h, double w)
{
    (void)h, (void)w;
    return 0.37; /* 1 / 4 of the products, and the transforms */
}
/* Algorithms that do less, and those on integers: nanoseconds of a multiply-add and of a number with the widest vectors.
 * Not named: as its float loops say. */
static const struct {
    const char *name;
    double (*share)(double h, double w);
    double mac, number;
} algorithms[] = {
    {"integer u8", once, 0.008, 0.1},
    {"integer i16", once, 0.016, 0.1},
    {"integer i32", once, 0.016, 0.1},
    {"fused i16", none, 0, 0.03},
    {"bit by bit u8", once, 0.05, 0.5},
    {"histogram u8", none, 0, 18},
    {"separable i16", across_and_down, 0.02, 0.1},
    {"running sum", none, 0, 0.13},
    {"separable", across_and_down, 0, 0},
    {"winograd F(4x4)", winograd, 0, 0},
};

static double numbers(struct convd_shape s)
{
    return (double)s.n * (double)s.c * (double)s.h * (double)s.w;
}

static double isa_at(const struct convd_plan *p, size_t *i)
{
    for (*i = 0; *i + 1 < sizeof rates / sizeof *rates && strcmp(rates[*i].isa, p->simd->name) != 0;) ++*i;
    return rates[0].macs / rates[*i].macs;
}

static double map_s(const struct convd_plan *p, int v, size_t isa)
{
    const struct convd_plan_node *x = &p->nodes[v];
    return 4 * numbers(x->site.y) / (x->full ? rates[isa].memory : rates[isa].cache);
}

double convd_estimate_ms(const struct convd_plan *p, int v, const char *algorithm)
{
    const struct convd_node *n = &p->graph->nodes[v];
    const struct convd_plan_node *x = &p->nodes[v];
    struct convd_window w = {.kh = 1, .kw = 1};
    size_t isa, k = 0;
    const double slower = isa_at(p, &isa), size = numbers(x->site.y);
    double largest = size, memory = map_s(p, v, isa), macs = x->info.macs;
    if (n->op->window) n->op->window(&x->site, &w);
    for (size_t i = 0; i < n->n_inputs; i++) {
        largest = numbers(x->site.x[i]) > largest ? numbers(x->site.x[i]) : largest;
        memory += map_s(p, n->inputs[i], isa);
    }
    while (k < sizeof algorithms / sizeof *algorithms && strcmp(algorithms[k].name, algorithm) != 0) k++;
    if (k < sizeof algorithms / sizeof *algorithms) macs *= algorithms[k].share((double)w.kh, (double)w.kw);
    if (k < sizeof algorithms / sizeof *algorithms && algorithms[k].number > 0)
        return 1e-6 * slower * (algorithms[k].mac * macs + algorithms[k].number * largest);
    const double compute = macs / rates[isa].macs;
    return 1e3 * (compute > memory ? compute : memory) +
           1e-6 * (n->op->ns_of ? n->op->ns_of(&x->site) : n->op->ns) * size;
}

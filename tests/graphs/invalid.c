/* What is no graph is refused: valid ones are broken, as JSON go through the front door, and every fault must have words and
 * a place that is there in what was sent (of a member that is missing: its parent). GRAPHS=20000 refuses that many. */
#include "../../api/json.h"
#include "../../core/tensor_file.h"
#include "../api/lib_work.h"
#include "lib_graph.h"

/* Everything in a spec, with where it stands. */
struct place {
    struct convd_value *v;
    const char *pointer;
};
struct spec {
    struct graph g;
    struct t_rng *rng;
    struct convd_value root; /* its arrays and members are its own: they may be changed */
    struct place places[4096], steps[128];
    size_t n, n_steps;
    struct convd_bytes files[GRAPH_TENSORS];
    struct api_part parts[GRAPH_TENSORS];
    struct api_size size;
};

static ptrdiff_t one_of(struct spec *s, ptrdiff_t n)
{
    return t_between(s->rng, 0, n - 1);
}

/* ---- specs that may be changed ---- */

static void copy(struct spec *s, struct convd_value *v)
{
    if (v->kind == CONVD_ARRAY) {
        struct convd_value *items = convd_arena_array(&s->g.mem, v->n + 1u, sizeof *items);
        memcpy(items, v->items, v->n * sizeof *items);
        for (uint32_t i = 0; i < v->n; i++) copy(s, &items[i]);
        v->items = items;
    }
    if (v->kind == CONVD_OBJECT) {
        struct convd_member *m = convd_arena_array(&s->g.mem, v->n + 1u, sizeof *m);
        memcpy(m, v->members, v->n * sizeof *m);
        for (uint32_t i = 0; i < v->n; i++) copy(s, &m[i].value);
        v->members = m;
    }
}

static struct convd_value *item(const struct convd_value *v, uint32_t i)
{
    return (struct convd_value *)&v->items[i];
}
static struct convd_member *member(const struct convd_value *v, uint32_t i)
{
    return (struct convd_member *)&v->members[i];
}
static struct convd_member *member_named(const struct convd_value *v, const char *name)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (strcmp(v->members[i].name, name) == 0) return member(v, i);
    return NULL;
}

static void find_places(struct spec *s, struct convd_value *v, const char *pointer)
{
    struct place *list[] = {s->places, s->steps};
    size_t *n[] = {&s->n, &s->n_steps};
    const bool step = v->kind == CONVD_OBJECT && convd_value_get(v, "op");
    if (s->n == sizeof s->places / sizeof *s->places || s->n_steps == sizeof s->steps / sizeof *s->steps) return;
    for (int k = 0; k < 1 + step; k++) list[k][(*n[k])++] = (struct place){v, pointer};
    for (uint32_t i = 0; v->kind == CONVD_ARRAY && i < v->n; i++)
        find_places(s, item(v, i), convd_arena_printf(&s->g.mem, "%s/%u", pointer, i));
    for (uint32_t i = 0; v->kind == CONVD_OBJECT && i < v->n; i++)
        find_places(s, &member(v, i)->value, convd_arena_printf(&s->g.mem, "%s/%s", pointer, v->members[i].name));
}

static void draw(struct spec *s, struct t_rng *r)
{
    static const struct graph_wish wish = {.steps = 5};
    memset(s, 0, sizeof *s);
    s->rng = r;
    graph_draw(&s->g, &wish, r);
    s->root = graph_spec(&s->g);
    copy(s, &s->root);
    find_places(s, &s->root, "");
    for (size_t i = 0; i < s->g.n_tensors; i++) {
        OK(convd_npy_write(&s->g.tensors[i], &s->files[i]));
        s->parts[i] = (struct api_part){s->g.tensors[i].name, s->files[i].data, s->files[i].n};
    }
    s->size = (struct api_size){s->g.in.width, s->g.in.height, s->g.in.channels};
}

static void release(struct spec *s)
{
    for (size_t i = 0; i < s->g.n_tensors; i++) convd_bytes_release(&s->files[i]);
    graph_release(&s->g);
}

/* ---- places ---- */

/* What a pointer leads to (RFC 6901), or NULL. */
static const struct convd_value *follow(const struct convd_value *v, const char *pointer, const char *end)
{
    char name[4096];
    while (v && pointer < end) {
        size_t n = 0;
        if (*pointer++ != '/') return NULL;
        for (; pointer < end && *pointer != '/' && n + 1 < sizeof name; pointer++)
            name[n++] = *pointer != '~' ? *pointer : *++pointer == '0' ? '~' : '/';
        name[n] = 0;
        if (v->kind == CONVD_OBJECT) {
            v = convd_value_get(v, name);
        } else {
            char *rest;
            const unsigned long i = strtoul(name, &rest, 10);
            v = v->kind == CONVD_ARRAY && n > 0 && !*rest && i < v->n ? &v->items[i] : NULL;
        }
    }
    return v;
}

/* The place of every fault is there, and they all say something. expected: where one of them must be, or NULL. */
static void check_faults(const struct spec *s, const struct convd_faults *f, const char *text, const char *expected)
{
    bool there = !expected;
    for (const struct convd_fault *x = convd_faults_first(f); x; x = x->next) {
        const char *end = x->pointer ? x->pointer + strlen(x->pointer) : NULL;
        const char *up = end;
        while (up && up > x->pointer && *up != '/') up--;
        if (!x->pointer || !x->detail || !*x->detail || (x->expected && !*x->expected) ||
            api_code_status(x->code) < 400 || api_code_status(x->code) > 499)
            T_FAIL("a fault without words or place: %s in %s", test_faults(f), text);
        if (!follow(&s->root, x->pointer, end) &&
            !(x->code == CONVD_MISSING && follow(&s->root, x->pointer, up)))
            T_FAIL("%s is not there (%s): %s in %s on %tdx%tdx%td", x->pointer, x->detail, test_faults(f), text,
                   s->size.width, s->size.height, s->size.channels);
        there |= expected && strcmp(x->pointer, expected) == 0;
    }
    if (!there) T_FAIL("nothing at %s: %s in %s", expected, test_faults(f), text);
}

/* True when it is refused. */
static bool refused(struct spec *s, const char *expected)
{
    struct convd_bytes out = {0};
    struct api_json j = api_json_to(&out);
    api_json_value(&j, &s->root);
    OK(!j.failed && convd_bytes_put(&out, "", 1));
    const char *text = (const char *)out.data;
    struct api_work w = test_work(NULL, NULL, 0, text);
    w.tensors = s->parts;
    w.n_tensors = s->g.n_tensors;
    w.limits.plan = (struct convd_limits){.memory = 64 << 20, .macs = 1e9};
    const bool fine = api_explain(&w, &s->size, "json");
    OK(fine == (convd_faults_count(w.faults) == 0));
    if (!fine) check_faults(s, w.faults, text, expected);
    if (fine && expected) T_FAIL("accepted, though %s is wrong: %s", expected, text);
    api_work_release(&w);
    convd_bytes_release(&out);
    return !fine;
}

/* ---- what must be refused, and where ---- */

static void put(const struct spec *s, struct convd_value *step, const char *name, struct convd_value v)
{
    struct convd_member *m = member_named(step, name);
    struct convd_value *to = m ? &m->value : NULL;
    if (!m) {
        struct convd_member *more = convd_arena_array((struct convd_arena *)&s->g.mem, step->n + 2u, sizeof *more);
        memcpy(more, step->members, step->n * sizeof *more);
        more[step->n].name = name;
        to = &more[step->n++].value;
        step->members = more;
    }
    *to = v;
}

static void drop(struct convd_value *v, uint32_t i)
{
    if (v->kind == CONVD_ARRAY)
        memmove(item(v, i), item(v, i) + 1, (v->n - i - 1) * sizeof *v->items);
    else
        memmove(member(v, i), member(v, i) + 1, (v->n - i - 1) * sizeof *v->members);
    v->n--;
}

static bool numeric(const struct convd_param *row)
{
    return row->type == CONVD_P_INT || row->type == CONVD_P_PAIR || row->type == CONVD_P_PADDING ||
           row->type == CONVD_P_INTS || row->type == CONVD_P_NUMBER || row->type == CONVD_P_NUMPAIR ||
           row->type == CONVD_P_NUMBERS;
}

/* A parameter of the step gets a wrong value, or is taken away where it must be there. */
static const char *break_param(struct spec *s, struct convd_value *step, const struct convd_op *op)
{
    size_t n = 0;
    while (op->params && op->params[n].name) n++;
    if (n == 0) return NULL;
    const struct convd_param *row = &op->params[one_of(s, (ptrdiff_t)n)];
    const bool given = member_named(step, row->name);
    if (row->flags & CONVD_EITHER && !given) return NULL;
    switch (one_of(s, 4)) {
    case 0:
        put(s, step, row->name, (struct convd_value){.kind = CONVD_NULL});
        return row->name;
    case 1:
        if (row->def) return NULL;
        drop(step, (uint32_t)(member_named(step, row->name) - step->members));
        return row->name;
    case 2:
        if (row->type != CONVD_P_WORD && !numeric(row)) return NULL;
        put(s, step, row->name, convd_string("nonsense"));
        return row->name;
    default: {
        const bool low = one_of(s, 2), bounded = row->lo != 0 || row->hi != 0;
        const double past = low ? nextafter(row->lo, -INFINITY) - (row->type != CONVD_P_NUMBER) : row->hi * 1.5 + 1;
        if (!numeric(row) || !bounded || !isfinite(past) || row->flags & CONVD_ODD) return NULL;
        put(s, step, row->name, convd_number(row->type == CONVD_P_NUMBER ? past : floor(past)));
        return row->name;
    }
    }
}

/* The inputs of the step become v, of a step that merges one of them. Returns where that is. */
static const char *put_input(struct spec *s, struct convd_value *step, struct convd_value v)
{
    struct convd_member *many = member_named(step, "inputs");
    if (!many) {
        put(s, step, "input", v);
        return "input";
    }
    const uint32_t i = (uint32_t)one_of(s, many->value.n);
    *item(&many->value, i) = v;
    return convd_arena_printf(&s->g.mem, "inputs/%u", i);
}

static const char *break_step(struct spec *s, struct convd_value *step, const struct convd_op *op)
{
    static const char *const ids[] = {"", "9x", "image", "a b", "ä", "a.b", "@t",
                                      "a2345678901234567890123456789012345678901234567890123456789012345"};
    switch (one_of(s, 9)) {
    case 0:
        put(s, step, "no_such_member", convd_number(1));
        return "no_such_member";
    case 1:
        put(s, step, "op", convd_string(convd_arena_printf(&s->g.mem, "%s_%c", op->name, (int)t_between(s->rng, 'a', 'z'))));
        return "op";
    case 2:
        put(s, step, "op", convd_number(3));
        return "op";
    case 3:
        put(s, step, "id", convd_string(ids[one_of(s, 8)]));
        return "id";
    case 4:
        return put_input(s, step, convd_string(one_of(s, 2) ? "nowhere" : "@nothing"));
    case 5:
        return put_input(s, step, (struct convd_value){.kind = CONVD_BOOL, .boolean = true});
    case 6:
        put(s, step, "id", convd_string("itself"));
        return put_input(s, step, convd_string("itself"));
    default:
        return break_param(s, step, op);
    }
}

/* NULL: nothing was broken. */
static const char *break_surely(struct spec *s)
{
    if (s->n_steps == 0) return NULL;
    struct place *p = &s->steps[one_of(s, (ptrdiff_t)s->n_steps)];
    const struct convd_value *name = convd_value_get(p->v, "op");
    const struct convd_op *op = convd_op_find(name->string);
    const char *member = op ? break_step(s, p->v, op) : NULL;
    return member ? convd_arena_printf(&s->g.mem, "%s/%s", p->pointer, member) : NULL;
}

/* ---- what may be refused ---- */

static struct convd_value anything(struct spec *s)
{
    static const double numbers[] = {0, -1, 1, 2, 0.5, 1e300, -1e-300, 65536, 1e9, 3, 4097, 255};
    static const char *const words[] = {"", "same", "image", "s0", "@t0", "edges", "sobel_x", "3x3", "abs", "mean",
                                        "\t\xc2\x85\"\\~1/", "reflect"};
    struct convd_value *v = convd_arena_array(&s->g.mem, 2, sizeof *v);
    struct convd_member *m = convd_arena_array(&s->g.mem, 1, sizeof *m);
    switch (one_of(s, 8)) {
    case 0:
        return (struct convd_value){.kind = CONVD_NULL};
    case 1:
        return convd_boolean(one_of(s, 2));
    case 2:
    case 3:
        return convd_number(numbers[one_of(s, 12)]);
    case 4:
        return convd_string(words[one_of(s, 12)]);
    case 5:
        v[0] = anything(s);
        v[1] = anything(s);
        return (struct convd_value){.kind = CONVD_ARRAY, .n = (uint32_t)one_of(s, 3), .items = v};
    case 6:
        *m = (struct convd_member){words[one_of(s, 12)], anything(s)};
        return (struct convd_value){.kind = CONVD_OBJECT, .n = (uint32_t)one_of(s, 2), .members = m};
    default:
        *v = *s->places[one_of(s, (ptrdiff_t)s->n)].v;
        copy(s, v); /* nothing stands inside itself */
        return *v;
    }
}

static bool has_member(const struct convd_value *v, const char *name)
{
    return member_named(v, name) != NULL;
}

static void break_somehow(struct spec *s)
{
    static const char *const names[] = {"op", "id", "input", "inputs", "kernel_size", "steps", "weight", "ksize", "~/\xc3\xa4"};
    struct convd_value *v = s->places[t_between(s->rng, 1, (ptrdiff_t)s->n - 1)].v; /* the root stays: text that is no
                                                                                     * JSON is a chain */
    const ptrdiff_t how = one_of(s, 6);
    if (how == 0 && v->n > 0 && (v->kind == CONVD_ARRAY || v->kind == CONVD_OBJECT)) {
        drop(v, (uint32_t)one_of(s, v->n));
    } else if (how == 1 && v->n > 1 && v->kind == CONVD_ARRAY) {
        *item(v, (uint32_t)one_of(s, v->n)) = v->items[one_of(s, v->n)];
    } else if (how == 2 && v->n > 0 && v->kind == CONVD_OBJECT) {
        const char *name = names[one_of(s, 9)];
        if (!has_member(v, name)) member(v, (uint32_t)one_of(s, v->n))->name = name;
    } else if (how == 3 && v->kind == CONVD_OBJECT) {
        put(s, v, names[one_of(s, 9)], anything(s));
    } else if (how == 4 && v->kind == CONVD_NUMBER) {
        v->number = one_of(s, 2) ? -v->number : v->number * 1000 + 0.5;
    } else {
        *v = anything(s);
    }
}

/* A picture that is another than the one it was drawn for. */
static void resize(struct spec *s)
{
    s->size = (struct api_size){t_between(s->rng, 1, 40), t_between(s->rng, 1, 40), t_between(s->rng, 1, 9)};
    if (one_of(s, 2)) s->size.width = 1;
    if (one_of(s, 2)) s->size.height = 1;
}

/* ---- the tests ---- */

TEST(valid_graphs_are_not_refused)
{
    struct t_rng r = t_rng(30);
    for (int i = 0; i < 100; i++) {
        struct spec *s = malloc(sizeof *s);
        draw(s, &r);
        OK(s->g.in.n > 1 || !refused(s, NULL));
        release(s);
        free(s);
    }
}

TEST(one_wrong_thing_is_refused_at_its_place)
{
    struct t_rng r = t_rng(31);
    const int rounds = (graph_rounds(1600) + 1) / 2;
    struct spec *s = malloc(sizeof *s);
    for (int n = 0; n < rounds;) {
        draw(s, &r);
        const char *where = break_surely(s);
        if (where) OK(refused(s, where));
        n += where != NULL;
        release(s);
    }
    free(s);
}

TEST(whatever_is_refused_says_where)
{
    struct t_rng r = t_rng(32);
    const int rounds = graph_rounds(1600) / 2;
    struct spec *s = malloc(sizeof *s);
    int tried = 0;
    for (int n = 0; n < rounds; tried++) {
        draw(s, &r);
        const ptrdiff_t breaks = t_between(&r, 0, 3);
        for (ptrdiff_t i = 0; i < breaks; i++) {
            break_somehow(s);
            s->n = s->n_steps = 0;
            find_places(s, &s->root, "");
        }
        if (breaks == 0 || t_between(&r, 0, 3) == 0) resize(s);
        n += refused(s, NULL);
        release(s);
    }
    print_message("%d of %d refused\n", rounds, tried);
    free(s);
}

T_MAIN("graphs/invalid")

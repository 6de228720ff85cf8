/* torch.c: the PyTorch cases (computed there in float64): steps in the contract's own words on image.npy, "@name" is
 * name.npy. Forward: |got - expected| <= rel * max(largest |expected|, 1e-3). Backward: the same for each grad_NAME.npy with
 * grad_rel, from upstream.npy. */
#include "lib_case.h"

enum { TENSORS = 32 };

/* What a case comes with. */
struct torch_case {
    const struct convd_value *of;
    const char *name;
    struct convd_tensor image, tensors[TENSORS];
    size_t n;
};

static struct convd_tensor file_of(struct suite *s, const char *name, const char *file, const char *tensor)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return case_tensor(s, path, tensor);
}

static struct torch_case open_case(struct suite *s, const struct convd_value *c)
{
    struct torch_case k = {.of = c, .name = text(c, "name")};
    const struct convd_value *names = need(c, "tensors");
    char file[128];
    k.image = file_of(s, k.name, text(c, "image"), "image");
    for (; k.n < names->n && k.n < TENSORS; k.n++) {
        snprintf(file, sizeof file, "%s.npy", names->items[k.n].string);
        k.tensors[k.n] = file_of(s, k.name, file, names->items[k.n].string);
    }
    return k;
}

static void run(struct suite *s, const struct convd_value *c)
{
    const struct torch_case k = open_case(s, c);
    const struct convd_value *shape = need(c, "shape");
    const struct convd_tensor expected = file_of(s, k.name, text(c, "output"), "");
    struct convd_tensor got;
    char why[256];
    if (!case_run(s, need(c, "steps"), &k.image, k.tensors, k.n, &got, why)) {
        case_result(s, k.name, false, why);
        return;
    }
    for (uint32_t d = 0; d < 4; d++)
        if ((double)got.dim[d] != shape->items[d].number) {
            case_result(s, k.name, false, "another shape");
            return;
        }
    case_result(s, k.name, tensors_agree(&expected, &got, 0, number(c, "rel", 0), fmax(largest(&expected), 1e-3), why), why);
}

/* Each grad_NAME.npy against the gradient of NAME. */
static bool gradients_agree(struct suite *s, const struct torch_case *k, const struct convd_tensor *got, size_t n,
                            char why[256])
{
    const struct convd_value *files = need(k->of, "gradients");
    for (uint32_t i = 0; i < files->n; i++) {
        const struct convd_tensor expected = file_of(s, k->name, files->items[i].string, "");
        char file[128], said[256];
        size_t at = 0;
        for (; at < n; at++) {
            snprintf(file, sizeof file, "grad_%s.npy", got[at].name);
            if (strcmp(file, files->items[i].string) == 0) break;
        }
        if (at == n) {
            snprintf(why, 256, "no gradient for %s", files->items[i].string);
            return false;
        }
        if (!tensors_agree(&expected, &got[at], 0, number(k->of, "grad_rel", 0), fmax(largest(&expected), 1e-3), said)) {
            snprintf(why, 256, "%s: %.200s", files->items[i].string, said);
            return false;
        }
    }
    return true;
}

static void run_back(struct suite *s, const struct convd_value *c, size_t threads)
{
    if (need(c, "gradients")->n == 0) return; /* round, sign: no gradient was made */
    const struct torch_case k = open_case(s, c);
    const struct convd_tensor upstream = file_of(s, k.name, "upstream.npy", "");
    struct convd_tensor got[TENSORS + 1];
    char why[256];
    if (!case_gradient(s, need(c, "steps"), &k.image, k.tensors, k.n, &upstream, threads, got, why)) {
        case_result(s, k.name, false, why);
        return;
    }
    case_result(s, k.name, gradients_agree(s, &k, got, k.n + 1, why), why);
}

TEST(torch_forward_cases_come_out_the_same)
{
    struct suite s;
    suite_begin(&s, "torch");
    const struct convd_value manifest = suite_json(&s, "manifest.json"), *cases = need(&manifest, "case");
    for (uint32_t i = 0; i < cases->n; i++, suite_next(&s))
        run(&s, &cases->items[i]);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

TEST(torch_gradients_come_out_the_same)
{
    struct suite s;
    suite_begin(&s, "torch");
    const struct convd_value manifest = suite_json(&s, "manifest.json"), *cases = need(&manifest, "case");
    for (size_t threads = 1; threads <= 3; threads += 2)
        for (uint32_t i = 0; i < cases->n; i++, suite_next(&s))
            run_back(&s, &cases->items[i], threads);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

T_MAIN("conformance/torch")

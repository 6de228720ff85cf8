/* torch.c: the forward half of the PyTorch cases (computed there in float64): steps in the contract's own words on
 * image.npy, "@name" is name.npy. |got - expected| <= rel * max(largest |expected|, 1e-3). */
#include "lib_case.h"

enum { TENSORS = 32 };

static void run(struct suite *s, const struct convd_value *c)
{
    const char *name = text(c, "name");
    const struct convd_value *names = need(c, "tensors"), *shape = need(c, "shape");
    struct convd_tensor tensors[TENSORS], got;
    char path[256], why[256];
    size_t n = 0;
    for (; n < names->n && n < TENSORS; n++) {
        snprintf(path, sizeof path, "%s/%s.npy", name, names->items[n].string);
        tensors[n] = case_tensor(s, path, names->items[n].string);
    }
    snprintf(path, sizeof path, "%s/%s", name, text(c, "image"));
    const struct convd_tensor image = case_tensor(s, path, "image");
    snprintf(path, sizeof path, "%s/%s", name, text(c, "output"));
    const struct convd_tensor expected = case_tensor(s, path, "");
    if (!case_run(s, need(c, "steps"), &image, tensors, n, &got, why)) {
        case_result(s, name, false, why);
        return;
    }
    for (uint32_t d = 0; d < 4; d++)
        if ((double)got.dim[d] != shape->items[d].number) {
            case_result(s, name, false, "another shape");
            return;
        }
    case_result(
        s, name,
        tensors_agree(&expected, &got, 0, number(c, "rel", 0), fmax(largest(&expected), 1e-3), why),
        why);
}

TEST(torch_forward_cases_come_out_the_same)
{
    struct suite s;
    suite_begin(&s, "torch");
    const struct convd_value manifest = suite_json(&s, "manifest.json"),
                             *cases = need(&manifest, "case");
    for (uint32_t i = 0; i < cases->n; i++, suite_next(&s)) run(&s, &cases->items[i]);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

T_MAIN("conformance/torch")

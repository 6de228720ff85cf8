/* opencv.c: cases made by OpenCV 4.6: every number within abs + rel * largest |expected|; of 8-bit answers (rounded half
 * to even, saturated) at most `unequal` may differ at all, not counting those whose exact value lies within 1e-3 of a
 * half. */
#include "lib_case.h"

static float to_u8(float x)
{
    return x != x ? 0 : x <= 0 ? 0 : x >= 255 ? 255 : rintf(x);
}

/* Maps got to 8 bits; returns how many numbers differ without excuse. */
static size_t round_all(const struct convd_tensor *expected, struct convd_tensor *got)
{
    size_t differ = 0;
    for (size_t i = 0; i < tensor_count(got); i++) {
        float exact = got->data[i], rounded = to_u8(exact);
        bool half = fabsf(exact - floorf(exact) - 0.5F) < 1e-3F;
        differ +=
            tensor_count(expected) == tensor_count(got) && rounded != expected->data[i] && !half;
        got->data[i] = rounded;
    }
    return differ;
}

static void run(struct suite *s, const struct convd_value *c)
{
    const char *name = text(c, "name"), *kernel = text(c, "kernel_file");
    const struct convd_value *tolerance = need(c, "tolerance"), *step = need(c, "convd");
    const struct convd_tensor image = case_tensor(s, text(c, "input"), "image");
    const struct convd_tensor expected = case_tensor(s, text(c, "output"), "");
    struct convd_tensor tensor, got;
    char why[256];
    if (kernel) tensor = case_tensor(s, kernel, text(step, "kernel") + 1);
    if (!case_run(s, step, &image, &tensor, kernel != NULL, &got, why)) {
        case_result(s, name, false, why);
        return;
    }
    size_t differ = strcmp(text(c, "out_dtype"), "uint8") == 0 ? round_all(&expected, &got) : 0;
    bool fine = tensors_agree(&expected, &got, number(tolerance, "abs", 0),
                              number(tolerance, "rel", 0), largest(&expected), why);
    if (fine && (double)differ > number(tolerance, "unequal", INFINITY)) {
        snprintf(why, sizeof why, "%zu numbers differ", differ);
        fine = false;
    }
    case_result(s, name, fine, why);
}

TEST(opencv_cases_come_out_the_same)
{
    struct suite s;
    suite_begin(&s, "opencv");
    const struct convd_value manifest = suite_json(&s, "manifest.json"),
                             *cases = need(&manifest, "case");
    for (uint32_t i = 0; i < cases->n; i++, suite_next(&s)) run(&s, &cases->items[i]);
    size_t failed = s.counts.failed, passed = s.counts.passed;
    suite_end(&s);
    EQ(0, failed);
    OK(passed > 0);
}

T_MAIN("conformance/opencv")

#include "../../core/err.h"
#include "../t.h"

TEST(a_fault_carries_its_place_and_words)
{
    struct convd_faults *f = convd_faults_new();
    size_t a = convd_enter(f, "steps"), b = convd_enter_item(f, 2);
    convd_fault_expected(f, CONVD_OUT_OF_RANGE, "kernel_size", "an integer from 1", "kernel_size is %d", 0);
    convd_leave(f, b);
    convd_fault(f, CONVD_MISSING, NULL, "nothing here");
    convd_leave(f, a);
    convd_fault_limit(f, CONVD_TOO_MUCH_WORK, "x", 5, 7, "too much");
    const struct convd_fault *x = convd_faults_first(f);
    EQ(3, convd_faults_count(f));
    STR("/steps/2/kernel_size", x->pointer);
    STR("kernel_size is 0", x->detail);
    STR("an integer from 1", x->expected);
    OK(isnan(x->limit));
    STR("/steps", x->next->pointer);
    STR("/x", x->next->next->pointer);
    NEAR(5, x->next->next->limit, 0);
    NEAR(7, x->next->next->actual, 0);
    OK(x->next->next->next == NULL);
    convd_faults_free(f);
}

TEST(pointers_are_escaped_as_rfc_6901_says)
{
    struct convd_faults *f = convd_faults_new();
    convd_fault(f, CONVD_UNKNOWN_MEMBER, "a/b~c", "what");
    STR("/a~1b~0c", convd_faults_first(f)->pointer);
    convd_faults_free(f);
}

TEST(control_characters_never_reach_the_words)
{
    struct convd_faults *f = convd_faults_new();
    convd_fault(f, CONVD_UNKNOWN_NAME, NULL, "no step %s", "a\r\nX-Injected: 1");
    STR("no step a??X-Injected: 1", convd_faults_first(f)->detail);
    convd_faults_free(f);
}

TEST(a_hundred_thousand_faults_are_counted_and_few_are_kept)
{
    struct convd_faults *f = convd_faults_new();
    for (int i = 0; i < 100000; i++)
        convd_fault_expected(f, CONVD_MISSING, "m", "x", "fault %d", i)->suggestion = "s";
    size_t kept = 0;
    for (const struct convd_fault *x = convd_faults_first(f); x; x = x->next)
        kept++;
    EQ(100000, convd_faults_count(f));
    EQ(64, kept);
    OK(f->own.taken < 100000);
    convd_faults_free(f);
}

TEST(a_place_too_long_is_cut_not_overrun)
{
    struct convd_faults *f = convd_faults_new();
    for (int i = 0; i < 1000; i++)
        convd_enter(f, "/////steps");
    convd_fault(f, CONVD_MISSING, "~~~~", "deep");
    OK(strlen(convd_faults_first(f)->pointer) < sizeof f->place);
    convd_faults_free(f);
}

static const char *name_at(const void *names, size_t i)
{
    return ((const char *const *)names)[i];
}

TEST(the_nearest_name_is_found_and_far_ones_are_not)
{
    const char *names[] = {"max_pool", "min_pool", "sobel_x", "sobel_y", "abs", NULL};
    STR("max_pool", convd_nearest("maxpool", name_at, names, 5));
    STR("sobel_x", convd_nearest("sobel_z", name_at, names, 5));
    STR("abs", convd_nearest("asb", name_at, names, 5)); /* a swap is one mistake */
    STR(NULL, convd_nearest("zzzzzz", name_at, names, 5));
    STR(NULL, convd_nearest("", name_at, names, 5));
    char longest[300];
    memset(longest, 'a', 299);
    longest[299] = 0;
    STR(NULL, convd_nearest(longest, name_at, names, 5));
}

TEST(every_cause_has_a_word)
{
    for (int i = 0; i < CONVD_CODES; i++)
        OK(convd_code_word(i) != NULL);
    STR("out-of-range", convd_code_word(CONVD_OUT_OF_RANGE));
    STR(NULL, convd_code_word(CONVD_CODES));
}
T_MAIN("core/err")

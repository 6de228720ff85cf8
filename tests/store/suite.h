/* suite.h: what every store must do. A test of a store defines these three, then includes this file:
 *
 *     static struct store *open_store(void);             an empty one, open
 *     static struct store *reopen_store(struct store *); closed and opened again, as after the process ended
 *     static void clean_store(struct store *);           closed, and nothing of it is left */
#ifndef STORE_SUITE_H
#define STORE_SUITE_H
#include "server/store.h"
#include <pthread.h>

#define PART(NAME, DATA) ((struct store_part){(NAME), (DATA), strlen(DATA)})

static char *noise(size_t n, uint64_t seed)
{
    struct t_rng r = {seed};
    char *data = malloc(n + 8);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = t_random(&r);
        memcpy(data + i, &x, 8);
    }
    return data;
}

static void add_job(struct store *s, char id[STORE_ID], const char *spec, size_t bytes)
{
    char *data = noise(bytes, bytes + 1);
    struct store_part job = PART("job", spec),
                      parts[] = {{"img", data, bytes}, PART("bank", "weights")};
    store_make_id(id);
    EQ(STORE_OK, s->calls->job_add(s, id, "run", 1000, &job, parts, 2));
    free(data);
}

static enum job_state state_of(struct store *s, const char *id)
{
    struct store_job j;
    EQ(STORE_OK, s->calls->job_get(s, id, &j));
    enum job_state state = j.state;
    store_job_release(&j);
    return state;
}

static void claim(struct store *s, const char *id)
{
    struct store_job j;
    EQ(STORE_OK, s->calls->job_claim(s, 2000, &j));
    STR(id, j.id);
    EQ(JOB_RUNNING, j.state);
    store_job_release(&j);
}

static enum store_status succeed(struct store *s, const char *id, const void *data, size_t n)
{
    struct store_sink *k = s->calls->sink_new(s);
    for (size_t at = 0; at < n; at += 10000)
        EQ(STORE_OK,
           s->calls->sink_put(k, (const char *)data + at, n - at < 10000 ? n - at : 10000));
    struct store_end end = {.state = JOB_SUCCEEDED,
                            .finished = 3000,
                            .done = 1,
                            .total = 1,
                            .sink = k,
                            .media = "image/png",
                            .file_name = "a.png"};
    return s->calls->job_finish(s, id, &end);
}

static void expect_blob(const struct store_blob *b, const void *data, size_t n)
{
    EQ(n, b->n);
    OK(memcmp(b->data, data, n) == 0);
}

TEST(a_job_keeps_its_words_and_inputs_small_and_large)
{
    static const size_t sizes[] = {0, 1, 1000, 65536, 65537, 3000000};
    struct store *s = open_store();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char id[STORE_ID], *names;
        struct store_job j;
        struct store_blob b;
        add_job(s, id, "{\"type\":\"run\"}", sizes[i]);
        s = i % 2 ? s : reopen_store(s);
        EQ(STORE_OK, s->calls->job_get(s, id, &j));
        STR(id, j.id);
        STR("run", j.type);
        EQ(JOB_QUEUED, j.state);
        EQ(1000, j.created);
        EQ(0, j.started);
        expect_blob(&j.spec, "{\"type\":\"run\"}", 14);
        OK(j.error.data == NULL);
        store_job_release(&j);
        EQ(STORE_OK, s->calls->job_part(s, id, "img", &b));
        char *want = noise(sizes[i], sizes[i] + 1);
        expect_blob(&b, want, sizes[i]);
        free(want);
        store_blob_release(&b);
        EQ(STORE_NONE, s->calls->job_part(s, id, "nothing", &b));
        EQ(STORE_OK, s->calls->job_parts(s, id, &names));
        STR("img", names);
        STR("bank", names + 4);
        EQ(0, names[9]);
        free(names);
    }
    clean_store(s);
}

TEST(jobs_are_claimed_in_the_order_of_their_coming_and_once)
{
    struct store *s = open_store();
    char ids[3][STORE_ID];
    struct store_job j;
    EQ(STORE_NONE, s->calls->job_claim(s, 1, &j));
    for (int i = 0; i < 3; i++) add_job(s, ids[i], "{}", 10);
    for (int i = 0; i < 3; i++) claim(s, ids[i]);
    EQ(STORE_NONE, s->calls->job_claim(s, 1, &j));
    EQ(STORE_OK, s->calls->job_requeue(s, ids[1]));
    EQ(STORE_STATE, s->calls->job_requeue(s, ids[1]));
    claim(s, ids[1]);
    EQ(STORE_OK, s->calls->job_get(s, ids[1], &j));
    EQ(1, j.starts); /* an orderly stop is no start */
    EQ(2000, j.started);
    store_job_release(&j);
    clean_store(s);
}

TEST(what_ran_is_queued_again_and_its_start_counts)
{
    struct store *s = open_store();
    char id[STORE_ID];
    struct store_job j;
    add_job(s, id, "{}", 10);
    for (unsigned i = 1; i <= 3; i++) {
        claim(s, id);
        s = reopen_store(s);
        EQ(STORE_OK, s->calls->job_get(s, id, &j));
        EQ(JOB_QUEUED, j.state);
        EQ(i, j.starts);
        store_job_release(&j);
    }
    clean_store(s);
}

TEST(a_result_appears_with_its_state_and_once)
{
    static const size_t sizes[] = {0, 5, 65536, 65537, 2500000};
    struct store *s = open_store();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char id[STORE_ID], *data = noise(sizes[i], i);
        struct store_result r;
        add_job(s, id, "{}", 10);
        EQ(STORE_STATE, succeed(s, id, data, sizes[i])); /* it does not run */
        claim(s, id);
        EQ(STORE_STATE, s->calls->job_result(s, id, &r));
        EQ(STORE_OK, succeed(s, id, data, sizes[i]));
        EQ(STORE_STATE, succeed(s, id, "other", 5));
        s = reopen_store(s);
        EQ(JOB_SUCCEEDED, state_of(s, id));
        EQ(STORE_OK, s->calls->job_result(s, id, &r));
        STR("image/png", r.media);
        STR("a.png", r.file_name);
        expect_blob(&r.body, data, sizes[i]);
        store_blob_release(&r.body);
        free(data);
    }
    EQ(STORE_NONE, succeed(s, "0123", "x", 1));
    clean_store(s);
}

TEST(a_dropped_result_is_nowhere)
{
    struct store *s = open_store();
    char *data = noise(100000, 1);
    struct store_sink *k = s->calls->sink_new(s);
    EQ(STORE_OK, s->calls->sink_put(k, data, 100000));
    s->calls->sink_drop(k);
    free(data);
    clean_store(s);
}

TEST(a_failed_job_has_its_problem)
{
    struct store *s = open_store();
    char id[STORE_ID];
    struct store_job j;
    struct store_result r;
    add_job(s, id, "{}", 10);
    claim(s, id);
    struct store_end end = {.state = JOB_FAILED, .finished = 3000, .error = "{\"status\":422}"};
    EQ(STORE_OK, s->calls->job_finish(s, id, &end));
    EQ(STORE_OK, s->calls->job_get(s, id, &j));
    EQ(JOB_FAILED, j.state);
    EQ(3000, j.finished);
    expect_blob(&j.error, "{\"status\":422}", 14);
    store_job_release(&j);
    EQ(STORE_STATE, s->calls->job_result(s, id, &r));
    clean_store(s);
}

TEST(cancelling_wins_over_a_late_result)
{
    struct store *s = open_store();
    char a[STORE_ID], b[STORE_ID];
    add_job(s, a, "{}", 10);
    add_job(s, b, "{}", 10);
    claim(s, a);
    EQ(STORE_OK, s->calls->job_cancel(s, a, 5));
    EQ(STORE_OK, s->calls->job_cancel(s, b, 5));
    EQ(STORE_STATE, s->calls->job_cancel(s, b, 5));
    EQ(STORE_STATE, succeed(s, a, "late", 4));
    EQ(STORE_STATE, s->calls->job_checkpoint(s, a, 1, 2, "x", 1));
    EQ(JOB_CANCELLED, state_of(s, a));
    EQ(JOB_CANCELLED, state_of(s, b));
    EQ(STORE_NONE, s->calls->job_cancel(s, "0123", 5));
    clean_store(s);
}

TEST(only_finished_jobs_are_deleted)
{
    struct store *s = open_store();
    char id[STORE_ID];
    struct store_blob b;
    struct store_job j;
    add_job(s, id, "{}", 200000);
    EQ(STORE_STATE, s->calls->job_delete(s, id));
    claim(s, id);
    EQ(STORE_STATE, s->calls->job_delete(s, id));
    EQ(STORE_OK, succeed(s, id, "x", 1));
    EQ(STORE_OK, s->calls->job_delete(s, id));
    EQ(STORE_NONE, s->calls->job_delete(s, id));
    EQ(STORE_NONE, s->calls->job_get(s, id, &j));
    EQ(STORE_NONE, s->calls->job_part(s, id, "img", &b));
    clean_store(s);
}

TEST(a_checkpoint_outlives_a_crash_and_resets_the_count_of_starts)
{
    struct store *s = open_store();
    char id[STORE_ID], *data = noise(100000, 3);
    struct store_blob b;
    struct store_job j;
    add_job(s, id, "{}", 10);
    claim(s, id);
    EQ(STORE_NONE, s->calls->job_resume(s, id, &b));
    s = reopen_store(s);
    claim(s, id);
    EQ(STORE_OK, s->calls->job_checkpoint(s, id, 3, 10, "epoch 3", 7));
    EQ(STORE_OK, s->calls->job_checkpoint(s, id, 4, 10, data, 100000));
    s = reopen_store(s);
    EQ(STORE_OK, s->calls->job_resume(s, id, &b));
    expect_blob(&b, data, 100000);
    store_blob_release(&b);
    EQ(STORE_OK, s->calls->job_get(s, id, &j));
    EQ(1, j.starts);
    EQ(4, j.done);
    EQ(10, j.total);
    store_job_release(&j);
    claim(s, id);
    EQ(STORE_OK, succeed(s, id, "x", 1));
    EQ(STORE_NONE, s->calls->job_resume(s, id, &b));
    free(data);
    clean_store(s);
}

TEST(lists_go_from_the_newest_in_pages)
{
    struct store *s = open_store();
    char ids[25][STORE_ID];
    for (int i = 0; i < 25; i++) add_job(s, ids[i], "{}", 1);
    struct store_job *list;
    size_t n;
    const char *after = "";
    int at = 24;
    for (int page = 0; page < 4; page++) {
        EQ(STORE_OK, s->calls->job_list(s, after, 10, &list, &n));
        EQ(page < 2 ? 10 : page == 2 ? 5 : 0, n);
        for (size_t i = 0; i < n; i++) STR(ids[at--], list[i].id);
        after = at >= 0 ? ids[at + 1] : ids[0];
        free(list);
    }
    EQ(STORE_NONE, s->calls->job_list(s, "0123", 10, &list, &n));
    free(list);
    clean_store(s);
}

TEST(counts_and_expiry_see_types_and_states)
{
    struct store *s = open_store();
    char a[STORE_ID], b[STORE_ID], c[STORE_ID];
    struct store_count *list;
    size_t n;
    add_job(s, a, "{}", 100000);
    add_job(s, b, "{}", 1);
    add_job(s, c, "{}", 1);
    claim(s, a);
    EQ(STORE_OK, succeed(s, a, "x", 1));
    EQ(STORE_OK, s->calls->job_cancel(s, b, 9000));
    EQ(STORE_OK, s->calls->job_counts(s, &list, &n));
    size_t by[JOB_STATES] = {0};
    for (size_t i = 0; i < n; i++) {
        STR("run", list[i].type);
        by[list[i].state] += list[i].n;
    }
    free(list);
    EQ(1, by[JOB_QUEUED]);
    EQ(0, by[JOB_RUNNING]);
    EQ(1, by[JOB_SUCCEEDED]);
    EQ(1, by[JOB_CANCELLED]);
    EQ(STORE_OK, s->calls->jobs_expire(s, 3000, &n));
    EQ(0, n);
    EQ(STORE_OK, s->calls->jobs_expire(s, 3001, &n));
    EQ(1, n);
    EQ(STORE_OK, s->calls->jobs_expire(s, INT64_MAX, &n));
    EQ(1, n);
    EQ(JOB_QUEUED, state_of(s, c));
    clean_store(s);
}

TEST(pipelines_are_put_replaced_listed_and_deleted)
{
    struct store *s = open_store();
    struct store_part spec = PART("spec", "[\"abs\"]"), other = PART("spec", "[\"neg\"]");
    char *data = noise(300000, 5), *names;
    struct store_part weights = {"weights", data, 300000};
    struct store_pipeline p;
    bool replaced;
    EQ(STORE_OK, s->calls->pipeline_put(s, "b", 1, &spec, NULL, &replaced));
    OK(!replaced);
    EQ(STORE_OK, s->calls->pipeline_put(s, "a", 2, &spec, &weights, &replaced));
    OK(!replaced);
    EQ(STORE_OK, s->calls->pipeline_put(s, "b", 3, &other, &weights, &replaced));
    OK(replaced);
    s = reopen_store(s);
    EQ(STORE_OK, s->calls->pipeline_names(s, &names));
    STR("a", names);
    STR("b", names + 2);
    EQ(0, names[4]);
    free(names);
    EQ(STORE_OK, s->calls->pipeline_get(s, "b", &p));
    STR("b", p.name);
    EQ(3, p.changed);
    expect_blob(&p.spec, "[\"neg\"]", 7);
    expect_blob(&p.weights, data, 300000);
    store_blob_release(&p.spec);
    store_blob_release(&p.weights);
    EQ(STORE_OK, s->calls->pipeline_put(s, "b", 4, &spec, NULL, &replaced));
    EQ(STORE_OK, s->calls->pipeline_get(s, "b", &p));
    OK(p.weights.data == NULL);
    store_blob_release(&p.spec);
    EQ(STORE_OK, s->calls->pipeline_delete(s, "b"));
    EQ(STORE_NONE, s->calls->pipeline_delete(s, "b"));
    EQ(STORE_NONE, s->calls->pipeline_get(s, "b", &p));
    free(data);
    clean_store(s);
}

TEST(images_are_kept_by_content_until_nobody_uses_them)
{
    struct store *s = open_store();
    char *data = noise(200000, 6), *info;
    struct store_blob b;
    size_t n;
    EQ(STORE_OK, s->calls->image_put(s, "aa", 1000, data, 200000, "{\"width\":3}"));
    EQ(STORE_OK, s->calls->image_put(s, "bb", 1000, data, 10, ""));
    EQ(STORE_OK, s->calls->image_put(s, "aa", 2000, data, 200000, "{\"width\":3}"));
    s = reopen_store(s);
    EQ(STORE_OK, s->calls->image_get(s, "aa", 2000, &b, &info));
    expect_blob(&b, data, 200000);
    STR("{\"width\":3}", info);
    free(info);
    store_blob_release(&b);
    EQ(STORE_OK, s->calls->images_expire(s, 1500, &n));
    EQ(1, n);
    EQ(STORE_NONE, s->calls->image_get(s, "bb", 2000, &b, NULL));
    EQ(STORE_OK, s->calls->image_get(s, "aa", 9000000, &b, NULL)); /* uses it anew */
    store_blob_release(&b);
    EQ(STORE_OK, s->calls->images_expire(s, 5000000, &n));
    EQ(0, n);
    EQ(STORE_OK, s->calls->image_delete(s, "aa"));
    EQ(STORE_NONE, s->calls->image_delete(s, "aa"));
    free(data);
    clean_store(s);
}

struct crowd {
    struct store *s;
    int i;
};

static void *add_many(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 40; i++) {
        char id[STORE_ID];
        struct store_part job = PART("job", "{}"), part = PART("img", "x");
        struct store_job j;
        store_make_id(id);
        if (c->s->calls->job_add(c->s, id, "run", i, &job, &part, 1) != STORE_OK) abort();
        if (i % 2 == 0 && c->s->calls->job_claim(c->s, i, &j) == STORE_OK) store_job_release(&j);
    }
    return NULL;
}

TEST(many_threads_write_and_claim_and_nothing_is_lost_or_doubled)
{
    struct store *s = open_store();
    pthread_t threads[8];
    struct crowd c = {.s = s};
    for (int i = 0; i < 8; i++) EQ(0, pthread_create(&threads[i], NULL, add_many, &c));
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    struct store_count *list;
    size_t n, by[JOB_STATES] = {0};
    EQ(STORE_OK, s->calls->job_counts(s, &list, &n));
    for (size_t i = 0; i < n; i++) by[list[i].state] += list[i].n;
    free(list);
    EQ(160, by[JOB_QUEUED]);
    EQ(160, by[JOB_RUNNING]);
    clean_store(s);
}

TEST(a_store_that_is_open_is_healthy)
{
    struct store *s = open_store();
    const char *words;
    EQ(STORE_OK, s->calls->health(s, &words));
    for (int i = 0; i < 3; i++) s->calls->tick(s);
    EQ(STORE_OK, s->calls->health(s, &words));
    clean_store(s);
}
#endif

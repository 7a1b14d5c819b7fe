#include "loaders/sift.h"

#include "base/conf.h"
#include "tests/fakes/batches.h"

#define V1                                                                       \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"
#define V2                                                                       \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},{\"name\":\"q\",\"type\":\"int\",\"default\":7}]}"

static struct sift *s;
static struct err e;
static int64_t seen[4];
static size_t n_seen;

static enum err_kind on_int(struct av_visitor *v, const struct av_node *n, int64_t x,
                            struct err *err)
{
    (void)v, (void)n, (void)err;
    if (n_seen < 4)
        seen[n_seen++] = x;
    return ERR_OK;
}

static struct av_visitor eye = {&(const struct av_visitor_ops){.int64 = on_int}};

static void begin(int64_t unknown_ms)
{
    struct sift_options o = {
        .subject = "t-value", .unknown_ms = unknown_ms, .timeout_ms = 10};

    fake_registry_reset();
    e = (struct err){0};
    CHECK_INT(sift_open(&s, NULL, &o, &e), ERR_OK);
}

static enum err_kind see(const struct batch *b, size_t i, const char **stage)
{
    struct sifted got;

    n_seen = 0;
    e = (struct err){0};
    enum err_kind rc = sift_record(s, &b->records[i], &eye, &got, &e);
    *stage = got.stage;
    return rc;
}

static void reads_every_record_in_the_latest_schema(void)
{
    struct batch *b = batch_new("t", 0, 0);
    const char *stage;

    begin(0);
    int32_t v1 = fake_register(V1);
    add_json(b, v1, "{\"id\":1}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(sift_shape(s), 1);
    // while data flows, somebody registers the next version
    int32_t v2 = fake_register(V2);
    add_json(b, v2, "{\"id\":2,\"q\":3}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(sift_shape(s), 2);
    CHECK_INT(see(b, 0, &stage), ERR_OK);
    CHECK_INT(n_seen, 2);
    CHECK_INT(seen[1], 7); // the old record has the default
    CHECK_INT(see(b, 1, &stage), ERR_OK);
    CHECK_INT(seen[1], 3);
    batch_free(b);
    sift_close(s);
}

static void asks_the_registry_once_for_each_id(void)
{
    struct batch *b = batch_new("t", 0, 0);

    begin(0);
    int32_t v1 = fake_register(V1);
    for (int i = 0; i < 100; i++)
        add_json(b, v1, "{\"id\":1}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(fake_registry.asked, 2); // by id, and the latest
    batch_free(b);
    sift_close(s);
}

static void an_outage_sets_nothing_aside(void)
{
    struct batch *b = batch_new("t", 0, 0);
    const char *stage;

    begin(0);
    int32_t v1 = fake_register(V1);
    add_json(b, v1, "{\"id\":1}");
    fake_registry.away = true;
    CHECK_INT(sift_prepare(s, b, &e), ERR_UNAVAILABLE);
    CHECK_INT(sift_prepare(s, b, &e), ERR_UNAVAILABLE);
    fake_registry.away = false;
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(see(b, 0, &stage), ERR_OK);
    batch_free(b);
    sift_close(s);
}

static void waits_for_an_id_that_is_not_there_yet(void)
{
    struct batch *b = batch_new("t", 0, 0);
    const char *stage;

    begin(3600000);
    (void)fake_register(V1);
    add_json(b, 9, "");
    CHECK_INT(sift_prepare(s, b, &e), ERR_UNAVAILABLE);
    CHECK_STR(e.msg, "the registry does not know schema id 9 (for 0 s, set aside after "
                     "3600 s)");
    sift_close(s);
    begin(0); // ... and with no patience at all
    (void)fake_register(V1);
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(see(b, 0, &stage), ERR_INVALID);
    CHECK_STR(stage, "schema");
    CHECK_STR(e.msg, "the registry does not know schema id 9");
    batch_free(b);
    sift_close(s);
}

static void says_at_what_a_record_failed(void)
{
    struct batch *b = batch_new("t", 0, 0);
    struct record tombstone = {.offset = 2};
    const char *stage;

    begin(0);
    int32_t v1 = fake_register(V1);
    add_json(b, v1, "{\"id\":1}");
    add_rubbish(b);
    batch_add(b, &tombstone);
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(see(b, 1, &stage), ERR_INVALID);
    CHECK_STR(stage, "frame");
    CHECK_INT(see(b, 2, &stage), ERR_INVALID);
    CHECK_STR(stage, "tombstone");
    b->records[0].value.n--; // cut short
    CHECK_INT(see(b, 0, &stage), ERR_INVALID);
    CHECK_STR(stage, "decode");
    batch_free(b);
    sift_close(s);
}

static void a_writer_that_does_not_resolve_is_set_aside(void)
{
    struct batch *b = batch_new("t", 0, 0);
    const char *stage;

    begin(0);
    int32_t text = fake_register("\"string\"");
    (void)fake_register(V1);
    add_json(b, text, "\"x\"");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_INT(see(b, 0, &stage), ERR_INVALID);
    CHECK_STR(stage, "schema");
    batch_free(b);
    sift_close(s);
}

static void takes_the_writers_own_where_no_subject_is(void)
{
    struct batch *b = batch_new("t", 0, 0);

    begin(0);
    int32_t v1 = fake_register(V1);
    fake_registry.latest = 0;
    add_json(b, v1, "{\"id\":1}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK(sift_reader(s) == fake_registry.schemas[v1 - 1]);
    batch_free(b);
    sift_close(s);
}

static const struct conf_row steps_rows[] = {
    {"transform", CONF_TREE, 0, .help = "steps"}, {0}};

#define V3                                                                        \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"key\",\"type\":" \
    "\"long\"}]}"

static void transforms_stand_between_the_latest_and_the_table(void)
{
    struct conf conf = {0};
    struct conf_tree steps = {0};
    struct transform *t = NULL;
    struct sift_options o = {.subject = "t-value", .timeout_ms = 10};
    struct batch *b = batch_new("t", 0, 0);
    struct sifted got;

    fake_registry_reset();
    e = (struct err){0};
    CHECK_INT(
        conf_read_text(&conf, steps_rows, "p",
                       span_str("transform:\n- rename: {id: n}\n- filter: \"100 / "
                                "n > 10\"\n"),
                       &steps, &e),
        ERR_OK);
    CHECK_INT(transform_read(&t, &steps, &e), ERR_OK);
    o.transform = t;
    CHECK_INT(sift_open(&s, NULL, &o, &e), ERR_OK);
    int32_t v1 = fake_register(V1), v2 = fake_register(V2);
    add_json(b, v1, "{\"id\":1}"); // another schema than the latest
    add_json(b, v2, "{\"id\":50,\"q\":3}");
    add_json(b, v2, "{\"id\":0,\"q\":3}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_OK);
    CHECK_SPAN(av_schema_root(sift_reader(s))->fields[0].name, "n");
    n_seen = 0;
    CHECK_INT(sift_record(s, &b->records[0], &eye, &got, &e), ERR_OK);
    CHECK_INT(got.fate, SIFT_ROW);
    CHECK_INT(n_seen, 2);
    CHECK_INT(seen[1], 7);
    CHECK_INT(sift_record(s, &b->records[1], &eye, &got, &e), ERR_OK);
    CHECK_INT(got.fate, SIFT_FILTERED);
    CHECK_STR(got.rule, "2:filter");
    CHECK_INT(n_seen, 2); // nobody was told of it
    CHECK_INT(sift_record(s, &b->records[2], &eye, &got, &e), ERR_INVALID);
    CHECK_STR(got.stage, "transform");
    CHECK_STR(got.rule, "2:filter");
    CHECK_STR(e.msg, "transform 2:filter: divide by zero");
    b->records[1].value.n--;
    CHECK_INT(sift_record(s, &b->records[1], &eye, &got, &e), ERR_INVALID);
    CHECK_STR(got.stage, "decode");
    // a version comes that the steps do not fit
    int32_t v3 = fake_register(V3);
    add_json(b, v3, "{\"key\":1}");
    CHECK_INT(sift_prepare(s, b, &e), ERR_INVALID);
    CHECK(sift_misfits(s));
    CHECK_STR(e.msg, "t-value version 0: transform 1:rename: there is no field \"id\", "
                     "only: key");
    batch_free(b);
    sift_close(s);
    transform_free(t);
    conf_free(&conf);
}

int main(void)
{
    RUN(transforms_stand_between_the_latest_and_the_table);
    RUN(reads_every_record_in_the_latest_schema);
    RUN(asks_the_registry_once_for_each_id);
    RUN(an_outage_sets_nothing_aside);
    RUN(waits_for_an_id_that_is_not_there_yet);
    RUN(says_at_what_a_record_failed);
    RUN(a_writer_that_does_not_resolve_is_set_aside);
    RUN(takes_the_writers_own_where_no_subject_is);
    fake_registry_reset();
    return REPORT();
}

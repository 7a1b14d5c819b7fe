#include "gateway/batch.h"
#include "tests/check.h"

#include <stdio.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":"
    "\"long\"},"
    "{\"name\":\"name\",\"type\":[\"null\",\"string\"],\"default\":null}]}";

struct setting {
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct av_plan *plan;
    struct gw_batch_schema against;
};

static void set_up(struct setting *s)
{
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s->schema, span_str(schema_text), NULL, 0, NULL, &e),
              ERR_OK);
    CHECK_INT(av_encoder_new(&s->encoder, s->schema, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&s->plan, s->schema, s->schema, &e), ERR_OK);
    s->against =
        (struct gw_batch_schema){.encoder = s->encoder, .plan = s->plan, .id = 7};
}

static void take_down(struct setting *s)
{
    av_plan_free(s->plan);
    av_encoder_free(s->encoder);
    av_schema_release(s->schema);
}

static const struct gw_batch_limits limits = {
    .records = 5, .record = 200, .frames = 1000, .problems = 50};

static enum err_kind read(struct gw_batch *b, enum body_kind kind,
                          const char *key_field, const char *body, struct err *e)
{
    struct ask a = {.body = kind, .delimiter = ',', .key_field = span_str(key_field)};
    struct setting s;

    set_up(&s);
    gw_batch_init(b, &limits);
    enum err_kind rc = gw_batch_read(b, &a, &s.against, span_str(body), e);
    take_down(&s);
    return rc;
}

static void good_records_are_framed_where_they_stand(void)
{
    struct gw_batch b;
    struct err e = {0};

    CHECK_INT(
        read(&b, BODY_JSON, "", " [{\"id\":1} , {\"name\":\"x\",\"id\":2}]\n", &e),
        ERR_OK);
    CHECK_INT(b.n, 2);
    CHECK_INT(b.bad, 0);
    CHECK(span_eq(gw_batch_frame(&b, 0), span_of("\0\0\0\0\7\2\0", 7)));
    CHECK(span_eq(gw_batch_frame(&b, 1), span_of("\0\0\0\0\7\4\2\2x", 9)));
    CHECK_SPAN(b.items[1].text, "{\"name\":\"x\",\"id\":2}");
    CHECK(gw_batch_key(&b, 0).p == NULL);
    gw_batch_free(&b);
    CHECK_INT(read(&b, BODY_JSON, "", "\xef\xbb\xbf{\"id\":1}", &e), ERR_OK);
    CHECK_INT(b.n, 1);
    gw_batch_free(&b);
}

static void a_bad_one_leaves_its_problems_and_the_others_go_on(void)
{
    struct gw_batch b;
    struct err e = {0};

    CHECK_INT(read(&b, BODY_JSON, "",
                   "[{\"id\":\"x\",\"nme\":1},{\"id\":2},{\"id\":1.5},{\"id\":3}]", &e),
              ERR_OK);
    CHECK_INT(b.n, 4);
    CHECK_INT(b.bad, 2);
    CHECK_INT(b.items[0].n_problems, 2);
    CHECK_SPAN(b.items[0].first->pointer, "/id");
    CHECK_INT(b.items[0].first->offset, 7);
    CHECK_INT(b.items[0].frame_n, 0);
    CHECK_INT(b.items[2].n_problems, 1);
    CHECK(span_eq(gw_batch_frame(&b, 3), span_of("\0\0\0\0\7\6\0", 7)));
    CHECK(!gw_batch_blames_form(&b));
    gw_batch_free(&b);
}

static void lines_are_read_one_by_one_whatever_stands_in_them(void)
{
    struct gw_batch b;
    struct err e = {0};

    CHECK_INT(
        read(&b, BODY_NDJSON, "",
             "{\"id\":1}\n\n  \r\n{\"id\":\n{\"id\":3} \r\n{\"id\":4} 5\n{\"id\":5}",
             &e),
        ERR_OK);
    CHECK_INT(b.n, 5);
    CHECK_INT(b.bad, 2);
    CHECK_INT(b.items[1].frame_n, 0);
    CHECK_SPAN(b.items[1].text, "{\"id\":");
    CHECK_INT(b.items[3].frame_n, 0);
    CHECK(b.items[4].frame_n > 0);
    CHECK(gw_batch_blames_form(&b));
    gw_batch_free(&b);
}

static void csv_is_typed_by_the_schema(void)
{
    struct gw_batch b;
    struct err e = {0};

    CHECK_INT(read(&b, BODY_CSV, "name", "name,id\nann,1\n\"b,\nb\",2\n,x\n", &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(b.n, 3);
    CHECK_INT(b.bad, 1);
    CHECK_SPAN(gw_batch_key(&b, 0), "ann");
    CHECK_SPAN(gw_batch_key(&b, 1), "b,\nb");
    CHECK_SPAN(b.items[1].text, "\"b,\nb\",2");
    CHECK_SPAN(b.items[2].first->pointer, "/id");
    CHECK_INT(b.items[2].first->offset, 24);
    gw_batch_free(&b);
}

static void keys_come_from_the_checked_record(void)
{
    struct gw_batch b;
    struct err e = {0};

    CHECK_INT(read(&b, BODY_JSON, "id", "[{\"id\":-12},{\"id\":1e3}]", &e), ERR_OK);
    CHECK_SPAN(gw_batch_key(&b, 0), "-12");
    CHECK_SPAN(gw_batch_key(&b, 1), "1000");
    gw_batch_free(&b);
    CHECK_INT(read(&b, BODY_JSON, "name", "[{\"id\":1},{\"id\":2,\"name\":\"\"}]", &e),
              ERR_OK);
    CHECK(gw_batch_key(&b, 0).p == NULL); // null is no key
    CHECK(gw_batch_key(&b, 1).p != NULL); // "" is one
    CHECK_INT(gw_batch_key(&b, 1).n, 0);
    gw_batch_free(&b);
}

static void a_body_that_is_none_is_refused_as_a_whole(void)
{
    static const struct {
        enum body_kind kind;
        enum err_kind says;
        const char *body, *begins;
    } t[] = {
        {BODY_JSON, ERR_INVALID, "", "1:1: the body ends, wanted a record"},
        {BODY_JSON, ERR_INVALID, "[]", "the body holds no record"},
        {BODY_JSON, ERR_INVALID, "[{\"id\":1}",
         "1:10: the body ends, wanted ',' or ']'"},
        {BODY_JSON, ERR_INVALID, "[{\"id\":1}\n {\"id\":2}]",
         "2:2: found '{', wanted ','"},
        {BODY_JSON, ERR_INVALID, "{\"id\":1} {\"id\":2}",
         "1:10: found '{', wanted nothing"},
        {BODY_JSON, ERR_INVALID, "[{\"id\":1},\n{\"id\":tru}]", "2:"},
        {BODY_JSON, ERR_INVALID, "[{\"id\":1},]", "1:11: no JSON"},
        {BODY_NDJSON, ERR_INVALID, "\n \n", "the body holds no record"},
        {BODY_CSV, ERR_INVALID, "", ""},
        {BODY_CSV, ERR_CONFLICT, "id,what\n1,2\n", ""},
        {BODY_JSON, ERR_LIMIT,
         "[{\"id\":1},{\"id\":1},{\"id\":1},{\"id\":1},{\"id\":1},{\"id\":1}]",
         "more than 5 records in one request"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct gw_batch b;
        struct err e = {0};

        CHECK_INT(read(&b, t[i].kind, "", t[i].body, &e), t[i].says);
        CHECK_SPAN(span_of(e.msg, strlen(t[i].begins)), t[i].begins);
        gw_batch_free(&b);
    }
}

static void the_frames_have_a_limit(void)
{
    struct gw_batch b;
    struct err e = {0};
    char body[1200] = "[{\"id\":1,\"name\":\"";

    memset(body + strlen(body), 'x', 1100);
    strcat(body, "\"}]");
    CHECK_INT(read(&b, BODY_JSON, "", body, &e), ERR_LIMIT);
    gw_batch_free(&b);
}

static void what_kafka_would_not_take_is_refused_before_anything_is_sent(void)
{
    struct gw_batch b;
    struct err e = {0};
    char body[400];

    // 5 of head, 1 of id, 1 of branch, 2 of length: 191 of text are 200 bytes
    snprintf(body, sizeof body, "{\"id\":1,\"name\":\"%0191d\"}\n", 0);
    CHECK_INT(read(&b, BODY_NDJSON, "", body, &e), ERR_OK);
    CHECK_INT(b.bad, 0);
    CHECK(!gw_batch_blames_size(&b));
    gw_batch_free(&b);

    CHECK_INT(read(&b, BODY_NDJSON, "id", body, &e), ERR_OK); // the key counts
    CHECK_INT(b.bad, 1);
    CHECK(gw_batch_blames_size(&b));
    CHECK_STR(b.items[0].first->rule, "size");
    CHECK_SPAN(b.items[0].first->expected, "at most 200 bytes for Kafka");
    CHECK_INT(b.frames.n, 0);
    gw_batch_free(&b);

    snprintf(body, sizeof body, "{\"id\":\"x\"}\n{\"id\":1,\"name\":\"%0192d\"}\n", 0);
    CHECK_INT(read(&b, BODY_NDJSON, "", body, &e), ERR_OK);
    CHECK_INT(b.bad, 2);
    CHECK(!gw_batch_blames_size(&b)); // not of all of them
    gw_batch_free(&b);
}

int main(void)
{
    RUN(good_records_are_framed_where_they_stand);
    RUN(a_bad_one_leaves_its_problems_and_the_others_go_on);
    RUN(lines_are_read_one_by_one_whatever_stands_in_them);
    RUN(csv_is_typed_by_the_schema);
    RUN(keys_come_from_the_checked_record);
    RUN(a_body_that_is_none_is_refused_as_a_whole);
    RUN(the_frames_have_a_limit);
    RUN(what_kafka_would_not_take_is_refused_before_anything_is_sent);
    return REPORT();
}

/* What is put in front of a record's value, and taken off again. */
#include "loaders/stage_envelope.h"

#include "avro-core/canon.h"
#include "avro-core/encode.h"
#include "tests/check.h"

#include <stdlib.h>

#define ALL 63u
#define RECORD                                                                        \
    "{\"type\":\"record\",\"name\":\"shop.R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},{\"name\":\"city\",\"type\":\"string\",\"default\":\"x\"},{\"name\":"  \
    "\"n\",\"type\":[\"string\",\"null\"]},{\"name\":\"u\",\"type\":[\"int\","        \
    "\"string\"]}]}"
#define JSON_TEXT "{\"id\":7,\"city\":\"Ulm\",\"n\":null,\"u\":{\"int\":5}}"

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e) != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK(s != NULL);
    return s;
}

static void encode(struct buf *out, struct av_schema *s, const char *json)
{
    struct av_encoder *enc;
    struct av_problems p = {0};
    struct err e = {0};

    CHECK_INT(av_encoder_new(&enc, s, NULL, &e), ERR_OK);
    CHECK_INT(av_encode(enc, span_str(json), out, &p), ERR_OK);
    av_problems_free(&p);
    av_encoder_free(enc);
}

static struct envelope *open_envelope(struct av_schema *s, unsigned parts)
{
    struct envelope *v = NULL;
    struct err e = {0};

    if (envelope_new(&v, s, parts, &e) != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK(v != NULL);
    return v;
}

static struct record with_headers(struct buf *headers)
{
    batch_pack_header(headers, "trace", span_str("abc"));
    batch_pack_header(headers, "trace", (struct span){0});
    batch_pack_header(headers, "", span_of("", 0));
    return (struct record){.offset = 1234567890123,
                           .timestamp_ms = 1700000000123,
                           .key = span_str("k\1"),
                           .headers = buf_span(headers)};
}

/* Reads a row as format.h hands it out: resolved to the file's schema. */
static void check_row(struct envelope *v, const struct envelope_row *row)
{
    struct av_visitor blind = {&(const struct av_visitor_ops){0}};
    struct err e = {0};

    if (av_decode_all(row->plan, row->datum, &row->lim, &blind, &e) != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK_INT(e.kind, ERR_OK);
    CHECK(av_plan_reader(row->plan) == envelope_schema(v));
}

/* As the file has it: what `row` is resolved to. */
static void as_file(struct envelope *v, const struct envelope_row *row, struct buf *out)
{
    struct envelope_row again;
    struct err e = {0};
    struct envelope *plain;

    // An envelope without parts in front of the file's schema rewrites by any plan.
    CHECK_INT(envelope_new(&plain, envelope_schema(v), 0, &e), ERR_OK);
    struct record none = {.timestamp_ms = -1};
    CHECK_INT(envelope_put(plain, &none, 0, row->plan, row->datum, &again, &e), ERR_OK);
    buf_put(out, again.datum);
    envelope_free(plain);
}

static void round_trip(const char *schema, const char *json, unsigned parts)
{
    struct av_schema *s = parse(schema);
    struct envelope *v = open_envelope(s, parts);
    struct buf datum = BUF_INIT(1000), headers = BUF_INIT(1000), file = BUF_INIT(9000);
    struct record r = with_headers(&headers), got;
    struct av_plan *plan = NULL;
    struct envelope_row row;
    int32_t partition;
    struct err e = {0};

    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    if (json != NULL)
        encode(&datum, s, json);
    CHECK_INT(
        envelope_put(v, &r, 3, json != NULL ? plan : NULL, buf_span(&datum), &row, &e),
        ERR_OK);
    check_row(v, &row);
    as_file(v, &row, &file);
    CHECK_INT(envelope_from(v, envelope_schema(v), &e), ERR_OK);
    CHECK_INT(envelope_take(v, buf_span(&file), &got, &partition, &e), ERR_OK);
    CHECK_INT(got.offset, parts & ENVELOPE_OFFSET ? r.offset : -1);
    CHECK_INT(got.timestamp_ms, parts & ENVELOPE_TIMESTAMP ? r.timestamp_ms : -1);
    CHECK_INT(partition, parts & ENVELOPE_PARTITION ? 3 : -1);
    CHECK((got.key.p != NULL) == ((parts & ENVELOPE_KEY) != 0));
    CHECK((parts & ENVELOPE_KEY) == 0 || span_eq(got.key, r.key));
    CHECK(parts & ENVELOPE_HEADERS ? span_eq(got.headers, r.headers)
                                   : got.headers.n == 0);
    CHECK((got.value.p == NULL) == (json == NULL));
    CHECK(json == NULL || span_eq(got.value, buf_span(&datum)));
    av_plan_free(plan);
    av_schema_release(s);
    envelope_free(v);
    buf_free(&datum);
    buf_free(&headers);
    buf_free(&file);
}

static void a_record_comes_back_as_it_was_with_any_parts(void)
{
    for (unsigned parts = 1; parts <= ALL; parts++)
        round_trip(RECORD, JSON_TEXT, parts);
}

static void a_tombstone_comes_back_as_one(void)
{
    for (unsigned parts = ENVELOPE_DELETED; parts <= ALL; parts++)
        round_trip(RECORD, NULL, parts);
}

#define NODE                                                                           \
    "{\"type\":\"record\",\"name\":\"shop.Node\",\"fields\":[{\"name\":\"mood\","      \
    "\"type\":{\"type\":\"enum\",\"name\":\"Mood\",\"symbols\":[\"good\",\"bad\"]}},{" \
    "\"name\":\"next\",\"type\":[\"null\",\"Node\"]}]}"

static void a_value_of_any_shape_has_an_envelope(void)
{
    static const char *const cases[][2] = {
        {"\"string\"", "\"abc\""},
        {"[\"null\",\"long\"]", "null"},
        {"[\"long\",\"string\"]", "{\"string\":\"x\"}"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "[1,2]"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b\"]}", "\"b\""},
        {"{\"type\":\"record\",\"name\":\"None\",\"fields\":[]}", "{}"},
        {"{\"type\":\"fixed\",\"name\":\"a.b.F\",\"size\":2}", "\"YWI=\""},
        {NODE, "{\"mood\":\"bad\",\"next\":{\"mood\":\"good\",\"next\":null}}"},
        {"{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"kids\",\"type\":{"
         "\"type\":\"array\",\"items\":\"T\"}}]}",
         "{\"kids\":[{\"kids\":[]}]}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned parts = 1; parts <= ALL; parts += 31) {
            round_trip(cases[i][0], cases[i][1], parts);
            if (parts & ENVELOPE_DELETED)
                round_trip(cases[i][0], NULL, parts);
        }
}

static void the_schema_says_what_is_there(void)
{
    struct av_schema *s = parse(RECORD);
    struct envelope *v = open_envelope(s, ENVELOPE_KEY | ENVELOPE_DELETED);
    struct buf text = BUF_INIT(10000);

    av_print(&text, envelope_schema(v));
    CHECK_SPAN(
        buf_span(&text),
        "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"shop\",\"fields\":[{"
        "\"name\":\"_key\",\"type\":[\"null\",\"bytes\"]},{\"name\":\"_deleted\","
        "\"type\":\"boolean\"},{\"name\":\"id\",\"type\":[\"null\",\"long\"]},{"
        "\"name\":\"city\",\"type\":[\"string\",\"null\"],\"default\":\"x\"},{\"name\":"
        "\"n\",\"type\":[\"string\",\"null\"]},{\"name\":\"u\",\"type\":[\"null\","
        "\"int\",\"string\"]}]}");
    buf_free(&text);
    envelope_free(v);
    av_schema_release(s);
}

static void a_field_of_a_columns_name_is_refused(void)
{
    struct av_schema *s = parse(
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"_Key\",\"type\":"
        "\"long\"}]}");
    struct envelope *v;
    struct err e = {0};

    CHECK_INT(envelope_new(&v, s, ENVELOPE_OFFSET | ENVELOPE_KEY, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "_Key") != NULL);
    CHECK_INT(envelope_new(&v, s, ENVELOPE_OFFSET, &e), ERR_OK); // it is no column
    envelope_free(v);
    av_schema_release(s);
}

static void what_an_older_writer_wrote_is_rewritten_and_faults_are_told_where(void)
{
    struct av_schema *s = parse(RECORD);
    struct av_schema *old =
        parse("{\"type\":\"record\",\"name\":\"shop.R\",\"fields\":["
              "{\"name\":\"u\",\"type\":\"int\"},{\"name\":\"n\","
              "\"type\":[\"null\",\"string\"]},{\"name\":\"id\","
              "\"type\":\"int\"}]}");
    struct envelope *v = open_envelope(s, ALL);
    struct buf datum = BUF_INIT(1000), wanted = BUF_INIT(1000), file = BUF_INIT(1000);
    struct av_plan *plan = NULL;
    struct av_visitor blind = {&(const struct av_visitor_ops){0}};
    struct record r = {.timestamp_ms = -1, .key = span_str("a long key")}, got;
    struct envelope_row row;
    int32_t partition;
    struct err e = {0};

    CHECK_INT(av_plan_new(&plan, old, s, &e), ERR_OK);
    encode(&datum, old, "{\"u\":5,\"n\":null,\"id\":7}");
    encode(&wanted, s, "{\"id\":7,\"city\":\"x\",\"n\":null,\"u\":{\"int\":5}}");
    CHECK_INT(envelope_put(v, &r, 0, plan, buf_span(&datum), &row, &e), ERR_OK);
    as_file(v, &row, &file);
    CHECK_INT(envelope_from(v, envelope_schema(v), &e), ERR_OK);
    CHECK_INT(envelope_take(v, buf_span(&file), &got, &partition, &e), ERR_OK);
    CHECK(span_eq(got.value, buf_span(&wanted)));
    av_plan_free(plan);

    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    struct span torn = span_of(wanted.p, wanted.n - 1);
    CHECK_INT(envelope_put(v, &r, 0, plan, torn, &row, &e), ERR_OK);
    CHECK_INT(av_decode_all(row.plan, row.datum, &row.lim, &blind, &e), ERR_INVALID);
    char where[40];
    snprintf(where, sizeof where, "byte %zu", torn.n); // not of the row
    CHECK(strstr(e.msg, where) != NULL);
    av_plan_free(plan);
    av_schema_release(s);
    av_schema_release(old);
    envelope_free(v);
    buf_free(&datum);
    buf_free(&wanted);
    buf_free(&file);
}

static void a_row_of_another_schema_is_read_as_ours(void)
{
    struct av_schema *s = parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                "\"name\":\"id\",\"type\":\"long\"}]}");
    struct av_schema *wide = parse(
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"more\",\"type\":"
        "\"int\"},{\"name\":\"id\",\"type\":[\"null\",\"int\"]},{\"name\":\"_deleted\","
        "\"type\":\"boolean\"},{\"name\":\"_key\",\"type\":[\"null\",\"bytes\"]}]}");
    struct av_schema *without =
        parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
              "\"name\":\"id\",\"type\":\"long\"}]}");
    struct envelope *v = open_envelope(s, ENVELOPE_KEY | ENVELOPE_DELETED);
    struct buf datum = BUF_INIT(100);
    struct record got;
    int32_t partition;
    struct err e = {0};

    encode(&datum, wide, "{\"more\":1,\"id\":7,\"_deleted\":false,\"_key\":\"aw==\"}");
    CHECK_INT(envelope_from(v, wide, &e), ERR_OK);
    CHECK_INT(envelope_take(v, buf_span(&datum), &got, &partition, &e), ERR_OK);
    CHECK(span_eq(got.key, span_str("k")) && span_eq(got.value, span_str("\x0e")));
    buf_reset(&datum);
    encode(&datum, wide, "{\"more\":1,\"id\":null,\"_deleted\":true,\"_key\":null}");
    CHECK_INT(envelope_take(v, buf_span(&datum), &got, &partition, &e), ERR_OK);
    CHECK(got.key.p == NULL && got.value.p == NULL);
    buf_reset(&datum);
    encode(&datum, wide, "{\"more\":1,\"id\":null,\"_deleted\":false,\"_key\":null}");
    CHECK_INT(envelope_take(v, buf_span(&datum), &got, &partition, &e), ERR_INVALID);
    CHECK_INT(envelope_from(v, without, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "_key") != NULL);
    buf_free(&datum);
    envelope_free(v);
    av_schema_release(s);
    av_schema_release(wide);
    av_schema_release(without);
}

static void what_is_torn_is_refused_at_any_byte(void)
{
    struct av_schema *s = parse("\"string\"");
    struct envelope *v = open_envelope(s, ALL);
    struct buf headers = BUF_INIT(1000), datum = BUF_INIT(100), file = BUF_INIT(1000);
    struct record r = with_headers(&headers), got;
    struct av_plan *plan = NULL;
    struct envelope_row row;
    int32_t partition;
    struct err e = {0};

    CHECK_INT(av_plan_new(&plan, s, s, &e), ERR_OK);
    encode(&datum, s, "\"abc\"");
    CHECK_INT(envelope_put(v, &r, 3, plan, buf_span(&datum), &row, &e), ERR_OK);
    as_file(v, &row, &file);
    CHECK_INT(envelope_from(v, envelope_schema(v), &e), ERR_OK);
    for (size_t n = 0; n < file.n; n++) {
        uint8_t *exact = malloc(n + (n == 0));
        memcpy(exact, file.p, n);
        CHECK_INT(envelope_take(v, span_of(exact, n), &got, &partition, &e),
                  ERR_INVALID);
        free(exact);
    }
    CHECK_INT(envelope_take(v, buf_span(&file), &got, &partition, &e), ERR_OK);
    av_plan_free(plan);
    av_schema_release(s);
    envelope_free(v);
    buf_free(&headers);
    buf_free(&datum);
    buf_free(&file);
}

static void words_are_parts_and_others_are_refused(void)
{
    static const char *const good[] = {"offset", "key"}, *const bad[] = {"key",
                                                                         "value"};
    unsigned parts;
    struct err e = {0};

    CHECK_INT(envelope_read(&parts, good, 2, &e), ERR_OK);
    CHECK_INT(parts, ENVELOPE_KEY | ENVELOPE_OFFSET);
    CHECK_INT(envelope_read(&parts, bad, 2, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "\"value\"") != NULL);
    for (unsigned part = 1; part <= ENVELOPE_DELETED; part *= 2)
        CHECK(strstr(envelope_words, envelope_word(part)) != NULL);
}

int main(void)
{
    RUN(a_record_comes_back_as_it_was_with_any_parts);
    RUN(a_tombstone_comes_back_as_one);
    RUN(a_value_of_any_shape_has_an_envelope);
    RUN(the_schema_says_what_is_there);
    RUN(a_field_of_a_columns_name_is_refused);
    RUN(what_an_older_writer_wrote_is_rewritten_and_faults_are_told_where);
    RUN(a_row_of_another_schema_is_read_as_ours);
    RUN(what_is_torn_is_refused_at_any_byte);
    RUN(words_are_parts_and_others_are_refused);
    return REPORT();
}

#include "loaders/stage_claim.h"

#include "loaders/stage_envelope.h"
#include "place/place.h"
#include "tests/check.h"

static void a_claim_comes_back_as_it_was_written(void)
{
    struct stage_file files[] = {
        {"dt=2026-11-20/t+3+1.avro", {0}, 100, 7, "ab", false, false, "0:7"},
        {"_rejects/t+3+1.jsonl", {0}, 5, 1, "cd", true, true, ""},
    };
    struct rule_result rules[] = {{.name = "a",
                                   .severity = "warn",
                                   .form = "expr",
                                   .wanted = "message.x == \"y\"",
                                   .checked = 9,
                                   .failed = 3,
                                   .errors = 1,
                                   .last_failed = "t/3@101: is false"},
                                  {.name = "b",
                                   .severity = "fail",
                                   .form = "not_null",
                                   .wanted = "x not null",
                                   .checked = 9}};
    struct stage_claim c = {.job = "j \"quoted\"",
                            .quarantined = 2,
                            .rules = rules,
                            .n_rules = 2,
                            .topic = "t",
                            .cluster = "",
                            .partition = 3,
                            .first = 100,
                            .last = 199,
                            .count = 4,
                            .loaded = 7,
                            .rejected = 1,
                            .bytes = 900,
                            .mark = -1,
                            .ids = {7, 9},
                            .n_ids = 2,
                            .instance = "host:1",
                            .run = "uuid",
                            .epoch = 2,
                            .started_ms = 1700000000000,
                            .us = 5,
                            .files = files,
                            .n_files = 2};
    static const char key[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct stage_key keys[] = {{7, key}, {9, key}};
    struct stage_claim d;
    struct buf body = BUF_INIT(1 << 16), again = BUF_INIT(1 << 16);
    struct arena a = {0};
    struct err e = {0};

    files[0].ticket = span_str("{\"upload\":\"a\\\"b\"}");
    files[1].ticket = span_str("_tmp/x-2");
    c.schema = c.value_schema = key;
    c.envelope = ENVELOPE_KEY | ENVELOPE_DELETED;
    c.keys = keys;
    c.n_keys = 2;
    stage_claim_put(&body, &c);
    CHECK_INT(stage_claim_read(&d, buf_span(&body), &a, &e), ERR_OK);
    CHECK_STR(d.job, "j \"quoted\"");
    CHECK_INT(d.mark, -1);
    CHECK_INT(d.n_files, 2);
    CHECK_SPAN(d.files[0].ticket, "{\"upload\":\"a\\\"b\"}");
    CHECK(d.files[1].rejects && !d.files[0].rejects);
    CHECK(d.files[1].seen && !d.files[0].seen);
    CHECK_INT(d.quarantined, 2);
    CHECK_INT(d.n_rules, 2);
    CHECK_INT(d.rules[0].failed, 3);
    CHECK_STR(d.rules[0].last_failed, "t/3@101: is false");
    CHECK(d.rules[1].last_failed == NULL);
    CHECK_INT(d.envelope, ENVELOPE_KEY | ENVELOPE_DELETED);
    CHECK_STR(d.value_schema, key);
    CHECK_INT(d.n_keys, 2);
    CHECK_INT(d.keys[1].id, 9);
    stage_claim_put(&again, &d);
    CHECK(span_eq(buf_span(&body), buf_span(&again)));
    arena_free(&a);
    buf_free(&body);
    buf_free(&again);
}

static void offsets_of_rows_come_back(void)
{
    struct stage_file files[] = {
        {"a.avro", {0}, 100, 5, "ab", false, false, "0:2,3:3"}};
    struct stage_claim c = {.first = 100, .last = 107, .files = files, .n_files = 1};
    struct stage_runs r = stage_runs_begin(&c, &files[0]);
    static const int64_t wanted[] = {100, 101, 105, 106, 107, -1, -1};
    struct buf text = BUF_INIT(100);

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        CHECK_INT(stage_runs_next(&r), wanted[i]);
    for (int64_t at = 0; at < 110; at++) {
        int64_t before = at <= 100 ? 0 : at <= 105 ? (at > 101) + 1 : at - 103;
        r = stage_runs_begin(&c, &files[0]);
        CHECK_INT(stage_runs_skip(&r, at), before < 5 ? before : 5);
        CHECK_INT(stage_runs_next(&r), before < 5 ? wanted[before] : -1);
    }
    stage_runs_put(&text, 0, 2);
    stage_runs_put(&text, 3, 3);
    CHECK_SPAN(buf_span(&text), "0:2,3:3");
    buf_free(&text);
}

static bool is_read(const char *runs, const char *schema)
{
    struct stage_file files[] = {
        {"a.avro", span_str("t"), 100, 5, "ab", false, false, runs}};
    struct stage_claim c = {.job = "j",
                            .topic = "t",
                            .cluster = "",
                            .first = 100,
                            .last = 107,
                            .instance = "",
                            .run = "",
                            .schema = schema,
                            .files = files,
                            .n_files = 1};
    struct stage_claim d;
    struct buf body = BUF_INIT(1 << 16);
    struct arena a = {0};
    struct err e = {0};

    stage_claim_put(&body, &c);
    bool good = stage_claim_read(&d, buf_span(&body), &a, &e) == ERR_OK;
    if (good) {
        CHECK_STR(d.files[0].runs, runs);
        CHECK_STR(d.schema, schema);
    }
    arena_free(&a);
    buf_free(&body);
    return good;
}

static void offsets_a_claim_does_not_have_are_not_believed(void)
{
    static const char *const bad[] = {
        "0:4",
        "0:6",
        "4:5",
        "0:5,",
        ",0:5",
        "0:2,3:4",
        "0:0,0:5",
        "x",
        "0",
        "0:",
        ":5",
        "-1:5",
        "0:-5",
        "0:5,0:0",
        "0:5;",
        "0:999999999999999999999",
        "999999999999999999:5",
    };
    char key[STAGE_SCHEMA];

    CHECK(is_read("", ""));
    CHECK(is_read("0:5", ""));
    CHECK(is_read("3:5", ""));
    CHECK(is_read("0:2,3:3", ""));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!is_read(bad[i], ""));
    stage_schema_key(key, span_str("\"int\""));
    CHECK(is_read("", key));
    key[5] = '/';
    CHECK(!is_read("", key));
    CHECK(!is_read("", "ab"));
}

static void what_is_no_claim_is_broken_not_believed(void)
{
    static const char *const texts[] = {
        "",
        "{}",
        "{\"version\":1}",
        "{\"version\":2,\"partition\":0}",
        "[1]",
        "{\"version\":1,\"partition\":0,\"job\":\"j\",\"topic\":\"t\",\"cluster\":\"\","
        "\"first\":9,\"last\":8,\"count\":0,\"loaded\":0,\"rejected\":0,\"bytes\":0,"
        "\"mark\":-1,\"instance\":\"\",\"run\":\"\",\"epoch\":0,\"started_ms\":0,"
        "\"us\":0,"
        "\"schema_ids\":[],\"files\":[]}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct stage_claim c;
        struct arena a = {0};
        struct err e = {0};
        CHECK_INT(stage_claim_read(&c, span_str(texts[i]), &a, &e), ERR_INTERNAL);
        arena_free(&a);
    }
}

static void a_claims_name_is_its_first_offset(void)
{
    char name[STAGE_NAME];

    stage_claim_name(name, "weather", 3, 100);
    CHECK_STR(name, "_claims/weather/00003/00000000000000000100");
    CHECK_INT(stage_claim_first("00000000000000000100"), 100);
    CHECK_INT(stage_claim_first("09223372036854775807"), INT64_MAX);
    CHECK_INT(stage_claim_first("00000000000000000100.done"), -1);
    CHECK_INT(stage_claim_first("0000000000000000010x"), -1);
    const struct place_entry all[] = {{.name = "00000000000000000007"},
                                      {.name = "00000000000000000100"},
                                      {.name = "00000000000000000100.done"}};
    CHECK_INT(stage_claim_newest(all, 3), 100);
    CHECK_INT(stage_claim_newest(all + 2, 1), -1);
    CHECK_INT(stage_claim_newest(all, 0), -1);
    CHECK_INT(stage_claim_first("100"), -1);
}

int main(void)
{
    RUN(offsets_of_rows_come_back);
    RUN(offsets_a_claim_does_not_have_are_not_believed);
    RUN(a_claim_comes_back_as_it_was_written);
    RUN(what_is_no_claim_is_broken_not_believed);
    RUN(a_claims_name_is_its_first_offset);
    return REPORT();
}

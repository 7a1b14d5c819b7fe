#include "tests/check.h"
#include "wire/subject.h"

static void a_strategy_is_known_by_each_of_its_names(void)
{
    static const struct {
        const char *name;
        enum subject_strategy want;
    } rows[] = {
        {"topic", SUBJECT_TOPIC},
        {"TopicNameStrategy", SUBJECT_TOPIC},
        {"TOPIC_NAME", SUBJECT_TOPIC},
        {"record", SUBJECT_RECORD},
        {"io.confluent.kafka.serializers.subject.RecordNameStrategy", SUBJECT_RECORD},
        {"TOPIC_RECORD_NAME", SUBJECT_TOPIC_RECORD},
        {"topic-record", SUBJECT_TOPIC_RECORD},
        {"topic_record", SUBJECT_TOPIC_RECORD},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum subject_strategy got = 99;
        struct err e = {0};

        CHECK_INT(subject_strategy_read(&got, span_str(rows[i].name), &e), ERR_OK);
        CHECK_INT(got, rows[i].want);
    }

    enum subject_strategy none = SUBJECT_RECORD;
    struct err e = {0};
    CHECK_INT(subject_strategy_read(&none, span_str("topics"), &e), ERR_INVALID);
    CHECK_INT(none, SUBJECT_RECORD);
    CHECK_STR(subject_strategy_name(SUBJECT_TOPIC_RECORD), "TopicRecordNameStrategy");
}

static void each_strategy_makes_its_subject(void)
{
    static const struct {
        enum subject_strategy s;
        bool is_key;
        const char *want;
    } rows[] = {{SUBJECT_TOPIC, false, "orders-value"},
                {SUBJECT_TOPIC, true, "orders-key"},
                {SUBJECT_RECORD, false, "com.shop.Order"},
                {SUBJECT_RECORD, true, "com.shop.Order"},
                {SUBJECT_TOPIC_RECORD, false, "orders-com.shop.Order"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = BUF_INIT(100);
        struct err e = {0};

        CHECK_INT(subject_name(&out, rows[i].s, span_str("orders"),
                               span_str("com.shop.Order"), rows[i].is_key, &e),
                  ERR_OK);
        CHECK_SPAN(buf_span(&out), rows[i].want);
        buf_free(&out);
    }
}

static void a_schema_without_a_name_has_no_record_subject(void)
{
    struct buf out = BUF_INIT(100);
    struct err e = {0};

    CHECK_INT(
        subject_name(&out, SUBJECT_RECORD, span_str("t"), span_str(""), false, &e),
        ERR_INVALID);
    CHECK_STR(e.msg, "RecordNameStrategy wants a record with a name");
    CHECK_INT(out.n, 0);
    CHECK_INT(subject_name(&out, SUBJECT_TOPIC, span_str("t"), span_str(""), false, &e),
              ERR_OK);
    CHECK_SPAN(buf_span(&out), "t-value");
    buf_free(&out);
}

static void a_subject_falls_apart_into_context_and_name(void)
{
    static const struct {
        const char *qualified, *context, *name, *back;
    } rows[] = {
        {"orders", ".", "orders", "orders"},
        {":.eu:orders", ".eu", "orders", ":.eu:orders"},
        {":.:orders", ".", "orders", "orders"},
        {":.eu:", ".eu", "", ":.eu:"},
        {":.eu:a:b", ".eu", "a:b", ":.eu:a:b"},
        {":eu:orders", ".", ":eu:orders", ":eu:orders"},
        {":.eu", ".", ":.eu", ":.eu"},
        {"", ".", "", ""},
        {":*:", ".", ":*:", ":*:"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct subject s = subject_split(span_str(rows[i].qualified));
        struct buf back = BUF_INIT(100);

        CHECK_SPAN(s.context, rows[i].context);
        CHECK_SPAN(s.name, rows[i].name);
        subject_put(&back, &s);
        CHECK_SPAN(buf_span(&back), rows[i].back);
        buf_free(&back);
    }
}

static void what_cannot_be_a_subject_is_refused(void)
{
    static const char *const good[] = {
        "a",           "orders-value", ":.eu:a",           "*",        "a b/c+d%",
        "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "__GLOBALS"};
    static const char *const bad[] = {"",
                                      ":.eu:",
                                      "a\nb",
                                      "\x7f",
                                      "a\xc2\x85",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xe2\x82",
                                      "\xe2\x28\xa1",
                                      "\xed\xa0\x80",
                                      "\xe0\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "__GLOBAL",
                                      ":.eu:__EMPTY",
                                      ":.__GLOBAL:a"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err e = {0};
        CHECK_INT(subject_check(span_str(good[i]), &e), ERR_OK);
        CHECK_STR(e.msg, "");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        CHECK_INT(subject_check(span_str(bad[i]), &e), ERR_INVALID);
    }
}

static void a_subject_has_a_longest(void)
{
    static uint8_t long_one[SUBJECT_MOST + 1];
    struct err e = {0};

    memset(long_one, 'x', sizeof long_one);
    CHECK_INT(subject_check(span_of(long_one, SUBJECT_MOST), &e), ERR_OK);
    CHECK_INT(subject_check(span_of(long_one, SUBJECT_MOST + 1), &e), ERR_INVALID);
    CHECK_STR(e.msg, "a subject of 1025 bytes, at most 1024");
}

int main(void)
{
    RUN(a_strategy_is_known_by_each_of_its_names);
    RUN(each_strategy_makes_its_subject);
    RUN(a_schema_without_a_name_has_no_record_subject);
    RUN(a_subject_falls_apart_into_context_and_name);
    RUN(what_cannot_be_a_subject_is_refused);
    RUN(a_subject_has_a_longest);
    return REPORT();
}

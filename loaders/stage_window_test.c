#include "loaders/stage_window.h"

#include "avro-core/encode.h"
#include "tests/check.h"

#define SCHEMA                                                                    \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["                            \
    "{\"name\":\"n\",\"type\":{\"type\":\"record\",\"name\":\"N\",\"fields\":[{"  \
    "\"name\":\"x\","                                                             \
    "\"type\":\"string\"}]}},"                                                    \
    "{\"name\":\"date\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"   \
    "{\"name\":\"at\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":"     \
    "\"timestamp-millis\"}]},"                                                    \
    "{\"name\":\"city\",\"type\":[\"null\",\"string\"]},"                         \
    "{\"name\":\"when\",\"type\":\"string\"},{\"name\":\"k\",\"type\":\"long\"}," \
    "{\"name\":\"d\",\"type\":\"double\"}]}"

static struct av_schema *schema;
static struct av_plan *plan;

static struct conf_pairs pairs(const char *const *kv)
{
    static struct conf_pair items[20];
    struct conf_pairs p = {items, 0};

    for (; kv[0] != NULL; kv += 2)
        items[p.n++] = (struct conf_pair){.name = kv[0], .value = kv[1]};
    return p;
}

static void check_dir(const char *const *kv, const char *json, int64_t ms,
                      const char *want)
{
    struct windows w;
    struct conf_pairs p = pairs(kv);
    struct av_encoder *enc;
    struct av_problems problems = {0};
    struct buf datum = BUF_INIT(4096), dir = BUF_INIT(4096);
    struct err e = {0};

    CHECK_INT(windows_read(&w, &p, &e), ERR_OK);
    CHECK_INT(windows_use(&w, schema, &e), ERR_OK);
    CHECK_INT(av_encoder_new(&enc, schema, NULL, &e), ERR_OK);
    CHECK_INT(av_encode(enc, span_str(json), &datum, &problems), ERR_OK);
    enum err_kind rc = windows_of(&w, plan, buf_span(&datum), ms, &dir, &e);
    if (want == NULL) {
        CHECK_INT(rc, ERR_INVALID);
    } else {
        CHECK_INT(rc, ERR_OK);
        CHECK_SPAN(buf_span(&dir), want);
    }
    av_problems_free(&problems);
    av_encoder_free(enc);
    buf_free(&datum);
    buf_free(&dir);
}

#define ROW(date, at, city, when, k)                                              \
    "{\"n\":{\"x\":\"inner\"},\"date\":\"" date "\",\"at\":" at ",\"city\":" city \
    ",\"when\":\"" when "\",\"k\":" k ",\"d\":1}"
#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

static void a_record_goes_where_its_values_say(void)
{
    static const char row[] = ROW("2026-11-20", "\"2026-02-28T23:59:59.999Z\"",
                                  "\"M\xc3\xbcn/chen\"", "2024-02-29T07:00:00Z", "-5");

    check_dir(RULES("0.field", "date", "0.as", "day"), row, 0, "dt=2026-11-20");
    check_dir(RULES("0.field", "date", "0.as", "month"), row, 0, "month=2026-11");
    check_dir(RULES("0.field", "date"), row, 0, "date=2026-11-20");
    check_dir(RULES("0.field", "at", "0.as", "hour"), row, 0, "dt=2026-02-28/hour=23");
    check_dir(RULES("0.field", "when", "0.as", "hour"), row, 0,
              "dt=2024-02-29/hour=07");
    check_dir(RULES("0.field", "when", "0.as", "month", "0.name", "m"), row, 0,
              "m=2024-02");
    check_dir(RULES("0.field", "city", "1.field", "k"), row, 0,
              "city=M\xc3\xbcn%2Fchen/k=-5");
    check_dir(RULES("0.as", "hour"), row, 1795165201000, "dt=2026-11-20/hour=09");
}

static void null_and_no_time_have_hives_name(void)
{
    static const char row[] = ROW("1969-12-31", "null", "null", "", "0");

    check_dir(RULES("0.field", "at", "0.as", "day"), row, 0,
              "dt=__HIVE_DEFAULT_PARTITION__");
    check_dir(RULES("0.field", "when", "0.as", "day"), row, 0,
              "dt=__HIVE_DEFAULT_PARTITION__");
    check_dir(RULES("0.field", "when", "0.as", "hour"), row, 0,
              "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__");
    check_dir(RULES("0.field", "city"), row, 0, "city=__HIVE_DEFAULT_PARTITION__");
    check_dir(RULES("0.field", "date", "0.as", "day"), row, 0, "dt=1969-12-31");
    check_dir(RULES("0.as", "day"), row, -1, "dt=__HIVE_DEFAULT_PARTITION__");
}

static void what_is_no_date_is_set_aside(void)
{
    check_dir(RULES("0.field", "when", "0.as", "day"),
              ROW("2026-11-20", "null", "null", "20.11.2026", "0"), 0, NULL);
    check_dir(RULES("0.field", "when", "0.as", "hour"),
              ROW("2026-11-20", "null", "null", "2026-11-20", "0"), 0, NULL);
    check_dir(RULES("0.field", "when", "0.as", "day"),
              ROW("2026-11-20", "null", "null", "2026-13-20", "0"), 0, NULL);
    check_dir(RULES("0.field", "when", "0.as", "day"),
              ROW("2026-11-20", "null", "null", "2026-02-31", "0"), 0, NULL);
    check_dir(RULES("0.field", "when", "0.as", "month"),
              ROW("2026-11-20", "null", "null", "2025-02-29", "0"), 0, NULL);
}

static void a_text_that_says_its_offset_goes_by_utc(void)
{
    static const char early[] =
        ROW("2026-11-20", "null", "null", "2026-11-20T01:30:00+05:00", "0");
    static const char late[] =
        ROW("2026-11-20", "null", "null", "2026-12-31 20:00:00.5-05:00", "0");
    static const char before[] =
        ROW("2026-11-20", "null", "null", "1970-01-01T00:30:00+01:00", "0");
    static const char none[] =
        ROW("2026-11-20", "null", "null", "2026-11-20T01:30:00", "0");

    check_dir(RULES("0.field", "when", "0.as", "hour"), early, 0,
              "dt=2026-11-19/hour=20");
    check_dir(RULES("0.field", "when", "0.as", "day"), early, 0, "dt=2026-11-19");
    check_dir(RULES("0.field", "when", "0.as", "hour"), late, 0,
              "dt=2027-01-01/hour=01");
    check_dir(RULES("0.field", "when", "0.as", "month"), late, 0, "month=2027-01");
    check_dir(RULES("0.field", "when", "0.as", "hour"), before, 0,
              "dt=1969-12-31/hour=23");
    check_dir(RULES("0.field", "when", "0.as", "hour"), none, 0,
              "dt=2026-11-20/hour=01");
}

#define TEN(x) x x x x x x x x x x
#define HASHES TEN("########") // 240 bytes as %23

static void what_no_directory_can_be_called_is_set_aside(void)
{
    check_dir(RULES("0.field", "city"),
              ROW("2026-11-20", "null",
                  "\"" HASHES "####"
                  "\"",
                  "", "0"),
              0, NULL);
    check_dir(RULES("0.field", "city"),
              ROW("2026-11-20", "null", "\"" TEN(TEN("zz")) "\"", "", "0"), 0, NULL);
    check_dir(RULES("0.field", "city"),
              ROW("2026-11-20", "null", "\"" TEN("########") "\"", "", "0"), 0,
              "city=" TEN("%23%23%23%23%23%23%23%23"));
}

static void rules_that_cannot_be_are_refused(void)
{
    const struct {
        const char *const *kv;
        bool at_schema;
    } rows[] = {
        {RULES("0.as", "value"), false},
        {RULES("0.field", "a", "0.as", "week"), false},
        {RULES("0.feld", "a"), false},
        {RULES("9.field", "a"), false},
        {RULES("field", "a"), false},
        {RULES("0.field", "a", "0.name", "../up"), false},
        {RULES("0.field", "a", "0.name", "_tmp"), false},
        {RULES("0.field", "a", "0.name", "a=b"), false},
        {RULES("0.field", "a", "0.name", ""), false},
        {RULES("0.field", "a", "1.field", "a"), false},
        {RULES("0.field", "a", "0.as", "day", "1.field", "b", "1.as", "day"), false},
        {RULES("0.field", "a", "0.as", "hour", "1.field", "hour"), false},
        {RULES("0.field", "hour", "1.field", "b", "1.as", "hour"), false},
        {RULES("0.field", "nowhere"), true},
        {RULES("0.field", "d"), true},
        {RULES("0.field", "n"), true},
        {RULES("0.field", "k", "0.as", "day"), true},
        {RULES("0.field", "date", "0.as", "hour"), true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct windows w;
        struct conf_pairs p = pairs(rows[i].kv);
        struct err e = {0};
        CHECK_INT(windows_read(&w, &p, &e), rows[i].at_schema ? ERR_OK : ERR_INVALID);
        if (rows[i].at_schema)
            CHECK_INT(windows_use(&w, schema, &e), ERR_INVALID);
    }
}

int main(void)
{
    struct err e = {0};

    CHECK_INT(av_schema_parse(&schema, span_str(SCHEMA), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, schema, schema, &e), ERR_OK);
    RUN(a_record_goes_where_its_values_say);
    RUN(null_and_no_time_have_hives_name);
    RUN(what_is_no_date_is_set_aside);
    RUN(a_text_that_says_its_offset_goes_by_utc);
    RUN(what_no_directory_can_be_called_is_set_aside);
    RUN(rules_that_cannot_be_are_refused);
    av_plan_free(plan);
    av_schema_release(schema);
    return REPORT();
}

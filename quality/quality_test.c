#include "quality/quality.h"

#include "avro-core/encode.h"
#include "avro-core/resolve.h"
#include "avro-core/to_json.h"
#include "base/yaml.h"
#include "tests/check.h"

#include <stdlib.h>

#define NOW (INT64_C(1763700000) * 1000000000) // 2025-11-21T04:40:00Z

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Reading\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},"
    "{\"name\":\"city\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"temp\",\"type\":[\"double\",\"null\"]},"
    "{\"name\":\"plate\",\"type\":\"string\"},"
    "{\"name\":\"seen\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"at\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":"
    "\"timestamp-millis\"}],\"default\":null},"
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":20,\"scale\":2}},"
    "{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"K\",\"symbols\":[\"A\","
    "\"B\",\"C\"]}},"
    "{\"name\":\"ship\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Address\","
    "\"fields\":[{\"name\":\"zip\",\"type\":[\"null\",\"string\"],\"default\":null}]}],"
    "\"default\":null},"
    "{\"name\":\"either\",\"type\":[\"null\",\"string\",\"long\"],\"default\":null},"
    "{\"name\":\"n\",\"type\":\"int\",\"default\":0}]}";

/* What every record has; the rest stands before it. */
#define REST                                                                   \
    "\"plate\":\"ZH-12\",\"day\":\"2026-11-20\",\"price\":\"10.50\",\"kind\":" \
    "\"A\"}"
#define GOOD "{\"id\":1,\"temp\":20.5," REST

struct house {
    struct arena arena;
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct quality *q;
    struct quality_count *counts;
    struct buf datum, json;
    struct err e;
    int64_t offset;
};

static void give_up(const char *why)
{
    printf("%s\n", why);
    abort();
}

/* The rules as a pipeline file has them; ERR_OK, or house.e says why. */
static enum err_kind open_house(struct house *h, const char *rules)
{
    struct conf_tree tree = {.file = "p.yaml"};

    *h = (struct house){.datum = BUF_INIT(1 << 20), .json = BUF_INIT(1 << 20)};
    if (av_schema_parse(&h->schema, span_str(schema_text), NULL, 0, NULL, &h->e) !=
            ERR_OK ||
        av_encoder_new(&h->encoder, h->schema, NULL, &h->e) != ERR_OK ||
        yaml_read(&tree.root, "p.yaml", span_str(rules), &h->arena, &h->e) != ERR_OK)
        give_up(h->e.msg);
    enum err_kind rc = quality_read(&h->q, &tree, &h->e);
    if (rc == ERR_OK && h->q != NULL)
        rc = quality_use(h->q, h->schema, &h->e);
    if (rc == ERR_OK)
        h->counts = quality_counts(h->q);
    return rc;
}

static void close_house(struct house *h)
{
    quality_free(h->q);
    free(h->counts);
    av_encoder_free(h->encoder);
    av_schema_release(h->schema);
    buf_free(&h->datum);
    buf_free(&h->json);
    arena_free(&h->arena);
}

static struct quality_verdict ask(struct house *h, const char *record)
{
    struct quality_place at = {3, h->offset++, NOW};
    struct av_problems problems = {0};
    struct quality_verdict v;

    buf_reset(&h->datum);
    if (av_encode(h->encoder, span_str(record), &h->datum, &problems) != ERR_OK)
        give_up(record);
    av_problems_free(&problems);
    quality_ask(h->q, buf_span(&h->datum), &at, h->counts, &v);
    return v;
}

static struct span as_json(struct house *h, struct span datum)
{
    struct av_to_json to;
    struct av_plan *plan;

    buf_reset(&h->json);
    av_to_json_init(&to, &h->json, false);
    if (av_plan_new(&plan, h->schema, h->schema, &h->e) != ERR_OK ||
        av_decode_all(plan, datum, NULL, &to.visitor, &h->e) != ERR_OK)
        give_up(h->e.msg);
    av_plan_free(plan);
    return buf_span(&h->json);
}

/* --- what is written wrongly ------------------------------------------------------ */

static void what_is_wrong_is_said_with_its_place(void)
{
    static const struct {
        const char *rules, *says;
    } cases[] = {
        {"a: b", "p.yaml:1:1: quality: wanted a list of at most 200 rules"},
        {"- a", "p.yaml:1:3: quality: wanted a rule: {name, severity, ...}"},
        {"- {not_null: id}", "p.yaml:1:3: quality: name is missing"},
        {"- {name: a b, not_null: id}", "p.yaml:1:10: quality rule \"a b\": name is "
                                        "\"a b\", wanted up to 100 letters, "
                                        "digits, _ . -"},
        {"- {name: a, not_null: id}\n- {name: a, not_null: id}",
         "p.yaml:2:10: quality rule \"a\": there is a rule \"a\" before it"},
        {"- {name: a}",
         "p.yaml:1:3: quality rule \"a\": nothing is asked: wanted one of "
         "expr, not_null, range, matches, one_of, timestamp, unique, "
         "fresh, rows"},
        {"- {name: a, not_null: id, expr: 'true'}",
         "p.yaml:1:33: quality rule \"a\": not_null and expr: wanted one of them"},
        {"- {name: a, notnull: id}",
         "p.yaml:1:22: quality rule \"a\": unknown key \"notnull\", known here: name, "
         "severity, field, and one of expr, not_null, range, matches, one_of, "
         "timestamp, unique, fresh, rows"},
        {"- {name: a, severity: bad, not_null: id}",
         "p.yaml:1:23: quality rule \"a\": severity is \"bad\", wanted warn, "
         "null_field, "
         "quarantine or fail"},
        {"- name: a\n  range: {field: temp, mim: 1}",
         "p.yaml:2:29: quality rule \"a\": range: unknown key \"mim\", known here: "
         "field, "
         "min, max"},
        {"- {name: a, range: {field: temp}}",
         "p.yaml:1:20: quality rule \"a\": range: wanted min, max or both"},
        {"- {name: a, rows: {min: 9, max: 3}}",
         "p.yaml:1:19: quality rule \"a\": rows: min 9 is more than max 3"},
        {"- {name: a, range: {max: 1}}",
         "p.yaml:1:20: quality rule \"a\": range: field is missing"},
        {"- {name: a, unique: {key: id, last: 1000001}}",
         "p.yaml:1:21: quality rule \"a\": unique: last is \"1000001\", wanted 1 to "
         "1000000"},
        {"- {name: a, fresh: {field: at, within: 1 day}}",
         "p.yaml:1:20: quality rule \"a\": within is \"1 day\", wanted a duration: "
         "250ms, 10s, 5m, 2h, 1d"},
        {"- {name: a, severity: quarantine, rows: {min: 1}}",
         "p.yaml:1:3: quality rule \"a\": rows is asked of a run: severity warn or "
         "fail"},
        {"- {name: a, rows: {min: -1}}", "p.yaml:1:19: quality rule \"a\": rows: min "
                                         "is \"-1\", wanted a number of rows"},
        {"- {name: a, severity: null_field, not_null: city}",
         "p.yaml:1:3: quality rule \"a\": not_null with null_field: it is null "
         "already"},
        {"- {name: a, severity: null_field, expr: 'true'}",
         "p.yaml:1:3: quality rule \"a\": severity null_field wants field: which one"},
        {"- {name: a, field: city, not_null: city}",
         "p.yaml:1:3: quality rule \"a\": field is of severity null_field alone"},
        {"- {name: a, timestamp: {field: seen, format: qq}}",
         "p.yaml:1:24: quality rule \"a\": format: \"qq\" is none of yyyy yy MM M MMM "
         "dd d "
         "HH H hh h mm ss S a XXX, rfc3339, date, time"},
        // what the schema says no to
        {"- {name: a, not_null: [id, town]}",
         "p.yaml:1:23: quality rule \"a\": the schema has no field \"town\""},
        {"- {name: a, not_null: ship.town}",
         "p.yaml:1:23: quality rule \"a\": the schema has no field \"ship.town\""},
        {"- {name: a, expr: message.town == \"x\"}",
         "p.yaml:1:19: quality rule \"a\": 1:9: no field \"town\" in record Reading"},
        {"- {name: a, expr: message.id + 1}",
         "p.yaml:1:19: quality rule \"a\": 1:1: a rule wants true or false"},
        {"- {name: a, range: {field: temp, min: warm}}",
         "p.yaml:1:20: quality rule \"a\": \"warm\": field temp wants a number"},
        {"- {name: a, range: {field: temp, min: 3.5, max: 3}}",
         "p.yaml:1:20: quality rule \"a\": range: min 3.5 is more than max 3"},
        {"- {name: a, range: {field: ship, min: 1}}",
         "p.yaml:1:20: quality rule \"a\": field ship is a record: wanted expr"},
        {"- {name: a, range: {field: either, min: 1}}",
         "p.yaml:1:20: quality rule \"a\": field either is a union: wanted expr"},
        {"- {name: a, matches: {field: id, re: x}}",
         "p.yaml:1:22: quality rule \"a\": field id is a long, wanted a text"},
        {"- {name: a, timestamp: {field: at}}",
         "p.yaml:1:24: quality rule \"a\": field at is a long, wanted a text"},
        {"- {name: a, timestamp: {field: ship.zip}}",
         "p.yaml:1:24: quality rule \"a\": \"ship.zip\": wanted a field of the record "
         "itself"},
        {"- {name: a, unique: {key: [id, temp], last: 5}}",
         "p.yaml:1:21: quality rule \"a\": field temp is a double, which is no key"},
        {"- {name: a, fresh: {field: id, within: 1h}}",
         "p.yaml:1:20: quality rule \"a\": field id is no date or timestamp"},
        {"- {name: a, severity: null_field, range: {field: id, min: 1}}",
         "p.yaml:1:42: quality rule \"a\": field id cannot be null: severity "
         "null_field "
         "has nothing to put there"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct house h;
        CHECK_INT(open_house(&h, cases[i].rules), ERR_INVALID);
        bool same = strncmp(h.e.msg, cases[i].says, sizeof h.e.msg - 1) == 0;
        check_count(same);
        if (!same)
            printf("    %s\n      says   %s\n      wanted %s\n", cases[i].rules,
                   h.e.msg, cases[i].says);
        close_house(&h);
    }
}

static void nothing_is_no_rules(void)
{
    struct conf_tree none = {0};
    struct quality *q;
    struct err e = {0};
    struct house h;

    CHECK_INT(quality_read(&q, &none, &e), ERR_OK);
    CHECK(q == NULL);
    CHECK_INT(quality_rules(q), 0);
    CHECK_INT(open_house(&h, "[]"), ERR_OK);
    CHECK(h.q == NULL);
    close_house(&h);
}

/* --- each form -------------------------------------------------------------------- */

/* A rule, a record, and why it fails; "" = it does not, NULL = it was not asked. */
static void each_form_says_what_it_should(void)
{
    static const struct {
        const char *form, *record, *why;
    } cases[] = {
        {"expr: message.id > 0", GOOD, ""},
        {"expr: message.id > 1", GOOD, "is false with id 1, wanted message.id > 1"},
        {"expr: 1 / (message.id - 1) > 0", GOOD,
         "error: divide by zero with id 1, wanted 1 / (message.id - 1) > 0"},
        {"expr: message.id > 5 ; false", GOOD, NULL},
        {"not_null: [id, temp]", GOOD, ""},
        {"not_null: [id, city]", GOOD, "city is null, wanted a value"},
        {"not_null: [ship.zip]", GOOD, "ship.zip is null, wanted a value"},
        {"not_null: ship.zip", "{\"id\":1,\"temp\":1,\"ship\":{}," REST,
         "ship.zip is null, wanted a value"},
        {"not_null: ship.zip", "{\"id\":1,\"temp\":1,\"ship\":{\"zip\":\"8000\"}," REST,
         ""},
        {"not_null: either", GOOD, "either is null, wanted a value"},
        {"not_null: either", "{\"id\":1,\"temp\":1,\"either\":5," REST, ""},
        {"range: {field: temp, min: -90, max: 60}", GOOD, ""},
        {"range: {field: temp, max: 20}", GOOD, "temp is 20.5, wanted at most 20"},
        {"range: {field: temp, min: 20.6}", GOOD, "temp is 20.5, wanted at least 20.6"},
        {"range: {field: temp, min: 20.6}", "{\"id\":1,\"temp\":null," REST, ""},
        {"range: {field: id, min: 1, max: 1}", GOOD, ""},
        {"range: {field: id, min: 1.5}", GOOD, "id is 1, wanted at least 1.5"},
        {"range: {field: id, max: 99999999999999999999}", GOOD, ""},
        {"range: {field: price, min: 10.5, max: 10.50}", GOOD, ""},
        {"range: {field: price, max: 10.49}", GOOD,
         "price is \"10.50\", wanted at most 10.49"},
        {"range: {field: day, min: 2026-11-20}", GOOD, ""},
        {"range: {field: day, max: 2026-11-19}", GOOD,
         "day is \"2026-11-20T00:00:00Z\", wanted at most 2026-11-19"},
        {"range: {field: at, min: 2026-01-01, max: \"2026-01-01T10:00:00Z\"}",
         "{\"id\":1,\"temp\":1,\"at\":\"2026-01-01T10:00:00Z\"," REST, ""},
        {"range: {field: at, max: \"2026-01-01T10:00:00\"}",
         "{\"id\":1,\"temp\":1,\"at\":\"2026-01-01T10:00:00.001Z\"," REST,
         "at is \"2026-01-01T10:00:00.001Z\", wanted at most 2026-01-01T10:00:00"},
        {"range: {field: plate, min: A, max: Z}", GOOD,
         "plate is \"ZH-12\", wanted from A to Z"},
        {"matches: {field: plate, re: '^[A-Z]{2}-[0-9]+$'}", GOOD, ""},
        {"matches: {field: plate, re: '^\\d\"'}", GOOD,
         "plate is \"ZH-12\", wanted a match of ^\\d\""},
        {"matches: {field: city, re: x}", GOOD, ""},
        {"matches: {field: kind, re: '[AB]'}", GOOD, ""},
        {"matches: {field: ship.zip, re: '^[0-9]+$'}",
         "{\"id\":1,\"temp\":1,\"ship\":{\"zip\":\"CH\"}," REST,
         "ship.zip is \"CH\", wanted a match of ^[0-9]+$"},
        {"one_of: {field: kind, values: [A, B]}", GOOD, ""},
        {"one_of: {field: kind, values: [B, C]}", GOOD,
         "kind is \"A\", wanted one of B, C"},
        {"one_of: {field: id, values: 1}", GOOD, ""},
        {"one_of: {field: temp, values: [20, 20.5]}", GOOD, ""},
        {"one_of: {field: price, values: [10.5]}", GOOD, ""},
        {"timestamp: {field: seen, format: dd/MM/yyyy}", GOOD, NULL},
        {"timestamp: {field: seen, format: dd/MM/yyyy}",
         "{\"id\":1,\"temp\":1,\"seen\":\"30/11/2026\"," REST, ""},
        {"timestamp: {field: seen, format: dd/MM/yyyy}",
         "{\"id\":1,\"temp\":1,\"seen\":\"31/11/2026\"," REST,
         "seen is \"31/11/2026\", wanted a date or time as dd/MM/yyyy"},
        {"timestamp: {field: seen}", "{\"id\":1,\"temp\":1,\"seen\":\"now\"," REST,
         "seen is \"now\", wanted a date or time as rfc3339"},
        {"unique: {key: id, last: 5}", GOOD, ""},
        {"unique: {key: [id, city], last: 5}", GOOD, NULL}, // a null is no key
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char rules[300];
        struct house h;
        snprintf(rules, sizeof rules, "- name: a\n  %s\n", cases[i].form);
        if (open_house(&h, rules) != ERR_OK) {
            printf("    %s: %s\n", cases[i].form, h.e.msg);
            check_count(false);
            close_house(&h);
            continue;
        }
        struct quality_verdict v = ask(&h, cases[i].record);
        const struct quality_count *c = &h.counts[0];
        bool asked = cases[i].why != NULL, bad = asked && cases[i].why[0] != '\0';
        bool good = c->checked == asked && c->failed == bad &&
                    (v.outcome == QUALITY_ASIDE) == bad &&
                    strcmp(c->why, bad ? cases[i].why : "") == 0 &&
                    c->errors == (bad && strncmp(cases[i].why, "error", 5) == 0);
        check_count(good);
        if (!good)
            printf("    %s of %s: checked %d, failed %d, \"%s\"\n", cases[i].form,
                   cases[i].record, (int)c->checked, (int)c->failed, c->why);
        close_house(&h);
    }
}

/* --- messages --------------------------------------------------------------------- */

/* Why the only rule says no to the record. */
static void says(const char *form, const char *record, const char *why)
{
    char rules[4000];
    struct house h;

    snprintf(rules, sizeof rules, "- name: a\n  %s\n", form);
    CHECK_INT(open_house(&h, rules), ERR_OK);
    (void)ask(&h, record);
    CHECK_STR(h.counts[0].why, why);
    close_house(&h);
}

#define TEN(x) x x x x x x x x x x
#define ELLIPSIS "\xe2\x80\xa6"

static void a_message_is_cut_at_a_character(void)
{
    // 48 bytes of a value: the quote and 47, which is no end of a character of two
    says("matches: {field: city, re: x}",
         "{\"id\":1,\"temp\":1,\"city\":\"" TEN("\xc3\xbc\xc3\xbc\xc3\xbc") "\"," REST,
         "city is \"" TEN("\xc3\xbc\xc3\xbc") "\xc3\xbc\xc3\xbc\xc3\xbc\"" ELLIPSIS
                                              ", wanted a match of x");
    // nor is an escape cut
    says("matches: {field: city, re: x}",
         "{\"id\":1,\"temp\":1,\"city\":\"" TEN("\\n") TEN("\\u0001\\u0001") "\"," REST,
         "city is \"" TEN("\\n") "\\u0001\\u0001\\u0001\\u0001\"" ELLIPSIS
                                 ", wanted a match of x");
    says("matches: {field: city, re: " TEN("qwertyuiop") "}",
         "{\"id\":1,\"temp\":1,\"city\":\"\"," REST,
         "city is \"\", wanted a match of qwertyuiopqwertyuiopqwertyuiopqwertyuiopqwer"
         "tyuio" ELLIPSIS);
    // as long as it gets: three values and an expression
    says("expr: message.city == '\\'message.id' + message.plate && message.city.size() "
         "< 5 && message.seen != message.city && message.id == 5",
         "{\"id\":1,\"temp\":1,\"city\":\"" TEN("0123456789") "\",\"seen\":\"" TEN(
             "abcdefghij") "\"," REST,
         "is false with city \"01234567890123456789012\"" ELLIPSIS
         ", plate \"ZH-12\", seen \"abcdefghijabcdefghijabc\"" ELLIPSIS
         ", wanted message.city == '\\'message.id' + message.plate && "
         "message.ci" ELLIPSIS);
}

static void what_a_rule_takes_out_of_the_row_is_in_no_message(void)
{
    struct house h;

    CHECK_INT(open_house(&h,
                         "- {name: n, severity: null_field, matches: {field: city, re: "
                         "'^[^@]*$'}}\n"
                         "- {name: w, severity: warn, expr: message.city.size() < 3}\n"
                         "- {name: u, unique: {key: [id, city], last: 9}}\n"),
              ERR_OK);
    for (int i = 0; i < 2; i++)
        (void)ask(&h, "{\"id\":1,\"temp\":1,\"city\":\"me@there\"," REST);
    CHECK_STR(h.counts[0].why,
              "city is a string that is not kept, wanted a match of ^[^@]*$");
    CHECK_STR(h.counts[1].why, "is false with city a string that is not kept, wanted "
                               "message.city.size() < 3");
    CHECK_STR(h.counts[2].why, "was seen before with id 1, city a string that is not "
                               "kept, wanted once in 9 offsets");
    close_house(&h);
}

/* --- severities ------------------------------------------------------------------- */

static void a_severity_says_what_becomes_of_it(void)
{
    struct house h;

    CHECK_INT(open_house(&h, "- {name: w, severity: warn, not_null: city}\n"
                             "- {name: n, severity: null_field, range: {field: temp, "
                             "max: 30}}\n"
                             "- {name: q, range: {field: id, min: 0}}\n"
                             "- {name: f, severity: fail, expr: message.id != 13}\n"),
              ERR_OK);
    struct quality_verdict v = ask(&h, GOOD);
    CHECK_INT(v.outcome, QUALITY_LOAD);
    CHECK(v.datum.p == h.datum.p); // nothing is copied
    v = ask(&h, "{\"id\":2,\"temp\":31," REST);
    CHECK_INT(v.outcome, QUALITY_LOAD);
    CHECK_SPAN(
        as_json(&h, v.datum),
        "{\"id\":2,\"city\":null,\"temp\":null,\"plate\":\"ZH-12\",\"seen\":null,"
        "\"at\":null,\"day\":\"2026-11-20\",\"price\":\"10.50\",\"kind\":\"A\","
        "\"ship\":null,\"either\":null,\"n\":0}");
    v = ask(&h, "{\"id\":-1,\"temp\":31," REST);
    CHECK_INT(v.outcome, QUALITY_ASIDE);
    CHECK_SPAN(v.errors, "[{\"rule\":\"w\",\"severity\":\"warn\",\"why\":\"city is "
                         "null, wanted a value\"},"
                         "{\"rule\":\"n\",\"severity\":\"null_field\",\"why\":\"temp "
                         "is a double that is not kept, wanted at most "
                         "30\"},{\"rule\":\"q\",\"severity\":\"quarantine\",\"why\":"
                         "\"id is -1, wanted at least 0\"}]");
    v = ask(&h, "{\"id\":13,\"temp\":1," REST);
    CHECK_INT(v.outcome, QUALITY_STOP);
    CHECK_INT(v.rule, 3);
    CHECK_INT(quality_stopped(h.q), 3);
    CHECK_SPAN(v.why, "is false with id 13, wanted message.id != 13");
    static const int failed[] = {4, 2, 1, 1};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(h.counts[i].checked, 4);
        CHECK_INT(h.counts[i].failed, failed[i]);
    }
    CHECK_INT(h.counts[2].partition, 3);
    CHECK_INT(h.counts[2].offset, 2);
    CHECK(quality_has(h.q, QUALITY_QUARANTINE));
    close_house(&h);
}

static void a_rule_is_shown_as_it_was_written(void)
{
    static const char *const shown[] = {
        "message.id > 0",    "id, city not null", "temp from any to 5",
        "plate matches ^x",  "kind one of A, B",  "seen written as rfc3339",
        "id, n unique in 9", "at within 2h",      "rows from 1 to any"};
    struct house h;

    CHECK_INT(open_house(&h, "- {name: a, expr: message.id > 0}\n"
                             "- {name: b, not_null: [id, city]}\n"
                             "- {name: c, range: {field: temp, max: 5}}\n"
                             "- {name: d, matches: {field: plate, re: ^x}}\n"
                             "- {name: e, one_of: {field: kind, values: [A, B]}}\n"
                             "- {name: f, timestamp: {field: seen}}\n"
                             "- {name: g, unique: {key: [id, n], last: 9}}\n"
                             "- {name: h, fresh: {field: at, within: 2h, every: 5m}}\n"
                             "- {name: i, severity: fail, rows: {min: 1}}\n"),
              ERR_OK);
    CHECK_INT(quality_rules(h.q), 9);
    for (size_t i = 0; i < 9; i++)
        CHECK_STR(quality_rule(h.q, i)->shown, shown[i]);
    CHECK_INT(quality_rule(h.q, 7)->every_ms, 300000);
    CHECK(quality_rule(h.q, 7)->of_run && !quality_rule(h.q, 6)->of_run);
    CHECK_INT(quality_rule(h.q, 7)->severity, QUALITY_WARN);
    CHECK_INT(quality_rule(h.q, 8)->severity, QUALITY_FAIL);
    CHECK(quality_rule(h.q, 6)->remembers);
    close_house(&h);
}

/* --- unique ----------------------------------------------------------------------- */

#define ID(n) "{\"id\":" #n ",\"temp\":1," REST

static void a_key_comes_once_in_so_many_offsets(void)
{
    struct house h;

    CHECK_INT(open_house(&h, "- {name: u, unique: {key: id, last: 3}}\n"
                             "- {name: t, range: {field: temp, max: 10}}\n"),
              ERR_OK);
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_LOAD);  // 0
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_ASIDE); // 1
    CHECK_INT(ask(&h, ID(2)).outcome, QUALITY_LOAD);  // 2
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_ASIDE); // 3
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_LOAD);  // 4: 0 is too far back
    // what went elsewhere for another reason may come again
    CHECK_INT(ask(&h, "{\"id\":9,\"temp\":11," REST).outcome, QUALITY_ASIDE);
    CHECK_INT(ask(&h, ID(9)).outcome, QUALITY_LOAD);
    CHECK_INT(h.counts[0].failed, 2);
    close_house(&h);
}

static void a_batch_that_is_repeated_says_the_same(void)
{
    struct house h;

    CHECK_INT(open_house(&h, "- {name: u, unique: {key: id, last: 100}}\n"), ERR_OK);
    CHECK(!quality_stands(h.q, 3, 0, 0));
    quality_stand(h.q, 3, 0, 0);
    CHECK(quality_stands(h.q, 3, 0, 0));
    for (int again = 0; again < 3; again++) {
        h.offset = 0;
        quality_undo(h.q, 3, 0);
        CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_LOAD);
        CHECK_INT(ask(&h, ID(2)).outcome, QUALITY_LOAD);
        CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_ASIDE);
    }
    struct buf noted = BUF_INIT(1000);
    quality_noted(h.q, 3, 0, &noted);
    CHECK_INT(noted.n, 32);
    quality_keep(h.q, 3, 3);
    CHECK(quality_stands(h.q, 3, 0, 3));
    CHECK(!quality_stands(h.q, 3, 1, 3)); // of another topic
    CHECK_INT(ask(&h, ID(2)).outcome, QUALITY_ASIDE);
    // as another process would go on
    quality_stand(h.q, 3, 0, 3);
    CHECK_INT(quality_recall(h.q, 3, 0, buf_span(&noted), &h.e), ERR_OK);
    h.offset = 3;
    CHECK_INT(ask(&h, ID(2)).outcome, QUALITY_ASIDE);
    CHECK_INT(ask(&h, ID(3)).outcome, QUALITY_LOAD);
    CHECK_INT(quality_recall(h.q, 3, 0, span_of(noted.p, 5), &h.e), ERR_INVALID);
    // all rules of a file together
    buf_reset(&noted);
    quality_pack(h.q, 3, &noted);
    CHECK_INT(noted.n, 4 + 1 + 4 + 16); // of rule u, of id 3
    quality_stand(h.q, 3, 0, 5);
    h.offset = 5;
    CHECK_INT(quality_unpack(h.q, 3, buf_span(&noted), &h.e), ERR_OK);
    CHECK_INT(ask(&h, ID(3)).outcome, QUALITY_ASIDE);
    CHECK_INT(ask(&h, ID(2)).outcome, QUALITY_LOAD);
    for (size_t n = 1; n < noted.n; n++)
        CHECK_INT(quality_unpack(h.q, 3, span_of(noted.p, n), &h.e), ERR_INVALID);
    noted.p[4] = 'x'; // a rule that is gone
    CHECK_INT(quality_unpack(h.q, 3, buf_span(&noted), &h.e), ERR_OK);
    buf_free(&noted);
    close_house(&h);
}

/* --- of a run --------------------------------------------------------------------- */

static struct quality_finding of_run(struct house *h, size_t rule, int64_t rows,
                                     int64_t now)
{
    struct quality_finding f;

    quality_ask_run(h->q, rule, h->counts, rows, now, &f);
    return f;
}

static void a_run_is_asked_at_its_end(void)
{
    struct house h;

    CHECK_INT(open_house(&h, "- {name: r, severity: fail, rows: {min: 10, max: 20}}\n"
                             "- {name: f, fresh: {field: at, within: 1h}}\n"
                             "- {name: q, expr: message.id > 0}\n"),
              ERR_OK);
    CHECK_STR(of_run(&h, 0, 9, NOW).why, "9 rows, wanted at least 10");
    CHECK(of_run(&h, 0, 10, NOW).good);
    CHECK(of_run(&h, 0, 20, NOW).good);
    CHECK_STR(of_run(&h, 0, 21, NOW).why, "21 rows, wanted at most 20");
    CHECK_STR(of_run(&h, 1, 0, NOW).why,
              "no time was loaded, wanted one at most 3600 s old");
    (void)ask(&h, "{\"id\":1,\"temp\":1,\"at\":\"2026-01-01T10:00:00Z\"," REST);
    (void)ask(&h, "{\"id\":1,\"temp\":1,\"at\":\"2026-01-01T09:00:00Z\"," REST);
    (void)ask(&h,
              "{\"id\":0,\"temp\":1,\"at\":\"2026-01-01T11:00:00Z\"," REST); // aside
    int64_t ten = INT64_C(1767261600) * 1000000000;
    CHECK(of_run(&h, 1, 0, ten).good);
    CHECK(of_run(&h, 1, 0, ten + INT64_C(3600) * 1000000000).good);
    CHECK_STR(of_run(&h, 1, 0, ten + INT64_C(3601) * 1000000000).why,
              "the newest is 3601 s old, wanted at most 3600 s");
    CHECK_INT(h.counts[0].checked, 0); // of records: nothing
    close_house(&h);
}

static void counts_add_up(void)
{
    struct house h;

    CHECK_INT(open_house(&h, "- {name: q, range: {field: id, min: 5}}\n"
                             "- {name: f, fresh: {field: at, within: 1h}}\n"),
              ERR_OK);
    struct quality_count *sum = quality_counts(h.q);
    (void)ask(&h, "{\"id\":7,\"temp\":1,\"at\":\"2026-01-01T10:00:00Z\"," REST);
    (void)ask(&h, ID(1));
    quality_add(h.q, sum, h.counts);
    quality_zero(h.q, h.counts);
    (void)ask(&h, ID(6));
    quality_add(h.q, sum, h.counts);
    CHECK_INT(sum[0].checked, 3);
    CHECK_INT(sum[0].failed, 1);
    CHECK_INT(sum[0].offset, 1); // the last that failed
    CHECK(sum[1].newest == INT64_C(1767261600) * 1000000000);
    free(sum);
    close_house(&h);
}

/* --- another schema --------------------------------------------------------------- */

static void what_no_longer_compiles_is_said_and_the_rules_before_stay(void)
{
    static const char less[] =
        "{\"type\":\"record\",\"name\":\"Reading\",\"fields\":[{\"name\":\"n\","
        "\"type\":\"int\"},{\"name\":\"id\",\"type\":\"string\"}]}";
    struct av_schema *other;
    struct house h;

    CHECK_INT(open_house(&h,
                         "- {name: n, not_null: [n]}\n- {name: q, expr: message.id > "
                         "5}\n"),
              ERR_OK);
    CHECK_INT(av_schema_parse(&other, span_str(less), NULL, 0, NULL, &h.e), ERR_OK);
    CHECK_INT(quality_use(h.q, other, &h.e), ERR_INVALID);
    CHECK_STR(h.e.msg, "p.yaml:2:19: quality rule \"q\": 1:12: \">\" does not take "
                       "(string, int)");
    CHECK(quality_schema(h.q) == h.schema);
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_ASIDE);
    CHECK_INT(quality_use(h.q, h.schema, &h.e), ERR_OK); // compiled again
    CHECK_INT(ask(&h, ID(1)).outcome, QUALITY_ASIDE);
    CHECK_INT(h.counts[1].failed, 2);
    av_schema_release(other);
    close_house(&h);
}

int main(void)
{
    RUN(what_is_wrong_is_said_with_its_place);
    RUN(nothing_is_no_rules);
    RUN(each_form_says_what_it_should);
    RUN(a_message_is_cut_at_a_character);
    RUN(what_a_rule_takes_out_of_the_row_is_in_no_message);
    RUN(a_severity_says_what_becomes_of_it);
    RUN(a_rule_is_shown_as_it_was_written);
    RUN(a_key_comes_once_in_so_many_offsets);
    RUN(a_batch_that_is_repeated_says_the_same);
    RUN(a_run_is_asked_at_its_end);
    RUN(counts_add_up);
    RUN(what_no_longer_compiles_is_said_and_the_rules_before_stay);
    return REPORT();
}

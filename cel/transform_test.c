#include "tests/cel_house.h"

#include "avro-core/decode.h"
#include "avro-core/to_json.h"

static struct span field_says(const char *rule, const char *record)
{
    return cel_says(rule, CEL_FIELD, record);
}

#define SAYS(rule, says) CHECK_SPAN(field_says(rule, CEL_FULL), says)

static void a_rule_for_fields_asks_each_of_them(void)
{
    SAYS("value != 'Basel'", "false");
    SAYS("value != 'Bern'", "true");
    SAYS("name == 'qty' ; value < 3", "false");
    SAYS("name == 'qty' ; value < 4", "true");
    SAYS("typeName == 'STRING' ; size(value) < 100", "true");
    SAYS("fullName == 'com.shop.Item.sku' ; value in ['a', 'b']", "true");
    SAYS("'PII' in tags ; value.contains('@')", "true");
    SAYS("'MAIL' in tags ; value == ''", "false");
    SAYS("tags == [] || name == 'email'", "true");
    SAYS("name == 'street' ; message.city != 'Chur'", "false");
    SAYS("name == 'city' ; has(message.street)", "true");
    SAYS("name == 'labels' ; value != ''", "false");
    SAYS("name == 'scores' ; value > 0.0", "true");
    SAYS("typeName == 'NULL' ; value == null", "true");
    SAYS("name == 'status' || name == 'hash' || name == 'key16' ; false", "true");
    SAYS("name == 'at' ; value < now && typeName == 'LONG'", "false");
    SAYS("name == 'price' ; value == 10.5 && typeName == 'BYTES'", "true");
    SAYS("name == 'either' ; typeName == 'LONG' && value == 5", "true");
    SAYS("name == 'id' ; value.startsWith('a')",
         "error: no such overload: startsWith(int, string)");
    SAYS("value.startsWith('a') ; true", "true");
    SAYS("message.nope == 1 ; true", "true");
    SAYS("typeName in ['INT', 'LONG', 'FLOAT', 'DOUBLE', 'BOOLEAN', 'STRING', 'BYTES', "
         "'NULL']",
         "true");
    SAYS("name + 1", "1:6: \"+\" does not take (string, int)");
    SAYS("nobody", "1:1: nothing is called \"nobody\"");
}

struct outcome {
    enum cel_verdict verdict;
    char message[300], json[4000];
};

/* The record that the rule makes, as JSON. */
static struct outcome made(const char *rule, enum cel_mode mode, const char *record,
                           const char *only)
{
    struct cel_house h;
    struct cel_rules *set;
    struct cel_rule *r;
    struct cel_outcome outcome;
    struct outcome out = {.verdict = CEL_ERRS};
    struct buf datum = BUF_INIT(1 << 20), json = BUF_INIT(sizeof out.json - 1);
    struct av_plan *plan;
    struct av_to_json w;
    struct span tag = only != NULL ? span_str(only) : (struct span){0};
    struct err e = {0};

    cel_house_open(&h, record);
    if (cel_rules_new(&set, h.schema, &e) != ERR_OK ||
        av_plan_new(&plan, h.schema, h.schema, &e) != ERR_OK)
        abort();
    cel_rules_tag(set, span_str("**.city"), span_str("PLACE"));
    cel_rules_tag(set, span_str("com.shop.Item.?ty"), span_str("NUMBER"));
    cel_rules_tag(set, span_str("com.*.*.sku"), span_str("CODE"));
    cel_rules_tag(set, span_str("*.sku"), span_str("NEVER"));
    if (cel_rules_add(set, span_str(rule), mode, &r, &e) != ERR_OK) {
        printf("%s\n", e.msg);
        abort();
    }
    if (only != NULL)
        cel_rule_only(r, &tag, 1);
    struct cel_run *run = cel_run_new();
    cel_begin(run, set, buf_span(&h.datum), CEL_NOW);
    buf_put_str(&datum, "before");
    cel_transform(run, r, &datum, &outcome);
    out.verdict = outcome.verdict;
    snprintf(out.message, sizeof out.message, "%.*s%s%.*s", (int)outcome.pointer.n,
             (const char *)outcome.pointer.p, outcome.pointer.n > 0 ? ": " : "",
             (int)outcome.message.n, (const char *)outcome.message.p);
    CHECK(memcmp(datum.p, "before", 6) == 0);
    if (outcome.verdict == CEL_HOLDS) {
        av_to_json_init(&w, &json, false);
        CHECK(av_decode_all(plan, span_skip(buf_span(&datum), 6), NULL, &w.visitor,
                            &e) == ERR_OK);
        memcpy(out.json, json.p, json.n);
    } else {
        CHECK_INT(datum.n, 6);
    }
    cel_run_free(run);
    cel_rules_free(set);
    av_plan_free(plan);
    cel_house_close(&h);
    buf_free(&datum);
    buf_free(&json);
    return out;
}

#define HAS(o, text) CHECK(strstr((o).json, text) != NULL)

static void a_rule_for_fields_may_change_them(void)
{
    struct outcome o =
        made("typeName == 'STRING' ; value + '!'", CEL_FIELD, CEL_FULL, NULL);

    CHECK_INT(o.verdict, CEL_ERRS); // the uuid is a string too, and none with a '!'
    CHECK_STR(o.message, "/key: a value of type string, wanted string uuid");
    o = made("typeName == 'STRING' && name != 'key' ; value + '!'", CEL_FIELD, CEL_FULL,
             NULL);
    CHECK_INT(o.verdict, CEL_HOLDS);
    HAS(o, "\"email\":\"ann@x.org!\"");
    HAS(o, "\"note\":\"hi!\"");
    HAS(o, "\"items\":[{\"sku\":\"a!\",\"qty\":1},{\"sku\":\"b!\",\"qty\":3}]");
    HAS(o, "\"labels\":{\"k\":\"v!\",\"z\":\"!\"}");
    HAS(o, "\"address\":{\"street\":\"Gasse 2!\",\"city\":\"Chur!\"}");
    HAS(o, "\"either\":5");
    o = made("typeName == 'LONG' ; value", CEL_FIELD, CEL_FULL, NULL);
    HAS(o, "\"at\":\"2024-02-29T04:05:06.789Z\"");
    o = made("name == 'either' ; 'five'", CEL_FIELD, CEL_FULL, NULL);
    HAS(o, "\"either\":\"five\"");
    o = made("name == 'either' ; null", CEL_FIELD, CEL_FULL, NULL);
    HAS(o, "\"either\":null");
    o = made("name == 'note' && value == null ; 'none'", CEL_FIELD, CEL_BARE, NULL);
    HAS(o, "\"note\":\"none\"");
    o = made("name == 'qty' ; value + 0.5", CEL_FIELD, CEL_FULL, NULL);
    CHECK_STR(o.message, "/items/0/qty: no such overload: +(int, double)");
    o = made("name == 'labels' ; 5", CEL_FIELD, CEL_FULL, NULL);
    CHECK_STR(o.message, "/labels/k: a value of type int, wanted string");
    o = made("name == 'paid' ; !value", CEL_FIELD, CEL_FULL, NULL);
    HAS(o, "\"paid\":false");
    o = made("dyn(name != 'nobody')", CEL_FIELD, CEL_FULL, NULL);
    CHECK_INT(o.verdict, CEL_HOLDS); // paid's new value, a verdict for the others
    HAS(o, "\"paid\":true");
    o = made("dyn(name != 'email')", CEL_FIELD, CEL_FULL, NULL);
    CHECK_INT(o.verdict, CEL_FAILS);
    CHECK_STR(o.message, "/email: ");
}

static void tags_come_from_paths_too(void)
{
    struct outcome o = made("'*'", CEL_FIELD, CEL_FULL, "PLACE");

    HAS(o, "\"city\":\"*\"");
    HAS(o, "\"address\":{\"street\":\"Gasse 2\",\"city\":\"*\"}");
    o = made("value * 2", CEL_FIELD, CEL_FULL, "NUMBER");
    HAS(o, "{\"sku\":\"b\",\"qty\":6}");
    o = made("value + value", CEL_FIELD, CEL_FULL, "CODE");
    HAS(o, "{\"sku\":\"bb\",\"qty\":3}");
    o = made("1/0", CEL_FIELD, CEL_FULL, "NEVER");
    CHECK_INT(o.verdict, CEL_HOLDS);
    o = made("'PII' in tags ; 'x'", CEL_FIELD, CEL_FULL, NULL);
    HAS(o, "\"email\":\"x\"");
}

#define NEW_RECORD                                                                     \
    "{'id': 8, 'count': 4u, 'paid': false, 'weight': 2, 'amount': 3, 'email': 'b@y', " \
    "'raw': b'q', 'status': 'DONE', 'hash': b'zz', 'key': "                            \
    "'123e4567-e89b-12d3-a456-426614174009', 'key16': message.key16, 'at': now, "      \
    "'at6': message.at, 'at9': timestamp(5), 'local': message.local, 'day': "          \
    "timestamp('2024-03-01T00:00:00Z'), 'time': duration('1h'), 'time6': "             \
    "message.time6, 'price': 12, 'fee': -0.25, 'big': '7.70', 'bill': {'street': "     \
    "'s'}, 'items': [{'sku': 'n', 'qty': 2}], 'labels': {'l': 'm'}, 'scores': [1.5, "  \
    "2], "

static void a_map_makes_a_new_record(void)
{
    struct outcome o = made(NEW_RECORD "'either': 'e'}", CEL_RECORD, CEL_FULL, NULL);

    CHECK_STR(o.message, "");
    CHECK_STR(
        o.json,
        "{\"id\":8,\"count\":4,\"paid\":false,\"weight\":2.0,\"amount\":3.0,\"email\":"
        "\"b@y\",\"raw\":\"cQ==\",\"note\":null,\"status\":\"DONE\",\"hash\":"
        "\"eno=\",\"key\":\"123e4567-e89b-12d3-a456-426614174009\",\"key16\":"
        "\"123e4567-e89b-12d3-a456-426614174001\",\"at\":"
        "\"2023-11-14T22:13:20.123Z\",\"at6\":\"2024-02-29T04:05:06.789Z\","
        "\"at9\":\"1970-01-01T00:00:05Z\",\"local\":\"2024-02-29T04:05:06\","
        "\"day\":\"2024-03-01\",\"time\":\"01:00:00\",\"time6\":\"00:00:01\","
        "\"price\":\"12.00\",\"fee\":\"-0.250\",\"big\":\"7.70\",\"address\":null,"
        "\"bill\":{\"street\":\"s\",\"city\":\"Bern\"},\"items\":[{\"sku\":\"n\","
        "\"qty\":2}],\"labels\":{\"l\":\"m\"},\"scores\":[1.5,2.0],\"either\":\"e\","
        "\"period\":null}");
    o = made("message", CEL_RECORD, CEL_FULL, NULL);
    HAS(o, "\"scores\":[0.5,2.0]");
    o = made("false ; {'id': 1}", CEL_RECORD, CEL_FULL, NULL);
    HAS(o, "\"id\":7");
    o = made(NEW_RECORD "'address': com.shop.Address{street: 'x', city: 'y'}, 'note': "
                        "'n', 'period': null}",
             CEL_RECORD, CEL_FULL, NULL);
    HAS(o, "\"address\":{\"street\":\"x\",\"city\":\"y\"}");
    HAS(o, "\"note\":\"n\"");
    o = made(NEW_RECORD "'items': message.items}", CEL_RECORD, CEL_FULL, NULL);
    CHECK_STR(o.message, "repeated key in a map");
}

static void what_does_not_fit_says_so(void)
{
    static const struct {
        const char *rule, *message;
    } cases[] = {
        {"5", "a value of type int, wanted com.shop.Order"},
        {"message.bill", "a value of type record, wanted com.shop.Order"},
        {"{'id': 5}", "field count is missing and has no default"},
        {"{'id': 'x'}", "field id: a value of type string, wanted long"},
        {"{'id': 1, 'count': 2147483648}",
         "field count: a value of type int, wanted int"},
        {"{'id': timestamp(0)}",
         "field id: a value of type google.protobuf.Timestamp, wanted long"},
        {NEW_RECORD "'nobody': 1}", "the record has no field \"nobody\""},
        {NEW_RECORD "5: 1}", "a value of type int, wanted com.shop.Order"},
        {NEW_RECORD "'note': 5}", "field note: a value of type int, wanted string"},
        {NEW_RECORD "'either': 1.5}",
         "field either: a value of type double, wanted union"},
        {NEW_RECORD "'period': b'x'}",
         "field period: a value of type bytes, wanted com.shop.P duration"},
        {"message.items[9]", "index out of range: 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome o = made(cases[i].rule, CEL_RECORD, CEL_FULL, NULL);

        CHECK_INT(o.verdict, CEL_ERRS);
        CHECK_STR(o.message, cases[i].message);
    }
}

/* One field replaced, in a record that is otherwise as it was. */
static void each_type_refuses_what_it_cannot_hold(void)
{
    static const struct {
        const char *name, *value, *becomes;
    } cases[] = {
        {"weight", "1e39", NULL},
        {"weight", "2", "\"weight\":2.0,"},
        {"amount", "'x'", NULL},
        {"amount", "9007199254740993", NULL},
        {"amount", "3u", "\"amount\":3.0,"},
        {"paid", "1", NULL},
        {"raw", "'x'", NULL},
        {"at", "timestamp('2024-01-01T00:00:00.0001Z')", NULL},
        {"at", "5", "\"at\":\"1970-01-01T00:00:00.005Z\""},
        {"day", "timestamp('2024-01-01T00:00:01Z')", NULL},
        {"at9", "timestamp('9999-01-01T00:00:00Z')", NULL},
        {"time", "duration('25h')", NULL},
        {"time", "duration('1us')", NULL},
        {"time6", "duration('1us')", "\"time6\":\"00:00:00.000001\""},
        {"id", "duration('1us')", NULL},
        {"id", "18446744073709551615u", NULL},
        {"price", "1.234", NULL},
        {"price", "'9.90'", "\"price\":\"9.90\""},
        {"price", "'x'", NULL},
        {"price", "4u", "\"price\":\"4.00\""},
        {"price", "[1]", NULL},
        {"price", "0.0/0.0", NULL},
        {"price", "value", "\"price\":\"10.50\""},
        {"big", "2.5", "\"big\":\"2.5\""},
        {"email", "b'x'", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rule[200];

        snprintf(rule, sizeof rule, "name == '%s' ; dyn(%s)", cases[i].name,
                 cases[i].value);
        struct outcome o = made(rule, CEL_FIELD, CEL_FULL, NULL);
        bool ok = cases[i].becomes == NULL
                      ? o.verdict == CEL_ERRS
                      : o.verdict == CEL_HOLDS && strstr(o.json, cases[i].becomes);
        check_count(ok);
        if (!ok)
            printf("    %s: %d %s %s\n", rule, o.verdict, o.message, o.json);
    }
}

static void a_shown_transform_is_the_value_or_the_new_record(void)
{
    struct span said = field_says("name == 'email' ; '***'", CEL_FULL);

    CHECK(memmem(said.p, said.n, "\"email\":\"***\"", 13) != NULL);
    said = field_says("dyn(name == 'email' ? [true][0] : true)", CEL_BARE);
    CHECK(said.n > 0);
    CHECK_SPAN(field_says("name == 'email' ; dyn(1 == 1)", CEL_FULL), "true");
    CHECK_SPAN(field_says("name == 'email' ; dyn(1 == 2)", CEL_FULL), "false");
    CHECK_SPAN(field_says("name == 'email' ; 5", CEL_FULL),
               "error: a value of type int, wanted string");
}

int main(void)
{
    RUN(a_rule_for_fields_asks_each_of_them);
    RUN(a_rule_for_fields_may_change_them);
    RUN(tags_come_from_paths_too);
    RUN(a_map_makes_a_new_record);
    RUN(what_does_not_fit_says_so);
    RUN(each_type_refuses_what_it_cannot_hold);
    RUN(a_shown_transform_is_the_value_or_the_new_record);
    return REPORT();
}

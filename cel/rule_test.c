#include "tests/cel_house.h"

#define FULL(rule, says) CHECK_SPAN(cel_says(rule, CEL_RECORD, CEL_FULL), says)
#define BARE(rule, says) CHECK_SPAN(cel_says(rule, CEL_RECORD, CEL_BARE), says)

static void each_avro_type_is_its_cel_type(void)
{
    static const struct cel_case cases[] = {
        {"type(message.id) == int && type(message.count) == int", "true"},
        {"type(message.paid) == bool && message.paid", "true"},
        {"type(message.weight) == double && message.weight == 1.5", "true"},
        {"message.amount + 0.5", "20"},
        {"message.email + '!'", "\"ann@x.org!\""},
        {"message.raw", "\"AP8=\""},
        {"message.raw == b'\\x00\\xff' && size(message.raw) == 2", "true"},
        {"message.status in ['NEW', 'OLD']", "true"},
        {"type(message.status)", "\"string\""},
        {"message.hash == b'\\x01\\x02'", "true"},
        {"message.key.startsWith('123e4567')", "true"},
        {"message.key16", "\"123e4567-e89b-12d3-a456-426614174001\""},
        {"message.at", "\"2024-02-29T04:05:06.789Z\""},
        {"message.at6", "\"2024-02-29T04:05:06.000001Z\""},
        {"message.at9", "\"1969-12-31T23:59:59.999999999Z\""},
        {"message.local", "\"2024-02-29T04:05:06Z\""},
        {"message.day == timestamp('2024-02-29T00:00:00Z')", "true"},
        {"message.time", "\"3723.5s\""},
        {"message.time6 == duration('1s')", "true"},
        {"type(message.at)", "\"google.protobuf.Timestamp\""},
        {"type(message.time)", "\"google.protobuf.Duration\""},
        {"type(message)", "\"com.shop.Order\""},
        {"type(message) == com.shop.Order", "true"},
        {"type(message.bill) == com.shop.Order", "false"},
        {"message.scores", "[0.5,2]"},
        {"message.scores[1] + message.scores[0]", "2.5"},
        {"message.items[1].qty", "3"},
        {"message.labels", "{\"k\":\"v\",\"z\":\"\"}"},
        {"message.labels['k'] + message.labels.z", "\"v\""},
        {"'k' in message.labels && !('q' in message.labels)", "true"},
        {"message.address.city", "\"Chur\""},
        {"message.bill.city < message.address.city", "true"},
        {"message.bill", "{\"street\":\"Main 1\",\"city\":\"Basel\"}"},
        {"message.bill == message.bill && message.bill != message.address", "true"},
        {"message == message", "true"},
        {"message.either + 1", "6"},
        {"size(message.items) + size(message.labels) + size(message.scores)", "6"},
        {"message.items", "[{\"sku\":\"a\",\"qty\":1},{\"sku\":\"b\",\"qty\":3}]"},
        {"type(message.price)", "\"decimal\""},
        {"now", "\"2023-11-14T22:13:20.123Z\""},
        {"now < message.at", "true"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void decimals_are_exact(void)
{
    static const struct cel_case cases[] = {
        {"message.price == 10.5 && message.price > 10 && message.price < 11u", "true"},
        {"message.price == message.price && message.price != message.fee", "true"},
        {"message.price > message.fee && message.fee < 0", "true"},
        {"message.fee == -0.125", "true"},
        {"message.big == 1.1 && message.big <= 1.1 && 1.1 >= message.big", "true"},
        {"1 < message.big && 2u > message.big", "true"},
        {"string(message.price) + string(message.fee) + string(message.big)",
         "\"10.50-0.1251.10\""},
        {"double(message.price) * 2.0", "21"},
        {"int(message.price) + int(message.fee)", "10"},
        {"uint(message.price)", "10"},
        {"uint(message.fee)", "0"},
        {"message.price in [1, 2]", "false"},
        {"10.5 in [message.price]", "true"},
        {"message.price", "\"10.50\""},
        {"message.price > double('nan') || message.price < double('-inf')", "false"},
        {"message.price < double('inf') && message.price != 1e300", "true"},
        {"message.price == 10.500000000000002", "false"},
        {"message.price + 1", "1:15: \"+\" does not take (decimal, int)"},
        {"dyn(message.price) + 1", "error: no such overload: +(decimal, int)"},
        {"dyn(message.price) == dyn('10.5')", "false"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void a_long_decimal_is_no_double(void)
{
    static const char long_one[] =
        "{" CEL_ALWAYS ",\"items\":[],\"labels\":{},\"scores\":[],\"note\":null}";
    char record[4000];
    const char *price = strstr(long_one, "\"10.50\"");

    snprintf(record, sizeof record, "%.*s\"%s\"%s", (int)(price - long_one), long_one,
             "1234567890123456789012345678.91", price + strlen("\"10.50\""));
    static const struct cel_case cases[] = {
        {"string(message.price)", "\"1234567890123456789012345678.91\""},
        {"message.price > 9223372036854775807 && message.price > 1.2e27", "true"},
        {"message.price == 1234567890123456789012345678.91", "false"},
        {"message.price > message.fee && message.fee < message.price", "true"},
        {"int(message.price)", "error: integer overflow"},
        {"message.price == message.price", "true"},
        {"message.price == 5u", "false"},
    };
    CEL_CHECK(cases, record);
}

static void null_is_asked_about_and_nothing_else(void)
{
    static const struct cel_case cases[] = {
        {"message.note == null", "true"},
        {"message.note == 'x'", "false"},
        {"message.note != 'x'", "true"},
        {"message.note > 'x'", "error: no such overload: >(null_type, string)"},
        {"size(message.note)", "error: no such overload: size(null_type)"},
        {"message.address.city", "error: a field of a record that is null"},
        {"message.address == null", "true"},
        {"message.address.street == 'x' || true", "true"},
        {"has(message.note) || has(message.address)", "false"},
        {"has(message.id) && has(message.labels) && has(message.bill.city)", "true"},
        {"has(message.address.city)", "error: a field of a record that is null"},
        {"has(message.labels.k)", "false"},
        {"message.either == null", "true"},
        {"has(message.either)", "false"},
        {"message.id == null", "1:12: \"==\" does not take (int, null_type)"},
        {"message.at == null", "false"},
        {"message.bill == null", "false"},
        {"message.note", "null"},
        {"message.labels.k", "error: no such key: k"},
        {"message.items[0]", "error: index out of range: 0"},
        {"message.items.all(i, i.qty > 5)", "true"},
        {"message.items == [] && message.labels == {}", "true"},
        {"[message.note, 'x']", "[null,\"x\"]"},
        {"message.note.startsWith('a') || message.id == 7", "true"},
    };
    CEL_CHECK(cases, CEL_BARE);
}

static void what_does_not_type_check_is_refused_with_its_place(void)
{
    static const struct cel_case cases[] = {
        {"message.id ==\n  '7'", "1:12: \"==\" does not take (int, string)"},
        {"message.foo", "1:9: no field \"foo\" in record com.shop.Order"},
        {"message.amount == 2", "1:16: \"==\" does not take (double, int)"},
        {"message.amount + 1", "1:16: \"+\" does not take (double, int)"},
        {"message.at > 5",
         "1:12: \">\" does not take (google.protobuf.Timestamp, int)"},
        {"message.at == 5",
         "1:12: \"==\" does not take (google.protobuf.Timestamp, int)"},
        {"message.items.exists(i, i.foo == 1)",
         "1:27: no field \"foo\" in record com.shop.Item"},
        {"'é😀' + 1", "1:6: \"+\" does not take (string, int)"},
        {"true\n  && nobody", "2:6: nothing is called \"nobody\""},
        {"message.email.size(1)", "1:15: \"size\" does not take (string, int)"},
        {"message.nope()", "1:9: no function \"nope\""},
        {"message.id.x", "1:12: no field \"x\" in a value of type int"},
        {"message.id.all(x, x)",
         "1:9: a macro goes along a list or a map, this is a int"},
        {"[1].all(x, x)", "1:12: a macro's condition is a bool, this is a int"},
        {"[1].map(x, x, x)", "1:12: a macro's condition is a bool, this is a int"},
        {"{1.5: 2}", "1:2: a map's key is a bool, int, uint or string"},
        {"1 && true", "1:3: \"&&\" does not take (int, bool)"},
        {"true ? 1 : 'a'", "1:6: \"?:\" does not take (bool, int, string)"},
        {"message.labels[1]", "1:15: \"[]\" does not take (map(string, string), int)"},
        {"'a'.matches('(')", "1:13: pattern, 1: "},
        {"timestamp('yesterday')",
         "1:11: type conversion error from string to timestamp: \"yesterday\""},
        {"duration('1x')",
         "1:10: type conversion error from string to duration: \"1x\""},
        {"com.shop.Nobody{}", "1:1: no record is called \"com.shop.Nobody\""},
        {"com.shop.Address{city: 1}", "1:24: a value that does not fit field \"city\""},
        {"com.shop.Address{cty: ''}",
         "1:23: no field \"cty\" in record com.shop.Address"},
        {"message.note.x", "1:14: no field \"x\" in a value of type string"},
        {"value", "1:1: nothing is called \"value\""},
        {"-message.email", "1:1: \"-\" does not take (string)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span said = cel_says(cases[i].rule, CEL_RECORD, CEL_FULL);
        size_t n = strlen(cases[i].says);
        bool ok = said.n >= n && memcmp(said.p, cases[i].says, n) == 0;

        check_count(ok);
        if (!ok)
            printf("    %s\n      says   %.*s\n      wanted %s\n", cases[i].rule,
                   (int)said.n, (const char *)said.p, cases[i].says);
    }
}

static void a_guard_says_where_a_rule_applies(void)
{
    static const struct cel_case cases[] = {
        {"message.id == 7 ; message.count > 5", "false"},
        {"message.id == 8 ; message.count > 5", "true"},
        {"message.note == null ; false", "true"},
        {"message.either ; false", "true"},
        {"message.items[9].qty > 1 ; false", "true"},
        {"; message.id == 7", "true"},
        {"';' == ';' // ; no end here\n ; r';' == \"\"\";\"\"\"", "true"},
        {"true ;", "1:7: the end, wanted an expression"},
        {"", "1:1: the end, wanted an expression"},
        {"true ; true ; true", "1:13: \";\", wanted an operator or the end"},
        {"1 ; true", "1:1: a guard is a bool, this is a int"},
        {"nobody ; true", "1:1: nothing is called \"nobody\""},
        {"true ; nobody", "1:8: nothing is called \"nobody\""},
        {"message.id == 8 ; {'a': 1}", NULL},
        {"true ; {'a': 1}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].says != NULL)
            cel_check_all(&cases[i], 1, CEL_FULL);
    struct span said = cel_says("message.id == 8 ; {'a': 1}", CEL_RECORD, CEL_BARE);
    CHECK(said.n > 10 && memcmp(said.p, "{\"id\":7,", 8) == 0);
}

static void errors_are_absorbed_by_what_decides(void)
{
    static const struct cel_case cases[] = {
        {"1/0 > 0 || true", "true"},
        {"true || 1/0 > 0", "true"},
        {"1/0 > 0 && false", "false"},
        {"1/0 > 0 || false", "error: divide by zero"},
        {"true && 1%0 > 0", "error: modulus by zero"},
        {"[0, 1].exists(x, 1/x == 1)", "true"},
        {"[0, 1].all(x, 1/x == 2)", "false"},
        {"[0].all(x, 1/x == 2)", "error: divide by zero"},
        {"[0, 1].exists_one(x, 1/x == 1)", "error: divide by zero"},
        {"[0].map(x, 1/x)", "error: divide by zero"},
        {"[0].filter(x, 1/x > 0)", "error: divide by zero"},
        {"dyn(1) || true", "true"},
        {"dyn(1) && true", "error: no such overload: &&(int)"},
        {"!dyn(1)", "error: no such overload: !(int)"},
        {"dyn(1) ? 1 : 2", "error: no such overload: ?:(int)"},
        {"(1/0 > 0) ? 1 : 2", "error: divide by zero"},
        {"!(1/0 > 0)", "error: divide by zero"},
        {"[1/0]", "error: divide by zero"},
        {"{'a': 1/0}", "error: divide by zero"},
        {"1/0 in [1]", "error: divide by zero"},
        {"1 in [1/0]", "error: divide by zero"},
        {"1 < 1/0 || 1/0 < 1", "error: divide by zero"},
        {"1 == 1/0 || 1/0 == 1", "error: divide by zero"},
        {"string(1/0)", "error: divide by zero"},
        {"[1].all(x, dyn(x))", "error: no such overload: a macro's condition(int)"},
        {"dyn(1).all(x, true)", "error: no such overload: a macro(int)"},
        {"1 in dyn(1)", "error: no such overload: in(int, int)"},
        {"dyn(1).x", "error: no field \"x\" in a value of type int"},
        {"has(dyn(message).nope)", "error: no such field: nope"},
        {"dyn(message).email.matches('^ann@')", "true"},
        {"dyn(5).matches('a')", "error: no such overload: matches(int)"},
        {"(1/0 > 1 ? 'a' : 'b').matches('a')", "error: divide by zero"},
        {"'a'.matches(message.email + '(')", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].says != NULL)
            cel_check_all(&cases[i], 1, CEL_FULL);
}

static void a_rule_has_its_limits(void)
{
    char text[4 * CEL_TEXT_MOST];
    size_t n = 0;

    for (size_t i = 0; i < 300; i++)
        text[n++] = '(';
    strcpy(text + n, "1");
    FULL(text, "1:201: more than 200 expressions inside each other");
    for (n = 0; n < 2000; n += 2)
        memcpy(text + n, "1+", 2);
    strcpy(text + n, "1");
    FULL(text, "1:400: more than 200 expressions inside each other");
    for (n = 0; n < 40000; n += 2)
        memcpy(text + n, "1,", 2);
    memcpy(text, "[ ", 2);
    strcpy(text + n, "1]");
    CHECK(memcmp(cel_says(text, CEL_RECORD, CEL_FULL).p, "1:", 2) == 0);
    memset(text, ' ', CEL_TEXT_MOST + 1);
    strcpy(text + CEL_TEXT_MOST, "1");
    CHECK(strstr((const char *)cel_says(text, CEL_RECORD, CEL_FULL).p,
                 "more than 65536 bytes") != NULL);
    for (n = 0; n < 2000 * 8; n += 8)
        memcpy(text + n, "true && ", 8);
    strcpy(text + n, "true");
    FULL(text, "true");
    FULL("[1,2,3,4,5,6,7,8,9,0].map(a, [1,2,3,4,5,6,7,8,9,0].map(b, "
         "[1,2,3,4,5,6,7,8,9,0].map(c, [1,2,3,4,5,6,7,8,9,0].map(d, "
         "[1,2,3,4,5,6,7,8,9,0].map(e, [1,2,3,4,5,6,7,8,9,0].map(f, "
         "[1,2,3,4,5,6,7,8,9,0].exists(g, g > 10)))))))",
         "error: the expression takes too long");
    FULL("[1,2,3,4,5,6,7,8,9,0].map(a, [1,2,3,4,5,6,7,8,9,0].map(b, "
         "[1,2,3,4,5,6,7,8,9,0].map(c, [1,2,3,4,5,6,7,8,9,0].map(d, "
         "'0123456789012345678901234567890123456789' + message.email + "
         "'0123456789012345678901234567890123456789012345678901234567890123456789012345"
         "678"
         "90123456789012345678901234567890123456789012345678901234567890123456789012345"
         "67"
         "89012345678901234567890123456789012345678901234567890123456789012345678901234"
         "56"
         "')))).exists(x, false) || true",
         "error: the expression takes too much memory");
}

static void a_set_asks_many_rules_of_one_record(void)
{
    static const char *const rules[] = {
        "message.bill.city == 'Basel'",
        "message.address.city == 'Chur'",
        "message.scores[1] > 1.0",
        "message.bill.street.matches('^Main [0-9]$')",
        "message.either == 5",
        "message.address != null",
        "message.email.matches('@')",
        "message.at.getFullYear('Europe/Zurich') == 2024",
    };
    struct cel_rule *compiled[8];
    struct cel_outcome outcome;
    struct cel_rules *set;
    struct cel_house h;
    struct err e = {0};

    cel_house_open(&h, CEL_FULL);
    CHECK(cel_rules_new(&set, h.schema, &e) == ERR_OK);
    for (size_t i = 0; i < 8; i++)
        CHECK(cel_rules_add(set, span_str(rules[i]), CEL_RECORD, &compiled[i], &e) ==
              ERR_OK);
    struct cel_run *run = cel_run_new();
    for (int times = 0; times < 3; times++) {
        cel_begin(run, set, buf_span(&h.datum), CEL_NOW);
        for (size_t i = 0; i < 8; i++) {
            cel_check(run, compiled[i], &outcome);
            CHECK_INT(outcome.verdict, CEL_HOLDS);
            CHECK(outcome.applied && outcome.message.n == 0);
        }
    }
    cel_run_free(run);
    cel_run_free(NULL);
    cel_rules_free(set);
    cel_rules_free(NULL);
    cel_house_close(&h);
}

static void a_condition_that_is_no_bool_errs(void)
{
    struct cel_rule *number, *any;
    struct cel_outcome outcome;
    struct cel_rules *set;
    struct cel_house h;
    struct err e = {0};

    cel_house_open(&h, CEL_FULL);
    CHECK(cel_rules_new(&set, h.schema, &e) == ERR_OK);
    CHECK(cel_rules_add(set, span_str("1 + 1"), CEL_RECORD, &number, &e) == ERR_OK);
    CHECK(cel_rules_add(set, span_str("dyn(message.paid)"), CEL_RECORD, &any, &e) ==
          ERR_OK);
    CHECK_INT(cel_rule_yield(number), CEL_YIELDS_VALUE);
    CHECK_INT(cel_rule_yield(any), CEL_YIELDS_ANY);
    struct cel_run *run = cel_run_new();
    cel_begin(run, set, buf_span(&h.datum), -1);
    cel_check(run, number, &outcome);
    CHECK_INT(outcome.verdict, CEL_ERRS);
    CHECK_SPAN(outcome.message, "a condition is a bool, this is a int");
    cel_check(run, any, &outcome);
    CHECK_INT(outcome.verdict, CEL_HOLDS);
    cel_run_free(run);
    cel_rules_free(set);
    cel_house_close(&h);
}

/* Bytes that nobody has looked at: an error wherever they are cut, never more. */
static void a_datum_that_is_cut_is_an_error(void)
{
    static const char *const rules[] = {
        "message.either == 5 || message.period == null",
        "message.items.exists(i, i.qty == 77)",
        "message.labels.z == 'q' || message.bill.city == 'q'",
        "message == message",
        "size(message.scores) == 99 || message.price == 1.5 || message.fee == "
        "message.big",
        "message.key16 == 'a' || message.status == 'OLD' || message.weight == 9.0",
    };
    struct cel_rule *compiled[6];
    struct cel_outcome outcome;
    struct cel_rules *set;
    struct cel_house h;
    struct err e = {0};

    cel_house_open(&h, CEL_FULL);
    CHECK(cel_rules_new(&set, h.schema, &e) == ERR_OK);
    for (size_t i = 0; i < 6; i++)
        CHECK(cel_rules_add(set, span_str(rules[i]), CEL_RECORD, &compiled[i], &e) ==
              ERR_OK);
    struct cel_run *run = cel_run_new();
    size_t refused = 0;
    for (size_t n = 0; n < h.datum.n; n++) {
        uint8_t *copy = malloc(n + 1);

        memcpy(copy, h.datum.p, n);
        cel_begin(run, set, span_of(n > 0 ? copy : NULL, n), 0);
        for (size_t i = 0; i < 6; i++) {
            cel_check(run, compiled[i], &outcome);
            refused += outcome.verdict == CEL_ERRS;
        }
        free(copy);
    }
    CHECK(refused > 4 * h.datum.n);
    cel_run_free(run);
    cel_rules_free(set);
    cel_house_close(&h);
}

static void a_field_is_found_where_it_stands(void)
{
    struct cel_house h;
    struct cel_rules *set;
    struct err e = {0};
    struct span at;
    size_t sum = 0;

    cel_house_open(&h, CEL_FULL);
    CHECK(cel_rules_new(&set, h.schema, &e) == ERR_OK);
    struct cel_run *run = cel_run_new();
    cel_begin(run, set, buf_span(&h.datum), 0);
    size_t fields = av_schema_root(h.schema)->n_fields;
    for (size_t i = 0; i < fields; i++) {
        CHECK(cel_locate(run, i, &at));
        CHECK(at.p == h.datum.p + sum);
        sum += at.n;
    }
    CHECK_INT(sum, h.datum.n);
    CHECK(!cel_locate(run, fields, &at));
    CHECK(cel_locate(run, 5, &at));
    CHECK_SPAN(span_skip(at, 1), "ann@x.org");
    cel_begin(run, set, span_of(h.datum.p, 10), 0);
    CHECK(cel_locate(run, 0, &at));
    CHECK(!cel_locate(run, 6, &at));
    cel_run_free(run);
    cel_rules_free(set);
    cel_house_close(&h);
}

static void a_field_may_be_a_name_by_itself(void)
{
    static const struct {
        const char *rule, *says;
    } cases[] = {
        {"id + message.id == 2 * id", "true"},
        {"address.city + status", "\"ChurNEW\""},
        {"has(address.city) && note != null", "true"},
        {"items.exists(count, count.qty == 3) && count == 3", "true"},
        {"[1].exists(id, id == 1)", "true"},
        {"now == message.at || type(id) == int", "true"},
    };
    struct cel_house h;
    struct cel_rules *set;
    struct cel_rule *rule;
    struct err e = {0};
    struct buf out = BUF_INIT(1000);

    cel_house_open(&h, CEL_FULL);
    CHECK(cel_rules_new(&set, h.schema, &e) == ERR_OK);
    cel_rules_bare(set);
    struct cel_run *run = cel_run_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_INT(cel_rules_add(set, span_str(cases[i].rule), CEL_RECORD, &rule, &e),
                  ERR_OK);
        CHECK_STR(e.msg, "");
        cel_begin(run, set, buf_span(&h.datum), CEL_NOW);
        buf_reset(&out);
        cel_show(run, rule, &out);
        CHECK_SPAN(buf_span(&out), cases[i].says);
    }
    CHECK_INT(cel_rules_add(set, span_str("nobody == 1"), CEL_RECORD, &rule, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "1:1: nothing is called \"nobody\"");
    CHECK_INT(cel_rules_add(set, span_str(".id == 1"), CEL_RECORD, &rule, &e),
              ERR_INVALID);
    cel_run_free(run);
    cel_rules_free(set);
    cel_house_close(&h);
    buf_free(&out);
}

int main(void)
{
    RUN(a_field_may_be_a_name_by_itself);
    RUN(each_avro_type_is_its_cel_type);
    RUN(decimals_are_exact);
    RUN(a_long_decimal_is_no_double);
    RUN(null_is_asked_about_and_nothing_else);
    RUN(what_does_not_type_check_is_refused_with_its_place);
    RUN(a_guard_says_where_a_rule_applies);
    RUN(errors_are_absorbed_by_what_decides);
    RUN(a_rule_has_its_limits);
    RUN(a_set_asks_many_rules_of_one_record);
    RUN(a_condition_that_is_no_bool_errs);
    RUN(a_datum_that_is_cut_is_an_error);
    RUN(a_field_is_found_where_it_stands);
    BARE("true", "true");
    return REPORT();
}

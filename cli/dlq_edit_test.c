#include "cli/dlq_edit.h"
#include "cli/dlq_record.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#define PRICE_FAULT                                                            \
    "[{\"rule\":\"type\",\"pointer\":\"/price\",\"message\":\"string, wanted " \
    "double\"}]"

struct wish {
    const char *repair, *transform, *set[3], *drop[2];
};

/* The record that comes of `text`, or why none does. */
static struct span edited(const struct wish *w, struct span text)
{
    static char said[4000];
    struct kf_header headers[] = {{"avrogate.errors", span_str(PRICE_FAULT)},
                                  {"avrogate.principal", span_str("ann")}};
    const struct kf_message m = {.topic = "t.dlq",
                                 .key = span_str("k1"),
                                 .value = text,
                                 .headers = headers,
                                 .n_headers = 2};
    struct dlq_edit_settings s = {.repair = w->repair, .transform = w->transform};
    const char *set[3], *drop[2];
    struct dlq_edit *d = NULL;
    struct arena a = {0};
    struct letter l;
    struct span out = {0};
    struct err e = {0};

    for (; s.set.n < 3 && w->set[s.set.n] != NULL; s.set.n++)
        set[s.set.n] = w->set[s.set.n];
    for (; s.drop.n < 2 && w->drop[s.drop.n] != NULL; s.drop.n++)
        drop[s.drop.n] = w->drop[s.drop.n];
    s.set.items = set;
    s.drop.items = drop;
    letter_open(&l, &m, &a);
    enum err_kind rc = dlq_edit_new(&d, &s, &e);
    if (rc == ERR_OK)
        rc = dlq_edit_repair(d, &l, &a, &text, &e);
    if (rc == ERR_OK)
        rc = dlq_edit_record(d, &l, text, &a, &out, &e);
    if (rc != ERR_OK)
        out = span_str(e.msg);
    memcpy(said, out.p, out.n);
    size_t n = out.n;
    dlq_edit_free(d);
    arena_free(&a);
    return span_of(said, n);
}

#define GIVES(text, wanted, ...) \
    CHECK_SPAN(edited(&(struct wish){__VA_ARGS__}, span_str(text)), wanted)

static void a_field_of_the_wrong_type_is_set(void)
{
    GIVES("{\"id\": 1, \"price\": \"1.50\"}", "{\"id\":1,\"price\":1.5}",
          .set = {"price=double(value)"});
    GIVES("{\"price\":1.50}", "{\"price\":1.50}",
          .set = {"price = type(value) == string ; double(value)"});
    GIVES("{\"price\":\"x\"}", "--set price: error: type conversion error from string to double: \"x\"",
          .set = {"price=double(value)"});
}

static void what_is_not_touched_keeps_its_digits(void)
{
    GIVES("{\"a\":1.10,\"b\":12345678901234567890.5,\"c\":\"\\u00e9\"}",
          "{\"a\":1.10,\"b\":12345678901234567890.5,\"c\":\"\xc3\xa9\",\"d\":true}",
          .set = {"d=true"});
    GIVES("{\"a\":1.10}", "{\"b\":1.10}", .transform = "{'b': message.a}");
}

static void a_missing_field_is_made_and_a_wrong_name_changed(void)
{
    GIVES("{}", "{\"id\":7}", .set = {"id=7"});
    GIVES("{\"cust\":\"x\"}", "{\"customer\":\"x\"}", .set = {"customer=message.cust"},
          .drop = {"cust"});
    GIVES("{}", "{}", .set = {"id=has(message.old) ; message.old"});
    GIVES("{\"a\":1}", "{\"a\":1}", .drop = {"b", "/c/d"});
}

static void a_place_is_a_pointer_and_a_star_is_every_child(void)
{
    GIVES("{\"items\":[{\"p\":\"1\"},{\"p\":\"2\",\"q\":0}]}",
          "{\"items\":[{\"p\":1},{\"p\":2,\"q\":0}]}",
          .set = {"/items/*/p=int(value)"});
    GIVES("{\"items\":[1,2,3]}", "{\"items\":[1,20,3]}", .set = {"/items/1=value*10"});
    GIVES("{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"a\":2,\"b\":3}}",
          .set = {"/m/*=value+1"});
    GIVES("{\"a/b\":{\"~\":1}}", "{\"a/b\":{\"~\":2}}", .set = {"/a~1b/~0=2"});
    GIVES("{\"a.b\":1}", "{\"a.b\":2}", .set = {"a.b=2"});
    GIVES("[{\"x\":1},{\"x\":2}]", "[{},{}]", .drop = {"/*/x"});
    GIVES("{\"a\":1}", "--set /b/c: there is no \"b\"", .set = {"/b/c=1"});
    GIVES("{\"a\":1}", "--set /a/c: \"c\" is in no object", .set = {"/a/c=1"});
    GIVES("{\"l\":[]}", "--set /l/0: there is no \"0\"", .set = {"/l/0=1"});
}

static void each_sees_what_the_ones_before_made(void)
{
    GIVES("{\"a\":\"2\"}", "{\"a\":2,\"b\":4,\"c\":5}",
          .set = {"a=int(value)", "b=message.a*2", "c=message.b+1"});
    GIVES("{\"x\":\"2\"}", "{\"a\":3}", .transform = "{'a': int(message.x)}",
          .set = {"a=value+1"});
}

static void the_letter_is_seen_too(void)
{
    GIVES("{}", "{\"k\":\"k1\",\"by\":\"ann\",\"at\":\"/price\"}",
          .set = {"k=key", "by=headers['avrogate.principal']", "at=errors[0].pointer"});
    GIVES("{\"price\":\"1\"}", "{\"price\":1}",
          .set = {"price=errors.exists(e, e.pointer == '/price') ; int(value)"});
    GIVES("{}", "{\"t\":\"2023\"}", .set = {"t=now > timestamp(0) ; '2023'"});
}

static void a_text_that_is_no_json_is_repaired(void)
{
    GIVES("{\"a\":NaN}", "{\"a\":null}", .repair = "text.replace('NaN', 'null')");
    GIVES("{'a': 1}", "{\"a\":1}", .repair = "text.replace(\"'\", '\"')");
    GIVES("{\"n\":\"M\xfcller\"}", "{\"n\":\"M\xc3\xbcller\"}", .repair = "text");
    GIVES("id=4", "{\"id\":4}", .repair = "'{\"id\":' + text.substring(3) + '}'");
    GIVES("{\"a\":NaN}", "the record is no JSON: 1:6: 'N', wanted a value",
          .set = {"a=1"});
    GIVES("{}", "--repair: it made no text, but number", .repair = "1");
}

static void what_is_wrong_is_said_before_anything_is_read(void)
{
    GIVES("{}", "--set price: 1:1: nothing is called \"vlaue\"",
          .set = {"price=vlaue"});
    GIVES("{}", "--set price: wanted PLACE=EXPRESSION", .set = {"price"});
    GIVES("{}", "--set : a place is a field's name or a JSON pointer", .set = {"=1"});
    GIVES("{}", "--transform: 1:1: nothing is called \"x\"", .transform = "x");
}

/* ---- other forms ---- */

static struct span opened(const struct record_form *f, const char *text,
                          const char *changed, struct arena *a, struct span *body)
{
    struct span json = {0};
    struct err e = {0};

    if (record_open(&json, f, span_str(text), a, &e) != ERR_OK)
        return arena_copy(a, span_str(e.msg));
    if (record_close(body, f, span_str(text), span_str(changed), a, &e) != ERR_OK)
        *body = arena_copy(a, span_str(e.msg));
    return json;
}

static void the_record_of_an_event_is_its_data(void)
{
    const struct record_form f = {.kind = RECORD_EVENT};
    struct arena a = {0};
    struct span body = {0};

    CHECK_SPAN(opened(&f, "{\"id\":\"1\",\"data\":{\"x\": 1},\"source\":\"/s\"}",
                      "{\"x\":2}", &a, &body),
               "{\"x\": 1}");
    CHECK_SPAN(body, "{\"id\":\"1\",\"data\":{\"x\":2},\"source\":\"/s\"}");
    CHECK_SPAN(opened(&f, "{\"data_base64\":\"\"}", "", &a, &body),
               "the event has no data as JSON");
    arena_free(&a);
}

static void a_row_of_csv_is_an_object_of_texts(void)
{
    const struct record_form f = {
        .kind = RECORD_CSV, .delimiter = ';', .csv_header = "id;note;none;empty"};
    struct arena a = {0};
    struct span body = {0};

    CHECK_SPAN(
        opened(&f, "7;\"a \"\"b\"\"\n;\";;\"\"",
               "{\"id\":7,\"note\":\"x;\\\"\",\"l\":[\"1\"],\"n\":null}", &a, &body),
        "{\"id\":\"7\",\"note\":\"a \\\"b\\\"\\n;\",\"none\":null,\"empty\":\"\"}");
    CHECK_SPAN(body, "\"id\";\"note\";\"l\";\"n\"\n7;\"x;\"\"\";\"[\"\"1\"\"]\";\n");
    CHECK_SPAN(opened(&f, "7;x", "", &a, &body), "2 cells, the header has 4");
    arena_free(&a);
}

int main(void)
{
    RUN(a_field_of_the_wrong_type_is_set);
    RUN(what_is_not_touched_keeps_its_digits);
    RUN(a_missing_field_is_made_and_a_wrong_name_changed);
    RUN(a_place_is_a_pointer_and_a_star_is_every_child);
    RUN(each_sees_what_the_ones_before_made);
    RUN(the_letter_is_seen_too);
    RUN(a_text_that_is_no_json_is_repaired);
    RUN(what_is_wrong_is_said_before_anything_is_read);
    RUN(the_record_of_an_event_is_its_data);
    RUN(a_row_of_csv_is_an_object_of_texts);
    return REPORT();
}

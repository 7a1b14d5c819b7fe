#include "format/columns.h"

#include "avro-core/encode.h"
#include "tests/check.h"

#include <stdlib.h>

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return s;
}

static struct columns *columns_of(const char *schema, bool uuids)
{
    struct av_schema *s = parse(schema);
    struct columns *c = NULL;
    struct err e = {0};

    CHECK_INT(columns_new(&c, s, (size_t)1 << 26, uuids, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    av_schema_release(s);
    return c;
}

/* "struct<id: l, note: u?>", as short as it can be said. */
static void show(struct buf *out, const struct ArrowSchema *s)
{
    buf_put_str(out, s->format);
    if (s->dictionary != NULL)
        buf_printf(out, "=%s", s->dictionary->format);
    for (int64_t i = 0; i < s->n_children; i++) {
        buf_printf(out, "%s%s:", i == 0 ? "(" : " ", s->children[i]->name);
        show(out, s->children[i]);
    }
    buf_put_str(out, s->n_children > 0 ? ")" : "");
    if (s->metadata != NULL)
        buf_put_str(out, " extension");
    if (s->flags & ARROW_FLAG_NULLABLE)
        buf_put_u8(out, '?');
}

#define FIXED(n) "{\"type\":\"fixed\",\"name\":\"F\",\"size\":" #n "}"
#define LOGICAL(type, name) "{\"type\":\"" type "\",\"logicalType\":\"" name "\"}"
#define DECIMAL(p, s)                                                   \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" #p \
    ",\"scale\":" #s "}"
#define ENUM "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\"]}"
#define NONE "{\"type\":\"record\",\"name\":\"None\",\"fields\":[]}"

/* The rows of docs/formats.md. */
static const struct {
    const char *avro, *arrow;
} types[] = {
    {"\"null\"", "n?"},
    {"\"boolean\"", "b"},
    {"\"int\"", "i"},
    {"\"long\"", "l"},
    {"\"float\"", "f"},
    {"\"double\"", "g"},
    {"\"bytes\"", "z"},
    {"\"string\"", "u"},
    {FIXED(3), "w:3"},
    {FIXED(0), "z"},
    {ENUM, "i=u"},
    {"{\"type\":\"array\",\"items\":" ENUM "}", "+l(element:u)"},
    {"{\"type\":\"array\",\"items\":[\"null\",\"int\"]}", "+l(element:i?)"},
    {"{\"type\":\"map\",\"values\":\"long\"}", "+m(entries:+s(key:u value:l))"},
    {"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"}"
     "]}",
     "+s(x:i)"},
    {NONE, "b"},
    {"[\"null\",\"long\"]", "l?"},
    {"[\"long\",\"null\"]", "l?"},
    {"[\"long\"]", "l"},
    {"[\"null\"]", "n?"},
    {"[\"null\"," ENUM "]", "i=u?"},
    {"[\"long\",\"string\"]", "+s(long:l? string:u?)"},
    {"[\"long\",\"null\",{\"type\":\"array\",\"items\":\"int\"}]",
     "+s(long:l? array:+l(element:i)?)?"},
    {"[{\"type\":\"fixed\",\"name\":\"a.F\",\"size\":1},{\"type\":\"fixed\",\"name\":"
     "\"b.F\",\"size\":2},{\"type\":\"fixed\",\"name\":\"b.G\",\"size\":2}]",
     "+s(a_F:w:1? b_F:w:2? G:w:2?)"},
    {DECIMAL(10, 2), "d:10,2"},
    {DECIMAL(38, 0), "d:38,0"},
    {DECIMAL(39, 3), "d:39,3,256"},
    {DECIMAL(76, 3), "d:76,3,256"},
    {DECIMAL(77, 3), "u"},
    {LOGICAL("bytes", "big-decimal"), "u"},
    {LOGICAL("string", "uuid"), "u"},
    {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}",
     "w:16"},
    {LOGICAL("int", "date"), "tdD"},
    {LOGICAL("int", "time-millis"), "ttm"},
    {LOGICAL("long", "time-micros"), "ttu"},
    {LOGICAL("long", "timestamp-millis"), "tsm:UTC"},
    {LOGICAL("long", "timestamp-micros"), "tsu:UTC"},
    {LOGICAL("long", "timestamp-nanos"), "tsn:UTC"},
    {LOGICAL("long", "local-timestamp-millis"), "tsm:"},
    {LOGICAL("long", "local-timestamp-micros"), "tsu:"},
    {LOGICAL("long", "local-timestamp-nanos"), "tsn:"},
    {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"}",
     "+s(months:I days:I milliseconds:I)"},
    {"[\"null\",\"R\"]", "u extension?"},
};

static void check_types(bool uuids)
{
    struct buf text = BUF_INIT(4096);
    char schema[1000];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct ArrowSchema s;
        snprintf(schema, sizeof schema,
                 "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\","
                 "\"type\":%s}]}",
                 types[i].avro);
        struct columns *c = columns_of(schema, uuids);
        columns_schema(c, &s);
        buf_reset(&text);
        show(&text, s.children[0]);
        bool changes = uuids && strstr(types[i].avro, "\"uuid\"") != NULL;
        CHECK_SPAN(buf_span(&text), changes ? "w:16 extension" : types[i].arrow);
        s.release(&s);
        columns_free(c);
    }
    buf_free(&text);
}

static void each_type_has_its_column(void)
{
    check_types(false);
    check_types(true);
}

static void a_schema_that_is_no_record_is_one_column(void)
{
    struct columns *c = columns_of("[\"null\",\"long\"]", false);
    struct buf text = BUF_INIT(4096);
    struct ArrowSchema s;

    columns_schema(c, &s);
    show(&text, &s);
    CHECK_SPAN(buf_span(&text), "+s(value:l?)");
    s.release(&s);
    columns_free(c);
    buf_free(&text);
}

/* Each record doubles the columns of the one before. */
static void columns_beyond_number_are_refused(void)
{
    struct buf text = BUF_INIT(1 << 16);
    struct columns *c;
    struct err e = {0};

    for (int i = 0; i < 20; i++)
        buf_printf(&text,
                   "{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\","
                   "\"type\":",
                   i);
    buf_put_str(&text, "\"int\"");
    for (int i = 20; i-- > 0;)
        if (i == 19)
            buf_put_str(&text, "}]}");
        else
            buf_printf(&text, "},{\"name\":\"b\",\"type\":\"R%d\"}]}", i + 1);
    struct av_schema *s = parse((buf_put_u8(&text, 0), (const char *)text.p));
    CHECK_INT(columns_new(&c, s, (size_t)1 << 30, false, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "more than 20000 columns");
    av_schema_release(s);

    struct av_schema *none = parse(NONE);
    CHECK_INT(columns_new(&c, none, (size_t)1 << 30, false, &e), ERR_INVALID);
    CHECK_STR(e.msg, "a record without fields has no columns to write");
    av_schema_release(none);
    buf_free(&text);
}

struct filled {
    struct columns *columns;
    struct av_plan *plan;
    struct route *route;
};

static struct filled begin(const char *schema, size_t most)
{
    struct av_schema *s = parse(schema);
    struct filled f = {0};
    struct err e = {0};

    CHECK_INT(columns_new(&f.columns, s, most, true, &e), ERR_OK);
    CHECK_INT(av_plan_new(&f.plan, s, s, &e), ERR_OK);
    CHECK_INT(route_new(&f.route, f.columns, f.plan, &e), ERR_OK);
    av_schema_release(s);
    return f;
}

static void end(struct filled *f)
{
    route_free(f->route);
    av_plan_free(f->plan);
    columns_free(f->columns);
}

static enum err_kind append(struct filled *f, const char *bytes, size_t n,
                            struct err *e)
{
    return columns_append(f->columns, f->route, f->plan, span_of(bytes, n), NULL, e);
}

static void a_value_that_no_column_holds_is_refused_with_its_place(void)
{
    struct filled f =
        begin("{\"type\":\"record\",\"name\":\"R\",\"fields\":["
              "{\"name\":\"d\",\"type\":" DECIMAL(
                  2, 1) "},{\"name\":\"u\",\"type\":" LOGICAL("string", "uuid") "}]}",
              1 << 20);
    struct err e = {0};

    CHECK_INT(append(&f, "\x02\x63\x02x", 4, &e), ERR_INVALID); // 9.9
    CHECK_STR(e.msg, "byte 2 (/u): \"x\" is no UUID");
    CHECK_INT(append(&f, "\x02\x64\x02x", 4, &e), ERR_INVALID); // 10.0
    CHECK_STR(e.msg, "byte 0 (/d): decimal of 3 digits, its precision is 2");
    CHECK_INT(append(&f, "\x02\x9C", 2, &e), ERR_INVALID); // -10.0
    CHECK_INT(columns_rows(f.columns), 0);
    end(&f);
}

static void a_record_larger_than_the_memory_is_refused_and_forgotten(void)
{
    struct filled f = begin("{\"type\":\"array\",\"items\":\"string\"}", 20000);
    static char large[30000];
    struct err e = {0};

    // one item of 25,000 bytes
    memcpy(large, "\x02\xd0\x86\x03", 4);
    memset(large + 4, 'x', 25000);
    CHECK_INT(append(&f, large, 25005, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "a record that takes more than 20000 bytes in columns");
    CHECK_INT(columns_rows(f.columns), 0);
    CHECK_INT(append(&f, "\x02\x02y\x00", 4, &e), ERR_OK);
    CHECK_INT(columns_rows(f.columns), 1);
    end(&f);
}

static void a_refused_record_takes_its_nulls_and_items_with_it(void)
{
    struct filled f = begin("{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                            "{\"name\":\"a\",\"type\":[\"null\",\"boolean\"]},"
                            "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":"
                            "[\"null\",\"string\"]}}]}",
                            1 << 20);
    struct ArrowArray a;
    struct err e = {0};

    CHECK_INT(append(&f, "\x00\x04\x02\x02x\x00\x00", 7, &e), ERR_OK);
    CHECK_INT(append(&f, "\x02\x01\x06\x02\x02z\x00\x02", 8, &e), ERR_INVALID);
    CHECK_INT(append(&f, "\x02\x00\x02\x02\x02y\x00", 7, &e), ERR_OK);
    columns_export(f.columns, &a);
    CHECK_INT(a.length, 2);
    CHECK_INT(a.children[0]->null_count, 1);
    CHECK_INT(((const uint8_t *)a.children[0]->buffers[0])[0], 2);
    CHECK_INT(((const uint8_t *)a.children[0]->buffers[1])[0], 0);
    CHECK_INT(((const int32_t *)a.children[1]->buffers[1])[2], 3);
    CHECK_INT(a.children[1]->children[0]->length, 3);
    CHECK_INT(a.children[1]->children[0]->null_count, 1);
    CHECK_INT(((const uint8_t *)a.children[1]->children[0]->buffers[0])[0], 5);
    CHECK_SPAN(span_of(a.children[1]->children[0]->buffers[2], 2), "xy");
    a.release(&a);
    end(&f);
}

int main(void)
{
    RUN(each_type_has_its_column);
    RUN(a_schema_that_is_no_record_is_one_column);
    RUN(columns_beyond_number_are_refused);
    RUN(a_value_that_no_column_holds_is_refused_with_its_place);
    RUN(a_record_larger_than_the_memory_is_refused_and_forgotten);
    RUN(a_refused_record_takes_its_nulls_and_items_with_it);
    return REPORT();
}

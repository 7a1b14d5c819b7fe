#include "avro-core/avroc.h"

#include "tests/check.h"

#include <avro.h>

struct fixture {
    struct av_schema *s;
    struct av_plan *plan;
    avro_schema_t theirs;
    avro_value_iface_t *class;
    avro_value_t value;
};

static void set_up(struct fixture *f, const char *schema)
{
    struct err e = {0};

    CHECK_INT(av_schema_parse(&f->s, span_str(schema), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&f->plan, f->s, f->s, &e), ERR_OK);
    CHECK_INT(avroc_schema(&f->theirs, f->s, &e), ERR_OK);
    f->class = avro_generic_class_from_schema(f->theirs);
    CHECK(f->class != NULL);
    CHECK_INT(avro_generic_value_new(f->class, &f->value), 0);
}

static void tear_down(struct fixture *f)
{
    avro_value_decref(&f->value);
    avro_value_iface_decref(f->class);
    avro_schema_decref(f->theirs);
    av_plan_free(f->plan);
    av_schema_release(f->s);
}

#define BYTES(b) b, sizeof(b) - 1

static const struct {
    const char *schema, *bytes;
    size_t n;
} rows[] = {
    {"\"null\"", BYTES("")},
    {"\"boolean\"", BYTES("\1")},
    {"\"int\"", BYTES("\xff\xff\xff\xff\x0f")},
    {"\"long\"", BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1")},
    {"\"float\"", BYTES("\0\0\xc0\x3f")},
    {"\"double\"", BYTES("\0\0\0\0\0\0\xf8\x3f")},
    {"\"bytes\"", BYTES("\6a\0b")},
    {"\"bytes\"", BYTES("\0")},
    {"\"string\"", BYTES("\6foo")},
    {"\"string\"", BYTES("\0")},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", BYTES("foo")},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", BYTES("\2")},
    {"{\"type\":\"array\",\"items\":\"int\"}", BYTES("\4\2\4\0")},
    {"{\"type\":\"array\",\"items\":\"int\"}", BYTES("\0")},
    {"{\"type\":\"map\",\"values\":\"string\"}", BYTES("\4\2k\2x\2l\2y\0")},
    {"[\"null\",\"string\"]", BYTES("\2\2x")},
    {"[\"null\",\"string\"]", BYTES("\0")},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}"
     ",{"
     "\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":[\"null\",{\"type\":"
     "\"record\","
     "\"name\":\"S\",\"fields\":[{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":"
     "\"double\"}}]}]}},{\"name\":\"d\",\"type\":\"string\"}]}",
     BYTES("\2\4\0\2\2\2k\0\0\0\0\0\0\xf8\x3f\0\0\2x")},
    {"{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"v\",\"type\":"
     "\"long\"},{"
     "\"name\":\"next\",\"type\":[\"null\",\"L\"]}]}",
     BYTES("\2\2\4\2\6\0")},
};
#define ROWS (sizeof rows / sizeof *rows)

static void what_goes_in_comes_out(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct fixture f;
        struct buf out = BUF_INIT(1000);
        struct err e = {0};
        struct span bytes = span_of(rows[i].bytes, rows[i].n);

        set_up(&f, rows[i].schema);
        for (int twice = 0; twice < 2; twice++) { // a value may be used again
            buf_reset(&out);
            CHECK_INT(avroc_decode(f.plan, bytes, NULL, &f.value, &e), ERR_OK);
            CHECK_INT(avroc_encode(f.s, &f.value, &out, &e), ERR_OK);
            CHECK(span_eq(buf_span(&out), bytes));
        }
        buf_free(&out);
        tear_down(&f);
    }
}

/* avro-c is right about good bytes: it reads the same value, and writes the same bytes.
 */
static void avro_c_reads_and_writes_the_same(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct fixture f;
        avro_value_t theirs;
        char written[1000];
        struct err e = {0};

        set_up(&f, rows[i].schema);
        CHECK_INT(avro_generic_value_new(f.class, &theirs), 0);
        avro_reader_t r = avro_reader_memory(rows[i].bytes, (int64_t)rows[i].n);
        CHECK_INT(avro_value_read(r, &theirs), 0);
        CHECK_INT(
            avroc_decode(f.plan, span_of(rows[i].bytes, rows[i].n), NULL, &f.value, &e),
            ERR_OK);
        CHECK(avro_value_equal(&theirs, &f.value));

        avro_writer_t w = avro_writer_memory(written, sizeof written);
        CHECK_INT(avro_value_write(w, &f.value), 0);
        struct av_visitor nobody = {&(const struct av_visitor_ops){0}};
        CHECK_INT(av_decode_all(f.plan, span_of(written, (size_t)avro_writer_tell(w)),
                                NULL, &nobody, &e),
                  ERR_OK);
        avro_writer_free(w);
        avro_reader_free(r);
        avro_value_decref(&theirs);
        tear_down(&f);
    }
}

static void a_value_is_of_the_readers_type(void)
{
    struct fixture f;
    struct av_schema *writer;
    struct av_plan *plan;
    struct err e = {0};
    avro_value_t added;
    int64_t x = 0;

    set_up(&f,
           "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
           "\"long\"},{\"name\":\"b\",\"type\":\"long\",\"default\":9}]}");
    CHECK_INT(
        av_schema_parse(&writer,
                        span_str("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                 "\"name\":\"a\",\"type\":\"int\"}]}"),
                        NULL, 0, NULL, &e),
        ERR_OK);
    CHECK_INT(av_plan_new(&plan, writer, f.s, &e), ERR_OK);
    CHECK_INT(avroc_decode(plan, span_of("\2", 1), NULL, &f.value, &e), ERR_OK);
    CHECK_INT(avro_value_get_by_name(&f.value, "b", &added, NULL), 0);
    CHECK_INT(avro_value_get_long(&added, &x), 0);
    CHECK_INT(x, 9);
    av_plan_free(plan);
    av_schema_release(writer);
    tear_down(&f);
}

static void what_avro_c_cannot_hold_is_refused(void)
{
    static const struct {
        const char *schema, *bytes;
        size_t n;
        const char *message;
    } bad[] = {
        {"\"string\"", BYTES("\4a\0"),
         "byte 0: string with a NUL, which avro-c cannot hold"},
        {"{\"type\":\"map\",\"values\":\"null\"}", BYTES("\2\2\0\0"),
         "byte 1 (/?): key with a NUL, which avro-c cannot hold"},
        {"\"string\"", BYTES("\4a"), "byte 0: string of 2 bytes, 1 are left"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture f;
        struct err e = {0};

        set_up(&f, bad[i].schema);
        CHECK_INT(
            avroc_decode(f.plan, span_of(bad[i].bytes, bad[i].n), NULL, &f.value, &e),
            ERR_INVALID);
        CHECK_STR(e.msg, bad[i].message);
        tear_down(&f);
    }
}

static void a_key_that_comes_twice_keeps_the_last(void)
{
    struct fixture f;
    struct buf out = BUF_INIT(100);
    struct err e = {0};

    set_up(&f, "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"int\"}}");
    CHECK_INT(
        avroc_decode(f.plan, span_of("\4\2k\2\2\0\2k\2\4\0\0", 12), NULL, &f.value, &e),
        ERR_OK);
    CHECK_INT(avroc_encode(f.s, &f.value, &out, &e), ERR_OK);
    CHECK(span_eq(buf_span(&out), span_of("\2\2k\2\4\0\0", 7)));
    buf_free(&out);
    tear_down(&f);
}

static void a_value_that_is_not_of_the_schema_is_refused(void)
{
    struct fixture text, whole, either;
    struct buf out = BUF_INIT(3);
    struct err e = {0};

    set_up(&text, "\"string\"");
    set_up(&whole, "\"int\"");
    set_up(&either, "[\"null\",\"int\"]");
    CHECK_INT(avroc_encode(whole.s, &text.value, &out, &e), ERR_INVALID);
    CHECK_STR(e.msg, "a value of avro-c's type 0, wanted int");
    CHECK_INT(avroc_encode(either.s, &either.value, &out, &e),
              ERR_INVALID); // none was set
    CHECK_INT(avroc_decode(text.plan, span_of("\6foo", 4), NULL, &text.value, &e),
              ERR_OK);
    CHECK_INT(avroc_encode(text.s, &text.value, &out, &e), ERR_LIMIT);
    CHECK_INT(out.n, 0);
    tear_down(&text);
    tear_down(&whole);
    tear_down(&either);
    buf_free(&out);
}

static void a_schema_that_avro_c_does_not_take_is_named(void)
{
    struct av_schema *lent, *uses;
    avro_schema_t theirs;
    struct err e = {0};

    CHECK_INT(av_schema_parse(
                  &lent, span_str("{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}"),
                  NULL, 0, NULL, &e),
              ERR_OK);
    CHECK_INT(av_schema_parse(&uses, span_str("[\"null\",\"F\"]"), &lent, 1, NULL, &e),
              ERR_OK);
    CHECK_INT(avroc_schema(&theirs, uses, &e), ERR_INVALID);
    CHECK(strncmp(e.msg, "avro-c: ", 8) == 0);
    av_schema_release(uses);
    av_schema_release(lent);
}

int main(void)
{
    RUN(what_goes_in_comes_out);
    RUN(avro_c_reads_and_writes_the_same);
    RUN(a_value_is_of_the_readers_type);
    RUN(what_avro_c_cannot_hold_is_refused);
    RUN(a_key_that_comes_twice_keeps_the_last);
    RUN(a_value_that_is_not_of_the_schema_is_refused);
    RUN(a_schema_that_avro_c_does_not_take_is_named);
    return REPORT();
}

#include "avrogate/avro_value.h"

#include "registry-fake/registry_fake.h"
#include "tests/check.h"

/* A schema in a registry, what writes and reads it, and avro-c's form of it. */
struct fixture {
    struct registry_fake *fake;
    int32_t id;
    struct avrogate_registry *registry;
    struct avrogate_serializer *to;
    struct avrogate_deserializer *from;
    avro_schema_t theirs;
    avro_value_iface_t *class;
    avro_value_t value;
};

static void set_up(struct fixture *f, const char *schema, const char *reader)
{
    struct avrogate_error e = {0};
    struct avrogate_schema *s = NULL;

    f->fake = registry_fake_start();
    f->id = registry_fake_add(f->fake, "t-value", schema, NULL);
    CHECK_INT(
        avrogate_registry_open(&f->registry,
                               &(struct avrogate_registry_options){
                                   .size = sizeof(struct avrogate_registry_options),
                                   .urls = registry_fake_url(f->fake)},
                               &e),
        AVROGATE_OK);
    CHECK_INT(
        avrogate_serializer_open(
            &f->to, f->registry,
            &(struct avrogate_serializer_options){
                .size = sizeof(struct avrogate_serializer_options), .schema = schema},
            &e),
        AVROGATE_OK);
    CHECK_INT(
        avrogate_deserializer_open(
            &f->from, f->registry,
            &(struct avrogate_deserializer_options){
                .size = sizeof(struct avrogate_deserializer_options), .schema = reader},
            &e),
        AVROGATE_OK);
    if (reader == NULL) {
        CHECK_INT(avrogate_serializer_schema(f->to, "t", 5000, &s, &e), AVROGATE_OK);
        CHECK_INT(avrogate_avro_schema(s, &f->theirs, &e), AVROGATE_OK);
        avrogate_schema_release(s);
    } else {
        CHECK_INT(avro_schema_from_json_length(reader, strlen(reader), &f->theirs), 0);
    }
    f->class = avro_generic_class_from_schema(f->theirs);
    CHECK(f->class != NULL);
    CHECK_INT(avro_generic_value_new(f->class, &f->value), 0);
}

static void tear_down(struct fixture *f)
{
    avro_value_decref(&f->value);
    avro_value_iface_decref(f->class);
    avro_schema_decref(f->theirs);
    avrogate_serializer_close(f->to);
    avrogate_deserializer_close(f->from);
    avrogate_registry_close(f->registry);
    registry_fake_stop(f->fake);
}

/* The message that `avro` is the body of; its id is 1, as the only schema's. */
static struct avrogate_message message_of(const char *avro, size_t n)
{
    static unsigned char bytes[1000];

    memcpy(bytes, "\0\0\0\0\1", 5);
    memcpy(bytes + 5, avro, n);
    return (struct avrogate_message){.p = bytes, .n = n + 5};
}

static enum avrogate_kind decode(struct fixture *f, const char *avro, size_t n,
                                 struct avrogate_error *e)
{
    struct avrogate_message m = message_of(avro, n);

    return avrogate_deserialize_avro(f->from, &m, 5000, &f->value, e);
}

static enum avrogate_kind encode(struct fixture *f, const avro_value_t *value,
                                 struct avrogate_buffer *out, struct avrogate_error *e)
{
    return avrogate_serialize_avro(f->to, "t", value, 5000, out, e);
}

static bool is_message(const struct avrogate_buffer *b, const char *avro, size_t n)
{
    struct avrogate_message m = message_of(avro, n);

    return b->n == m.n && memcmp(b->p, m.p, m.n) == 0;
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
        struct avrogate_buffer out = {0};
        struct avrogate_error e = {0};

        set_up(&f, rows[i].schema, NULL);
        for (int twice = 0; twice < 2; twice++) { // a value may be used again
            CHECK_INT(decode(&f, rows[i].bytes, rows[i].n, &e), AVROGATE_OK);
            CHECK_INT(encode(&f, &f.value, &out, &e), AVROGATE_OK);
            CHECK(is_message(&out, rows[i].bytes, rows[i].n));
        }
        avrogate_buffer_free(&out);
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
        struct avrogate_buffer out = {0};
        struct avrogate_error e = {0};

        set_up(&f, rows[i].schema, NULL);
        CHECK_INT(avro_generic_value_new(f.class, &theirs), 0);
        avro_reader_t r = avro_reader_memory(rows[i].bytes, (int64_t)rows[i].n);
        CHECK_INT(avro_value_read(r, &theirs), 0);
        CHECK_INT(decode(&f, rows[i].bytes, rows[i].n, &e), AVROGATE_OK);
        CHECK(avro_value_equal(&theirs, &f.value));

        avro_writer_t w = avro_writer_memory(written, sizeof written);
        CHECK_INT(avro_value_write(w, &f.value), 0);
        struct avrogate_bytes bytes = {written, (size_t)avro_writer_tell(w)};
        CHECK_INT(avrogate_serialize_binary(f.to, "t", bytes, 5000, &out, &e),
                  AVROGATE_OK);
        avrogate_buffer_free(&out);
        avro_writer_free(w);
        avro_reader_free(r);
        avro_value_decref(&theirs);
        tear_down(&f);
    }
}

static void a_value_is_of_the_readers_type(void)
{
    struct fixture f;
    struct avrogate_error e = {0};
    avro_value_t added;
    int64_t x = 0;

    set_up(&f,
           "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
           "\"int\"}]}",
           "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
           "\"long\"},{\"name\":\"b\",\"type\":\"long\",\"default\":9}]}");
    CHECK_INT(decode(&f, "\2", 1, &e), AVROGATE_OK);
    CHECK_INT(avro_value_get_by_name(&f.value, "b", &added, NULL), 0);
    CHECK_INT(avro_value_get_long(&added, &x), 0);
    CHECK_INT(x, 9);
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
         "byte 5: string with a NUL, which avro-c cannot hold"},
        {"{\"type\":\"map\",\"values\":\"null\"}", BYTES("\2\2\0\0"),
         "byte 6 (/?): key with a NUL, which avro-c cannot hold"},
        {"\"string\"", BYTES("\4a"), "byte 5: string of 2 bytes, 1 are left"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture f;
        struct avrogate_error e = {0};

        set_up(&f, bad[i].schema, NULL);
        CHECK_INT(decode(&f, bad[i].bytes, bad[i].n, &e), AVROGATE_INVALID);
        CHECK_STR(e.message, bad[i].message);
        tear_down(&f);
    }
}

static void a_key_that_comes_twice_keeps_the_last(void)
{
    struct fixture f;
    struct avrogate_buffer out = {0};
    struct avrogate_error e = {0};

    set_up(&f, "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"int\"}}",
           NULL);
    CHECK_INT(decode(&f, "\4\2k\2\2\0\2k\2\4\0\0", 12, &e), AVROGATE_OK);
    CHECK_INT(encode(&f, &f.value, &out, &e), AVROGATE_OK);
    CHECK(is_message(&out, "\2\2k\2\4\0\0", 7));
    avrogate_buffer_free(&out);
    tear_down(&f);
}

static void a_value_that_is_not_of_the_schema_is_refused(void)
{
    struct fixture text, whole, either;
    struct avrogate_buffer out = {0};
    struct avrogate_error e = {0};

    set_up(&text, "\"string\"", NULL);
    set_up(&whole, "\"int\"", NULL);
    set_up(&either, "[\"null\",\"int\"]", NULL);
    CHECK_INT(encode(&whole, &text.value, &out, &e), AVROGATE_INVALID);
    CHECK_STR(e.message, "a value of avro-c's type 0, wanted int");
    CHECK_INT(encode(&either, &either.value, &out, &e),
              AVROGATE_INVALID); // none was set
    tear_down(&text);
    tear_down(&whole);
    tear_down(&either);
    avrogate_buffer_free(&out);
}

static void a_schema_that_avro_c_does_not_take_is_named(void)
{
    struct fixture f;
    struct avrogate_schema *uses = NULL;
    avro_schema_t theirs;
    struct avrogate_error e = {0};

    set_up(&f, "{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}", NULL);
    int32_t id =
        registry_fake_add(f.fake, "uses", "[\"null\",\"F\"]",
                          "[{\"name\":\"F\",\"subject\":\"t-value\",\"version\":1}]");
    CHECK_INT(avrogate_schema_by_id(f.registry, id, 5000, &uses, &e), AVROGATE_OK);
    CHECK_INT(avrogate_avro_schema(uses, &theirs, &e), AVROGATE_INVALID);
    CHECK(strncmp(e.message, "avro-c: ", 8) == 0);
    avrogate_schema_release(uses);
    tear_down(&f);
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

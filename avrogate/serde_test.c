/*
 * Messages to values and back, among registries that misbehave.
 */
#include "avrogate/serde.h"

#include "base/clock.h"
#include "registry-fake/registry_fake.h"
#include "tests/check.h"

#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SOON 20000

static const char order[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[{"
    "\"name\":\"id\",\"type\":\"long\"},{\"name\":\"price\",\"type\":\"double\"}]}";
static const char newer[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[{"
    "\"name\":\"id\",\"type\":\"long\"},{\"name\":\"price\",\"type\":\"double\"},{"
    "\"name\":\"note\",\"type\":\"string\",\"default\":\"none\"}]}";
static const char one[] = "{\"id\":7,\"price\":1.5}";
#define ONE_AVRO "\16\0\0\0\0\0\0\370\77"

struct world {
    struct registry_fake *fake;
    struct avrogate_registry *registry;
    struct avrogate_error e;
};

static void open_world(struct world *w)
{
    struct avrogate_registry_options o = {.size = sizeof o, .negative_ttl_ms = 50};

    *w = (struct world){.fake = registry_fake_start()};
    o.urls = registry_fake_url(w->fake);
    CHECK_INT(avrogate_registry_open(&w->registry, &o, &w->e), AVROGATE_OK);
}

static void close_world(struct world *w)
{
    avrogate_registry_close(w->registry);
    registry_fake_stop(w->fake);
}

static struct avrogate_serializer *writer_of(struct world *w,
                                             struct avrogate_serializer_options o)
{
    struct avrogate_serializer *s = NULL;

    o.size = sizeof o;
    CHECK_INT(avrogate_serializer_open(&s, w->registry, &o, &w->e), AVROGATE_OK);
    return s;
}

static struct avrogate_deserializer *reader_of(struct world *w,
                                               struct avrogate_deserializer_options o)
{
    struct avrogate_deserializer *d = NULL;

    o.size = sizeof o;
    CHECK_INT(avrogate_deserializer_open(&d, w->registry, &o, &w->e), AVROGATE_OK);
    return d;
}

static struct avrogate_bytes text(const char *s)
{
    return (struct avrogate_bytes){s, strlen(s)};
}

static bool holds(const struct avrogate_buffer *b, const char *wanted, size_t n)
{
    return b->n == n && memcmp(b->p, wanted, n) == 0;
}

static struct avrogate_message message_in(const struct avrogate_buffer *b)
{
    return (struct avrogate_message){.p = b->p, .n = b->n};
}

static void json_becomes_a_message_and_json_again(void)
{
    struct world w;
    struct avrogate_buffer m = {0}, json = {0};

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = order});
    struct avrogate_deserializer *d =
        reader_of(&w, (struct avrogate_deserializer_options){0});
    for (int i = 0; i < 3; i++) {
        CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
                  AVROGATE_OK);
        CHECK(holds(&m, "\0\0\0\0\1" ONE_AVRO, 14));
        struct avrogate_message in = message_in(&m);
        CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_OK);
        CHECK(holds(&json, one, strlen(one)));
    }
    CHECK_INT(registry_fake_asked(w.fake), 2); // registered, and what is there now
    CHECK_INT(
        avrogate_serialize_json(s, "orders", text("{\"id\":\"x\"}"), SOON, &m, &w.e),
        AVROGATE_INVALID);
    CHECK_STR(w.e.message, "/id: string \"x\", wanted long (type); /price: nothing, "
                           "wanted double (missing-field)");
    CHECK_INT(m.n, 0);
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&json);
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
    close_world(&w);
}

static void binary_is_framed_when_it_is_of_the_schema(void)
{
    struct world w;
    struct avrogate_buffer m = {0};
    static const char avro[] = ONE_AVRO;

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = order});
    CHECK_INT(avrogate_serialize_binary(s, "orders", (struct avrogate_bytes){avro, 9},
                                        SOON, &m, &w.e),
              AVROGATE_OK);
    CHECK(holds(&m, "\0\0\0\0\1" ONE_AVRO, 14));
    CHECK_INT(avrogate_serialize_binary(s, "orders", (struct avrogate_bytes){avro, 8},
                                        SOON, &m, &w.e),
              AVROGATE_INVALID);
    avrogate_buffer_free(&m);
    avrogate_serializer_close(s);
    close_world(&w);
}

static void the_subject_is_called_as_the_strategy_says(void)
{
    static const struct {
        enum avrogate_strategy strategy;
        bool is_key;
        const char *asked;
    } t[] = {
        {AVROGATE_TOPIC_NAME, false, "GET /subjects/orders-value/versions/1"},
        {AVROGATE_TOPIC_NAME, true, "GET /subjects/orders-key/versions/1"},
        {AVROGATE_RECORD_NAME, false, "GET /subjects/shop.Order/versions/1"},
        {AVROGATE_TOPIC_RECORD_NAME, true,
         "GET /subjects/orders-shop.Order/versions/1"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct world w;
        struct avrogate_schema *schema = NULL;
        char last[100];
        open_world(&w);
        struct avrogate_serializer *s = writer_of(
            &w, (struct avrogate_serializer_options){
                    .schema = order, .strategy = t[i].strategy, .is_key = t[i].is_key});
        CHECK_INT(avrogate_serializer_schema(s, "orders", SOON, &schema, &w.e),
                  AVROGATE_OK);
        CHECK_STR(avrogate_schema_name(schema), "shop.Order");
        CHECK_INT(avrogate_schema_version(schema), 1);
        registry_fake_last(w.fake, last, sizeof last);
        CHECK_STR(last, t[i].asked);
        avrogate_schema_release(schema);
        avrogate_serializer_close(s);
        close_world(&w);
    }
}

static void options_that_cannot_be_meant_are_refused(void)
{
    static const struct {
        struct avrogate_serializer_options o;
        const char *message;
    } t[] = {
        {{.size = 0}, "options whose size is 0"},
        {{.size = sizeof(struct avrogate_serializer_options)},
         "no schema, and not AVROGATE_USE_LATEST"},
        {{.size = sizeof(struct avrogate_serializer_options), .schema = "\"lon\""},
         "schema: at 1:1: unknown type \"lon\""},
        {{.size = sizeof(struct avrogate_serializer_options),
          .schema = "\"long\"",
          .strategy = AVROGATE_RECORD_NAME},
         "RecordNameStrategy wants a schema that has a name"},
        {{.size = sizeof(struct avrogate_serializer_options),
          .schema = "\"long\"",
          .source = 7},
         "strategy 0, source 7: there is no such"},
    };
    struct avrogate_serializer *s = NULL;
    struct world w;

    open_world(&w);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        CHECK_INT(avrogate_serializer_open(&s, w.registry, &t[i].o, &w.e),
                  AVROGATE_INVALID);
        CHECK_STR(w.e.message, t[i].message);
    }
    // Of an older header, which ended earlier: the rest has its defaults.
    struct avrogate_serializer_options o = {.schema = order, .is_key = true};
    o.size = offsetof(struct avrogate_serializer_options, references);
    CHECK_INT(avrogate_serializer_open(&s, w.registry, &o, &w.e), AVROGATE_OK);
    avrogate_serializer_close(s);
    // Of a newer one, which says something we do not know.
    struct {
        struct avrogate_registry_options o;
        char wish[8];
    } newer_options = {.o = {.urls = "http://127.0.0.1:1"}, .wish = "please"};
    struct avrogate_registry *r;
    newer_options.o.size = sizeof newer_options;
    CHECK_INT(avrogate_registry_open(&r, &newer_options.o, &w.e), AVROGATE_INVALID);
    memset(newer_options.wish, 0, sizeof newer_options.wish);
    CHECK_INT(avrogate_registry_open(&r, &newer_options.o, &w.e), AVROGATE_OK);
    avrogate_registry_close(r);
    CHECK_INT(avrogate_registry_open(
                  &r,
                  &(struct avrogate_registry_options){.size = sizeof newer_options.o},
                  &w.e),
              AVROGATE_INVALID);
    CHECK_STR(w.e.message, "no registry URL is given");
    close_world(&w);
}

static void the_latest_is_written_as_it_is_now(void)
{
    struct world w;
    struct avrogate_buffer m = {0};
    struct avrogate_registry *r;

    open_world(&w);
    struct avrogate_registry_options o = {.size = sizeof o,
                                          .urls = registry_fake_url(w.fake),
                                          .latest_ttl_ms = 20,
                                          .negative_ttl_ms = 20};
    CHECK_INT(avrogate_registry_open(&r, &o, &w.e), AVROGATE_OK);
    avrogate_registry_close(w.registry);
    w.registry = r;
    struct avrogate_serializer *s = writer_of(
        &w, (struct avrogate_serializer_options){.source = AVROGATE_USE_LATEST});
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_NOT_FOUND);
    CHECK_INT(w.e.code, 40401);
    registry_fake_add(w.fake, "orders-value", order, NULL);
    usleep(30000); // what is not there is asked for again after a moment
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_OK);
    CHECK(holds(&m, "\0\0\0\0\1" ONE_AVRO, 14));
    registry_fake_add(w.fake, "orders-value", newer, NULL);
    usleep(30000);
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_OK);
    CHECK(holds(&m, "\0\0\0\0\2" ONE_AVRO "\10none", 19)); // its default
    registry_fake_be(w.fake, (struct registry_fake_mood){.how = REGISTRY_FAKE_RESETS},
                     0);
    usleep(30000);
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_OK); // the registry is away: as it was
    struct avrogate_schema *stale = NULL;
    CHECK_INT(avrogate_serializer_schema(s, "orders", SOON, &stale, &w.e), AVROGATE_OK);
    CHECK(avrogate_schema_stale(stale));
    avrogate_schema_release(stale);
    avrogate_buffer_free(&m);
    avrogate_serializer_close(s);
    close_world(&w);
}

static void what_may_not_register_looks_up(void)
{
    struct world w;
    struct avrogate_buffer m = {0};
    char last[100];

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = order,
                                                           .source = AVROGATE_LOOKUP});
    int64_t began = clock_ms();
    for (int i = 0; i < 3; i++) // a refusal holds for a moment: asked once
        CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
                  AVROGATE_NOT_FOUND);
    CHECK(registry_fake_asked(w.fake) == 1 || clock_ms() - began >= 50);
    registry_fake_add(w.fake, "orders-value", order, NULL);
    usleep(80000);
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_OK);
    registry_fake_last(w.fake, last, sizeof last);
    CHECK_STR(last, "GET /subjects/orders-value/versions/1");
    avrogate_serializer_close(s);
    s = writer_of(&w, (struct avrogate_serializer_options){.schema = newer});
    registry_fake_refuse(w.fake, "orders-value");
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_CONFLICT);
    CHECK_INT(w.e.code, 409);
    avrogate_buffer_free(&m);
    avrogate_serializer_close(s);
    close_world(&w);
}

static void a_reader_has_its_own_schema(void)
{
    struct world w;
    struct avrogate_buffer m = {0}, json = {0};

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = order});
    struct avrogate_deserializer *d =
        reader_of(&w, (struct avrogate_deserializer_options){.schema = newer});
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), SOON, &m, &w.e),
              AVROGATE_OK);
    struct avrogate_message in = message_in(&m);
    CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_OK);
    static const char with_default[] = "{\"id\":7,\"price\":1.5,\"note\":\"none\"}";
    CHECK(holds(&json, with_default, sizeof with_default - 1));
    struct avrogate_schema *writer = NULL;
    CHECK_INT(avrogate_deserializer_schema(d, &in, 0, &writer, &w.e), AVROGATE_OK);
    CHECK_INT(avrogate_schema_id(writer), 1);
    avrogate_schema_release(writer);
    avrogate_deserializer_close(d);
    d = reader_of(&w, (struct avrogate_deserializer_options){.schema = "\"long\""});
    CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_INVALID);
    CHECK_INT(json.n, 0);
    avrogate_deserializer_close(d);
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&json);
    avrogate_serializer_close(s);
    close_world(&w);
}

static void what_is_no_message_is_set_aside(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum avrogate_kind kind;
        const char *message;
    } t[] = {
        {"", 0, AVROGATE_INVALID, NULL},
        {"\0\0\0\0", 4, AVROGATE_INVALID, NULL},
        {"\1\0\0\0\1\2", 6, AVROGATE_INVALID, NULL},
        {"\0\0\0\0\2\2", 6, AVROGATE_NOT_FOUND,
         "schema id 2: registry: 40403: Schema not found"},
        {"\0\0\0\0\1\16\0", 7, AVROGATE_INVALID,
         "byte 6 (/price): double takes 8 bytes, 1 are left"},
    };
    struct world w;
    struct avrogate_buffer json = {0};

    open_world(&w);
    registry_fake_add(w.fake, "orders-value", order, NULL);
    struct avrogate_deserializer *d =
        reader_of(&w, (struct avrogate_deserializer_options){0});
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct avrogate_message in = {.p = t[i].bytes, .n = t[i].n};
        CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), t[i].kind);
        if (t[i].message != NULL)
            CHECK_STR(w.e.message, t[i].message);
    }
    avrogate_buffer_free(&json);
    avrogate_deserializer_close(d);
    close_world(&w);
}

static void a_guid_in_a_header_goes_before_the_five_bytes(void)
{
    struct world w;
    struct avrogate_buffer json = {0};
    uint8_t header[17] = {1};

    open_world(&w);
    int32_t id = registry_fake_add(w.fake, "orders-value", order, NULL);
    CHECK(registry_fake_guid(w.fake, id, header + 1));
    struct avrogate_deserializer *d =
        reader_of(&w, (struct avrogate_deserializer_options){0});
    struct avrogate_message in = {
        .p = ONE_AVRO, .n = 9, .schema_id = {header, sizeof header}};
    for (int i = 0; i < 2; i++) {
        CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_OK);
        CHECK(holds(&json, one, strlen(one)));
    }
    CHECK_INT(registry_fake_asked(w.fake), 1);
    in.schema_id.n = 16;
    CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_INVALID);
    header[0] = 2;
    in.schema_id.n = 17;
    CHECK_INT(avrogate_deserialize_json(d, &in, SOON, &json, &w.e), AVROGATE_INVALID);
    avrogate_buffer_free(&json);
    avrogate_deserializer_close(d);
    close_world(&w);
}

/* ---- a visitor ---- */

struct told {
    char all[1000];
    size_t n;
    int64_t refuses;
};

static enum avrogate_kind tell(struct told *t, const char *what)
{
    t->n += (size_t)snprintf(t->all + t->n, sizeof t->all - t->n, "%s ", what);
    return AVROGATE_OK;
}

#define TELLS(op)                                                                 \
    static enum avrogate_kind tell_##op(void *arg, const struct avrogate_type *t, \
                                        struct avrogate_error *e)                 \
    {                                                                             \
        (void)t, (void)e;                                                         \
        return tell(arg, #op);                                                    \
    }
TELLS(null)
TELLS(record_begin)
TELLS(record_end)
TELLS(array_begin)
TELLS(item)
TELLS(array_end)
TELLS(map_begin)
TELLS(map_end)

#define TELLS_VALUE(op, type, format, ...)                                        \
    static enum avrogate_kind tell_##op(void *arg, const struct avrogate_type *t, \
                                        type x, struct avrogate_error *e)         \
    {                                                                             \
        char words[100];                                                          \
        (void)t, (void)e;                                                         \
        snprintf(words, sizeof words, format, __VA_ARGS__);                       \
        return tell(arg, words);                                                  \
    }
TELLS_VALUE(boolean, bool, "boolean(%d)", x)
TELLS_VALUE(real, double, "real(%g)", x)
TELLS_VALUE(bytes, struct avrogate_bytes, "bytes(%zu)", x.n)
TELLS_VALUE(string, struct avrogate_bytes, "string(%.*s)", (int)x.n, (const char *)x.p)
TELLS_VALUE(key, struct avrogate_bytes, "key(%.*s)", (int)x.n, (const char *)x.p)
TELLS_VALUE(symbol, uint32_t, "symbol(%.*s)", (int)avrogate_type_label(t, x).n,
            (const char *)avrogate_type_label(t, x).p)
TELLS_VALUE(branch, uint32_t, "branch(%u)", x)
TELLS_VALUE(field, uint32_t, "field(%.*s)", (int)avrogate_type_label(t, x).n,
            (const char *)avrogate_type_label(t, x).p)

static enum avrogate_kind tell_integer(void *arg, const struct avrogate_type *t,
                                       int64_t x, struct avrogate_error *e)
{
    char words[100];

    if (x == ((struct told *)arg)->refuses)
        return avrogate_error_set(e, AVROGATE_CONFLICT, "not %d", (int)x);
    snprintf(words, sizeof words, "%s(%d)",
             avrogate_type_kind(t) == AVROGATE_INT ? "int" : "long", (int)x);
    return tell(arg, words);
}

static const struct avrogate_visitor telling = {
    .size = sizeof telling,
    .null = tell_null,
    .boolean = tell_boolean,
    .integer = tell_integer,
    .real = tell_real,
    .bytes = tell_bytes,
    .string = tell_string,
    .symbol = tell_symbol,
    .branch = tell_branch,
    .record_begin = tell_record_begin,
    .field = tell_field,
    .record_end = tell_record_end,
    .array_begin = tell_array_begin,
    .item = tell_item,
    .array_end = tell_array_end,
    .map_begin = tell_map_begin,
    .key = tell_key,
    .map_end = tell_map_end,
};

static const char everything[] =
    "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n\",\"fields\":["
    "{\"name\":\"a\",\"type\":[\"null\",\"int\"]},"
    "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"boolean\"}},"
    "{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":\"double\"}},"
    "{\"name\":\"d\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"X\","
    "\"Y\"]}},"
    "{\"name\":\"f\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}},"
    "{\"name\":\"g\",\"type\":\"string\"},"
    "{\"name\":\"h\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":9,\"scale\":2}},"
    "{\"name\":\"i\",\"type\":\"null\"}]}";

static void a_visitor_is_told_each_piece(void)
{
    static const char json[] =
        "{\"a\":7,\"b\":[true],\"c\":{\"k\":0.5},\"d\":\"Y\",\"f\":\"YWJj\","
        "\"g\":\"hi\",\"h\":\"1.25\",\"i\":null}";
    struct world w;
    struct avrogate_buffer m = {0};
    struct told told = {.refuses = -1};

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = everything});
    struct avrogate_deserializer *d =
        reader_of(&w, (struct avrogate_deserializer_options){0});
    CHECK_INT(avrogate_serialize_json(s, "t", text(json), SOON, &m, &w.e), AVROGATE_OK);
    struct avrogate_message in = message_in(&m);
    CHECK_INT(avrogate_deserialize_visit(d, &in, SOON, &telling, &told, &w.e),
              AVROGATE_OK);
    CHECK_STR(told.all,
              "record_begin field(a) branch(1) int(7) field(b) array_begin item "
              "boolean(1) array_end field(c) map_begin key(k) real(0.5) map_end "
              "field(d) symbol(Y) field(f) bytes(3) field(g) string(hi) field(h) "
              "bytes(1) field(i) null record_end ");
    told.refuses = 7;
    CHECK_INT(avrogate_deserialize_visit(d, &in, SOON, &telling, &told, &w.e),
              AVROGATE_CONFLICT);
    CHECK_STR(w.e.message, "not 7");
    static const struct avrogate_visitor deaf = {.size = sizeof deaf};
    CHECK_INT(avrogate_deserialize_visit(d, &in, SOON, &deaf, NULL, &w.e), AVROGATE_OK);
    avrogate_buffer_free(&m);
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
    close_world(&w);
}

static void a_type_says_what_it_is(void)
{
    struct world w;
    struct avrogate_schema *s = NULL;

    open_world(&w);
    int32_t id = registry_fake_add(w.fake, "t", everything, NULL);
    CHECK_INT(avrogate_schema_by_id(w.registry, id, SOON, &s, &w.e), AVROGATE_OK);
    const struct avrogate_type *r = avrogate_schema_type(s);
    CHECK_INT(avrogate_type_kind(r), AVROGATE_RECORD);
    CHECK_INT(avrogate_type_size(r), 8);
    CHECK(avrogate_type_name(r).n == 1 && avrogate_type_namespace(r).n == 1);
    CHECK_INT(avrogate_type_size(avrogate_type_part(r, 0)), 2);
    CHECK_INT(avrogate_type_kind(avrogate_type_part(avrogate_type_part(r, 0), 1)),
              AVROGATE_INT);
    CHECK_INT(avrogate_type_kind(avrogate_type_part(avrogate_type_part(r, 1), 0)),
              AVROGATE_BOOLEAN);
    CHECK_INT(avrogate_type_size(avrogate_type_part(r, 4)), 3);
    CHECK_STR(avrogate_type_logical(avrogate_type_part(r, 6)), "decimal");
    CHECK_INT(avrogate_type_scale(avrogate_type_part(r, 6)), 2);
    CHECK(avrogate_type_part(r, 8) == NULL && avrogate_type_label(r, 8).n == 0);
    CHECK_INT(avrogate_type_size(avrogate_type_part(r, 7)), 0);
    CHECK_INT(avrogate_schema_text(s).n, strlen(everything));
    avrogate_schema_release(s);
    close_world(&w);
}

/* ---- threads, time and other people's programs ---- */

static void time_0_answers_from_memory_or_not_at_all(void)
{
    struct world w;
    struct avrogate_buffer m = {0};

    open_world(&w);
    struct avrogate_serializer *s =
        writer_of(&w, (struct avrogate_serializer_options){.schema = order});
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), 0, &m, &w.e),
              AVROGATE_UNAVAILABLE);
    CHECK_INT(registry_fake_asked(w.fake), 0);
    CHECK_INT(
        avrogate_serialize_json(s, "orders", text(one), AVROGATE_PATIENCE, &m, &w.e),
        AVROGATE_OK);
    CHECK_INT(avrogate_serialize_json(s, "orders", text(one), 0, &m, &w.e),
              AVROGATE_OK);
    avrogate_buffer_free(&m);
    avrogate_serializer_close(s);
    close_world(&w);
}

struct crowd {
    struct avrogate_serializer *s;
    struct avrogate_deserializer *d;
    atomic_int good;
};

static void *write_and_read(void *arg)
{
    struct crowd *c = arg;
    struct avrogate_buffer m = {0}, json = {0};
    struct avrogate_error e = {0};

    for (int i = 0; i < 50; i++) {
        if (avrogate_serialize_json(c->s, i % 2 ? "a" : "b", text(one), SOON, &m, &e) !=
            AVROGATE_OK)
            continue;
        struct avrogate_message in = message_in(&m);
        if (avrogate_deserialize_json(c->d, &in, SOON, &json, &e) == AVROGATE_OK &&
            holds(&json, one, strlen(one)))
            atomic_fetch_add(&c->good, 1);
    }
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&json);
    return NULL;
}

static void a_crowd_registers_and_fetches_once(void)
{
    struct world w;
    struct crowd c = {0};
    pthread_t threads[8];

    open_world(&w);
    registry_fake_be(
        w.fake, (struct registry_fake_mood){.how = REGISTRY_FAKE_SLOW, .ms = 30}, 0);
    c.s = writer_of(&w, (struct avrogate_serializer_options){.schema = order});
    c.d = reader_of(&w, (struct avrogate_deserializer_options){0});
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, write_and_read, &c);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(c.good, 8 * 50);
    CHECK_INT(registry_fake_asked(w.fake), 4); // two subjects, and what is at each
    avrogate_serializer_close(c.s);
    avrogate_deserializer_close(c.d);
    close_world(&w);
}

/* Where the decimal point is a comma, a message is what it was. */
static void the_programs_locale_changes_nothing(void)
{
    char dir[] = "/tmp/avrogate-locale-XXXXXX", command[200];

    CHECK(mkdtemp(dir) != NULL);
    snprintf(command, sizeof command,
             "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    bool made = system(command) == 0;
    setenv("LOCPATH", dir, 1);
    if (made && setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
        char comma[8];
        snprintf(comma, sizeof comma, "%.1f", 1.5);
        CHECK_STR(comma, "1,5");
        json_becomes_a_message_and_json_again();
        snprintf(comma, sizeof comma, "%.1f", 1.5);
        CHECK_STR(comma, "1,5"); // and it is theirs again
        setlocale(LC_ALL, "C");
    } else {
        printf("# no German locale can be made here\n");
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

int main(void)
{
    RUN(json_becomes_a_message_and_json_again);
    RUN(binary_is_framed_when_it_is_of_the_schema);
    RUN(the_subject_is_called_as_the_strategy_says);
    RUN(options_that_cannot_be_meant_are_refused);
    RUN(the_latest_is_written_as_it_is_now);
    RUN(what_may_not_register_looks_up);
    RUN(a_reader_has_its_own_schema);
    RUN(what_is_no_message_is_set_aside);
    RUN(a_guid_in_a_header_goes_before_the_five_bytes);
    RUN(a_visitor_is_told_each_piece);
    RUN(a_type_says_what_it_is);
    RUN(time_0_answers_from_memory_or_not_at_all);
    RUN(a_crowd_registers_and_fetches_once);
    RUN(the_programs_locale_changes_nothing);
    return REPORT();
}

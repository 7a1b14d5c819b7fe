/*
 * The public library against a registry that somebody else wrote, through its installed
 * headers: registries URL PREFIX
 *
 * Prints a line for each check, `done` at the end.  What not every registry can (guids)
 * is skipped where it says it cannot.
 */
#include <avrogate/avro_value.h>
#include <avrogate/serde.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define V1                                                                        \
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[" \
    "{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"price\",\"type\":\"double\"}]}"
#define V2                                                                          \
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":["   \
    "{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"price\",\"type\":\"double\"}," \
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}"
#define BAD                                                                       \
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[" \
    "{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"new\",\"type\":\"int\"}]}"
#define PLACE                                                                    \
    "{\"type\":\"record\",\"name\":\"Place\",\"namespace\":\"geo\",\"fields\":[" \
    "{\"name\":\"x\",\"type\":\"int\"}]}"
#define TRIP                                                                      \
    "{\"type\":\"record\",\"name\":\"Trip\",\"namespace\":\"geo\",\"fields\":["   \
    "{\"name\":\"from\",\"type\":\"geo.Place\"},{\"name\":\"to\",\"type\":\"geo." \
    "Place\"}]}"

static struct avrogate_registry *registry;
static struct avrogate_error e;
static const char *prefix;
static int failed;

static void check(const char *what, int good)
{
    failed += !good;
    if (good)
        printf("ok - %s\n", what);
    else
        printf("not ok - %s (last error: kind %d, code %d, %s)\n", what, (int)e.kind,
               e.code, e.message);
    fflush(stdout);
}

static const char *subject(const char *name)
{
    static char text[4][200];
    static int next;

    next = (next + 1) % 4;
    snprintf(text[next], sizeof text[next], "%s-%s", prefix, name);
    return text[next];
}

static int32_t put(const char *to, const char *text,
                   const struct avrogate_reference *refs, size_t n, int32_t *version)
{
    const struct avrogate_draft d = {
        .size = sizeof d, .text = text, .references = refs, .n_references = n};
    struct avrogate_schema *s;

    e = (struct avrogate_error){0};
    if (avrogate_schema_register(registry, to, &d, AVROGATE_PATIENCE, &s, &e) !=
        AVROGATE_OK)
        return 0;
    int32_t id = avrogate_schema_id(s);
    *version = avrogate_schema_version(s);
    avrogate_schema_release(s);
    return id;
}

static void registers_and_evolves(void)
{
    const char *to = subject("orders-value");
    const struct avrogate_draft first = {.size = sizeof first, .text = V1};
    struct avrogate_schema *s = NULL;
    int32_t v1 = 0, v2 = 0, again = 0, elsewhere = 0;

    int32_t id1 = put(to, V1, NULL, 0, &v1), id2 = put(to, V2, NULL, 0, &v2);
    check("registers", id1 > 0 && v1 == 1);
    check("evolves", id2 > 0 && id2 != id1 && v2 == 2);
    check("registers again: the same id and version",
          put(to, V1, NULL, 0, &again) == id1 && again == 1);
    check("registers elsewhere: the same id",
          put(subject("other"), V1, NULL, 0, &elsewhere) == id1 && elsewhere == 1);
    check("is refused what is incompatible",
          put(to, BAD, NULL, 0, &again) == 0 && e.kind == AVROGATE_CONFLICT);
    check("looks up",
          avrogate_schema_lookup(registry, to, &first, 5000, &s, &e) == AVROGATE_OK &&
              avrogate_schema_id(s) == id1 && avrogate_schema_version(s) == 1);
    avrogate_schema_release(s);
    check("reads by id",
          avrogate_schema_by_id(registry, id2, 5000, &s, &e) == AVROGATE_OK &&
              strcmp(avrogate_schema_name(s), "shop.Order") == 0 &&
              avrogate_type_size(avrogate_schema_type(s)) == 3);
    avrogate_schema_release(s);
    check("reads by version",
          avrogate_schema_by_version(registry, to, 1, 5000, &s, &e) == AVROGATE_OK &&
              avrogate_schema_id(s) == id1);
    avrogate_schema_release(s);
    check("reads the latest",
          avrogate_schema_latest(registry, to, 5000, &s, &e) == AVROGATE_OK &&
              avrogate_schema_id(s) == id2 && avrogate_schema_version(s) == 2);
    avrogate_schema_release(s);
}

static void is_told_what_is_missing(void)
{
    struct avrogate_schema *s;
    const struct avrogate_draft d = {.size = sizeof d, .text = "\"string\""};

    check("is told of a missing id: 404xx",
          avrogate_schema_by_id(registry, 1999999999, 5000, &s, &e) ==
                  AVROGATE_NOT_FOUND &&
              e.code / 100 == 404);
    check("is told of a missing subject: 404xx",
          avrogate_schema_latest(registry, subject("none"), 5000, &s, &e) ==
                  AVROGATE_NOT_FOUND &&
              e.code / 100 == 404);
    check("is told of a missing version: 404xx",
          avrogate_schema_by_version(registry, subject("orders-value"), 99, 5000, &s,
                                     &e) == AVROGATE_NOT_FOUND &&
              e.code / 100 == 404);
    check("is told that a schema is not registered",
          avrogate_schema_lookup(registry, subject("orders-value"), &d, 5000, &s, &e) ==
              AVROGATE_NOT_FOUND);
    check("is told that a schema is none",
          put(subject("x"), "{\"type\":\"recor\"}", NULL, 0, &(int32_t){0}) == 0 &&
              e.kind == AVROGATE_INVALID);
}

static struct avrogate_serializer *writer(struct avrogate_serializer_options o)
{
    struct avrogate_serializer *s = NULL;

    o.size = sizeof o;
    check("a serializer opens",
          avrogate_serializer_open(&s, registry, &o, &e) == AVROGATE_OK);
    return s;
}

static struct avrogate_deserializer *reader(struct avrogate_deserializer_options o)
{
    struct avrogate_deserializer *d = NULL;

    o.size = sizeof o;
    check("a deserializer opens",
          avrogate_deserializer_open(&d, registry, &o, &e) == AVROGATE_OK);
    return d;
}

static int round_trip(struct avrogate_serializer *s, struct avrogate_deserializer *d,
                      const char *topic, const char *in, const char *out)
{
    struct avrogate_buffer m = {0}, json = {0};
    int good =
        avrogate_serialize_json(s, topic, (struct avrogate_bytes){in, strlen(in)},
                                AVROGATE_PATIENCE, &m, &e) == AVROGATE_OK;
    struct avrogate_message got = {.p = m.p, .n = m.n};

    good = good &&
           avrogate_deserialize_json(d, &got, AVROGATE_PATIENCE, &json, &e) ==
               AVROGATE_OK &&
           json.n == strlen(out) && memcmp(json.p, out, json.n) == 0;
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&json);
    return good;
}

static void refers(void)
{
    int32_t version = 0;
    int32_t place = put(subject("place"), PLACE, NULL, 0, &version);
    const struct avrogate_reference refs[] = {{"geo.Place", subject("place"), 1}};

    check("registers what is referred to", place > 0 && version == 1);
    struct avrogate_serializer *s = writer((struct avrogate_serializer_options){
        .schema = TRIP, .references = refs, .n_references = 1});
    struct avrogate_deserializer *d = reader((struct avrogate_deserializer_options){0});
    check("writes with a reference and reads it back",
          round_trip(s, d, subject("trips"), "{\"from\":{\"x\":1},\"to\":{\"x\":2}}",
                     "{\"from\":{\"x\":1},\"to\":{\"x\":2}}"));
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
}

static void writes_and_reads(void)
{
    struct avrogate_serializer *s = writer(
        (struct avrogate_serializer_options){.schema = V1, .source = AVROGATE_LOOKUP});
    struct avrogate_deserializer *d =
        reader((struct avrogate_deserializer_options){.schema = V2});

    check("writes the older, reads as the newer",
          round_trip(s, d, subject("orders"), "{\"id\":7,\"price\":1.5}",
                     "{\"id\":7,\"price\":1.5,\"note\":null}"));
    avrogate_serializer_close(s);
    s = writer((struct avrogate_serializer_options){.source = AVROGATE_USE_LATEST});
    check("writes the latest",
          round_trip(s, d, subject("orders"), "{\"id\":7,\"price\":1.5,\"note\":\"n\"}",
                     "{\"id\":7,\"price\":1.5,\"note\":\"n\"}"));
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
}

static void values_of_avro_c(void)
{
    struct avrogate_serializer *s =
        writer((struct avrogate_serializer_options){.schema = V1});
    struct avrogate_deserializer *d = reader((struct avrogate_deserializer_options){0});
    struct avrogate_schema *schema = NULL;
    struct avrogate_buffer m = {0}, m2 = {0};
    static const char json[] = "{\"id\":7,\"price\":1.5}";
    avro_schema_t theirs;
    avro_value_t value, id;
    int64_t seven = 0;

    int good = avrogate_serialize_json(s, subject("orders"),
                                       (struct avrogate_bytes){json, sizeof json - 1},
                                       5000, &m, &e) == AVROGATE_OK &&
               avrogate_serializer_schema(s, subject("orders"), 5000, &schema, &e) ==
                   AVROGATE_OK &&
               avrogate_avro_schema(schema, &theirs, &e) == AVROGATE_OK;
    check("avro-c takes the schema", good);
    if (!good)
        return;
    avro_value_iface_t *class = avro_generic_class_from_schema(theirs);
    avro_generic_value_new(class, &value);
    struct avrogate_message got = {.p = m.p, .n = m.n};
    good = avrogate_deserialize_avro(d, &got, 5000, &value, &e) == AVROGATE_OK &&
           avro_value_get_by_name(&value, "id", &id, NULL) == 0 &&
           avro_value_get_long(&id, &seven) == 0 && seven == 7;
    check("reads an avro_value_t", good);
    check("writes it: the same message",
          avrogate_serialize_avro(s, subject("orders"), &value, 5000, &m2, &e) ==
                  AVROGATE_OK &&
              m.n == m2.n && memcmp(m.p, m2.p, m.n) == 0);
    avro_value_decref(&value);
    avro_value_iface_decref(class);
    avro_schema_decref(theirs);
    avrogate_schema_release(schema);
    avrogate_buffer_free(&m);
    avrogate_buffer_free(&m2);
    avrogate_serializer_close(s);
    avrogate_deserializer_close(d);
}

static void strategies(void)
{
    static const enum avrogate_strategy all[] = {AVROGATE_RECORD_NAME,
                                                 AVROGATE_TOPIC_RECORD_NAME};
    struct avrogate_deserializer *d = reader((struct avrogate_deserializer_options){0});
    char text[400];

    snprintf(text, sizeof text,
             "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n.%s\",\"fields\":[{"
             "\"name\":\"a\",\"type\":\"int\"}]}",
             prefix);
    for (size_t i = 0; i < 2; i++) {
        struct avrogate_serializer *s = writer(
            (struct avrogate_serializer_options){.schema = text, .strategy = all[i]});
        check(i == 0 ? "RecordNameStrategy" : "TopicRecordNameStrategy",
              round_trip(s, d, subject("any"), "{\"a\":1}", "{\"a\":1}"));
        avrogate_serializer_close(s);
    }
    avrogate_deserializer_close(d);
}

static void heard(void *arg, enum avrogate_kind kind, struct avrogate_schema *s,
                  const struct avrogate_error *why)
{
    (void)s, (void)why;
    *(int *)arg += kind == AVROGATE_OK;
}

static void asynchronously(void)
{
    int calls = 0;
    const struct avrogate_done done = {heard, &calls};
    const struct avrogate_draft d = {.size = sizeof d,
                                     .text = "{\"type\":\"array\",\"items\":\"int\"}"};
    int asked = (avrogate_schema_register_async(registry, subject("async"), &d, 5000,
                                                done, &e) == AVROGATE_OK) +
                (avrogate_schema_latest_async(registry, subject("place"), 5000, done,
                                              &e) == AVROGATE_OK);

    for (int i = 0; calls < asked && i < 500; i++) {
        struct timespec ms10 = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&ms10, NULL);
        avrogate_registry_dispatch(registry);
    }
    check("registers and reads without waiting", asked == 2 && calls == 2);
}

/* GUID: 32 hex digits that the caller has from elsewhere; "" = this registry has none.
 */
static void by_guid(const char *hex)
{
    struct avrogate_deserializer *d;
    struct avrogate_buffer json = {0};
    unsigned char header[17] = {1};
    unsigned byte;

    if (hex[0] == '\0') {
        printf("   no guids in this registry\n");
        return;
    }
    for (int i = 0; i < 16; i++, header[i] = (unsigned char)byte)
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            abort();
    d = reader((struct avrogate_deserializer_options){0});
    struct avrogate_message m = {
        .p = "\16\0\0\0\0\0\0\370\77", .n = 9, .schema_id = {header, sizeof header}};
    check("reads a message whose guid is in a header",
          avrogate_deserialize_json(d, &m, 5000, &json, &e) == AVROGATE_OK &&
              json.n == 20 && memcmp(json.p, "{\"id\":7,\"price\":1.5}", 20) == 0);
    avrogate_buffer_free(&json);
    avrogate_deserializer_close(d);
}

int main(int argc, char **argv)
{
    struct avrogate_registry_options o = {.size = sizeof o,
                                          .urls = argv[1],
                                          .completions = AVROGATE_ON_DISPATCH,
                                          .negative_ttl_ms = 1};

    if (argc < 3)
        return 2;
    prefix = argv[2];
    check("opens", avrogate_registry_open(&registry, &o, &e) == AVROGATE_OK);
    if (argc > 3) {
        by_guid(argv[3]);
    } else {
        check("is answered",
              avrogate_registry_ping(registry, AVROGATE_PATIENCE, &e) == AVROGATE_OK);
        registers_and_evolves();
        is_told_what_is_missing();
        refers();
        writes_and_reads();
        values_of_avro_c();
        strategies();
        asynchronously();
    }
    avrogate_registry_close(registry);
    puts("done");
    return failed != 0;
}

#include "avrogate/avro_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * avro-c builds a class from a schema by itself, and loops on links; 64 is as deep as
 * the deserializer goes, and a union takes a place of its own.
 */
#define DEPTH 130

/* Only the public interface of avrogate is used here: whatever another library could
 * do, this does. */
#define TRY(call)                              \
    do {                                       \
        enum avrogate_kind try_kind_ = (call); \
        if (try_kind_ != AVROGATE_OK)          \
            return try_kind_;                  \
    } while (0)

static enum avrogate_kind avroc_failed(int rc, struct avrogate_error *e)
{
    if (rc == 0)
        return AVROGATE_OK;
    return avrogate_error_set(e, AVROGATE_INVALID, "avro-c: %.160s", avro_strerror());
}

enum avrogate_kind avrogate_avro_schema(const struct avrogate_schema *s,
                                        avro_schema_t *out, struct avrogate_error *e)
{
    struct avrogate_bytes text = avrogate_schema_text(s);
    avro_schema_t made;

    TRY(avroc_failed(avro_schema_from_json_length(text.p, text.n, &made), e));
    *out = made;
    return AVROGATE_OK;
}

/* ---- filling a value ---- */

struct filler {
    avro_value_t at[DEPTH]; // the values that are open, the last one comes next
    bool holds[DEPTH];      // an array or map: it stays open when an item is done
    size_t depth;
};

static avro_value_t *top(struct filler *f)
{
    return &f->at[f->depth - 1];
}

static enum avrogate_kind push(struct filler *f, avro_value_t v,
                               struct avrogate_error *e)
{
    if (f->depth == DEPTH)
        return avrogate_error_set(e, AVROGATE_LIMIT,
                                  "more than %d values inside each other", DEPTH);
    f->at[f->depth] = v;
    f->holds[f->depth++] = false;
    return AVROGATE_OK;
}

/* The value that comes next is done: it and the unions it was a branch of. */
static enum avrogate_kind pop(struct filler *f, int rc, struct avrogate_error *e)
{
    f->depth--;
    while (f->depth > 0 && !f->holds[f->depth - 1])
        f->depth--;
    return avroc_failed(rc, e);
}

static enum avrogate_kind fill_null(void *v, const struct avrogate_type *t,
                                    struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t;
    return pop(f, avro_value_set_null(top(f)), e);
}

static enum avrogate_kind fill_boolean(void *v, const struct avrogate_type *t, bool x,
                                       struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t;
    return pop(f, avro_value_set_boolean(top(f), x), e);
}

static enum avrogate_kind fill_integer(void *v, const struct avrogate_type *t,
                                       int64_t x, struct avrogate_error *e)
{
    struct filler *f = v;

    if (avrogate_type_kind(t) == AVROGATE_INT)
        return pop(f, avro_value_set_int(top(f), (int32_t)x), e);
    return pop(f, avro_value_set_long(top(f), x), e);
}

static enum avrogate_kind fill_real(void *v, const struct avrogate_type *t, double x,
                                    struct avrogate_error *e)
{
    struct filler *f = v;

    if (avrogate_type_kind(t) == AVROGATE_FLOAT)
        return pop(f, avro_value_set_float(top(f), (float)x), e);
    return pop(f, avro_value_set_double(top(f), x), e);
}

/* avro-c copies what it is given, and only says so by taking no const. */
static void *lent(struct avrogate_bytes x)
{
    return (void *)(uintptr_t)(x.n > 0 ? x.p : "");
}

/* avro-c wants the NUL counted and believes it is there, so it gets a copy that has
 * one; NULL when there is no memory. */
static char *with_nul(struct avrogate_bytes x)
{
    char *text = malloc(x.n + 1);

    if (text == NULL)
        return NULL;
    if (x.n > 0)
        memcpy(text, x.p, x.n);
    text[x.n] = '\0';
    return text;
}

static enum avrogate_kind fill_bytes(void *v, const struct avrogate_type *t,
                                     struct avrogate_bytes x, struct avrogate_error *e)
{
    struct filler *f = v;

    if (avrogate_type_kind(t) == AVROGATE_FIXED)
        return pop(f, avro_value_set_fixed(top(f), lent(x), x.n), e);
    return pop(f, avro_value_set_bytes(top(f), lent(x), x.n), e);
}

static int set_string(avro_value_t *value, struct avrogate_bytes x)
{
    char *text = with_nul(x);
    int rc = text != NULL ? avro_value_set_string_len(value, text, x.n + 1) : ENOMEM;

    free(text);
    return rc;
}

static enum avrogate_kind fill_string(void *v, const struct avrogate_type *t,
                                      struct avrogate_bytes x, struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t;
    if (x.n > 0 && memchr(x.p, 0, x.n) != NULL)
        return avrogate_error_set(e, AVROGATE_INVALID,
                                  "string with a NUL, which avro-c cannot hold");
    return pop(f, set_string(top(f), x), e);
}

static enum avrogate_kind fill_symbol(void *v, const struct avrogate_type *t,
                                      uint32_t i, struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t;
    return pop(f, avro_value_set_enum(top(f), (int)i), e);
}

static enum avrogate_kind fill_branch(void *v, const struct avrogate_type *t,
                                      uint32_t i, struct avrogate_error *e)
{
    struct filler *f = v;
    avro_value_t branch;

    (void)t;
    TRY(avroc_failed(avro_value_set_branch(top(f), (int)i, &branch), e));
    return push(f, branch, e);
}

/* What holds others stays on the stack until its end. */
static enum avrogate_kind open_holder(void *v, const struct avrogate_type *t,
                                      struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t, (void)e;
    f->holds[f->depth - 1] = true;
    return AVROGATE_OK;
}

static enum avrogate_kind close_holder(void *v, const struct avrogate_type *t,
                                       struct avrogate_error *e)
{
    struct filler *f = v;

    (void)t;
    f->holds[f->depth - 1] = false;
    return pop(f, 0, e);
}

static enum avrogate_kind fill_field(void *v, const struct avrogate_type *t, uint32_t i,
                                     struct avrogate_error *e)
{
    struct filler *f = v;
    avro_value_t field;

    (void)t;
    TRY(avroc_failed(avro_value_get_by_index(top(f), i, &field, NULL), e));
    return push(f, field, e);
}

static enum avrogate_kind fill_item(void *v, const struct avrogate_type *t,
                                    struct avrogate_error *e)
{
    struct filler *f = v;
    avro_value_t item;

    (void)t;
    TRY(avroc_failed(avro_value_append(top(f), &item, NULL), e));
    return push(f, item, e);
}

static enum avrogate_kind fill_key(void *v, const struct avrogate_type *t,
                                   struct avrogate_bytes key, struct avrogate_error *e)
{
    struct filler *f = v;
    avro_value_t value;

    (void)t;
    if (key.n > 0 && memchr(key.p, 0, key.n) != NULL)
        return avrogate_error_set(e, AVROGATE_INVALID,
                                  "key with a NUL, which avro-c cannot hold");
    char *name = with_nul(key);
    int is_new = 0, rc = name != NULL
                             ? avro_value_add(top(f), name, &value, NULL, &is_new)
                             : ENOMEM;
    free(name);
    TRY(avroc_failed(rc, e));
    if (!is_new) // a key that comes twice: the last one counts, as in Java
        TRY(avroc_failed(avro_value_reset(&value), e));
    return push(f, value, e);
}

static const struct avrogate_visitor filling = {
    .size = sizeof filling,
    .null = fill_null,
    .boolean = fill_boolean,
    .integer = fill_integer,
    .real = fill_real,
    .bytes = fill_bytes,
    .string = fill_string,
    .symbol = fill_symbol,
    .branch = fill_branch,
    .record_begin = open_holder,
    .field = fill_field,
    .record_end = close_holder,
    .array_begin = open_holder,
    .item = fill_item,
    .array_end = close_holder,
    .map_begin = open_holder,
    .key = fill_key,
    .map_end = close_holder,
};

enum avrogate_kind avrogate_deserialize_avro(struct avrogate_deserializer *d,
                                             const struct avrogate_message *m,
                                             int32_t timeout_ms, avro_value_t *value,
                                             struct avrogate_error *e)
{
    struct filler f = {.at = {*value}, .depth = 1};

    TRY(avroc_failed(avro_value_reset(value), e));
    return avrogate_deserialize_visit(d, m, timeout_ms, &filling, &f, e);
}

/* ---- reading a value ---- */

/* Avro binary as it grows. */
struct taker {
    struct avrogate_error *e;
    size_t depth;
    unsigned char *p;
    size_t n, room;
    bool full; // there is no more memory
};

static enum avrogate_kind take(struct taker *t, const struct avrogate_type *n,
                               const avro_value_t *v);

static void put(struct taker *t, const void *p, size_t n)
{
    if (n == 0 || t->full)
        return;
    if (n > t->room - t->n) {
        size_t room = (t->n + n) * 2;
        unsigned char *grown = realloc(t->p, room);
        t->full = grown == NULL;
        if (t->full)
            return;
        t->p = grown;
        t->room = room;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

/* Zigzag, seven bits at a time. */
static void put_whole(struct taker *t, int64_t v)
{
    uint64_t left = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    unsigned char bytes[10];
    size_t n = 0;

    for (; left > 127; left >>= 7)
        bytes[n++] = (unsigned char)(left | 128);
    bytes[n++] = (unsigned char)left;
    put(t, bytes, n);
}

static void put_counted(struct taker *t, const void *p, size_t n)
{
    put_whole(t, (int64_t)n);
    put(t, p, n);
}

static void put_bits(struct taker *t, uint64_t bits, int n)
{
    for (int i = 0; i < n; i++)
        put(t, &(unsigned char){(unsigned char)(bits >> 8 * i)}, 1);
}

static int take_int(struct taker *t, const avro_value_t *v)
{
    int32_t x = 0;
    int rc = avro_value_get_int(v, &x);

    put_whole(t, x);
    return rc;
}

static int take_long(struct taker *t, const avro_value_t *v)
{
    int64_t x = 0;
    int rc = avro_value_get_long(v, &x);

    put_whole(t, x);
    return rc;
}

static int take_boolean(struct taker *t, const avro_value_t *v)
{
    int yes = 0, rc = avro_value_get_boolean(v, &yes);

    put_bits(t, yes != 0, 1);
    return rc;
}

static int take_float(struct taker *t, const avro_value_t *v)
{
    float x = 0;
    uint32_t bits;
    int rc = avro_value_get_float(v, &x);

    memcpy(&bits, &x, sizeof bits);
    put_bits(t, bits, 4);
    return rc;
}

static int take_double(struct taker *t, const avro_value_t *v)
{
    double x = 0;
    uint64_t bits;
    int rc = avro_value_get_double(v, &x);

    memcpy(&bits, &x, sizeof bits);
    put_bits(t, bits, 8);
    return rc;
}

static int take_bytes(struct taker *t, const avro_value_t *v)
{
    const void *p = NULL;
    size_t n = 0;
    int rc = avro_value_get_bytes(v, &p, &n);

    put_counted(t, p, rc == 0 ? n : 0);
    return rc;
}

static int take_string(struct taker *t, const avro_value_t *v)
{
    const char *p = NULL;
    size_t n = 0;
    int rc =
        avro_value_get_string(v, &p, &n); // its NUL is counted; never set, it is empty

    put_counted(t, p, rc == 0 && n > 0 ? n - 1 : 0);
    return rc;
}

static enum avrogate_kind take_fixed(struct taker *t, const struct avrogate_type *n,
                                     const avro_value_t *v)
{
    const void *p = NULL;
    size_t size = 0;

    TRY(avroc_failed(avro_value_get_fixed(v, &p, &size), t->e));
    if (size != avrogate_type_size(n))
        return avrogate_error_set(t->e, AVROGATE_INVALID,
                                  "fixed of %zu bytes, wanted %zu", size,
                                  avrogate_type_size(n));
    put(t, p, size);
    return AVROGATE_OK;
}

static enum avrogate_kind take_symbol(struct taker *t, const struct avrogate_type *n,
                                      const avro_value_t *v)
{
    int i = -1;

    TRY(avroc_failed(avro_value_get_enum(v, &i), t->e));
    if (i < 0 || (size_t)i >= avrogate_type_size(n))
        return avrogate_error_set(t->e, AVROGATE_INVALID, "symbol %d, there are %zu", i,
                                  avrogate_type_size(n));
    put_whole(t, i);
    return AVROGATE_OK;
}

static enum avrogate_kind take_union(struct taker *t, const struct avrogate_type *n,
                                     const avro_value_t *v)
{
    avro_value_t branch;
    int i = -1;

    TRY(avroc_failed(avro_value_get_discriminant(v, &i), t->e));
    if (i < 0 || (size_t)i >= avrogate_type_size(n))
        return avrogate_error_set(t->e, AVROGATE_INVALID,
                                  "union of which no branch was set");
    put_whole(t, i);
    TRY(avroc_failed(avro_value_get_current_branch(v, &branch), t->e));
    return take(t, avrogate_type_part(n, (size_t)i), &branch);
}

static enum avrogate_kind take_record(struct taker *t, const struct avrogate_type *n,
                                      const avro_value_t *v)
{
    avro_value_t field;

    for (size_t i = 0; i < avrogate_type_size(n); i++) {
        TRY(avroc_failed(avro_value_get_by_index(v, i, &field, NULL), t->e));
        TRY(take(t, avrogate_type_part(n, i), &field));
    }
    return AVROGATE_OK;
}

/* Arrays and maps: one block. */
static enum avrogate_kind take_items(struct taker *t, const struct avrogate_type *n,
                                     const avro_value_t *v)
{
    const char *key = NULL;
    avro_value_t item;
    size_t size = 0;

    TRY(avroc_failed(avro_value_get_size(v, &size), t->e));
    if (size > 0)
        put_whole(t, (int64_t)size);
    for (size_t i = 0; i < size; i++) {
        TRY(avroc_failed(avro_value_get_by_index(v, i, &item, &key), t->e));
        if (avrogate_type_kind(n) == AVROGATE_MAP)
            put_counted(t, key, strlen(key));
        TRY(take(t, avrogate_type_part(n, 0), &item));
    }
    put_whole(t, 0);
    return AVROGATE_OK;
}

static const struct {
    avro_type_t theirs;
    const char *name;
} types[] = {
    [AVROGATE_NULL] = {AVRO_NULL, "null"},
    [AVROGATE_BOOLEAN] = {AVRO_BOOLEAN, "boolean"},
    [AVROGATE_INT] = {AVRO_INT32, "int"},
    [AVROGATE_LONG] = {AVRO_INT64, "long"},
    [AVROGATE_FLOAT] = {AVRO_FLOAT, "float"},
    [AVROGATE_DOUBLE] = {AVRO_DOUBLE, "double"},
    [AVROGATE_BYTES] = {AVRO_BYTES, "bytes"},
    [AVROGATE_STRING] = {AVRO_STRING, "string"},
    [AVROGATE_RECORD] = {AVRO_RECORD, "record"},
    [AVROGATE_ENUM] = {AVRO_ENUM, "enum"},
    [AVROGATE_ARRAY] = {AVRO_ARRAY, "array"},
    [AVROGATE_MAP] = {AVRO_MAP, "map"},
    [AVROGATE_UNION] = {AVRO_UNION, "union"},
    [AVROGATE_FIXED] = {AVRO_FIXED, "fixed"},
};

static enum avrogate_kind take_one(struct taker *t, const struct avrogate_type *n,
                                   const avro_value_t *v)
{
    switch (avrogate_type_kind(n)) {
    case AVROGATE_NULL: return AVROGATE_OK;
    case AVROGATE_BOOLEAN: return avroc_failed(take_boolean(t, v), t->e);
    case AVROGATE_INT: return avroc_failed(take_int(t, v), t->e);
    case AVROGATE_LONG: return avroc_failed(take_long(t, v), t->e);
    case AVROGATE_FLOAT: return avroc_failed(take_float(t, v), t->e);
    case AVROGATE_DOUBLE: return avroc_failed(take_double(t, v), t->e);
    case AVROGATE_BYTES: return avroc_failed(take_bytes(t, v), t->e);
    case AVROGATE_STRING: return avroc_failed(take_string(t, v), t->e);
    case AVROGATE_FIXED: return take_fixed(t, n, v);
    case AVROGATE_ENUM: return take_symbol(t, n, v);
    case AVROGATE_UNION: return take_union(t, n, v);
    case AVROGATE_RECORD: return take_record(t, n, v);
    case AVROGATE_ARRAY:
    case AVROGATE_MAP: return take_items(t, n, v);
    }
    return avrogate_error_set(t->e, AVROGATE_INTERNAL, "a type of an unknown kind");
}

static enum avrogate_kind take(struct taker *t, const struct avrogate_type *n,
                               const avro_value_t *v)
{
    avro_type_t is = avro_value_get_type(v);

    if (is != types[avrogate_type_kind(n)].theirs)
        return avrogate_error_set(t->e, AVROGATE_INVALID,
                                  "a value of avro-c's type %d, wanted %s", (int)is,
                                  types[avrogate_type_kind(n)].name);
    if (t->depth == DEPTH)
        return avrogate_error_set(t->e, AVROGATE_LIMIT,
                                  "more than %d values inside each other", DEPTH);
    t->depth++;
    TRY(take_one(t, n, v));
    t->depth--;
    if (t->full)
        return avrogate_error_set(t->e, AVROGATE_LIMIT, "no memory for the message");
    return AVROGATE_OK;
}

enum avrogate_kind avrogate_serialize_avro(struct avrogate_serializer *s,
                                           const char *topic, const avro_value_t *value,
                                           int32_t timeout_ms,
                                           struct avrogate_buffer *out,
                                           struct avrogate_error *e)
{
    struct taker t = {.e = e};
    struct avrogate_schema *schema;

    TRY(avrogate_serializer_schema(s, topic, timeout_ms, &schema, e));
    enum avrogate_kind kind = take(&t, avrogate_schema_type(schema), value);
    if (kind == AVROGATE_OK)
        kind = avrogate_frame(schema, (struct avrogate_bytes){t.p, t.n}, out, e);
    avrogate_schema_release(schema);
    free(t.p);
    return kind;
}

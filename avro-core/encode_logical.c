/*
 * Logical types as people write them.  Where a row has no reader of numbers, a number
 * means what it means to the underlying type.
 */
#include "avro-core/encode_inside.h"
#include "avro-core/moment.h"
#include "avro-core/uuid.h"

#define STOPPED "size"

static const char *put_whole(struct walk *w, int64_t v)
{
    if (!walk_room(w, VARINT))
        return STOPPED;
    w->w = varint_put(w->w, v);
    return NULL;
}

/* What a moment that does not fit breaks: the kind's own rule, or precision. */
static const char *rule_of(struct walk *w, enum moment_fit fit, const char *own)
{
    switch (fit) {
    case MOMENT_FITS: return NULL;
    case MOMENT_FORM: return own;
    case MOMENT_RANGE: w->why = "there is no such, or it is out of range"; return own;
    case MOMENT_PRECISION: return "precision";
    case MOMENT_NO_ZONE: w->why = "no Z or offset"; return own;
    case MOMENT_ZONE: w->why = "a local time has no zone"; return own;
    }
    return own;
}

static const char *date_from_text(struct walk *w, const struct node *n,
                                  struct span text)
{
    int32_t days = 0;
    const char *rule = rule_of(w, moment_date(&days, text), "date");

    (void)n;
    return rule != NULL ? rule : put_whole(w, days);
}

static const char *time_from_text(struct walk *w, const struct node *n,
                                  struct span text)
{
    int64_t v = 0;
    const char *rule = rule_of(w, moment_time(&v, text, n->per_second), "time");

    return rule != NULL ? rule : put_whole(w, v);
}

static const char *timestamp_from_text(struct walk *w, const struct node *n,
                                       struct span text)
{
    int64_t v = 0;
    const char *rule =
        rule_of(w, moment_instant(&v, text, n->per_second, n->is_local), "timestamp");

    return rule != NULL ? rule : put_whole(w, v);
}

static const char *duration_from_text(struct walk *w, const struct node *n,
                                      struct span text)
{
    uint32_t parts[3] = {0};
    const char *rule = rule_of(w, moment_duration(parts, text), "duration");

    (void)n;
    if (rule != NULL)
        return rule;
    if (!walk_room(w, sizeof parts))
        return STOPPED;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 32; k += 8)
            *w->w++ = (uint8_t)(parts[i] >> k);
    return NULL;
}

static const char *rule_of_fit(enum number_fit fit)
{
    return fit == NUMBER_FITS ? NULL : fit == NUMBER_RANGE ? "range" : "precision";
}

static const char *put_bytes(struct walk *w, const uint8_t *p, size_t n)
{
    if (!walk_room(w, n + VARINT))
        return STOPPED;
    w->w = varint_put(w->w, (int64_t)n);
    memcpy(w->w, p, n);
    w->w += n;
    return NULL;
}

/* Sign-extended to the fixed's size, or as few bytes as hold it. */
static const char *decimal_from_number(struct walk *w, const struct node *n,
                                       const struct number *x)
{
    struct number_bytes b;
    const char *rule =
        rule_of_fit(number_decimal(&b, x, n->schema->precision, n->schema->scale));

    if (rule != NULL)
        return rule;
    if (n->schema->type == AV_BYTES)
        return put_bytes(w, b.p, b.n);
    if (b.n > n->size)
        return "range";
    if (!walk_room(w, n->size))
        return STOPPED;
    memset(w->w, b.p[0] >= 0x80 ? 0xff : 0x00, n->size - b.n);
    memcpy(w->w + n->size - b.n, b.p, b.n);
    w->w += n->size;
    return NULL;
}

static bool whole_number(struct number *x, struct span text)
{
    return number_scan(x, text) && x->text.n == text.n;
}

static const char *decimal_from_text(struct walk *w, const struct node *n,
                                     struct span text)
{
    struct number x;

    return whole_number(&x, text) ? decimal_from_number(w, n, &x) : "decimal";
}

/* Avro Java's BigDecimalConversion: bytes that hold the unscaled value's bytes and the
 * scale. */
static const char *big_decimal_from_number(struct walk *w, const struct node *n,
                                           const struct number *x)
{
    struct number_bytes b;
    int32_t scale = 0;
    uint8_t inner[NUMBER_BYTES + 2 * VARINT];
    const char *rule = rule_of_fit(number_big_decimal(&b, &scale, x));

    (void)n;
    if (rule != NULL)
        return rule;
    uint8_t *to = varint_put(inner, (int64_t)b.n);
    memcpy(to, b.p, b.n);
    to = varint_put(to + b.n, scale);
    return put_bytes(w, inner, (size_t)(to - inner));
}

static const char *big_decimal_from_text(struct walk *w, const struct node *n,
                                         struct span text)
{
    struct number x;

    return whole_number(&x, text) ? big_decimal_from_number(w, n, &x) : "decimal";
}

static const char *uuid_from_text(struct walk *w, const struct node *n,
                                  struct span text)
{
    uint8_t bytes[16];

    if (!uuid_read(bytes, text))
        return "uuid";
    if (n->schema->type == AV_STRING) { // as it was written: it is a string
        if (!walk_room(w, text.n + VARINT))
            return STOPPED;
        w->w = varint_put(w->w, (int64_t)text.n);
        memcpy(w->w, text.p, text.n);
        w->w += text.n;
        return NULL;
    }
    if (!walk_room(w, sizeof bytes))
        return STOPPED;
    memcpy(w->w, bytes, sizeof bytes);
    w->w += sizeof bytes;
    return NULL;
}

#define NEW(logical_, text_, number_)              \
    {                                              \
        0, logical_, encode_scalar, text_, number_ \
    }

static const struct kind kinds[] = {
    NEW(AV_DECIMAL, decimal_from_text, decimal_from_number),
    NEW(AV_BIG_DECIMAL, big_decimal_from_text, big_decimal_from_number),
    NEW(AV_UUID, uuid_from_text, NULL),
    NEW(AV_DATE, date_from_text, NULL),
    NEW(AV_TIME_MILLIS, time_from_text, NULL),
    NEW(AV_TIME_MICROS, time_from_text, NULL),
    NEW(AV_TIMESTAMP_MILLIS, timestamp_from_text, NULL),
    NEW(AV_TIMESTAMP_MICROS, timestamp_from_text, NULL),
    NEW(AV_TIMESTAMP_NANOS, timestamp_from_text, NULL),
    NEW(AV_LOCAL_TIMESTAMP_MILLIS, timestamp_from_text, NULL),
    NEW(AV_LOCAL_TIMESTAMP_MICROS, timestamp_from_text, NULL),
    NEW(AV_LOCAL_TIMESTAMP_NANOS, timestamp_from_text, NULL),
    NEW(AV_DURATION, duration_from_text, NULL),
};

const struct kind *logical_kind(const struct av_node *n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].logical == n->logical)
            return &kinds[i];
    return NULL;
}

/* Types as a pipeline file names them: "long", "decimal(12,2)", "timestamp-micros". */
#include "transform/transform_inside.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    enum av_type type;
    enum av_logical logical;
} types[] = {
    {"boolean", AV_BOOLEAN, AV_PLAIN},
    {"int", AV_INT, AV_PLAIN},
    {"long", AV_LONG, AV_PLAIN},
    {"float", AV_FLOAT, AV_PLAIN},
    {"double", AV_DOUBLE, AV_PLAIN},
    {"string", AV_STRING, AV_PLAIN},
    {"bytes", AV_BYTES, AV_PLAIN},
    {"uuid", AV_STRING, AV_UUID},
    {"date", AV_INT, AV_DATE},
    {"time-millis", AV_INT, AV_TIME_MILLIS},
    {"time-micros", AV_LONG, AV_TIME_MICROS},
    {"timestamp-millis", AV_LONG, AV_TIMESTAMP_MILLIS},
    {"timestamp-micros", AV_LONG, AV_TIMESTAMP_MICROS},
    {"timestamp-nanos", AV_LONG, AV_TIMESTAMP_NANOS},
    {"local-timestamp-millis", AV_LONG, AV_LOCAL_TIMESTAMP_MILLIS},
    {"local-timestamp-micros", AV_LONG, AV_LOCAL_TIMESTAMP_MICROS},
    {"local-timestamp-nanos", AV_LONG, AV_LOCAL_TIMESTAMP_NANOS},
};
#define TYPES (sizeof types / sizeof types[0])

#define WANTED                                                                     \
    "boolean, int, long, float, double, decimal(P,S), string, uuid, bytes, date, " \
    "time-millis, -micros, timestamp-millis, -micros, -nanos, local-timestamp-..."

#define DIGITS_MOST 1000 // of a decimal: PostgreSQL's numeric

/* "decimal(12,2)", "decimal(12, 2)", "decimal(12)" */
static bool read_decimal(struct tr_type *out, const char *text)
{
    char *end;

    if (strncmp(text, "decimal(", 8) != 0 || text[8] < '1' || text[8] > '9')
        return false;
    long precision = strtol(text + 8, &end, 10), scale = 0;
    if (*end == ',') {
        end += 1 + (end[1] == ' ');
        if (*end < '0' || *end > '9')
            return false;
        scale = strtol(end, &end, 10);
    }
    if (strcmp(end, ")") != 0 || precision > DIGITS_MOST || scale > precision)
        return false;
    *out = (struct tr_type){.type = AV_BYTES,
                            .logical = AV_DECIMAL,
                            .precision = (int)precision,
                            .scale = (int)scale};
    return true;
}

enum err_kind tr_type_read(struct tr_type *out, const char *text, struct err *e)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, text) == 0) {
            *out = (struct tr_type){.type = types[i].type, .logical = types[i].logical};
            snprintf(out->name, sizeof out->name, "%s", text);
            return ERR_OK;
        }
    if (!read_decimal(out, text))
        return err_set(e, ERR_INVALID, "type \"%.40s\", wanted %s", text, WANTED);
    snprintf(out->name, sizeof out->name, "decimal(%d,%d)", out->precision, out->scale);
    return ERR_OK;
}

static void put_type(struct buf *out, const struct tr_type *t)
{
    if (t->logical == AV_PLAIN) {
        buf_printf(out, "\"%s\"", av_type_name(t->type));
        return;
    }
    buf_printf(out, "{\"type\":\"%s\",\"logicalType\":\"%s\"", av_type_name(t->type),
               av_logical_name(t->logical));
    if (t->logical == AV_DECIMAL)
        buf_printf(out, ",\"precision\":%d,\"scale\":%d", t->precision, t->scale);
    buf_put_u8(out, '}');
}

struct span tr_type_json(const struct tr_type *t, enum tr_null null, struct arena *a)
{
    struct buf out = BUF_INIT(1000);

    if (null != TR_NEVER_NULL)
        buf_put_str(&out, null == TR_NULL_FIRST ? "[\"null\"," : "[");
    put_type(&out, t);
    if (null != TR_NEVER_NULL)
        buf_put_str(&out, null == TR_NULL_FIRST ? "]" : ",\"null\"]");
    struct span json = arena_copy(a, buf_span(&out));
    buf_free(&out);
    return json;
}

/* --- values that may be null ------------------------------------------------------ */

struct tr_nullable tr_nullable_of(const struct av_node *n)
{
    struct tr_nullable out = {.value = n};

    if (!av_is_nullable(n, &out.value))
        return out;
    out.null = n->branches[0]->type == AV_NULL ? TR_NULL_FIRST : TR_NULL_LAST;
    return out;
}

/* Avro's varints of 0 and 1. */
static uint8_t branch_of(enum tr_null null, bool is_null)
{
    return (null == TR_NULL_FIRST) == is_null ? 0 : 2;
}

void tr_put_branch(struct buf *out, enum tr_null null, bool is_null)
{
    if (null != TR_NEVER_NULL)
        buf_put_u8(out, branch_of(null, is_null));
}

bool tr_take_branch(struct span *value, enum tr_null null)
{
    if (null == TR_NEVER_NULL)
        return false;
    // The branch was walked: it is 0 or 1, though a varint may be longer than it must.
    bool second = (value->p[0] & 0x7e) != 0;
    size_t n = 1;
    while ((value->p[n - 1] & 0x80) != 0)
        n++;
    *value = span_skip(*value, n);
    return second == (null == TR_NULL_LAST);
}

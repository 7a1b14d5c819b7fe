#include "avro-core/schema_inside.h"

#include <math.h>

/* What a logical type may annotate (specification, "Logical Types"; Avro Java 1.12.1).
 */
static const struct row {
    enum av_logical logical;
    const char *name;
    enum av_type type, or_type; // the same twice where there is one
    size_t size;                // of a fixed; 0 = any
} rows[] = {
    {AV_DECIMAL, "decimal", AV_BYTES, AV_FIXED, 0},
    {AV_BIG_DECIMAL, "big-decimal", AV_BYTES, AV_BYTES, 0},
    {AV_UUID, "uuid", AV_STRING, AV_FIXED, 16},
    {AV_DATE, "date", AV_INT, AV_INT, 0},
    {AV_TIME_MILLIS, "time-millis", AV_INT, AV_INT, 0},
    {AV_TIME_MICROS, "time-micros", AV_LONG, AV_LONG, 0},
    {AV_TIMESTAMP_MILLIS, "timestamp-millis", AV_LONG, AV_LONG, 0},
    {AV_TIMESTAMP_MICROS, "timestamp-micros", AV_LONG, AV_LONG, 0},
    {AV_TIMESTAMP_NANOS, "timestamp-nanos", AV_LONG, AV_LONG, 0},
    {AV_LOCAL_TIMESTAMP_MILLIS, "local-timestamp-millis", AV_LONG, AV_LONG, 0},
    {AV_LOCAL_TIMESTAMP_MICROS, "local-timestamp-micros", AV_LONG, AV_LONG, 0},
    {AV_LOCAL_TIMESTAMP_NANOS, "local-timestamp-nanos", AV_LONG, AV_LONG, 0},
    {AV_DURATION, "duration", AV_FIXED, AV_FIXED, 12},
};

#define ROWS (sizeof rows / sizeof *rows)

const char *av_logical_name(enum av_logical l)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].logical == l)
            return rows[i].name;
    return "";
}

static const struct row *row_called(struct span name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (span_eq(span_str(rows[i].name), name))
            return &rows[i];
    return NULL;
}

/* Java's own mappings exclude a logical type; it would ignore what we then obeyed. */
static bool has_java_mapping(const struct av_node *n)
{
    static const char *const names[] = {"avro.java.string", "java-class",
                                        "java-key-class", "java-element-class"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_is(av_attr_get(n->attrs, n->n_attrs, names[i]), JSON_STRING))
            return true;
    return false;
}

/* A number written as a whole one: 4, but neither 4.0 nor 4e0. */
static bool attr_int(const struct av_node *n, const char *name, int *out)
{
    const struct json *v = av_attr_get(n->attrs, n->n_attrs, name);
    struct err e = {0};
    int64_t i;

    if (!json_is(v, JSON_NUMBER))
        return false;
    for (size_t k = 0; k < v->text.n; k++)
        if (memchr(".eE", v->text.p[k], 3) != NULL)
            return false;
    if (json_int(&i, v, INT32_MIN, INT32_MAX, &e) != ERR_OK)
        return false;
    *out = (int)i;
    return true;
}

/* How many decimal digits always fit in the two's complement of `size` bytes. */
static double most_digits(const struct av_node *n)
{
    return n->type == AV_BYTES ? INT32_MAX
                               : floor(log10(2) * (8.0 * (double)n->size - 1));
}

static bool decimal_fits(struct av_node *n)
{
    int precision, scale = 0;

    if (!attr_int(n, "precision", &precision) || precision <= 0 ||
        precision > most_digits(n))
        return false;
    if (av_attr_get(n->attrs, n->n_attrs, "scale") != NULL &&
        !attr_int(n, "scale", &scale))
        return false;
    if (scale < 0 || scale > precision)
        return false;
    n->precision = precision;
    n->scale = scale;
    return true;
}

void find_logical(struct av_node *n)
{
    const struct json *name = av_attr_get(n->attrs, n->n_attrs, "logicalType");
    const struct row *r = json_is(name, JSON_STRING) ? row_called(name->text) : NULL;

    if (r == NULL || (n->type != r->type && n->type != r->or_type))
        return;
    if (n->type == AV_FIXED && r->size > 0 && n->size != r->size)
        return;
    if (has_java_mapping(n) || (r->logical == AV_DECIMAL && !decimal_fits(n)))
        return;
    n->logical = r->logical;
}

/*
 * An Avro schema for columns that nobody made from one.
 */
#include "base/json.h"
#include "format/cells.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 48

struct deriver {
    struct buf *out;
    unsigned named; // records and fixed so far: each needs a name
    int depth;
    struct err *e;
};

static enum err_kind derive(struct deriver *d, const struct ArrowSchema *s);

/* Arrow's formats that are one Avro type. */
static const struct {
    const char *format, *avro;
} simple[] = {
    {"n", "\"null\""},
    {"b", "\"boolean\""},
    {"c", "\"int\""},
    {"C", "\"int\""},
    {"s", "\"int\""},
    {"S", "\"int\""},
    {"i", "\"int\""},
    {"I", "\"long\""},
    {"l", "\"long\""},
    {"f", "\"float\""},
    {"g", "\"double\""},
    {"u", "\"string\""},
    {"U", "\"string\""},
    {"z", "\"bytes\""},
    {"Z", "\"bytes\""},
    {"tdD", "{\"type\":\"int\",\"logicalType\":\"date\"}"},
    {"ttm", "{\"type\":\"int\",\"logicalType\":\"time-millis\"}"},
    {"ttu", "{\"type\":\"long\",\"logicalType\":\"time-micros\"}"},
    {"tsm:", "{\"type\":\"long\",\"logicalType\":\"local-timestamp-millis\"}"},
    {"tsu:", "{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}"},
    {"tsn:", "{\"type\":\"long\",\"logicalType\":\"local-timestamp-nanos\"}"},
    {"tsm:UTC", "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"},
    {"tsu:UTC", "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"},
    {"tsn:UTC", "{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}"},
};

static enum err_kind no_type(const struct deriver *d, const struct ArrowSchema *s)
{
    return err_set(d->e, ERR_INVALID,
                   "column %.80s is of Arrow's type \"%.40s\", which has no Avro type",
                   s->name, s->format);
}

static bool derive_simple(const struct deriver *d, const char *format)
{
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        if (strcmp(simple[i].format, format) == 0) {
            buf_put_str(d->out, simple[i].avro);
            return true;
        }
    return false;
}

static enum err_kind derive_record(struct deriver *d, const struct ArrowSchema *s)
{
    buf_printf(d->out, "{\"type\":\"record\",\"name\":\"record%u\",\"fields\":[",
               ++d->named);
    for (int64_t i = 0; i < s->n_children; i++) {
        buf_put_str(d->out, i > 0 ? ",{\"name\":" : "{\"name\":");
        json_put_string(d->out, span_str(s->children[i]->name));
        buf_put_str(d->out, ",\"type\":");
        TRY(derive(d, s->children[i]));
        buf_put_u8(d->out, '}');
    }
    buf_put_str(d->out, "]}");
    return ERR_OK;
}

static enum err_kind derive_items(struct deriver *d, const struct ArrowSchema *s,
                                  const char *head)
{
    buf_put_str(d->out, head);
    TRY(derive(d, s));
    buf_put_u8(d->out, '}');
    return ERR_OK;
}

static enum err_kind derive_map(struct deriver *d, const struct ArrowSchema *s)
{
    const struct ArrowSchema *entries = s->n_children == 1 ? s->children[0] : NULL;

    if (entries == NULL || entries->n_children != 2 ||
        strcmp(entries->children[0]->format, "u") != 0)
        return no_type(d, s);
    return derive_items(d, entries->children[1], "{\"type\":\"map\",\"values\":");
}

static enum err_kind derive_type(struct deriver *d, const struct ArrowSchema *s)
{
    int precision, scale, size;

    if (s->dictionary != NULL)
        return derive_simple(d, s->dictionary->format) ? ERR_OK : no_type(d, s);
    if (derive_simple(d, s->format))
        return ERR_OK;
    if (strcmp(s->format, "+s") == 0)
        return derive_record(d, s);
    if (strcmp(s->format, "+m") == 0)
        return derive_map(d, s);
    if ((strcmp(s->format, "+l") == 0 || strcmp(s->format, "+L") == 0) &&
        s->n_children == 1)
        return derive_items(d, s->children[0], "{\"type\":\"array\",\"items\":");
    if (sscanf(s->format, "w:%d", &size) == 1) {
        buf_printf(d->out, "{\"type\":\"fixed\",\"name\":\"fixed%u\",\"size\":%d}",
                   ++d->named, size);
        return ERR_OK;
    }
    if (sscanf(s->format, "d:%d,%d", &precision, &scale) == 2 && scale >= 0) {
        buf_printf(d->out,
                   "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%d,"
                   "\"scale\":%d}",
                   precision, scale);
        return ERR_OK;
    }
    return no_type(d, s);
}

static enum err_kind derive(struct deriver *d, const struct ArrowSchema *s)
{
    bool nullable =
        (s->flags & ARROW_FLAG_NULLABLE) != 0 && strcmp(s->format, "n") != 0;

    if (d->depth == DEPTH)
        return err_set(d->e, ERR_LIMIT, "columns nest deeper than %d", DEPTH);
    d->depth++;
    buf_put_str(d->out, nullable ? "[\"null\"," : "");
    TRY(derive_type(d, s));
    buf_put_str(d->out, nullable ? "]" : "");
    d->depth--;
    return ERR_OK;
}

enum err_kind cells_schema(struct buf *out, const struct ArrowSchema *columns,
                           struct err *e)
{
    struct deriver d = {.out = out, .e = e};

    TRY(derive_record(&d, columns));
    return buf_status(out, e);
}

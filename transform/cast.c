/*
 * cast: a field's value as another type.
 *
 * Nothing is bent: a value that the other type cannot hold is an error, not cut,
 * wrapped or rounded; but to float and double it is the nearest one, and of a timestamp
 * a date is its day in UTC.  Texts are those of docs/json.md.  docs/transforms.md has
 * the table; `casts` below is it.
 */
#include "transform/transform_inside.h"

#include "avro-core/moment.h"
#include "avro-core/number.h"
#include "avro-core/to_json.h"
#include "avro-core/uuid.h"
#include "avro-core/varint.h"
#include "base/base64.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum shape {
    OF_BOOLEAN,
    OF_INTEGER,
    OF_REAL,
    OF_DECIMAL,
    OF_TEXT, // string, enum, uuid
    OF_BYTES,
    OF_DATE,
    OF_TIME,
    OF_STAMP, // with and without zone
    OF_OTHER, // arrays, maps, records, unions, durations: as JSON
    SHAPES
};

#define BIT(shape) (1u << (shape))
/* What each may become. */
static const unsigned casts[SHAPES] = {
    [OF_BOOLEAN] = BIT(OF_BOOLEAN) | BIT(OF_INTEGER) | BIT(OF_TEXT),
    [OF_INTEGER] = BIT(OF_BOOLEAN) | BIT(OF_INTEGER) | BIT(OF_REAL) | BIT(OF_DECIMAL) |
                   BIT(OF_TEXT) | BIT(OF_DATE) | BIT(OF_TIME) | BIT(OF_STAMP),
    [OF_REAL] = BIT(OF_INTEGER) | BIT(OF_REAL) | BIT(OF_DECIMAL) | BIT(OF_TEXT),
    [OF_DECIMAL] = BIT(OF_INTEGER) | BIT(OF_REAL) | BIT(OF_DECIMAL) | BIT(OF_TEXT),
    [OF_TEXT] = BIT(OF_BOOLEAN) | BIT(OF_INTEGER) | BIT(OF_REAL) | BIT(OF_DECIMAL) |
                BIT(OF_TEXT) | BIT(OF_BYTES) | BIT(OF_DATE) | BIT(OF_TIME) |
                BIT(OF_STAMP),
    [OF_BYTES] = BIT(OF_BYTES) | BIT(OF_TEXT),
    [OF_DATE] = BIT(OF_INTEGER) | BIT(OF_TEXT) | BIT(OF_DATE) | BIT(OF_STAMP),
    [OF_TIME] = BIT(OF_INTEGER) | BIT(OF_TEXT) | BIT(OF_TIME),
    [OF_STAMP] = BIT(OF_INTEGER) | BIT(OF_TEXT) | BIT(OF_DATE) | BIT(OF_STAMP),
    [OF_OTHER] = BIT(OF_TEXT),
};

static enum shape shape_of_logical(enum av_logical l)
{
    switch (l) {
    case AV_DECIMAL:
    case AV_BIG_DECIMAL: return OF_DECIMAL;
    case AV_UUID: return OF_TEXT;
    case AV_DATE: return OF_DATE;
    case AV_TIME_MILLIS:
    case AV_TIME_MICROS: return OF_TIME;
    case AV_DURATION: return OF_OTHER;
    default: return OF_STAMP;
    }
}

static enum shape shape_of(enum av_type type, enum av_logical logical)
{
    if (logical != AV_PLAIN)
        return shape_of_logical(logical);
    switch (type) {
    case AV_BOOLEAN: return OF_BOOLEAN;
    case AV_INT:
    case AV_LONG: return OF_INTEGER;
    case AV_FLOAT:
    case AV_DOUBLE: return OF_REAL;
    case AV_STRING:
    case AV_ENUM: return OF_TEXT;
    case AV_BYTES:
    case AV_FIXED: return OF_BYTES;
    default: return OF_OTHER;
    }
}

int64_t tr_per_second(enum av_logical l)
{
    switch (l) {
    case AV_TIME_MILLIS:
    case AV_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MILLIS: return 1000;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return 1000000000;
    default: return 1000000;
    }
}

struct cast {
    const struct av_node *from; // without its null
    enum tr_null null, null_out;
    bool else_null;
    enum shape shape, to_shape;
    struct tr_type to;
    size_t in, out; // registers
    struct span field;
    struct av_plan *plan; // of the value, to write it as text
};

/* --- one value -------------------------------------------------------------------- */

struct casting { // the value in hand, taken apart
    struct transform_run *r;
    const struct cast *c;
    struct span value; // as it lies
    struct span text;  // of OF_TEXT, or once text_of() made it
    int64_t i;         // of whatever is a number
    double d;
};

/* What stands in a message: the text, or its beginning. */
static enum err_kind no(struct casting *k, struct err *e, const char *why)
{
    return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\"%s, wanted %s%s", SPAN_ARG(k->text),
                   k->text.n > SPAN_SHOWN ? "..." : "", k->c->to.name, why);
}

static struct span without_quotes(struct span s)
{
    return s.n >= 2 && s.p[0] == '"' ? span_of(s.p + 1, s.n - 2) : s;
}

/* The value as docs/json.md writes it, without quotes. */
static enum err_kind text_of(struct casting *k, struct err *e)
{
    struct av_to_json w;

    if (k->text.p != NULL)
        return ERR_OK;
    buf_reset(&k->r->text);
    av_to_json_init(&w, &k->r->text, false);
    TRY(av_decode_all(k->c->plan, k->value, NULL, &w.visitor, e));
    TRY(buf_status(&k->r->text, e));
    k->text = buf_span(&k->r->text);
    if (k->c->shape != OF_OTHER)
        k->text = without_quotes(k->text);
    return ERR_OK;
}

static void read_real(struct casting *k)
{
    float f;

    if (k->c->from->type == AV_FLOAT) {
        memcpy(&f, k->value.p, sizeof f);
        k->d = (double)f;
    } else {
        memcpy(&k->d, k->value.p, sizeof k->d);
    }
}

/* False: an int beyond 32 bits, which only a broken datum has. */
static bool take_apart(struct casting *k)
{
    struct span rest = k->value;
    int64_t x = 0;

    switch (k->c->from->type) {
    case AV_BOOLEAN: k->i = rest.p[0] != 0; break;
    case AV_INT:
    case AV_LONG:
    case AV_ENUM: (void)!varint_take(&rest, &x), k->i = x; break;
    case AV_FLOAT:
    case AV_DOUBLE: read_real(k); break;
    case AV_STRING:
        (void)!varint_take(&rest, &x);
        k->text = span_of(rest.p != NULL ? rest.p : k->value.p, rest.n);
        break;
    default: break;
    }
    return k->c->from->type != AV_INT || (k->i >= INT32_MIN && k->i <= INT32_MAX);
}

/* --- to each type ----------------------------------------------------------------- */

static enum err_kind put_whole(struct casting *k, int64_t x, struct err *e)
{
    if (k->c->to.type == AV_INT && (x < INT32_MIN || x > INT32_MAX)) {
        TRY(text_of(k, e));
        return no(k, e, ": out of its range");
    }
    varint_append(&k->r->scratch, x);
    return ERR_OK;
}

static enum err_kind read_number(struct casting *k, struct number *n, struct err *e)
{
    TRY(text_of(k, e));
    if (!number_scan(n, k->text) || n->text.n != k->text.n)
        return no(k, e, "");
    return ERR_OK;
}

static enum err_kind to_boolean(struct casting *k, struct err *e)
{
    TRY(text_of(k, e));
    bool yes = span_eq(k->text, span_str("true")) || span_eq(k->text, span_str("1"));
    bool no_ = span_eq(k->text, span_str("false")) || span_eq(k->text, span_str("0"));
    if (!yes && !no_)
        return no(k, e, ": true, false, 1 or 0");
    buf_put_u8(&k->r->scratch, yes);
    return ERR_OK;
}

static enum err_kind to_integer(struct casting *k, struct err *e)
{
    struct number n;
    int64_t x;

    if (k->c->shape != OF_TEXT && k->c->shape != OF_REAL && k->c->shape != OF_DECIMAL)
        return put_whole(k, k->i, e);
    TRY(read_number(k, &n, e));
    enum number_fit fit = number_int64(&x, &n);
    if (fit == NUMBER_FITS)
        return put_whole(k, x, e);
    return no(k, e,
              fit == NUMBER_RANGE ? ": out of its range" : ": digits would be lost");
}

static void put_double(struct buf *out, double d)
{
    uint64_t u;

    memcpy(&u, &d, sizeof u);
    buf_put_le(out, u, sizeof u);
}

static void put_float(struct buf *out, float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    buf_put_le(out, u, sizeof u);
}

static enum err_kind put_real(struct casting *k, double d, struct err *e)
{
    float f = (float)d;

    if (k->c->to.type == AV_DOUBLE) {
        put_double(&k->r->scratch, d);
        return ERR_OK;
    }
    if (isinf(f) && !isinf(d)) {
        TRY(text_of(k, e));
        return no(k, e, ": out of its range");
    }
    put_float(&k->r->scratch, f);
    return ERR_OK;
}

static enum err_kind to_real(struct casting *k, struct err *e)
{
    struct number n;
    double d;
    float f;

    if (k->c->shape == OF_REAL)
        return put_real(k, k->d, e);
    if (k->c->shape == OF_INTEGER)
        return put_real(k, (double)k->i, e);
    TRY(read_number(k, &n, e));
    // Rounded once: by way of a double, a float might be rounded twice.
    if (k->c->to.type == AV_FLOAT && number_float(&f, &n) == NUMBER_FITS)
        return put_real(k, (double)f, e);
    if (k->c->to.type == AV_DOUBLE && number_double(&d, &n) == NUMBER_FITS)
        return put_real(k, d, e);
    return no(k, e, ": out of its range");
}

static enum err_kind to_decimal(struct casting *k, struct err *e)
{
    struct number n;
    struct number_bytes x;

    TRY(read_number(k, &n, e));
    enum number_fit fit = number_decimal(&x, &n, k->c->to.precision, k->c->to.scale);
    if (fit != NUMBER_FITS)
        return no(k, e,
                  fit == NUMBER_RANGE ? ": too many digits" : ": digits would be lost");
    varint_append(&k->r->scratch, (int64_t)x.n);
    buf_put(&k->r->scratch, span_of(x.p, x.n));
    return ERR_OK;
}

static enum err_kind to_text(struct casting *k, struct err *e)
{
    uint8_t uuid[16];

    TRY(text_of(k, e));
    if (k->c->to.logical == AV_UUID && !uuid_read(uuid, k->text))
        return no(k, e, "");
    varint_append(&k->r->scratch, (int64_t)k->text.n);
    buf_put(&k->r->scratch, k->text);
    return ERR_OK;
}

static enum err_kind to_bytes(struct casting *k, struct err *e)
{
    struct span raw = k->value;
    int64_t x;
    size_t n;

    if (k->c->shape == OF_BYTES) {
        if (k->c->from->type == AV_BYTES)
            (void)!varint_take(&raw, &x);
        varint_append(&k->r->scratch, (int64_t)raw.n);
        buf_put(&k->r->scratch, raw);
        return ERR_OK;
    }
    TRY(text_of(k, e));
    uint8_t *room = mem_alloc(BASE64_ROOM(k->text.n) + 1);
    bool good = base64_read(room, &n, k->text);
    if (good) {
        varint_append(&k->r->scratch, (int64_t)n);
        buf_put(&k->r->scratch, span_of(room, n));
    }
    free(room);
    return good ? ERR_OK : no(k, e, " in base64");
}

static enum err_kind no_moment(struct casting *k, enum moment_fit fit, struct err *e)
{
    static const char *const whys[] = {
        [MOMENT_FITS] = "",
        [MOMENT_FORM] = " as ISO 8601 writes it",
        [MOMENT_RANGE] = ": there is no such day or hour",
        [MOMENT_PRECISION] = ": digits would be lost",
        [MOMENT_NO_ZONE] = " with Z or an offset",
        [MOMENT_ZONE] = " without a zone",
    };

    return no(k, e, whys[fit]);
}

static int64_t floor_div(int64_t x, int64_t by)
{
    return x / by - (x % by < 0);
}

static enum err_kind to_date(struct casting *k, struct err *e)
{
    int32_t days;

    if (k->c->shape == OF_INTEGER || k->c->shape == OF_DATE)
        return put_whole(k, k->i, e);
    if (k->c->shape == OF_STAMP)
        return put_whole(k, floor_div(k->i, 86400 * tr_per_second(k->c->from->logical)),
                         e);
    TRY(text_of(k, e));
    enum moment_fit fit = moment_date(&days, k->text);
    return fit == MOMENT_FITS ? put_whole(k, days, e) : no_moment(k, fit, e);
}

/* A count of one unit as one of another; nothing may be lost. */
static enum err_kind put_units(struct casting *k, int64_t x, int64_t per_second,
                               struct err *e)
{
    int64_t want = tr_per_second(k->c->to.logical), out;

    if (want < per_second) {
        if (x % (per_second / want) != 0) {
            TRY(text_of(k, e));
            return no(k, e, ": digits would be lost");
        }
        return put_whole(k, x / (per_second / want), e);
    }
    if (__builtin_mul_overflow(x, want / per_second, &out)) {
        TRY(text_of(k, e));
        return no(k, e, ": out of its range");
    }
    return put_whole(k, out, e);
}

#define DAY_UNITS(l) (86400 * tr_per_second(l))

static enum err_kind to_time(struct casting *k, struct err *e)
{
    int64_t x;

    if (k->c->shape == OF_TIME)
        return put_units(k, k->i, tr_per_second(k->c->from->logical), e);
    TRY(text_of(k, e));
    if (k->c->shape == OF_INTEGER) {
        if (k->i < 0 || k->i >= DAY_UNITS(k->c->to.logical))
            return no(k, e, ": beyond a day");
        return put_whole(k, k->i, e);
    }
    enum moment_fit fit = moment_time(&x, k->text, tr_per_second(k->c->to.logical));
    return fit == MOMENT_FITS ? put_whole(k, x, e) : no_moment(k, fit, e);
}

static enum err_kind to_stamp(struct casting *k, struct err *e)
{
    bool local = k->c->to.logical >= AV_LOCAL_TIMESTAMP_MILLIS;
    int64_t x;

    if (k->c->shape == OF_INTEGER)
        return put_whole(k, k->i, e);
    if (k->c->shape == OF_DATE) // a day's seconds of 32 bits of days fit
        return put_units(k, k->i * 86400, 1, e);
    if (k->c->shape == OF_STAMP)
        return put_units(k, k->i, tr_per_second(k->c->from->logical), e);
    TRY(text_of(k, e));
    enum moment_fit fit =
        moment_instant(&x, k->text, tr_per_second(k->c->to.logical), local);
    return fit == MOMENT_FITS ? put_whole(k, x, e) : no_moment(k, fit, e);
}

static enum err_kind (*const writers[SHAPES])(struct casting *k, struct err *e) = {
    [OF_BOOLEAN] = to_boolean, [OF_INTEGER] = to_integer, [OF_REAL] = to_real,
    [OF_DECIMAL] = to_decimal, [OF_TEXT] = to_text,       [OF_BYTES] = to_bytes,
    [OF_DATE] = to_date,       [OF_TIME] = to_time,       [OF_STAMP] = to_stamp,
};

/* --- the step --------------------------------------------------------------------- */

static enum err_kind run_cast(struct transform_run *r, const struct op *op,
                              struct transform_result *out, struct err *e)
{
    const struct cast *c = op->made;
    struct casting k = {.r = r, .c = c, .value = tr_register(r, c->in)};
    size_t at = tr_make(r);
    struct err why = {0};

    if (tr_take_branch(&k.value, c->null)) {
        tr_put_branch(&r->scratch, c->null_out, true);
        tr_made(r, c->out, at);
        return ERR_OK;
    }
    tr_put_branch(&r->scratch, c->null_out, false);
    enum err_kind rc = take_apart(&k)
                           ? writers[c->to_shape](&k, &why)
                           : err_set(&why, ERR_INVALID, "%" PRId64 " is no int", k.i);
    if (rc != ERR_OK) {
        if (!c->else_null)
            return tr_refuse(out, op, c->field, e, "%.170s", why.msg);
        buf_cut(&r->scratch, at);
        tr_put_branch(&r->scratch, c->null_out, true);
    }
    tr_made(r, c->out, at);
    return ERR_OK;
}

struct cast_given {
    const char *field, *from;
    struct tr_type to;
    bool else_null;
};

struct casts {
    struct cast_given *items;
    size_t n;
};

static enum err_kind read_one(struct cast_given *c, const struct given *g,
                              struct err *e)
{
    const char *type = g->text, *otherwise = NULL;

    c->field = g->key;
    c->from = g->from;
    if (type == NULL) {
        TRY(tr_given_known(g, "to|else", e));
        TRY(tr_given_text(&type, g, "to", true, e));
        TRY(tr_given_text(&otherwise, g, "else", false, e));
    }
    TRY(tr_read_else(&c->else_null, otherwise, g, e));
    if (tr_type_read(&c->to, type, e) != ERR_OK)
        return err_prefix(e, "%.60s", g->from);
    return ERR_OK;
}

enum err_kind tr_read_else(bool *else_null, const char *text, const struct given *g,
                           struct err *e)
{
    *else_null = text != NULL && strcmp(text, "null") == 0;
    if (text != NULL && !*else_null && strcmp(text, "reject") != 0)
        return tr_given_refuse(g, e, "\"%.40s\", wanted null or reject", text);
    return ERR_OK;
}

static enum err_kind read_cast(struct step *s, struct arena *a, struct err *e)
{
    struct casts *all = arena_alloc(a, sizeof *all);

    if (s->given->text != NULL || s->given->list || s->given->n == 0)
        return tr_given_refuse(s->given, e, "wanted types: {field: type}");
    all->items = arena_array(a, s->given->n, sizeof *all->items);
    for (const struct given *g = s->given->first; g != NULL; g = g->next)
        TRY(read_one(&all->items[all->n++], g, e));
    s->read = all;
    return ERR_OK;
}

enum err_kind tr_plan_of(struct av_plan **out, const struct av_node *n, struct err *e)
{
    struct buf text = BUF_INIT(4 << 20);
    struct av_parse_limits lim = {.bytes = 4 << 20, .keep_bad_defaults = true};
    struct av_schema *s = NULL;

    tr_schema_put_type(&text, n);
    enum err_kind rc = buf_status(&text, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(&s, buf_span(&text), NULL, 0, &lim, e);
    if (rc == ERR_OK)
        rc = av_plan_new(out, s, s, e);
    av_schema_release(s);
    buf_free(&text);
    return rc;
}

static void free_cast(void *thing)
{
    struct cast *c = thing;

    av_plan_free(c->plan);
    free(c);
}

static enum err_kind fill(struct cast *c, struct compiler *k, const struct column *col,
                          const struct cast_given *g, struct err *e)
{
    struct tr_nullable from = tr_nullable_of(col->field->type);
    char name[AV_FULLNAME_SHOWN];

    c->from = from.value;
    c->null = c->null_out = from.null;
    c->to = g->to;
    c->else_null = g->else_null;
    if (g->else_null && c->null_out == TR_NEVER_NULL)
        c->null_out = TR_NULL_FIRST;
    c->shape = shape_of(c->from->type, c->from->logical);
    c->to_shape = shape_of(c->to.type, c->to.logical);
    c->field = col->name;
    c->in = col->reg;
    av_node_name(name, c->from);
    if ((casts[c->shape] & BIT(c->to_shape)) == 0)
        return err_set(e, ERR_INVALID, "%s is of type %.100s%s%s: no cast to %s",
                       g->field, name, c->from->logical != AV_PLAIN ? " " : "",
                       av_logical_name(c->from->logical), c->to.name);
    c->out = tr_new_register(k);
    return tr_plan_of(&c->plan, c->from, e);
}

static enum err_kind compile_cast(struct compiler *c, const struct step *s,
                                  struct err *e)
{
    const struct casts *all = s->read;
    struct column *columns = arena_array(&c->p->arena, c->n + 1, sizeof *columns);

    memcpy(columns, c->columns, c->n * sizeof *columns);
    for (size_t i = 0; i < all->n; i++) {
        struct column *found;
        TRY(tr_column_must(&found, c, all->items[i].field, e));
        struct cast *cast = mem_alloc(sizeof *cast);
        tr_program_owns(c->p, free_cast, cast);
        TRY(fill(cast, c, found, &all->items[i], e));
        tr_add_op(c, run_cast, cast);
        columns[found - c->columns] = (struct column){
            .name = found->name,
            .type = tr_type_json(&cast->to, cast->null_out, &c->p->arena),
            .reg = cast->out};
    }
    return tr_compile_adopt(c, columns, c->n, e);
}

const struct verb tr_verb_cast = {"cast", read_cast, NULL, compile_cast};

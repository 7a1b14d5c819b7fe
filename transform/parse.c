/*
 * parse: dates and times as somebody writes them (pattern.h), to Avro's.
 *
 * A timestamp must say where its clock stands: by the text (X, z), or by `zone`.  A
 * clock that is put forward or back has hours that are not there or are there twice:
 * both are refused, nothing is guessed.
 */
#include "transform/pattern.h"
#include "transform/transform_inside.h"

#include "avro-core/varint.h"

#include <stdio.h>
#include <stdlib.h>

#define FORMATS 8 // of one field; the first that fits

struct parsed { // as given
    const char *field, *zone;
    struct tr_type as;
    struct pattern formats[FORMATS];
    size_t n;
    bool else_null;
    int32_t offset; // of a zone that is one
    bool fixed;
};

struct parses {
    struct parsed *items;
    size_t n;
};

/* --- as given --------------------------------------------------------------------- */

static bool is_stamp(const struct tr_type *t)
{
    return t->logical >= AV_TIMESTAMP_MILLIS && t->logical <= AV_TIMESTAMP_NANOS;
}

static bool is_local(const struct tr_type *t)
{
    return t->logical >= AV_LOCAL_TIMESTAMP_MILLIS &&
           t->logical <= AV_LOCAL_TIMESTAMP_NANOS;
}

static bool is_time(const struct tr_type *t)
{
    return t->logical == AV_TIME_MILLIS || t->logical == AV_TIME_MICROS;
}

/* "timestamp" is timestamp-micros, "time" time-micros, ... */
static enum err_kind read_as(struct parsed *p, const char *as, const struct given *g,
                             struct err *e)
{
    char whole[80];
    bool is_short = strcmp(as, "timestamp") == 0 ||
                    strcmp(as, "local-timestamp") == 0 || strcmp(as, "time") == 0;

    snprintf(whole, sizeof whole, "%.60s%s", as, is_short ? "-micros" : "");
    struct err ignored = {0};
    if (tr_type_read(&p->as, whole, &ignored) == ERR_OK &&
        (p->as.logical == AV_DATE || is_time(&p->as) || is_stamp(&p->as) ||
         is_local(&p->as)))
        return ERR_OK;
    return tr_given_refuse(g, e,
                           "as: \"%.40s\", wanted date, time, timestamp or "
                           "local-timestamp (or those with -millis, -micros, -nanos)",
                           as);
}

/* "UTC", "+01:00" are offsets; the rest is a name that the zone files know. */
static enum err_kind read_zone(struct parsed *p, const struct given *g, struct err *e)
{
    struct pattern offset;
    struct pattern_moment m;
    struct err never = {0};
    const char *why;
    size_t at;
    char text[32];

    snprintf(text, sizeof text, "00:00%.20s", p->zone);
    p->fixed = strcmp(p->zone, "UTC") == 0 ||
               (tr_pattern_read(&offset, "HH:mmXXX", &never) == ERR_OK &&
                tr_pattern_match(&offset, span_str(text), &m, &why, &at));
    if (p->fixed && strcmp(p->zone, "UTC") != 0)
        p->offset = m.offset;
    struct cel_run *run = cel_run_new();
    int64_t ignored;
    bool known = p->fixed || cel_zone_offset(run, span_str(p->zone), 0, &ignored);
    cel_run_free(run);
    if (!known)
        return tr_given_refuse(g, e,
                               "zone \"%.40s\" is unknown here, wanted UTC, "
                               "+01:00 or a name like Europe/Zurich",
                               p->zone);
    return ERR_OK;
}

static enum err_kind check_format(const struct parsed *p, const struct pattern *f,
                                  const struct given *g, struct err *e)
{
    bool wants_date = !is_time(&p->as), wants_time = is_time(&p->as);

    if ((wants_date && !f->has_date) || (wants_time && !f->has_time))
        return tr_given_refuse(g, e, "%s wants a %s, which \"%.60s\" does not say",
                               p->as.name, wants_date ? "date" : "time", f->text);
    if (is_stamp(&p->as) && !f->has_zone && p->zone == NULL)
        return tr_given_refuse(g, e,
                               "%s wants a zone: X in the format, or zone: UTC, "
                               "+01:00, Europe/Zurich",
                               p->as.name);
    if (p->zone != NULL && (f->has_zone || !is_stamp(&p->as)))
        return tr_given_refuse(g, e,
                               f->has_zone ? "the format says the zone: zone has no use"
                                           : "zone is for timestamps");
    if (f->has_zone && !is_stamp(&p->as))
        return tr_given_refuse(g, e, "%s has no zone, \"%.60s\" says one", p->as.name,
                               f->text);
    return ERR_OK;
}

static enum err_kind read_formats(struct parsed *p, const struct given *g,
                                  struct arena *a, struct err *e)
{
    const struct given *format = tr_given_get(g, "format");
    const char *const *texts;

    if (format == NULL)
        return tr_given_refuse(g, e, "\"format\" is missing");
    TRY(tr_given_names(&texts, &p->n, format, a, e));
    if (p->n == 0 || p->n > FORMATS)
        return tr_given_refuse(format, e, "%zu formats, wanted 1 to %d", p->n, FORMATS);
    for (size_t i = 0; i < p->n; i++) {
        if (tr_pattern_read(&p->formats[i], texts[i], e) != ERR_OK)
            return err_prefix(e, "%.60s", format->from);
        TRY(check_format(p, &p->formats[i], format, e));
    }
    return ERR_OK;
}

static enum err_kind read_one(struct parsed *p, const struct given *g, struct arena *a,
                              struct err *e)
{
    const char *as = NULL, *otherwise = NULL;

    p->field = g->key;
    TRY(tr_given_known(g, "as|format|zone|else", e));
    TRY(tr_given_text(&as, g, "as", true, e));
    TRY(tr_given_text(&p->zone, g, "zone", false, e));
    TRY(tr_given_text(&otherwise, g, "else", false, e));
    TRY(tr_read_else(&p->else_null, otherwise, g, e));
    TRY(read_as(p, as, g, e));
    if (p->zone != NULL)
        TRY(read_zone(p, g, e));
    return read_formats(p, g, a, e);
}

static enum err_kind read_parse(struct step *s, struct arena *a, struct err *e)
{
    struct parses *all = arena_alloc(a, sizeof *all);

    if (s->given->text != NULL || s->given->list || s->given->n == 0)
        return tr_given_refuse(s->given, e,
                               "wanted formats: {field: {as: date, format: "
                               "dd/MM/yyyy}}");
    all->items = arena_array(a, s->given->n, sizeof *all->items);
    for (const struct given *g = s->given->first; g != NULL; g = g->next)
        TRY(read_one(&all->items[all->n++], g, a, e));
    s->read = all;
    return ERR_OK;
}

/* --- one value -------------------------------------------------------------------- */

struct parser {
    const struct parsed *given;
    enum tr_null null, null_out;
    size_t in, out;
};

static bool no(const char **why, const char *text)
{
    *why = text;
    return false;
}

#define DAY INT64_C(86400)

/* Seconds east of UTC of a clock that reads `local`: the offsets of the day before and
 * the day after are all there can be. */
static bool offset_in(struct transform_run *r, const char *zone, int64_t local,
                      int64_t *out, const char **why)
{
    int64_t early, late, back;
    bool is_early, is_late;

    if (!cel_zone_offset(r->cel, span_str(zone), local - DAY, &early) ||
        !cel_zone_offset(r->cel, span_str(zone), local + DAY, &late))
        return no(why, "nobody knows the zone");
    is_early =
        cel_zone_offset(r->cel, span_str(zone), local - early, &back) && back == early;
    is_late =
        cel_zone_offset(r->cel, span_str(zone), local - late, &back) && back == late;
    if (!is_early && !is_late)
        return no(why, "the clock is put forward there: there is no such hour");
    if (is_early && is_late && early != late)
        return no(why, "the clock is put back there: the hour is there twice");
    *out = is_early ? early : late;
    return true;
}

static bool to_units(const struct parsed *p, int64_t seconds, int32_t nanos,
                     int64_t *out, const char **why)
{
    int64_t per_second = tr_per_second(p->as.logical), unit = 1000000000 / per_second;

    if (nanos % unit != 0)
        return no(why, "digits would be lost");
    if (__builtin_mul_overflow(seconds, per_second, out) ||
        __builtin_add_overflow(*out, nanos / unit, out))
        return no(why, "out of its range");
    return true;
}

static bool value_of(struct transform_run *r, const struct parsed *p,
                     const struct pattern_moment *m, int64_t *out, const char **why)
{
    int64_t local = m->days * DAY + m->seconds, offset = m->offset;

    if (p->as.logical == AV_DATE)
        return *out = m->days, true;
    if (is_time(&p->as))
        return to_units(p, m->seconds, m->nanos, out, why);
    if (p->zone != NULL && p->fixed)
        offset = p->offset;
    else if (p->zone != NULL && !offset_in(r, p->zone, local, &offset, why))
        return false;
    return to_units(p, local - offset, m->nanos, out, why);
}

static bool parse(struct transform_run *r, const struct parsed *p, struct span text,
                  int64_t *out, const char **why, size_t *at)
{
    struct pattern_moment m;

    for (size_t i = 0; i < p->n; i++)
        if (tr_pattern_match(&p->formats[i], text, &m, why, at))
            return value_of(r, p, &m, out, why);
    return false;
}

static enum err_kind refuse(const struct parsed *p, struct transform_result *out,
                            const struct op *op, struct span text, const char *why,
                            size_t at, struct err *e)
{
    if (p->n > 1)
        return tr_refuse(out, op, span_str(p->field), e,
                         "\"" SPAN_FMT "\", wanted %s as one of %zu formats",
                         SPAN_ARG(text), p->as.name, p->n);
    return tr_refuse(out, op, span_str(p->field), e,
                     "\"" SPAN_FMT "\", wanted %s as \"%.50s\": %s, at %zu",
                     SPAN_ARG(text), p->as.name, p->formats[0].text, why, at + 1);
}

static enum err_kind run_parse(struct transform_run *r, const struct op *op,
                               struct transform_result *out, struct err *e)
{
    const struct parser *k = op->made;
    struct span text = tr_register(r, k->in);
    bool null = tr_take_branch(&text, k->null);
    size_t begin = tr_make(r), at = 0;
    const char *why = "";
    int64_t x = 0;

    if (!null) {
        (void)!varint_take(&text, &x); // its length: the rest is it
        if (!parse(r, k->given, text, &x, &why, &at)) {
            if (!k->given->else_null)
                return refuse(k->given, out, op, text, why, at, e);
            null = true;
        }
    }
    tr_put_branch(&r->scratch, k->null_out, null);
    if (!null)
        varint_append(&r->scratch, x);
    tr_made(r, k->out, begin);
    return ERR_OK;
}

/* --- the step --------------------------------------------------------------------- */

static enum err_kind compile_one(struct compiler *c, const struct parsed *given,
                                 struct column *col, struct err *e)
{
    struct tr_nullable from = tr_nullable_of(col->field->type);
    struct parser *k = arena_alloc(&c->p->arena, sizeof *k);
    char name[AV_FULLNAME_SHOWN];

    av_node_name(name, from.value);
    if (from.value->type != AV_STRING)
        return err_set(e, ERR_INVALID, "%s is of type %.100s, wanted string",
                       given->field, name);
    *k = (struct parser){given, from.null, from.null, col->reg, tr_new_register(c)};
    if (given->else_null && k->null_out == TR_NEVER_NULL)
        k->null_out = TR_NULL_FIRST;
    tr_add_op(c, run_parse, k);
    *col = (struct column){.name = col->name,
                           .type = tr_type_json(&given->as, k->null_out, &c->p->arena),
                           .reg = k->out};
    return ERR_OK;
}

static enum err_kind compile_parse(struct compiler *c, const struct step *s,
                                   struct err *e)
{
    const struct parses *all = s->read;
    struct column *columns = arena_array(&c->p->arena, c->n + 1, sizeof *columns);

    memcpy(columns, c->columns, c->n * sizeof *columns);
    for (size_t i = 0; i < all->n; i++) {
        struct column *found;
        TRY(tr_column_must(&found, c, all->items[i].field, e));
        TRY(compile_one(c, &all->items[i], &columns[found - c->columns], e));
    }
    return tr_compile_adopt(c, columns, c->n, e);
}

const struct verb tr_verb_parse = {"parse", read_parse, NULL, compile_parse};

#include "transform/memory.h"
#include "transform/transform_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct transform_run *transform_run_new(struct transform_memory *m)
{
    struct transform_run *r = mem_alloc(sizeof *r);

    r->scratch = BUF_INIT(TRANSFORM_BYTES);
    r->record = BUF_INIT(TRANSFORM_BYTES);
    r->text = BUF_INIT(TRANSFORM_BYTES);
    r->cel = cel_run_new();
    r->memory = m;
    return r;
}

void transform_run_free(struct transform_run *r)
{
    if (r == NULL)
        return;
    cel_run_free(r->cel);
    transform_memory_free(r->own_memory);
    free(r->windows);
    buf_free(&r->scratch);
    buf_free(&r->record);
    buf_free(&r->text);
    free(r->at);
    free(r->made);
    free(r);
}

/* --- registers and records -------------------------------------------------------- */

struct span tr_register(const struct transform_run *r, size_t reg)
{
    size_t n_in = r->p->n_in;

    if (reg < n_in)
        return span_of(r->datum.p + r->at[reg], r->at[reg + 1] - r->at[reg]);
    return span_of(r->scratch.p + r->made[reg - n_in].at, r->made[reg - n_in].n);
}

size_t tr_make(struct transform_run *r)
{
    return r->scratch.n;
}

void tr_made(struct transform_run *r, size_t reg, size_t at)
{
    r->made[reg - r->p->n_in].at = at;
    r->made[reg - r->p->n_in].n = r->scratch.n - at;
}

static void put_piece(struct transform_run *r, const struct piece *piece)
{
    if (piece->made)
        buf_put(&r->record, tr_register(r, piece->from));
    else
        buf_put(&r->record, span_of(r->datum.p + r->at[piece->from],
                                    r->at[piece->to] - r->at[piece->from]));
}

struct span tr_view(struct transform_run *r, const struct view *v)
{
    if (v->whole)
        return r->datum;
    if (r->in_record != v) {
        buf_reset(&r->record);
        for (size_t i = 0; i < v->n; i++)
            put_piece(r, &v->pieces[i]);
        r->in_record = v;
        r->began = NULL; // what it spoke of is gone
    }
    return buf_span(&r->record);
}

void tr_begin(struct transform_run *r, const struct op *op)
{
    struct span datum = tr_view(r, op->view);

    if (r->began == op->rules)
        return;
    cel_begin(r->cel, op->rules, datum, r->origin->now);
    r->began = op->rules;
}

/* --- what goes wrong -------------------------------------------------------------- */

enum err_kind tr_refuse(struct transform_result *out, const struct op *op,
                        struct span field, struct err *e, const char *fmt, ...)
{
    char why[180];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    out->step = op->step->name;
    out->pointer[0] = '\0';
    if (field.n > 0)
        snprintf(out->pointer, sizeof out->pointer, "/" SPAN_FMT, SPAN_ARG(field));
    return err_set(e, ERR_INVALID, "transform %s: %s%s%s", out->step, out->pointer,
                   field.n > 0 ? ": " : "", why);
}

/* The decoder says better than the walk what is wrong with a datum. */
static enum err_kind malformed(const struct transform_run *r, struct err *e)
{
    static const struct av_visitor_ops nobody;
    struct av_visitor v = {&nobody};

    TRY(av_decode_all(r->p->whole, r->datum, NULL, &v, e));
    return err_set(e, ERR_INVALID, "a record that cannot be walked");
}

/* --- one record ------------------------------------------------------------------- */

static void make_room(struct transform_run *r)
{
    size_t made = r->p->n_regs - r->p->n_in;

    if (r->cap_at < r->p->n_in + 1) {
        r->cap_at = r->p->n_in + 1;
        r->at = mem_grow(r->at, r->cap_at, sizeof *r->at);
    }
    if (r->cap_made < made) {
        r->cap_made = made;
        r->made = mem_grow(r->made, made, sizeof *r->made);
    }
}

static void begin(struct transform_run *r, const struct transform_program *p,
                  const struct transform_origin *o, struct span datum)
{
    static const uint8_t nothing[1];

    r->p = p;
    make_room(r); // always: a new program may stand where one before it stood
    if (datum.p == NULL)
        datum.p = nothing;
    r->origin = o;
    r->datum = datum;
    r->in_record = NULL;
    r->began = NULL;
    buf_reset(&r->scratch);
}

static enum err_kind full(const struct transform_run *r, struct err *e)
{
    if (!r->scratch.over && !r->record.over)
        return ERR_OK;
    return err_set(e, ERR_LIMIT, "transform: a record of more than %zu bytes",
                   TRANSFORM_BYTES);
}

enum err_kind transform_apply(struct transform_run *r,
                              const struct transform_program *p,
                              const struct transform_origin *o, struct span datum,
                              struct transform_result *out, struct err *e)
{
    out->fate = TRANSFORM_KEPT;
    out->step = NULL;
    out->pointer[0] = '\0';
    begin(r, p, o, datum);
    if (!tr_walk_record(av_schema_root(p->schemas[0]), r->datum, r->at))
        return malformed(r, e);
    for (size_t i = 0; i < p->n_ops; i++) {
        TRY(p->ops[i].run(r, &p->ops[i], out, e));
        if (out->fate != TRANSFORM_KEPT) {
            out->step = p->ops[i].step->name;
            return ERR_OK;
        }
    }
    out->datum = tr_view(r, p->out);
    return full(r, e);
}

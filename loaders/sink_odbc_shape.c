/* The target table: looked at, planned for, altered; and the stage beside it. */
#include "loaders/sink_odbc_inside.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Types of a column that hold every value of a kind, and those that may be widened. */
static const struct fit {
    enum dialect_kind kind;
    enum odbc_type type;
    bool narrow;
} fits[] = {
    {KIND_BOOL, ODBC_BIT, false},        {KIND_BOOL, ODBC_SMALLINT, false},
    {KIND_BOOL, ODBC_INTEGER, false},    {KIND_BOOL, ODBC_DECIMAL, false},
    {KIND_INT, ODBC_INTEGER, false},     {KIND_INT, ODBC_BIGINT, false},
    {KIND_INT, ODBC_FLOAT, false},       {KIND_INT, ODBC_DECIMAL, false},
    {KIND_INT, ODBC_SMALLINT, true},     {KIND_LONG, ODBC_BIGINT, false},
    {KIND_LONG, ODBC_DECIMAL, false},    {KIND_LONG, ODBC_INTEGER, true},
    {KIND_LONG, ODBC_SMALLINT, true},    {KIND_FLOAT, ODBC_REAL, false},
    {KIND_FLOAT, ODBC_FLOAT, false},     {KIND_DOUBLE, ODBC_FLOAT, false},
    {KIND_DOUBLE, ODBC_REAL, true},      {KIND_DOUBLE, ODBC_INTEGER, true},
    {KIND_DECIMAL, ODBC_DECIMAL, false}, {KIND_BIG_DECIMAL, ODBC_DECIMAL, false},
    {KIND_BYTES, ODBC_BINARY, false},    {KIND_KEY_BYTES, ODBC_BINARY, false},
    {KIND_UUID, ODBC_GUID, false},       {KIND_DATE, ODBC_DATE, false},
    {KIND_TIME, ODBC_TIME, false},       {KIND_INSTANT, ODBC_TIMESTAMP, false},
    {KIND_LOCAL, ODBC_TIMESTAMP, false},
};

static const char *name_of(const struct odbc_way *w)
{
    return (const char *)w->quoted.p;
}

struct table odbc_way_all(const struct odbc_way *w)
{
    struct table all = w->table;

    all.n += w->own;
    return all;
}

static bool is_aside(const struct odbc_sink *s, const struct odbc_way *w)
{
    return w == &s->aside;
}

static bool is_history(const struct odbc_sink *s, const struct odbc_way *w)
{
    return w == &s->to && s->o.mode == APPLY_HISTORY;
}

/* Columns of ours behind a record's. */
static size_t own_columns(const struct odbc_sink *s, const struct odbc_way *w)
{
    return is_aside(s, w) ? QUARANTINE_EXTRA : is_history(s, w) ? HISTORY_COLUMNS : 0;
}

/* --- what there is ---------------------------------------------------------------- */

struct there { // the table as it is
    bool is;
    struct odbc_column *columns;
    size_t n;
};

static enum err_kind look(struct odbc_sink *s, const struct odbc_way *w,
                          struct there *out, struct err *e)
{
    struct err why = {0};

    *out = (struct there){0};
    buf_reset(&s->sql);
    buf_printf(&s->sql, "SELECT * FROM %s WHERE 1 = 0%c", name_of(w), 0);
    TRY(buf_status(&s->sql, e));
    enum err_kind rc =
        odbc_describe(&s->db, (const char *)s->sql.p, &out->columns, &out->n, &why);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND) {
        *e = why;
        return rc;
    }
    out->is = rc == ERR_OK; // else it is not there, or making it will say why
    return ERR_OK;
}

static const struct odbc_column *find(const char *name, const struct there *has)
{
    const struct odbc_column *alike = NULL;
    size_t found = 0;

    for (size_t i = 0; i < has->n; i++)
        if (strcmp(has->columns[i].name, name) == 0)
            return &has->columns[i];
    for (size_t i = 0; i < has->n; i++)
        if (strcasecmp(has->columns[i].name, name) == 0) {
            alike = &has->columns[i];
            found++;
        }
    return found == 1 ? alike : NULL;
}

/* --- what it takes ---------------------------------------------------------------- */

struct steps { // statements about a table, each with a zero byte behind it
    struct odbc_sink *s;
    struct odbc_way *w;
    struct buf text;
};

static void end_step(struct steps *st)
{
    buf_put_u8(&st->text, 0);
}

static const char *target(const struct steps *st)
{
    return name_of(st->w);
}

/* numeric(p,s) rounds what has more digits behind the point: nobody would notice. */
static bool holds_decimal(const struct column *c, const struct odbc_column *has)
{
    if (c->node->logical != AV_DECIMAL || has->size == 0)
        return true;
    return has->digits >= c->node->scale &&
           (int)has->size - has->digits >= c->node->precision - c->node->scale;
}

/* So does timestamp(3). */
static bool holds_seconds(const struct column *c, const struct odbc_column *has)
{
    return has->digits == 0 || has->digits >= (c->unit_us == 1 ? 6 : 3);
}

enum fitting { FITS, NARROW, MISFIT };

static enum fitting judge(const struct dialect *d, const struct column *c,
                          const struct odbc_column *has)
{
    enum dialect_kind kind = dialect_kind(d, c);
    const struct dialect_type *type = &d->types[kind];

    if (d->widen == NULL)
        return FITS;
    if (has->type == ODBC_CHARACTERS)
        return type->bind == ODBC_TEXT || type->bind == ODBC_WIDE ? FITS : MISFIT;
    for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
        if (fits[i].kind != kind || fits[i].type != has->type)
            continue;
        if (kind == KIND_DECIMAL && !holds_decimal(c, has))
            return NARROW;
        if (c->form == FORM_TIMESTAMP && !holds_seconds(c, has))
            return NARROW;
        return fits[i].narrow ? NARROW : FITS;
    }
    // a type ODBC has no number for (JSON, interval): the database is the judge
    return has->type == ODBC_OTHER ? FITS : MISFIT;
}

static enum err_kind misfit(const struct steps *st, const struct column *c,
                            const struct odbc_column *has, struct err *e)
{
    const struct odbc_sink *s = st->s;
    struct buf wanted = BUF_INIT(200);

    dialect_put_type(&wanted, s->d, c);
    (void)err_set(
        e, ERR_INVALID,
        "column %s.%s is of ODBC type %d (%zu, %d), the schema's %s wants " SPAN_FMT
        "%s",
        target(st), has->name, has->type, has->size, has->digits,
        av_type_name(c->node->type), SPAN_ARG(buf_span(&wanted)),
        s->o.evolve ? ": alter it by hand" : " (and evolve is off)");
    buf_free(&wanted);
    return e->kind;
}

static enum err_kind fit_column(struct steps *st, struct column *c,
                                const struct odbc_column *has, struct err *e)
{
    struct odbc_sink *s = st->s;
    enum fitting fitting = judge(s->d, c, has);

    if (fitting == MISFIT || (fitting == NARROW && (!s->o.evolve || c->key)))
        return misfit(st, c, has, e);
    snprintf(c->name, sizeof c->name, "%.63s", has->name);
    if (fitting == NARROW) {
        dialect_put_alter(&st->text, s->d, target(st), c, false);
        end_step(st);
    }
    if (!has->not_null || !c->nullable)
        return ERR_OK;
    if (s->d->relax == NULL || !s->o.evolve)
        return err_set(
            e, ERR_INVALID,
            "column %s.%s is NOT NULL, the schema's field may be null: alter "
            "it by hand",
            target(st), has->name);
    dialect_put_alter(&st->text, s->d, target(st), c, true);
    end_step(st);
    return ERR_OK;
}

/* A column the schema has not any more: rows without it must be allowed.  Its type is
 * not ours to write down again, so only where that is not asked for. */
static void release_others(struct steps *st, const struct table *t,
                           const struct there *has)
{
    const struct dialect *d = st->s->d;

    if (d->relax == NULL || strstr(d->relax, "{t}") != NULL)
        return;
    for (size_t i = 0; i < has->n; i++) {
        bool used = false;
        for (size_t k = 0; k < t->n; k++)
            used |= strcmp(t->columns[k].name, has->columns[i].name) == 0;
        if (used || !has->columns[i].not_null)
            continue;
        struct column c = {.nullable = true};
        snprintf(c.name, sizeof c.name, "%.63s", has->columns[i].name);
        dialect_put_alter(&st->text, d, target(st), &c, true);
        end_step(st);
    }
}

static enum err_kind fit(struct steps *st, struct table *t, const struct there *has,
                         struct err *e)
{
    struct odbc_sink *s = st->s;

    for (size_t i = 0; i < t->n; i++) {
        const struct odbc_column *h = find(t->columns[i].name, has);
        bool spans = is_history(s, st->w) && i >= t->n - HISTORY_COLUMNS;
        if (h != NULL) {
            TRY(fit_column(st, &t->columns[i], h, e));
        } else if (spans) { // of the rows that are there nobody knows since when
            return err_set(e, ERR_INVALID,
                           "table %s has no column %s, which a history needs: "
                           "valid_from, valid_to and is_current",
                           target(st), t->columns[i].name);
        } else if (s->o.evolve) {
            dialect_put_add(&st->text, s->d, target(st), &t->columns[i]);
            end_step(st);
        } else {
            return err_set(e, ERR_INVALID,
                           "table %s has no column %s (and evolve is off)", target(st),
                           t->columns[i].name);
        }
    }
    if (s->o.evolve)
        release_others(st, t, has);
    return ERR_OK;
}

static void fold(struct column *c)
{
    for (char *p = c->name; *p != '\0'; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
}

static enum err_kind check_names(const struct dialect *d, const struct table *t,
                                 struct err *e)
{
    for (size_t i = 0; d->case_blind && i < t->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(t->columns[i].name, t->columns[k].name) == 0)
                return err_set(e, ERR_INVALID,
                               "two fields want the column %s: %s does not tell upper "
                               "case from lower",
                               t->columns[i].name, d->name);
    return ERR_OK;
}

static void put_indexes(struct steps *st, const struct table *all)
{
    struct table t = *all;

    t.n -= own_columns(st->s, st->w);
    for (size_t i = 0; dialect_put_index(&st->text, st->s->d, i, &t, st->s->o.table);
         i++)
        end_step(st);
}

static enum err_kind plan(struct steps *st, struct table *t, const struct there *has,
                          struct err *e)
{
    struct odbc_sink *s = st->s;

    for (size_t i = 0; s->d->upper && i < t->n; i++)
        fold(&t->columns[i]);
    TRY(check_names(s->d, t, e));
    if (has->is) {
        TRY(fit(st, t, has, e));
    } else {
        dialect_put_create(&st->text, s->d, t, target(st), !is_history(s, st->w));
        end_step(st);
        if (is_history(s, st->w))
            put_indexes(st, t);
    }
    return buf_status(&st->text, e);
}

/* The columns' forms and keys are the Postgres sink's; the words are the dialect's. */
static enum err_kind make_table(const struct steps *st, struct av_schema *reader,
                                struct table *t, struct err *e)
{
    const struct table_keys *keys = is_aside(st->s, st->w) ? NULL : &st->s->o.keys;
    struct buf ddl = BUF_INIT(4 << 20);
    enum err_kind rc = table_plan(t, reader, NULL, 0, "", true, keys, &ddl, e);

    buf_free(&ddl);
    TRY(rc);
    for (size_t i = 0; i < t->n; i++) {
        if (t->columns[i].item == NULL)
            continue;
        t->columns[i].item = NULL; // an SQL array, which ODBC has no parameters for
        t->columns[i].form = FORM_JSONB;
    }
    if (is_aside(st->s, st->w))
        rc = table_append(t, quarantine_columns, QUARANTINE_EXTRA, "the quarantine", e);
    else if (is_history(st->s, st->w))
        rc = table_append(t, history_columns, HISTORY_COLUMNS, "a history", e);
    if (rc != ERR_OK)
        table_free(t);
    return rc;
}

/* --- doing it --------------------------------------------------------------------- */

static enum err_kind run_steps(struct steps *st, struct err *e)
{
    struct odbc_sink *s = st->s;
    struct span rest = buf_span(&st->text);

    while (rest.n > 0) {
        const char *step = (const char *)rest.p;
        log_event(LOG_INFO, "table altered", LOG_S("table", target(st)),
                  LOG_S("statement", step), LOG_END);
        TRY(odbc_run(&s->db, step, NULL, e));
        rest = span_skip(rest, strlen(step) + 1);
    }
    return ERR_OK;
}

static size_t per_statement(const struct odbc_sink *s, size_t columns)
{
    size_t most = s->d->rows_most > 1 ? s->d->params_most / columns : SIZE_MAX;

    if (s->d->rows_most > 1 && most > s->d->rows_most)
        most = s->d->rows_most;
    if (most > (size_t)s->o.array)
        most = (size_t)s->o.array;
    return most == 0 ? 1 : most;
}

static void put_text(struct buf *to)
{
    buf_put_u8(to, 0);
}

/* How rows get into a table, and with `mode` APPLY_APPEND they only get into it. */
static void compose_way(struct odbc_sink *s, struct odbc_way *w, enum apply_mode mode)
{
    bool staged = mode != APPLY_APPEND || s->d->via_stage;
    struct table t = odbc_way_all(w);

    w->stage[0] = '\0';
    if (staged)
        snprintf(w->stage, sizeof w->stage, "%savrogate_stage_%u", s->d->stage_prefix,
                 ++s->stages);
    w->stage_of = 0;
    w->extra = staged ? stage_extra(mode) : 0;
    bound_use(&w->bound, &t, w->extra);
    w->per = per_statement(s, w->bound.n);
    buf_reset(&w->insert);
    dialect_put_insert(&w->insert, s->d, &t, staged ? w->stage : name_of(w), w->extra,
                       s->d->rows_most == 1 ? 1 : w->per);
    put_text(&w->insert);
    buf_reset(&w->make);
    buf_reset(&w->apply);
    if (!staged)
        return;
    dialect_put_stage(&w->make, s->d, mode, &t, w->stage);
    put_text(&w->make);
    if (mode == APPLY_HISTORY)
        dialect_put_begun(&w->apply, s->d, &t, name_of(w), w->stage);
    else
        s->d->put_apply(&w->apply, s->d, mode, &t, name_of(w), w->stage);
    put_text(&w->apply);
}

static void compose(struct odbc_sink *s)
{
    struct odbc_way *w = &s->to;

    compose_way(s, w, s->o.mode);
    s->rows.extra = (uint16_t)w->extra;
    buf_reset(&s->spans);
    buf_reset(&s->remove);
    buf_reset(&s->count);
    if (s->o.mode == APPLY_APPEND)
        return;
    dialect_put_count(&s->count, s->d, s->o.mode, &w->table, name_of(w), w->stage);
    put_text(&s->count);
    if (s->o.mode == APPLY_HISTORY) {
        dialect_put_spans(&s->spans, s->d, &w->table, name_of(w), w->stage);
        put_text(&s->spans);
        s->d->put_close(&s->remove, s->d, &w->table, name_of(w), w->stage);
        put_text(&s->remove);
    }
    if (s->o.mode != APPLY_MIRROR || s->d->put_delete == NULL)
        return;
    s->d->put_delete(&s->remove, s->d, &w->table, name_of(w), w->stage);
    put_text(&s->remove);
}

/* Of the columns of ours `bound` are handed over, the others are the statements'. */
static void adopt_way(struct odbc_sink *s, struct odbc_way *w, const struct table *t,
                      size_t bound)
{
    if (w->table.n > 0)
        table_free(&w->table);
    w->table = *t;
    w->table.n -= own_columns(s, w);
    w->own = bound;
}

static void adopt(struct odbc_sink *s, const struct table *t)
{
    adopt_way(s, &s->to, t, 0);
    s->stale = false;
    rows_use(&s->rows, &s->to.table);
    deletion_use(&s->deletion, &s->to.table);
    compose(s);
}

static void adopt_aside(struct odbc_sink *s, const struct table *t)
{
    adopt_way(s, &s->aside, t, QUARANTINE_EXTRA);
    compose_way(s, &s->aside, APPLY_APPEND);
    // the columns of ours come behind a decoded row, and then what a stage has
    s->aside_rows.extra = (uint16_t)(QUARANTINE_EXTRA + s->aside.extra);
    rows_use(&s->aside_rows, &s->aside.table);
}

static enum err_kind need_stage(struct odbc_sink *s, struct odbc_way *w, struct err *e)
{
    TRY(odbc_connect(&s->db, e));
    if (w->stage[0] == '\0' || w->stage_of == s->db.made)
        return ERR_OK;
    TRY(odbc_run(&s->db, (const char *)w->make.p, NULL, e));
    w->stage_of = s->db.made;
    return ERR_OK;
}

enum err_kind odbc_need_stages(struct odbc_sink *s, struct err *e)
{
    TRY(need_stage(s, &s->to, e));
    return need_stage(s, &s->aside, e);
}

enum err_kind odbc_work_out(struct odbc_sink *s, struct err *e)
{
    return s->spans.n > 0 ? odbc_run(&s->db, (const char *)s->spans.p, NULL, e)
                          : ERR_OK;
}

enum err_kind odbc_apply_stage(struct odbc_sink *s, struct err *e)
{
    if (s->remove.n > 0)
        TRY(odbc_run(&s->db, (const char *)s->remove.p, NULL, e));
    return odbc_run(&s->db, (const char *)s->to.apply.p, NULL, e);
}

/* The database is asked whether it would merge: it knows its indexes. */
static enum err_kind try_apply(struct odbc_sink *s, struct err *e)
{
    if (s->to.stage[0] == '\0')
        return ERR_OK;
    TRY(need_stage(s, &s->to, e));
    if (odbc_work_out(s, e) == ERR_OK && odbc_apply_stage(s, e) == ERR_OK)
        return ERR_OK;
    return err_prefix(e, "%s cannot be merged into", name_of(&s->to));
}

static enum err_kind work(struct steps *st, struct table *t, struct err *e)
{
    struct odbc_sink *s = st->s;
    struct there has;

    TRY(look(s, st->w, &has, e));
    enum err_kind rc = plan(st, t, &has, e);
    free(has.columns);
    TRY(rc);
    if (st->text.n > 0 && !has.is && !s->o.evolve)
        return err_set(e, ERR_NOT_FOUND, "table %s does not exist (and evolve is off)",
                       target(st));
    return run_steps(st, e);
}

/* Of two instances that find no table one makes it: the other looks again. */
static enum err_kind work_twice(struct odbc_sink *s, struct odbc_way *w,
                                struct av_schema *reader, struct table *t,
                                struct err *e)
{
    struct steps st = {s, w, BUF_INIT(4 << 20)};
    struct err first = {0};
    enum err_kind rc = ERR_OK;

    TRY(make_table(&st, reader, t, e));
    if (work(&st, t, &first) != ERR_OK) {
        table_free(t);
        rc = first.kind == ERR_UNAVAILABLE ? ERR_UNAVAILABLE
                                           : make_table(&st, reader, t, e);
        if (rc == ERR_UNAVAILABLE)
            *e = first;
        buf_reset(&st.text);
        if (rc == ERR_OK && work(&st, t, e) != ERR_OK) {
            table_free(t);
            rc = e->kind;
        }
    }
    buf_free(&st.text);
    return rc;
}

static enum err_kind shape_both(struct odbc_sink *s, struct av_schema *reader,
                                struct err *e)
{
    struct table t;

    TRY(work_twice(s, &s->to, reader, &t, e));
    adopt(s, &t);
    TRY(try_apply(s, e));
    if (!odbc_has_aside(s))
        return ERR_OK;
    TRY(work_twice(s, &s->aside, reader, &t, e));
    adopt_aside(s, &t);
    return ERR_OK;
}

enum err_kind odbc_sink_shape(struct sink *sink, struct av_schema *reader,
                              struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    TRY(odbc_connect(&s->db, e));
    odbc_rollback(&s->db);
    enum err_kind rc = shape_both(s, reader, e);
    if (rc == ERR_INVALID || rc == ERR_INTERNAL) // the table, not a record, is to blame
        e->kind = rc = ERR_NOT_FOUND;
    if (rc != ERR_OK)
        s->stale = s->to.table.n > 0;
    return rc;
}

/* --- the plan --------------------------------------------------------------------- */

static void put_comment(struct buf *out, const char *what, const struct buf *sql)
{
    if (sql->n > 1)
        buf_printf(out, "-- %s: %s\n", what, (const char *)sql->p);
}

/* The table as it would be, and the statements that make it so. */
static enum err_kind plan_way(struct odbc_sink *s, struct odbc_way *w,
                              struct av_schema *reader, struct table *t,
                              struct buf *ddl, struct err *e)
{
    struct steps st = {s, w, BUF_INIT(4 << 20)};
    struct there has;

    TRY(make_table(&st, reader, t, e));
    enum err_kind rc = look(s, w, &has, e);
    if (rc == ERR_OK) {
        rc = plan(&st, t, &has, e);
        free(has.columns);
    }
    for (struct span rest = buf_span(&st.text); rc == ERR_OK && rest.n > 0;
         rest = span_skip(rest, strlen((const char *)rest.p) + 1))
        buf_printf(ddl, "%s;\n", (const char *)rest.p);
    if (rc != ERR_OK)
        table_free(t);
    buf_free(&st.text);
    return rc;
}

enum err_kind odbc_sink_plan(struct sink *sink, struct av_schema *reader,
                             struct buf *ddl, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct table t;

    s->o.evolve = true; // what it would take, whoever may do it
    s->o.array = 1;
    TRY(odbc_connect(&s->db, e));
    TRY(plan_way(s, &s->to, reader, &t, ddl, e));
    adopt(s, &t);
    if (odbc_has_aside(s)) {
        TRY(plan_way(s, &s->aside, reader, &t, ddl, e));
        adopt_aside(s, &t);
    }
    put_comment(ddl, "stage", &s->to.make);
    put_comment(ddl, "rows", &s->to.insert);
    put_comment(ddl, "changes", &s->spans);
    put_comment(ddl, s->o.mode == APPLY_HISTORY ? "ends" : "tombstones", &s->remove);
    put_comment(ddl, "apply", &s->to.apply);
    put_comment(ddl, "quarantine", &s->aside.insert);
    return ERR_OK;
}

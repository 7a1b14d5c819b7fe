/* A history's statements: what changes, what ends, what begins. */
#include "loaders/dialect_inside.h"

#include <stdio.h>

#define FROM_AT "avrogate_from"
#define TO_AT "avrogate_to"
#define ENDS "avrogate_ends"

/* --- the stage -------------------------------------------------------------------- */

void dialect_put_stage_spans(struct buf *sql, const struct dialect *d)
{
    const char *instant = d->types[KIND_INSTANT].sql, *flag = d->types[KIND_INT].sql;

    buf_printf(sql, ", " FROM_AT " %s, " TO_AT " %s, " ENDS " %s", instant, instant,
               flag);
}

void dialect_put_spans_count(struct buf *sql, const char *stage)
{
    buf_printf(sql,
               "SELECT COUNT(*), 0, COUNT(CASE WHEN s." STAGE_OP
               " = 2 THEN 1 END) FROM %s s WHERE s." STAGE_OP " >= 2",
               stage);
}

/* --- what changes ----------------------------------------------------------------- */

static void put_window(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *of)
{
    buf_put_str(sql, " OVER (PARTITION BY ");
    dialect_put_columns(sql, d, t, of, true);
    buf_printf(sql, " ORDER BY %s" STAGE_SEQ, of);
}

/* JOIN the keys that the batch has. */
static void put_touched(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *stage)
{
    bool first = true;

    buf_put_str(sql, " JOIN (SELECT DISTINCT ");
    for (size_t i = 0; i < t->n; i++) {
        if (!t->columns[i].key)
            continue;
        buf_put_str(sql, first ? "" : ", ");
        dialect_put_staged(sql, d, &t->columns[i]);
        buf_put_str(sql, " AS ");
        dialect_put_column(sql, d, &t->columns[i]);
        first = false;
    }
    buf_printf(sql, " FROM %s s) s ON ", stage);
    dialect_put_same_key(sql, d, t);
}

/* The row that holds now (seq -1), with a line's columns named. */
static void put_present(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *quoted, const char *stage)
{
    buf_put_str(sql, "SELECT ");
    dialect_put_columns(sql, d, t, "t.", false);
    buf_printf(sql,
               ", -1 AS " STAGE_SEQ ", 0 AS " STAGE_OP ", t.valid_from AS " STAGE_AT
               " FROM %s t",
               quoted);
    put_touched(sql, d, t, stage);
    buf_printf(sql, " WHERE t.is_current = %s", d->yes);
}

/* The batch. */
static void put_records(struct buf *sql, const struct dialect *d, const struct table *t,
                        const char *stage)
{
    const char *at = d->types[KIND_INSTANT].from_stage;

    buf_put_str(sql, "SELECT ");
    for (size_t i = 0; i < t->n; i++) {
        dialect_put_staged(sql, d, &t->columns[i]);
        buf_put_str(sql, ", ");
    }
    buf_put_str(sql, "s." STAGE_SEQ ", s." STAGE_OP ", ");
    dialect_put(sql, at == NULL ? "{c}" : at,
                (const char *[]){"c", "s." STAGE_AT, NULL});
    buf_printf(sql, " FROM %s s", stage);
}

/* Where a key's last span ended (seq -2: time does not go back behind a deletion). */
static void put_past(struct buf *sql, const struct dialect *d, const struct table *t,
                     const char *quoted, const char *stage)
{
    buf_put_str(sql, "SELECT ");
    for (size_t i = 0; i < t->n; i++) {
        const struct column *c = &t->columns[i];
        buf_put_str(sql, c->key ? "t." : "CAST(NULL AS ");
        if (c->key)
            dialect_put_column(sql, d, c);
        else
            dialect_put_type(sql, d, c);
        buf_put_str(sql, c->key ? ", " : "), ");
    }
    buf_printf(sql, "-2, 1, MAX(t.valid_to) FROM %s t", quoted);
    put_touched(sql, d, t, stage);
    buf_printf(sql, " WHERE t.is_current = %s GROUP BY ", d->no);
    dialect_put_columns(sql, d, t, "t.", true);
}

/* l."a", or what is equal where its value is. */
static void put_same(struct buf *sql, const struct dialect *d, const struct column *c)
{
    const char *same = dialect_type_of(d, c)->same;
    struct buf name = BUF_INIT(500);

    buf_put_str(&name, "l.");
    dialect_put_column(&name, d, c);
    buf_put_u8(&name, 0);
    dialect_put_typed(sql, c, same == NULL ? "{c}" : same, (const char *)name.p);
    buf_free(&name);
}

static void put_before(struct buf *sql, const struct dialect *d, const struct table *t,
                       const struct column *c)
{
    buf_put_str(sql, "LAG(");
    put_same(sql, d, c);
    buf_put_u8(sql, ')');
    put_window(sql, d, t, "l.");
    buf_put_u8(sql, ')');
}

/* 0 where all columns are what they were in the line before. */
static void put_differs(struct buf *sql, const struct dialect *d, const struct table *t)
{
    buf_put_str(sql, "CASE WHEN 1 = 1");
    for (size_t i = 0; i < t->n; i++) {
        const struct column *c = &t->columns[i];
        if (c->key)
            continue;
        buf_put_str(sql, " AND (");
        put_same(sql, d, c);
        buf_put_str(sql, " = ");
        put_before(sql, d, t, c);
        buf_put_str(sql, " OR (l.");
        dialect_put_column(sql, d, c);
        buf_put_str(sql, " IS NULL AND ");
        put_before(sql, d, t, c);
        buf_put_str(sql, " IS NULL))");
    }
    buf_put_str(sql, " THEN 0 ELSE 1 END");
}

/* One line for a key: the past, the present and the batch, each with what was before.
 */
static void put_told(struct buf *sql, const struct dialect *d, const struct table *t,
                     const char *quoted, const char *stage)
{
    buf_put_str(sql, "SELECT ");
    dialect_put_columns(sql, d, t, "l.", true);
    buf_put_str(sql, ", l." STAGE_SEQ ", l." STAGE_OP ", l." STAGE_AT
                     ", LAG(l." STAGE_OP ")");
    put_window(sql, d, t, "l.");
    buf_put_str(sql, ") AS avrogate_was, ");
    put_differs(sql, d, t);
    buf_put_str(sql, " AS avrogate_differs FROM (");
    put_present(sql, d, t, quoted, stage);
    buf_put_str(sql, " UNION ALL ");
    put_records(sql, d, t, stage);
    buf_put_str(sql, " UNION ALL ");
    put_past(sql, d, t, quoted, stage);
    buf_put_str(sql, ") l");
}

/* What is news, each from when it holds: never before what was so until then. */
static void put_news(struct buf *sql, const struct dialect *d, const struct table *t,
                     const char *quoted, const char *stage)
{
    buf_put_str(sql, "SELECT ");
    dialect_put_columns(sql, d, t, "x.", true);
    buf_put_str(sql, ", x." STAGE_SEQ ", x." STAGE_OP ", MAX(x." STAGE_AT ")");
    put_window(sql, d, t, "x.");
    buf_put_str(sql, " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS " FROM_AT
                     " FROM (");
    put_told(sql, d, t, quoted, stage);
    buf_put_str(sql, ") x WHERE x." STAGE_SEQ " < 0 OR (x." STAGE_OP
                     " = 1 AND x.avrogate_was = 0) OR (x." STAGE_OP
                     " = 0 AND (x.avrogate_was IS NULL OR x.avrogate_was = 1 OR "
                     "x.avrogate_differs = 1))");
}

void dialect_put_spans(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage)
{
    buf_printf(sql,
               "INSERT INTO %s (" STAGE_SEQ ", " STAGE_OP ", " FROM_AT ", " TO_AT
               ", " ENDS ") SELECT z." STAGE_SEQ ", z." STAGE_OP " + 2, z." FROM_AT
               ", z." TO_AT ", CASE WHEN z.avrogate_before = -1 THEN 1 ELSE 0 END FROM "
               "(SELECT y." STAGE_SEQ ", y." STAGE_OP ", y." FROM_AT ", LEAD(y." FROM_AT
               ")",
               stage);
    put_window(sql, d, t, "y.");
    buf_put_str(sql, ") AS " TO_AT ", LAG(y." STAGE_SEQ ")");
    put_window(sql, d, t, "y.");
    buf_put_str(sql, ") AS avrogate_before FROM (");
    put_news(sql, d, t, quoted, stage);
    buf_put_str(sql, ") y) z WHERE z." STAGE_SEQ " >= 0");
}

/* --- what ends, and what begins --------------------------------------------------- */

/* The stage's records, each with what was worked out of it: a window, for a join of two
 * tables that no planner has looked at may be anything. */
static void put_worked_out(struct buf *sql, const char *stage)
{
    static const char *const columns[][2] = {{STAGE_OP, "avrogate_does"},
                                             {FROM_AT, "avrogate_since"},
                                             {TO_AT, "avrogate_until"},
                                             {ENDS, "avrogate_over"}};

    buf_put_str(sql, "(SELECT s.*");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        buf_printf(sql,
                   ", LEAD(s.%s) OVER (PARTITION BY s." STAGE_SEQ
                   " ORDER BY s." STAGE_OP ") AS %s",
                   columns[i][0], columns[i][1]);
    buf_printf(sql, " FROM %s s) s", stage);
}

/* The keys whose row holds no more, and since when. */
static void put_ended(struct buf *sql, const struct dialect *d, const struct table *t,
                      const char *stage)
{
    buf_put_str(sql, "(SELECT ");
    for (size_t i = 0; i < t->n; i++) {
        if (!t->columns[i].key)
            continue;
        dialect_put_staged(sql, d, &t->columns[i]);
        buf_put_str(sql, " AS ");
        dialect_put_column(sql, d, &t->columns[i]);
        buf_put_str(sql, ", ");
    }
    buf_put_str(sql, "s.avrogate_since AS avrogate_since FROM ");
    put_worked_out(sql, stage);
    buf_put_str(sql, " WHERE s.avrogate_over = 1)");
}

static void put_end(struct buf *sql, const struct dialect *d)
{
    buf_printf(sql, "SET valid_to = s.avrogate_since, is_current = %s", d->no);
}

void dialect_conflict_close(struct buf *sql, const struct dialect *d,
                            const struct table *t, const char *quoted,
                            const char *stage)
{
    buf_printf(sql, "UPDATE %s AS t ", quoted);
    put_end(sql, d);
    buf_put_str(sql, " FROM ");
    put_ended(sql, d, t, stage);
    buf_printf(sql, " AS s WHERE t.is_current = %s AND ", d->yes);
    dialect_put_same_key(sql, d, t);
}

void dialect_merge_close(struct buf *sql, const struct dialect *d,
                         const struct table *t, const char *quoted, const char *stage)
{
    buf_printf(sql, "MERGE INTO %s%s AS t USING ", quoted, d->merge_hint);
    put_ended(sql, d, t, stage);
    buf_printf(sql, " AS s ON (t.is_current = %s AND ", d->yes);
    dialect_put_same_key(sql, d, t);
    buf_put_str(sql, ") WHEN MATCHED THEN UPDATE ");
    put_end(sql, d);
    buf_put_str(sql, d->merge_end);
}

void dialect_put_begun(struct buf *sql, const struct dialect *d, const struct table *t,
                       const char *quoted, const char *stage)
{
    buf_printf(sql, "INSERT INTO %s (", quoted);
    dialect_put_columns(sql, d, t, "", false);
    buf_put_str(sql, ", valid_from, valid_to, is_current) SELECT ");
    for (size_t i = 0; i < t->n; i++) {
        dialect_put_staged(sql, d, &t->columns[i]);
        buf_put_str(sql, ", ");
    }
    buf_printf(sql,
               "s.avrogate_since, s.avrogate_until, CASE WHEN s.avrogate_until IS NULL "
               "THEN %s ELSE %s END FROM ",
               d->yes, d->no);
    put_worked_out(sql, stage);
    buf_put_str(sql, " WHERE s." STAGE_OP " = 0 AND s.avrogate_does = 2");
}

/* --- its indexes ------------------------------------------------------------------ */

static const char *word(struct arena *a, struct buf *sql)
{
    const char *out = arena_str(a, buf_span(sql));

    buf_reset(sql);
    return out;
}

bool dialect_put_index(struct buf *sql, const struct dialect *d, size_t i,
                       const struct table *t, const char *table)
{
    static const char *const kinds[] = {"current", "past"};
    const char *dot = strrchr(table, '.'), *last = dot == NULL ? table : dot + 1;
    struct buf scratch = BUF_INIT(1 << 16);
    struct arena a = {0};
    struct err never = {0}; // the table's name was taken before

    if (i >= sizeof d->index / sizeof d->index[0] || d->index[i] == NULL)
        return false;
    (void)!dialect_put_table(&scratch, d, table, &never);
    const char *both = word(&a, &scratch);
    (void)!dialect_put_table(&scratch, d, last, &never);
    const char *name = word(&a, &scratch);
    const char *prefix = arena_str(&a, span_of(both, strlen(both) - strlen(name)));
    buf_printf(&scratch, "%.110s_%s", last, kinds[i]);
    const char *plain = word(&a, &scratch);
    dialect_put_name(&scratch, d, span_str(plain));
    const char *index = word(&a, &scratch);
    dialect_put_columns(&scratch, d, t, "", true);
    dialect_put(sql, d->index[i],
                (const char *[]){"i", index, "p", prefix, "n", name, "t", both, "k",
                                 word(&a, &scratch), NULL});
    arena_free(&a);
    buf_free(&scratch);
    return true;
}

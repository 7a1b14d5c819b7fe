/*
 * Quality rules: the quarantine, their counts, and what `unique` remembers; all in the
 * batch's transaction.
 */
#include "loaders/sink_postgres_inside.h"

#include "loaders/etl_field.h"
#include "loaders/quarantine.h"
#include "loaders/rule_result.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- the quarantine --------------------------------------------------------------- */

enum err_kind postgres_put_aside(struct postgres *p, const struct batch *b,
                                 const struct record *rec, const struct sifted *got,
                                 struct err *e)
{
    TRY(quarantine_put(&p->aside_rows, b, rec, got, p->run.id, e));
    p->aside++;
    return ERR_OK;
}

static enum err_kind copy_all(struct postgres *p, const char *copy, struct span rows,
                              struct err *e)
{
    TRY(pg_copy_begin(&p->pg, copy, e));
    TRY(pg_copy_put(&p->pg, copy_head, e));
    TRY(pg_copy_put(&p->pg, rows, e));
    TRY(pg_copy_put(&p->pg, copy_end, e));
    return pg_copy_end(&p->pg, e);
}

enum err_kind postgres_write_aside(struct postgres *p, struct err *e)
{
    if (p->aside == 0)
        return ERR_OK;
    enum err_kind rc =
        copy_all(p, (const char *)p->aside_copy.p, buf_span(&p->aside_rows.out), e);
    if (rc != ERR_INVALID)
        return rc;
    e->kind = ERR_NOT_FOUND; // the table is to blame: there is nowhere else to go
    return err_prefix(e, "quarantine %s", (const char *)p->aside_quoted.p);
}

/* --- what unique remembers -------------------------------------------------------- */

static enum err_kind recall_row(struct quality *q, const struct batch *b,
                                const char *rule, const char *keys, struct err *e)
{
    size_t n = 0;
    unsigned char *noted = PQunescapeBytea((const unsigned char *)keys, &n);

    if (noted == NULL)
        return err_set(e, ERR_INTERNAL, "etl_rule_seen holds no bytes");
    enum err_kind rc =
        quality_recall_named(q, b->partition, rule, span_of(noted, n), e);
    PQfreemem(noted);
    return rc == ERR_INVALID ? (e->kind = ERR_INTERNAL) : rc;
}

static enum err_kind recall(struct postgres *p, const struct batch *b, struct err *e)
{
    PGresult *rows = NULL;
    enum err_kind rc = ERR_OK;
    const char *text;

    buf_reset(&p->sql);
    buf_put_str(&p->sql, "SELECT rule, keys FROM etl_rule_seen WHERE");
    postgres_put_where(&p->sql, p, b->topic, b->partition);
    buf_printf(&p->sql,
               " AND generation = %" PRId32 " AND last_offset < %" PRId64
               " ORDER BY first_offset",
               b->generation, b->first);
    TRY(postgres_text(&p->sql, &text, e));
    TRY(pg_ask(&p->pg, &rows, text, e));
    quality_stand(p->o.quality, b->partition, b->generation, b->first);
    for (int i = 0; i < PQntuples(rows) && rc == ERR_OK; i++)
        rc = recall_row(p->o.quality, b, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1),
                        e);
    PQclear(rows);
    if (rc != ERR_OK) // half of it is none
        quality_stand(p->o.quality, b->partition, b->generation, -1);
    return rc;
}

enum err_kind postgres_begin_rules(struct postgres *p, const struct batch *b,
                                   struct sift *sift, struct err *e)
{
    struct quality *q = p->o.quality;

    if (q == NULL)
        return ERR_OK;
    rows_reset(&p->aside_rows);
    p->aside = 0;
    quality_zero(q, p->counts);
    sift_count(sift, p->counts);
    if (!quality_remembers(q) ||
        quality_stands(q, b->partition, b->generation, b->first)) {
        quality_undo(q, b->partition, b->first);
        return ERR_OK;
    }
    return recall(p, b, e);
}

static const char seen_copy[] =
    "COPY etl_rule_seen (pipeline, topic, part, generation, rule, first_offset, "
    "last_offset, keys) FROM STDIN (FORMAT binary)";

static void put_noted(struct buf *out, const struct postgres *p, const struct batch *b,
                      size_t rule)
{
    struct err never = {0};
    size_t begin = out->n;

    copy_row(out, 8);
    etl_field_text(out, span_str(p->o.job));
    etl_field_text(out, span_str(b->topic));
    (void)!copy_int4(out, b->partition, &never);
    (void)!copy_int4(out, b->generation, &never);
    etl_field_text(out, span_str(quality_rule(p->o.quality, rule)->name));
    copy_int8(out, b->first);
    copy_int8(out, b->next - 1);
    size_t at = copy_open(out), empty = out->n;
    quality_noted(p->o.quality, b->partition, rule, out);
    if (out->n == empty)
        buf_cut(out, begin);
    else
        copy_close(out, at);
}

enum err_kind postgres_write_noted(struct postgres *p, const struct batch *b,
                                   struct err *e)
{
    struct buf out = BUF_INIT((size_t)1 << 30);

    for (size_t i = 0; i < quality_rules(p->o.quality); i++)
        if (quality_rule(p->o.quality, i)->remembers)
            put_noted(&out, p, b, i);
    enum err_kind rc = buf_status(&out, e);
    if (rc == ERR_OK && out.n > 0)
        rc = copy_all(p, seen_copy, buf_span(&out), e);
    buf_free(&out);
    return rc == ERR_INVALID || rc == ERR_LIMIT ? (e->kind = ERR_INTERNAL) : rc;
}

/* --- the last statements ---------------------------------------------------------- */

static void put_forgotten(struct buf *sql, const struct postgres *p,
                          const struct batch *b, const struct quality_rule *rule)
{
    buf_put_str(sql, "DELETE FROM etl_rule_seen WHERE");
    postgres_put_where(sql, p, b->topic, b->partition);
    buf_put_str(sql, " AND rule = ");
    etl_put_text(sql, rule->name);
    buf_printf(sql, " AND (generation < %" PRId32 " OR last_offset < %" PRId64 ");\n",
               b->generation, b->next - rule->last);
}

void postgres_put_rules(struct buf *sql, struct postgres *p, const struct batch *b)
{
    struct quality *q = p->o.quality;
    size_t n = 0, all = quality_rules(q);

    if (all == 0)
        return;
    struct rule_result *results = mem_array(all, sizeof *results);
    char(*last)[RULE_LAST] = mem_array(all, sizeof *last);
    for (size_t i = 0; i < all; i++) {
        const struct quality_rule *rule = quality_rule(q, i);
        if (rule->remembers)
            put_forgotten(sql, p, b, rule);
        if (!rule->of_run)
            rule_result_of(&results[n++], rule, &p->counts[i], b->topic, last[i]);
    }
    struct rule_origin o = {p->run.id, p->o.job, b->topic};
    rule_result_put(sql, &o, results, n, false, NULL);
    if (n > 0)
        buf_put_str(sql, ";\n");
    free(results);
    free(last);
}

void postgres_keep_rules(struct postgres *p, const struct batch *b, struct receipt *r)
{
    if (p->o.quality == NULL)
        return;
    quality_keep(p->o.quality, b->partition, b->next);
    r->rules = p->counts;
}

enum err_kind postgres_tell_rules(struct sink *s, const struct rule_result *results,
                                  size_t n, struct err *e)
{
    struct postgres *p = postgres_of(s);
    struct rule_origin o = {p->run.id, p->o.job, p->o.topic};
    const char *text;

    if (n == 0)
        return ERR_OK;
    buf_reset(&p->sql);
    rule_result_put(&p->sql, &o, results, n, true, NULL);
    TRY(postgres_text(&p->sql, &text, e));
    return pg_run(&p->pg, text, e);
}

/* --- its table -------------------------------------------------------------------- */

bool postgres_has_aside(const struct postgres *p)
{
    return quality_has(p->o.quality, QUALITY_QUARANTINE);
}

void postgres_adopt_aside(struct postgres *p, struct table *t)
{
    if (p->aside_table.n > 0)
        table_free(&p->aside_table);
    p->aside_table = *t;
    p->aside_rows.extra = QUARANTINE_EXTRA;
    rows_use(&p->aside_rows, &p->aside_table);
    buf_reset(&p->aside_copy);
    quarantine_put_copy(&p->aside_copy, &p->aside_table,
                        (const char *)p->aside_quoted.p);
    buf_put_u8(&p->aside_copy, 0);
}

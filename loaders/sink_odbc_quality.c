/*
 * Quality rules: the quarantine, their counts, and what `unique` remembers; all in the
 * batch's transaction.
 */
#include "loaders/sink_odbc_inside.h"

#include "loaders/etl_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NOTES_AT_ONCE 1000 // ranges of one answer

/* --- the quarantine --------------------------------------------------------------- */

bool odbc_has_aside(const struct odbc_sink *s)
{
    return quality_has(s->o.quality, QUALITY_QUARANTINE);
}

static void add_row(struct odbc_sink *s, size_t at)
{
    if (s->n_aside == s->cap_aside) {
        s->cap_aside = s->cap_aside == 0 ? 64 : s->cap_aside * 2;
        s->aside_index = mem_grow(s->aside_index, s->cap_aside, sizeof *s->aside_index);
    }
    s->aside_index[s->n_aside++] = (struct bound_row){.at = at};
}

enum err_kind odbc_put_aside(struct odbc_sink *s, const struct batch *b,
                             const struct record *rec, const struct sifted *got,
                             struct err *e)
{
    struct rows *rows = &s->aside_rows;
    size_t at = rows->out.n, column;

    TRY(quarantine_put(rows, b, rec, got, s->run.id, e));
    if (s->aside.extra > 0) // a stage's
        copy_int8(&rows->out, rec->offset);
    if (buf_status(&rows->out, e) == ERR_OK &&
        bound_check(&s->aside.bound, rows->out.p + at, &column, e) == ERR_OK) {
        add_row(s, at);
        return ERR_OK;
    }
    buf_cut(&rows->out, at);
    rows->out.over = false;
    return e->kind;
}

static enum err_kind insert_aside(struct odbc_sink *s, struct err *e)
{
    int64_t hint = -1;

    if (s->aside.stage[0] != '\0') {
        buf_reset(&s->sql);
        buf_printf(&s->sql, "DELETE FROM %s", s->aside.stage);
        TRY(odbc_run_buf(&s->db, &s->sql, NULL, e));
    }
    TRY(odbc_put_rows(s, &s->aside, s->aside_rows.out.p, s->aside_index, s->n_aside,
                      &hint, e));
    return s->aside.stage[0] == '\0'
               ? ERR_OK
               : odbc_run(&s->db, (const char *)s->aside.apply.p, NULL, e);
}

static enum err_kind write_aside(struct odbc_sink *s, struct err *e)
{
    if (s->n_aside == 0)
        return ERR_OK;
    enum err_kind rc = insert_aside(s, e);
    if (rc != ERR_INVALID)
        return rc;
    e->kind = ERR_NOT_FOUND; // the table is to blame: there is nowhere else to go
    return err_prefix(e, "quarantine %s", (const char *)s->aside.quoted.p);
}

/* --- what unique remembers -------------------------------------------------------- */

bool odbc_rules_remember(const struct odbc_sink *s)
{
    return quality_remembers(s->o.quality);
}

static void put_rule(struct buf *sql, const struct odbc_sink *s, const char *rule)
{
    buf_put_str(sql, " AND ");
    dialect_put_ledger_name(sql, s->d, "rule");
    buf_put_str(sql, " = ");
    dialect_put_text(sql, s->d, rule);
}

static enum err_kind ask_notes(struct odbc_sink *s, const struct batch *b,
                               const char *rule, int64_t from, struct odbc_answer *a,
                               struct err *e)
{
    char n[24];

    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT first_offset, ");
    dialect_put_ledger_name(&s->sql, s->d, "keys");
    buf_put_str(&s->sql, " FROM etl_rule_seen WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    buf_printf(&s->sql, " AND generation = %" PRId32, b->generation);
    put_rule(&s->sql, s, rule);
    buf_printf(&s->sql,
               " AND first_offset >= %" PRId64 " AND last_offset < %" PRId64
               " ORDER BY first_offset ",
               from, b->first);
    snprintf(n, sizeof n, "%d", NOTES_AT_ONCE);
    dialect_put(&s->sql, s->d->limit, (const char *[]){"n", n, NULL});
    return odbc_ask_buf(&s->db, &s->sql, a, e);
}

static enum err_kind recall_rule(struct odbc_sink *s, const struct batch *b,
                                 const char *rule, struct err *e)
{
    enum err_kind rc = ERR_OK;
    int64_t from = 0;
    size_t n = NOTES_AT_ONCE;

    while (rc == ERR_OK && n == NOTES_AT_ONCE) {
        struct odbc_answer a;
        TRY(ask_notes(s, b, rule, from, &a, e));
        for (size_t i = 0; i < a.rows && rc == ERR_OK; i++)
            rc = quality_recall_named(s->o.quality, b->partition, rule,
                                      odbc_bytes(&a, i, 1), e);
        n = a.rows;
        if (n > 0)
            from = strtoll(odbc_cell(&a, n - 1, 0), NULL, 10) + 1;
        odbc_answer_free(&a);
    }
    return rc == ERR_INVALID ? (e->kind = ERR_INTERNAL) : rc;
}

static enum err_kind recall(struct odbc_sink *s, const struct batch *b, struct err *e)
{
    struct quality *q = s->o.quality;
    enum err_kind rc = ERR_OK;

    quality_stand(q, b->partition, b->generation, b->first);
    for (size_t i = 0; i < quality_rules(q) && rc == ERR_OK; i++)
        if (quality_rule(q, i)->remembers)
            rc = recall_rule(s, b, quality_rule(q, i)->name, e);
    if (rc != ERR_OK) // half of it is none
        quality_stand(q, b->partition, b->generation, -1);
    return rc;
}

enum err_kind odbc_begin_rules(struct odbc_sink *s, const struct batch *b,
                               struct sift *sift, struct err *e)
{
    struct quality *q = s->o.quality;

    if (q == NULL)
        return ERR_OK;
    quality_zero(q, s->counts);
    sift_count(sift, s->counts);
    if (!quality_remembers(q) ||
        quality_stands(q, b->partition, b->generation, b->first)) {
        quality_undo(q, b->partition, b->first);
        return ERR_OK;
    }
    return recall(s, b, e);
}

static const struct ledger_column noted_columns[] = {
    {"pipeline", KIND_NAME, FORM_TEXT},    {"topic", KIND_NAME, FORM_TEXT},
    {"part", KIND_INT, FORM_INT4},         {"generation", KIND_INT, FORM_INT4},
    {"rule", KIND_NAME, FORM_TEXT},        {"first_offset", KIND_LONG, FORM_INT8},
    {"last_offset", KIND_LONG, FORM_INT8}, {"keys", KIND_BYTES, FORM_BYTEA},
};
#define NOTED_COLUMNS (sizeof noted_columns / sizeof noted_columns[0])

/* False when the rule noted nothing. */
static bool put_noted(struct buf *out, const struct odbc_sink *s, const struct batch *b,
                      size_t rule)
{
    struct err never = {0};
    size_t begin = out->n;

    copy_row(out, NOTED_COLUMNS);
    etl_field_text(out, span_str(s->o.job));
    etl_field_text(out, span_str(b->topic));
    (void)!copy_int4(out, b->partition, &never);
    (void)!copy_int4(out, b->generation, &never);
    etl_field_text(out, span_str(quality_rule(s->o.quality, rule)->name));
    copy_int8(out, b->first);
    copy_int8(out, b->next - 1);
    size_t at = copy_open(out), empty = out->n;
    quality_noted(s->o.quality, b->partition, rule, out);
    if (out->n == empty) {
        buf_cut(out, begin);
        return false;
    }
    copy_close(out, at);
    return true;
}

static enum err_kind write_noted(struct odbc_sink *s, const struct batch *b,
                                 struct err *e)
{
    struct buf out = BUF_INIT((size_t)1 << 30);
    struct bound_row index[QUALITY_RULES_MOST];
    enum err_kind rc = ERR_OK;
    size_t n = 0;

    for (size_t i = 0; i < quality_rules(s->o.quality); i++) {
        index[n] = (struct bound_row){.at = out.n};
        if (quality_rule(s->o.quality, i)->remembers)
            n += put_noted(&out, s, b, i);
    }
    if (n > 0)
        rc = odbc_put_ledger_rows(s, &s->noted_bound, "etl_rule_seen", noted_columns,
                                  NOTED_COLUMNS, &out, index, n, e);
    buf_free(&out);
    return rc;
}

/* What the rule looks back to no more. */
static enum err_kind forget(struct odbc_sink *s, const struct batch *b,
                            const struct quality_rule *rule, struct err *e)
{
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "DELETE FROM etl_rule_seen WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    put_rule(&s->sql, s, rule->name);
    buf_printf(&s->sql, " AND (generation < %" PRId32 " OR last_offset < %" PRId64 ")",
               b->generation, b->next - rule->last);
    return odbc_run_buf(&s->db, &s->sql, NULL, e);
}

/* --- their counts ----------------------------------------------------------------- */

static enum err_kind put_results(struct odbc_sink *s, const struct rule_origin *o,
                                 const struct rule_result *results, size_t n, bool set,
                                 struct err *e)
{
    if (n == 0)
        return ERR_OK;
    if (set || !s->ruled) {
        buf_reset(&s->sql);
        rule_result_put_once(&s->sql, s->d, o, results, n);
        TRY(odbc_run_buf(&s->db, &s->sql, NULL, e));
    }
    buf_reset(&s->sql);
    rule_result_put_change(&s->sql, s->d, o, results, n, set);
    return odbc_run_buf(&s->db, &s->sql, NULL, e);
}

static enum err_kind write_counts(struct odbc_sink *s, const struct batch *b,
                                  struct err *e)
{
    struct quality *q = s->o.quality;
    size_t n = 0, all = quality_rules(q);
    struct rule_result *results = mem_array(all, sizeof *results);
    char(*last)[RULE_LAST] = mem_array(all, sizeof *last);
    const struct rule_origin o = {s->run.id, s->o.job, b->topic};

    for (size_t i = 0; i < all; i++)
        if (!quality_rule(q, i)->of_run)
            rule_result_of(&results[n++], quality_rule(q, i), &s->counts[i], b->topic,
                           last[i]);
    enum err_kind rc = put_results(s, &o, results, n, false, e);
    free(results);
    free(last);
    return rc;
}

enum err_kind odbc_write_rules(struct odbc_sink *s, const struct batch *b,
                               struct err *e)
{
    const struct quality *q = s->o.quality;

    if (quality_rules(q) == 0)
        return ERR_OK;
    TRY(write_aside(s, e));
    for (size_t i = 0; i < quality_rules(q); i++)
        if (quality_rule(q, i)->remembers)
            TRY(forget(s, b, quality_rule(q, i), e));
    TRY(write_noted(s, b, e));
    enum err_kind rc = write_counts(s, b, e);
    return rc == ERR_INVALID ? (e->kind = ERR_INTERNAL) : rc;
}

void odbc_keep_rules(struct odbc_sink *s, const struct batch *b, struct receipt *r)
{
    if (s->o.quality == NULL)
        return;
    quality_keep(s->o.quality, b->partition, b->next);
    r->rules = s->counts;
    s->ruled = true;
}

enum err_kind odbc_tell_rules(struct sink *sink, const struct rule_result *results,
                              size_t n, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    const struct rule_origin o = {s->run.id, s->o.job, s->o.topic};

    TRY(odbc_connect(&s->db, e));
    return put_results(s, &o, results, n, true, e);
}

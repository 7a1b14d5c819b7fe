#include "loaders/merge.h"

#include "base/clock.h"
#include "loaders/copy.h"
#include "loaders/pg.h"

#include <stdio.h>

enum which { ALL, KEYS, OTHERS };

static bool is_of(const struct column *c, enum which which)
{
    return which == ALL || (which == KEYS) == c->key;
}

/* The columns' names, each with `before` in front and, if given, " = `other`name"
 * behind it. */
static void put_columns(struct buf *sql, const struct table *t, enum which which,
                        const char *between, const char *before, const char *other)
{
    bool first = true;

    for (size_t i = 0; i < t->n; i++) {
        struct span name = span_str(t->columns[i].name);
        if (!is_of(&t->columns[i], which))
            continue;
        buf_put_str(sql, first ? "" : between);
        buf_put_str(sql, before);
        pg_put_name(sql, name);
        if (other != NULL) {
            buf_put_str(sql, " = ");
            buf_put_str(sql, other);
            pg_put_name(sql, name);
        }
        first = false;
    }
}

static void put_list(struct buf *sql, const struct table *t, enum which which)
{
    put_columns(sql, t, which, ", ", "", NULL);
}

static bool has_others(const struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->columns[i].key)
            return true;
    return false;
}

void merge_put_stage(struct buf *sql, const struct table *t, const char *quoted,
                     const char *stage)
{
    buf_printf(sql,
               "CREATE TEMPORARY TABLE IF NOT EXISTS %s ON COMMIT DELETE ROWS AS "
               "SELECT ",
               stage);
    put_list(sql, t, ALL);
    buf_printf(sql,
               ", 0::bigint AS avrogate_seq, ''::text AS avrogate_op, "
               "now() AS avrogate_at FROM %s WITH NO DATA",
               quoted);
}

void merge_put_copy(struct buf *sql, const struct table *t, const char *stage)
{
    buf_printf(sql, "COPY %s (", stage);
    put_list(sql, t, ALL);
    buf_put_str(sql, ", avrogate_seq, avrogate_op, avrogate_at) FROM STDIN "
                     "(FORMAT binary)");
}

/* --- insert_ignore, upsert ---------------------------------------------------------
 */

static void put_insert_ignore(struct buf *sql, const struct table *t,
                              const char *quoted, const char *stage)
{
    buf_printf(sql, "WITH put AS (INSERT INTO %s (", quoted);
    put_list(sql, t, ALL);
    buf_put_str(sql, ") SELECT ");
    put_list(sql, t, ALL);
    buf_printf(sql, " FROM %s ORDER BY avrogate_seq ON CONFLICT (", stage);
    put_list(sql, t, KEYS);
    buf_put_str(sql, ") DO NOTHING RETURNING 1) SELECT count(*), count(*) FROM put");
}

static void put_update(struct buf *sql, const struct table *t)
{
    if (!has_others(t)) {
        buf_put_str(sql, "NOTHING");
        return;
    }
    buf_put_str(sql, "UPDATE SET ");
    put_columns(sql, t, OTHERS, ", ", "", "EXCLUDED.");
}

static void put_upsert(struct buf *sql, const struct table *t, const char *quoted,
                       const char *stage)
{
    buf_put_str(sql, "WITH last AS MATERIALIZED (SELECT DISTINCT ON (");
    put_list(sql, t, KEYS);
    buf_printf(sql, ") * FROM %s ORDER BY ", stage);
    put_list(sql, t, KEYS);
    buf_printf(sql,
               ", avrogate_seq DESC), gone AS (DELETE FROM %s t USING last l WHERE "
               "l.avrogate_op = 'd' AND ",
               quoted);
    put_columns(sql, t, KEYS, " AND ", "t.", "l.");
    buf_printf(sql, "), was AS (SELECT count(*) AS n FROM last l JOIN %s t ON ",
               quoted);
    put_columns(sql, t, KEYS, " AND ", "t.", "l.");
    buf_printf(sql, "), put AS (INSERT INTO %s (", quoted);
    put_list(sql, t, ALL);
    buf_put_str(sql, ") SELECT ");
    put_list(sql, t, ALL);
    buf_put_str(sql, " FROM last WHERE avrogate_op = 'u' ON CONFLICT (");
    put_list(sql, t, KEYS);
    buf_put_str(sql, ") DO ");
    put_update(sql, t);
    buf_put_str(sql, ") SELECT count(*), count(*) FILTER (WHERE avrogate_op = 'u') - "
                     "(SELECT n FROM was) FROM last");
}

/* --- history -----------------------------------------------------------------------
 */

/* What is compared to see whether anything changed: json has no equality of its own. */
static void put_row(struct buf *sql, const struct table *t)
{
    bool first = true;

    buf_put_str(sql, "ROW(");
    for (size_t i = 0; i < t->n; i++) {
        if (t->columns[i].key)
            continue;
        buf_put_str(sql, first ? "" : ", ");
        pg_put_name(sql, span_str(t->columns[i].name));
        if (t->columns[i].form == FORM_JSON)
            buf_put_str(sql, "::text");
        first = false;
    }
    buf_put_str(sql, ")");
}

static void put_window(struct buf *sql, const struct table *t)
{
    buf_put_str(sql, " WINDOW w AS (PARTITION BY ");
    put_list(sql, t, KEYS);
    buf_put_str(sql, " ORDER BY avrogate_seq)");
}

/* Where a key's last span ended (seq -2: time does not go back behind a deletion). */
static void put_past(struct buf *sql, const struct table *t, const char *quoted,
                     const char *stage)
{
    buf_put_str(sql, " UNION ALL SELECT ");
    for (size_t i = 0; i < t->n; i++) {
        buf_put_str(sql, t->columns[i].key ? "t." : "NULL, ");
        if (!t->columns[i].key)
            continue;
        pg_put_name(sql, span_str(t->columns[i].name));
        buf_put_str(sql, ", ");
    }
    buf_printf(sql, "-2, 'd', max(t.valid_to) FROM %s t JOIN (SELECT DISTINCT ",
               quoted);
    put_list(sql, t, KEYS);
    buf_printf(sql, " FROM %s) k ON ", stage);
    put_columns(sql, t, KEYS, " AND ", "t.", "k.");
    buf_put_str(sql, " WHERE NOT t.is_current GROUP BY ");
    put_columns(sql, t, KEYS, ", ", "t.", NULL);
}

/* The row that holds now (seq -1) and the records behind it, one line for a key. */
static void put_line(struct buf *sql, const struct table *t, const char *quoted,
                     const char *stage)
{
    buf_put_str(sql, "WITH line AS (SELECT ");
    put_columns(sql, t, ALL, ", ", "t.", NULL);
    buf_printf(sql,
               ", -1::bigint AS avrogate_seq, 'u' AS avrogate_op, t.valid_from AS "
               "avrogate_at FROM %s t JOIN (SELECT DISTINCT ",
               quoted);
    put_list(sql, t, KEYS);
    buf_printf(sql, " FROM %s) k ON ", stage);
    put_columns(sql, t, KEYS, " AND ", "t.", "k.");
    buf_put_str(sql, " WHERE t.is_current UNION ALL SELECT ");
    put_list(sql, t, ALL);
    buf_printf(sql, ", avrogate_seq, avrogate_op, avrogate_at FROM %s", stage);
    put_past(sql, t, quoted, stage);
    buf_put_str(sql, ")");
}

static void put_changes(struct buf *sql, const struct table *t)
{
    buf_put_str(sql, ", told AS (SELECT *, lag(avrogate_op) OVER w AS avrogate_was");
    if (has_others(t)) {
        buf_put_str(sql, ", ");
        put_row(sql, t);
        buf_put_str(sql, " IS DISTINCT FROM lag(");
        put_row(sql, t);
        buf_put_str(sql, ") OVER w AS avrogate_differs");
    } else
        buf_put_str(sql, ", false AS avrogate_differs");
    buf_put_str(sql, " FROM line");
    put_window(sql, t);
    buf_put_str(sql,
                "), news AS (SELECT * FROM told WHERE avrogate_seq < 0 OR "
                "(avrogate_op = 'd' AND avrogate_was = 'u') OR (avrogate_op = 'u' AND "
                "(avrogate_was IS DISTINCT FROM 'u' OR avrogate_differs)))");
    buf_put_str(sql,
                ", timed AS (SELECT *, max(avrogate_at) OVER w AS avrogate_from FROM "
                "news");
    put_window(sql, t);
    buf_put_str(sql,
                "), spans AS MATERIALIZED (SELECT *, lead(avrogate_from) OVER w AS "
                "avrogate_to FROM timed");
    put_window(sql, t);
    buf_put_str(sql, ")");
}

static void put_history(struct buf *sql, const struct table *t, const char *quoted,
                        const char *stage)
{
    put_line(sql, t, quoted, stage);
    put_changes(sql, t);
    buf_printf(
        sql,
        ", closed AS (UPDATE %s t SET valid_to = s.avrogate_to, is_current = false "
        "FROM spans s WHERE s.avrogate_seq = -1 AND s.avrogate_to IS NOT NULL AND "
        "t.is_current AND ",
        quoted);
    put_columns(sql, t, KEYS, " AND ", "t.", "s.");
    buf_printf(sql, " RETURNING 1), put AS (INSERT INTO %s (", quoted);
    put_list(sql, t, ALL);
    buf_put_str(sql, ", valid_from, valid_to, is_current) SELECT ");
    put_list(sql, t, ALL);
    // The old row is closed before the new one comes: the join waits for the count.
    buf_put_str(sql,
                ", avrogate_from, avrogate_to, avrogate_to IS NULL FROM spans, (SELECT "
                "count(*) AS avrogate_n "
                "FROM closed) c WHERE c.avrogate_n >= 0 AND avrogate_seq >= 0 AND "
                "avrogate_op = "
                "'u') SELECT count(*), count(*) FILTER (WHERE avrogate_op = 'u') FROM "
                "spans WHERE avrogate_seq >= 0");
}

void merge_put_apply(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted, const char *stage)
{
    static void (*const puts[])(struct buf *, const struct table *, const char *,
                                const char *) = {
        [MERGE_INSERT_IGNORE] = put_insert_ignore,
        [MERGE_UPSERT] = put_upsert,
        [MERGE_HISTORY] = put_history,
    };

    puts[mode](sql, t, quoted, stage);
}

/* --- the index ---------------------------------------------------------------------
 */

void merge_put_probe(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted)
{
    buf_printf(sql, "EXPLAIN INSERT INTO %s (", quoted);
    put_list(sql, t, KEYS);
    buf_put_str(sql, ") SELECT ");
    put_list(sql, t, KEYS);
    buf_printf(sql, " FROM %s WHERE false ON CONFLICT (", quoted);
    put_list(sql, t, KEYS);
    buf_printf(sql, ")%s DO NOTHING", mode == MERGE_HISTORY ? " WHERE is_current" : "");
}

void merge_put_index(struct buf *sql, enum merge_mode mode, const struct table *t,
                     const char *quoted)
{
    buf_printf(sql, "CREATE UNIQUE INDEX ON %s (", quoted);
    put_list(sql, t, KEYS);
    buf_printf(sql, ")%s", mode == MERGE_HISTORY ? " WHERE is_current" : "");
}

/* --- a staged row ------------------------------------------------------------------
 */

void merge_put_extra(struct buf *row, int64_t seq, bool deletion, int64_t at_ms)
{
    struct err out_of_range = {0};

    copy_int8(row, seq);
    (void)!copy_text(row, span_str(deletion ? "d" : "u"), &out_of_range);
    if (copy_timestamp(row, at_ms < 0 ? wall_ms() : at_ms, 1000, &out_of_range) !=
        ERR_OK)
        (void)!copy_timestamp(row, wall_ms(), 1000, &out_of_range);
}

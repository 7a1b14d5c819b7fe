/* Statements about the audit's tables, in the words of the database that has them. */
#include "cli/audit_inside.h"

#include "base/clock.h"
#include "loaders/dialect_sql.h"

#include <inttypes.h>
#include <stdio.h>

/* Where a filter stands: which columns are the job, the topic, and the time that
 * --since is about (NULL = any). */
static const struct filter {
    const char *word, *job, *topic, *time;
} filters[] = {
    {"of", "pipeline", "topic", NULL},
    {"of_b", "b.pipeline", "b.topic", NULL},
    {"of_o", "o.pipeline", "o.topic", NULL},
    {"of_l", "l.job_name", "l.topic", NULL},
    {"of_p", "p.job_name", "l.topic", NULL},
    {"of_runs", "l.job_name", "l.topic", "l.end_time"},
    {"of_phases", "p.job_name", "l.topic", "p.end_time"},
    {"of_failures", "job_name", "topic", "at"},
    {"of_rejects", "pipeline", "topic", "rejected"},
    {"of_rules", "r.pipeline", "r.topic", "r.changed"},
};
#define FILTERS (sizeof filters / sizeof filters[0])

/* Columns whose names are reserved somewhere; those that are not the tables' own. */
static const char *const ledger_names[] = {"at", "partition", "rule", "number"};
static const char *const other_names[] = {"offset", "column", "constraint"};

/* Lists are text where the migrations were not (migrate.h). */
static const struct {
    const char *word, *there, *elsewhere;
} by_migration[] = {
    {"schema_ids", "to_jsonb(l.schema_ids)", "l.schema_ids"},
    {"seconds", "::timestamptz(0)", ""},
};

struct words { // {names} and what stands for them
    struct buf text;
    const char *pairs[2 * 32 + 1];
    size_t at[32]; // in `text`, until it grows no more
    size_t n;
};

static struct buf *add(struct words *w, const char *word)
{
    w->pairs[2 * w->n] = word;
    w->at[w->n++] = w->text.n;
    return &w->text;
}

static void end(struct words *w)
{
    buf_put_u8(&w->text, 0);
}

static void put_filter(struct words *w, const struct audit *a, const struct filter *f)
{
    struct buf *to = add(w, f->word);
    const struct dialect *d = a->db.d;

    if (a->s.job != NULL) {
        buf_printf(to, " AND %s = ", f->job);
        dialect_put_text(to, d, a->s.job);
    }
    if (a->s.topic != NULL) {
        buf_printf(to, " AND %s = ", f->topic);
        dialect_put_text(to, d, a->s.topic);
    }
    if (f->time != NULL && a->s.since_ms > 0) { // NULL: it is not over
        buf_put_str(to, " AND (");
        dialect_put_ledger_name(to, d, f->time);
        buf_put_str(to, " IS NULL OR ");
        dialect_put_ledger_name(to, d, f->time);
        buf_put_str(to, " >= ");
        dialect_put_time(to, d, wall_ms() - a->s.since_ms);
        buf_put_u8(to, ')');
    }
    end(w);
}

static void put_words(struct words *w, const struct audit *a)
{
    const struct dialect *d = a->db.d;
    char limit[24];

    for (size_t i = 0; i < FILTERS; i++)
        put_filter(w, a, &filters[i]);
    for (size_t i = 0; i < sizeof by_migration / sizeof by_migration[0]; i++) {
        buf_put_str(add(w, by_migration[i].word),
                    d->migrated ? by_migration[i].there : by_migration[i].elsewhere);
        end(w);
    }
    for (size_t i = 0; i < sizeof ledger_names / sizeof ledger_names[0]; i++) {
        dialect_put_ledger_name(add(w, ledger_names[i]), d, ledger_names[i]);
        end(w);
    }
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        dialect_put_name(add(w, other_names[i]), d, span_str(other_names[i]));
        end(w);
    }
    buf_put_str(add(w, "text"), d->types[KIND_NAME].sql);
    end(w);
    buf_put_str(add(w, "join"), d->join);
    end(w);
    buf_put_str(add(w, "octets"), d->octets);
    end(w);
    snprintf(limit, sizeof limit, "%" PRId64, a->s.limit);
    dialect_put(add(w, "limit"), d->limit, (const char *[]){"n", limit, NULL});
    end(w);
}

void audit_put(struct buf *sql, const struct audit *a, const char *template)
{
    struct words w = {.text = BUF_INIT(1 << 20)};

    put_words(&w, a);
    for (size_t i = 0; i < w.n; i++)
        w.pairs[2 * i + 1] = (const char *)w.text.p + w.at[i];
    w.pairs[2 * w.n] = NULL;
    dialect_put(sql, template, w.pairs);
    buf_free(&w.text);
}

enum err_kind audit_ask(struct audit *a, PGresult **r, const char *template,
                        struct err *e)
{
    struct buf sql = BUF_INIT(1 << 20);

    audit_put(&sql, a, template);
    buf_put_u8(&sql, 0);
    enum err_kind rc = buf_status(&sql, e);
    if (rc == ERR_OK)
        rc = audit_db_ask(&a->db, r, (const char *)sql.p, e);
    buf_free(&sql);
    return rc;
}

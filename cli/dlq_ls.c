#include "base/clock.h"
#include "base/json.h"
#include "cli/dlq_inside.h"
#include "cli/dlq_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_MS 10000
#define KINDS_MOST 500 // rule and schema id; further ones count in the sum alone
#define OUT_MOST ((size_t)64 << 20)

struct kind {
    struct span rule, schema_id;
    int64_t n;
    int64_t last_at; // the letter that counted last: one with two such errors is one
};

struct ls {
    struct dlq_reader reader; // first
    struct arena arena;       // texts of the kinds
    struct kind *kinds;
    size_t n_kinds;
    int64_t letters, newest_ms;
};

static void count_kind(struct ls *ls, struct span rule, struct span schema_id)
{
    struct kind *k = ls->kinds;

    while (k < ls->kinds + ls->n_kinds &&
           !(span_eq(k->rule, rule) && span_eq(k->schema_id, schema_id)))
        k++;
    if (k == ls->kinds + ls->n_kinds) {
        if (ls->n_kinds == KINDS_MOST)
            return;
        ls->n_kinds++;
        *k = (struct kind){.rule = arena_copy(&ls->arena, rule),
                           .schema_id = arena_copy(&ls->arena, schema_id)};
    }
    if (k->last_at == ls->letters)
        return;
    k->last_at = ls->letters;
    k->n++;
}

static bool count(struct dlq_reader *r, const struct letter *l)
{
    struct ls *ls = (struct ls *)r;

    ls->letters++;
    if (l->m->timestamp_ms > ls->newest_ms)
        ls->newest_ms = l->m->timestamp_ms;
    if (l->faults == NULL || l->faults->first == NULL) {
        count_kind(ls, span_str("unknown"), l->schema_id);
        return true;
    }
    for (const struct json *f = l->faults->first; f != NULL; f = f->next)
        count_kind(ls, fault_text(f, "rule"), l->schema_id);
    return true;
}

static int by_count(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

static void put_table(struct buf *out, const char *topic, const struct ls *ls,
                      const char *newest)
{
    buf_printf(out, "%s  %" PRId64 " letters%s%s\n", topic, ls->letters,
               ls->letters > 0 ? ", newest " : "", ls->letters > 0 ? newest : "");
    for (size_t i = 0; i < ls->n_kinds; i++) {
        const struct kind *k = &ls->kinds[i];

        buf_printf(out, "  %8" PRId64 "  ", k->n);
        dlq_put_shown(out, k->rule);
        buf_put_str(out, "  schema ");
        dlq_put_shown(out, k->schema_id.n > 0 ? k->schema_id : span_str("unknown"));
        buf_put_u8(out, '\n');
    }
}

static void put_json(struct buf *out, const char *topic, const struct ls *ls,
                     const char *newest)
{
    buf_put_str(out, "{\"topic\":");
    json_put_string(out, span_str(topic));
    buf_printf(out, ",\"letters\":%" PRId64 ",\"newest\":", ls->letters);
    if (ls->letters > 0)
        json_put_string(out, span_str(newest));
    else
        buf_put_str(out, "null");
    buf_put_str(out, ",\"kinds\":[");
    for (size_t i = 0; i < ls->n_kinds; i++) {
        buf_put_str(out, i == 0 ? "{\"rule\":" : ",{\"rule\":");
        json_put_string(out, ls->kinds[i].rule);
        buf_put_str(out, ",\"schema_id\":");
        json_put_string(out, ls->kinds[i].schema_id);
        buf_printf(out, ",\"letters\":%" PRId64 "}", ls->kinds[i].n);
    }
    buf_put_str(out, "]}\n");
}

static enum err_kind list_topic(struct dlq *d, const char *topic, struct buf *out,
                                struct err *e)
{
    struct ls ls = {.reader = {count},
                    .kinds = mem_array(KINDS_MOST, sizeof *ls.kinds)};
    char newest[WALL_TEXT];
    enum err_kind rc = dlq_read(&d->source, d->kafka, topic, &ls.reader, e);

    if (rc == ERR_OK) {
        wall_print(newest, ls.newest_ms);
        qsort(ls.kinds, ls.n_kinds, sizeof *ls.kinds, by_count);
        (d->s.json ? put_json : put_table)(out, topic, &ls, newest);
    }
    free(ls.kinds);
    arena_free(&ls.arena);
    return rc;
}

/* `of` NULL: any. */
static bool is_dlq(const char *name, const char *of)
{
    size_t n = strlen(name);

    if (n < 5 || strcmp(name + n - 4, ".dlq") != 0)
        return false;
    return of == NULL || strcmp(name, of) == 0 ||
           (strlen(of) == n - 4 && strncmp(name, of, n - 4) == 0);
}

enum err_kind dlq_ls(struct dlq *d, int *code, struct err *e)
{
    const struct kf_topic *topics = NULL;
    struct buf out = BUF_INIT(OUT_MOST);
    struct arena a = {0};
    size_t n = 0, found = 0;
    enum err_kind rc = kf_topics(d->kafka, &a, &topics, &n, ASK_MS, e);

    *code = 0;
    for (size_t i = 0; i < n && rc == ERR_OK; i++)
        if (is_dlq(topics[i].name, d->s.topic)) {
            found++;
            rc = list_topic(d, topics[i].name, &out, e);
        }
    if (rc == ERR_OK && found == 0 && d->s.topic != NULL)
        rc = err_set(e, ERR_NOT_FOUND, "%s has no dead-letter topic", d->s.topic);
    if (rc == ERR_OK)
        rc = buf_status(&out, e);
    if (rc == ERR_OK && out.n > 0)
        fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
    arena_free(&a);
    return rc;
}

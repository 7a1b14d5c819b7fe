/*
 * Quality rules of staged files: the quarantine is a file of JSON lines in the same
 * claim as the data, and the counts are the claim's.  What `unique` and dedupe remember
 * is a file of it, too.
 */
#include "loaders/sink_files_inside.h"

#include "avro-core/to_json.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MOST ((size_t)1 << 30)

struct files_window *files_lines(struct files *f, struct files_window **w,
                                 const char *dir)
{
    if (*w != NULL)
        return *w;
    *w = mem_alloc(sizeof **w);
    (*w)->dir = mem_str(span_str(dir));
    (*w)->rejects = true;
    (*w)->suffix = ".jsonl";
    (*w)->ticket = BUF_INIT(PLACE_CLAIM);
    (*w)->spool = spool_open(f->o.spool, SPOOL_MEMORY);
    return *w;
}

/* The record's own fields, and ours behind them. */
static enum err_kind put_line(struct buf *line, const struct files *f,
                              const struct files_range *r, const struct record *rec,
                              const struct sifted *got, struct err *why)
{
    struct av_to_json to;

    av_to_json_init(&to, line, false);
    TRY(av_decode_all(got->plan, got->datum, NULL, &to.visitor, why));
    TRY(buf_status(line, why));
    buf_cut(line, line->n - 1); // its brace
    buf_put_str(line, line->n > 1 ? ",\"_errors\":" : "\"_errors\":");
    buf_put(line, got->errors);
    buf_put_str(line, ",\"_topic\":");
    json_put_string(line, span_str(f->o.topic));
    buf_printf(line,
               ",\"_partition\":%" PRId32 ",\"_offset\":%" PRId64
               ",\"_run_id\":\"%s\"}\n",
               r->partition, rec->offset, f->run.id);
    return buf_status(line, why);
}

enum err_kind files_put_aside(struct files *f, struct files_range *r,
                              const struct record *rec, struct sifted *got,
                              struct err *why, struct err *e)
{
    struct buf line = BUF_INIT(LINE_MOST);

    got->stage = "value"; // where it fails, if it does
    enum err_kind rc = put_line(&line, f, r, rec, got, why);
    if (rc == ERR_OK) {
        struct files_window *w = files_lines(f, &r->aside, "_quarantine");
        if (spool_put(w->spool, buf_span(&line), e) != ERR_OK)
            rc = ERR_INTERNAL; // *e tells: not this record's fault
        w->rows++;
        r->quarantined++;
    }
    buf_free(&line);
    return rc;
}

enum err_kind files_stop(const struct files *f, const struct files_range *r,
                         const struct record *rec, const struct sifted *got,
                         struct err *e)
{
    (void)err_set(e, ERR_LIMIT,
                  "stopped by quality rule \"%.100s\": %.60s/%" PRId32 "@%" PRId64
                  ": %.*s",
                  got->rule, f->o.topic, r->partition, rec->offset, (int)got->why.n,
                  (const char *)got->why.p);
    return ERR_INTERNAL; // not a record to be set aside
}

/* --- what unique and dedupe remember ----------------------------------------------
 */
#define SEEN_MOST ((size_t)1 << 30)
#define CLAIM_LONG 2000000 // offsets that most claims stay below
#define DEDUPE "/dedupe"   // its part of the file; no rule has such a name

static void put_part(struct buf *out, const char *name, struct span bytes)
{
    buf_put_be32(out, (uint32_t)strlen(name));
    buf_put_str(out, name);
    buf_put_be32(out, (uint32_t)bytes.n);
    buf_put(out, bytes);
}

static void pack_dedupe(const struct files *f, const struct files_range *r,
                        struct buf *out)
{
    struct buf pieces = BUF_INIT(out->limit);
    struct transform_noted at = {0};

    while (transform_memory_noted(f->o.dedupe, r->partition, r->stage.last + 1,
                                  SIZE_MAX, &at, &pieces))
        continue;
    if (pieces.n > 0)
        put_part(out, DEDUPE, buf_span(&pieces));
    out->over |= pieces.over;
    buf_free(&pieces);
}

static bool take_part(struct span *s, struct span *out)
{
    uint32_t n = s->n < 4 ? 0 : bytes_be32(s->p);

    if (s->n < 4 || n > s->n - 4)
        return false;
    *out = span_of(s->p + 4, n);
    *s = span_skip(*s, 4 + (size_t)n);
    return true;
}

static enum err_kind unpack_dedupe(const struct files *f, int32_t partition,
                                   struct span packed, struct err *e)
{
    struct span name, pieces;

    while (packed.n > 0) {
        if (!take_part(&packed, &name) || !take_part(&packed, &pieces))
            return err_set(e, ERR_INVALID, "what dedupe remembered is damaged");
        if (span_eq(name, span_str(DEDUPE)))
            TRY(transform_memory_recall(f->o.dedupe, partition, pieces, e));
    }
    return ERR_OK;
}

enum err_kind files_note_seen(struct files *f, struct files_range *r, struct err *e)
{
    struct buf all = BUF_INIT(SEEN_MOST);

    if (r->q != NULL)
        quality_pack(r->q, r->partition, &all);
    if (f->o.dedupe != NULL)
        pack_dedupe(f, r, &all);
    enum err_kind rc = buf_status(&all, e);
    if (rc == ERR_OK && all.n > 0) {
        struct files_window *w = files_lines(f, &r->seen, "_seen");
        w->suffix = ".seen";
        w->seen = true;
        w->rows = 1;
        rc = spool_put(w->spool, buf_span(&all), e);
    }
    buf_free(&all);
    return rc;
}

/* A file that somebody has cleaned away is not remembered. */
static enum err_kind recall_file(struct files *f, struct files_range *r,
                                 const struct stage_file *file, struct err *e)
{
    struct buf bytes = BUF_INIT(SEEN_MOST);

    enum err_kind rc =
        place_read(f->place, file->final, 0, (size_t)file->bytes, &bytes, e);
    if (rc == ERR_OK && r->q != NULL)
        rc = quality_unpack(r->q, r->partition, buf_span(&bytes), e);
    if (rc == ERR_OK && f->o.dedupe != NULL)
        rc = unpack_dedupe(f, r->partition, buf_span(&bytes), e);
    buf_free(&bytes);
    if (rc == ERR_INVALID)
        return err_prefix(e, "%.100s", file->final);
    if (rc != ERR_NOT_FOUND)
        return rc;
    log_err(LOG_WARN, "what `unique` and dedupe remembered is gone", e);
    return ERR_OK;
}

static enum err_kind recall_claim(struct files *f, struct files_range *r,
                                  const char *name, int64_t from, int64_t next,
                                  struct err *e)
{
    char path[STAGE_NAME];
    struct stage_claim c;
    struct arena a = {0};

    stage_claim_name(path, f->o.topic, r->partition, stage_claim_first(name));
    enum err_kind rc = files_read_claim(f->place, path, &c, &a, e);
    for (size_t i = 0; rc == ERR_OK && c.last >= from && c.last < next && i < c.n_files;
         i++)
        if (c.files[i].seen)
            rc = recall_file(f, r, &c.files[i], e);
    arena_free(&a);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc; // cleaned away just now
}

/* Those that begin at `after` or later. */
static enum err_kind recall_claims(struct files *f, struct files_range *r,
                                   int64_t after, int64_t from, int64_t next,
                                   int64_t *first, struct err *e)
{
    char dir[STAGE_NAME], name[STAGE_NAME];
    struct arena a = {0};
    struct place_entry *all = NULL;
    size_t n = 0;

    stage_claims_dir(dir, f->o.topic, r->partition);
    snprintf(name, sizeof name, "%020" PRId64, after);
    enum err_kind rc =
        place_list(f->place, dir, after > 0 ? name : NULL, &a, &all, &n, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        int64_t at = stage_claim_first(all[i].name);
        if (at < 0 || at >= next)
            continue;
        if (*first < 0)
            *first = at;
        rc = recall_claim(f, r, all[i].name, from, next, e);
    }
    arena_free(&a);
    return rc;
}

static int64_t longest(const struct files *f, const struct quality *q)
{
    int64_t most = f->o.dedupe == NULL ? 0 : transform_memory_last(f->o.dedupe);

    for (size_t i = 0; q != NULL && i < quality_rules(q); i++)
        if (quality_rule(q, i)->remembers && quality_rule(q, i)->last > most)
            most = quality_rule(q, i)->last;
    return most;
}

static void stand(const struct files *f, const struct files_range *r, int64_t next)
{
    if (r->q != NULL)
        quality_stand(r->q, r->partition, 0, next);
    if (f->o.dedupe != NULL)
        transform_memory_stand(f->o.dedupe, r->partition, 0, next);
}

enum err_kind files_recall(struct files *f, struct files_range *r, int64_t next,
                           struct err *e)
{
    int64_t from = next - longest(f, r->q), after = from - CLAIM_LONG, first = -1;

    stand(f, r, next);
    if (from == next || next == 0)
        return ERR_OK;
    TRY(recall_claims(f, r, after, from, next, &first, e));
    if (after <= 0 || (first >= 0 && first <= from))
        return ERR_OK;
    stand(f, r, next); // the claim before is a long one
    return recall_claims(f, r, 0, from, next, &first, e);
}

/* --- a range's counts ------------------------------------------------------------- */

void files_open_rules(struct files *f, struct files_range *r)
{
    r->q = f->o.quality;
    if (r->q == NULL)
        return;
    size_t n = quality_rules(r->q);
    r->counts = quality_counts(r->q);
    r->told = quality_counts(r->q);
    r->results = mem_array(n, sizeof *r->results);
    r->last_failed = mem_array(n, sizeof *r->last_failed);
}

void files_free_rules(struct files_range *r)
{
    free(r->counts);
    free(r->told);
    free(r->results);
    free(r->last_failed);
}

void files_begin_rules(struct files_range *r, const struct batch *b, struct sift *sift)
{
    if (r->q == NULL)
        return;
    sift_count(sift, r->counts);
    if (!quality_stands(r->q, b->partition, 0, b->first))
        quality_stand(r->q, b->partition, 0, b->first);
}

void files_step_rules(struct files_range *r, const struct batch *b)
{
    if (r->q != NULL)
        quality_step(r->q, b->partition, b->next);
}

void files_forget_rules(const struct files *f, struct files_range *r)
{
    if (f->o.dedupe != NULL)
        transform_memory_undo(f->o.dedupe, r->partition);
    if (r->q == NULL)
        return;
    quality_undo(r->q, r->partition, r->stage.next);
    quality_zero(r->q, r->counts);
}

void files_keep_rules(const struct files *f, struct files_range *r)
{
    if (f->o.dedupe != NULL)
        transform_memory_keep(f->o.dedupe, r->partition, r->stage.last + 1);
    if (r->q == NULL)
        return;
    quality_keep(r->q, r->partition, r->stage.last + 1);
    memcpy(r->told, r->counts, quality_rules(r->q) * sizeof *r->told);
}

size_t files_results(const struct files *f, const struct files_range *r)
{
    size_t n = 0;

    for (size_t i = 0; i < quality_rules(r->q); i++)
        if (!quality_rule(r->q, i)->of_run)
            rule_result_of(&r->results[n++], quality_rule(r->q, i), &r->counts[i],
                           f->o.topic, r->last_failed[i]);
    return n;
}

enum err_kind files_tell_rules(struct sink *s, const struct rule_result *results,
                               size_t n, struct err *e)
{
    struct files *f = files_of(s);
    struct rule_origin o = {f->run.id, f->o.job, f->o.topic};
    struct buf sql = BUF_INIT(1 << 20);

    if (f->o.audit_url == NULL || n == 0)
        return ERR_OK;
    rule_result_put(&sql, &o, results, n, true, NULL);
    enum err_kind rc = pg_run_buf(&f->pg, &sql, e);
    buf_free(&sql);
    return rc;
}

/* From gathered records to claimed files: stage.h says what comes next, this does it.
 */
#include "loaders/sink_files_inside.h"

#include "avro-core/canon.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HINT_EVERY 10000 // claims: a week of minutes
#define SWEEP_FIRST_MS 60000
#define SWEEP_EVERY_MS 3600000
#define SWEEP_AGE_MS (INT64_C(24) * 3600000)
#define SET_MS 60000 // no clock goes wrong by so much: somebody set it

/* --- names and bytes -------------------------------------------------------------- */

static void name_file(const struct files *f, const struct files_range *r,
                      struct files_window *w)
{
    const char *suffix = w->suffix != NULL ? w->suffix : format_suffix(f->o.format);
    int n = snprintf(w->final, sizeof w->final, "%s%s%.255s+%" PRId32, w->dir,
                     w->dir[0] == '\0' ? "" : "/", f->o.topic, r->partition);

    if (f->o.by_count)
        snprintf(w->final + n, sizeof w->final - (size_t)n, "+%010" PRId64 "%s",
                 r->count, suffix);
    else
        snprintf(w->final + n, sizeof w->final - (size_t)n,
                 "+%020" PRId64 "+%020" PRId64 "%s", r->stage.first, r->stage.last,
                 suffix);
}

static enum err_kind finish_writer(const struct files_range *r, struct files_window *w,
                                   struct err *e)
{
    char last[24];

    snprintf(last, sizeof last, "%" PRId64, r->stage.last);
    (void)format_note(w->writer, "avrogate.last_offset", last);
    TRY(format_finish(w->writer, e));
    format_close(w->writer);
    w->writer = NULL;
    return ERR_OK;
}

/* A file of rejects alone has no window; a window of rejects alone no row. */
static void drop_empty(struct files_range *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n_windows; i++) {
        struct files_window *w = r->windows[i];
        if (w->rows > 0) {
            r->windows[kept++] = w;
            continue;
        }
        format_close(w->writer);
        spool_close(w->spool);
        buf_free(&w->ticket);
        buf_free(&w->runs);
        free(w->dir);
        free(w);
    }
    r->n_windows = kept;
}

static void add_lines(struct files_range *r, struct files_window **w)
{
    if (*w == NULL)
        return;
    r->windows = mem_grow(r->windows, r->n_windows + 1, sizeof(struct files_window *));
    r->windows[r->n_windows++] = *w;
    *w = NULL;
}

/* Ends all files of the range and gives them their names.  Once. */
static enum err_kind seal(struct files *f, struct files_range *r, struct err *e)
{
    if (r->sealed)
        return ERR_OK;
    drop_empty(r);
    for (size_t i = 0; i < r->n_windows; i++)
        if (r->windows[i]->writer != NULL)
            TRY(finish_writer(r, r->windows[i], e));
    for (size_t i = 0; i < r->n_windows; i++) {
        files_end_run(r, r->windows[i]);
        buf_put_u8(&r->windows[i]->runs, 0);
    }
    TRY(files_note_seen(f, r, e));
    add_lines(r, &r->seen);
    add_lines(r, &r->rejects);
    add_lines(r, &r->aside);
    for (size_t i = 0; i < r->n_windows; i++) {
        name_file(f, r, r->windows[i]);
        spool_sha256(r->windows[i]->spool, r->windows[i]->sha256);
    }
    r->last = NULL;
    r->sealed = true;
    return ERR_OK;
}

/* --- the actions ------------------------------------------------------------------ */

static enum err_kind write_all(struct files *f, struct files_range *r, struct err *e)
{
    for (size_t i = 0; i < r->n_windows; i++) {
        struct files_window *w = r->windows[i];
        struct place_bytes bytes = spool_bytes(w->spool);
        char tmp[100];
        if (w->written)
            continue;
        snprintf(tmp, sizeof tmp, "_tmp/%s-%" PRIu64, f->tag, ++f->seq);
        TRY(place_write(f->place, tmp, w->final, &bytes, &w->ticket, e));
        w->written = true;
    }
    return ERR_OK;
}

static const char *runs_of(const struct files_range *r, const struct files_window *w)
{
    bool known = r->runs < RUNS_MOST && !w->runs.over && w->runs.n > 0;

    return known ? (const char *)w->runs.p : "";
}

static void fill_claim(const struct files *f, const struct files_range *r,
                       struct stage_claim *c, struct stage_file *files)
{
    *c = (struct stage_claim){
        .job = f->o.job,
        .topic = f->o.topic,
        .cluster = f->cluster != NULL ? f->cluster : "",
        .partition = r->partition,
        .first = r->stage.first,
        .last = r->stage.last,
        .count = r->count,
        .loaded = r->loaded,
        .rejected = r->rejected,
        .duplicate = r->duplicate,
        .filtered = r->filtered,
        .quarantined = r->quarantined,
        .rules = r->results,
        .n_rules = files_results(f, r),
        .bytes = r->bytes,
        .mark = r->mark,
        .n_ids = r->n_ids,
        .schema = f->schema,
        .schema_id = f->schema_id,
        .envelope = f->o.envelope,
        .value_schema = f->value_key,
        .keys = r->keys,
        .n_keys = r->n_keys,
        .instance = f->run.instance,
        .run = f->run.id,
        .epoch = r->epoch,
        .started_ms = r->started_ms,
        .us = (clock_ms() - r->opened_ms) * 1000,
        .files = files,
        .n_files = r->n_windows,
    };
    memcpy(c->ids, r->ids, sizeof c->ids);
    for (size_t i = 0; i < r->n_windows; i++) {
        const struct files_window *w = r->windows[i];
        files[i] = (struct stage_file){.final = w->final,
                                       .ticket = buf_span(&w->ticket),
                                       .bytes = spool_size(w->spool),
                                       .rows = w->rows,
                                       .sha256 = w->sha256,
                                       .runs = runs_of(r, w),
                                       .seen = w->seen,
                                       .rejects = w->rejects};
    }
}

/* The body is made once: asked again after a lost answer, it must be the same. */
static enum err_kind make_body(struct files *f, struct files_range *r, struct err *e)
{
    struct stage_claim c;
    struct stage_file *files;

    if (r->body.n > 0)
        return ERR_OK;
    files = mem_array(r->n_windows + 1, sizeof *files);
    fill_claim(f, r, &c, files);
    stage_claim_put(&r->body, &c);
    free(files);
    stage_claim_name(r->claim, f->o.topic, r->partition, r->stage.first);
    return buf_status(&r->body, e);
}

static enum err_kind claim(struct files *f, struct files_range *r,
                           struct stage_found *found, struct err *e)
{
    struct buf body = BUF_INIT(PLACE_CLAIM);
    char tmp[100];

    TRY(files_store_schemas(f, e));
    TRY(make_body(f, r, e));
    snprintf(tmp, sizeof tmp, "_tmp/%s-%" PRIu64 ".claim", f->tag, ++f->seq);
    enum err_kind rc =
        place_claim(f->place, r->claim, tmp, buf_span(&r->body), &body, e);
    if (rc == ERR_CONFLICT) {
        arena_free(&r->theirs_a);
        struct span text = arena_copy(&r->theirs_a, buf_span(&body));
        enum err_kind read = stage_claim_read(&r->theirs, text, &r->theirs_a, e);
        if (read != ERR_OK)
            rc = read;
        else
            *found = (struct stage_found){r->theirs.first, r->theirs.last, false};
    }
    buf_free(&body);
    return rc;
}

static enum err_kind finish(struct files *f, struct files_range *r, struct err *e)
{
    for (size_t i = 0; i < r->n_windows; i++) {
        struct files_window *w = r->windows[i];
        if (!w->final_there)
            TRY(place_finish(f->place, buf_span(&w->ticket), w->final,
                             spool_size(w->spool), e));
        w->final_there = true;
    }
    return ERR_OK;
}

static enum err_kind discard(struct files *f, struct files_range *r, struct err *e)
{
    for (size_t i = 0; i < r->n_windows; i++) {
        struct files_window *w = r->windows[i];
        if (w->written)
            TRY(place_discard(f->place, buf_span(&w->ticket), w->final, e));
        w->written = false;
    }
    return ERR_OK;
}

/* A zombie can hear of a claim long after: then others follow it, and whoever made the
 * next one had finished this one first. */
static enum err_kind yield(struct files *f, struct files_range *r, struct err *e)
{
    char dir[STAGE_NAME];
    struct arena a = {0};
    struct place_entry *all = NULL;
    size_t n = 0;

    enum err_kind rc = files_finish(f->place, &r->theirs, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    stage_claims_dir(dir, f->o.topic, r->partition);
    enum err_kind listed =
        place_list(f->place, dir, strrchr(r->claim, '/') + 1, &a, &all, &n, e);
    arena_free(&a);
    if (listed != ERR_OK)
        return listed;
    return n > 0 ? ERR_OK
                 : err_set(e, ERR_NOT_FOUND, "%.100s: its files are gone", r->claim);
}

/* --- what comes of it ------------------------------------------------------------- */

static void tell_part(struct files *f, const struct files_range *r)
{
    pthread_mutex_lock(&f->lock);
    struct files_part *p = files_part(f, r->partition);
    if (p != NULL && p->epoch == r->epoch) {
        p->next = r->stage.next;
        p->count = r->count;
    }
    pthread_mutex_unlock(&f->lock);
}

/* What readers of the place find, as a merge counts it: rejects are none of it. */
static void count_files(const struct files_range *r, struct receipt *out)
{
    for (size_t i = 0; i < r->n_windows; i++)
        if (!r->windows[i]->rejects && !r->windows[i]->seen) {
            out->files++;
            out->file_bytes += (size_t)spool_size(r->windows[i]->spool);
        }
}

static void report(struct files_range *r, bool lost)
{
    r->report = (struct settled){.any = true,
                                 .lost = lost,
                                 .partition = r->partition,
                                 .epoch = r->epoch,
                                 .next = r->stage.next};
    if (lost)
        return;
    r->report.receipt = (struct receipt){.loaded = (size_t)r->loaded,
                                         .rejected = (size_t)r->rejected,
                                         .duplicate = (size_t)r->duplicate,
                                         .filtered = (size_t)r->filtered,
                                         .quarantined = (size_t)r->quarantined,
                                         .rules = r->told,
                                         .bytes = (size_t)r->bytes};
    count_files(r, &r->report.receipt);
    r->last_receipt = r->report.receipt;
    r->last_first = r->stage.first;
    r->last_next = r->stage.next;
}

/* Best effort: without it the list is longer. */
static void leave_hint(struct files *f, const struct files_range *r)
{
    int64_t every = f->o.hint_every > 0 ? f->o.hint_every : HINT_EVERY;
    char dir[STAGE_NAME], name[STAGE_NAME + 24], tmp[100];
    struct buf found = BUF_INIT(PLACE_CLAIM);
    struct err e = {0};

    if (r->count == 0 || r->count % every != 0)
        return;
    stage_hints_dir(dir, f->o.topic, r->partition);
    snprintf(name, sizeof name, "%s/%020" PRId64, dir, r->stage.first);
    snprintf(tmp, sizeof tmp, "_tmp/%s-%" PRIu64 ".hint", f->tag, ++f->seq);
    if (place_claim(f->place, name, tmp, span_str("{}\n"), &found, &e) != ERR_OK)
        log_err(LOG_INFO, "no hint left", &e);
    buf_free(&found);
}

static void kept(struct files *f, struct files_range *r)
{
    struct stage_claim c;
    struct stage_file *files = mem_array(r->n_windows + 1, sizeof *files);

    fill_claim(f, r, &c, files);
    audit_add(f, &c);
    free(files);
    log_event(LOG_INFO, "staged", LOG_S("topic", f->o.topic),
              LOG_I("partition", r->partition), LOG_I("first", r->stage.first),
              LOG_I("last", r->stage.last), LOG_I("rows", r->loaded),
              LOG_I("files", r->n_windows), LOG_END);
    files_keep_rules(f, r);
    report(r, false);
    leave_hint(f, r);
    stage_again(&r->stage);
    r->count++;
    tell_part(f, r);
    files_forget(f, r);
}

static void lost(struct files *f, struct files_range *r)
{
    log_event(LOG_INFO, "staged by another", LOG_S("topic", f->o.topic),
              LOG_I("partition", r->partition), LOG_I("first", r->stage.first),
              LOG_S("instance", r->theirs.instance), LOG_END);
    report(r, true);
    stage_again(&r->stage);
    files_forget(f, r);
    r->end = -1; // nothing follows this: read again
    arena_free(&r->theirs_a);
}

static enum err_kind act(struct files *f, struct files_range *r,
                         struct stage_found *found, struct err *e)
{
    switch (r->stage.phase) {
    case STAGE_WRITE: return write_all(f, r, e);
    case STAGE_CLAIM: return claim(f, r, found, e);
    case STAGE_FINISH: return finish(f, r, e);
    case STAGE_DISCARD: return discard(f, r, e);
    case STAGE_YIELD: return yield(f, r, e);
    default: return err_set(e, ERR_INTERNAL, "no action in phase %d", r->stage.phase);
    }
}

enum err_kind files_rotate(struct files *f, struct files_range *r, struct err *e)
{
    if (r->stage.phase == STAGE_READY)
        stage_seal(&r->stage, r->end - 1);
    if (seal(f, r, e) != ERR_OK) {
        // a writer ends with its first error: all of it is read again
        log_err(LOG_WARN, "what was gathered is given up, and read again", e);
        r->stage.phase = STAGE_LOST;
    }
    while (r->stage.phase != STAGE_KEPT && r->stage.phase != STAGE_LOST) {
        struct stage_found found = {-1, -1, false};
        enum err_kind rc = act(f, r, &found, e);
        stage_next(&r->stage, rc, &found, 0);
        if (rc == ERR_UNAVAILABLE)
            return rc;
        if (r->stage.phase == STAGE_STOPPED)
            return rc == ERR_CONFLICT || rc == ERR_OK
                       ? err_set(e, ERR_INTERNAL, "%.100s says another range", r->claim)
                       : rc;
    }
    if (r->stage.phase == STAGE_KEPT)
        kept(f, r);
    else
        lost(f, r);
    return ERR_OK;
}

/* --- when ------------------------------------------------------------------------- */

static int64_t waiting(const struct files_range *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->n_windows; i++) {
        const struct files_window *w = r->windows[i];
        uint64_t all = w->writer == NULL ? 0 : format_bytes(w->writer);
        uint64_t given = (uint64_t)spool_size(w->spool);
        sum += all > given ? all - given : 0;
    }
    return (int64_t)sum;
}

static int64_t packed(const struct files_range *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->n_windows; i++)
        if (r->windows[i]->writer != NULL)
            sum += format_bytes(r->windows[i]->writer);
    return (int64_t)sum;
}

static bool holds(const struct files_range *r)
{
    return r->end > r->stage.next;
}

bool files_is_full(const struct files *f, const struct files_range *r)
{
    return r->loaded + r->rejected + r->quarantined >= f->o.rotate_rows ||
           r->n_windows >= DIRS_MOST || packed(r) >= f->o.rotate_bytes;
}

static bool is_due(const struct files *f, const struct files_range *r, bool all)
{
    if (r->stage.phase != STAGE_READY)
        return true; // begun, and not come to its end
    return holds(r) && (all || files_is_full(f, r) || r->n_windows > DIRS_WELL ||
                        clock_ms() - r->opened_ms >= f->o.rotate_age_ms);
}

/* Somebody else's by now, or given back: whoever has it gathers it again. */
static bool is_gone(struct files *f, const struct files_range *r)
{
    pthread_mutex_lock(&f->lock);
    const struct files_part *p = files_part(f, r->partition);
    bool gone = p == NULL || p->epoch != r->epoch || p->released;
    pthread_mutex_unlock(&f->lock);
    return gone;
}

/* What is being staged when the partition goes is staged all the same: the claim says
 * whether it counts. */
static void forget_gone(struct files *f)
{
    for (struct files_range *r = f->ranges; r != NULL; r = r->link)
        if (r->stage.phase == STAGE_READY && holds(r) && is_gone(f, r)) {
            files_forget(f, r);
            r->end = -1;
        }
}

static struct files_range *choose(struct files *f, bool all)
{
    struct files_range *largest = NULL;
    int64_t sum = 0, most = 0;

    for (struct files_range *r = f->ranges; r != NULL; r = r->link) {
        if (is_due(f, r, all))
            return r;
        int64_t here = waiting(r);
        sum += here;
        if (here > most) {
            most = here;
            largest = r;
        }
    }
    return sum > f->o.memory ? largest : NULL;
}

static bool take_report(struct files *f, struct settled *out)
{
    for (struct files_range *r = f->ranges; r != NULL; r = r->link)
        if (r->report.any) {
            *out = r->report;
            r->report.any = false;
            return true;
        }
    return false;
}

/* --- sweeping --------------------------------------------------------------------- */

static enum err_kind add_tickets(struct files *f, const char *topic, const char *part,
                                 struct buf *out, struct err *e)
{
    char dir[STAGE_NAME], name[2 * STAGE_NAME];
    struct arena a = {0};
    struct place_entry *all = NULL;
    size_t n = 0;

    snprintf(dir, sizeof dir, "_claims/%.255s/%.255s", topic, part);
    enum err_kind rc = place_list(f->place, dir, NULL, &a, &all, &n, e);
    while (n > 0 && stage_claim_first(all[n - 1].name) < 0)
        n--;
    if (rc == ERR_OK && n > 0) {
        snprintf(name, sizeof name, "%s/%s", dir, all[n - 1].name);
        rc = place_read(f->place, name, 0, PLACE_CLAIM, out, e);
    }
    arena_free(&a);
    return rc;
}

/* The newest claim of every partition of every topic: no other can be unfinished. */
static enum err_kind gather_tickets(struct files *f, struct buf *out, struct err *e)
{
    struct arena a = {0};
    struct place_entry *topics = NULL, *parts = NULL;
    size_t n = 0, k = 0;

    enum err_kind rc = place_list(f->place, "_claims", NULL, &a, &topics, &n, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        char dir[STAGE_NAME];
        snprintf(dir, sizeof dir, "_claims/%.255s", topics[i].name);
        rc = place_list(f->place, dir, NULL, &a, &parts, &k, e);
        for (size_t j = 0; j < k && rc == ERR_OK; j++)
            rc = add_tickets(f, topics[i].name, parts[j].name, out, e);
    }
    arena_free(&a);
    return rc;
}

static bool is_claimed(void *arg, struct span id)
{
    struct span all = buf_span(arg);

    return all.n > 0 && memmem(all.p, all.n, id.p, id.n) != NULL;
}

/* A directory's clock may be this machine's: what was written a moment ago looks old
 * once that is set ahead. */
static bool was_set(struct files *f)
{
    int64_t off = wall_ms() - clock_ms(), by = off - f->clocks_ms;
    bool first = f->clocks_ms == 0;

    f->clocks_ms = off;
    return !first && (by < -SET_MS || by > SET_MS);
}

static void sweep(struct files *f)
{
    struct buf tickets = BUF_INIT(256 << 20);
    struct err e = {0};
    size_t swept = 0;

    if (f->swept_ms == 0) {
        f->swept_ms = clock_ms() - SWEEP_EVERY_MS + SWEEP_FIRST_MS;
        (void)was_set(f);
    }
    if (clock_ms() - f->swept_ms < SWEEP_EVERY_MS)
        return;
    f->swept_ms = clock_ms();
    if (was_set(f)) {
        log_event(LOG_WARN, "the clock was set: nothing is swept for an hour", LOG_END);
        return;
    }
    enum err_kind rc = gather_tickets(f, &tickets, &e);
    if (rc == ERR_OK)
        rc = place_sweep(f->place, SWEEP_AGE_MS, is_claimed, &tickets, &swept, &e);
    buf_free(&tickets);
    if (rc != ERR_OK)
        log_err(LOG_WARN, "what crashes left could not be swept", &e);
    else if (swept > 0)
        log_event(LOG_INFO, "swept what crashes left", LOG_I("files", swept), LOG_END);
}

enum err_kind files_settle(struct sink *s, bool all, struct settled *out, struct err *e)
{
    struct files *f = files_of(s);

    *out = (struct settled){0};
    if (take_report(f, out))
        return ERR_OK;
    forget_gone(f);
    TRY(audit_flush(f, false, e));
    struct files_range *r = choose(f, all);
    if (r == NULL) {
        sweep(f);
        return ERR_OK;
    }
    TRY(files_rotate(f, r, e));
    (void)take_report(f, out);
    return ERR_OK;
}

#include "loaders/stage_merge_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES 8    // of a place that says "again", 0.1 s to 6 s apart
#define ROUNDS 100 // looks that came to nothing: others merge as fast as we do

void merge_private_name(struct merging *m, char out[100])
{
    snprintf(out, 100, "_tmp/merge-%s-%" PRIu64, m->run.id, ++m->names);
}

void merge_say(struct merging *m, const char *fmt, ...)
{
    char line[2 * STAGE_NAME + 200];
    va_list args;

    if (m->o->say == NULL)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    m->o->say(m->o->arg, line);
}

/* --- what there is ---------------------------------------------------------------- */

/* The swap at hand is no more; what it had of memory and disk goes. */
static void forget(struct merging *m)
{
    spool_close(m->spool);
    m->spool = NULL;
    av_schema_release(m->schema);
    m->schema = NULL;
    buf_reset(&m->ticket);
    buf_reset(&m->body);
    m->swap = (struct swap){0};
    m->ours = false;
    arena_reset(&m->plan);
}

static void done_name(char out[STAGE_NAME + 8], const char *claim)
{
    snprintf(out, STAGE_NAME + 8, "%.*s" STAGE_DONE, STAGE_NAME - 1, claim);
}

static enum err_kind is_done(struct merging *m, int64_t seq, bool *done, struct err *e)
{
    char name[STAGE_NAME], mark[STAGE_NAME + 8];
    struct place_entry there;

    swap_name(name, seq);
    done_name(mark, name);
    enum err_kind rc = place_stat(m->o->place, mark, &there, e);
    *done = rc == ERR_OK;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* The newest claim's number behind `after`, -1 = none. */
static enum err_kind newest_behind(struct merging *m, const char *after, int64_t *seq,
                                   struct err *e)
{
    struct arena a = {0};
    struct place_entry *all;
    size_t n;

    *seq = -1;
    enum err_kind rc = place_list(m->o->place, SWAP_DIR, after, &a, &all, &n, e);
    for (size_t i = rc == ERR_OK ? n : 0; i-- > 0 && *seq < 0;)
        *seq = stage_claim_first(all[i].name);
    arena_free(&a);
    return rc;
}

/* The newest is never forgotten, so those before the one we know need no second look.
 */
static enum err_kind find_newest(struct merging *m, struct err *e)
{
    char name[STAGE_NAME];
    int64_t newer;

    if (m->newest >= 0)
        swap_name(name, m->newest);
    TRY(newest_behind(m, m->newest < 0 ? NULL : strrchr(name, '/') + 1, &newer, e));
    m->newest = newer > m->newest ? newer : m->newest;
    return ERR_OK;
}

static enum err_kind read_claim(struct merging *m, int64_t seq, struct err *e)
{
    char name[STAGE_NAME];
    struct buf body = BUF_INIT(PLACE_CLAIM);

    swap_name(name, seq);
    enum err_kind rc = place_read(m->o->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK)
        rc = swap_read(&m->swap, arena_copy(&m->plan, buf_span(&body)), &m->plan, e);
    buf_free(&body);
    if (rc == ERR_OK && m->swap.seq != seq)
        rc = err_set(e, ERR_INTERNAL, "it speaks of merge %" PRId64, m->swap.seq);
    return rc == ERR_OK ? rc : err_prefix(e, "%.80s", name);
}

static enum err_kind look(struct merging *m, bool *open, struct err *e)
{
    bool done;

    forget(m);
    *open = false;
    TRY(find_newest(m, e));
    if (m->newest < 0)
        return ERR_OK;
    TRY(is_done(m, m->newest, &done, e));
    if (done)
        return ERR_OK;
    TRY(read_claim(m, m->newest, e));
    if (m->o->dry_run) {
        merge_say(m, "would finish the merge into %s, of %zu files", m->swap.into.final,
                  m->swap.n);
        return ERR_OK;
    }
    *open = true;
    return ERR_OK;
}

/* --- the claim -------------------------------------------------------------------- */

/* Made once: asked again after a lost answer, the body must be the same. */
static enum err_kind claim(struct merging *m, struct err *e)
{
    char name[STAGE_NAME], tmp[100];
    struct buf found = BUF_INIT(PLACE_CLAIM);

    m->ours = true;
    if (m->body.n == 0) {
        m->swap.made_ms = wall_ms();
        swap_put(&m->body, &m->swap);
        TRY(buf_status(&m->body, e));
    }
    swap_name(name, m->swap.seq);
    merge_private_name(m, tmp);
    enum err_kind rc =
        place_claim(m->o->place, name, tmp, buf_span(&m->body), &found, e);
    buf_free(&found);
    return rc;
}

/* Claims before the newest may have been forgotten (stage_clean.h), and their names be
 * free again for one who slept through it.  Such a claim is nobody's: only the newest
 * one is ever gone on with. */
static enum err_kind check(struct merging *m, struct err *e)
{
    char name[STAGE_NAME];
    int64_t newer;

    swap_name(name, m->swap.seq);
    TRY(newest_behind(m, strrchr(name, '/') + 1, &newer, e));
    return newer > m->swap.seq
               ? err_set(e, ERR_CONFLICT, "merge %" PRId64 " was there already",
                         m->swap.seq)
               : ERR_OK;
}

/* Our claim stays: it may be one that others came to and finished while we slept. */
static enum err_kind discard(struct merging *m, struct err *e)
{
    return place_discard(m->o->place, m->swap.into.ticket, m->swap.into.final, e);
}

/* --- what follows it, by anybody -------------------------------------------------- */

static enum err_kind finish(struct merging *m, struct err *e)
{
    const struct stage_file *f = &m->swap.into;

    return place_finish(m->o->place, f->ticket, f->final, f->bytes, e);
}

static enum err_kind mark(struct merging *m, const char *claim, struct err *e)
{
    char name[STAGE_NAME + 8], tmp[100], body[120];
    struct buf found = BUF_INIT(PLACE_CLAIM);

    done_name(name, claim);
    merge_private_name(m, tmp);
    snprintf(body, sizeof body, "{\"merge\":%" PRId64 ",\"by\":\"%s\"}\n", m->swap.seq,
             m->run.id);
    enum err_kind rc = place_claim(m->o->place, name, tmp, span_str(body), &found, e);
    buf_free(&found);
    return rc == ERR_CONFLICT ? ERR_OK : rc;
}

static enum err_kind mark_swap(struct merging *m, struct err *e)
{
    char name[STAGE_NAME];

    swap_name(name, m->swap.seq);
    return mark(m, name, e);
}

/* The output is nowhere: somebody else has been through with this merge, or its private
 * bytes were swept before anybody came.  Then all inputs are there, for none goes
 * before the output has its name, and the merge is called off. */
static enum err_kind judge(struct merging *m, struct err *e)
{
    struct place_entry there;
    int64_t newest;
    bool done;

    TRY(is_done(m, m->swap.seq, &done, e));
    TRY(newest_behind(m, NULL, &newest, e));
    if (done || newest > m->swap.seq)
        return ERR_OK;
    for (size_t i = 0; i < m->swap.n; i++) {
        enum err_kind rc = place_stat(m->o->place, m->swap.inputs[i].name, &there, e);
        if (rc == ERR_NOT_FOUND)
            return err_set(e, rc, "merge %" PRId64 ": %.100s is gone, and inputs are",
                           m->swap.seq, m->swap.into.final);
        if (rc != ERR_OK)
            return rc;
    }
    merge_say(m, "called off, its bytes were swept: %s", m->swap.into.final);
    return mark_swap(m, e);
}

static enum err_kind release(struct merging *m, struct err *e)
{
    const char *last = "";

    for (size_t i = 0; i < m->swap.n; i++) {
        const char *claim = m->swap.inputs[i].claim;
        if (claim[0] == '\0' || strcmp(claim, last) == 0)
            continue;
        TRY(mark(m, claim, e));
        last = claim;
    }
    return ERR_OK;
}

static enum err_kind remove_inputs(struct merging *m, struct err *e)
{
    for (size_t i = 0; i < m->swap.n; i++)
        TRY(place_remove(m->o->place, m->swap.inputs[i].name, e));
    return ERR_OK;
}

static enum err_kind end(struct merging *m, struct err *e)
{
    TRY(mark_swap(m, e));
    m->sums->settled += !m->ours;
    m->sums->merges++;
    m->sums->inputs += (int64_t)m->swap.n;
    m->sums->rows += m->swap.into.rows;
    m->sums->bytes_out += m->swap.into.bytes;
    for (size_t i = 0; i < m->swap.n; i++)
        m->sums->bytes_in += m->swap.inputs[i].bytes;
    merge_say(m, "%s%s: %zu files, %" PRId64 " rows, %" PRId64 " bytes",
              m->ours ? "" : "finished what was begun: ", m->swap.into.final, m->swap.n,
              m->swap.into.rows, m->swap.into.bytes);
    return ERR_OK;
}

/* --- the run ---------------------------------------------------------------------- */

static enum err_kind act(struct merging *m, enum swap_phase at, bool *open,
                         struct err *e)
{
    switch (at) {
    case SWAP_LOOK: return look(m, open, e);
    case SWAP_PLAN: return merge_plan(m, e);
    case SWAP_WRITE: return merge_write(m, e);
    case SWAP_CLAIM: return claim(m, e);
    case SWAP_CHECK: return check(m, e);
    case SWAP_FINISH: return finish(m, e);
    case SWAP_JUDGE: return judge(m, e);
    case SWAP_RELEASE: return release(m, e);
    case SWAP_REMOVE: return remove_inputs(m, e);
    case SWAP_MARK: return end(m, e);
    case SWAP_DISCARD: return discard(m, e);
    default: return err_set(e, ERR_INTERNAL, "no action in phase %d", at);
    }
}

static bool is_stopped(const struct merging *m)
{
    return m->o->stop != NULL && atomic_load(m->o->stop);
}

static enum err_kind act_patiently(struct merging *m, enum swap_phase at, bool *open,
                                   struct err *e)
{
    enum err_kind rc = act(m, at, open, e);

    for (int i = 0; i < TRIES && rc == ERR_UNAVAILABLE && !is_stopped(m); i++) {
        int64_t ms = INT64_C(100) << (i < 6 ? i : 6);
        struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
        log_err(LOG_INFO, "the place is asked again", e);
        nanosleep(&pause, NULL);
        rc = act(m, at, open, e);
    }
    return rc;
}

static enum err_kind run(struct merging *m, struct err *e)
{
    enum swap_phase at = SWAP_LOOK;
    int idle = 0; // looks since something was merged

    while (at != SWAP_END) {
        bool open = false;
        enum err_kind rc = act_patiently(m, at, &open, e);
        if (rc == ERR_UNAVAILABLE)
            return err_prefix(e, "%s", swap_phase_name(at));
        if (at == SWAP_MARK)
            idle = 0;
        if (at == SWAP_LOOK && ++idle > ROUNDS)
            return err_set(e, ERR_UNAVAILABLE, "others merge here: come again later");
        enum swap_phase next = swap_next(at, rc, open);
        if (next == SWAP_STOPPED)
            return rc == ERR_OK ? err_set(e, ERR_INTERNAL, "stopped") : rc;
        at = next;
    }
    return ERR_OK;
}

static void show_plan(struct merging *m)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < m->swap.n; i++) {
        if (m->n_shown == m->cap) {
            m->cap = m->cap * 2 + 64;
            m->shown = mem_grow(m->shown, m->cap, sizeof *m->shown);
        }
        m->shown[m->n_shown++] = arena_str(&m->kept, span_str(m->swap.inputs[i].name));
        bytes += m->swap.inputs[i].bytes;
    }
    merge_say(m, "would merge %zu files, %" PRId64 " bytes, into %s: %s ... %s",
              m->swap.n, bytes, m->final, m->swap.inputs[0].name,
              m->swap.inputs[m->swap.n - 1].name);
    m->sums->merges++;
    m->sums->inputs += (int64_t)m->swap.n;
    m->sums->bytes_in += bytes;
}

static enum err_kind run_dry(struct merging *m, struct err *e)
{
    bool open;

    TRY(look(m, &open, e));
    for (;;) {
        enum err_kind rc = merge_plan(m, e);
        if (rc != ERR_OK)
            return rc == ERR_NOT_FOUND ? ERR_OK : rc;
        show_plan(m);
        m->newest++;
        arena_reset(&m->plan);
    }
}

enum err_kind merge_check(struct merge_options *o, struct err *e)
{
    const char *named = o->into == NULL ? NULL : format_of_path(o->into);

    if (o->into != NULL && named == NULL)
        return err_set(e, ERR_INVALID, "into \"%.100s\", wanted a name that ends in %s",
                       o->into, ".parquet, .avro, .jsonl or .csv");
    if (o->into != NULL && o->to != NULL && strcmp(o->to, named) != 0)
        return err_set(e, ERR_INVALID, "into \"%.100s\", wanted a name of format %.20s",
                       o->into, o->to);
    if (o->to == NULL)
        o->to = named != NULL ? named : o->format;
    if (format_suffix(o->format) == NULL || format_suffix(o->to) == NULL)
        return err_set(e, ERR_INVALID, "format \"%.40s\" to \"%.40s\", wanted of %s",
                       o->format, o->to, format_names);
    if (o->into != NULL && (o->into[0] == '_' || o->into[0] == '/'))
        return err_set(e, ERR_INVALID, "into \"%.100s\", wanted a name in the place",
                       o->into);
    if (o->into != NULL)
        TRY(place_check_name(o->into, e));
    if (o->backup != NULL && !merge_is_backup(o->backup))
        return err_set(e, ERR_INVALID,
                       "backup \"%.100s\", wanted backup, backup/... or a name that "
                       "begins with _",
                       o->backup);
    if (o->all && o->backup == NULL)
        return err_set(e, ERR_INVALID,
                       "all: wanted backup beside it, or what is alone would be "
                       "written again and again");
    return ERR_OK;
}

enum err_kind stage_merge(const struct merge_options *o, struct merge_sums *sums,
                          struct err *e)
{
    struct merging m = {.o = o, .sums = sums, .newest = -1};

    *sums = (struct merge_sums){0};
    m.ticket = BUF_INIT(PLACE_CLAIM);
    m.body = BUF_INIT(PLACE_CLAIM);
    run_init(&m.run, "stage merge");
    enum err_kind rc = o->dry_run ? run_dry(&m, e) : run(&m, e);
    forget(&m);
    size_t at = 0;
    for (struct av_schema *s; (s = tab_each(&m.schemas, &at, NULL)) != NULL;)
        av_schema_release(s);
    tab_free(&m.schemas);
    arena_free(&m.plan);
    tab_free(&m.settled);
    arena_free(&m.kept);
    free(m.shown);
    buf_free(&m.ticket);
    buf_free(&m.body);
    return rc;
}

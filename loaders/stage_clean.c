#include "loaders/stage_clean.h"

#include "base/clock.h"
#include "base/tab.h"
#include "loaders/sink_files_inside.h"
#include "loaders/stage_merge_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct cleaning {
    const struct clean_options *o;
    struct clean_sums *sums;
    int64_t before_ms;
    struct run run;    // its id makes our names ours
    uint64_t names;    // private names given so far
    struct tab limits; // by partition's directory: struct limit
    struct tab needed; // numbers of merges
    struct arena a;
};

struct limit { // claims that begin before it are cleaned
    int64_t first;
};

static void say(const struct cleaning *c, const char *what, const char *name)
{
    char line[STAGE_NAME + 100];

    if (c->o->say == NULL)
        return;
    snprintf(line, sizeof line, "%s%s: %s", c->o->dry_run ? "would be " : "", what,
             name);
    c->o->say(c->o->arg, line);
}

static bool is_stopped(const struct cleaning *c)
{
    return c->o->stop != NULL && atomic_load(c->o->stop);
}

/* Makes it unless it is there. */
static enum err_kind make(struct cleaning *c, const char *name, struct err *e)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);
    char tmp[100], body[80];

    snprintf(tmp, sizeof tmp, "_tmp/clean-%s-%" PRIu64, c->run.id, ++c->names);
    snprintf(body, sizeof body, "{\"clean\":\"%s\"}\n", c->run.id);
    enum err_kind rc = place_claim(c->o->place, name, tmp, span_str(body), &found, e);
    buf_free(&found);
    return rc == ERR_CONFLICT ? ERR_OK : rc;
}

/* --- a partition's claims --------------------------------------------------------- */

struct part {
    const char *topic;
    int32_t id;
    char dir[STAGE_NAME], hints[STAGE_NAME + 8];
    int64_t next; // not loaded yet
    int64_t done; // the newest hint, -1 = none
    struct limit *limit;
};

/* One is enough, once all before it is done. */
static enum err_kind drop_hints(struct cleaning *c, const struct part *p, struct err *e)
{
    struct place_entry *all;
    char name[2 * STAGE_NAME];
    size_t n;

    TRY(place_list(c->o->place, p->hints, NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i + 1 < n; i++) {
        snprintf(name, sizeof name, "%s/%.60s", p->hints, all[i].name);
        TRY(place_remove(c->o->place, name, e));
    }
    return ERR_OK;
}

static enum err_kind remove_files(struct cleaning *c, const struct stage_claim *claim,
                                  struct err *e)
{
    for (size_t i = 0; i < claim->n_files; i++) {
        const struct stage_file *f = &claim->files[i];
        struct place_entry there;
        if (f->rejects)
            continue;
        enum err_kind rc = place_stat(c->o->place, f->final, &there, e);
        if (rc == ERR_NOT_FOUND)
            continue; // merged, or cleaned by another
        TRY(rc);
        say(c, "cleaned", f->final);
        if (!c->o->dry_run)
            TRY(place_remove(c->o->place, f->final, e));
        c->sums->files++;
        c->sums->bytes += there.bytes;
        c->sums->rows += f->rows;
    }
    return ERR_OK;
}

/* A loader that is at the names just now must not give them again when we are gone: so
 * they are given first. */
static enum err_kind clean_claim(struct cleaning *c, const struct stage_claim *claim,
                                 struct err *e)
{
    char name[STAGE_NAME], done[STAGE_NAME + sizeof STAGE_DONE];

    stage_claim_name(name, claim->topic, claim->partition, claim->first);
    snprintf(done, sizeof done, "%s" STAGE_DONE, name);
    if (!c->o->dry_run) {
        TRY(files_finish(c->o->place, claim, e));
        TRY(make(c, done, e));
    }
    c->sums->claims++;
    return remove_files(c, claim, e);
}

static enum err_kind read_claim(struct cleaning *c, const struct part *p, int64_t first,
                                struct stage_claim *claim, struct arena *a,
                                struct err *e)
{
    char name[STAGE_NAME];

    stage_claim_name(name, p->topic, p->id, first);
    return files_read_claim(c->o->place, name, claim, a, e);
}

/* The newest claim itself says where it ends, the others end where the next begins. */
static enum err_kind ask_last(struct cleaning *c, const struct part *p,
                              const struct place_entry *all, size_t n, size_t i,
                              int64_t *last, struct err *e)
{
    struct stage_claim claim;
    struct arena a = {0};
    size_t k = i + 1;

    while (k < n && stage_claim_first(all[k].name) < 0)
        k++;
    if (k < n) {
        *last = stage_claim_first(all[k].name) - 1;
        return ERR_OK;
    }
    enum err_kind rc = read_claim(c, p, stage_claim_first(all[i].name), &claim, &a, e);
    if (rc == ERR_OK)
        *last = claim.last;
    arena_free(&a);
    return rc;
}

/* The first offset of the last claim that is old enough and loaded, as all before it.
 */
static enum err_kind find_limit(struct cleaning *c, struct part *p,
                                const struct place_entry *all, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int64_t first = stage_claim_first(all[i].name), last = INT64_MAX;
        if (first < 0)
            continue;
        if (all[i].modified_ms > c->before_ms)
            return ERR_OK;
        if (p->next != INT64_MAX)
            TRY(ask_last(c, p, all, n, i, &last, e));
        if (p->next != INT64_MAX && last >= p->next)
            return ERR_OK;
        p->limit->first = first;
    }
    return ERR_OK;
}

static enum err_kind clean_one(struct cleaning *c, const struct part *p, int64_t first,
                               struct err *e)
{
    struct stage_claim claim;
    struct arena a = {0};

    enum err_kind rc = read_claim(c, p, first, &claim, &a, e);
    if (rc == ERR_OK)
        rc = clean_claim(c, &claim, e);
    arena_free(&a);
    return rc;
}

/* How far it goes is said before the first file goes, so that whoever misses one knows;
 * the hint before stays until the last is gone, so that whoever comes after us goes on
 * from there. */
static enum err_kind clean_claims(struct cleaning *c, struct part *p, struct err *e)
{
    struct place_entry *all, *hints;
    char name[2 * STAGE_NAME], after[24];
    size_t n, n_hints;

    TRY(place_list(c->o->place, p->hints, NULL, &c->a, &hints, &n_hints, e));
    int64_t begin = n_hints > 1 ? stage_claim_first(hints[0].name) : p->done;
    snprintf(after, sizeof after, "%020" PRId64, begin);
    TRY(place_list(c->o->place, p->dir, begin < 0 ? NULL : after, &c->a, &all, &n, e));
    TRY(find_limit(c, p, all, n, e));
    if (p->limit->first < p->done) // what was begun is ended
        p->limit->first = p->done;
    snprintf(name, sizeof name, "%s/%020" PRId64, p->hints, p->limit->first);
    if (p->limit->first > p->done && !c->o->dry_run)
        TRY(make(c, name, e));
    for (size_t i = 0; i < n && !is_stopped(c); i++) {
        int64_t first = stage_claim_first(all[i].name);
        if (first >= 0 && first <= p->limit->first)
            TRY(clean_one(c, p, first, e));
    }
    return c->o->dry_run || is_stopped(c) ? ERR_OK : drop_hints(c, p, e);
}

static enum err_kind read_done(struct cleaning *c, struct part *p, struct err *e)
{
    struct place_entry *all;
    size_t n;

    p->done = -1;
    TRY(place_list(c->o->place, p->hints, NULL, &c->a, &all, &n, e));
    while (n > 0 && p->done < 0)
        p->done = stage_claim_first(all[--n].name);
    return ERR_OK;
}

static enum err_kind clean_part(struct cleaning *c, const char *topic, const char *dir,
                                struct err *e)
{
    struct part p = {.topic = topic, .id = (int32_t)atol(dir), .next = INT64_MAX};

    p.limit = arena_alloc(&c->a, sizeof *p.limit);
    p.limit->first = -1;
    stage_claims_dir(p.dir, topic, p.id);
    snprintf(p.hints, sizeof p.hints, "%s.clean", p.dir);
    if (c->o->loaded != NULL)
        TRY(c->o->loaded(c->o->arg, topic, p.id, &p.next, e));
    TRY(read_done(c, &p, e));
    (void)tab_put(&c->limits, span_str(p.dir), p.limit);
    return clean_claims(c, &p, e);
}

static enum err_kind clean_topic(struct cleaning *c, const char *topic, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    snprintf(dir, sizeof dir, "_claims/%.255s", topic);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n && !is_stopped(c); i++)
        if (all[i].dir && strspn(all[i].name, "0123456789") == strlen(all[i].name))
            TRY(clean_part(c, topic, all[i].name, e));
    return ERR_OK;
}

/* --- merges ----------------------------------------------------------------------- */

/* All that ever went into it. */
static bool is_cleaned(const struct cleaning *c, const struct swap *s)
{
    for (size_t i = 0; i < s->n_ranges; i++) {
        char dir[STAGE_NAME];
        stage_claims_dir(dir, s->topic, s->ranges[i].partition);
        const struct limit *l = tab_get(&c->limits, span_str(dir));
        if (l == NULL || l->first < s->ranges[i].last)
            return false;
    }
    return true;
}

static enum err_kind remove_output(struct cleaning *c, const struct swap *s,
                                   struct err *e)
{
    struct place_entry there;

    if (!swap_origin_of(s->into.final).merged)
        return ERR_OK; // its name may come again: the user's, as a backup is
    enum err_kind rc = place_stat(c->o->place, s->into.final, &there, e);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(rc);
    say(c, "cleaned", s->into.final);
    if (!c->o->dry_run)
        TRY(place_remove(c->o->place, s->into.final, e));
    c->sums->merged++;
    c->sums->merged_bytes += there.bytes;
    c->sums->rows += s->into.rows;
    return ERR_OK;
}

/* What went into one that lives on is looked for through the merges before it. */
static void need_inputs(struct cleaning *c, const struct swap *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct swap_origin o = swap_origin_of(s->inputs[i].name);
        if (o.merged)
            (void)tab_put_id(&c->needed, o.merge, c);
    }
}

static enum err_kind forget(struct cleaning *c, const char *name, struct err *e)
{
    char done[STAGE_NAME + sizeof STAGE_DONE];

    c->sums->forgotten++;
    snprintf(done, sizeof done, "%s" STAGE_DONE, name);
    TRY(place_remove(c->o->place, name, e));
    return place_remove(c->o->place, done, e);
}

/* A backup is the user's, and what it is is known as long as it lies there: whoever
 * copies backups goes by their claims. */
static enum err_kind is_kept(struct cleaning *c, const struct swap *s, bool *yes,
                             struct err *e)
{
    struct place_entry there;

    *yes = false;
    if (!merge_is_backup(s->into.final))
        return ERR_OK;
    enum err_kind rc = place_stat(c->o->place, s->into.final, &there, e);
    *yes = rc == ERR_OK;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* The newest claim says which number comes next, and stays. */
static enum err_kind clean_merge(struct cleaning *c, int64_t seq, bool newest,
                                 bool is_done, struct err *e)
{
    char name[STAGE_NAME];
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct arena a = {0};
    struct swap s;

    swap_name(name, seq);
    enum err_kind rc = place_read(c->o->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK)
        rc = swap_read(&s, buf_span(&body), &a, e);
    bool cleaned = rc == ERR_OK && is_done && is_cleaned(c, &s), kept = false;
    if (cleaned)
        rc = remove_output(c, &s, e);
    if (cleaned && rc == ERR_OK)
        rc = is_kept(c, &s, &kept, e);
    if (rc == ERR_OK && (!cleaned || tab_get_id(&c->needed, seq) != NULL))
        need_inputs(c, &s);
    else if (rc == ERR_OK && !newest && !kept && !c->o->dry_run)
        rc = forget(c, name, e);
    arena_free(&a);
    buf_free(&body);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc; // forgotten by another
}

/* From the newest on: what goes into a merge is older.  What is open is the next
 * merge's to finish. */
static enum err_kind clean_merges(struct cleaning *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, SWAP_DIR, NULL, &c->a, &all, &n, e));
    int64_t newest = stage_claim_newest(all, n);
    for (size_t i = n; i-- > 0 && !is_stopped(c);) {
        int64_t seq = stage_claim_first(all[i].name);
        bool done = seq != newest ||
                    (i + 1 < n && strcmp(all[i + 1].name + 20, STAGE_DONE) == 0);
        if (seq >= 0)
            TRY(clean_merge(c, seq, seq == newest, done, e));
    }
    return ERR_OK;
}

enum err_kind clean_ask_loaded(struct pg *pg, const char *job, const char *topic,
                               int32_t partition, int64_t *next, struct err *e)
{
    char part[16];
    const char *const which[] = {job, topic, part};
    PGresult *r = NULL;

    snprintf(part, sizeof part, "%" PRId32, partition);
    TRY(pg_ask_with(pg, &r,
                    "SELECT next_offset FROM etl_offsets WHERE pipeline = $1 AND topic "
                    "= $2 AND part = $3::integer",
                    3, which, e));
    *next = PQntuples(r) == 0 ? 0 : atoll(PQgetvalue(r, 0, 0));
    PQclear(r);
    return ERR_OK;
}

static enum err_kind clean(struct cleaning *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, "_claims", NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n; i++)
        if (all[i].dir &&
            (c->o->topic == NULL || strcmp(c->o->topic, all[i].name) == 0))
            TRY(clean_topic(c, all[i].name, e));
    return clean_merges(c, e);
}

enum err_kind stage_clean(const struct clean_options *o, struct clean_sums *sums,
                          struct err *e)
{
    struct cleaning c = {.o = o, .sums = sums, .before_ms = wall_ms() - o->older_ms};

    *sums = (struct clean_sums){0};
    run_init(&c.run, "stage clean");
    enum err_kind rc = clean(&c, e);
    if (rc == ERR_OK && is_stopped(&c))
        rc = err_set(e, ERR_UNAVAILABLE, "told to stop");
    tab_free(&c.limits);
    tab_free(&c.needed);
    arena_free(&c.a);
    return rc;
}

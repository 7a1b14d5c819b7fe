/* What is claimed, whose it is, and whether all of it is loaded. */
#include "loaders/source_stage_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "loaders/sink_files_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS_MOST 10000
#define REACHED_MS 200   // between two looks at whether the end is loaded
#define STAND_BY_MS 1000 // between two looks at whether another goes on
#define LEASE 15 // intervals: an owner seen to go on may stand still for so long

/* --- claims ----------------------------------------------------------------------- */

enum err_kind stage_read_claim(struct stage_source *s, const struct stage_part *p,
                               int64_t first, struct stage_claim *c, struct arena *a,
                               struct err *e)
{
    char name[STAGE_NAME];

    stage_claim_name(name, s->o.topic, p->id, first);
    enum err_kind rc = files_read_claim(s->place, name, c, a, e);
    if (rc == ERR_OK && (c->first != first || c->partition != p->id ||
                         strcmp(c->topic, s->o.topic) != 0))
        rc = err_set(e, ERR_CONFLICT, "%.80s speaks of %.60s/%" PRId32 "@%" PRId64,
                     name, c->topic, c->partition, c->first);
    if (rc == ERR_OK || rc == ERR_UNAVAILABLE)
        return rc;
    return e->kind = ERR_CONFLICT; // a claim that is gone or torn: a person must look
}

static void add_first(struct stage_part *p, int64_t first)
{
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->firsts = mem_grow(p->firsts, p->cap, sizeof *p->firsts);
    }
    p->firsts[p->n++] = first;
}

/* Those behind the last one known. */
static enum err_kind list_claims(struct stage_source *s, struct stage_part *p,
                                 bool *grown, struct err *e)
{
    char dir[STAGE_NAME], after[24];
    struct place_entry *all = NULL;
    struct arena a = {0};
    size_t n = 0, before = p->n;

    stage_claims_dir(dir, s->o.topic, p->id);
    if (p->n > 0)
        snprintf(after, sizeof after, "%020" PRId64, p->firsts[p->n - 1]);
    enum err_kind rc =
        place_list(s->place, dir, p->n > 0 ? after : NULL, &a, &all, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int64_t first = stage_claim_first(all[i].name);
        if (first >= 0)
            add_first(p, first);
    }
    arena_free(&a);
    *grown = p->n > before;
    return rc;
}

/* The claim that would hold an offset; p->n > 0, and the first one begins before. */
static size_t find_claim(const struct stage_part *p, int64_t offset)
{
    size_t low = 0, high = p->n;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->firsts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* --- whose it is ------------------------------------------------------------------ */

/* The position and the claims may come from two worlds: another topic of the name, a
 * loader that counted what this one cannot. */
static enum err_kind check_mark(struct stage_source *s, const struct stage_part *p,
                                const struct claim *c, struct err *e)
{
    struct arena a = {0};
    struct stage_claim before;

    if (c->next <= p->firsts[0])
        return ERR_OK;
    enum err_kind rc =
        stage_read_claim(s, p, p->firsts[find_claim(p, c->next - 1)], &before, &a, e);
    int64_t wanted = rc != ERR_OK || c->next > before.last + 1
                         ? -1
                         : stage_rows_mark(&before, c->next);
    bool middle = rc == ERR_OK && c->next <= before.last;
    if (wanted >= 0 && c->mark != wanted && (c->mark >= 0 || middle))
        rc = middle
                 ? err_set(e, ERR_CONFLICT,
                           "%.80s/%" PRId32 " is loaded up to %" PRId64
                           ", in the middle of a claim that does not say the offsets "
                           "of its rows, and not from this stage",
                           s->o.topic, p->id, c->next)
                 : err_set(e, ERR_CONFLICT,
                           "%.80s/%" PRId32 ": the record at %" PRId64
                           " is not the one loaded: staged from a topic that was made "
                           "anew? To load it as a new topic: %s",
                           s->o.topic, p->id, c->next - 1, s->sink->ops->anew);
    arena_free(&a);
    return rc;
}

static enum err_kind check_position(struct stage_source *s, const struct stage_part *p,
                                    const struct claim *c, struct err *e)
{
    if (c->next < p->firsts[0])
        return err_set(e, ERR_CONFLICT,
                       "%.60s/%" PRId32 ": records %" PRId64 " to %" PRId64
                       " are not staged; to go on without them, from %" PRId64 ": %s",
                       s->o.topic, p->id, c->next, p->firsts[0] - 1, p->firsts[0],
                       s->sink->ops->skip);
    return check_mark(s, p, c, e);
}

static void begin_part(struct stage_source *s, struct stage_part *p,
                       const struct claim *c)
{
    p->next = c->next;
    p->at = find_claim(p, c->next);
    p->mark = c->mark;
    p->resumed = true;
    pthread_mutex_lock(&s->lock);
    p->claim = *c;
    p->mine = true;
    p->loaded = c->next;
    pthread_mutex_unlock(&s->lock);
    log_event(LOG_INFO, "partition taken", LOG_S("topic", s->o.topic),
              LOG_I("partition", p->id), LOG_I("next", c->next),
              LOG_I("epoch", c->epoch), LOG_I("high", p->end), LOG_END);
}

static enum err_kind take(struct stage_source *s, struct stage_part *p, struct err *e)
{
    struct claim c;

    enum err_kind rc =
        s->sink->ops->take(s->sink, s->o.topic, p->id, p->firsts[0], s->cluster, &c, e);
    if (rc == ERR_OK)
        rc = check_position(s, p, &c, e);
    if (rc == ERR_UNAVAILABLE)
        return rc;
    p->taken = true;
    if (rc == ERR_OK)
        begin_part(s, p, &c);
    else
        stage_stop_part(s, p, e);
    return ERR_OK;
}

/* --- looking ---------------------------------------------------------------------- */

static enum err_kind check_cluster(struct stage_source *s, const struct stage_claim *c,
                                   struct err *e)
{
    if (c->cluster[0] == '\0')
        return ERR_OK;
    if (s->cluster == NULL)
        s->cluster = mem_str(span_str(c->cluster));
    if (strcmp(s->cluster, c->cluster) == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "%.60s/%" PRId32 " was staged from Kafka cluster %.40s, others from "
                   "%.40s: the offsets mean other records",
                   s->o.topic, c->partition, c->cluster, s->cluster);
}

/* What the newest rows were written in is what older ones are read as. */
static enum err_kind learn_schema(struct stage_source *s, const struct stage_claim *c,
                                  struct err *e)
{
    struct av_schema *schema;
    int32_t id;

    enum err_kind rc = stage_rows_schema(s->place, stage_rows_value(c), &schema, e);
    if (rc != ERR_OK)
        return rc == ERR_UNAVAILABLE ? rc : ERR_OK; // the files will say
    rc = stage_schemas_add(s->o.schemas, schema, c->schema_id, c->started_ms, &id, e);
    av_schema_release(schema);
    return rc;
}

static enum err_kind look_at_newest(struct stage_source *s, struct stage_part *p,
                                    struct err *e)
{
    struct arena a = {0};
    struct stage_claim c;

    enum err_kind rc = stage_read_claim(s, p, p->firsts[p->n - 1], &c, &a, e);
    if (rc == ERR_OK)
        rc = check_cluster(s, &c, e);
    if (rc == ERR_OK)
        rc = learn_schema(s, &c, e);
    if (rc == ERR_OK) {
        pthread_mutex_lock(&s->lock);
        p->end = c.last + 1;
        pthread_mutex_unlock(&s->lock);
        if (!s->looked)
            p->target = p->end;
    }
    arena_free(&a);
    return rc;
}

/* A list that was begun and not gone through is begun again. */
static enum err_kind look_at_part(struct stage_source *s, struct stage_part *p,
                                  struct err *e)
{
    size_t before = p->n;
    bool grown = false;

    if (p->stopped)
        return ERR_OK;
    TRY(list_claims(s, p, &grown, e));
    enum err_kind rc = grown ? look_at_newest(s, p, e) : ERR_OK;
    if (rc == ERR_UNAVAILABLE) {
        p->n = before;
        return rc;
    }
    if (rc != ERR_OK) {
        stage_stop_part(s, p, e);
        return ERR_OK;
    }
    return p->n > 0 && !p->taken ? take(s, p, e) : ERR_OK;
}

static struct stage_part *new_part(struct stage_source *s, int32_t id)
{
    struct stage_part *p = mem_alloc(sizeof *p);

    p->id = id;
    p->patience_ms = STAND_BY_MS;
    pthread_mutex_lock(&s->lock);
    s->parts = mem_grow(s->parts, s->n_parts + 1, sizeof(struct stage_part *));
    s->parts[s->n_parts++] = p;
    pthread_mutex_unlock(&s->lock);
    return p;
}

static enum err_kind find_parts(struct stage_source *s, const struct place_entry *all,
                                size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = stage_claims_partition(all[i].name);
        if (id < 0 || id % s->o.shares != s->o.share || stage_part(s, id) != NULL)
            continue;
        if (id >= PARTITIONS_MOST)
            return err_set(e, ERR_LIMIT, "partition %" PRId32 ", the most is %d", id,
                           PARTITIONS_MOST - 1);
        new_part(s, id);
    }
    return ERR_OK;
}

/* Nothing of the topic is there: of others it may be, and then the name is wrong. */
static enum err_kind miss_topic(struct stage_source *s, struct err *e)
{
    struct arena a = {0};
    struct place_entry *all = NULL;
    size_t n = 0;

    enum err_kind rc = place_list(s->place, "_claims", NULL, &a, &all, &n, e);
    bool ours = false; // it came between the two lists
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        ours |= strcmp(all[i].name, s->o.topic) == 0;
    if (rc == ERR_OK && n > 0 && !ours)
        rc = err_set(
            e, ERR_INVALID,
            "nothing of topic %.80s is staged at %.100s, but of %.80s%s: wanted "
            "source.stage.topic",
            s->o.topic, place_shown(s->place), all[0].name, n > 1 ? " and others" : "");
    else if (rc == ERR_OK)
        rc = err_set(e, ERR_UNAVAILABLE, "nothing is staged at %.150s yet",
                     place_shown(s->place));
    arena_free(&a);
    return rc;
}

static enum err_kind list_parts(struct stage_source *s, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all = NULL;
    struct arena a = {0};
    size_t n = 0;

    snprintf(dir, sizeof dir, "_claims/%.255s", s->o.topic);
    enum err_kind rc = place_list(s->place, dir, NULL, &a, &all, &n, e);
    if (rc == ERR_OK)
        rc = n == 0 ? miss_topic(s, e) : find_parts(s, all, n, e);
    arena_free(&a);
    return rc;
}

enum err_kind stage_look_only(struct stage_source *s, struct err *e)
{
    TRY(list_parts(s, e));
    for (size_t i = 0; i < s->n_parts; i++) {
        bool grown = false;
        TRY(list_claims(s, s->parts[i], &grown, e));
        if (grown)
            TRY(look_at_newest(s, s->parts[i], e));
    }
    return ERR_OK;
}

enum err_kind stage_look(struct stage_source *s, struct err *e)
{
    TRY(list_parts(s, e));
    for (size_t i = 0; i < s->n_parts; i++)
        TRY(look_at_part(s, s->parts[i], e));
    s->looked = true;
    return ERR_OK;
}

/* --- of others -------------------------------------------------------------------- */

/* Has the partition been loaded up to `next`, by anybody? */
static bool has_reached(struct stage_source *s, const struct stage_part *p,
                        int64_t next)
{
    int64_t wanted[PARTITIONS_MOST] = {0};
    struct err e = {0};
    bool yes = false;

    wanted[p->id] = next;
    if (s->sink->ops->reached(s->sink, s->o.topic, wanted, (size_t)p->id + 1, &yes,
                              &e) != ERR_OK) {
        stage_grumble(s, &e);
        return false;
    }
    return yes;
}

/* In steps that double: only "this far?" can be asked. */
static bool follow(struct stage_source *s, struct stage_part *p)
{
    bool moved = false;

    for (int64_t step = 1; p->theirs < p->end; step *= 2) {
        int64_t left = p->end - p->theirs;
        int64_t to = p->theirs + (step < left ? step : left);
        if (!has_reached(s, p, to))
            break;
        p->theirs = to;
        moved = true;
    }
    return moved;
}

static void stand_by(struct stage_source *s, struct stage_part *p)
{
    struct err e = {0};
    int64_t now = clock_ms();

    if (follow(s, p)) {
        p->since_ms = now;
        p->patience_ms = LEASE * s->o.interval_ms;
        return;
    }
    if (p->theirs >= p->end) { // there is nothing to be done
        p->since_ms = now;
        return;
    }
    if (now - p->since_ms < p->patience_ms)
        return;
    p->since_ms = now;
    if (take(s, p, &e) != ERR_OK)
        stage_grumble(s, &e);
}

void stage_stand_by(struct stage_source *s)
{
    if (clock_ms() - s->stand_by_ms < STAND_BY_MS)
        return;
    s->stand_by_ms = clock_ms();
    for (size_t i = 0; i < s->n_parts; i++) {
        struct stage_part *p = s->parts[i];
        if (p->taken && !p->mine && !p->stopped)
            stand_by(s, p);
    }
}

/* --- the end ---------------------------------------------------------------------- */

static int64_t loaded(struct stage_source *s, const struct stage_part *p)
{
    pthread_mutex_lock(&s->lock);
    int64_t at = p->loaded;
    pthread_mutex_unlock(&s->lock);
    return at;
}

void stage_look_for_end(struct stage_source *s)
{
    int64_t wanted[PARTITIONS_MOST] = {0};
    struct err e = {0};
    bool yes = false;
    size_t n = 0;

    if (!s->o.until_end || !s->looked || clock_ms() - s->reached_ms < REACHED_MS)
        return;
    s->reached_ms = clock_ms();
    for (size_t i = 0; i < s->n_parts; i++) {
        const struct stage_part *p = s->parts[i];
        if (p->stopped)
            continue;
        if (p->fault.kind != ERR_OK || (p->mine && loaded(s, p) < p->target))
            return; // no need to ask
        wanted[p->id] = p->target;
        n = n > (size_t)p->id ? n : (size_t)p->id + 1;
    }
    if (n == 0)
        yes = true; // none is ours
    else if (s->sink->ops->reached(s->sink, s->o.topic, wanted, n, &yes, &e) != ERR_OK)
        stage_grumble(s, &e);
    pthread_mutex_lock(&s->lock);
    s->finished = yes;
    pthread_mutex_unlock(&s->lock);
}

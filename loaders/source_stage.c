#include "loaders/source_stage_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/frame.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROWS_AT_ONCE 4096 // between two looks at everything else
#define CLAIMS_AT_ONCE 64 // of a partition, before another has its turn
#define IDLE_MS 50
#define WAIT_FIRST_MS 200
#define WAIT_MOST_MS 30000
#define GRUMBLE_MS 5000
#define PATIENCE_FIRST_MS 1000
#define PATIENCE_MOST_MS 30000
#define FRAMED_MOST ((size_t)1 << 30)

static struct stage_source *of_source(struct source *s)
{
    return (struct stage_source *)s;
}

struct stage_part *stage_part(const struct stage_source *s, int32_t id)
{
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i]->id == id)
            return s->parts[i];
    return NULL;
}

void stage_grumble(struct stage_source *s, const struct err *e)
{
    if (clock_ms() - s->grumbled_ms < GRUMBLE_MS && s->grumbled_ms != 0)
        return;
    s->grumbled_ms = clock_ms();
    log_err(LOG_WARN, "stage waits", e);
}

/* --- the queue -------------------------------------------------------------------- */

static void push(struct stage_source *s, struct batch *b)
{
    assert(b->next > b->first);
    pthread_mutex_lock(&s->lock);
    batch_queue_put(&s->queue, b);
    pthread_cond_signal(&s->some);
    pthread_mutex_unlock(&s->lock);
}

/* --- gathering (reader) ----------------------------------------------------------- */

static void close_claim(struct stage_source *s)
{
    stage_rows_close(s->rows);
    s->rows = NULL;
    s->reading = NULL;
}

static bool is_alone(const struct stage_part *p)
{
    return p->next < p->claim.isolate_until || p->claim.undecoded;
}

static void open_batch(struct stage_source *s, struct stage_part *p)
{
    struct batch *b = batch_new(s->o.topic, p->id, p->next);

    b->epoch = p->claim.epoch;
    b->generation = p->claim.generation;
    b->trial = p->claim.careful || is_alone(p);
    b->undecoded = p->claim.undecoded;
    b->born_ms = clock_ms();
    p->open = b;
}

/* The mark of a claim's end is the topic's own; of its middle, ours. */
static void seal(struct stage_source *s, struct stage_part *p)
{
    struct batch *b = p->open;

    b->marked = true;
    b->mark = s->reading == p ? stage_rows_mark(&s->c, b->next) : p->mark;
    p->open = NULL;
    p->claim.careful = p->claim.undecoded = false; // said of the first batch only
    push(s, b);
}

static void discard(struct stage_part *p)
{
    batch_free(p->open);
    p->open = NULL;
}

void stage_forget_part(struct stage_source *s, struct stage_part *p)
{
    if (s->reading == p)
        close_claim(s);
    discard(p);
    p->fault.kind = ERR_OK;
    pthread_mutex_lock(&s->lock);
    p->mine = false;
    pthread_mutex_unlock(&s->lock);
}

static bool is_full(const struct stage_source *s, const struct stage_part *p)
{
    const struct batch *b = p->open;

    return (int64_t)b->n >= s->o.batch_rows || (int64_t)b->bytes >= s->o.batch_bytes ||
           (b->n > 0 && is_alone(p));
}

void stage_stop_part(struct stage_source *s, struct stage_part *p, const struct err *e)
{
    stage_forget_part(s, p);
    pthread_mutex_lock(&s->lock);
    p->stopped = true;
    s->n_stopped++;
    if (s->why[0] == '\0')
        snprintf(s->why, sizeof s->why, "%s", e->msg);
    pthread_mutex_unlock(&s->lock);
    log_event(LOG_ERROR, "partition stopped", LOG_S("topic", s->o.topic),
              LOG_I("partition", p->id), LOG_S("why", e->msg), LOG_END);
}

/* What was read before the fault is good, and is loaded first. */
static void stop_faulty(struct stage_source *s)
{
    pthread_mutex_lock(&s->lock);
    bool idle = batch_queue_is_idle(&s->queue);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; idle && i < s->n_parts; i++)
        if (s->parts[i]->fault.kind != ERR_OK && !s->parts[i]->stopped) {
            struct err why = s->parts[i]->fault;
            stage_stop_part(s, s->parts[i], &why);
        }
}

static void meet_trouble(struct stage_source *s, struct stage_part *p, struct err *e)
{
    if (p->open != NULL)
        seal(s, p);
    if (s->reading == p)
        close_claim(s);
    if (e->kind == ERR_UNAVAILABLE) {
        s->wait_ms = s->wait_ms == 0                 ? WAIT_FIRST_MS
                     : s->wait_ms < WAIT_MOST_MS / 2 ? s->wait_ms * 2
                                                     : WAIT_MOST_MS;
        s->read_ms = clock_ms() + s->wait_ms / 2 + random() % (s->wait_ms / 2 + 1);
        stage_grumble(s, e);
        return;
    }
    p->fault = *e;
}

/* "weather/3@100-199", the claim at hand. */
static enum err_kind blame(const struct stage_source *s, const struct stage_part *p,
                           struct err *e)
{
    return err_prefix(e, "%.80s/%" PRId32 "@%" PRId64 "-%" PRId64, s->o.topic, p->id,
                      s->c.first, s->c.last);
}

static size_t data_files(const struct stage_claim *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_files; i++)
        n += !c->files[i].rejects;
    return n;
}

/* Where it begins in the middle, the position says so: only behind a take. */
static enum err_kind check_claim(const struct stage_source *s,
                                 const struct stage_part *p, struct err *e)
{
    const struct stage_claim *c = &s->c;

    if (c->first > p->next || (c->first < p->next && !p->resumed))
        return err_set(e, ERR_CONFLICT,
                       "%.60s/%" PRId32 ": claimed up to %" PRId64
                       ", and again from %" PRId64 " on: a %s",
                       s->o.topic, p->id, p->next - 1, c->first,
                       c->first > p->next ? "gap" : "overlap");
    if (s->o.ordered && data_files(c) > 1 && stage_rows_counted(c)) {
        (void)err_set(
            e, ERR_CONFLICT,
            "it does not say the order of its rows, which lie in several files: "
            "wanted sink.postgres.mode append");
        return blame(s, p, e);
    }
    return ERR_OK;
}

static enum err_kind open_claim(struct stage_source *s, struct stage_part *p,
                                struct err *e)
{
    arena_reset(&s->arena);
    TRY(stage_read_claim(s, p, p->firsts[p->at], &s->c, &s->arena, e));
    if (s->c.last < p->next && p->resumed) {
        p->at++;
        p->mark = s->c.mark;
        return ERR_OK;
    }
    TRY(check_claim(s, p, e));
    if (stage_rows_open(&s->rows, &s->from, &s->c, p->next, e) != ERR_OK)
        return blame(s, p, e);
    s->reading = p;
    return ERR_OK;
}

static void end_claim(struct stage_source *s, struct stage_part *p)
{
    if (p->open == NULL && p->next <= s->c.last) // holes, or all of it set aside
        open_batch(s, p);
    p->next = s->c.last + 1;
    if (p->open != NULL)
        p->open->next = p->next;
    p->mark = s->c.mark;
    p->resumed = false;
    p->at++;
    p->claims++;
    close_claim(s);
    pthread_mutex_lock(&s->lock);
    s->aside += s->c.rejected;
    pthread_mutex_unlock(&s->lock);
    if (s->c.rejected > 0)
        log_event(LOG_WARN, "records that were set aside when they were staged",
                  LOG_S("topic", s->o.topic), LOG_I("partition", p->id),
                  LOG_I("first", s->c.first), LOG_I("last", s->c.last),
                  LOG_I("rejected", s->c.rejected), LOG_S("see", "_rejects/"), LOG_END);
    if (p->open == NULL)
        return;
    bool old = p->open->born_ms + s->o.batch_age_ms <= clock_ms();
    if (p->at == p->n || is_full(s, p) || is_alone(p) || old)
        seal(s, p);
}

static void add_row(struct stage_source *s, struct stage_part *p,
                    const struct stage_row *row)
{
    struct record r = {.offset = row->offset,
                       .timestamp_ms = row->timestamp_ms,
                       .key = row->key,
                       .headers = row->headers};

    buf_reset(&s->framed);
    if (!row->deleted) {
        frame_write_head(&s->framed, row->schema);
        buf_put(&s->framed, row->datum);
        r.value = buf_span(&s->framed);
    }
    if (p->open == NULL)
        open_batch(s, p);
    batch_add(p->open, &r);
    bool full = is_full(s, p); // one alone is known by where it begins
    p->next = p->open->next;
    if (full)
        seal(s, p);
}

static enum err_kind read_rows(struct stage_source *s, struct stage_part *p,
                               struct err *e)
{
    for (int i = 0; i < ROWS_AT_ONCE; i++) {
        struct stage_row row;
        bool more;
        if (stage_rows_next(s->rows, &row, &more, e) != ERR_OK)
            return blame(s, p, e);
        if (!more) {
            end_claim(s, p);
            return ERR_OK;
        }
        add_row(s, p, &row);
        TRY(buf_status(&s->framed, e));
        if (p->open == NULL)
            return ERR_OK; // sealed: is there room for another?
    }
    return ERR_OK;
}

static bool has_work(const struct stage_part *p)
{
    return p->mine && !p->stopped && p->fault.kind == ERR_OK && p->at < p->n;
}

/* The one at hand as long as it is not too long. */
static struct stage_part *choose(struct stage_source *s)
{
    if (s->reading != NULL)
        return s->reading;
    for (size_t i = 0; i < s->n_parts; i++) {
        struct stage_part *p = s->parts[(s->turn + i) % s->n_parts];
        if (!has_work(p))
            continue;
        if (i > 0)
            p->claims = 0;
        s->turn = (s->turn + i) % s->n_parts;
        if (p->claims >= CLAIMS_AT_ONCE) {
            p->claims = 0;
            s->turn = (s->turn + 1) % s->n_parts;
        }
        return p;
    }
    return NULL;
}

/* False: there is nothing to read, or it must wait. */
static bool read_some(struct stage_source *s)
{
    struct err e = {0};

    if (clock_ms() < s->read_ms)
        return false;
    struct stage_part *p = choose(s);
    if (p == NULL)
        return false;
    enum err_kind rc = s->reading == NULL ? open_claim(s, p, &e) : read_rows(s, p, &e);
    if (rc != ERR_OK) {
        meet_trouble(s, p, &e);
        return rc != ERR_UNAVAILABLE;
    }
    if (s->reading != NULL)
        s->wait_ms = 0;
    return true;
}

/* --- between (reader) ------------------------------------------------------------- */

static void seal_old(struct stage_source *s, bool all)
{
    int64_t born_before = clock_ms() - s->o.batch_age_ms;

    for (size_t i = 0; i < s->n_parts; i++) {
        struct stage_part *p = s->parts[i];
        if (p->open != NULL && (all || p->open->born_ms <= born_before))
            seal(s, p);
    }
}

/* Somebody else's: who was refused without having loaded anything waits longer. */
static void step_back(struct stage_source *s, struct stage_part *p)
{
    pthread_mutex_lock(&s->lock);
    batch_queue_forget(&s->queue, p->id);
    p->theirs = p->loaded;
    pthread_mutex_unlock(&s->lock);
    stage_forget_part(s, p);
    p->patience_ms = p->theirs > p->claim.next               ? PATIENCE_FIRST_MS
                     : p->patience_ms < PATIENCE_MOST_MS / 2 ? p->patience_ms * 2
                                                             : PATIENCE_MOST_MS;
    p->patience_ms += random() % (PATIENCE_FIRST_MS / 2);
    p->since_ms = clock_ms();
    log_event(LOG_INFO, "partition is another's", LOG_S("topic", s->o.topic),
              LOG_I("partition", p->id), LOG_I("epoch", p->claim.epoch), LOG_END);
}

static void take_drops(struct stage_source *s)
{
    struct stage_part *dropped[64];
    size_t n = 0;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->queue.n_drops; i++) {
        struct stage_part *p = stage_part(s, s->queue.drops[i].partition);
        if (p != NULL && p->mine && p->claim.epoch == s->queue.drops[i].epoch)
            dropped[n++] = p;
    }
    s->queue.n_drops = 0;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++)
        if (dropped[i]->mine) // it may have been refused twice
            step_back(s, dropped[i]);
}

static void fail(struct stage_source *s, const struct err *e)
{
    pthread_mutex_lock(&s->lock);
    if (s->failure.kind == ERR_OK)
        s->failure = *e;
    pthread_cond_signal(&s->some);
    pthread_mutex_unlock(&s->lock);
}

static void look(struct stage_source *s)
{
    struct err e = {0};

    if (clock_ms() < s->look_ms)
        return;
    enum err_kind rc = stage_look(s, &e);
    s->look_ms = clock_ms() + (rc == ERR_OK || s->o.interval_ms < WAIT_FIRST_MS * 5
                                   ? s->o.interval_ms
                                   : WAIT_FIRST_MS * 5);
    if (rc == ERR_UNAVAILABLE)
        stage_grumble(s, &e);
    else if (rc != ERR_OK)
        fail(s, &e);
}

static void look_for_read(struct stage_source *s)
{
    bool all = s->looked && s->o.until_end;

    for (size_t i = 0; i < s->n_parts && all; i++) {
        const struct stage_part *p = s->parts[i];
        all = !p->mine || p->stopped || (p->open == NULL && p->next >= p->target);
    }
    pthread_mutex_lock(&s->lock);
    s->read_all = all;
    pthread_mutex_unlock(&s->lock);
}

/* Waits until the pump has taken some of it, or for a moment. */
static bool wait_for_room(struct stage_source *s)
{
    int64_t open = 0;
    struct timespec t = clock_at(clock_ms() + IDLE_MS);

    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i]->open != NULL)
            open += (int64_t)batch_cost(s->parts[i]->open);
    pthread_mutex_lock(&s->lock);
    s->open_cost = open;
    bool full = open + s->queue.cost > s->o.memory;
    if (full && !s->quit)
        pthread_cond_timedwait(&s->room, &s->lock, &t);
    full = open + s->queue.cost > s->o.memory;
    pthread_mutex_unlock(&s->lock);
    return !full;
}

static void rest(struct stage_source *s)
{
    struct timespec t = clock_at(clock_ms() + IDLE_MS);

    pthread_mutex_lock(&s->lock);
    if (!s->quit && s->queue.n_drops == 0)
        pthread_cond_timedwait(&s->room, &s->lock, &t);
    pthread_mutex_unlock(&s->lock);
}

static bool goes_on(struct stage_source *s, bool *drain)
{
    pthread_mutex_lock(&s->lock);
    bool yes = !s->quit;
    *drain = s->drain;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

static void release_all(struct stage_source *s)
{
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i]->mine)
            s->sink->ops->release(s->sink, s->o.topic, s->parts[i]->id,
                                  s->parts[i]->claim.epoch);
}

static void *reader(void *arg)
{
    struct stage_source *s = arg;
    bool drain;

    while (goes_on(s, &drain)) {
        take_drops(s);
        stop_faulty(s);
        look(s);
        stage_stand_by(s);
        seal_old(s, drain);
        bool room = wait_for_room(s);
        bool did = room && !drain && read_some(s);
        look_for_read(s);
        stage_look_for_end(s);
        if (!did && room)
            rest(s);
    }
    close_claim(s);
    release_all(s);
    return NULL;
}

/* --- the pump's side -------------------------------------------------------------- */

static enum err_kind next(struct source *source, int wait_ms, struct batch **out,
                          struct err *e)
{
    struct stage_source *s = of_source(source);
    struct timespec t = clock_at(clock_ms() + wait_ms);
    enum err_kind rc = ERR_OK;

    pthread_mutex_lock(&s->lock);
    while (s->queue.n == 0 && s->failure.kind == ERR_OK)
        if (pthread_cond_timedwait(&s->some, &s->lock, &t) != 0)
            break;
    *out = batch_queue_take(&s->queue);
    if (*out == NULL && s->failure.kind != ERR_OK) {
        *e = s->failure;
        rc = e->kind;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Under the lock. */
static void let_go(struct stage_source *s, struct batch *b)
{
    batch_queue_let_go(&s->queue, b);
    pthread_cond_signal(&s->room);
}

/* Under the lock. */
static void note_loaded(struct stage_source *s, int32_t partition, int64_t epoch,
                        int64_t next_offset)
{
    struct stage_part *p = stage_part(s, partition);

    if (p != NULL && p->claim.epoch == epoch)
        p->loaded = next_offset;
}

static void done(struct source *source, struct batch *b)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    note_loaded(s, b->partition, b->epoch, b->next);
    let_go(s, b);
    pthread_mutex_unlock(&s->lock);
}

/* Under the lock. */
static void note_drop(struct stage_source *s, int32_t partition, int64_t epoch)
{
    batch_queue_drop(&s->queue, partition, epoch);
    pthread_cond_signal(&s->room);
}

static void drop(struct source *source, struct batch *b)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    note_drop(s, b->partition, b->epoch);
    let_go(s, b);
    pthread_mutex_unlock(&s->lock);
}

static void held(struct source *source, struct batch *b)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    let_go(s, b);
    pthread_mutex_unlock(&s->lock);
}

static void kept(struct source *source, int32_t partition, int64_t epoch,
                 int64_t next_offset)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    note_loaded(s, partition, epoch, next_offset);
    pthread_mutex_unlock(&s->lock);
}

static void lost(struct source *source, int32_t partition, int64_t epoch)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    note_drop(s, partition, epoch);
    pthread_mutex_unlock(&s->lock);
}

/* --- asking, opening, closing ----------------------------------------------------- */

static void state(struct source *source, struct source_state *out)
{
    struct stage_source *s = of_source(source);

    *out = (struct source_state){0};
    pthread_mutex_lock(&s->lock);
    bool idle = batch_queue_is_idle(&s->queue);
    out->finished = s->finished;
    out->drained = s->drain && idle && s->open_cost == 0;
    out->read_all = s->read_all && idle;
    out->stopped = s->n_stopped;
    out->held = s->queue.cost + s->open_cost;
    out->aside = s->aside;
    memcpy(out->why, s->why, sizeof out->why);
    for (size_t i = 0; i < s->n_parts; i++) {
        const struct stage_part *p = s->parts[i];
        out->assigned += p->mine || p->stopped;
        if (p->mine && p->end > p->loaded)
            out->lag += p->end - p->loaded;
    }
    pthread_mutex_unlock(&s->lock);
}

static void each(struct source *source,
                 void (*tell)(void *arg, int32_t partition, int64_t loaded,
                              int64_t end),
                 void *arg)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i]->mine)
            tell(arg, s->parts[i]->id, s->parts[i]->loaded, s->parts[i]->end);
    pthread_mutex_unlock(&s->lock);
}

static int64_t loaded_of(struct source *source, int32_t partition)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    const struct stage_part *p = stage_part(s, partition);
    int64_t at = p == NULL || !p->mine ? -1 : p->loaded;
    pthread_mutex_unlock(&s->lock);
    return at;
}

static void drain(struct source *source)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    s->drain = true;
    pthread_mutex_unlock(&s->lock);
}

static void free_source(struct stage_source *s)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        batch_free(s->parts[i]->open);
        free(s->parts[i]->firsts);
        free(s->parts[i]);
    }
    batch_queue_free(&s->queue);
    stage_files_close(s->files);
    place_close(s->place);
    arena_free(&s->arena);
    buf_free(&s->framed);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->some);
    pthread_cond_destroy(&s->room);
    free(s->parts);
    free(s->cluster);
    free(s);
}

static void close_source(struct source *source)
{
    struct stage_source *s = of_source(source);

    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_signal(&s->room);
    pthread_mutex_unlock(&s->lock);
    place_cancel(s->place); // a file that is being read is read again
    pthread_join(s->thread, NULL);
    free_source(s);
}

static const struct source_ops stage_ops = {.name = "stage",
                                            .next = next,
                                            .done = done,
                                            .drop = drop,
                                            .held = held,
                                            .kept = kept,
                                            .lost = lost,
                                            .state = state,
                                            .each = each,
                                            .loaded = loaded_of,
                                            .drain = drain,
                                            .close = close_source};

static void init_lock(struct stage_source *s)
{
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->some);
    clock_cond_init(&s->room);
}

static enum err_kind open_place(struct stage_source *s, struct err *e)
{
    if (strlen(s->o.spool) > 3000 || access(s->o.spool, W_OK | X_OK) != 0)
        return err_set(e, ERR_INVALID,
                       "source.stage.spool \"%.120s\" is no directory we can write to",
                       s->o.spool);
    TRY(place_open(&s->place, &s->o.place, e));
    s->files = stage_files_open(s->place);
    s->from = (struct stage_rows_from){.place = s->place,
                                       .files = s->files,
                                       .spool = s->o.spool,
                                       .format = s->o.format,
                                       .schemas = s->o.schemas};
    return ERR_OK;
}

static struct stage_source *new_source(const struct stage_source_options *o,
                                       struct sink *sink)
{
    struct stage_source *s = mem_alloc(sizeof *s);

    *s = (struct stage_source){
        .source = {&stage_ops}, .o = *o, .sink = sink, .framed = BUF_INIT(FRAMED_MOST)};
    init_lock(s);
    return s;
}

static enum err_kind start(struct stage_source *s, struct err *e)
{
    TRY(open_place(s, e));
    if (pthread_create(&s->thread, NULL, reader, s) != 0)
        return err_set(e, ERR_UNAVAILABLE, "no thread for the reader");
    return ERR_OK;
}

enum err_kind stage_source_open(struct source **out,
                                const struct stage_source_options *o, struct sink *sink,
                                struct err *e)
{
    struct stage_source *s = new_source(o, sink);

    if (start(s, e) != ERR_OK) {
        free_source(s);
        return e->kind;
    }
    *out = &s->source;
    return ERR_OK;
}

enum err_kind stage_source_learn(const struct stage_source_options *o, struct err *e)
{
    struct stage_source *s = new_source(o, NULL);

    enum err_kind rc = open_place(s, e);
    if (rc == ERR_OK)
        rc = stage_look_only(s, e);
    free_source(s);
    return rc;
}

/*
 * Random histories of three instances, their clients and a broker, from a seed: what is
 * written by turns and by accident must be one history.
 *
 * The rules are the registry's own (decide, state, log, fence, share, doubt); the
 * sequence of steps is append.c's and pen.c's, each step apart, so that anything may
 * happen between two of them: the instance dies, or sleeps as long as it likes and goes
 * on with what it was about to do; the broker's answer is lost, or what was sent
 * arrives late; readers see a part of what is there.  The broker does three things
 * only: gives the name, taking it from whoever had it; takes records of whoever has it;
 * commits.
 *
 * So that it is known to look, each of the promises is broken on purpose, one by one,
 * and it must be seen.
 *      build-dev/registry-pen_sim_test [--histories N] [--seed S]
 */
#include "registry/doubt.h"
#include "registry/fence.h"
#include "registry/share.h"
#include "tests/check.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

#define INSTANCES 3
#define STEPS 220     // with faults
#define HEALING 6000  // without, until everybody is answered
#define QUEUE 6       // jobs at an instance
#define JOBS 40       // in a history
#define BATCH 32      // records in a transaction
#define LOG_MOST 1024 // records in the topic
#define FLYING 4      // requests on their way for long
#define TEXTS 12
#define SUBJECTS 3
#define IDS 256

enum bug {
    NO_BUG,
    NOBODY_IS_FENCED,    // the broker takes what a former holder sends
    FENCE_IS_NOT_READ,   // the state may lack what was written before our fence
    COMMIT_IS_NOT_READ,  // the next decision may lack our own last one
    PRODUCER_IS_KEPT,    // after an unknown outcome
    DOUBT_IS_FORGOTTEN,  // decided again without looking
    ANSWERED_TOO_EARLY,  // before the commit
    REFUSED_UNREAD,      // no is said of a state that may be old
    SHARED_WITHOUT_CARE, // the ids of others in the transaction are not counted
    MISSED_AND_LEFT,     // who could not take the pen does not try again at rest
    BUGS
};

enum fate { OPEN, THERE, NEVER };

struct line { // one record of the topic
    struct span key, value;
    const struct reg_fence *fence; // NULL: none
    struct job *by;
    uint64_t epoch;
    enum fate fate;
};

struct job {
    struct reg_command c;
    struct job *root;           // the client's
    struct job *parent, *child; // forwarded from, to
    bool from_instance, synced, over;
    int deletions; // done for it
    enum reg_doubt doubt;
    struct reg_decision before;
    int64_t doubted, asked;
    int passed_from;     // which instance waits for the child, -1: none
    uint64_t truth_then; // events that were so when it was asked
};

enum phase { REST, NAMED, FENCE_PUT, FENCE_DONE, HOLDS, DECIDED, PUT, COMMITTED };

struct instance {
    bool up;
    int sleeps; // steps
    char url[16];
    struct reg_state state;
    size_t next; // line to be read
    struct reg_fence newest;
    int64_t own_fence, gave_up;
    uint64_t epoch;
    enum phase phase;
    bool missed; // the pen, and nobody was faster
    struct job *jobs[QUEUE];
    size_t n;
    // the transaction in hand
    struct job *in_batch[QUEUE];
    struct reg_decision decisions[QUEUE];
    size_t n_batch, n_lines;
    struct line lines[BATCH];
    size_t last; // the offset of its last record
};

struct flight { // a request that arrives late
    bool there, commits;
    uint64_t epoch;
    struct line lines[BATCH];
    size_t n;
};

struct tried { // that something happened at all
    uint64_t takes, accepted, forwards, doubts, crashes, late, at_rest;
};

struct sim {
    struct tried tried; // of all histories
    uint64_t dice;
    enum bug bug;
    bool healing;
    struct arena arena;
    struct instance all[INSTANCES];
    struct job jobs[2 * JOBS * 4];
    size_t n_jobs, n_asked;
    // the broker
    struct line log[LOG_MOST];
    size_t n;
    uint64_t epoch;
    struct flight flying[FLYING];
    // what is so
    struct reg_state truth;
    struct span means[IDS]; // text by id
    int32_t ids[TEXTS];     // id by text
    const char *wrong;
};

static uint32_t roll(struct sim *m, uint32_t below)
{
    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    return (uint32_t)(m->dice >> 20) % below;
}

static bool chance(struct sim *m, uint32_t one_in)
{
    return !m->healing && roll(m, one_in) == 0;
}

static void must(struct sim *m, bool so, const char *what)
{
    if (!so && m->wrong == NULL)
        m->wrong = what;
}

/* ---- what is so ---- */

static void read_line(struct reg_event *ev, const struct line *l, struct arena *a)
{
    struct err e = {0};

    *ev = (struct reg_event){0};
    if (reg_event_read(ev, l->key, l->value, a, &e) != ERR_OK)
        abort(); // we wrote it
}

static int text_of(const struct span schema)
{
    const char *digits = memchr(schema.p, 'F', schema.n);

    return digits == NULL ? -1 : atoi(digits + 1);
}

static void note_schema(struct sim *m, const struct reg_event *ev, struct job *by)
{
    int32_t id = ev->schema.id;
    int text = text_of(ev->schema.schema);
    const struct reg_version *v =
        reg_version_of(reg_subject_of(&m->truth, ev->subject), ev->schema.version);

    if (ev->schema.deleted == API_YES && v != NULL && !v->deleted)
        must(m, ++by->deletions == 1, "asked once, deleted twice");
    must(m, id > 0 && id < IDS && text >= 0, "an id nobody gives");
    if (m->wrong != NULL)
        return;
    must(m, m->means[id].n == 0 || span_eq(m->means[id], ev->schema.schema),
         "one id, two schemas");
    must(m, m->ids[text] == 0 || m->ids[text] == id, "one schema, two ids");
    m->means[id] = ev->schema.schema;
    m->ids[text] = id;
    must(m,
         v == NULL || v->schema->id == id || ev->schema.deleted == API_YES ||
             v->deleted,
         "a version written over");
}

static void make_true(struct sim *m, struct line *l)
{
    struct reg_event ev;

    l->fate = THERE;
    read_line(&ev, l, &m->arena);
    if (ev.kind == REG_SCHEMA && !ev.gone)
        note_schema(m, &ev, l->by);
    reg_state_apply(&m->truth, &ev);
    must(m, m->truth.clashes == 0, "ids clash in the log");
}

/* ---- the broker ---- */

static uint64_t give_name(struct sim *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->log[i].fate == OPEN)
            m->log[i].fate = NEVER;
    m->tried.takes++;
    return ++m->epoch;
}

static bool is_fenced(const struct sim *m, uint64_t epoch)
{
    return epoch != m->epoch && m->bug != NOBODY_IS_FENCED;
}

static bool put_lines(struct sim *m, uint64_t epoch, const struct line *lines, size_t n)
{
    if (is_fenced(m, epoch) || m->n + n > LOG_MOST)
        return false;
    for (size_t i = 0; i < n; i++) {
        m->log[m->n] = lines[i];
        m->log[m->n].epoch = epoch;
        m->log[m->n++].fate = OPEN;
    }
    return true;
}

static bool commit_open(struct sim *m, uint64_t epoch)
{
    if (is_fenced(m, epoch))
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (m->log[i].fate == OPEN && m->log[i].epoch == epoch)
            make_true(m, &m->log[i]);
    return true;
}

/* Readers are read_committed: they stand before the first open record. */
static size_t end_of_log(const struct sim *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->log[i].fate == OPEN)
            return i;
    return m->n;
}

static void arrive(struct sim *m, struct flight *f)
{
    f->there = false;
    m->tried.late++;
    if (f->commits)
        (void)commit_open(m, f->epoch);
    else
        (void)put_lines(m, f->epoch, f->lines, f->n);
}

static bool fly(struct sim *m, uint64_t epoch, const struct line *lines, size_t n)
{
    struct flight *f = &m->flying[roll(m, FLYING)];

    if (f->there)
        return false;
    *f = (struct flight){.there = true, .commits = n == 0, .epoch = epoch, .n = n};
    if (n > 0)
        memcpy(f->lines, lines, n * sizeof *lines);
    return true;
}

/* A request and its answer; n 0 = commit.  False: refused, or nobody knows. */
static bool ask_broker(struct sim *m, uint64_t epoch, const struct line *lines,
                       size_t n)
{
    if (chance(m, 20))
        return false; // it never got there
    if (chance(m, 16) && fly(m, epoch, lines, n))
        return false;
    bool done = n == 0 ? commit_open(m, epoch) : put_lines(m, epoch, lines, n);
    return done && !chance(m, 14); // or the answer was lost
}

/* ---- jobs ---- */

static struct job *new_job(struct sim *m)
{
    if (m->n_jobs == sizeof m->jobs / sizeof *m->jobs)
        return NULL;
    struct job *j = &m->jobs[m->n_jobs++];
    *j = (struct job){.root = j, .doubted = -1, .passed_from = -1};
    return j;
}

static void check_answer(struct sim *m, const struct job *j,
                         const struct reg_decision *d)
{
    static const struct reg_rules rules = {0};
    struct reg_decision now;

    if (d->no.code == 0) {
        m->tried.accepted++;
        if (j->c.verb == REG_DO_REGISTER)
            must(m,
                 d->id > 0 && d->id < IDS &&
                     span_eq(m->means[d->id], j->c.schema.schema),
                 "acknowledged, and not in the log");
        return;
    }
    if (d->no.code == REG_TIMEOUT || m->truth.applied != j->truth_then)
        return;
    reg_decide(&now, &m->truth, &j->c, &rules, &m->arena);
    must(m, now.no.code == d->no.code, "refused for what is not so");
}

static void leave_queue(struct instance *i, const struct job *j)
{
    for (size_t k = 0; k < i->n; k++)
        if (i->jobs[k] == j) {
            memmove(&i->jobs[k], &i->jobs[k + 1], (--i->n - k) * sizeof *i->jobs);
            return;
        }
}

static void hand_back(struct sim *m, struct job *parent, bool in_doubt);

/* To the client, or to the instance that asked. */
static void answer(struct sim *m, struct job *j, const struct reg_decision *d)
{
    struct job *parent = j->parent;

    if (j->over)
        return;
    j->over = true;
    if (!j->from_instance) {
        check_answer(m, j, d);
        return;
    }
    if (parent == NULL)
        return; // nobody waits any more
    if (chance(m, 16)) {
        hand_back(m, parent, true);
        return;
    }
    parent->passed_from = -1;
    answer(m, parent, d);
}

static void answer_unknown(struct sim *m, struct job *j)
{
    struct reg_decision d = {.no = {.code = REG_TIMEOUT}};

    answer(m, j, &d);
}

/* The holder did not do it, or nobody knows: it is ours again. */
static void hand_back(struct sim *m, struct job *parent, bool in_doubt)
{
    struct instance *i = &m->all[parent->passed_from];

    parent->passed_from = -1;
    if (parent->child != NULL)
        parent->child->parent = NULL;
    parent->child = NULL;
    if (in_doubt) {
        parent->doubt = REG_DOUBT_ELSEWHERE;
        parent->doubted = parent->asked;
    }
    if (parent->asked > i->gave_up)
        i->gave_up = parent->asked;
    if (i->n == QUEUE)
        answer_unknown(m, parent);
    else
        i->jobs[i->n++] = parent;
}

/* ---- an instance ---- */

static void read_on(struct sim *m, struct instance *i, size_t most)
{
    size_t end = end_of_log(m);

    for (; i->next < end && most > 0; i->next++, most--) {
        const struct line *l = &m->log[i->next];
        struct reg_event ev;

        if (l->fate != THERE)
            continue;
        read_line(&ev, l, &m->arena);
        if (l->fence != NULL) {
            i->newest = *l->fence;
            i->newest.offset = (int64_t)i->next;
        }
        reg_state_apply(&i->state, &ev);
    }
}

static void drop_pen(struct instance *i)
{
    i->own_fence = -1;
    i->phase = REST;
    i->n_batch = i->n_lines = 0;
}

static struct span copied(struct buf *b, struct arena *a)
{
    struct span s = arena_copy(a, buf_span(b));

    buf_free(b);
    return s;
}

static struct line line_of(const struct reg_event *ev, struct arena *a)
{
    struct buf key = BUF_INIT(1 << 16), value = BUF_INIT(1 << 16);
    struct line l = {0};

    reg_event_put_key(&key, ev);
    bool there = reg_event_put_value(&value, ev);
    l.key = copied(&key, a);
    l.value = copied(&value, a);
    if (!there)
        l.value = (struct span){0};
    return l;
}

static struct line fence_line(const struct instance *i, struct arena *a)
{
    struct reg_event noop = {.kind = REG_NOOP};
    struct kf_header headers[REG_FENCE_HEADERS];
    struct line l = line_of(&noop, a);
    struct reg_fence f = i->newest, *as_read = arena_alloc(a, sizeof *as_read);

    f.epoch++;
    snprintf(f.instance, sizeof f.instance, "%s", i->url + 7);
    snprintf(f.url, sizeof f.url, "%s", i->url);
    reg_fence_put(&f, headers, a);
    if (reg_fence_read(as_read, headers, REG_FENCE_HEADERS, 0))
        l.fence = as_read;
    return l;
}

/* True: answered. */
static bool settle(struct sim *m, struct instance *i, struct job *j)
{
    if (j->doubt == REG_SURE)
        return false;
    m->tried.doubts++;
    enum reg_settled how = reg_settle(j->doubt, &i->state, &j->c, &j->before);
    j->doubt = REG_SURE;
    if (m->bug == DOUBT_IS_FORGOTTEN || how == REG_AGAIN)
        return false;
    leave_queue(i, j);
    if (how == REG_DONE)
        answer(m, j, &j->before);
    else
        answer_unknown(m, j);
    return true;
}

static bool is_taking_or_holds(const struct instance *i)
{
    return i->phase >= NAMED && i->phase <= FENCE_DONE
               ? true
               : i->own_fence >= 0 && i->newest.offset == i->own_fence;
}

static struct instance *at_url(struct sim *m, const char *url)
{
    for (int k = 0; k < INSTANCES; k++)
        if (strcmp(m->all[k].url, url) == 0)
            return &m->all[k];
    return NULL;
}

/* The job leaves the queue of `i`, whatever comes of it. */
static void forward(struct sim *m, struct instance *i, struct job *j)
{
    static const struct reg_rules rules = {0};
    struct instance *holder = at_url(m, i->newest.url);

    leave_queue(i, j);
    j->passed_from = (int)(i - m->all);
    j->asked = i->newest.offset;
    reg_decide(&j->before, &i->state, &j->c, &rules, &m->arena);
    j->before.events = NULL;
    struct job *child = holder->up && holder->n < QUEUE ? new_job(m) : NULL;
    if (child == NULL) {
        hand_back(m, j, false);
        return;
    }
    m->tried.forwards++;
    child->c = j->c;
    child->root = j->root;
    child->from_instance = true;
    child->truth_then = j->truth_then;
    child->parent = j;
    j->child = child;
    holder->jobs[holder->n++] = child;
}

static enum reg_way way_of(const struct instance *i, bool from_instance)
{
    struct reg_standing standing = {.holds = is_taking_or_holds(i),
                                    .from_instance = from_instance,
                                    .url = i->url,
                                    .newest = i->newest.url,
                                    .newest_is_dead = i->newest.offset <= i->gave_up};

    return reg_way_of(&standing);
}

/* True: it has gone. */
static bool go(struct sim *m, struct instance *i, struct job *j)
{
    switch (way_of(i, j->from_instance)) {
    case REG_NOT_MINE:
        leave_queue(i, j);
        j->over = true;
        if (j->parent != NULL)
            hand_back(m, j->parent, false);
        return true;
    case REG_FORWARD:
        if (j->doubt != REG_SURE)
            return false;
        forward(m, i, j);
        return true;
    default: return false;
    }
}

static void send_elsewhere(struct sim *m, struct instance *i)
{
    struct job *jobs[QUEUE];
    size_t n = i->n;

    memcpy(jobs, i->jobs, n * sizeof *jobs);
    for (size_t k = 0; k < n; k++)
        if (i->newest.offset <= jobs[k]->doubted || !settle(m, i, jobs[k]))
            (void)go(m, i, jobs[k]);
}

static void doubt_batch(struct instance *i)
{
    for (size_t k = 0; k < i->n_batch; k++) {
        i->in_batch[k]->before = i->decisions[k];
        i->in_batch[k]->doubt = REG_DOUBT_OURS;
        i->in_batch[k]->doubted = i->newest.offset;
    }
    drop_pen(i);
}

static void add_to_batch(struct sim *m, struct instance *i, struct job *j,
                         const struct reg_decision *d)
{
    i->in_batch[i->n_batch] = j;
    i->decisions[i->n_batch++] = *d;
    for (size_t k = 0; k < d->n; k++) {
        i->lines[i->n_lines] = line_of(&d->events[k], &m->arena);
        i->lines[i->n_lines++].by = j->root;
    }
    i->decisions[i->n_batch - 1].events = NULL;
}

static void refuse_or_read(struct sim *m, struct instance *i, struct job *j,
                           const struct reg_decision *d)
{
    if (d->no.code != 0 && !j->synced && m->bug != REFUSED_UNREAD) {
        read_on(m, i, SIZE_MAX);
        j->synced = true;
        return;
    }
    leave_queue(i, j);
    answer(m, j, d);
}

static void decide_all(struct sim *m, struct instance *i)
{
    struct reg_decision kept[QUEUE];
    struct reg_share share = {0};
    struct job *jobs[QUEUE];
    size_t n = i->n, at = i->next;

    memcpy(jobs, i->jobs, n * sizeof *jobs);
    for (size_t k = 0; k < n && i->next == at; k++) {
        struct reg_rules rules = {0};

        if (settle(m, i, jobs[k]))
            continue;
        if (m->bug != SHARED_WITHOUT_CARE)
            rules.ids_ahead = reg_share_ids(&share, jobs[k]->c.subject);
        reg_decide(&kept[k], &i->state, &jobs[k]->c, &rules, &m->arena);
        if (kept[k].n == 0)
            refuse_or_read(m, i, jobs[k], &kept[k]);
        else if (i->n_lines + kept[k].n <= BATCH &&
                 reg_share_add(&share, &jobs[k]->c, &kept[k]))
            add_to_batch(m, i, jobs[k], &kept[k]);
    }
    if (i->next != at) // read on in between: decided anew, on what is so now
        i->n_batch = i->n_lines = 0;
    if (i->n_batch > 0)
        i->phase = DECIDED;
}

static void answer_batch(struct sim *m, struct instance *i, bool looked_at)
{
    for (size_t k = 0; k < i->n_batch; k++) {
        struct job *j = i->in_batch[k];

        if (looked_at && !reg_is_so(&i->state, &j->c, &i->decisions[k]))
            continue;
        leave_queue(i, j);
        answer(m, j, &i->decisions[k]);
    }
    i->n_batch = i->n_lines = 0;
    i->phase = HOLDS;
}

static void put_batch(struct sim *m, struct instance *i)
{
    if (m->bug == ANSWERED_TOO_EARLY) {
        for (size_t k = 0; k < i->n_batch; k++) {
            leave_queue(i, i->in_batch[k]);
            answer(m, i->in_batch[k], &i->decisions[k]);
        }
        i->n_batch = 0;
    }
    i->last = m->n + i->n_lines - 1;
    if (ask_broker(m, i->epoch, i->lines, i->n_lines))
        i->phase = PUT;
    else
        doubt_batch(i);
}

static void commit_batch(struct sim *m, struct instance *i)
{
    if (ask_broker(m, i->epoch, NULL, 0)) {
        i->phase = COMMITTED;
        return;
    }
    if (m->bug != PRODUCER_IS_KEPT) {
        doubt_batch(i);
        return;
    }
    i->n_batch = i->n_lines = 0;
    i->phase = HOLDS;
}

static void take_name(struct sim *m, struct instance *i)
{
    i->missed = true;
    if (chance(m, 24))
        return;
    i->epoch = give_name(m);
    if (!chance(m, 16))
        i->phase = NAMED;
}

static void take_pen(struct sim *m, struct instance *i)
{
    send_elsewhere(m, i);
    if (i->n > 0)
        take_name(m, i);
}

/* Nobody asks for anything. */
static void take_at_rest(struct sim *m, struct instance *i)
{
    if (!i->missed || m->bug == MISSED_AND_LEFT)
        return;
    i->missed = way_of(i, false) == REG_WRITE;
    if (!i->missed)
        return;
    m->tried.at_rest++;
    take_name(m, i);
}

/* A step of taking it: who hears that another has the name leaves it to that one. */
static void go_on_taking(struct sim *m, struct instance *i, const struct line *fence,
                         enum phase next)
{
    bool fenced = is_fenced(m, i->epoch);

    i->phase = ask_broker(m, i->epoch, fence, fence != NULL) ? next : REST;
    if (i->phase == REST)
        i->missed = !fenced;
}

static void put_fence(struct sim *m, struct instance *i)
{
    struct line l = fence_line(i, &m->arena);

    i->last = m->n;
    go_on_taking(m, i, &l, FENCE_PUT);
}

static void read_fence(struct sim *m, struct instance *i)
{
    if (i->next <= i->last && m->bug != FENCE_IS_NOT_READ)
        return;
    if (m->bug == FENCE_IS_NOT_READ)
        i->newest.offset = (int64_t)i->last;
    i->own_fence = (int64_t)i->last;
    i->phase = HOLDS;
    i->missed = false;
}

/* One step of append.c's thread. */
static void step(struct sim *m, struct instance *i)
{
    if (roll(m, 2) == 0 || i->phase == FENCE_DONE || i->phase == COMMITTED)
        read_on(m, i, 1 + roll(m, 4)); // a part of what is there
    switch (i->phase) {
    case REST:
        if (i->n > 0)
            take_pen(m, i);
        else
            take_at_rest(m, i);
        break;
    case NAMED: put_fence(m, i); break;
    case FENCE_PUT: go_on_taking(m, i, NULL, FENCE_DONE); break;
    case FENCE_DONE: read_fence(m, i); break;
    case HOLDS:
        if (i->newest.offset != i->own_fence)
            drop_pen(i);
        else if (i->n > 0)
            decide_all(m, i);
        break;
    case DECIDED: put_batch(m, i); break;
    case PUT: commit_batch(m, i); break;
    case COMMITTED:
        if (m->bug == COMMIT_IS_NOT_READ)
            answer_batch(m, i, false);
        else if (i->next > i->last)
            answer_batch(m, i, true);
        break;
    }
}

/* ---- what happens to it ---- */

static void start(struct sim *m, int k)
{
    struct instance *i = &m->all[k];

    memset(i, 0, sizeof *i);
    snprintf(i->url, sizeof i->url, "http://i%d", k);
    reg_state_init(&i->state);
    i->newest.offset = i->own_fence = i->gave_up = -1;
    i->up = i->missed = true;
}

/* Its clients are never answered; who forwarded to it finds out in time. */
static void crash(struct sim *m, int k)
{
    struct instance *i = &m->all[k];

    m->tried.crashes++;
    for (size_t n = 0; n < i->n; n++)
        i->jobs[n]->over = true;
    for (size_t n = 0; n < m->n_jobs; n++)
        if (m->jobs[n].passed_from == k) {
            m->jobs[n].over = true;
            m->jobs[n].passed_from = -1;
            if (m->jobs[n].child != NULL)
                m->jobs[n].child->parent = NULL;
        }
    reg_state_free(&i->state);
    i->up = false;
}

static void lose_patience(struct sim *m)
{
    for (size_t n = 0; n < m->n_jobs; n++)
        if (m->jobs[n].passed_from >= 0 && m->all[m->jobs[n].passed_from].sleeps == 0 &&
            (m->healing ? m->jobs[n].child == NULL || m->jobs[n].child->over
                        : roll(m, 10) == 0))
            hand_back(m, &m->jobs[n], true);
}

static void ask_something(struct sim *m)
{
    static const char *const subjects[SUBJECTS] = {"a", "b", "c"};
    struct instance *i = &m->all[roll(m, INSTANCES)];

    if (m->n_asked == JOBS || !i->up || i->n == QUEUE)
        return;
    struct job *j = new_job(m);
    if (j == NULL)
        return;
    m->n_asked++;
    j->truth_then = m->truth.applied;
    j->c.subject = span_str(subjects[roll(m, SUBJECTS)]);
    if (roll(m, 4) == 0) {
        j->c.verb = REG_DO_DELETE_VERSION;
    } else {
        j->c.verb = REG_DO_REGISTER;
        j->c.schema.schema =
            arena_printf(&m->arena, "{\"type\":\"fixed\",\"name\":\"F%u\",\"size\":1}",
                         roll(m, TEXTS));
    }
    i->jobs[i->n++] = j;
}

static void something_happens(struct sim *m)
{
    int k = (int)roll(m, INSTANCES);
    struct instance *i = &m->all[k];
    struct flight *f = &m->flying[roll(m, FLYING)];

    if (chance(m, 4))
        ask_something(m);
    if (f->there && roll(m, 8) == 0)
        arrive(m, f);
    if (!i->up) {
        if (m->healing || roll(m, 8) == 0)
            start(m, k);
        return;
    }
    if (chance(m, 40))
        i->sleeps = (int)roll(m, 60);
    if (chance(m, 70)) {
        crash(m, k);
        return;
    }
    if (i->sleeps > 0 && !m->healing) {
        i->sleeps--;
        return;
    }
    i->sleeps = 0;
    if (roll(m, 3) == 0)
        lose_patience(m);
    step(m, i);
}

static bool all_answered(const struct sim *m)
{
    for (size_t n = 0; n < m->n_jobs; n++)
        if (!m->jobs[n].over)
            return false;
    return true;
}

/* Somebody has the pen as far as the log tells, or it is nobody's affair before the
 * next write.  (Who took the name and died, or left it to a fence that was there
 * before, has ended the holder without a word: its next write finds that out.) */
static bool is_settled(const struct sim *m)
{
    bool missed = false;

    for (int k = 0; k < INSTANCES; k++) {
        const struct instance *i = &m->all[k];

        if (i->up && i->phase == HOLDS && i->own_fence == i->newest.offset)
            return true;
        missed |= !i->up || i->missed || i->phase != REST;
    }
    return !missed;
}

static struct span told(const struct reg_state *s, struct arena *a)
{
    struct buf b = BUF_INIT(1 << 20);

    reg_state_put(&b, s);
    return copied(&b, a);
}

static void check_end(struct sim *m)
{
    must(m, all_answered(m), "healed, and somebody is never answered");
    must(m, is_settled(m), "healed, and nobody has the pen or takes it");
    give_name(m);
    struct span so = told(&m->truth, &m->arena);
    for (int k = 0; k < INSTANCES; k++) {
        if (!m->all[k].up)
            start(m, k);
        read_on(m, &m->all[k], SIZE_MAX);
        must(m, span_eq(told(&m->all[k].state, &m->arena), so), "two histories");
    }
}

/* Everything fits: what is tried is who writes, not what. */
static void begin(struct sim *m)
{
    struct reg_event none = {.kind = REG_CONFIG};

    none.config.member[API_LEVEL] = span_str("\"NONE\"");
    m->log[0] = line_of(&none, &m->arena);
    m->n = 1;
    reg_state_init(&m->truth);
    make_true(m, &m->log[0]);
    for (int k = 0; k < INSTANCES; k++)
        start(m, k);
}

/* What went wrong; NULL: nothing. */
static const char *history(struct sim *m, uint64_t seed, enum bug bug)
{
    struct arena arena = m->arena;
    struct tried tried = m->tried;

    memset(m, 0, sizeof *m);
    m->arena = arena;
    m->tried = tried;
    arena_reset(&m->arena);
    m->dice = seed * 0x9e3779b97f4a7c15u + 1;
    m->bug = bug;
    begin(m);
    for (int i = 0; i < STEPS && m->wrong == NULL; i++)
        something_happens(m);
    m->healing = true;
    for (int i = 0;
         i < HEALING && m->wrong == NULL && !(all_answered(m) && is_settled(m)); i++)
        something_happens(m);
    if (m->wrong == NULL)
        check_end(m);
    for (int k = 0; k < INSTANCES; k++)
        if (m->all[k].up)
            reg_state_free(&m->all[k].state);
    reg_state_free(&m->truth);
    return m->wrong;
}

static uint64_t seed = 1, histories = 1000;

static void three_instances_write_one_history(void)
{
    struct sim *m = mem_alloc(sizeof *m);
    const struct tried *t = &m->tried;

    for (uint64_t i = 0; i < histories; i++) {
        const char *wrong = history(m, seed + i, NO_BUG);

        if (wrong != NULL)
            printf("    seed %llu: %s\n", (unsigned long long)(seed + i), wrong);
        CHECK(wrong == NULL);
    }
    printf(
        "    %llu histories: %llu accepted, %llu passed on, %llu in doubt, %llu late, "
        "%llu crashes, the pen taken %llu times, asked for at rest %llu times\n",
        (unsigned long long)histories, (unsigned long long)t->accepted,
        (unsigned long long)t->forwards, (unsigned long long)t->doubts,
        (unsigned long long)t->late, (unsigned long long)t->crashes,
        (unsigned long long)t->takes, (unsigned long long)t->at_rest);
    CHECK(t->accepted > histories && t->forwards > histories && t->doubts > histories &&
          t->crashes > histories && t->takes > histories && t->late > 0 &&
          t->at_rest > histories);
    arena_free(&m->arena);
    free(m);
}

static void each_promise_broken_on_purpose_is_seen(void)
{
    static const char *const names[BUGS] = {
        [NOBODY_IS_FENCED] = "nobody is fenced",
        [FENCE_IS_NOT_READ] = "the fence is not read",
        [COMMIT_IS_NOT_READ] = "the commit is not read",
        [PRODUCER_IS_KEPT] = "the producer is kept",
        [DOUBT_IS_FORGOTTEN] = "doubt is forgotten",
        [ANSWERED_TOO_EARLY] = "answered too early",
        [REFUSED_UNREAD] = "refused unread",
        [SHARED_WITHOUT_CARE] = "shared without care",
        [MISSED_AND_LEFT] = "missed, and left at that",
    };
    struct sim *m = mem_alloc(sizeof *m);

    for (enum bug bug = NO_BUG + 1; bug < BUGS; bug++) {
        const char *wrong = NULL;
        uint64_t n = 0;

        while (wrong == NULL && n < 20000)
            wrong = history(m, seed + n++, bug);
        printf("    %s: after %llu histories: %s\n", names[bug], (unsigned long long)n,
               wrong != NULL ? wrong : "NOT SEEN");
        CHECK(wrong != NULL);
    }
    arena_free(&m->arena);
    free(m);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--histories") == 0)
            histories = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    RUN(three_instances_write_one_history);
    RUN(each_promise_broken_on_purpose_is_seen);
    return REPORT();
}

#include "loaders/pump.h"

#include <stdlib.h>

#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 30000
#define PAUSE_BUSY_MS 2000

/* Brings the sink's target along when the reader's schema has changed. */
static enum err_kind reshape(struct pump *p, struct err *e)
{
    if (sift_reader(p->sift) == NULL || sift_shape(p->sift) == p->shape)
        return ERR_OK;
    TRY(p->sink->ops->shape(p->sink, sift_reader(p->sift), e));
    p->shape = sift_shape(p->sift);
    return ERR_OK;
}

static enum err_kind load(struct pump *p, struct receipt *r, struct err *e)
{
    if (p->held->trial)
        TRY(p->sink->ops->trial(p->sink, p->held, e));
    if (!p->held->undecoded)
        TRY(sift_prepare(p->sift, p->held, e));
    TRY(reshape(p, e));
    return p->sink->ops->write(p->sink, p->held, p->sift, r, e);
}

static void finished(struct pump *p, struct pump_moved *m)
{
    m->moved = true;
    m->partition = p->held->partition;
    m->next = p->held->next;
    p->source->ops->done(p->source, p->held);
    p->held = NULL;
    p->tries = 0;
}

static void held(struct pump *p)
{
    p->source->ops->held(p->source, p->held);
    p->held = NULL;
    p->tries = 0;
}

/* Not an error: whoever took the partition starts where we stopped being believed. */
static void dropped(struct pump *p, struct pump_moved *m)
{
    m->dropped = true;
    m->partition = p->held->partition;
    p->source->ops->drop(p->source, p->held);
    p->held = NULL;
    p->tries = 0;
}

/* What the sink gathered, when it is due. */
static enum err_kind settle(struct pump *p, struct pump_moved *m, struct err *e)
{
    struct settled s = {0};

    if (p->sink->ops->settle == NULL) {
        p->empty = p->all;
        return ERR_OK;
    }
    TRY(p->sink->ops->settle(p->sink, p->all, &s, e));
    p->empty = p->all && !s.any;
    if (!s.any)
        return ERR_OK;
    p->tries = 0;
    m->partition = s.partition;
    m->next = s.next;
    m->receipt = s.receipt;
    m->moved = !s.lost;
    m->dropped = s.lost;
    if (s.lost)
        p->source->ops->lost(p->source, s.partition, s.epoch);
    else
        p->source->ops->kept(p->source, s.partition, s.epoch, s.next);
    return ERR_OK;
}

void pump_settle_all(struct pump *p,
                     void (*moved)(void *arg, const struct pump_moved *m), void *arg)
{
    struct err ignored = {0};

    p->all = true;
    for (p->empty = false; !p->empty;) {
        struct pump_moved m = {0};
        if (settle(p, &m, &ignored) != ERR_OK)
            return;
        if (m.moved)
            moved(arg, &m);
    }
}

enum err_kind pump_once(struct pump *p, int wait_ms, struct pump_moved *m,
                        struct err *e)
{
    char name[BATCH_NAME];

    *m = (struct pump_moved){0};
    if (settle(p, m, e) != ERR_OK) {
        p->tries++;
        return e->kind;
    }
    if (m->moved || m->dropped)
        return ERR_OK;
    if (p->held == NULL)
        TRY(p->source->ops->next(p->source, wait_ms, &p->held, e));
    if (p->held == NULL)
        return ERR_OK;

    enum err_kind rc = load(p, &m->receipt, e);
    if (rc == ERR_OK && m->receipt.held) {
        if (m->receipt.part > 0)
            batch_pass(p->held, m->receipt.part);
        else
            held(p);
        p->tries = 0;
        m->receipt = (struct receipt){0};
        return ERR_OK;
    }
    if (rc == ERR_OK) {
        finished(p, m);
        return ERR_OK;
    }
    if (rc == ERR_CONFLICT) {
        dropped(p, m);
        return ERR_OK;
    }
    p->tries++;
    batch_name(name, p->held);
    return err_prefix(e, "%s", name);
}

int64_t pump_pause_ms(const struct pump *p, const struct pump_moved *m)
{
    int64_t most = m->receipt.busy ? PAUSE_BUSY_MS : PAUSE_MOST_MS;
    int64_t ms = PAUSE_FIRST_MS;

    for (unsigned i = 1; i < p->tries && ms < most; i++)
        ms *= 2;
    ms = ms < most ? ms : most;
    return ms / 2 + random() % (ms / 2 + 1); // those that fell together rise apart
}

void pump_end(struct pump *p)
{
    if (p->held != NULL)
        p->source->ops->drop(p->source, p->held);
    p->held = NULL;
}

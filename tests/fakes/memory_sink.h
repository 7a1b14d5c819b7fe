/*
 * memory_sink.h - a sink that keeps sink.h's promises in memory, and can lose the
 * answer to a write that it made, or not make it at all.
 */
#pragma once

#include "loaders/sink.h"

struct memory_sink {
    struct sink sink;
    int64_t next, epoch, mark;
    bool marked;
    size_t rows, rejects, taken;
    struct receipt last;
    int fail_before, lose_after; // so many writes from now
};

static enum err_kind memory_take(struct sink *s, const char *topic, int32_t partition,
                                 int64_t low, const char *cluster, struct claim *out,
                                 struct err *e)
{
    struct memory_sink *m = (struct memory_sink *)s;

    (void)topic, (void)partition, (void)cluster, (void)e;
    if (m->epoch == 0)
        m->next = low;
    *out = (struct claim){
        .next = m->next, .epoch = ++m->epoch, .mark = m->marked ? m->mark : -1};
    return ERR_OK;
}

static void memory_release(struct sink *s, const char *topic, int32_t partition,
                           int64_t epoch)
{
    (void)s, (void)topic, (void)partition, (void)epoch;
}

static enum err_kind memory_trial(struct sink *s, const struct batch *b, struct err *e)
{
    if (((struct memory_sink *)s)->epoch != b->epoch)
        return err_set(e, ERR_CONFLICT, "another epoch");
    return ERR_OK;
}

static enum err_kind memory_reached(struct sink *s, const char *topic,
                                    const int64_t *next, size_t n, bool *yes,
                                    struct err *e)
{
    (void)topic, (void)e;
    *yes = n == 1 && ((struct memory_sink *)s)->next >= next[0];
    return ERR_OK;
}

static enum err_kind memory_shape(struct sink *s, struct av_schema *reader,
                                  struct err *e)
{
    (void)s, (void)reader, (void)e;
    return ERR_OK;
}

static enum err_kind memory_write(struct sink *s, const struct batch *b,
                                  struct sift *sift, struct receipt *r, struct err *e)
{
    struct memory_sink *m = (struct memory_sink *)s;
    struct av_visitor blind = {&(const struct av_visitor_ops){0}};

    *r = (struct receipt){0};
    if (b->next <= b->first)
        return err_set(e, ERR_INTERNAL, "a batch of no offset");
    if (b->epoch != m->epoch || (m->next != b->first && m->next != b->next))
        return err_set(e, ERR_CONFLICT, "epoch or position are others");
    if (m->next == b->next) {
        *r = m->last;
        r->again = true;
        return ERR_OK;
    }
    if (m->fail_before > 0 && --m->fail_before == 0)
        return err_set(e, ERR_UNAVAILABLE, "never arrived");
    for (size_t i = 0; i < b->n; i++) {
        struct sifted got;
        struct err why = {0};
        bool bad = sift_record(sift, &b->records[i], &blind, &got, &why) != ERR_OK;
        r->rejected += bad;
        r->loaded += !bad && got.fate == SIFT_ROW;
        r->filtered += !bad && got.fate == SIFT_FILTERED;
        r->duplicate += !bad && got.fate == SIFT_REPEATED;
    }
    r->bytes = b->bytes;
    m->rows += r->loaded;
    m->rejects += r->rejected;
    m->next = b->next;
    m->mark = batch_mark(b);
    m->marked = true;
    m->last = *r;
    if (m->lose_after > 0 && --m->lose_after == 0)
        return err_set(e, ERR_UNAVAILABLE, "done, but nobody heard");
    return ERR_OK;
}

static void memory_nothing(struct sink *s)
{
    (void)s;
}

static const struct sink_ops memory_ops = {.name = "memory",
                                           .take = memory_take,
                                           .release = memory_release,
                                           .trial = memory_trial,
                                           .reached = memory_reached,
                                           .shape = memory_shape,
                                           .write = memory_write,
                                           .anew = "nothing",
                                           .skip = "nothing",
                                           .cancel = memory_nothing,
                                           .close = memory_nothing};

#include "cli/dev_room.h"

#include <assert.h>
#include <stdlib.h>

#define PIECES 64 // of a topic's room: a piece is let go whole

/* Records of one partition that follow each other. */
struct piece {
    int32_t partition;
    int64_t last; // offset
    size_t bytes;
};

struct shelf {
    size_t on_the_way; // taken, not settled
    size_t held;       // the sum of the pieces
    struct piece *pieces;
    size_t n, cap;
};

static struct shelf *shelf_of(struct dev_room *r, const char *topic)
{
    struct shelf *s = tab_get(&r->shelves, span_str(topic));

    if (s == NULL) {
        s = mem_alloc(sizeof *s);
        tab_put(&r->shelves, span_str(topic), s);
    }
    return s;
}

static void let_go_loaded(struct dev_room *r, struct shelf *s, const char *topic)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct piece p = s->pieces[i];
        if (r->loaded(r, topic, p.partition) > p.last)
            s->held -= p.bytes;
        else
            s->pieces[kept++] = p;
    }
    s->n = kept;
}

static bool take(struct gateway_room *gate, const char *topic, size_t bytes)
{
    struct dev_room *r = (struct dev_room *)gate;

    pthread_mutex_lock(&r->lock);
    struct shelf *s = shelf_of(r, topic);
    let_go_loaded(r, s, topic);
    bool fits = bytes <= r->most && s->on_the_way + s->held <= r->most - bytes;
    if (fits)
        s->on_the_way += bytes;
    pthread_mutex_unlock(&r->lock);
    return fits;
}

/* The piece that still grows, or a new one. */
static struct piece *piece_for(struct shelf *s, int32_t partition, size_t whole)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->pieces[i].partition == partition && s->pieces[i].bytes < whole)
            return &s->pieces[i];
    if (s->n == s->cap) {
        s->cap = s->cap * 2 + 16;
        s->pieces = mem_grow(s->pieces, s->cap, sizeof *s->pieces);
    }
    s->pieces[s->n] = (struct piece){.partition = partition, .last = -1};
    return &s->pieces[s->n++];
}

static void settle(struct gateway_room *gate, const char *topic, size_t bytes,
                   int32_t partition, int64_t offset)
{
    struct dev_room *r = (struct dev_room *)gate;

    pthread_mutex_lock(&r->lock);
    struct shelf *s = shelf_of(r, topic);
    assert(s->on_the_way >= bytes);
    s->on_the_way -= bytes;
    if (partition >= 0) {
        struct piece *p = piece_for(s, partition, r->most / PIECES);
        p->bytes += bytes;
        if (offset > p->last) // reports of two requests may come in any order
            p->last = offset;
        s->held += bytes;
    }
    pthread_mutex_unlock(&r->lock);
}

void dev_room_init(struct dev_room *r, size_t most,
                   int64_t (*loaded)(struct dev_room *r, const char *topic,
                                     int32_t partition))
{
    *r = (struct dev_room){.gate = {take, settle}, .most = most, .loaded = loaded};
    pthread_mutex_init(&r->lock, NULL);
}

void dev_room_free(struct dev_room *r)
{
    struct shelf *s;
    size_t at = 0;

    while ((s = tab_each(&r->shelves, &at, NULL)) != NULL) {
        free(s->pieces);
        free(s);
    }
    tab_free(&r->shelves);
    pthread_mutex_destroy(&r->lock);
}

size_t dev_room_held(struct dev_room *r, const char *topic)
{
    pthread_mutex_lock(&r->lock);
    struct shelf *s = shelf_of(r, topic);
    let_go_loaded(r, s, topic);
    size_t held = s->on_the_way + s->held;
    pthread_mutex_unlock(&r->lock);
    return held;
}

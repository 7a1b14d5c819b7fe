#include "transform/memory.h"

#include "base/bytes.h"
#include "transform/transform_inside.h"
#include "transform/window.h"

#include <inttypes.h>
#include <stdlib.h>

#define IDENTITY_MOST (1 << 20)

struct remembered { // by a step
    char *identity;
    struct window *window;
};

struct part {
    int32_t generation;
    int64_t next; // all before it is kept
    struct remembered *of;
    size_t n;
};

struct transform_memory {
    int64_t last;
    uint64_t epoch;   // rises when windows go
    struct tab parts; // by partition
};

struct transform_memory *tr_memory_new(int64_t last)
{
    struct transform_memory *m = mem_alloc(sizeof *m);

    m->last = last;
    return m;
}

struct transform_memory *transform_memory_new(const struct transform *t)
{
    int64_t last = t == NULL ? 0 : tr_looks_back(t);

    return last == 0 ? NULL : tr_memory_new(last);
}

static void forget(struct part *p)
{
    for (size_t i = 0; i < p->n; i++) {
        tr_window_free(p->of[i].window);
        free(p->of[i].identity);
    }
    free(p->of);
    *p = (struct part){0};
}

void transform_memory_free(struct transform_memory *m)
{
    struct part *p;

    if (m == NULL)
        return;
    for (size_t at = 0; (p = tab_each(&m->parts, &at, NULL)) != NULL;) {
        forget(p);
        free(p);
    }
    tab_free(&m->parts);
    free(m);
}

int64_t transform_memory_last(const struct transform_memory *m)
{
    return m->last;
}

static struct part *part_of(struct transform_memory *m, int32_t partition)
{
    struct part *p = tab_get_id(&m->parts, partition);

    if (p == NULL) {
        p = mem_alloc(sizeof *p);
        tab_put_id(&m->parts, partition, p);
    }
    return p;
}

static struct window *window_of(struct part *p, struct span identity)
{
    for (size_t i = 0; i < p->n; i++)
        if (span_eq(identity, span_str(p->of[i].identity)))
            return p->of[i].window;
    p->of = mem_grow(p->of, p->n + 1, sizeof *p->of);
    struct remembered *r = &p->of[p->n++];
    *r = (struct remembered){mem_str(identity), tr_window_new()};
    return r->window;
}

uint64_t tr_memory_epoch(const struct transform_memory *m)
{
    return m->epoch;
}

struct window *tr_memory_window(struct transform_memory *m, int32_t partition,
                                const char *identity)
{
    return window_of(part_of(m, partition), span_str(identity));
}

bool transform_memory_stands(const struct transform_memory *m, int32_t partition,
                             int32_t generation, int64_t next)
{
    const struct part *p = tab_get_id(&m->parts, partition);

    return p != NULL && p->generation == generation && p->next == next;
}

void transform_memory_stand(struct transform_memory *m, int32_t partition,
                            int32_t generation, int64_t next)
{
    struct part *p = part_of(m, partition);

    forget(p);
    m->epoch++;
    p->generation = generation;
    p->next = next;
}

/* --- written down ----------------------------------------------------------------- */

/* Bytes of the identity (32 bits), identity, seeds, keys (32 bits), keys. */
static void put_piece(const struct remembered *r, size_t from, size_t to,
                      struct transform_noted *at, struct buf *out)
{
    buf_put_be32(out, (uint32_t)strlen(r->identity));
    buf_put_str(out, r->identity);
    tr_window_put_seeds(r->window, out);
    buf_put_be32(out, (uint32_t)(to - from));
    for (size_t i = from; i < to; i++) {
        at->last = tr_window_put(r->window, i, out);
        if (i == from)
            at->first = at->last;
    }
}

bool transform_memory_noted(const struct transform_memory *m, int32_t partition,
                            int64_t next, size_t most, struct transform_noted *at,
                            struct buf *out)
{
    const struct part *p = tab_get_id(&m->parts, partition);

    for (; p != NULL && at->window < p->n; at->window++, at->entry = 0) {
        const struct remembered *r = &p->of[at->window];
        int64_t since = next - m->last > p->next ? next - m->last : p->next;
        size_t from = tr_window_from(r->window, since) + at->entry;
        size_t end = tr_window_count(r->window);
        if (from >= end)
            continue;
        size_t to = end - from > most ? from + most : end;
        put_piece(r, from, to, at, out);
        at->entry += to - from;
        return true;
    }
    return false;
}

static bool take_bytes(struct span *s, size_t n, struct span *out)
{
    if (n > s->n)
        return false;
    *out = span_of(s->p, n);
    *s = span_skip(*s, n);
    return true;
}

static bool take_number(struct span *s, size_t *out)
{
    struct span four;

    if (!take_bytes(s, 4, &four))
        return false;
    *out = bytes_be32(four.p);
    return true;
}

static bool take_piece(struct part *p, struct span *s)
{
    struct span identity, seeds, keys;
    size_t n;

    if (!take_number(s, &n) || n == 0 || n > IDENTITY_MOST ||
        !take_bytes(s, n, &identity) || memchr(identity.p, 0, n) != NULL ||
        !take_bytes(s, WINDOW_SEEDS, &seeds) || !take_number(s, &n) ||
        !take_bytes(s, n * WINDOW_ENTRY, &keys))
        return false;
    struct window *w = window_of(p, identity);
    if (!tr_window_use_seeds(w, seeds.p))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!tr_window_take(w, keys.p + i * WINDOW_ENTRY))
            return false;
    return true;
}

enum err_kind transform_memory_recall(struct transform_memory *m, int32_t partition,
                                      struct span pieces, struct err *e)
{
    struct part *p = part_of(m, partition);

    while (pieces.n > 0)
        if (!take_piece(p, &pieces))
            return err_set(e, ERR_INVALID,
                           "what dedupe remembered of partition %" PRId32 " is damaged",
                           partition);
    return ERR_OK;
}

void transform_memory_keep(struct transform_memory *m, int32_t partition, int64_t next)
{
    struct part *p = part_of(m, partition);

    p->next = next;
    for (size_t i = 0; i < p->n; i++)
        tr_window_kept(p->of[i].window, next);
}

void transform_memory_undo(struct transform_memory *m, int32_t partition)
{
    const struct part *p = tab_get_id(&m->parts, partition);

    for (size_t i = 0; p != NULL && i < p->n; i++)
        tr_window_forget(p->of[i].window, p->next);
}

/* What `unique` remembers, by partition. */
#include "quality/quality_inside.h"

#include "base/bytes.h"

#include <stdlib.h>

static struct partition *find(const struct quality *q, int32_t partition)
{
    struct partition *p = q->partitions;

    while (p != NULL && p->partition != partition)
        p = p->link;
    return p;
}

static void free_seen(const struct quality *q, struct partition *p)
{
    for (size_t i = 0; i < q->n; i++)
        if (p->seen[i] != NULL) {
            seen_free(p->seen[i]);
            free(p->seen[i]);
        }
    memset(p->seen, 0, q->n * sizeof(struct seen *));
}

struct partition *partition_of(struct quality *q, int32_t partition)
{
    struct partition *p = find(q, partition);

    if (p != NULL)
        return p;
    p = mem_alloc(sizeof *p);
    p->partition = partition;
    p->next = -1;
    p->seen = mem_array(q->n, sizeof(struct seen *));
    p->link = q->partitions;
    return q->partitions = p;
}

struct seen *seen_of(struct quality *q, struct partition *p, size_t rule)
{
    if (p->seen[rule] == NULL) {
        p->seen[rule] = mem_alloc(sizeof(struct seen));
        seen_init(p->seen[rule], q->rules[rule].shown.last);
    }
    return p->seen[rule];
}

void free_partitions(struct quality *q)
{
    while (q->partitions != NULL) {
        struct partition *p = q->partitions;
        q->partitions = p->link;
        free_seen(q, p);
        free(p->seen);
        free(p);
    }
}

bool quality_stands(const struct quality *q, int32_t partition, int32_t generation,
                    int64_t next)
{
    const struct partition *p = find(q, partition);

    return p != NULL && p->generation == generation && p->next == next;
}

void quality_stand(struct quality *q, int32_t partition, int32_t generation,
                   int64_t next)
{
    struct partition *p = partition_of(q, partition);

    free_seen(q, p);
    p->generation = generation;
    p->next = next;
}

enum err_kind quality_recall(struct quality *q, int32_t partition, size_t rule,
                             struct span noted, struct err *e)
{
    if (seen_take(seen_of(q, partition_of(q, partition), rule), noted))
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "quality rule \"%s\": what was remembered is damaged",
                   q->rules[rule].shown.name);
}

bool quality_remembers(const struct quality *q)
{
    for (size_t i = 0; i < quality_rules(q); i++)
        if (q->rules[i].shown.remembers)
            return true;
    return false;
}

static enum err_kind recall_named(struct quality *q, int32_t partition,
                                  struct span rule, struct span noted, struct err *e)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->rules[i].shown.remembers &&
            span_eq(rule, span_str(q->rules[i].shown.name)))
            return quality_recall(q, partition, i, noted, e);
    return ERR_OK;
}

enum err_kind quality_recall_named(struct quality *q, int32_t partition,
                                   const char *rule, struct span noted, struct err *e)
{
    return recall_named(q, partition, span_str(rule), noted, e);
}

void quality_noted(const struct quality *q, int32_t partition, size_t rule,
                   struct buf *out)
{
    const struct partition *p = find(q, partition);

    if (p != NULL && p->seen[rule] != NULL)
        seen_put(p->seen[rule], out);
}

/* For each rule: bytes of its name (32 bits), name, bytes of its notes (32), notes. */
void quality_pack(const struct quality *q, int32_t partition, struct buf *out)
{
    for (size_t i = 0; i < quality_rules(q); i++) {
        const char *name = q->rules[i].shown.name;
        struct buf noted = BUF_INIT(out->limit);
        if (q->rules[i].shown.remembers)
            quality_noted(q, partition, i, &noted);
        if (noted.n > 0) {
            buf_put_be32(out, (uint32_t)strlen(name));
            buf_put_str(out, name);
            buf_put_be32(out, (uint32_t)noted.n);
            buf_put(out, buf_span(&noted));
        }
        out->over |= noted.over;
        buf_free(&noted);
    }
}

static bool take_part(struct span *s, struct span *out)
{
    if (s->n < 4)
        return false;
    uint32_t n = bytes_be32(s->p);
    *s = span_skip(*s, 4);
    if (n > s->n)
        return false;
    *out = span_of(s->p, n);
    *s = span_skip(*s, n);
    return true;
}

enum err_kind quality_unpack(struct quality *q, int32_t partition, struct span packed,
                             struct err *e)
{
    struct span name, noted;

    while (packed.n > 0) {
        if (!take_part(&packed, &name) || !take_part(&packed, &noted))
            return err_set(e, ERR_INVALID, "what quality rules remembered is damaged");
        TRY(recall_named(q, partition, name, noted, e));
    }
    return ERR_OK;
}

void quality_step(struct quality *q, int32_t partition, int64_t next)
{
    partition_of(q, partition)->next = next;
}

static void each(struct quality *q, int32_t partition, int64_t next,
                 void (*what)(struct seen *s))
{
    struct partition *p = partition_of(q, partition);

    for (size_t i = 0; i < q->n; i++)
        if (p->seen[i] != NULL)
            what(p->seen[i]);
    p->next = next;
}

void quality_keep(struct quality *q, int32_t partition, int64_t next)
{
    each(q, partition, next, seen_keep);
}

void quality_undo(struct quality *q, int32_t partition, int64_t next)
{
    each(q, partition, next, seen_undo);
}

#include "loaders/repeats.h"

#include <ctype.h>
#include <stdlib.h>

#define ID_HEADER "avrogate.idempotency-id"
#define ID_MOST 50 // 32 hex digits, ':', an index

/* What the gateway writes and nothing else: lower case, for there are databases that
 * would take "A" for "a". */
static bool is_id(struct span x)
{
    if (x.n < 34 || x.n > ID_MOST || x.p[32] != ':')
        return false;
    for (size_t i = 0; i < x.n; i++)
        if (i != 32 && !isdigit(x.p[i]) && (i > 32 || x.p[i] < 'a' || x.p[i] > 'f'))
            return false;
    return true;
}

static bool id_of(const struct record *r, struct span *id)
{
    struct span packed = r->headers, name;

    while (packed.n > 0 && batch_next_header(&packed, &name, id))
        if (span_eq(name, span_str(ID_HEADER)))
            return is_id(*id);
    return false;
}

static int compare(const void *a, const void *b)
{
    const struct repeats_id *x = a, *y = b;
    size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
    int order = memcmp(x->id.p, y->id.p, n);

    if (order == 0 && x->id.n != y->id.n)
        return x->id.n < y->id.n ? -1 : 1;
    if (order == 0)
        return x->record < y->record ? -1 : 1;
    return order;
}

/* Twice in this very batch: the first of them is the row. */
static void keep_firsts(struct repeats *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (kept > 0 && span_eq(s->ids[kept - 1].id, s->ids[i].id))
            repeats_add(s, s->ids[i].record);
        else
            s->ids[kept++] = s->ids[i];
    }
    s->n = kept;
}

void repeats_find(struct repeats *s, const struct batch *b)
{
    struct span id;

    repeats_reset(s);
    for (size_t i = 0; i < b->n; i++) {
        if (b->records[i].headers.n == 0 || !id_of(&b->records[i], &id))
            continue;
        if (s->n == s->cap) {
            s->cap = s->cap == 0 ? 256 : s->cap * 2;
            s->ids = mem_grow(s->ids, s->cap, sizeof *s->ids);
        }
        s->ids[s->n++] = (struct repeats_id){id, i};
    }
    if (s->n > 1)
        qsort(s->ids, s->n, sizeof *s->ids, compare);
    keep_firsts(s);
}

void repeats_add(struct repeats *s, size_t record)
{
    tab_put_id(&s->again, (int64_t)record, s); // any pointer: it is there
}

bool repeats_has(const struct repeats *s, size_t record)
{
    return s->again.n > 0 && tab_get_id(&s->again, (int64_t)record) != NULL;
}

size_t repeats_count(const struct repeats *s)
{
    return s->again.n;
}

void repeats_reset(struct repeats *s)
{
    s->n = 0;
    tab_free(&s->again);
    s->again = (struct tab){0};
}

void repeats_free(struct repeats *s)
{
    repeats_reset(s);
    free(s->ids);
    *s = (struct repeats){0};
}

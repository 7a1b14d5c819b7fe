#include "loaders/batch.h"

#include "avro-core/canon.h"
#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void batch_name(char out[BATCH_NAME], const struct batch *b)
{
    snprintf(out, BATCH_NAME, "%.249s/%" PRId32 "@%" PRId64 "-%" PRId64, b->topic,
             b->partition, b->first, b->next - 1);
}

struct batch *batch_new(const char *topic, int32_t partition, int64_t first)
{
    struct batch *b = mem_alloc(sizeof *b);

    *b = (struct batch){
        .topic = topic, .partition = partition, .first = first, .next = first};
    return b;
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    arena_free(&b->arena);
    if (b->records != NULL)
        free(b->records - b->off);
    free(b);
}

static struct span kept(struct arena *a, struct span s)
{
    // An empty value and no value are two things, and an arena gives nothing for none.
    return s.p == NULL || s.n == 0 ? span_of(s.p == NULL ? NULL : "", 0)
                                   : arena_copy(a, s);
}

void batch_add(struct batch *b, const struct record *r)
{
    assert(r->offset >= b->next && b->off == 0);

    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 64 : b->cap * 2;
        b->records = mem_grow(b->records, b->cap, sizeof *b->records);
    }
    if (b->n == 0)
        b->born_ms = clock_ms();
    b->records[b->n++] = (struct record){
        .offset = r->offset,
        .timestamp_ms = r->timestamp_ms,
        .key = kept(&b->arena, r->key),
        .value = kept(&b->arena, r->value),
        .headers = kept(&b->arena, r->headers),
    };
    b->bytes += r->key.n + r->value.n + r->headers.n;
    b->next = r->offset + 1;
}

#define ROUNDED 16 // pieces of an arena are aligned to it: half lost on each, two each

size_t batch_cost(const struct batch *b)
{
    return sizeof *b + b->cap * sizeof *b->records + b->bytes + b->n * ROUNDED +
           b->passed;
}

void batch_pass(struct batch *b, size_t n)
{
    assert(n <= b->n);

    for (size_t i = 0; i < n; i++) {
        const struct record *r = &b->records[i];
        size_t bytes = r->key.n + r->value.n + r->headers.n;
        b->first = r->offset + 1;
        b->bytes -= bytes;
        b->passed += bytes + ROUNDED;
    }
    b->n -= n;
    b->off += n;
    if (n > 0)
        b->records += n;
}

void batch_pack_header(struct buf *out, const char *name, struct span value)
{
    buf_put(out, span_of(name, strlen(name) + 1));
    buf_put_be32(out, value.p == NULL ? UINT32_MAX : (uint32_t)value.n);
    buf_put(out, value);
}

bool batch_next_header(struct span *packed, struct span *name, struct span *value)
{
    if (packed->n == 0)
        return false;

    *name = span_str((const char *)packed->p);
    *packed = span_skip(*packed, name->n + 1);
    const uint8_t *p = packed->p;
    uint32_t n =
        (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *packed = span_skip(*packed, 4);
    *value = n == UINT32_MAX ? (struct span){0} : span_of(packed->p, n);
    if (n == 0)
        value->p = (const uint8_t *)"";
    *packed = span_skip(*packed, value->n);
    return true;
}

int64_t record_mark(const struct record *r)
{
    uint64_t key = r->key.n == 0 ? 0 : av_crc64(r->key);
    uint64_t value = r->value.n == 0 ? 0 : av_crc64(r->value);
    uint64_t time = (uint64_t)r->timestamp_ms * UINT64_C(0x9e3779b97f4a7c15);

    return (int64_t)((value ^ (key << 31 | key >> 33) ^ time) & INT64_MAX);
}

int64_t batch_mark(const struct batch *b)
{
    if (b->marked)
        return b->mark;
    return b->n > 0 && b->records[b->n - 1].offset == b->next - 1
               ? record_mark(&b->records[b->n - 1])
               : -1;
}

#include "loaders/reject.h"

#include "base/clock.h"
#include "loaders/copy.h"

#include <stdio.h>
#include <stdlib.h>

struct reject *rejects_add(struct rejects *all, size_t record, int32_t id,
                           const char *stage, const char *error)
{
    if (all->n == all->cap) {
        all->cap = all->cap == 0 ? 64 : all->cap * 2;
        all->items = mem_grow(all->items, all->cap, sizeof *all->items);
    }
    struct reject *r = &all->items[all->n++];
    *r = (struct reject){.record = record,
                         .schema_id = id,
                         .stage = stage,
                         .error = arena_copy(&all->texts, span_str(error))};
    return r;
}

void rejects_add_sifted(struct rejects *all, size_t record, const struct sifted *got,
                        const char *column, const char *error)
{
    struct reject *r = rejects_add(all, record, got->id, got->stage, error);

    r->rule = arena_copy(&all->texts, span_str(got->rule));
    r->pointer = arena_copy(&all->texts, span_str(got->pointer));
    snprintf(r->column, sizeof r->column, "%s", column);
}

void rejects_reset(struct rejects *all)
{
    all->n = 0;
    arena_reset(&all->texts);
}

void rejects_free(struct rejects *all)
{
    free(all->items);
    arena_free(&all->texts);
    *all = (struct rejects){0};
}

enum err_kind rejects_check(const struct rejects *all, const struct batch *b,
                            size_t before, int64_t floor, double limit, struct err *e)
{
    struct span last = all->n == 0 ? (struct span){0} : all->items[all->n - 1].error;

    return etl_check_rejects(all->n, b->n, before, floor, limit, last, e);
}

static void put_time_or_null(struct buf *out, int64_t ms, int64_t ms_most)
{
    struct err ignored = {0};

    if (ms < 0 || ms > ms_most || copy_timestamp(out, ms, 1000, &ignored) != ERR_OK)
        copy_null(out);
}

void reject_put(struct buf *out, const struct reject *r, const struct batch *b,
                const char *job, const char *run_id, int64_t ms_most)
{
    const struct record *rec = &b->records[r->record];
    struct err never = {0};

    copy_row(out, REJECT_FIELDS);
    etl_field_text(out, span_str(job));
    etl_field_text(out, span_str(b->topic));
    (void)!copy_int4(out, b->partition, &never);
    (void)!copy_int4(out, b->generation, &never);
    copy_int8(out, rec->offset);
    etl_field_id(out, run_id);
    put_time_or_null(out, wall_ms(), ms_most);
    put_time_or_null(out, rec->timestamp_ms, ms_most);
    etl_field_text(out, span_str(r->stage));
    etl_field_text(out, r->error);
    etl_field_text_or_null(out, span_str(r->sqlstate));
    etl_field_text_or_null(out, span_str(r->column));
    etl_field_text_or_null(out, span_str(r->constraint));
    if (r->schema_id < 0)
        copy_null(out);
    else
        (void)!copy_int4(out, r->schema_id, &never);
    etl_field_bytes_or_null(out, rec->key);
    etl_field_bytes_or_null(out, rec->value);
    etl_field_headers(out, rec->headers);
    etl_field_text_or_null(out, r->rule);
    etl_field_text_or_null(out, r->pointer);
}

#include "loaders/dedupe.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEYS_OF_ROW 10000
#define PIECE_MOST ((size_t)2 << 20)

bool dedupe_begin(struct transform_memory *m, const struct batch *b)
{
    if (transform_memory_stands(m, b->partition, b->generation, b->first)) {
        transform_memory_undo(m, b->partition);
        return true;
    }
    transform_memory_stand(m, b->partition, b->generation, b->first);
    return false;
}

void dedupe_put_before(struct buf *sql, const struct batch *b)
{
    buf_printf(sql,
               " AND generation = %" PRId32 " AND last_offset < %" PRId64
               " ORDER BY first_offset, piece",
               b->generation, b->first);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(uint8_t *out, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

enum err_kind dedupe_take(struct transform_memory *m, const struct batch *b,
                          const char *keys, struct err *e)
{
    size_t digits = keys == NULL ? 1 : strlen(keys), n = digits / 2;
    uint8_t *bytes = mem_alloc(n + 1);
    enum err_kind rc;

    if (digits % 2 != 0 || !read_hex(bytes, n, keys))
        rc = err_set(e, ERR_INTERNAL, "no hexadecimal digits");
    else
        rc = transform_memory_recall(m, b->partition, span_of(bytes, n), e);
    free(bytes);
    if (rc == ERR_OK)
        return ERR_OK;
    transform_memory_stand(m, b->partition, b->generation, -1); // half of it is none
    e->kind = ERR_INTERNAL;
    return err_prefix(e, "etl_dedupe");
}

void dedupe_keep(struct transform_memory *m, const struct batch *b, bool again)
{
    if (again)
        transform_memory_stand(m, b->partition, b->generation, -1);
    else
        transform_memory_keep(m, b->partition, b->next);
}

bool dedupe_put_row(struct buf *sql, struct dedupe_rows *r)
{
    const struct batch *b = r->batch;
    struct buf keys = BUF_INIT(PIECE_MOST);

    bool any = transform_memory_noted(r->memory, b->partition, b->next, KEYS_OF_ROW,
                                      &r->at, &keys);
    if (any) {
        buf_printf(sql,
                   "INSERT INTO etl_dedupe (pipeline, topic, part, generation, "
                   "first_offset, last_offset, piece, keys) VALUES (%s, %s, %" PRId32
                   ", %" PRId32 ", %" PRId64 ", %" PRId64 ", %d, '",
                   r->pipeline, r->topic, b->partition, b->generation, b->first,
                   b->next - 1, r->piece++);
        buf_put_hex(sql, buf_span(&keys));
        buf_put_str(sql, "')");
        sql->over |= keys.over;
    }
    buf_free(&keys);
    return any;
}

void dedupe_put_forgotten(struct buf *sql, const struct transform_memory *m,
                          const struct batch *b)
{
    buf_printf(sql, " AND (generation < %" PRId32 " OR last_offset < %" PRId64 ")",
               b->generation, b->next - transform_memory_last(m));
}

#include "aggregate/view.h"

#include <stdlib.h>

void agg_view_init(struct agg_view *v, size_t partitions)
{
    *v = (struct agg_view){.n_parts = partitions};
    v->parts = mem_array(partitions + 1, sizeof *v->parts);
    for (size_t i = 0; i < partitions; i++)
        v->parts[i].position = AGG_NOWHERE;
}

void agg_view_free(struct agg_view *v)
{
    for (size_t i = 0; i < v->n_parts; i++)
        if (v->parts[i].has_shape)
            agg_table_free(&v->parts[i].table);
    free(v->parts);
    free(v->keys);
    arena_free(&v->mem);
    *v = (struct agg_view){0};
}

static bool same_shape(const struct agg_shape *a, struct span text)
{
    struct buf ours = BUF_INIT(AGG_SHAPE_BYTES);

    agg_shape_put(&ours, a);
    bool same = span_eq(buf_span(&ours), text);
    buf_free(&ours);
    return same;
}

static enum err_kind take_shape(struct agg_view *v, struct agg_part *p,
                                struct span value, struct err *e)
{
    struct span text;

    TRY(agg_state_read_shape(&text, value, e));
    if (!v->has_shape)
        TRY(agg_shape_read(&v->shape, text, &v->mem, e));
    else if (!same_shape(&v->shape, text))
        return err_set(e, ERR_CONFLICT,
                       "the partitions were aggregated in different ways");
    v->has_shape = true;
    if (!p->has_shape)
        agg_table_init(&p->table, &v->shape);
    p->has_shape = true;
    return ERR_OK;
}

static enum err_kind take_row(struct agg_view *v, struct agg_part *p, int64_t offset,
                              struct span key, struct span value, struct err *e)
{
    if (!p->has_shape)
        return err_set(e, ERR_INVALID, "a row before the shape");
    size_t n = p->table.n;
    TRY(agg_state_apply(&p->table, key, value, e));
    if (p->table.n != n)
        v->sorted = false;
    struct agg_row *r = agg_table_find(&p->table, span_skip(key, 1));
    if (r != NULL)
        r->from = offset;
    return ERR_OK;
}

enum err_kind agg_view_apply(struct agg_view *v, size_t partition, int64_t offset,
                             struct span key, struct span value, struct err *e)
{
    struct agg_part *p = &v->parts[partition];
    enum agg_record kind;

    TRY(agg_state_kind(&kind, key, e));
    switch (kind) {
    case AGG_SHAPE: TRY(take_shape(v, p, value, e)); break;
    case AGG_POSITION: TRY(agg_state_read_position(&p->position, value, e)); break;
    case AGG_SEEN: break; // its owner's
    case AGG_ROW: TRY(take_row(v, p, offset, key, value, e)); break;
    }
    p->offset = offset + 1;
    v->changes++;
    return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

const struct span *agg_view_keys(struct agg_view *v, size_t *n)
{
    struct agg_row *r;
    size_t all = 0, k = 0;

    *n = v->n_keys;
    if (v->sorted)
        return v->keys;
    for (size_t i = 0; i < v->n_parts; i++)
        all += v->parts[i].table.n;
    v->keys = mem_grow(v->keys, all + 1, sizeof *v->keys);
    for (size_t i = 0; i < v->n_parts; i++)
        for (size_t at = 0; (r = agg_table_each(&v->parts[i].table, &at)) != NULL;)
            v->keys[k++] = agg_row_key(&v->parts[i].table, r);
    qsort(v->keys, k, sizeof *v->keys, by_key);
    v->n_keys = 0;
    for (size_t i = 0; i < k; i++)
        if (i == 0 || by_key(&v->keys[i], &v->keys[i - 1]) != 0)
            v->keys[v->n_keys++] = v->keys[i];
    v->sorted = true;
    *n = v->n_keys;
    return v->keys;
}

static void clear(struct agg_merged *m, const struct agg_shape *shape)
{
    if (m->shape != NULL)
        for (size_t i = 0; i < m->shape->n_columns; i++)
            agg_cell_free(&m->cells[i]);
    memset(m->over, 0, sizeof m->over);
    m->shape = shape;
}

static void add_row(struct agg_merged *m, const struct agg_row *r)
{
    const struct agg_field *f = &m->shape->fields[m->shape->n_keys];

    for (size_t i = 0; i < m->shape->n_columns; i++)
        if (!agg_cell_merge(&m->scratch, &m->cells[i], &r->cells[i], f[i].fn))
            m->over[i] = true;
}

bool agg_view_merge(const struct agg_view *v, struct span key, struct agg_merged *m)
{
    bool found = false;

    clear(m, &v->shape);
    m->key = key;
    for (size_t i = 0; i < v->n_parts; i++) {
        const struct agg_row *r = agg_table_find(&v->parts[i].table, key);

        if (r != NULL)
            add_row(m, r);
        found = found || r != NULL;
    }
    return found;
}

void agg_merged_free(struct agg_merged *m)
{
    clear(m, NULL);
}

bool agg_merged_value(const struct agg_merged *m, size_t i, struct agg_value *out)
{
    return !m->over[i] &&
           agg_cell_value(&m->cells[i], &m->shape->fields[m->shape->n_keys + i], out);
}

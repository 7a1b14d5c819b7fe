/*
 * Columns through the Arrow C data interface: each export is a tree of its own, freed
 * when its taker releases it; only the buffers are lent.
 */
#include "format/columns_inside.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- what they are ---- */

static void release_schema(struct ArrowSchema *s)
{
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i]->release != NULL)
            s->children[i]->release(s->children[i]);
        free(s->children[i]);
    }
    if (s->dictionary != NULL && s->dictionary->release != NULL)
        s->dictionary->release(s->dictionary);
    free(s->dictionary);
    free(s->children);
    free((char *)s->format);
    free((char *)s->name);
    free((char *)s->metadata);
    s->release = NULL;
}

static struct ArrowSchema *add_children(struct ArrowSchema *s, int64_t n)
{
    s->n_children = n;
    s->children = mem_array((size_t)n, sizeof *s->children);
    for (int64_t i = 0; i < n; i++)
        s->children[i] = mem_alloc(sizeof **s->children);
    return s->children[0];
}

static void begin_schema(struct ArrowSchema *s, const char *format, const char *name,
                         bool nullable)
{
    *s = (struct ArrowSchema){.format = mem_str(span_str(format)),
                              .name = mem_str(span_str(name)),
                              .flags = nullable ? ARROW_FLAG_NULLABLE : 0,
                              .release = release_schema};
}

static void put_int32(struct buf *b, int32_t x)
{
    buf_put(b, span_of(&x, sizeof x)); // of this machine: it does not leave it
}

/* How Arrow tells a type that is stored as another: two pairs of texts. */
static char *extension(const char *name)
{
    static const char key[] = "ARROW:extension:name",
                      more[] = "ARROW:extension:metadata";
    struct buf b = BUF_INIT(1000);
    size_t n;

    put_int32(&b, 2);
    put_int32(&b, sizeof key - 1);
    buf_put_str(&b, key);
    put_int32(&b, (int32_t)strlen(name));
    buf_put_str(&b, name);
    put_int32(&b, sizeof more - 1);
    buf_put_str(&b, more);
    put_int32(&b, 0);
    return (char *)buf_take(&b, &n);
}

static void fill_schema(struct ArrowSchema *s, const struct column *c)
{
    begin_schema(s, c->format, c->name, c->nullable);
    if (c->kind == COLUMN_UUID)
        s->metadata = extension("arrow.uuid");
    if (c->kind == COLUMN_JSON)
        s->metadata = extension("arrow.json");
    if (c->dictionary != NULL) {
        s->dictionary = mem_alloc(sizeof *s->dictionary);
        fill_schema(s->dictionary, c->dictionary);
    }
    if (c->n_children == 0)
        return;
    if (c->kind == COLUMN_MAP) { // its children stand in a struct of entries
        s = add_children(s, 1);
        begin_schema(s, "+s", "entries", false);
    }
    add_children(s, (int64_t)c->n_children);
    for (size_t i = 0; i < c->n_children; i++)
        fill_schema(s->children[i], &c->children[i]);
}

void columns_schema(struct columns *c, struct ArrowSchema *out)
{
    fill_schema(out, &c->root);
}

/* ---- what is in them ---- */

static void release_array(struct ArrowArray *a)
{
    for (int64_t i = 0; i < a->n_children; i++) {
        if (a->children[i]->release != NULL)
            a->children[i]->release(a->children[i]);
        free(a->children[i]);
    }
    if (a->dictionary != NULL && a->dictionary->release != NULL)
        a->dictionary->release(a->dictionary);
    free(a->dictionary);
    free(a->children);
    free(a->buffers);
    a->release = NULL;
}

static struct ArrowArray *add_arrays(struct ArrowArray *a, int64_t n)
{
    a->n_children = n;
    a->children = mem_array((size_t)n, sizeof *a->children);
    for (int64_t i = 0; i < n; i++)
        a->children[i] = mem_alloc(sizeof **a->children);
    return a->children[0];
}

static void begin_array(struct ArrowArray *a, size_t n, int64_t n_buffers)
{
    *a = (struct ArrowArray){.length = (int64_t)n,
                             .n_buffers = n_buffers,
                             .buffers = mem_array(3, sizeof *a->buffers),
                             .release = release_array};
}

static void fill_array(struct ArrowArray *a, const struct column *c);

static void fill_children(struct ArrowArray *a, const struct column *c)
{
    if (c->kind == COLUMN_MAP) {
        a = add_arrays(a, 1);
        begin_array(a, c->children[0].n, 1);
    }
    add_arrays(a, (int64_t)c->n_children);
    for (size_t i = 0; i < c->n_children; i++)
        fill_array(a->children[i], &c->children[i]);
}

static void fill_array(struct ArrowArray *a, const struct column *c)
{
    static const uint8_t nothing[8];

    begin_array(a, c->n, c->kind == COLUMN_NULL ? 0 : 1);
    a->null_count = (int64_t)(c->kind == COLUMN_NULL ? c->n : c->nulls);
    if (c->nullable && c->nulls > 0)
        a->buffers[0] = c->valid;
    if (c->values != NULL)
        a->buffers[a->n_buffers++] = c->values;
    if (c->offsets != NULL)
        a->buffers[a->n_buffers++] = c->offsets;
    if (c->offsets != NULL && c->n_children == 0)
        a->buffers[a->n_buffers++] = c->bytes != NULL ? c->bytes : nothing;
    if (c->dictionary != NULL) {
        a->dictionary = mem_alloc(sizeof *a->dictionary);
        fill_array(a->dictionary, c->dictionary);
    }
    if (c->n_children > 0)
        fill_children(a, c);
}

void columns_export(struct columns *c, struct ArrowArray *out)
{
    fill_array(out, &c->root);
}

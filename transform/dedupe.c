/*
 * dedupe: of records with the same key, those go on before which none did at the last
 * so many offsets of the partition.  What went on stands in memory.h.
 */
#include "transform/memory.h"
#include "transform/transform_inside.h"
#include "transform/window.h"

#include <stdlib.h>

#define IDENTITY_MOST (1 << 16)
#define LAST "100000"

struct dedupe_given {
    const char *const *keys;
    size_t n;
    int64_t last;
};

struct dedupe {
    const struct dedupe_given *given;
    size_t slot; // of the run's: which dedupe of the pipeline it is
    const char *identity;
    struct {
        const struct av_node *type; // without its null
        enum tr_null null;
        size_t reg;
    } * keys;
};

static enum err_kind read_dedupe(struct step *s, struct arena *a, struct err *e)
{
    struct dedupe_given *d = arena_alloc(a, sizeof *d);
    const struct given *key;
    const char *last = NULL;
    char *end;

    TRY(tr_given_known(s->given, "key|last", e));
    TRY(tr_given_text(&last, s->given, "last", false, e));
    key = tr_given_get(s->given, "key");
    if (key == NULL)
        return tr_given_refuse(s->given, e, "\"key\" is missing");
    TRY(tr_given_names(&d->keys, &d->n, key, a, e));
    if (d->n == 0)
        return tr_given_refuse(key, e, "no field is named");
    const char *text = last != NULL ? last : LAST;
    long long n = strtoll(text, &end, 10);
    if (*end != '\0' || text[0] < '1' || text[0] > '9' || n > WINDOW_LAST_MOST)
        return tr_given_refuse(s->given, e, "last: \"%.40s\", wanted 1 to %d offsets",
                               text, WINDOW_LAST_MOST);
    d->last = n;
    s->read = d;
    return ERR_OK;
}

int64_t tr_looks_back(const struct transform *t)
{
    int64_t most = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->steps[i].verb == &tr_verb_dedupe) {
            const struct dedupe_given *d = t->steps[i].read;
            most = d->last > most ? d->last : most;
        }
    return most;
}

/* The step's window; of the record before it mostly the same. */
static struct window *window_of(struct transform_run *r, const struct dedupe *d)
{
    if (r->memory == NULL)
        r->memory = r->own_memory = tr_memory_new(d->given->last);
    if (r->n_windows <= d->slot) {
        r->windows = mem_grow(r->windows, d->slot + 1, sizeof *r->windows);
        while (r->n_windows <= d->slot)
            r->windows[r->n_windows++] = (struct run_window){0};
    }
    struct run_window *w = &r->windows[d->slot];
    uint64_t epoch = tr_memory_epoch(r->memory);
    if (w->window == NULL || w->of != d->identity || w->epoch != epoch ||
        w->partition != r->origin->partition) {
        *w = (struct run_window){
            tr_memory_window(r->memory, r->origin->partition, d->identity), d->identity,
            epoch, r->origin->partition};
        tr_window_last(w->window, d->given->last);
    }
    return w->window;
}

/* A null is no key: what has none goes on. */
static enum err_kind run_dedupe(struct transform_run *r, const struct op *op,
                                struct transform_result *out, struct err *e)
{
    const struct dedupe *d = op->made;

    (void)e;
    buf_reset(&r->text);
    for (size_t i = 0; i < d->given->n; i++) {
        struct span value = tr_register(r, d->keys[i].reg);
        if (tr_take_branch(&value, d->keys[i].null))
            return ERR_OK;
        tr_put_key(&r->text, d->keys[i].type, value);
    }
    if (tr_window_has(window_of(r, d), buf_span(&r->text), r->origin->offset))
        out->fate = TRANSFORM_REPEATED;
    return ERR_OK;
}

/* What a key's bytes follow from, tr_put_key(). */
static void put_type(struct buf *out, const struct av_node *n)
{
    buf_put_str(out, n->type == AV_INT ? "long" : av_type_name(n->type));
    if (n->type == AV_FIXED)
        buf_printf(out, "[%zu]", n->size);
    if (n->logical != AV_PLAIN)
        buf_printf(out, " %s", av_logical_name(n->logical));
    if (n->logical == AV_DECIMAL) // of another scale the same bytes are another number
        buf_printf(out, "(%d,%d)", n->precision, n->scale);
}

static const char *identity_of(const struct dedupe *d, struct arena *a)
{
    struct buf text = BUF_INIT(IDENTITY_MOST);

    buf_printf(&text, "dedupe %zu:", d->slot + 1);
    for (size_t i = 0; i < d->given->n; i++) {
        buf_printf(&text, " %s ", d->given->keys[i]);
        put_type(&text, d->keys[i].type);
    }
    const char *identity = arena_str(a, buf_span(&text));
    buf_free(&text);
    return identity;
}

static enum err_kind compile_dedupe(struct compiler *c, const struct step *s,
                                    struct err *e)
{
    const struct dedupe_given *given = s->read;
    struct dedupe *d = arena_alloc(&c->p->arena, sizeof *d);

    d->given = given;
    d->slot = c->n_dedupes++;
    d->keys = arena_array(&c->p->arena, given->n, sizeof *d->keys);
    for (size_t i = 0; i < given->n; i++) {
        struct column *col;
        TRY(tr_column_must(&col, c, given->keys[i], e));
        struct tr_nullable n = tr_nullable_of(col->field->type);
        if (!tr_key_may_be(n.value))
            return err_set(e, ERR_INVALID, "%s is of type %s, which is no key",
                           given->keys[i], av_type_name(n.value->type));
        d->keys[i].type = n.value;
        d->keys[i].null = n.null;
        d->keys[i].reg = col->reg;
    }
    d->identity = identity_of(d, &c->p->arena);
    tr_add_op(c, run_dedupe, d);
    return ERR_OK;
}

const struct verb tr_verb_dedupe = {"dedupe", read_dedupe, NULL, compile_dedupe};

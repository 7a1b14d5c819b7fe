/*
 * dedupe: of records with the same key, the first among the last so many keys of its
 * partition goes on.
 *
 * The keys are of one process and its time: docs/transforms.md says what that promises.
 */
#include "transform/transform_inside.h"
#include "transform/window.h"

#include <stdlib.h>

#define LAST_MOST 10000000
#define LAST "100000"

struct dedupe_given {
    const char *const *keys;
    size_t n;
    size_t last;
};

struct dedupe {
    const struct dedupe_given *given;
    size_t slot; // of the run's: which dedupe of the pipeline it is
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
    if (*end != '\0' || text[0] < '1' || text[0] > '9' || n > LAST_MOST)
        return tr_given_refuse(s->given, e, "last: \"%.40s\", wanted 1 to %d keys",
                               text, LAST_MOST);
    d->last = (size_t)n;
    s->read = d;
    return ERR_OK;
}

struct window *tr_window_of(struct transform_run *r, size_t slot, size_t most)
{
    while (r->n_windows <= slot) {
        r->windows = mem_grow(r->windows, r->n_windows + 1, sizeof *r->windows);
        r->windows[r->n_windows++] = (struct tab){0};
    }
    struct window *w = tab_get_id(&r->windows[slot], r->origin->partition);
    if (w == NULL) {
        w = tr_window_new(most);
        tab_put_id(&r->windows[slot], r->origin->partition, w);
    }
    return w;
}

void transform_run_begin(struct transform_run *r, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < r->n_windows; i++) {
        struct window *w = tab_get_id(&r->windows[i], partition);
        if (w != NULL)
            tr_window_kept(w, offset);
    }
}

void tr_windows_free(struct transform_run *r)
{
    for (size_t i = 0; i < r->n_windows; i++) {
        struct window *w;
        for (size_t at = 0; (w = tab_each(&r->windows[i], &at, NULL)) != NULL;)
            tr_window_free(w);
        tab_free(&r->windows[i]);
    }
    free(r->windows);
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
    struct window *w = tr_window_of(r, d->slot, d->given->last);
    if (tr_window_has(w, buf_span(&r->text), r->origin->offset))
        out->fate = TRANSFORM_REPEATED;
    return ERR_OK;
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
    tr_add_op(c, run_dedupe, d);
    return ERR_OK;
}

const struct verb tr_verb_dedupe = {"dedupe", read_dedupe, NULL, compile_dedupe};

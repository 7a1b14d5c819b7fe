/* select, drop, rename: which fields there are, and how they are called.  All is done
 * when the program is made. */
#include "transform/transform_inside.h"

#include <stdlib.h>

struct names {
    const char *const *items;
    size_t n;
};

static enum err_kind read_names(struct step *s, struct arena *a, struct err *e)
{
    struct names *names = arena_alloc(a, sizeof *names);

    TRY(tr_given_names(&names->items, &names->n, s->given, a, e));
    if (names->n == 0)
        return tr_given_refuse(s->given, e, "no field is named");
    s->read = names;
    return ERR_OK;
}

static enum err_kind compile_select(struct compiler *c, const struct step *s,
                                    struct err *e)
{
    const struct names *names = s->read;
    struct column *columns = arena_array(&c->p->arena, names->n, sizeof *columns);

    for (size_t i = 0; i < names->n; i++) {
        struct column *found;
        TRY(tr_column_must(&found, c, names->items[i], e));
        columns[i] = *found;
    }
    return tr_compile_adopt(c, columns, names->n, e);
}

const struct verb tr_verb_select = {"select", read_names, NULL, compile_select};

static bool is_named(const struct names *names, struct span name)
{
    for (size_t i = 0; i < names->n; i++)
        if (span_eq(span_str(names->items[i]), name))
            return true;
    return false;
}

static enum err_kind compile_drop(struct compiler *c, const struct step *s,
                                  struct err *e)
{
    const struct names *names = s->read;
    struct column *columns = arena_array(&c->p->arena, c->n + 1, sizeof *columns);
    struct column *found;
    size_t n = 0;

    for (size_t i = 0; i < names->n; i++)
        TRY(tr_column_must(&found, c, names->items[i], e));
    for (size_t i = 0; i < c->n; i++)
        if (!is_named(names, c->columns[i].name))
            columns[n++] = c->columns[i];
    if (n == 0)
        return err_set(e, ERR_INVALID, "no field would be left");
    return tr_compile_adopt(c, columns, n, e);
}

const struct verb tr_verb_drop = {"drop", read_names, NULL, compile_drop};

static enum err_kind read_rename(struct step *s, struct arena *a, struct err *e)
{
    (void)a;
    if (s->given->text != NULL || s->given->list || s->given->n == 0)
        return tr_given_refuse(s->given, e, "wanted names: {old: new}");
    for (const struct given *g = s->given->first; g != NULL; g = g->next) {
        if (g->text == NULL)
            return tr_given_refuse(g, e, "%.60s has members, wanted its new name",
                                   g->key);
        if (tr_column_check_name(g->text, e) != ERR_OK)
            return err_prefix(e, "%.60s", g->from);
    }
    return ERR_OK;
}

/* All at once, so that {a: b, b: a} is what it says. */
static enum err_kind compile_rename(struct compiler *c, const struct step *s,
                                    struct err *e)
{
    struct column *columns = arena_array(&c->p->arena, c->n + 1, sizeof *columns);

    memcpy(columns, c->columns, c->n * sizeof *columns);
    for (const struct given *g = s->given->first; g != NULL; g = g->next) {
        struct column *found;
        TRY(tr_column_must(&found, c, g->key, e));
        columns[found - c->columns].name = span_str(g->text);
    }
    return tr_compile_adopt(c, columns, c->n, e);
}

const struct verb tr_verb_rename = {"rename", read_rename, NULL, compile_rename};

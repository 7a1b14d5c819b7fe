/* The steps as they are written: one verb each, and a name where somebody gave one. */
#include "transform/transform_inside.h"

#include <stdio.h>
#include <stdlib.h>

static const struct verb *const verbs[] = {
    &tr_verb_select, &tr_verb_drop,    &tr_verb_rename,
    &tr_verb_cast,   &tr_verb_compute, &tr_verb_parse,
    &tr_verb_lookup, &tr_verb_filter,  &tr_verb_dedupe,
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static enum err_kind refuse_verb(const struct given *g, struct err *e)
{
    struct buf known = BUF_INIT(200);

    for (size_t i = 0; i < VERBS; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", verbs[i]->name);
    tr_given_refuse(g, e, "unknown step \"%.40s\", known: %.*s", g->key, (int)known.n,
                    (const char *)known.p);
    buf_free(&known);
    return e->kind;
}

static enum err_kind name_step(struct step *s, const struct given *g, size_t number,
                               struct err *e)
{
    const char *name = NULL;

    TRY(tr_given_text(&name, g, "name", false, e));
    if (name != NULL && (name[0] == '\0' || strlen(name) >= sizeof s->name))
        return tr_given_refuse(g, e, "a step's name of %zu bytes, wanted 1 to %zu",
                               strlen(name), sizeof s->name - 1);
    if (name != NULL)
        snprintf(s->name, sizeof s->name, "%s", name);
    else
        snprintf(s->name, sizeof s->name, "%zu:%.40s", number, s->verb->name);
    return ERR_OK;
}

static enum err_kind read_step(struct step *s, const struct given *g, size_t number,
                               struct arena *a, struct err *e)
{
    if (g->text != NULL || g->list)
        return tr_given_refuse(g, e,
                               "step %zu, wanted a verb and what it wants: - "
                               "select: [a, b]",
                               number);
    for (const struct given *m = g->first; m != NULL; m = m->next) {
        if (strcmp(m->key, "name") == 0)
            continue;
        if (s->given != NULL)
            return tr_given_refuse(m, e, "step %zu has two verbs, %s and %s", number,
                                   s->given->key, m->key);
        s->given = m;
        s->verb = find_verb(m->key);
        if (s->verb == NULL)
            return refuse_verb(m, e);
    }
    if (s->given == NULL)
        return tr_given_refuse(g, e, "step %zu has no verb", number);
    TRY(name_step(s, g, number, e));
    if (s->verb->read(s, a, e) != ERR_OK)
        return err_prefix(e, "transform %s", s->name);
    return ERR_OK;
}

static enum err_kind read_steps(struct transform *t, const struct given *root,
                                struct err *e)
{
    if (!root->list)
        return tr_given_refuse(root, e,
                               "transform wants a list of steps: - select: ...");
    if (root->n > TRANSFORM_STEPS)
        return err_set(e, ERR_LIMIT, "transform has %zu steps, %d are allowed", root->n,
                       TRANSFORM_STEPS);
    t->steps = arena_array(&t->arena, root->n + 1, sizeof *t->steps);
    for (const struct given *g = root->first; g != NULL; g = g->next) {
        t->n++;
        TRY(read_step(&t->steps[t->n - 1], g, t->n, &t->arena, e));
    }
    return ERR_OK;
}

enum err_kind transform_read(struct transform **out, const struct conf_tree *steps,
                             struct err *e)
{
    struct transform *t = mem_alloc(sizeof *t);

    if (read_steps(t, tr_given_read(steps, &t->arena), e) != ERR_OK) {
        transform_free(t);
        return e->kind;
    }
    *out = t;
    return ERR_OK;
}

void transform_free(struct transform *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->steps[i].verb != NULL && t->steps[i].verb->forget != NULL)
            t->steps[i].verb->forget(&t->steps[i]);
    arena_free(&t->arena);
    free(t);
}

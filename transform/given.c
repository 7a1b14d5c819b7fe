#include "transform/transform_inside.h"

#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>

static struct given *read(const char *file, const struct yaml *y, size_t i,
                          struct arena *a)
{
    struct given *g = arena_alloc(a, sizeof *g);

    g->key = y->key != NULL ? y->key : (const char *)arena_printf(a, "%zu", i + 1).p;
    g->text = y->kind == YAML_TEXT ? y->text : NULL;
    g->list = y->kind == YAML_LIST;
    g->from = (const char *)arena_printf(a, "%s:%zu:%zu", file, y->line, y->column).p;
    for (const struct yaml *m = y->first; m != NULL; m = m->next) {
        struct given *next = read(file, m, g->n++, a);
        if (g->last != NULL)
            g->last->next = next;
        else
            g->first = next;
        g->last = next;
    }
    return g;
}

struct given *tr_given_read(const struct conf_tree *tree, struct arena *a)
{
    return read(tree->file, tree->root, 0, a); // yaml.h bounds its depth
}

const struct given *tr_given_get(const struct given *g, const char *key)
{
    for (const struct given *m = g->first; m != NULL; m = m->next)
        if (strcmp(m->key, key) == 0)
            return m;
    return NULL;
}

enum err_kind tr_given_refuse(const struct given *g, struct err *e, const char *fmt,
                              ...)
{
    char why[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return err_set(e, ERR_INVALID, "%.60s: %s", g->from, why);
}

enum err_kind tr_given_text(const char **out, const struct given *g, const char *key,
                            bool must, struct err *e)
{
    const struct given *m = tr_given_get(g, key);

    if (m == NULL && !must) {
        *out = NULL;
        return ERR_OK;
    }
    if (m == NULL)
        return tr_given_refuse(g, e, "\"%s\" is missing", key);
    if (m->text == NULL)
        return tr_given_refuse(m, e, "\"%s\" has members, wanted one value", key);
    *out = m->text;
    return ERR_OK;
}

enum err_kind tr_given_names(const char *const **out, size_t *n, const struct given *g,
                             struct arena *a, struct err *e)
{
    const char **names = arena_array(a, g->n + 1, sizeof *names);

    *n = 0;
    if (g->text != NULL)
        names[(*n)++] = g->text;
    else if (!g->list)
        return tr_given_refuse(g, e, "\"%s\" has members, wanted a list of names",
                               g->key);
    for (const struct given *m = g->first; m != NULL; m = m->next) {
        if (m->text == NULL)
            return tr_given_refuse(m, e, "wanted a name");
        names[(*n)++] = m->text;
    }
    for (size_t i = 0; i < *n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return tr_given_refuse(g, e, "\"%s\" stands there twice", names[i]);
    *out = names;
    return ERR_OK;
}

static bool is_known(const char *known, const char *key)
{
    size_t n = strlen(key);

    for (const char *at = known; n > 0; at++) {
        if (strncmp(at, key, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
        at = strchr(at, '|');
        if (at == NULL)
            break;
    }
    return false;
}

enum err_kind tr_given_known(const struct given *g, const char *known, struct err *e)
{
    if (g->text != NULL || g->list)
        return tr_given_refuse(g, e, "\"%s\" wants members: %s", g->key, known);
    for (const struct given *m = g->first; m != NULL; m = m->next)
        if (!is_known(known, m->key))
            return tr_given_refuse(m, e, "unknown \"%.60s\", wanted %s", m->key, known);
    return ERR_OK;
}

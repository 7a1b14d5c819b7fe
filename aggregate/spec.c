#include "aggregate/spec.h"

static struct span trim(struct span s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = span_skip(s, 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* "sum(amount)", "count", "count(*)" */
static bool read_column(struct agg_column *c, struct span text)
{
    const uint8_t *open = text.n == 0 ? NULL : memchr(text.p, '(', text.n);
    struct span name = open == NULL ? text : span_of(text.p, (size_t)(open - text.p));

    if (!agg_function_read(&c->fn, trim(name)))
        return false;
    if (open == NULL)
        return c->fn == AGG_COUNT;
    struct span rest = span_skip(text, name.n + 1);
    if (rest.n < 2 || rest.p[rest.n - 1] != ')')
        return false;
    rest.n--;
    c->path = trim(rest);
    if (c->fn == AGG_COUNT && span_eq(c->path, span_str("*"))) {
        c->path = (struct span){0};
        return true;
    }
    return c->path.n > 0;
}

/* "address.city" as a column: its last name, unless that is taken. */
static struct span key_name(struct agg_spec *s, const struct span *names, size_t n,
                            struct span path)
{
    struct span name = path;

    for (size_t i = path.n; i-- > 0;)
        if (path.p[i] == '.') {
            name = span_skip(path, i + 1);
            break;
        }
    for (size_t i = 0; i < n; i++) {
        if (!span_eq(names[i], name))
            continue;
        uint8_t *whole = arena_alloc(&s->mem, path.n);
        for (size_t k = 0; k < path.n; k++)
            whole[k] = path.p[k] == '.' ? '_' : path.p[k];
        return span_of(whole, path.n);
    }
    return name;
}

static bool is_taken(const struct agg_spec *s, struct span name, size_t n_columns)
{
    for (size_t i = 0; i < s->n_keys; i++)
        if (span_eq(s->key_names[i], name))
            return true;
    for (size_t i = 0; i < n_columns; i++)
        if (span_eq(s->columns[i].name, name))
            return true;
    return s->window_ms > 0 && (span_eq(name, span_str("window_start")) ||
                                span_eq(name, span_str("window_end")));
}

static enum err_kind read_keys(struct agg_spec *s, const struct conf_list *keys,
                               struct err *e)
{
    if (keys->n > AGG_KEYS_MOST)
        return err_set(e, ERR_INVALID, "aggregate.key has %zu fields, at most %d",
                       keys->n, AGG_KEYS_MOST);
    struct span *paths = arena_array(&s->mem, keys->n + 1, sizeof *paths);
    struct span *names = arena_array(&s->mem, keys->n + 1, sizeof *names);
    s->keys = paths;
    s->key_names = names;
    for (size_t i = 0; i < keys->n; i++) {
        paths[i] = arena_copy(&s->mem, span_str(keys->items[i]));
        names[i] = key_name(s, names, i, paths[i]);
        if (!agg_name_is_good(names[i]) || is_taken(s, names[i], 0))
            return err_set(e, ERR_INVALID,
                           "aggregate.key: \"%s\" makes no column's name, or one that "
                           "is there already",
                           keys->items[i]);
        s->n_keys = i + 1;
    }
    return ERR_OK;
}

static enum err_kind read_columns(struct agg_spec *s, const struct conf_pairs *columns,
                                  struct err *e)
{
    if (columns->n == 0 || columns->n > AGG_COLUMNS_MOST)
        return err_set(e, ERR_INVALID,
                       "aggregate.columns has %zu columns, wanted 1 to %d: "
                       "{orders: count, revenue: sum(amount)}",
                       columns->n, AGG_COLUMNS_MOST);
    struct agg_column *c = arena_array(&s->mem, columns->n, sizeof *c);
    s->columns = c;
    for (size_t i = 0; i < columns->n; i++) {
        const struct conf_pair *p = &columns->items[i];

        c[i].name = arena_copy(&s->mem, span_str(p->name));
        if (!agg_name_is_good(c[i].name) || is_taken(s, c[i].name, i))
            return err_set(e, ERR_INVALID,
                           "aggregate.columns: \"%s\" is no name for a column, or is "
                           "there already; wanted letters, digits and _",
                           p->name);
        if (!read_column(&c[i], trim(arena_copy(&s->mem, span_str(p->value)))))
            return err_set(
                e, ERR_INVALID,
                "aggregate.columns.%s is \"%s\", wanted count, count(FIELD), "
                "sum(FIELD), min, max, avg or last",
                p->name, p->value);
    }
    s->n_columns = columns->n;
    return ERR_OK;
}

static enum err_kind read_all(struct agg_spec *s, const struct agg_asked *asked,
                              struct err *e)
{
    TRY(read_keys(s, asked->keys, e));
    TRY(read_columns(s, asked->columns, e));
    if (asked->time_field != NULL)
        s->time_field = arena_copy(&s->mem, span_str(asked->time_field));
    return ERR_OK;
}

enum err_kind agg_spec_read(struct agg_spec *out, const struct agg_asked *asked,
                            struct err *e)
{
    *out = (struct agg_spec){
        .window_ms = asked->window_ms,
        .grace_ms = asked->grace_ms,
        .keep_ms = asked->keep_ms,
        .ahead_ms = asked->ahead_ms,
    };
    enum err_kind rc = read_all(out, asked, e);
    if (rc != ERR_OK)
        agg_spec_free(out);
    return rc;
}

void agg_spec_free(struct agg_spec *s)
{
    arena_free(&s->mem);
    *s = (struct agg_spec){0};
}

bool agg_spec_suits(const struct agg_spec *s, const struct agg_shape *shape)
{
    if (s->n_keys != shape->n_keys || s->n_columns != shape->n_columns ||
        s->window_ms != shape->window_ms)
        return false;
    for (size_t i = 0; i < s->n_keys; i++)
        if (!span_eq(s->key_names[i], shape->fields[i].name))
            return false;
    for (size_t i = 0; i < s->n_columns; i++) {
        const struct agg_field *f = &shape->fields[s->n_keys + i];

        if (!span_eq(s->columns[i].name, f->name) || s->columns[i].fn != f->fn)
            return false;
    }
    return true;
}

#include "base/yaml.h"

#include <yaml.h>

#define DEPTH_MOST 32
#define VALUES_MOST 100000

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; // the one that was read last
    const char *name;
    struct arena *a;
    size_t values;
};

static enum err_kind refuse(const struct reader *r, yaml_mark_t at, enum err_kind kind,
                            const char *what, struct err *e)
{
    return err_set(e, kind, "%s:%zu:%zu: %s", r->name, at.line + 1, at.column + 1,
                   what);
}

static enum err_kind advance(struct reader *r, struct err *e)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event))
        return refuse(r, r->parser.problem_mark, ERR_INVALID,
                      r->parser.problem != NULL ? r->parser.problem : "not YAML", e);
    return ERR_OK;
}

static enum err_kind read_value(struct reader *r, struct yaml *out, int depth,
                                struct err *e);

static void append(struct yaml *parent, struct yaml ***end, struct yaml *child)
{
    **end = child;
    *end = &child->next;
    parent->n++;
}

static const char *scalar_text(const struct reader *r)
{
    return arena_str(r->a,
                     span_of(r->event.data.scalar.value, r->event.data.scalar.length));
}

static enum err_kind check_key(const struct reader *r, const struct yaml *map,
                               const char *key, struct err *e)
{
    for (const struct yaml *c = map->first; c != NULL; c = c->next)
        if (strcmp(c->key, key) == 0)
            return err_set(e, ERR_INVALID, "%s:%zu:%zu: \"%s\" stands here again",
                           r->name, r->event.start_mark.line + 1,
                           r->event.start_mark.column + 1, key);
    return ERR_OK;
}

static enum err_kind read_members(struct reader *r, struct yaml *out, int depth,
                                  yaml_event_type_t close, struct err *e)
{
    struct yaml **end = &out->first;

    for (;;) {
        TRY(advance(r, e));
        if (r->event.type == close)
            return ERR_OK;
        struct yaml *child = arena_alloc(r->a, sizeof *child);
        if (out->kind == YAML_MAP) {
            if (r->event.type != YAML_SCALAR_EVENT)
                return refuse(r, r->event.start_mark, ERR_INVALID, "a key must be text",
                              e);
            child->key = scalar_text(r);
            TRY(check_key(r, out, child->key, e));
            TRY(advance(r, e));
        }
        TRY(read_value(r, child, depth + 1, e));
        append(out, &end, child);
    }
}

/* Reads the value whose first event is r->event. */
static enum err_kind read_value(struct reader *r, struct yaml *out, int depth,
                                struct err *e)
{
    out->line = r->event.start_mark.line + 1;
    out->column = r->event.start_mark.column + 1;
    if (depth > DEPTH_MOST || ++r->values > VALUES_MOST)
        return refuse(r, r->event.start_mark, ERR_LIMIT, "too deep or too much", e);

    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        out->kind = YAML_TEXT;
        out->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        out->text = scalar_text(r);
        if (strlen(out->text) != r->event.data.scalar.length)
            return refuse(r, r->event.start_mark, ERR_INVALID, "a NUL in the text", e);
        return ERR_OK;
    case YAML_SEQUENCE_START_EVENT:
        out->kind = YAML_LIST;
        return read_members(r, out, depth, YAML_SEQUENCE_END_EVENT, e);
    case YAML_MAPPING_START_EVENT:
        out->kind = YAML_MAP;
        return read_members(r, out, depth, YAML_MAPPING_END_EVENT, e);
    case YAML_ALIAS_EVENT:
        return refuse(r, r->event.start_mark, ERR_INVALID, "aliases are not taken here",
                      e);
    default:
        return refuse(r, r->event.start_mark, ERR_INVALID, "a value is missing", e);
    }
}

static enum err_kind read_document(struct reader *r, const struct yaml **out,
                                   struct err *e)
{
    TRY(advance(r, e)); // stream start
    TRY(advance(r, e));
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *out = NULL;
        return ERR_OK;
    }
    TRY(advance(r, e)); // document start was that
    struct yaml *root = arena_alloc(r->a, sizeof *root);
    TRY(read_value(r, root, 0, e));
    TRY(advance(r, e)); // document end
    TRY(advance(r, e));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return refuse(r, r->event.start_mark, ERR_INVALID, "a second document", e);
    *out = root;
    return ERR_OK;
}

enum err_kind yaml_read(const struct yaml **out, const char *name, struct span text,
                        struct arena *a, struct err *e)
{
    struct reader r = {.name = name, .a = a};

    if (!yaml_parser_initialize(&r.parser))
        return err_set(e, ERR_INTERNAL, "libyaml does not start");
    yaml_parser_set_input_string(&r.parser, text.p, text.n);
    enum err_kind rc = read_document(&r, out, e);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return rc;
}

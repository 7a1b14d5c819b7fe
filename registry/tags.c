#include "registry/tags.h"

#include "base/tab.h"

#include <string.h>

#define DEPTH 256 // as schemas may have
#define MEMBER "confluent:tags"

static const char record_type[] = "sr_record", field_type[] = "sr_field";

static void add_tag(struct reg_tags *tags, bool of_field, struct span path,
                    struct span name, struct arena *a)
{
    if (tags->n == tags->cap) {
        size_t cap = tags->cap * 2 + 8;
        struct reg_tag *more = arena_array(a, cap, sizeof *more);
        if (tags->n > 0)
            memcpy(more, tags->items, tags->n * sizeof *more);
        tags->items = more;
        tags->cap = cap;
    }
    tags->items[tags->n++] =
        (struct reg_tag){.of_field = of_field, .path = path, .name = name};
}

/* Reading what was sent. */

static struct span text_of(const struct json *j, const char *name)
{
    const struct json *m = json_member(j, name);

    return json_is(m, JSON_STRING) ? m->text : (struct span){0};
}

static enum err_kind read_names(struct reg_tags *out, const struct json *names,
                                bool of_field, struct span path, struct arena *a,
                                struct err *e)
{
    if (!json_is(names, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "tags: wanted a list of names");
    for (const struct json *j = names->first; j != NULL; j = j->next) {
        if (!json_is(j, JSON_STRING) || j->text.n == 0)
            return err_set(e, ERR_INVALID, "tags: found %s, wanted a name",
                           json_kind_name(j->kind));
        if (out->n == REG_TAGS_MOST)
            return err_set(e, ERR_LIMIT, "more than %d tags", REG_TAGS_MOST);
        add_tag(out, of_field, path, j->text, a);
    }
    return ERR_OK;
}

static enum err_kind read_entry(struct reg_tags *out, const struct json *j,
                                struct arena *a, struct err *e)
{
    const struct json *entity = json_member(j, "schemaEntity");
    struct span type = text_of(entity, "entityType"),
                path = text_of(entity, "entityPath");
    bool of_field = span_eq(type, span_str(field_type));

    if (!of_field && !span_eq(type, span_str(record_type)))
        return err_set(e, ERR_INVALID, "entityType: wanted %s or %s", record_type,
                       field_type);
    if (path.n == 0)
        return err_set(e, ERR_INVALID, "entityPath: wanted the name of a place");
    if (path.p[0] == '.') // as Confluent's clients may write it
        path = span_skip(path, 1);
    return read_names(out, json_member(j, "tags"), of_field, path, a, e);
}

enum err_kind reg_tags_read(struct reg_tags *out, const struct json *list,
                            struct arena *a, struct err *e)
{
    *out = (struct reg_tags){0};
    if (list == NULL || json_is(list, JSON_NULL))
        return ERR_OK;
    if (!json_is(list, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "found %s, wanted array",
                       json_kind_name(list->kind));
    for (const struct json *j = list->first; j != NULL; j = j->next)
        TRY(read_entry(out, j, a, e));
    return ERR_OK;
}

/* Walking a schema: it is written again, and its tags are looked at on the way. */

struct walk {
    struct arena *a;
    struct buf *out;
    struct tab add, drop, maybe; // key of a place -> its first struct reg_tag
    struct reg_tags *all;        // gathers what stands there; may be NULL
};

struct place {
    bool is, of_field;
    struct span path;
};

static void walk_type(struct walk *w, const struct json *j, struct span space);

static struct span key_of(bool of_field, struct span path, struct arena *a)
{
    return arena_printf(a, "%c%.*s", of_field ? 'f' : 'r', SPAN_WHOLE(path));
}

static void index_tags(struct tab *t, const struct reg_tags *tags, struct arena *a)
{
    for (size_t i = tags != NULL ? tags->n : 0; i-- > 0;) {
        struct reg_tag *tag = &tags->items[i];

        tag->seen = false;
        tag->next = tab_put(t, key_of(tag->of_field, tag->path, a), tag);
    }
}

/* The names at one place, each once, in the order they came. */
struct names {
    struct span *items;
    size_t n;
    struct tab at; // name -> its item
};

static void take_name(struct names *names, struct span name)
{
    if (tab_get(&names->at, name) != NULL)
        return;
    names->items[names->n] = name;
    tab_put(&names->at, name, &names->items[names->n++]);
}

static void take_names(struct names *names, struct reg_tag *from)
{
    for (; from != NULL; from = from->next) {
        from->seen = true;
        take_name(names, from->name);
    }
}

static void drop_names(struct names *names, struct reg_tag *from)
{
    size_t kept = 0;

    for (; from != NULL; from = from->next) {
        struct span *item = tab_drop(&names->at, from->name);

        from->seen = true;
        if (item != NULL)
            item->n = 0;
    }
    for (size_t i = 0; i < names->n; i++)
        if (names->items[i].n > 0)
            names->items[kept++] = names->items[i];
    names->n = kept;
}

static size_t length(const struct reg_tag *from)
{
    size_t n = 0;

    for (; from != NULL; from = from->next)
        n++;
    return n;
}

static void gather(struct walk *w, const struct names *names, const struct place *at)
{
    for (size_t i = 0; w->all != NULL && i < names->n; i++)
        add_tag(w->all, at->of_field, at->path, names->items[i], w->a);
}

/* What stands at a place when all is done. */
static struct names names_at(struct walk *w, const struct json *j,
                             const struct place *at)
{
    const struct json *there = json_member(j, MEMBER);
    struct span key = key_of(at->of_field, at->path, w->a);
    struct reg_tag *add = tab_get(&w->add, key), *drop = tab_get(&w->drop, key),
                   *maybe = tab_get(&w->maybe, key);
    struct names names = {0};
    size_t most =
        (json_is(there, JSON_ARRAY) ? there->n : 0) + length(add) + length(maybe);

    if (most > 0)
        names.items = arena_array(w->a, most, sizeof *names.items);
    for (const struct json *n = json_is(there, JSON_ARRAY) ? there->first : NULL;
         n != NULL; n = n->next)
        if (json_is(n, JSON_STRING) && n->text.n > 0)
            take_name(&names, n->text);
    gather(w, &names, at);
    take_names(&names, maybe);
    take_names(&names, add);
    drop_names(&names, drop);
    tab_free(&names.at);
    return names;
}

static void put_name(struct walk *w, struct span name, bool *first)
{
    if (!*first)
        buf_put_u8(w->out, ',');
    *first = false;
    json_put_string(w->out, name);
    buf_put_u8(w->out, ':');
}

static void put_names(struct walk *w, const struct names *names, bool *first)
{
    if (names->n == 0)
        return;
    put_name(w, span_str(MEMBER), first);
    for (size_t i = 0; i < names->n; i++) {
        buf_put_u8(w->out, i == 0 ? '[' : ',');
        json_put_string(w->out, names->items[i]);
    }
    buf_put_u8(w->out, ']');
}

static bool is_text(const struct json *j, const char *text)
{
    return json_is(j, JSON_STRING) && span_eq(j->text, span_str(text));
}

/* "a.b.R" or R of the namespace said or around it; *space is what its fields are in. */
static struct span full_name(struct walk *w, const struct json *j, struct span *space)
{
    struct span name = text_of(j, "name");
    const struct json *said = json_member(j, "namespace");
    size_t dot = name.n;

    while (dot > 0 && name.p[dot - 1] != '.')
        dot--;
    if (dot > 0) {
        *space = span_of(name.p, dot - 1);
        return name;
    }
    if (json_is(said, JSON_STRING))
        *space = said->text;
    return space->n == 0 ? name : arena_join(w->a, *space, ".", name);
}

static void walk_object(struct walk *w, const struct json *j, struct span space,
                        const struct place *at);

static void walk_fields(struct walk *w, const struct json *fields, struct span space,
                        struct span record)
{
    buf_put_u8(w->out, '[');
    for (const struct json *f = fields->first; f != NULL; f = f->next) {
        struct place at = {true, true, {0}};

        if (f != fields->first)
            buf_put_u8(w->out, ',');
        at.path = arena_join(w->a, record, ".", text_of(f, "name"));
        if (json_is(f, JSON_OBJECT))
            walk_object(w, f, space, &at);
        else
            json_put(w->out, f);
    }
    buf_put_u8(w->out, ']');
}

static void walk_member(struct walk *w, const struct json *m, struct span space,
                        const struct place *at)
{
    static const char *const types[] = {"type", "items", "values"};

    if (at->is && !at->of_field && span_eq(m->name, span_str("fields")) &&
        json_is(m, JSON_ARRAY)) {
        walk_fields(w, m, space, at->path);
        return;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_eq(m->name, span_str(types[i]))) {
            walk_type(w, m, space);
            return;
        }
    json_put(w->out, m);
}

static void walk_object(struct walk *w, const struct json *j, struct span space,
                        const struct place *at)
{
    struct names names = {0};
    bool first = true, put = !at->is;

    if (at->is)
        names = names_at(w, j, at);
    buf_put_u8(w->out, '{');
    for (const struct json *m = j->first; m != NULL; m = m->next) {
        if (at->is && span_eq(m->name, span_str(MEMBER))) {
            put_names(w, &names, &first); // where it stood
            put = true;
            continue;
        }
        put_name(w, m->name, &first);
        walk_member(w, m, space, at);
    }
    if (!put)
        put_names(w, &names, &first);
    buf_put_u8(w->out, '}');
}

static void walk_type(struct walk *w, const struct json *j, struct span space)
{
    const struct json *type = json_member(j, "type");
    struct place at = {0};

    if (json_is(j, JSON_ARRAY)) {
        buf_put_u8(w->out, '[');
        for (const struct json *one = j->first; one != NULL; one = one->next) {
            if (one != j->first)
                buf_put_u8(w->out, ',');
            walk_type(w, one, space);
        }
        buf_put_u8(w->out, ']');
        return;
    }
    if (!json_is(j, JSON_OBJECT)) {
        json_put(w->out, j);
        return;
    }
    if (is_text(type, "record") || is_text(type, "error")) {
        at.is = true;
        at.path = full_name(w, j, &space);
    }
    walk_object(w, j, space, &at);
}

static enum err_kind walk(struct walk *w, struct span schema, struct err *e)
{
    static const struct json_limits limits = {.depth = DEPTH};
    const struct json *j = NULL;

    TRY(json_read(&j, schema, &limits, w->a, e));
    walk_type(w, j, (struct span){0});
    return buf_status(w->out, e);
}

static enum err_kind check_seen(const struct reg_tags *tags, struct err *e)
{
    for (size_t i = 0; tags != NULL && i < tags->n; i++)
        if (!tags->items[i].seen)
            return err_set(e, ERR_INVALID, "the schema has no %s \"" SPAN_FMT "\"",
                           tags->items[i].of_field ? "field" : "record",
                           SPAN_ARG(tags->items[i].path));
    return ERR_OK;
}

enum err_kind reg_tags_change(struct span *out, struct span schema,
                              const struct reg_tags *add, const struct reg_tags *drop,
                              const struct reg_tags *maybe, struct arena *a,
                              struct err *e)
{
    struct buf text = BUF_INIT(64 << 20);
    struct walk w = {.a = a, .out = &text};

    index_tags(&w.add, add, a);
    index_tags(&w.drop, drop, a);
    index_tags(&w.maybe, maybe, a);
    enum err_kind rc = walk(&w, schema, e);
    if (rc == ERR_OK)
        rc = check_seen(add, e);
    if (rc == ERR_OK)
        rc = check_seen(drop, e);
    tab_free(&w.add);
    tab_free(&w.drop);
    tab_free(&w.maybe);
    if (rc == ERR_OK)
        *out = arena_copy(a, buf_span(&text));
    buf_free(&text);
    return rc;
}

struct reg_tags reg_tags_of(struct span schema, struct arena *a)
{
    struct buf text = BUF_INIT(64 << 20);
    struct reg_tags all = {0};
    struct walk w = {.a = a, .out = &text, .all = &all};
    struct err e;

    if (walk(&w, schema, &e) != ERR_OK)
        all = (struct reg_tags){0};
    buf_free(&text);
    return all;
}

/* Telling. */

static bool same_place(const struct reg_tag *a, const struct reg_tag *b)
{
    return a->of_field == b->of_field && span_eq(a->path, b->path);
}

static bool is_wanted(const struct reg_tag *t, const struct span *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(wanted[i], span_str("*")) || span_eq(wanted[i], t->name))
            return true;
    return false;
}

void reg_tags_put(struct buf *out, struct span schema, const struct span *wanted,
                  size_t n, struct arena *a)
{
    struct reg_tags all = reg_tags_of(schema, a);
    const char *comma = "";

    buf_put_u8(out, '[');
    for (size_t i = 0, end; i < all.n; i = end) {
        bool shown = false;

        for (end = i; end < all.n && same_place(&all.items[i], &all.items[end]); end++)
            shown |= is_wanted(&all.items[end], wanted, n);
        if (!shown)
            continue;
        buf_printf(out, "%s{\"schemaEntity\":{\"entityPath\":", comma);
        json_put_string(out, all.items[i].path);
        buf_printf(out, ",\"entityType\":\"%s\"},\"tags\":[",
                   all.items[i].of_field ? field_type : record_type);
        for (size_t t = i; t < end; t++) {
            if (t > i)
                buf_put_u8(out, ',');
            json_put_string(out, all.items[t].name);
        }
        buf_put_str(out, "]}");
        comma = ",";
    }
    buf_put_u8(out, ']');
}

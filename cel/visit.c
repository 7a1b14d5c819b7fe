#include "cel/visit.h"

#include "avro-core/varint.h"

#include <stdlib.h>

struct field {
    struct cel_value name, full_name, tags;
};

struct cel_visits {
    struct arena arena;
    struct field **records; // by node index; NULL for what is no record
};

/* Beforehand */

/* `*` and `?` stay inside a name of a dotted path, `**` does not. */
static bool is_like(struct span path, struct span name)
{
    while (path.n > 0) {
        if (path.p[0] == '*') {
            bool any = path.n > 1 && path.p[1] == '*';

            path = span_skip(path, any ? 2 : 1);
            for (size_t i = 0; i <= name.n; i++) {
                if (is_like(path, span_of(name.p + i, name.n - i)))
                    return true;
                if (i < name.n && name.p[i] == '.' && !any)
                    break;
            }
            return false;
        }
        if (name.n == 0 ||
            (path.p[0] == '?' ? name.p[0] == '.' : path.p[0] != name.p[0]))
            return false;
        path = span_skip(path, 1);
        name = span_skip(name, 1);
    }
    return name.n == 0;
}

static bool has_tag(struct cel_value tags, struct span tag)
{
    for (size_t i = 0; i < tags.n; i++)
        if (span_eq(tags.items[i].s, tag))
            return true;
    return false;
}

/* The strings of "confluent:tags", then those that a path gives it. */
static struct cel_value tags_of(struct arena *a, const struct cel_rules *set,
                                const struct av_field *f, struct span full_name)
{
    const struct json *written = av_attr_get(f->attrs, f->n_attrs, "confluent:tags");
    size_t most = json_is(written, JSON_ARRAY) ? written->n : 0;

    for (const struct cel_tag *t = set->tags; t != NULL; t = t->next)
        most++;
    struct cel_value *items = arena_array(a, most, sizeof *items);
    struct cel_value list = {.kind = CEL_LIST, .items = items};
    if (json_is(written, JSON_ARRAY))
        for (const struct json *j = written->first; j != NULL; j = j->next)
            if (j->kind == JSON_STRING)
                items[list.n++] = cel_string(j->text);
    for (const struct cel_tag *t = set->tags; t != NULL; t = t->next)
        if (!has_tag(list, t->tag) && is_like(t->path, full_name))
            items[list.n++] = cel_string(t->tag);
    return list;
}

static struct field *fields_of(struct arena *a, const struct cel_rules *set,
                               const struct av_node *n)
{
    struct field *fields = arena_array(a, n->n_fields, sizeof *fields);
    struct buf full = BUF_INIT(CEL_TEXT_MOST);

    for (size_t i = 0; i < n->n_fields; i++) {
        buf_reset(&full);
        cel_node_name_put(&full, n);
        buf_put_u8(&full, '.');
        buf_put(&full, n->fields[i].name);
        struct span name = arena_copy(a, buf_span(&full));
        fields[i] = (struct field){
            .name = cel_string(n->fields[i].name),
            .full_name = cel_string(name),
            .tags = tags_of(a, set, &n->fields[i], name),
        };
    }
    buf_free(&full);
    return fields;
}

struct cel_visits *cel_visits_new(const struct cel_rules *set)
{
    struct cel_visits *v = mem_alloc(sizeof *v);
    size_t n = av_schema_nodes(set->schema);

    v->records = arena_array(&v->arena, n, sizeof *v->records);
    for (size_t i = 0; i < n; i++) {
        const struct av_node *node = av_schema_node(set->schema, (uint32_t)i);

        if (node->type == AV_RECORD)
            v->records[i] = fields_of(&v->arena, set, node);
    }
    return v;
}

void cel_visits_free(struct cel_visits *v)
{
    if (v == NULL)
        return;
    arena_free(&v->arena);
    free(v);
}

/* The walk */

#define NESTING_MOST 100

/* A step of the way to where we are: a name, or the index of an item. */
struct step {
    struct span name; // p NULL: an index
    size_t index;
};

struct visiting {
    struct cel_run *run;
    const struct cel_rule *rule;
    struct buf *out; // or NULL
    struct cel_outcome *outcome;
    const struct field *field; // whose values come
    struct cel_value variables[CEL_FIELD_VARIABLES];
    size_t depth;
    struct step steps[NESTING_MOST + 1];
    size_t n_steps;
    size_t conditions, values; // answers that were a bool of no boolean, and others
};

static const uint8_t *visit(struct visiting *v, const struct av_node *n,
                            const struct av_node *of_union, const uint8_t *p);

static const char *type_name(enum av_type t)
{
    static const char *const names[] = {
        [AV_NULL] = "NULL",   [AV_BOOLEAN] = "BOOLEAN", [AV_INT] = "INT",
        [AV_LONG] = "LONG",   [AV_FLOAT] = "FLOAT",     [AV_DOUBLE] = "DOUBLE",
        [AV_BYTES] = "BYTES", [AV_STRING] = "STRING",
    };
    return t <= AV_STRING ? names[t] : NULL;
}

static void put_name(struct buf *out, struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '~' || name.p[i] == '/')
            buf_put_str(out, name.p[i] == '~' ? "~0" : "~1");
        else
            buf_put_u8(out, name.p[i]);
}

static struct span pointer_of(struct visiting *v)
{
    struct buf *out = &v->run->text;

    buf_reset(out);
    for (size_t i = 0; i < v->n_steps; i++) {
        buf_put_u8(out, '/');
        if (v->steps[i].name.p != NULL)
            put_name(out, v->steps[i].name);
        else
            buf_printf(out, "%zu", v->steps[i].index);
    }
    return buf_span(out);
}

static const uint8_t *stop(struct visiting *v, enum cel_verdict verdict,
                           struct span message)
{
    v->outcome->verdict = verdict;
    v->outcome->message = message;
    if (v->field != NULL)
        v->outcome->field = v->field->full_name.s;
    v->outcome->pointer = pointer_of(v);
    return NULL;
}

/* Writes [p, end) as it was. */
static const uint8_t *as_it_was(struct visiting *v, const uint8_t *p,
                                const uint8_t *end)
{
    if (end == NULL)
        return stop(v, CEL_ERRS, cel_broken(v->run).s);
    if (v->out != NULL)
        buf_put(v->out, span_of(p, (size_t)(end - p)));
    return end;
}

static bool is_verdict(const struct visiting *v, const struct av_node *n,
                       struct cel_value answer)
{
    return v->out == NULL || (answer.kind == CEL_BOOL && n->type != AV_BOOLEAN &&
                              v->rule->yield == CEL_YIELDS_ANY);
}

static void put_branch(struct visiting *v, const struct av_node *of_union,
                       const struct av_node *n)
{
    for (size_t i = 0; of_union != NULL && i < of_union->n_branches; i++)
        if (of_union->branches[i] == n)
            varint_append(v->out, (int64_t)i);
}

/* The answer in place of the value; in a union its branch is asked first. */
static bool put_answer(struct visiting *v, const struct av_node *n,
                       const struct av_node *of_union, struct cel_value answer)
{
    size_t start = v->out->n;
    struct cel_value why;

    put_branch(v, of_union, n);
    if (cel_fit(v->run, answer, n, v->out, &why))
        return true;
    buf_cut(v->out, start);
    if (of_union != NULL && cel_fit(v->run, answer, of_union, v->out, &why))
        return true;
    stop(v, CEL_ERRS, why.s);
    return false;
}

/* Has the field one of the tags that the rule is only for? */
static bool is_asked(const struct cel_rule *rule, const struct field *field)
{
    for (size_t i = 0; i < rule->n_only; i++)
        if (has_tag(field->tags, rule->only[i]))
            return true;
    return rule->n_only == 0;
}

/* The question about the primitive at p. */
static const uint8_t *question(struct visiting *v, const struct av_node *n,
                               const struct av_node *of_union, const uint8_t *p,
                               const uint8_t *end)
{
    struct cel_run *run = v->run;

    v->variables[FIELD_VALUE] = cel_load(run, n, p);
    v->variables[FIELD_NAME] = v->field->name;
    v->variables[FIELD_FULL_NAME] = v->field->full_name;
    v->variables[FIELD_TAGS] = v->field->tags;
    v->variables[FIELD_TYPE_NAME] = cel_string(span_str(type_name(n->type)));
    bool applies =
        is_asked(v->rule, v->field) && cel_applies(run, v->rule, v->variables);
    if (run->broken != NULL)
        return stop(v, CEL_ERRS, cel_broken(run).s);
    if (!applies) {
        if (v->out != NULL)
            put_branch(v, of_union, n);
        return as_it_was(v, p, end);
    }
    v->outcome->applied = true;
    struct cel_value answer = cel_eval(run, &v->rule->body, v->variables);
    if (answer.kind == CEL_ERROR)
        return stop(v, CEL_ERRS, answer.s);
    if (!is_verdict(v, n, answer)) {
        v->values++;
        return put_answer(v, n, of_union, answer) ? end : NULL;
    }
    v->conditions++;
    cel_judge(run, answer, v->outcome);
    if (v->outcome->verdict != CEL_HOLDS)
        return stop(v, v->outcome->verdict, v->outcome->message);
    if (v->out != NULL)
        put_branch(v, of_union, n);
    return as_it_was(v, p, end);
}

static const uint8_t *visit_fields(struct visiting *v, const struct av_node *n,
                                   const uint8_t *p)
{
    const struct field *outer = v->field;
    struct cel_value message = v->variables[FIELD_MESSAGE];
    struct cel_value here = cel_load(v->run, n, p);
    struct step *step = &v->steps[v->n_steps++];

    for (size_t i = 0; i < n->n_fields && p != NULL; i++) {
        v->field = &v->run->set->visits->records[n->index][i];
        v->variables[FIELD_MESSAGE] = here;
        *step = (struct step){.name = n->fields[i].name};
        p = visit(v, n->fields[i].type, NULL, p);
    }
    if (p != NULL)
        v->field = outer;
    v->n_steps--;
    v->variables[FIELD_MESSAGE] = message;
    return p;
}

static const uint8_t *visit_items(struct visiting *v, const struct av_node *n,
                                  const uint8_t *p)
{
    struct cel_value list = cel_load(v->run, n, p);
    struct cel_each each = cel_each_of(v->run, list);
    struct cel_value key;

    if (v->out != NULL) {
        int64_t count = cel_count(v->run, list);

        if (count > 0)
            varint_append(v->out, count);
    }
    struct step *step = &v->steps[v->n_steps++];
    *step = (struct step){0};
    for (size_t i = 0; cel_next(&each, &key, NULL); i++) {
        *step = n->type == AV_MAP ? (struct step){.name = key.s}
                                  : (struct step){.index = i};
        if (v->out != NULL && n->type == AV_MAP) {
            varint_append(v->out, (int64_t)key.s.n);
            buf_put(v->out, key.s);
        }
        if (visit(v, n->items, NULL, each.at) == NULL)
            return NULL;
    }
    v->n_steps--;
    if (v->out != NULL)
        buf_put_u8(v->out, 0);
    return v->run->broken == NULL ? each.p : stop(v, CEL_ERRS, cel_broken(v->run).s);
}

static const uint8_t *visit_union(struct visiting *v, const struct av_node *n,
                                  const uint8_t *p)
{
    int64_t i;

    if (!cel_take_long(v->run, &p, &i) || i < 0 || (uint64_t)i >= n->n_branches)
        return stop(v, CEL_ERRS, span_str("the record's Avro binary is malformed"));
    return visit(v, n->branches[i], n, p);
}

static const uint8_t *visit_inside(struct visiting *v, const struct av_node *n,
                                   const uint8_t *p)
{
    switch (n->type) {
    case AV_RECORD: return visit_fields(v, n, p);
    case AV_UNION: return visit_union(v, n, p);
    default: return visit_items(v, n, p);
    }
}

static const uint8_t *visit(struct visiting *v, const struct av_node *n,
                            const struct av_node *of_union, const uint8_t *p)
{
    bool inside = n->type == AV_RECORD || n->type == AV_UNION || n->type == AV_ARRAY ||
                  n->type == AV_MAP;

    if (!inside && type_name(n->type) != NULL && v->field != NULL) {
        const uint8_t *end = cel_skip(v->run, n, p);

        if (end == NULL)
            return as_it_was(v, p, end);
        return question(v, n, of_union, p, end);
    }
    if (v->out != NULL)
        put_branch(v, of_union, n);
    if (!inside)
        return as_it_was(v, p, cel_skip(v->run, n, p));
    if (v->depth >= NESTING_MOST)
        return stop(v, CEL_ERRS, span_str("a record that is too deep"));
    v->depth++;
    p = visit_inside(v, n, p);
    v->depth--;
    return p;
}

void cel_visit(struct cel_run *run, const struct cel_rule *rule, struct buf *out,
               struct cel_outcome *outcome)
{
    struct visiting v = {.run = run, .rule = rule, .out = out, .outcome = outcome};

    v.variables[FIELD_MESSAGE] = cel_null();
    v.variables[FIELD_NOW] = run->now;
    visit(&v, av_schema_root(run->set->schema), NULL, run->datum.p);
    outcome->judged = v.conditions > 0 && v.values == 0;
}

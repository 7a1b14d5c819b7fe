#include "cli/dlq_edit.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "cel/edit.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_MOST ((size_t)64 << 20)
#define STEPS_MOST 32 // of a place

enum { MESSAGE, VALUE, TEXT, KEY, ERRORS, HEADERS, NAMES };

static const char *const names[NAMES] = {"message", "value",  "text",
                                         "key",     "errors", "headers"};

struct place {
    struct span steps[STEPS_MOST]; // "*": every child
    size_t n;
};

struct change { // of one place
    struct place place;
    struct span written;   // as given, for messages
    struct cel_edit *edit; // NULL: it is dropped
};

struct dlq_edit {
    struct arena arena;
    struct cel_edit *repair, *transform;
    struct change *changes;
    size_t n;
};

/* ---- what is to be done ---- */

static struct span trimmed(struct span s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = span_skip(s, 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* "a~1b" is "a/b": RFC 6901, section 4. */
static struct span unescaped(struct arena *a, struct span s)
{
    uint8_t *to = arena_alloc(a, s.n);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool escape =
            s.p[i] == '~' && i + 1 < s.n && (s.p[i + 1] == '0' || s.p[i + 1] == '1');

        to[n++] = !escape ? s.p[i] : s.p[i + 1] == '0' ? '~' : '/';
        i += escape;
    }
    return span_of(to, n);
}

static enum err_kind read_place(struct place *out, struct span text, struct arena *a,
                                struct err *e)
{
    out->n = 0;
    if (text.n == 0)
        return err_set(e, ERR_INVALID, "a place is a field's name or a JSON pointer");
    if (text.p[0] != '/') {
        out->steps[out->n++] = arena_copy(a, text);
        return ERR_OK;
    }
    for (struct span rest = span_skip(text, 1);; rest = span_skip(rest, 1)) {
        size_t n = 0;

        while (n < rest.n && rest.p[n] != '/')
            n++;
        if (out->n == STEPS_MOST)
            return err_set(e, ERR_INVALID, "more than %d steps", STEPS_MOST);
        out->steps[out->n++] = unescaped(a, span_of(rest.p, n));
        rest = span_skip(rest, n);
        if (rest.n == 0)
            return ERR_OK;
    }
}

static enum err_kind add_change(struct dlq_edit *d, struct span place,
                                const struct span *expression, struct err *e)
{
    struct change *c = &d->changes[d->n];

    c->written = arena_copy(&d->arena, place);
    TRY(read_place(&c->place, place, &d->arena, e));
    if (expression != NULL)
        TRY(cel_edit_new(&c->edit, *expression, names, NAMES, e));
    d->n++;
    return ERR_OK;
}

static enum err_kind add_set(struct dlq_edit *d, const char *item, struct err *e)
{
    const char *equals = strchr(item, '=');

    if (equals == NULL)
        return err_set(e, ERR_INVALID, "--set %.100s: wanted PLACE=EXPRESSION", item);
    struct span place = trimmed(span_of(item, (size_t)(equals - item)));
    struct span expression = span_str(equals + 1);
    if (add_change(d, place, &expression, e) != ERR_OK)
        return err_prefix(e, "--set " SPAN_FMT, SPAN_ARG(place));
    return ERR_OK;
}

static enum err_kind add_drop(struct dlq_edit *d, const char *item, struct err *e)
{
    struct span place = trimmed(span_str(item));

    if (add_change(d, place, NULL, e) != ERR_OK)
        return err_prefix(e, "--drop " SPAN_FMT, SPAN_ARG(place));
    return ERR_OK;
}

static enum err_kind compile(struct cel_edit **out, const char *text,
                             const char *option, struct err *e)
{
    if (text != NULL && cel_edit_new(out, span_str(text), names, NAMES, e) != ERR_OK)
        return err_prefix(e, "%s", option);
    return ERR_OK;
}

static enum err_kind fill(struct dlq_edit *d, const struct dlq_edit_settings *s,
                          struct err *e)
{
    TRY(compile(&d->repair, s->repair, "--repair", e));
    TRY(compile(&d->transform, s->transform, "--transform", e));
    d->changes = arena_array(&d->arena, s->set.n + s->drop.n, sizeof *d->changes);
    for (size_t i = 0; i < s->set.n; i++)
        TRY(add_set(d, s->set.items[i], e));
    for (size_t i = 0; i < s->drop.n; i++)
        TRY(add_drop(d, s->drop.items[i], e));
    return ERR_OK;
}

enum err_kind dlq_edit_new(struct dlq_edit **out, const struct dlq_edit_settings *s,
                           struct err *e)
{
    *out = NULL;
    if (s->repair == NULL && s->transform == NULL && s->set.n + s->drop.n == 0)
        return ERR_OK;
    struct dlq_edit *d = mem_alloc(sizeof *d);
    enum err_kind rc = fill(d, s, e);
    if (rc == ERR_OK)
        *out = d;
    else
        dlq_edit_free(d);
    return rc;
}

void dlq_edit_free(struct dlq_edit *d)
{
    if (d == NULL)
        return;
    cel_edit_free(d->repair);
    cel_edit_free(d->transform);
    for (size_t i = 0; i < d->n; i++)
        cel_edit_free(d->changes[i].edit);
    arena_free(&d->arena);
    free(d);
}

/* ---- what the expressions see ---- */

static const struct json *string_node(struct arena *a, struct span text)
{
    struct json *j = arena_alloc(a, sizeof *j);

    *j = (struct json){.kind = JSON_STRING, .text = text};
    return j;
}

/* What is no UTF-8 as if each byte were a character of Latin-1. */
static struct span as_text(struct arena *a, struct span bytes)
{
    if (utf8_ok(bytes))
        return bytes;
    uint8_t *to = arena_alloc(a, 2 * bytes.n);
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] >= 0x80)
            to[n++] = (uint8_t)(0xC0 | bytes.p[i] >> 6);
        to[n++] =
            bytes.p[i] < 0x80 ? bytes.p[i] : (uint8_t)(0x80 | (bytes.p[i] & 0x3F));
    }
    return span_of(to, n);
}

static bool has_name(const struct json *object, struct span name)
{
    for (const struct json *j = object->first; j != NULL; j = j->next)
        if (span_eq(j->name, name))
            return true;
    return false;
}

/* Of a name that comes twice the first. */
static const struct json *header_nodes(struct arena *a, const struct kf_message *m)
{
    struct json *object = arena_alloc(a, sizeof *object), **end = &object->first;

    object->kind = JSON_OBJECT;
    for (size_t i = 0; i < m->n_headers; i++) {
        struct span name = span_str(m->headers[i].name);

        if (has_name(object, name))
            continue;
        struct json *j = arena_alloc(a, sizeof *j);
        *j = (struct json){
            .kind = JSON_STRING, .name = name, .text = as_text(a, m->headers[i].value)};
        *end = j;
        end = &j->next;
        object->n++;
    }
    return object;
}

static void show_letter(const struct json *values[NAMES], const struct letter *l,
                        struct arena *a)
{
    values[TEXT] = string_node(a, as_text(a, l->m->value));
    values[KEY] = l->m->key.p == NULL ? NULL : string_node(a, as_text(a, l->m->key));
    values[ERRORS] = l->faults;
    values[HEADERS] = header_nodes(a, l->m);
}

/* ---- doing it ---- */

static enum err_kind ask(struct cel_edit *edit, const struct json *const values[NAMES],
                         struct buf *out, bool *applies, struct err *e)
{
    return cel_edit_ask(edit, values, wall_ms() * 1000000, out, applies, e);
}

static enum err_kind read_record(const struct json **out, struct span text,
                                 struct arena *a, struct err *e)
{
    if (json_read(out, text, NULL, a, e) != ERR_OK)
        return err_prefix(e, "the record is no JSON");
    return ERR_OK;
}

static enum err_kind repair(struct dlq_edit *d, const struct letter *l, struct arena *a,
                            struct span *out, struct err *e)
{
    const struct json *values[NAMES] = {NULL}, *made;
    struct buf text = BUF_INIT(RECORD_MOST);
    bool applies = false;

    show_letter(values, l, a);
    *out = values[TEXT]->text;
    enum err_kind rc = ask(d->repair, values, &text, &applies, e);
    if (rc == ERR_OK && applies) {
        // it was written as JSON by ourselves
        rc = json_read(&made, arena_copy(a, buf_span(&text)), NULL, a, e);
        if (rc == ERR_OK && made->kind != JSON_STRING)
            rc = err_set(e, ERR_INVALID, "it made no text, but %s",
                         json_kind_name(made->kind));
        if (rc == ERR_OK)
            *out = made->text;
    }
    buf_free(&text);
    return rc == ERR_OK ? rc : err_prefix(e, "--repair");
}

enum err_kind dlq_edit_repair(struct dlq_edit *d, const struct letter *l,
                              struct arena *a, struct span *out, struct err *e)
{
    if (d != NULL && d->repair != NULL)
        return repair(d, l, a, out, e);
    *out = l->m->value;
    return ERR_OK;
}

static enum err_kind transform(struct dlq_edit *d, const struct json *values[NAMES],
                               struct arena *a, struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    bool applies = false;

    if (d->transform == NULL)
        return ERR_OK;
    enum err_kind rc = ask(d->transform, values, &out, &applies, e);
    if (rc == ERR_OK && applies)
        rc = json_read(&values[MESSAGE], arena_copy(a, buf_span(&out)), NULL, a, e);
    buf_free(&out);
    return rc == ERR_OK ? rc : err_prefix(e, "--transform");
}

struct rewriting {
    const struct change *change;
    const struct json **values;
    struct buf *out;
    struct err *e;
};

static bool put_changed(const struct rewriting *w, const struct json *j, size_t depth);

/* False: the expression failed.  *some: a value was written. */
static bool put_value(const struct rewriting *w, const struct json *was, bool *some)
{
    bool applies = false;

    w->values[VALUE] = was;
    if (ask(w->change->edit, w->values, w->out, &applies, w->e) != ERR_OK)
        return false;
    *some = applies || was != NULL;
    if (!applies && was != NULL)
        json_put(w->out, was);
    return true;
}

static void begin_child(const struct rewriting *w, const struct json *parent,
                        struct span name, bool first)
{
    buf_put_str(w->out, first ? "" : ",");
    if (parent->kind != JSON_OBJECT)
        return;
    json_put_string(w->out, name);
    buf_put_u8(w->out, ':');
}

/* Is `child`, the i-th, where the place leads? */
static bool is_on_way(const struct json *child, size_t i, struct span step)
{
    char index[24];

    if (span_eq(step, span_str("*")))
        return true;
    if (child->parent->kind == JSON_OBJECT)
        return span_eq(child->name, step);
    snprintf(index, sizeof index, "%zu", i);
    return span_eq(step, span_str(index));
}

/* A field that is not there yet, at the end. */
static bool put_new(const struct rewriting *w, const struct json *object,
                    struct span name, bool first)
{
    size_t start = w->out->n;
    bool some = false;

    begin_child(w, object, name, first);
    if (!put_value(w, NULL, &some))
        return false;
    if (!some)
        buf_cut(w->out, start);
    return true;
}

static bool put_children(const struct rewriting *w, const struct json *j, size_t depth)
{
    struct span step = w->change->place.steps[depth];
    bool last = depth + 1 == w->change->place.n, met = false, first = true, some;
    size_t i = 0;

    for (const struct json *c = j->first; c != NULL; c = c->next, i++) {
        bool here = is_on_way(c, i, step);

        met |= here;
        if (here && last && w->change->edit == NULL)
            continue;
        begin_child(w, j, c->name, first);
        first = false;
        if (!here)
            json_put(w->out, c);
        else if (last ? !put_value(w, c, &some) : !put_changed(w, c, depth + 1))
            return false;
    }
    if (met || w->change->edit == NULL || span_eq(step, span_str("*")))
        return true;
    if (last && j->kind == JSON_OBJECT)
        return put_new(w, j, step, first);
    (void)err_set(w->e, ERR_INVALID, "there is no \"" SPAN_FMT "\"", SPAN_ARG(step));
    return false;
}

/* What is dropped may be missing; where something is to be set its parent may not. */
static bool put_changed(const struct rewriting *w, const struct json *j, size_t depth)
{
    bool map = j->kind == JSON_OBJECT;

    if (!map && j->kind != JSON_ARRAY) {
        json_put(w->out, j);
        if (w->change->edit == NULL)
            return true;
        (void)err_set(w->e, ERR_INVALID, "\"" SPAN_FMT "\" is in no object",
                      SPAN_ARG(w->change->place.steps[depth]));
        return false;
    }
    buf_put_u8(w->out, map ? '{' : '[');
    if (!put_children(w, j, depth))
        return false;
    buf_put_u8(w->out, map ? '}' : ']');
    return true;
}

static enum err_kind change(const struct change *c, const struct json *values[NAMES],
                            struct arena *a, struct err *e)
{
    struct buf out = BUF_INIT(RECORD_MOST);
    const struct rewriting w = {c, values, &out, e};
    enum err_kind rc = ERR_INVALID;

    if (put_changed(&w, values[MESSAGE], 0)) {
        rc = buf_status(&out, e);
        if (rc == ERR_OK)
            rc = json_read(&values[MESSAGE], arena_copy(a, buf_span(&out)), NULL, a, e);
    }
    buf_free(&out);
    values[VALUE] = NULL;
    if (rc != ERR_OK)
        return err_prefix(e, "--%s " SPAN_FMT, c->edit != NULL ? "set" : "drop",
                          SPAN_ARG(c->written));
    return ERR_OK;
}

enum err_kind dlq_edit_record(struct dlq_edit *d, const struct letter *l,
                              struct span json, struct arena *a, struct span *out,
                              struct err *e)
{
    const struct json *values[NAMES] = {NULL};
    struct buf text = BUF_INIT(RECORD_MOST);

    show_letter(values, l, a);
    TRY(read_record(&values[MESSAGE], json, a, e));
    TRY(transform(d, values, a, e));
    for (size_t i = 0; i < d->n; i++)
        TRY(change(&d->changes[i], values, a, e));
    json_put(&text, values[MESSAGE]);
    enum err_kind rc = buf_status(&text, e);
    if (rc == ERR_OK)
        *out = arena_copy(a, buf_span(&text));
    buf_free(&text);
    return rc;
}

/* Forms become questions in CEL where CEL has the words. */
#include "quality/quality_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_MOST 16 // fields inside each other

struct path {                   // where a field stands: "address.zip"
    const struct av_node *node; // its type, without null
    const char *text;
    size_t nullable[PATH_MOST]; // lengths of `text` up to a field that may be null
    size_t n_nullable;
    size_t index; // of its first step in the root
    size_t steps;
};

static const struct av_field *find_field(const struct av_node *record, struct span name,
                                         size_t *index)
{
    for (size_t i = 0; i < record->n_fields; i++)
        if (span_eq(record->fields[i].name, name)) {
            *index = i;
            return &record->fields[i];
        }
    return NULL;
}

static bool has_null(const struct av_node *n)
{
    if (n->type == AV_NULL)
        return true;
    for (size_t i = 0; n->type == AV_UNION && i < n->n_branches; i++)
        if (n->branches[i]->type == AV_NULL)
            return true;
    return false;
}

static const struct av_node *without_null(const struct av_node *n)
{
    const struct av_node *other;

    return av_is_nullable(n, &other) ? other : n;
}

static enum err_kind resolve(const struct compiling *c, const char *text,
                             struct path *out, struct err *e)
{
    const struct av_node *at = av_schema_root(c->schema);
    const char *from = text;
    size_t index = 0;

    *out = (struct path){.text = text};
    for (;;) {
        size_t n = strcspn(from, ".");
        const struct av_field *f =
            at->type == AV_RECORD ? find_field(at, span_of(from, n), &index) : NULL;
        if (f == NULL || out->steps == PATH_MOST)
            return err_set(e, ERR_INVALID, "the schema has no field \"%.80s\"", text);
        if (out->steps++ == 0)
            out->index = index;
        if (has_null(f->type))
            out->nullable[out->n_nullable++] = (size_t)(from + n - text);
        at = without_null(f->type);
        if (from[n] == '\0')
            break;
        from += n + 1;
    }
    out->node = at;
    return ERR_OK;
}

/* A field of the record itself, for what is looked at in the datum. */
static enum err_kind resolve_own(const struct compiling *c, const char *text,
                                 struct path *out, struct err *e)
{
    TRY(resolve(c, text, out, e));
    return out->steps == 1
               ? ERR_OK
               : err_set(e, ERR_INVALID,
                         "\"%.80s\": wanted a field of the record itself", text);
}

/* --- what a message names --------------------------------------------------------- */

/* Does a rule of the pipeline take it, or what it stands in, out of the row? */
static bool is_dropped(const struct quality *q, const char *path)
{
    size_t n = strcspn(path, ".");

    for (size_t i = 0; i < q->n; i++) {
        const struct rule *r = &q->rules[i];
        if (r->shown.severity == QUALITY_NULL_FIELD && r->null_field != NULL &&
            strlen(r->null_field) == n && memcmp(r->null_field, path, n) == 0)
            return true;
    }
    return false;
}

static bool is_found(const struct rule *r, const char *path)
{
    for (size_t i = 0; i < r->n_found; i++)
        if (strcmp(r->found[i].path, path) == 0)
            return true;
    return false;
}

/* A field that no expression can name is told by its type. */
static void add_found(struct compiling *c, struct rule *r, const struct path *p)
{
    struct found *f = &r->found[r->n_found];
    struct cel_rule *cel = NULL;
    struct err why = {0};
    char text[300];

    if (r->n_found == FOUND_MOST || is_found(r, p->text))
        return;
    *f = (struct found){.path = arena_str(c->arena, span_str(p->text)),
                        .type = av_type_name(p->node->type),
                        .dropped = is_dropped(c->q, p->text)};
    r->n_found++;
    int n = snprintf(text, sizeof text, "message.%s", p->text);
    if (!f->dropped && n > 0 && (size_t)n < sizeof text &&
        cel_rules_add(c->cel, span_str(text), CEL_RECORD, &cel, &why) == ERR_OK)
        f->value = cel;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define PATH_LETTERS LETTERS "0123456789."

/* `a.b` of "a.b.size()": as many of its words as are fields. */
static bool longest_path(const struct compiling *c, char *path, struct path *out)
{
    struct err why = {0};

    while (resolve(c, path, out, &why) != ERR_OK) {
        char *dot = strrchr(path, '.');
        if (dot == NULL)
            return false;
        *dot = '\0';
    }
    return true;
}

/* Behind a literal's closing quote, or the character that is no quote. */
static const char *skip_literal(const char *t)
{
    char quote = *t++;

    if (quote != '"' && quote != '\'')
        return t;
    while (*t != '\0' && *t != quote)
        t += *t == '\\' && t[1] != '\0' ? 2 : 1;
    return *t == '\0' ? t : t + 1;
}

/* The fields of the record that an expression speaks of. */
static void find_mentioned(struct compiling *c, struct rule *r, const char *expr)
{
    static const char message[] = "message.";

    while (*expr != '\0') {
        size_t n = strspn(expr, PATH_LETTERS), head = sizeof message - 1;
        char path[200];
        struct path p;
        if (n > head && n - head < sizeof path && memcmp(expr, message, head) == 0) {
            memcpy(path, expr + head, n - head);
            path[n - head] = '\0';
            if (longest_path(c, path, &p))
                add_found(c, r, &p);
        }
        expr = n > 0 ? expr + n : skip_literal(expr);
    }
}

/* --- questions -------------------------------------------------------------------- */

static enum err_kind ask_cel(struct compiling *c, struct rule *r, struct buf *text,
                             const char *null_path, struct err *e)
{
    struct cel_rule *cel = NULL;

    TRY(buf_status(text, e));
    TRY(cel_rules_add(c->cel, buf_span(text), CEL_RECORD, &cel, e));
    if (cel_rule_yield(cel) == CEL_YIELDS_VALUE)
        return err_set(e, ERR_INVALID, "1:1: a rule wants true or false");
    r->questions[r->n_questions++] = (struct question){cel, null_path};
    return ERR_OK;
}

static enum err_kind compile_expr(struct compiling *c, struct rule *r, struct err *e)
{
    struct buf text = BUF_INIT(CEL_TEXT_MOST);

    r->questions = arena_array(c->arena, 1, sizeof *r->questions);
    buf_put_str(&text, r->expr);
    enum err_kind rc = ask_cel(c, r, &text, NULL, e);
    buf_free(&text);
    if (rc == ERR_OK)
        find_mentioned(c, r, r->expr);
    return rc;
}

/* message.a == null || message.a.b == null, or != null with && */
static void put_nulls(struct buf *text, const struct path *p, const char *is,
                      const char *between)
{
    for (size_t i = 0; i < p->n_nullable; i++)
        buf_printf(text, "%smessage.%.*s %s null", i > 0 ? between : "",
                   (int)p->nullable[i], p->text, is);
}

static enum err_kind compile_not_null(struct compiling *c, struct rule *r,
                                      struct err *e)
{
    r->questions = arena_array(c->arena, r->fields.n, sizeof *r->questions);
    for (size_t i = 0; i < r->fields.n; i++) {
        struct buf text = BUF_INIT(CEL_TEXT_MOST);
        struct path p;
        TRY(resolve(c, r->fields.items[i], &p, e));
        if (p.n_nullable == 0)
            continue; // it cannot be
        put_nulls(&text, &p, "!=", " && ");
        enum err_kind rc = ask_cel(c, r, &text, p.text, e);
        buf_free(&text);
        TRY(rc);
    }
    return ERR_OK;
}

/* --- literals --------------------------------------------------------------------- */

enum literal { NO_LITERAL, NUMBER, TEXT, TIME };

static enum literal literal_of(const struct av_node *n)
{
    switch (n->type) {
    case AV_INT:
    case AV_LONG:
        return n->logical == AV_PLAIN  ? NUMBER
               : n->logical == AV_DATE ? TIME
               : n->logical == AV_TIME_MILLIS || n->logical == AV_TIME_MICROS
                   ? NO_LITERAL
                   : TIME;
    case AV_FLOAT:
    case AV_DOUBLE: return NUMBER;
    case AV_STRING:
    case AV_ENUM: return TEXT;
    case AV_BYTES:
    case AV_FIXED:
        return n->logical == AV_DECIMAL || n->logical == AV_BIG_DECIMAL ? NUMBER
               : n->logical == AV_UUID                                  ? TEXT
                                                                        : NO_LITERAL;
    default: return NO_LITERAL;
    }
}

/* -12, 0.5, 1e6 */
static bool is_number(const char *t)
{
    size_t n = t[0] == '-' || t[0] == '+', whole, part = 0;

    whole = strspn(t + n, "0123456789");
    n += whole;
    if (t[n] == '.') {
        part = strspn(t + n + 1, "0123456789");
        n += part + 1;
    }
    if (whole == 0 || (t[n] == 'e' || t[n] == 'E')) {
        size_t k = n + 1 + (whole > 0 && (t[n + 1] == '-' || t[n + 1] == '+'));
        size_t exponent = whole > 0 ? strspn(t + k, "0123456789") : 0;
        if (exponent == 0 || exponent > 4)
            return false;
        n = k + exponent;
    }
    return t[n] == '\0' && t[n - 1] != '.';
}

/* A string literal of CEL, whatever the bytes are. */
static void put_text(struct buf *out, const char *t)
{
    buf_put_u8(out, '"');
    for (; *t != '\0'; t++) {
        if (*t == '"' || *t == '\\')
            buf_printf(out, "\\%c", *t);
        else if ((unsigned char)*t < 0x20)
            buf_printf(out, "\\u%04x", (unsigned char)*t);
        else
            buf_put_u8(out, (uint8_t)*t);
    }
    buf_put_u8(out, '"');
}

static enum err_kind put_number(struct buf *out, const char *t, const char *field,
                                struct err *e)
{
    if (!is_number(t))
        return err_set(e, ERR_INVALID, "\"%.40s\": field %.60s wants a number", t,
                       field);
    // a whole number that no 64 bits hold is one all the same
    bool whole = strspn(t, "+-0123456789") == strlen(t);
    buf_printf(out, "%s%s", t[0] == '+' ? t + 1 : t,
               whole && strlen(t) > 18 ? ".0" : "");
    return ERR_OK;
}

/* 2026-11-20, 2026-11-20T09:30:00, 2026-11-20T09:30:00Z: without a zone UTC. */
static void put_time(struct buf *out, const char *t)
{
    size_t n = strlen(t);
    const char *clock = strchr(t, 'T');

    buf_printf(out, "timestamp(\"%.60s", t);
    if (clock == NULL && n == 10)
        buf_put_str(out, "T00:00:00");
    if (clock == NULL || strpbrk(clock, "Z+-") == NULL)
        buf_put_u8(out, 'Z');
    buf_put_str(out, "\")");
}

static enum err_kind put_literal(struct buf *out, const struct path *p, const char *t,
                                 struct err *e)
{
    switch (literal_of(p->node)) {
    case NUMBER: return put_number(out, t, p->text, e);
    case TEXT: put_text(out, t); return ERR_OK;
    case TIME:
        if (strchr(t, '"') != NULL || strchr(t, '\\') != NULL)
            return err_set(e, ERR_INVALID, "\"%.40s\" is no time", t);
        put_time(out, t);
        return ERR_OK;
    default:
        return err_set(e, ERR_INVALID, "field %.60s is a %s: wanted expr", p->text,
                       av_type_name(p->node->type));
    }
}

/* --- range, matches, one_of ------------------------------------------------------- */

static enum err_kind put_range(struct buf *out, const struct rule *r,
                               const struct path *p, struct err *e)
{
    if (r->min != NULL && r->max != NULL && literal_of(p->node) == NUMBER &&
        strtod(r->min, NULL) > strtod(r->max, NULL))
        return err_set(e, ERR_INVALID, "range: min %.60s is more than max %.60s",
                       r->min, r->max);
    if (r->min != NULL) {
        buf_printf(out, "message.%s >= ", p->text);
        TRY(put_literal(out, p, r->min, e));
    }
    if (r->max != NULL) {
        buf_printf(out, "%smessage.%s <= ", r->min != NULL ? " && " : "", p->text);
        TRY(put_literal(out, p, r->max, e));
    }
    return ERR_OK;
}

static enum err_kind put_matches(struct buf *out, const struct rule *r,
                                 const struct path *p, struct err *e)
{
    if (literal_of(p->node) != TEXT)
        return err_set(e, ERR_INVALID, "field %.60s is a %s, wanted a text", p->text,
                       av_type_name(p->node->type));
    buf_printf(out, "message.%s.matches(", p->text);
    put_text(out, r->re);
    buf_put_u8(out, ')');
    return ERR_OK;
}

static enum err_kind put_one_of(struct buf *out, const struct rule *r,
                                const struct path *p, struct err *e)
{
    // == and not `in`: a list has one type, and a decimal is compared with numbers
    for (size_t i = 0; i < r->values.n; i++) {
        buf_printf(out, "%smessage.%s == ", i > 0 ? " || " : "", p->text);
        if (p->node->type == AV_FLOAT || p->node->type == AV_DOUBLE)
            buf_put_str(out, "double(");
        TRY(put_literal(out, p, r->values.items[i], e));
        if (p->node->type == AV_FLOAT || p->node->type == AV_DOUBLE)
            buf_put_u8(out, ')');
    }
    return ERR_OK;
}

/* What is null is not asked: not_null is a rule of its own. */
static enum err_kind put_condition(struct buf *text, const struct rule *r,
                                   const struct path *p, struct err *e)
{
    put_nulls(text, p, "==", " || ");
    buf_put_str(text, p->n_nullable > 0 ? " || (" : "(");
    if (r->form == FORM_RANGE)
        TRY(put_range(text, r, p, e));
    else if (r->form == FORM_MATCHES)
        TRY(put_matches(text, r, p, e));
    else
        TRY(put_one_of(text, r, p, e));
    buf_put_u8(text, ')');
    return ERR_OK;
}

static enum err_kind compile_condition(struct compiling *c, struct rule *r,
                                       struct err *e)
{
    struct buf text = BUF_INIT(CEL_TEXT_MOST);
    struct path p;

    r->questions = arena_array(c->arena, 1, sizeof *r->questions);
    TRY(resolve(c, r->fields.items[0], &p, e));
    enum err_kind rc = put_condition(&text, r, &p, e);
    if (rc == ERR_OK)
        rc = ask_cel(c, r, &text, NULL, e);
    buf_free(&text);
    if (rc == ERR_OK)
        add_found(c, r, &p);
    return rc;
}

/* --- fields that are looked at in the datum --------------------------------------- */

static int null_branch(const struct av_node *n)
{
    for (size_t i = 0; n->type == AV_UNION && i < n->n_branches; i++)
        if (n->branches[i]->type == AV_NULL)
            return (int)i;
    return -1;
}

static enum err_kind add_key(struct compiling *c, struct rule *r, const char *field,
                             struct path *p, struct err *e)
{
    TRY(resolve_own(c, field, p, e));
    if (p->node->type == AV_UNION)
        return err_set(e, ERR_INVALID, "field %.60s is a union of several types",
                       field);
    r->keys[r->n_keys++] = (struct key_field){
        p->index, p->node,
        null_branch(av_schema_root(c->schema)->fields[p->index].type)};
    return ERR_OK;
}

static enum err_kind compile_timestamp(struct compiling *c, struct rule *r,
                                       struct err *e)
{
    struct path p;

    r->keys = arena_array(c->arena, 1, sizeof *r->keys);
    TRY(add_key(c, r, r->fields.items[0], &p, e));
    if (p.node->type != AV_STRING)
        return err_set(e, ERR_INVALID, "field %.60s is a %s, wanted a text", p.text,
                       av_type_name(p.node->type));
    add_found(c, r, &p);
    return ERR_OK;
}

static bool may_be_key(const struct av_node *n)
{
    return n->type == AV_BOOLEAN || n->type == AV_INT || n->type == AV_LONG ||
           n->type == AV_STRING || n->type == AV_ENUM || n->type == AV_FIXED ||
           (n->type == AV_BYTES && n->logical == AV_PLAIN);
}

static enum err_kind compile_unique(struct compiling *c, struct rule *r, struct err *e)
{
    struct path p;

    r->keys = arena_array(c->arena, r->fields.n, sizeof *r->keys);
    for (size_t i = 0; i < r->fields.n; i++) {
        TRY(add_key(c, r, r->fields.items[i], &p, e));
        if (!may_be_key(p.node))
            return err_set(e, ERR_INVALID, "field %.60s is a %s%s, which is no key",
                           p.text, p.node->logical == AV_PLAIN ? "" : "decimal, ",
                           av_type_name(p.node->type));
        add_found(c, r, &p);
    }
    return ERR_OK;
}

static enum err_kind compile_fresh(struct compiling *c, struct rule *r, struct err *e)
{
    struct path p;

    r->keys = arena_array(c->arena, 1, sizeof *r->keys);
    TRY(add_key(c, r, r->fields.items[0], &p, e));
    if (literal_of(p.node) != TIME)
        return err_set(e, ERR_INVALID, "field %.60s is no date or timestamp", p.text);
    return ERR_OK;
}

static enum err_kind compile_null_field(struct compiling *c, struct rule *r,
                                        struct err *e)
{
    struct path p;

    if (r->shown.severity != QUALITY_NULL_FIELD)
        return ERR_OK;
    TRY(resolve_own(c, r->null_field, &p, e));
    const struct av_node *type = av_schema_root(c->schema)->fields[p.index].type;
    if (!has_null(type))
        return err_set(e, ERR_INVALID,
                       "field %.60s cannot be null: severity null_field has nothing to "
                       "put there",
                       r->null_field);
    r->null_index = p.index;
    r->null_branch = null_branch(type);
    return ERR_OK;
}

enum err_kind compile_rule(struct compiling *c, struct rule *r, struct err *e)
{
    static enum err_kind (*const by_form[])(struct compiling *, struct rule *,
                                            struct err *) = {
        [FORM_EXPR] = compile_expr,
        [FORM_NOT_NULL] = compile_not_null,
        [FORM_RANGE] = compile_condition,
        [FORM_MATCHES] = compile_condition,
        [FORM_ONE_OF] = compile_condition,
        [FORM_TIMESTAMP] = compile_timestamp,
        [FORM_UNIQUE] = compile_unique,
        [FORM_FRESH] = compile_fresh,
        [FORM_ROWS] = NULL,
    };

    if (av_schema_root(c->schema)->type != AV_RECORD)
        return err_set(e, ERR_INVALID, "the schema is no record");
    if (by_form[r->form] != NULL)
        TRY(by_form[r->form](c, r, e));
    return compile_null_field(c, r, e);
}

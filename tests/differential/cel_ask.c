/*
 * Expressions without a schema, for the conformance cases and for cel-go as a judge
 * (tests/integration/cel_conformance_test.py, tests/differential/cel_against_go.py).
 *
 * A case a line on stdin, as JSON; a line on stdout: "ok", or what we have instead.
 *      {"expr": "x + 1", "container": "a.b", "lenient": true,
 *       "vars": [["x", "i", "41"]],          name, signature letter, its value in CEL
 *       "want": "42" | "error": true | "format": true,
 *       "type": "int",                        the deduced one; optional
 *       "check": true}                        and nothing is evaluated
 */
#include "base/json.h"
#include "cel/functions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define VARIABLES_MOST 20

struct question {
    struct arena arena;
    struct cel_variable variables[VARIABLES_MOST];
    struct cel_value values[VARIABLES_MOST];
    size_t n;
    struct cel_scope scope;
};

static struct span text_of(const struct json *o, const char *name)
{
    const struct json *m = json_member(o, name);

    return m != NULL && m->kind == JSON_STRING ? m->text : (struct span){0};
}

static const struct cel_type *read_type(struct arena *a, const char **s)
{
    static const char letters[] = "biudsyntrTm*";
    static const enum cel_kind kinds[] = {
        CEL_BOOL, CEL_INT,       CEL_UINT,     CEL_DOUBLE, CEL_STRING,  CEL_BYTES,
        CEL_NULL, CEL_TIMESTAMP, CEL_DURATION, CEL_TYPE,   CEL_DECIMAL, CEL_DYN};
    char c = *(*s)++;

    if (c == '[')
        return cel_type_list(a, read_type(a, s));
    if (c == '?')
        return cel_type_nullable(a, read_type(a, s));
    if (c == '{') {
        const struct cel_type *key = read_type(a, s);

        return cel_type_map(a, key, read_type(a, s));
    }
    return cel_type_of(kinds[strchr(letters, c) - letters]);
}

/* Are they the same, and of the same kinds? */
static bool same(struct cel_run *run, struct cel_value x, struct cel_value y)
{
    if (x.kind != y.kind)
        return false;
    if (x.kind == CEL_DOUBLE && isnan(x.d))
        return isnan(y.d);
    if (x.kind == CEL_DOUBLE)
        return x.d == y.d && signbit(x.d) == signbit(y.d);
    if (x.kind == CEL_LIST) {
        bool all = x.n == y.n;

        for (size_t i = 0; all && i < x.n; i++)
            all = same(run, x.items[i], y.items[i]);
        return all;
    }
    return cel_equal(run, x, y);
}

/* An error's text, or NULL with the value. */
static const char *evaluate(struct question *q, struct cel_run *run, struct span text,
                            struct cel_value *out, const struct cel_type **type,
                            struct cel_plan *plan)
{
    static struct err e;
    struct cel_parsed parsed;

    *type = NULL;
    if (cel_parse(&parsed, text, &q->arena, &e) != ERR_OK ||
        cel_type_check(parsed.body, &q->scope, text, &q->arena, &e) != ERR_OK)
        return e.msg;
    *type = parsed.body->type;
    if (cel_plan_make(plan, parsed.body, NULL, text, &q->arena, &e) != ERR_OK)
        return e.msg;
    *out = cel_eval(run, plan, q->values);
    if (out->kind != CEL_ERROR)
        return NULL;
    snprintf(e.msg, sizeof e.msg, "%.*s", (int)out->s.n, (const char *)out->s.p);
    for (char *c = e.msg; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    return e.msg;
}

static void show(struct cel_run *run, struct cel_value v, const struct cel_type *type)
{
    struct buf b = BUF_INIT(1 << 20);

    if (type != NULL)
        cel_type_put(&b, type);
    buf_printf(&b, " %s ", cel_kind_name(v.kind));
    if (!cel_json_put(run, v, &b))
        buf_put_str(&b, "?");
    printf("%.*s\n", (int)b.n, (const char *)b.p);
    buf_free(&b);
}

/* "value int "5"": as '%s'.format([v]) has it, which every implementation can do. */
static void show_formatted(struct cel_run *run, struct cel_value v)
{
    struct cel_value items[1] = {v};
    struct cel_value args[2] = {cel_string(span_str("%s")),
                                {.kind = CEL_LIST, .items = items, .n = 1}};
    struct cel_value text = cel_format(run, args, 2);

    printf("value %s ", cel_kind_name(v.kind));
    if (text.kind == CEL_ERROR) {
        puts("");
        return;
    }
    struct buf b = BUF_INIT(1 << 24);
    json_put_string(&b, text.s);
    printf("%.*s\n", (int)b.n, (const char *)b.p);
    buf_free(&b);
}

static void judge(struct question *q, struct cel_run *run, const struct json *o)
{
    const struct cel_type *type, *ignored;
    struct cel_value got, want;
    struct cel_plan plan = {0}, plan_of_want = {0};
    struct buf shown = BUF_INIT(10000);
    const char *why = evaluate(q, run, text_of(o, "expr"), &got, &type, &plan);
    struct span wanted_type = text_of(o, "type");

    if (type != NULL)
        cel_type_put(&shown, type);
    if (wanted_type.n > 0 && !span_eq(wanted_type, buf_span(&shown)))
        printf("its type is %.*s, not %.*s\n", (int)shown.n, (const char *)shown.p,
               (int)wanted_type.n, (const char *)wanted_type.p);
    else if (type != NULL && json_member(o, "check") != NULL)
        puts("ok");
    else if (json_member(o, "error") != NULL)
        puts(why != NULL ? "ok" : "no error");
    else if (why != NULL)
        printf("error: %s\n", why);
    else if (json_member(o, "format") != NULL)
        show_formatted(run, got);
    else if (json_member(o, "want") == NULL)
        puts("ok");
    else if (evaluate(q, run, text_of(o, "want"), &want, &ignored, &plan_of_want) !=
             NULL)
        puts("what is wanted does not evaluate");
    else if (same(run, got, want))
        puts("ok");
    else
        show(run, got, type);
    fflush(stdout);
    cel_plan_free(&plan);
    cel_plan_free(&plan_of_want);
    buf_free(&shown);
}

static void take_variables(struct question *q, struct cel_run *run,
                           const struct json *vars)
{
    const struct cel_type *ignored;

    for (const struct json *v = vars != NULL ? vars->first : NULL; v != NULL;
         v = v->next) {
        char *letters = arena_str(&q->arena, v->first->next->text);
        const char *s = letters;
        struct cel_plan plan = {0};

        // No variables yet: q->scope.n is 0.
        if (evaluate(q, run, v->first->next->next->text, &q->values[q->n], &ignored,
                     &plan) != NULL)
            printf("(variable) ");
        q->values[q->n] = cel_keep(&q->arena, q->values[q->n]);
        cel_plan_free(&plan);
        q->variables[q->n++] =
            (struct cel_variable){v->first->text, read_type(&q->arena, &s)};
    }
}

static void answer(const struct json *o)
{
    struct question q = {.scope = {.container = text_of(o, "container")}};
    struct cel_run *run = cel_run_new();

    take_variables(&q, run, json_member(o, "vars"));
    q.scope.variables = q.variables;
    q.scope.n = q.n;
    q.scope.lenient = json_member(o, "lenient") != NULL;
    judge(&q, run, o);
    cel_run_free(run);
    arena_free(&q.arena);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while ((n = getline(&line, &room, stdin)) > 0) {
        struct arena a = {0};
        const struct json *o;
        struct err e;

        if (json_read(&o, span_of(line, (size_t)n), NULL, &a, &e) != ERR_OK)
            printf("no case: %s\n", e.msg);
        else
            answer(o);
        fflush(stdout);
        arena_free(&a);
    }
    free(line);
    return 0;
}

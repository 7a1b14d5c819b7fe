#include "cel/edit.h"

#include "avro-core/number.h"
#include "cel/functions.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct cel_edit {
    struct arena arena; // constants, and the texts of the types
    struct cel_plan guard, body;
    bool has_guard;
    size_t n; // variables, without `now`
    struct cel_run *run;
    struct arena values; // of one question
};

/* ---- compiling ---- */

static enum err_kind compile(struct cel_edit *edit, struct span text,
                             const struct cel_scope *scope, struct arena *a,
                             struct err *e)
{
    struct cel_parsed parsed;

    TRY(cel_parse(&parsed, text, a, e));
    if (parsed.guard != NULL)
        TRY(cel_guard_check(parsed.guard, scope, text, a, e));
    TRY(cel_type_check(parsed.body, scope, text, a, e));
    edit->has_guard = parsed.guard != NULL;
    if (edit->has_guard)
        TRY(cel_plan_make(&edit->guard, parsed.guard, NULL, text, &edit->arena, e));
    return cel_plan_make(&edit->body, parsed.body, NULL, text, &edit->arena, e);
}

enum err_kind cel_edit_new(struct cel_edit **out, struct span text,
                           const char *const *names, size_t n, struct err *e)
{
    struct cel_variable variables[CEL_EDIT_NAMES_MOST + 1];
    struct cel_edit *edit = mem_alloc(sizeof *edit);
    struct arena scratch = {0};

    assert(n <= CEL_EDIT_NAMES_MOST);
    for (size_t i = 0; i < n; i++)
        variables[i] = (struct cel_variable){span_str(names[i]), cel_type_of(CEL_DYN)};
    variables[n] = (struct cel_variable){span_str("now"), cel_type_of(CEL_TIMESTAMP)};
    const struct cel_scope scope = {.variables = variables, .n = n + 1};

    edit->n = n;
    edit->run = cel_run_new();
    enum err_kind rc = compile(edit, text, &scope, &scratch, e);
    arena_free(&scratch);
    if (rc != ERR_OK) {
        cel_edit_free(edit);
        return rc;
    }
    *out = edit;
    return ERR_OK;
}

void cel_edit_free(struct cel_edit *edit)
{
    if (edit == NULL)
        return;
    cel_plan_free(&edit->guard);
    cel_plan_free(&edit->body);
    cel_run_free(edit->run);
    arena_free(&edit->values);
    arena_free(&edit->arena);
    free(edit);
}

/* ---- values ---- */

static struct cel_value number_of(const struct json *j)
{
    struct cel_value v = cel_double(INFINITY);
    struct number n;
    int64_t i;

    if (!number_scan(&n, j->text))
        return cel_fail("a number that is none");
    if (n.plain && number_int64(&i, &n) == NUMBER_FITS &&
        !(i == 0 && n.negative)) // -0 is no int
        return cel_int(i);
    if (number_double(&v.d, &n) != NUMBER_FITS && n.negative)
        v.d = -INFINITY;
    v.said = j;
    return v;
}

static struct cel_value value_of(struct arena *a, const struct json *j);

static struct cel_value several(struct arena *a, const struct json *j)
{
    bool map = j->kind == JSON_OBJECT;
    struct cel_value *items = arena_array(a, j->n, (map ? 2 : 1) * sizeof *items);
    size_t i = 0;

    for (const struct json *child = j->first; child != NULL; child = child->next) {
        if (map)
            items[i++] = cel_string(child->name);
        items[i++] = value_of(a, child);
    }
    return (struct cel_value){
        .kind = map ? CEL_MAP : CEL_LIST, .items = items, .n = j->n};
}

static struct cel_value value_of(struct arena *a, const struct json *j)
{
    if (j == NULL)
        return cel_null();
    switch (j->kind) {
    case JSON_NULL: return cel_null();
    case JSON_FALSE:
    case JSON_TRUE: return cel_bool(j->kind == JSON_TRUE);
    case JSON_NUMBER: return number_of(j);
    case JSON_STRING: return cel_string(j->text);
    case JSON_ARRAY:
    case JSON_OBJECT: return several(a, j);
    }
    return cel_null();
}

/* ---- asking ---- */

static enum err_kind refuse(struct cel_value v, struct err *e)
{
    return err_set(e, ERR_INVALID, "error: " SPAN_FMT, SPAN_ARG(v.s));
}

static enum err_kind evaluate(struct cel_edit *edit, const struct cel_value *variables,
                              struct buf *out, bool *applies, struct err *e)
{
    struct cel_run *run = edit->run;

    *applies = true;
    if (edit->has_guard) {
        struct cel_value v = cel_eval(run, &edit->guard, variables);

        if (run->broken != NULL)
            return refuse(cel_broken(run), e);
        *applies = v.kind == CEL_BOOL && v.b;
    }
    if (!*applies)
        return ERR_OK;
    struct cel_value v = cel_eval(run, &edit->body, variables);
    if (v.kind == CEL_ERROR)
        return refuse(v, e);
    if (cel_json_put(run, v, out) && !out->over)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "error: %s",
                   run->broken != NULL ? run->broken : "a value that has no JSON");
}

enum err_kind cel_edit_ask(struct cel_edit *edit, const struct json *const *values,
                           int64_t now, struct buf *out, bool *applies, struct err *e)
{
    struct cel_value variables[CEL_EDIT_NAMES_MOST + 1];
    int64_t seconds = now / 1000000000, nanos = now % 1000000000;
    size_t start = out->n;

    arena_reset(&edit->values);
    for (size_t i = 0; i < edit->n; i++)
        variables[i] = value_of(&edit->values, values[i]);
    variables[edit->n] =
        cel_timestamp(seconds - (nanos < 0), nanos + (nanos < 0 ? 1000000000 : 0));
    cel_ask(edit->run);
    enum err_kind rc = evaluate(edit, variables, out, applies, e);
    if (rc != ERR_OK)
        buf_cut(out, start);
    return rc;
}

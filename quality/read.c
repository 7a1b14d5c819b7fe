/* Rules as they are written: keys, values, places. */
#include "quality/quality_inside.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELDS_MOST 64
#define VALUES_MOST 1000

const char *const quality_severities[] = {[QUALITY_WARN] = "warn",
                                          [QUALITY_NULL_FIELD] = "null_field",
                                          [QUALITY_QUARANTINE] = "quarantine",
                                          [QUALITY_FAIL] = "fail"};
#define N_SEVERITIES 4

struct reading {
    struct quality *q;
    struct rule *rule;
    const struct yaml *at; // for the place of an error
    bool has_severity;
    const char *every;
};

static const struct yaml *member(const struct yaml *map, const char *key)
{
    for (const struct yaml *m = map->first; m != NULL; m = m->next)
        if (strcmp(m->key, key) == 0)
            return m;
    return NULL;
}

/* --- values ----------------------------------------------------------------------- */

static enum err_kind read_text(struct quality *q, const struct yaml *y,
                               const char **out, struct err *e)
{
    if (y->kind != YAML_TEXT || y->text[0] == '\0')
        return err_set(e, ERR_INVALID, "%s: wanted a value", y->key);
    *out = arena_str(&q->arena, span_str(y->text));
    return ERR_OK;
}

/* A list of texts, or one. */
static enum err_kind read_texts(struct quality *q, const struct yaml *y, size_t most,
                                struct texts *out, struct err *e)
{
    const struct yaml *from = y->kind == YAML_LIST ? y->first : y;
    size_t n = y->kind == YAML_LIST ? y->n : 1;

    if (y->kind == YAML_MAP || n == 0 || n > most)
        return err_set(e, ERR_INVALID, "%s: wanted a list of 1 to %zu values", y->key,
                       most);
    out->items = arena_array(&q->arena, n, sizeof *out->items);
    for (size_t i = 0; i < n; i++, from = from->next) {
        if (from->kind != YAML_TEXT)
            return err_set(e, ERR_INVALID, "%s: wanted plain values", y->key);
        out->items[out->n++] = arena_str(&q->arena, span_str(from->text));
    }
    return ERR_OK;
}

static bool read_whole(const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 18)
        return false;
    *out = strtoll(text, &end, 10);
    return *end == '\0' && *out >= least && *out <= most;
}

static enum err_kind read_span(const char *key, const char *text, int64_t *ms,
                               struct err *e)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char digits[20];
    size_t n = strspn(text, "0123456789");
    int64_t x;

    if (n > 0 && n < 12) {
        snprintf(digits, sizeof digits, "%.*s", (int)n, text);
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
            if (strcmp(text + n, units[i].unit) == 0 &&
                read_whole(digits, 1, INT64_MAX / 86400000 / 1000000, &x)) {
                *ms = x * units[i].ms;
                return ERR_OK;
            }
    }
    return err_set(e, ERR_INVALID,
                   "%s is \"%.40s\", wanted a duration: 250ms, 10s, 5m, "
                   "2h, 1d",
                   key, text);
}

/* --- forms ------------------------------------------------------------------------ */

struct key {
    const char *name;
    const char **text;   // or
    struct texts *texts; // a list
    bool required;
};

static const struct key *find_key(const struct key *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static enum err_kind refuse_key(const struct yaml *at, const char *form,
                                const struct key *keys, size_t n, struct err *e)
{
    char known[120];
    size_t used = 0;

    known[0] = '\0';
    for (size_t i = 0; i < n && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                 i > 0 ? ", " : "", keys[i].name);
    return err_set(e, ERR_INVALID, "%s: unknown key \"%.40s\", known here: %s", form,
                   at->key, known);
}

static enum err_kind read_keys(struct reading *r, const struct yaml *y,
                               const struct key *keys, size_t n, struct err *e)
{
    if (y->kind != YAML_MAP)
        return err_set(e, ERR_INVALID, "%s: wanted keys and values", y->key);
    for (const struct yaml *m = y->first; m != NULL; m = m->next) {
        const struct key *k = find_key(keys, n, m->key);
        r->at = m;
        if (k == NULL)
            return refuse_key(m, y->key, keys, n, e);
        if (k->text != NULL)
            TRY(read_text(r->q, m, k->text, e));
        else
            TRY(read_texts(r->q, m, VALUES_MOST, k->texts, e));
    }
    r->at = y;
    for (size_t i = 0; i < n; i++)
        if (keys[i].required && member(y, keys[i].name) == NULL)
            return err_set(e, ERR_INVALID, "%s: %s is missing", y->key, keys[i].name);
    return ERR_OK;
}
#define READ_KEYS(r, y, keys, e) read_keys(r, y, keys, sizeof(keys) / sizeof *(keys), e)

static const char *put_text(struct reading *r, const char *fmt, va_list args)
{
    char text[400];

    vsnprintf(text, sizeof text, fmt, args);
    struct span cut = span_str(text);
    cut.n = utf8_good(cut); // not in the middle of a character
    return arena_str(&r->q->arena, cut);
}

static void show(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void show(struct reading *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    r->rule->shown.shown = put_text(r, fmt, args);
    va_end(args);
}

static void want(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void want(struct reading *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    r->rule->wanted = put_text(r, fmt, args);
    va_end(args);
}

static enum err_kind read_expr(struct reading *r, const struct yaml *y, struct err *e)
{
    TRY(read_text(r->q, y, &r->rule->expr, e));
    show(r, "%s", r->rule->expr);
    want(r, "%s", r->rule->expr);
    return ERR_OK;
}

/* "a, b, c", of which as many as fit. */
static const char *list_of(struct reading *r, const struct texts *t)
{
    struct buf b = BUF_INIT(300);

    for (size_t i = 0; i < t->n; i++)
        buf_printf(&b, "%s%s", i > 0 ? ", " : "", t->items[i]);
    const char *list = arena_str(&r->q->arena, buf_span(&b));
    buf_free(&b);
    return list;
}

static enum err_kind read_not_null(struct reading *r, const struct yaml *y,
                                   struct err *e)
{
    TRY(read_texts(r->q, y, FIELDS_MOST, &r->rule->fields, e));
    show(r, "%s not null", list_of(r, &r->rule->fields));
    want(r, "a value");
    return ERR_OK;
}

static void one_field(struct reading *r, const char *field)
{
    const char **items = arena_array(&r->q->arena, 1, sizeof *items);

    items[0] = field;
    r->rule->fields = (struct texts){items, 1};
}

static enum err_kind read_range(struct reading *r, const struct yaml *y, struct err *e)
{
    struct rule *u = r->rule;
    const char *field = NULL;
    const struct key keys[] = {{"field", &field, NULL, true},
                               {"min", &u->min, NULL, false},
                               {"max", &u->max, NULL, false}};

    TRY(READ_KEYS(r, y, keys, e));
    if (u->min == NULL && u->max == NULL)
        return err_set(e, ERR_INVALID, "range: wanted min, max or both");
    one_field(r, field);
    show(r, "%s from %s to %s", field, u->min != NULL ? u->min : "any",
         u->max != NULL ? u->max : "any");
    if (u->min == NULL || u->max == NULL)
        want(r, "at %s %s", u->min != NULL ? "least" : "most",
             u->min != NULL ? u->min : u->max);
    else
        want(r, "from %s to %s", u->min, u->max);
    return ERR_OK;
}

static enum err_kind read_matches(struct reading *r, const struct yaml *y,
                                  struct err *e)
{
    const char *field = NULL;
    const struct key keys[] = {{"field", &field, NULL, true},
                               {"re", &r->rule->re, NULL, true}};

    TRY(READ_KEYS(r, y, keys, e));
    one_field(r, field);
    show(r, "%s matches %s", field, r->rule->re);
    want(r, "a match of %s", r->rule->re);
    return ERR_OK;
}

static enum err_kind read_one_of(struct reading *r, const struct yaml *y, struct err *e)
{
    const char *field = NULL;
    const struct key keys[] = {{"field", &field, NULL, true},
                               {"values", NULL, &r->rule->values, true}};

    TRY(READ_KEYS(r, y, keys, e));
    one_field(r, field);
    const char *values = list_of(r, &r->rule->values);
    show(r, "%.100s one of %s", field, values);
    want(r, "one of %s", values);
    return ERR_OK;
}

static enum err_kind read_timestamp(struct reading *r, const struct yaml *y,
                                    struct err *e)
{
    const char *field = NULL, *format = "rfc3339";
    const struct key keys[] = {{"field", &field, NULL, true},
                               {"format", &format, NULL, false}};

    TRY(READ_KEYS(r, y, keys, e));
    one_field(r, field);
    show(r, "%s written as %s", field, format);
    want(r, "a date or time as %s", format);
    return pattern_read(&r->rule->pattern, format, e);
}

static enum err_kind read_unique(struct reading *r, const struct yaml *y, struct err *e)
{
    struct rule *u = r->rule;
    const char *last = NULL;
    const struct key keys[] = {{"key", NULL, &u->fields, true},
                               {"last", &last, NULL, true}};

    TRY(READ_KEYS(r, y, keys, e));
    if (!read_whole(last, 1, QUALITY_LAST_MOST, &u->shown.last))
        return err_set(e, ERR_INVALID, "unique: last is \"%.40s\", wanted 1 to %d",
                       last, QUALITY_LAST_MOST);
    u->shown.remembers = true;
    show(r, "%s unique in %s", list_of(r, &u->fields), last);
    want(r, "once in %s offsets", last);
    return ERR_OK;
}

static enum err_kind read_fresh(struct reading *r, const struct yaml *y, struct err *e)
{
    const char *field = NULL, *within = NULL;
    const struct key keys[] = {{"field", &field, NULL, true},
                               {"within", &within, NULL, true},
                               {"every", &r->every, NULL, false}};

    TRY(READ_KEYS(r, y, keys, e));
    one_field(r, field);
    show(r, "%s within %s", field, within);
    return read_span("within", within, &r->rule->within_ms, e);
}

static enum err_kind read_bound(const char *key, const char *text, int64_t *out,
                                struct err *e)
{
    *out = -1;
    if (text == NULL || read_whole(text, 0, INT64_MAX, out))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "rows: %s is \"%.40s\", wanted a number of rows",
                   key, text);
}

static enum err_kind read_rows(struct reading *r, const struct yaml *y, struct err *e)
{
    struct rule *u = r->rule;
    const struct key keys[] = {{"min", &u->min, NULL, false},
                               {"max", &u->max, NULL, false},
                               {"every", &r->every, NULL, false}};

    TRY(READ_KEYS(r, y, keys, e));
    if (u->min == NULL && u->max == NULL)
        return err_set(e, ERR_INVALID, "rows: wanted min, max or both");
    show(r, "rows from %s to %s", u->min != NULL ? u->min : "0",
         u->max != NULL ? u->max : "any");
    TRY(read_bound("min", u->min, &u->least_rows, e));
    TRY(read_bound("max", u->max, &u->most_rows, e));
    if (u->max != NULL && u->least_rows > u->most_rows)
        return err_set(e, ERR_INVALID, "rows: min %s is more than max %s", u->min,
                       u->max);
    return ERR_OK;
}

static const struct {
    const char *name;
    enum form form;
    bool of_run;
    enum err_kind (*read)(struct reading *r, const struct yaml *y, struct err *e);
} forms[] = {
    {"expr", FORM_EXPR, false, read_expr},
    {"not_null", FORM_NOT_NULL, false, read_not_null},
    {"range", FORM_RANGE, false, read_range},
    {"matches", FORM_MATCHES, false, read_matches},
    {"one_of", FORM_ONE_OF, false, read_one_of},
    {"timestamp", FORM_TIMESTAMP, false, read_timestamp},
    {"unique", FORM_UNIQUE, false, read_unique},
    {"fresh", FORM_FRESH, true, read_fresh},
    {"rows", FORM_ROWS, true, read_rows},
};
#define N_FORMS (sizeof forms / sizeof forms[0])
#define FORM_NAMES \
    "expr, not_null, range, matches, one_of, timestamp, unique, fresh, rows"

/* --- a rule ----------------------------------------------------------------------- */

static enum err_kind read_name(struct reading *r, const struct yaml *y, struct err *e)
{
    struct rule *u = r->rule;

    TRY(read_text(r->q, y, &u->shown.name, e));
    size_t n = strlen(u->shown.name);
    if (n > QUALITY_NAME_MOST ||
        strspn(u->shown.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_.-") != n)
        return err_set(e, ERR_INVALID,
                       "name is \"%.60s\", wanted up to %d letters, digits, _ . -",
                       u->shown.name, QUALITY_NAME_MOST);
    for (const struct rule *other = r->q->rules; other < u; other++)
        if (strcmp(other->shown.name, u->shown.name) == 0)
            return err_set(e, ERR_INVALID, "there is a rule \"%s\" before it",
                           u->shown.name);
    return ERR_OK;
}

static enum err_kind read_severity(struct reading *r, const struct yaml *y,
                                   struct err *e)
{
    const char *text = NULL;

    TRY(read_text(r->q, y, &text, e));
    for (int i = 0; i < N_SEVERITIES; i++)
        if (strcmp(text, quality_severities[i]) == 0) {
            r->rule->shown.severity = (enum quality_severity)i;
            r->has_severity = true;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "severity is \"%.40s\", wanted warn, null_field, quarantine or fail",
                   text);
}

static enum err_kind read_form(struct reading *r, const struct yaml *y, struct err *e)
{
    for (size_t i = 0; i < N_FORMS; i++) {
        if (strcmp(forms[i].name, y->key) != 0)
            continue;
        if (r->rule->shown.form != NULL)
            return err_set(e, ERR_INVALID, "%s and %s: wanted one of them",
                           r->rule->shown.form, y->key);
        r->rule->form = forms[i].form;
        r->rule->shown.form = forms[i].name;
        r->rule->shown.of_run = forms[i].of_run;
        r->rule->at = (struct spot){y->line, y->column};
        return forms[i].read(r, y, e);
    }
    return err_set(e, ERR_INVALID,
                   "unknown key \"%.40s\", known here: name, severity, field, and one "
                   "of " FORM_NAMES,
                   y->key);
}

static enum err_kind read_member(struct reading *r, const struct yaml *y, struct err *e)
{
    if (strcmp(y->key, "name") == 0)
        return read_name(r, y, e);
    if (strcmp(y->key, "severity") == 0)
        return read_severity(r, y, e);
    if (strcmp(y->key, "field") == 0)
        return read_text(r->q, y, &r->rule->null_field, e);
    return read_form(r, y, e);
}

static enum err_kind check_null_field(struct rule *u, struct err *e)
{
    if (u->shown.severity != QUALITY_NULL_FIELD)
        return u->null_field == NULL
                   ? ERR_OK
                   : err_set(e, ERR_INVALID, "field is of severity null_field alone");
    if (u->form == FORM_NOT_NULL)
        return err_set(e, ERR_INVALID, "not_null with null_field: it is null already");
    if (u->null_field == NULL && u->fields.n == 1)
        u->null_field = u->fields.items[0];
    return u->null_field != NULL
               ? ERR_OK
               : err_set(e, ERR_INVALID, "severity null_field wants field: which one");
}

static enum err_kind check_of_run(struct reading *r, struct err *e)
{
    struct quality_rule *u = &r->rule->shown;

    if (!u->of_run)
        return ERR_OK;
    if (!r->has_severity)
        u->severity = QUALITY_WARN;
    if (u->severity != QUALITY_WARN && u->severity != QUALITY_FAIL)
        return err_set(e, ERR_INVALID, "%s is asked of a run: severity warn or fail",
                       u->form);
    return r->every == NULL ? ERR_OK : read_span("every", r->every, &u->every_ms, e);
}

static enum err_kind read_rule(struct reading *r, const struct yaml *y, struct err *e)
{
    const struct yaml *name = y->kind == YAML_MAP ? member(y, "name") : NULL;
    struct rule *u = r->rule;

    u->shown.severity = QUALITY_QUARANTINE;
    u->least_rows = u->most_rows = -1;
    if (y->kind != YAML_MAP)
        return err_set(e, ERR_INVALID, "wanted a rule: {name, severity, ...}");
    if (name != NULL) { // first, for the messages
        r->at = name;
        TRY(read_name(r, name, e));
    }
    for (const struct yaml *m = y->first; m != NULL; m = m->next) {
        r->at = m;
        if (m != name)
            TRY(read_member(r, m, e));
    }
    r->at = y;
    if (u->shown.name == NULL)
        return err_set(e, ERR_INVALID, "name is missing");
    if (u->shown.form == NULL)
        return err_set(e, ERR_INVALID, "nothing is asked: wanted one of " FORM_NAMES);
    TRY(check_of_run(r, e));
    return check_null_field(u, e);
}

/* "pipeline.yaml:12:5: quality rule "x": why" */
static enum err_kind put_place(const struct quality *q, const struct rule *u,
                               const struct spot *at, struct err *e)
{
    if (u->shown.name != NULL)
        err_prefix(e, "quality rule \"%s\"", u->shown.name);
    else
        err_prefix(e, "quality");
    return err_prefix(e, "%s:%zu:%zu", q->file, at->line, at->column);
}

static enum err_kind read_all(struct quality *q, const struct yaml *list, struct err *e)
{
    size_t i = 0;

    if (list->kind == YAML_TEXT && list->text[0] == '\0')
        return ERR_OK;
    if (list->kind != YAML_LIST || list->n > QUALITY_RULES_MOST)
        return err_set(e, ERR_INVALID,
                       "%s:%zu:%zu: quality: wanted a list of at most %d rules",
                       q->file, list->line, list->column, QUALITY_RULES_MOST);
    q->rules = arena_array(&q->arena, list->n + 1, sizeof *q->rules);
    for (const struct yaml *y = list->first; y != NULL; y = y->next, i++) {
        struct reading r = {.q = q, .rule = &q->rules[i], .at = y};
        if (read_rule(&r, y, e) != ERR_OK) {
            struct spot at = {r.at->line, r.at->column};
            return put_place(q, r.rule, &at, e);
        }
    }
    q->n = list->n;
    return ERR_OK;
}

enum err_kind quality_read(struct quality **out, const struct conf_tree *tree,
                           struct err *e)
{
    struct quality *q;

    *out = NULL;
    if (tree->root == NULL)
        return ERR_OK;
    q = mem_alloc(sizeof *q);
    q->file = arena_str(&q->arena, span_str(tree->file));
    q->errors = BUF_INIT((size_t)1 << 20);
    q->datum = BUF_INIT((size_t)1 << 30);
    q->key = BUF_INIT((size_t)1 << 30);
    q->value = BUF_INIT((size_t)16 << 20);
    q->run = cel_run_new();
    q->stopped = -1;
    enum err_kind rc = read_all(q, tree->root, e);
    if (rc != ERR_OK || q->n == 0) {
        quality_free(q);
        return rc;
    }
    q->said = mem_array(q->n, sizeof *q->said);
    *out = q;
    return ERR_OK;
}

void quality_free(struct quality *q)
{
    if (q == NULL)
        return;
    cel_run_free(q->run);
    cel_rules_free(q->cel);
    free_partitions(q);
    av_schema_release(q->schema);
    arena_free(&q->arena);
    arena_free(&q->compiled);
    buf_free(&q->errors);
    buf_free(&q->datum);
    buf_free(&q->key);
    buf_free(&q->value);
    free(q->said);
    free(q);
}

size_t quality_rules(const struct quality *q)
{
    return q == NULL ? 0 : q->n;
}

const struct quality_rule *quality_rule(const struct quality *q, size_t i)
{
    return &q->rules[i].shown;
}

bool quality_has(const struct quality *q, enum quality_severity s)
{
    for (size_t i = 0; i < quality_rules(q); i++)
        if (q->rules[i].shown.severity == s && !q->rules[i].shown.of_run)
            return true;
    return false;
}

/* --- compiling -------------------------------------------------------------------- */

static enum err_kind compile_all(struct compiling *c, struct rule *made, struct err *e)
{
    for (size_t i = 0; i < c->q->n; i++) {
        made[i] = c->q->rules[i];
        made[i].questions = NULL;
        made[i].keys = NULL;
        made[i].n_questions = made[i].n_keys = made[i].n_found = 0;
        if (compile_rule(c, &made[i], e) != ERR_OK)
            return put_place(c->q, &made[i], &made[i].at, e);
    }
    return ERR_OK;
}

enum err_kind quality_use(struct quality *q, struct av_schema *reader, struct err *e)
{
    struct arena arena = {0};
    struct compiling c = {.q = q, .schema = reader, .arena = &arena};
    struct rule *made = mem_array(q->n, sizeof *made);

    enum err_kind rc = cel_rules_new(&c.cel, reader, e);
    if (rc == ERR_OK)
        rc = compile_all(&c, made, e);
    if (rc != ERR_OK) {
        cel_rules_free(c.cel);
        arena_free(&arena);
        free(made);
        return rc == ERR_LIMIT ? (e->kind = ERR_INVALID) : rc;
    }
    memcpy(q->rules, made, q->n * sizeof *made);
    free(made);
    av_schema_retain(reader);
    cel_rules_free(q->cel);
    av_schema_release(q->schema);
    arena_free(&q->compiled);
    q->cel = c.cel;
    q->schema = reader;
    q->compiled = arena;
    return ERR_OK;
}

struct av_schema *quality_schema(const struct quality *q)
{
    return q->schema;
}

#include "registry/meta.h"

#include "registry/log.h"

#include <stdlib.h>

#define RULES_MOST 1000
#define ENTRIES_MOST 1000 // of a map or a set: merging looks at each pair
#define NAME_MOST 256

/* Tidy or, from the settings and records of other registries, perhaps not. */
static const struct json *tree(struct span tidy, struct arena *a)
{
    const struct json *j = NULL;
    struct err e = {0};

    return tidy.n > 0 && reg_object_read(&j, tidy, a, &e) == ERR_OK ? j : NULL;
}

static int by_bytes(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *x, const void *y)
{
    return by_bytes((*(const struct json *const *)x)->name,
                    (*(const struct json *const *)y)->name);
}

static int by_text(const void *x, const void *y)
{
    return by_bytes((*(const struct json *const *)x)->text,
                    (*(const struct json *const *)y)->text);
}

/* The children of each of `a` and `b` (either may be NULL), sorted; of two that are
 * equal the one of `b`. NULL-terminated. */
static const struct json **children(const struct json *under, const struct json *over,
                                    struct arena *a,
                                    int (*order)(const void *, const void *))
{
    size_t n = 0, kept = 0;
    const struct json **all =
        arena_array(a, (under ? under->n : 0) + (over ? over->n : 0) + 1, sizeof *all);

    for (const struct json *c = over ? over->first : NULL; c != NULL; c = c->next)
        all[n++] = c;
    for (const struct json *c = under ? under->first : NULL; c != NULL; c = c->next) {
        bool again = false;
        for (size_t i = 0; i < (over ? over->n : 0) && !again; i++)
            again = order(&all[i], &c) == 0;
        if (!again)
            all[n++] = c;
    }
    qsort(all, n, sizeof *all, order);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || order(&all[kept - 1], &all[i]) != 0)
            all[kept++] = all[i];
    all[kept] = NULL;
    return all;
}

/* ["a","b"], sorted, each once. */
static void put_set(struct buf *out, const struct json *under, const struct json *over,
                    struct arena *a)
{
    const char *comma = "";

    buf_put_u8(out, '[');
    for (const struct json **c = children(under, over, a, by_text); *c != NULL; c++) {
        buf_put_str(out, comma);
        json_put_string(out, (*c)->text);
        comma = ",";
    }
    buf_put_u8(out, ']');
}

/* A scalar as the text it is kept as. */
static void put_scalar(struct buf *out, const struct json *j)
{
    if (json_is(j, JSON_TRUE) || json_is(j, JSON_FALSE))
        json_put_string(out, span_str(json_is(j, JSON_TRUE) ? "true" : "false"));
    else
        json_put_string(out, j->text);
}

static void put_map(struct buf *out, const struct json *under, const struct json *over,
                    struct arena *a)
{
    const char *comma = "";

    buf_put_u8(out, '{');
    for (const struct json **c = children(under, over, a, by_name); *c != NULL; c++) {
        if (json_is(*c, JSON_NULL))
            continue;
        buf_put_str(out, comma);
        json_put_string(out, (*c)->name);
        buf_put_u8(out, ':');
        if (json_is(*c, JSON_ARRAY)) // tags of a path: both sides' together
            put_set(out, under != NULL ? json_member_span(under, (*c)->name) : NULL, *c,
                    a);
        else
            put_scalar(out, *c);
        comma = ",";
    }
    buf_put_u8(out, '}');
}

/* What a member must be, and how it is written. */
enum shape { TEXT, FLAG, TEXT_SET, TEXT_MAP, SET_MAP };

struct member {
    const char *name;
    enum shape shape;
};

static const char *const wanted[] = {
    [TEXT] = "string",
    [FLAG] = "true or false",
    [TEXT_SET] = "array of at most 1000 strings",
    [TEXT_MAP] = "object of at most 1000 strings",
    [SET_MAP] = "object of at most 1000 arrays of strings",
};

static bool is_set(const struct json *j)
{
    if (!json_is(j, JSON_ARRAY) || j->n > ENTRIES_MOST)
        return false;
    for (const struct json *c = j->first; c != NULL; c = c->next)
        if (!json_is(c, JSON_STRING))
            return false;
    return true;
}

static bool is_map(const struct json *j, bool of_sets)
{
    if (!json_is(j, JSON_OBJECT) || j->n > ENTRIES_MOST)
        return false;
    for (const struct json *c = j->first; c != NULL; c = c->next)
        if (of_sets ? !is_set(c) : json_is(c, JSON_ARRAY) || json_is(c, JSON_OBJECT))
            return false;
    return true;
}

static bool has_shape(const struct json *j, enum shape shape)
{
    switch (shape) {
    case TEXT: return json_is(j, JSON_STRING);
    case FLAG: return json_is(j, JSON_TRUE) || json_is(j, JSON_FALSE);
    case TEXT_SET: return is_set(j);
    case TEXT_MAP: return is_map(j, false);
    case SET_MAP: return is_map(j, true);
    }
    return false;
}

static enum err_kind check_shapes(const struct json *obj, const struct member *rows,
                                  struct err *e)
{
    for (; rows->name != NULL; rows++) {
        const struct json *j = json_member(obj, rows->name);

        if (j != NULL && !json_is(j, JSON_NULL) && !has_shape(j, rows->shape))
            return err_set(e, ERR_INVALID, "%s: found %s, wanted %s", rows->name,
                           json_kind_name(j->kind), wanted[rows->shape]);
    }
    return ERR_OK;
}

static bool says_something(const struct json *j)
{
    return j != NULL && !json_is(j, JSON_NULL) &&
           (j->n > 0 || !(json_is(j, JSON_ARRAY) || json_is(j, JSON_OBJECT)));
}

static void put_member(struct buf *out, const struct json *under,
                       const struct json *over, enum shape shape, struct arena *a)
{
    switch (shape) {
    case TEXT: json_put_string(out, (over ? over : under)->text); break;
    case FLAG:
        buf_put_str(out, json_is(over ? over : under, JSON_TRUE) ? "true" : "false");
        break;
    case TEXT_SET: put_set(out, under, over, a); break;
    case TEXT_MAP:
    case SET_MAP: put_map(out, under, over, a); break;
    }
}

/* The members of either, in the rows' order. */
static void put_members(struct buf *out, const struct json *under,
                        const struct json *over, const struct member *rows,
                        struct arena *a)
{
    const char *comma = "";

    for (; rows->name != NULL; rows++) {
        const struct json *u = json_member(under, rows->name),
                          *o = json_member(over, rows->name);

        u = says_something(u) ? u : NULL;
        o = says_something(o) ? o : NULL;
        if (u == NULL && o == NULL)
            continue;
        buf_printf(out, "%s\"%s\":", comma, rows->name);
        put_member(out, u, o, rows->shape, a);
        comma = ",";
    }
}

/* The text between { and }; nothing when there is nothing between them. */
static struct span kept(struct buf *out, struct arena *a)
{
    struct span s = {0};

    buf_put_u8(out, '}');
    if (out->n > 2)
        s = arena_copy(a, buf_span(out));
    buf_free(out);
    return s;
}

/* Metadata. */

static const struct member metadata[] = {
    {"tags", SET_MAP}, {"properties", TEXT_MAP}, {"sensitive", TEXT_SET}, {0}};

static struct span write_metadata(const struct json *under, const struct json *over,
                                  struct arena *a)
{
    struct buf out = BUF_INIT(SIZE_MAX / 2);

    buf_put_u8(&out, '{');
    put_members(&out, under, over, metadata, a);
    return kept(&out, a);
}

enum err_kind reg_metadata_tidy(struct span *out, struct span json, struct arena *a,
                                struct err *e)
{
    const struct json *j = NULL;

    *out = (struct span){0};
    if (json.n == 0)
        return ERR_OK;
    if (reg_object_read(&j, json, a, e) != ERR_OK ||
        check_shapes(j, metadata, e) != ERR_OK)
        return err_prefix(e, "metadata");
    *out = write_metadata(NULL, j, a);
    return ERR_OK;
}

/* What other registries wrote and we could not follow counts as nothing. */
static const struct json *sound_metadata(struct span text, struct arena *a)
{
    const struct json *j = tree(text, a);
    struct err e = {0};

    return j != NULL && check_shapes(j, metadata, &e) == ERR_OK ? j : NULL;
}

struct span reg_metadata_merge(struct span under, struct span over, struct arena *a)
{
    return write_metadata(sound_metadata(under, a), sound_metadata(over, a), a);
}

struct span reg_metadata_with(struct span meta, struct span key, struct span value,
                              struct arena *a)
{
    struct buf over = BUF_INIT(SIZE_MAX / 2);

    buf_put_str(&over, "{\"properties\":{");
    json_put_string(&over, key);
    buf_put_u8(&over, ':');
    json_put_string(&over, value);
    buf_put_str(&over, "}}");
    struct span out = reg_metadata_merge(meta, buf_span(&over), a);
    buf_free(&over);
    return out;
}

bool reg_metadata_property(struct span meta, struct span key, struct arena *a,
                           struct span *value)
{
    const struct json *j =
        json_member_span(json_member(tree(meta, a), "properties"), key);

    if (j != NULL)
        *value = j->text;
    return j != NULL;
}

/* Rules. */

static const struct member rule[] = {{"name", TEXT},
                                     {"doc", TEXT},
                                     {"kind", TEXT},
                                     {"mode", TEXT},
                                     {"type", TEXT},
                                     {"tags", TEXT_SET},
                                     {"params", TEXT_MAP},
                                     {"expr", TEXT},
                                     {"onSuccess", TEXT},
                                     {"onFailure", TEXT},
                                     {0}};

static const struct group {
    const char *name, *modes; // each mode with a blank before and behind it
} groups[] = {
    {"migrationRules", " UPGRADE DOWNGRADE UPDOWN "},
    {"domainRules", " WRITE READ WRITEREAD "},
    {"encodingRules", " WRITE READ WRITEREAD "},
};

#define GROUPS (sizeof groups / sizeof *groups)

static bool is_one_of(const struct json *j, const char *words)
{
    char word[32];

    if (!json_is(j, JSON_STRING) || j->text.n + 3 > sizeof word)
        return false;
    word[0] = ' ';
    memcpy(word + 1, j->text.p, j->text.n);
    memcpy(word + 1 + j->text.n, " ", 2);
    return strstr(words, word) != NULL;
}

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && c != '_' && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return s.n > 0 && s.n <= NAME_MOST;
}

static enum err_kind check_rule(const struct json *j, const struct group *g,
                                struct err *e)
{
    static const struct member disabled[] = {{"disabled", FLAG}, {0}};
    const struct json *name = json_member(j, "name"), *kind = json_member(j, "kind");

    if (!json_is(j, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "found %s, wanted object",
                       json_kind_name(j->kind));
    TRY(check_shapes(j, rule, e));
    TRY(check_shapes(j, disabled, e));
    if (!json_is(name, JSON_STRING) || !is_name(name->text))
        return err_set(e, ERR_INVALID,
                       "name: wanted a letter or _, then letters, digits, _ and -");
    if (!is_one_of(json_member(j, "mode"), g->modes))
        return err_set(e, ERR_INVALID, "mode of \"" SPAN_FMT "\": wanted one of%s",
                       SPAN_ARG(name->text), g->modes);
    if (says_something(kind) && !is_one_of(kind, " TRANSFORM CONDITION "))
        return err_set(e, ERR_INVALID,
                       "kind of \"" SPAN_FMT "\": wanted TRANSFORM or CONDITION",
                       SPAN_ARG(name->text));
    if (!says_something(json_member(j, "type")))
        return err_set(e, ERR_INVALID, "type of \"" SPAN_FMT "\" is missing",
                       SPAN_ARG(name->text));
    return ERR_OK;
}

static const struct json *rule_named(const struct json *group, struct span name)
{
    for (const struct json *r = json_is(group, JSON_ARRAY) ? group->first : NULL;
         r != NULL; r = r->next)
        if (json_is(json_member(r, "name"), JSON_STRING) &&
            span_eq(json_member(r, "name")->text, name))
            return r;
    return NULL;
}

static enum err_kind check_group(const struct json *rules, const struct group *g,
                                 struct err *e)
{
    const struct json *group = json_member(rules, g->name);

    if (!says_something(group))
        return ERR_OK;
    if (!json_is(group, JSON_ARRAY) || group->n > RULES_MOST)
        return err_set(e, ERR_INVALID, "%s: wanted an array of at most %d rules",
                       g->name, RULES_MOST);
    for (const struct json *r = group->first; r != NULL; r = r->next) {
        if (check_rule(r, g, e) != ERR_OK)
            return err_prefix(e, "%s", g->name);
        struct span name = json_member(r, "name")->text;
        if (rule_named(group, name) != r)
            return err_set(e, ERR_INVALID, "%s: two rules \"" SPAN_FMT "\"", g->name,
                           SPAN_ARG(name));
    }
    return ERR_OK;
}

static enum err_kind check_rules(const struct json *j, struct err *e)
{
    const struct json *at = json_member(j, "enableAt");

    for (size_t i = 0; i < GROUPS; i++)
        TRY(check_group(j, &groups[i], e));
    if (says_something(at) && !is_one_of(at, " ALL CLIENT GATEWAY SERVER NONE "))
        return err_set(e, ERR_INVALID,
                       "enableAt: wanted ALL, CLIENT, GATEWAY, SERVER or NONE");
    return ERR_OK;
}

static void put_rule(struct buf *out, const struct json *r, struct arena *a)
{
    buf_put_u8(out, '{');
    put_members(out, NULL, r, rule, a);
    buf_printf(out, ",\"disabled\":%s}",
               json_is(json_member(r, "disabled"), JSON_TRUE) ? "true" : "false");
}

struct leave { // names of rules that are left out
    const struct span *names;
    size_t n;
};

static bool is_left(const struct leave *leave, struct span name)
{
    for (size_t i = 0; leave != NULL && i < leave->n; i++)
        if (span_eq(leave->names[i], name))
            return true;
    return false;
}

/* The rules of `under` that `over` does not replace, then those of `over`. */
static size_t put_group(struct buf *out, const struct json *under,
                        const struct json *over, const struct leave *leave,
                        struct arena *a)
{
    size_t n = 0;

    for (const struct json *r = says_something(under) ? under->first : NULL; r != NULL;
         r = r->next) {
        struct span name = json_member(r, "name")->text;
        if (rule_named(over, name) != NULL || is_left(leave, name))
            continue;
        buf_put_str(out, n++ > 0 ? "," : "");
        put_rule(out, r, a);
    }
    for (const struct json *r = says_something(over) ? over->first : NULL; r != NULL;
         r = r->next) {
        buf_put_str(out, n++ > 0 ? "," : "");
        put_rule(out, r, a);
    }
    return n;
}

static struct span write_rules(const struct json *under, const struct json *over,
                               const struct leave *leave, struct arena *a)
{
    static const struct member enable[] = {{"enableAt", TEXT}, {0}};
    struct buf out = BUF_INIT(SIZE_MAX / 2), part = BUF_INIT(SIZE_MAX / 2);
    const char *comma = "";

    buf_put_u8(&out, '{');
    for (size_t i = 0; i < GROUPS; i++) {
        buf_reset(&part);
        if (put_group(&part, json_member(under, groups[i].name),
                      json_member(over, groups[i].name), leave, a) == 0)
            continue;
        buf_printf(&out, "%s\"%s\":[", comma, groups[i].name);
        buf_put(&out, buf_span(&part));
        buf_put_u8(&out, ']');
        comma = ",";
    }
    buf_reset(&part);
    put_members(&part, under, over, enable, a);
    if (part.n > 0) {
        buf_put_str(&out, comma);
        buf_put(&out, buf_span(&part));
    }
    buf_free(&part);
    return kept(&out, a);
}

enum err_kind reg_rules_tidy(struct span *out, struct span json, struct arena *a,
                             struct err *e)
{
    const struct json *j = NULL;

    *out = (struct span){0};
    if (json.n == 0)
        return ERR_OK;
    if (reg_object_read(&j, json, a, e) != ERR_OK || check_rules(j, e) != ERR_OK)
        return err_prefix(e, "ruleSet");
    *out = write_rules(NULL, j, NULL, a);
    return ERR_OK;
}

static const struct json *sound_rules(struct span text, struct arena *a)
{
    const struct json *j = tree(text, a);
    struct err e = {0};

    return j != NULL && check_rules(j, &e) == ERR_OK ? j : NULL;
}

struct span reg_rules_merge(struct span under, struct span over, struct arena *a)
{
    return write_rules(sound_rules(under, a), sound_rules(over, a), NULL, a);
}

struct span reg_rules_without(struct span rules, const struct span *names, size_t n,
                              struct arena *a)
{
    const struct leave leave = {names, n};

    return write_rules(sound_rules(rules, a), NULL, &leave, a);
}

bool reg_rules_use(struct span rules, struct span type, struct arena *a)
{
    const struct json *j = tree(rules, a);

    for (size_t i = 0; i < GROUPS; i++) {
        const struct json *group = json_member(j, groups[i].name);

        for (const struct json *r = says_something(group) ? group->first : NULL;
             r != NULL; r = r->next)
            if (json_is(json_member(r, "type"), JSON_STRING) &&
                span_eq(json_member(r, "type")->text, type))
                return true;
    }
    return false;
}

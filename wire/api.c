#include "wire/api.h"

#include <strings.h>

/* How a member of a body is read, and how it is written. */
enum row_kind {
    ROW_TEXT,  // struct span
    ROW_INT32, // int32_t from -1; not above 0 is absent
    ROW_NEXT,  // the same, but -1 is kept
    ROW_INT64, // int64_t, 0 is absent
    ROW_SAID,  // enum api_said
    ROW_JSON,  // struct span: the value's JSON, whatever it is; null is absent
    ROW_REFS,  // api_schema.references
};

struct row {
    const char *name;
    enum row_kind kind;
    size_t at;
};

#define ROW(name_, kind_, of, member)      \
    {                                      \
        name_, kind_, offsetof(of, member) \
    }

static const struct row reference_rows[] = {
    ROW("name", ROW_TEXT, struct api_reference, name),
    ROW("subject", ROW_TEXT, struct api_reference, subject),
    ROW("version", ROW_INT32, struct api_reference, version),
    {0},
};

static const struct row schema_rows[] = {
    ROW("subject", ROW_TEXT, struct api_schema, subject),
    ROW("version", ROW_NEXT, struct api_schema, version),
    ROW("id", ROW_INT32, struct api_schema, id),
    ROW("md5", ROW_TEXT, struct api_schema, md5),
    ROW("guid", ROW_TEXT, struct api_schema, guid),
    ROW("schemaType", ROW_TEXT, struct api_schema, type),
    ROW("references", ROW_REFS, struct api_schema, references),
    ROW("metadata", ROW_JSON, struct api_schema, metadata),
    ROW("ruleSet", ROW_JSON, struct api_schema, rules),
    ROW("schema", ROW_TEXT, struct api_schema, schema),
    ROW("schemaTags", ROW_JSON, struct api_schema, tags),
    ROW("ts", ROW_INT64, struct api_schema, ts),
    ROW("deleted", ROW_SAID, struct api_schema, deleted),
    ROW("maxId", ROW_INT64, struct api_schema, max_id),
    {0},
};

static const struct row error_rows[] = {
    ROW("error_code", ROW_INT64, struct api_error, code),
    ROW("message", ROW_TEXT, struct api_error, message),
    {0},
};

static const struct row place_rows[] = {
    ROW("subject", ROW_TEXT, struct api_place, subject),
    ROW("version", ROW_INT32, struct api_place, version),
    {0},
};

#define BODY_DEPTH 100

static enum err_kind read_json(const struct json **out, struct span body,
                               struct arena *a, struct err *e)
{
    static const struct json_limits limits = {.depth = BODY_DEPTH};

    return json_read(out, body, &limits, a, e);
}

static enum err_kind wanted(const struct json *j, const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "found %s, wanted %s", json_kind_name(j->kind),
                   what);
}

/* The value's text without white space. */
static struct span compact(const struct json *j, struct arena *a)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2);

    json_put(&b, j);
    struct span kept = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return kept;
}

static enum err_kind read_members(void *out, const struct json *j,
                                  const struct row *rows, struct arena *a,
                                  struct err *e);

static enum err_kind read_references(struct api_schema *out, const struct json *j,
                                     struct arena *a, struct err *e)
{
    if (!json_is(j, JSON_ARRAY))
        return wanted(j, "array", e);
    if (j->n > API_REFERENCES_MOST)
        return err_set(e, ERR_LIMIT, "%zu references, at most %d", j->n,
                       API_REFERENCES_MOST);

    struct api_reference *refs = arena_array(a, j->n, sizeof *refs);
    size_t n = 0;
    for (const struct json *r = j->first; r != NULL; r = r->next, n++)
        if (read_members(&refs[n], r, reference_rows, a, e) != ERR_OK)
            return err_prefix(e, "%zu", n);
    out->references = refs;
    out->n_references = n;
    return ERR_OK;
}

static enum err_kind read_member(void *out, const struct json *j, const struct row *row,
                                 struct arena *a, struct err *e)
{
    void *at = (char *)out + row->at;
    int64_t n = 0;

    switch (row->kind) {
    case ROW_TEXT:
        if (!json_is(j, JSON_STRING))
            return wanted(j, "string", e);
        *(struct span *)at = j->text;
        return ERR_OK;
    case ROW_INT32:
        TRY(json_int(&n, j, -1, INT32_MAX, e));
        *(int32_t *)at = n > 0 ? (int32_t)n : 0;
        return ERR_OK;
    case ROW_NEXT:
        TRY(json_int(&n, j, -1, INT32_MAX, e));
        *(int32_t *)at = (int32_t)n;
        return ERR_OK;
    case ROW_INT64: return json_int(at, j, INT64_MIN, INT64_MAX, e);
    case ROW_SAID:
        if (!json_is(j, JSON_TRUE) && !json_is(j, JSON_FALSE))
            return wanted(j, "true or false", e);
        *(enum api_said *)at = json_is(j, JSON_TRUE) ? API_YES : API_NO;
        return ERR_OK;
    case ROW_JSON: *(struct span *)at = compact(j, a); return ERR_OK;
    case ROW_REFS: return read_references(out, j, a, e);
    }
    return ERR_OK;
}

/* Reads each member of `j` that a row names into *out; null is as good as absent. */
static enum err_kind read_members(void *out, const struct json *j,
                                  const struct row *rows, struct arena *a,
                                  struct err *e)
{
    if (!json_is(j, JSON_OBJECT))
        return wanted(j, "object", e);
    for (; rows->name != NULL; rows++) {
        const struct json *m = json_member(j, rows->name);

        if (m == NULL || json_is(m, JSON_NULL))
            continue;
        if (read_member(out, m, rows, a, e) != ERR_OK)
            return err_prefix(e, "%s", rows->name);
    }
    return ERR_OK;
}

static void put_members(struct buf *out, const void *from, const struct row *rows);

static void put_references(struct buf *out, const struct api_schema *s)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < s->n_references; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_members(out, &s->references[i], reference_rows);
    }
    buf_put_u8(out, ']');
}

static bool is_absent(const void *from, const struct row *row)
{
    const void *at = (const char *)from + row->at;

    switch (row->kind) {
    case ROW_TEXT:
    case ROW_JSON: return ((const struct span *)at)->n == 0;
    case ROW_INT32:
    case ROW_NEXT: return *(const int32_t *)at <= 0;
    case ROW_INT64: return *(const int64_t *)at == 0;
    case ROW_SAID: return *(const enum api_said *)at == API_UNSAID;
    case ROW_REFS: return ((const struct api_schema *)from)->n_references == 0;
    }
    return true;
}

static void put_value(struct buf *out, const void *from, const struct row *row)
{
    const void *at = (const char *)from + row->at;

    switch (row->kind) {
    case ROW_TEXT: json_put_string(out, *(const struct span *)at); break;
    case ROW_JSON: buf_put(out, *(const struct span *)at); break;
    case ROW_INT32:
    case ROW_NEXT: json_put_int(out, *(const int32_t *)at); break;
    case ROW_INT64: json_put_int(out, *(const int64_t *)at); break;
    case ROW_SAID:
        buf_put_str(out, *(const enum api_said *)at == API_YES ? "true" : "false");
        break;
    case ROW_REFS: put_references(out, from); break;
    }
}

static void put_members(struct buf *out, const void *from, const struct row *rows)
{
    bool first = true;

    buf_put_u8(out, '{');
    for (; rows->name != NULL; rows++) {
        if (is_absent(from, rows))
            continue;
        if (!first)
            buf_put_u8(out, ',');
        first = false;
        json_put_string(out, span_str(rows->name));
        buf_put_u8(out, ':');
        put_value(out, from, rows);
    }
    buf_put_u8(out, '}');
}

enum err_kind api_schema_of(struct api_schema *out, const struct json *j,
                            struct arena *a, struct err *e)
{
    struct api_schema s = {0};

    TRY(read_members(&s, j, schema_rows, a, e));
    *out = s;
    return ERR_OK;
}

enum err_kind api_schema_read(struct api_schema *out, struct span body, struct arena *a,
                              struct err *e)
{
    const struct json *j = NULL;

    TRY(read_json(&j, body, a, e));
    return api_schema_of(out, j, a, e);
}

void api_schema_put(struct buf *out, const struct api_schema *s)
{
    put_members(out, s, schema_rows);
}

static const char *const config_names[API_CONFIG_MEMBERS] = {
    [API_ALIAS] = "alias",
    [API_ALIAS_FOR_DEKS] = "aliasForDeks",
    [API_NORMALIZE] = "normalize",
    [API_VALIDATE_FIELDS] = "validateFields",
    [API_VALIDATE_NEW_SCHEMAS] = "validateNewSchemas",
    [API_VALIDATE_RULES] = "validateRules",
    [API_LEVEL] = "compatibilityLevel",
    [API_POLICY] = "compatibilityPolicy",
    [API_GROUP] = "compatibilityGroup",
    [API_DEFAULT_METADATA] = "defaultMetadata",
    [API_OVERRIDE_METADATA] = "overrideMetadata",
    [API_DEFAULT_RULES] = "defaultRuleSet",
    [API_OVERRIDE_RULES] = "overrideRuleSet",
};

static const char level_set_name[] = "compatibility";

const char *api_config_name(enum api_config_member m)
{
    return config_names[m];
}

void api_config_of(struct api_config *out, const struct json *j, struct arena *a)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++) {
        const struct json *v = json_member(j, config_names[m]);

        if (v == NULL && m == API_LEVEL)
            v = json_member(j, level_set_name);
        out->member[m] = v != NULL ? compact(v, a) : (struct span){0};
    }
}

enum err_kind api_config_read(struct api_config *out, struct span body, struct arena *a,
                              struct err *e)
{
    const struct json *j = NULL;

    TRY(read_json(&j, body, a, e));
    if (!json_is(j, JSON_OBJECT))
        return wanted(j, "object", e);
    api_config_of(out, j, a);
    return ERR_OK;
}

static bool is_null(struct span json)
{
    return span_eq(json, span_str("null"));
}

static bool is_set(struct span json)
{
    return json.n > 0 && !is_null(json);
}

void api_config_put_members(struct buf *out, const struct api_config *c,
                            enum api_config_style style, bool first)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++) {
        if (!is_set(c->member[m]))
            continue;
        if (!first)
            buf_put_u8(out, ',');
        first = false;
        json_put_string(out, span_str(m == API_LEVEL && style == API_CONFIG_SET
                                          ? level_set_name
                                          : config_names[m]));
        buf_put_u8(out, ':');
        buf_put(out, c->member[m]);
    }
}

void api_config_put(struct buf *out, const struct api_config *c,
                    enum api_config_style style)
{
    buf_put_u8(out, '{');
    api_config_put_members(out, c, style, true);
    buf_put_u8(out, '}');
}

bool api_config_is_empty(const struct api_config *c)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++)
        if (is_set(c->member[m]))
            return false;
    return true;
}

void api_config_change(struct api_config *into, const struct api_config *change)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++)
        if (change->member[m].n > 0)
            into->member[m] =
                is_null(change->member[m]) ? (struct span){0} : change->member[m];
}

void api_config_inherit(struct api_config *into, const struct api_config *wider)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++)
        if (!is_set(into->member[m]))
            into->member[m] = wider->member[m];
}

bool api_config_level(const struct api_config *c, enum av_level *out)
{
    struct span level = c->member[API_LEVEL];
    struct err e = {0};

    if (level.n < 2 || level.p[0] != '"') // no level has a letter to escape
        return false;
    return av_level_read(out, span_of(level.p + 1, level.n - 2), &e) == ERR_OK;
}

bool api_config_true(const struct api_config *c, enum api_config_member m)
{
    return span_eq(c->member[m], span_str("true"));
}

static const char *const mode_names[] = {
    [API_READWRITE] = "READWRITE",
    [API_READONLY] = "READONLY",
    [API_READONLY_OVERRIDE] = "READONLY_OVERRIDE",
    [API_IMPORT] = "IMPORT",
    [API_FORWARD] = "FORWARD",
};

const char *api_mode_name(enum api_mode m)
{
    return mode_names[m];
}

bool api_mode_of(enum api_mode *out, struct span name)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (name.n == strlen(mode_names[i]) &&
            strncasecmp((const char *)name.p, mode_names[i], name.n) == 0) {
            *out = (enum api_mode)i;
            return true;
        }
    return false;
}

enum err_kind api_mode_read(enum api_mode *out, struct span body, struct arena *a,
                            struct err *e)
{
    const struct json *j = NULL;

    TRY(read_json(&j, body, a, e));
    const struct json *m = json_member(j, "mode");
    if (!json_is(m, JSON_STRING) || !api_mode_of(out, m->text))
        return err_set(e, ERR_INVALID,
                       "mode: wanted READWRITE, READONLY, IMPORT or FORWARD");
    return ERR_OK;
}

void api_mode_put(struct buf *out, enum api_mode m)
{
    buf_printf(out, "{\"mode\":\"%s\"}", mode_names[m]);
}

enum err_kind api_error_read(struct api_error *out, struct span body, struct arena *a,
                             struct err *e)
{
    struct api_error error = {0};
    const struct json *j = NULL;

    TRY(read_json(&j, body, a, e));
    TRY(read_members(&error, j, error_rows, a, e));
    if (error.code == 0)
        return err_set(e, ERR_INVALID, "no error_code in it");
    *out = error;
    return ERR_OK;
}

void api_error_put(struct buf *out, int code, struct span message)
{
    buf_printf(out, "{\"error_code\":%d,\"message\":", code);
    json_put_string(out, message);
    buf_put_u8(out, '}');
}

void api_ints_put(struct buf *out, const int32_t *v, size_t n)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        json_put_int(out, v[i]);
    }
    buf_put_u8(out, ']');
}

void api_texts_put(struct buf *out, const struct span *v, size_t n)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        json_put_string(out, v[i]);
    }
    buf_put_u8(out, ']');
}

void api_places_put(struct buf *out, const struct api_place *v, size_t n)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_members(out, &v[i], place_rows);
    }
    buf_put_u8(out, ']');
}

void api_compat_put(struct buf *out, bool compatible, const struct span *messages,
                    size_t n)
{
    buf_printf(out, "{\"is_compatible\":%s", compatible ? "true" : "false");
    if (messages != NULL) {
        buf_put_str(out, ",\"messages\":");
        api_texts_put(out, messages, n);
    }
    buf_put_u8(out, '}');
}

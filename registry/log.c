#include "registry/log.h"

#include "wire/subject.h"

#define DEPTH 100

static const struct kind {
    const char *name;
    enum reg_event_kind kind;
    int magic;        // the one we write
    bool has_subject; // left out where it is empty
    bool has_version;
} kinds[] = {
    {"SCHEMA", REG_SCHEMA, 1, true, true},
    {"CONFIG", REG_CONFIG, 0, true, false},
    {"MODE", REG_MODE, 0, true, false},
    {"DELETE_SUBJECT", REG_DELETE_SUBJECT, 0, true, false},
    {"CLEAR_SUBJECT", REG_CLEAR_SUBJECT, 0, true, false},
    {"NOOP", REG_NOOP, 0, false, false},
    {"CONTEXT", REG_CONTEXT, 0, false, false},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static const char tenant[] = "default";

static const struct kind *kind_of(enum reg_event_kind k)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == k)
            return &kinds[i];
    return NULL;
}

static const struct kind *kind_named(struct span name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (span_eq(name, span_str(kinds[i].name)))
            return &kinds[i];
    return NULL;
}

enum err_kind reg_object_read(const struct json **out, struct span text,
                              struct arena *a, struct err *e)
{
    static const struct json_limits limits = {.depth = DEPTH};

    TRY(json_read(out, text, &limits, a, e));
    if (!json_is(*out, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "found %s, wanted object",
                       json_kind_name((*out)->kind));
    return ERR_OK;
}

/* A text member; absent and null are empty. */
static enum err_kind read_text(struct span *out, const struct json *j, const char *name,
                               struct err *e)
{
    const struct json *m = json_member(j, name);

    if (m == NULL || json_is(m, JSON_NULL))
        return ERR_OK;
    if (!json_is(m, JSON_STRING))
        return err_set(e, ERR_INVALID, "%s: found %s, wanted string", name,
                       json_kind_name(m->kind));
    *out = m->text;
    return ERR_OK;
}

static enum err_kind read_int(int64_t *out, const struct json *j, const char *name,
                              int64_t min, int64_t max, struct err *e)
{
    const struct json *m = json_member(j, name);

    if (m == NULL)
        return err_set(e, ERR_INVALID, "%s is missing", name);
    if (json_int(out, m, min, max, e) != ERR_OK)
        return err_prefix(e, "%s", name);
    return ERR_OK;
}

static enum err_kind read_version(int32_t *out, const struct json *j, struct err *e)
{
    int64_t version = 0;

    TRY(read_int(&version, j, "version", 1, INT32_MAX, e));
    *out = (int32_t)version;
    return ERR_OK;
}

static enum err_kind read_key(struct reg_event *ev, struct span key, struct arena *a,
                              struct err *e)
{
    const struct json *j = NULL;
    struct span type = {0};
    int64_t magic = 0;

    TRY(reg_object_read(&j, key, a, e));
    TRY(read_text(&type, j, "keytype", e));
    if (type.n == 0)
        return err_set(e, ERR_INVALID, "keytype is missing");

    const struct kind *k = kind_named(type);
    if (k == NULL) {
        ev->kind = REG_FOREIGN;
        return ERR_OK;
    }
    ev->kind = k->kind;
    if (json_member(j, "magic") != NULL)
        TRY(read_int(&magic, j, "magic", 0, 1, e));
    if (k->has_subject)
        TRY(read_text(&ev->subject, j, "subject", e));
    if (k->has_version)
        TRY(read_version(&ev->version, j, e));
    if (ev->kind == REG_CONTEXT)
        TRY(read_text(&ev->context, j, "context", e));
    if (k->has_version && ev->subject.n == 0 &&
        !json_is(json_member(j, "subject"), JSON_STRING))
        return err_set(e, ERR_INVALID, "subject is missing");
    return ERR_OK;
}

static enum err_kind read_schema(struct reg_event *ev, const struct json *j,
                                 struct arena *a, struct err *e)
{
    TRY(api_schema_of(&ev->schema, j, a, e));
    if (ev->schema.id == 0)
        return err_set(e, ERR_INVALID, "id is missing");
    if (!json_is(json_member(j, "schema"), JSON_STRING))
        return err_set(e, ERR_INVALID, "schema is missing");
    return ERR_OK;
}

static enum err_kind read_mode(struct reg_event *ev, const struct json *j,
                               struct err *e)
{
    struct span name = {0};

    TRY(read_text(&name, j, "mode", e));
    if (!api_mode_of(&ev->mode, name))
        return err_set(e, ERR_INVALID, "mode \"" SPAN_FMT "\"", SPAN_ARG(name));
    return ERR_OK;
}

static enum err_kind read_value(struct reg_event *ev, struct span value,
                                struct arena *a, struct err *e)
{
    const struct json *j = NULL;

    if (ev->kind == REG_NOOP || ev->kind == REG_FOREIGN)
        return ERR_OK; // whatever it is
    TRY(reg_object_read(&j, value, a, e));
    switch (ev->kind) {
    case REG_SCHEMA: return read_schema(ev, j, a, e);
    case REG_CONFIG: api_config_of(&ev->config, j, a); return ERR_OK;
    case REG_MODE: return read_mode(ev, j, e);
    case REG_DELETE_SUBJECT: return read_version(&ev->version, j, e);
    default: return ERR_OK;
    }
}

static bool writes_same_key(const struct reg_event *ev, struct span key)
{
    struct buf ours = BUF_INIT(key.n);

    reg_event_put_key(&ours, ev);
    bool same = !ours.over && span_eq(span_of(ours.p, ours.n), key);
    buf_free(&ours);
    return same;
}

enum err_kind reg_event_read(struct reg_event *out, struct span key, struct span value,
                             struct arena *a, struct err *e)
{
    struct reg_event ev = {.gone = value.p == NULL};

    if (key.p == NULL)
        return err_set(e, ERR_INVALID, "a record without a key");
    if (read_key(&ev, key, a, e) != ERR_OK)
        return err_prefix(e, "key");
    if (!ev.gone && read_value(&ev, value, a, e) != ERR_OK)
        return err_prefix(e, "value");
    if (ev.kind != REG_FOREIGN && !writes_same_key(&ev, key))
        ev.odd_key = key;
    *out = ev;
    return ERR_OK;
}

void reg_event_put_key(struct buf *out, const struct reg_event *ev)
{
    const struct kind *k = kind_of(ev->kind);

    if (ev->odd_key.n > 0) {
        buf_put(out, ev->odd_key);
        return;
    }
    buf_printf(out, "{\"keytype\":\"%s\"", k->name);
    if (ev->kind == REG_CONTEXT) {
        buf_printf(out, ",\"tenant\":\"%s\",\"context\":", tenant);
        json_put_string(out, ev->context);
    }
    if (k->has_subject && (ev->subject.n > 0 || ev->kind == REG_SCHEMA)) {
        buf_put_str(out, ",\"subject\":");
        json_put_string(out, ev->subject);
    }
    if (k->has_version)
        buf_printf(out, ",\"version\":%d", (int)ev->version);
    buf_printf(out, ",\"magic\":%d}", k->magic);
}

static void put_schema(struct buf *out, const struct reg_event *ev)
{
    struct api_schema s = ev->schema;

    s.subject = ev->subject;
    s.version = ev->version;
    s.guid = s.tags = (struct span){0}; // answers carry these, records do not
    s.ts = 0;
    s.max_id = 0;
    if (api_is_avro(&s))
        s.type = (struct span){0};
    if (s.deleted == API_UNSAID)
        s.deleted = API_NO;
    api_schema_put(out, &s);
}

/* Opens the object with the subject, where there is one. */
static void put_subject(struct buf *out, struct span subject)
{
    buf_put_u8(out, '{');
    if (subject.n == 0)
        return;
    buf_put_str(out, "\"subject\":");
    json_put_string(out, subject);
}

bool reg_event_put_value(struct buf *out, const struct reg_event *ev)
{
    if (ev->gone || ev->kind == REG_NOOP)
        return false;

    bool first = ev->subject.n == 0;
    switch (ev->kind) {
    case REG_SCHEMA: put_schema(out, ev); break;
    case REG_CONFIG:
        put_subject(out, ev->subject);
        api_config_put_members(out, &ev->config, API_CONFIG_GET, first);
        buf_put_u8(out, '}');
        break;
    case REG_MODE:
        put_subject(out, ev->subject);
        buf_printf(out, "%s\"mode\":\"%s\"}", first ? "" : ",",
                   api_mode_name(ev->mode));
        break;
    case REG_DELETE_SUBJECT:
        put_subject(out, ev->subject);
        buf_printf(out, "%s\"version\":%d}", first ? "" : ",", (int)ev->version);
        break;
    case REG_CONTEXT:
        buf_printf(out, "{\"tenant\":\"%s\",\"context\":", tenant);
        json_put_string(out, ev->context);
        buf_put_u8(out, '}');
        break;
    default:
        put_subject(out, ev->subject);
        buf_put_u8(out, '}');
        break;
    }
    return true;
}

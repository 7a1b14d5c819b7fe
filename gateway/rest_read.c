#include "gateway/rest_read.h"

#include "gateway/ask.h"

#include "avro-core/moment.h"
#include "base/base64.h"
#include "base/tab.h"

#include <stdio.h>

#define DEPTH 128 // of a body; a datum may be nested as deep as the encoder lets it
#define HEADERS_MOST 1000
#define VALUES_MOST 1000000 // of JSON in one request: about 100 bytes of memory each

int rest_status(int code)
{
    if (code < 1000)
        return code;
    if (code == REST_KAFKA_RETRIABLE)
        return 503; // REST Proxy says 500; that nothing was written is worth a status
    return code / 100;
}

/* ---- content types ---- */

bool rest_content_type(struct span type, enum rest_format *f, struct err *e)
{
    static const struct {
        const char *type;
        enum rest_format format;
    } types[] = {{"application/vnd.kafka.avro.v2+json", REST_AVRO},
                 {"application/vnd.kafka.json.v2+json", REST_JSON},
                 {"application/vnd.kafka.binary.v2+json", REST_BINARY},
                 {"application/vnd.kafka.v2+json", REST_BINARY},
                 {"application/json", REST_BINARY},
                 {"application/vnd.kafka.avro.v1+json", REST_AVRO},
                 {"application/vnd.kafka.json.v1+json", REST_JSON},
                 {"application/vnd.kafka.binary.v1+json", REST_BINARY},
                 {"application/vnd.kafka.v1+json", REST_BINARY}};

    if (ask_bare_type(&type, e) != ERR_OK)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (http_same(type, span_str(types[i].type))) {
            *f = types[i].format;
            return true;
        }
    err_set(e, ERR_INVALID,
            "content type \"" SPAN_FMT "\", wanted application/vnd.kafka.avro.v2+json, "
            "...json.v2+json or ...binary.v2+json",
            SPAN_ARG(type));
    return false;
}

bool rest_is_json(struct span type, struct err *e)
{
    if (ask_bare_type(&type, e) != ERR_OK)
        return false;
    if (http_same(type, span_str("application/json")))
        return true;
    err_set(e, ERR_INVALID, "content type \"" SPAN_FMT "\", wanted application/json",
            SPAN_ARG(type));
    return false;
}

static bool accepts(struct span accept, const char *type)
{
    size_t n = strlen(type);

    for (size_t i = 0; i + n <= accept.n; i++)
        if (http_same(span_of(accept.p + i, n), span_of(type, n)))
            return true;
    return false;
}

const char *rest_answer_type(struct span accept)
{
    static const char *const types[] = {"application/vnd.kafka.v2+json",
                                        "application/vnd.kafka.v1+json",
                                        "application/json"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (accepts(accept, types[i]))
            return types[i];
    return types[0];
}

/* ---- parts both versions have ---- */

static enum err_kind refuse(int *code, int which, enum err_kind kind)
{
    *code = which;
    return kind;
}

static bool is_there(const struct json *j)
{
    return j != NULL && j->kind != JSON_NULL;
}

static enum err_kind wrong_kind(const struct json *j, const char *wanted, struct err *e)
{
    return err_set(e, ERR_INVALID, "%.*s: %s, wanted %s", (int)j->name.n,
                   (const char *)j->name.p, json_kind_name(j->kind), wanted);
}

/* A number from `min` to the largest int; absent leaves *out. */
static enum err_kind take_int(int32_t *out, const struct json *obj, const char *name,
                              int32_t min, struct err *e)
{
    const struct json *j = json_member(obj, name);
    int64_t v;

    if (!is_there(j))
        return ERR_OK;
    if (json_int(&v, j, min, INT32_MAX, e) != ERR_OK)
        return err_prefix(e, "%s", name);
    *out = (int32_t)v;
    return ERR_OK;
}

static enum err_kind take_text(struct span *out, const struct json *obj,
                               const char *name, struct err *e)
{
    const struct json *j = json_member(obj, name);

    if (!is_there(j))
        return ERR_OK;
    if (j->kind != JSON_STRING)
        return wrong_kind(j, "a string", e);
    *out = j->text.n > 0 ? j->text : span_str("");
    return ERR_OK;
}

static enum err_kind read_object(const struct json **out, struct span body,
                                 struct arena *a, int *code, struct err *e)
{
    const struct json_limits lim = {.depth = DEPTH, .values = VALUES_MOST};

    if (json_is_blank(body)) {
        *code = REST_INVALID_PAYLOAD;
        return err_set(e, ERR_INVALID, "the body is empty");
    }
    enum err_kind rc = json_read(out, body, &lim, a, e);
    if (rc != ERR_OK)
        return refuse(code, rc == ERR_LIMIT ? REST_TOO_LARGE : REST_BAD_REQUEST, rc);
    if ((*out)->kind == JSON_OBJECT)
        return ERR_OK;
    *code = REST_UNPROCESSABLE;
    return err_set(e, ERR_INVALID, "the body is no object but %s",
                   json_kind_name((*out)->kind));
}

/* ---- v2 ---- */

static enum err_kind read_ref_v2(struct rest_ref *out, bool *has,
                                 const struct json *body, const char *text,
                                 const char *id, struct err *e)
{
    TRY(take_text(&out->text, body, text, e));
    TRY(take_int(&out->id, body, id, 1, e));
    *has = out->text.p != NULL || out->id != 0;
    if (out->text.p != NULL && out->id != 0)
        return err_set(e, ERR_INVALID, "%s and %s are both given", text, id);
    return ERR_OK;
}

static struct rest_datum datum_v2(enum rest_format f, const struct json *value,
                                  struct span body, const struct rest_ref *ref)
{
    return (struct rest_datum){
        .given = true, .format = f, .value = value, .text = body, .ref = *ref};
}

static enum err_kind read_record_v2(struct rest_body *b, enum rest_format f,
                                    struct span body, const struct json *j, int *code,
                                    struct err *e)
{
    struct rest_record *r = &b->records[b->n];

    r->extra.partition = -1;
    *code = REST_UNPROCESSABLE;
    if (j->kind != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%s, wanted an object", json_kind_name(j->kind));
    TRY(take_int(&r->extra.partition, j, "partition", 0, e));
    r->key = datum_v2(f, json_member(j, "key"), body, &b->key_ref);
    r->value = datum_v2(f, json_member(j, "value"), body, &b->value_ref);
    if (f != REST_AVRO)
        return ERR_OK;
    if (is_there(r->key.value) && !b->has_key_ref) {
        *code = REST_KEY_SCHEMA_MISSING;
        return err_set(
            e, ERR_INVALID,
            "it has a key, and neither key_schema nor key_schema_id is given");
    }
    if (is_there(r->value.value) && !b->has_value_ref) {
        *code = REST_VALUE_SCHEMA_MISSING;
        return err_set(
            e, ERR_INVALID,
            "it has a value, and neither value_schema nor value_schema_id is given");
    }
    return ERR_OK;
}

static enum err_kind count_records(const struct json *list, const char *name,
                                   size_t most, int *code, struct err *e)
{
    *code = REST_UNPROCESSABLE;
    if (!is_there(list) || list->kind != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "%s: wanted an array of records", name);
    if (list->n == 0)
        return err_set(e, ERR_INVALID, "%s: there is no record in it", name);
    if (list->n <= most)
        return ERR_OK;
    *code = REST_TOO_LARGE;
    return err_set(e, ERR_LIMIT, "more than %zu records in one request", most);
}

enum err_kind rest_read_v2(struct rest_body *out, enum rest_format f, struct span body,
                           const struct rest_limits *lim, struct arena *a, int *code,
                           struct err *e)
{
    const struct json *root = NULL;

    *out = (struct rest_body){.key_ref.strategy = lim->strategy,
                              .value_ref.strategy = lim->strategy};
    TRY(read_object(&root, body, a, code, e));
    *code = REST_UNPROCESSABLE;
    TRY(read_ref_v2(&out->key_ref, &out->has_key_ref, root, "key_schema",
                    "key_schema_id", e));
    TRY(read_ref_v2(&out->value_ref, &out->has_value_ref, root, "value_schema",
                    "value_schema_id", e));
    const struct json *list = json_member(root, "records");
    TRY(count_records(list, "records", lim->records, code, e));
    out->records = arena_array(a, list->n, sizeof *out->records);
    for (const struct json *j = list->first; j != NULL; j = j->next) {
        enum err_kind rc = read_record_v2(out, f, body, j, code, e);
        if (rc != ERR_OK)
            return err_prefix(e, "record %zu", out->n);
        out->n++;
    }
    return ERR_OK;
}

/* ---- v3 ---- */

static enum err_kind read_format(enum rest_format *out, struct span name, struct err *e)
{
    static const struct {
        const char *name;
        enum rest_format format;
    } formats[] = {{"BINARY", REST_BINARY},
                   {"JSON", REST_JSON},
                   {"STRING", REST_STRING},
                   {"AVRO", REST_AVRO}};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (span_eq(name, span_str(formats[i].name))) {
            *out = formats[i].format;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "type \"" SPAN_FMT "\", wanted AVRO, BINARY, JSON or STRING",
                   SPAN_ARG(name));
}

/* REST Proxy's rules for what may stand beside what. */
static enum err_kind check_ref(const struct rest_ref *r, enum rest_format type,
                               bool has_strategy, struct err *e)
{
    int how = (r->id != 0) + (r->version != 0) + (r->text.p != NULL);

    if (how > 1)
        return err_set(e, ERR_INVALID,
                       "more than one of schema_id, schema_version and schema");
    if (r->subject.n > 0 && has_strategy)
        return err_set(e, ERR_INVALID,
                       "subject and subject_name_strategy are both given");
    if (type != REST_NONE && type != REST_AVRO &&
        (how > 0 || r->subject.n > 0 || has_strategy))
        return err_set(e, ERR_INVALID, "a schema is given, and a type that has none");
    if (type == REST_AVRO && (r->id != 0 || r->version != 0))
        return err_set(e, ERR_INVALID,
                       "with type AVRO only schema may say which; schema_id and "
                       "schema_version know their type");
    if (type == REST_NONE && r->text.p != NULL)
        return err_set(e, ERR_INVALID, "schema is given without type");
    return ERR_OK;
}

static enum err_kind read_datum(struct rest_datum *out, const struct json *record,
                                const char *name, struct span text,
                                const struct rest_limits *lim, struct err *e)
{
    const struct json *j = json_member(record, name);
    struct span type = {0}, strategy = {0};
    struct rest_ref *r = &out->ref;

    if (!is_there(j))
        return ERR_OK;
    if (j->kind != JSON_OBJECT)
        return wrong_kind(j, "an object", e);
    *out =
        (struct rest_datum){.given = true, .text = text, .ref.strategy = lim->strategy};
    TRY(take_text(&type, j, "type", e));
    TRY(take_text(&strategy, j, "subject_name_strategy", e));
    TRY(take_text(&r->subject, j, "subject", e));
    TRY(take_text(&r->text, j, "schema", e));
    TRY(take_int(&r->id, j, "schema_id", 1, e));
    TRY(take_int(&r->version, j, "schema_version", 1, e));
    if (type.p != NULL)
        TRY(read_format(&out->format, type, e));
    if (strategy.p != NULL)
        TRY(subject_strategy_read(&r->strategy, strategy, e));
    TRY(check_ref(r, out->format, strategy.p != NULL, e));
    if (out->format == REST_NONE)
        out->format = REST_AVRO; // as the registry says
    out->value = json_member(j, "data");
    return ERR_OK;
}

static enum err_kind read_header(struct kf_header *out, const struct json *j,
                                 struct arena *a, struct err *e)
{
    struct span name = {0}, value = {0};

    if (j->kind != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%s, wanted an object", json_kind_name(j->kind));
    TRY(take_text(&name, j, "name", e));
    TRY(take_text(&value, j, "value", e));
    if (name.p == NULL || memchr(name.p, '\0', name.n) != NULL)
        return err_set(e, ERR_INVALID, "name: wanted a text without NUL");
    out->name = arena_str(a, name);
    if (value.p == NULL)
        return ERR_OK;
    uint8_t *bytes = arena_alloc(a, BASE64_ROOM(value.n) + 1);
    size_t n = 0;
    if (!base64_read(bytes, &n, value))
        return err_set(e, ERR_INVALID, "value: \"" SPAN_FMT "\" is no base64",
                       SPAN_ARG(value));
    out->value = span_of(bytes, n);
    return ERR_OK;
}

static enum err_kind read_headers(struct kf_record *out, const struct json *list,
                                  struct arena *a, struct err *e)
{
    if (!is_there(list))
        return ERR_OK;
    if (list->kind != JSON_ARRAY)
        return wrong_kind(list, "an array", e);
    if (list->n > HEADERS_MOST)
        return err_set(e, ERR_LIMIT, "%zu headers, at most %d are taken", list->n,
                       HEADERS_MOST);
    struct kf_header *all = arena_array(a, list->n + 1, sizeof *all);
    out->headers = all; // with as many as were read, whatever the next one is
    for (const struct json *j = list->first; j != NULL; j = j->next) {
        if (read_header(&all[out->n_headers], j, a, e) != ERR_OK)
            return err_prefix(e, "header %zu", out->n_headers);
        out->n_headers++;
    }
    return ERR_OK;
}

static enum err_kind read_timestamp(int64_t *ms, const struct json *record,
                                    struct err *e)
{
    struct span text = {0};

    TRY(take_text(&text, record, "timestamp", e));
    if (text.p == NULL)
        return ERR_OK;
    if (moment_instant(ms, text, 1000, false) != MOMENT_FITS || *ms <= 0)
        return err_set(e, ERR_INVALID,
                       "timestamp \"" SPAN_FMT
                       "\", wanted one of RFC 3339 after 1970, in "
                       "milliseconds: 2026-11-20T09:30:00.123Z",
                       SPAN_ARG(text));
    return ERR_OK;
}

static enum err_kind read_parts(struct rest_record *r, const struct json *j,
                                struct span text, const struct rest_limits *lim,
                                struct arena *a, struct err *e)
{
    if (j->kind != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%s, wanted an object", json_kind_name(j->kind));
    TRY(take_int(&r->extra.partition, j, "partition_id", 0, e));
    TRY(read_headers(&r->extra, json_member(j, "headers"), a, e));
    TRY(read_timestamp(&r->extra.timestamp_ms, j, e));
    if (read_datum(&r->key, j, "key", text, lim, e) != ERR_OK)
        return err_prefix(e, "key");
    if (read_datum(&r->value, j, "value", text, lim, e) != ERR_OK)
        return err_prefix(e, "value");
    return ERR_OK;
}

static void blame(struct rest_record *r, int code, struct arena *a, const struct err *e)
{
    r->code = code;
    r->why = arena_copy(a, span_str(e->msg));
}

static void read_record_v3(struct rest_record *r, const struct json *j,
                           struct span text, const struct rest_limits *lim,
                           struct arena *a)
{
    struct err e = {0};

    r->extra.partition = -1;
    enum err_kind rc = read_parts(r, j, text, lim, a, &e);
    if (rc != ERR_OK)
        blame(r, rc == ERR_LIMIT ? REST_TOO_LARGE : REST_BAD_REQUEST, a, &e);
}

bool rest_cut(struct rest_cut *c, struct span body)
{
    while (c->at < body.n) {
        uint8_t b = body.p[c->at++];

        if (c->escaped) {
            c->escaped = false;
        } else if (c->quoted) {
            c->escaped = b == '\\';
            c->quoted = b != '"';
            if (b == '\n')
                return true;
        } else if (b == '"') {
            c->quoted = true;
        } else if (b == '{' || b == '[') {
            c->depth++;
        } else if ((b == '}' || b == ']') && c->depth-- <= 1) {
            return true;
        }
    }
    return false;
}

/* Where the value ends that begins at `at`: its last brace, or the end of all. */
static size_t end_of_value(struct span body, size_t at)
{
    struct rest_cut c = {.at = at};

    return rest_cut(&c, body) ? c.at : body.n;
}

static bool next_value(struct span body, size_t *at, struct span *out)
{
    while (*at < body.n && memchr(" \t\r\n", body.p[*at], 4) != NULL)
        ++*at;
    size_t end = end_of_value(body, *at);
    *out = span_of(body.p + *at, end - *at);
    *at = end;
    return out->n > 0;
}

static size_t count_values(struct span body, size_t most)
{
    struct span value;
    size_t n = 0;

    for (size_t at = 0; n <= most && next_value(body, &at, &value);)
        n++;
    return n;
}

enum err_kind rest_read_v3(struct rest_body *out, struct span body,
                           const struct rest_limits *lim, struct arena *a, int *code,
                           struct err *e)
{
    size_t n = count_values(body, lim->records), at = 0, before = a->used;
    struct span text;

    *out = (struct rest_body){0};
    if (n == 0) {
        *code = REST_INVALID_PAYLOAD;
        return err_set(e, ERR_INVALID, "the body is empty");
    }
    if (n > lim->records) {
        *code = REST_TOO_LARGE;
        return err_set(e, ERR_LIMIT, "more than %zu records in one request",
                       lim->records);
    }
    out->records = arena_array(a, n, sizeof *out->records);
    while (next_value(body, &at, &text)) {
        struct rest_record *r = &out->records[out->n++];
        size_t used = (a->used - before) / sizeof(struct json);
        const struct json_limits left = {
            .depth = DEPTH, .values = used < VALUES_MOST ? VALUES_MOST - used : 1};
        const struct json *j = NULL;
        struct err broken = {0};

        enum err_kind rc = json_read(&j, text, &left, a, &broken);
        if (rc != ERR_OK) {
            blame(r, rc == ERR_LIMIT ? REST_TOO_LARGE : REST_BAD_REQUEST, a, &broken);
            if (lim->go_on)
                continue;
            break; // where the next one begins nobody knows
        }
        read_record_v3(r, j, text, lim, a);
    }
    return ERR_OK;
}

static enum err_kind read_id(struct span *out, const struct json *entry,
                             struct tab *ids, struct err *e)
{
    struct span id = {0};

    if (entry->kind != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "%s, wanted an object",
                       json_kind_name(entry->kind));
    TRY(take_text(&id, entry, "id", e));
    if (id.n == 0 || id.n > REST_BATCH_ID_MOST)
        return err_set(e, ERR_INVALID, "id: wanted 1 to %d characters",
                       REST_BATCH_ID_MOST);
    if (tab_put(ids, id, ids) != NULL)
        return err_set(e, ERR_INVALID, "id \"" SPAN_FMT "\" stands twice",
                       SPAN_ARG(id));
    *out = id;
    return ERR_OK;
}

static enum err_kind read_entries(struct rest_body *out, const struct json *list,
                                  struct span body, const struct rest_limits *lim,
                                  struct arena *a, struct tab *ids, struct err *e)
{
    for (const struct json *j = list->first; j != NULL; j = j->next, out->n++) {
        struct rest_record *r = &out->records[out->n];

        if (read_id(&r->id, j, ids, e) != ERR_OK)
            return err_prefix(e, "entry %zu", out->n);
        read_record_v3(r, j, body, lim, a);
    }
    return ERR_OK;
}

enum err_kind rest_read_batch(struct rest_body *out, struct span body,
                              const struct rest_limits *lim, struct arena *a, int *code,
                              struct err *e)
{
    const struct json *root = NULL;
    struct tab ids = {0};

    *out = (struct rest_body){0};
    TRY(read_object(&root, body, a, code, e));
    const struct json *list = json_member(root, "entries");
    enum err_kind rc = count_records(list, "entries", REST_BATCH_MOST, code, e);
    *code = REST_INVALID_BATCH;
    if (rc != ERR_OK)
        return rc;
    out->records = arena_array(a, list->n, sizeof *out->records);
    rc = read_entries(out, list, body, lim, a, &ids, e);
    tab_free(&ids);
    return rc;
}

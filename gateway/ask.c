#include "gateway/ask.h"

#include "gateway/event.h"
#include "gateway/when.h"

#include <strings.h>

bool ask_topic_is_legal(struct span topic)
{
    if (topic.n == 0 || topic.n > 249 || span_eq(topic, span_str(".")) ||
        span_eq(topic, span_str("..")))
        return false;
    for (size_t i = 0; i < topic.n; i++) {
        uint8_t c = topic.p[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* Index of `value` among `choices` ("a|b|c"), or -1. */
static int choose(struct span value, const char *choices)
{
    for (int i = 0; *choices != '\0'; i++) {
        size_t n = strcspn(choices, "|");
        if (value.n == n && strncasecmp((const char *)value.p, choices, n) == 0)
            return i;
        choices += n + (choices[n] == '|');
    }
    return -1;
}

static enum err_kind read_choice(int *out, struct span value, const char *choices,
                                 struct err *e)
{
    int i = choose(value, choices);

    if (i < 0)
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\", wanted one of %s",
                       SPAN_ARG(value), choices);
    *out = i;
    return ERR_OK;
}

static enum err_kind read_number(int32_t *out, struct span value, int32_t least,
                                 struct err *e)
{
    int64_t v = 0;
    bool good = value.n > 0 && value.n <= 10;

    for (size_t i = 0; i < value.n && good; i++) {
        good = value.p[i] >= '0' && value.p[i] <= '9';
        v = v * 10 + (value.p[i] - '0');
    }
    if (!good || v < least || v > INT32_MAX)
        return err_set(e, ERR_INVALID,
                       "\"" SPAN_FMT "\", wanted a number from %d to %d",
                       SPAN_ARG(value), least, INT32_MAX);
    *out = (int32_t)v;
    return ERR_OK;
}

static enum err_kind read_on_error(struct ask *a, struct span value, struct err *e)
{
    int i = 0;

    TRY(read_choice(&i, value, "reject|partial|dlq", e));
    a->on_error = (enum on_error)i;
    return ERR_OK;
}

static enum err_kind read_dry_run(struct ask *a, struct span value, struct err *e)
{
    int i = 0;

    TRY(read_choice(&i, value, "false|true", e));
    a->dry_run = i == 1;
    return ERR_OK;
}

static enum err_kind read_unknown_fields(struct ask *a, struct span value,
                                         struct err *e)
{
    int i = 0;

    TRY(read_choice(&i, value, "reject|ignore", e));
    a->unknown_fields = (enum av_unknown)i;
    return ERR_OK;
}

static enum err_kind read_bytes_as(struct ask *a, struct span value, struct err *e)
{
    int i = 0;

    TRY(read_choice(&i, value, "base64|avro_json", e));
    a->bytes_as = (enum av_bytes_as)i;
    return ERR_OK;
}

static enum err_kind read_strategy(struct ask *a, struct span value, struct err *e)
{
    return subject_strategy_read(&a->strategy, value, e);
}

static enum err_kind read_subject(struct ask *a, struct span value, struct err *e)
{
    if (value.n == 0)
        return err_set(e, ERR_INVALID, "\"\", wanted a subject");
    a->subject = value;
    return ERR_OK;
}

static enum err_kind read_record_name(struct ask *a, struct span value, struct err *e)
{
    if (value.n == 0)
        return err_set(e, ERR_INVALID, "\"\", wanted the full name of a record");
    a->record_name = value;
    return ERR_OK;
}

static enum err_kind read_schema_id(struct ask *a, struct span value, struct err *e)
{
    return read_number(&a->schema_id, value, 1, e);
}

static enum err_kind read_version(struct ask *a, struct span value, struct err *e)
{
    if (choose(value, "latest") == 0) {
        a->version = 0;
        return ERR_OK;
    }
    return read_number(&a->version, value, 1, e);
}

static enum err_kind read_partition(struct ask *a, struct span value, struct err *e)
{
    return read_number(&a->partition, value, 0, e);
}

static enum err_kind read_key_field(struct ask *a, struct span value, struct err *e)
{
    if (value.n == 0)
        return err_set(e, ERR_INVALID, "\"\", wanted the name of a field");
    a->key_field = value;
    return ERR_OK;
}

static enum err_kind read_timestamp_field(struct ask *a, struct span value,
                                          struct err *e)
{
    if (value.n == 0)
        return err_set(e, ERR_INVALID, "\"\", wanted the name of a field");
    a->timestamp_field = value;
    return ERR_OK;
}

static enum err_kind read_timestamp(struct ask *a, struct span value, struct err *e)
{
    int i = 0;

    TRY(read_choice(&i, value, "now|event", e));
    a->event_time = i == 1;
    return ERR_OK;
}

static enum err_kind read_delimiter(struct ask *a, struct span value, struct err *e)
{
    if (choose(value, "tab") == 0)
        value = span_str("\t");
    if (value.n != 1 || value.p[0] == '"' || value.p[0] == '\r' || value.p[0] == '\n' ||
        value.p[0] >= 0x80)
        return err_set(e, ERR_INVALID,
                       "\"" SPAN_FMT "\", wanted one ASCII character or \"tab\"",
                       SPAN_ARG(value));
    a->delimiter = value.p[0];
    return ERR_OK;
}

static const struct {
    const char *name;
    enum err_kind (*read)(struct ask *a, struct span value, struct err *e);
} params[] = {
    {"on_error", read_on_error},       {"dry_run", read_dry_run},
    {"schema_id", read_schema_id},     {"version", read_version},
    {"subject", read_subject},         {"subject_name_strategy", read_strategy},
    {"record_name", read_record_name}, {"key_field", read_key_field},
    {"partition", read_partition},     {"unknown_fields", read_unknown_fields},
    {"bytes_as", read_bytes_as},       {"delimiter", read_delimiter},
    {"timestamp", read_timestamp},     {"timestamp_field", read_timestamp_field},
};
#define N_PARAMS (sizeof params / sizeof *params)

static enum err_kind read_param(struct ask *a, const struct http_field *p,
                                struct err *e)
{
    for (size_t i = 0; i < N_PARAMS; i++) {
        if (!span_eq(p->name, span_str(params[i].name)))
            continue;
        if (params[i].read(a, p->value, e) != ERR_OK)
            return err_prefix(e, "parameter %s", params[i].name);
        return ERR_OK;
    }
    return err_set(
        e, ERR_INVALID,
        "parameter \"" SPAN_FMT "\" is not known here; known are on_error, dry_run, "
        "schema_id, version, subject, subject_name_strategy, record_name, "
        "key_field, partition, unknown_fields, bytes_as, delimiter, timestamp, "
        "timestamp_field",
        SPAN_ARG(p->name));
}

static const struct {
    const char *type;
    enum body_kind kind;
} types[] = {
    {"application/json", BODY_JSON},
    {"application/x-ndjson", BODY_NDJSON},
    {"application/ndjson", BODY_NDJSON},
    {"application/jsonl", BODY_NDJSON},
    {"text/csv", BODY_CSV},
    {"avro/binary", BODY_OCF},
    {"application/avro", BODY_OCF},
    {"application/vnd.avrogate.framed", BODY_FRAMED},
    {"application/cloudevents+json", BODY_EVENT},
    {"application/cloudevents-batch+json", BODY_EVENTS},
};

/* The next "; name=value" of a content type, quotes off; false at its end. */
static bool next_parameter(struct span *rest, struct span *name, struct span *value)
{
    size_t n = 0, at;

    while (rest->n > 0 &&
           (rest->p[0] == ';' || rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = span_skip(*rest, 1);
    if (rest->n == 0)
        return false;
    while (n < rest->n && rest->p[n] != ';')
        n++;
    struct span whole = span_of(rest->p, n);
    *rest = span_skip(*rest, n);
    while (whole.n > 0 && (whole.p[whole.n - 1] == ' ' || whole.p[whole.n - 1] == '\t'))
        whole.n--;
    for (at = 0; at < whole.n && whole.p[at] != '=';)
        at++;
    *name = span_of(whole.p, at);
    *value = span_skip(whole, at < whole.n ? at + 1 : at);
    if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
        *value = span_of(value->p + 1, value->n - 2);
    return true;
}

/* What would be read otherwise than it was meant is refused, the rest says nothing to
 * us. */
static enum err_kind check_parameters(struct span rest, struct err *e)
{
    struct span name, value;

    while (next_parameter(&rest, &name, &value)) {
        if (http_same(name, span_str("charset")) &&
            !http_same(value, span_str("utf-8")) &&
            !http_same(value, span_str("utf8")) &&
            !http_same(value, span_str("us-ascii")))
            return err_set(e, ERR_INVALID,
                           "content type with charset \"" SPAN_FMT "\", wanted utf-8",
                           SPAN_ARG(value));
        if (http_same(name, span_str("header")) && http_same(value, span_str("absent")))
            return err_set(e, ERR_INVALID,
                           "content type with header=absent, wanted CSV with a header "
                           "line: it names the fields");
    }
    return ERR_OK;
}

#define TYPES                                                              \
    "application/json, application/x-ndjson, text/csv, application/avro, " \
    "application/vnd.avrogate.framed or application/cloudevents+json"

enum err_kind ask_bare_type(struct span *type, struct err *e)
{
    size_t n = 0;

    while (n < type->n && memchr("; \t", type->p[n], 3) == NULL)
        n++;
    struct span parameters = span_skip(*type, n);
    type->n = n;
    return check_parameters(parameters, e);
}

static enum err_kind read_type(enum body_kind *out, struct span type, struct err *e)
{
    struct span bare = type;
    struct err parameters = {0};
    enum err_kind rc = ask_bare_type(&bare, &parameters);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (http_same(bare, span_str(types[i].type))) {
            *out = types[i].kind;
            *e = parameters;
            return rc;
        }
    if (type.n == 0)
        return err_set(e, ERR_INVALID, "no content type, wanted " TYPES);
    return err_set(e, ERR_INVALID, "content type \"" SPAN_FMT "\", wanted " TYPES,
                   SPAN_ARG(type));
}

static enum err_kind check_together(const struct ask *a, struct err *e)
{
    if (a->schema_id != 0 && a->version != 0)
        return err_set(e, ERR_INVALID,
                       "schema_id and version are both given, wanted one");
    if (a->strategy != SUBJECT_TOPIC && a->record_name.n == 0 && a->subject.n == 0 &&
        a->schema_id == 0)
        return err_set(
            e, ERR_INVALID,
            "parameter record_name is not given, wanted the full name of the "
            "record: strategy %s finds the subject by it",
            subject_strategy_name(a->strategy));
    if (a->key.p != NULL && a->key_field.n > 0)
        return err_set(e, ERR_INVALID,
                       "key_field and the header Kafka-Key are both given, wanted one");
    return ERR_OK;
}

enum err_kind ask_timestamp(struct ask *a, struct span value, struct err *e)
{
    int64_t ms = 0;
    size_t i = 0;

    if (value.n == 0)
        return ERR_OK;
    for (; i < value.n && i < 18 && value.p[i] >= '0' && value.p[i] <= '9'; i++)
        ms = ms * 10 + (value.p[i] - '0');
    if (i < value.n && !when_read(&ms, value))
        ms = 0;
    if (ms <= 0)
        return err_set(e, ERR_INVALID,
                       "header Kafka-Timestamp \"" SPAN_FMT
                       "\", wanted milliseconds since 1970 or a time of RFC 3339",
                       SPAN_ARG(value));
    a->timestamp_ms = ms;
    return ERR_OK;
}

void ask_event(struct ask *a, const struct http_field *fields, size_t n)
{
    if (a->body != BODY_JSON || !event_is_binary(fields, n))
        return;
    a->body = BODY_EVENT_DATA;
    a->fields = fields;
    a->n_fields = n;
}

enum err_kind ask_read(struct ask *out, const struct ask_defaults *d, struct span topic,
                       const struct http_field *given, size_t n_given,
                       struct span content_type, struct span key_header,
                       bool *unsupported, struct err *e)
{
    struct ask a = {.topic = topic,
                    .on_error = d->on_error,
                    .unknown_fields = d->unknown_fields,
                    .bytes_as = d->bytes_as,
                    .strategy = d->strategy,
                    .key = key_header,
                    .partition = -1,
                    .delimiter = ','};

    *unsupported = false;
    if (!ask_topic_is_legal(topic))
        return err_set(e, ERR_INVALID,
                       "topic \"" SPAN_FMT "\" is no legal name, wanted 1 to 249 of "
                       "A-Z a-z 0-9 . _ -",
                       SPAN_ARG(topic));
    for (size_t i = 0; i < n_given; i++) {
        for (size_t k = 0; k < i; k++)
            if (span_eq(given[i].name, given[k].name))
                return err_set(e, ERR_INVALID,
                               "parameter \"" SPAN_FMT "\" is given twice, wanted once",
                               SPAN_ARG(given[i].name));
        TRY(read_param(&a, &given[i], e));
    }
    TRY(check_together(&a, e));
    if (read_type(&a.body, content_type, e) != ERR_OK) {
        *unsupported = true;
        return e->kind;
    }
    *out = a;
    return ERR_OK;
}

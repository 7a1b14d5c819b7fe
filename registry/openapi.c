#include "registry/openapi_inside.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* Parameters of queries, by name. */
static const struct param {
    const char *name, *schema, *says;
} params[] = {
#define FLAG "{\"type\":\"boolean\",\"default\":false}"
#define TEXT "{\"type\":\"string\"}"
    {"subjectPrefix", TEXT, "of qualified names; :*: is every context"},
    {"deleted", FLAG, "softly deleted ones too"},
    {"deletedOnly", FLAG, "softly deleted ones alone"},
    {"deletedAsNegative", FLAG, "softly deleted versions too, as negative numbers"},
    {"offset", "{\"type\":\"integer\",\"default\":0}", "how many to leave out"},
    {"limit", "{\"type\":\"integer\",\"default\":-1}", "how many at most; -1 is all"},
    {"latestOnly", FLAG, "the newest version of each subject alone"},
    {"aliases", FLAG, "with the names that stand for the subject"},
    {"ruleType", TEXT, "those with a rule of this type"},
    {"subject", TEXT, "names the context; or the subject the schema stands in"},
    {"format", "{\"type\":\"string\",\"default\":\"default\"}",
     "resolved: with what it refers to written out in it"},
    {"referenceFormat", "{\"type\":\"string\",\"default\":\"default\"}",
     "qualified: references name their context"},
    {"findTags", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     "the places in it that have one of these tags; * is any"},
    {"contextPrefix", TEXT, "those that begin so"},
    {"fetchMaxId", FLAG, "with the largest id of the context"},
    {"normalize", FLAG, "compare in the normal form"},
    {"force", FLAG, "without the check that would forbid it"},
    {"permanent", FLAG, "for good, after the soft deletion"},
    {"verbose", FLAG, "with Confluent's messages"},
    {"explain", FLAG, "with a list of reasons and of what would mend them"},
    {"defaultToGlobal", FLAG, "what holds, where nothing is set"},
    {"recursive", FLAG, "those of all subjects in it too"},
    {"key", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     "names of properties"},
    {"value", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     "their values, in the same order"},
};

static const struct param parts[] = {
    {"subject", "{\"type\":\"string\",\"minLength\":1}",
     "a subject, maybe :.context:name"},
    {"version", "{\"type\":\"string\",\"pattern\":\"^([1-9][0-9]{0,8}|latest|-1)$\"}",
     "a number from 1, or latest"},
    {"id", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2147483647}",
     "a schema's id"},
    {"guid", "{\"type\":\"string\",\"format\":\"uuid\"}", "a schema's guid"},
    {"context", "{\"type\":\"string\",\"minLength\":1}",
     "a context, with or without its dot"},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What is sent and answered: names of components, or a schema in place. */
#define INTS "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"
#define TEXTS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST(name) "{\"type\":\"array\",\"items\":" REF(name) "}"
#define OBJECT "{\"type\":\"object\"}"
#define PAGE " offset limit"

static const struct operation {
    enum http_method method;
    const char *pattern, *says, *query, *body, *answer;
    const char *statuses; // besides 200
} operations[] = {
    {HTTP_GET, "/", "Is anybody there?", "", NULL, OBJECT, ""},
    {HTTP_POST, "/", "Is anybody there?", "", OBJECT, OBJECT, ""},
    {HTTP_GET, "/healthz", "Is the process alive?", "", NULL, OBJECT, ""},
    {HTTP_GET, "/readyz", "May it be asked? If not, why", "", NULL, REF("Ready"),
     "503"},
    {HTTP_GET, "/metrics", "Counters, as Prometheus reads them", "", NULL, NULL, ""},
    {HTTP_GET, "/openapi.json", "This document", "", NULL, OBJECT, ""},

    {HTTP_GET, "/schemas", "Every version, at most 1000",
     "subjectPrefix deleted latestOnly aliases ruleType" PAGE, NULL, LIST("Schema"),
     ""},
    {HTTP_GET, "/schemas/types", "The types of schemas it holds", "", NULL, TEXTS, ""},
    {HTTP_GET, "/schemas/ids/{id}", "What an id means",
     "subject fetchMaxId format referenceFormat findTags", NULL, REF("Meaning"), "404"},
    {HTTP_GET, "/schemas/ids/{id}/schema", "Its text", "subject format", NULL, "{}",
     "404"},
    {HTTP_GET, "/schemas/ids/{id}/subjects", "Where it stands", "subject deleted" PAGE,
     NULL, TEXTS, "404"},
    {HTTP_GET, "/schemas/ids/{id}/versions", "Where it stands", "subject deleted" PAGE,
     NULL, LIST("Place"), "404"},
    {HTTP_GET, "/schemas/guids/{guid}", "What a guid means", "format", NULL,
     REF("Meaning"), "404"},
    {HTTP_GET, "/schemas/guids/{guid}/ids", "Its id in each context", "", NULL,
     LIST("ContextId"), "404"},

    {HTTP_GET, "/subjects", "All subjects", "subjectPrefix deleted deletedOnly" PAGE,
     NULL, TEXTS, ""},
    {HTTP_POST, "/subjects/{subject}", "The version that is this schema",
     "normalize deleted format", REF("Request"), REF("Schema"), "404 422"},
    {HTTP_DELETE, "/subjects/{subject}", "Deletes every version", "permanent", NULL,
     INTS, "404 422"},
    {HTTP_GET, "/subjects/{subject}/metadata",
     "The newest version whose properties have all these values",
     "key value deleted format", NULL, REF("Schema"), "404"},
    {HTTP_GET, "/subjects/{subject}/versions", "Its versions",
     "deleted deletedOnly deletedAsNegative" PAGE, NULL, INTS, "404"},
    {HTTP_POST, "/subjects/{subject}/versions", "Registers a schema, or finds it there",
     "normalize force format", REF("Request"), REF("Registered"), "409 422"},
    {HTTP_GET, "/subjects/{subject}/versions/{version}", "One version",
     "deleted format referenceFormat findTags", NULL, REF("Schema"), "404 422"},
    {HTTP_DELETE, "/subjects/{subject}/versions/{version}", "Deletes one version",
     "permanent", NULL, "{\"type\":\"integer\"}", "404 422"},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/schema", "Its text",
     "deleted format", NULL, "{}", "404 422"},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/referencedby",
     "Ids of the schemas that refer to it", "deleted" PAGE, NULL, INTS, "404 422"},
    {HTTP_GET, "/subjects/{subject}/versions/{version}/history",
     "Who did what to it, when and why", "", NULL, REF("History"), "404 422"},
    {HTTP_POST, "/subjects/{subject}/versions/{version}/tags",
     "Registers it anew with other tags, metadata or rules", "format",
     REF("TagRequest"), REF("Registered"), "404 409 422"},

    {HTTP_POST, "/compatibility/subjects/{subject}/versions",
     "Does it fit what the level compares it with?", "verbose explain normalize",
     REF("Request"), REF("Verdict"), "422"},
    {HTTP_POST, "/compatibility/subjects/{subject}/versions/{version}",
     "Does it fit this version?", "verbose explain normalize", REF("Request"),
     REF("Verdict"), "404 422"},

    {HTTP_GET, "/config", "What holds where nothing else is set", "defaultToGlobal",
     NULL, REF("Config"), ""},
    {HTTP_PUT, "/config", "Sets it; null takes a setting back", "", REF("ConfigUpdate"),
     REF("ConfigUpdate"), "422"},
    {HTTP_DELETE, "/config", "Takes all of it back; answers what was", "", NULL,
     REF("Config"), "422"},
    {HTTP_GET, "/config/{subject}", "What is set for a subject", "defaultToGlobal",
     NULL, REF("Config"), "404"},
    {HTTP_PUT, "/config/{subject}", "Sets it; null takes a setting back", "",
     REF("ConfigUpdate"), REF("ConfigUpdate"), "422"},
    {HTTP_DELETE, "/config/{subject}", "Takes all of it back; answers what was", "",
     NULL, REF("Config"), "404 422"},
    {HTTP_GET, "/mode", "The mode where no other is set", "defaultToGlobal", NULL,
     REF("Mode"), ""},
    {HTTP_PUT, "/mode", "Sets it", "force", REF("Mode"), REF("Mode"), "422"},
    {HTTP_DELETE, "/mode", "Takes it back; answers what was", "recursive", NULL,
     REF("ModeBefore"), ""},
    {HTTP_GET, "/mode/{subject}", "The mode of a subject", "defaultToGlobal", NULL,
     REF("Mode"), "404"},
    {HTTP_PUT, "/mode/{subject}", "Sets it", "force", REF("Mode"), REF("Mode"), "422"},
    {HTTP_DELETE, "/mode/{subject}", "Takes it back; answers what was", "recursive",
     NULL, REF("ModeBefore"), "404 422"},

    {HTTP_GET, "/contexts", "All contexts", "contextPrefix offset limit", NULL, TEXTS,
     ""},
    {HTTP_DELETE, "/contexts/{context}", "Deletes a context with nothing in it", "",
     NULL, NULL, "204 404 422"},
    {HTTP_GET, "/v1/metadata/id", "The cluster", "", NULL, OBJECT, ""},
    {HTTP_GET, "/v1/metadata/version", "The release", "", NULL, OBJECT, ""},
    {HTTP_GET, "/v1/metadata/deployment", "How it is deployed", "", NULL, OBJECT, ""},
};

static const char head[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"avrogate registry\",\"version\":"
    "\"" AVROGATE_VERSION "\",\"description\":\"A registry of Avro schemas with "
    "Confluent's interface. Any path of subjects, schemas, config, mode and "
    "compatibility may stand behind /contexts/{context}. A boolean is true when it "
    "says true, in any case, and false when it says anything else.\",\"license\":{"
    "\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},\"security\":[{},{"
    "\"password\":[]},{\"token\":[]},{"
    "\"certificate\":[]}],\"paths\":{";

/* Which of them are asked for is a matter of settings: see docs/security.md. */
static const char security[] =
    "\"securitySchemes\":{\"password\":{\"type\":\"http\",\"scheme\":\"basic\"},"
    "\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"},"
    "\"certificate\":{\"type\":\"mutualTLS\"}},";

static const struct response {
    const char *name, *says;
    const char *header, *header_says; // NULL: none
} responses[] = {
    {"Refused", "refused; error_code says why", NULL, NULL},
    {"Unauthorized", "it is not known who asks", "WWW-Authenticate",
     "what may be shown to say who"},
    {"Forbidden", "who asks may not do that", NULL, NULL},
    {"TooMany", "too many requests, or too many wrong passwords", "Retry-After",
     "seconds until it may be asked again"},
    {"NotNow", "still reading the topic, or too many wait", "Retry-After",
     "seconds until it may be asked again"},
};

/* Does the blank-separated `list` have `word`? */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
            return true;
    return false;
}

static void put_param(struct buf *out, const struct param *p, const char *where,
                      const char **comma)
{
    buf_printf(
        out,
        "%s{\"name\":\"%s\",\"in\":\"%s\",\"required\":%s,\"description\":\"%s\","
        "\"schema\":%s}",
        *comma, p->name, where, strcmp(where, "path") == 0 ? "true" : "false", p->says,
        p->schema);
    *comma = ",";
}

static void put_params(struct buf *out, const struct operation *op)
{
    const char *comma = "";
    char part[32];

    buf_put_str(out, ",\"parameters\":[");
    for (size_t i = 0; i < COUNT(parts); i++) {
        snprintf(part, sizeof part, "{%s}", parts[i].name);
        if (strstr(op->pattern, part) != NULL)
            put_param(out, &parts[i], "path", &comma);
    }
    for (size_t i = 0; i < COUNT(params); i++)
        if (lists(op->query, params[i].name))
            put_param(out, &params[i], "query", &comma);
    buf_put_u8(out, ']');
}

/* A body of `schema` in each of the types we speak. */
static void put_content(struct buf *out, const char *schema, bool ours)
{
    static const char *const types[] = {"application/json",
                                        "application/vnd.schemaregistry.v1+json",
                                        "application/vnd.schemaregistry+json"};

    buf_put_str(out, "\"content\":{");
    for (size_t i = 0; i < (ours ? COUNT(types) : 1); i++)
        buf_printf(out, "%s\"%s\":{\"schema\":%s}", i > 0 ? "," : "", types[i], schema);
    buf_put_u8(out, '}');
}

/* Who is asked, what they may do and how often is not looked at there. */
static bool is_for_everybody(const struct operation *op)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};

    for (size_t i = 0; i < COUNT(paths); i++)
        if (strcmp(op->pattern, paths[i]) == 0)
            return true;
    return false;
}

static void put_ref(struct buf *out, const char *code, const char *response)
{
    buf_printf(out, ",\"%s\":{\"$ref\":\"#/components/responses/%s\"}", code, response);
}

/* What the guard and the state of the registry may answer to anything. */
static void put_usual_answers(struct buf *out)
{
    static const char *const usual[][2] = {{"400", "Refused"},
                                           {"401", "Unauthorized"},
                                           {"403", "Forbidden"},
                                           {"429", "TooMany"},
                                           {"503", "NotNow"}};

    for (size_t i = 0; i < COUNT(usual); i++)
        put_ref(out, usual[i][0], usual[i][1]);
}

static void put_answers(struct buf *out, const struct operation *op)
{
    static const char *const codes[] = {"404", "409", "422"};

    buf_put_str(out, ",\"responses\":{");
    if (lists(op->statuses, "204"))
        buf_put_str(out, "\"204\":{\"description\":\"done\"}");
    else {
        buf_put_str(out, "\"200\":{\"description\":\"done\",");
        if (op->answer != NULL)
            put_content(out, op->answer, true);
        else
            buf_put_str(out, "\"content\":{\"text/plain\":{\"schema\":" TEXT "}}");
        buf_put_u8(out, '}');
    }
    for (size_t i = 0; i < COUNT(codes); i++)
        if (lists(op->statuses, codes[i]))
            put_ref(out, codes[i], "Refused");
    if (lists(op->statuses, "503")) {
        buf_put_str(out, ",\"503\":{\"description\":\"not now\",");
        put_content(out, op->answer, false);
        buf_put_u8(out, '}');
    }
    if (!is_for_everybody(op))
        put_usual_answers(out);
    put_ref(out, "default", "Refused");
    buf_put_u8(out, '}');
}

static void put_operation(struct buf *out, const struct operation *op)
{
    char method[12];
    size_t n = 0;

    for (const char *m = http_method_name(op->method); m[n] != 0; n++)
        method[n] = (char)(m[n] | 0x20);
    method[n] = 0;
    buf_printf(out, "\"%s\":{\"summary\":", method);
    json_put_string(out, span_str(op->says));
    put_params(out, op);
    if (op->body != NULL) {
        buf_put_str(out, ",\"requestBody\":{\"required\":true,");
        put_content(out, op->body, true);
        buf_put_u8(out, '}');
    }
    put_answers(out, op);
    if (is_for_everybody(op))
        buf_put_str(out, ",\"security\":[]");
    buf_put_u8(out, '}');
}

static bool is_first_of_path(size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(operations[i].pattern, operations[at].pattern) == 0)
            return false;
    return true;
}

static void put_path(struct buf *out, size_t first)
{
    const char *comma = "";

    buf_printf(out, "%s\"%s\":{", first > 0 ? "," : "", operations[first].pattern);
    for (size_t i = first; i < COUNT(operations); i++) {
        if (strcmp(operations[i].pattern, operations[first].pattern) != 0)
            continue;
        buf_put_str(out, comma);
        put_operation(out, &operations[i]);
        comma = ",";
    }
    buf_put_u8(out, '}');
}

bool openapi_has(enum http_method method, const char *pattern)
{
    for (size_t i = 0; i < COUNT(operations); i++)
        if (operations[i].method == method &&
            strcmp(operations[i].pattern, pattern) == 0)
            return true;
    return false;
}

static void put_responses(struct buf *out)
{
    buf_put_str(out, "\"responses\":{");
    for (size_t i = 0; i < COUNT(responses); i++) {
        const struct response *r = &responses[i];

        buf_printf(out, "%s\"%s\":{\"description\":\"%s\",", i > 0 ? "," : "", r->name,
                   r->says);
        if (r->header != NULL)
            buf_printf(out,
                       "\"headers\":{\"%s\":{\"description\":\"%s\",\"schema\":" TEXT
                       "}},",
                       r->header, r->header_says);
        put_content(out, REF("Error"), true);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, '}');
}

void openapi_put(struct buf *out)
{
    buf_put_str(out, head);
    for (size_t i = 0; i < COUNT(operations); i++)
        if (is_first_of_path(i))
            put_path(out, i);
    buf_put_str(out, "},\"components\":{");
    buf_put_str(out, security);
    put_responses(out);
    buf_put_str(out, ",\"schemas\":");
    openapi_put_schemas(out);
    buf_put_str(out, "}}");
}

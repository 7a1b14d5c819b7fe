#include "registry/openapi_inside.h"

/* Parameters of queries, by name. */
static const struct openapi_param queries[] = {
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
    {0},
};

static const struct openapi_param headers[] = {{0}};

static const struct openapi_param parts[] = {
    {"subject", "{\"type\":\"string\",\"minLength\":1}",
     "a subject, maybe :.context:name"},
    {"version", "{\"type\":\"string\",\"pattern\":\"^([1-9][0-9]{0,8}|latest|-1)$\"}",
     "a number from 1, or latest"},
    {"id", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2147483647}",
     "a schema's id"},
    {"guid", "{\"type\":\"string\",\"format\":\"uuid\"}", "a schema's guid"},
    {"context", "{\"type\":\"string\",\"minLength\":1}",
     "a context, with or without its dot"},
    {0},
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
    struct openapi_row row;
    const char *body, *answer;
    const char *statuses; // besides 200
} operations[] = {
    {{HTTP_GET, "/", "Is anybody there?", "", ""}, NULL, OBJECT, ""},
    {{HTTP_POST, "/", "Is anybody there?", "", ""}, OBJECT, OBJECT, ""},
    {{HTTP_GET, "/healthz", "Is the process alive?", "", ""}, NULL, OBJECT, ""},
    {{HTTP_GET, "/readyz", "May it be asked? If not, why", "", ""},
     NULL,
     REF("Ready"),
     "503"},
    {{HTTP_GET, "/metrics", "Counters, as Prometheus reads them", "", ""},
     NULL,
     NULL,
     ""},
    {{HTTP_GET, "/openapi.json", "This document", "", ""}, NULL, OBJECT, ""},
    {{HTTP_GET, "/schemas", "Every version, at most 1000",
      "subjectPrefix deleted latestOnly aliases ruleType" PAGE, ""},
     NULL,
     LIST("Schema"),
     ""},
    {{HTTP_GET, "/schemas/types", "The types of schemas it holds", "", ""},
     NULL,
     TEXTS,
     ""},
    {{HTTP_GET, "/schemas/ids/{id}", "What an id means",
      "subject fetchMaxId format referenceFormat findTags", ""},
     NULL,
     REF("Meaning"),
     "404"},
    {{HTTP_GET, "/schemas/ids/{id}/schema", "Its text", "subject format", ""},
     NULL,
     "{}",
     "404"},
    {{HTTP_GET, "/schemas/ids/{id}/subjects", "Where it stands", "subject deleted" PAGE,
      ""},
     NULL,
     TEXTS,
     "404"},
    {{HTTP_GET, "/schemas/ids/{id}/versions", "Where it stands", "subject deleted" PAGE,
      ""},
     NULL,
     LIST("Place"),
     "404"},
    {{HTTP_GET, "/schemas/guids/{guid}", "What a guid means", "format", ""},
     NULL,
     REF("Meaning"),
     "404"},
    {{HTTP_GET, "/schemas/guids/{guid}/ids", "Its id in each context", "", ""},
     NULL,
     LIST("ContextId"),
     "404"},
    {{HTTP_GET, "/subjects", "All subjects", "subjectPrefix deleted deletedOnly" PAGE,
      ""},
     NULL,
     TEXTS,
     ""},
    {{HTTP_POST, "/subjects/{subject}", "The version that is this schema",
      "normalize deleted format", ""},
     REF("Request"),
     REF("Schema"),
     "404 422"},
    {{HTTP_DELETE, "/subjects/{subject}", "Deletes every version", "permanent", ""},
     NULL,
     INTS,
     "404 422"},
    {{HTTP_GET, "/subjects/{subject}/metadata",
      "The newest version whose properties have all these values",
      "key value deleted format", ""},
     NULL,
     REF("Schema"),
     "404"},
    {{HTTP_GET, "/subjects/{subject}/versions", "Its versions",
      "deleted deletedOnly deletedAsNegative" PAGE, ""},
     NULL,
     INTS,
     "404"},
    {{HTTP_POST, "/subjects/{subject}/versions",
      "Registers a schema, or finds it there", "normalize force format", ""},
     REF("Request"),
     REF("Registered"),
     "409 422"},
    {{HTTP_GET, "/subjects/{subject}/versions/{version}", "One version",
      "deleted format referenceFormat findTags", ""},
     NULL,
     REF("Schema"),
     "404 422"},
    {{HTTP_DELETE, "/subjects/{subject}/versions/{version}", "Deletes one version",
      "permanent", ""},
     NULL,
     "{\"type\":\"integer\"}",
     "404 422"},
    {{HTTP_GET, "/subjects/{subject}/versions/{version}/schema", "Its text",
      "deleted format", ""},
     NULL,
     "{}",
     "404 422"},
    {{HTTP_GET, "/subjects/{subject}/versions/{version}/referencedby",
      "Ids of the schemas that refer to it", "deleted" PAGE, ""},
     NULL,
     INTS,
     "404 422"},
    {{HTTP_GET, "/subjects/{subject}/versions/{version}/history",
      "Who did what to it, when and why", "", ""},
     NULL,
     REF("History"),
     "404 422"},
    {{HTTP_POST, "/subjects/{subject}/versions/{version}/tags",
      "Registers it anew with other tags, metadata or rules", "format", ""},
     REF("TagRequest"),
     REF("Registered"),
     "404 409 422"},
    {{HTTP_POST, "/compatibility/subjects/{subject}/versions",
      "Does it fit what the level compares it with?", "verbose explain normalize", ""},
     REF("Request"),
     REF("Verdict"),
     "422"},
    {{HTTP_POST, "/compatibility/subjects/{subject}/versions/{version}",
      "Does it fit this version?", "verbose explain normalize", ""},
     REF("Request"),
     REF("Verdict"),
     "404 422"},
    {{HTTP_GET, "/config", "What holds where nothing else is set", "defaultToGlobal",
      ""},
     NULL,
     REF("Config"),
     ""},
    {{HTTP_PUT, "/config", "Sets it; null takes a setting back", "", ""},
     REF("ConfigUpdate"),
     REF("ConfigUpdate"),
     "422"},
    {{HTTP_DELETE, "/config", "Takes all of it back; answers what was", "", ""},
     NULL,
     REF("Config"),
     "422"},
    {{HTTP_GET, "/config/{subject}", "What is set for a subject", "defaultToGlobal",
      ""},
     NULL,
     REF("Config"),
     "404"},
    {{HTTP_PUT, "/config/{subject}", "Sets it; null takes a setting back", "", ""},
     REF("ConfigUpdate"),
     REF("ConfigUpdate"),
     "422"},
    {{HTTP_DELETE, "/config/{subject}", "Takes all of it back; answers what was", "",
      ""},
     NULL,
     REF("Config"),
     "404 422"},
    {{HTTP_GET, "/mode", "The mode where no other is set", "defaultToGlobal", ""},
     NULL,
     REF("Mode"),
     ""},
    {{HTTP_PUT, "/mode", "Sets it", "force", ""}, REF("Mode"), REF("Mode"), "422"},
    {{HTTP_DELETE, "/mode", "Takes it back; answers what was", "recursive", ""},
     NULL,
     REF("ModeBefore"),
     ""},
    {{HTTP_GET, "/mode/{subject}", "The mode of a subject", "defaultToGlobal", ""},
     NULL,
     REF("Mode"),
     "404"},
    {{HTTP_PUT, "/mode/{subject}", "Sets it", "force", ""},
     REF("Mode"),
     REF("Mode"),
     "422"},
    {{HTTP_DELETE, "/mode/{subject}", "Takes it back; answers what was", "recursive",
      ""},
     NULL,
     REF("ModeBefore"),
     "404 422"},
    {{HTTP_GET, "/contexts", "All contexts", "contextPrefix offset limit", ""},
     NULL,
     TEXTS,
     ""},
    {{HTTP_DELETE, "/contexts/{context}", "Deletes a context with nothing in it", "",
      ""},
     NULL,
     NULL,
     "204 404 422"},
    {{HTTP_GET, "/v1/metadata/id", "The cluster", "", ""}, NULL, OBJECT, ""},
    {{HTTP_GET, "/v1/metadata/version", "The release", "", ""}, NULL, OBJECT, ""},
    {{HTTP_GET, "/v1/metadata/deployment", "How it is deployed", "", ""},
     NULL,
     OBJECT,
     ""},
};

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

#define JSON_TYPE "application/json"
#define TYPES                                            \
    JSON_TYPE " application/vnd.schemaregistry.v1+json " \
              "application/vnd.schemaregistry+json"

static const struct openapi_row *row_of(size_t i)
{
    return &operations[i].row;
}

static void put_body(struct buf *out, size_t i)
{
    if (operations[i].body == NULL)
        return;
    buf_put_str(out, ",\"requestBody\":{\"required\":true,");
    openapi_put_content(out, TYPES, operations[i].body);
    buf_put_u8(out, '}');
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

static void put_good_answer(struct buf *out, const struct operation *op)
{
    if (openapi_lists(op->statuses, "204")) {
        buf_put_str(out, "\"204\":{\"description\":\"done\"}");
        return;
    }
    buf_put_str(out, "\"200\":{\"description\":\"done\",");
    if (op->answer != NULL)
        openapi_put_content(out, TYPES, op->answer);
    else
        openapi_put_content(out, "text/plain", TEXT);
    buf_put_u8(out, '}');
}

static void put_answers(struct buf *out, size_t i)
{
    static const char *const codes[] = {"404", "409", "422"};
    const struct operation *op = &operations[i];

    put_good_answer(out, op);
    for (size_t k = 0; k < COUNT(codes); k++)
        if (openapi_lists(op->statuses, codes[k]))
            put_ref(out, codes[k], "Refused");
    if (openapi_lists(op->statuses, "503")) {
        buf_put_str(out, ",\"503\":{\"description\":\"not now\",");
        openapi_put_content(out, JSON_TYPE, op->answer);
        buf_put_u8(out, '}');
    }
    if (!openapi_is_open(&op->row))
        put_usual_answers(out);
    put_ref(out, "default", "Refused");
}

static void put_responses(struct buf *out)
{
    for (size_t i = 0; i < COUNT(responses); i++) {
        const struct response *r = &responses[i];

        buf_printf(out, "%s\"%s\":{\"description\":\"%s\",", i > 0 ? "," : "", r->name,
                   r->says);
        if (r->header != NULL)
            buf_printf(out,
                       "\"headers\":{\"%s\":{\"description\":\"%s\",\"schema\":" TEXT
                       "}},",
                       r->header, r->header_says);
        openapi_put_content(out, TYPES, REF("Error"));
        buf_put_u8(out, '}');
    }
}

const struct openapi_book registry_openapi = {
    .title = "avrogate registry",
    .about = "A registry of Avro schemas with Confluent's interface. Any path of "
             "subjects, schemas, config, mode and compatibility may stand behind "
             "/contexts/{context}. A boolean is true when it says true, in any case, "
             "and false when it says anything else.",
    .parts = parts,
    .queries = queries,
    .headers = headers,
    .n = COUNT(operations),
    .row = row_of,
    .put_body = put_body,
    .put_answers = put_answers,
    .put_responses = put_responses,
    .put_schemas = openapi_put_schemas,
};

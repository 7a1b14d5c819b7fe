#include "registry/openapi_inside.h"

#include "base/json.h"

#include <assert.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define INT32 "\"minimum\":-1,\"maximum\":2147483647"
#define LEVELS                                                   \
    "\"NONE\",\"BACKWARD\",\"BACKWARD_TRANSITIVE\",\"FORWARD\"," \
    "\"FORWARD_TRANSITIVE\",\"FULL\",\"FULL_TRANSITIVE\""
#define RULE_MODES \
    "\"UPGRADE\",\"DOWNGRADE\",\"UPDOWN\",\"WRITE\",\"READ\",\"WRITEREAD\""

/* The types of members; a name that begins with a capital letter is one of the
 * components below, and [] behind it a list of them. */
static const struct type {
    const char *name, *schema;
} types[] = {
    {"any", "{}"},
    {"text", "{\"type\":\"string\"}"},
    {"int", "{\"type\":\"integer\"}"},
    {"bool", "{\"type\":\"boolean\"}"},
    {"texts", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"},
    {"text?", "{\"type\":[\"string\",\"null\"]}"},
    {"int?", "{\"type\":[\"integer\",\"null\"]}"},
    {"bool?", "{\"type\":[\"boolean\",\"null\"]}"},
    {"object?", "{\"type\":[\"object\",\"null\"]}"},
    {"int32", "{\"type\":\"integer\"," INT32 "}"}, // -1 says none
    {"avro", "{\"type\":\"string\",\"const\":\"AVRO\"}"},
    {"text-by-name",
     "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
    {"texts-by-name", "{\"type\":\"object\",\"additionalProperties\":{\"type\":"
                      "\"array\",\"items\":{\"type\":\"string\"}}}"},
    {"rule-name", "{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][A-Za-z0-9_-]*$\"}"},
    {"rule-kind", "{\"enum\":[\"TRANSFORM\",\"CONDITION\"]}"},
    {"rule-mode", "{\"enum\":[" RULE_MODES "]}"},
    {"where", "{\"enum\":[\"ALL\",\"CLIENT\",\"GATEWAY\",\"SERVER\",\"NONE\"]}"},
    {"level", "{\"enum\":[" LEVELS ",null]}"},
    {"policy", "{\"enum\":[\"STRICT\",\"LENIENT\",null]}"},
    {"mode", "{\"enum\":[\"READWRITE\",\"READONLY\",\"READONLY_OVERRIDE\","
             "\"IMPORT\",\"FORWARD\"]}"},
    {"direction", "{\"enum\":[\"BACKWARD\",\"FORWARD\"]}"},
    {"entity", "{\"enum\":[\"sr_record\",\"sr_field\"]}"},
    {"ready", "{\"enum\":[\"ready\",\"not ready\"]}"},
    {"deed", "{\"enum\":[\"registered\",\"written\",\"deleted\",\"undeleted\","
             "\"restored\"]}"},
};

#define WHAT " schemaType:avro references:Reference[] metadata:Metadata ruleSet:RuleSet"
#define ANSWERED                                              \
    " guid:text ts:int deleted:bool maxId:int aliases:texts " \
    "schemaTags:SchemaTags[]" WHAT
#define SETTINGS                                                                 \
    " alias:text? normalize:bool? validateFields:bool? validateNewSchemas:bool?" \
    " validateRules:bool? compatibilityPolicy:policy compatibilityGroup:text?"   \
    " defaultMetadata:object? overrideMetadata:object? defaultRuleSet:object?"   \
    " overrideRuleSet:object?"

/* Members in the order they are listed; ! marks those that are always there. */
static const struct component {
    const char *name, *members;
} components[] = {
    {"Error", "error_code!:int message!:text"},
    {"Reference", "name!:text subject!:text version!:int32"},
    {"Metadata", "tags:texts-by-name properties:text-by-name sensitive:texts"},
    {"Rule", "name!:rule-name doc:text kind:rule-kind mode!:rule-mode type!:text "
             "tags:texts params:text-by-name expr:text onSuccess:text "
             "onFailure:text disabled:bool"},
    {"RuleSet", "migrationRules:Rule[] domainRules:Rule[] encodingRules:Rule[] "
                "enableAt:where"},
    {"Request", "schema:text version:int32 id:int32 schemaTagsToAdd:SchemaTags[] "
                "schemaTagsToRemove:SchemaTags[] propagateSchemaTags:bool" WHAT},
    {"SchemaTags", "schemaEntity!:SchemaEntity tags!:texts"},
    {"SchemaEntity", "entityPath!:text entityType!:entity"},
    {"TagRequest", "newVersion:int32 tagsToAdd:SchemaTags[] tagsToRemove:SchemaTags[] "
                   "metadata:Metadata ruleSet:RuleSet rulesToMerge:RuleSet "
                   "rulesToRemove:texts"},
    {"Schema", "subject!:text version!:int id!:int schema!:text" ANSWERED},
    {"Meaning", "schema!:text subject:text version:int id:int" ANSWERED},
    {"Registered", "id!:int subject:text version:int schema:text" ANSWERED},
    {"Place", "subject!:text version!:int"},
    {"ContextId", "context!:text id!:int"},
    {"Act", "what!:deed ts!:int? principal!:text? address!:text? agent!:text? "
            "reason!:text? leftOut:int"},
    {"History", "subject!:text version!:int id!:int deleted!:bool history!:Act[]"},
    {"Verdict", "is_compatible!:bool messages:texts explanation:Reason[]"},
    {"Reason", "version!:int direction!:direction rule!:text newPointer:text "
               "oldPointer:text new:any old:any why!:text change!:text"},
    {"Config", "compatibilityLevel:level" SETTINGS},
    {"ConfigUpdate", "compatibility:level" SETTINGS},
    {"Mode", "mode!:mode"},
    {"ModeBefore", "mode:mode"}, // null, where several were taken back
    {"Ready", "status!:ready"},
};

static struct span word(const char **at)
{
    size_t n = strcspn(*at, " ");
    struct span w = span_of(*at, n);

    *at += n + strspn(*at + n, " ");
    return w;
}

static void put_ref(struct buf *out, struct span name)
{
    bool list = name.n > 2 && name.p[name.n - 1] == ']';

    if (list)
        buf_put_str(out, "{\"type\":\"array\",\"items\":");
    buf_printf(out, "{\"$ref\":\"#/components/schemas/" SPAN_FMT "\"}",
               SPAN_ARG(span_of(name.p, name.n - (list ? 2 : 0))));
    if (list)
        buf_put_u8(out, '}');
}

static void put_type(struct buf *out, struct span name)
{
    if (name.p[0] >= 'A' && name.p[0] <= 'Z') {
        put_ref(out, name);
        return;
    }
    for (size_t i = 0; i < COUNT(types); i++)
        if (span_eq(name, span_str(types[i].name))) {
            buf_put_str(out, types[i].schema);
            return;
        }
    assert(!"a type without a row");
}

/* "name!:type" */
static struct span name_of(struct span member, struct span *type, bool *required)
{
    const uint8_t *colon = memchr(member.p, ':', member.n);
    size_t n = (size_t)(colon - member.p);

    *type = span_skip(member, n + 1);
    *required = member.p[n - 1] == '!';
    return span_of(member.p, n - *required);
}

static void put_members(struct buf *out, const char *members)
{
    const char *comma = "";
    struct span type;
    bool required;

    buf_put_str(out, "\"properties\":{");
    while (*members != '\0') {
        struct span name = name_of(word(&members), &type, &required);

        buf_put_str(out, comma);
        json_put_string(out, name);
        buf_put_u8(out, ':');
        put_type(out, type);
        comma = ",";
    }
    buf_put_u8(out, '}');
}

static void put_required(struct buf *out, const char *members)
{
    const char *before = ",\"required\":[";
    struct span type;
    bool required;

    while (*members != '\0') {
        struct span name = name_of(word(&members), &type, &required);

        if (!required)
            continue;
        buf_put_str(out, before);
        json_put_string(out, name);
        before = ",";
    }
    if (before[1] == '\0')
        buf_put_u8(out, ']');
}

static void put_component(struct buf *out, const struct component *c)
{
    bool may_be_null = strcmp(c->name, "ModeBefore") == 0;

    buf_printf(out, "\"%s\":{\"type\":%s,", c->name,
               may_be_null ? "[\"object\",\"null\"]" : "\"object\"");
    put_members(out, c->members);
    put_required(out, c->members);
    buf_put_u8(out, '}');
}

void openapi_put_schemas(struct buf *out)
{
    for (size_t i = 0; i < COUNT(components); i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_component(out, &components[i]);
    }
}

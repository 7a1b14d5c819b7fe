#include "gateway/openapi.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TEXT "{\"type\":\"string\"}"
#define BYTES "{\"type\":\"string\",\"contentEncoding\":\"binary\"}"
#define OBJECT "{\"type\":\"object\"}"
#define NUMBER "{\"type\":\"integer\",\"minimum\":1,\"maximum\":2147483647}"
#define INDEX "{\"type\":\"integer\",\"minimum\":0,\"maximum\":2147483647}"
#define FLAG "{\"type\":\"boolean\",\"default\":false}"
#define WORD "{\"type\":\"string\",\"minLength\":1}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define JSON_TYPE "application/json"

static const struct openapi_param queries[] = {
    {"on_error",
     "{\"type\":\"string\",\"enum\":[\"reject\",\"partial\",\"dlq\"],\"default\":"
     "\"reject\"}",
     "what a bad record does to its request"},
    {"dry_run", FLAG, "check only"},
    {"schema_id", NUMBER, "which schema; default the subject's latest"},
    {"version", "{\"type\":\"string\",\"pattern\":\"^([1-9][0-9]{0,8}|latest)$\"}",
     "which version of the subject"},
    {"subject", WORD, "which subject; default <topic>-value"},
    {"subject_name_strategy",
     "{\"type\":\"string\",\"enum\":[\"topic\",\"record\",\"topic_record\"]}",
     "how the subject is named"},
    {"record_name", WORD, "for the strategies that name it by the record"},
    {"key_field", WORD, "the field that is the Kafka key"},
    {"partition", INDEX, "default: by key"},
    {"timestamp_field", WORD, "the field that is the record's time"},
    {"timestamp", "{\"type\":\"string\",\"enum\":[\"now\",\"event\"]}",
     "event: a CloudEvent's time is the record's"},
    {"unknown_fields", "{\"type\":\"string\",\"enum\":[\"reject\",\"ignore\"]}",
     "what fields do that the schema does not have"},
    {"bytes_as", "{\"type\":\"string\",\"enum\":[\"base64\",\"avro_json\"]}",
     "how bytes stand in JSON"},
    {"delimiter", "{\"type\":\"string\",\"enum\":[\",\",\";\",\"|\",\"tab\"]}",
     "of CSV; any ASCII character"},
    {0},
};

#define RECORDS                                                         \
    "on_error dry_run schema_id version subject subject_name_strategy " \
    "record_name key_field partition timestamp_field timestamp "        \
    "unknown_fields bytes_as delimiter"

static const struct openapi_param headers[] = {
    {"Idempotency-Key", "{\"type\":\"string\",\"pattern\":\"^[ -~]{1,130}$\"}",
     "the same request with the same key is carried out once"},
    {"Kafka-Key", TEXT, "one Kafka key for all records"},
    {"Kafka-Timestamp",
     "{\"type\":\"string\",\"anyOf\":[{\"pattern\":\"^[1-9][0-9]{0,14}$\"},"
     "{\"format\":\"date-time\"}]}",
     "one time for all records: milliseconds since 1970, or RFC 3339"},
    {"traceparent", TEXT, "W3C Trace Context; goes with the records"},
    {0},
};

static const struct openapi_param parts[] = {
    {"topic",
     "{\"type\":\"string\",\"pattern\":\"^[a-zA-Z0-9._-]+$\",\"maxLength\":249}",
     "a topic"},
    {"partition", INDEX, "a partition of the topic"},
    {"cluster", WORD, "the cluster's id, as GET /v3/clusters tells"},
    {"broker", INDEX, "a broker's id"},
    {0},
};

#define AVRO_V2 "application/vnd.kafka.avro.v2+json"
#define JSON_V2 "application/vnd.kafka.json.v2+json"
#define BINARY_V2 "application/vnd.kafka.binary.v2+json"
#define V2 "application/vnd.kafka.v2+json"
#define V2_TYPES V2 " application/vnd.kafka.v1+json " JSON_TYPE
#define V3 "/v3/clusters/{cluster}"
#define TOPIC V3 "/topics/{topic}"
#define PARTITION TOPIC "/partitions/{partition}"

struct content { // a body in one type; the table ends with a type NULL
    const char *type, *schema;
};

static const struct content record_bodies[] = {
    {JSON_TYPE, "{}"},
    {"application/x-ndjson", TEXT},
    {"text/csv", TEXT},
    {"application/avro", BYTES},
    {"application/vnd.avrogate.framed", BYTES},
    {"application/cloudevents+json", REF("CloudEvent")},
    {"application/cloudevents-batch+json",
     "{\"type\":\"array\",\"items\":" REF("CloudEvent") "}"},
    {NULL, NULL}};

static const struct content v2_bodies[] = {{AVRO_V2, REF("V2Records")},
                                           {JSON_V2, REF("V2Records")},
                                           {BINARY_V2, REF("V2Binary")},
                                           {NULL, NULL}};
static const struct content v3_body[] = {{JSON_TYPE, REF("V3Record")}, {NULL, NULL}};
static const struct content v3_batch[] = {{JSON_TYPE, REF("V3Batch")}, {NULL, NULL}};

#define SEND_HEADERS "Idempotency-Key traceparent"
#define RECORD_HEADERS SEND_HEADERS " Kafka-Key Kafka-Timestamp"

static const struct operation {
    struct openapi_row row;
    const struct content *bodies;
    const char *types, *answer;
    const char *statuses; // besides 200
} operations[] = {
    {{HTTP_POST, "/v1/topics/{topic}/records",
      "Records, each checked against the subject's schema; 200: Kafka has all of them",
      RECORDS, RECORD_HEADERS},
     record_bodies,
     JSON_TYPE,
     REF("Written"),
     "207"},
    {{HTTP_GET, "/", "What this is", "", ""}, NULL, JSON_TYPE, OBJECT, ""},
    {{HTTP_GET, "/healthz", "Is the process alive?", "", ""},
     NULL,
     JSON_TYPE,
     OBJECT,
     ""},
    {{HTTP_GET, "/readyz", "Do registry and Kafka answer? If not, which", "", ""},
     NULL,
     JSON_TYPE,
     OBJECT,
     ""},
    {{HTTP_GET, "/metrics", "Counters, as Prometheus reads them", "", ""},
     NULL,
     "text/plain",
     TEXT,
     ""},
    {{HTTP_GET, "/openapi.json", "This document", "", ""}, NULL, JSON_TYPE, OBJECT, ""},
    {{HTTP_POST, "/topics/{topic}", "REST Proxy v2: records", "", SEND_HEADERS},
     v2_bodies,
     V2_TYPES,
     REF("V2Offsets"),
     ""},
    {{HTTP_POST, "/topics/{topic}/partitions/{partition}",
      "REST Proxy v2: records for a partition", "", SEND_HEADERS},
     v2_bodies,
     V2_TYPES,
     REF("V2Offsets"),
     ""},
    {{HTTP_GET, "/topics", "REST Proxy v2: names of topics", "", ""},
     NULL,
     V2_TYPES,
     "{\"type\":\"array\",\"items\":" TEXT "}",
     ""},
    {{HTTP_GET, "/topics/{topic}", "REST Proxy v2: a topic", "", ""},
     NULL,
     V2_TYPES,
     OBJECT,
     ""},
    {{HTTP_GET, "/topics/{topic}/partitions", "REST Proxy v2: its partitions", "", ""},
     NULL,
     V2_TYPES,
     "{\"type\":\"array\",\"items\":" OBJECT "}",
     ""},
    {{HTTP_GET, "/topics/{topic}/partitions/{partition}", "REST Proxy v2: a partition",
      "", ""},
     NULL,
     V2_TYPES,
     OBJECT,
     ""},
    {{HTTP_GET, "/topics/{topic}/partitions/{partition}/offsets",
      "REST Proxy v2: its first offset and its end", "", ""},
     NULL,
     V2_TYPES,
     OBJECT,
     ""},
    {{HTTP_GET, "/brokers", "REST Proxy v2: ids of brokers", "", ""},
     NULL,
     V2_TYPES,
     OBJECT,
     ""},
    {{HTTP_POST, TOPIC "/records",
      "REST Proxy v3: a record, or several one behind the other; chunked, a stream "
      "answered by a stream of reports",
      "", SEND_HEADERS},
     v3_body,
     JSON_TYPE,
     REF("V3Report"),
     ""},
    {{HTTP_POST, TOPIC "/records:batch", "REST Proxy v3: 1 to 10 records with ids", "",
      SEND_HEADERS},
     v3_batch,
     JSON_TYPE,
     REF("V3Reports"),
     "207"},
    {{HTTP_GET, "/v3/clusters", "REST Proxy v3: the cluster, as a list", "", ""},
     NULL,
     JSON_TYPE,
     REF("List"),
     ""},
    {{HTTP_GET, V3, "REST Proxy v3: the cluster", "", ""},
     NULL,
     JSON_TYPE,
     REF("Thing"),
     ""},
    {{HTTP_GET, V3 "/brokers", "REST Proxy v3: brokers", "", ""},
     NULL,
     JSON_TYPE,
     REF("List"),
     ""},
    {{HTTP_GET, V3 "/brokers/{broker}", "REST Proxy v3: a broker", "", ""},
     NULL,
     JSON_TYPE,
     REF("Thing"),
     ""},
    {{HTTP_GET, V3 "/topics", "REST Proxy v3: topics", "", ""},
     NULL,
     JSON_TYPE,
     REF("List"),
     ""},
    {{HTTP_GET, TOPIC, "REST Proxy v3: a topic", "", ""},
     NULL,
     JSON_TYPE,
     REF("Thing"),
     ""},
    {{HTTP_GET, TOPIC "/partitions", "REST Proxy v3: its partitions", "", ""},
     NULL,
     JSON_TYPE,
     REF("List"),
     ""},
    {{HTTP_GET, PARTITION, "REST Proxy v3: a partition", "", ""},
     NULL,
     JSON_TYPE,
     REF("Thing"),
     ""},
    {{HTTP_GET, PARTITION "/replicas", "REST Proxy v3: its replicas", "", ""},
     NULL,
     JSON_TYPE,
     REF("List"),
     ""},
    {{HTTP_GET, PARTITION "/replicas/{broker}", "REST Proxy v3: a replica", "", ""},
     NULL,
     JSON_TYPE,
     REF("Thing"),
     ""},
};

#define OPTIONAL(type) "{\"type\":[\"" type "\",\"null\"]}"
#define PROBLEM                                                                \
    "{\"type\":\"object\",\"required\":[\"pointer\",\"offset\",\"expected\","  \
    "\"found\",\"rule\",\"message\"],\"properties\":{\"pointer\":" TEXT        \
    ",\"offset\":{\"type\":\"integer\"},\"expected\":" TEXT ",\"found\":" TEXT \
    ",\"rule\":" TEXT ",\"message\":" TEXT "}}"
#define V2_RECORD(of)                                                                \
    "{\"type\":\"object\",\"required\":[\"records\"],\"properties\":{"               \
    "\"records\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\"," \
    "\"properties\":{\"key\":" of ",\"value\":" of ",\"partition\":" INDEX "}}},"    \
    "\"key_schema\":" TEXT ",\"key_schema_id\":" NUMBER ",\"value_schema\":" TEXT    \
    ",\"value_schema_id\":" NUMBER "}}"
#define DATUM                                                                          \
    "{\"type\":\"object\",\"required\":[\"data\"],\"properties\":{\"type\":{\"enum\":" \
    "[\"AVRO\",\"BINARY\",\"JSON\",\"STRING\"]},\"subject\":" TEXT                     \
    ",\"subject_name_strategy\":{\"enum\":[\"TOPIC_NAME\",\"RECORD_NAME\","            \
    "\"TOPIC_RECORD_NAME\"]},\"schema_id\":" NUMBER ",\"schema_version\":" NUMBER      \
    ",\"schema\":" TEXT ",\"data\":{}}}"
#define V3_MEMBERS                                                                 \
    "\"partition_id\":" INDEX ",\"headers\":{\"type\":\"array\",\"items\":{"       \
    "\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":" TEXT   \
    ",\"value\":{\"type\":[\"string\",\"null\"],\"contentEncoding\":\"base64\"}}}" \
    "},\"key\":" DATUM ",\"value\":" DATUM ",\"timestamp\":{\"type\":\"string\","  \
    "\"format\":\"date-time\"}"

static const struct {
    const char *name, *schema;
} components[] =
    {
        {"Refusal",
         "{\"type\":\"object\",\"required\":[\"error_code\",\"message\"],"
         "\"properties\":{"
         "\"error_code\":{\"type\":\"integer\"},\"message\":" TEXT
         ",\"outcome\":{\"enum\":[\"not_written\",\"unknown\",\"partly_written\"]}}}"},
        {"Written",
         "{\"type\":\"object\",\"required\":[\"accepted\",\"rejected\",\"records\","
         "\"schema\"],\"properties\":{\"accepted\":{\"type\":\"integer\"},\"rejected\":"
         "{"
         "\"type\":\"integer\"},\"dry_run\":{\"type\":\"boolean\"},\"records\":{"
         "\"type\":"
         "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"index\"],"
         "\"properties\":"
         "{\"index\":{\"type\":\"integer\"},\"partition\":{\"type\":\"integer\"},"
         "\"offset\":{\"type\":\"integer\"},\"errors\":{\"type\":\"array\","
         "\"items\":" PROBLEM "},\"more_errors\":{\"type\":\"integer\"},\"dlq\":" OBJECT
         ",\"contract\":{\"type\":\"object\",\"required\":[\"rule\",\"why\"],"
         "\"properties\":{\"rule\":" TEXT ",\"doc\":" TEXT ",\"expr\":" TEXT
         ",\"field\":" TEXT ",\"why\":" TEXT "}}"
         "}}},\"schema\":{\"type\":\"object\",\"required\":[\"subject\",\"id\","
         "\"version\"],\"properties\":{\"subject\":" OPTIONAL(
             "string") ",\"id\":{"
                       "\"type\":\"integer\"},\"version\":" OPTIONAL(
                           "integer") ",\"stale\":{\"type\":"
                                      "\"boolean\"}}},\"dlq\":{\"enum\":[\"stored\","
                                      "\"failed\"]}}}"},
        {"CloudEvent",
         "{\"type\":\"object\",\"required\":[\"specversion\",\"id\",\"source\","
         "\"type\","
         "\"data\"],\"properties\":{\"specversion\":{\"const\":\"1.0\"},\"id\":" WORD
         ",\"source\":" WORD ",\"type\":" WORD ",\"subject\":" WORD
         ",\"time\":{\"type\":\"string\",\"format\":\"date-time\"},"
         "\"partitionkey\":" TEXT ",\"data\":{}}}"},
        {"V2Records", V2_RECORD("{}")},
        {"V2Binary",
         V2_RECORD("{\"type\":[\"string\",\"null\"],\"contentEncoding\":\"base64\"}")},
        {"V2Offsets", "{\"type\":\"object\",\"required\":[\"offsets\",\"key_schema_"
                      "id\","
                      "\"value_schema_id\"],\"properties\":{\"offsets\":{\"type\":"
                      "\"array\",\"items\":{"
                      "\"type\":\"object\",\"required\":[\"partition\",\"offset\","
                      "\"error_code\","
                      "\"error\"],\"properties\":{\"partition\":" OPTIONAL("integer") ",\"offset\":" OPTIONAL("integer") ",\"error_code\":" OPTIONAL(
                          "integer") ",\"error\":" OPTIONAL("string") "}}},\"key_"
                                                                      "schema_"
                                                                      "id\":" OPTIONAL("integer") ",\"value_schema_id\":" OPTIONAL(
                                                                          "integer") "}"
                                                                                     "}"},
        {"V3Record", "{\"type\":\"object\",\"properties\":{" V3_MEMBERS "}}"},
        {"V3Batch",
         "{\"type\":\"object\",\"required\":[\"entries\"],\"properties\":{\"entries\":{"
         "\"type\":\"array\",\"minItems\":1,\"maxItems\":10,\"items\":{\"type\":"
         "\"object\","
         "\"required\":[\"id\"],\"properties\":{\"id\":{\"type\":\"string\","
         "\"minLength\":1,"
         "\"maxLength\":80}," V3_MEMBERS "}}}}}"},
        {"V3Report",
         "{\"type\":\"object\",\"required\":[\"error_code\"],\"properties\":{"
         "\"error_code\":{\"type\":\"integer\"},\"message\":" TEXT
         ",\"cluster_id\":" TEXT ",\"topic_name\":" TEXT
         ",\"partition_id\":{\"type\":\"integer\"},\"offset\":{"
         "\"type\":\"integer\"},\"timestamp\":" TEXT ",\"key\":" OBJECT
         ",\"value\":" OBJECT "}}"},
        {"V3Reports", "{\"type\":\"object\",\"required\":[\"successes\",\"failures\"],"
                      "\"properties\":{"
                      "\"successes\":{\"type\":\"array\",\"items\":" OBJECT
                      "},\"failures\":{\"type\":"
                      "\"array\",\"items\":" OBJECT "}}}"},
        {"Thing",
         "{\"type\":\"object\",\"required\":[\"kind\",\"metadata\",\"cluster_id\"],"
         "\"properties\":{\"kind\":" TEXT ",\"metadata\":" OBJECT
         ",\"cluster_id\":" TEXT "}}"},
        {"List",
         "{\"type\":\"object\",\"required\":[\"kind\",\"metadata\",\"data\"],"
         "\"properties\":{\"kind\":" TEXT ",\"metadata\":" OBJECT ",\"data\":{\"type\":"
         "\"array\",\"items\":" REF("Thing") "}}}"},
};

static const struct openapi_row *row_of(size_t i)
{
    return &operations[i].row;
}

static void put_body(struct buf *out, size_t i)
{
    const struct content *bodies = operations[i].bodies;

    if (bodies == NULL)
        return;
    buf_put_str(out, ",\"requestBody\":{\"required\":true,\"content\":{");
    for (const struct content *c = bodies; c->type != NULL; c++)
        buf_printf(out, "%s\"%s\":{\"schema\":%s}", c > bodies ? "," : "", c->type,
                   c->schema);
    buf_put_str(out, "}}");
}

static void put_answers(struct buf *out, size_t i)
{
    const struct operation *op = &operations[i];

    buf_put_str(out, "\"200\":{\"description\":\"done\",");
    openapi_put_content(out, op->types, op->answer);
    buf_put_u8(out, '}');
    if (openapi_lists(op->statuses, "207")) {
        buf_put_str(out, ",\"207\":{\"description\":\"some of it\",");
        openapi_put_content(out, op->types, op->answer);
        buf_put_u8(out, '}');
    }
    buf_put_str(out, ",\"default\":{\"$ref\":\"#/components/responses/Refused\"}");
}

static void put_responses(struct buf *out)
{
    buf_put_str(out, "\"Refused\":{\"description\":\"refused, or not all of it; "
                     "error_code and message say why\",");
    openapi_put_content(out, V2_TYPES, REF("Refusal"));
    buf_put_u8(out, '}');
}

static void put_schemas(struct buf *out)
{
    for (size_t i = 0; i < COUNT(components); i++)
        buf_printf(out, "%s\"%s\":%s", i > 0 ? "," : "", components[i].name,
                   components[i].schema);
}

const struct openapi_book gateway_openapi = {
    .title = "avrogate gateway",
    .about = "Records in by POST, checked against their Avro schema, out to Kafka. "
             "Bodies may come under Content-Encoding gzip or zstd.",
    .parts = parts,
    .queries = queries,
    .headers = headers,
    .n = COUNT(operations),
    .row = row_of,
    .put_body = put_body,
    .put_answers = put_answers,
    .put_responses = put_responses,
    .put_schemas = put_schemas,
};

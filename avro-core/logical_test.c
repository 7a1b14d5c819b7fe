#include "tests/schema_texts.h"

static void logical_types_count_where_they_fit(void)
{
#define L(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define LX(logical, size, more)                                                       \
    "{\"type\":\"fixed\",\"name\":\"X\",\"size\":" size ",\"logicalType\":\"" logical \
    "\"" more "}"
#define DEC(more) "{\"type\":\"bytes\",\"logicalType\":\"decimal\"" more "}"
    static const struct {
        const char *text, *want;
        int precision, scale;
    } t[] = {
        {L("string", "uuid"), "uuid", 0, 0},
        {LX("uuid", "16", ""), "uuid", 0, 0},
        {LX("uuid", "15", ""), "", 0, 0},
        {L("bytes", "uuid"), "", 0, 0},
        {L("int", "date"), "date", 0, 0},
        {L("long", "date"), "", 0, 0},
        {L("int", "time-millis"), "time-millis", 0, 0},
        {L("long", "time-micros"), "time-micros", 0, 0},
        {L("int", "time-micros"), "", 0, 0},
        {L("long", "timestamp-millis"), "timestamp-millis", 0, 0},
        {L("long", "timestamp-micros"), "timestamp-micros", 0, 0},
        {L("long", "timestamp-nanos"), "timestamp-nanos", 0, 0},
        {L("long", "local-timestamp-millis"), "local-timestamp-millis", 0, 0},
        {L("long", "local-timestamp-micros"), "local-timestamp-micros", 0, 0},
        {L("long", "local-timestamp-nanos"), "local-timestamp-nanos", 0, 0},
        {LX("duration", "12", ""), "duration", 0, 0},
        {LX("duration", "11", ""), "", 0, 0},
        {L("bytes", "big-decimal"), "big-decimal", 0, 0},
        {L("string", "big-decimal"), "", 0, 0},
        {DEC(",\"precision\":9,\"scale\":2"), "decimal", 9, 2},
        {DEC(",\"precision\":9"), "decimal", 9, 0},
        {DEC(",\"precision\":2147483647"), "decimal", 2147483647, 0},
        {DEC(""), "", 0, 0},
        {DEC(",\"precision\":0"), "", 0, 0},
        {DEC(",\"precision\":-1"), "", 0, 0},
        {DEC(",\"precision\":9.0"), "", 0, 0},
        {DEC(",\"precision\":\"9\""), "", 0, 0},
        {DEC(",\"precision\":9,\"scale\":10"), "", 0, 0},
        {DEC(",\"precision\":9,\"scale\":-1"), "", 0, 0},
        {DEC(",\"precision\":9,\"scale\":null"), "", 0, 0},
        {DEC(",\"precision\":2147483648"), "", 0, 0},
        {LX("decimal", "4", ",\"precision\":9"), "decimal", 9, 0},
        {LX("decimal", "4", ",\"precision\":10"), "", 0, 0},
        {LX("decimal", "0", ",\"precision\":1"), "", 0, 0},
        {"{\"type\":\"string\",\"logicalType\":\"decimal\",\"precision\":4}", "", 0, 0},
        {L("string", "nobody-knows"), "", 0, 0},
        {"{\"type\":\"string\",\"logicalType\":7}", "", 0, 0},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\",\"avro.java.string\":"
         "\"String\"}",
         "", 0, 0},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\",\"avro.java.string\":1}",
         "uuid", 0, 0},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s = must(t[i].text);
        if (s == NULL)
            continue;
        const struct av_node *n = av_schema_root(s);
        CHECK_STR(av_logical_name(n->logical), t[i].want);
        CHECK_INT(n->precision, t[i].precision);
        CHECK_INT(n->scale, t[i].scale);
        CHECK(json_is(av_attr_get(n->attrs, n->n_attrs, "logicalType"),
                      i == 36 ? JSON_NUMBER : JSON_STRING)); // kept all the same
        av_schema_release(s);
    }
}

int main(void)
{
    RUN(logical_types_count_where_they_fit);
    return REPORT();
}

#include "tests/transform_house.h"

/* One field `x` of that type, cast, and what becomes of a value. */
static void becomes(const char *type, const char *to, const char *json,
                    const char *says)
{
    struct transform_house h;
    char schema[500], yaml[200], record[300], want[400];

    snprintf(schema, sizeof schema,
             "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":"
             "%s}]}",
             type);
    snprintf(yaml, sizeof yaml, "transform:\n- cast: {x: %s}\n", to);
    snprintf(record, sizeof record, "{\"x\":%s}", json);
    snprintf(want, sizeof want, strncmp(says, "no: ", 4) == 0 ? "%s%s" : "{\"x\":%s%s}",
             strncmp(says, "no: ", 4) == 0 ? "error: transform 1:cast: /x: " : says,
             strncmp(says, "no: ", 4) == 0 ? says + 4 : "");
    CHECK_INT(transform_house_open(&h, schema, yaml), ERR_OK);
    CHECK_STR(h.e.msg, "");
    if (h.e.kind == ERR_OK)
        CHECK_STR(transform_house_says(&h, record), want);
    transform_house_close(&h);
}

#define L(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DEC \
    "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":10,\"scale\":3}"

static void every_cast_of_the_table_does_what_it_says(void)
{
    static const struct {
        const char *type, *to, *json, *says;
    } cases[] = {
        {"\"boolean\"", "int", "true", "1"},
        {"\"boolean\"", "string", "false", "\"false\""},
        {"\"int\"", "boolean", "1", "true"},
        {"\"int\"", "boolean", "2", "no: \"2\", wanted boolean: true, false, 1 or 0"},
        {"\"long\"", "int", "2147483647", "2147483647"},
        {"\"long\"", "int", "2147483648",
         "no: \"2147483648\", wanted int: out of its range"},
        {"\"int\"", "double", "7", "7.0"},
        {"\"long\"", "float", "16777217", "16777216.0"},
        {"\"long\"", "\"decimal(12,2)\"", "-12", "\"-12.00\""},
        {"\"long\"", "\"decimal(3,2)\"", "12",
         "no: \"12\", wanted decimal(3,2): too many digits"},
        {"\"long\"", "string", "-12", "\"-12\""},
        {"\"int\"", "date", "20000", "\"2024-10-04\""},
        {"\"long\"", "timestamp-millis", "1000", "\"1970-01-01T00:00:01Z\""},
        {"\"long\"", "time-millis", "86400000",
         "no: \"86400000\", wanted time-millis: beyond a day"},
        {"\"double\"", "int", "7.0", "7"},
        {"\"double\"", "int", "7.5", "no: \"7.5\", wanted int: digits would be lost"},
        {"\"double\"", "long", "\"NaN\"", "no: \"NaN\", wanted long"},
        {"\"double\"", "float", "1e300",
         "no: \"1e+300\", wanted float: out of its range"},
        {"\"double\"", "\"decimal(5,2)\"", "0.1", "\"0.10\""},
        {"\"double\"", "\"decimal(5,2)\"", "0.125",
         "no: \"0.125\", wanted decimal(5,2): digits would be lost"},
        {"\"double\"", "string", "0.1", "\"0.1\""},
        {DEC, "int", "\"12.000\"", "12"},
        {DEC, "double", "\"-0.5\"", "-0.5"},
        {DEC, "\"decimal(12,1)\"", "\"12.500\"", "\"12.5\""},
        {DEC, "\"decimal(12,1)\"", "\"12.550\"",
         "no: \"12.550\", wanted decimal(12,1): digits would be lost"},
        {DEC, "string", "\"-0.001\"", "\"-0.001\""},
        {L("bytes", "big-decimal"), "\"decimal(9,3)\"", "\"1.50\"", "\"1.500\""},
        {"\"string\"", "boolean", "\"true\"", "true"},
        {"\"string\"", "boolean", "\"yes\"",
         "no: \"yes\", wanted boolean: true, false, 1 or 0"},
        {"\"string\"", "int", "\"12\"", "12"},
        {"\"string\"", "int", "\" 12\"", "no: \" 12\", wanted int"},
        {"\"string\"", "int", "\"\"", "no: \"\", wanted int"},
        {"\"string\"", "int", "\"12x\"", "no: \"12x\", wanted int"},
        {"\"string\"", "double", "\"1e3\"", "1000.0"},
        {"\"string\"", "double", "\"0x10\"", "no: \"0x10\", wanted double"},
        {"\"string\"", "double", "\"1,5\"", "no: \"1,5\", wanted double"},
        {"\"string\"", "\"decimal(12, 2)\"", "\"1.5\"", "\"1.50\""},
        {"\"string\"", "uuid", "\"123e4567-e89b-12d3-a456-426614174001\"",
         "\"123e4567-e89b-12d3-a456-426614174001\""},
        {"\"string\"", "uuid", "\"123\"", "no: \"123\", wanted uuid"},
        {"\"string\"", "bytes", "\"AP8=\"", "\"AP8=\""},
        {"\"string\"", "bytes", "\"A\"", "no: \"A\", wanted bytes in base64"},
        {"\"string\"", "date", "\"2024-02-29\"", "\"2024-02-29\""},
        {"\"string\"", "date", "\"2023-02-29\"",
         "no: \"2023-02-29\", wanted date: there is no such day or hour"},
        {"\"string\"", "date", "\"29.02.2024\"",
         "no: \"29.02.2024\", wanted date as ISO 8601 writes it"},
        {"\"string\"", "time-micros", "\"09:30:00.25\"", "\"09:30:00.250\""},
        {"\"string\"", "timestamp-millis", "\"2024-02-29T04:05:06.789+01:00\"",
         "\"2024-02-29T03:05:06.789Z\""},
        {"\"string\"", "timestamp-millis", "\"2024-02-29T04:05:06.7891Z\"",
         "no: \"2024-02-29T04:05:06.7891Z\", wanted timestamp-millis: digits would be "
         "lost"},
        {"\"string\"", "timestamp-millis", "\"2024-02-29T04:05:06\"",
         "no: \"2024-02-29T04:05:06\", wanted timestamp-millis with Z or an offset"},
        {"\"string\"", "local-timestamp-micros", "\"2024-02-29T04:05:06\"",
         "\"2024-02-29T04:05:06\""},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "string",
         "\"B\"", "\"B\""},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "bytes", "\"AP8=\"",
         "\"AP8=\""},
        {"{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}",
         "string", "\"123e4567-e89b-12d3-a456-426614174001\"",
         "\"123e4567-e89b-12d3-a456-426614174001\""},
        {"\"bytes\"", "string", "\"AP8=\"", "\"AP8=\""},
        {L("int", "date"), "timestamp-millis", "\"2024-02-29\"",
         "\"2024-02-29T00:00:00Z\""},
        {L("int", "date"), "int", "\"1970-01-11\"", "10"},
        {L("int", "time-millis"), "time-micros", "\"00:00:01.5\"", "\"00:00:01.500\""},
        {L("long", "time-micros"), "time-millis", "\"00:00:01.0001\"",
         "no: \"00:00:01.000100\", wanted time-millis: digits would be lost"},
        {L("long", "timestamp-millis"), "date", "\"1969-12-31T23:00:00Z\"",
         "\"1969-12-31\""},
        {L("long", "timestamp-micros"), "timestamp-nanos", "\"2300-01-01T00:00:00Z\"",
         "no: \"2300-01-01T00:00:00Z\", wanted timestamp-nanos: out of its range"},
        {L("long", "timestamp-micros"), "local-timestamp-millis",
         "\"2024-02-29T04:05:06.5Z\"", "\"2024-02-29T04:05:06.500\""},
        {L("long", "timestamp-millis"), "long", "\"1970-01-01T00:00:01Z\"", "1000"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "string", "[1,2]", "\"[1,2]\""},
        {"[\"null\",\"string\"]", "int", "null", "null"},
        {"[\"null\",\"string\"]", "int", "\"5\"", "5"},
        {"[\"string\",\"null\"]", "int", "null", "null"},
        {"[\"string\",\"null\"]", "int", "\"5\"", "5"},
        {"\"string\"", "{to: int, else: null}", "\"x\"", "null"},
        {"\"string\"", "{to: int, else: null}", "\"5\"", "5"},
        {"[\"string\",\"null\"]", "{to: int, else: null}", "\"x\"", "null"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        becomes(cases[i].type, cases[i].to, cases[i].json, cases[i].says);
}

static const char row[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"a\",\"type\":\"string\",\"default\":\"0\"},"
    "{\"name\":\"b\",\"type\":[\"null\",\"double\"]},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}"
    "},"
    "{\"name\":\"home\",\"type\":{\"type\":\"record\",\"name\":\"I\",\"fields\":[{"
    "\"name\":"
    "\"city\",\"type\":\"string\"}]}},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}";
#define ROW                                                                       \
    "{\"a\":\"12\",\"b\":2.5,\"at\":\"2024-02-29T04:05:06Z\",\"home\":{\"city\":" \
    "\"Chur\"},\"tags\":[\"x\",\"y\"]}"

static void makes(const char *steps, const char *json, const char *says)
{
    struct transform_house h;
    char yaml[600];

    snprintf(yaml, sizeof yaml, "transform:\n%s", steps);
    CHECK_INT(transform_house_open(&h, row, yaml), ERR_OK);
    CHECK_STR(h.e.msg, "");
    if (h.e.kind == ERR_OK)
        CHECK_STR(transform_house_says(&h, json), says);
    transform_house_close(&h);
}

static void comes_out_as(const char *steps, const char *fields)
{
    struct transform_house h;
    char yaml[600], want[900];

    snprintf(yaml, sizeof yaml, "transform:\n%s", steps);
    snprintf(want, sizeof want, "{\"type\":\"record\",\"name\":\"R\",\"fields\":[%s]}",
             fields);
    CHECK_INT(transform_house_open(&h, row, yaml), ERR_OK);
    CHECK_STR(h.e.msg, "");
    if (h.e.kind == ERR_OK)
        CHECK_STR(transform_house_schema(&h), want);
    transform_house_close(&h);
}

static void refuses(const char *steps, const char *why)
{
    struct transform_house h;
    char yaml[600];

    snprintf(yaml, sizeof yaml, "transform:\n%s", steps);
    CHECK(transform_house_open(&h, row, yaml) != ERR_OK);
    CHECK_STR(h.e.msg, why);
    transform_house_close(&h);
}

static void later_steps_see_the_new_type(void)
{
    makes("- cast: {a: int, b: string}\n- filter: \"a == 12\"\n- select: [b, a]\n", ROW,
          "{\"b\":\"2.5\",\"a\":12}");
    makes("- cast: {a: int}\n- cast: {a: double}\n- cast: {a: string}\n- select: [a]\n",
          ROW, "{\"a\":\"12.0\"}");
    comes_out_as(
        "- cast: {a: {to: \"decimal(9)\", else: null}, b: float}\n- select: [b, "
        "a]\n",
        "{\"name\":\"b\",\"type\":[\"null\",\"float\"]},{\"name\":\"a\",\"type\":"
        "[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":"
        "9,\"scale\":0}]}");
    refuses("- cast: {tags: int}\n",
            "transform 1:cast: tags is of type array: no cast to int");
    refuses("- cast: {at: double}\n", "transform 1:cast: at is of type long "
                                      "timestamp-millis: no cast to double");
    refuses(
        "- cast: {a: number}\n",
        "transform 1:cast: p.yaml:2:13: type \"number\", wanted boolean, int, long, "
        "float, double, decimal(P,S), string, uuid, bytes, date, time-millis, "
        "-micros, timestamp-millis, -micros, -nanos, local-timestamp-...");
    refuses("- cast: {a: {to: int, else: 0}}\n",
            "transform 1:cast: p.yaml:2:13: \"0\", wanted null or reject");
    refuses("- cast: {a: {too: int}}\n",
            "transform 1:cast: p.yaml:2:19: unknown \"too\", wanted to|else");
}

static void a_computed_field_is_of_its_expressions_type(void)
{
    makes(
        "- compute: {c: \"a + '!'\", d: \"b == null ? 0.0 : b * 2.0\"}\n- select: [c, "
        "d]\n",
        ROW, "{\"c\":\"12!\",\"d\":5.0}");
    makes("- compute: {a: \"int(a)\", twice: \"a + a\"}\n- select: [a, twice]\n", ROW,
          "{\"a\":12,\"twice\":\"1212\"}");
    makes("- compute: {city: \"home.city\", n: \"size(tags)\", y: "
          "\"at.getFullYear()\"}\n- "
          "select: [city, n, y]\n",
          ROW, "{\"city\":\"Chur\",\"n\":2,\"y\":2024}");
    makes("- compute: {again: \"home\", all: \"tags + ['z']\", when: \"at + "
          "duration('1s')\"}\n- select: [again, all, when]\n",
          ROW,
          "{\"again\":{\"city\":\"Chur\"},\"all\":[\"x\",\"y\",\"z\"],\"when\":"
          "\"2024-02-29T04:05:07Z\"}");
    comes_out_as(
        "- compute: {again: \"home\", c: \"b\", m: \"{'k': 1}\"}\n- select: [again, "
        "home, c, m]\n",
        "{\"name\":\"again\",\"type\":{\"type\":\"record\",\"name\":\"I\","
        "\"fields\":[{\"name\":\"city\",\"type\":\"string\"}]}},{\"name\":\"home\","
        "\"type\":\"I\"},{\"name\":\"c\",\"type\":[\"null\",\"double\"]},{"
        "\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"long\"}}");
    makes("- compute: {p: {expr: \"'%.2f'.format([double(a) * 1.077])\", type: "
          "\"decimal(12,2)\"}}\n- select: [p]\n",
          ROW, "{\"p\":\"12.92\"}");
    makes("- compute: {p: {expr: \"int(a)\", type: \"int?\"}}\n- select: [p]\n", ROW,
          "{\"p\":12}");
    makes("- compute: {c: \"b\"}\n- select: [c]\n",
          "{\"a\":\"\",\"b\":null,\"at\":0,\"home\":{\"city\":\"\"},\"tags\":[]}",
          "{\"c\":null}");
}

static void a_computed_field_that_fails_says_so(void)
{
    makes("- compute: {c: \"int(a) / (size(tags) - 2)\"}\n", ROW,
          "error: transform 1:compute: /c: divide by zero");
    makes(
        "- compute: {c: {expr: \"int(a) / (size(tags) - 2)\", else: null}}\n- select: "
        "[c]\n",
        ROW, "{\"c\":null}");
    makes("- compute: {c: {expr: \"b\", type: int}}\n", ROW,
          "error: transform 1:compute: /c: a value of type double, wanted int");
    makes("- compute: {c: {expr: \"dyn(null)\", type: int}}\n", ROW,
          "error: transform 1:compute: /c: null, wanted a value");
    refuses("- compute: {c: \"a * 2\"}\n",
            "transform 1:compute: c: 1:3: \"*\" does not take (string, int)");
    refuses("- compute: {c: \"dyn(a)\"}\n",
            "transform 1:compute: c: no type follows from the expression, say one: "
            "{expr: \"...\", type: decimal(12,2)}");
    refuses("- compute: {c: {type: int}}\n",
            "transform 1:compute: p.yaml:2:16: \"expr\" is missing");
}

int main(void)
{
    RUN(every_cast_of_the_table_does_what_it_says);
    RUN(later_steps_see_the_new_type);
    RUN(a_computed_field_is_of_its_expressions_type);
    RUN(a_computed_field_that_fails_says_so);
    return REPORT();
}

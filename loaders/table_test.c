#include "loaders/table.h"
#include "tests/check.h"

static struct buf ddl;
static struct err e;
static const struct table_keys *keys; // of the next plan

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"

static enum err_kind plan(struct table *t, const char *schema,
                          const struct table_has *has, size_t n, bool evolve)
{
    struct av_schema *s = NULL;

    e = (struct err){0};
    buf_reset(&ddl);
    CHECK_INT(av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e), ERR_OK);
    enum err_kind rc = table_plan(t, s, has, n, "\"t\"", evolve, keys, &ddl, &e);
    av_schema_release(s);
    return rc;
}

/* The statements for a schema and a table that is there. */
static struct span altered(const char *schema, const struct table_has *has, size_t n)
{
    struct table t;

    enum err_kind rc = plan(&t, schema, has, n, true);
    if (rc != ERR_OK)
        return span_str(e.msg);
    table_free(&t);
    return buf_span(&ddl);
}

static void creates_a_column_for_every_type(void)
{
    static const struct {
        const char *type, *column;
    } rows[] = {
        {"\"boolean\"", "boolean NOT NULL"},
        {"\"int\"", "integer NOT NULL"},
        {"[\"null\",\"long\"]", "bigint"},
        {"[\"long\",\"null\"]", "bigint"},
        {"\"float\"", "real NOT NULL"},
        {"\"double\"", "double precision NOT NULL"},
        {"\"string\"", "text NOT NULL"},
        {"\"bytes\"", "bytea NOT NULL"},
        {"\"null\"", "text"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", "text NOT NULL"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", "bytea NOT NULL"},
        {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}",
         "numeric(9,2) NOT NULL"},
        {"{\"type\":\"string\",\"logicalType\":\"uuid\"}", "uuid NOT NULL"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "date NOT NULL"},
        {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}",
         "time without time zone NOT NULL"},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
         "timestamp with time zone NOT NULL"},
        {"{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}",
         "timestamp without time zone NOT NULL"},
        {"{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", "bigint NOT NULL"},
        {"{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"}",
         "interval NOT NULL"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "integer[] NOT NULL"},
        {"[\"null\",{\"type\":\"array\",\"items\":[\"null\",\"string\"]}]", "text[]"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"bytes\",\"logicalType\":"
         "\"decimal\","
         "\"precision\":9,\"scale\":2}}",
         "numeric(9,2)[] NOT NULL"},
        {"{\"type\":\"array\",\"items\":[\"int\",\"string\"]}", "jsonb NOT NULL"},
        {"{\"type\":\"array\",\"items\":\"null\"}", "jsonb NOT NULL"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"int\"}}",
         "jsonb NOT NULL"},
        {"[\"null\",\"int\",\"string\"]", "jsonb"},
        {"[\"int\",\"string\"]", "jsonb NOT NULL"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char schema[400], want[200];
        struct table t;
        snprintf(schema, sizeof schema, RECORD("{\"name\":\"x\",\"type\":%s}"),
                 rows[i].type);
        snprintf(want, sizeof want, "CREATE TABLE \"t\" (\n    \"x\" %s\n);\n",
                 rows[i].column);
        CHECK_INT(plan(&t, schema, NULL, 0, true), ERR_OK);
        CHECK_SPAN(buf_span(&ddl), want);
        table_free(&t);
    }
}

static void cuts_long_names_apart_and_leaves_system_columns_alone(void)
{
#define LONG_ "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcde"
    struct table t;

    CHECK_INT(
        plan(&t,
             RECORD(
                 FIELD(LONG_ "1", "\"int\"") "," FIELD(LONG_ "2", "\"int\"") "," FIELD(
                     "ctid", "\"int\"") "," FIELD("select", "\"int\"")),
             NULL, 0, true),
        ERR_OK);
    CHECK_INT(strlen(t.columns[0].name), 63);
    CHECK(strcmp(t.columns[0].name, t.columns[1].name) != 0);
    CHECK_STR(t.columns[2].name, "ctid_");
    CHECK_STR(t.columns[3].name, "select");
    table_free(&t);
}

static void adds_a_field_with_its_default_for_the_rows_that_are_there(void)
{
    const struct table_has has[] = {
        {"a", "integer", -1, true, false, false, false, NULL, false, 0}};
    const char *schema = RECORD(FIELD(
        "a",
        "\"int\"") ",{\"name\":\"s\",\"type\":\"string\",\"default\":\"o'k\\\\\"},"
                   "{\"name\":\"n\",\"type\":[\"null\",\"int\"],\"default\":null},"
                   "{\"name\":\"d\",\"type\":{\"type\":\"int\",\"logicalType\":"
                   "\"date\"},\"default\":1},"
                   "{\"name\":\"m\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
                   "\"decimal\",\"precision\":6,\"scale\":2},\"default\":"
                   "\"\\u0030\\u0039\"},"
                   "{\"name\":\"l\",\"type\":{\"type\":\"array\",\"items\":\"int\"},"
                   "\"default\":[]}");

    CHECK_SPAN(
        altered(schema, has, 1),
        "ALTER TABLE \"t\" ADD COLUMN \"s\" text DEFAULT E'o''k\\\\' NOT NULL;\n"
        "ALTER TABLE \"t\" ADD COLUMN \"n\" integer;\n"
        "ALTER TABLE \"t\" ADD COLUMN \"d\" date DEFAULT ('1970-01-01'::date + 1) NOT "
        "NULL;\n"
        "ALTER TABLE \"t\" ADD COLUMN \"m\" numeric(6,2) DEFAULT '001234500e-4' NOT "
        "NULL;\n"
        "ALTER TABLE \"t\" ADD COLUMN \"l\" integer[] DEFAULT ARRAY[]::integer[] NOT "
        "NULL;\n");
}

#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"

static void an_array_goes_where_there_is_one_and_into_json_that_was_there(void)
{
    static const struct {
        const char *items, *has, *altered;
        bool is_array;
    } rows[] = {
        {"\"int\"", "integer[]", "", true},
        {"\"int\"", "smallint[]",
         "ALTER TABLE \"t\" ALTER COLUMN \"x\" TYPE integer[];\n", true},
        {"\"string\"", "character varying[]", "", true},
        {"\"int\"", "jsonb", "", false},
        {"\"int\"", "text", "", false},
        {"\"int\"", "integer",
         "column \"t\".x is integer, the schema's array wants integer[]: alter it by "
         "hand",
         true},
        {"\"string\"", "integer[]",
         "column \"t\".x is integer[], the schema's array wants text[]: alter it by "
         "hand",
         true},
        {"[\"int\",\"string\"]", "integer[]",
         "column \"t\".x is integer[], the schema's array wants jsonb: alter it by "
         "hand",
         true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct table_has has[] = {
            {"x", rows[i].has, -1, true, false, false, false, NULL, false, 0}};
        char schema[200];
        struct table t;

        snprintf(schema, sizeof schema, RECORD(FIELD("x", ARRAY("%s"))), rows[i].items);
        CHECK_SPAN(altered(schema, has, 1), rows[i].altered);
        if (plan(&t, schema, has, 1, true) != ERR_OK)
            continue;
        CHECK_INT(t.columns[0].item != NULL, rows[i].is_array);
        table_free(&t);
    }
}

static void an_arrays_default_is_one_for_sql(void)
{
    static const struct {
        const char *items, *json, *sql;
    } rows[] = {
        {"\"long\"", "[1,-2]", "bigint[] DEFAULT ARRAY[E'1', E'-2']::bigint[]"},
        {"[\"null\",\"string\"]", "[null,\"o'k\"]",
         "text[] DEFAULT ARRAY[NULL, E'o''k']::text[]"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "[1,2]",
         "date[] DEFAULT ARRAY[('1970-01-01'::date + 1), ('1970-01-01'::date + "
         "2)]::date[]"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "[\"ab\",\"c\\u00ff\"]",
         "bytea[] DEFAULT ARRAY['\\x6162', '\\x63ff']::bytea[]"},
        {"\"bytes\"", "[\"\",\"a\"]", "bytea[] DEFAULT ARRAY['\\x', '\\x61']::bytea[]"},
        {"\"boolean\"", "[true]", "boolean[] DEFAULT ARRAY[E'true']::boolean[]"},
        {"\"double\"", "[1.5,2]",
         "double precision[] DEFAULT ARRAY[E'1.5', E'2']::"
         "double precision[]"},
    };
    const struct table_has has[] = {
        {"a", "integer", -1, true, false, false, false, NULL, false, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char schema[400], want[300];

        snprintf(schema, sizeof schema,
                 RECORD(FIELD("a", "\"int\"") ",{\"name\":\"x\",\"type\":" ARRAY(
                     "%s") ",\"default\":%s}"),
                 rows[i].items, rows[i].json);
        snprintf(want, sizeof want, "ALTER TABLE \"t\" ADD COLUMN \"x\" %s NOT NULL;\n",
                 rows[i].sql);
        CHECK_SPAN(altered(schema, has, 1), want);
    }
}

static void widens_only_where_nothing_can_be_lost(void)
{
    const struct table_has has_int[] = {
        {"x", "integer", -1, true, false, false, false, NULL, false, 0}};
    const struct table_has has_text[] = {
        {"x", "text", -1, true, false, false, false, NULL, false, 0}};
    const struct table_has has_big[] = {
        {"x", "bigint", -1, true, false, false, false, NULL, false, 0}};
    const struct table_has narrow[] = {
        {"x", "numeric", (5 << 16 | 2) + 4, true, false, false, false, NULL, false, 0}};
    const char *decimal =
        "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":"
        "9,\"scale\":4}";
    char schema[300];

    CHECK_SPAN(altered(RECORD(FIELD("x", "\"long\"")), has_int, 1),
               "ALTER TABLE \"t\" ALTER COLUMN \"x\" TYPE bigint;\n");
    CHECK_SPAN(altered(RECORD(FIELD("x", "\"int\"")), has_big, 1), "");
    CHECK_SPAN(altered(RECORD(FIELD("x", "\"double\"")), has_big, 1),
               "column \"t\".x is bigint, the schema's double wants double precision: "
               "alter it by hand");
    CHECK_SPAN(
        altered(RECORD(FIELD("x", "\"long\"")), has_text, 1),
        "column \"t\".x is text, the schema's long wants bigint: alter it by hand");
    snprintf(schema, sizeof schema, RECORD("{\"name\":\"x\",\"type\":%s}"), decimal);
    CHECK_SPAN(altered(schema, narrow, 1),
               "ALTER TABLE \"t\" ALTER COLUMN \"x\" TYPE numeric(9,4);\n");
}

static void leaves_a_domain_as_it_is(void)
{
    const struct table_has has[] = {
        {"x", "integer", -1, true, false, false, false, "whole", false, 0}};
    const struct table_has days[] = {
        {"x", "interval", 0x7fff, false, false, false, false, NULL, false, 0}};
    struct table t;

    CHECK_SPAN(altered(RECORD(FIELD("x", "\"int\"")), has, 1), "");
    CHECK_SPAN(
        altered(RECORD(FIELD("x", "\"double\"")), has, 1),
        "column \"t\".x is integer under domain whole, the schema's double wants "
        "double precision: alter it by hand");
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"long\"")), has, 1, true), ERR_OK);
    CHECK_INT(t.columns[0].form, FORM_INT4); // what does not fit is set aside
    CHECK_INT(ddl.n, 0);
    table_free(&t);
    CHECK_SPAN(
        altered(RECORD(FIELD("x", "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,"
                                  "\"logicalType\":\"duration\"}")),
                days, 1),
        "ALTER TABLE \"t\" ALTER COLUMN \"x\" TYPE interval;\n");
}

static void finds_a_column_by_case_only_when_it_is_the_only_one(void)
{
    const struct table_has one[] = {
        {"tempmax", "integer", -1, true, false, false, false, NULL, false, 0}};
    const struct table_has two[] = {
        {"tempmax", "integer", -1, false, false, false, false, NULL, false, 0},
        {"TEMPMAX", "integer", -1, false, false, false, false, NULL, false, 0}};
    struct table t;

    CHECK_INT(plan(&t, RECORD(FIELD("tempMax", "\"int\"")), one, 1, true), ERR_OK);
    CHECK_STR(t.columns[0].name, "tempmax");
    CHECK_INT(ddl.n, 0);
    table_free(&t);
    CHECK_SPAN(altered(RECORD(FIELD("tempMax", "\"int\"")), two, 2),
               "ALTER TABLE \"t\" ADD COLUMN \"tempMax\" integer;\n");
    CHECK_SPAN(altered(RECORD(FIELD("A", "\"int\"") "," FIELD("a", "\"int\"")),
                       (const struct table_has[]){{"a", "integer", -1, true, false,
                                                   false, false, NULL, false, 0}},
                       1),
               "two fields want the column a");
}

static void lets_columns_be_null_that_the_schema_has_no_more(void)
{
    const struct table_has has[] = {
        {"x", "integer", -1, true, false, false, false, NULL, false, 0},
        {"gone", "text", -1, true, false, false, false, NULL, false, 0},
        {"made", "text", -1, true, true, false, false, NULL, false, 0}};

    CHECK_SPAN(altered(RECORD(FIELD("x", "[\"null\",\"int\"]")), has, 3),
               "ALTER TABLE \"t\" ALTER COLUMN \"x\" DROP NOT NULL;\n"
               "ALTER TABLE \"t\" ALTER COLUMN \"gone\" DROP NOT NULL;\n");
}

static void alters_nothing_where_it_may_not(void)
{
    const struct table_has has[] = {
        {"x", "integer", -1, true, false, false, false, NULL, false, 0}};
    struct table t;

    const struct table_has left[] = {
        {"x", "bigint", -1, true, false, false, false, NULL, false, 0},
        {"w", "text", -1, true, false, false, false, NULL, false, 0}};
    const struct table_has filled[] = {
        {"x", "bigint", -1, true, false, false, false, NULL, true, 0},
        {"w", "text", -1, true, false, false, false, NULL, true, 0}};

    CHECK_INT(plan(&t, RECORD(FIELD("y", "\"int\"")), has, 1, false), ERR_INVALID);
    CHECK_STR(e.msg, "table \"t\" has no column y (and evolve is off)");
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"long\"")), left, 2, false), ERR_INVALID);
    CHECK_STR(e.msg,
              "column \"t\".w is NOT NULL and has no default, and the schema has "
              "no such field (and evolve is off)");
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"long\"")), filled, 2, false), ERR_OK);
    table_free(&t);
    // narrower than the schema: what does not fit is set aside, record by record
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"long\"")), has, 1, false), ERR_OK);
    CHECK_INT(t.columns[0].form, FORM_INT4);
    CHECK_INT(ddl.n, 0);
    table_free(&t);
}

static void takes_a_root_that_is_no_record_as_one_column(void)
{
    struct table t;

    CHECK_INT(plan(&t, "\"string\"", NULL, 0, true), ERR_OK);
    CHECK_SPAN(buf_span(&ddl),
               "CREATE TABLE \"t\" (\n    \"value\" text NOT NULL\n);\n");
    table_free(&t);
    CHECK_INT(plan(&t, RECORD(""), NULL, 0, true), ERR_INVALID);
}

static void makes_a_row_the_same_row_by_its_key(void)
{
    static const char *const names[] = {"y", "x"};
    static const struct table_keys upsert = {names, 2, false},
                                   history = {names, 2, true};
    const struct table_keys again = {(const char *const[]){"x", "x"}, 2, false};
    const char *schema = RECORD(
        FIELD("x", "\"int\"") "," FIELD("v", "\"int\"") "," FIELD("y", "\"string\""));
    struct table t;

    keys = &upsert;
    CHECK_INT(plan(&t, schema, NULL, 0, true), ERR_OK);
    CHECK(t.columns[0].key && !t.columns[1].key && t.columns[2].key);
    CHECK_SPAN(buf_span(&ddl), "CREATE TABLE \"t\" (\n    \"x\" integer NOT NULL,\n"
                               "    \"v\" integer NOT NULL,\n    \"y\" text NOT NULL,\n"
                               "    PRIMARY KEY (\"x\", \"y\")\n);\n");
    table_free(&t);
    keys = &history;
    CHECK_INT(plan(&t, schema, NULL, 0, true), ERR_OK);
    CHECK_SPAN(
        buf_span(&ddl),
        "CREATE TABLE \"t\" (\n    \"x\" integer NOT NULL,\n    \"v\" integer NOT "
        "NULL,\n    \"y\" text NOT NULL,\n    valid_from timestamp with time zone NOT "
        "NULL,\n    valid_to timestamp with time zone,\n    is_current boolean NOT "
        "NULL\n);\nCREATE UNIQUE INDEX ON \"t\" (\"x\", \"y\") WHERE is_current;\n"
        "CREATE INDEX ON \"t\" (\"x\", \"y\", valid_from);\n");
    table_free(&t);
    CHECK_INT(plan(&t,
                   RECORD(FIELD("x", "\"int\"") "," FIELD("y", "\"int\"") "," FIELD(
                       "valid_to", "\"int\"")),
                   NULL, 0, true),
              ERR_INVALID);
    CHECK_STR(e.msg, "field valid_to: a history has a column of that name");
    keys = &again;
    CHECK_INT(plan(&t, schema, NULL, 0, true), ERR_INVALID);
    CHECK_STR(e.msg, "key x: named twice");
    keys = NULL;
}

static void wants_keys_that_are_never_null_and_no_json(void)
{
    static const struct {
        const char *type, *why;
    } rows[] = {
        {"[\"null\",\"int\"]", "key x: the field may be null"},
        {"{\"type\":\"array\",\"items\":\"int\"}", "key x: of type array is no key"},
        {NULL, "key x: the schema has no such field"},
    };
    const struct table_keys x = {(const char *const[]){"x"}, 1, false};
    struct table t;

    keys = &x;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char schema[200];
        snprintf(schema, sizeof schema, RECORD("{\"name\":\"%s\",\"type\":%s}"),
                 rows[i].type == NULL ? "y" : "x",
                 rows[i].type == NULL ? "\"int\"" : rows[i].type);
        CHECK_INT(plan(&t, schema, NULL, 0, true), ERR_INVALID);
        CHECK_STR(e.msg, rows[i].why);
    }
    keys = NULL;
}

static void leaves_a_historys_own_columns_as_they_are(void)
{
    const struct table_has has[] = {
        {"x", "integer", -1, true, false, false, false, NULL, false, 0},
        {"valid_from", "timestamp with time zone", -1, true, false, false, false, NULL,
         false, 0},
        {"valid_to", "timestamp with time zone", -1, false, false, false, false, NULL,
         false, 0},
        {"is_current", "boolean", -1, true, false, false, false, NULL, false, 0}};
    const struct table_keys x = {(const char *const[]){"x"}, 1, true};
    struct table t;

    keys = &x;
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"int\"")), has, 4, true), ERR_OK);
    CHECK_INT(ddl.n, 0);
    table_free(&t);
    CHECK_INT(plan(&t, RECORD(FIELD("x", "\"int\"")), has, 3, true), ERR_INVALID);
    CHECK(strstr(e.msg, "has no column is_current, which a history needs") != NULL);
    keys = NULL;
}

int main(void)
{
    ddl = BUF_INIT(1 << 20);
    RUN(creates_a_column_for_every_type);
    RUN(cuts_long_names_apart_and_leaves_system_columns_alone);
    RUN(adds_a_field_with_its_default_for_the_rows_that_are_there);
    RUN(an_array_goes_where_there_is_one_and_into_json_that_was_there);
    RUN(an_arrays_default_is_one_for_sql);
    RUN(widens_only_where_nothing_can_be_lost);
    RUN(leaves_a_domain_as_it_is);
    RUN(finds_a_column_by_case_only_when_it_is_the_only_one);
    RUN(lets_columns_be_null_that_the_schema_has_no_more);
    RUN(alters_nothing_where_it_may_not);
    RUN(takes_a_root_that_is_no_record_as_one_column);
    RUN(makes_a_row_the_same_row_by_its_key);
    RUN(wants_keys_that_are_never_null_and_no_json);
    RUN(leaves_a_historys_own_columns_as_they_are);
    buf_free(&ddl);
    return REPORT();
}

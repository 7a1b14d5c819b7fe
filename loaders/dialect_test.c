#include "loaders/dialect_sql.h"
#include "loaders/quarantine.h"
#include "loaders/rule_result.h"
#include "tests/check.h"

#include <stdlib.h>

static const char price[] =
    "{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":\"shop\",\"type\":"
    "\"string\"},{\"name\":\"tags\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},"
    "{\"name\":\"cost\",\"type\":[\"int\",\"null\"],\"default\":7},{\"name\":\"sum\","
    "\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,"
    "\"scale\":2},\"default\":\"\\u00ff\\u0085\"}]}";

static struct table table_of(const char *schema, const char *key)
{
    const struct table_keys keys = {&key, key != NULL, false};
    struct buf ignored = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct table t;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(table_plan(&t, s, NULL, 0, "", true, &keys, &ignored, &e), ERR_OK);
    av_schema_release(s);
    buf_free(&ignored);
    return t;
}

static const char *text(struct buf *sql)
{
    buf_put_u8(sql, 0);
    return (const char *)sql->p;
}

static void every_dialect_has_every_word(void)
{
    for (size_t i = 0; i < n_dialects; i++) {
        const struct dialect *d = &dialects[i];
        for (int k = 0; k < KINDS; k++) {
            CHECK(d->types[k].sql != NULL && d->types[k].marker != NULL);
            CHECK((d->types[k].stage == NULL) == (d->types[k].from_stage == NULL));
        }
        CHECK(d->put_once != NULL && d->put_apply != NULL);
        CHECK(d->join && d->octets && d->limit);
        CHECK(d->yes && d->no && d->now && d->add && d->add_end && d->stage_make &&
              d->stage_end && d->stage_prefix && d->text_open && d->bytes_open &&
              d->bytes_close && d->time_open);
        CHECK((d->savepoint == NULL) == (d->back == NULL));
        CHECK(d->rows_most >= 1 && d->params_most >= 1);
        CHECK(d->savepoint != NULL || d->via_stage); // or a part of a range would stay
        CHECK(dialect_named(d->name) == d);
    }
    CHECK(dialect_named("nobody") == NULL);
}

static void it_is_known_by_what_the_driver_says(void)
{
    CHECK_STR(dialect_of("PostgreSQL")->name, "postgres");
    CHECK_STR(dialect_of("SQLite")->name, "sqlite");
    CHECK_STR(dialect_of("Microsoft SQL Server")->name, "sqlserver");
    CHECK_STR(dialect_of("Snowflake")->name, "snowflake");
    CHECK_STR(dialect_of("DB2/LINUXX8664")->name, "generic");
    CHECK_STR(dialect_of("")->name, "generic");
}

static void names_and_literals_cannot_be_left(void)
{
    static const struct {
        const char *dialect, *name, *literal, *bytes;
    } want[] = {
        {"postgres", "\"a\"\"]\"", "'it''s \\ ?'", "'\\x01ff'"},
        {"sqlserver", "[a\"]]]", "N'it''s \\ ?'", "0x01ff"},
        {"snowflake", "\"a\"\"]\"", "'it''s \\\\ ?'", "X'01ff'"},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const struct dialect *d = dialect_named(want[i].dialect);
        struct buf sql = BUF_INIT(1000);
        dialect_put_name(&sql, d, span_str("a\"]"));
        CHECK_STR(text(&sql), want[i].name);
        buf_reset(&sql);
        dialect_put_text(&sql, d, "it's \\ \xff");
        CHECK_STR(text(&sql), want[i].literal);
        buf_reset(&sql);
        dialect_put_bytes(&sql, d, span_str("\x01\xff"));
        CHECK_STR(text(&sql), want[i].bytes);
        buf_free(&sql);
    }
}

static void tables_have_one_to_three_names(void)
{
    struct buf sql = BUF_INIT(1000);
    struct err e = {0};

    CHECK_INT(dialect_put_table(&sql, dialect_named("snowflake"), "db.stage.t", &e),
              ERR_OK);
    CHECK_STR(text(&sql), "\"DB\".\"STAGE\".\"T\""); // as it is without quotes
    CHECK_INT(dialect_put_table(&sql, dialect_named("sqlite"), "a..b", &e),
              ERR_INVALID);
    CHECK_INT(dialect_put_table(&sql, dialect_named("sqlite"), "", &e), ERR_INVALID);
    buf_free(&sql);
}

static void a_table_is_made_in_each_ones_types(void)
{
    static const struct {
        const char *dialect, *sql;
    } want[] = {
        {"sqlserver",
         "CREATE TABLE t (\n    [shop] nvarchar(200) COLLATE Latin1_General_100_BIN2 "
         "NOT "
         "NULL,\n    [tags] nvarchar(max) NOT NULL,\n    [cost] int,\n    [sum] "
         "decimal(9,2) NOT NULL,\n    PRIMARY KEY ([shop])\n)"},
        {"sqlite",
         "CREATE TABLE t (\n    \"shop\" TEXT NOT NULL,\n    \"tags\" TEXT,\n  "
         "  \"cost\" INTEGER,\n    \"sum\" TEXT,\n    PRIMARY KEY (\"shop\")\n)"},
        {"snowflake",
         "CREATE TABLE t (\n    \"shop\" VARCHAR NOT NULL,\n    \"tags\" VARIANT NOT "
         "NULL,\n    \"cost\" NUMBER(10,0),\n    \"sum\" NUMBER(9,2) NOT NULL,\n    "
         "PRIMARY KEY (\"shop\")\n)"},
    };
    struct table t = table_of(price, "shop");

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct buf sql = BUF_INIT(10000);
        dialect_put_create(&sql, dialect_named(want[i].dialect), &t, "t", true);
        CHECK_STR(text(&sql), want[i].sql);
        buf_free(&sql);
    }
    table_free(&t);
}

static void a_column_comes_with_the_fields_default(void)
{
    static const struct {
        const char *dialect;
        int column;
        const char *sql;
    } want[] = {
        {"sqlserver", 2, "ALTER TABLE t ADD [cost] int DEFAULT 7 WITH VALUES"},
        {"sqlserver", 3, "ALTER TABLE t ADD [sum] decimal(9,2) DEFAULT -1.23 NOT NULL"},
        {"postgres", 3,
         "ALTER TABLE t ADD COLUMN \"sum\" numeric(9,2) DEFAULT -1.23 NOT NULL"},
        {"sqlite", 3, "ALTER TABLE t ADD COLUMN \"sum\" TEXT DEFAULT '-1.23'"},
        {"snowflake", 1, "ALTER TABLE t ADD COLUMN \"tags\" VARIANT"},
    };
    struct table t = table_of(price, "shop");

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct buf sql = BUF_INIT(10000);
        dialect_put_add(&sql, dialect_named(want[i].dialect), "t",
                        &t.columns[want[i].column]);
        CHECK_STR(text(&sql), want[i].sql);
        buf_free(&sql);
    }
    table_free(&t);
}

static void what_was_long_ago_is_the_databases_to_say(void)
{
    static const char *const want[][2] = {
        {"postgres", "clock_timestamp() - 86400.005 * INTERVAL '1 second'"},
        {"sqlite", "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-86400.005 seconds')"},
        {"sqlserver", "DATEADD(second, -86400.005, SYSDATETIMEOFFSET())"},
        {"snowflake", "DATEADD(second, -86400.005, CURRENT_TIMESTAMP())"},
    };
    struct buf sql = BUF_INIT(1000);

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        dialect_put_ago(&sql, dialect_named(want[i][0]), 86400005);
        CHECK_STR(text(&sql), want[i][1]);
        buf_reset(&sql);
    }
    dialect_put_ago(&sql, dialect_named("generic"), 1000);
    CHECK(strncmp(text(&sql), "TIMESTAMP '20", 13) == 0);
    buf_free(&sql);
}

static void what_cannot_be_bound_is_made_from_the_stage(void)
{
    struct table t =
        table_of("{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":"
                 "\"k\",\"type\":\"int\"},{\"name\":\"m\",\"type\":{\"type\":"
                 "\"map\",\"values\":\"int\"}}]}",
                 "k");
    const struct dialect *d = dialect_named("snowflake");
    struct buf sql = BUF_INIT(10000);

    dialect_put_stage(&sql, d, APPLY_UPSERT, &t, "s");
    CHECK_STR(text(&sql),
              "CREATE TEMPORARY TABLE s (\"k\" NUMBER(10,0), \"m\" VARCHAR, "
              "avrogate_seq NUMBER(19,0))");
    buf_reset(&sql);
    dialect_put_insert(&sql, d, &t, "s", 1, 1);
    CHECK_STR(text(&sql),
              "INSERT INTO s (\"k\", \"m\", avrogate_seq) VALUES (?, ?, ?)");
    buf_reset(&sql);
    d->put_apply(&sql, d, APPLY_APPEND, &t, "t", "s");
    CHECK_STR(text(&sql), "INSERT INTO t (\"k\", \"m\") SELECT s.\"k\", "
                          "PARSE_JSON(s.\"m\") FROM s s");
    buf_reset(&sql);
    d->put_apply(&sql, d, APPLY_UPSERT, &t, "t", "s");
    CHECK_STR(text(&sql),
              "MERGE INTO t AS t USING (SELECT s.\"k\" AS \"k\", PARSE_JSON(s.\"m\") "
              "AS \"m\" "
              "FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY s.\"k\" ORDER BY "
              "s.avrogate_seq DESC) AS avrogate_rank FROM s s) s WHERE s.avrogate_rank "
              "= 1) AS "
              "s ON (t.\"k\" = s.\"k\") WHEN MATCHED THEN UPDATE SET \"m\" = s.\"m\" "
              "WHEN NOT "
              "MATCHED THEN INSERT (\"k\", \"m\") VALUES (s.\"k\", s.\"m\")");
    buf_free(&sql);
    table_free(&t);
}

static void a_tombstone_deletes_what_it_alone_names(void)
{
    struct table t = table_of(price, "shop");
    struct buf sql = BUF_INIT(10000);
    const struct dialect *d = dialect_named("sqlite");

    dialect_put_stage(&sql, d, APPLY_MIRROR, &t, "s");
    CHECK(strstr(text(&sql), ", avrogate_seq INTEGER, avrogate_op INTEGER)") != NULL);
    buf_reset(&sql);
    d->put_delete(&sql, d, &t, "t", "s");
    CHECK_STR(text(&sql), "DELETE FROM t WHERE (\"shop\") IN (SELECT s.\"shop\" FROM "
                          "(SELECT s.*, ROW_NUMBER() OVER (PARTITION BY s.\"shop\" "
                          "ORDER BY s.avrogate_seq DESC) AS avrogate_rank FROM s s) s "
                          "WHERE s.avrogate_rank = 1 AND s.avrogate_op = 1)");
    buf_reset(&sql);
    d->put_apply(&sql, d, APPLY_MIRROR, &t, "t", "s");
    CHECK(strstr(text(&sql), "s.avrogate_rank = 1 AND s.avrogate_op = 0 ON CONFLICT") !=
          NULL);
    buf_reset(&sql);
    d = dialect_named("sqlserver");
    CHECK(d->put_delete == NULL);
    d->put_apply(&sql, d, APPLY_MIRROR, &t, "t", "s");
    CHECK(strstr(text(&sql), ", s.avrogate_op AS avrogate_op FROM ") != NULL);
    CHECK(strstr(text(&sql), " WHEN MATCHED AND s.avrogate_op = 1 THEN DELETE WHEN "
                             "MATCHED THEN UPDATE SET ") != NULL);
    CHECK(strstr(text(&sql), " WHEN NOT MATCHED AND s.avrogate_op = 0 THEN INSERT (") !=
          NULL);
    buf_free(&sql);
    table_free(&t);
}

static void keys_alone_leave_nothing_to_update(void)
{
    struct table t =
        table_of("{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":"
                 "\"k\",\"type\":\"int\"}]}",
                 "k");
    struct buf sql = BUF_INIT(10000);

    dialect_conflict_apply(&sql, dialect_named("sqlite"), APPLY_UPSERT, &t, "t", "s");
    CHECK(strstr(text(&sql), "ON CONFLICT (\"k\") DO NOTHING") != NULL);
    buf_reset(&sql);
    dialect_merge_apply(&sql, dialect_named("sqlserver"), APPLY_UPSERT, &t, "t", "s");
    CHECK(strstr(text(&sql), "WHEN MATCHED") == NULL);
    buf_free(&sql);
    table_free(&t);
}

static void a_history_is_worked_out_in_its_stage(void)
{
    struct table t = table_of(price, "shop");
    struct buf sql = BUF_INIT(20000);
    const struct dialect *d = dialect_named("snowflake");

    dialect_put_stage(&sql, d, APPLY_HISTORY, &t, "s");
    CHECK(strstr(text(&sql), "avrogate_at VARCHAR, avrogate_from TIMESTAMP_TZ(6), "
                             "avrogate_to TIMESTAMP_TZ(6), avrogate_ends ") != NULL);
    buf_reset(&sql);
    dialect_put_spans(&sql, d, &t, "t", "s");
    CHECK(strstr(text(&sql), "CAST(s.avrogate_at AS TIMESTAMP_TZ(6)) FROM s s") !=
          NULL);
    CHECK(strstr(text(&sql),
                 "TO_JSON(l.\"tags\") = LAG(TO_JSON(l.\"tags\")) OVER "
                 "(PARTITION BY l.\"shop\" ORDER BY l.avrogate_seq)") != NULL);
    CHECK(strstr(text(&sql), "CAST(NULL AS NUMBER(9,2)), -2, 1, MAX(t.valid_to)") !=
          NULL);
    CHECK(strstr(text(&sql), "LAG(l.\"shop\")") == NULL); // a key is the same
    buf_reset(&sql);
    d = dialect_named("sqlserver");
    d->put_close(&sql, d, &t, "t", "#s");
    CHECK(strstr(text(&sql), "MERGE INTO t WITH (HOLDLOCK) AS t USING (SELECT "
                             "s.[shop] AS [shop], s.avrogate_since") != NULL);
    CHECK(strstr(text(&sql), "ON (t.is_current = 1 AND t.[shop] = s.[shop]) WHEN "
                             "MATCHED THEN UPDATE SET valid_to = s.avrogate_since, "
                             "is_current = 0;") != NULL);
    buf_reset(&sql);
    CHECK(dialect_put_index(&sql, d, 0, &t, "db.dbo.t"));
    CHECK_STR(text(&sql), "CREATE UNIQUE INDEX [t_current] ON [db].[dbo].[t] ([shop]) "
                          "WHERE is_current = 1");
    buf_reset(&sql);
    CHECK(dialect_put_index(&sql, dialect_named("sqlite"), 1, &t, "main.t"));
    CHECK_STR(text(&sql), "CREATE INDEX \"main\".\"t_past\" ON \"t\" (\"shop\", "
                          "valid_from)");
    CHECK(!dialect_put_index(&sql, d, 2, &t, "t"));
    CHECK(!dialect_put_index(&sql, dialect_named("snowflake"), 0, &t, "t"));
    buf_free(&sql);
    table_free(&t);
}

static void what_rules_said_is_added_or_set(void)
{
    const struct rule_result r = {
        .name = "it's", .checked = 5, .failed = 2, .last_failed = "t/0@3: is false"};
    const struct rule_origin o = {"id", "j", "t"};
    struct buf sql = BUF_INIT(10000);

    rule_result_put_change(&sql, dialect_named("sqlserver"), &o, &r, 1, false);
    CHECK_STR(text(&sql),
              "UPDATE etl_rule_result SET changed = SYSDATETIMEOFFSET(), checked = "
              "CASE [rule] WHEN N'it''s' THEN checked + 5 ELSE checked END, failed = "
              "CASE [rule] WHEN N'it''s' THEN failed + 2 ELSE failed END, errors = "
              "CASE [rule] WHEN N'it''s' THEN errors + 0 ELSE errors END, last_failed "
              "= CASE [rule] WHEN N'it''s' THEN N't/0@3: is false' ELSE last_failed "
              "END WHERE run_id = N'id' AND topic = N't' AND [rule] IN (N'it''s')");
    buf_reset(&sql);
    rule_result_put_change(&sql, dialect_named("snowflake"), &o, &r, 1, true);
    CHECK(strstr(text(&sql),
                 "failed = CASE \"RULE\" WHEN 'it''s' THEN CASE WHEN "
                 "failed > 2 THEN failed ELSE 2 END ELSE failed END") != NULL);
    buf_free(&sql);
}

static void a_quarantine_has_the_records_columns_and_its_own(void)
{
    struct table t = table_of(price, NULL);
    struct buf sql = BUF_INIT(10000);
    struct err e = {0};

    CHECK_INT(table_append(&t, quarantine_columns, QUARANTINE_EXTRA, "x", &e), ERR_OK);
    dialect_put_create(&sql, dialect_named("sqlserver"), &t, "t", true);
    CHECK(strstr(text(&sql),
                 "[sum] decimal(9,2) NOT NULL,\n    [_errors] nvarchar(max),\n    "
                 "[_topic] nvarchar(max),\n    [_partition] int,\n    [_offset] "
                 "bigint,\n    [_run_id] uniqueidentifier,\n    [_quarantined] "
                 "datetimeoffset(6)\n)") != NULL);
    CHECK_INT(table_append(&t, quarantine_columns, 1, "x", &e), ERR_INVALID);
    CHECK_STR(e.msg, "field _errors: x has a column of that name");
    buf_free(&sql);
    table_free(&t);
}

int main(void)
{
    RUN(every_dialect_has_every_word);
    RUN(it_is_known_by_what_the_driver_says);
    RUN(what_was_long_ago_is_the_databases_to_say);
    RUN(names_and_literals_cannot_be_left);
    RUN(tables_have_one_to_three_names);
    RUN(a_table_is_made_in_each_ones_types);
    RUN(a_column_comes_with_the_fields_default);
    RUN(what_cannot_be_bound_is_made_from_the_stage);
    RUN(a_tombstone_deletes_what_it_alone_names);
    RUN(keys_alone_leave_nothing_to_update);
    RUN(a_history_is_worked_out_in_its_stage);
    RUN(what_rules_said_is_added_or_set);
    RUN(a_quarantine_has_the_records_columns_and_its_own);
    return REPORT();
}

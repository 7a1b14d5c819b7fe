#include "loaders/dialect.h"

#include "base/clock.h"
#include "loaders/dialect_sql.h"
#include "loaders/etl_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* --- what their numbers mean ------------------------------------------------------ */

/* sqlite3.h, "Result Codes": the driver says HY000 to all of them. */
static const struct odbc_code sqlite_codes[] = {
    {5, "55P03"},  {6, "55P03"},  {8, "25006"},  {10, "58030"}, {13, "53100"},
    {14, "58030"}, {18, "22001"}, {19, "23000"}, {20, "22018"},
};

/* SQL Server, "Database engine events and errors"; Azure SQL, "Transient errors". */
static const struct odbc_code sqlserver_codes[] = {
    {220, "22003"},   {232, "22003"},   {241, "22007"},   {242, "22008"},
    {245, "22018"},   {515, "23000"},   {547, "23000"},   {1105, "53100"},
    {1205, "40001"},  {1222, "55P03"},  {2601, "23000"},  {2627, "23000"},
    {2628, "22001"},  {3960, "40001"},  {8114, "22018"},  {8115, "22003"},
    {8152, "22001"},  {9002, "53100"},  {10928, "53400"}, {10929, "53400"},
    {40197, "08S01"}, {40501, "53400"}, {40613, "08S01"}, {49918, "53400"},
    {49919, "53400"}, {49920, "53400"},
};

/* Snowflake's ODBC driver: the number of the server's error. */
static const struct odbc_code snowflake_codes[] = {
    {604, "57014"},    {625, "57014"},    {630, "57014"},    {100035, "22007"},
    {100038, "22018"}, {100040, "22007"}, {100046, "22003"}, {100069, "22018"},
    {100072, "23000"}, {100078, "22001"}, {390114, "08S01"},
};

/* A collation may take "a" for "A", and all of them "a" for "a ". */
#define SQLSERVER_BYTES "CAST({c} AS varbinary(max))"

/* --- the rows --------------------------------------------------------------------- */

// clang-format off
const struct dialect dialects[] = {
    {
        .name = "postgres", .dbms = "PostgreSQL", .open = '"', .close = '"',
        .types = {
            // text first, where the driver prints a number with fewer digits than it has
            [KIND_BOOL] = {"boolean", ODBC_TEXT, "CAST(? AS boolean)", NULL, NULL, NULL},
            [KIND_INT] = {"integer", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_LONG] = {"bigint", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_FLOAT] = {"real", ODBC_TEXT, "CAST(? AS real)", NULL, NULL, NULL},
            [KIND_DOUBLE] = {"double precision", ODBC_TEXT, "CAST(? AS double precision)", NULL, NULL, NULL},
            [KIND_DECIMAL] = {"numeric{ps}", ODBC_TEXT, "CAST(? AS numeric)", NULL, NULL, NULL},
            [KIND_BIG_DECIMAL] = {"numeric", ODBC_TEXT, "CAST(? AS numeric)", NULL, NULL, NULL},
            [KIND_TEXT] = {"text", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_BYTES] = {"bytea", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_UUID] = {"uuid", ODBC_TEXT, "CAST(? AS uuid)", NULL, NULL, NULL},
            [KIND_DATE] = {"date", ODBC_TEXT, "CAST(? AS date)", NULL, NULL, NULL},
            [KIND_TIME] = {"time", ODBC_TEXT, "CAST(? AS time)", NULL, NULL, NULL},
            [KIND_INSTANT] = {"timestamptz", ODBC_TEXT, "CAST(? AS timestamptz)", NULL, NULL, NULL},
            [KIND_LOCAL] = {"timestamp", ODBC_TEXT, "CAST(? AS timestamp)", NULL, NULL, NULL},
            [KIND_DURATION] = {"interval", ODBC_TEXT, "CAST(? AS interval)", NULL, NULL, NULL},
            [KIND_JSON] = {"jsonb", ODBC_TEXT, "CAST(? AS jsonb)", NULL, NULL, NULL},
            [KIND_KEY_TEXT] = {"text", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_BYTES] = {"bytea", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_NAME] = {"text", ODBC_TEXT, "?", NULL, NULL, NULL},
        },
        .digits_most = 1000, .year_min = -4712, .year_max = 294276,
        .rows_most = 1000, .params_most = 32000, .json_in_ledger = true, .migrated = true,
        .text_open = "'", .bytes_open = "'\\x", .bytes_close = "'", .time_open = "'",
        .yes = "TRUE", .no = "FALSE", .now = "clock_timestamp()",
        .ago = "clock_timestamp() - {s} * INTERVAL '1 second'",
        .join = "||", .octets = "octet_length", .limit = "LIMIT {n}",
        .add = "ADD COLUMN", .add_end = "",
        .widen = "ALTER COLUMN {c} TYPE {t}", .relax = "ALTER COLUMN {c} DROP NOT NULL",
        .stage_make = "CREATE TEMPORARY TABLE", .stage_end = "", .stage_prefix = "",
        .savepoint = "SAVEPOINT avrogate_part", .back = "ROLLBACK TO SAVEPOINT avrogate_part",
        .release = "RELEASE SAVEPOINT avrogate_part",
        .connect_with = ";pqopt={tcp_user_timeout=30000 keepalives_idle=15 keepalives_interval=5 keepalives_count=3}", // psqlODBC's
        .dsn_may_tell = true,
        .greet = {"SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'", "SET standard_conforming_strings = on",
                  "SET lock_timeout = {lock_ms}", "SET statement_timeout = {statement_ms}",
                  "SET idle_in_transaction_session_timeout = '60s'",
                  "SET application_name = 'avrogate {role} {run}'",
                  "SELECT set_config(s.name, v.setting, false) FROM pg_settings s, (VALUES ('tcp_keepalives_idle', '15'), "
                  "('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30000')) v (name, setting) "
                  "WHERE s.name = v.name AND s.source = 'default'"},
        .end_session = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'avrogate w {run}' "
                       "AND pid <> pg_backend_pid()",
        .index = {"CREATE UNIQUE INDEX ON {t} ({k}) WHERE is_current", "CREATE INDEX ON {t} ({k}, valid_from)"},
        .put_once = dialect_conflict_once, .put_apply = dialect_conflict_apply, .put_close = dialect_conflict_close,
        .put_delete = dialect_conflict_delete,
    },
    {
        .name = "sqlite", .dbms = "SQLite", .open = '"', .close = '"', .case_blind = true, .loose = true,
        .types = {
            // NUMERIC affinity would make a long decimal a double: what must be exact is TEXT
            [KIND_BOOL] = {"INTEGER", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_INT] = {"INTEGER", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_LONG] = {"INTEGER", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_FLOAT] = {"REAL", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DOUBLE] = {"REAL", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DECIMAL] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_BIG_DECIMAL] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_TEXT] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_BYTES] = {"BLOB", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_UUID] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_DATE] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_TIME] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_INSTANT] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_LOCAL] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_DURATION] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_JSON] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_TEXT] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_BYTES] = {"BLOB", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_NAME] = {"TEXT", ODBC_TEXT, "?", NULL, NULL, NULL},
        },
        .digits_most = 0, .year_min = 0, .year_max = 9999, .no_nan = true,
        .rows_most = 100, .params_most = 30000, .json_in_ledger = true,
        .text_open = "'", .bytes_open = "X'", .bytes_close = "'", .time_open = "'",
        .yes = "1", .no = "0", .now = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
        .ago = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', '-{s} seconds')",
        .join = "||", .octets = "length", .limit = "LIMIT {n}",
        .add = "ADD COLUMN", .add_end = "",
        .stage_make = "CREATE TEMPORARY TABLE", .stage_end = "", .stage_prefix = "",
        .savepoint = "SAVEPOINT avrogate_part", .back = "ROLLBACK TO SAVEPOINT avrogate_part",
        .release = "RELEASE SAVEPOINT avrogate_part",
        .connect_with = ";Timeout={lock_ms}", // its own 100 s win over PRAGMA busy_timeout
        .greet = {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"},
        .index = {"CREATE UNIQUE INDEX {p}{i} ON {n} ({k}) WHERE is_current = 1",
                  "CREATE INDEX {p}{i} ON {n} ({k}, valid_from)"},
        .put_once = dialect_conflict_once, .put_apply = dialect_conflict_apply, .put_close = dialect_conflict_close,
        .put_delete = dialect_conflict_delete,
        .codes = sqlite_codes, .n_codes = COUNT(sqlite_codes),
    },
    {
        .name = "sqlserver", .dbms = "Microsoft SQL", .open = '[', .close = ']', .case_blind = true,
        .types = {
            [KIND_BOOL] = {"bit", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_INT] = {"int", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_LONG] = {"bigint", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_FLOAT] = {"real", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DOUBLE] = {"float(53)", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DECIMAL] = {"decimal{ps}", ODBC_WIDE, "CAST(? AS decimal{ps})", NULL, NULL, NULL},
            [KIND_BIG_DECIMAL] = {"nvarchar(max)", ODBC_WIDE, "?", NULL, NULL, SQLSERVER_BYTES},
            [KIND_TEXT] = {"nvarchar(max)", ODBC_WIDE, "?", NULL, NULL, SQLSERVER_BYTES},
            [KIND_BYTES] = {"varbinary(max)", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_UUID] = {"uniqueidentifier", ODBC_WIDE, "CAST(? AS uniqueidentifier)", NULL, NULL, NULL},
            [KIND_DATE] = {"date", ODBC_WIDE, "CAST(? AS date)", NULL, NULL, NULL},
            [KIND_TIME] = {"time(6)", ODBC_WIDE, "CAST(? AS time(6))", NULL, NULL, NULL},
            [KIND_INSTANT] = {"datetimeoffset(6)", ODBC_WIDE, "CAST(? AS datetimeoffset(6))", NULL, NULL, NULL},
            [KIND_LOCAL] = {"datetime2(6)", ODBC_WIDE, "CAST(? AS datetime2(6))", NULL, NULL, NULL},
            [KIND_DURATION] = {"nvarchar(60)", ODBC_WIDE, "?", NULL, NULL, SQLSERVER_BYTES},
            [KIND_JSON] = {"nvarchar(max)", ODBC_WIDE, "?", NULL, NULL, SQLSERVER_BYTES},
            [KIND_KEY_TEXT] = {"nvarchar(200) COLLATE Latin1_General_100_BIN2", ODBC_WIDE, "?", NULL, NULL, NULL},
            [KIND_KEY_BYTES] = {"varbinary(400)", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_NAME] = {"nvarchar(200)", ODBC_WIDE, "?", NULL, NULL, NULL},
        },
        .digits_most = 38, .year_min = 1, .year_max = 9999, .no_nan = true,
        .rows_most = 1000, .params_most = 2000, .json_in_ledger = true, // 2,100 parameters, a thousand rows of VALUES
        .text_open = "N'", .bytes_open = "0x", .bytes_close = "", .time_open = "'",
        .yes = "1", .no = "0", .now = "SYSDATETIMEOFFSET()",
        .ago = "DATEADD(second, -{s}, SYSDATETIMEOFFSET())",
        .join = "+", .octets = "DATALENGTH", .limit = "OFFSET 0 ROWS FETCH NEXT {n} ROWS ONLY",
        .add = "ADD", .add_end = " WITH VALUES",
        .widen = "ALTER COLUMN {c} {t} {null}", .relax = "ALTER COLUMN {c} {t} NULL",
        .stage_make = "CREATE TABLE", .stage_end = "", .stage_prefix = "#",
        .savepoint = "SAVE TRANSACTION avrogate_part", .back = "ROLLBACK TRANSACTION avrogate_part",
        .greet = {"SET XACT_ABORT OFF", "SET LOCK_TIMEOUT {lock_ms}", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                  "DECLARE @avrogate varbinary(128) = CAST(N'avrogate {role} {run}' AS varbinary(128)); "
                  "SET CONTEXT_INFO @avrogate"},
        .end_session = "DECLARE @avrogate nvarchar(20) = (SELECT N'KILL ' + CAST(MAX(session_id) AS nvarchar(11)) FROM "
                       "sys.dm_exec_sessions WHERE context_info = CAST(N'avrogate w {run}' AS varbinary(128)) AND "
                       "session_id <> @@SPID); EXEC (@avrogate)",
        .index = {"CREATE UNIQUE INDEX {i} ON {t} ({k}) WHERE is_current = 1", "CREATE INDEX {i} ON {t} ({k}, valid_from)"},
        .put_once = dialect_merge_once, .put_apply = dialect_merge_apply, .put_close = dialect_merge_close,
        .merge_hint = " WITH (HOLDLOCK)", .merge_end = ";",
        .codes = sqlserver_codes, .n_codes = COUNT(sqlserver_codes),
    },
    {
        .name = "snowflake", .dbms = "Snowflake", .open = '"', .close = '"', .upper = true, .case_blind = true,
        .types = {
            [KIND_BOOL] = {"BOOLEAN", ODBC_INT, "?", "NUMBER(1,0)", "CAST({c} AS BOOLEAN)", NULL},
            [KIND_INT] = {"NUMBER(10,0)", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_LONG] = {"NUMBER(19,0)", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_FLOAT] = {"FLOAT", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DOUBLE] = {"FLOAT", ODBC_DOUBLE, "?", NULL, NULL, NULL},
            [KIND_DECIMAL] = {"NUMBER{ps}", ODBC_TEXT, "?", "VARCHAR", "CAST({c} AS NUMBER{ps})", NULL},
            [KIND_BIG_DECIMAL] = {"VARCHAR", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_TEXT] = {"VARCHAR", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_BYTES] = {"BINARY", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_UUID] = {"VARCHAR(36)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_DATE] = {"DATE", ODBC_TEXT, "?", "VARCHAR", "CAST({c} AS DATE)", NULL},
            [KIND_TIME] = {"TIME(6)", ODBC_TEXT, "?", "VARCHAR", "CAST({c} AS TIME(6))", NULL},
            [KIND_INSTANT] = {"TIMESTAMP_TZ(6)", ODBC_TEXT, "?", "VARCHAR", "CAST({c} AS TIMESTAMP_TZ(6))", NULL},
            [KIND_LOCAL] = {"TIMESTAMP_NTZ(6)", ODBC_TEXT, "?", "VARCHAR", "CAST({c} AS TIMESTAMP_NTZ(6))", NULL},
            [KIND_DURATION] = {"VARCHAR(60)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_JSON] = {"VARIANT", ODBC_TEXT, "?", "VARCHAR", "PARSE_JSON({c})", "TO_JSON({c})"},
            [KIND_KEY_TEXT] = {"VARCHAR", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_BYTES] = {"BINARY", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_NAME] = {"VARCHAR", ODBC_TEXT, "?", NULL, NULL, NULL},
        },
        .digits_most = 38, .year_min = 1, .year_max = 9999,
        .rows_most = 1, .params_most = 1, .via_stage = true,
        .text_open = "'", .backslash = true, .bytes_open = "X'", .bytes_close = "'", .time_open = "'",
        .yes = "TRUE", .no = "FALSE", .now = "CURRENT_TIMESTAMP()",
        .ago = "DATEADD(second, -{s}, CURRENT_TIMESTAMP())",
        .join = "||", .octets = "OCTET_LENGTH", .limit = "LIMIT {n}",
        .add = "ADD COLUMN", .add_end = "",
        .widen = "ALTER COLUMN {c} SET DATA TYPE {t}", .relax = "ALTER COLUMN {c} DROP NOT NULL",
        .stage_make = "CREATE TEMPORARY TABLE", .stage_end = "", .stage_prefix = "",
        .greet = {"ALTER SESSION SET TIMEZONE = 'UTC'", "ALTER SESSION SET LOCK_TIMEOUT = {lock_s}",
                  "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {statement_s}",
                  "ALTER SESSION SET QUERY_TAG = 'avrogate {role} {run}'"},
        .put_once = dialect_merge_once, .put_apply = dialect_merge_apply, .put_close = dialect_merge_close,
        .merge_hint = "", .merge_end = "",
        .copy_into = "COPY INTO {table}\nFROM {at}\nFILES = (\n    {files}\n)\nFILE_FORMAT = ({format})\n"
                     "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE\nON_ERROR = ABORT_STATEMENT\nFORCE = FALSE\n"
                     "LOAD_UNCERTAIN_FILES = FALSE",
        .copy_kinds = {{".parquet", "TYPE = PARQUET USE_LOGICAL_TYPE = TRUE"},
                       {".avro", "TYPE = AVRO"},
                       {".jsonl", "TYPE = JSON"},
                       {".csv", "TYPE = CSV PARSE_HEADER = TRUE FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"}},
        .codes = snowflake_codes, .n_codes = COUNT(snowflake_codes),
    },
    {
        .name = "generic", .dbms = "", .open = '"', .close = '"',
        .types = {
            [KIND_BOOL] = {"BOOLEAN", ODBC_TEXT, "CAST(? AS BOOLEAN)", NULL, NULL, NULL},
            [KIND_INT] = {"INTEGER", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_LONG] = {"BIGINT", ODBC_INT, "?", NULL, NULL, NULL},
            [KIND_FLOAT] = {"REAL", ODBC_TEXT, "CAST(? AS REAL)", NULL, NULL, NULL},
            [KIND_DOUBLE] = {"DOUBLE PRECISION", ODBC_TEXT, "CAST(? AS DOUBLE PRECISION)", NULL, NULL, NULL},
            [KIND_DECIMAL] = {"DECIMAL{ps}", ODBC_TEXT, "CAST(? AS DECIMAL{ps})", NULL, NULL, NULL},
            [KIND_BIG_DECIMAL] = {"VARCHAR(400)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_TEXT] = {"VARCHAR(4000)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_BYTES] = {"BLOB", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_UUID] = {"CHAR(36)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_DATE] = {"DATE", ODBC_TEXT, "CAST(? AS DATE)", NULL, NULL, NULL},
            [KIND_TIME] = {"TIME(6)", ODBC_TEXT, "CAST(? AS TIME(6))", NULL, NULL, NULL},
            [KIND_INSTANT] = {"TIMESTAMP(6) WITH TIME ZONE", ODBC_TEXT, "CAST(? AS TIMESTAMP(6) WITH TIME ZONE)", NULL, NULL, NULL},
            [KIND_LOCAL] = {"TIMESTAMP(6)", ODBC_TEXT, "CAST(? AS TIMESTAMP(6))", NULL, NULL, NULL},
            [KIND_DURATION] = {"VARCHAR(60)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_JSON] = {"CLOB", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_TEXT] = {"VARCHAR(200)", ODBC_TEXT, "?", NULL, NULL, NULL},
            [KIND_KEY_BYTES] = {"VARBINARY(400)", ODBC_BYTES, "?", NULL, NULL, NULL},
            [KIND_NAME] = {"VARCHAR(200)", ODBC_TEXT, "?", NULL, NULL, NULL},
        },
        .digits_most = 38, .year_min = 1, .year_max = 9999,
        .rows_most = 1, .params_most = 1, .json_in_ledger = true,
        .text_open = "'", .bytes_open = "X'", .bytes_close = "'", .time_open = "TIMESTAMP '",
        .yes = "TRUE", .no = "FALSE", .now = "CURRENT_TIMESTAMP",
        .join = "||", .octets = "OCTET_LENGTH", .limit = "FETCH FIRST {n} ROWS ONLY",
        .add = "ADD COLUMN", .add_end = "",
        .widen = "ALTER COLUMN {c} SET DATA TYPE {t}", .relax = "ALTER COLUMN {c} DROP NOT NULL",
        .stage_make = "CREATE LOCAL TEMPORARY TABLE", .stage_end = " ON COMMIT PRESERVE ROWS", .stage_prefix = "",
        .savepoint = "SAVEPOINT avrogate_part", .back = "ROLLBACK TO SAVEPOINT avrogate_part",
        .release = "RELEASE SAVEPOINT avrogate_part",
        .put_once = dialect_merge_once, .put_apply = dialect_merge_apply, .put_close = dialect_merge_close,
        .merge_hint = "", .merge_end = "",
    },
};
// clang-format on
const size_t n_dialects = COUNT(dialects);

const struct dialect *dialect_named(const char *name)
{
    for (size_t i = 0; i < n_dialects; i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

const struct dialect *dialect_of(const char *dbms)
{
    size_t i = 0;

    while (strncasecmp(dbms, dialects[i].dbms, strlen(dialects[i].dbms)) != 0)
        i++;
    return &dialects[i];
}

static enum dialect_kind kind_of_numeric(const struct dialect *d,
                                         const struct column *c)
{
    bool fits = c->node->logical == AV_DECIMAL && c->node->precision <= d->digits_most;

    return fits ? KIND_DECIMAL : KIND_BIG_DECIMAL;
}

enum dialect_kind dialect_kind(const struct dialect *d, const struct column *c)
{
    switch (c->form) {
    case FORM_BOOL: return KIND_BOOL;
    case FORM_INT2:
    case FORM_INT4: return KIND_INT;
    case FORM_INT8: return KIND_LONG;
    case FORM_FLOAT4: return KIND_FLOAT;
    case FORM_FLOAT8: return KIND_DOUBLE;
    case FORM_NUMERIC: return kind_of_numeric(d, c);
    case FORM_TEXT: return c->key ? KIND_KEY_TEXT : KIND_TEXT;
    case FORM_BYTEA: return c->key ? KIND_KEY_BYTES : KIND_BYTES;
    case FORM_UUID: return KIND_UUID;
    case FORM_DATE: return KIND_DATE;
    case FORM_TIME: return KIND_TIME;
    case FORM_TIMESTAMP:
        return c->node->logical >= AV_LOCAL_TIMESTAMP_MILLIS ? KIND_LOCAL
                                                             : KIND_INSTANT;
    case FORM_INTERVAL: return KIND_DURATION;
    case FORM_JSONB:
    case FORM_JSON: return KIND_JSON;
    }
    return KIND_TEXT;
}

/* --- words ------------------------------------------------------------------------ */

void dialect_put_name(struct buf *sql, const struct dialect *d, struct span name)
{
    buf_put_u8(sql, (uint8_t)d->open);
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == (uint8_t)d->close)
            buf_put_u8(sql, name.p[i]);
        buf_put_u8(sql, name.p[i]);
    }
    buf_put_u8(sql, (uint8_t)d->close);
}

static void put_folded(struct buf *sql, const struct dialect *d, struct span name)
{
    struct buf folded = BUF_INIT(2000);

    for (size_t i = 0; i < name.n; i++)
        buf_put_u8(&folded, d->upper && name.p[i] >= 'a' && name.p[i] <= 'z'
                                ? (uint8_t)(name.p[i] - 'a' + 'A')
                                : name.p[i]);
    dialect_put_name(sql, d, buf_span(&folded));
    buf_free(&folded);
}

enum err_kind dialect_put_table(struct buf *sql, const struct dialect *d,
                                const char *table, struct err *e)
{
    for (const char *p = table;; p++) {
        size_t n = strcspn(p, ".");
        if (n == 0)
            return err_set(e, ERR_INVALID,
                           "table \"%.100s\", wanted a name, "
                           "schema.name or database.schema.name",
                           table);
        put_folded(sql, d, span_of(p, n));
        p += n;
        if (*p == '\0')
            return buf_status(sql, e);
        buf_put_u8(sql, '.');
    }
}

void dialect_put_text(struct buf *sql, const struct dialect *d, const char *text)
{
    struct buf clean = BUF_INIT(1 << 20);

    if (text == NULL) {
        buf_put_str(sql, "NULL");
        return;
    }
    etl_put_clean(&clean, span_str(text));
    buf_put_str(sql, d->text_open);
    for (size_t i = 0; i < clean.n; i++) {
        if (clean.p[i] == '\'' || (d->backslash && clean.p[i] == '\\'))
            buf_put_u8(sql, clean.p[i]);
        buf_put_u8(sql, clean.p[i]);
    }
    buf_put_u8(sql, '\'');
    buf_free(&clean);
}

void dialect_put_bytes(struct buf *sql, const struct dialect *d, struct span bytes)
{
    buf_put_str(sql, d->bytes_open);
    for (size_t i = 0; i < bytes.n; i++)
        buf_printf(sql, "%02x", bytes.p[i]);
    buf_put_str(sql, d->bytes_close);
}

void dialect_put_time(struct buf *sql, const struct dialect *d, int64_t ms)
{
    char text[WALL_TEXT];

    wall_print(text, ms); // 2026-11-21T09:30:00.123Z
    text[10] = ' ';
    text[WALL_TEXT - 2] = '\0';
    buf_printf(sql, "%s%s+00:00'", d->time_open, text);
}

void dialect_put(struct buf *sql, const char *template, const char *const *pairs)
{
    for (const char *p = template; *p != '\0'; p++) {
        size_t n = *p == '{' ? strcspn(p, "}") : 0;
        const char *value = NULL;
        for (size_t i = 0; n > 0 && pairs[i] != NULL; i += 2)
            if (strlen(pairs[i]) == n - 1 && strncmp(p + 1, pairs[i], n - 1) == 0)
                value = pairs[i + 1];
        if (value == NULL) {
            buf_put_u8(sql, (uint8_t)*p);
            continue;
        }
        buf_put_str(sql, value);
        p += n;
    }
}

void dialect_put_ago(struct buf *sql, const struct dialect *d, int64_t ms)
{
    char s[30];

    if (d->ago == NULL) {
        dialect_put_time(sql, d, wall_ms() - ms);
        return;
    }
    snprintf(s, sizeof s, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    dialect_put(sql, d->ago, (const char *[]){"s", s, NULL});
}

void dialect_put_type(struct buf *sql, const struct dialect *d, const struct column *c)
{
    char ps[40];

    snprintf(ps, sizeof ps, "(%d,%d)", c->node->precision, c->node->scale);
    dialect_put(sql, d->types[dialect_kind(d, c)].sql,
                (const char *[]){"ps", ps, NULL});
}

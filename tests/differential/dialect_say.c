/* Prints what a dialect says, for tests/differential/dialects_parse.py: each statement
 * behind "@dialect what" on a line of its own, and a line "@" at the end. */
#include "cli/audit_inside.h"
#include "loaders/dialect_sql.h"
#include "loaders/quarantine.h"
#include "loaders/rule_result.h"
#include "loaders/stage_copy.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"
#define DEFAULT(name, type, value) \
    "{\"name\":\"" name "\",\"type\":" type ",\"default\":" value "}"

static const char schema[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" FIELD(
    "shop", "\"string\"") ","                   //
    FIELD("item", "\"long\"") ","               //
    FIELD("order", "[\"null\",\"string\"]") "," //
    FIELD("b", "\"boolean\"") ","               //
    FIELD("i", "\"int\"") ","                   //
    FIELD("f", "\"float\"") ","                 //
    FIELD("d", "\"double\"") ","                //
    FIELD("y", "\"bytes\"") ","                 //
    FIELD("m", "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":12,"
               "\"scale\":2}") "," //
    FIELD("big", "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":60,"
                 "\"scale\":2}") ","                             //
    FIELD("u", LOGICAL("string", "uuid")) ","                    //
    FIELD("day", LOGICAL("int", "date")) ","                     //
    FIELD("t", LOGICAL("long", "time-micros")) ","               //
    FIELD("at", LOGICAL("long", "timestamp-micros")) ","         //
    FIELD("here", LOGICAL("long", "local-timestamp-millis")) "," //
    FIELD("span", "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":"
                  "\"duration\"}") ","                                      //
    FIELD("tags", "{\"type\":\"map\",\"values\":\"string\"}") ","           //
    DEFAULT("x1", "\"string\"", "\"it's \\\\ [x]\"") ","                    //
    DEFAULT("x2", "\"boolean\"", "true") ","                                //
    DEFAULT("x3", "\"double\"", "1.5e300") ","                              //
    DEFAULT("x4", "\"bytes\"", "\"\\u0000\\u00ff\"") ","                    //
    DEFAULT("x5", LOGICAL("int", "date"), "20000") ","                      //
    DEFAULT("x6", LOGICAL("long", "timestamp-millis"), "1700000000000") "," //
    DEFAULT("x9", "[\"int\",\"null\"]", "5") ","                            //
    DEFAULT("x7", "[\"null\",\"int\"]", "null") ","                         //
    DEFAULT("x8", "{\"type\":\"map\",\"values\":\"int\"}", "{\"k\":1}") "]}";

static struct buf sql;

static void say(const struct dialect *d, const char *what)
{
    buf_put_u8(&sql, 0);
    printf("@%s %s\n%s\n", d->name, what, (const char *)sql.p);
    buf_reset(&sql);
}

/* All but what puts in the new rows, which is left to be said. */
static void say_history(const struct dialect *d, const struct table *t,
                        const char *stage)
{
    dialect_put_create(&sql, d, t, "staging.t", false);
    say(d, "create_aside");
    for (size_t i = 0; dialect_put_index(&sql, d, i, t, "staging.t"); i++)
        say(d, "index");
    dialect_put_spans(&sql, d, t, "staging.t", stage);
    say(d, "spans");
    d->put_close(&sql, d, t, "staging.t", stage);
    say(d, "close");
    dialect_put_begun(&sql, d, t, "staging.t", stage);
}

static void say_table(const struct dialect *d, struct table *t)
{
    static const char *const modes[] = {"append", "insert_ignore", "upsert", "history",
                                        "mirror"};

    dialect_put_create(&sql, d, t, "staging.t", true);
    say(d, "create");
    for (size_t i = 0; i < t->n; i++) {
        dialect_put_add(&sql, d, "staging.t", &t->columns[i]);
        say(d, "add");
    }
    if (d->widen != NULL) {
        dialect_put_alter(&sql, d, "staging.t", &t->columns[1], false);
        say(d, "widen");
        dialect_put_alter(&sql, d, "staging.t", &t->columns[4], true);
        say(d, "relax");
    }
    dialect_put_insert(&sql, d, t, "staging.t", 0, d->rows_most > 1 ? 2 : 1);
    say(d, "insert");
    for (enum apply_mode mode = APPLY_APPEND; mode <= APPLY_MIRROR; mode++) {
        const char *stage = d->stage_prefix[0] == '#' ? "#s" : "s1";
        dialect_put_stage(&sql, d, mode, t, stage);
        say(d, "stage");
        dialect_put_insert(&sql, d, t, stage, stage_extra(mode), 1);
        say(d, "insert");
        if (mode == APPLY_HISTORY)
            say_history(d, t, stage);
        else
            d->put_apply(&sql, d, mode, t, "staging.t", stage);
        say(d, modes[mode]);
        if (mode == APPLY_APPEND)
            continue;
        dialect_put_count(&sql, d, mode, t, "staging.t", stage);
        say(d, "count");
    }
    if (d->put_delete != NULL) {
        d->put_delete(&sql, d, t, "staging.t", "s1");
        say(d, "delete");
    }
}

static void say_ledger(const struct dialect *d)
{
    static const char *const columns[] = {"pipeline", "part", "released", "updated"};
    const char *const values[] = {"'j'", "1", d->yes, d->now,
                                  "'k'", "2", d->no,  d->now};
    const char *table;

    for (size_t i = 0; dialect_put_ledger(&sql, d, i, &table); i++)
        say(d, "ledger");
    for (size_t c = 0; dialect_put_ledger_add(&sql, d, 1, c, &table); c++)
        say(d, "add");
    d->put_once(&sql, d, "etl_offsets", columns, values, 4, 2, 2);
    say(d, "once");
    buf_put_str(&sql, "INSERT INTO t (a, b, c) VALUES (");
    dialect_put_text(&sql, d, "it's \\ \n\xff");
    buf_put_str(&sql, ", ");
    dialect_put_bytes(&sql, d, span_str("\x01\xfe"));
    buf_put_str(&sql, ", ");
    dialect_put_time(&sql, d, 1700000000123);
    buf_put_str(&sql, ")");
    say(d, "literals");
    buf_put_str(&sql, "DELETE FROM t WHERE a < ");
    dialect_put_ago(&sql, d, 86400123);
    say(d, "ago");
}

static void say_rules(const struct dialect *d)
{
    static const struct rule_result results[] = {
        {.name = "it's",
         .severity = "warn",
         .form = "expr",
         .wanted = "x > \\1",
         .checked = 12,
         .failed = 3,
         .errors = 1,
         .last_failed = "t/0@7: is false"},
        {.name = "rows",
         .severity = "fail",
         .form = "rows",
         .wanted = "at least 1",
         .checked = 1,
         .failed = 1,
         .last_failed = "0 rows",
         .stopped = "it's so"},
        {.name = "none", .severity = "null_field", .form = "range", .wanted = "y"},
    };
    const struct rule_origin o = {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "job", "t"};

    rule_result_put_once(&sql, d, &o, results, 3);
    say(d, "once");
    for (int set = 0; set < 2; set++) {
        rule_result_put_change(&sql, d, &o, results, 3, set);
        say(d, "update");
    }
    rule_result_put_change(&sql, d, &o, results + 2, 1, false);
    say(d, "update");
}

/* The quarantine: the record's columns and ours, and no key. */
static void say_aside(const struct dialect *d, const struct table *with_key)
{
    struct table t = *with_key;
    struct err e = {0};

    t.columns = mem_array(t.n, sizeof *t.columns);
    memcpy(t.columns, with_key->columns, t.n * sizeof *t.columns);
    for (size_t i = 0; i < t.n; i++)
        t.columns[i].key = false;
    if (table_append(&t, quarantine_columns, QUARANTINE_EXTRA, "", &e) != ERR_OK)
        abort();
    dialect_put_create(&sql, d, &t, "staging.q", true);
    say(d, "create_aside");
    dialect_put_add(&sql, d, "staging.q", &t.columns[t.n - QUARANTINE_EXTRA]);
    say(d, "add");
    dialect_put_insert(&sql, d, &t, "staging.q", 0, d->rows_most > 1 ? 2 : 1);
    say(d, "insert");
    d->put_apply(&sql, d, APPLY_APPEND, &t, "staging.q", "s2");
    say(d, "append");
    free(t.columns);
}

static void say_audit(const struct dialect *d)
{
    const struct audit a = {
        .s = {.job = "it's", .topic = "t", .since_ms = 1000, .limit = 100},
        .db = {.d = d}};

    for (size_t i = 0; audit_say(&sql, &a, i); i++)
        say(d, "audit");
}

static void say_copy(const struct dialect *d)
{
    static const char *const files[][2] = {
        {"dt=2026-11-20/t+3+00+99.parquet",
         "city=M\xc3\xbcnchen%2F/it's+1+0+9.parquet"},
        {"t.csv", "u.csv"},
        {"t.jsonl", "u.jsonl"},
        {"t.avro", "u.avro"},
    };
    struct err e = {0};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (stage_copy_put(&sql, d, "db.weather", "@stage/weather", files[i], 2, &e) ==
            ERR_OK)
            say(d, "copy_into");
}

static void say_session(const struct dialect *d)
{
    static const char *const pairs[] = {
        "lock_ms", "5000", "lock_s", "5",           "role", "w", "statement_ms",
        "60000",   "run",  "id",     "statement_s", "60",   NULL};

    for (size_t i = 0; i < sizeof d->greet / sizeof d->greet[0]; i++)
        if (d->greet[i] != NULL) {
            dialect_put(&sql, d->greet[i], pairs);
            say(d, "greet");
        }
    if (d->end_session != NULL) {
        dialect_put(&sql, d->end_session, pairs);
        say(d, "end_session");
    }
    for (int i = 0; i < 3; i++) {
        const char *word = i == 0 ? d->savepoint : i == 1 ? d->back : d->release;
        if (word != NULL) {
            buf_put_str(&sql, word);
            say(d, "savepoint");
        }
    }
}

int main(void)
{
    static const char *const keys[] = {"shop", "item"};
    const struct table_keys key = {keys, 2, false};
    struct buf ignored = BUF_INIT(4 << 20);
    struct av_schema *s;
    struct table t;
    struct err e = {0};

    sql = BUF_INIT(4 << 20);
    if (av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e) != ERR_OK ||
        table_plan(&t, s, NULL, 0, "", true, &key, &ignored, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    for (size_t i = 0; i < n_dialects; i++) {
        say_table(&dialects[i], &t);
        say_ledger(&dialects[i]);
        say_rules(&dialects[i]);
        say_aside(&dialects[i], &t);
        say_audit(&dialects[i]);
        say_copy(&dialects[i]);
        say_session(&dialects[i]);
    }
    printf("@\n");
    table_free(&t);
    av_schema_release(s);
    buf_free(&sql);
    buf_free(&ignored);
    return 0;
}

#include "registry/repair.h"
#include "tests/check.h"

#include <stdio.h>

#define KEY(s, v) \
    "{\"keytype\":\"SCHEMA\",\"subject\":\"" s "\",\"version\":" #v ",\"magic\":1}"
#define VALUE(s, v, id, schema)                                                     \
    "{\"subject\":\"" s "\",\"version\":" #v ",\"id\":" #id ",\"schema\":\"" schema \
    "\",\"deleted\":false}"
#define INT "\\\"int\\\""
#define LONG "\\\"long\\\""

struct row {
    const char *key, *value;
};

static size_t fill(struct reg_record *out, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (struct reg_record){
            .key = rows[i].key ? span_str(rows[i].key) : (struct span){0},
            .value = rows[i].value ? span_str(rows[i].value) : (struct span){0},
            .offset = (int64_t)i,
            .ts = 1000};
    return n;
}

#define LOG(name, ...)                                                \
    static const struct row name##_rows[] = {__VA_ARGS__};            \
    struct reg_record name[sizeof name##_rows / sizeof *name##_rows]; \
    size_t n_##name = fill(name, name##_rows, sizeof name##_rows / sizeof *name##_rows)

static void a_sound_log_has_nothing_wrong(void)
{
    struct buf report = BUF_INIT(1 << 20);
    LOG(log, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("s", 2), VALUE("s", 2, 2, LONG)},
        {"{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}", "{}"});

    CHECK_INT((long)reg_fsck(&report, log, n_log), 0);
    CHECK_SPAN(
        buf_span(&report),
        "3 records, 1 subjects, 2 versions; 1 keys in another form, 0 of types not "
        "interpreted; 0 wrong\n");
    buf_free(&report);
}

static void what_is_wrong_is_said_with_its_place(void)
{
    struct buf report = BUF_INIT(1 << 20);
    LOG(log, {NULL, "x"}, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("t", 1), VALUE("t", 1, 1, LONG)},
        {KEY("u", 1), VALUE("u", 1, 2, "strin")});

    CHECK_INT((long)reg_fsck(&report, log, n_log), 3);
    CHECK(memmem(report.p, report.n, "offset 0: a record without a key\n", 33) != NULL);
    CHECK(memmem(report.p, report.n, "offset 2: its id means another schema already\n",
                 46) != NULL);
    CHECK(memmem(report.p, report.n, "subject u version 1 (id 2): ", 28) != NULL);
    buf_free(&report);
}

static void a_backup_has_what_counts_and_reads_back(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct reg_record *back = NULL;
    struct arena a = {0};
    struct err e = {0};
    size_t n = 0;
    LOG(log, {"garbage", "garbage"}, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("s", 2), VALUE("s", 2, 2, LONG)}, {KEY("s", 1), NULL},
        {"{\"keytype\":\"NOOP\",\"magic\":0}", NULL});

    reg_backup_put(&text, log, n_log);
    CHECK_SPAN(
        buf_span(&text),
        "{\"offset\":2,\"ts\":1000,\"key\":\"{\\\"keytype\\\":\\\"SCHEMA\\\","
        "\\\"subject\\\":\\\"s\\\",\\\"version\\\":2,\\\"magic\\\":1}\",\"value\":"
        "\"{\\\"subject\\\":\\\"s\\\",\\\"version\\\":2,\\\"id\\\":2,"
        "\\\"schema\\\":\\\"\\\\\\\"long\\\\\\\"\\\",\\\"deleted\\\":false}\"}\n");
    CHECK_INT(reg_backup_read(&back, &n, buf_span(&text), &a, &e), ERR_OK);
    CHECK_INT((long)n, 1);
    CHECK(span_eq(back[0].key, log[2].key) && span_eq(back[0].value, log[2].value));
    CHECK_INT(reg_backup_read(&back, &n, span_str("\n{\"key\":1}"), &a, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "line 2: wanted an object with texts key and value");
    buf_free(&text);
    arena_free(&a);
}

static void restoring_writes_what_is_missing_and_nothing_else(void)
{
    struct reg_plan plan;
    LOG(backup, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("s", 2), VALUE("s", 2, 2, LONG)}, {KEY("t", 1), VALUE("t", 1, 1, INT)},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"t\",\"magic\":0}",
         "{\"subject\":\"t\",\"version\":1}"},
        {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}"},
        {KEY(":.x:c", 1), VALUE(":.x:c", 1, 1, LONG)},
        {KEY("v", 3), VALUE("v", 3, 9, "\\\"bytes\\\"")});
    LOG(log, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("v", 3), VALUE("v", 3, 7, "\\\"float\\\"")},
        {KEY("new", 1), VALUE("new", 1, 2, "\\\"double\\\"")});

    reg_plan_restore(&plan, backup, n_backup, log, n_log, 0);
    CHECK_SPAN(buf_span(&plan.lines),
               "written: context .x\n"
               "written: subject :.x:c version 1 id 1\n"
               "left alone: subject s version 2 id 2: the id means another schema now\n"
               "written: subject t version 1 id 1 (softly deleted)\n"
               "left alone: subject v version 3 id 9: another schema stands there now\n"
               "written: settings of all\n");
    CHECK_INT((long)plan.n, 4);
    CHECK_INT((long)plan.left_alone, 2);
    reg_plan_free(&plan);

    reg_plan_restore(&plan, backup, n_backup, log, 0, 2);
    CHECK_SPAN(buf_span(&plan.lines), "written: subject s version 2 id 2\n");
    reg_plan_free(&plan);

    reg_plan_restore(&plan, backup, n_backup, backup, n_backup, 0);
    CHECK_INT((long)(plan.n + plan.left_alone), 0); // doing it twice is doing it once
    reg_plan_free(&plan);
}

static void what_was_deleted_comes_back_while_the_log_has_it(void)
{
    struct reg_plan plan;
    LOG(log, {KEY("s", 1), VALUE("s", 1, 1, INT)},
        {KEY("s", 2), VALUE("s", 2, 2, LONG)},
        {KEY("s", 3), VALUE("s", 3, 3, "\\\"float\\\"")},
        {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"s\",\"magic\":0}",
         "{\"subject\":\"s\",\"version\":3}"},
        {KEY("s", 1), NULL}, {KEY("s", 4), VALUE("s", 4, 2, LONG)});

    reg_plan_undelete(&plan, log, n_log, span_str("s"), 0);
    CHECK_SPAN(
        buf_span(&plan.lines),
        "written: subject s version 1 id 1\n"
        "left alone: subject s version 2 id 2: its schema lives in another version\n"
        "written: subject s version 3 id 3\n");
    CHECK_INT(plan.events[0].schema.deleted, API_NO);
    reg_plan_free(&plan);
    reg_plan_undelete(&plan, log, n_log, span_str("s"), 2);
    CHECK_SPAN(buf_span(&plan.lines), "written: subject s version 2 id 2\n");
    reg_plan_free(&plan);
    reg_plan_undelete(&plan, log, n_log, span_str("none"), 0);
    CHECK_INT((long)plan.n, 0);
    reg_plan_free(&plan);
}

#define BY_ALICE                                                                   \
    "{\"offset\":0,\"ts\":5,\"key\":\"{\\\"keytype\\\":\\\"SCHEMA\\\","            \
    "\\\"subject\\\":"                                                             \
    "\\\"s\\\",\\\"version\\\":1,\\\"magic\\\":1}\",\"value\":\"{\\\"subject\\\":" \
    "\\\"s\\\",\\\"version\\\":1,\\\"id\\\":1,\\\"schema\\\":"                     \
    "\\\"\\\\\\\"int\\\\\\\"\\\","                                                 \
    "\\\"deleted\\\":false}\",\"acts\":[{\"what\":\"registered\",\"ts\":5,"        \
    "\"who\":\"user:alice\"},7,{\"what\":\"eaten\"}]}\n"

static void what_was_done_comes_back_with_what_it_was_done_to(void)
{
    struct reg_record *back = NULL;
    struct reg_plan plan;
    struct buf again = BUF_INIT(1 << 16);
    struct arena a = {0};
    struct err e = {0};
    size_t n = 0;

    CHECK_INT(reg_backup_read(&back, &n, span_str(BY_ALICE), &a, &e), ERR_OK);
    CHECK(back[0].acts != NULL &&
          back[0].acts->next == NULL); // what is none is left out
    reg_plan_restore(&plan, back, n, NULL, 0, 0);
    CHECK_INT((long)plan.n, 1);
    CHECK_SPAN(plan.events[0].acts->who, "user:alice");
    CHECK_INT(plan.events[0].acts->ts, 5);
    CHECK_INT(plan.events[0].act.deed, REG_RESTORED);
    reg_backup_put(&again, back, n);
    CHECK(
        memmem(again.p, again.n,
               "\"acts\":[{\"what\":\"registered\",\"ts\":5,\"who\":\"user:alice\"}]}",
               57) != NULL);
    reg_plan_free(&plan);
    buf_free(&again);
    arena_free(&a);
}

int main(void)
{
    RUN(a_sound_log_has_nothing_wrong);
    RUN(what_is_wrong_is_said_with_its_place);
    RUN(a_backup_has_what_counts_and_reads_back);
    RUN(restoring_writes_what_is_missing_and_nothing_else);
    RUN(what_was_deleted_comes_back_while_the_log_has_it);
    RUN(what_was_done_comes_back_with_what_it_was_done_to);
    return REPORT();
}

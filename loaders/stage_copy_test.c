#include "loaders/stage_copy.h"

#include "base/clock.h"
#include "loaders/stage_claim.h"
#include "loaders/stage_clean.h"
#include "loaders/stage_merge.h"
#include "place/place_inside.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[100], url[120];
static struct place *place;
static struct buf said;

static void put_file(const char *name, const char *body)
{
    char path[500];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; *p != '\0'; p++)
        if (*p == '/') {
            *p = '\0';
            (void)!mkdir(path, 0700);
            *p = '/';
        }
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs(body, f);
    fclose(f);
}

static void claim(int32_t partition, int64_t first, const char *name, bool rejects)
{
    struct stage_file files[] = {{.final = name,
                                  .ticket = span_str("t"),
                                  .bytes = 1,
                                  .rows = 10,
                                  .sha256 = "",
                                  .runs = ""},
                                 {.final = "_rejects/x.jsonl",
                                  .ticket = span_str("t"),
                                  .bytes = 1,
                                  .rows = 1,
                                  .sha256 = "",
                                  .rejects = true,
                                  .runs = ""}};
    struct stage_claim c = {.job = "j",
                            .topic = "t",
                            .cluster = "",
                            .partition = partition,
                            .first = first,
                            .last = first + 9,
                            .mark = -1,
                            .schema = "",
                            .instance = "",
                            .run = "",
                            .files = files,
                            .n_files = 1 + rejects};
    struct buf body = BUF_INIT(1 << 20);
    char at[STAGE_NAME];

    stage_claim_put(&body, &c);
    buf_put_u8(&body, 0);
    stage_claim_name(at, "t", partition, first);
    put_file(at, (const char *)body.p);
    buf_free(&body);
}

static enum err_kind note(void *arg, const char *sql, struct err *e)
{
    (void)arg;
    (void)e;
    const char *list = strstr(sql, "FILES = (");
    while (list != NULL && (list = strchr(list, '\'')) != NULL) {
        size_t n = strcspn(list + 1, "'");
        if (memchr(list, '@', n + 1) == NULL && strncmp(list, "'\"", 2) != 0)
            buf_printf(&said, "%.*s ", (int)n, list + 1);
        list += n + 2;
    }
    buf_put_str(&said, "; ");
    return ERR_OK;
}

static enum err_kind copy(int64_t since_ms, struct copy_sums *n, struct err *e)
{
    struct copy_options o = {.place = place,
                             .topic = "t",
                             .d = dialect_named("snowflake"),
                             .table = "w",
                             .at = "@s/w",
                             .since_ms = since_ms,
                             .statement = note};

    buf_reset(&said);
    enum err_kind rc = stage_copy(&o, n, e);
    buf_put_u8(&said, 0);
    return rc;
}

static void enter(void)
{
    static int count;
    struct place_settings s = {.url = url};
    struct err e = {0};

    snprintf(dir, sizeof dir, "/tmp/stage-copy-%ld-%d", (long)getpid(), ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    CHECK_INT(mkdir(dir, 0700), 0);
    CHECK_INT(place_open(&place, &s, &e), ERR_OK);
    said = BUF_INIT(1 << 20);
}

static void leave(void)
{
    char command[200];

    place_close(place);
    buf_free(&said);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

static void exactly_the_claimed_files_are_named_in_order(void)
{
    struct copy_sums n;
    struct err e = {0};

    enter();
    claim(0, 0, "a+0.parquet", true);
    claim(0, 10, "a+10.parquet", false);
    claim(1, 0, "b+0.parquet", false);
    put_file("a+10.parquet", "x");
    put_file("b+0.parquet", "x");
    put_file("stranger.parquet", "x");
    CHECK_INT(copy(0, &n, &e), ERR_OK);
    CHECK_STR((const char *)said.p, "a+0.parquet a+10.parquet b+0.parquet ; ");
    CHECK_INT(n.files, 3);
    CHECK_INT(n.rows, 30);
    CHECK_INT(n.claims, 3);
    CHECK_INT(copy(wall_ms() + 60000, &n, &e), ERR_OK);
    CHECK_INT(n.files, 0);
    CHECK_INT(n.statements, 0);
    leave();
}

static void a_claim_whose_files_have_no_names_yet_waits(void)
{
    struct copy_sums n;
    struct err e = {0};

    enter();
    claim(0, 0, "a+0.parquet", false);
    claim(0, 10, "a+10.parquet", false); // the newest, and its file is not there
    CHECK_INT(copy(0, &n, &e), ERR_OK);
    CHECK_STR((const char *)said.p, "a+0.parquet ; ");
    CHECK_INT(n.open, 1);
    put_file("a+10.parquet", "x");
    CHECK_INT(copy(0, &n, &e), ERR_OK);
    CHECK_STR((const char *)said.p, "a+0.parquet a+10.parquet ; ");
    CHECK_INT(n.open, 0);
    leave();
}

static void what_was_cleaned_is_passed_over_and_what_was_merged_is_refused(void)
{
    struct copy_sums n;
    struct err e = {0};
    char done[STAGE_NAME + 8], name[STAGE_NAME];

    enter();
    claim(0, 0, "a+0.parquet", false);
    claim(0, 10, "a+10.parquet", false);
    put_file("a+10.parquet", "x");
    stage_claim_name(name, "t", 0, 0);
    snprintf(done, sizeof done, "%s" STAGE_DONE, name);
    put_file(done, "{}");
    CHECK_INT(copy(0, &n, &e), ERR_OK);
    CHECK_STR((const char *)said.p, "a+10.parquet ; ");
    CHECK_INT(n.gone, 1);
    put_file("_merges/00000000000000000000", "{}");
    CHECK_INT(copy(0, &n, &e), ERR_CONFLICT);
    CHECK(strstr(e.msg, "were merged") != NULL);
    leave();
}

/* --- what merges put into backups -------------------------------------------------
 */

#define IDS 400

static int copied[IDS]; // how often a warehouse has a row
static char known[100][STAGE_NAME];
static size_t n_known;
static int next_id, verbs_left = -1; // -1 = for ever
static struct copy_sums last_copy;
static const struct place_ops *real;

/* As a loader stages them: a file of so many rows, and its claim. */
static void stage_rows(int n)
{
    struct stage_file f = {.ticket = span_str("_tmp/none"), .rows = n, .sha256 = ""};
    struct stage_claim c = {.job = "j",
                            .topic = "t",
                            .cluster = "",
                            .first = next_id,
                            .last = next_id + n - 1,
                            .loaded = n,
                            .mark = -1,
                            .instance = "",
                            .run = "",
                            .files = &f,
                            .n_files = 1};
    static const char schema[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                 "\"name\":\"id\",\"type\":\"long\"}]}";
    struct buf rows = BUF_INIT(10000), body = BUF_INIT(10000), runs = BUF_INIT(100);
    char key[STAGE_SCHEMA], name[STAGE_NAME];

    stage_schema_key(key, span_str(schema));
    stage_schema_name(name, key);
    put_file(name, schema);
    c.schema = key;
    snprintf(name, sizeof name, "t+0+%020d+%020d.jsonl", (int)c.first, (int)c.last);
    for (int i = 0; i < n; i++)
        buf_printf(&rows, "{\"id\":%d}\n", next_id + i);
    f.bytes = (int64_t)rows.n;
    f.final = name;
    stage_runs_put(&runs, 0, n);
    buf_put_u8(&runs, 0);
    f.runs = (const char *)runs.p;
    stage_claim_put(&body, &c);
    buf_put_u8(&rows, 0);
    buf_put_u8(&body, 0);
    put_file(name, (const char *)rows.p);
    stage_claim_name(name, "t", 0, next_id);
    put_file(name, (const char *)body.p);
    next_id += n;
    buf_free(&rows);
    buf_free(&body);
    buf_free(&runs);
}

/* A warehouse that passes over the names it knows, as Snowflake's history does. */
static void load(const char *name)
{
    struct buf text = BUF_INIT(100000);
    struct err e = {0};

    for (size_t i = 0; i < n_known; i++)
        if (strcmp(known[i], name) == 0)
            return;
    snprintf(known[n_known++], STAGE_NAME, "%s", name);
    CHECK_INT(place_read(place, name, 0, 100000, &text, &e), ERR_OK);
    buf_put_u8(&text, 0);
    for (const char *at = (const char *)text.p; (at = strstr(at, ":")) != NULL; at++)
        copied[atoi(at + 1)]++;
    buf_free(&text);
}

static void copy_now(void)
{
    struct copy_options o = {.place = place,
                             .topic = "t",
                             .d = dialect_named("snowflake"),
                             .table = "w",
                             .at = "@s/w",
                             .merged = true,
                             .statement = note};
    struct err e = {0};

    buf_reset(&said);
    CHECK_INT(stage_copy(&o, &last_copy, &e), ERR_OK);
    buf_put_u8(&said, 0);
    for (char *name = strtok((char *)said.p, " "); name != NULL;
         name = strtok(NULL, " "))
        if (name[0] != ';')
            load(name);
}

/* What is copied between any two requests that change the place. */
static enum err_kind step(struct err *e)
{
    copy_now();
    if (verbs_left == 0)
        return err_set(e, ERR_INTERNAL, "dead");
    verbs_left -= verbs_left > 0;
    return ERR_OK;
}

static enum err_kind step_claim(struct place *p, const char *name, const char *tmp,
                                struct span body, struct err *e)
{
    TRY(step(e));
    return real->claim(p, name, tmp, body, e);
}

static enum err_kind step_write(struct place *p, const char *tmp, const char *final,
                                const struct place_bytes *bytes, struct buf *ticket,
                                struct err *e)
{
    TRY(step(e));
    return real->write(p, tmp, final, bytes, ticket, e);
}

static enum err_kind step_finish(struct place *p, struct span ticket, const char *final,
                                 int64_t n, struct err *e)
{
    TRY(step(e));
    return real->finish(p, ticket, final, n, e);
}

static enum err_kind step_remove(struct place *p, const char *name, struct err *e)
{
    TRY(step(e));
    return real->remove(p, name, e);
}

/* True when it came to its end. */
static bool merge_until(int verbs, const char *backup, bool all, int64_t most)
{
    static struct place_ops ops;
    const struct place_settings s = {.url = url};
    struct place *p = NULL;
    struct merge_sums sums;
    struct err e = {0};

    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    real = p->ops;
    ops = *real;
    ops.claim = step_claim;
    ops.write = step_write;
    ops.finish = step_finish;
    ops.remove = step_remove;
    p->ops = &ops;
    verbs_left = verbs;
    struct merge_options o = {.place = p,
                              .dir = "",
                              .format = "json",
                              .to = "json",
                              .backup = backup,
                              .all = all,
                              .max_bytes = most,
                              .spool = "/tmp"};
    enum err_kind rc = stage_merge(&o, &sums, &e);
    if (rc != ERR_OK && strstr(e.msg, "dead") == NULL)
        printf("    %s\n", e.msg);
    CHECK(rc == ERR_OK || verbs >= 0);
    place_close(p);
    return rc == ERR_OK;
}

static void check_copied(int from, int to, int times)
{
    int wrong = 0;

    for (int i = from; i < to; i++)
        wrong += copied[i] != times;
    CHECK_INT(wrong, 0);
}

static void enter_merged(void)
{
    enter();
    memset(copied, 0, sizeof copied);
    n_known = 0;
    next_id = 0;
}

static void backups_are_copied_once_whoever_dies_and_whenever_it_is_asked(void)
{
    bool ended = false;
    int k = 0, others = 0;

    for (; !ended && k < 200; k++) {
        enter_merged();
        for (int i = 0; i < 5; i++)
            stage_rows(7 + i);
        ended = merge_until(k, k % 2 == 0 ? "backup" : "_wh", false, 250);
        stage_rows(3);
        stage_rows(4);
        bool other = merge_until(k / 2, NULL, false, 400); // and one into no backup
        copy_now();
        others += other && last_copy.waiting > 0;
        for (int i = 0; i < next_id; i++)
            CHECK(copied[i] <= 1);
        CHECK(merge_until(-1, "_wh", true, 250));
        copy_now();
        CHECK_INT(last_copy.waiting, 0);
        check_copied(0, next_id, 1);
        leave();
    }
    CHECK(ended && k > 8 && others > 0);
}

static void what_is_in_no_backup_waits(void)
{
    enter_merged();
    stage_rows(40);
    stage_rows(5);
    stage_rows(5);
    CHECK(merge_until(-1, "backup", false, 200)); // the first is large enough
    copy_now();
    CHECK_INT(last_copy.waiting, 40);
    CHECK_INT(last_copy.files, 1);
    CHECK_INT(last_copy.rows, 10);
    check_copied(0, 40, 0);
    check_copied(40, 50, 1);
    CHECK(merge_until(-1, "backup", true, 200));
    copy_now();
    CHECK_INT(last_copy.waiting, 0);
    CHECK_INT(last_copy.files, 2);
    check_copied(0, 50, 1);
    leave();
}

static void a_backup_stays_known_when_what_went_into_it_is_cleaned(void)
{
    struct clean_options clean = {0};
    struct clean_sums sums;
    struct err e = {0};

    enter_merged();
    stage_rows(5);
    CHECK(merge_until(-1, "backup", true, 200));
    stage_rows(5);
    CHECK(merge_until(-1, "backup", true, 200));
    clean.place = place;
    CHECK_INT(stage_clean(&clean, &sums, &e), ERR_OK);
    n_known = 0; // nothing was copied before
    memset(copied, 0, sizeof copied);
    copy_now();
    check_copied(0, 10, 1);
    leave();
}

/* --- both ways on one place -------------------------------------------------------
 */

/* Tells the warehouse what is said; whether it was refused for rows it has. */
static bool copy_as(struct place *p, const char *table, bool merged, bool anew,
                    struct err *e)
{
    struct copy_options o = {.place = p,
                             .topic = "t",
                             .d = dialect_named("snowflake"),
                             .table = table,
                             .at = "@s/w",
                             .merged = merged,
                             .anew = anew,
                             .statement = note};

    *e = (struct err){0};
    buf_reset(&said);
    enum err_kind rc = stage_copy(&o, &last_copy, e);
    CHECK(rc == ERR_OK || rc == ERR_CONFLICT);
    buf_put_u8(&said, 0);
    for (char *name = strtok((char *)said.p, " "); rc == ERR_OK && name != NULL;
         name = strtok(NULL, " "))
        if (name[0] != ';')
            load(name);
    return rc == ERR_OK;
}

/* Without a copy between its requests. */
static bool merge_alone(const char *backup)
{
    struct merge_sums sums;
    struct err e = {0};
    struct merge_options o = {.place = place,
                              .dir = "",
                              .format = "json",
                              .to = "json",
                              .backup = backup,
                              .all = true,
                              .max_bytes = 400,
                              .spool = "/tmp"};

    return stage_merge(&o, &sums, &e) == ERR_OK;
}

static void what_was_copied_as_staged_is_not_copied_as_merged(void)
{
    struct err e = {0};

    enter_merged();
    stage_rows(5);
    stage_rows(5);
    CHECK(copy_as(place, "w", false, false, &e));
    CHECK(copy_as(place, "w", false, false, &e));
    check_copied(0, 10, 1);
    CHECK(merge_alone("backup"));
    CHECK(!copy_as(place, "W", true, false, &e)); // the same table, by another name
    CHECK(strstr(e.msg, "has rows (partition 0, claims 0 to 5) that \"W\" was told to "
                        "copy without --merged") != NULL);
    CHECK(strstr(e.msg, "then --anew") != NULL); // nothing is cut
    check_copied(0, 10, 1);
    memset(copied, 0, sizeof copied); // the table is another, or was emptied
    CHECK(copy_as(place, "other", true, false, &e));
    check_copied(0, 10, 1);
    n_known = 0;
    memset(copied, 0, sizeof copied);
    CHECK(copy_as(place, "w", true, true, &e));
    CHECK(copy_as(place, "w", true, false, &e));
    check_copied(0, 10, 1);
    leave();
}

static void what_is_cleaned_after_its_copy_leaves_the_place_to_merges(void)
{
    struct clean_options clean = {0};
    struct clean_sums sums;
    struct err e = {0};

    enter_merged();
    stage_rows(5);
    stage_rows(5);
    CHECK(copy_as(place, "w", false, false, &e));
    clean.place = place;
    CHECK_INT(stage_clean(&clean, &sums, &e), ERR_OK);
    stage_rows(5);
    stage_rows(5);
    CHECK(merge_alone("backup"));
    CHECK(copy_as(place, "w", true, false, &e));
    check_copied(0, 20, 1);
    CHECK(!copy_as(place, "w", false, false, &e)); // and not back
    leave();
}

static int requests_left;
static bool intruded;

/* A copy as staged, and then a merge. */
static void intrude(void)
{
    struct err e = {0};

    if (intruded || requests_left-- > 0)
        return;
    intruded = true;
    CHECK(copy_as(place, "w", false, false, &e));
    CHECK(merge_alone("backup"));
    buf_reset(&said);
}

static enum err_kind asked_list(struct place *p, const char *in, struct place_list *out,
                                struct err *e)
{
    intrude();
    return real->list(p, in, out, e);
}

static enum err_kind asked_read(struct place *p, const char *name, int64_t at, size_t n,
                                struct buf *out, struct err *e)
{
    intrude();
    return real->read(p, name, at, n, out, e);
}

/* Between any two requests of a copy as merged. */
static void both_ways_at_once_copy_no_row_twice(void)
{
    const struct place_settings s = {.url = url};
    static struct place_ops ops;
    bool all = false;
    int k = 0, refused = 0;

    for (; !all && k < 100; k++) {
        struct place *p = NULL;
        struct err e = {0};
        enter_merged();
        for (int i = 0; i < 3; i++)
            stage_rows(5);
        CHECK_INT(place_open(&p, &s, &e), ERR_OK);
        real = p->ops;
        ops = *real;
        ops.list = asked_list;
        ops.read = asked_read;
        p->ops = &ops;
        requests_left = k;
        intruded = false;
        refused += !copy_as(p, "w", true, false, &e);
        all = !intruded;
        place_close(p);
        check_copied(0, next_id, intruded);
        leave();
    }
    CHECK(all && k > 3 && refused > 0);
}

static void all_wants_a_backup(void)
{
    struct merge_options o = {.format = "json", .all = true};
    struct err e = {0};

    CHECK_INT(merge_check(&o, &e), ERR_INVALID);
    o.backup = "backup";
    CHECK_INT(merge_check(&o, &e), ERR_OK);
}

static void a_statement_has_a_thousand_files_of_one_kind(void)
{
    struct copy_sums n;
    struct err e = {0};
    char name[40];

    enter();
    for (int i = 0; i <= COPY_FILES + 1; i++) {
        snprintf(name, sizeof name, "f+%d.%s", i, i <= COPY_FILES ? "parquet" : "csv");
        claim(0, i * 10, name, false);
        put_file(name, "x");
    }
    CHECK_INT(copy(0, &n, &e), ERR_OK);
    CHECK_INT(n.statements, 3);
    CHECK_INT(n.files, COPY_FILES + 2);
    leave();
}

static void the_statement_is_snowflakes(void)
{
    static const char *const files[] = {"dt=1/it's.parquet", "b.parquet"},
                             *txt[] = {"x.txt"};
    struct buf sql = BUF_INIT(10000);
    struct err e = {0};

    CHECK_INT(
        stage_copy_put(&sql, dialect_named("snowflake"), "db.w", "@s/w", files, 2, &e),
        ERR_OK);
    CHECK_SPAN(
        buf_span(&sql),
        "COPY INTO \"DB\".\"W\"\nFROM @s/w\nFILES = (\n    'dt=1/it''s.parquet',\n   "
        " 'b.parquet'\n)\nFILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)\n"
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE\nON_ERROR = ABORT_STATEMENT\nFORCE "
        "= FALSE\nLOAD_UNCERTAIN_FILES = FALSE");
    CHECK_INT(stage_copy_put(&sql, dialect_named("snowflake"), "w", "@s", txt, 1, &e),
              ERR_INVALID);
    CHECK_INT(stage_copy_put(&sql, dialect_named("sqlite"), "w", "@s", files, 2, &e),
              ERR_INVALID);
    buf_free(&sql);
}

int main(void)
{
    RUN(exactly_the_claimed_files_are_named_in_order);
    RUN(a_claim_whose_files_have_no_names_yet_waits);
    RUN(what_was_cleaned_is_passed_over_and_what_was_merged_is_refused);
    RUN(backups_are_copied_once_whoever_dies_and_whenever_it_is_asked);
    RUN(what_is_in_no_backup_waits);
    RUN(a_backup_stays_known_when_what_went_into_it_is_cleaned);
    RUN(what_was_copied_as_staged_is_not_copied_as_merged);
    RUN(what_is_cleaned_after_its_copy_leaves_the_place_to_merges);
    RUN(both_ways_at_once_copy_no_row_twice);
    RUN(all_wants_a_backup);
    RUN(a_statement_has_a_thousand_files_of_one_kind);
    RUN(the_statement_is_snowflakes);
    return REPORT();
}

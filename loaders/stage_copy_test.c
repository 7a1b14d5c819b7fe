#include "loaders/stage_copy.h"

#include "base/clock.h"
#include "loaders/stage_claim.h"
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
    RUN(a_statement_has_a_thousand_files_of_one_kind);
    RUN(the_statement_is_snowflakes);
    return REPORT();
}

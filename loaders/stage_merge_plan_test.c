/*
 * What a merge asks of a place of many directories; that it merges rightly is
 * stage_merge_test's.
 */
#include "loaders/stage_merge.h"

#include "loaders/stage_claim.h"

#include "place/place_inside.h"
#include "tests/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"
#define DIRS_MOST 40

static char dir[100], key[STAGE_SCHEMA];
static struct place *place;
static const struct place_ops *real;
static size_t asked; // requests

static enum err_kind counted_list(struct place *p, const char *at, struct place_list *l,
                                  struct err *e)
{
    asked++;
    return real->list(p, at, l, e);
}

static enum err_kind counted_read(struct place *p, const char *name, int64_t at,
                                  size_t n, struct buf *out, struct err *e)
{
    asked++;
    return real->read(p, name, at, n, out, e);
}

static enum err_kind counted_stat(struct place *p, const char *name,
                                  struct place_entry *out, struct err *e)
{
    asked++;
    return real->stat(p, name, out, e);
}

static enum err_kind counted_finish(struct place *p, struct span ticket,
                                    const char *final, int64_t n, struct err *e)
{
    asked++;
    return real->finish(p, ticket, final, n, e);
}

static void put_file(const char *final, struct span text, struct buf *ticket)
{
    struct place_bytes bytes = place_bytes_of(&text);
    struct err e = {0};

    CHECK_INT(place_write(place, "_tmp/x", final, &bytes, ticket, &e), ERR_OK);
    CHECK_INT(place_finish(place, buf_span(ticket), final, (int64_t)text.n, &e),
              ERR_OK);
}

static void enter(void)
{
    static int count;
    static struct place_ops counted;
    struct place_settings s = {0};
    char url[120], name[STAGE_NAME];
    struct buf ticket = BUF_INIT(1000);
    struct err e = {0};

    snprintf(dir, sizeof dir, "%s/avrogate-plan-%ld-%d",
             access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid(),
             ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    CHECK_INT(mkdir(dir, 0777), 0);
    s.url = url;
    CHECK_INT(place_open(&place, &s, &e), ERR_OK);
    real = place->ops;
    counted = *real;
    counted.list = counted_list;
    counted.read = counted_read;
    counted.stat = counted_stat;
    counted.finish = counted_finish;
    place->ops = &counted;
    stage_schema_key(key, span_str(SCHEMA));
    stage_schema_name(name, key);
    put_file(name, span_str(SCHEMA), &ticket);
    buf_free(&ticket);
}

static void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    place_close(place);
}

static void claim_files(int64_t first, int rows, struct stage_file *files, size_t n)
{
    struct buf body = BUF_INIT(PLACE_CLAIM), found = BUF_INIT(PLACE_CLAIM);
    struct stage_claim c = {.job = "j",
                            .topic = "t",
                            .cluster = "",
                            .instance = "",
                            .run = "",
                            .first = first,
                            .last = first + rows - 1,
                            .loaded = rows,
                            .schema = key,
                            .files = files,
                            .n_files = n};
    char name[STAGE_NAME];
    struct err e = {0};

    stage_claim_put(&body, &c);
    stage_claim_name(name, "t", 0, first);
    CHECK_INT(place_claim(place, name, "_tmp/c", buf_span(&body), &found, &e), ERR_OK);
    buf_free(&body);
    buf_free(&found);
}

/* A claim of a row in each of `dirs` directories. */
static void stage_everywhere(int64_t first, int dirs)
{
    static char finals[DIRS_MOST][STAGE_NAME];
    struct buf tickets[DIRS_MOST];
    struct stage_file files[DIRS_MOST];

    for (int i = 0; i < dirs; i++) {
        struct span row = span_str("{\"id\":1}\n");
        tickets[i] = BUF_INIT(1000);
        snprintf(finals[i], sizeof finals[i],
                 "k=%02d/h=0/t+0+%020" PRId64 "+%020" PRId64 ".jsonl", i, first,
                 first + dirs - 1);
        put_file(finals[i], row, &tickets[i]);
        files[i] = (struct stage_file){.final = finals[i],
                                       .ticket = buf_span(&tickets[i]),
                                       .bytes = (int64_t)row.n,
                                       .rows = 1,
                                       .sha256 = ""};
    }
    claim_files(first, dirs, files, (size_t)dirs);
    for (int i = 0; i < dirs; i++)
        buf_free(&tickets[i]);
}

static size_t requests_for(int dirs)
{
    struct merge_options o = {.place = place,
                              .dir = "",
                              .format = "json",
                              .max_bytes = 1 << 20,
                              .spool = "/tmp"};
    struct merge_sums sums;
    struct err e = {0};

    enter();
    o.place = place;
    stage_everywhere(0, dirs);
    stage_everywhere(dirs, dirs);
    asked = 0;
    CHECK_INT(merge_check(&o, &e), ERR_OK);
    CHECK_INT(stage_merge(&o, &sums, &e), ERR_OK);
    CHECK_INT(sums.merges, dirs);
    CHECK_INT(sums.inputs, 2 * dirs);
    size_t n = asked;
    CHECK_INT(stage_merge(&o, &sums, &e), ERR_OK);
    CHECK_INT(sums.merges, 0);
    leave();
    return n;
}

static void twice_the_directories_are_twice_the_requests(void)
{
    size_t ten = requests_for(10), forty = requests_for(40);

    CHECK(forty < 5 * ten);
    if (forty >= 5 * ten)
        printf("    %zu for ten directories, %zu for forty\n", ten, forty);
}

/* A directory is left once nothing in it is to be merged, and its neighbours come. */
static void no_directory_is_left_out(void)
{
    struct merge_options o = {.dir = "", .format = "json", .max_bytes = 30};
    struct merge_sums sums;
    struct err e = {0};

    enter();
    o.place = place;
    o.spool = "/tmp";
    for (int i = 0; i < 9; i++) // of nine bytes each: three of them become one
        stage_everywhere(4 * i, 4);
    CHECK_INT(merge_check(&o, &e), ERR_OK);
    CHECK_INT(stage_merge(&o, &sums, &e), ERR_OK);
    CHECK_INT(sums.merges, 12);
    CHECK_INT(sums.inputs, 36);
    CHECK_INT(sums.rows, 36);
    leave();
}

/* A claim of one file of so many rows, nine bytes each. */
static void stage_rows(int64_t first, int rows)
{
    struct buf text = BUF_INIT(1 << 16), ticket = BUF_INIT(1000);
    char final[STAGE_NAME];

    for (int i = 0; i < rows; i++)
        buf_put_str(&text, "{\"id\":1}\n");
    snprintf(final, sizeof final, "t+0+%020" PRId64 "+%020" PRId64 ".jsonl", first,
             first + rows - 1);
    put_file(final, buf_span(&text), &ticket);
    struct stage_file file = {.final = final,
                              .ticket = buf_span(&ticket),
                              .bytes = (int64_t)text.n,
                              .rows = rows,
                              .sha256 = ""};
    claim_files(first, rows, &file, 1);
    buf_free(&text);
    buf_free(&ticket);
}

static void check_merge(const struct merge_options *o, int64_t inputs, int64_t rows,
                        bool waits)
{
    struct merge_sums sums;
    struct err e = {0};

    CHECK_INT(stage_merge(o, &sums, &e), ERR_OK);
    CHECK_INT(sums.inputs, inputs);
    CHECK_INT(sums.rows, rows);
    CHECK_INT(sums.waits, waits);
}

static void what_is_large_waits_until_as_much_lies_beside_it(void)
{
    struct merge_options o = {.dir = "", .format = "json", .max_bytes = 9 * 160};
    struct err e = {0};

    enter();
    o.place = place;
    o.spool = "/tmp";
    CHECK_INT(merge_check(&o, &e), ERR_OK);
    stage_rows(0, 10);
    stage_rows(10, 1);
    check_merge(&o, 2, 11, false); // ten are a sixteenth: not large
    stage_rows(11, 4);
    check_merge(&o, 0, 0, true); // eleven are
    stage_rows(15, 6);
    check_merge(&o, 2, 10, true); // what came since, and not it
    stage_rows(21, 1);
    check_merge(&o, 3, 22, false); // now as many lie beside it
    stage_rows(22, 1);
    check_merge(&o, 0, 0, true);
    leave();
}

int main(void)
{
    RUN(twice_the_directories_are_twice_the_requests);
    RUN(no_directory_is_left_out);
    RUN(what_is_large_waits_until_as_much_lies_beside_it);
    return REPORT();
}

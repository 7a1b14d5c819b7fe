/*
 * What a merge asks of a place of many directories; that it merges rightly is
 * stage_merge_test's.
 */
#include "tests/stage_house.h"

#define DIRS_MOST 40

static size_t asked; // requests

static enum err_kind asked_list(struct place *p, const char *at, struct place_list *l,
                                struct err *e)
{
    asked++;
    return real->list(p, at, l, e);
}

static enum err_kind asked_read(struct place *p, const char *name, int64_t at, size_t n,
                                struct buf *out, struct err *e)
{
    asked++;
    return real->read(p, name, at, n, out, e);
}

static enum err_kind asked_stat(struct place *p, const char *name,
                                struct place_entry *out, struct err *e)
{
    asked++;
    return real->stat(p, name, out, e);
}

static enum err_kind asked_finish(struct place *p, struct span ticket,
                                  const char *final, int64_t n, struct err *e)
{
    asked++;
    return real->finish(p, ticket, final, n, e);
}

static void put_named(const char *final, struct span text, struct buf *ticket)
{
    struct err e = {0};

    put_file("_tmp/x", final, text, ticket);
    CHECK_INT(place_finish(place, buf_span(ticket), final, (int64_t)text.n, &e),
              ERR_OK);
}

static void enter_counted(void)
{
    static struct place_ops counted;

    enter();
    counted = *real;
    counted.list = asked_list;
    counted.read = asked_read;
    counted.stat = asked_stat;
    counted.finish = asked_finish;
    place->ops = &counted;
}

static void claim_files(int64_t first, int rows, struct stage_file *files, size_t n)
{
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

    put_claim(&c);
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
        put_named(finals[i], row, &tickets[i]);
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

    enter_counted();
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

    enter_counted();
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
static void stage_many(int64_t first, int rows)
{
    struct buf text = BUF_INIT(1 << 16), ticket = BUF_INIT(1000);
    char final[STAGE_NAME];

    for (int i = 0; i < rows; i++)
        buf_put_str(&text, "{\"id\":1}\n");
    snprintf(final, sizeof final, "t+0+%020" PRId64 "+%020" PRId64 ".jsonl", first,
             first + rows - 1);
    put_named(final, buf_span(&text), &ticket);
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

    enter_counted();
    o.place = place;
    o.spool = "/tmp";
    CHECK_INT(merge_check(&o, &e), ERR_OK);
    stage_many(0, 10);
    stage_many(10, 1);
    check_merge(&o, 2, 11, false); // ten are a sixteenth: not large
    stage_many(11, 4);
    check_merge(&o, 0, 0, true); // eleven are
    stage_many(15, 6);
    check_merge(&o, 2, 10, true); // what came since, and not it
    stage_many(21, 1);
    check_merge(&o, 3, 22, false); // now as many lie beside it
    stage_many(22, 1);
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

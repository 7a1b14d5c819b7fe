#include "cli/produce_sample.h"

#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/cli-sample-XXXXXX";

static void write_rows(size_t n)
{
    FILE *f = fopen(path, "w");

    for (size_t i = 0; i < n; i++)
        fprintf(f, "%zu,\"a\nb\"\n", i);
    fclose(f);
}

static struct rows *index_file(struct sample *s, size_t most, uint64_t seed)
{
    struct rows *r;
    struct err e = {0};
    enum rows_got got = ROWS_ROW;
    struct row row;

    CHECK_INT(rows_open(&r, path, ROWS_CSV, ',', &e), ERR_OK);
    sample_begin(s, most, seed);
    while (got != ROWS_END) {
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        if (got == ROWS_ROW)
            sample_add(s, &row);
    }
    return r;
}

static void every_row_is_found_whatever_room_there_is_for_marks(void)
{
    static const size_t mosts[] = {1, 2, 3, 64, 1000, 4096};

    write_rows(1000);
    for (size_t k = 0; k < sizeof mosts / sizeof *mosts; k++) {
        struct sample s;
        struct err e = {0};
        struct row row;
        struct rows *r = index_file(&s, mosts[k], 1);
        CHECK_INT(s.rows, 1000);
        CHECK(s.n_marks <= mosts[k]);
        for (uint64_t i = 0; i < s.rows; i += mosts[k] < 64 ? 37 : 1) {
            CHECK_INT(sample_read(&s, r, i, &row, &e), ERR_OK);
            CHECK_INT(strtoul((const char *)row.text.p, NULL, 10), i);
            CHECK_INT(row.line, 2 * i + 1);
        }
        sample_free(&s);
        rows_close(r);
    }
}

static void each_row_is_as_likely_as_the_next(void)
{
    enum { ROWS = 7, DRAWS = 70000 };
    struct sample s;
    int hits[ROWS] = {0};

    sample_begin(&s, 0, 42);
    s.rows = ROWS;
    for (int i = 0; i < DRAWS; i++)
        hits[sample_draw(&s)]++;
    // 10,000 each; the standard deviation is 93, and the seed is fixed
    for (int i = 0; i < ROWS; i++)
        CHECK(hits[i] > 9600 && hits[i] < 10400);
    sample_free(&s);
}

static void a_seed_repeats_and_another_does_not(void)
{
    struct sample a, b, c;
    int same = 0, other = 0;

    sample_begin(&a, 0, 7);
    sample_begin(&b, 0, 7);
    sample_begin(&c, 0, 8);
    a.rows = b.rows = c.rows = 1000;
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = sample_draw(&a);
        same += drawn == sample_draw(&b);
        other += drawn == sample_draw(&c);
    }
    CHECK_INT(same, 1000);
    CHECK(other < 20);
}

static void a_file_that_became_shorter_is_told(void)
{
    struct sample s;
    struct err e = {0};
    struct row row;

    write_rows(1000);
    struct rows *r = index_file(&s, 0, 1);
    write_rows(10);
    CHECK_INT(sample_read(&s, r, 900, &row, &e), ERR_CONFLICT);
    CHECK_INT(sample_read(&s, r, 5, &row, &e), ERR_OK);
    sample_free(&s);
    rows_close(r);
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    RUN(every_row_is_found_whatever_room_there_is_for_marks);
    RUN(each_row_is_as_likely_as_the_next);
    RUN(a_seed_repeats_and_another_does_not);
    RUN(a_file_that_became_shorter_is_told);
    unlink(path);
    return REPORT();
}

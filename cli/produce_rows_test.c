#include "cli/produce_rows.h"

#include "base/mem.h"
#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/cli-rows-XXXXXX";

static void write_file(struct span text)
{
    FILE *f = fopen(path, "w");

    CHECK_INT(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

static void put_row(struct buf *out, enum rows_got got, const struct row *row)
{
    buf_printf(out, "%llu-%llu@%llu", (unsigned long long)row->line,
               (unsigned long long)row->next_line, (unsigned long long)row->offset);
    if (got == ROWS_BROKEN)
        buf_printf(out, " broken: %s", row->why);
    else if (row->n_cells == 0)
        buf_printf(out, " " SPAN_FMT, SPAN_ARG(row->text));
    for (size_t i = 0; got == ROWS_ROW && i < row->n_cells; i++)
        buf_printf(out, " <" SPAN_FMT ">", SPAN_ARG(row->cells[i].text));
    buf_put_u8(out, '\n');
}

/* All rows of the file, or why it cannot go on. */
static void read_file(struct buf *out, enum rows_kind kind, char delimiter)
{
    struct rows *r;
    struct err e = {0};
    enum rows_got got = ROWS_ROW;
    struct row row;

    CHECK_INT(rows_open(&r, path, kind, delimiter, &e), ERR_OK);
    while (got != ROWS_END) {
        row = (struct row){0};
        if (rows_next(r, &got, &row, &e) != ERR_OK) {
            buf_printf(out, "%s\n", e.msg);
            break;
        }
        if (got == ROWS_ROW || got == ROWS_BROKEN)
            put_row(out, got, &row);
    }
    rows_close(r);
}

static void check(enum rows_kind kind, char delimiter, const char *text,
                  const char *want)
{
    struct buf out = BUF_INIT(1 << 16);

    write_file(span_str(text));
    read_file(&out, kind, delimiter);
    CHECK_SPAN(buf_span(&out), want);
    buf_free(&out);
}

static void rows_have_their_lines_through_quoted_newlines(void)
{
    check(ROWS_CSV, ',', "a,b\n1,\"x\ny\nz\"\n2,w\n",
          "1-2@0 <a> <b>\n"
          "2-5@4 <1> <x\ny\nz>\n"
          "5-6@14 <2> <w>\n");
}

static void lines_may_end_in_cr_lf_and_the_last_in_nothing(void)
{
    check(ROWS_CSV, ',', "a,b\r\n1,2\r\n\r\n3,4",
          "1-2@0 <a> <b>\n"
          "2-3@5 <1> <2>\n"
          "4-5@12 <3> <4>\n");
    check(ROWS_NDJSON, ',', "{}\r\n[1]", "1-2@0 {}\n2-3@4 [1]\n");
}

static void a_byte_order_mark_belongs_to_no_row(void)
{
    check(ROWS_CSV, ',',
          "\xef\xbb\xbf"
          "a,b\n1,2\n",
          "1-2@3 <a> <b>\n2-3@7 <1> <2>\n");
    check(ROWS_NDJSON, ',', "\xef\xbb\xbf{}\n", "1-2@3 {}\n");
}

static void the_delimiter_may_be_another(void)
{
    check(ROWS_CSV, ';', "a;b\n1,5;\"x;y\"\n", "1-2@0 <a> <b>\n2-3@4 <1,5> <x;y>\n");
    check(ROWS_CSV, '\t', "a\tb\n\t\n", "1-2@0 <a> <b>\n2-3@4 <> <>\n");
}

static void blank_lines_are_no_rows_but_they_count(void)
{
    check(ROWS_NDJSON, ',', "\n{\"a\":1}\n \t\r\n\n{\"a\":2}\n\n",
          "2-3@1 {\"a\":1}\n5-6@14 {\"a\":2}\n");
    check(ROWS_CSV, ',', "a,b\n\n\n1,2\n", "1-2@0 <a> <b>\n4-5@6 <1> <2>\n");
    check(ROWS_NDJSON, ',', "", "");
    check(ROWS_CSV, ',', "", "");
}

static void a_broken_row_is_told_and_the_next_one_follows(void)
{
    struct buf out = BUF_INIT(1 << 16);

    write_file(span_str("a,b\n\"x\"y,1\n2,3\n"));
    read_file(&out, ROWS_CSV, ',');
    buf_put_u8(&out, 0);
    CHECK(strstr((char *)out.p, "\n2-3@4 broken: ") != NULL);
    CHECK(strstr((char *)out.p, "\n3-4@11 <2> <3>\n") != NULL);
    buf_free(&out);
}

static void a_cell_that_is_never_closed_does_not_pass_for_a_row(void)
{
    struct buf out = BUF_INIT(1 << 16);

    write_file(span_str("a,b\n1,\"x\n2,3\n"));
    read_file(&out, ROWS_CSV, ',');
    buf_put_u8(&out, 0);
    CHECK(strstr((char *)out.p, "\n2-") != NULL);
    CHECK(strstr((char *)out.p, "broken") != NULL);
    CHECK(strstr((char *)out.p, "<2> <3>") == NULL);
    buf_free(&out);
}

static void check_long(size_t n, bool fits)
{
    struct buf text = BUF_INIT(ROW_MOST * 3), out = BUF_INIT(ROW_MOST * 3);
    char want[200];

    buf_put_str(&text, "{}\n\"");
    for (size_t i = 0; i < n - 2; i++)
        buf_put_u8(&text, 'x');
    buf_put_str(&text, "\"\n[]\n");
    write_file(buf_span(&text));
    read_file(&out, ROWS_NDJSON, ',');
    CHECK_INT(memmem(out.p, out.n, "broken", 6) == NULL, fits);
    snprintf(want, sizeof want,
             "1-2@0 {}\n2-3@3 broken: a line of more than 16777216 bytes\n3-4@%zu []\n",
             n + 4);
    if (!fits)
        CHECK_SPAN(buf_span(&out), want);
    buf_free(&text);
    buf_free(&out);
}

static void a_line_beyond_the_limit_is_broken_and_the_next_one_follows(void)
{
    check_long(ROW_MOST, true);
    check_long(ROW_MOST + 1, false);
    check_long(ROW_MOST + (ROW_MOST / 2), false);
}

/* Rows of all lengths, so that blocks end everywhere in them. */
static void write_many(size_t n, bool csv)
{
    struct buf text = BUF_INIT(8 << 20);

    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, csv ? "%zu,\"" : "[%zu,\"", i);
        for (size_t k = 0; k < i % 97; k++)
            buf_put_u8(&text, csv && k % 13 == 5 ? '\n' : 'x');
        buf_put_str(&text, csv ? "\"\n" : "\"]\n");
    }
    write_file(buf_span(&text));
    buf_free(&text);
}

static void going_back_to_any_row_gives_it_again(void)
{
    enum { N = 20000 };
    struct rows_mark *marks = mem_array(N, sizeof *marks);

    for (int csv = 0; csv < 2; csv++) {
        struct rows *r;
        struct err e = {0};
        enum rows_got got;
        struct row row;
        uint64_t next_line = 1;
        write_many(N, csv);
        CHECK_INT(rows_open(&r, path, csv != 0 ? ROWS_CSV : ROWS_NDJSON, ',', &e),
                  ERR_OK);
        CHECK(rows_is_file(r) && rows_size(r) > 1 << 20);
        for (size_t i = 0; i < N; i++) {
            CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
            CHECK(got == ROWS_ROW && row.line == next_line);
            marks[i] = (struct rows_mark){row.offset, row.line};
            next_line = row.next_line;
        }
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        CHECK_INT(got, ROWS_END);
        for (size_t i = N; i-- > 0; i -= i > 997 ? 997 : 0) {
            CHECK_INT(rows_go(r, marks[i], &e), ERR_OK);
            CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
            CHECK_INT(got, ROWS_ROW);
            CHECK_INT(row.line, marks[i].line);
            CHECK_INT(row.offset, marks[i].offset);
            CHECK_INT(strtoul((const char *)row.text.p + !csv, NULL, 10), i);
        }
        rows_close(r);
    }
    free(marks);
}

static void a_pipe_gives_a_row_as_soon_as_it_is_whole_and_cannot_go_back(void)
{
    char name[40];
    int ends[2];

    for (int csv = 0; csv < 2; csv++) {
        struct rows *r;
        struct err e = {0};
        enum rows_got got;
        struct row row;
        CHECK_INT(pipe(ends), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
        CHECK_INT(rows_open(&r, name, csv != 0 ? ROWS_CSV : ROWS_NDJSON, ',', &e),
                  ERR_OK);
        CHECK(!rows_is_file(r) && rows_size(r) == 0);
        CHECK_INT(write(ends[1], "1\n2", 3), 3);
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        CHECK_INT(got, ROWS_ROW);
        CHECK_SPAN(row.text, "1");
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        CHECK_INT(got, ROWS_IDLE);
        CHECK_INT(rows_go(r, (struct rows_mark){0, 1}, &e), ERR_INVALID);
        CHECK_INT(write(ends[1], "3", 1), 1);
        close(ends[1]);
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        CHECK_INT(got, ROWS_ROW);
        CHECK_SPAN(row.text, "23");
        CHECK_INT(row.line, 2);
        CHECK_INT(rows_next(r, &got, &row, &e), ERR_OK);
        CHECK_INT(got, ROWS_END);
        rows_close(r);
        close(ends[0]);
    }
}

static void what_is_no_file_is_told(void)
{
    struct rows *r;
    struct err e = {0};

    CHECK_INT(rows_open(&r, "/tmp/not/there.csv", ROWS_CSV, ',', &e), ERR_NOT_FOUND);
    CHECK(strstr(e.msg, "/tmp/not/there.csv") != NULL);
    CHECK_INT(rows_open(&r, "/tmp", ROWS_CSV, ',', &e), ERR_NOT_FOUND);
    CHECK(strstr(e.msg, "directory") != NULL);
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    RUN(rows_have_their_lines_through_quoted_newlines);
    RUN(lines_may_end_in_cr_lf_and_the_last_in_nothing);
    RUN(a_byte_order_mark_belongs_to_no_row);
    RUN(the_delimiter_may_be_another);
    RUN(blank_lines_are_no_rows_but_they_count);
    RUN(a_broken_row_is_told_and_the_next_one_follows);
    RUN(a_cell_that_is_never_closed_does_not_pass_for_a_row);
    RUN(a_line_beyond_the_limit_is_broken_and_the_next_one_follows);
    RUN(going_back_to_any_row_gives_it_again);
    RUN(a_pipe_gives_a_row_as_soon_as_it_is_whole_and_cannot_go_back);
    RUN(what_is_no_file_is_told);
    unlink(path);
    return REPORT();
}

#include "tests/check.h"
#include "wire/csv.h"

#include <stdlib.h>

static void put_row(struct buf *out, const struct csv_reader *r,
                    const struct av_cell *cells, size_t n)
{
    buf_printf(out, "%zu@%zu", csv_line(r), csv_offset(r));
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, cells[i].quoted ? " \"" : " <");
        buf_put(out, cells[i].text);
        buf_put_str(out, cells[i].quoted ? "\"" : ">");
    }
    buf_put_str(out, "\n");
}

/* Reads rows until more bytes are needed; false when it is of no use to go on. */
static bool read_rows(struct buf *out, struct csv_reader *r)
{
    const struct av_cell *cells;
    size_t n;
    bool more = true;

    while (more) {
        struct err e = {0};
        enum err_kind k = csv_next(r, &cells, &n, &more, &e);
        if (k != ERR_OK) {
            buf_printf(out, "%s\n", e.msg);
            more = true;
        } else if (more) {
            put_row(out, r, cells, n);
        }
        if (k == ERR_LIMIT)
            return false;
    }
    return true;
}

/* Every chunk in memory of its own, gone when the next one comes. */
static void read_in_chunks(struct buf *out, struct span text, size_t chunk,
                           const struct csv_options *o)
{
    struct csv_reader *r;
    struct err e = {0};

    CHECK_INT(csv_open(&r, o, &e), ERR_OK);
    for (size_t at = 0, go = true; go; at += chunk) {
        size_t n = text.n - at < chunk ? text.n - at : chunk;
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, text.p + at, n);
        csv_feed(r, span_of(copy, n), at + n == text.n);
        go = read_rows(out, r) && at + n < text.n;
        free(copy);
    }
    csv_close(r);
}

static void check(const char *text, const struct csv_options *o, const char *want)
{
    struct span t = span_str(text);

    for (size_t chunk = 1; chunk <= t.n + 1; chunk++) {
        struct buf out = BUF_INIT(1 << 16);
        read_in_chunks(&out, t, chunk, o);
        CHECK_SPAN(buf_span(&out), want);
        if (!span_eq(buf_span(&out), span_str(want)))
            printf("    in chunks of %zu: %s\n", chunk, text);
        buf_free(&out);
    }
}

static void rows_are_read_whatever_the_chunks(void)
{
    static const struct {
        const char *text, *rows;
    } cases[] = {
        {"", ""},
        {"a", "1@0 <a>\n"},
        {"a,b\n", "1@0 <a> <b>\n"},
        {"a,b\r\nc,d\r\n", "1@0 <a> <b>\n2@5 <c> <d>\n"},
        {"a,b\nc,d", "1@0 <a> <b>\n2@4 <c> <d>\n"},
        {"a,\n,b\n,\n", "1@0 <a> <>\n2@3 <> <b>\n3@6 <> <>\n"},
        {"a,", "1@0 <a> <>\n"},
        {"\"a\",\"\"\n", "1@0 \"a\" \"\"\n"},
        {"\"a\"\"b\",\"\"\"\"\n", "1@0 \"a\"b\" \"\"\"\n"},
        {"\"a,b\",\"c\nd\"\ne,f\n", "1@0 \"a,b\" \"c\nd\"\n3@12 <e> <f>\n"},
        {"\"a\r\nb\"\r\nc\r\n", "1@0 \"a\r\nb\"\n3@8 <c>\n"},
        {"5\" disk,a\"b\"\n", "1@0 <5\" disk> <a\"b\">\n"},
        {" \"a\" ,b\n", "1@0 < \"a\" > <b>\n"},
        {"a,b\n\n\nc,d\n\n", "1@0 <a> <b>\n4@6 <c> <d>\n"},
        {"\n\na,b\n", "3@2 <a> <b>\n"},
        {"a\n\nb\n", "1@0 <a>\n2@2 <>\n3@3 <b>\n"},
        {"a\n\"\"\n", "1@0 <a>\n2@2 \"\"\n"},
        {"\xef\xbb\xbf"
         "a,b\n1,2\n",
         "1@3 <a> <b>\n2@7 <1> <2>\n"},
        {"\xef\xbb\xbf", ""},
        {"\xef\xbb", "1@0 <\xef\xbb>\n"},
        {"a\r", "1@0 <a>\n"},
        {"a\rb\n", "1@0 <a\rb>\n"},
        {"\"a\"\r", "1@0 \"a\"\n"},
        {"\"a\"", "1@0 \"a\"\n"},
        {"\"x\"y,1\nb,2\n",
         "line 1, cell 1: text behind the closing quote\n2@7 <b> <2>\n"},
        {"a,b\n1,\"x\"\ry\nc,d\n",
         "1@0 <a> <b>\nline 2, cell 2: text behind the closing quote\n3@12 <c> <d>\n"},
        {"a,\"b\nc", "line 1, cell 2: the quote is never closed\n"},
        {"\xff\xfe"
         "a",
         "the text is UTF-16, wanted UTF-8\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* A lone byte says less about its encoding than two. */
        if (cases[i].text[0] != '\xff')
            check(cases[i].text, NULL, cases[i].rows);
    }
    struct buf out = BUF_INIT(1000);
    read_in_chunks(&out,
                   span_str("\xff\xfe"
                            "a"),
                   3, NULL);
    CHECK_SPAN(buf_span(&out), "the text is UTF-16, wanted UTF-8\n");
    buf_free(&out);
}

static void another_delimiter_may_be_given(void)
{
    const struct csv_options tab = {.delimiter = '\t'}, bad = {.delimiter = '"'};
    struct csv_reader *r;
    struct err e = {0};

    check("a\tb,c\n", &tab, "1@0 <a> <b,c>\n");
    CHECK_INT(csv_open(&r, &bad, &e), ERR_INVALID);
    CHECK_STR(e.msg, "byte 0x22 cannot separate cells");
}

static void a_row_past_a_limit_ends_the_reading(void)
{
    const struct csv_options bytes = {.row_bytes = 8}, cells = {.cells = 2};

    check("1234567\n12345678\nx\n", &bytes,
          "1@0 <1234567>\nline 2: a row of more than 8 bytes or 10000 cells\n");
    check("a,b\nc,d,e\n", &cells,
          "1@0 <a> <b>\nline 2: a row of more than 1048576 bytes or 2 cells\n");
}

static void a_row_s_text_can_be_had(void)
{
    struct csv_reader *r;
    struct err e = {0};
    const struct av_cell *cells;
    size_t n;
    bool more;

    CHECK_INT(csv_open(&r, NULL, &e), ERR_OK);
    csv_feed(r, span_str("a,\"b\"\"\"\r\nc\r\n"), true);
    CHECK_INT(csv_next(r, &cells, &n, &more, &e), ERR_OK);
    CHECK_SPAN(csv_text(r), "a,\"b\"\"\"");
    CHECK_INT(cells[1].offset, 3);
    CHECK_SPAN(cells[1].text, "b\"");
    csv_close(r);
    csv_close(NULL);
}

int main(void)
{
    RUN(rows_are_read_whatever_the_chunks);
    RUN(another_delimiter_may_be_given);
    RUN(a_row_past_a_limit_ends_the_reading);
    RUN(a_row_s_text_can_be_had);
    return REPORT();
}

#include "cli/produce_rejects.h"

#include "tests/check.h"

static const struct span names[] = {{(const uint8_t *)"id", 2},
                                    {(const uint8_t *)"temp max", 8},
                                    {(const uint8_t *)"n", 1}};
static const struct span fields[] = {{(const uint8_t *)"id", 2},
                                     {(const uint8_t *)"temp_max", 8},
                                     {(const uint8_t *)"n", 1}};
static const struct header header = {names, fields, 3, ','};

/* The line that is printed of a refusal at byte `at` of a row in line 17. */
static void check_csv(const char *text, const char *pointer, bool has_offset, size_t at,
                      const char *want)
{
    const struct refusal r = {.pointer = span_str(pointer),
                              .message = span_str("no"),
                              .has_offset = has_offset,
                              .offset = at};
    struct buf out = BUF_INIT(10000);
    struct arena a = {0};
    struct place place;

    place_find(&place, &header, span_str(text), 17, &r, at, &a);
    reject_print(&out, "f.csv", &place, &r, at, true);
    CHECK_SPAN(buf_span(&out), want);
    buf_free(&out);
    arena_free(&a);
}

static void a_pointer_names_the_column(void)
{
    check_csv("1,abc,x", "/temp_max", true, 2,
              "f.csv:17: column 2 \"temp max\", cell \"abc\": no");
    check_csv("1,abc,x", "/n/0/deep", true, 6,
              "f.csv:17: column 3 \"n\", cell \"x\": no");
}

/* By its alias, or by its odd characters as '_': then the cell's place says which. */
static void an_offset_does_where_the_field_has_another_name(void)
{
    check_csv("1,abc,x", "/other", true, 2,
              "f.csv:17: column 2 \"temp max\", cell \"abc\": no");
    check_csv("1,abc,x", "/other", true, 0,
              "f.csv:17: column 1 \"id\", cell \"1\": no");
    check_csv("1,abc,x", "/a~1b", false, 0, "f.csv:17: no");
}

static void what_the_column_says_is_not_said_twice(void)
{
    const struct refusal r = {
        .pointer = span_str("/temp_max"),
        .message = span_str("/temp_max: cell \"abc\", wanted double (type)")};
    const struct place place = {17, 2, names[1], span_str("abc")};
    struct buf out = BUF_INIT(1000);

    reject_print(&out, "f.csv", &place, &r, 2, true);
    CHECK_SPAN(buf_span(&out),
               "f.csv:17: column 2 \"temp max\", cell \"abc\", wanted double (type)");
    buf_free(&out);
}

static void a_row_as_a_whole_has_no_column(void)
{
    check_csv("1,abc", "", true, 0, "f.csv:17: no");
    check_csv("1", "/n", false, 0, "f.csv:17: no");
}

static void the_line_is_that_of_the_cell(void)
{
    check_csv("1,\"a\nb\",x", "/n", true, 8,
              "f.csv:18: column 3 \"n\", cell \"x\": no");
    check_csv("1,\"a\nb\",x", "/temp_max", true, 2,
              "f.csv:17: column 2 \"temp max\", cell \"a\\nb\": no");
}

static void more_cells_than_columns_are_told_without_a_name(void)
{
    check_csv("1,2,3,4", "/x", true, 6, "f.csv:17: column 4 \"\", cell \"4\": no");
}

static void a_long_cell_is_cut_where_a_character_ends(void)
{
    char text[200] = "1,", want[200];

    for (int i = 0; i < 40; i++) // 59 is inside the 30th
        strcat(text, i == 0 ? "x" : "ä");
    strcat(text, ",3");
    snprintf(want, sizeof want,
             "f.csv:17: column 2 \"temp max\", cell \"%.59s\"...: no", text + 2);
    check_csv(text, "/temp_max", true, 2, want);
}

static void bytes_that_are_no_text_do_not_reach_the_terminal(void)
{
    check_csv("1,\xff\x1b[2J,3", "/temp_max", true, 2,
              "f.csv:17: column 2 \"temp max\", cell \"?\\u001b[2J\": no");
}

static void of_ndjson_the_column_is_a_byte_of_the_line(void)
{
    const struct refusal r = {.message = span_str("no"), .has_offset = true};
    const struct place place = {.line = 3};
    struct buf out = BUF_INIT(1000);

    reject_print(&out, "f.ndjson", &place, &r, 6, false);
    CHECK_SPAN(buf_span(&out), "f.ndjson:3: column 7: no");
    buf_free(&out);
}

int main(void)
{
    RUN(a_pointer_names_the_column);
    RUN(an_offset_does_where_the_field_has_another_name);
    RUN(what_the_column_says_is_not_said_twice);
    RUN(a_row_as_a_whole_has_no_column);
    RUN(the_line_is_that_of_the_cell);
    RUN(more_cells_than_columns_are_told_without_a_name);
    RUN(a_long_cell_is_cut_where_a_character_ends);
    RUN(bytes_that_are_no_text_do_not_reach_the_terminal);
    RUN(of_ndjson_the_column_is_a_byte_of_the_line);
    return REPORT();
}

#include "cli/audit_print.h"

#include "tests/check.h"

static struct buf out;

/* Two columns, text and bigint, made without a server. */
static PGresult *rows_of(const char *const (*cells)[2], int n)
{
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    char name[] = "name", count[] = "count";
    PGresAttDesc columns[] = {{name, 0, 0, 0, 25, -1, -1}, {count, 0, 0, 0, 20, 8, -1}};

    CHECK_INT(PQsetResultAttrs(r, 2, columns), 1);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            char value[100];
            snprintf(value, sizeof value, "%s", cells[i][k] == NULL ? "" : cells[i][k]);
            CHECK_INT(PQsetvalue(r, i, k, value,
                                 cells[i][k] == NULL ? -1 : (int)strlen(value)),
                      1);
        }
    return r;
}

static struct span printed(const char *const (*cells)[2], int n, enum audit_form form,
                           size_t width)
{
    PGresult *r = rows_of(cells, n);

    buf_reset(&out);
    audit_print(&out, r, form, width);
    PQclear(r);
    return buf_span(&out);
}

static const char *const two[][2] = {{"z\xc3\xa9", "7"}, {"longer name", "1200"}};

static void aligns_by_characters_and_numbers_to_the_right(void)
{
    CHECK_SPAN(printed(two, 2, AUDIT_TABLE, 0), "name         count\n"
                                                "z\xc3\xa9               7\n"
                                                "longer name   1200\n");
}

static void cuts_to_the_width_of_the_terminal(void)
{
    CHECK_SPAN(printed(two, 2, AUDIT_TABLE, 15), "name      count\n"
                                                 "z\xc3\xa9            7\n"
                                                 "longer ~   1200\n");
}

static void shows_row_by_row_what_fits_no_terminal(void)
{
    static const char *const cells[][2] = {{"longer than eight", "7"}, {"x", NULL}};

    CHECK_SPAN(printed(cells, 2, AUDIT_TABLE, 14), "name   longer than eight\n"
                                                   "count  7\n"
                                                   "\n"
                                                   "name   x\n");
}

static void writes_json_with_numbers_as_numbers_and_null_as_null(void)
{
    static const char *const cells[][2] = {{"a\"b\n", "7"}, {"", NULL}};

    CHECK_SPAN(printed(cells, 2, AUDIT_JSON, 10),
               "{\"name\":\"a\\\"b\\n\",\"count\":7}\n"
               "{\"name\":\"\",\"count\":null}\n");
}

static void writes_csv_that_reads_back(void)
{
    static const char *const cells[][2] = {{"a,\"b\"", "7"}, {"x", NULL}};

    CHECK_SPAN(printed(cells, 2, AUDIT_CSV, 0), "name,count\r\n"
                                                "\"a,\"\"b\"\"\",7\r\n"
                                                "x,\r\n");
}

static void lets_no_record_speak_to_the_terminal(void)
{
    static const char *const cells[][2] = {{"\x1b[2J", "7"}};

    CHECK_SPAN(printed(cells, 1, AUDIT_TABLE, 0), "name  count\n"
                                                  "?[2J      7\n");
}

int main(void)
{
    out = BUF_INIT(1 << 16);
    RUN(aligns_by_characters_and_numbers_to_the_right);
    RUN(cuts_to_the_width_of_the_terminal);
    RUN(shows_row_by_row_what_fits_no_terminal);
    RUN(writes_json_with_numbers_as_numbers_and_null_as_null);
    RUN(writes_csv_that_reads_back);
    RUN(lets_no_record_speak_to_the_terminal);
    buf_free(&out);
    return REPORT();
}

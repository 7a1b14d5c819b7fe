#include "loaders/bound.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

static struct span field(const struct buf *b)
{
    return span_skip(buf_span(b), 4);
}

#define CHECK_TEXT(put, form, zone, want)                                  \
    do {                                                                   \
        struct buf in_ = BUF_INIT(5000), out_ = BUF_INIT(5000), *b = &in_; \
        struct err e = {0};                                                \
        (void)e;                                                           \
        put;                                                               \
        bound_put_text(&out_, form, zone, field(&in_));                    \
        CHECK_SPAN(buf_span(&out_), want);                                 \
        buf_free(&in_);                                                    \
        buf_free(&out_);                                                   \
    } while (0)

static void dates_are_written_back_to_the_first_year_and_before(void)
{
    CHECK_TEXT((void)!copy_date(b, 0, &e), FORM_DATE, false, "1970-01-01");
    CHECK_TEXT((void)!copy_date(b, -1, &e), FORM_DATE, false, "1969-12-31");
    CHECK_TEXT((void)!copy_date(b, 11016, &e), FORM_DATE, false, "2000-02-29");
    CHECK_TEXT((void)!copy_date(b, 47540, &e), FORM_DATE, false, "2100-02-28");
    CHECK_TEXT((void)!copy_date(b, 47541, &e), FORM_DATE, false, "2100-03-01");
    CHECK_TEXT((void)!copy_date(b, -719162, &e), FORM_DATE, false, "0001-01-01");
    CHECK_TEXT((void)!copy_date(b, -719163, &e), FORM_DATE, false, "0001-12-31 BC");
    CHECK_TEXT((void)!copy_date(b, 2932896, &e), FORM_DATE, false, "9999-12-31");
}

static void times_have_six_digits_and_a_zone_where_they_are_instants(void)
{
    CHECK_TEXT((void)!copy_timestamp(b, 1700000000123, 1000, &e), FORM_TIMESTAMP, true,
               "2023-11-14 22:13:20.123000+00:00");
    CHECK_TEXT((void)!copy_timestamp(b, -1, 1, &e), FORM_TIMESTAMP, false,
               "1969-12-31 23:59:59.999999");
    CHECK_TEXT((void)!copy_time(b, INT64_C(86399999999), &e), FORM_TIME, false,
               "23:59:59.999999");
    CHECK_TEXT((void)!copy_interval(b, span_of("\1\0\0\0\2\0\0\0\xb8\x0b\0\0", 12), &e),
               FORM_INTERVAL, false, "P1M2DT3.000000S");
}

static void decimals_keep_every_digit(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        int scale;
        const char *want;
    } cases[] = {
        {"\0", 1, 0, "0"},
        {"\0", 1, 3, "0.000"},
        {"\x01", 1, 5, "0.00001"},
        {"\xff", 1, 12, "-0.000000000001"},
        {"\x7b", 1, 2, "1.23"},
        {"\xff\x85", 2, 2, "-1.23"},
        {"\x27\x10", 2, 0, "10000"},
        {"\x05\xf5\xe1\x00", 4, 4, "10000.0000"},
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff", 9, 7, "1844674407370.9551615"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_TEXT((void)!copy_numeric(b, span_of(cases[i].bytes, cases[i].n),
                                       cases[i].scale, 0, &e),
                   FORM_NUMERIC, false, cases[i].want);
}

static void reals_are_read_back_as_they_were(void)
{
    CHECK_TEXT(copy_float8(b, 0.1), FORM_FLOAT8, false, "0.10000000000000001");
    CHECK_TEXT(copy_float4(b, 0.1f), FORM_FLOAT4, false, "0.100000001");
    CHECK_TEXT(copy_float8(b, -INFINITY), FORM_FLOAT8, false, "-Infinity");
    CHECK_TEXT(copy_float8(b, NAN), FORM_FLOAT8, false, "NaN");
}

static const enum dialect_kind kinds[] = {KIND_LONG, KIND_TEXT, KIND_BYTES,
                                          KIND_INSTANT};
static const enum table_form forms[] = {FORM_INT8, FORM_TEXT, FORM_BYTEA,
                                        FORM_TIMESTAMP};

static void add_row(struct buf *rows, struct bound_row *row, int64_t id,
                    const char *text)
{
    struct err e = {0};

    row->at = rows->n;
    copy_row(rows, 4);
    copy_int8(rows, id);
    if (text == NULL)
        copy_null(rows);
    else
        copy_bytea(rows, span_str(text));
    copy_bytea(rows, span_of("", 0));
    CHECK_INT(copy_timestamp(rows, 0, 1, &e), ERR_OK);
}

static void rows_become_columns(void)
{
    struct bound b;
    struct buf rows = BUF_INIT(1 << 20);
    struct bound_row index[3];

    bound_init(&b, dialect_named("postgres"));
    bound_use_kinds(&b, kinds, forms, 4);
    add_row(&rows, &index[0], -5, "abc");
    add_row(&rows, &index[1], INT64_MAX, NULL);
    add_row(&rows, &index[2], 0, "a longer one");
    CHECK_INT(bound_fill(&b, rows.p, index, 3, 100), 3);
    int64_t x;
    memcpy(&x, b.values[0].p + b.values[0].stride, sizeof x);
    CHECK(x == INT64_MAX);
    CHECK_INT(b.values[1].sizes[0], 3);
    CHECK_INT(b.values[1].sizes[1], ODBC_NULL);
    CHECK_SPAN(span_of(b.values[1].p + 2 * b.values[1].stride, 12), "a longer one");
    CHECK_INT(b.values[2].sizes[0], 0); // empty is not NULL
    CHECK_SPAN(span_of(b.values[3].p, (size_t)b.values[3].sizes[0]),
               "1970-01-01 00:00:00.000000+00:00");
    CHECK_INT(bound_fill(&b, rows.p, index, 3, 2), 2);
    bound_free(&b);
    buf_free(&rows);
}

static void text_is_utf16_where_the_dialect_wants_it(void)
{
    struct bound b;
    struct buf rows = BUF_INIT(1 << 20);
    struct bound_row index[1];
    static const uint16_t want[] = {'a', 0xe4, 0x20ac, 0xd83d, 0xde00};

    bound_init(&b, dialect_named("sqlserver"));
    bound_use_kinds(&b, kinds, forms, 4);
    add_row(&rows, &index[0], 1, "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK_INT(bound_fill(&b, rows.p, index, 1, 1), 1);
    CHECK_INT(b.values[1].sizes[0], sizeof want);
    CHECK(memcmp(b.values[1].p, want, sizeof want) == 0);
    bound_free(&b);
    buf_free(&rows);
}

static void a_long_value_does_not_make_all_rows_long(void)
{
    struct bound b;
    struct buf rows = BUF_INIT(64 << 20);
    enum { N = 100 };
    struct bound_row index[N];
    char *long_one = mem_alloc((4 << 20) + 1);
    size_t at = 0, calls = 0;

    memset(long_one, 'x', 4 << 20);
    bound_init(&b, dialect_named("sqlite"));
    bound_use_kinds(&b, kinds, forms, 4);
    for (int i = 0; i < N; i++)
        add_row(&rows, &index[i], i, i == 50 ? long_one : "short");
    for (; at < N; calls++) {
        size_t n = bound_fill(&b, rows.p, index + at, N - at, 1000);
        CHECK(n >= 1 && n * b.values[1].stride <= 2 * BOUND_BYTES);
        at += n;
    }
    CHECK_INT(at, N);
    CHECK(calls >= 2 && calls < 50);
    bound_free(&b);
    buf_free(&rows);
    free(long_one);
}

static void what_a_database_cannot_hold_is_refused_before(void)
{
    static const struct {
        const char *dialect;
        int64_t days;
        double real;
        enum err_kind want;
        size_t column;
    } cases[] = {
        {"postgres", -719163, NAN, ERR_OK, 0},
        {"sqlserver", -719162, 1, ERR_OK, 0},
        {"sqlserver", -719163, 1, ERR_INVALID, 0},
        {"sqlserver", 2932897, 1, ERR_INVALID, 0},
        {"sqlite", 0, NAN, ERR_INVALID, 1},
        {"sqlserver", 0, INFINITY, ERR_INVALID, 1},
        {"snowflake", 0, NAN, ERR_OK, 1},
    };
    static const enum dialect_kind k[] = {KIND_DATE, KIND_DOUBLE};
    static const enum table_form f[] = {FORM_DATE, FORM_FLOAT8};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bound b;
        struct buf row = BUF_INIT(1000);
        struct err e = {0};
        size_t column = 99;

        bound_init(&b, dialect_named(cases[i].dialect));
        bound_use_kinds(&b, k, f, 2);
        copy_row(&row, 2);
        CHECK_INT(copy_date(&row, cases[i].days, &e), ERR_OK);
        copy_float8(&row, cases[i].real);
        CHECK_INT(bound_check(&b, row.p, &column, &e), cases[i].want);
        if (cases[i].want != ERR_OK)
            CHECK_INT(column, cases[i].column);
        bound_free(&b);
        buf_free(&row);
    }
}

int main(void)
{
    RUN(dates_are_written_back_to_the_first_year_and_before);
    RUN(times_have_six_digits_and_a_zone_where_they_are_instants);
    RUN(decimals_keep_every_digit);
    RUN(reals_are_read_back_as_they_were);
    RUN(rows_become_columns);
    RUN(text_is_utf16_where_the_dialect_wants_it);
    RUN(a_long_value_does_not_make_all_rows_long);
    RUN(what_a_database_cannot_hold_is_refused_before);
    return REPORT();
}

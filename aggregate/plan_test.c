#include "tests/aggregate_house.h"

static void check_rows(struct shop *s, const char *want)
{
    struct buf got = BUF_INIT(1 << 20);
    struct agg_view v;

    agg_view_init(&v, 1);
    shop_show(s, &v, 0);
    view_json(&v, &got);
    CHECK_SPAN(buf_span(&got), want);
    agg_view_free(&v);
    buf_free(&got);
}

static void every_function_says_what_its_values_come_to(void)
{
    struct shop s;

    shop_open(
        &s, "customer",
        "orders=count,known=count(amount),revenue=sum(amount),least=min(amount),most="
        "max(items),mean=avg(amount),pieces=sum(items),usual=avg(items),newest="
        "last(items)",
        0, 0);
    order(&s, "\"a\"", "\"10.10\"", 3, 1, 100);
    order(&s, "\"a\"", "\"0.01\"", 9, 1, 50); // older: not the last
    order(&s, "\"a\"", "null", 4, 1, 100);    // of the same time, and behind it
    order(&s, "\"b\"", "\"-7.00\"", -1, 1, 1);
    check_rows(
        &s, "{\"customer\":\"a\",\"orders\":3,\"known\":2,\"revenue\":\"10.11\","
            "\"least\":\"0.01\",\"most\":9,\"mean\":\"5.055000\",\"pieces\":\"16\","
            "\"usual\":\"5.3333\",\"newest\":4}\n"
            "{\"customer\":\"b\",\"orders\":1,\"known\":1,\"revenue\":\"-7.00\","
            "\"least\":\"-7.00\",\"most\":-1,\"mean\":\"-7.000000\",\"pieces\":\"-1\","
            "\"usual\":\"-1.0000\",\"newest\":-1}\n");
    shop_close(&s);
}

static void what_only_nulls_came_for_is_null(void)
{
    struct shop s;

    shop_open(&s, "customer",
              "n=count(amount),s=sum(amount),m=max(amount),a=avg(amount)", 0, 0);
    order(&s, "null", "null", 1, 1, 1);
    check_rows(&s, "{\"customer\":null,\"n\":0,\"s\":null,\"m\":null,\"a\":null}\n");
    shop_close(&s);
}

static void a_table_without_a_key_has_one_row(void)
{
    struct shop s;

    shop_open(&s, "", "n=count,first=min(customer),w=sum(weight)", 0, 0);
    order(&s, "\"b\"", "null", 1, 0.1, 1);
    order(&s, "\"abc\"", "null", 1, 0.2, 1);
    order(&s, "\"ab\"", "null", 1, 0.3, 1);
    check_rows(&s, "{\"n\":3,\"first\":\"ab\",\"w\":0.6}\n");
    shop_close(&s);
}

static void sums_of_doubles_keep_what_rounding_loses(void)
{
    struct shop s;

    shop_open(&s, "", "w=sum(weight)", 0, 0);
    order(&s, "null", "null", 1, 1, 1);
    order(&s, "null", "null", 1, 1e100, 1);
    order(&s, "null", "null", 1, 1, 1);
    order(&s, "null", "null", 1, -1e100, 1);
    check_rows(&s, "{\"w\":2}\n");
    shop_close(&s);
}

static void fields_inside_records_are_found_and_items_of_arrays_are_not(void)
{
    struct shop s;
    struct agg_spec spec;
    struct agg_plan *plan = NULL;
    struct err e = {0};

    shop_open(&s, "address.city", "s=sum(amount)", 0, 0);
    order(&s, "\"a\"", "\"1.00\"", 1, 1, 1); // its line's amount is another field
    check_rows(&s, "{\"city\":\"Bern\",\"s\":\"1.00\"}\n");

    must(spec_of(&spec, "", "s=sum(lines.amount)", 0, 0, &e), &e);
    CHECK_INT(agg_plan_new(&plan, &spec, s.schema, &e), ERR_INVALID);
    CHECK_STR(e.msg, "sum(lines.amount): \"lines\" is no record");
    agg_spec_free(&spec);
    shop_close(&s);
}

static void a_sum_of_too_many_digits_is_refused_and_changes_nothing(void)
{
    const char *most = "\"999999999999999999999999999999999999.99\"";
    enum agg_outcome outcome;
    struct err e = {0};
    struct shop s;

    shop_open(&s, "customer", "n=count,items=sum(items),s=sum(amount)", 0, 0);
    order(&s, "\"a\"", most, 1, 1, 1);
    CHECK_INT(shop_order(&s, "\"a\"", "\"0.01\"", 1, 1, 1, &outcome, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "column s: the sum would have more than 38 digits");
    check_rows(&s, "{\"customer\":\"a\",\"n\":1,\"items\":\"1\",\"s\":"
                   "\"999999999999999999999999999999999999.99\"}\n");
    shop_close(&s);
}

static void a_window_takes_late_records_until_its_grace_is_over(void)
{
    enum agg_outcome outcome;
    struct err e = {0};
    struct shop s;

    shop_open(&s, "customer", "n=count", 60000, 10000);
    order(&s, "\"a\"", "null", 1, 1, 60000);
    order(&s, "\"a\"", "null", 1, 1, 119999);
    order(&s, "\"a\"", "null", 1, 1, 129999); // the next window
    order(&s, "\"a\"", "null", 1, 1, 119998); // late by less than the grace
    CHECK_INT(s.watermark, 129999);
    order(&s, "\"b\"", "null", 1, 1, 130000);
    CHECK_INT(shop_order(&s, "\"a\"", "null", 1, 1, 119999, &outcome, &e), ERR_OK);
    CHECK_INT(outcome, AGG_LATE);
    check_rows(&s, "{\"customer\":\"a\",\"window_start\":\"1970-01-01T00:01:00Z\","
                   "\"window_end\":\"1970-01-01T00:02:00Z\",\"n\":3}\n"
                   "{\"customer\":\"a\",\"window_start\":\"1970-01-01T00:02:00Z\","
                   "\"window_end\":\"1970-01-01T00:03:00Z\",\"n\":1}\n"
                   "{\"customer\":\"b\",\"window_start\":\"1970-01-01T00:02:00Z\","
                   "\"window_end\":\"1970-01-01T00:03:00Z\",\"n\":1}\n");
    shop_close(&s);
}

static void windows_begin_at_multiples_also_before_1970(void)
{
    struct shop s;

    shop_open(&s, "", "n=count", 60000, 0);
    order(&s, "null", "null", 1, 1, -1);
    check_rows(&s, "{\"window_start\":\"1969-12-31T23:59:00Z\",\"window_end\":"
                   "\"1970-01-01T00:00:00Z\",\"n\":1}\n");
    shop_close(&s);
}

static void windows_nobody_keeps_are_dropped(void)
{
    struct shop s;

    shop_open(&s, "customer", "n=count", 1000, 0); // kept for 10 windows more
    order(&s, "\"a\"", "null", 1, 1, 500);
    order(&s, "\"b\"", "null", 1, 1, 1500);
    order(&s, "\"c\"", "null", 1, 1, 11999);
    CHECK_INT(agg_expire(&s.spec, &s.table, s.watermark), 0);
    order(&s, "\"c\"", "null", 1, 1, 12000);
    CHECK_INT(agg_expire(&s.spec, &s.table, s.watermark), 2);
    CHECK_INT(s.table.n, 2);
    agg_table_forget_dirty(&s.table);
    CHECK_INT(agg_expire(&s.spec, &s.table, s.watermark), 0);
    shop_close(&s);
}

static void a_record_of_the_future_does_not_close_windows(void)
{
    enum agg_outcome outcome;
    struct err e = {0};
    struct shop s;

    shop_open(&s, "customer", "n=count", 60000, 0);
    CHECK_INT(shop_order(&s, "\"a\"", "null", 1, 1, NOW_MS + 1001, &outcome, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "its time is 1001 ms ahead of the clock, at most 1000 will do");
    CHECK(s.watermark == INT64_MIN);
    CHECK_INT(s.table.n, 0);
    shop_close(&s);
}

static void parts_of_a_row_come_together_whatever_partition_they_came_in(void)
{
    struct shop s[3];
    struct agg_view v;
    struct buf got = BUF_INIT(1 << 16);

    agg_view_init(&v, 3);
    for (size_t i = 0; i < 3; i++) {
        shop_open(
            &s[i], "customer",
            "n=count,s=sum(amount),a=avg(items),lo=min(weight),hi=max(customer),l="
            "last(items)",
            0, 0);
        order(&s[i], "\"x\"", "\"0.10\"", (int64_t)i, (double)(5 - i), 9 - (int64_t)i);
        if (i == 1)
            order(&s[i], "\"only\"", "\"1.00\"", 1, 1, 1);
        shop_show(&s[i], &v, i);
    }
    view_json(&v, &got);
    CHECK_SPAN(buf_span(&got), "{\"customer\":\"only\",\"n\":1,\"s\":\"1.00\",\"a\":"
                               "\"1.0000\",\"lo\":1,\"hi\":\"only\",\"l\":1}\n"
                               "{\"customer\":\"x\",\"n\":3,\"s\":\"0.30\",\"a\":"
                               "\"1.0000\",\"lo\":3,\"hi\":\"x\",\"l\":0}\n");
    for (size_t i = 0; i < 3; i++)
        shop_close(&s[i]);
    agg_view_free(&v);
    buf_free(&got);
}

static void a_table_on_a_terminal_obeys_nothing(void)
{
    struct buf out = BUF_INIT(1 << 16);
    struct agg_view v;
    struct shop s;

    shop_open(&s, "customer", "orders=count,sum=sum(amount)", 0, 0);
    order(&s, "\"a\\u001b[2J\"", "\"1.50\"", 1, 1, 1);
    order(&s, "\"\xc3\xa9\"", "\"100.25\"", 1, 1, 1);
    agg_view_init(&v, 1);
    shop_show(&s, &v, 0);
    agg_show_table(&out, &v, 0);
    CHECK_SPAN(buf_span(&out), "+--------+------+------+\n"
                               "|customer|orders|sum   |\n"
                               "+--------+------+------+\n"
                               "|a?[2J   |     1|  1.50|\n"
                               "|\xc3\xa9       |     1|100.25|\n"
                               "+--------+------+------+\n");
    buf_reset(&out);
    agg_show_table(&out, &v, 1);
    CHECK(strstr((char *)out.p, "only the first 1 of 2 rows") != NULL);
    agg_view_free(&v);
    buf_free(&out);
    shop_close(&s);
}

static void what_cannot_be_aggregated_is_said_with_its_reason(void)
{
    static const struct {
        const char *keys, *columns, *why;
    } cases[] = {
        {"nobody", "n=count", "aggregate.key nobody: no such field: \"nobody\""},
        {"", "n=sum(customer)", "sum(customer): no number: sum makes nothing of it"},
        {"", "n=avg(at)", "avg(at): no number: avg makes nothing of it"},
        {"", "n=max(lines)",
         "max(lines): of type array, wanted one that holds a value"},
        {"address", "n=count",
         "aggregate.key address: of type Address, wanted one that holds a value"},
        {"", "n=avg(amount.x)", "avg(amount.x): \"amount\" is no record"},
    };
    struct shop s;

    shop_open(&s, "", "n=count", 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct agg_plan *plan = NULL;
        struct agg_spec spec;
        struct err e = {0};

        must(spec_of(&spec, cases[i].keys, cases[i].columns, 0, 0, &e), &e);
        CHECK_INT(agg_plan_new(&plan, &spec, s.schema, &e), ERR_INVALID);
        CHECK_STR(e.msg, cases[i].why);
        agg_spec_free(&spec);
    }
    shop_close(&s);
}

static void a_spec_that_says_nothing_is_refused(void)
{
    static const char *const columns[] = {
        "",         "n=median(x)", "n=sum",   "n=sum()",        "n=sum(x",
        "1n=count", "a b=count",   "k=count", "n=count,n=count"};
    struct agg_spec spec;
    struct err e = {0};

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        CHECK_INT(spec_of(&spec, "k", columns[i], 0, 0, &e), ERR_INVALID);
    CHECK_INT(spec_of(&spec, "k", "window_end=count", 1000, 0, &e), ERR_INVALID);
    CHECK_INT(spec_of(&spec, "k,k", "n=count", 0, 0, &e), ERR_INVALID);
    CHECK_INT(spec_of(&spec, "a.id,b.id", "n= count ( * ) ", 0, 0, &e), ERR_OK);
    CHECK_SPAN(spec.key_names[0], "id");
    CHECK_SPAN(spec.key_names[1], "b_id");
    CHECK_INT(spec.columns[0].path.n, 0);
    agg_spec_free(&spec);
}

int main(void)
{
    RUN(every_function_says_what_its_values_come_to);
    RUN(what_only_nulls_came_for_is_null);
    RUN(a_table_without_a_key_has_one_row);
    RUN(sums_of_doubles_keep_what_rounding_loses);
    RUN(fields_inside_records_are_found_and_items_of_arrays_are_not);
    RUN(a_sum_of_too_many_digits_is_refused_and_changes_nothing);
    RUN(a_window_takes_late_records_until_its_grace_is_over);
    RUN(windows_begin_at_multiples_also_before_1970);
    RUN(windows_nobody_keeps_are_dropped);
    RUN(a_record_of_the_future_does_not_close_windows);
    RUN(parts_of_a_row_come_together_whatever_partition_they_came_in);
    RUN(a_table_on_a_terminal_obeys_nothing);
    RUN(what_cannot_be_aggregated_is_said_with_its_reason);
    RUN(a_spec_that_says_nothing_is_refused);
    return REPORT();
}

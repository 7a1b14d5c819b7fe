#include "gateway/when.h"

#include "tests/datum_house.h"

#define TIME(name, type, logical)                       \
    "{\"name\":\"" name "\",\"type\":{\"type\":\"" type \
    "\",\"logicalType\":\"" logical "\"},\"default\":0},"

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" TIME(
        "ms", "long", "timestamp-millis") TIME("us", "long", "timestamp-micros")
        TIME("ns", "long", "local-timestamp-nanos") TIME("day", "int", "date") TIME(
            "clock", "int",
            "time-millis") "{\"name\":\"long\",\"type\":\"long\","
                           "\"default\":0},{\"name\":\"int\",\"type\":\"int\","
                           "\"default\":5},"
                           "{\"name\":\"text\",\"type\":[\"null\",\"string\"],"
                           "\"default\":null},"
                           "{\"name\":\"raw\",\"type\":\"bytes\",\"default\":\"1970\"},"
                           "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":"
                           "\"long\"},\"default\":[]}"
                           "]}";

/* The time of `json` by `field`, as "milliseconds", "none" or "! message". */
static void time_is(const char *json, const char *field, const char *want)
{
    struct buf got = BUF_INIT(300);
    struct datum_house h;
    struct err e = {0};
    bool has = false;
    int64_t ms = 0;

    open_datum(&h, schema_text, json);
    if (when_of(&ms, h.plan, span_str(field), buf_span(&h.datum), &has, &e) != ERR_OK)
        buf_printf(&got, "! %s", e.msg);
    else if (has)
        buf_printf(&got, "%lld", (long long)ms);
    else
        buf_put_str(&got, "none");
    CHECK_SPAN(buf_span(&got), want);
    close_datum(&h);
    buf_free(&got);
}

static void each_unit_is_milliseconds(void)
{
    time_is("{\"ms\":7}", "ms", "7");
    time_is("{\"us\":1999}", "us", "1");
    time_is("{\"ns\":1999999}", "ns", "1");
    time_is("{\"day\":\"1970-01-02\"}", "day", "86400000");
    time_is("{\"long\":1700000000000}", "long", "1700000000000");
    time_is("{\"text\":\"2023-11-14T22:13:20.123456789Z\"}", "text", "1700000000123");
    time_is("{}", "text", "none");
}

static void what_is_before_1970_and_what_is_its_beginning_are_told_apart(void)
{
    time_is("{\"us\":-1}", "us", "! a time before 1970");
    time_is("{\"text\":\"1969-12-31T23:59:59.9999Z\"}", "text", "! a time before 1970");
    time_is("{\"us\":999}", "us",
            "! the first millisecond of 1970, which is no time for Kafka");
}

static void what_is_no_time_is_refused_with_its_type(void)
{
    time_is("{}", "int", "! a value of type int");
    time_is("{}", "clock", "! a value of type int");
    time_is("{}", "raw", "! a value of type bytes");
    time_is("{}", "list", "! a value of type array");
    time_is("{\"text\":\"yesterday\"}", "text", "! text that is no time of RFC 3339");
    time_is("{}", "nobody", "! the schema has no field \"nobody\"");
}

int main(void)
{
    RUN(each_unit_is_milliseconds);
    RUN(what_is_before_1970_and_what_is_its_beginning_are_told_apart);
    RUN(what_is_no_time_is_refused_with_its_type);
    return REPORT();
}

#include "loaders/stage_order.h"

#include "avro-core/varint.h"
#include "loaders/stage_envelope.h"
#include "tests/check.h"

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define COLUMNS                           \
    FIELD("_key", "[\"null\",\"bytes\"]") \
    "," FIELD("_partition",               \
              "\"int\"") "," FIELD("_offset", "\"long\"") "," FIELD("id", "\"long\"")

static struct av_schema *schema;
static struct av_plan *plan;
static struct stage_order order;

static void enter(const char *text)
{
    struct err e = {0};

    CHECK_INT(av_schema_parse(&schema, span_str(text), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, schema, schema, &e), ERR_OK);
    order_use(&order, schema);
}

static void leave(void)
{
    av_plan_free(plan);
    av_schema_release(schema);
}

static bool falls(const int64_t *row, size_t n)
{
    struct buf datum = BUF_INIT(1000);
    struct err e = {0};
    bool is = false;

    for (size_t i = 0; i < n; i++)
        varint_append(&datum, row[i]);
    CHECK_INT(order_next(&order, plan, buf_span(&datum), &is, &e), ERR_OK);
    buf_free(&datum);
    return is;
}

static void rows_rise_by_partition_then_offset(void)
{
    static const struct {
        int64_t partition, offset;
        bool falls;
    } rows[] = {{0, 100, false}, {0, 101, false}, {0, 101, false}, {1, 7, false},
                {1, 6, true},    {0, 102, true},  {2, 0, false},   {2, 1, false}};

    enter(RECORD(COLUMNS));
    CHECK_INT(order.envelope, ENVELOPE_PARTITION | ENVELOPE_OFFSET);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(falls((int64_t[]){0, rows[i].partition, rows[i].offset, 9}, 4),
                  rows[i].falls);
    leave();
}

static void without_partitions_offsets_alone_rise(void)
{
    enter(RECORD(FIELD("_offset", "\"long\"") "," FIELD("id", "\"long\"")));
    CHECK_INT(order.envelope, ENVELOPE_OFFSET);
    CHECK(!falls((int64_t[]){5, 9}, 2));
    CHECK(!falls((int64_t[]){6, 1}, 2));
    CHECK(falls((int64_t[]){5, 9}, 2));
    leave();
}

/* Of a schema that somebody wrote: what is inside a value is not the envelope's. */
static void only_columns_of_the_row_itself_count(void)
{
    enter(RECORD(
        FIELD("inside",
              "{\"type\":\"record\",\"name\":\"I\",\"fields\":[" FIELD(
                  "id", "\"long\"") "," FIELD("_offset",
                                              "\"long\"") "]}") "," FIELD("_offset",
                                                                          "\"long\"")));
    CHECK(!falls((int64_t[]){0, 5, 1}, 3));
    CHECK(!falls((int64_t[]){0, 4, 2}, 3));
    CHECK(falls((int64_t[]){0, 9, 1}, 3));
    leave();
}

static void who_has_no_offsets_has_no_order(void)
{
    static const char *const none[] = {
        RECORD(FIELD("id", "\"long\"")),
        RECORD(FIELD("_partition", "\"int\"")),
        RECORD(FIELD("_offset", "\"string\"")),
        RECORD(FIELD("_offset", "[\"null\",\"long\"]")),
        "\"long\"",
    };
    struct format_sort sort[ORDER_COLUMNS];

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        enter(none[i]);
        CHECK_INT(order.envelope, 0);
        leave();
    }
    CHECK_INT(order_columns(sort, ENVELOPE_KEY | ENVELOPE_PARTITION), 0);
    CHECK_INT(order_columns(sort, ENVELOPE_OFFSET), 1);
    CHECK_STR(sort[0].column, "_offset");
    CHECK_INT(order_columns(sort, ENVELOPE_OFFSET | ENVELOPE_PARTITION), 2);
    CHECK_STR(sort[0].column, "_partition");
}

static void a_row_that_is_none_is_refused(void)
{
    struct err e = {0};
    bool is;

    enter(RECORD(COLUMNS));
    CHECK_INT(order_next(&order, plan, span_of("\0", 1), &is, &e), ERR_INVALID);
    leave();
}

int main(void)
{
    RUN(rows_rise_by_partition_then_offset);
    RUN(without_partitions_offsets_alone_rise);
    RUN(only_columns_of_the_row_itself_count);
    RUN(who_has_no_offsets_has_no_order);
    RUN(a_row_that_is_none_is_refused);
    return REPORT();
}

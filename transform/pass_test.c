#include "tests/cel_house.h"
#include "tests/transform_house.h"
#include "transform/memory.h"

/* The schema of everything, by way of a step that leaves it as it is. */
static void what_no_step_touches_is_as_it_was(void)
{
    struct transform_house h;
    struct buf before = BUF_INIT(1 << 20), after = BUF_INIT(1 << 20);
    struct av_schema *schema;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&schema, span_str(cel_schema), NULL, 0, NULL, &e),
              ERR_OK);
    av_print(&before, schema);
    CHECK_INT(transform_house_open(&h, cel_schema, "transform:\n- rename: {id: id}\n"),
              ERR_OK);
    CHECK_STR(h.e.msg, "");
    av_print(&after, transform_schema(h.p));
    CHECK(span_eq(buf_span(&before), buf_span(&after)));
    buf_reset(&after);
    buf_put_str(&after, transform_house_says(&h, CEL_FULL));
    CHECK(after.n > 500);
    transform_house_close(&h);
    // ... and by way of a step that puts the record together anew
    CHECK_INT(transform_house_open(&h, cel_schema,
                                   "transform:\n- compute: {x: \"1\"}\n- drop: x\n- "
                                   "compute: {id: \"id\"}\n"),
              ERR_OK);
    CHECK_STR(h.e.msg, "");
    CHECK(span_eq(span_str(transform_house_says(&h, CEL_FULL)), buf_span(&after)));
    transform_house_close(&h);
    av_schema_release(schema);
    buf_free(&before);
    buf_free(&after);
}

/* Steps of one run, one schema after the other: what the run keeps grows along. */
static void a_run_serves_one_program_after_another(void)
{
    static const char small[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                "\"name\":\"a\",\"type\":\"int\"}]}";
    static const char *const steps[] = {
        "transform:\n- select: a\n",
        "transform:\n- compute: {b: a, c: a, d: a, e: a}\n",
        "transform:\n- dedupe: {key: a}\n- compute: {b: \"a + 1\"}\n- filter: b > 0\n"};
    struct transform_run *run = transform_run_new(NULL);

    for (int round = 0; round < 6; round++) {
        struct transform_house h;
        CHECK_INT(transform_house_open(&h, small, steps[round % 3]), ERR_OK);
        transform_run_free(h.run);
        h.run = run;
        h.offset = round;
        struct transform_memory *memory = transform_memory_new(h.t);
        CHECK_INT(memory != NULL, round % 3 == 2);
        transform_memory_free(memory);
        static const char *const says[] = {"{\"a\":5}",
                                           "{\"a\":5,\"b\":5,\"c\":5,\"d\":5,\"e\":5}",
                                           "{\"a\":5,\"b\":6}"};
        CHECK_STR(transform_house_says(&h, "{\"a\":5}"),
                  round == 5 ? "repeated" : says[round % 3]);
        h.run = NULL;
        transform_house_close(&h);
    }
    transform_run_free(run);
}

/* docs/transforms.md, the first example and what --sample shows of it. */
static void the_pages_example_does_what_it_says(void)
{
    struct transform_house h;

    CHECK_INT(
        transform_house_open(
            &h,
            "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\","
            "\"type\":\"long\"},{\"name\":\"customer\",\"type\":\"string\"},{"
            "\"name\":\"amount\",\"type\":\"string\"},{\"name\":\"country\","
            "\"type\":[\"null\",\"string\"]}]}",
            "transform:\n"
            "  - select: [id, customer, amount, country]\n"
            "  - rename: {customer: customer_name}\n"
            "  - cast: {amount: \"decimal(12,2)\", id: string}\n"
            "  - filter: \"amount > 0 && country != null\"\n"
            "  - compute: {label: \"customer_name + ' (' + country + ')'\"}\n"),
        ERR_OK);
    CHECK_STR(h.e.msg, "");
    CHECK_STR(transform_house_says(&h, "{\"id\":41,\"customer\":\"Ann\",\"amount\":"
                                       "\"12.50\",\"country\":\"CH\"}"),
              "{\"id\":\"41\",\"customer_name\":\"Ann\",\"amount\":\"12.50\","
              "\"country\":\"CH\",\"label\":\"Ann (CH)\"}");
    CHECK_STR(transform_house_says(&h, "{\"id\":41,\"customer\":\"Ann\",\"amount\":"
                                       "\"0\",\"country\":\"CH\"}"),
              "filtered");
    CHECK_STR(transform_house_says(&h, "{\"id\":41,\"customer\":\"Ann\",\"amount\":"
                                       "\"1\",\"country\":null}"),
              "filtered");
    transform_house_close(&h);
}

int main(void)
{
    RUN(the_pages_example_does_what_it_says);
    RUN(what_no_step_touches_is_as_it_was);
    RUN(a_run_serves_one_program_after_another);
    return REPORT();
}

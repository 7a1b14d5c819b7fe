#include "tests/transform_house.h"

static const char shop[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.shop\",\"doc\":\"d\","
    "\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},"
    "{\"name\":\"customer\",\"type\":\"string\",\"default\":\"?\",\"doc\":\"who\"},"
    "{\"name\":\"amount\",\"type\":\"double\"},"
    "{\"name\":\"country\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},"
    "{\"name\":\"bill\",\"type\":{\"type\":\"record\",\"name\":\"Address\",\"fields\":["
    "{\"name\":\"city\",\"type\":\"string\"}]}},"
    "{\"name\":\"ship\",\"type\":\"Address\"}]}";

#define ORDER                                                                     \
    "{\"id\":7,\"customer\":\"Ann\",\"amount\":12.5,\"country\":\"CH\",\"tags\":" \
    "[\"a\",\"b\"],\"bill\":{\"city\":\"Bern\"},\"ship\":{\"city\":\"Chur\"}}"

static void is_made_of(const char *yaml, const char *json, const char *says)
{
    struct transform_house h;

    CHECK_INT(transform_house_open(&h, shop, yaml), ERR_OK);
    CHECK_STR(h.e.msg, "");
    if (h.e.kind == ERR_OK)
        CHECK_STR(transform_house_says(&h, json), says);
    transform_house_close(&h);
}

static void is_refused(const char *yaml, const char *why)
{
    struct transform_house h;

    CHECK(transform_house_open(&h, shop, yaml) != ERR_OK);
    CHECK_STR(h.e.msg, why);
    transform_house_close(&h);
}

static void fields_are_chosen_in_the_order_given(void)
{
    is_made_of("transform:\n- select: [amount, id]\n", ORDER,
               "{\"amount\":12.5,\"id\":7}");
    is_made_of("transform:\n- select: id\n", ORDER, "{\"id\":7}");
    is_made_of("transform:\n- drop: [id, tags, bill]\n", ORDER,
               "{\"customer\":\"Ann\",\"amount\":12.5,\"country\":\"CH\",\"ship\":"
               "{\"city\":\"Chur\"}}");
    is_made_of(
        "transform:\n- rename: {id: amount, amount: id}\n- select: [id, amount]\n",
        ORDER, "{\"id\":12.5,\"amount\":7}");
    is_made_of(
        "transform: []\n",
        "{\"id\":1,\"customer\":\"\",\"amount\":0,\"tags\":[],"
        "\"bill\":{\"city\":\"a\"},\"ship\":{\"city\":\"b\"}}",
        "{\"id\":1,\"customer\":\"\",\"amount\":0.0,\"country\":null,\"tags\":[],"
        "\"bill\":{\"city\":\"a\"},\"ship\":{\"city\":\"b\"}}");
}

static void what_does_not_hold_is_let_go(void)
{
    const char *both = "transform:\n- rename: {country: land}\n- filter: \"amount > 10 "
                       "&& land != ''\"\n- select: [id]\n";

    is_made_of(both, ORDER, "{\"id\":7}");
    is_made_of("transform:\n- filter: \"message.amount > 20.0\"\n", ORDER, "filtered");
    is_made_of(
        "transform:\n- filter: \"bill.city == 'Bern' && 'a' in tags\"\n- select: "
        "[customer]\n",
        ORDER, "{\"customer\":\"Ann\"}");
    is_made_of("transform:\n- select: [ship, id]\n- filter: \"ship.city == 'Chur'\"\n- "
               "filter: \"id == 8\"\n",
               ORDER, "filtered");
    is_made_of("transform:\n- {name: even, filter: \"100 / (id - 7) > 0\"}\n", ORDER,
               "error: transform even: divide by zero");
}

static void what_comes_out_has_its_own_schema(void)
{
    struct transform_house h;

    CHECK_INT(transform_house_open(
                  &h, shop,
                  "transform:\n- select: [ship, bill, customer]\n- rename: {customer: "
                  "who}\n"),
              ERR_OK);
    CHECK_STR(transform_house_schema(&h),
              "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.shop\","
              "\"doc\":\"d\",\"fields\":[{\"name\":\"ship\",\"type\":{\"type\":"
              "\"record\",\"name\":\"Address\",\"fields\":[{\"name\":\"city\",\"type\":"
              "\"string\"}]}},{\"name\":\"bill\",\"type\":\"Address\"},{\"name\":"
              "\"who\",\"type\":\"string\",\"doc\":\"who\",\"default\":\"?\"}]}");
    transform_house_close(&h);
}

static void a_record_that_holds_itself_keeps_its_name_inside(void)
{
    struct transform_house h;
    const char *list =
        "{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"x\","
        "\"type\":\"int\"},{\"name\":\"rest\",\"type\":[\"null\",\"L\"]}]}";

    CHECK_INT(transform_house_open(&h, list, "transform:\n- select: [rest]\n"), ERR_OK);
    CHECK_STR(
        transform_house_schema(&h),
        "{\"type\":\"record\",\"name\":\"L_transformed\",\"fields\":[{\"name\":"
        "\"rest\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"L\",\"fields\":"
        "[{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"rest\",\"type\":[\"null\","
        "\"L\"]}]}]}]}");
    CHECK_STR(transform_house_says(&h, "{\"x\":1,\"rest\":{\"x\":2,\"rest\":null}}"),
              "{\"rest\":{\"x\":2,\"rest\":null}}");
    transform_house_close(&h);
}

static void what_is_wrong_is_said_with_its_place(void)
{
    is_refused("transform: select\n",
               "p.yaml:1:12: transform wants a list of steps: - select: ...");
    is_refused("transform:\n- sort: id\n",
               "p.yaml:2:9: unknown step \"sort\", known: select, drop, rename, cast, "
               "compute, parse, lookup, filter, dedupe");
    is_refused("transform:\n- select: id\n  drop: id\n",
               "p.yaml:3:9: step 1 has two verbs, select and drop");
    is_refused("transform:\n- id\n",
               "p.yaml:2:3: step 1, wanted a verb and what it wants: - select: [a, b]");
    is_refused("transform:\n- select: [id, id]\n",
               "transform 1:select: p.yaml:2:11: \"id\" stands there twice");
    is_refused("transform:\n- select: [nobody]\n",
               "transform 1:select: there is no field \"nobody\", only: id, customer, "
               "amount, country, tags, bill, ship");
    is_refused("transform:\n- rename: {id: a b}\n",
               "transform 1:rename: p.yaml:2:16: \"a b\" is no field's name, wanted "
               "letters, digits and _, no digit first");
    is_refused("transform:\n- rename: {id: amount}\n",
               "transform 1:rename: two fields would be called amount");
    is_refused("transform:\n- filter: amount\n",
               "transform 1:filter: a filter is a condition, true or false");
    is_refused("transform:\n- select: [id]\n- filter: amount > 1\n",
               "transform 2:filter: 1:1: nothing is called \"amount\"");
    is_refused("transform:\n- filter: id > \n",
               "transform 1:filter: 1:5: the end, wanted an expression");
}

static void a_malformed_record_is_said_as_the_decoder_says_it(void)
{
    struct transform_house h;
    struct transform_origin o = {0};

    CHECK_INT(transform_house_open(&h, shop, "transform:\n- select: [id]\n"), ERR_OK);
    CHECK_INT(transform_apply(h.run, h.p, &o, span_str("\x02\x08z"), &h.result, &h.e),
              ERR_INVALID);
    CHECK_STR(h.e.msg, "byte 1 (/customer): string of 4 bytes, 1 are left");
    CHECK(h.result.step == NULL);
    transform_house_close(&h);
}

int main(void)
{
    RUN(fields_are_chosen_in_the_order_given);
    RUN(what_does_not_hold_is_let_go);
    RUN(what_comes_out_has_its_own_schema);
    RUN(a_record_that_holds_itself_keeps_its_name_inside);
    RUN(what_is_wrong_is_said_with_its_place);
    RUN(a_malformed_record_is_said_as_the_decoder_says_it);
    return REPORT();
}

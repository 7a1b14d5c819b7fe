/* Records, arrays and maps: members in any order, defaults, blocks. */
#include "tests/encoding.h"

static void a_record_s_members_come_in_any_order(void)
{
    static const struct encoding cases[] = {
        {THREE, "{\"id\":1,\"name\":\"x\",\"paid\":true}", "02027801", NULL},
        {NULL, " { \"id\" : 1 , \"name\" : \"x\" , \"paid\" : true } ", "02027801",
         NULL},
        {NULL, "{\"paid\":true,\"name\":\"x\",\"id\":1}", "02027801", NULL},
        {NULL, "{\"name\":\"x\",\"paid\":true,\"id\":1}", "02027801", NULL},
        {NULL, "{\"id\":1,\"paid\":true,\"name\":\"x\"}", "02027801", NULL},
        {NULL, "{\"paid\":true,\"id\":1,\"name\":\"x\"}", "02027801", NULL},
        {NULL, "{\"\\u0069d\":1,\"n\\u0061me\":\"x\",\"paid\":true}", "02027801", NULL},
        {NULL, "{\"name\":\"x\",\"\\u0069d\":1,\"paid\":true}", "02027801", NULL},
        {NULL, "{\"id\":1,\"paid\":true}", NULL,
         "/name: nothing, wanted string (missing-field)\n"},
        {NULL, "{}", NULL,
         "/id: nothing, wanted long (missing-field)\n"
         "/name: nothing, wanted string (missing-field)\n"
         "/paid: nothing, wanted boolean (missing-field)\n"},
        {NULL, "{\"id\":1,\"name\":\"x\",\"paid\":true,\"id\":2}", NULL,
         "/id: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"id\":1,\"id\":1,\"name\":\"x\",\"paid\":true}", NULL,
         "/id: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"paid\":true,\"id\":1,\"name\":\"x\",\"paid\":[]}", NULL,
         "/paid: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"id\":\"a\",\"name\":7,\"paid\":null}", NULL,
         "/id: string \"a\", wanted long (type)\n"
         "/name: number 7, wanted string (type)\n"
         "/paid: null, wanted boolean (type)\n"},
        {NULL, "{\"paid\":0,\"nmae\":\"x\",\"id\":1.5}", NULL,
         "/paid: number 0, wanted boolean (type)\n"
         "/nmae: string \"nmae\" (did you mean \"name\"?), wanted a field of "
         "com.shop.Order "
         "(unknown-field)\n"
         "/id: number 1.5, wanted long (type)\n"
         "/name: nothing, wanted string (missing-field)\n"},
        {NULL, "{\"id\":1,\"name\":\"x\",\"paid\":true,\"a/b~c\":{}}", NULL,
         "/a~1b~0c: string \"a/b~c\", wanted a field of com.shop.Order "
         "(unknown-field)\n"},
        {NULL, "[]", NULL, "the value: array, wanted com.shop.Order (type)\n"},
        {NULL, "{\"id\":1,\"name\":\"\xff\",\"paid\":7}", NULL,
         "/name: byte 0xff, wanted UTF-8 (utf8)\n"
         "/paid: number 7, wanted boolean (type)\n"},
        {RECORD("R", ""), "{}", "", NULL},
    };

    CHECK_ALL(cases, NULL);
}

static void a_missing_field_takes_its_default(void)
{
    static const struct encoding cases[] = {
        {RECORD("R", FILLED("a", "\"int\"", "7") "," FIELD("b", "\"int\"") "," FILLED(
                         "c", "[\"null\",\"string\"]",
                         "null") "," FILLED("d", "\"string\"", "\"x\"")),
         "{\"a\":1,\"b\":2,\"c\":\"y\",\"d\":\"z\"}", "0204020279027a", NULL},
        {NULL, "{\"b\":2}", "0e04000278", NULL},
        {NULL, "{\"b\":2,\"d\":\"z\"}", "0e0400027a", NULL},
        {NULL, "{\"d\":\"z\",\"b\":2}", "0e0400027a", NULL},
        {NULL, "{\"c\":null,\"b\":2}", "0e04000278", NULL},
        {NULL, "{\"a\":1,\"b\":2}", "0204000278", NULL},
        {NULL, "{\"c\":\"y\",\"a\":1,\"b\":2}", "02040202790278", NULL},
        {NULL, "{}", NULL, "/b: nothing, wanted int (missing-field)\n"},
        {NULL, "{\"d\":\"z\"}", NULL, "/b: nothing, wanted int (missing-field)\n"},
        {RECORD("R", FIELD("a", "[\"null\",\"int\"]")), "{\"a\":null}", "00", NULL},
        {NULL, "{}", NULL,
         "/a: nothing (null must be given, or the schema declare a default), wanted "
         "one of: "
         "null, int (missing-field)\n"},
        {RECORD("R", "{\"name\":\"temp\",\"type\":\"int\",\"aliases\":[\"t\"]}"),
         "{\"t\":1}", NULL,
         "/t: string \"t\" (an alias; data names the field \"temp\"), wanted a field "
         "of R "
         "(unknown-field)\n"
         "/temp: nothing, wanted int (missing-field)\n"},
    };

    CHECK_ALL(cases, NULL);
}

#define OPEN20 "[[[[[[[[[[[[[[[[[[[["
#define CLOSE20 "]]]]]]]]]]]]]]]]]]]]"

static void unknown_fields_can_be_ignored_but_not_be_nonsense(void)
{
    static const struct av_encode_options ignore = {.unknown_fields =
                                                        AV_UNKNOWN_IGNORE};
    static const struct encoding cases[] = {
        {RECORD("R", FIELD("a", "\"int\"")),
         "{\"x\":[1,{\"y\":null}],\"a\":1,\"z\":{}}", "02", NULL},
        {NULL, "{\"x\":[1,{\"y\":nul}],\"a\":1}", NULL,
         "the value: '}', wanted null (json)\n"},
        {NULL, "{\"x\":\"\xff\",\"a\":1}", NULL,
         "the value: byte 0xff, wanted UTF-8 (utf8)\n"},
        {NULL,
         "{\"x\":" OPEN20 OPEN20 OPEN20 OPEN20 CLOSE20 CLOSE20 CLOSE20 CLOSE20
         ",\"a\":1}",
         "02", NULL}, // deeper than what is typed may be
    };

    CHECK_ALL(cases, &ignore);
}

static void many_names_are_compared_without_many_comparisons(void)
{
    struct buf out = BUF_INIT(1 << 24), json = BUF_INIT(1 << 24);
    struct av_problems p = {0};

    buf_put_str(&json, "{\"k7\":0");
    for (int i = 50000; i-- > 0;)
        buf_printf(&json, ",\"k%d\":1", i);
    buf_put(&json, span_of("}", 2));
    CHECK_INT(encode_into("{\"type\":\"map\",\"values\":\"int\"}", (char *)json.p, NULL,
                          &out, &p),
              ERR_INVALID);
    CHECK_INT(p.n, 1);
    CHECK_STR(p.first->rule, "duplicate-key");
    CHECK_SPAN(p.first->pointer, "/k7");
    CHECK(p.first->offset > 500000); // the second of the two
    CHECK_INT(out.n, 0);
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

static void arrays_and_maps_are_one_block(void)
{
    static const struct encoding cases[] = {
        {"{\"type\":\"array\",\"items\":\"int\"}", "[]", "00", NULL},
        {NULL, "[ ]", "00", NULL},
        {NULL, "[1,-1]", "04020100", NULL},
        {NULL, " [ 1 , -1 ] ", "04020100", NULL},
        {NULL, "[1,\"a\",2,null]", NULL,
         "/1: string \"a\", wanted int (type)\n/3: null, wanted int (type)\n"},
        {NULL, "{}", NULL, "the value: object, wanted array (type)\n"},
        {"{\"type\":\"array\",\"items\":\"null\"}", "[null,null]", "0400", NULL},
        {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"int\"}}",
         "[[],[1],[2,3]]",
         "06"
         "00"
         "020200"
         "04040600"
         "00",
         NULL},
        {"{\"type\":\"map\",\"values\":\"int\"}", "{}", "00", NULL},
        {NULL, "{\"a\":1,\"b\":2}",
         "04026102"
         "02620400",
         NULL},
        {NULL, "{\"b\":1,\"a\":2}",
         "04026202"
         "02610400",
         NULL},
        {NULL, "{\"\":1}", "02000200", NULL},
        {NULL, "{\"\\u0061\":1}", "0202610200", NULL},
        {NULL, "{\"a\":1,\"\\u0061\":2}", NULL,
         "/a: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"b\":1,\"a\":2,\"b\":3,\"a\":4}", NULL,
         "/a: the name again, wanted each name once (duplicate-key)\n"
         "/b: the name again, wanted each name once (duplicate-key)\n"},
        {NULL, "{\"a\":1,\"b/c\":\"x\"}", NULL,
         "/b~1c: string \"x\", wanted int (type)\n"},
        {NULL, "{\"\xff\":1}", NULL, "the value: byte 0xff, wanted UTF-8 (utf8)\n"},
        {"{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"int\"}}",
         "{\"z\":{\"b\":1,\"a\":2},\"y\":{\"c\":3}}",
         "04"
         "027a"
         "04"
         "026202"
         "026104"
         "00"
         "0279"
         "02"
         "026306"
         "00"
         "00",
         NULL},
    };

    CHECK_ALL(cases, NULL);
}

static void sixty_four_items_move_for_their_count(void)
{
    struct buf out = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct av_problems p = {0};

    buf_put_str(&json, "[[0");
    for (int i = 1; i < 10000; i++)
        buf_printf(&json, ",%d", i % 64);
    buf_put(&json, span_of("],[]]", 6)); // with its NUL
    CHECK_INT(
        encode_into(
            "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"int\"}}",
            (char *)json.p, NULL, &out, &p),
        ERR_OK);
    struct span s = buf_span(&out);
    CHECK_INT(s.n, 1 + 3 + 10000 + 1 + 1 + 1);
    CHECK(span_eq(span_of(s.p, 5), span_of("\x04\xa0\x9c\x01\x00", 5)));
    CHECK(span_eq(span_of(s.p + s.n - 3, 3), span_of("\0\0\0", 3)));
    av_problems_free(&p);
    buf_free(&json);
    buf_free(&out);
}

int main(void)
{
    RUN(a_record_s_members_come_in_any_order);
    RUN(a_missing_field_takes_its_default);
    RUN(unknown_fields_can_be_ignored_but_not_be_nonsense);
    RUN(many_names_are_compared_without_many_comparisons);
    RUN(arrays_and_maps_are_one_block);
    RUN(sixty_four_items_move_for_their_count);
    return REPORT();
}

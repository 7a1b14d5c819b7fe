#include "base/json.h"
#include "tests/check.h"

#include <dirent.h>
#include <float.h>
#include <stdlib.h>

/* What json_put makes of `text`, or the message of the refusal, in `a`. */
static struct span read_back(struct span text, const struct json_limits *lim,
                             struct arena *a)
{
    const struct json *j;
    struct err e = {0};
    struct buf out = BUF_INIT(1 << 22);

    if (json_read(&j, text, lim, a, &e) != ERR_OK)
        return arena_copy(a, span_str(e.msg));
    json_put(&out, j);
    struct span back = arena_copy(a, buf_span(&out));
    buf_free(&out);
    return back;
}

struct row {
    const char *text, *want;
};

static void check_rows(const struct row *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct arena a = {0};
        CHECK_SPAN(read_back(span_str(t[i].text), NULL, &a), t[i].want);
        arena_free(&a);
    }
}

static void what_is_json_comes_back_as_it_was(void)
{
    static const struct row t[] = {
        {"null", "null"},
        {" true ", "true"},
        {"\t\r\nfalse\n", "false"},
        {"0", "0"},
        {"-0", "-0"},
        {"-0.10e+05", "-0.10e+05"},
        {"1E400", "1E400"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"\"\"", "\"\""},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[ [ ] , { } ]", "[[],{}]"},
        {"[[[1],2],3]", "[[[1],2],3]"},
        {"{\"a\":{\"b\":[{}]},\"\":0}", "{\"a\":{\"b\":[{}]},\"\":0}"},
        {"{\"a\":1,\"aa\":2,\"A\":3}", "{\"a\":1,\"aa\":2,\"A\":3}"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\"",
         "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\""},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"",
         "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\"\\uFFFF\\uDBFF\\uDFFF\"", "\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\""},
        {"\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf1"
         "\x80\x80\x80\"",
         "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf1"
         "\x80\x80\x80\""},
        {"\"\x7f/\"", "\"\x7f/\""},
    };

    check_rows(t, sizeof t / sizeof *t);
}

static void what_is_no_json_is_refused_with_its_place(void)
{
    static const struct row t[] = {
        {"", "1:1: end of text, wanted a value"},
        {" \n ", "2:2: end of text, wanted a value"},
        {"]", "1:1: ']', wanted a value"},
        {"\xef\xbb\xbf{}", "1:1: byte 0xef, wanted a value"},
        {"nul", "1:4: end of text, wanted null"},
        {"nulL", "1:4: 'L', wanted null"},
        {"True", "1:1: 'T', wanted a value"},
        {"NaN", "1:1: 'N', wanted a value"},
        {"-Infinity", "1:2: 'I', wanted a digit"},
        {"+1", "1:1: '+', wanted a value"},
        {".5", "1:1: '.', wanted a value"},
        {"01", "1:2: '1', wanted no digit behind a leading 0"},
        {"-01", "1:3: '1', wanted no digit behind a leading 0"},
        {"1.", "1:3: end of text, wanted a digit"},
        {"1.e3", "1:3: 'e', wanted a digit"},
        {"1e", "1:3: end of text, wanted a digit"},
        {"1e+", "1:4: end of text, wanted a digit"},
        {"0x10", "1:2: 'x', wanted the end of the text"},
        {"1 2", "1:3: '2', wanted the end of the text"},
        {"[1,2", "1:5: end of text, wanted ',' or ']'"},
        {"[1 2]", "1:4: '2', wanted ',' or ']'"},
        {"[1,]", "1:4: ']', wanted a value"},
        {"[,1]", "1:2: ',', wanted a value"},
        {"[1}", "1:3: '}', wanted ',' or ']'"},
        {"[1]]", "1:4: ']', wanted the end of the text"},
        {"[\f]", "1:2: byte 0x0c, wanted a value"},
        {"{\"a\":1,\n \"b\"}", "2:5: '}', wanted ':'"},
        {"{\"a\":1 \"b\":2}", "1:8: '\"', wanted ',' or '}'"},
        {"{\"a\":1,}", "1:8: '}', wanted a name in quotes"},
        {"{a:1}", "1:2: 'a', wanted a name in quotes"},
        {"{\"a\":}", "1:6: '}', wanted a value"},
        {"{\"a\":1,\"b\":2,\n\"a\":3}", "2:1: name \"a\" again, the first is at 1:2"},
        {"{\"a\":1,\"\\u0061\":3}", "1:8: name \"a\" again, the first is at 1:2"},
        {"\"abc", "1:5: end of text, wanted '\"' at the end of the string"},
        {"\"abc\\", "1:6: end of text, wanted '\"' at the end of the string"},
        {"\"a\nb\"", "1:3: byte 0x0a, wanted it escaped in a string"},
        {"\"\\x\"", "1:3: 'x', wanted one of \"\\/bfnrtu behind '\\'"},
        {"\"\\u12g4\"", "1:6: 'g', wanted four hexadecimal digits"},
        {"\"\\u12\"", "1:6: '\"', wanted four hexadecimal digits"},
        {"\"\\ud800\"", "1:2: \\ud800 is half a surrogate pair, wanted both halves"},
        {"\"\\ud800x\"", "1:2: \\ud800 is half a surrogate pair, wanted both halves"},
        {"\"\\udc00\\ud800\"",
         "1:2: \\udc00 is half a surrogate pair, wanted both halves"},
        {"\"a\\ud800\\u0041\"",
         "1:3: \\ud800 is half a surrogate pair, wanted both halves"},
        {"\"\\ud800\\u\"", "1:10: '\"', wanted four hexadecimal digits"},
        {"\"\x80\"", "1:2: byte 0x80, wanted UTF-8"},
        {"\"\xc0\xaf\"", "1:2: byte 0xc0, wanted UTF-8"},
        {"\"\xe0\x9f\xbf\"", "1:2: byte 0xe0, wanted UTF-8"},
        {"\"\xed\xa0\x80\"", "1:2: byte 0xed, wanted UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "1:2: byte 0xf4, wanted UTF-8"},
        {"\"\xf8\x88\x80\x80\x80\"", "1:2: byte 0xf8, wanted UTF-8"},
        {"\"\xe2\x82\"", "1:2: byte 0xe2, wanted UTF-8"},
        {"\"\xf0\x9f\x98", "1:2: byte 0xf0, wanted UTF-8"},
        {"\"\xe2\x28\xa1\"", "1:2: byte 0xe2, wanted UTF-8"},
        {"\"\xe2\x82\x28\"", "1:2: byte 0xe2, wanted UTF-8"},
    };

    check_rows(t, sizeof t / sizeof *t);
}

static void a_zero_byte_is_a_byte_like_others(void)
{
    struct arena a = {0};

    CHECK_SPAN(read_back(span_of("[1\0]", 4), NULL, &a),
               "1:3: byte 0x00, wanted ',' or ']'");
    CHECK_SPAN(read_back(span_of("\"\\\0\"", 4), NULL, &a),
               "1:3: byte 0x00, wanted it escaped in a string");
    CHECK_SPAN(read_back(span_of("\0", 1), NULL, &a), "1:1: byte 0x00, wanted a value");
    arena_free(&a);
}

static void limits_are_limits_and_not_faults(void)
{
    const struct json_limits lim = {.depth = 3, .values = 5};
    struct arena a = {0};
    const struct json *j;
    struct err e = {0};

    CHECK_SPAN(read_back(span_str("[[[1]]]"), &lim, &a), "[[[1]]]");
    CHECK_SPAN(read_back(span_str("[[[\n[]]]]"), &lim, &a),
               "2:1: more than 3 containers inside each other");
    CHECK_INT(json_read(&j, span_str("[[[[]]]]"), &lim, &a, &e), ERR_LIMIT);
    CHECK_INT(e.kind, ERR_LIMIT);
    CHECK_SPAN(read_back(span_str("[1,2,3,4]"), &lim, &a), "[1,2,3,4]");
    CHECK_SPAN(read_back(span_str("[1,2,3,4,5]"), &lim, &a),
               "1:10: more than 5 values");
    CHECK_SPAN(read_back(span_str("[[],[],[],[]]"), &lim, &a), "[[],[],[],[]]");
    arena_free(&a);
}

/* `n` times `open`, then `n` times `close`. */
static struct span nested(char open, char close, size_t n, struct arena *a)
{
    char *p = arena_alloc(a, 2 * n);

    memset(p, open, n);
    memset(p + n, close, n);
    return span_of(p, 2 * n);
}

static void depth_costs_no_stack(void)
{
    const struct json_limits lim = {.depth = 300000, .values = 300000};
    struct arena a = {0};
    struct span text = nested('[', ']', 300000, &a);

    CHECK(span_eq(read_back(text, &lim, &a), text));
    CHECK_SPAN(read_back(text, NULL, &a),
               "1:65: more than 64 containers inside each other");
    arena_free(&a);
}

/* {"name0":0,"name1":1,...} and then `extra`. */
static struct span wide_object(size_t n, const char *extra, struct buf *out)
{
    buf_put_u8(out, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "\"name%zu\":%zu,", i, i);
    buf_put_str(out, extra);
    return buf_span(out);
}

static void doubles_are_found_in_wide_objects_too(void)
{
    static const struct {
        size_t n;
        const char *extra, *want;
    } t[] = {
        {12, "\"name7\":0}", "1:126: name \"name7\" again, the first is at 1:72"},
        {100000, "\"name3\":0,\"name2\":0}",
         "1:1777782: name \"name3\" again, the first is at 1:32"},
        {13, "\"a\":1,\"a\":2,\"a\":3}",
         "1:144: name \"a\" again, the first is at 1:138"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct arena a = {0};
        struct buf text = BUF_INIT(1 << 22);
        CHECK_SPAN(read_back(wide_object(t[i].n, t[i].extra, &text), NULL, &a),
                   t[i].want);
        buf_free(&text);
        arena_free(&a);
    }
    struct arena a = {0};
    struct buf text = BUF_INIT(1 << 22);
    struct span wide = wide_object(50000, "\"name\":0}", &text);
    CHECK(span_eq(read_back(wide, NULL, &a), wide));
    buf_free(&text);
    arena_free(&a);
}

static void every_value_knows_its_place(void)
{
    const char *text = "{\"a\": [1, \"x\\ty\"],\n \"b/~\" : {\"c\":null} }";
    struct arena a = {0};
    const struct json *j;
    struct err e = {0};
    struct buf pointer = BUF_INIT(100);
    size_t line, column;

    CHECK_INT(json_read(&j, span_str(text), NULL, &a, &e), ERR_OK);
    CHECK_INT(j->kind, JSON_OBJECT);
    CHECK_INT(j->n, 2);
    CHECK_INT(j->at, 0);
    CHECK_INT(j->end, strlen(text));
    CHECK(j->parent == NULL && j->next == NULL);

    const struct json *list = json_member(j, "a");
    CHECK(json_is(list, JSON_ARRAY));
    CHECK_INT(list->n, 2);
    CHECK_INT(list->name_at, 1);
    CHECK_SPAN(list->first->text, "1");
    CHECK_SPAN(list->first->next->text, "x\ty");
    CHECK_SPAN(span_of(text + list->at, list->end - list->at), "[1, \"x\\ty\"]");
    json_pointer(&pointer, list->first->next);
    CHECK_SPAN(buf_span(&pointer), "/a/1");

    const struct json *c = json_member(json_member(j, "b/~"), "c");
    CHECK(json_is(c, JSON_NULL));
    json_place(span_str(text), c->at, &line, &column);
    CHECK_INT(line, 2);
    CHECK_INT(column, 15);
    buf_reset(&pointer);
    json_pointer(&pointer, c);
    CHECK_SPAN(buf_span(&pointer), "/b~1~0/c");
    buf_reset(&pointer);
    json_pointer(&pointer, j);
    CHECK_INT(pointer.n, 0);

    CHECK(json_member(j, "c") == NULL);
    CHECK(json_member(c, "c") == NULL);
    CHECK(json_member(NULL, "c") == NULL);
    CHECK(!json_is(NULL, JSON_NULL));
    buf_free(&pointer);
    arena_free(&a);
}

static void strings_without_escapes_are_not_copied(void)
{
    const char *text = "[\"plain\",\"esc\\u0061ped\"]";
    struct arena a = {0};
    const struct json *j;
    struct err e = {0};

    CHECK_INT(json_read(&j, span_str(text), NULL, &a, &e), ERR_OK);
    CHECK((const char *)j->first->text.p == text + 2);
    CHECK_SPAN(j->first->next->text, "escaped");
    arena_free(&a);
}

static void whole_numbers_are_exact_or_refused(void)
{
    static const struct {
        const char *text;
        int64_t min, max, want;
        const char *msg; // NULL when it is taken
    } t[] = {
        {"0", 0, 0, 0, NULL},
        {"-0", 0, 0, 0, NULL},
        {"0.000e99999999999999999999", 0, 0, 0, NULL},
        {"1.0", 0, 9, 1, NULL},
        {"1e3", 0, 9999, 1000, NULL},
        {"120e-1", 0, 99, 12, NULL},
        {"0.5e1", 0, 99, 5, NULL},
        {"1.50e+2", 0, 999, 150, NULL},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, NULL},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, NULL},
        {"-9.223372036854775808e18", INT64_MIN, INT64_MAX, INT64_MIN, NULL},
        {"1000000000000000000000e-20", 0, 10, 10, NULL},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 0,
         "9223372036854775808, wanted a whole number from -9223372036854775808 to "
         "9223372036854775807"},
        {"-9223372036854775809", -1, 1, 0,
         "-9223372036854775809, wanted a whole number from -1 to 1"},
        {"18446744073709551616", -1, 1, 0,
         "18446744073709551616, wanted a whole number from -1 to 1"},
        {"1e19", -1, 1, 0, "1e19, wanted a whole number from -1 to 1"},
        {"1e999999999999", -1, 1, 0,
         "1e999999999999, wanted a whole number from -1 to 1"},
        {"1e-1", -1, 1, 0, "1e-1, wanted a whole number from -1 to 1"},
        {"1.5", -1, 1, 0, "1.5, wanted a whole number from -1 to 1"},
        {"1.0000000000000000000001", -1, 1, 0,
         "1.0000000000000000000001, wanted a whole number from -1 to 1"},
        {"2", -1, 1, 0, "2, wanted a whole number from -1 to 1"},
        {"-2", -1, 1, 0, "-2, wanted a whole number from -1 to 1"},
        {"\"1\"", -1, 1, 0, "string, wanted a whole number"},
        {"true", -1, 1, 0, "boolean, wanted a whole number"},
        {"null", -1, 1, 0, "null, wanted a whole number"},
        {"{}", -1, 1, 0, "object, wanted a whole number"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct arena a = {0};
        struct err e = {0};
        const struct json *j;
        int64_t v = 77;

        CHECK_INT(json_read(&j, span_str(t[i].text), NULL, &a, &e), ERR_OK);
        enum err_kind k = json_int(&v, j, t[i].min, t[i].max, &e);
        CHECK_INT(k, t[i].msg == NULL ? ERR_OK : ERR_INVALID);
        CHECK_INT(v, t[i].msg == NULL ? t[i].want : 77);
        CHECK_STR(e.msg, t[i].msg == NULL ? "" : t[i].msg);
        arena_free(&a);
    }
    struct err e = {0};
    int64_t v;
    CHECK_INT(json_int(&v, NULL, 0, 1, &e), ERR_INVALID);
    CHECK_STR(e.msg, "nothing, wanted a whole number");
}

static void doubles_are_written_short(void)
{
    static const struct {
        double v;
        const char *want;
    } t[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100"},
        {123456.789, "123456.789"},
        {9007199254740993.0, "9007199254740992"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1.25e21, "1.25e+21"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {1e23, "1e+23"},
        {0x1p-44,
         "5.684341886080802e-14"}, // the nearest 16 digits read back as another
        {4.35, "4.35"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf out = BUF_INIT(64);
        json_put_double(&out, t[i].v);
        CHECK_SPAN(buf_span(&out), t[i].want);
        buf_free(&out);
    }
}

static void every_double_reads_back(void)
{
    uint64_t x = 88172645463325252;
    int wrong = 0, long_ones = 0;

    for (int i = 0; i < 20000; i++) {
        double v, back;
        char text[64];
        struct buf out = BUF_INIT(63);

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&v, &x, sizeof v);
        if (v - v != 0) // an infinity or NaN
            continue;
        json_put_double(&out, v);
        snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
        back = strtod(text, NULL);
        wrong += memcmp(&back, &v, sizeof v) != 0;
        long_ones += out.n > 25;
        buf_free(&out);
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(long_ones, 0);
}

static void whole_numbers_and_strings_are_written(void)
{
    struct buf out = BUF_INIT(200);

    json_put_int(&out, INT64_MIN);
    json_put_int(&out, 42);
    CHECK_SPAN(buf_span(&out), "-922337203685477580842");
    buf_reset(&out);
    json_put_string(&out, span_of("a\0b\"\\/\x1f\x7f\xc3\xa9\n", 11));
    CHECK_SPAN(buf_span(&out), "\"a\\u0000b\\\"\\\\/\\u001f\x7f\xc3\xa9\\n\"");
    buf_free(&out);
}

static void what_is_no_utf_8_is_written_as_a_replacement(void)
{
    struct buf out = BUF_INIT(200);

    json_put_string(&out, span_of("cut \xc3", 5));
    json_put_string(&out, span_of("\xff\xe2\x82\"\xc3\xa9", 6));
    CHECK_SPAN(buf_span(&out), "\"cut \xef\xbf\xbd\"\"\xef\xbf\xbd\xef\xbf\xbd"
                               "\xef\xbf\xbd\\\"\xc3\xa9\"");
    buf_free(&out);
}

static void a_part_of_a_tree_is_written_alone(void)
{
    struct arena a = {0};
    const struct json *j;
    struct err e = {0};
    struct buf out = BUF_INIT(200);

    CHECK_INT(json_read(&j, span_str("[{\"a\":[1]},2]"), NULL, &a, &e), ERR_OK);
    json_put(&out, json_member(j->first, "a"));
    json_put(&out, j->first);
    json_put(&out, j->first->next);
    CHECK_SPAN(buf_span(&out), "[1]{\"a\":[1]}2");
    buf_free(&out);
    arena_free(&a);
}

static void kinds_have_names(void)
{
    CHECK_STR(json_kind_name(JSON_TRUE), "boolean");
    CHECK_STR(json_kind_name(JSON_OBJECT), "object");
}

/* ---- other people's cases: JSONTestSuite, when it lies beside the project ---- */

#define SUITE "../shared/data/json-suite/test_parsing"

static struct span read_file(const char *path, struct arena *a)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = arena_alloc(a, 1 << 20);
    size_t n = 0;

    CHECK(f != NULL);
    if (f != NULL) {
        n = fread(p, 1, 1 << 20, f);
        fclose(f);
    }
    return span_of(p, n);
}

/* y_ must be taken, n_ refused; i_ is ours to decide, and must not crash. */
static void check_case(const char *name)
{
    struct arena a = {0};
    char path[400];
    const struct json *j;
    struct err e = {0};
    const bool doubles = strcmp(name, "y_object_duplicated_key.json") == 0 ||
                         strcmp(name, "y_object_duplicated_key_and_value.json") == 0;

    snprintf(path, sizeof path, "%s/%s", SUITE, name);
    enum err_kind k = json_read(&j, read_file(path, &a), NULL, &a, &e);
    bool ok = name[0] == 'i' ? true : (k == ERR_OK) == (name[0] == 'y' && !doubles);
    CHECK(ok);
    if (!ok)
        printf("    %s: %s\n", name, e.msg);
    arena_free(&a);
}

static void the_public_suite_agrees_but_for_double_names(void)
{
    DIR *d = opendir(SUITE);
    int n = 0;

    if (d == NULL) {
        printf("skip - %s is not there\n", SUITE);
        return;
    }
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        if (f->d_name[0] != '.') {
            check_case(f->d_name);
            n++;
        }
    closedir(d);
    CHECK(n > 300);
}

int main(void)
{
    RUN(what_is_json_comes_back_as_it_was);
    RUN(what_is_no_json_is_refused_with_its_place);
    RUN(a_zero_byte_is_a_byte_like_others);
    RUN(limits_are_limits_and_not_faults);
    RUN(depth_costs_no_stack);
    RUN(doubles_are_found_in_wide_objects_too);
    RUN(every_value_knows_its_place);
    RUN(strings_without_escapes_are_not_copied);
    RUN(whole_numbers_are_exact_or_refused);
    RUN(doubles_are_written_short);
    RUN(every_double_reads_back);
    RUN(whole_numbers_and_strings_are_written);
    RUN(what_is_no_utf_8_is_written_as_a_replacement);
    RUN(a_part_of_a_tree_is_written_alone);
    RUN(kinds_have_names);
    RUN(the_public_suite_agrees_but_for_double_names);
    return REPORT();
}

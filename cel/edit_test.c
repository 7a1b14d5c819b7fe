#include "cel/edit.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1700000000123000000 // 2023-11-14T22:13:20.123Z

/* What the expression makes of `message`, "(no)" where its guard says no, or the error.
 */
static struct span made(const char *expression, const char *message)
{
    static char said[4000];
    static const char *const names[] = {"message", "value"};
    struct buf out = BUF_INIT(sizeof said);
    struct arena a = {0};
    const struct json *values[2] = {NULL, NULL};
    struct cel_edit *edit = NULL;
    bool applies = true;
    struct err e = {0};

    if (json_read(&values[0], span_str(message), NULL, &a, &e) != ERR_OK)
        abort();
    enum err_kind rc = cel_edit_new(&edit, span_str(expression), names, 2, &e);
    if (rc == ERR_OK)
        rc = cel_edit_ask(edit, values, NOW, &out, &applies, &e);
    if (rc != ERR_OK)
        buf_put_str(&out, e.msg);
    else if (!applies)
        buf_put_str(&out, "(no)");
    size_t n = out.n;
    memcpy(said, out.p, n);
    cel_edit_free(edit);
    arena_free(&a);
    buf_free(&out);
    return span_of(said, n);
}

#define MAKES(expression, message, wanted) CHECK_SPAN(made(expression, message), wanted)

static void json_goes_through_as_it_came(void)
{
    static const char *const texts[] = {"null",
                                        "true",
                                        "[]",
                                        "{}",
                                        "\"\\u0000\xc3\xa9\"",
                                        "0",
                                        "-7",
                                        "9223372036854775807",
                                        "-0",
                                        "1.50",
                                        "1E400",
                                        "-1e-400",
                                        "18446744073709551616",
                                        "0.1000000000000000055511151231257827",
                                        "{\"a\":[1,{\"b\":1.0}],\"c\":null}"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        MAKES("message", texts[i], texts[i]);
}

static void a_number_is_an_int_where_it_is_written_as_one(void)
{
    MAKES("message + 1", "41", "42");
    MAKES("message * 2.0", "1.50", "3");
    MAKES("-message", "1.50", "-1.5");
    MAKES("double(message) / 4.0", "1", "0.25");
    MAKES("message + 1", "1.5", "error: no such overload: +(double, int)");
    MAKES("message > 1e300", "1e400", "true");
    MAKES("message < -1e300", "-1e400", "true");
    MAKES("int(message)", "\"12\"", "12");
}

static void records_are_made_of_maps(void)
{
    MAKES("{'id': int(message.id), 'tags': message.tags.map(t, t.lowerAscii())}",
          "{\"id\":\"7\",\"tags\":[\"A\",\"b\"],\"x\":0}",
          "{\"id\":7,\"tags\":[\"a\",\"b\"]}");
    MAKES("has(message.a) ? message.a : 'none'", "{\"b\":1}", "\"none\"");
    MAKES("message.a", "{\"b\":1}", "error: no such key: a");
    MAKES("value == null", "1", "true");
    MAKES("now", "1", "\"2023-11-14T22:13:20.123Z\"");
}

static void a_guard_decides_whether_it_applies(void)
{
    MAKES("type(message) == string ; double(message)", "\"1.5\"", "1.5");
    MAKES("type(message) == string ; double(message)", "1.5", "(no)");
    MAKES("message.a ; 1", "{}", "(no)");
    MAKES("1 ; 1", "{}", "1:1: a guard is a bool, this is a int");
}

static void what_is_wrong_says_where(void)
{
    MAKES("messge.id", "{}", "1:1: nothing is called \"messge\"");
    MAKES("message.", "{}", "1:9: the end, wanted the name of a field or function");
    MAKES("type(1)", "{}", "\"int\"");
    MAKES("'a'.matches('(')", "{}", "1:13: pattern, 1: missing closing )");
}

static void work_has_a_limit(void)
{
    struct buf many = BUF_INIT(100000);

    buf_put_u8(&many, '[');
    for (int i = 0; i < 2000; i++)
        buf_put_str(&many, i == 0 ? "1" : ",1");
    buf_put_str(&many, "]");
    buf_put(&many, span_of("", 1));
    struct span said =
        made("message.all(x, message.all(y, message.all(z, x + y + z > 0)))",
             (const char *)many.p);
    CHECK(said.n > 7 && memcmp(said.p, "error: ", 7) == 0);
    buf_free(&many);
}

int main(void)
{
    RUN(json_goes_through_as_it_came);
    RUN(a_number_is_an_int_where_it_is_written_as_one);
    RUN(records_are_made_of_maps);
    RUN(a_guard_decides_whether_it_applies);
    RUN(what_is_wrong_says_where);
    RUN(work_has_a_limit);
    return REPORT();
}

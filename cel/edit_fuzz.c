/*
 * Whatever expression and whatever JSON come, there is an answer within the limits, the
 * same twice; what an expression only passes on is as it was.
 *
 * The input up to the first NUL is the expression, what follows it is the JSON.
 */
#include "cel/edit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const names[] = {"message", "value"};

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void ask(struct cel_edit *edit, const struct json *message)
{
    const struct json *values[] = {message, NULL};
    struct buf made = BUF_INIT(1 << 22), again = BUF_INIT(1 << 22);
    bool applies = false;
    struct err e = {0};

    enum err_kind rc =
        cel_edit_ask(edit, values, 1700000000123456789, &made, &applies, &e);
    want(cel_edit_ask(edit, values, 1700000000123456789, &again, &applies, &e) == rc);
    want(rc == ERR_OK || made.n == 0);
    want(span_eq(buf_span(&made), buf_span(&again)));
    buf_free(&made);
    buf_free(&again);
}

static void pass_on(const struct json *message)
{
    struct buf text = BUF_INIT(1 << 22), made = BUF_INIT(1 << 22);
    const struct json *values[] = {message, NULL};
    struct cel_edit *edit;
    bool applies = false;
    struct err e = {0};

    want(cel_edit_new(&edit, span_str("message"), names, 2, &e) == ERR_OK);
    json_put(&text, message);
    if (cel_edit_ask(edit, values, 0, &made, &applies, &e) == ERR_OK)
        want(applies && span_eq(buf_span(&text), buf_span(&made)));
    cel_edit_free(edit);
    buf_free(&text);
    buf_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *nul = n > 0 ? memchr(p, 0, n) : NULL;
    size_t cut = nul != NULL ? (size_t)(nul - p) : n;
    const struct json *message = NULL;
    struct cel_edit *edit;
    struct arena a = {0};
    struct err e = {0};

    if (nul != NULL &&
        json_read(&message, span_of(nul + 1, n - cut - 1), NULL, &a, &e) == ERR_OK)
        pass_on(message);
    if (cel_edit_new(&edit, span_of(p, cut), names, 2, &e) == ERR_OK) {
        ask(edit, message);
        cel_edit_free(edit);
    } else {
        want(e.msg[0] >= '1' && e.msg[0] <= '9');
    }
    arena_free(&a);
    return 0;
}

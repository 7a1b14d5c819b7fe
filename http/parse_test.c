/*
 * The message rules, one row each.  Every row is read whole and then cut in two at
 * every position, and must come to the same result: where bytes are split is not the
 * client's to choose.
 */
#include "http/parse.h"

#include "base/buf.h"
#include "tests/check.h"

#include <stdlib.h>

static const struct http_head_limits limits = {
    .head = 1024, .target = 100, .fields = 8};
#define BODY_MAX 1000

struct result {
    int status; // 0: wants more; 200: a whole message; else as refused
    const char *why;
    struct http_head head;
    struct buf body;
    size_t rest; // bytes behind the message
};

/* The same bytes again: a body reader must not care where its pieces end. */
static void read_body(struct result *out, struct span first, struct span second)
{
    struct span pieces[2] = {first, second}, data;
    struct http_refusal no = {0};
    struct http_body b;

    if (http_body_begin(&b, &out->head, BODY_MAX, &no) == HTTP_REFUSED) {
        out->status = no.status;
        out->why = no.why;
        return;
    }
    for (int i = 0; i < 2; i++)
        for (;;) {
            enum http_step step = http_read_body(&b, &pieces[i], &data, &no);
            if (step == HTTP_DATA) {
                buf_put(&out->body, data);
                continue;
            }
            if (step == HTTP_WHOLE) {
                out->status = 200;
                out->rest = pieces[i].n + (i == 0 ? pieces[1].n : 0);
                return;
            }
            if (step == HTTP_REFUSED) {
                out->status = no.status;
                out->why = no.why;
                return;
            }
            CHECK_INT(pieces[i].n, 0);
            break;
        }
}

/* Reads `all` as if its first `cut` bytes had come alone. */
static struct result read_cut(struct span all, size_t cut, struct http_field *fields)
{
    struct result out = {.body = BUF_INIT(1 << 20)};
    struct http_refusal no = {0};
    struct http_scan s = {0};
    size_t have = cut;
    enum http_step step = http_scan_head(&s, span_of(all.p, have), &limits, &no);

    if (step == HTTP_MORE) {
        have = all.n;
        step = http_scan_head(&s, all, &limits, &no);
    }
    if (step == HTTP_WHOLE)
        step = http_read_head(&out.head, span_of(all.p + s.start, s.end - s.start),
                              fields, &limits, &no);
    if (step == HTTP_REFUSED) {
        out.status = no.status;
        out.why = no.why;
    }
    if (step == HTTP_WHOLE)
        read_body(&out, span_of(all.p + s.end, have - s.end),
                  span_of(all.p + have, all.n - have));
    return out;
}

static bool same_result(const struct result *a, const struct result *b)
{
    return a->status == b->status && a->rest == b->rest && a->why == b->why &&
           a->head.keep_alive == b->head.keep_alive &&
           span_eq(buf_span(&a->body), buf_span(&b->body));
}

/* Whole, and cut everywhere. */
static struct result read_all(struct span text)
{
    static struct http_field fields[64], others[64];
    struct result whole = read_cut(text, text.n, fields);

    for (size_t cut = 0; cut < text.n; cut++) {
        struct result r = read_cut(text, cut, others);
        CHECK(same_result(&whole, &r));
        buf_free(&r.body);
    }
    return whole;
}

#define HOST "Host: here\r\n"
#define POST "POST / HTTP/1.1\r\nHost: here\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *text;
    int status; // 200 is a whole request, 0 an unfinished one
    const char *body;
} messages[] = {
    // requests as they should be
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    {"GET /a?b HTTP/1.1\r\nhOsT:here:80\r\n\r\n", 200, ""},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200, ""},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, ""},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    {"GET http://here/a HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    {"GET HTTP://HERE HTTP/1.1\r\n" HOST "\r\n", 200, ""},
    {"GET / HTTP/1.0\r\n\r\n", 200, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\t \"x\"\r\n\r\n", 200, ""},
    {POST "Content-Length: 3\r\n\r\nabc", 200, "abc"},
    {POST "Content-Length: 0003\r\n\r\nabc", 200, "abc"},
    {POST "Content-Length:3  \r\n\r\nabc", 200, "abc"},
    {POST "Content-Length: 0\r\n\r\n", 200, ""},
    {POST "\r\n", 200, ""},
    {CHUNKED "0\r\n\r\n", 200, ""},
    {CHUNKED "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 200, "abcd"},
    {CHUNKED "00A\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789"},
    {CHUNKED "3;name=\"a b\";x\r\nabc\r\n0;y\r\n\r\n", 200, "abc"},
    {CHUNKED "1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", 200, "a"},
    {POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200, ""},
    // not here yet
    {"", 0, ""},
    {"GET / HTTP/1.1\r\n" HOST, 0, ""},
    {"GET / HTTP/1.1\r\n" HOST "\r", 0, ""},
    {POST "Content-Length: 3\r\n\r\nab", 0, "ab"},
    {CHUNKED "3\r\nabc\r\n0\r\n", 0, "abc"},
    // line ends
    {"GET / HTTP/1.1\n" HOST "\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: here\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: here\r\n\n", 400, ""},
    {"\nGET / HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET / HTTP/1.1\rHost: here\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: here\rX: y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: here\r\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\r\nHost: here\r\n\r\n", 400, ""},
    // the request line
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400, ""},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET /#a HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET http:// HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET http://me@here/ HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET http://there/ HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET ftp://here/ HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET /\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1x\r\n" HOST "\r\n", 400, ""},
    {"GET / http/1.1\r\n" HOST "\r\n", 400, ""},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400, ""},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505, ""},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, ""},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505, ""},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501, ""},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501, ""},
    {"CONNECT here:80 HTTP/1.1\r\n" HOST "\r\n", 501, ""},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 501, ""},
    {"\x16\x03\x01", 400, ""}, // a TLS hello
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400, ""},
    // Host
    {"GET / HTTP/1.1\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, ""},
    {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, ""},
    // fields
    {"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST " X: y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n\tz\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X\xc3: y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X(: y\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x0b\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n\r\n",
     431, ""},
    // where the body ends
    {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400, ""},
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 3, 3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: +3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: -3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 0x3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 3 3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 3.0\r\n\r\nabc", 400, ""},
    {POST "Content-Length:\r\n\r\n", 400, ""},
    {POST "Content-Length : 3\r\n\r\nabc", 400, ""},
    {POST "Content-Length: 1001\r\n\r\n", 413, ""},
    {POST "Content-Length: 18446744073709551619\r\n\r\nabc", 413, ""},
    {POST "Content-Length: 99999999999999999999999999\r\n\r\n", 413, ""},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: chunkedx\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: identity\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: chunked;a=b\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding:\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
     400, ""},
    {POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400, ""},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, ""},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, ""},
    {POST "Expect: a miracle\r\n\r\n", 417, ""},
    {POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 417, ""},
    // chunks
    {CHUNKED "\r\n", 400, ""},
    {CHUNKED "g\r\n", 400, ""},
    {CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "+3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "-1\r\n", 400, ""},
    {CHUNKED " 3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3 \r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3 ;a\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3\rabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3;a\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3;a\rabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "3\r\nabc\n0\r\n\r\n", 400, "abc"},
    {CHUNKED "3\r\nabc0\r\n\r\n", 400, "abc"},
    {CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 400, "abc"},
    {CHUNKED "3\r\nabc\r0\r\n\r\n", 400, "abc"},
    {CHUNKED "3\r\nabc\r\n0\r\n\n", 400, "abc"},
    {CHUNKED "3\r\nabc\r\n0\r\n\rx", 400, "abc"},
    {CHUNKED "3e9\r\n", 413, ""},
    {CHUNKED "ffffffffffffffff\r\n", 413, ""},
    {CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "00000000000000003\r\nabc\r\n0\r\n\r\n", 400, ""},
    {CHUNKED "0\r\nX : y\r\n\r\n", 400, ""},
    {CHUNKED "0\r\n: y\r\n\r\n", 400, ""},
    {CHUNKED "0\r\n X: y\r\n\r\n", 400, ""},
    {CHUNKED "0\r\nX: y\n\r\n", 400, ""},
    {CHUNKED "0\r\nX: y\rZ\r\n\r\n", 400, ""},
    {CHUNKED "0\r\nX: \x01\r\n\r\n", 400, ""},
};

static void each_message_gets_its_verdict_however_it_is_cut(void)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        int before = check_failed;
        struct result r = read_all(span_str(messages[i].text));

        CHECK_INT(r.status, messages[i].status);
        CHECK_SPAN(buf_span(&r.body), messages[i].body);
        CHECK_INT(r.rest, 0);
        if (check_failed > before)
            printf("    in message %zu: %s\n", i, messages[i].text);
        buf_free(&r.body);
    }
}

/* A NUL anywhere in a head, which no C string of the table above can show. */
static void a_nul_is_refused_wherever_it_stands(void)
{
    static const char head[] = "GET /ab HTTP/1.1\r\nHost: here\r\nX: y\r\n\r\n";

    for (size_t i = 0; i + 1 < sizeof head; i++) {
        char text[sizeof head];
        memcpy(text, head, sizeof head);
        text[i] = '\0';
        struct result r = read_all(span_of(text, sizeof head - 1));
        CHECK(r.status == 400 ||
              (r.status == 0 && i >= sizeof head - 4)); // the end is missing
        buf_free(&r.body);
    }
}

static void what_follows_a_message_stays(void)
{
    static const struct {
        const char *text;
        const char *rest;
    } t[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\nGET /2", "GET /2"},
        {POST "Content-Length: 1\r\n\r\naGET /2", "GET /2"},
        {CHUNKED "1\r\na\r\n0\r\nT: x\r\n\r\nGET /2", "GET /2"},
        {CHUNKED "0\r\n\r\n\r\n", "\r\n"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct result r = read_all(span_str(t[i].text));
        CHECK_INT(r.status, 200);
        CHECK_INT(r.rest, strlen(t[i].rest));
        buf_free(&r.body);
    }
}

/* `n` times `c` between `before` and `after`. */
static struct buf stretched(const char *before, char c, size_t n, const char *after)
{
    struct buf b = BUF_INIT(1 << 20);

    buf_put_str(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_put_u8(&b, (uint8_t)c);
    buf_put_str(&b, after);
    return b;
}

static void the_limits_are_exact(void)
{
    static const struct {
        const char *before;
        char c;
        size_t n;
        const char *after;
        int status;
    } t[] = {
        {"GET /", 'a', 99, " HTTP/1.1\r\n" HOST "\r\n", 200},
        {"GET /", 'a', 100, " HTTP/1.1\r\n" HOST "\r\n", 414},
        {"GET /", 'a', 2000, "", 414},
        {"GET / HTTP/1.1\r\n" HOST "X: ", 'a', 1024 - 35, "\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\n" HOST "X: ", 'a', 1024 - 34, "\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\n" HOST "X: ", 'a', 2000, "", 431},
        {POST "Content-Length: 1000\r\n\r\n", 'a', 1000, "", 200},
        {CHUNKED "3e8\r\n", 'a', 1000, "\r\n0\r\n\r\n", 200},
        {CHUNKED "3e8\r\n", 'a', 1000, "\r\n1\r\n", 413},
        {CHUNKED "0;", 'a', 4095, "\r\n\r\n", 200},
        {CHUNKED "0;", 'a', 4096, "\r\n\r\n", 431},
        {CHUNKED "0\r\nT: ", 'a', 4091, "\r\n\r\n", 200},
        {CHUNKED "0\r\nT: ", 'a', 4092, "\r\n\r\n", 431},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = stretched(t[i].before, t[i].c, t[i].n, t[i].after);
        int before = check_failed;
        struct result r = read_all(buf_span(&b));
        CHECK_INT(r.status, t[i].status);
        if (check_failed > before)
            printf("    in row %zu\n", i);
        buf_free(&r.body);
        buf_free(&b);
    }
}

static void a_connection_lives_as_both_sides_wish(void)
{
    static const struct {
        const char *text;
        bool lives;
    } t[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close ,y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct result r = read_all(span_str(t[i].text));
        CHECK_INT(r.status, 200);
        CHECK_INT(r.head.keep_alive, t[i].lives);
        buf_free(&r.body);
    }
}

static void takes_the_target_apart(void)
{
    static const struct {
        const char *target, *path, *query;
    } t[] = {
        {"/", "/", ""},
        {"/a/b?c=d", "/a/b", "c=d"},
        {"/a?b?c", "/a", "b?c"},
        {"/a?", "/a", ""},
        {"http://here/a?b", "/a", "b"},
        {"http://here", "/", ""},
        {"https://here?b", "/", "b"},
        {"//x/y", "//x/y", ""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT(1000);
        buf_printf(&b, "GET %s HTTP/1.1\r\n" HOST "\r\n", t[i].target);
        struct result r = read_all(buf_span(&b));
        CHECK_INT(r.status, 200);
        CHECK_SPAN(r.head.path, t[i].path);
        CHECK_SPAN(r.head.query, t[i].query);
        buf_free(&r.body);
        buf_free(&b);
    }
}

static void fields_are_trimmed_and_empty_ones_are_there(void)
{
    struct http_field fields[8];
    struct result r = read_cut(
        span_str("GET / HTTP/1.1\r\n" HOST "A: \t b c \t\r\nE:\r\nE: 2\r\n\r\n"), 0,
        fields);

    CHECK_INT(r.head.nfields, 4);
    CHECK_SPAN(http_field_find(fields, 4, "a"), "b c");
    CHECK(http_field_find(fields, 4, "e").p != NULL);
    CHECK_INT(http_field_find(fields, 4, "e").n, 0);
    CHECK(http_field_find(fields, 4, "none").p == NULL);
    buf_free(&r.body);
}

int main(void)
{
    RUN(each_message_gets_its_verdict_however_it_is_cut);
    RUN(a_nul_is_refused_wherever_it_stands);
    RUN(what_follows_a_message_stays);
    RUN(the_limits_are_exact);
    RUN(a_connection_lives_as_both_sides_wish);
    RUN(takes_the_target_apart);
    RUN(fields_are_trimmed_and_empty_ones_are_there);
    return REPORT();
}

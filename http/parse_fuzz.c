/*
 * Whatever bytes arrive, in whatever pieces: the reader ends, stays inside them, and
 * comes to the same messages as when they arrive at once.  The first byte of the input
 * is the size of the pieces.
 */
#include "http/parse.h"

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct http_head_limits limits = {
    .head = 512, .target = 100, .fields = 12};

/* A connection as conn.c has it: unread bytes, then head or body. */
struct reader {
    struct buf unread;
    struct http_scan scan;
    struct http_body body;
    bool in_body;
    int refused; // the status
    struct buf diary;
};

static enum http_step read_one_head(struct reader *r, struct span *in,
                                    struct http_refusal *no)
{
    struct http_field fields[512];
    struct http_head h;
    enum http_step step = http_scan_head(&r->scan, *in, &limits, no);

    if (step != HTTP_WHOLE)
        return step;
    if (r->scan.lines - 1 > sizeof fields / sizeof *fields)
        abort(); // 512 bytes do not have that many
    step =
        http_read_head(&h, span_of(in->p + r->scan.start, r->scan.end - r->scan.start),
                       fields, &limits, no);
    if (step == HTTP_REFUSED)
        return step;
    buf_printf(&r->diary, "%s %.*s %zu fields;", http_method_name(h.method),
               (int)h.path.n, (const char *)h.path.p, h.nfields);
    for (size_t i = 0; i < h.nfields; i++)
        if (!http_is_token(h.fields[i].name) || !http_is_value(h.fields[i].value))
            abort();
    *in = span_of(in->p + r->scan.end, in->n - r->scan.end);
    r->scan = (struct http_scan){0};
    r->in_body = true;
    return http_body_begin(&r->body, &h, 2000, no);
}

static enum http_step read_some_body(struct reader *r, struct span *in,
                                     struct http_refusal *no)
{
    struct span data;
    enum http_step step = http_read_body(&r->body, in, &data, no);

    if (step == HTTP_DATA)
        buf_put(&r->diary, data);
    if (step == HTTP_WHOLE) {
        buf_put_str(&r->diary, ".");
        r->in_body = false;
    }
    return step;
}

static void arrive(struct reader *r, struct span piece)
{
    struct buf all = BUF_INIT(1 << 20);
    struct http_refusal no = {0};
    enum http_step step = HTTP_DATA;

    buf_put(&all, buf_span(&r->unread));
    buf_put(&all, piece);
    struct span in = buf_span(&all);
    while (step != HTTP_MORE && step != HTTP_REFUSED && (in.n > 0 || r->in_body)) {
        bool body = r->in_body;
        step = body ? read_some_body(r, &in, &no) : read_one_head(r, &in, &no);
        if (!body && r->in_body && step == HTTP_MORE)
            step = HTTP_DATA; // a body begins
    }
    if (step == HTTP_REFUSED) {
        if (no.status < 400 || no.status > 505 || no.why == NULL)
            abort();
        r->refused = no.status;
    }
    buf_reset(&r->unread);
    buf_put(&r->unread, in);
    buf_free(&all);
}

static void read_in_pieces(struct reader *r, struct span s, size_t piece)
{
    *r = (struct reader){.unread = BUF_INIT(1 << 20), .diary = BUF_INIT(1 << 20)};
    while (s.n > 0 && r->refused == 0) {
        size_t n = s.n < piece ? s.n : piece;
        arrive(r, span_of(s.p, n));
        s = span_skip(s, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct reader whole, pieces;

    if (n == 0 || n > 8192)
        return 0;
    struct span s = span_of(p + 1, n - 1);
    read_in_pieces(&whole, s, SIZE_MAX);
    read_in_pieces(&pieces, s, 1 + p[0] % 64);
    if (whole.refused != pieces.refused || whole.in_body != pieces.in_body ||
        !span_eq(buf_span(&whole.diary), buf_span(&pieces.diary)))
        abort();
    buf_free(&whole.unread);
    buf_free(&whole.diary);
    buf_free(&pieces.unread);
    buf_free(&pieces.diary);
    return 0;
}

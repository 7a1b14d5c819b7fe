#include "http/parse.h"

#define LENGTH_DIGITS 18 // 10^18 fits with room to spare; no body is longer
#define CHUNK_DIGITS 16  // of a chunk size, leading zeros included
#define DROPPED_MOST 4096

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8, HEX = 16 };

/* What each byte may be part of. */
static const uint8_t class_of[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE | TARGET | HOST,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE, // a fragment has no business in a request target
    ['$'] = TOKEN | VALUE | TARGET | HOST,
    ['%'] = TOKEN | VALUE | TARGET | HOST,
    ['&'] = TOKEN | VALUE | TARGET | HOST,
    ['\''] = TOKEN | VALUE | TARGET | HOST,
    ['('] = VALUE | TARGET | HOST,
    [')'] = VALUE | TARGET | HOST,
    ['*'] = TOKEN | VALUE | TARGET | HOST,
    ['+'] = TOKEN | VALUE | TARGET | HOST,
    [','] = VALUE | TARGET | HOST,
    ['-'] = TOKEN | VALUE | TARGET | HOST,
    ['.'] = TOKEN | VALUE | TARGET | HOST,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = TOKEN | VALUE | TARGET | HOST | HEX,
    [':'] = VALUE | TARGET | HOST,
    [';'] = VALUE | TARGET | HOST,
    ['<'] = VALUE | TARGET,
    ['='] = VALUE | TARGET | HOST,
    ['>'] = VALUE | TARGET,
    ['?'] = VALUE | TARGET,
    ['@'] = VALUE | TARGET,
    ['A' ... 'F'] = TOKEN | VALUE | TARGET | HOST | HEX,
    ['G' ... 'Z'] = TOKEN | VALUE | TARGET | HOST,
    ['['] = VALUE | TARGET | HOST,
    ['\\'] = VALUE | TARGET,
    [']'] = VALUE | TARGET | HOST,
    ['^'] = TOKEN | VALUE | TARGET,
    ['_'] = TOKEN | VALUE | TARGET | HOST,
    ['`'] = TOKEN | VALUE | TARGET,
    ['a' ... 'f'] = TOKEN | VALUE | TARGET | HOST | HEX,
    ['g' ... 'z'] = TOKEN | VALUE | TARGET | HOST,
    ['{'] = VALUE | TARGET,
    ['|'] = TOKEN | VALUE | TARGET,
    ['}'] = VALUE | TARGET,
    ['~'] = TOKEN | VALUE | TARGET | HOST,
    [0x80 ... 0xff] = VALUE, // obs-text: opaque, and harmless there
};

static bool is_all(struct span s, uint8_t class)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(class_of[s.p[i]] & class))
            return false;
    return true;
}

bool http_is_token(struct span s)
{
    return s.n > 0 && is_all(s, TOKEN);
}

bool http_is_value(struct span s)
{
    return is_all(s, VALUE);
}

static enum http_step refuse(struct http_refusal *no, int status, const char *why)
{
    *no = (struct http_refusal){status, why};
    return HTTP_REFUSED;
}

/* A TLS hello or other noise is told off at its first byte, not at the time-out. */
static bool starts_like_a_request(const struct http_scan *s, struct span in)
{
    if (s->lines > 0 || in.n <= s->start)
        return true;
    uint8_t c = in.p[s->start];
    return (class_of[c] & TOKEN) || ((c == '\r' || c == '\n') && s->start == 0);
}

enum http_step http_scan_head(struct http_scan *s, struct span in,
                              const struct http_head_limits *lim,
                              struct http_refusal *no)
{
    size_t n = in.n < lim->head ? in.n : lim->head;

    for (;;) {
        if (!starts_like_a_request(s, in))
            return refuse(no, 400, "this is not an HTTP request");
        const uint8_t *nl = s->at < n ? memchr(in.p + s->at, '\n', n - s->at) : NULL;
        if (nl == NULL)
            break;

        size_t i = (size_t)(nl - in.p);
        if (i == s->line || in.p[i - 1] != '\r')
            return refuse(no, 400, "a line ends with LF alone, not with CR LF");
        bool empty = i - s->line == 1;
        s->at = s->line = i + 1;
        if (!empty) {
            s->lines++;
        } else if (s->lines > 0) {
            s->end = i + 1;
            return HTTP_WHOLE;
        } else if (s->start == 0) {
            s->start = i + 1; // RFC 9112 2.2: one stray CR LF after a POST of old
        } else {
            return refuse(no, 400, "empty lines where a request line was wanted");
        }
    }
    s->at = n;
    if (n < lim->head)
        return HTTP_MORE;
    return s->lines == 0 ? refuse(no, 414, "the request line is too long")
                         : refuse(no, 431, "the request header is too long");
}

/* Cuts the line off the front of *in; the scan has seen its CR LF. */
static struct span cut_line(struct span *in)
{
    const uint8_t *nl = memchr(in->p, '\n', in->n);
    size_t n = (size_t)(nl - in->p);
    struct span line = span_of(in->p, n - 1);

    *in = span_skip(*in, n + 1);
    return line;
}

static bool cut_at(struct span *before, struct span *rest, uint8_t mark)
{
    const uint8_t *p = rest->n > 0 ? memchr(rest->p, mark, rest->n) : NULL;

    if (p == NULL)
        return false;
    *before = span_of(rest->p, (size_t)(p - rest->p));
    *rest = span_of(p + 1, rest->n - before->n - 1); // empty is not absent
    return true;
}

static bool begins_with(struct span s, const char *lower_case)
{
    struct span wanted = span_str(lower_case);

    return s.n >= wanted.n && http_same(span_of(s.p, wanted.n), wanted);
}

/* "http://host:1/path?q" leaves "host:1" in *authority and "/path?q" in *target. */
static bool cut_authority(struct span *target, struct span *authority)
{
    size_t scheme = begins_with(*target, "http://")    ? 7
                    : begins_with(*target, "https://") ? 8
                                                       : 0;
    if (scheme == 0)
        return false;

    struct span rest = span_of(target->p + scheme, target->n - scheme);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    *authority = span_of(rest.p, n);
    *target = span_of(rest.p + n, rest.n - n);
    return n > 0 && is_all(*authority, HOST);
}

static enum http_step read_target(struct http_head *h, struct span target,
                                  struct span *authority, struct http_refusal *no)
{
    if (target.n == 0 || !is_all(target, TARGET))
        return refuse(no, 400, "the request target has a byte no URI has");
    if (span_eq(target, span_str("*")) && h->method == HTTP_OPTIONS) {
        h->path = target;
        return HTTP_WHOLE;
    }
    if (target.p[0] != '/' && !cut_authority(&target, authority))
        return refuse(no, 400, "the request target is neither a path nor an http URL");

    h->query = target;
    if (!cut_at(&h->path, &h->query, '?')) {
        h->path = target;
        h->query = (struct span){0};
    }
    if (h->path.n == 0) // "http://host?q": RFC 9110 4.2.3
        h->path = span_str("/");
    return HTTP_WHOLE;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static enum http_step read_version(struct http_head *h, struct span v,
                                   struct http_refusal *no)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || !is_digit(v.p[5]) ||
        v.p[6] != '.' || !is_digit(v.p[7]))
        return refuse(no, 400, "the request line does not end with an HTTP version");
    if (v.p[5] != '1' || v.p[7] > '1')
        return refuse(no, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    h->minor = v.p[7] - '0';
    return HTTP_WHOLE;
}

static enum http_step read_request_line(struct http_head *h, struct span line,
                                        struct span *authority,
                                        const struct http_head_limits *lim,
                                        struct http_refusal *no)
{
    struct span method, target;

    if (!cut_at(&method, &line, ' ') || !http_is_token(method))
        return refuse(no, 400, "the request line does not begin with a method");
    if (!cut_at(&target, &line, ' '))
        return refuse(no, 400, "the request line is not method, target, version");
    if (target.n > lim->target)
        return refuse(no, 414, "the request target is too long");
    if (read_version(h, line, no) != HTTP_WHOLE)
        return HTTP_REFUSED;
    if (!http_method_of(method, &h->method))
        return refuse(no, 501, "this method is not implemented");
    return read_target(h, target, authority, no);
}

static struct span trim(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_of(s.p + 1, s.n - 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static enum http_step read_field(struct http_field *f, struct span line,
                                 struct http_refusal *no)
{
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return refuse(no, 400, "a header field is folded over two lines");
    if (!cut_at(&f->name, &line, ':'))
        return refuse(no, 400, "a header field has no colon");
    if (!http_is_token(f->name))
        return refuse(no, 400, "a header field's name has a byte no name has");
    if (!http_is_value(line))
        return refuse(no, 400, "a header field's value has a control character");
    f->value = trim(line);
    return HTTP_WHOLE;
}

/* The fields that decide where the message ends and what becomes of the connection. */
struct framing {
    struct span host, length, coding, expect;
    size_t hosts, lengths, codings, expects;
    bool close, keep_alive;
};

static void note(struct span *value, size_t *count, struct span v)
{
    *value = v;
    ++*count;
}

static void note_field(struct framing *g, const struct http_field *f)
{
    switch (f->name.n) {
    case 4:
        if (http_same(f->name, span_str("host")))
            note(&g->host, &g->hosts, f->value);
        break;
    case 6:
        if (http_same(f->name, span_str("expect")))
            note(&g->expect, &g->expects, f->value);
        break;
    case 10:
        if (http_same(f->name, span_str("connection"))) {
            g->close |= http_list_has(f->value, "close");
            g->keep_alive |= http_list_has(f->value, "keep-alive");
        }
        break;
    case 14:
        if (http_same(f->name, span_str("content-length")))
            note(&g->length, &g->lengths, f->value);
        break;
    case 17:
        if (http_same(f->name, span_str("transfer-encoding")))
            note(&g->coding, &g->codings, f->value);
        break;
    }
}

static enum http_step check_host(const struct http_head *h, const struct framing *g,
                                 struct span authority, struct http_refusal *no)
{
    if (g->hosts > 1)
        return refuse(no, 400, "more than one Host");
    if (g->hosts == 0)
        return h->minor == 0 ? HTTP_WHOLE : refuse(no, 400, "no Host");
    if (!is_all(g->host, HOST))
        return refuse(no, 400, "Host is not a host name and port");
    if (authority.n > 0 && !http_same(authority, g->host))
        return refuse(no, 400, "Host is not the host of the request target");
    return HTTP_WHOLE;
}

/* RFC 9112 6.1: a coding before `chunked` could be implemented, and is not; anything
 * else leaves the length of the body open. */
static enum http_step refuse_coding(struct span coding, struct http_refusal *no)
{
    size_t n = coding.n;

    if (n > 8 && http_same(span_of(coding.p + n - 7, 7), span_str("chunked")) &&
        (coding.p[n - 8] == ',' || coding.p[n - 8] == ' ') &&
        !http_list_has(span_of(coding.p, n - 8), "chunked"))
        return refuse(no, 501, "no Transfer-Encoding but chunked is implemented");
    return refuse(no, 400, "Transfer-Encoding is not chunked");
}

static enum http_step read_length(struct http_head *h, struct span digits,
                                  struct http_refusal *no)
{
    if (digits.n == 0)
        return refuse(no, 400, "Content-Length is empty");
    for (size_t i = 0; i < digits.n; i++)
        if (!is_digit(digits.p[i]))
            return refuse(no, 400, "Content-Length is not a number");
    if (digits.n > LENGTH_DIGITS)
        return refuse(no, 413, "Content-Length has too many digits");
    for (size_t i = 0; i < digits.n; i++)
        h->length = h->length * 10 + (uint64_t)(digits.p[i] - '0');
    return HTTP_WHOLE;
}

static enum http_step check_framing(struct http_head *h, const struct framing *g,
                                    struct http_refusal *no)
{
    if (g->codings > 0 && g->lengths > 0)
        return refuse(no, 400, "both Content-Length and Transfer-Encoding");
    if (g->codings > 1)
        return refuse(no, 400, "more than one Transfer-Encoding");
    if (g->lengths > 1)
        return refuse(no, 400, "more than one Content-Length");
    if (g->codings == 1) {
        if (h->minor == 0)
            return refuse(no, 400, "Transfer-Encoding in HTTP/1.0");
        if (!http_same(g->coding, span_str("chunked")))
            return refuse_coding(g->coding, no);
        h->chunked = true;
    }
    return g->lengths == 1 ? read_length(h, g->length, no) : HTTP_WHOLE;
}

static enum http_step check_expect(struct http_head *h, const struct framing *g,
                                   struct http_refusal *no)
{
    if (g->expects == 0 || h->minor == 0)
        return HTTP_WHOLE;
    if (g->expects > 1 || !http_same(g->expect, span_str("100-continue")))
        return refuse(no, 417, "Expect is not 100-continue");
    h->expects_100 = h->chunked || h->length > 0;
    return HTTP_WHOLE;
}

enum http_step http_read_head(struct http_head *out, struct span in,
                              struct http_field *fields,
                              const struct http_head_limits *lim,
                              struct http_refusal *no)
{
    struct span authority = {0};
    struct framing g = {0};

    *out = (struct http_head){.fields = fields};
    if (read_request_line(out, cut_line(&in), &authority, lim, no) != HTTP_WHOLE)
        return HTTP_REFUSED;
    for (;;) {
        struct span line = cut_line(&in);
        if (line.n == 0)
            break;
        if (out->nfields == lim->fields)
            return refuse(no, 431, "too many header fields");
        struct http_field *f = &fields[out->nfields];
        if (read_field(f, line, no) != HTTP_WHOLE)
            return HTTP_REFUSED;
        note_field(&g, f);
        out->nfields++;
    }
    if (check_host(out, &g, authority, no) != HTTP_WHOLE ||
        check_framing(out, &g, no) != HTTP_WHOLE)
        return HTTP_REFUSED;
    out->keep_alive = !g.close && (out->minor == 1 || g.keep_alive);
    return check_expect(out, &g, no);
}

enum {
    BODY_OVER,
    BODY_PLAIN,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
};

enum http_step http_body_begin(struct http_body *b, const struct http_head *h,
                               uint64_t max, struct http_refusal *no)
{
    *b = (struct http_body){.chunked = h->chunked, .left = h->length, .max = max};
    b->state = h->chunked ? CHUNK_SIZE : h->length > 0 ? BODY_PLAIN : BODY_OVER;
    if (h->length > max)
        return refuse(no, 413, "the body is longer than is taken here");
    return b->state == BODY_OVER ? HTTP_WHOLE : HTTP_MORE;
}

static enum http_step drop(struct http_body *b, struct http_refusal *no)
{
    if (++b->dropped > DROPPED_MOST)
        return refuse(no, 431, "chunk extensions and trailers are too long");
    return HTTP_MORE;
}

static uint64_t hex_value(uint8_t c)
{
    return is_digit(c) ? (uint64_t)(c - '0') : (uint64_t)((c | 0x20) - 'a' + 10);
}

static enum http_step size_byte(struct http_body *b, uint8_t c, struct http_refusal *no)
{
    if (class_of[c] & HEX) {
        if (b->digits++ == CHUNK_DIGITS)
            return refuse(no, 400, "a chunk size has too many digits");
        b->left = b->left << 4 | hex_value(c);
        return HTTP_MORE;
    }
    if (b->digits == 0)
        return refuse(no, 400, "a chunk does not begin with its size");
    if (c != '\r' && c != ';')
        return refuse(no, 400, "a chunk size has a byte that is no hex digit");
    b->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return HTTP_MORE;
}

static enum http_step size_is_known(struct http_body *b, struct http_refusal *no)
{
    if (b->left > b->max - b->total)
        return refuse(no, 413, "the body is longer than is taken here");
    b->digits = 0;
    b->state = b->left > 0 ? CHUNK_DATA : TRAILER_START;
    return HTTP_MORE;
}

/* One byte of a chunked body that is not data. */
static enum http_step frame_byte(struct http_body *b, uint8_t c,
                                 struct http_refusal *no)
{
    switch (b->state) {
    case CHUNK_SIZE: return size_byte(b, c, no);
    case CHUNK_EXTENSION:
        if (c == '\r')
            b->state = CHUNK_SIZE_LF;
        else if (!(class_of[c] & VALUE))
            return refuse(no, 400, "a chunk extension has a control character");
        return drop(b, no);
    case CHUNK_SIZE_LF:
        if (c != '\n')
            return refuse(no, 400, "a chunk size ends with CR alone, not with CR LF");
        return size_is_known(b, no);
    case CHUNK_CR:
    case CHUNK_LF:
        if (c != (b->state == CHUNK_CR ? '\r' : '\n'))
            return refuse(no, 400, "a chunk is not followed by CR LF");
        b->state = b->state == CHUNK_CR ? CHUNK_LF : CHUNK_SIZE;
        return HTTP_MORE;
    case TRAILER_START:
        if (c == '\r') {
            b->state = LAST_LF;
            return HTTP_MORE;
        }
        b->state = TRAILER_NAME;
        if (c == ':')
            return refuse(no, 400, "a trailer field has no name");
        // fall through
    case TRAILER_NAME:
        if (c == ':')
            b->state = TRAILER_VALUE;
        else if (!(class_of[c] & TOKEN))
            return refuse(no, 400, "a trailer field's name has a byte no name has");
        return drop(b, no);
    case TRAILER_VALUE:
        if (c == '\r')
            b->state = TRAILER_LF;
        else if (!(class_of[c] & VALUE))
            return refuse(no, 400, "a trailer field's value has a control character");
        return drop(b, no);
    case TRAILER_LF:
        if (c != '\n')
            return refuse(no, 400, "a trailer ends with CR alone, not with CR LF");
        b->state = TRAILER_START;
        return drop(b, no);
    default: // LAST_LF
        if (c != '\n')
            return refuse(no, 400, "the last line ends with CR alone, not with CR LF");
        b->state = BODY_OVER;
        return HTTP_WHOLE;
    }
}

static enum http_step take_data(struct http_body *b, struct span *in, struct span *data)
{
    size_t n = in->n < b->left ? in->n : (size_t)b->left;

    *data = span_of(in->p, n);
    *in = span_of(in->p + n, in->n - n);
    b->left -= n;
    b->total += n;
    if (b->left == 0)
        b->state = b->state == BODY_PLAIN ? BODY_OVER : CHUNK_CR;
    return HTTP_DATA;
}

enum http_step http_read_body(struct http_body *b, struct span *in, struct span *data,
                              struct http_refusal *no)
{
    while (b->state != BODY_OVER && in->n > 0) {
        if (b->state == BODY_PLAIN || b->state == CHUNK_DATA)
            return take_data(b, in, data);
        uint8_t c = in->p[0];
        *in = span_of(in->p + 1, in->n - 1);
        enum http_step step = frame_byte(b, c, no);
        if (step == HTTP_REFUSED)
            return step;
    }
    return b->state == BODY_OVER ? HTTP_WHOLE : HTTP_MORE;
}

#include "avro-core/encode_inside.h"
#include "avro-core/text_scan.h"

#include <stdio.h>

const uint8_t text_tokens[256] = {
    ['n'] = TOKEN_NULL,   ['t'] = TOKEN_BOOL,   ['f'] = TOKEN_BOOL,
    ['-'] = TOKEN_NUMBER, ['0'] = TOKEN_NUMBER, ['1'] = TOKEN_NUMBER,
    ['2'] = TOKEN_NUMBER, ['3'] = TOKEN_NUMBER, ['4'] = TOKEN_NUMBER,
    ['5'] = TOKEN_NUMBER, ['6'] = TOKEN_NUMBER, ['7'] = TOKEN_NUMBER,
    ['8'] = TOKEN_NUMBER, ['9'] = TOKEN_NUMBER, ['"'] = TOKEN_STRING,
    ['['] = TOKEN_ARRAY,  ['{'] = TOKEN_OBJECT,
};

static bool is_more(const uint8_t *p)
{
    return (*p & 0xc0) == 0x80;
}

/*
 * Bytes of the UTF-8 sequence at `p` (RFC 3629: shortest form, no surrogates, up to
 * U+10FFFF), 0 when it is none.
 */
static size_t utf8_length(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    uint8_t c = p[0];

    if (c < 0x80)
        return 1;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return left > 1 && is_more(p + 1) ? 2 : 0;
    if (c < 0xf0) {
        if (left < 3 || !is_more(p + 1) || !is_more(p + 2))
            return 0;
        return (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] >= 0xa0) ? 0 : 3;
    }
    if (c > 0xf4 || left < 4 || !is_more(p + 1) || !is_more(p + 2) || !is_more(p + 3))
        return 0;
    return (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] >= 0x90) ? 0 : 4;
}

bool text_is_utf8(struct span s)
{
    const uint8_t *p = s.p, *end = p + s.n;

    while (p < end) {
        size_t n = utf8_length(p, end);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* Noted once a string; the reading goes on, for the string's end is not in doubt. */
static bool note_bad(struct walk *w, struct string *s, const uint8_t *at,
                     const char *wanted)
{
    char found[40];

    if (w->trying > 0)
        return false;
    if (!s->bad) {
        if (*at == '\\')
            snprintf(found, sizeof found, "%.6s", (const char *)at);
        else
            snprintf(found, sizeof found, "byte 0x%02x", *at);
        walk_note_text(w, "utf8", at, span_str(wanted), found);
    }
    s->bad = true;
    return true;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of \uXXXX at `p`, -1 when it is none. */
static int32_t code_unit(const uint8_t *p, const uint8_t *end)
{
    int32_t x = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int h = hex(p[i]);
        if (h < 0)
            return -1;
        x = x << 4 | h;
    }
    return x;
}

static bool is_high(int32_t u)
{
    return u >= 0xd800 && u < 0xdc00;
}

static bool is_low(int32_t u)
{
    return u >= 0xdc00 && u < 0xe000;
}

/* Steps over the escape at *at. */
static bool scan_escape(struct walk *w, struct string *s, const uint8_t **at)
{
    const uint8_t *p = *at;

    s->escaped = true;
    if (w->end - p < 2 || p[1] == '\0' || strchr("\"\\/bfnrtu", p[1]) == NULL)
        return walk_no_json(w, w->end - p < 2 ? w->end : p + 1,
                            "an escape: one of \"\\/bfnrtu");
    if (p[1] != 'u') {
        *at = p + 2;
        return true;
    }
    int32_t u = code_unit(p, w->end);
    if (u < 0)
        return walk_no_json(w, p + 2 < w->end ? p + 2 : w->end,
                            "four hexadecimal digits");
    *at = p + 6;
    if (is_high(u) && is_low(code_unit(*at, w->end))) {
        *at += 6;
        return true;
    }
    return is_high(u) || is_low(u)
               ? note_bad(w, s, p, "both halves of a surrogate pair")
               : true;
}

bool text_scan(struct walk *w, struct string *s)
{
    const uint8_t *p = w->p + 1, *first = p;

    s->escaped = s->bad = false;
    for (;;) {
        p = scan_plain(p, w->end);
        if (p == w->end)
            return walk_no_json(w, p, "'\"' after the string");
        if (*p == '"')
            break;
        if (*p == '\\') {
            if (!scan_escape(w, s, &p))
                return false;
            continue;
        }
        if (*p < 0x20)
            return walk_no_json(w, p, "control characters escaped");
        size_t n = utf8_length(p, w->end);
        if (n == 0 && !note_bad(w, s, p, "UTF-8"))
            return false;
        p += n > 0 ? n : 1;
    }
    s->raw = span_of(first, (size_t)(p - first));
    w->p = p + 1;
    return true;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xe0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *to++ = (uint8_t)(0xf0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return to;
}

static uint8_t *put_unit(uint8_t *to, const uint8_t **p, const uint8_t *end)
{
    uint32_t c = (uint32_t)code_unit(*p, end);

    *p += 6;
    if (is_high((int32_t)c)) {
        int32_t low = code_unit(*p, end);
        if (is_low(low)) {
            c = 0x10000 + ((c - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
            *p += 6;
        }
    }
    return put_utf8(to, c);
}

static uint8_t escaped_by(uint8_t c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

size_t text_unescape(uint8_t *to, struct span raw)
{
    const uint8_t *p = raw.p, *end = p + raw.n;
    uint8_t *first = to;

    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (p[1] == 'u') {
            to = put_unit(to, &p, end);
        } else {
            *to++ = escaped_by(p[1]);
            p += 2;
        }
    }
    return (size_t)(to - first);
}

/*
 * The string's text: borrowed from the JSON where nothing is escaped, else unescaped
 * into the free output far enough behind w->w that writing raw.n + 64 bytes there does
 * not touch it, with as much room again as the text is long: nothing need grow while it
 * is in use.
 */
bool text_plain(struct walk *w, const struct string *s, struct span *plain)
{
    size_t ahead = s->raw.n + 64;

    if (!s->escaped) {
        *plain = s->raw;
        return true;
    }
    if (!walk_room(w, 2 * ahead))
        return false;
    *plain = span_of(w->w + ahead, text_unescape(w->w + ahead, s->raw));
    return true;
}

static bool skip_word(struct walk *w, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < n; i++, w->p++)
        if (w->p == w->end || *w->p != (uint8_t)word[i])
            return walk_no_json(w, w->p, word);
    return true;
}

static bool skip_number(struct walk *w)
{
    struct number x;

    if (!number_scan(&x, span_of(w->p, (size_t)(w->end - w->p))))
        return walk_no_json(w, w->p, "a number");
    w->p += x.text.n;
    return true;
}

static bool skip_string(struct walk *w)
{
    struct string s;

    return text_scan(w, &s);
}

/* Which of the containers around us are objects: a stack of bits, no recursion. */
#define SKIP_DEPTH 1024
struct nest {
    size_t depth;
    uint8_t object[SKIP_DEPTH / 8];
};

static bool in_object(const struct nest *n)
{
    return (n->object[(n->depth - 1) / 8] >> (n->depth - 1) % 8 & 1) != 0;
}

static bool skip_key(struct walk *w)
{
    walk_blanks(w);
    if (walk_token(w) != TOKEN_STRING)
        return walk_no_json(w, w->p, "a name in quotes");
    if (!skip_string(w))
        return false;
    if (!walk_take(w, ':'))
        return walk_no_json(w, w->p, "':'");
    return true;
}

/* Opens the container at w->p; *open tells whether there is a first value in it. */
static bool skip_open(struct walk *w, struct nest *n, bool object, bool *open)
{
    if (n->depth == SKIP_DEPTH)
        return walk_no_json(w, w->p, "at most 1024 levels");
    uint8_t bit = (uint8_t)(1 << n->depth % 8), *at = &n->object[n->depth / 8];
    *at = object ? *at | bit : *at & (uint8_t)~bit;
    n->depth++;
    w->p++;
    *open = !walk_take(w, object ? '}' : ']');
    if (!*open)
        n->depth--;
    return !*open || !object || skip_key(w);
}

/* Behind a value: closes what closes; *next tells whether another value follows. */
static bool skip_close(struct walk *w, struct nest *n, bool *next)
{
    *next = false;
    while (n->depth > 0) {
        bool object = in_object(n);
        if (walk_take(w, ',')) {
            *next = true;
            return !object || skip_key(w);
        }
        if (!walk_take(w, object ? '}' : ']'))
            return walk_no_json(w, w->p, object ? "',' or '}'" : "',' or ']'");
        n->depth--;
    }
    return true;
}

static bool skip_scalar(struct walk *w)
{
    switch (walk_token(w)) {
    case TOKEN_NULL: return skip_word(w, "null");
    case TOKEN_BOOL: return skip_word(w, *w->p == 't' ? "true" : "false");
    case TOKEN_NUMBER: return skip_number(w);
    case TOKEN_STRING: return skip_string(w);
    default: return walk_no_json(w, w->p, "a value");
    }
}

bool text_skip(struct walk *w)
{
    struct nest nest = {.depth = 0};
    bool more = true;

    while (more) {
        walk_blanks(w);
        enum token t = walk_token(w);
        bool open = false;
        if (t == TOKEN_ARRAY || t == TOKEN_OBJECT) {
            if (!skip_open(w, &nest, t == TOKEN_OBJECT, &open))
                return false;
        } else if (!skip_scalar(w)) {
            return false;
        }
        if (!open && !skip_close(w, &nest, &more))
            return false;
    }
    return true;
}

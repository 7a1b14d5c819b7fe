#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_DEFAULT 64
#define VALUES_DEFAULT 1000000

static const char *const kind_names[] = {
    [JSON_NULL] = "null",     [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
    [JSON_NUMBER] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
    [JSON_OBJECT] = "object",
};

bool json_is_blank(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (memchr(" \t\r\n", text.p[i], 4) == NULL)
            return false;
    return true;
}

const char *json_kind_name(enum json_kind k)
{
    return kind_names[k];
}

/* ---- reading ---- */

struct reader {
    struct span text;
    size_t at;
    struct arena *a;
    struct err *e;
    size_t depth, depth_most;
    size_t values, values_most;
};

void json_place(struct span text, size_t at, size_t *line, size_t *column)
{
    size_t start = 0;

    *line = 1;
    for (size_t i = 0; i < at && i < text.n; i++)
        if (text.p[i] == '\n') {
            (*line)++;
            start = i + 1;
        }
    *column = at - start + 1;
}

static enum err_kind refuse_at(struct reader *r, size_t at, enum err_kind kind)
{
    size_t line, column;

    json_place(r->text, at, &line, &column);
    r->e->kind = kind;
    return err_prefix(r->e, "%zu:%zu", line, column);
}

/* "3:7: ']', wanted a value" */
static enum err_kind wanted(struct reader *r, const char *what)
{
    if (r->at >= r->text.n)
        err_set(r->e, ERR_INVALID, "end of text, wanted %s", what);
    else if (r->text.p[r->at] > 0x20 && r->text.p[r->at] < 0x7f)
        err_set(r->e, ERR_INVALID, "'%c', wanted %s", r->text.p[r->at], what);
    else
        err_set(r->e, ERR_INVALID, "byte 0x%02x, wanted %s", r->text.p[r->at], what);
    return refuse_at(r, r->at, ERR_INVALID);
}

/* The byte at hand, -1 at the end. */
static int peek(const struct reader *r)
{
    return r->at < r->text.n ? r->text.p[r->at] : -1;
}

static void skip_space(struct reader *r)
{
    int c;

    while ((c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        r->at++;
}

/*
 * Length of the UTF-8 character at `p`, 0 when it is none (RFC 3629: no surrogates, no
 * overlong forms, nothing past U+10FFFF).
 */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first, last; // of the leading byte
        uint8_t low, high;   // of the second byte, where the traps are
        uint8_t n;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        if (rows[i].n > n)
            return 0;
        if (rows[i].n > 1 && (p[1] < rows[i].low || p[1] > rows[i].high))
            return 0;
        for (size_t k = 2; k < rows[i].n; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return rows[i].n;
    }
    return 0;
}

static size_t utf8_put(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* Walks to the closing quote, checking what needs no unescaping. */
static enum err_kind scan_string(struct reader *r, bool *escaped)
{
    const uint8_t *p = r->text.p;

    *escaped = false;
    for (;;) {
        if (r->at >= r->text.n)
            return wanted(r, "'\"' at the end of the string");
        uint8_t c = p[r->at];
        if (c == '"')
            return ERR_OK;
        if (c < 0x20)
            return wanted(r, "it escaped in a string");
        if (c == '\\') {
            *escaped = true;
            r->at++;
            r->at += peek(r) == '"' || peek(r) == '\\';
            continue;
        }
        size_t n = c < 0x80 ? 1 : utf8_length(p + r->at, r->text.n - r->at);
        if (n == 0)
            return wanted(r, "UTF-8");
        r->at += n;
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Four digits at r->at, before `end`; stands behind them. */
static enum err_kind read_hex(struct reader *r, size_t end, uint32_t *out)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++, r->at++) {
        int digit = r->at < end ? hex_value(r->text.p[r->at]) : -1;
        if (digit < 0)
            return wanted(r, "four hexadecimal digits");
        v = v << 4 | (uint32_t)digit;
    }
    *out = v;
    return ERR_OK;
}

static enum err_kind lone_surrogate(struct reader *r, size_t at, uint32_t c)
{
    err_set(r->e, ERR_INVALID, "\\u%04x is half a surrogate pair, wanted both halves",
            (unsigned)c);
    return refuse_at(r, at, ERR_INVALID);
}

/* Behind "\u": one character, of one escape or two. */
static enum err_kind read_escaped_u(struct reader *r, size_t end, uint32_t *out)
{
    size_t start = r->at - 2;
    uint32_t high = 0, low = 0;

    TRY(read_hex(r, end, &high));
    if (high < 0xd800 || high > 0xdfff) {
        *out = high;
        return ERR_OK;
    }
    if (high > 0xdbff || end - r->at < 2 || r->text.p[r->at] != '\\' ||
        r->text.p[r->at + 1] != 'u')
        return lone_surrogate(r, start, high);
    r->at += 2;
    TRY(read_hex(r, end, &low));
    if (low < 0xdc00 || low > 0xdfff)
        return lone_surrogate(r, start, high);
    *out = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return ERR_OK;
}

/* Behind '\\': one character. */
static enum err_kind read_escape(struct reader *r, size_t end, uint32_t *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint8_t c = r->text.p[r->at];

    if (c == 'u') {
        r->at++;
        return read_escaped_u(r, end, out);
    }
    const char *hit = c != 0 ? strchr(from, c) : NULL;
    if (hit == NULL)
        return wanted(r, "one of \"\\/bfnrtu behind '\\'");
    *out = (uint8_t)to[hit - from];
    r->at++;
    return ERR_OK;
}

/* [start, end) into the arena; never longer than it was. */
static enum err_kind unescape(struct reader *r, size_t start, size_t end,
                              struct span *out)
{
    uint8_t *to = arena_alloc(r->a, end - start);
    size_t n = 0;

    r->at = start;
    while (r->at < end) {
        uint32_t c = 0;

        if (r->text.p[r->at] != '\\') {
            to[n++] = r->text.p[r->at++];
            continue;
        }
        r->at++;
        TRY(read_escape(r, end, &c));
        n += utf8_put(to + n, c);
    }
    *out = span_of(to, n);
    return ERR_OK;
}

/* At the opening quote; stands behind the closing one. */
static enum err_kind read_string(struct reader *r, struct span *out)
{
    size_t start = ++r->at;
    bool escaped;

    TRY(scan_string(r, &escaped));
    size_t end = r->at;
    if (escaped)
        TRY(unescape(r, start, end, out));
    else
        *out = span_of(r->text.p + start, end - start);
    r->at = end + 1;
    return ERR_OK;
}

static enum err_kind skip_digits(struct reader *r)
{
    int c = peek(r);

    if (c < '0' || c > '9')
        return wanted(r, "a digit");
    while ((c = peek(r)) >= '0' && c <= '9')
        r->at++;
    return ERR_OK;
}

static enum err_kind read_number(struct reader *r, struct json *j)
{
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0') {
        r->at++;
        if (peek(r) >= '0' && peek(r) <= '9')
            return wanted(r, "no digit behind a leading 0");
    } else {
        TRY(skip_digits(r));
    }
    if (peek(r) == '.') {
        r->at++;
        TRY(skip_digits(r));
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        TRY(skip_digits(r));
    }
    j->text = span_of(r->text.p + j->at, r->at - j->at);
    return ERR_OK;
}

static enum err_kind read_word(struct reader *r, const char *word)
{
    for (const char *w = word; *w != '\0'; w++, r->at++)
        if (peek(r) != *w) {
            char what[32];
            snprintf(what, sizeof what, "%s", word);
            return wanted(r, what);
        }
    return ERR_OK;
}

/* What a value's first byte makes it; false when no value begins so. */
static bool kind_of(int c, enum json_kind *k)
{
    switch (c) {
    case 'n': *k = JSON_NULL; return true;
    case 'f': *k = JSON_FALSE; return true;
    case 't': *k = JSON_TRUE; return true;
    case '"': *k = JSON_STRING; return true;
    case '[': *k = JSON_ARRAY; return true;
    case '{': *k = JSON_OBJECT; return true;
    default: *k = JSON_NUMBER; return c == '-' || (c >= '0' && c <= '9');
    }
}

static enum err_kind enter(struct reader *r)
{
    if (++r->depth > r->depth_most) {
        err_set(r->e, ERR_LIMIT, "more than %zu containers inside each other",
                r->depth_most);
        return refuse_at(r, r->at, ERR_LIMIT);
    }
    r->at++;
    return ERR_OK;
}

/* A scalar whole, of a container only its opening bracket. */
static enum err_kind begin_value(struct reader *r, struct json *j)
{
    if (!kind_of(peek(r), &j->kind))
        return wanted(r, "a value");
    if (++r->values > r->values_most) {
        err_set(r->e, ERR_LIMIT, "more than %zu values", r->values_most);
        return refuse_at(r, r->at, ERR_LIMIT);
    }
    j->at = r->at;
    switch (j->kind) {
    case JSON_NULL: TRY(read_word(r, "null")); break;
    case JSON_FALSE: TRY(read_word(r, "false")); break;
    case JSON_TRUE: TRY(read_word(r, "true")); break;
    case JSON_STRING: TRY(read_string(r, &j->text)); break;
    case JSON_NUMBER: TRY(read_number(r, j)); break;
    case JSON_ARRAY:
    case JSON_OBJECT: TRY(enter(r)); break;
    }
    j->end = r->at;
    return ERR_OK;
}

static int by_name(const void *va, const void *vb)
{
    const struct json *const *a = va, *const *b = vb;
    size_t n = (*a)->name.n < (*b)->name.n ? (*a)->name.n : (*b)->name.n;
    int d = n > 0 ? memcmp((*a)->name.p, (*b)->name.p, n) : 0;

    if (d != 0)
        return d;
    if ((*a)->name.n != (*b)->name.n)
        return (*a)->name.n < (*b)->name.n ? -1 : 1;
    return (*a)->name_at < (*b)->name_at ? -1 : 1;
}

static enum err_kind stands_twice(struct reader *r, const struct json *first,
                                  const struct json *again)
{
    size_t line, column;

    json_place(r->text, first->name_at, &line, &column);
    err_set(r->e, ERR_INVALID, "name \"" SPAN_FMT "\" again, the first is at %zu:%zu",
            SPAN_ARG(again->name), line, column);
    return refuse_at(r, again->name_at, ERR_INVALID);
}

/* Each with each: for the few members that most objects have. */
static enum err_kind check_few_names(struct reader *r, const struct json *obj)
{
    for (const struct json *m = obj->first; m != NULL; m = m->next)
        for (const struct json *k = obj->first; k != m; k = k->next)
            if (span_eq(k->name, m->name))
                return stands_twice(r, k, m);
    return ERR_OK;
}

#define FEW_NAMES 12

/* Sorted, because a stranger may send a hundred thousand and choose them against a
 * hash. */
static enum err_kind check_names(struct reader *r, const struct json *obj)
{
    const struct json **sorted, *m = obj->first;
    const struct json *first = NULL, *again = NULL;

    if (obj->n <= FEW_NAMES)
        return check_few_names(r, obj);
    sorted = mem_array(obj->n, sizeof(struct json *));
    for (size_t i = 0; i < obj->n; i++, m = m->next)
        sorted[i] = m;
    qsort(sorted, obj->n, sizeof *sorted, by_name);
    for (size_t i = 1; i < obj->n; i++)
        if (span_eq(sorted[i - 1]->name, sorted[i]->name) &&
            (again == NULL || sorted[i]->name_at < again->name_at)) {
            first = sorted[i - 1];
            again = sorted[i];
        }
    free(sorted);
    return again != NULL ? stands_twice(r, first, again) : ERR_OK;
}

static enum err_kind read_name(struct reader *r, struct json *member)
{
    if (peek(r) != '"')
        return wanted(r, "a name in quotes");
    member->name_at = r->at;
    TRY(read_string(r, &member->name));
    skip_space(r);
    if (peek(r) != ':')
        return wanted(r, "':'");
    r->at++;
    skip_space(r);
    return ERR_OK;
}

/* The next child of `in`, `last` being the one before it. */
static enum err_kind begin_child(struct reader *r, struct json *in, struct json *last,
                                 struct json **out)
{
    struct json *j = arena_alloc(r->a, sizeof *j);

    j->parent = in;
    if (in != NULL && in->kind == JSON_OBJECT)
        TRY(read_name(r, j));
    TRY(begin_value(r, j));
    if (in != NULL) {
        *(last != NULL ? &last->next : &in->first) = j;
        in->n++;
    }
    *out = j;
    return ERR_OK;
}

static int closing(const struct json *container)
{
    return container->kind == JSON_ARRAY ? ']' : '}';
}

static enum err_kind close_container(struct reader *r, struct json *j)
{
    r->at++;
    r->depth--;
    j->end = r->at;
    return j->kind == JSON_OBJECT ? check_names(r, j) : ERR_OK;
}

/*
 * `in` is the container being read and `last` its newest child.  There is no recursion:
 * a finished container is itself the newest child of its parent.
 */
static enum err_kind read_children(struct reader *r, struct json *in)
{
    struct json *last = NULL;

    while (in != NULL) {
        skip_space(r);
        if (peek(r) == closing(in)) {
            TRY(close_container(r, in));
            last = in;
            in = (struct json *)in->parent;
            continue;
        }
        if (last != NULL) {
            if (peek(r) != ',')
                return wanted(r, in->kind == JSON_ARRAY ? "',' or ']'" : "',' or '}'");
            r->at++;
            skip_space(r);
        }
        struct json *j;
        TRY(begin_child(r, in, last, &j));
        if (j->kind == JSON_ARRAY || j->kind == JSON_OBJECT) {
            in = j;
            last = NULL;
        } else {
            last = j;
        }
    }
    return ERR_OK;
}

enum err_kind json_read(const struct json **out, struct span text,
                        const struct json_limits *lim, struct arena *a, struct err *e)
{
    struct reader r = {
        .text = text,
        .a = a,
        .e = e,
        .depth_most = lim != NULL && lim->depth > 0 ? lim->depth : DEPTH_DEFAULT,
        .values_most = lim != NULL && lim->values > 0 ? lim->values : VALUES_DEFAULT,
    };
    struct json *root;

    skip_space(&r);
    TRY(begin_child(&r, NULL, NULL, &root));
    if (root->kind == JSON_ARRAY || root->kind == JSON_OBJECT)
        TRY(read_children(&r, root));
    skip_space(&r);
    if (r.at < text.n)
        return wanted(&r, "the end of the text");
    *out = root;
    return ERR_OK;
}

/* ---- asking ---- */

static size_t place_among(const struct json *j)
{
    size_t i = 0;

    for (const struct json *k = j->parent->first; k != j; k = k->next)
        i++;
    return i;
}

static void put_pointer_part(struct buf *out, const struct json *j)
{
    if (j->parent->kind == JSON_ARRAY) {
        buf_printf(out, "/%zu", place_among(j));
        return;
    }
    buf_put_u8(out, '/');
    for (size_t i = 0; i < j->name.n; i++) {
        if (j->name.p[i] == '~')
            buf_put_str(out, "~0");
        else if (j->name.p[i] == '/')
            buf_put_str(out, "~1");
        else
            buf_put_u8(out, j->name.p[i]);
    }
}

void json_pointer(struct buf *out, const struct json *j)
{
    size_t depth = 0;

    for (const struct json *k = j; k->parent != NULL; k = k->parent)
        depth++;
    while (depth > 0) {
        const struct json *k = j;
        for (size_t i = 1; i < depth; i++)
            k = k->parent;
        put_pointer_part(out, k);
        depth--;
    }
}

const struct json *json_member_span(const struct json *obj, struct span name)
{
    if (!json_is(obj, JSON_OBJECT))
        return NULL;
    for (const struct json *m = obj->first; m != NULL; m = m->next)
        if (span_eq(m->name, name))
            return m;
    return NULL;
}

const struct json *json_member(const struct json *obj, const char *name)
{
    return json_member_span(obj, span_str(name));
}

/* A number's text as digits * 10^power, without zeros at either end. */
struct decimal {
    bool negative;
    uint64_t digits; // as many as fit
    size_t n;        // how many there are
    int64_t power;
};

#define POWER_MOST 1000000000 // further away than any text is long

static int64_t read_exponent(struct span s)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;

    for (size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'); i < s.n; i++)
        if (v < POWER_MOST)
            v = v * 10 + (s.p[i] - '0');
    return negative ? -v : v;
}

static void add_digit(struct decimal *d, uint8_t digit, size_t *zeros)
{
    if (digit == 0) { // held back: it counts only if another digit follows
        *zeros += d->n > 0;
        return;
    }
    for (; *zeros > 0; --*zeros, d->n++)
        if (d->n < 19)
            d->digits *= 10;
    if (d->n++ < 19)
        d->digits = d->digits * 10 + digit;
}

static struct decimal read_decimal(struct span s)
{
    struct decimal d = {.negative = s.p[0] == '-'};
    size_t zeros = 0, behind_point = 0;
    bool point = false;

    for (size_t i = d.negative; i < s.n; i++) {
        if (s.p[i] == 'e' || s.p[i] == 'E') {
            d.power = read_exponent(span_skip(s, i + 1));
            break;
        }
        if (s.p[i] == '.') {
            point = true;
            continue;
        }
        behind_point += point;
        add_digit(&d, s.p[i] - '0', &zeros);
    }
    d.power += (int64_t)zeros - (int64_t)behind_point;
    return d;
}

static bool decimal_to_int(int64_t *out, struct decimal d)
{
    if (d.n == 0) {
        *out = 0;
        return true;
    }
    if (d.power < 0 || d.n > 19 || d.power > 19 - (int64_t)d.n)
        return false;
    for (; d.power > 0; d.power--)
        d.digits *= 10;
    if (d.digits > (uint64_t)INT64_MAX + d.negative)
        return false;
    *out = d.negative ? (int64_t)(0 - d.digits) : (int64_t)d.digits;
    return true;
}

enum err_kind json_int(int64_t *out, const struct json *j, int64_t min, int64_t max,
                       struct err *e)
{
    int64_t v;

    if (j == NULL)
        return err_set(e, ERR_INVALID, "nothing, wanted a whole number");
    if (j->kind != JSON_NUMBER)
        return err_set(e, ERR_INVALID, "%s, wanted a whole number",
                       json_kind_name(j->kind));
    if (!decimal_to_int(&v, read_decimal(j->text)) || v < min || v > max)
        return err_set(e, ERR_INVALID,
                       SPAN_FMT ", wanted a whole number from %" PRId64 " to %" PRId64,
                       SPAN_ARG(j->text), min, max);
    *out = v;
    return ERR_OK;
}

/* ---- writing ---- */

static void put_escaped(struct buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *hit = c != 0 ? strchr(from, c) : NULL;

    if (hit != NULL)
        buf_printf(out, "\\%c", to[hit - from]);
    else
        buf_printf(out, "\\u%04x", c);
}

static void put_text(struct buf *out, struct span s)
{
    size_t plain = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\')
            continue;
        buf_put(out, span_of(s.p + plain, i - plain));
        put_escaped(out, s.p[i]);
        plain = i + 1;
    }
    buf_put(out, span_skip(s, plain));
}

void json_put_string(struct buf *out, struct span s)
{
    size_t good;

    buf_put_u8(out, '"');
    for (; (good = utf8_good(s)) < s.n; s = span_skip(s, good + 1)) {
        put_text(out, span_of(s.p, good));
        buf_put_str(out, "\xef\xbf\xbd"); // U+FFFD
    }
    put_text(out, s);
    buf_put_u8(out, '"');
}

void json_put_int(struct buf *out, int64_t v)
{
    char digits[20]; // an answer has two for each record: printf shows in its profile
    char *end = digits + sizeof digits, *p = end;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--p = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (v < 0)
        *--p = '-';
    buf_put(out, span_of(p, (size_t)(end - p)));
}

#define DIGITS_MOST 17

/*
 * `n` digits of v > 0 in `text` as "d.ddde-7"; true when they read back as v.  At a
 * power of two the next text above the nearest one may do where the nearest does not.
 */
static bool try_digits(char text[40], double v, int n)
{
    snprintf(text, 40, "%.*e", n - 1, v);
    if (strtod(text, NULL) == v)
        return true;
    char *last = strchr(text, 'e') - 1;
    if (*last == '9')
        return false;
    ++*last;
    return strtod(text, NULL) == v;
}

/*
 * Any text of up to DBL_DIG digits survives the way through a normal double, so
 * DBL_DIG digits without their zeros are the shortest; subnormals lack that promise.
 */
static void shortest(char text[40], double v)
{
    int n = v < DBL_MIN ? 1 : DBL_DIG;

    while (!try_digits(text, v, n) && n < DIGITS_MOST)
        n++;
}

/* The digits of "d.ddde-7" without trailing zeros; how many. */
static size_t take_digits(char digits[DIGITS_MOST + 1], const char *text, int *exponent)
{
    size_t n = 0;

    for (; *text != 'e'; text++) // whatever the locale's point is, it is no digit
        if (*text >= '0' && *text <= '9')
            digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *exponent = atoi(text + 1);
    return n;
}

static void put_zeros(struct buf *out, int n)
{
    while (n-- > 0)
        buf_put_u8(out, '0');
}

/* The digits with the point behind the first `whole` of them (ECMAScript 6.1.6.1.20).
 */
static void put_digits(struct buf *out, const char *digits, size_t n, int whole)
{
    if (whole > 21 || whole <= -6) {
        buf_put(out, span_of(digits, 1));
        if (n > 1)
            buf_put_u8(out, '.');
        buf_put(out, span_of(digits + 1, n - 1));
        buf_printf(out, "e%+d", whole - 1);
    } else if (whole <= 0) {
        buf_put_str(out, "0.");
        put_zeros(out, -whole);
        buf_put(out, span_of(digits, n));
    } else if ((size_t)whole >= n) {
        buf_put(out, span_of(digits, n));
        put_zeros(out, whole - (int)n);
    } else {
        buf_put(out, span_of(digits, (size_t)whole));
        buf_put_u8(out, '.');
        buf_put(out, span_of(digits + whole, n - (size_t)whole));
    }
}

void json_put_double(struct buf *out, double v)
{
    char text[40], digits[DIGITS_MOST + 1];
    int exponent;

    assert(isfinite(v));
    if (signbit(v))
        buf_put_u8(out, '-');
    if (v == 0) {
        buf_put_u8(out, '0');
        return;
    }
    shortest(text, fabs(v));
    size_t n = take_digits(digits, text, &exponent);
    put_digits(out, digits, n, exponent + 1);
}

/* What stands before a value's children, or all of it when it cannot have any. */
static void put_opening(struct buf *out, const struct json *j, bool named)
{
    if (named) {
        json_put_string(out, j->name);
        buf_put_u8(out, ':');
    }
    switch (j->kind) {
    case JSON_NULL: buf_put_str(out, "null"); break;
    case JSON_FALSE: buf_put_str(out, "false"); break;
    case JSON_TRUE: buf_put_str(out, "true"); break;
    case JSON_NUMBER: buf_put(out, j->text); break;
    case JSON_STRING: json_put_string(out, j->text); break;
    case JSON_ARRAY: buf_put_u8(out, '['); break;
    case JSON_OBJECT: buf_put_u8(out, '{'); break;
    }
}

static void put_closing(struct buf *out, const struct json *j)
{
    if (j->kind == JSON_ARRAY || j->kind == JSON_OBJECT)
        buf_put_u8(out, (uint8_t)closing(j));
}

void json_put(struct buf *out, const struct json *j)
{
    const struct json *at = j;

    put_opening(out, j, false);
    for (;;) {
        if (at->first != NULL) {
            at = at->first;
            put_opening(out, at, at->parent->kind == JSON_OBJECT);
            continue;
        }
        put_closing(out, at);
        while (at != j && at->next == NULL) {
            at = at->parent;
            put_closing(out, at);
        }
        if (at == j)
            return;
        at = at->next;
        buf_put_u8(out, ',');
        put_opening(out, at, at->parent->kind == JSON_OBJECT);
    }
}

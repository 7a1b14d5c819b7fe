#include "avro-core/digits.h"
#include "avro-core/encode_inside.h"
#include "avro-core/text_scan.h"
#include "base/base64.h"

#define STOPPED "size" // the rule when the output is full: walk_grow() has said so

/* ---- numbers ---- */

static const char *whole_from(struct walk *w, const struct number *x, int64_t min,
                              int64_t max)
{
    int64_t v;
    enum number_fit fit = number_int64(&v, x);

    if (fit == NUMBER_FRACTION)
        return "type";
    if (fit == NUMBER_RANGE || v < min || v > max)
        return "range";
    if (!walk_room(w, VARINT))
        return STOPPED;
    w->w = varint_put(w->w, v);
    return NULL;
}

static const char *int_from_number(struct walk *w, const struct node *n,
                                   const struct number *x)
{
    (void)n;
    return whole_from(w, x, INT32_MIN, INT32_MAX);
}

static const char *long_from_number(struct walk *w, const struct node *n,
                                    const struct number *x)
{
    (void)n;
    return whole_from(w, x, INT64_MIN, INT64_MAX);
}

/* Little-endian, whatever the machine is. */
static void put_le(struct walk *w, uint64_t bits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w->w[i] = (uint8_t)(bits >> 8 * i);
    w->w += n;
}

static const char *put_double(struct walk *w, double v)
{
    uint64_t bits;

    if (!walk_room(w, sizeof bits))
        return STOPPED;
    memcpy(&bits, &v, sizeof bits);
    put_le(w, bits, sizeof bits);
    return NULL;
}

static const char *put_float(struct walk *w, float v)
{
    uint32_t bits;

    if (!walk_room(w, sizeof bits))
        return STOPPED;
    memcpy(&bits, &v, sizeof bits);
    put_le(w, bits, sizeof bits);
    return NULL;
}

static const char *double_from_number(struct walk *w, const struct node *n,
                                      const struct number *x)
{
    double v;

    (void)n;
    if (number_double(&v, x) != NUMBER_FITS)
        return "range";
    return put_double(w, v);
}

static const char *float_from_number(struct walk *w, const struct node *n,
                                     const struct number *x)
{
    float v;

    (void)n;
    if (number_float(&v, x) != NUMBER_FITS)
        return "range";
    return put_float(w, v);
}

/* JSON has no word for these; Avro's own JSON writes them as strings. */
static bool special(double *v, struct span text)
{
    static const struct {
        const char *text;
        double v;
    } specials[] = {
        {"NaN", __builtin_nan("")},
        {"Infinity", __builtin_inf()},
        {"-Infinity", -__builtin_inf()},
    };

    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (span_eq(text, span_str(specials[i].text))) {
            *v = specials[i].v;
            return true;
        }
    return false;
}

static const char *double_from_text(struct walk *w, const struct node *n,
                                    struct span text)
{
    double v;

    (void)n;
    return special(&v, text) ? put_double(w, v) : "type";
}

static const char *float_from_text(struct walk *w, const struct node *n,
                                   struct span text)
{
    double v;

    (void)n;
    return special(&v, text) ? put_float(w, (float)v) : "type";
}

/* ---- texts and bytes ---- */

/* Length and bytes; `text` may stand in the free output (text_plain). */
static const char *string_from_text(struct walk *w, const struct node *n,
                                    struct span text)
{
    (void)n;
    if (!walk_room(w, text.n + VARINT))
        return STOPPED;
    w->w = varint_put(w->w, (int64_t)text.n);
    if (text.n > 0)
        memcpy(w->w, text.p, text.n);
    w->w += text.n;
    return NULL;
}

/* Avro's JSON for bytes: each code point, up to U+00FF, is a byte. */
static bool bytes_of_points(uint8_t *to, size_t *n, struct span text)
{
    const uint8_t *p = text.p, *end = p + text.n;
    uint8_t *first = to;

    while (p < end) {
        if (*p < 0x80) {
            *to++ = *p++;
        } else if (*p <= 0xc3) { // U+0080 to U+00FF; the text is UTF-8
            *to++ = (uint8_t)(p[0] << 6 | (p[1] & 0x3f));
            p += 2;
        } else {
            return false;
        }
    }
    *n = (size_t)(to - first);
    return true;
}

/* The bytes at w->w + VARINT; NULL or the rule. */
static const char *binary_from_text(struct walk *w, struct span text, size_t *n)
{
    if (!walk_room(w, text.n + 2 * VARINT))
        return STOPPED;
    if (w->enc->options.bytes_as == AV_BYTES_AVRO_JSON)
        return bytes_of_points(w->w + VARINT, n, text) ? NULL : "bytes";
    return base64_read(w->w + VARINT, n, text) ? NULL : "base64";
}

static const char *bytes_from_text(struct walk *w, const struct node *n,
                                   struct span text)
{
    size_t size;
    const char *rule = binary_from_text(w, text, &size);

    (void)n;
    if (rule != NULL)
        return rule;
    const uint8_t *bytes = w->w + VARINT;
    w->w = varint_put(w->w, (int64_t)size);
    memmove(w->w, bytes, size);
    w->w += size;
    return NULL;
}

static const char *fixed_from_text(struct walk *w, const struct node *n,
                                   struct span text)
{
    size_t size;
    const char *rule = binary_from_text(w, text, &size);

    if (rule != NULL)
        return rule;
    if (size != n->size)
        return "fixed-size";
    memmove(w->w, w->w + VARINT, size);
    w->w += size;
    return NULL;
}

static const char *enum_from_text(struct walk *w, const struct node *n,
                                  struct span text)
{
    uint32_t i = lookup_find(&n->lookup, text);

    if (i == LOOKUP_NONE)
        return "enum";
    if (!walk_room(w, VARINT))
        return STOPPED;
    w->w = varint_put(w->w, i);
    return NULL;
}

/* ---- from JSON ---- */

static bool verdict(struct walk *w, const struct node *n, const char *rule,
                    const uint8_t *at)
{
    if (rule == NULL)
        return true;
    if (w->stopped)
        return false;
    return walk_wrong(w, n, rule, at);
}

static bool scalar_from_string(struct walk *w, const struct node *n)
{
    const uint8_t *at = w->p;
    struct string s;
    struct span text;

    if (!text_scan(w, &s))
        return false;
    if (s.bad)
        return true;
    if (!text_plain(w, &s, &text))
        return false;
    return verdict(w, n, n->from_text(w, n, text), at);
}

static bool scalar_from_number(struct walk *w, const struct node *n)
{
    const uint8_t *at = w->p;
    struct number x;

    if (!number_scan(&x, span_of(at, (size_t)(w->end - at))))
        return walk_wrong(w, n, "type", at); // no number at all: it will stop there
    w->p += x.text.n;
    return verdict(w, n, n->from_number(w, n, &x), at);
}

bool encode_scalar(struct walk *w, const struct node *n)
{
    enum token t = walk_token(w);

    if (t == TOKEN_STRING && n->from_text != NULL)
        return scalar_from_string(w, n);
    if (t == TOKEN_NUMBER && n->from_number != NULL)
        return scalar_from_number(w, n);
    return walk_wrong_kind(w, n);
}

static bool is_word(const struct walk *w, const char *word, size_t n)
{
    return (size_t)(w->end - w->p) >= n && memcmp(w->p, word, n) == 0;
}

static bool encode_null(struct walk *w, const struct node *n)
{
    if (!is_word(w, "null", 4))
        return walk_wrong_kind(w, n);
    w->p += 4;
    return true;
}

static bool encode_boolean(struct walk *w, const struct node *n)
{
    bool yes = is_word(w, "true", 4);

    if (!yes && !is_word(w, "false", 5))
        return walk_wrong_kind(w, n);
    if (!walk_room(w, 1))
        return false;
    *w->w++ = yes;
    w->p += yes ? 4 : 5;
    return true;
}

/* An integer literal of at most 18 digits, read on the way; false: look closer. */
#define SHORT_DIGITS 18

static inline bool short_literal(struct walk *w, int64_t *out)
{
    const uint8_t *p = w->p, *end = w->end;
    bool minus = p < end && *p == '-';
    uint64_t x = 0;

    p += minus;
    const uint8_t *first = p;
    p = digits_take(p, end, &x);
    size_t n = (size_t)(p - first);
    if (n - 1 >= SHORT_DIGITS || (*first == '0' && n > 1))
        return false;
    if (p < end && (*p == '.' || (*p | 0x20) == 'e'))
        return false;
    *out = minus ? -(int64_t)x : (int64_t)x;
    w->p = p;
    return true;
}

/*
 * A number of at most 15 digits without exponent, read on the way; false: look closer.
 * Such digits are a double, and so is the power of ten that divides them: the quotient
 * is rounded once (Clinger, How to Read Floating Point Numbers Accurately, 1990).
 */
#define EXACT_DIGITS 15

static inline bool short_real(struct walk *w, double *out)
{
    static const double tens[EXACT_DIGITS + 1] = {
        1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
        1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    };
    const uint8_t *p = w->p, *end = w->end;
    bool minus = p < end && *p == '-';
    uint64_t x = 0;

    p += minus;
    const uint8_t *first = p;
    p = digits_take(p, end, &x);
    size_t whole = (size_t)(p - first), fraction = 0;
    if (whole == 0 || (*first == '0' && whole > 1))
        return false;
    if (p < end && *p == '.') {
        const uint8_t *point = p++;
        p = digits_take(p, end, &x);
        fraction = (size_t)(p - point) - 1;
        if (fraction == 0)
            return false;
    }
    if (whole + fraction > EXACT_DIGITS || (p < end && (*p | 0x20) == 'e'))
        return false;
    double v = (double)(int64_t)x / tens[fraction];
    *out = minus ? -v : v;
    w->p = p;
    return true;
}

static bool encode_int(struct walk *w, const struct node *n)
{
    const uint8_t *at = w->p;
    int64_t v;

    if (!short_literal(w, &v))
        return encode_scalar(w, n);
    if (v < INT32_MIN || v > INT32_MAX)
        return walk_wrong(w, n, "range", at);
    if (!walk_room(w, VARINT))
        return false;
    w->w = varint_put(w->w, v);
    return true;
}

static bool encode_long(struct walk *w, const struct node *n)
{
    int64_t v;

    if (!short_literal(w, &v))
        return encode_scalar(w, n);
    if (!walk_room(w, VARINT))
        return false;
    w->w = varint_put(w->w, v);
    return true;
}

static bool encode_double(struct walk *w, const struct node *n)
{
    double v;

    if (!short_real(w, &v))
        return encode_scalar(w, n);
    return put_double(w, v) == NULL;
}

/* Up to SHORT_TEXT bytes are copied without asking how many, where both sides have
 * room. */
#define SHORT_TEXT 32

static bool encode_string(struct walk *w, const struct node *n)
{
    if (walk_token(w) != TOKEN_STRING)
        return walk_wrong_kind(w, n);

    const uint8_t *s = w->p + 1, *q = scan_plain(s, w->end);
    size_t size = (size_t)(q - s);
    if (q == w->end || *q != '"')
        return scalar_from_string(w, n); // escapes, UTF-8 or trouble
    if (!walk_room(w, size + VARINT + SHORT_TEXT))
        return false;
    uint8_t *to = varint_put(w->w, (int64_t)size);
    if (size <= SHORT_TEXT && w->end - s >= SHORT_TEXT)
        memcpy(to, s, SHORT_TEXT);
    else
        memcpy(to, s, size);
    w->w = to + size;
    w->p = q + 1;
    return true;
}

static const struct kind kinds[] = {
    {AV_NULL, AV_PLAIN, encode_null, NULL, NULL},
    {AV_BOOLEAN, AV_PLAIN, encode_boolean, NULL, NULL},
    {AV_INT, AV_PLAIN, encode_int, NULL, int_from_number},
    {AV_LONG, AV_PLAIN, encode_long, NULL, long_from_number},
    {AV_FLOAT, AV_PLAIN, encode_scalar, float_from_text, float_from_number},
    {AV_DOUBLE, AV_PLAIN, encode_double, double_from_text, double_from_number},
    {AV_BYTES, AV_PLAIN, encode_scalar, bytes_from_text, NULL},
    {AV_STRING, AV_PLAIN, encode_string, string_from_text, NULL},
    {AV_ENUM, AV_PLAIN, encode_scalar, enum_from_text, NULL},
    {AV_FIXED, AV_PLAIN, encode_scalar, fixed_from_text, NULL},
};

const struct kind *scalar_kind(const struct av_node *n, bool strict)
{
    if (!strict && n->logical != AV_PLAIN && logical_kind(n) != NULL)
        return logical_kind(n);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == n->type)
            return &kinds[i];
    return NULL;
}

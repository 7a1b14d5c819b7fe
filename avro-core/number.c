#include "avro-core/number.h"

#define LEAD_DIGITS 19

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

static const uint8_t *digits_end(const uint8_t *p, const uint8_t *end, uint64_t *sum)
{
    uint64_t x = *sum;

    while (p < end && is_digit(*p))
        x = x * 10 + (uint64_t)(*p++ - '0');
    *sum = x;
    return p;
}

/* Digit `i` of the whole part and the fraction, seen as one run. */
static unsigned digit(const struct number *n, size_t i)
{
    return (unsigned)(i < n->whole.n ? n->whole.p[i] : n->fraction.p[i - n->whole.n]) -
           '0';
}

static size_t digits(const struct number *n)
{
    return n->whole.n + n->fraction.n;
}

static size_t leading_zeros(const struct number *n)
{
    size_t i = 0, all = digits(n);

    while (i < all && digit(n, i) == 0)
        i++;
    return i;
}

/* More digits than a uint64 holds: the first 19 that count, and where they stand. */
static void recount(struct number *n)
{
    size_t first = leading_zeros(n), all = digits(n);
    size_t last = all - first < LEAD_DIGITS ? all : first + LEAD_DIGITS;

    n->lead = 0;
    for (size_t i = first; i < last; i++)
        n->lead = n->lead * 10 + digit(n, i);
    n->power += (int64_t)(all - last);
    for (size_t i = last; i < all && !n->over; i++)
        n->over = digit(n, i) != 0;
}

static const uint8_t *exponent_end(struct number *n, const uint8_t *p,
                                   const uint8_t *end)
{
    bool down = p < end && *p == '-';
    int64_t e = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    for (; p < end && is_digit(*p); p++)
        if (e < NUMBER_EXPONENT)
            e = e * 10 + (*p - '0');
    if (e > NUMBER_EXPONENT)
        e = NUMBER_EXPONENT;
    n->exponent = down ? -e : e;
    return p;
}

bool number_scan(struct number *out, struct span text)
{
    struct number n;
    uint64_t sum = 0;

    if (text.n == 0)
        return false;
    const uint8_t *p = text.p, *end = p + text.n;
    n.negative = *p == '-';
    p += n.negative;
    n.whole.p = p;
    p = digits_end(p, end, &sum);
    n.whole.n = (size_t)(p - n.whole.p);
    if (n.whole.n == 0 || (n.whole.n > 1 && *n.whole.p == '0'))
        return false;
    n.fraction = span_of(p, 0);
    n.exponent = 0;
    n.plain = true;
    if (p < end && *p == '.') {
        n.fraction.p = ++p;
        p = digits_end(p, end, &sum);
        n.fraction.n = (size_t)(p - n.fraction.p);
        n.plain = false;
        if (n.fraction.n == 0)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p = exponent_end(&n, p + 1, end);
        n.plain = false;
        if (p == NULL)
            return false;
    }
    n.text = span_of(text.p, (size_t)(p - text.p));
    n.lead = sum;
    n.power = n.exponent - (int64_t)n.fraction.n;
    n.over = false;
    if (n.whole.n + n.fraction.n > LEAD_DIGITS)
        recount(&n);
    *out = n;
    return true;
}

static enum number_fit whole_magnitude(uint64_t *out, const struct number *n)
{
    uint64_t m = n->lead;
    int64_t power = n->power;

    if (m == 0) {
        *out = 0;
        return NUMBER_FITS;
    }
    if (n->over)
        return power > 0 ? NUMBER_RANGE : NUMBER_FRACTION;
    for (; power < 0; power++) {
        if (m % 10 != 0)
            return NUMBER_FRACTION;
        m /= 10;
    }
    for (; power > 0; power--)
        if (__builtin_mul_overflow(m, 10, &m))
            return NUMBER_RANGE;
    *out = m;
    return NUMBER_FITS;
}

enum number_fit number_int64(int64_t *out, const struct number *n)
{
    uint64_t m;
    enum number_fit fit = whole_magnitude(&m, n);

    if (fit != NUMBER_FITS)
        return fit;
    if (m > (uint64_t)INT64_MAX + n->negative)
        return NUMBER_RANGE;
    *out = (int64_t)(n->negative ? 0 - m : m);
    return NUMBER_FITS;
}

/*
 * Decimals.  `first` to `last` are the digits that count, and `zeros` more stand behind
 * them: those of the unscaled value.
 */
struct unscaled {
    size_t first, last;
    size_t zeros;
};

static bool is_zero(const struct number *n)
{
    return n->lead == 0;
}

static enum number_fit unscaled_at(struct unscaled *u, const struct number *n,
                                   int scale)
{
    int64_t shift = n->exponent - (int64_t)n->fraction.n + scale;

    *u = (struct unscaled){.first = leading_zeros(n), .last = digits(n)};
    for (; shift < 0; shift++) {
        if (u->last == u->first)
            return is_zero(n) ? NUMBER_FITS : NUMBER_FRACTION;
        if (digit(n, u->last - 1) != 0)
            return NUMBER_FRACTION;
        u->last--;
    }
    if (is_zero(n))
        return NUMBER_FITS;
    if (shift > NUMBER_DIGITS)
        return NUMBER_RANGE;
    u->zeros = (size_t)shift;
    return NUMBER_FITS;
}

/* limbs = limbs * by + plus; the number of limbs used afterwards. */
static size_t times_plus(uint64_t *limbs, size_t n, uint64_t by, uint64_t plus)
{
    unsigned __int128 carry = plus;

    for (size_t i = 0; i < n; i++) {
        carry += (unsigned __int128)limbs[i] * by;
        limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry > 0)
        limbs[n++] = (uint64_t)carry;
    return n;
}

#define CHUNK 18 // digits that go into a limb's multiplier

static size_t to_limbs(uint64_t *limbs, const struct number *n,
                       const struct unscaled *u)
{
    size_t all = u->last - u->first + u->zeros, used = 0;

    for (size_t i = 0; i < all;) {
        uint64_t by = 1, plus = 0;
        for (size_t k = 0; k < CHUNK && i < all; k++, i++) {
            by *= 10;
            plus *= 10;
            if (u->first + i < u->last)
                plus += digit(n, u->first + i);
        }
        used = times_plus(limbs, used, by, plus);
    }
    return used;
}

/* Big-endian two's complement, cut to the fewest bytes that keep the sign. */
static void to_bytes(struct number_bytes *out, uint64_t *limbs, size_t used, bool minus)
{
    uint8_t *p = out->room + sizeof out->room, *stop = p;
    bool carry = minus;

    for (size_t i = 0; i < used; i++) {
        uint64_t x = minus ? ~limbs[i] + carry : limbs[i];
        carry = carry && x == 0;
        for (int k = 0; k < 8; k++, x >>= 8)
            *--p = (uint8_t)x;
    }
    *--p = minus && used > 0 && !carry ? 0xff : 0x00;
    while (stop - p > 1 &&
           ((p[0] == 0x00 && p[1] < 0x80) || (p[0] == 0xff && p[1] >= 0x80)))
        p++;
    out->p = p;
    out->n = (size_t)(stop - p);
}

#define LIMBS ((NUMBER_BYTES - 1) / 8)
_Static_assert(LIMBS * 64 > NUMBER_DIGITS * 10 / 3, "10 bits hold 3 digits");

static enum number_fit convert(struct number_bytes *out, const struct number *n,
                               const struct unscaled *u, size_t most)
{
    uint64_t limbs[LIMBS];

    if (u->last - u->first > most || u->last - u->first + u->zeros > most)
        return NUMBER_RANGE;
    size_t used = to_limbs(limbs, n, u);
    to_bytes(out, limbs, used, n->negative && used > 0);
    return NUMBER_FITS;
}

enum number_fit number_decimal(struct number_bytes *out, const struct number *n,
                               int precision, int scale)
{
    struct unscaled u;
    enum number_fit fit = unscaled_at(&u, n, scale);

    if (fit != NUMBER_FITS)
        return fit;
    return convert(out, n, &u,
                   precision < NUMBER_DIGITS ? (size_t)precision : NUMBER_DIGITS);
}

enum number_fit number_big_decimal(struct number_bytes *out, int32_t *scale,
                                   const struct number *n)
{
    const struct unscaled u = {.first = leading_zeros(n), .last = digits(n)};
    int64_t s = (int64_t)n->fraction.n - n->exponent;

    if (s < INT32_MIN || s > INT32_MAX)
        return NUMBER_RANGE;
    *scale = (int32_t)s;
    return convert(out, n, &u, NUMBER_DIGITS);
}

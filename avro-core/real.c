/*
 * The nearest binary number to a decimal text, in three steps of rising cost:
 *
 *   exact     few digits and a small power of ten: one multiplication of doubles is
 * right by itself (William D. Clinger, "How to Read Floating Point Numbers Accurately",
 * PLDI 1990). product   the digits times a 128-bit power of five (Daniel Lemire,
 * "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (8),
 * 2021). That its 128 bits always suffice for 19 digits is proved in Noble Mushtak and
 * Daniel Lemire, "Fast Number Parsing Without Fallback", 2022. compare   more than 19
 * digits, and the 20th matters: the text is compared with the point halfway between the
 * two candidates, in whole numbers of any length.
 */
#include "avro-core/number.h"
#include "avro-core/real_inside.h"

#include <assert.h>
#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "the exact step needs doubles that are doubles");

/* IEEE 754 binary64 and binary32: what the steps need to know of them. */
struct binary {
    int bits;        // of the stored significand
    int bias;        // exponent of 1.0 is stored as this
    int infinite;    // stored exponent of infinity
    int tie_first;   // powers of ten between which a tie is possible
    int tie_last;    // (beyond, 5^q does not fit beside the significand)
    int most, least; // power of ten: above is infinite, below is nothing
};

static const struct binary binary64 = {52, 1023, 0x7ff, -4, 23, 308, -342};
static const struct binary binary32 = {23, 127, 0xff, -17, 10, 38, -64};

struct product {
    uint64_t high, low;
};

static struct product multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 x = (unsigned __int128)a * b;

    return (struct product){(uint64_t)(x >> 64), (uint64_t)x};
}

/* m * 5^q to `bits` sure bits: the table's low half is only asked when it can matter.
 */
static struct product approximate(uint64_t m, int64_t q, int bits)
{
    const uint64_t *five = powers_of_five[q - POWER_FIRST];
    struct product first = multiply(m, five[0]);
    uint64_t unsure = UINT64_MAX >> bits;

    if ((first.high & unsure) == unsure) {
        struct product second = multiply(m, five[1]);
        first.low += second.high;
        first.high += first.low < second.high;
    }
    return first;
}

static uint64_t pack(const struct binary *f, uint64_t m, int64_t e)
{
    return m | (uint64_t)e << f->bits;
}

static uint64_t infinity_of(const struct binary *f)
{
    return pack(f, 0, f->infinite);
}

/* The bits of the number nearest to m * 10^q. */
static inline uint64_t nearest(const struct binary *f, uint64_t m, int64_t q)
{
    if (m == 0 || q < f->least)
        return 0;
    if (q > f->most)
        return infinity_of(f);

    int zeros = __builtin_clzll(m);
    struct product x = approximate(m << zeros, q, f->bits + 3);
    int upper = (int)(x.high >> 63);
    int shift = upper + 64 - f->bits - 3;
    uint64_t r = x.high >> shift; // the significand and one bit more
    int64_t e = ((152170 + 65536) * q >> 16) + 63 + upper - zeros + f->bias;

    if (e <= 0) { // subnormal
        if (1 - e >= 64)
            return 0;
        r >>= 1 - e;
        r = (r + (r & 1)) >> 1;
        return pack(f, r, 0); // a carry makes it the smallest normal by itself
    }
    if (x.low <= 1 && q >= f->tie_first && q <= f->tie_last && (r & 3) == 1 &&
        r << shift == x.high)
        r &= ~(uint64_t)1; // exactly halfway, and the lower one is even
    r = (r + (r & 1)) >> 1;
    if (r >> (f->bits + 1) != 0) {
        r >>= 1;
        e++;
    }
    if (e >= f->infinite)
        return infinity_of(f);
    return pack(f, r & ~((uint64_t)1 << f->bits), e);
}

/*
 * Whole numbers for the comparison.  A binary64 halfway point has at most 767
 * significant digits, so behind DIGITS_KEPT only "something follows" matters; the
 * largest number that then arises (5^1125 times 54 bits, or 801 digits shifted) has
 * about 4,000 bits.
 */
#define DIGITS_KEPT 800
#define BIG 96

struct big {
    size_t n;
    uint64_t limb[BIG];
};

static void big_times_plus(struct big *b, uint64_t by, uint64_t plus)
{
    unsigned __int128 carry = plus;

    for (size_t i = 0; i < b->n; i++) {
        carry += (unsigned __int128)b->limb[i] * by;
        b->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry > 0) {
        assert(b->n < BIG);
        b->limb[b->n++] = (uint64_t)carry;
    }
}

static void big_times_five(struct big *b, int64_t power)
{
    for (; power >= 27; power -= 27)
        big_times_plus(b, 7450580596923828125u, 0); // 5^27, the largest in 64 bits
    for (; power > 0; power--)
        big_times_plus(b, 5, 0);
}

static void big_shift(struct big *b, int64_t by)
{
    size_t limbs = (size_t)by / 64;

    big_times_plus(b, (uint64_t)1 << by % 64, 0);
    assert(b->n + limbs <= BIG);
    memmove(b->limb + limbs, b->limb, b->n * sizeof *b->limb);
    memset(b->limb, 0, limbs * sizeof *b->limb);
    b->n += limbs;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

static unsigned digit(const struct number *n, size_t i)
{
    return (unsigned)(i < n->whole.n ? n->whole.p[i] : n->fraction.p[i - n->whole.n]) -
           '0';
}

/* The digits of `n` that can matter, and the power of ten of the last one. */
static int64_t big_digits(struct big *b, const struct number *n)
{
    size_t all = n->whole.n + n->fraction.n, i = 0, kept = 0;

    while (digit(n, i) == 0)
        i++;
    b->n = 0;
    for (; i < all && kept < DIGITS_KEPT; i++, kept++)
        big_times_plus(b, 10, digit(n, i));
    int64_t power = n->exponent - (int64_t)n->fraction.n + (int64_t)(all - i);
    bool more = false;
    for (; i < all && !more; i++)
        more = digit(n, i) != 0;
    if (more) {
        big_times_plus(b, 10, 1);
        power--;
    }
    return power;
}

/* How `n` stands to the point halfway between `bits` and the next number above. */
static int against_halfway(const struct binary *f, const struct number *n,
                           uint64_t bits)
{
    struct big text, half = {.n = 1};
    int64_t ten = big_digits(&text, n);
    int64_t e = (int64_t)(bits >> f->bits);
    uint64_t m = bits & (((uint64_t)1 << f->bits) - 1);

    if (e > 0)
        m |= (uint64_t)1 << f->bits;
    half.limb[0] = 2 * m + 1;
    int64_t two = (e > 0 ? e : 1) - f->bias - f->bits - 1;

    big_times_five(ten > 0 ? &text : &half, ten > 0 ? ten : -ten);
    if (ten > two)
        big_shift(&text, ten - two);
    else
        big_shift(&half, two - ten);
    return big_compare(&text, &half);
}

static uint64_t bits_of(const struct binary *f, const struct number *n)
{
    uint64_t low = nearest(f, n->lead, n->power);

    if (!n->over)
        return low;
    if (nearest(f, n->lead + 1, n->power) == low)
        return low;
    int side = against_halfway(f, n, low);
    if (side == 0)
        return low + (low & 1);
    return low + (side > 0);
}

#define EXACT_POWER 22

static bool exact_double(double *out, const struct number *n)
{
    static const double tens[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };

    if (n->over || n->lead > (uint64_t)1 << 53 || n->power < -EXACT_POWER ||
        n->power > EXACT_POWER)
        return false;
    double x = (double)n->lead;
    x = n->power < 0 ? x / tens[-n->power] : x * tens[n->power];
    *out = n->negative ? -x : x;
    return true;
}

enum number_fit number_double(double *out, const struct number *n)
{
    if (exact_double(out, n))
        return NUMBER_FITS;

    uint64_t bits = bits_of(&binary64, n);
    if (bits >= infinity_of(&binary64))
        return NUMBER_RANGE;
    bits |= (uint64_t)n->negative << 63;
    memcpy(out, &bits, sizeof *out);
    return NUMBER_FITS;
}

enum number_fit number_float(float *out, const struct number *n)
{
    uint64_t wide = bits_of(&binary32, n);

    if (wide >= infinity_of(&binary32))
        return NUMBER_RANGE;
    uint32_t bits = (uint32_t)wide | (uint32_t)n->negative << 31;
    memcpy(out, &bits, sizeof *out);
    return NUMBER_FITS;
}

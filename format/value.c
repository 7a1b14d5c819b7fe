#include "format/value.h"

#include "avro-core/put.h"
#include "avro-core/uuid.h"
#include "avro-core/varint.h"

#define WORDS 4

/* Drops bytes that only repeat the sign; no bytes are 0, as Go writes it. */
static struct span trim(struct span s, uint8_t sign)
{
    while (s.n > WORDS * 8 && s.p[0] == sign)
        s = span_skip(s, 1);
    return s;
}

static bool is_less(const uint64_t a[WORDS], const uint64_t b[WORDS])
{
    for (int i = WORDS - 1; i >= 0; i--)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

static void negate(uint64_t out[WORDS], const uint64_t in[WORDS])
{
    uint64_t carry = 1;

    for (int i = 0; i < WORDS; i++) {
        out[i] = ~in[i] + carry;
        carry = carry && out[i] == 0;
    }
}

bool value_decimal(uint64_t out[WORDS], struct span x, const uint64_t bound[WORDS])
{
    uint8_t sign = x.n > 0 && x.p[0] >= 0x80 ? 0xFF : 0;
    uint64_t magnitude[WORDS];

    x = trim(x, sign);
    if (x.n > WORDS * 8)
        return false;
    for (int i = 0; i < WORDS; i++)
        out[i] = sign ? UINT64_MAX : 0;
    for (size_t i = 0; i < x.n; i++) { // from its last byte
        unsigned shift = (unsigned)(i % 8 * 8);
        out[i / 8] = (out[i / 8] & ~((uint64_t)0xFF << shift)) |
                     (uint64_t)x.p[x.n - 1 - i] << shift;
    }
    if (!sign)
        return is_less(out, bound);
    negate(magnitude, out);
    return is_less(magnitude, bound);
}

static enum err_kind too_long(size_t n, struct err *e)
{
    return err_set(e, ERR_INVALID, "decimal of %zu bytes, %d are the most", n,
                   PUT_DECIMAL_BYTES);
}

static enum err_kind decimal_text(struct buf *out, const struct av_node *node,
                                  struct span x, struct err *e)
{
    struct decimal d;

    if (!decimal_read(&d, x))
        return too_long(x.n, e);
    if (d.n > (size_t)node->precision)
        return err_set(e, ERR_INVALID, "decimal of %zu digits, its precision is %d",
                       d.n, node->precision);
    put_decimal(out, &d, node->scale);
    return ERR_OK;
}

/* The unscaled number as Avro bytes, then the scale as an int. */
static enum err_kind big_decimal_text(struct buf *out, struct span x, struct err *e)
{
    size_t all = x.n;
    struct decimal d;
    int64_t n, scale;

    if (!varint_take(&x, &n) || n < 0 || (uint64_t)n > x.n)
        return err_set(e, ERR_INVALID, "big-decimal of %zu bytes is malformed", all);
    struct span unscaled = span_of(x.p, (size_t)n);
    x = span_skip(x, (size_t)n);
    if (!varint_take(&x, &scale) || x.n > 0 || scale < INT32_MIN || scale > INT32_MAX)
        return err_set(e, ERR_INVALID, "big-decimal of %zu bytes is malformed", all);
    if (!decimal_read(&d, unscaled))
        return too_long(unscaled.n, e);
    put_big_decimal(out, &d, (int32_t)scale);
    return ERR_OK;
}

enum err_kind value_decimal_text(struct buf *out, const struct av_node *node,
                                 struct span x, struct err *e)
{
    return node->logical == AV_DECIMAL ? decimal_text(out, node, x, e)
                                       : big_decimal_text(out, x, e);
}

enum err_kind value_check(const struct av_node *node, struct span x, bool uuids,
                          struct err *e)
{
    uint8_t room[2 * PUT_DECIMAL_DIGITS], uuid[16];
    struct buf made = {.p = room, .cap = sizeof room, .limit = sizeof room};

    if (node->logical == AV_DECIMAL || node->logical == AV_BIG_DECIMAL)
        return value_decimal_text(&made, node, x, e);
    if (uuids && node->logical == AV_UUID && node->type == AV_STRING &&
        !uuid_read(uuid, x))
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" is no UUID", SPAN_ARG(x));
    return ERR_OK;
}

#include "cel/functions.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/*
 * "%d of %s".format([1, x]): %s anything, %d %f %e numbers, %b %o %x %X whole ones (%x
 * text and bytes too); .N are digits behind the point, of %f and %e.
 */
#define PRECISION_MOST 1000

struct clause {
    char verb;
    int precision; // -1: none was said
};

static struct cel_value put_any(struct cel_run *run, struct buf *out,
                                struct cel_value v);

#define DONE cel_null()

static struct cel_value wrong(struct cel_run *run, const char *what, struct cel_value v)
{
    return cel_failf(run, "error during formatting: %s, was given %s", what,
                     cel_kind_name(v.kind));
}

/* %s */

struct entry {
    struct span key, text;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int c = n > 0 ? memcmp(x->key.p, y->key.p, n) : 0;

    return c != 0 ? c : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

/* The text of v, in the run's arena. */
static struct cel_value text_of(struct cel_run *run, struct cel_value v)
{
    struct buf b = BUF_INIT(CEL_ROOM_MOST);
    struct cel_value made = put_any(run, &b, v);

    if (made.kind != CEL_ERROR)
        made = cel_text(run, CEL_STRING, &b);
    buf_free(&b);
    return made;
}

static struct cel_value put_list(struct cel_run *run, struct buf *out,
                                 struct cel_value v)
{
    struct cel_each each = cel_each_of(run, v);
    struct cel_value item;

    buf_put_u8(out, '[');
    for (size_t i = 0; cel_next(&each, &item, NULL); i++) {
        if (i > 0)
            buf_put_str(out, ", ");
        struct cel_value made = put_any(run, out, item);
        if (made.kind == CEL_ERROR)
            return made;
    }
    buf_put_u8(out, ']');
    return DONE;
}

static struct cel_value put_map(struct cel_run *run, struct buf *out,
                                struct cel_value v)
{
    struct cel_each each = cel_each_of(run, v);
    size_t n = (size_t)cel_count(run, v), at = 0;
    struct entry *entries =
        n < CEL_ROOM_MOST ? cel_room(run, n * sizeof *entries) : NULL;
    struct cel_value key, value;

    if (entries == NULL)
        return cel_fail("a map that is too long");
    for (; at < n && cel_next(&each, &key, &value); at++) {
        struct cel_value k = text_of(run, key), t = text_of(run, value);

        if (k.kind == CEL_ERROR || t.kind == CEL_ERROR)
            return k.kind == CEL_ERROR ? k : t;
        entries[at] = (struct entry){k.s, t.s};
    }
    if (at > 1)
        qsort(entries, at, sizeof *entries, by_key);
    buf_put_u8(out, '{');
    for (size_t i = 0; i < at; i++) {
        buf_put_str(out, i > 0 ? ", " : "");
        buf_put(out, entries[i].key);
        buf_put_str(out, ": ");
        buf_put(out, entries[i].text);
    }
    buf_put_u8(out, '}');
    return DONE;
}

/* As UTF-8; what is none, however much of it, is one U+FFFD. */
static void put_bytes(struct buf *out, struct span s)
{
    bool bad = false;
    size_t n;

    for (; s.n > 0; s = span_skip(s, n)) {
        bool now = cel_code_point(s, &n) == 0xFFFD && n == 1;

        if (!now)
            buf_put(out, span_of(s.p, n));
        else if (!bad)
            buf_put_str(out, "\xEF\xBF\xBD");
        bad = now;
    }
}

static struct cel_value put_any(struct cel_run *run, struct buf *out,
                                struct cel_value v)
{
    if (!cel_steps(run, 1))
        return cel_broken(run);
    switch (v.kind) {
    case CEL_NULL: buf_put_str(out, "null"); return DONE;
    case CEL_STRING:
    case CEL_TYPE: buf_put(out, v.s); return DONE;
    case CEL_BYTES: put_bytes(out, v.s); return DONE;
    case CEL_DOUBLE: cel_double_put_plain(out, v.d); return DONE;
    case CEL_LIST: return put_list(run, out, v);
    case CEL_MAP: return put_map(run, out, v);
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
    case CEL_DECIMAL:
        v = cel_to_string(run, &v, 1);
        if (v.kind == CEL_ERROR)
            return v;
        buf_put(out, v.s);
        return DONE;
    default:
        return wrong(run,
                     "string clause can only be used on strings, bools, bytes, ints, "
                     "doubles, maps, lists, types, durations, and timestamps",
                     v);
    }
}

/* The numbers */

static struct cel_value put_decimal(struct cel_run *run, struct buf *out,
                                    struct cel_value v)
{
    if (v.kind != CEL_INT && v.kind != CEL_UINT && v.kind != CEL_DOUBLE)
        return wrong(run, "decimal clause can only be used on integers", v);
    return put_any(run, out, v);
}

static struct cel_value put_real(struct cel_run *run, struct buf *out,
                                 struct cel_value v, struct clause c)
{
    const char *wanted = c.verb == 'f'
                             ? "fixed-point clause can only be used on doubles"
                             : "scientific clause can only be used on doubles";
    double d;

    switch (v.kind) {
    case CEL_INT: d = (double)v.i; break;
    case CEL_UINT: d = (double)v.u; break;
    case CEL_DOUBLE: d = v.d; break;
    case CEL_DECIMAL:
        v = cel_decimal_double(run, v);
        if (v.kind == CEL_ERROR)
            return v;
        d = v.d;
        break;
    default: return wrong(run, wanted, v);
    }
    if (isnan(d) || isinf(d))
        cel_double_put_plain(out, d);
    else if (c.verb == 'f')
        buf_printf(out, "%.*f", c.precision < 0 ? 6 : c.precision, d);
    else
        buf_printf(out, "%.*e", c.precision < 0 ? 6 : c.precision, d);
    return DONE;
}

static void put_base(struct buf *out, uint64_t u, unsigned base, bool upper)
{
    char digits[65];
    size_t at = sizeof digits;

    do
        digits[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
    while ((u /= base) > 0);
    buf_put(out, span_of(digits + at, sizeof digits - at));
}

static void put_hex(struct buf *out, struct span s, bool upper)
{
    for (size_t i = 0; i < s.n; i++)
        buf_printf(out, upper ? "%02X" : "%02x", s.p[i]);
}

static struct cel_value put_whole(struct cel_run *run, struct buf *out,
                                  struct cel_value v, struct clause c)
{
    unsigned base = c.verb == 'b' ? 2 : c.verb == 'o' ? 8 : 16;
    bool negative = v.kind == CEL_INT && v.i < 0;

    if (v.kind == CEL_BOOL && base == 2) {
        buf_put_str(out, v.b ? "1" : "0");
        return DONE;
    }
    if ((v.kind == CEL_STRING || v.kind == CEL_BYTES) && base == 16) {
        put_hex(out, v.s, c.verb == 'X');
        return DONE;
    }
    if (v.kind != CEL_INT && v.kind != CEL_UINT)
        return wrong(run,
                     base == 2   ? "only integers and bools can be formatted as binary"
                     : base == 8 ? "octal clause can only be used on integers"
                                 : "only integers, byte buffers, and strings can be "
                                   "formatted as hex",
                     v);
    if (negative)
        buf_put_u8(out, '-');
    put_base(out, negative ? 0 - v.u : v.u, base, c.verb == 'X');
    return DONE;
}

static struct cel_value put_one(struct cel_run *run, struct buf *out,
                                struct cel_value v, struct clause c)
{
    switch (c.verb) {
    case 's': return put_any(run, out, v);
    case 'd': return put_decimal(run, out, v);
    case 'f':
    case 'e': return put_real(run, out, v, c);
    case 'b':
    case 'o':
    case 'x':
    case 'X': return put_whole(run, out, v, c);
    default:
        return cel_failf(run,
                         "could not parse formatting clause: unrecognized formatting "
                         "clause \"%c\"",
                         c.verb);
    }
}

/* The clause behind the '%' at *s; false when it is cut. */
static bool read_clause(struct span *s, struct clause *c)
{
    *c = (struct clause){.precision = -1};
    if (s->n > 0 && s->p[0] == '.') {
        *s = span_skip(*s, 1);
        c->precision = 0;
        if (s->n == 0 || !isdigit(s->p[0]))
            return false;
        for (; s->n > 0 && isdigit(s->p[0]); *s = span_skip(*s, 1)) {
            c->precision = c->precision * 10 + (s->p[0] - '0');
            if (c->precision > PRECISION_MOST)
                return false;
        }
    }
    if (s->n == 0)
        return false;
    c->verb = (char)s->p[0];
    *s = span_skip(*s, 1);
    return true;
}

static struct cel_value format(struct cel_run *run, struct buf *out, struct span s,
                               struct cel_each *each)
{
    struct clause c;
    struct cel_value item;

    for (size_t i = 0; s.n > 0 && cel_steps(run, 1);) {
        const uint8_t *percent = memchr(s.p, '%', s.n);
        size_t plain = percent != NULL ? (size_t)(percent - s.p) : s.n;

        buf_put(out, span_of(s.p, plain));
        s = span_skip(s, plain + 1);
        if (percent == NULL)
            break;
        if (s.n > 0 && s.p[0] == '%') {
            buf_put_u8(out, '%');
            s = span_skip(s, 1);
            continue;
        }
        if (!read_clause(&s, &c))
            return cel_fail("could not parse formatting clause");
        if (!cel_next(each, &item, NULL))
            return cel_failf(run, "index %zu out of range", i);
        item = put_one(run, out, item, c);
        if (item.kind == CEL_ERROR)
            return item;
        i++;
    }
    return DONE;
}

CEL_FN(cel_format)
{
    struct buf out = BUF_INIT(CEL_ROOM_MOST);

    if (args[0].kind != CEL_STRING || args[1].kind != CEL_LIST)
        return cel_no_overload(run, "format", args, n);
    struct cel_each each = cel_each_of(run, args[1]);
    struct cel_value made = format(run, &out, args[0].s, &each);
    if (made.kind != CEL_ERROR)
        made = cel_text(run, CEL_STRING, &out);
    buf_free(&out);
    return made;
}

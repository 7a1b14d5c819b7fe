#include "cel/functions.h"

static bool both(const struct cel_value *args, enum cel_kind k)
{
    return args[0].kind == k && args[1].kind == k;
}

static struct cel_value int_or(bool overflow, const int64_t *x)
{
    return overflow ? cel_fail("integer overflow") : cel_int(*x);
}

static struct cel_value uint_or(bool overflow, const uint64_t *x)
{
    return overflow ? cel_fail("unsigned integer overflow") : cel_uint(*x);
}

static struct cel_value duration_or(bool overflow, const int64_t *x)
{
    return overflow ? cel_fail("duration overflow") : cel_duration(*x);
}

/* Addition */

static struct cel_value concat(struct cel_run *run, const struct cel_value *args)
{
    size_t n = args[0].s.n + args[1].s.n;
    uint8_t *p = cel_room(run, n);

    if (p == NULL || !cel_steps(run, n / 64))
        return cel_broken(run);
    if (args[0].s.n > 0)
        memcpy(p, args[0].s.p, args[0].s.n);
    if (args[1].s.n > 0)
        memcpy(p + args[0].s.n, args[1].s.p, args[1].s.n);
    return (struct cel_value){.kind = args[0].kind, .s = span_of(p, n)};
}

static struct cel_value concat_lists(struct cel_run *run, const struct cel_value *args)
{
    size_t n = (size_t)cel_count(run, args[0]) + (size_t)cel_count(run, args[1]);
    struct cel_value *items =
        n > CEL_ROOM_MOST ? NULL : cel_room(run, n * sizeof *items);
    size_t at = 0;

    if (items == NULL)
        return cel_fail("a list that is too long");
    for (size_t i = 0; i < 2; i++) {
        struct cel_each each = cel_each_of(run, args[i]);

        while (at < n && cel_next(&each, &items[at], NULL))
            at++;
    }
    return (struct cel_value){.kind = CEL_LIST, .items = items, .n = at};
}

/* t moved by `nanos`. */
static struct cel_value moved(struct cel_value t, int64_t nanos)
{
    int64_t seconds = t.i + nanos / 1000000000, rest = t.nanos + nanos % 1000000000;

    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    } else if (rest >= 1000000000) {
        rest -= 1000000000;
        seconds++;
    }
    return cel_timestamp(seconds, rest);
}

CEL_FN(cel_add)
{
    int64_t i = 0;
    uint64_t u = 0;

    if (both(args, CEL_INT))
        return int_or(__builtin_add_overflow(args[0].i, args[1].i, &i), &i);
    if (both(args, CEL_DOUBLE))
        return cel_double(args[0].d + args[1].d);
    if (both(args, CEL_STRING) || both(args, CEL_BYTES))
        return concat(run, args);
    if (both(args, CEL_UINT))
        return uint_or(__builtin_add_overflow(args[0].u, args[1].u, &u), &u);
    if (both(args, CEL_LIST))
        return concat_lists(run, args);
    if (both(args, CEL_DURATION))
        return duration_or(__builtin_add_overflow(args[0].i, args[1].i, &i), &i);
    if (args[0].kind == CEL_TIMESTAMP && args[1].kind == CEL_DURATION)
        return moved(args[0], args[1].i);
    if (args[0].kind == CEL_DURATION && args[1].kind == CEL_TIMESTAMP)
        return moved(args[1], args[0].i);
    return cel_no_overload(run, "+", args, n);
}

static struct cel_value between(const struct cel_value *args)
{
    int64_t seconds = args[0].i - args[1].i, nanos = 0;

    bool over = __builtin_mul_overflow(seconds, 1000000000, &nanos) ||
                __builtin_add_overflow(nanos, args[0].nanos - args[1].nanos, &nanos);
    return duration_or(over, &nanos);
}

CEL_FN(cel_subtract)
{
    int64_t i = 0;
    uint64_t u = 0;

    if (both(args, CEL_INT))
        return int_or(__builtin_sub_overflow(args[0].i, args[1].i, &i), &i);
    if (both(args, CEL_DOUBLE))
        return cel_double(args[0].d - args[1].d);
    if (both(args, CEL_UINT))
        return uint_or(__builtin_sub_overflow(args[0].u, args[1].u, &u), &u);
    if (both(args, CEL_TIMESTAMP))
        return between(args);
    if (both(args, CEL_DURATION))
        return duration_or(__builtin_sub_overflow(args[0].i, args[1].i, &i), &i);
    if (args[0].kind == CEL_TIMESTAMP && args[1].kind == CEL_DURATION)
        return args[1].i == INT64_MIN ? cel_fail("duration overflow")
                                      : moved(args[0], -args[1].i);
    return cel_no_overload(run, "-", args, n);
}

CEL_FN(cel_multiply)
{
    int64_t i = 0;
    uint64_t u = 0;

    if (both(args, CEL_INT))
        return int_or(__builtin_mul_overflow(args[0].i, args[1].i, &i), &i);
    if (both(args, CEL_DOUBLE))
        return cel_double(args[0].d * args[1].d);
    if (both(args, CEL_UINT))
        return uint_or(__builtin_mul_overflow(args[0].u, args[1].u, &u), &u);
    return cel_no_overload(run, "*", args, n);
}

/* INT64_MIN / -1 has no result. */
static bool overflows(const struct cel_value *args)
{
    return args[0].i == INT64_MIN && args[1].i == -1;
}

CEL_FN(cel_divide)
{
    if (both(args, CEL_DOUBLE))
        return cel_double(args[0].d / args[1].d);
    if (!both(args, CEL_INT) && !both(args, CEL_UINT))
        return cel_no_overload(run, "/", args, n);
    if (args[1].u == 0)
        return cel_fail("divide by zero");
    if (args[0].kind == CEL_UINT)
        return cel_uint(args[0].u / args[1].u);
    return overflows(args) ? cel_fail("integer overflow")
                           : cel_int(args[0].i / args[1].i);
}

CEL_FN(cel_modulo)
{
    if (!both(args, CEL_INT) && !both(args, CEL_UINT))
        return cel_no_overload(run, "%", args, n);
    if (args[1].u == 0)
        return cel_fail("modulus by zero");
    if (args[0].kind == CEL_UINT)
        return cel_uint(args[0].u % args[1].u);
    return overflows(args) ? cel_fail("integer overflow")
                           : cel_int(args[0].i % args[1].i);
}

CEL_FN(cel_negate)
{
    if (args[0].kind == CEL_DOUBLE)
        return cel_double(-args[0].d);
    if (args[0].kind != CEL_INT)
        return cel_no_overload(run, "-", args, n);
    return args[0].i == INT64_MIN ? cel_fail("integer overflow") : cel_int(-args[0].i);
}

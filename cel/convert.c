#include "avro-core/number.h"
#include "base/utf8.h"
#include "cel/functions.h"

#include <ctype.h>
#include <math.h>

CEL_FN(cel_type_fn)
{
    (void)n;
    return cel_type_value(cel_type_name(run, args[0]));
}

CEL_FN(cel_dyn)
{
    (void)run;
    (void)n;
    return args[0];
}

static struct cel_value bad(struct cel_run *run, struct cel_value v, const char *to)
{
    return cel_failf(run, "type conversion error from string to %s: \"" SPAN_FMT "\"",
                     to, SPAN_ARG(v.s));
}

/* Go's strconv.ParseBool. */
static const struct {
    const char *text;
    bool is;
} bools[] = {{"1", true},    {"t", true},      {"T", true},      {"TRUE", true},
             {"true", true}, {"True", true},   {"0", false},     {"f", false},
             {"F", false},   {"FALSE", false}, {"false", false}, {"False", false}};

CEL_FN(cel_to_bool)
{
    if (args[0].kind == CEL_BOOL)
        return args[0];
    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "bool", args, n);
    for (size_t i = 0; i < sizeof bools / sizeof *bools; i++)
        if (span_eq(args[0].s, span_str(bools[i].text)))
            return cel_bool(bools[i].is);
    return bad(run, args[0], "bool");
}

CEL_FN(cel_to_bytes)
{
    if (args[0].kind != CEL_STRING && args[0].kind != CEL_BYTES)
        return cel_no_overload(run, "bytes", args, n);
    return cel_bytes(args[0].s);
}

/* Numbers out of text: an optional sign, then digits and no more. */

static bool take_sign(struct span *s)
{
    bool negative = s->n > 0 && s->p[0] == '-';

    if (negative || (s->n > 0 && s->p[0] == '+'))
        *s = span_skip(*s, 1);
    return negative;
}

static bool read_whole(struct span s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++)
        if (!isdigit(s.p[i]) || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(s.p[i] - '0'), out))
            return false;
    return s.n > 0;
}

static struct cel_value int_of_text(struct cel_run *run, struct cel_value v)
{
    struct span s = v.s;
    bool negative = take_sign(&s);
    uint64_t u;

    if (!read_whole(s, &u) || u > (uint64_t)INT64_MAX + negative)
        return bad(run, v, "int");
    return cel_int(negative ? (int64_t)(0 - u) : (int64_t)u);
}

/* Truncates; the ends themselves are out, as no double knows which whole it stands for.
 */
static struct cel_value int_of_double(double d)
{
    if (!(d > -9223372036854775808.0 && d < 9223372036854775808.0))
        return cel_fail("integer overflow");
    return cel_int((int64_t)d);
}

CEL_FN(cel_to_int)
{
    struct cel_value v = args[0];

    switch (v.kind) {
    case CEL_INT: return v;
    case CEL_UINT:
        return v.u <= INT64_MAX ? cel_int((int64_t)v.u) : cel_fail("integer overflow");
    case CEL_DOUBLE: return int_of_double(v.d);
    case CEL_STRING: return int_of_text(run, v);
    case CEL_TIMESTAMP: return cel_int(v.i);
    case CEL_DURATION: return cel_int(v.i);
    case CEL_DECIMAL: return cel_decimal_whole(run, v);
    default: return cel_no_overload(run, "int", args, n);
    }
}

static struct cel_value uint_of_int(int64_t i)
{
    return i >= 0 ? cel_uint((uint64_t)i) : cel_fail("unsigned integer overflow");
}

static struct cel_value uint_of_double(double d)
{
    if (!(d >= 0 && d < 18446744073709551616.0))
        return cel_fail("unsigned integer overflow");
    return cel_uint((uint64_t)d);
}

CEL_FN(cel_to_uint)
{
    struct cel_value v = args[0];
    uint64_t u;

    switch (v.kind) {
    case CEL_UINT: return v;
    case CEL_INT: return uint_of_int(v.i);
    case CEL_DOUBLE: return uint_of_double(v.d);
    case CEL_STRING: return read_whole(v.s, &u) ? cel_uint(u) : bad(run, v, "uint");
    case CEL_DECIMAL:
        v = cel_decimal_whole(run, v);
        return v.kind == CEL_INT ? uint_of_int(v.i) : v;
    default: return cel_no_overload(run, "uint", args, n);
    }
}

/* Go's strconv.ParseFloat without its hexadecimal and underscores. */

static const struct {
    const char *text;
    double is;
} infinities[] = {{"nan", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}};

static bool is_word(struct span s, const char *word)
{
    if (s.n != strlen(word))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (tolower(s.p[i]) != word[i])
            return false;
    return true;
}

/* "5.", ".5" and "005" are numbers here: as JSON has them, in `room`. */
static bool json_number(char room[400], struct span s)
{
    size_t n = 0, i = 0, digits = 0;

    while (i + 1 < s.n && s.p[i] == '0' && isdigit(s.p[i + 1]))
        i++;
    if (i < s.n && s.p[i] == '.')
        room[n++] = '0';
    for (; i < s.n && n < 390; i++) {
        bool point = s.p[i] == '.' && (i + 1 >= s.n || !isdigit(s.p[i + 1]));

        digits += isdigit(s.p[i]) != 0;
        if (point && digits == 0)
            return false;
        if (!point)
            room[n++] = (char)s.p[i];
    }
    room[n] = '\0';
    return i == s.n && digits > 0;
}

static struct cel_value double_of_text(struct cel_run *run, struct cel_value v)
{
    struct span s = v.s;
    bool negative = take_sign(&s);
    struct number number;
    char room[400];
    double d;

    for (size_t i = 0; i < sizeof infinities / sizeof *infinities; i++)
        if (is_word(s, infinities[i].text))
            return cel_double(negative ? -infinities[i].is : infinities[i].is);
    if (s.n == 0 || !(isdigit(s.p[0]) || s.p[0] == '.') || !json_number(room, s) ||
        !number_scan(&number, span_str(room)) || number.text.n != strlen(room) ||
        number_double(&d, &number) != NUMBER_FITS)
        return bad(run, v, "double");
    return cel_double(negative ? -d : d);
}

CEL_FN(cel_to_double)
{
    struct cel_value v = args[0];

    switch (v.kind) {
    case CEL_DOUBLE: return v;
    case CEL_INT: return cel_double((double)v.i);
    case CEL_UINT: return cel_double((double)v.u);
    case CEL_STRING: return double_of_text(run, v);
    case CEL_DECIMAL: return cel_decimal_double(run, v);
    default: return cel_no_overload(run, "double", args, n);
    }
}

/* Texts */

static bool put(struct cel_run *run, struct cel_value v, struct buf *out)
{
    switch (v.kind) {
    case CEL_BOOL: buf_put_str(out, v.b ? "true" : "false"); return true;
    case CEL_INT: buf_printf(out, "%lld", (long long)v.i); return true;
    case CEL_UINT: buf_printf(out, "%llu", (unsigned long long)v.u); return true;
    case CEL_DOUBLE: cel_double_put(out, v.d); return true;
    case CEL_TIMESTAMP: cel_timestamp_put(out, v); return true;
    case CEL_DURATION: cel_duration_put(out, v.i); return true;
    case CEL_DECIMAL: return cel_decimal_put(run, v, out);
    default: return false;
    }
}

CEL_FN(cel_to_string)
{
    struct cel_value v = args[0];

    if (v.kind == CEL_STRING)
        return v;
    if (v.kind == CEL_BYTES)
        return utf8_ok(v.s) ? cel_string(v.s)
                            : cel_fail("bytes that are no UTF-8 have no string");
    buf_reset(&run->text);
    if (!put(run, v, &run->text))
        return run->broken != NULL     ? cel_broken(run)
               : v.kind == CEL_DECIMAL ? cel_fail("a decimal that is malformed")
                                       : cel_no_overload(run, "string", args, n);
    return cel_text(run, CEL_STRING, &run->text);
}

CEL_FN(cel_to_timestamp)
{
    struct cel_value v = args[0];

    if (v.kind == CEL_TIMESTAMP)
        return v;
    if (v.kind == CEL_INT)
        return cel_timestamp(v.i, 0);
    if (v.kind != CEL_STRING)
        return cel_no_overload(run, "timestamp", args, n);
    return cel_timestamp_read(&v, v.s) ? v : bad(run, args[0], "timestamp");
}

CEL_FN(cel_to_duration)
{
    int64_t nanos;

    if (args[0].kind == CEL_DURATION)
        return args[0];
    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "duration", args, n);
    return cel_duration_read(&nanos, args[0].s) ? cel_duration(nanos)
                                                : bad(run, args[0], "duration");
}

#include "cel/functions.h"

#include <ctype.h>

/* Calendar: days since 1970-01-01 on the proleptic Gregorian one.  Years start in March
 * here, so that the leap day is the last. */

struct date {
    int64_t year;
    int month, day; // from 1
    int of_year;    // from 0
};

int64_t cel_days_before_year(int64_t year)
{
    int64_t y = year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

bool cel_is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static const int month_starts[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

/* Of days from year 1 on; offsets may lead a day before it or behind 9999. */
static struct date date_of(int64_t days)
{
    int64_t since = days + 719162, n400 = since / 146097;

    if (since % 146097 < 0)
        n400--;
    since -= n400 * 146097;
    int64_t n100 = since / 36524 == 4 ? 3 : since / 36524;
    since -= n100 * 36524;
    int64_t n4 = since / 1461;
    since -= n4 * 1461;
    int64_t n1 = since / 365 == 4 ? 3 : since / 365;
    since -= n1 * 365;

    struct date d = {.year = n400 * 400 + n100 * 100 + n4 * 4 + n1 + 1,
                     .of_year = (int)since};
    const int *starts = month_starts[cel_is_leap(d.year)];
    while (starts[d.month + 1] <= d.of_year)
        d.month++;
    d.day = d.of_year - starts[d.month] + 1;
    d.month++;
    return d;
}

struct cel_value cel_timestamp(int64_t seconds, int64_t nanos)
{
    if (seconds < CEL_SECOND_FIRST || seconds > CEL_SECOND_LAST)
        return cel_fail("timestamp out of range");
    return (struct cel_value){
        .kind = CEL_TIMESTAMP, .i = seconds, .nanos = (int32_t)nanos};
}

/* RFC 3339 */

/* `n` digits at *s, which then stands behind them; -1 when they are not there. */
static int digits(struct span *s, size_t n)
{
    int x = 0;

    if (s->n < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit(s->p[i]))
            return -1;
        x = x * 10 + (s->p[i] - '0');
    }
    *s = span_skip(*s, n);
    return x;
}

static bool take(struct span *s, char c)
{
    if (s->n == 0 || s->p[0] != (uint8_t)c)
        return false;
    *s = span_skip(*s, 1);
    return true;
}

/* Digits behind the point; more than nine are cut, as Go does. */
static bool read_fraction(struct span *s, int32_t *nanos)
{
    int32_t unit = 100000000;

    *nanos = 0;
    if (!take(s, '.'))
        return true;
    if (s->n == 0 || !isdigit(s->p[0]))
        return false;
    for (; s->n > 0 && isdigit(s->p[0]); unit /= 10)
        *nanos += (s->p[0] - '0') * unit, *s = span_skip(*s, 1);
    return true;
}

static bool read_offset(struct span *s, int64_t *seconds)
{
    *seconds = 0;
    if (take(s, 'Z'))
        return true;
    bool west = take(s, '-');
    if (!west && !take(s, '+'))
        return false;
    int hours = digits(s, 2);
    if (!take(s, ':'))
        return false;
    int minutes = digits(s, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *seconds = hours * 3600 + minutes * 60;
    if (west)
        *seconds = -*seconds;
    return true;
}

static bool read_date(struct span *s, int64_t *days)
{
    int year = digits(s, 4);
    bool dash = take(s, '-');
    int month = digits(s, 2);
    bool dash_too = take(s, '-');
    int day = digits(s, 2);

    if (year < 0 || !dash || month < 1 || month > 12 || !dash_too || day < 1)
        return false;
    const int *starts = month_starts[cel_is_leap(year)];
    *days = cel_days_before_year(year) + starts[month - 1] + day - 1;
    return day <= starts[month] - starts[month - 1];
}

static bool read_clock(struct span *s, int64_t *seconds)
{
    int hour = digits(s, 2);
    bool colon = take(s, ':');
    int minute = digits(s, 2);
    bool colon_too = take(s, ':');
    int second = digits(s, 2);

    *seconds = hour * 3600 + minute * 60 + second;
    return colon && colon_too && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 &&
           second >= 0 && second < 60;
}

bool cel_timestamp_read(struct cel_value *out, struct span s)
{
    int64_t days, clock, offset;
    int32_t nanos;

    if (!read_date(&s, &days) || !take(&s, 'T') || !read_clock(&s, &clock) ||
        !read_fraction(&s, &nanos) || !read_offset(&s, &offset) || s.n > 0)
        return false;
    *out = cel_timestamp(days * 86400 + clock - offset, nanos);
    return out->kind != CEL_ERROR;
}

/* ".25" of 250,000,000: without zeros at the end. */
static void put_fraction(struct buf *out, uint32_t nanos)
{
    int digits_left = 9;

    if (nanos == 0)
        return;
    for (; nanos % 10 == 0; digits_left--)
        nanos /= 10;
    buf_printf(out, ".%0*u", digits_left, nanos);
}

static int64_t floor_days(int64_t seconds)
{
    return (seconds - CEL_SECOND_FIRST) / 86400 + CEL_SECOND_FIRST / 86400;
}

void cel_timestamp_put(struct buf *out, struct cel_value t)
{
    int64_t days = floor_days(t.i), clock = t.i - days * 86400;
    struct date d = date_of(days);

    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)d.year, d.month, d.day,
               (int)(clock / 3600), (int)(clock / 60 % 60), (int)(clock % 60));
    put_fraction(out, (uint32_t)t.nanos);
    buf_put_u8(out, 'Z');
}

/* Durations, as Go writes and reads them */

static const struct {
    const char *name;
    uint64_t nanos;
} units[] = {
    {"ns", 1},       {"us", 1000},      {"\302\265s", 1000}, {"\316\274s", 1000},
    {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
};

/* The unit at *s: of those that fit the longest, "ms" before "m". */
static uint64_t take_unit(struct span *s)
{
    uint64_t found = 0;
    size_t length = 0;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].name);

        if (n > length && n <= s->n && memcmp(s->p, units[i].name, n) == 0) {
            found = units[i].nanos;
            length = n;
        }
    }
    *s = span_skip(*s, length);
    return found;
}

/* Digits, a point, digits: the whole and up to eighteen digits behind the point. */
static bool take_amount(struct span *s, uint64_t *whole, uint64_t *part,
                        uint64_t *scale)
{
    size_t n = 0;

    *whole = *part = 0;
    *scale = 1;
    for (; s->n > 0 && isdigit(s->p[0]); n++, *s = span_skip(*s, 1))
        if (__builtin_mul_overflow(*whole, 10, whole) ||
            __builtin_add_overflow(*whole, (uint64_t)(s->p[0] - '0'), whole))
            return false;
    if (!take(s, '.'))
        return n > 0;
    for (; s->n > 0 && isdigit(s->p[0]); n++, *s = span_skip(*s, 1))
        if (*scale < 1000000000000000000) {
            *part = *part * 10 + (uint64_t)(s->p[0] - '0');
            *scale *= 10;
        }
    return n > 0;
}

bool cel_duration_read(int64_t *nanos, struct span s)
{
    uint64_t sum = 0, whole, part, scale, unit, more;
    bool negative = take(&s, '-');

    if (!negative)
        take(&s, '+');
    if (span_eq(s, span_str("0"))) {
        *nanos = 0;
        return true;
    }
    if (s.n == 0)
        return false;
    while (s.n > 0) {
        if (!take_amount(&s, &whole, &part, &scale) || (unit = take_unit(&s)) == 0 ||
            __builtin_mul_overflow(whole, unit, &more) ||
            __builtin_add_overflow(sum, more, &sum))
            return false;
        more = (uint64_t)((unsigned __int128)part * unit / scale);
        if (__builtin_add_overflow(sum, more, &sum) ||
            sum > (uint64_t)INT64_MAX + negative)
            return false;
    }
    *nanos = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

void cel_duration_put(struct buf *out, int64_t nanos)
{
    uint64_t u = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;

    buf_printf(out, "%s%llu", nanos < 0 ? "-" : "",
               (unsigned long long)(u / 1000000000));
    put_fraction(out, (uint32_t)(u % 1000000000));
    buf_put_u8(out, 's');
}

/* Getters */

struct clock {
    struct date date;
    int64_t days;
    int hour, minute, second, millis;
};

/* What a clock in args[1], or in UTC, shows at args[0]. */
static bool read_clock_of(struct cel_run *run, const struct cel_value *args, size_t n,
                          struct clock *out, struct cel_value *failed)
{
    int64_t offset = 0;

    if (args[0].kind != CEL_TIMESTAMP || (n == 2 && args[1].kind != CEL_STRING)) {
        *failed = cel_no_overload(run, "a getter of a timestamp", args, n);
        return false;
    }
    if (n == 2 && !cel_zone_offset(run, args[1].s, args[0].i, &offset)) {
        *failed =
            cel_failf(run, "unknown time zone \"" SPAN_FMT "\"", SPAN_ARG(args[1].s));
        return false;
    }
    int64_t local = args[0].i + offset;
    out->days = floor_days(local + 86400) - 1;
    local -= out->days * 86400;
    out->date = date_of(out->days);
    out->hour = (int)(local / 3600);
    out->minute = (int)(local / 60 % 60);
    out->second = (int)(local % 60);
    out->millis = args[0].nanos / 1000000;
    return true;
}

#define GETTER(name, what)                             \
    CEL_FN(name)                                       \
    {                                                  \
        struct cel_value failed;                       \
        struct clock c;                                \
                                                       \
        if (!read_clock_of(run, args, n, &c, &failed)) \
            return failed;                             \
        return cel_int(what);                          \
    }

GETTER(cel_get_full_year, c.date.year)
GETTER(cel_get_month, c.date.month - 1)
GETTER(cel_get_date, c.date.day)
GETTER(cel_get_day_of_month, c.date.day - 1)
GETTER(cel_get_day_of_week, ((c.days + 4) % 7 + 7) % 7)
GETTER(cel_get_day_of_year, c.date.of_year)

/* Of a duration: all of it in that unit. */
#define GETTER_TOO(name, what, of_duration)            \
    CEL_FN(name)                                       \
    {                                                  \
        struct cel_value failed;                       \
        struct clock c;                                \
                                                       \
        if (args[0].kind == CEL_DURATION && n == 1)    \
            return cel_int(of_duration);               \
        if (!read_clock_of(run, args, n, &c, &failed)) \
            return failed;                             \
        return cel_int(what);                          \
    }

GETTER_TOO(cel_get_hours, c.hour, args[0].i / 3600000000000)
GETTER_TOO(cel_get_minutes, c.minute, args[0].i / 60000000000)
GETTER_TOO(cel_get_seconds, c.second, args[0].i / 1000000000)
/* but here only what is beyond the seconds */
GETTER_TOO(cel_get_milliseconds, c.millis, args[0].i / 1000000 % 1000)

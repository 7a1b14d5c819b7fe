#include "avro-core/moment.h"

#define DAY_SECONDS 86400

struct reading {
    const uint8_t *p, *end;
};

static struct reading reading_of(struct span text)
{
    return (struct reading){text.p, text.p + text.n};
}

static bool at_end(const struct reading *r)
{
    return r->p == r->end;
}

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

static bool take(struct reading *r, uint8_t c)
{
    if (at_end(r) || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* Exactly `n` digits. */
static bool take_digits(struct reading *r, int n, int *out)
{
    int x = 0;

    if (r->end - r->p < n)
        return false;
    for (int i = 0; i < n; i++) {
        if (!is_digit(r->p[i]))
            return false;
        x = x * 10 + (r->p[i] - '0');
    }
    r->p += n;
    *out = x;
    return true;
}

/* YYYY, or a sign and four to nine digits. */
static bool take_year(struct reading *r, int *out)
{
    bool minus = take(r, '-');
    int digits = 4;

    if (minus || take(r, '+'))
        while (digits < 9 && r->end - r->p > digits && is_digit(r->p[digits]))
            digits++;
    if (!take_digits(r, digits, out))
        return false;
    *out = minus ? -*out : *out;
    return true;
}

static bool is_leap(int64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int days_in(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1970-01-01: years begin in March, so that the leap day comes last. */
static int64_t days_from(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = floor_div(y, 400), of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static enum moment_fit take_date(struct reading *r, int64_t *days)
{
    int year, month, day;

    if (!take_year(r, &year) || !take(r, '-') || !take_digits(r, 2, &month) ||
        !take(r, '-') || !take_digits(r, 2, &day))
        return MOMENT_FORM;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return MOMENT_RANGE;
    *days = days_from(year, month, day);
    return MOMENT_FITS;
}

/* Digits behind the point, in units; those behind the last unit must be zero. */
static enum moment_fit take_fraction(struct reading *r, int64_t per_second,
                                     int64_t *units)
{
    int64_t worth = per_second;
    const uint8_t *first = r->p;

    *units = 0;
    for (; !at_end(r) && is_digit(*r->p); r->p++) {
        int64_t d = *r->p - '0';
        if (worth == 1 && d != 0)
            return MOMENT_PRECISION;
        if (worth > 1) {
            worth /= 10;
            *units += d * worth;
        }
    }
    return r->p == first ? MOMENT_FORM : MOMENT_FITS;
}

struct clock {
    int64_t seconds; // of the day
    int64_t units;   // of the second
};

static enum moment_fit take_clock(struct reading *r, int64_t per_second,
                                  struct clock *c)
{
    int hour, minute, second = 0;

    c->units = 0;
    if (!take_digits(r, 2, &hour) || !take(r, ':') || !take_digits(r, 2, &minute))
        return MOMENT_FORM;
    bool seconds = take(r, ':');
    if (seconds && !take_digits(r, 2, &second))
        return MOMENT_FORM;
    if (hour > 23 || minute > 59 || second > 59)
        return MOMENT_RANGE;
    c->seconds = hour * 3600 + minute * 60 + second;
    return seconds && take(r, '.') ? take_fraction(r, per_second, &c->units)
                                   : MOMENT_FITS;
}

/* Z or +-HH:MM, as seconds east. */
static enum moment_fit take_zone(struct reading *r, int64_t *east)
{
    int hour, minute;

    *east = 0;
    if (take(r, 'Z') || take(r, 'z'))
        return MOMENT_FITS;
    bool minus = take(r, '-');
    if (!minus && !take(r, '+'))
        return MOMENT_FORM;
    if (!take_digits(r, 2, &hour) || !take(r, ':') || !take_digits(r, 2, &minute))
        return MOMENT_FORM;
    if (hour > 23 || minute > 59)
        return MOMENT_RANGE;
    *east = (hour * 3600 + minute * 60) * (minus ? -1 : 1);
    return MOMENT_FITS;
}

#define TRY_FIT(call)                  \
    do {                               \
        enum moment_fit fit_ = (call); \
        if (fit_ != MOMENT_FITS)       \
            return fit_;               \
    } while (0)

enum moment_fit moment_date(int32_t *days, struct span text)
{
    struct reading r = reading_of(text);
    int64_t d;

    TRY_FIT(take_date(&r, &d));
    if (!at_end(&r))
        return MOMENT_FORM;
    if (d < INT32_MIN || d > INT32_MAX)
        return MOMENT_RANGE;
    *days = (int32_t)d;
    return MOMENT_FITS;
}

enum moment_fit moment_time(int64_t *out, struct span text, int64_t per_second)
{
    struct reading r = reading_of(text);
    struct clock c;

    TRY_FIT(take_clock(&r, per_second, &c));
    if (!at_end(&r))
        return MOMENT_FORM;
    *out = c.seconds * per_second + c.units;
    return MOMENT_FITS;
}

/* Before 1970 the second counts down and the fraction up: 128 bits keep the ends exact.
 */
static enum moment_fit instant(int64_t *out, int64_t seconds, int64_t units,
                               int64_t per_second)
{
    __int128 x = (__int128)seconds * per_second + units;

    if (x < INT64_MIN || x > INT64_MAX)
        return MOMENT_RANGE;
    *out = (int64_t)x;
    return MOMENT_FITS;
}

enum moment_fit moment_instant(int64_t *out, struct span text, int64_t per_second,
                               bool local)
{
    struct reading r = reading_of(text);
    struct clock c;
    int64_t days, east = 0;

    TRY_FIT(take_date(&r, &days));
    if (!take(&r, 'T') && !take(&r, 't') && !take(&r, ' '))
        return MOMENT_FORM;
    TRY_FIT(take_clock(&r, per_second, &c));
    if (at_end(&r) != local)
        return local ? MOMENT_ZONE : MOMENT_NO_ZONE;
    if (!local)
        TRY_FIT(take_zone(&r, &east));
    if (!at_end(&r))
        return MOMENT_FORM;
    return instant(out, days * DAY_SECONDS + c.seconds - east, c.units, per_second);
}

/* The designators in the order they must come, what they count in and how many. */
static const struct designator {
    char letter;
    bool in_time;
    uint8_t slot; // months, days, milliseconds
    uint32_t worth;
} designators[] = {
    {'Y', false, 0, 12},  {'M', false, 0, 1},      {'W', false, 1, 7},
    {'D', false, 1, 1},   {'H', true, 2, 3600000}, {'M', true, 2, 60000},
    {'S', true, 2, 1000},
};

#define DESIGNATORS (sizeof designators / sizeof *designators)

static size_t find_designator(size_t from, uint8_t letter, bool in_time)
{
    size_t i = from;

    while (i < DESIGNATORS &&
           (designators[i].letter != letter || designators[i].in_time != in_time))
        i++;
    return i;
}

static enum moment_fit take_amount(struct reading *r, uint64_t *amount, int64_t *millis,
                                   bool *fraction)
{
    const uint8_t *first = r->p;

    for (*amount = 0; !at_end(r) && is_digit(*r->p); r->p++)
        if (*amount <= UINT32_MAX)
            *amount = *amount * 10 + (uint64_t)(*r->p - '0');
    if (r->p == first)
        return MOMENT_FORM;
    *millis = 0;
    *fraction = take(r, '.');
    return *fraction ? take_fraction(r, 1000, millis) : MOMENT_FITS;
}

static enum moment_fit add(uint64_t *slot, uint64_t amount, uint32_t worth,
                           int64_t millis)
{
    if (amount > UINT32_MAX)
        return MOMENT_RANGE;
    *slot += amount * worth + (uint64_t)millis;
    return *slot > UINT32_MAX ? MOMENT_RANGE : MOMENT_FITS;
}

enum moment_fit moment_duration(uint32_t out[3], struct span text)
{
    struct reading r = reading_of(text);
    uint64_t slots[3] = {0}, amount;
    int64_t millis;
    size_t next = 0;
    bool in_time = false, fraction;

    if (!take(&r, 'P') || at_end(&r))
        return MOMENT_FORM;
    while (!at_end(&r)) {
        if (!in_time && take(&r, 'T'))
            in_time = true;
        TRY_FIT(take_amount(&r, &amount, &millis, &fraction));
        size_t i = at_end(&r) ? DESIGNATORS : find_designator(next, *r.p, in_time);
        if (i == DESIGNATORS || (fraction && designators[i].letter != 'S'))
            return MOMENT_FORM;
        r.p++;
        next = i + 1;
        TRY_FIT(add(&slots[designators[i].slot], amount, designators[i].worth, millis));
    }
    for (int i = 0; i < 3; i++)
        out[i] = (uint32_t)slots[i];
    return MOMENT_FITS;
}

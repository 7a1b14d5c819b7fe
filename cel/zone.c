#include "cel/cel_inside.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Time zones of the system's tzdata (RFC 8536: TZif, version 2 and up), read without
 * the process-wide TZ.  Behind the last transition the rule of the footer holds.
 */
#define ZONE_FILE_MOST 65536
#define ZONES_MOST 64 // kept by a run; what comes after is read each time

struct cel_zone {
    struct cel_zone *next;
    struct span name;
    struct buf file; // all else points into it
    size_t n_times, n_types;
    const uint8_t *times, *indexes, *types;
    struct span rule;
    bool found;
};

static int64_t be(const uint8_t *p, size_t n)
{
    uint64_t x = p[0] >= 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++)
        x = x << 8 | p[i];
    return (int64_t)x;
}

/* Reading the file */

#define HEAD 44

struct counts {
    size_t isut, isstd, leap, time, type, character;
};

static bool read_head(struct span s, struct counts *c)
{
    size_t *all[] = {&c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->character};

    if (s.n < HEAD || memcmp(s.p, "TZif", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t x = be(s.p + 20 + 4 * i, 4);

        if (x < 0 || x > ZONE_FILE_MOST)
            return false;
        *all[i] = (size_t)x;
    }
    return true;
}

static size_t block_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + c->type * 6 + c->character +
           c->leap * (time_size + 4) + c->isstd + c->isut;
}

static bool read_zone(struct cel_zone *z)
{
    struct span s = buf_span(&z->file);
    struct counts c;

    if (!read_head(s, &c) || s.p[4] < '2' || s.n < HEAD + block_size(&c, 4))
        return false;
    s = span_skip(s, HEAD + block_size(&c, 4));
    if (!read_head(s, &c) || s.n < HEAD + block_size(&c, 8) || c.type == 0)
        return false;
    z->n_times = c.time;
    z->n_types = c.type;
    z->times = s.p + HEAD;
    z->indexes = z->times + 8 * c.time;
    z->types = z->indexes + c.time;
    s = span_skip(s, HEAD + block_size(&c, 8));
    if (s.n >= 2 && s.p[0] == '\n' && s.p[s.n - 1] == '\n')
        z->rule = span_of(s.p + 1, s.n - 2);
    return true;
}

/* A name is a path below the zones' folder, and of the letters that zones have. */
static bool is_zone_name(struct span name)
{
    if (name.n == 0 || name.n > 100 || name.p[0] == '/')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum(name.p[i]) && strchr("_+-/", name.p[i]) == NULL)
            return false;
    return true;
}

static bool read_file(struct buf *out, struct span name)
{
    char path[160];

    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", (int)name.n,
             (const char *)name.p);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    uint8_t *room = buf_room(out, ZONE_FILE_MOST);
    ssize_t n;
    do
        n = read(fd, room + out->n, ZONE_FILE_MOST - out->n);
    while (n > 0 && (buf_added(out, (size_t)n), out->n < ZONE_FILE_MOST));
    close(fd);
    return n == 0;
}

/* The POSIX rule: "CET-1CEST,M3.5.0,M10.5.0/3" */

struct rule {
    const char *p, *end;
    bool bad;
};

static char next(const struct rule *r)
{
    return r->p < r->end ? *r->p : '\0';
}

static bool take(struct rule *r, char c)
{
    if (next(r) != c)
        return false;
    r->p++;
    return true;
}

static void skip_name(struct rule *r)
{
    const char *start = r->p;

    if (take(r, '<')) {
        while (next(r) != '>' && next(r) != '\0')
            r->p++;
        r->bad = r->bad || !take(r, '>');
        return;
    }
    while (isalpha((unsigned char)next(r)))
        r->p++;
    r->bad = r->bad || r->p - start < 3;
}

static int64_t take_number(struct rule *r)
{
    int64_t x = 0;

    r->bad = r->bad || !isdigit((unsigned char)next(r));
    for (int i = 0; i < 4 && isdigit((unsigned char)next(r)); i++)
        x = x * 10 + (*r->p++ - '0');
    return x;
}

/* [-]hh[:mm[:ss]] in seconds */
static int64_t take_time(struct rule *r)
{
    bool negative = take(r, '-');

    if (!negative)
        take(r, '+');
    int64_t x = take_number(r) * 3600;
    if (take(r, ':'))
        x += take_number(r) * 60;
    if (take(r, ':'))
        x += take_number(r);
    return negative ? -x : x;
}

/* Mm.w.d: day d (0 is Sunday) of the w-th week of month m; the fifth is the last. */
static int64_t month_rule(struct rule *r, int64_t year)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t month = take_number(r), day_of_year = 0;

    r->bad = r->bad || !take(r, '.');
    int64_t week = take_number(r);
    r->bad = r->bad || !take(r, '.');
    int64_t weekday = take_number(r);
    if (r->bad || month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6) {
        r->bad = true;
        return 0;
    }
    for (int m = 1; m < month; m++)
        day_of_year += lengths[m - 1] + (m == 2 && cel_is_leap(year));
    int64_t first = cel_days_before_year(year) + day_of_year;
    int64_t day = (weekday - (first + 4) % 7 + 7) % 7 + (week - 1) * 7;
    int64_t length = lengths[month - 1] + (month == 2 && cel_is_leap(year));
    while (day >= length)
        day -= 7;
    return first + day;
}

/* The second of `year`, by the wall's clock, when the rule at *r strikes. */
static int64_t take_day(struct rule *r, int64_t year)
{
    int64_t days, time = 7200;

    if (take(r, 'M')) {
        days = month_rule(r, year);
    } else if (take(r, 'J')) { // from 1, February 29 never counted
        int64_t n = take_number(r);

        days = cel_days_before_year(year) + n - 1 + (cel_is_leap(year) && n > 59);
    } else {
        days = cel_days_before_year(year) + take_number(r);
    }
    if (take(r, '/'))
        time = take_time(r);
    return days * 86400 + time;
}

static int64_t year_of(int64_t when)
{
    int64_t year = 1970 + when / 31556952;

    while (cel_days_before_year(year) * 86400 > when)
        year--;
    while (cel_days_before_year(year + 1) * 86400 <= when)
        year++;
    return year;
}

static bool by_rule(struct span text, int64_t when, int64_t *out)
{
    struct rule r = {.p = (const char *)text.p, .end = (const char *)text.p + text.n};

    if (text.n == 0)
        return false;
    skip_name(&r);
    int64_t standard = -take_time(&r);
    *out = standard;
    if (r.bad || next(&r) == '\0')
        return !r.bad;
    skip_name(&r);
    int64_t summer = standard + 3600;
    if (next(&r) != ',' && next(&r) != '\0')
        summer = -take_time(&r);
    if (!take(&r, ','))
        return false;
    int64_t year = year_of(when + standard);
    int64_t begins = take_day(&r, year) - standard;
    r.bad = r.bad || !take(&r, ',');
    int64_t ends = take_day(&r, year) - summer;
    bool is_summer =
        begins < ends ? when >= begins && when < ends : when >= begins || when < ends;
    *out = is_summer ? summer : standard;
    return !r.bad;
}

/* The offset at `when` */

static bool type_offset(const struct cel_zone *z, size_t type, int64_t *out)
{
    if (type >= z->n_types)
        return false;
    *out = be(z->types + 6 * type, 4);
    return true;
}

static bool offset_at(const struct cel_zone *z, int64_t when, int64_t *out)
{
    size_t low = 0, high = z->n_times;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (be(z->times + 8 * mid, 8) <= when)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == z->n_times && by_rule(z->rule, when, out))
        return true;
    return type_offset(z, low > 0 ? z->indexes[low - 1] : 0, out);
}

static void free_zone(struct cel_zone *z)
{
    buf_free(&z->file);
    free((void *)z->name.p);
    free(z);
}

static struct cel_zone *open_zone(struct span name)
{
    struct cel_zone *z = mem_alloc(sizeof *z);

    z->name = span_of(mem_str(name), name.n);
    z->file = BUF_INIT(2 * ZONE_FILE_MOST);
    z->found = is_zone_name(name) && read_file(&z->file, name) && read_zone(z);
    return z;
}

/* [+-]hh:mm */
static bool fixed_offset(struct span name, int64_t *out)
{
    size_t sign = name.n > 0 && (name.p[0] == '-' || name.p[0] == '+');
    bool west = sign == 1 && name.p[0] == '-';

    name = span_skip(name, sign);
    if (name.n != 5 || name.p[2] != ':')
        return false;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && !isdigit(name.p[i]))
            return false;
    int64_t hours = (name.p[0] - '0') * 10 + name.p[1] - '0';
    int64_t minutes = (name.p[3] - '0') * 10 + name.p[4] - '0';
    *out = (hours * 60 + minutes) * (west ? -60 : 60);
    return hours < 24 && minutes < 60;
}

bool cel_zone_offset(struct cel_run *run, struct span name, int64_t when, int64_t *out)
{
    size_t n = 0;

    *out = 0;
    if (name.n == 0 || span_eq(name, span_str("UTC")))
        return true;
    if (fixed_offset(name, out))
        return true;
    struct cel_zone *z = run->zones;
    for (; z != NULL && !span_eq(z->name, name); z = z->next)
        n++;
    if (z == NULL) {
        if (!cel_steps(run, 1000))
            return false;
        if (n >= ZONES_MOST)
            cel_zones_free(run);
        z = open_zone(name);
        z->next = run->zones;
        run->zones = z;
    }
    return z->found && offset_at(z, when, out);
}

void cel_zones_free(struct cel_run *run)
{
    while (run->zones != NULL) {
        struct cel_zone *z = run->zones;

        run->zones = z->next;
        free_zone(z);
    }
}

#include "quality/pattern.h"

#include "avro-core/moment.h"

#include <strings.h>

enum form { LETTERS, RFC3339, DATE, TIME };

static const char *const forms[] = {
    [RFC3339] = "rfc3339", [DATE] = "date", [TIME] = "time"};

/* The letters, and how many of each may stand together. */
static const struct {
    char letter;
    uint8_t counts[4]; // 0 = no more
} letters[] = {
    {'y', {4, 2}}, {'M', {1, 2, 3}}, {'d', {1, 2}}, {'H', {1, 2}}, {'h', {1, 2}},
    {'m', {2}},    {'s', {2}},       {'a', {1}},    {'X', {3}},
};
#define N_LETTERS (sizeof letters / sizeof letters[0])

static bool may_be(char letter, size_t n)
{
    if (letter == 'S')
        return n >= 1 && n <= 9;
    for (size_t i = 0; i < N_LETTERS; i++)
        for (size_t k = 0; k < 4 && letters[i].counts[k] != 0; k++)
            if (letters[i].letter == letter && letters[i].counts[k] == n)
                return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum err_kind add(struct pattern *p, char letter, size_t n, char sign,
                         struct err *e)
{
    if (p->n == PATTERN_PARTS)
        return err_set(e, ERR_INVALID, "a format of more than %d parts", PATTERN_PARTS);
    p->parts[p->n++] = (struct pattern_part){letter, (uint8_t)n, sign};
    return ERR_OK;
}

static enum err_kind read_letters(struct pattern *p, const char *at, struct err *e)
{
    bool quoted = false;

    while (*at != '\0') {
        if (at[0] == '\'' && at[1] == '\'') {
            TRY(add(p, 0, 1, '\'', e));
            at += 2;
        } else if (*at == '\'') {
            quoted = !quoted;
            at++;
        } else if (quoted || !is_letter(*at)) {
            TRY(add(p, 0, 1, *at++, e));
        } else {
            size_t n = 1;
            while (at[n] == *at)
                n++;
            if (!may_be(*at, n))
                return err_set(e, ERR_INVALID,
                               "format: \"%.*s\" is none of yyyy yy MM M MMM dd d HH H "
                               "hh h mm ss S a XXX, rfc3339, date, time",
                               n < 20 ? (int)n : 20, at);
            TRY(add(p, *at, n, 0, e));
            at += n;
        }
    }
    return quoted ? err_set(e, ERR_INVALID, "format: a quote is not closed") : ERR_OK;
}

enum err_kind pattern_read(struct pattern *p, const char *text, struct err *e)
{
    *p = (struct pattern){0};
    for (int f = RFC3339; f <= TIME; f++)
        if (strcmp(text, forms[f]) == 0) {
            p->form = f;
            return ERR_OK;
        }
    TRY(read_letters(p, text, e));
    return p->n > 0 ? ERR_OK : err_set(e, ERR_INVALID, "format: nothing is asked for");
}

/* --- reading a text --------------------------------------------------------------- */

struct moment {
    int year, month, day, hour, half, minute, second; // -1 = not said
};

/* Exactly `least` to `most` digits. */
static bool digits(struct span *s, size_t least, size_t most, int *out)
{
    size_t n = 0;

    *out = 0;
    while (n < s->n && n < most && s->p[n] >= '0' && s->p[n] <= '9')
        *out = *out * 10 + (s->p[n++] - '0');
    *s = span_skip(*s, n);
    return n >= least;
}

static bool within(struct span *s, size_t least, size_t most, int low, int high,
                   int *out)
{
    return digits(s, least, most, out) && *out >= low && *out <= high;
}

static bool word(struct span *s, const char *const *words, int n, int *out)
{
    for (int i = 0; i < n; i++) {
        size_t len = strlen(words[i]);
        if (s->n >= len && strncasecmp((const char *)s->p, words[i], len) == 0) {
            *s = span_skip(*s, len);
            *out = i;
            return true;
        }
    }
    return false;
}

static bool month(struct span *s, const struct pattern_part *part, struct moment *m)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    if (part->n < 3)
        return within(s, part->n, 2, 1, 12, &m->month);
    if (!word(s, names, 12, &m->month))
        return false;
    m->month++;
    return true;
}

static bool year(struct span *s, const struct pattern_part *part, struct moment *m)
{
    if (!digits(s, part->n, part->n, &m->year))
        return false;
    if (part->n == 2)
        m->year += 2000;
    return m->year > 0; // an era's, as with Java's y: there is no 0000
}

static bool zone(struct span *s)
{
    int hours, minutes;

    if (s->n > 0 && s->p[0] == 'Z') {
        *s = span_skip(*s, 1);
        return true;
    }
    if (s->n < 6 || (s->p[0] != '+' && s->p[0] != '-') || s->p[3] != ':')
        return false;
    *s = span_skip(*s, 1);
    if (!within(s, 2, 2, 0, 18, &hours))
        return false;
    *s = span_skip(*s, 1);
    return within(s, 2, 2, 0, 59, &minutes);
}

static bool take(struct span *s, const struct pattern_part *part, struct moment *m)
{
    static const char *const halves[] = {"AM", "PM"};
    int ignored;

    switch (part->letter) {
    case 'y': return year(s, part, m);
    case 'M': return month(s, part, m);
    case 'd': return within(s, part->n, 2, 1, 31, &m->day);
    case 'H': return within(s, part->n, 2, 0, 23, &m->hour);
    case 'h': return within(s, part->n, 2, 1, 12, &m->hour);
    case 'm': return within(s, 2, 2, 0, 59, &m->minute);
    case 's': return within(s, 2, 2, 0, 59, &m->second);
    case 'S': return digits(s, part->n, part->n, &ignored);
    case 'a': return word(s, halves, 2, &m->half);
    case 'X': return zone(s);
    default:
        if (s->n == 0 || (char)s->p[0] != part->sign)
            return false;
        *s = span_skip(*s, 1);
        return true;
    }
}

static bool is_leap(int y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static bool is_day(const struct moment *m)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (m->day < 0 || m->month < 0)
        return true;
    if (m->month == 2 && m->day == 29 && m->year >= 0)
        return is_leap(m->year);
    return m->day <= days[m->month - 1];
}

static bool fits_letters(const struct pattern *p, struct span text)
{
    struct moment m = {-1, -1, -1, -1, -1, -1, -1};

    for (size_t i = 0; i < p->n; i++)
        if (!take(&text, &p->parts[i], &m))
            return false;
    return text.n == 0 && is_day(&m);
}

bool pattern_fits(const struct pattern *p, struct span text)
{
    int32_t days;
    int64_t x;

    switch (p->form) {
    case RFC3339:
        return moment_instant(&x, text, 1000000000, false) == MOMENT_FITS ||
               moment_instant(&x, text, 1000000, false) == MOMENT_FITS;
    case DATE: return moment_date(&days, text) == MOMENT_FITS;
    case TIME: return moment_time(&x, text, 1000000000) == MOMENT_FITS;
    default: return fits_letters(p, text);
    }
}

#include "transform/pattern.h"

#include <stdio.h>

/* --- reading a format ------------------------------------------------------------- */

/* What a letter may stand for: how often. */
static const struct {
    char letter;
    uint8_t least, most;
} letters[] = {
    {'y', 4, 4}, {'M', 1, 4}, {'d', 1, 2}, {'E', 3, 4}, {'H', 1, 2}, {'h', 1, 2},
    {'a', 1, 1}, {'m', 1, 2}, {'s', 1, 2}, {'S', 1, 9}, {'X', 1, 3}, {'z', 1, 1},
};
#define LETTERS (sizeof letters / sizeof letters[0])

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum err_kind add(struct pattern *p, char letter, size_t n, struct err *e)
{
    if (p->n == PATTERN_ITEMS)
        return err_set(e, ERR_LIMIT, "format \"%.60s\": more than %d parts", p->text,
                       PATTERN_ITEMS);
    p->items[p->n++] = (struct pattern_item){letter, (uint8_t)n};
    return ERR_OK;
}

static bool has(const struct pattern *p, char letter)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].letter == letter)
            return true;
    return false;
}

static enum err_kind add_letters(struct pattern *p, char letter, size_t n,
                                 struct err *e)
{
    size_t i = 0;

    while (i < LETTERS && letters[i].letter != letter)
        i++;
    if (letter == 'y' && n == 2)
        return err_set(e, ERR_INVALID,
                       "format \"%.60s\": yy does not say the century, wanted yyyy",
                       p->text);
    if (i == LETTERS)
        return err_set(
            e, ERR_INVALID,
            "format \"%.60s\": %c means nothing; text stands in quotes: '%c'", p->text,
            letter, letter);
    if (n < letters[i].least || n > letters[i].most)
        return err_set(e, ERR_INVALID,
                       "format \"%.60s\": %zu times %c, wanted %d to %d", p->text, n,
                       letter, letters[i].least, letters[i].most);
    if (has(p, letter))
        return err_set(e, ERR_INVALID, "format \"%.60s\": %c stands there twice",
                       p->text, letter);
    return add(p, letter, n, e);
}

/* From behind the quote to behind the other one. */
static enum err_kind add_quoted(struct pattern *p, const char **at, struct err *e)
{
    if (**at == '\'') {
        ++*at;
        return add(p, 0, '\'', e);
    }
    for (; **at != '\0'; ++*at) {
        if (**at == '\'' && (*at)[1] == '\'')
            ++*at;
        else if (**at == '\'')
            break;
        TRY(add(p, 0, (uint8_t) * *at, e));
    }
    if (**at == '\0')
        return err_set(e, ERR_INVALID, "format \"%.60s\": a quote is not closed",
                       p->text);
    ++*at;
    return ERR_OK;
}

static enum err_kind read_items(struct pattern *p, const char *at, struct err *e)
{
    while (*at != '\0') {
        char c = *at++;
        size_t n = 1;
        if (c == '\'') {
            TRY(add_quoted(p, &at, e));
        } else if (is_letter(c)) {
            for (; *at == c; at++)
                n++;
            TRY(add_letters(p, c, n, e));
        } else {
            TRY(add(p, 0, (uint8_t)c, e));
        }
    }
    return ERR_OK;
}

static enum err_kind refuse(const struct pattern *p, const char *why, struct err *e)
{
    return err_set(e, ERR_INVALID, "format \"%.60s\": %s", p->text, why);
}

/* What one part has no sense without. */
static enum err_kind check(struct pattern *p, struct err *e)
{
    bool year = has(p, 'y'), month = has(p, 'M'), day = has(p, 'd');
    bool hour = has(p, 'H'), half = has(p, 'h');

    p->has_date = year && month && day;
    p->has_time = hour || half;
    p->has_zone = has(p, 'X') || has(p, 'z');
    if (!p->has_date && (year || month || day || has(p, 'E')))
        return refuse(p, "a date wants y, M and d", e);
    if (half != has(p, 'a'))
        return refuse(p, "h and a want each other", e);
    if (hour && half)
        return refuse(p, "H or h, not both", e);
    if ((has(p, 'm') && !p->has_time) || (has(p, 's') && !has(p, 'm')) ||
        (has(p, 'S') && !has(p, 's')))
        return refuse(p, "a time wants H, then m, then s, then S", e);
    if (has(p, 'X') && has(p, 'z'))
        return refuse(p, "X or z, not both", e);
    if (!p->has_date && !p->has_time)
        return refuse(p, "neither a date nor a time", e);
    return ERR_OK;
}

enum err_kind tr_pattern_read(struct pattern *out, const char *text, struct err *e)
{
    *out = (struct pattern){.n = 0};
    if (strlen(text) > PATTERN_BYTES)
        return err_set(e, ERR_LIMIT, "a format of %zu bytes, %d are allowed",
                       strlen(text), PATTERN_BYTES);
    snprintf(out->text, sizeof out->text, "%s", text);
    TRY(read_items(out, text, e));
    return check(out, e);
}

/* --- matching --------------------------------------------------------------------- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

struct matching {
    struct span text;
    size_t at;
    const char *why;
    int year, month, day, weekday; // weekday 1 = Monday, 0 = not told
    int hour, minute, second, nanos, offset;
    bool half, afternoon; // the hour is of twelve
};

static bool no(struct matching *m, const char *why)
{
    m->why = why;
    return false;
}

static bool is_digit(const struct matching *m, size_t at)
{
    return at < m->text.n && m->text.p[at] >= '0' && m->text.p[at] <= '9';
}

/* At least `least` digits, at most `most`. */
static bool take_digits(struct matching *m, size_t least, size_t most, int *out)
{
    size_t n = 0;

    *out = 0;
    for (; n < most && is_digit(m, m->at + n); n++)
        *out = *out * 10 + (m->text.p[m->at + n] - '0');
    if (n < least)
        return no(m, "a digit is missing");
    m->at += n;
    return true;
}

static bool take_byte(struct matching *m, uint8_t c)
{
    if (m->at == m->text.n || m->text.p[m->at] != c)
        return false;
    m->at++;
    return true;
}

static bool take_word(struct matching *m, const char *word, size_t n)
{
    if (m->text.n - m->at < n || memcmp(m->text.p + m->at, word, n) != 0)
        return false;
    m->at += n;
    return true;
}

/* The name's number, from 1; its first three letters, or all of them. */
static bool take_name(struct matching *m, const char *const *names, int count,
                      bool whole, int *out)
{
    for (int i = 0; i < count; i++)
        if (take_word(m, names[i], whole ? strlen(names[i]) : 3)) {
            *out = i + 1;
            return true;
        }
    return no(m, "no such name");
}

static bool take_month(struct matching *m, size_t n)
{
    if (n > 2)
        return take_name(m, months, 12, n == 4, &m->month);
    return take_digits(m, n, 2, &m->month);
}

static bool take_half(struct matching *m)
{
    bool am = take_word(m, "AM", 2) || take_word(m, "am", 2);

    m->half = true;
    m->afternoon = !am;
    return am || take_word(m, "PM", 2) || take_word(m, "pm", 2) ||
           no(m, "neither AM nor PM");
}

static bool take_fraction(struct matching *m, size_t n)
{
    if (!take_digits(m, n, n, &m->nanos))
        return false;
    for (; n < 9; n++)
        m->nanos *= 10;
    return true;
}

static bool take_offset(struct matching *m, size_t n)
{
    int hours, minutes = 0;

    if (take_byte(m, 'Z'))
        return true;
    bool west = take_byte(m, '-');
    if (!west && !take_byte(m, '+'))
        return no(m, "no offset from UTC");
    if (!take_digits(m, 2, 2, &hours) ||
        (n == 3 && !take_byte(m, ':') && !no(m, "no offset from UTC")) ||
        (n > 1 && !take_digits(m, 2, 2, &minutes)))
        return false;
    if (hours > 18 || minutes > 59)
        return no(m, "there is no such offset");
    m->offset = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Years are an era's, as with Java's y: before 1 AD comes 1 BC, and 0000 is how people
 * write that there is none. */
static bool take_year(struct matching *m)
{
    return take_digits(m, 4, 4, &m->year) &&
           (m->year > 0 || no(m, "there is no year 0000"));
}

static bool take_item(struct matching *m, const struct pattern_item *i)
{
    switch (i->letter) {
    case 'y': return take_year(m);
    case 'M': return take_month(m, i->n);
    case 'd': return take_digits(m, i->n, 2, &m->day);
    case 'E': return take_name(m, weekdays, 7, i->n == 4, &m->weekday);
    case 'H':
    case 'h': return take_digits(m, i->n, 2, &m->hour);
    case 'a': return take_half(m);
    case 'm': return take_digits(m, i->n, 2, &m->minute);
    case 's': return take_digits(m, i->n, 2, &m->second);
    case 'S': return take_fraction(m, i->n);
    case 'X': return take_offset(m, i->n);
    case 'z':
        return take_word(m, "UTC", 3) || take_word(m, "GMT", 3) || take_byte(m, 'Z') ||
               no(m, "neither Z, UTC nor GMT");
    default: return take_byte(m, i->n) || no(m, "another character is wanted");
    }
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01: years from March on, so that the leap day is their last. */
static int64_t days_of(int year, int month, int day)
{
    int y = year - (month <= 2), shifted = (month + 9) % 12;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
           (153 * shifted + 2) / 5 + day - 1 - 719468;
}

static bool make_date(struct matching *m, struct pattern_moment *out)
{
    if (m->month < 1 || m->month > 12 || m->day < 1 ||
        m->day > days_in_month(m->year, m->month))
        return no(m, "there is no such day");
    out->days = days_of(m->year, m->month, m->day);
    // 1970-01-01 was a Thursday; a year of four digits is not that long before.
    if (m->weekday != 0 && m->weekday != (out->days + 7 * 200000 + 3) % 7 + 1)
        return no(m, "it is another day of the week");
    return true;
}

static bool make_time(struct matching *m, struct pattern_moment *out)
{
    if (m->half && (m->hour < 1 || m->hour > 12))
        return no(m, "there is no such hour");
    if (m->half)
        m->hour = m->hour % 12 + (m->afternoon ? 12 : 0);
    if (m->hour > 23 || m->minute > 59 || m->second > 59)
        return no(m, "there is no such time of day");
    out->seconds = m->hour * 3600 + m->minute * 60 + m->second;
    out->nanos = m->nanos;
    out->offset = m->offset;
    return true;
}

bool tr_pattern_match(const struct pattern *p, struct span text,
                      struct pattern_moment *out, const char **why, size_t *at)
{
    struct matching m = {.text = text, .year = 1970, .month = 1, .day = 1};
    struct pattern_moment made = {0};
    bool good = true;

    for (size_t i = 0; i < p->n && good; i++)
        good = take_item(&m, &p->items[i]);
    if (good && m.at < text.n)
        good = no(&m, "there is more than that");
    *at = m.at;
    good = good && make_date(&m, &made) && make_time(&m, &made);
    *why = m.why;
    if (good)
        *out = made;
    return good;
}

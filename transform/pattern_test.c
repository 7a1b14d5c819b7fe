#include "transform/pattern.h"

#include "tests/check.h"

#include <inttypes.h>

/* "days seconds.nanos offset", or why not and where. */
static const char *reads(const char *format, const char *text)
{
    static char says[300];
    struct pattern p;
    struct pattern_moment m;
    struct err e = {0};
    const char *why;
    size_t at;

    if (tr_pattern_read(&p, format, &e) != ERR_OK)
        return snprintf(says, sizeof says, "%s", e.msg), says;
    if (!tr_pattern_match(&p, span_str(text), &m, &why, &at))
        snprintf(says, sizeof says, "%s at %zu", why, at);
    else
        snprintf(says, sizeof says, "%" PRId64 " %d.%09d %d", m.days, m.seconds,
                 m.nanos, m.offset);
    return says;
}

static void each_letter_reads_what_it_says(void)
{
    static const struct {
        const char *format, *text, *says;
    } cases[] = {
        {"dd/MM/yyyy", "01/01/1970", "0 0.000000000 0"},
        {"dd/MM/yyyy", "29/02/2024", "19782 0.000000000 0"},
        {"yyyyMMdd", "19691231", "-1 0.000000000 0"},
        {"yyyyMMdd", "00010101", "-719162 0.000000000 0"},
        {"yyyy-MM-dd", "9999-12-31", "2932896 0.000000000 0"},
        {"d.M.yyyy", "2.1.1970", "1 0.000000000 0"},
        {"d.M.yyyy", "02.01.1970", "1 0.000000000 0"},
        {"d MMM yyyy", "2 Jan 1970", "1 0.000000000 0"},
        {"MMMM d, yyyy", "January 31, 1970", "30 0.000000000 0"},
        {"EEE, dd MMM yyyy HH:mm:ss z", "Thu, 01 Jan 1970 00:00:01 GMT",
         "0 1.000000000 0"},
        {"EEEE d.M.yyyy", "Monday 1.1.0001", "-719162 0.000000000 0"},
        {"HH:mm", "23:59", "0 86340.000000000 0"},
        {"H:mm:ss.SSS", "7:05:06.25", "a digit is missing at 8"},
        {"H:mm:ss.SS", "7:05:06.25", "0 25506.250000000 0"},
        {"h:mm a", "12:00 AM", "0 0.000000000 0"},
        {"h:mm a", "12:30 pm", "0 45000.000000000 0"},
        {"yyyy-MM-dd'T'HH:mmX", "1970-01-01T00:00+01", "0 0.000000000 3600"},
        {"HH:mmXX", "00:00-0130", "0 0.000000000 -5400"},
        {"HH:mmXXX", "00:00+05:30", "0 0.000000000 19800"},
        {"HH:mmXXX", "00:00Z", "0 0.000000000 0"},
        {"HH'h'mm''", "10h20'", "0 37200.000000000 0"},
        {"HH 'o''clock'", "10 o'clock", "0 36000.000000000 0"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(reads(cases[i].format, cases[i].text), cases[i].says);
}

static void nothing_is_lenient(void)
{
    static const struct {
        const char *format, *text, *says;
    } cases[] = {
        {"dd/MM/yyyy", "31/02/2024", "there is no such day at 10"},
        {"dd/MM/yyyy", "29/02/1900", "there is no such day at 10"},
        {"dd/MM/yyyy", "00/01/2024", "there is no such day at 10"},
        {"dd/MM/yyyy", "01/13/2024", "there is no such day at 10"},
        {"dd/MM/yyyy", "01/01/0000", "there is no year 0000 at 10"},
        {"yyyy-MM-dd", "0000-00-00", "there is no year 0000 at 4"},
        {"dd/MM/yyyy", "1/01/2024", "a digit is missing at 0"},
        {"dd/MM/yyyy", "01-01-2024", "another character is wanted at 2"},
        {"dd/MM/yyyy", "01/01/24", "a digit is missing at 6"},
        {"dd/MM/yyyy", "01/01/2024 ", "there is more than that at 10"},
        {"dd/MM/yyyy", " 01/01/2024", "a digit is missing at 0"},
        {"dd/MM/yyyy", "", "a digit is missing at 0"},
        {"d MMM yyyy", "2 jan 1970", "no such name at 2"},
        {"d MMM yyyy", "2 Mai 1970", "no such name at 2"},
        {"EEE d.M.yyyy", "Fri 1.1.1970", "it is another day of the week at 12"},
        {"HH:mm", "24:00", "there is no such time of day at 5"},
        {"HH:mm:ss", "23:59:60", "there is no such time of day at 8"},
        {"h:mm a", "13:00 PM", "there is no such hour at 8"},
        {"h:mm a", "1:00 xm", "neither AM nor PM at 5"},
        {"HH:mmX", "00:00+19", "there is no such offset at 8"},
        {"HH:mmXXX", "00:00+0100", "no offset from UTC at 8"},
        {"HH:mm", "1\xd9\xa1:00", "a digit is missing at 0"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(reads(cases[i].format, cases[i].text), cases[i].says);
}

static void a_format_that_says_too_little_is_refused(void)
{
    static const struct {
        const char *format, *says;
    } cases[] = {
        {"dd/MM/yy", "format \"dd/MM/yy\": yy does not say the century, wanted yyyy"},
        {"dd/mm/yyyy", "format \"dd/mm/yyyy\": a date wants y, M and d"},
        {"DD/MM/YYYY", "format \"DD/MM/YYYY\": D means nothing; text stands in quotes: "
                       "'D'"},
        {"hh:mm", "format \"hh:mm\": h and a want each other"},
        {"HH:ss", "format \"HH:ss\": a time wants H, then m, then s, then S"},
        {"HH:mm:HH", "format \"HH:mm:HH\": H stands there twice"},
        {"HH:mmm", "format \"HH:mmm\": 3 times m, wanted 1 to 2"},
        {"HH'h", "format \"HH'h\": a quote is not closed"},
        {"", "format \"\": neither a date nor a time"},
        {"--", "format \"--\": neither a date nor a time"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(reads(cases[i].format, ""), cases[i].says);
}

/* Every day of a few hundred years, against counting them. */
static void days_follow_each_other(void)
{
    struct pattern p;
    struct err e = {0};
    int64_t want = -719162; // 0001-01-01
    int wrong = 0;

    CHECK_INT(tr_pattern_read(&p, "yyyy-MM-dd", &e), ERR_OK);
    for (int y = 1; y <= 2500; y++)
        for (int m = 1; m <= 12; m++)
            for (int d = 1; d <= 31; d++) {
                char text[40];
                struct pattern_moment out;
                const char *why;
                size_t at;
                snprintf(text, sizeof text, "%04d-%02d-%02d", y, m, d);
                if (tr_pattern_match(&p, span_str(text), &out, &why, &at))
                    wrong += out.days != want++;
            }
    CHECK_INT(wrong, 0);
    CHECK_INT(want, 193943 + 1); // 2500-12-31 is the last
}

int main(void)
{
    RUN(each_letter_reads_what_it_says);
    RUN(nothing_is_lenient);
    RUN(a_format_that_says_too_little_is_refused);
    RUN(days_follow_each_other);
    return REPORT();
}

#include "quality/pattern.h"

#include "tests/check.h"

static bool fits(const char *format, const char *text)
{
    struct pattern p;
    struct err e = {0};

    if (pattern_read(&p, format, &e) != ERR_OK) {
        printf("    %s: %s\n", format, e.msg);
        check_count(false);
        return false;
    }
    return pattern_fits(&p, span_str(text));
}

static void letters_are_javas(void)
{
    CHECK(fits("dd/MM/yyyy", "20/11/2026"));
    CHECK(!fits("dd/MM/yyyy", "20/11/26"));
    CHECK(!fits("dd/MM/yyyy", "2/11/2026"));
    CHECK(!fits("dd/MM/yyyy", "20/13/2026"));
    CHECK(!fits("dd/MM/yyyy", "20/11/2026 "));
    CHECK(!fits("dd/MM/yyyy", ""));
    CHECK(fits("d.M.yy H:mm", "2.1.26 9:05"));
    CHECK(fits("d.M.yy H:mm", "12.11.26 19:05"));
    CHECK(!fits("d.M.yy H:mm", "12.11.26 24:05"));
    CHECK(fits("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-11-20T09:30:00.250+01:00"));
    CHECK(fits("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-11-20T09:30:00.250Z"));
    CHECK(!fits("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-11-20T09:30:00.25Z"));
    CHECK(!fits("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-11-20T09:30:00.250"));
    CHECK(fits("d MMM yyyy hh:mm a", "3 Feb 2026 01:30 PM"));
    CHECK(fits("d MMM yyyy hh:mm a", "3 FEB 2026 12:30 am"));
    CHECK(!fits("d MMM yyyy hh:mm a", "3 Feb 2026 13:30 PM"));
    CHECK(!fits("d MMM yyyy", "3 Fev 2026"));
    CHECK(fits("HH'h'mm", "09h30"));
    CHECK(fits("''yy", "'26"));
}

static void a_day_must_be_there(void)
{
    CHECK(!fits("dd/MM/yyyy", "31/04/2026"));
    CHECK(!fits("dd/MM/yyyy", "29/02/2026"));
    CHECK(fits("dd/MM/yyyy", "29/02/2028"));
    CHECK(!fits("dd/MM/yyyy", "29/02/2100"));
    CHECK(!fits("dd/MM/yyyy", "01/01/0000"));
    CHECK(fits("dd/MM/yyyy", "01/01/0001"));
    CHECK(fits("d.M.yy", "1.1.00"));
    CHECK(fits("dd/MM", "29/02")); // of some year
    CHECK(!fits("dd/MM", "30/02"));
}

static void iso_has_names(void)
{
    CHECK(fits("rfc3339", "2026-11-20T09:30:00Z"));
    CHECK(fits("rfc3339", "9999-11-20T09:30:00.5+02:00"));
    CHECK(!fits("rfc3339", "2026-11-20T09:30:00"));
    CHECK(!fits("rfc3339", "2026-11-20"));
    CHECK(fits("date", "2026-11-20"));
    CHECK(!fits("date", "2026-11-31"));
    CHECK(fits("date", "0000-01-01")); // 1 BC
    CHECK(fits("time", "09:30:00.25"));
    CHECK(!fits("time", "9:30"));
}

static void what_means_nothing_is_refused(void)
{
    static const char *const bad[] = {"",    "dd/mm/YYYY", "ddd",       "yyyyy",
                                      "'dd", "q",          "SSSSSSSSSS"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pattern p;
        struct err e = {0};
        CHECK_INT(pattern_read(&p, bad[i], &e), ERR_INVALID);
        CHECK(strncmp(e.msg, "format: ", 8) == 0);
    }
}

int main(void)
{
    RUN(letters_are_javas);
    RUN(a_day_must_be_there);
    RUN(iso_has_names);
    RUN(what_means_nothing_is_refused);
    return REPORT();
}

#include "avro-core/moment.h"
#include "tests/check.h"

static void dates_are_days_of_the_gregorian_calendar(void)
{
    static const struct {
        const char *text;
        enum moment_fit fit;
        int32_t days;
    } cases[] = {
        {"1970-01-01", MOMENT_FITS, 0},
        {"2000-02-29", MOMENT_FITS, 11016},
        {"2000-03-01", MOMENT_FITS, 11017},
        {"2026-11-20", MOMENT_FITS, 20777},
        {"1969-12-31", MOMENT_FITS, -1},
        {"1600-02-29", MOMENT_FITS, -135081},
        {"0001-01-01", MOMENT_FITS, -719162},
        {"0000-01-01", MOMENT_FITS, -719528},
        {"-0001-12-31", MOMENT_FITS, -719529},
        {"9999-12-31", MOMENT_FITS, 2932896},
        {"+10000-01-01", MOMENT_FITS, 2932897},
        {"+5881580-07-11", MOMENT_FITS, INT32_MAX},
        {"+5881580-07-12", MOMENT_RANGE, 0},
        {"-5877641-06-23", MOMENT_FITS, INT32_MIN},
        {"-5877641-06-22", MOMENT_RANGE, 0},
        {"1900-02-29", MOMENT_RANGE, 0},
        {"2100-02-29", MOMENT_RANGE, 0},
        {"2026-02-30", MOMENT_RANGE, 0},
        {"2026-04-31", MOMENT_RANGE, 0},
        {"2026-00-10", MOMENT_RANGE, 0},
        {"2026-13-10", MOMENT_RANGE, 0},
        {"2026-01-00", MOMENT_RANGE, 0},
        {"2026-1-01", MOMENT_FORM, 0},
        {"26-01-01", MOMENT_FORM, 0},
        {"12026-01-01", MOMENT_FORM, 0},
        {"+1234567890-01-01", MOMENT_FORM, 0},
        {"2026-01-01 ", MOMENT_FORM, 0},
        {"2026/01/01", MOMENT_FORM, 0},
        {"20260101", MOMENT_FORM, 0},
        {"2026-01-01T00:00:00Z", MOMENT_FORM, 0},
        {"", MOMENT_FORM, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t days = 0;
        CHECK_INT(moment_date(&days, span_str(cases[i].text)), cases[i].fit);
        CHECK_INT(days, cases[i].days);
    }
}

/* Each day follows the one before it, over four centuries and their leap years. */
static void no_day_is_left_out(void)
{
    int32_t last = -135141; // 1599-12-31
    int wrong = 0;

    for (int y = 1600; y < 2000; y++)
        for (int m = 1; m <= 12; m++)
            for (int d = 1; d <= 31; d++) {
                char text[40];
                int32_t days;
                snprintf(text, sizeof text, "%04d-%02d-%02d", y, m, d);
                if (moment_date(&days, span_str(text)) != MOMENT_FITS)
                    continue;
                wrong += days != last + 1;
                last = days;
            }
    CHECK_INT(wrong, 0);
    CHECK_INT(last, 10956); // 1999-12-31
}

static void times_lose_nothing(void)
{
    static const struct {
        const char *text;
        int64_t per_second;
        enum moment_fit fit;
        int64_t units;
    } cases[] = {
        {"00:00:00", 1000, MOMENT_FITS, 0},
        {"23:59:59.999", 1000, MOMENT_FITS, 86399999},
        {"09:30", 1000, MOMENT_FITS, 34200000},
        {"09:30:00.1", 1000, MOMENT_FITS, 34200100},
        {"09:30:00.1230000000000000", 1000, MOMENT_FITS, 34200123},
        {"09:30:00.1234", 1000, MOMENT_PRECISION, 0},
        {"09:30:00.123456", 1000000, MOMENT_FITS, 34200123456},
        {"09:30:00.1234567", 1000000, MOMENT_PRECISION, 0},
        {"24:00:00", 1000, MOMENT_RANGE, 0},
        {"23:60:00", 1000, MOMENT_RANGE, 0},
        {"23:59:60", 1000, MOMENT_RANGE, 0},
        {"09:30:00.", 1000, MOMENT_FORM, 0},
        {"09:30:00,5", 1000, MOMENT_FORM, 0},
        {"09:30:0", 1000, MOMENT_FORM, 0},
        {"0930", 1000, MOMENT_FORM, 0},
        {"09:30:00Z", 1000, MOMENT_FORM, 0},
        {"-9:30:00", 1000, MOMENT_FORM, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t units = 0;
        CHECK_INT(moment_time(&units, span_str(cases[i].text), cases[i].per_second),
                  cases[i].fit);
        CHECK_INT(units, cases[i].units);
    }
}

static void instants_are_exact_to_the_ends_of_64_bits(void)
{
    static const struct {
        const char *text;
        int64_t per_second;
        bool local;
        enum moment_fit fit;
        int64_t units;
    } cases[] = {
        {"2026-11-20T09:30:00Z", 1000, false, MOMENT_FITS, 1795167000000},
        {"2026-11-20T09:30:00.5+01:00", 1000, false, MOMENT_FITS, 1795163400500},
        {"2026-11-20T09:30:00-23:59", 1, false, MOMENT_FITS, 1795253340},
        {"2026-11-20 09:30:00z", 1, false, MOMENT_FITS, 1795167000},
        {"2026-11-20t09:30-00:00", 1, false, MOMENT_FITS, 1795167000},
        {"1969-12-31T23:59:59.999999999Z", 1000000000, false, MOMENT_FITS, -1},
        {"2262-04-11T23:47:16.854775807Z", 1000000000, false, MOMENT_FITS, INT64_MAX},
        {"2262-04-11T23:47:16.854775808Z", 1000000000, false, MOMENT_RANGE, 0},
        {"1677-09-21T00:12:43.145224192Z", 1000000000, false, MOMENT_FITS, INT64_MIN},
        {"1677-09-21T00:12:43.145224191Z", 1000000000, false, MOMENT_RANGE, 0},
        {"+292278994-08-17T07:12:55.807Z", 1000, false, MOMENT_FITS, INT64_MAX},
        {"2026-11-20T09:30:00", 1000, true, MOMENT_FITS, 1795167000000},
        {"2026-11-20T09:30:00", 1000, false, MOMENT_NO_ZONE, 0},
        {"2026-11-20T09:30:00Z", 1000, true, MOMENT_ZONE, 0},
        {"2026-11-20T09:30:00+1", 1000, false, MOMENT_FORM, 0},
        {"2026-11-20T09:30:00+0100", 1000, false, MOMENT_FORM, 0},
        {"2026-11-20T09:30:00+24:00", 1000, false, MOMENT_RANGE, 0},
        {"2026-11-20T09:30:00ZZ", 1000, false, MOMENT_FORM, 0},
        {"2026-11-20T09:30:00UTC", 1000, false, MOMENT_FORM, 0},
        {"2026-11-20T", 1000, false, MOMENT_FORM, 0},
        {"2026-11-20", 1000, false, MOMENT_FORM, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t units = 0;
        CHECK_INT(moment_instant(&units, span_str(cases[i].text), cases[i].per_second,
                                 cases[i].local),
                  cases[i].fit);
        CHECK_INT(units, cases[i].units);
    }
}

static void durations_have_three_parts(void)
{
    static const struct {
        const char *text;
        enum moment_fit fit;
        uint32_t parts[3];
    } cases[] = {
        {"P1Y2M3DT4H5M6.789S", MOMENT_FITS, {14, 3, 14706789}},
        {"P1M", MOMENT_FITS, {1, 0, 0}},
        {"PT1M", MOMENT_FITS, {0, 0, 60000}},
        {"P2W1D", MOMENT_FITS, {0, 15, 0}},
        {"PT0.001S", MOMENT_FITS, {0, 0, 1}},
        {"P4294967295M", MOMENT_FITS, {UINT32_MAX, 0, 0}},
        {"P4294967296M", MOMENT_RANGE, {0}},
        {"P99999999999999999999D", MOMENT_RANGE, {0}},
        {"PT4294967.296S", MOMENT_RANGE, {0}},
        {"PT0.0001S", MOMENT_PRECISION, {0}},
        {"P1D1M", MOMENT_FORM, {0}},
        {"P1D1D", MOMENT_FORM, {0}},
        {"P1.5D", MOMENT_FORM, {0}},
        {"P1", MOMENT_FORM, {0}},
        {"P1DT", MOMENT_FORM, {0}},
        {"P1H", MOMENT_FORM, {0}},
        {"PT1D", MOMENT_FORM, {0}},
        {"P", MOMENT_FORM, {0}},
        {"1D", MOMENT_FORM, {0}},
        {"PD", MOMENT_FORM, {0}},
        {"", MOMENT_FORM, {0}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t parts[3] = {0};
        CHECK_INT(moment_duration(parts, span_str(cases[i].text)), cases[i].fit);
        for (int k = 0; k < 3; k++)
            CHECK_INT(parts[k], cases[i].parts[k]);
    }
}

int main(void)
{
    RUN(dates_are_days_of_the_gregorian_calendar);
    RUN(no_day_is_left_out);
    RUN(times_lose_nothing);
    RUN(instants_are_exact_to_the_ends_of_64_bits);
    RUN(durations_have_three_parts);
    return REPORT();
}

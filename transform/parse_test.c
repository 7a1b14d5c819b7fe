#include "tests/transform_house.h"

/* A text of that form, and what becomes of it. */
static const char *becomes(const char *how, const char *text)
{
    static char says[500];
    struct transform_house h;
    char yaml[400], record[200];

    snprintf(yaml, sizeof yaml, "transform:\n- parse: {t: {%s}}\n", how);
    snprintf(record, sizeof record, text == NULL ? "{\"t\":null}" : "{\"t\":\"%s\"}",
             text);
    if (transform_house_open(
            &h,
            "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":"
            "\"t\",\"type\":[\"null\",\"string\"]}]}",
            yaml) != ERR_OK)
        snprintf(says, sizeof says, "%s", h.e.msg);
    else
        snprintf(says, sizeof says, "%s", transform_house_says(&h, record));
    transform_house_close(&h);
    return says;
}

#define ERR "error: transform 1:parse: /t: "

static void texts_become_dates_and_times(void)
{
    static const struct {
        const char *how, *text, *says;
    } cases[] = {
        {"as: date, format: dd/MM/yyyy", "20/11/2026", "{\"t\":\"2026-11-20\"}"},
        {"as: date, format: dd/MM/yyyy", NULL, "{\"t\":null}"},
        {"as: date, format: \"d.M.yyyy HH:mm\"", "1.2.2026 10:00",
         "{\"t\":\"2026-02-01\"}"},
        {"as: time, format: \"HH:mm\"", "09:30", "{\"t\":\"09:30:00\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: UTC", "20/11/2026 09:30",
         "{\"t\":\"2026-11-20T09:30:00Z\"}"},
        {"as: timestamp-millis, format: dd/MM/yyyy, zone: \"+01:00\"", "20/11/2026",
         "{\"t\":\"2026-11-19T23:00:00Z\"}"},
        {"as: timestamp-millis, format: \"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\"",
         "2026-11-20T09:30:00.125+01:00", "{\"t\":\"2026-11-20T08:30:00.125Z\"}"},
        {"as: timestamp-nanos, format: \"yyyyMMddHHmmss.SSSSSSSSSX\"",
         "20261120093000.000000001Z", "{\"t\":\"2026-11-20T09:30:00.000000001Z\"}"},
        {"as: local-timestamp, format: \"dd/MM/yyyy h:mm a\"", "20/11/2026 9:30 PM",
         "{\"t\":\"2026-11-20T21:30:00\"}"},
        {"as: date, format: [dd/MM/yyyy, yyyy-MM-dd]", "2026-11-20",
         "{\"t\":\"2026-11-20\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "20/07/2026 09:30", "{\"t\":\"2026-07-20T07:30:00Z\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "20/11/2026 09:30", "{\"t\":\"2026-11-20T08:30:00Z\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "29/03/2026 01:59", "{\"t\":\"2026-03-29T00:59:00Z\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "29/03/2026 03:00", "{\"t\":\"2026-03-29T01:00:00Z\"}"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "25/10/2026 03:00", "{\"t\":\"2026-10-25T02:00:00Z\"}"},
        {"as: date, format: dd/MM/yyyy, else: null", "n/a", "{\"t\":null}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(becomes(cases[i].how, cases[i].text), cases[i].says);
}

static void what_does_not_fit_is_an_error(void)
{
    static const struct {
        const char *how, *text, *says;
    } cases[] = {
        {"as: date, format: dd/MM/yyyy", "31/02/2026",
         ERR
         "\"31/02/2026\", wanted date as \"dd/MM/yyyy\": there is no such day, at 11"},
        {"as: date, format: dd/MM/yyyy", "",
         ERR "\"\", wanted date as \"dd/MM/yyyy\": a digit is missing, at 1"},
        {"as: date, format: [dd/MM/yyyy, yyyy-MM-dd]", "20.11.2026",
         ERR "\"20.11.2026\", wanted date as one of 2 formats"},
        {"as: time-millis, format: \"HH:mm:ss.SSSS\"", "09:30:00.0001",
         ERR
         "\"09:30:00.0001\", wanted time-millis as \"HH:mm:ss.SSSS\": digits would be "
         "lost, at 14"},
        {"as: timestamp-nanos, format: dd/MM/yyyy, zone: UTC", "01/01/2300",
         ERR
         "\"01/01/2300\", wanted timestamp-nanos as \"dd/MM/yyyy\": out of its range, "
         "at 11"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "29/03/2026 02:30",
         ERR
         "\"29/03/2026 02:30\", wanted timestamp-micros as \"dd/MM/yyyy HH:mm\": the "
         "clock is put forward there: there is no such hour, at 17"},
        {"as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: Europe/Zurich",
         "25/10/2026 02:30",
         ERR
         "\"25/10/2026 02:30\", wanted timestamp-micros as \"dd/MM/yyyy HH:mm\": the "
         "clock is put back there: the hour is there twice, at 17"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(becomes(cases[i].how, cases[i].text), cases[i].says);
}

#define REF "transform 1:parse: p.yaml:2:"

static void what_cannot_be_meant_is_refused_beforehand(void)
{
    static const struct {
        const char *how, *says;
    } cases[] = {
        {"as: date, format: dd/MM/yy",
         REF "33: format \"dd/MM/yy\": yy does not say the century, wanted yyyy"},
        {"as: timestamp, format: dd/MM/yyyy", REF
         "38: timestamp-micros wants a zone: X in the format, or zone: UTC, +01:00, "
         "Europe/Zurich"},
        {"as: timestamp, format: dd/MM/yyyy, zone: Zurich",
         REF "14: zone \"Zurich\" is unknown here, wanted UTC, +01:00 or a name like "
             "Europe/Zurich"},
        {"as: date, format: dd/MM/yyyy, zone: UTC", REF "33: zone is for timestamps"},
        {"as: local-timestamp, format: \"dd/MM/yyyy HH:mmX\"",
         REF "44: local-timestamp-micros has no zone, \"dd/MM/yyyy HH:mmX\" says one"},
        {"as: date, format: \"HH:mm\"",
         REF "33: date wants a date, which \"HH:mm\" does not say"},
        {"as: string, format: dd/MM/yyyy",
         REF "14: as: \"string\", wanted date, time, timestamp or local-timestamp (or "
             "those with -millis, -micros, -nanos)"},
        {"as: date", REF "14: \"format\" is missing"},
        {"as: date, format: dd/MM/yyyy, locale: de",
         REF "53: unknown \"locale\", wanted as|format|zone|else"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(becomes(cases[i].how, ""), cases[i].says);
}

int main(void)
{
    RUN(texts_become_dates_and_times);
    RUN(what_does_not_fit_is_an_error);
    RUN(what_cannot_be_meant_is_refused_beforehand);
    return REPORT();
}

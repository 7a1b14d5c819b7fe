/*
 * pattern.h - is a text a moment written in this form?
 *
 *      dd/MM/yyyy HH:mm:ss   yyyy-MM-dd'T'HH:mm:ss.SSSXXX   d MMM yyyy   hh:mm a
 *      rfc3339   date   time                 ISO 8601's, as docs/json.md has them
 *
 * Letters as in java.time.format.DateTimeFormatter: yyyy yy MM M MMM dd d HH H hh h mm
 * ss S.. (so many digits) a XXX (+01:00 or Z); 'text' and other signs stand for
 * themselves, '' for a quote.  One letter takes one or two digits.  A day must be there
 * in its month and year: 31/02 is none, and neither is one of the year 0000, but for
 * rfc3339 and date, which count as ISO 8601 does.
 *
 * Pure.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define PATTERN_PARTS 40

struct pattern {
    int form; // 0 = letters
    size_t n;
    struct pattern_part {
        char letter; // 0 = a sign that stands for itself
        uint8_t n;
        char sign;
    } parts[PATTERN_PARTS];
};

/* ERR_INVALID: a letter that means nothing here, or too long. */
enum err_kind pattern_read(struct pattern *p, const char *text, struct err *e) MUST_USE;
bool pattern_fits(const struct pattern *p, struct span text);

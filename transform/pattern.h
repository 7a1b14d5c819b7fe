/*
 * pattern.h - how dates and times are written, as a format says it: dd/MM/yyyy HH:mm.
 *
 *      yyyy       four digits, not 0000      HH  H   hour, 00 to 23
 *      MM   M     month, two digits, one     hh  h   hour, 01 to 12; wants a
 *                 or two                     a       AM, PM, am, pm
 *      MMM  MMMM  Jan, January               mm  m   minute    ss  s  second
 *      dd   d     day of the month           S ...   as many digits of a second, to 9
 *      EEE  EEEE  Fri, Friday: must be so    X XX XXX  Z, or +01, +0100, +01:00
 *      'text'     as it stands; '' is '      z       Z, UTC or GMT
 *
 * What is no letter stands for itself.  Names are English whatever the machine speaks.
 * Nothing is lenient: all of the text must be there, digits are 0 to 9, every day and
 * hour must exist (no 31 February, no second 60).  A year of two digits is refused: it
 * does not say the century.
 *
 * Pure; a pattern is immutable.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

#define PATTERN_ITEMS 64
#define PATTERN_BYTES 200

struct pattern {
    char text[PATTERN_BYTES + 1];
    struct pattern_item {
        char letter; // 0: a literal
        uint8_t n;   // how often it stands there; of a literal its byte
    } items[PATTERN_ITEMS];
    size_t n;
    bool has_date, has_time, has_zone; // what it says
};

/* ERR_INVALID, ERR_LIMIT: "format \"dd/QQ\": ..." */
enum err_kind tr_pattern_read(struct pattern *out, const char *text,
                              struct err *e) MUST_USE;

struct pattern_moment {
    int64_t days;    // since 1970-01-01; 0 when there is no date
    int32_t seconds; // since midnight
    int32_t nanos;
    int32_t offset; // seconds east of UTC; 0 when there is no zone
};

/* False: *why says so, a literal, and *at where (bytes from 0). */
bool tr_pattern_match(const struct pattern *p, struct span text,
                      struct pattern_moment *out, const char **why,
                      size_t *at) MUST_USE;

/*
 * moment.h - dates, times, instants and durations as ISO 8601 writes them.
 *
 *      date       2026-11-20             days since 1970-01-01
 *      time       09:30:00.25            units since midnight
 *      instant    2026-11-20T09:30:00Z   units since 1970-01-01T00:00:00Z
 *      local      2026-11-20T09:30:00    the same of a clock on the wall, no zone
 *      duration   P1Y2M3DT4H5M6.789S     months, days, milliseconds
 *
 * The forms are RFC 3339's (section 5.6; seconds may be left out as ISO 8601 allows, a
 * blank may stand for the T) on the proleptic Gregorian calendar.  Years beyond 9999
 * and before 0 are written with a sign, as Java's LocalDate writes them: +12026-01-01.
 * A unit is 1/per_second of a second; digits behind it must be zero, nothing is
 * rounded.  Leap seconds are refused: the numbers have no room for them.
 *
 * Pure; safe from any thread.
 */
#pragma once

#include "base/attr.h"
#include "base/span.h"

enum moment_fit {
    MOMENT_FITS,
    MOMENT_FORM,      // it is not written like one
    MOMENT_RANGE,     // no such day or hour, or beyond the number's range
    MOMENT_PRECISION, // digits would be lost
    MOMENT_NO_ZONE,   // an instant wants Z or an offset
    MOMENT_ZONE,      // a local time has no zone
};

enum moment_fit moment_date(int32_t *days, struct span text) MUST_USE;
enum moment_fit moment_time(int64_t *out, struct span text,
                            int64_t per_second) MUST_USE;
enum moment_fit moment_instant(int64_t *out, struct span text, int64_t per_second,
                               bool local) MUST_USE;

/* Years are 12 months, weeks 7 days, hours and minutes milliseconds; no sign. */
enum moment_fit moment_duration(uint32_t out[3], struct span text) MUST_USE;

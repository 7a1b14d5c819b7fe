/*
 * number.h - a JSON number, taken apart and read exactly.
 *
 *      -12.50e3     negative, whole "12", fraction "50", exponent 3
 *                   lead 1250, power 1: the value is -1250 * 10^1
 *
 * Grammar: RFC 8259, section 6.  Nothing here depends on a locale.  Whatever does not
 * fit says so; a double is the nearest one (ties to even) of the whole text, however
 * long. Pure; safe from any thread.
 */
#pragma once

#include "base/attr.h"
#include "base/span.h"

struct number {
    struct span text;            // as written, borrowed
    struct span whole, fraction; // digits before and behind the point
    int64_t exponent;            // as written; held at +-NUMBER_EXPONENT
    uint64_t lead;               // the first 19 significant digits
    int64_t power;               // value = +-lead * 10^power, if nothing was left over
    bool over;                   // there are more digits than lead holds, not all zero
    bool negative;
    bool plain; // written without fraction and exponent: an integer literal
};

#define NUMBER_EXPONENT 1000000000000LL

enum number_fit {
    NUMBER_FITS,
    NUMBER_RANGE,    // too large, or more digits than were agreed
    NUMBER_FRACTION, // digits would be lost
};

/* Takes the number that starts `text` apart; out->text.n says how long it is. */
bool number_scan(struct number *out, struct span text) MUST_USE;

/* Whole numbers only, however written: 5, 5.0 and 0.5e1 are five. */
enum number_fit number_int64(int64_t *out, const struct number *n) MUST_USE;

/* Correctly rounded from the text; NUMBER_RANGE where that would be infinite. */
enum number_fit number_double(double *out, const struct number *n) MUST_USE;
enum number_fit number_float(float *out, const struct number *n) MUST_USE;

/*
 * The unscaled value n * 10^scale as two's complement, big-endian, in the fewest bytes.
 * NUMBER_RANGE when it has more than `precision` digits, NUMBER_FRACTION when it has
 * digits behind `scale` that are not zero.
 */
#define NUMBER_DIGITS 4096 // of a decimal, at most
#define NUMBER_BYTES 1720  // they take at most
struct number_bytes {
    size_t n;
    const uint8_t *p; // into room
    uint8_t room[NUMBER_BYTES];
};
enum number_fit number_decimal(struct number_bytes *out, const struct number *n,
                               int precision, int scale) MUST_USE;

/* Keeps the scale of the text ("1.10" is 110, 2; "1e3" is 1, -3), as Java's BigDecimal.
 */
enum number_fit number_big_decimal(struct number_bytes *out, int32_t *scale,
                                   const struct number *n) MUST_USE;

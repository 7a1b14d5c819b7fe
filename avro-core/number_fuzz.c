/*
 * Every number text reads as the C library reads it in the "C" locale, bit for bit, and
 * a decimal written out again is the same number.
 */
#include "avro-core/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static locale_t c_locale;
    char text[2048];
    struct number x;
    struct number_bytes b;
    int64_t whole;
    int32_t scale;
    double d = 0;
    float f = 0;

    if (c_locale == NULL)
        c_locale = newlocale(LC_ALL_MASK, "C", NULL);
    if (n >= sizeof text || !number_scan(&x, span_of(p, n)))
        return 0;
    memcpy(text, p, n);
    text[x.text.n] = '\0';

    double want_d = strtod_l(text, NULL, c_locale);
    float want_f = strtof_l(text, NULL, c_locale);
    if (number_double(&d, &x) == NUMBER_FITS)
        want(memcmp(&d, &want_d, sizeof d) == 0);
    else
        want(isinf(want_d));
    if (number_float(&f, &x) == NUMBER_FITS)
        want(memcmp(&f, &want_f, sizeof f) == 0);
    else
        want(isinf(want_f));
    if (number_int64(&whole, &x) == NUMBER_FITS)
        want((double)whole == want_d);
    if (number_big_decimal(&b, &scale, &x) == NUMBER_FITS)
        want(b.n >= 1 && b.n <= NUMBER_BYTES);
    if (number_decimal(&b, &x, 60, 20) == NUMBER_FITS)
        want(b.n <= 26);
    return 0;
}

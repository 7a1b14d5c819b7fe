#include "avro-core/number.h"
#include "tests/check.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

static struct number scanned(const char *text)
{
    struct number n = {0};

    CHECK(number_scan(&n, span_str(text)));
    CHECK_SPAN(n.text, text);
    return n;
}

static void the_grammar_is_json_s(void)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "-1.5",
                                       "0.0",
                                       "1e5",
                                       "1E+5",
                                       "1e-5",
                                       "0.5e1",
                                       "123.0e00",
                                       "1e99999999999999"};
    static const char *const bad[] = {"",    "-",   "+1",  ".5",   "01",
                                      "-01", "00",  "1.",  "1.e5", "1e",
                                      "1e+", "-.5", "NaN", "e5",   "-a"};
    struct number n;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        scanned(good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool is = number_scan(&n, span_str(bad[i]));
        CHECK(!is);
        if (is)
            printf("    %s\n", bad[i]);
    }
}

static void a_number_ends_where_it_ends(void)
{
    struct number n;

    CHECK(number_scan(&n, span_str("12,13")));
    CHECK_SPAN(n.text, "12");
    CHECK(number_scan(&n, span_str("1.5e3]")));
    CHECK_SPAN(n.text, "1.5e3");
    CHECK(!n.plain);
}

static void whole_numbers_are_exact_or_refused(void)
{
    static const struct {
        const char *text;
        enum number_fit fit;
        int64_t v;
    } cases[] = {
        {"0", NUMBER_FITS, 0},
        {"-0", NUMBER_FITS, 0},
        {"5.0", NUMBER_FITS, 5},
        {"0.5e1", NUMBER_FITS, 5},
        {"1e3", NUMBER_FITS, 1000},
        {"1000e-3", NUMBER_FITS, 1},
        {"-1.25e2", NUMBER_FITS, -125},
        {"1.0000000000000000000000000000", NUMBER_FITS, 1},
        {"1.0000000000000000000000000001", NUMBER_FRACTION, 0},
        {"9223372036854775807", NUMBER_FITS, INT64_MAX},
        {"9223372036854775808", NUMBER_RANGE, 0},
        {"-9223372036854775808", NUMBER_FITS, INT64_MIN},
        {"-9223372036854775809", NUMBER_RANGE, 0},
        {"92233720368547758070", NUMBER_RANGE, 0},
        {"12345678901234567890123", NUMBER_RANGE, 0},
        {"9223372036854775807.0", NUMBER_FITS, INT64_MAX},
        {"0.5", NUMBER_FRACTION, 0},
        {"1e-1", NUMBER_FRACTION, 0},
        {"1e19", NUMBER_RANGE, 0},
        {"1e18", NUMBER_FITS, 1000000000000000000},
        {"0e99999999999999999999", NUMBER_FITS, 0},
        {"1e99999999999999999999", NUMBER_RANGE, 0},
        {"1e-99999999999999999999", NUMBER_FRACTION, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number n = scanned(cases[i].text);
        int64_t v = 0;
        CHECK_INT(number_int64(&v, &n), cases[i].fit);
        CHECK_INT(v, cases[i].v);
    }
}

/* ---- doubles, against the C library in the "C" locale ---- */

static locale_t c_locale;

static uint64_t bits_of_double(double d)
{
    uint64_t b;

    memcpy(&b, &d, sizeof b);
    return b;
}

static uint32_t bits_of_float(float f)
{
    uint32_t b;

    memcpy(&b, &f, sizeof b);
    return b;
}

static bool agrees(const char *text)
{
    struct number n;
    double d = 0, want = strtod_l(text, NULL, c_locale);
    float f = 0, want_f = strtof_l(text, NULL, c_locale);

    if (!number_scan(&n, span_str(text)))
        return false;
    enum number_fit fit = number_double(&d, &n), fit_f = number_float(&f, &n);
    bool ok = isinf(want)
                  ? fit == NUMBER_RANGE
                  : fit == NUMBER_FITS && bits_of_double(d) == bits_of_double(want);
    bool ok_f = isinf(want_f)
                    ? fit_f == NUMBER_RANGE
                    : fit_f == NUMBER_FITS && bits_of_float(f) == bits_of_float(want_f);
    if (!ok || !ok_f)
        printf("    %s: %a not %a, %a not %a\n", text, d, want, (double)f,
               (double)want_f);
    return ok && ok_f;
}

static void the_hard_ones_are_right(void)
{
    static const char *const hard[] = {
        "0.0",
        "-0.0",
        "0.1",
        "0.2",
        "0.3",
        "1e23",
        "8.5e22",
        "1e22",
        "123456789012345678",
        "5e-324",
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272088284396434110686182e-324",
        "2.47032822920623272088284396434110686183e-324",
        "4.9406564584124654e-324",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "2."
        "225073858507201136057409796709131975934819546351645648023426109724822222021076"
        "945"
        "516529523908135087914149158913039621106870086438694594645527657207407820621743"
        "379988"
        "141063267329253552286881372149012981122451451889849057222307285255133155755015"
        "914397"
        "476397983411801999323962548289017107081850690630666655994938275772572015763062"
        "690663"
        "332647565300009245888316433037779791869612049497390377829704905051080609940730"
        "262937"
        "128958950003583799967207254304360284078895771796150945516748243471030702609144"
        "621572"
        "289880258182545180325707018860872113128079512233426288368622321503775666622503"
        "982534"
        "335974568884423900265498198385487948292206894721689831099698365846814022854243"
        "330660"
        "339850886445804001034933970427567186443383770486037861622771738545623065874679"
        "014086"
        "723327636718751234567890123456789012345678901e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "1e400",
        "1e-400",
        "1e1000000",
        "123456789e-99999",
        "0e999999",
        "9007199254740993",
        "9007199254740992.999999999999999999999",
        "9007199254740993.0",
        "9007199254740993.00000000000000000000000000000000000000000000000001",
        "9007199254740991",
        "9007199254740995",
        "6631259193104166",
        "3.4028235e38",
        "3.40282356779733661637539395458142568447e38",
        "3.40282356779733661637539395458142568448e38",
        "3.4028236e38",
        "1.4e-45",
        "7e-46",
        "7."
        "006492321624085354618647916449580656401309709382578858785341419448955413429303"
        "00743"
        "319094181060791015626e-46",
        "7.0064923216240853546186479164495e-46",
        "1.17549435e-38",
        "16777217",
        "16777217.0000001",
        "16777219",
        "0.500000029802322387695312500000000000001",
        "0.5000000298023223876953125",
        "1090544144181609348671888949248",
        "1090544144181609348835077142190",
        "0."
        "00000000000000000000000000000000000000000000000000000000000000000000000000000"
        "1",
        "100000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000",
        "6250000000000000000000000000000000e-400",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764"
        "750946"
        "649017977587207096330286416692887910946555547851940402630657488671505820681908"
        "902000"
        "708383676273854845817711531764475730270069855571366959622842914819860834936475"
        "292719"
        "074168444365510704342711559699508093042880",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764"
        "750946"
        "649017977587207096330286416692887910946555547851940402630657488671505820681908"
        "902000"
        "708383676273854845817711531764475730270069855571366959622842914819860834936475"
        "292719"
        "074168444365510704342711559699508093042879.9",
    };

    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++)
        CHECK(agrees(hard[i]));
}

/* xorshift64*: the same cases every time. */
static uint64_t seed = 88172645463325252u;

static uint64_t chance(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 2685821657736338717u;
}

static void any_double_printed_comes_back(void)
{
    static const char *const formats[] = {"%.17g", "%.16g", "%.15g",
                                          "%.19e", "%.25g", "%.40e"};
    char text[1200];
    int bad = 0;

    for (int i = 0; i < 400000 && bad < 5; i++) {
        uint64_t b = chance();
        double d;
        memcpy(&d, &b, sizeof d);
        if (!isfinite(d))
            continue;
        snprintf(text, sizeof text, formats[i % 6], d);
        bad += !agrees(text);
    }
    CHECK_INT(bad, 0);
}

static void any_digits_are_rounded_right(void)
{
    char text[64];
    int bad = 0;

    for (int i = 0; i < 500000 && bad < 5; i++) {
        int digits = 1 + (int)(chance() % 30), n = 0;
        for (int k = 0; k < digits; k++)
            text[n++] = (char)('1' + chance() % 9);
        snprintf(text + n, sizeof text - (size_t)n, "e%d", (int)(chance() % 660) - 345);
        bad += !agrees(text);
    }
    CHECK_INT(bad, 0);
}

/* Exactly between two doubles, and a digit more or less far behind. */
static void halfway_is_even_and_a_hair_more_is_not(void)
{
    char text[1400];
    int bad = 0;

    for (int i = 0; i < 20000 && bad < 5; i++) {
        uint64_t b = (chance() & 0x000fffffffffffff) | (uint64_t)(chance() % 2046)
                                                           << 52;
        double low, high;
        memcpy(&low, &b, sizeof low);
        b++;
        memcpy(&high, &b, sizeof high);
        long double half = ((long double)low + (long double)high) / 2;
        int n = snprintf(text, sizeof text, "%.1100Le", half);
        bad += !agrees(text);
        char *e = strchr(text, 'e');
        e[-1] = '1'; // a hair above
        bad += !agrees(text);
        (void)n;
    }
    CHECK_INT(bad, 0);
}

static void floats_are_rounded_once(void)
{
    char text[400];
    int bad = 0;

    for (int i = 0; i < 100000 && bad < 5; i++) {
        uint32_t b = (uint32_t)chance() & 0x7fffffff;
        float low, high;
        memcpy(&low, &b, sizeof low);
        b++;
        memcpy(&high, &b, sizeof high);
        if (!isfinite(low) || !isfinite(high))
            continue;
        snprintf(text, sizeof text, "%.200e", ((double)low + (double)high) / 2);
        bad += !agrees(text);
        strchr(text, 'e')[-1] = '1'; // double rounding would lose this
        bad += !agrees(text);
    }
    CHECK_INT(bad, 0);
}

static void a_comma_locale_changes_nothing(void)
{
    struct number n = scanned("1.5");
    double d = 0;

    setlocale(LC_ALL,
              "de_DE.UTF-8"); // where it is not installed this proves nothing more
    CHECK_INT(number_double(&d, &n), NUMBER_FITS);
    CHECK(d == 1.5);
    setlocale(LC_ALL, "C");
}

/* ---- decimals ---- */

static void check_hex(const struct number_bytes *b, const char *want)
{
    char got[2 * NUMBER_BYTES + 1] = "";

    for (size_t i = 0; i < b->n; i++)
        sprintf(got + 2 * i, "%02x", b->p[i]);
    CHECK_STR(got, want);
}

static void decimals_are_exact_or_refused(void)
{
    static const struct {
        const char *text;
        int precision, scale;
        enum number_fit fit;
        const char *hex;
    } cases[] = {
        {"0", 4, 2, NUMBER_FITS, "00"},
        {"-0", 4, 2, NUMBER_FITS, "00"},
        {"0.000", 4, 2, NUMBER_FITS, "00"},
        {"1.10", 4, 2, NUMBER_FITS, "6e"},
        {"1.1", 4, 2, NUMBER_FITS, "6e"},
        {"1.100000", 4, 2, NUMBER_FITS, "6e"},
        {"1.234", 4, 2, NUMBER_FRACTION, ""},
        {"-1.28", 4, 2, NUMBER_FITS, "80"},
        {"1.28", 4, 2, NUMBER_FITS, "0080"},
        {"-1.29", 4, 2, NUMBER_FITS, "ff7f"},
        {"-0.01", 4, 2, NUMBER_FITS, "ff"},
        {"99.99", 4, 2, NUMBER_FITS, "270f"},
        {"100", 4, 2, NUMBER_RANGE, ""},
        {"100.00", 4, 2, NUMBER_RANGE, ""},
        {"1e1", 4, 2, NUMBER_FITS, "03e8"},
        {"1e2", 4, 2, NUMBER_RANGE, ""},
        {"12.5e-1", 4, 2, NUMBER_FITS, "7d"},
        {"1e-2", 4, 2, NUMBER_FITS, "01"},
        {"1e-3", 4, 2, NUMBER_FRACTION, ""},
        {"1000e-3", 4, 2, NUMBER_FITS, "64"},
        {"1e999999999999", 4, 2, NUMBER_RANGE, ""},
        {"0e999999999999", 4, 2, NUMBER_FITS, "00"},
        {"1e-999999999999", 4, 2, NUMBER_FRACTION, ""},
        {"0e-999999999999", 4, 2, NUMBER_FITS, "00"},
        {"18446744073709551615", 38, 0, NUMBER_FITS, "00ffffffffffffffff"},
        {"18446744073709551616", 38, 0, NUMBER_FITS, "010000000000000000"},
        {"-18446744073709551616", 38, 0, NUMBER_FITS, "ff0000000000000000"},
        {"-9223372036854775808", 38, 0, NUMBER_FITS, "8000000000000000"},
        {"99999999999999999999999999999999999999", 38, 0, NUMBER_FITS,
         "4b3b4ca85a86c47a098a223fffffffff"},
        {"-99999999999999999999999999999999999999", 38, 0, NUMBER_FITS,
         "b4c4b357a5793b85f675ddc000000001"},
        {"340282366920938463463374607431768211456", 50, 0, NUMBER_FITS,
         "0100000000000000000000000000000000"},
        {"0.0000000000000000000000000000000000000000000000000001", 60, 52, NUMBER_FITS,
         "01"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number n = scanned(cases[i].text);
        struct number_bytes b = {0};
        CHECK_INT(number_decimal(&b, &n, cases[i].precision, cases[i].scale),
                  cases[i].fit);
        if (cases[i].fit == NUMBER_FITS)
            check_hex(&b, cases[i].hex);
    }
}

static void the_longest_decimal_fits_its_room(void)
{
    static char text[NUMBER_DIGITS + 2];
    struct number_bytes b = {0};

    memset(text, '9', NUMBER_DIGITS);
    struct number n = scanned(text);
    CHECK_INT(number_decimal(&b, &n, 1000000, 0), NUMBER_FITS);
    CHECK_INT(b.n, 1701);
    text[NUMBER_DIGITS] = '9';
    n = scanned(text);
    CHECK_INT(number_decimal(&b, &n, 1000000, 0), NUMBER_RANGE);
}

static void a_big_decimal_keeps_the_scale_of_its_text(void)
{
    static const struct {
        const char *text;
        int32_t scale;
        const char *hex;
    } cases[] = {
        {"1.10", 2, "6e"},
        {"1e3", -3, "01"},
        {"-0.5e-3", 4, "fb"},
        {"0.00", 2, "00"},
    };
    struct number_bytes b = {0};
    int32_t scale = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number n = scanned(cases[i].text);
        CHECK_INT(number_big_decimal(&b, &scale, &n), NUMBER_FITS);
        CHECK_INT(scale, cases[i].scale);
        check_hex(&b, cases[i].hex);
    }
    struct number n = scanned("1e99999999999");
    CHECK_INT(number_big_decimal(&b, &scale, &n), NUMBER_RANGE);
}

int main(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    RUN(the_grammar_is_json_s);
    RUN(a_number_ends_where_it_ends);
    RUN(whole_numbers_are_exact_or_refused);
    RUN(the_hard_ones_are_right);
    RUN(any_double_printed_comes_back);
    RUN(any_digits_are_rounded_right);
    RUN(halfway_is_even_and_a_hair_more_is_not);
    RUN(floats_are_rounded_once);
    RUN(a_comma_locale_changes_nothing);
    RUN(decimals_are_exact_or_refused);
    RUN(the_longest_decimal_fits_its_room);
    RUN(a_big_decimal_keeps_the_scale_of_its_text);
    freelocale(c_locale);
    return REPORT();
}

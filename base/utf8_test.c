#include "base/utf8.h"
#include "tests/check.h"

static void says_where_the_good_part_ends(void)
{
    static const struct {
        const char *bytes;
        size_t n, good;
    } rows[] = {
        {"", 0, 0},
        {"plain ascii, longer than eight", 30, 30},
        {"\xc3\xa9", 2, 2},          // e acute
        {"\xe2\x82\xac", 3, 3},      // euro
        {"\xf0\x9f\x98\x80", 4, 4},  // a face
        {"\xf4\x8f\xbf\xbf", 4, 4},  // U+10FFFF
        {"\xed\x9f\xbf", 3, 3},      // before the surrogates
        {"\xee\x80\x80", 3, 3},      // behind them
        {"\0", 1, 1},                // NUL is a character
        {"a\x80", 2, 1},             // follows nothing
        {"\xc3", 1, 0},              // cut
        {"12345678\xe2\x82", 10, 8}, // cut
        {"\xc0\x80", 2, 0},          // overlong NUL
        {"\xc1\xbf", 2, 0},          // overlong
        {"\xe0\x9f\xbf", 3, 0},      // overlong
        {"\xf0\x8f\xbf\xbf", 4, 0},  // overlong
        {"\xed\xa0\x80", 3, 0},      // surrogate
        {"\xed\xbf\xbf", 3, 0},      // surrogate
        {"\xf4\x90\x80\x80", 4, 0},  // past U+10FFFF
        {"\xf5\x80\x80\x80", 4, 0},  // never a lead
        {"\xff", 1, 0},              // never a byte
        {"\xe2\x28\xac", 3, 0},      // second is no follower
        {"\xe2\x82\x28", 3, 0},      // third is none
        {"\xf0\x9f\x98\x28", 4, 0},  // fourth is none
        {"abcdefgh\xc3\xa9xxxxxxxx\xff", 19, 18},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(utf8_good(span_of(rows[i].bytes, rows[i].n)), rows[i].good);
        CHECK(utf8_ok(span_of(rows[i].bytes, rows[i].n)) ==
              (rows[i].good == rows[i].n));
    }
}

int main(void)
{
    RUN(says_where_the_good_part_ends);
    return REPORT();
}

#include "cel/regex.h"

#include "base/buf.h"
#include "tests/check.h"

#include <stdlib.h>

static bool matches(const char *pattern, struct span text)
{
    struct cel_regex *re;
    struct cel_regex_scratch *s = cel_regex_scratch_open();
    struct err e = {0};
    size_t at;

    if (cel_regex_compile(&re, span_str(pattern), &at, &e) != ERR_OK) {
        printf("    %s: at %zu: %s\n", pattern, at, e.msg);
        cel_regex_scratch_close(s);
        return false;
    }
    bool cold = cel_regex_matches(re, text, s), warm = cel_regex_matches(re, text, s);
    CHECK(cold == warm);
    cel_regex_scratch_close(s);
    cel_regex_free(re);
    return cold;
}

struct verdict {
    const char *pattern, *text;
    bool yes;
};

static void check_all(const struct verdict *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool got = matches(v[i].pattern, span_str(v[i].text));
        check_count(got == v[i].yes);
        if (got != v[i].yes)
            printf("    /%s/ on \"%s\" is %d\n", v[i].pattern, v[i].text, got);
    }
}

#define CHECK_ALL(table) check_all(table, sizeof table / sizeof *table)

static void a_part_of_the_text_is_enough(void)
{
    static const struct verdict v[] = {
        {"", "", true},         {"", "abc", true},          {"b", "abc", true},
        {"abc", "xabcx", true}, {"abd", "abc", false},      {"a.c", "abc", true},
        {"a.c", "a\nc", false}, {"a|b", "xb", true},        {"a|b|", "x", true},
        {"(a|b)c", "bc", true}, {"[a-c]+d", "xabcd", true}, {"[^a-c]", "abc", false},
        {"[^a]", "\n", true},   {"[]a]", "]", true},        {"[a-]", "-", true},
        {"[^]]", "]", false},
    };
    CHECK_ALL(v);
}

static void repetitions_count(void)
{
    static const struct verdict v[] = {
        {"^a{2,3}$", "a", false},
        {"^a{2,3}$", "aa", true},
        {"^a{2,3}$", "aaa", true},
        {"^a{2,3}$", "aaaa", false},
        {"^a{2,}$", "aaaaa", true},
        {"^a{2,}$", "a", false},
        {"^a{0}$", "", true},
        {"^a{0}$", "a", false},
        {"^(a*)*$", "aaa", true},
        {"^(|a)+$", "aa", true},
        {"^(?:a{2}){3}$", "aaaaaa", true},
        {"^(?:a{2}){3}$", "aaaaa", false},
        {"^a{1000}$", "a", false},
        {"^a+?b*?c??$", "aab", true},
        {"a{,2}", "a{,2}", true},
        {"a{", "a{", true},
        {"a{01}", "a{01}", true},
        {"^{2}a", "a", true},
        {"a{2", "a{2", true},
    };
    CHECK_ALL(v);
}

static void anchors_and_edges_hold_where_they_should(void)
{
    static const struct verdict v[] = {
        {"^b", "ab", false},
        {"a$", "ab", false},
        {"b$", "ab", true},
        {"b$", "ab\n", false},
        {"(?m)b$", "ab\nc", true},
        {"(?m)^c", "ab\nc", true},
        {"^c", "ab\nc", false},
        {"\\Ac", "ab\nc", false},
        {"(?m)\\Ac", "\nc", false},
        {"(?m)b\\z", "b\n", false},
        {"^$", "", true},
        {"(?m)^$", "a\n\nb", true},
        {"(?m)^$", "a\nb", false},
        {"\\bfoo\\b", "a foo.", true},
        {"\\bfoo\\b", "afoo", false},
        {"\\bfoo\\b", "foo_", false},
        {"o\\B", "foo", true},
        {"o\\B$", "foo", false},
        {"\\b", "", false},
        {"\\B", "", true},
        {"a\\b\xc3\xa9", "a\xc3\xa9", true}, // a word is ASCII
        {"(?:^|x)a", "bxa", true},
        {"(a$|b)c", "ac", false},
        {"$^", "", true},
        {"(?m)$\n^", "a\nb", true},
        {"(^a)*b", "ab", true},
        {"(?:\\b)+a", "a", true},
    };
    CHECK_ALL(v);
}

static void flags_hold_to_the_end_of_their_group(void)
{
    static const struct verdict v[] = {
        {"(?i)abc", "aBC", true},     {"a(?i)b|c", "aB", true},
        {"a(?i)b|c", "C", true},      {"(a(?i)b)c", "aBc", true},
        {"(a(?i)b)c", "aBC", false},  {"(?i:a)b", "Ab", true},
        {"(?i:a)b", "AB", false},     {"(?s).", "\n", true},
        {"(?s-s).", "\n", false},     {"(?i)a(?-i)b", "Ab", true},
        {"(?i)a(?-i)b", "AB", false}, {"(?U)a+", "a", true},
        {"a(?i)*b", "aab", true},     {"a*(?i)*b", "b", true},
        {"\\Qa.b\\E", "a.b", true},   {"\\Qa.b\\E", "axb", false},
        {"\\Qab\\E+c", "abbc", true}, {"\\Qa|b", "a|b", true},
    };
    CHECK_ALL(v);
}

static void characters_are_code_points(void)
{
    static const struct verdict v[] = {
        {"^.$", "\xc3\xa9", true},
        {"^.$", "\xf0\x9f\x98\x80", true},
        {"^..$", "\xf0\x9f\x98\x80", false},
        {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", true},
        {"\\x{1F600}", "\xf0\x9f\x98\x80", true},
        {"\\xe9", "\xc3\xa9", true},
        {"\\351", "\xc3\xa9", true},
        {"[^a]b",
         "\xe6\xbc\xa2"
         "b",
         true},
        {"(?i)\xc3\x89", "\xc3\xa9", true},
        {"(?i)k", "\xe2\x84\xaa", true},        // KELVIN SIGN
        {"(?i)\xc3\x9f", "\xe1\xba\x9e", true}, // sharp s, small and large
        {"(?i)[^k]", "\xe2\x84\xaa", false},
        {"(?i)\xcf\x83", "\xcf\x82", true}, // both small sigmas
    };
    CHECK_ALL(v);
}

static void classes_have_the_names_of_unicode_perl_and_posix(void)
{
    static const struct verdict v[] = {
        {"^\\pL$", "\xc3\xa9", true},
        {"^\\p{Lu}$", "\xc3\xa9", false},
        {"^\\p{Lu}$", "\xc3\x89", true},
        {"^\\PL$", "1", true},
        {"^\\p{^L}$", "1", true},
        {"^\\P{^L}$", "1", false},
        {"^\\p{Greek}$", "\xcf\x89", true},
        {"^\\p{Greek}$", "w", false},
        {"^\\p{Han}$", "\xe6\xbc\xa2", true},
        {"^\\p{Any}$", "\n", true},
        {"^[\\p{Greek}\\d]+$",
         "\xcf\x89"
         "1",
         true},
        {"^[^\\PL]$", "a", true},
        {"^[[:alpha:]]$", "a", true},
        {"^[[:^alpha:]]$", "a", false},
        {"^[[:word:]-]+$", "a-b_1", true},
        {"[[:alpha]", ":", true},
        {"^\\d\\D\\s\\S\\w\\W$", "1a aa-", true},
        {"^\\s$", "\v", false},
        {"^[[:space:]]$", "\v", true},
        {"^\\d$", "\xd9\xa3", false}, // an Arabic digit: \d is ASCII
        {"^\\p{Nd}$", "\xd9\xa3", true},
        {"^[\\D]$", "1", false},
        {"(?i)^\\p{Lu}$", "a", true},
        {"(?i)^[[:upper:]]$", "a", true},
        {"(?i)^\\P{Lu}$", "a", false},
        {"^[a\\-z]$", "b", false},
    };
    CHECK_ALL(v);
}

static void bytes_that_are_no_character_count_as_fffd(void)
{
    CHECK(matches("^a\\x{FFFD}b$", span_str("a\xff"
                                            "b")));
    CHECK(matches("^\\x{FFFD}{2}$", span_str("\xc3\xc3")));
    CHECK(matches("^\\x{FFFD}$", span_str("\xef\xbf\xbd")));
    CHECK(matches("^\\x{FFFD}{3}$", span_str("\xed\xa0\x80"))); // a surrogate
    CHECK(matches("^a\\x00b$", span_of("a\0b", 3)));
}

static void a_mistake_has_a_place(void)
{
    static const struct {
        const char *pattern;
        size_t at;
        const char *what;
    } mistakes[] = {
        {"a(b", 1, "missing closing )"},
        {"a)b", 1, "unexpected )"},
        {"\xc3\xa9[b", 1, "missing closing ]"},
        {"*a", 0, "nothing to repeat"},
        {"a|*", 2, "nothing to repeat"},
        {"(?i)*", 4, "nothing to repeat"},
        {"a**", 2, "bad repetition operator"},
        {"a{2}{3}", 4, "bad repetition operator"},
        {"a{3,2}", 1, "bad repetition count"},
        {"a{1001}", 1, "bad repetition count"},
        {"(a{100}){100}", 8, "bad repetition count: the nested ones multiply"},
        {"ab\\", 2, "trailing \\ at end of the pattern"},
        {"a\\q", 1, "invalid escape sequence"},
        {"a\\1", 1, "invalid escape sequence"},
        {"a\\Z", 1, "invalid escape sequence"},
        {"\\x{110000}", 0, "invalid escape sequence"},
        {"\\x1", 0, "invalid escape sequence"},
        {"[z-a]", 1, "invalid character class range"},
        {"[[:foo:]]", 1, "no character class of that name"},
        {"a\\p{Foo}", 1, "no Unicode category or script of that name"},
        {"\\p{Greek", 0, "\\p{ without its }"},
        {"\\pX", 0, "no Unicode category or script of that name"},
        {"(?=a)", 0, "invalid or unsupported (? syntax"},
        {"(?i-)", 0, "invalid or unsupported (? syntax"},
        {"(?P<n>a)(?P<n>b)", 8, "duplicate name of a capture group"},
        {"(?P<n-m>a)", 0, "invalid named capture group"},
        {"\\C", 0, "\\C (one byte) is not supported: a text is characters"},
        {"ab\xff", 2, "invalid UTF-8"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct cel_regex *re = NULL;
        struct err e = {0};
        size_t at = 99;
        CHECK_INT(cel_regex_compile(&re, span_str(mistakes[i].pattern), &at, &e),
                  ERR_INVALID);
        CHECK_INT(at, mistakes[i].at);
        CHECK_STR(e.msg, mistakes[i].what);
        cel_regex_free(re);
    }
}

static enum err_kind compiles(const char *piece, size_t times, const char *end)
{
    struct buf b = BUF_INIT(1 << 20);
    struct cel_regex *re = NULL;
    struct err e = {0};
    size_t at;

    for (size_t i = 0; i < times; i++)
        buf_put_str(&b, piece);
    buf_put_str(&b, end);
    enum err_kind k = cel_regex_compile(&re, buf_span(&b), &at, &e);
    cel_regex_free(re);
    buf_free(&b);
    return k;
}

static void what_is_too_large_is_refused(void)
{
    CHECK_INT(compiles("a", CEL_REGEX_PATTERN, ""), ERR_OK);
    CHECK_INT(compiles("a", CEL_REGEX_PATTERN + 1, ""), ERR_LIMIT);
    CHECK_INT(compiles("(", CEL_REGEX_NESTING, ""), ERR_INVALID);
    CHECK_INT(compiles("(", CEL_REGEX_NESTING + 1, ""), ERR_LIMIT);
    CHECK_INT(compiles("(?:abcde){1000}", 9, ""), ERR_OK);
    CHECK_INT(compiles("(?:abcde){1000}", 10, ""), ERR_LIMIT);
    CHECK_INT(compiles("(?:){1000}", 1000, ""), ERR_LIMIT);
    CHECK_INT(compiles("(?i)*", 1000, ""), ERR_INVALID);
    CHECK_INT(compiles("\\pL", 5000, ""), ERR_OK);
    CHECK_INT(compiles("(?i)\\pL", 500, "{3}"), ERR_OK);
}

static void too_many_sets_are_refused(void)
{
    struct buf b = BUF_INIT(1 << 20);
    struct cel_regex *re = NULL;
    struct err e = {0};
    size_t at;

    for (unsigned i = 0; i <= CEL_REGEX_SETS; i++) { // all of U+4E00 and on differ
        uint32_t c = 0x4E00 + i;
        buf_put_u8(&b, (uint8_t)(0xE0 | c >> 12));
        buf_put_u8(&b, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
        buf_put_u8(&b, (uint8_t)(0x80 | (c & 0x3F)));
    }
    CHECK_INT(cel_regex_compile(&re, buf_span(&b), &at, &e), ERR_LIMIT);
    CHECK_INT(at, CEL_REGEX_SETS);
    b.n -= 3;
    CHECK_INT(cel_regex_compile(&re, buf_span(&b), &at, &e), ERR_OK);
    cel_regex_free(re);
    buf_free(&b);
}

/* (a|b)*a(a|b){14}$ has 32,768 states: more than are remembered. */
static void states_are_forgotten_and_found_again(void)
{
    struct cel_regex *re = NULL;
    struct cel_regex_scratch *s = cel_regex_scratch_open();
    struct err e = {0};
    size_t at, wrong = 0;
    char text[4000];
    uint64_t random = 1;

    CHECK_INT(cel_regex_compile(&re, span_str("^(a|b)*a(a|b){14}$"), &at, &e), ERR_OK);
    for (size_t i = 0; i < sizeof text; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        text[i] = random >> 40 & 1 ? 'a' : 'b';
    }
    for (size_t n = 15; n < sizeof text; n += 37)
        wrong += cel_regex_matches(re, span_of(text, n), s) != (text[n - 15] == 'a');
    CHECK_INT(wrong, 0);
    cel_regex_free(re);
    cel_regex_scratch_close(s);
}

static void a_scratch_serves_one_pattern_after_the_other(void)
{
    struct cel_regex *one = NULL, *two = NULL;
    struct cel_regex_scratch *s = cel_regex_scratch_open();
    struct err e = {0};
    size_t at;

    CHECK_INT(cel_regex_compile(&one, span_str("^a+$"), &at, &e), ERR_OK);
    CHECK_INT(cel_regex_compile(&two, span_str("[^a]"), &at, &e), ERR_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(cel_regex_matches(one, span_str("aaa"), s));
        CHECK(!cel_regex_matches(two, span_str("aaa"), s));
    }
    cel_regex_free(one);
    cel_regex_free(two);
    cel_regex_scratch_close(s);
}

int main(void)
{
    RUN(a_part_of_the_text_is_enough);
    RUN(repetitions_count);
    RUN(anchors_and_edges_hold_where_they_should);
    RUN(flags_hold_to_the_end_of_their_group);
    RUN(characters_are_code_points);
    RUN(classes_have_the_names_of_unicode_perl_and_posix);
    RUN(bytes_that_are_no_character_count_as_fffd);
    RUN(a_mistake_has_a_place);
    RUN(what_is_too_large_is_refused);
    RUN(too_many_sets_are_refused);
    RUN(states_are_forgotten_and_found_again);
    RUN(a_scratch_serves_one_pattern_after_the_other);
    return REPORT();
}

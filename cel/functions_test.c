#include "tests/cel_house.h"

static void numbers_overflow_loudly(void)
{
    static const struct cel_case cases[] = {
        {"9223372036854775807 + 1", "error: integer overflow"},
        {"-9223372036854775808 - 1", "error: integer overflow"},
        {"9223372036854775807 * 2", "error: integer overflow"},
        {"-9223372036854775808 / -1", "error: integer overflow"},
        {"-9223372036854775808 % -1", "error: integer overflow"},
        {"-(-9223372036854775808)", "error: integer overflow"},
        {"18446744073709551615u + 1u", "error: unsigned integer overflow"},
        {"0u - 1u", "error: unsigned integer overflow"},
        {"18446744073709551615u * 2u", "error: unsigned integer overflow"},
        {"7u / 2u * 2u % 4u - 1u + 3u", "4"},
        {"1u / 0u", "error: divide by zero"},
        {"1u % 0u", "error: modulus by zero"},
        {"-7 / 2 + -7 % 2", "-4"},
        {"1.0 / 0.0", "\"Infinity\""},
        {"-1.0 / 0.0", "\"-Infinity\""},
        {"0.0 / 0.0", "\"NaN\""},
        {"1.5 * 2.0 - 0.5", "2.5"},
        {"-(1.5)", "-1.5"},
        {"--5 + 0x1F - 007", "29"},
        {".5 + 1e3 + 2.5E-1", "1000.75"},
        {"0xFFu", "255"},
        {"dyn(1) + dyn(1.0)", "error: no such overload: +(int, double)"},
        {"dyn(1) - dyn('a')", "error: no such overload: -(int, string)"},
        {"dyn(1) * dyn(1u)", "error: no such overload: *(int, uint)"},
        {"dyn('a') / dyn('b')", "error: no such overload: /(string, string)"},
        {"dyn(1.0) % dyn(1.0)", "error: no such overload: %(double, double)"},
        {"-dyn('a')", "error: no such overload: -(string)"},
        {"[1] + [2.5] == [1.0, 2.5]",
         "1:5: \"+\" does not take (list(int), list(double))"},
        {"message.scores + [1.0]", "[0.5,2,1]"},
        {"b'a' + b'\\xff' == b'a\\377'", "true"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void numbers_compare_across_their_types(void)
{
    static const struct cel_case cases[] = {
        {"1 < 1.5 && 2u > 1.5 && 1u < 2 && -1 < 0u && 1 <= 1.0", "true"},
        {"dyn(1) == 1u && dyn(1u) == 1.0 && dyn(2.0) == 2", "true"},
        {"0u > -1 && 18446744073709551615u > 9223372036854775807", "true"},
        {"dyn(double('nan')) == double('nan')", "false"},
        {"double('nan') < 1.0 || double('nan') >= 1.0", "false"},
        {"dyn([1, 2]) == [1.0, 2u]", "true"},
        {"{1: 'a'}[1u] + {1u: 'b'}[dyn(1.0)]",
         "1:9: \"[]\" does not take (map(int, string), uint)"},
        {"dyn({1: 'a'})[1u]", "\"a\""},
        {"[1, 2][dyn(1u)] + [1, 2][dyn(0.0)]", "3"},
        {"[1][dyn(0.5)]", "error: no such overload: [](list, double)"},
        {"[1][-1]", "error: index out of range: -1"},
        {"{'a': 1}['b']", "error: no such key: b"},
        {"{1: 1}[2]", "error: no such key: 2"},
        {"{true: 1}[false]", "error: no such key"},
        {"{'a': 1, 'a': 2}", "error: repeated key in a map"},
        {"{dyn(1.5): 2}", "error: unsupported key type: double"},
        {"{'a': [1, {'b': 2u}]} == {'a': [1, {'b': 2u}]}", "true"},
        {"{'a': 1} == {'a': 1, 'b': 2} || {'a': 1} == {'b': 1}", "false"},
        {"[1, 2] == [1, 3] || [1] == [1, 2] || [] == [1]", "false"},
        {"b'a' < b'b' && 'a' < 'b' && false < true && 'a' <= 'ab'", "true"},
        {"duration('1s') < duration('2s') && timestamp(1) > timestamp(0)", "true"},
        {"int != string && type(1) == int && type(int) == type", "true"},
        {"dyn([1]) < dyn([2])", "error: no such overload: <(list, list)"},
        {"null == null && dyn(null) != dyn(0)", "true"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void conversions_are_exact_or_errors(void)
{
    static const struct cel_case cases[] = {
        {"int('-42') + int('+42') + int(1u) + int(2.9) + int(-2.9)", "1"},
        {"int('9223372036854775808')",
         "error: type conversion error from string to int: \"9223372036854775808\""},
        {"int('')", "error: type conversion error from string to int: \"\""},
        {"int('1x')", "error: type conversion error from string to int: \"1x\""},
        {"int(18446744073709551615u)", "error: integer overflow"},
        {"int(1e19)", "error: integer overflow"},
        {"int(double('nan'))", "error: integer overflow"},
        {"int(timestamp('1970-01-01T00:01:00Z')) + int(duration('1ns'))", "61"},
        {"uint('5') + uint(5) + uint(5.5) + uint(5u)", "20"},
        {"uint(-1)", "error: unsigned integer overflow"},
        {"uint(-1.0)", "error: unsigned integer overflow"},
        {"uint('-1')", "error: type conversion error from string to uint: \"-1\""},
        {"double('1.5') + double('-2e1') + double(1) + double(1u) + double(.5)", "-16"},
        {"double('5.') + double('.5') + double('005')", "10.5"},
        {"double('Infinity')", "\"Infinity\""},
        {"double('-inf')", "\"-Infinity\""},
        {"double('x')", "error: type conversion error from string to double: \"x\""},
        {"double('.')", "error: type conversion error from string to double: \".\""},
        {"double('1e400')",
         "error: type conversion error from string to double: \"1e400\""},
        {"string(1) + string(2u) + string(true) + string('s') + string(b'y')",
         "\"12truesy\""},
        {"string(1000000.0) + ' ' + string(100000.0) + ' ' + string(1e-5) + ' ' + "
         "string(0.1)",
         "\"1e+06 100000 1e-05 0.1\""},
        {"string(double('inf')) + string(double('-inf')) + string(double('nan'))",
         "\"+Inf-InfNaN\""},
        {"string(b'\\xff')", "error: bytes that are no UTF-8 have no string"},
        {"string(duration('90s')) + string(duration('-1500ms'))", "\"90s-1.5s\""},
        {"string(timestamp('2024-02-29T23:59:59.120+02:00'))",
         "\"2024-02-29T21:59:59.12Z\""},
        {"string(dyn([1]))", "error: no such overload: string(list)"},
        {"bytes('é') == b'\\xc3\\xa9' && bytes(b'a') == b'a'", "true"},
        {"bool('true') && bool('T') && !bool('0') && bool(true)", "true"},
        {"bool('yes')", "error: type conversion error from string to bool: \"yes\""},
        {"dyn(1) == dyn(timestamp(timestamp(0))) || duration(duration('1s')) == "
         "duration('1s')",
         "true"},
        {"timestamp(dyn(1.5))", "error: no such overload: timestamp(double)"},
        {"duration(dyn(1))", "error: no such overload: duration(int)"},
        {"bool(dyn(1))", "error: no such overload: bool(int)"},
        {"bytes(dyn(1))", "error: no such overload: bytes(int)"},
        {"int(dyn(b''))", "error: no such overload: int(bytes)"},
        {"uint(dyn(b''))", "error: no such overload: uint(bytes)"},
        {"double(dyn(b''))", "error: no such overload: double(bytes)"},
        {"timestamp(message.email)",
         "error: type conversion error from string to timestamp: \"ann@x.org\""},
        {"duration(message.email)",
         "error: type conversion error from string to duration: \"ann@x.org\""},
        {"[type(1u), type(b''), type(null), type([]), type({}), type(1.0)]",
         "[\"uint\",\"bytes\",\"null_type\",\"list\",\"map\",\"double\"]"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void text_is_counted_in_code_points(void)
{
    static const struct cel_case cases[] = {
        {"size('h\\u00e9\\U0001F600') + size(b'\\xff\\xfe') + size([1]) + size({1: 2})",
         "7"},
        {"'abc'.size() + [1, 2].size()", "5"},
        {"'héé'.charAt(1) + 'x'.charAt(1)", "\"é\""},
        {"'a'.charAt(2)", "error: index out of range: 2"},
        {"'a'.charAt(-1)", "error: index out of range: -1"},
        {"'héhé'.indexOf('é') + 'héhé'.indexOf('é', 2) * 10 + 'a'.indexOf('b')", "30"},
        {"'abc'.indexOf('', 2) + 'abc'.lastIndexOf('') * 10", "32"},
        {"'abc'.indexOf('a', 9)", "error: index out of range: 9"},
        {"'héhé'.lastIndexOf('é') * 10 + 'héhé'.lastIndexOf('é', 2)", "31"},
        {"'a'.lastIndexOf('abc')", "-1"},
        {"'abc'.lastIndexOf('z')", "-1"},
        {"'abc'.lastIndexOf('c', -1)", "error: index out of range: -1"},
        {"'héllo'.substring(1, 3) + 'héllo'.substring(4)", "\"élo\""},
        {"'abc'.substring(4)", "error: index out of range: 4"},
        {"'abc'.substring(1, 9)", "error: index out of range: 9"},
        {"'abc'.substring(2, 1)", "error: invalid substring range. start: 2, end: 1"},
        {"'AbÉ'.lowerAscii() + 'aBé'.upperAscii()", "\"abÉABé\""},
        {"' \\t\\u00a0x y\\u3000'.trim()", "\"x y\""},
        {"''.trim() + '  '.trim()", "\"\""},
        {"'hé😀'.reverse()", "\"😀éh\""},
        {"strings.quote('a\\n\\t\"\\\\\\a\\b\\f\\r\\v')",
         "\"\\\"a\\\\n\\\\t\\\\\\\"\\\\\\\\\\\\a\\\\b\\\\f\\\\r\\\\v\\\"\""},
        {"'a,b,c'.split(',')", "[\"a\",\"b\",\"c\"]"},
        {"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
        {"'a,b'.split(',', 0)", "[]"},
        {"'a,b'.split(',', 1)", "[\"a,b\"]"},
        {"'aé'.split('')", "[\"a\",\"é\"]"},
        {"'abc'.split('', 2)", "[\"a\",\"bc\"]"},
        {"''.split(',')", "[\"\"]"},
        {"''.split('')", "[]"},
        {"'aa'.split('a')", "[\"\",\"\",\"\"]"},
        {"['a', 'b'].join() + ['a', 'b'].join('-') + [].join('x')", "\"aba-b\""},
        {"[dyn('a'), 1].join()", "error: no such overload: join(int)"},
        {"'aXbXc'.replace('X', '--') + 'aXbX'.replace('X', '', 1)", "\"a--b--cabX\""},
        {"'ab'.replace('', '.') + 'ab'.replace('', '.', 1) + 'ab'.replace('a', 'x', 0)",
         "\".a.b..abab\""},
        {"''.replace('', 'x')", "\"x\""},
        {"'abc'.contains('bc') && 'abc'.contains('') && !'abc'.contains('x')", "true"},
        {"'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'a'.endsWith('')", "true"},
        {"'a'.startsWith('abc') || 'a'.endsWith('abc')", "false"},
        {"'abc'.matches('b') && !'abc'.matches('^b') && matches('abc', 'c$')", "true"},
        {"message.email.matches(message.email) && !'x'.matches(message.email)", "true"},
        {"'a'.matches(message.email + '(')", NULL},
        {"dyn(1).contains('a')", "error: no such overload: contains(int, string)"},
        {"dyn(1).startsWith('a')", "error: no such overload: startsWith(int, string)"},
        {"dyn(1).endsWith('a')", "error: no such overload: endsWith(int, string)"},
        {"'a'.matches(dyn(1))", "error: no such overload: matches(string, int)"},
        {"dyn(1).charAt(1)", "error: no such overload: charAt(int, int)"},
        {"dyn(1).indexOf('1')", "error: no such overload: indexOf(int, string)"},
        {"dyn(1).lastIndexOf('1')",
         "error: no such overload: lastIndexOf(int, string)"},
        {"dyn(1).substring(1)", "error: no such overload: substring(int, int)"},
        {"dyn(1).lowerAscii()", "error: no such overload: lowerAscii(int)"},
        {"dyn(1).upperAscii()", "error: no such overload: upperAscii(int)"},
        {"dyn(1).trim()", "error: no such overload: trim(int)"},
        {"dyn(1).reverse()", "error: no such overload: reverse(int)"},
        {"strings.quote(dyn(1))", "error: no such overload: strings.quote(int)"},
        {"dyn(1).join()", "error: no such overload: join(int)"},
        {"dyn(1).replace('a', 'b')",
         "error: no such overload: replace(int, string, string)"},
        {"dyn(1).split('a')", "error: no such overload: split(int, string)"},
        {"dyn(1).format([])", "error: no such overload: format(int, list)"},
        {"size(dyn(1))", "error: no such overload: size(int)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].says != NULL)
            cel_check_all(&cases[i], 1, CEL_FULL);
}

static void format_writes_each_clause(void)
{
    static const struct cel_case cases[] = {
        {"'%s|%s|%s|%s'.format(['a', 1, 2.5, true])", "\"a|1|2.5|true\""},
        {"'%s %s %s'.format([null, b'a\\xff\\xfeb', type(1)])",
         "\"null a\uFFFDb int\""},
        {"'%s'.format([[1, 'a', [2u]]])", "\"[1, a, [2]]\""},
        {"'%s'.format([{'b': 1, 'a': {2: 3}}])", "\"{a: {2: 3}, b: 1}\""},
        {"'%s %s'.format([duration('90s'), timestamp(0)])",
         "\"90s 1970-01-01T00:00:00Z\""},
        {"'%s %s %s'.format([1e21, 1e-7, double('-inf')])",
         "\"1000000000000000000000 0.0000001 -Infinity\""},
        {"'%d %d %d'.format([-5, 5u, 2.5])", "\"-5 5 2.5\""},
        {"'%f %.1f %.0f %f'.format([1.5, 2.25, 2.5, 1])",
         "\"1.500000 2.2 2 1.000000\""},
        {"'%e %.2e %e'.format([1052.5, 3u, double('nan')])",
         "\"1.052500e+03 3.00e+00 NaN\""},
        {"'%b %b %b'.format([5, true, false])", "\"101 1 0\""},
        {"'%o %x %X %x'.format([8, 255, 255u, -255])", "\"10 ff FF -ff\""},
        {"'%x %X'.format(['az', b'\\xab'])", "\"617a AB\""},
        {"'%%|%s%%'.format(['x'])", "\"%|x%\""},
        {"'%s'.format([message.price]) + '%.3f'.format([message.price])",
         "\"10.5010.500\""},
        {"'%s'.format([message.labels])", "\"{k: v, z: }\""},
        {"'%s'.format([])", "error: index 0 out of range"},
        {"'%q'.format([1])", "error: could not parse formatting clause: unrecognized "
                             "formatting clause \"q\""},
        {"'%'.format([1])", "error: could not parse formatting clause"},
        {"'%.f'.format([1])", "error: could not parse formatting clause"},
        {"'%.9999f'.format([1])", "error: could not parse formatting clause"},
        {"'%d'.format(['a'])",
         "error: error during formatting: decimal clause can only "
         "be used on integers, was given string"},
        {"'%f'.format(['a'])", "error: error during formatting: fixed-point clause can "
                               "only be used on doubles, was given string"},
        {"'%e'.format(['a'])", "error: error during formatting: scientific clause can "
                               "only be used on doubles, was given string"},
        {"'%b'.format(['a'])",
         "error: error during formatting: only integers and bools "
         "can be formatted as binary, was given string"},
        {"'%o'.format(['a'])", "error: error during formatting: octal clause can only "
                               "be used on integers, was given string"},
        {"'%x'.format([1.5])",
         "error: error during formatting: only integers, byte "
         "buffers, and strings can be formatted as hex, was given "
         "double"},
        {"'%s'.format([message]).size() > 0",
         "error: error during formatting: string clause can only be used on strings, "
         "bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, "
         "was given record"},
        {"'%s'.format([[message.bill]]) == '' || '%s'.format([{1: message.bill}]) == "
         "''",
         "error: error during formatting: string clause can only be used on strings, "
         "bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, "
         "was given record"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void times_add_and_are_taken_apart(void)
{
    static const struct cel_case cases[] = {
        {"timestamp('2024-02-28T23:59:59.5Z') + duration('1.5s')",
         "\"2024-02-29T00:00:01Z\""},
        {"duration('1h30m') + timestamp(0) - duration('90m') == timestamp(0)", "true"},
        {"timestamp(5) - timestamp(3) + duration('1us') - duration('1us')", "\"2s\""},
        {"timestamp('9999-12-31T23:59:59Z') + duration('1s')",
         "error: timestamp out of range"},
        {"timestamp('0001-01-01T00:00:00Z') - duration('1ns')",
         "error: timestamp out of range"},
        {"timestamp(0) - duration('-9223372036854775808ns')",
         "error: duration overflow"},
        {"duration('9223372036s') + duration('1s')", "error: duration overflow"},
        {"duration('-9223372036s') - duration('1s')", "error: duration overflow"},
        {"timestamp('9999-01-01T00:00:00Z') - timestamp('0001-01-01T00:00:00Z')",
         "error: duration overflow"},
        {"duration('1h2m3.5s') + duration('1ms') + duration('2us') + "
         "duration('3\\u00b5s')"
         " + duration('4ns') + duration('0')",
         "\"3723.501005004s\""},
        {"duration('-1.5h').getMinutes() + duration('+2h').getHours()", "-88"},
        {"duration('3661.25s').getSeconds() + duration('1.25s').getMilliseconds()",
         "3911"},
        {"message.at.getFullYear() * 100 + message.at.getMonth()", "202401"},
        {"message.at.getDate() * 100 + message.at.getDayOfMonth()", "2928"},
        {"message.at.getDayOfWeek() * 1000 + message.at.getDayOfYear()", "4059"},
        {"message.at.getHours() * 10000 + message.at.getMinutes() * 100 + "
         "message.at.getSeconds()",
         "40506"},
        {"message.at.getMilliseconds()", "789"},
        {"message.at9.getFullYear() + message.at9.getDayOfWeek()", "1972"},
        {"timestamp('0001-01-01T00:00:00Z').getDayOfYear('-01:00')", "365"},
        {"timestamp('9999-12-31T23:00:00Z').getFullYear('+02:00')", "10000"},
        {"message.at.getHours('+05:30') * 100 + message.at.getMinutes('-00:10')",
         "955"},
        {"message.at.getHours('02:00') + message.at.getHours('') + "
         "message.at.getHours('UTC')",
         "14"},
        {"message.at.getHours('Europe/Zurich') * 100 + "
         "timestamp('2024-07-01T12:00:00Z').getHours('Europe/Zurich')",
         "514"},
        {"timestamp('2060-07-01T12:00:00Z').getHours('America/New_York') * 100 + "
         "timestamp('2060-01-01T12:00:00Z').getHours('America/New_York')",
         "807"},
        {"timestamp('2060-01-01T12:00:00Z').getHours('Australia/Sydney') * 100 + "
         "timestamp('2060-07-01T12:00:00Z').getHours('Australia/Sydney')",
         "2322"},
        {"timestamp('1870-01-01T12:00:00Z').getMinutes('Europe/Zurich')", "29"},
        {"timestamp('2060-07-01T12:00:00Z').getHours('Asia/Kolkata')", "17"},
        {"message.at.getHours('Nowhere/Land')",
         "error: unknown time zone \"Nowhere/Land\""},
        {"message.at.getHours('../../etc/passwd')",
         "error: unknown time zone \"../../etc/passwd\""},
        {"message.at.getHours('/etc/passwd')",
         "error: unknown time zone \"/etc/passwd\""},
        {"message.at.getHours('+25:00')", "error: unknown time zone \"+25:00\""},
        {"message.at.getHours('+1:000')", "error: unknown time zone \"+1:000\""},
        {"dyn(1).getHours()", "error: no such overload: a getter of a timestamp(int)"},
        {"dyn(1).getDate()", "error: no such overload: a getter of a timestamp(int)"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

static void what_is_no_time_is_no_time(void)
{
    static const char *const stamps[] = {
        "2024-02-30T00:00:00Z",      "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",      "2024-00-01T00:00:00Z",
        "2024-01-00T00:00:00Z",      "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",      "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00",       "2024-01-01 00:00:00Z",
        "2024-01-01t00:00:00z",      "2024-1-01T00:00:00Z",
        "2024-01-01T00:00:00.Z",     "2024-01-01T00:00:00+2",
        "2024-01-01T00:00:00+24:00", "0000-01-01T00:00:00Z",
        "2024-01-01T00:00:00Zx",     "",
        "2024-01-01T00:00Z",         "2024-01-01T00:00:00+02:60"};
    static const char *const spans[] = {
        "",     "1",   "s",  "1.s.",        "1h2",  "1d",
        "--1s", "1 s", ".s", "9223372037s", "1e3s", "99999999999999999999s"};
    char rule[100];

    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++) {
        snprintf(rule, sizeof rule, "timestamp(dyn('%s'))", stamps[i]);
        struct span said = cel_says(rule, CEL_RECORD, CEL_BARE);

        CHECK(said.n > 6 && memcmp(said.p, "error:", 6) == 0);
    }
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        snprintf(rule, sizeof rule, "duration(dyn('%s'))", spans[i]);
        struct span said = cel_says(rule, CEL_RECORD, CEL_BARE);

        CHECK(said.n > 6 && memcmp(said.p, "error:", 6) == 0);
    }
}

static void literals_are_read_as_written(void)
{
    static const struct cel_case cases[] = {
        {"'a\\x41\\101\\u00e9\\U0001F600\\?\\`'", "\"aAAé😀?`\""},
        {"r'\\n' + R\"\\\" == '\\\\n\\\\'", "true"},
        {"'''a'b\n'''", "\"a'b\\n\""},
        {"b'\\xff\\377a' == B\"\\xff\\xffa\" && br'\\x' == b'\\\\x'", "true"},
        {"bytes('\\xff') == b'\\xc3\\xbf'", "true"},
        {"{'a.b': 1, 'c d': 2}.`a.b`", "1"},
        {"[1, 2,][1] + {'a': 1,}.a", "3"},
        {"1 // a comment\n + 1", "2"},
        {"true ? false ? 1 : 2 : 3", "1:14: \"?\", wanted \":\""},
        {"'a", "1:1: a string without an end"},
        {"'a\nb'", "1:1: a string without an end"},
        {"'\\q'", "1:2: no such escape in a literal"},
        {"'\\u00'", "1:2: no such escape in a literal"},
        {"'\\ud800'", "1:2: no such escape in a literal"},
        {"b'\\u0041'", "1:3: no such escape in a literal"},
        {"'\\400'", "1:2: no such escape in a literal"},
        {"9223372036854775808", "1:1: a number of more than 64 bits"},
        {"18446744073709551616u", "1:1: a number of more than 64 bits"},
        {"0x10000000000000000", "1:1: a number of more than 64 bits"},
        {"0x", "1:1: 0x without digits"},
        {"1e999", "1:1: a number that no double can hold"},
        {"-1u", "1:2: \"1u\", wanted a number that can be negative"},
        {"1 # 2", "1:3: \"#\" begins nothing"},
        {"`a`", "1:1: \"`a`\", wanted an expression"},
        {"message.``", "1:9: no name between `"},
        {"message.?id", "1:8: optional fields (.?) are no part of this language"},
        {"message.1", "1:8: \".1\", wanted an operator or the end"},
        {"for", "1:1: \"for\", wanted a name that is not reserved"},
        {"message.items.all(1, true)",
         "1:19: a macro's first argument is a simple name"},
        {"has(1)", "1:5: has() takes a field: has(message.f)"},
        {"f(1,)", "1:5: \")\", wanted an expression"},
        {"[1 2]", "1:4: \"2\", wanted ]"},
        {"{1 2}", "1:4: \"2\", wanted \":\""},
        {"{1: 2", "1:6: the end, wanted \"}\""},
        {"(1", "1:3: the end, wanted \")\""},
        {"1 2", "1:3: \"2\", wanted an operator or the end"},
        {"1{a: 2}", "1:2: \"{\", wanted an operator or the end"},
        {"com.shop.Item{1: 2}", "1:15: \"1\", wanted the name of a field"},
        {"-!true", "1:2: \"!\", wanted an operand"},
        {".message.id", "7"},
        {".'a'", "1:2: \"'a'\", wanted a name"},
        {"'\xff'", "1:2: a byte that is no UTF-8"},
        {"[1, 2, 3].exists_one(x, x > 2) && [1].existsOne(x, true)", "true"},
        {"[1, 2, 3].map(x, x > 1, x * 2)", "[4,6]"},
        {"{'a': 1, 'b': 2}.map(k, k)", "[\"a\",\"b\"]"},
        {"{'a': 1}.all(k, k == 'a') && {'b': 0}.exists(k, k == 'b')", "true"},
        {"[1, 2].map(x, [3].map(y, x * y))", "[[3],[6]]"},
        {"[{1: true, true: 1u, 2u: b'a'}]", "[{\"1\":true,\"true\":1,\"2\":\"YQ==\"}]"},
    };
    CEL_CHECK(cases, CEL_FULL);
}

int main(void)
{
    RUN(numbers_overflow_loudly);
    RUN(numbers_compare_across_their_types);
    RUN(conversions_are_exact_or_errors);
    RUN(text_is_counted_in_code_points);
    RUN(format_writes_each_clause);
    RUN(times_add_and_are_taken_apart);
    RUN(what_is_no_time_is_no_time);
    RUN(literals_are_read_as_written);
    return REPORT();
}

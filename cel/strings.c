#include "cel/functions.h"

/*
 * Text in code points: positions and sizes count them. https://github.com/google/cel-go
 * ext/strings names the functions; the first argument is what they are called on.
 */

static bool all_strings(const struct cel_value *args, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (args[i].kind != CEL_STRING)
            return false;
    return true;
}

static struct cel_value out_of_range(struct cel_run *run, int64_t i)
{
    return cel_failf(run, "index out of range: %lld", (long long)i);
}

/* The byte where code point `i` begins; s.n for the one behind the last; SIZE_MAX past
 * it. */
static size_t byte_of(struct span s, int64_t i)
{
    size_t at = 0, n;

    if (i < 0)
        return SIZE_MAX;
    for (; i > 0 && at < s.n; i--) {
        cel_code_point(span_skip(s, at), &n);
        at += n;
    }
    return i == 0 ? at : SIZE_MAX;
}

static const uint8_t *find(struct span in, struct span what)
{
    return what.n == 0 ? in.p : memmem(in.p, in.n, what.p, what.n);
}

/* Sizes and questions */

CEL_FN(cel_size)
{
    struct cel_value v = args[0];

    switch (v.kind) {
    case CEL_STRING:
        cel_steps(run, v.s.n / 64);
        return cel_int((int64_t)cel_code_points(v.s));
    case CEL_BYTES: return cel_int((int64_t)v.s.n);
    case CEL_LIST:
    case CEL_MAP: return cel_int(cel_count(run, v));
    default: return cel_no_overload(run, "size", args, n);
    }
}

CEL_FN(cel_contains)
{
    if (!all_strings(args, 0, 2))
        return cel_no_overload(run, "contains", args, n);
    cel_steps(run, args[0].s.n / 64);
    return cel_bool(args[1].s.n == 0 || find(args[0].s, args[1].s) != NULL);
}

CEL_FN(cel_starts_with)
{
    if (!all_strings(args, 0, 2))
        return cel_no_overload(run, "startsWith", args, n);
    struct span s = args[0].s, head = args[1].s;
    return cel_bool(head.n <= s.n && span_eq(span_of(s.p, head.n), head));
}

CEL_FN(cel_ends_with)
{
    if (!all_strings(args, 0, 2))
        return cel_no_overload(run, "endsWith", args, n);
    struct span s = args[0].s, tail = args[1].s;
    return cel_bool(tail.n == 0 ||
                    (tail.n <= s.n && span_eq(span_skip(s, s.n - tail.n), tail)));
}

/* A pattern that only the data knows: compiled for this one text. */
#define PATTERN_STEPS 200 // what compiling a byte of it may cost

CEL_FN(cel_matches)
{
    struct cel_regex *regex;
    struct err e = {0};
    size_t at;

    if (!all_strings(args, 0, 2))
        return cel_no_overload(run, "matches", args, n);
    if (!cel_steps(run, args[0].s.n / 16 + args[1].s.n * PATTERN_STEPS))
        return cel_broken(run);
    if (cel_regex_compile(&regex, args[1].s, &at, &e) != ERR_OK)
        return cel_failf(run, "pattern, %zu: %s", at + 1, e.msg);
    struct cel_regex_scratch *scratch = cel_regex_scratch_open();
    bool yes = cel_regex_matches(regex, args[0].s, scratch);
    cel_regex_scratch_close(scratch);
    cel_regex_free(regex);
    return cel_bool(yes);
}

/* Positions */

CEL_FN(cel_char_at)
{
    size_t length = 0;

    if (args[0].kind != CEL_STRING || args[1].kind != CEL_INT)
        return cel_no_overload(run, "charAt", args, n);
    struct span s = args[0].s;
    size_t at = byte_of(s, args[1].i);
    cel_steps(run, s.n / 64);
    if (at == SIZE_MAX)
        return out_of_range(run, args[1].i);
    if (at < s.n)
        cel_code_point(span_skip(s, at), &length);
    return cel_string(span_of(s.p + at, length));
}

CEL_FN(cel_index_of)
{
    int64_t from = 0;

    if (!all_strings(args, 0, 2) || (n == 3 && args[2].kind != CEL_INT))
        return cel_no_overload(run, "indexOf", args, n);
    struct span s = args[0].s;
    if (n == 3)
        from = args[2].i;
    size_t at = byte_of(s, from);
    cel_steps(run, s.n / 64);
    if (at == SIZE_MAX)
        return args[1].s.n == 0 || from < 0 || n == 3 ? out_of_range(run, from)
                                                      : cel_int(-1);
    if (args[1].s.n == 0)
        return cel_int(from);
    const uint8_t *p = find(span_skip(s, at), args[1].s);
    if (p == NULL)
        return cel_int(-1);
    return cel_int((int64_t)cel_code_points(span_of(s.p, (size_t)(p - s.p))));
}

/* The last place at or before byte `at` where it stands. */
static const uint8_t *find_last(struct span in, struct span what, size_t at)
{
    if (what.n > in.n)
        return NULL;
    if (at > in.n - what.n)
        at = in.n - what.n;
    for (size_t i = at + 1; i-- > 0;)
        if (memcmp(in.p + i, what.p, what.n) == 0)
            return in.p + i;
    return NULL;
}

CEL_FN(cel_last_index_of)
{
    if (!all_strings(args, 0, 2) || (n == 3 && args[2].kind != CEL_INT))
        return cel_no_overload(run, "lastIndexOf", args, n);
    struct span s = args[0].s, what = args[1].s;
    size_t at = n == 3 ? byte_of(s, args[2].i) : s.n;
    if (!cel_steps(run, s.n / 64 * (1 + what.n / 64)))
        return cel_broken(run);
    if (at == SIZE_MAX)
        return out_of_range(run, args[2].i);
    if (what.n == 0)
        return cel_int((int64_t)cel_code_points(span_of(s.p, at)));
    const uint8_t *p = find_last(s, what, at);
    if (p == NULL)
        return cel_int(-1);
    return cel_int((int64_t)cel_code_points(span_of(s.p, (size_t)(p - s.p))));
}

CEL_FN(cel_substring)
{
    if (args[0].kind != CEL_STRING || args[1].kind != CEL_INT ||
        (n == 3 && args[2].kind != CEL_INT))
        return cel_no_overload(run, "substring", args, n);
    struct span s = args[0].s;
    size_t from = byte_of(s, args[1].i), to = n == 3 ? byte_of(s, args[2].i) : s.n;
    cel_steps(run, s.n / 64);
    if (from == SIZE_MAX)
        return out_of_range(run, args[1].i);
    if (to == SIZE_MAX)
        return out_of_range(run, args[2].i);
    if (from > to)
        return cel_failf(run, "invalid substring range. start: %lld, end: %lld",
                         (long long)args[1].i, (long long)args[2].i);
    return cel_string(span_of(s.p + from, to - from));
}

/* Changes */

static struct cel_value with_case(struct cel_run *run, struct cel_value v,
                                  uint8_t first, uint8_t last)
{
    uint8_t *p = cel_room(run, v.s.n);

    if (p == NULL || !cel_steps(run, v.s.n / 64))
        return cel_broken(run);
    for (size_t i = 0; i < v.s.n; i++) {
        uint8_t c = v.s.p[i];

        p[i] = c >= first && c <= last ? c ^ 0x20 : c;
    }
    return cel_string(span_of(p, v.s.n));
}

CEL_FN(cel_lower_ascii)
{
    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "lowerAscii", args, n);
    return with_case(run, args[0], 'A', 'Z');
}

CEL_FN(cel_upper_ascii)
{
    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "upperAscii", args, n);
    return with_case(run, args[0], 'a', 'z');
}

/* Unicode's White_Space. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

CEL_FN(cel_trim)
{
    size_t length, at = 0, end = 0;

    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "trim", args, n);
    struct span s = args[0].s;
    cel_steps(run, s.n / 64);
    while (at < s.n && is_space(cel_code_point(span_skip(s, at), &length)))
        at += length;
    s = span_of(s.p + at, s.n - at);
    for (at = 0; at < s.n; at += length)
        if (!is_space(cel_code_point(span_skip(s, at), &length)))
            end = at + length;
    return cel_string(span_of(s.p, end));
}

CEL_FN(cel_reverse)
{
    size_t length;

    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "reverse", args, n);
    struct span s = args[0].s;
    uint8_t *p = cel_room(run, s.n);
    if (p == NULL || !cel_steps(run, s.n / 16))
        return cel_broken(run);
    for (size_t at = 0; at < s.n; at += length) {
        cel_code_point(span_skip(s, at), &length);
        memcpy(p + s.n - at - length, s.p + at, length);
    }
    return cel_string(span_of(p, s.n));
}

static const char *quoted(uint32_t c)
{
    switch (c) {
    case '\a': return "\\a";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\v': return "\\v";
    case '\\': return "\\\\";
    case '"': return "\\\"";
    default: return NULL;
    }
}

CEL_FN(cel_quote)
{
    struct buf *out = &run->text;
    uint8_t utf8[4];
    size_t length;

    if (args[0].kind != CEL_STRING)
        return cel_no_overload(run, "strings.quote", args, n);
    struct span s = args[0].s;
    if (!cel_steps(run, s.n / 16))
        return cel_broken(run);
    buf_reset(out);
    buf_put_u8(out, '"');
    for (size_t at = 0; at < s.n; at += length) {
        uint32_t c = cel_code_point(span_skip(s, at), &length);
        const char *q = quoted(c);

        buf_put(out, q != NULL ? span_str(q) : span_of(utf8, cel_utf8_put(utf8, c)));
    }
    buf_put_u8(out, '"');
    return cel_text(run, CEL_STRING, out);
}

/* Lists and texts */

CEL_FN(cel_join)
{
    struct cel_value item;

    if (args[0].kind != CEL_LIST || !all_strings(args, 1, n))
        return cel_no_overload(run, "join", args, n);
    struct cel_each each = cel_each_of(run, args[0]);
    buf_reset(&run->text);
    for (size_t i = 0; cel_next(&each, &item, NULL); i++) {
        if (item.kind != CEL_STRING)
            return cel_no_overload(run, "join", &item, 1);
        if (i > 0 && n == 2)
            buf_put(&run->text, args[1].s);
        buf_put(&run->text, item.s);
    }
    return cel_text(run, CEL_STRING, &run->text);
}

/* Up to where the next occurrence of `what` in s ends: *before is its start.  An empty
 * one is behind each code point. */
static bool next_part(struct span s, struct span what, size_t *before, size_t *behind)
{
    if (what.n == 0 && s.n > 0) {
        cel_code_point(s, before);
        *behind = *before;
        return true;
    }
    const uint8_t *p = what.n > 0 && s.n > 0 ? find(s, what) : NULL;
    if (p == NULL)
        return false;
    *before = (size_t)(p - s.p);
    *behind = *before + what.n;
    return true;
}

CEL_FN(cel_replace)
{
    int64_t left = n == 4 ? args[3].i : -1;
    size_t before, behind;
    struct buf *out = &run->text;

    if (!all_strings(args, 0, 3) || (n == 4 && args[3].kind != CEL_INT))
        return cel_no_overload(run, "replace", args, n);
    struct span s = args[0].s, what = args[1].s;
    buf_reset(out);
    if (what.n == 0 && left != 0) {
        buf_put(out, args[2].s);
        left--;
    }
    for (; left != 0 && cel_steps(run, 1) && !out->over; left--) {
        if (!next_part(s, what, &before, &behind))
            break;
        buf_put(out, span_of(s.p, before));
        buf_put(out, args[2].s);
        s = span_skip(s, behind);
    }
    buf_put(out, s);
    return cel_text(run, CEL_STRING, out);
}

struct parts {
    struct cel_value *items;
    size_t n, cap;
};

static bool add_part(struct cel_run *run, struct parts *parts, struct span s)
{
    if (parts->n == parts->cap) {
        size_t cap = parts->cap * 2 + 8;
        struct cel_value *more = cel_room(run, cap * sizeof *more);

        if (more == NULL)
            return false;
        if (parts->n > 0)
            memcpy(more, parts->items, parts->n * sizeof *more);
        parts->items = more;
        parts->cap = cap;
    }
    parts->items[parts->n++] = cel_string(s);
    return true;
}

CEL_FN(cel_split)
{
    int64_t most = n == 3 ? args[2].i : -1;
    struct parts parts = {0};
    size_t before, behind;

    if (!all_strings(args, 0, 2) || (n == 3 && args[2].kind != CEL_INT))
        return cel_no_overload(run, "split", args, n);
    struct span s = args[0].s, by = args[1].s;
    while ((most < 0 || (int64_t)parts.n + 1 < most) && cel_steps(run, 1)) {
        if (!next_part(s, by, &before, &behind) || (by.n == 0 && behind == s.n))
            break;
        if (!add_part(run, &parts, span_of(s.p, before)))
            return cel_broken(run);
        s = span_skip(s, behind);
    }
    if (most != 0 && (by.n > 0 || s.n > 0) && !add_part(run, &parts, s))
        return cel_broken(run);
    return (struct cel_value){.kind = CEL_LIST, .items = parts.items, .n = parts.n};
}

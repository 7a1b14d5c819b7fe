#include "avro-core/schema_inside.h"

/* Behind the string that opens at `i`. */
static size_t string_end(struct span s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++)
        i += s.p[i] == '\\';
    return i < s.n ? i + 1 : s.n;
}

static bool opens_comment(struct span s, size_t i)
{
    return i + 1 < s.n && s.p[i] == '/' && (s.p[i + 1] == '/' || s.p[i + 1] == '*');
}

/* Behind the comment that opens at `i`; 0 when it has no end. */
static size_t comment_end(struct span s, size_t i)
{
    size_t k = i + 2;

    if (s.p[i + 1] == '/') {
        while (k < s.n && s.p[k] != '\n' && s.p[k] != '\r')
            k++;
        return k;
    }
    for (; k + 1 < s.n; k++)
        if (s.p[k] == '*' && s.p[k + 1] == '/')
            return k + 2;
    return 0;
}

/* Lines stay where they were, so that messages point into the text as it was given. */
static void blank(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\n' && p[i] != '\r')
            p[i] = ' ';
}

struct span without_comments(struct span text, struct arena *a)
{
    uint8_t *copy = NULL;

    for (size_t i = 0; i < text.n;) {
        if (!opens_comment(text, i)) {
            i = text.p[i] == '"' ? string_end(text, i) : i + 1;
            continue;
        }
        size_t end = comment_end(text, i);
        if (end == 0) // the reader of JSON will stumble here; nothing behind it matters
            break;
        if (copy == NULL)
            copy = (uint8_t *)arena_str(a, text);
        blank(copy + i, end - i);
        i = end;
    }
    return copy != NULL ? span_of(copy, text.n) : text;
}

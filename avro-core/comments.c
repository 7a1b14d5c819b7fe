#include "avro-core/schema_inside.h"

/* Behind the string that opens at `i`. */
static size_t string_end(struct span s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++)
        i += s.p[i] == '\\';
    return i < s.n ? i + 1 : s.n;
}

/* Behind the comment that opens at `i`; `i` itself when none does, or it has no end. */
static size_t comment_end(struct span s, size_t i)
{
    size_t k = i + 2;

    if (k > s.n || s.p[i] != '/' || (s.p[i + 1] != '/' && s.p[i + 1] != '*'))
        return i;
    if (s.p[i + 1] == '/') {
        while (k < s.n && s.p[k] != '\n' && s.p[k] != '\r')
            k++;
        return k;
    }
    for (; k + 1 < s.n; k++)
        if (s.p[k] == '*' && s.p[k + 1] == '/')
            return k + 2;
    return i;
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
        size_t end = comment_end(text, i);
        if (end > i) {
            if (copy == NULL)
                copy = (uint8_t *)arena_str(a, text);
            blank(copy + i, end - i);
            i = end;
        } else {
            i = text.p[i] == '"' ? string_end(text, i) : i + 1;
        }
    }
    return copy != NULL ? span_of(copy, text.n) : text;
}

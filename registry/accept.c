#include "registry/accept.h"

#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *type;
    int worth; // of a thousand, where the client does not mind
} ours[] = {
    {REG_JSON, 1000},
    {"application/vnd.schemaregistry+json", 900},
    {"application/json", 500},
};

#define OURS (sizeof ours / sizeof *ours)

static struct span trimmed(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_skip(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* What stands before `mark`; *rest is what follows it. */
static struct span cut(struct span s, char mark, struct span *rest)
{
    const uint8_t *at = s.n > 0 ? memchr(s.p, mark, s.n) : NULL;
    size_t n = at != NULL ? (size_t)(at - s.p) : s.n;

    *rest = span_skip(s, n + 1);
    return trimmed(span_of(s.p, n));
}

static bool is(struct span s, const char *text)
{
    return s.n == strlen(text) && strncasecmp((const char *)s.p, text, s.n) == 0;
}

/* "0.8" -> 800; what cannot be read counts as 1000. */
static int quality(struct span params)
{
    while (params.n > 0) {
        struct span p = cut(params, ';', &params);
        char digits[8] = {0};

        if (p.n < 3 || (p.p[0] | 0x20) != 'q' || p.p[1] != '=')
            continue;
        memcpy(digits, p.p + 2, p.n - 2 < 7 ? p.n - 2 : 7);
        char *end = digits;
        double q = strtod(digits, &end);
        return end != digits && q >= 0 && q <= 1 ? (int)(q * 1000) : 1000;
    }
    return 1000;
}

/* How exactly `range` means `type`: 3 to the letter, 1 everything, 0 not at all. */
static int fits(struct span range, const char *type)
{
    if (is(range, type))
        return 3;
    if (is(range, "application/*"))
        return 2;
    return is(range, "*/*") ? 1 : 0;
}

static int worth_of(struct span accept, size_t i)
{
    int best_fit = 0, q = 0;

    while (accept.n > 0) {
        struct span params, range = cut(accept, ',', &accept);

        range = cut(range, ';', &params);
        int fit = fits(range, ours[i].type);
        if (fit > best_fit) {
            best_fit = fit;
            q = quality(params);
        }
    }
    return q * ours[i].worth / 1000;
}

const char *reg_accepted(struct span accept)
{
    const char *best = NULL;
    int most = 0;

    if (trimmed(accept).n == 0)
        return REG_JSON;
    for (size_t i = 0; i < OURS; i++) {
        int worth = worth_of(accept, i);
        if (worth > most) {
            most = worth;
            best = ours[i].type;
        }
    }
    return best;
}

bool reg_readable(struct span content_type)
{
    struct span params, type = cut(content_type, ';', &params);

    if (type.n == 0 || is(type, "application/octet-stream"))
        return true;
    for (size_t i = 0; i < OURS; i++)
        if (is(type, ours[i].type))
            return true;
    return false;
}

#include "base/utf8.h"

/* What may follow a lead byte: how many bytes, and the range of the first of them. */
struct follow {
    uint8_t n, least, most;
};

static struct follow follow_of(uint8_t lead)
{
    if (lead < 0xC2 || lead > 0xF4)
        return (struct follow){0};
    if (lead < 0xE0)
        return (struct follow){1, 0x80, 0xBF};
    if (lead < 0xF0)
        return (struct follow){2, lead == 0xE0 ? 0xA0 : 0x80,
                               lead == 0xED ? 0x9F : 0xBF};
    return (struct follow){3, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF};
}

/* The length of the character at p, 0 when it is none. */
static size_t character(const uint8_t *p, size_t left)
{
    struct follow f = follow_of(p[0]);

    if (f.n == 0 || f.n >= left || p[1] < f.least || p[1] > f.most)
        return 0;
    for (size_t i = 2; i <= f.n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return f.n + 1u;
}

size_t utf8_good(struct span s)
{
    size_t i = 0;

    while (i < s.n) {
        uint64_t eight;

        if (s.n - i >= sizeof eight) { // most text is ASCII: eight at a time
            memcpy(&eight, s.p + i, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t n = s.p[i] < 0x80 ? 1 : character(s.p + i, s.n - i);
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

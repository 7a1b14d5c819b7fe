#include "base/utf8.h"
#include "cel/cel_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t cel_utf8_put(uint8_t out[4], uint32_t point)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xC0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (point & 0x3F));
    return 4;
}

static size_t wanted(uint8_t c)
{
    return c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
}

uint32_t cel_code_point(struct span s, size_t *n)
{
    static const uint8_t first[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t w = wanted(s.p[0]);

    if (w == 1) {
        *n = 1;
        return s.p[0];
    }
    if (w == 0 || w > s.n || utf8_good(span_of(s.p, w)) != w) {
        *n = 1;
        return 0xFFFD;
    }
    uint32_t point = s.p[0] & first[w];
    for (size_t i = 1; i < w; i++)
        point = point << 6 | (s.p[i] & 0x3F);
    *n = w;
    return point;
}

void cel_tidy(char *text)
{
    struct span s = span_str(text);
    size_t n, at = 0;

    for (; s.n > 0; s = span_skip(s, n)) {
        uint32_t c = cel_code_point(s, &n);

        if (c == 0xFFFD && n == 1)
            continue;
        if (c < ' ')
            text[at++] = ' ';
        else
            memmove(text + at, s.p, n), at += n;
    }
    text[at] = '\0';
}

size_t cel_code_points(struct span s)
{
    size_t count = 0;

    // Of valid UTF-8; what is not still gets a number, never more than its bytes.
    for (size_t i = 0; i < s.n; i++)
        count += (s.p[i] & 0xC0) != 0x80;
    return count;
}

/* The shortest digits that read back as the same double, as d.ddde+xx. */
static int shortest(char out[40], double d)
{
    int digits = 0;

    for (; digits < 17; digits++) {
        snprintf(out, 40, "%.*e", digits, d);
        if (strtod(out, NULL) == d)
            break;
    }
    return digits;
}

static bool put_no_number(struct buf *out, double d, const char *plus,
                          const char *infinity)
{
    if (isnan(d))
        buf_put_str(out, "NaN");
    else if (isinf(d))
        buf_printf(out, "%s%s", d > 0 ? plus : "-", infinity);
    return isnan(d) || isinf(d);
}

static int exponent_of(const char *text)
{
    const char *e = strchr(text, 'e');

    return e != NULL ? atoi(e + 1) : 0;
}

void cel_double_put(struct buf *out, double d)
{
    char text[40];

    if (put_no_number(out, d, "+", "Inf"))
        return;
    int digits = shortest(text, d), exponent = exponent_of(text);
    if (exponent < -4 || exponent >= 6)
        buf_put_str(out, text);
    else
        buf_printf(out, "%.*f", digits > exponent ? digits - exponent : 0, d);
}

/* The digits of d.ddde+xx, then zeros up to the point, as Go's %f of the shortest. */
static void put_whole(struct buf *out, const char *text, int exponent)
{
    int digits = 0;

    for (; *text != 'e' && *text != '\0'; text++)
        if (*text != '.') {
            digits += *text != '-';
            buf_put_u8(out, (uint8_t)*text);
        }
    for (; digits <= exponent; digits++)
        buf_put_u8(out, '0');
}

void cel_double_put_plain(struct buf *out, double d)
{
    char text[40];

    if (put_no_number(out, d, "", "Infinity"))
        return;
    int digits = shortest(text, d), exponent = exponent_of(text);
    if (exponent >= digits)
        put_whole(out, text, exponent);
    else
        buf_printf(out, "%.*f", digits - exponent, d);
}

struct cel_value cel_text(struct cel_run *run, enum cel_kind kind, struct buf *b)
{
    uint8_t *p = b->over ? NULL : cel_room(run, b->n);

    if (p == NULL)
        return b->over ? cel_fail("a text that is too long") : cel_broken(run);
    if (b->n > 0)
        memcpy(p, b->p, b->n);
    return (struct cel_value){.kind = (uint8_t)kind, .s = span_of(p, b->n)};
}

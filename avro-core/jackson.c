#include "avro-core/jackson.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* UTF-8 sorts by code point.  UTF-16 does too, but for what lies behind U+FFFF: its
 * surrogates come before U+E000.  So that corner of the first bytes changes places. */
static int rank(uint8_t c)
{
    if (c >= 0xf0)
        return 0xee;
    return c >= 0xee ? c + 2 : c;
}

int jackson_order(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        if (a.p[i] == b.p[i])
            continue;
        int ra = rank(a.p[i]), rb = rank(b.p[i]);
        return ra != rb ? ra - rb : a.p[i] - b.p[i];
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static void put_escaped(struct buf *out, uint8_t c)
{
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    buf_put_u8(out, '\\');
    if (c == '"' || c == '\\')
        buf_put_u8(out, c);
    else if (short_forms[c] != 0)
        buf_put_u8(out, (uint8_t)short_forms[c]);
    else
        buf_printf(out, "u%04X", c);
}

void jackson_put_string(struct buf *out, struct span s)
{
    size_t from = 0;

    buf_put_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(out, span_of(s.p + from, i - from));
        put_escaped(out, c);
        from = i + 1;
    }
    buf_put(out, span_skip(s, from));
    buf_put_u8(out, '"');
}

/* d.ddde+x as Java lays it out: plain between 10^-3 and 10^7, else with an E. */
static void put_laid_out(struct buf *out, const char *shortest)
{
    char digits[32];
    int n = 0, exponent = atoi(strchr(shortest, 'e') + 1);

    if (*shortest == '-')
        buf_put_u8(out, '-');
    for (const char *c = shortest; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9')
            digits[n++] = *c;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';

    if (exponent < -3 || exponent >= 7) {
        buf_printf(out, "%c.%sE%d", digits[0], n > 1 ? digits + 1 : "0", exponent);
    } else if (exponent < 0) {
        buf_printf(out, "0.%.*s%s", -exponent - 1, "00", digits);
    } else if (n <= exponent + 1) {
        buf_printf(out, "%s%.*s.0", digits, exponent + 1 - n, "000000");
    } else {
        buf_printf(out, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    }
}

static bool put_special(struct buf *out, double v)
{
    if (isnan(v))
        buf_put_str(out, "\"NaN\"");
    else if (isinf(v))
        buf_put_str(out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else if (v == 0)
        buf_put_str(out, signbit(v) ? "-0.0" : "0.0");
    else
        return false;
    return true;
}

void jackson_put_double(struct buf *out, double v)
{
    char text[40];

    if (put_special(out, v))
        return;
    for (int precision = 1; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    put_laid_out(out, text);
}

void jackson_put_float(struct buf *out, float v)
{
    char text[40];

    if (put_special(out, (double)v))
        return;
    for (int precision = 1; precision <= 8; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    put_laid_out(out, text);
}

bool jackson_is_integer(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '.' || text.p[i] == 'e' || text.p[i] == 'E')
            return false;
    return true;
}

double jackson_double(struct span text)
{
    char *copy = mem_str(text);
    double v = strtod(copy, NULL);

    free(copy);
    return v == 0 && jackson_is_integer(text) ? 0 : v; // the integer -0 is 0
}

void jackson_put_number(struct buf *out, struct span text)
{
    if (!jackson_is_integer(text))
        jackson_put_double(out, jackson_double(text));
    else if (span_eq(text, span_str("-0")))
        buf_put_u8(out, '0');
    else
        buf_put(out, text);
}

static int by_name(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;

    return jackson_order((*x)->name, (*y)->name);
}

/* The children of `j`, the caller's to free. */
static const struct json **children_of(const struct json *j, bool sorted)
{
    const struct json **children = mem_array(j->n, sizeof *children);
    size_t n = 0;

    for (const struct json *c = j->first; c != NULL; c = c->next)
        children[n++] = c;
    if (sorted)
        qsort(children, n, sizeof *children, by_name);
    return children;
}

static void put_children(struct buf *out, const struct json *j, bool sorted)
{
    bool object = j->kind == JSON_OBJECT;
    const struct json **children = children_of(j, sorted && object);

    buf_put_u8(out, object ? '{' : '[');
    for (size_t i = 0; i < j->n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        if (object) {
            jackson_put_string(out, children[i]->name);
            buf_put_u8(out, ':');
        }
        jackson_put(out, children[i], sorted);
    }
    buf_put_u8(out, object ? '}' : ']');
    free(children);
}

void jackson_put(struct buf *out, const struct json *j, bool sorted)
{
    switch (j->kind) {
    case JSON_NULL: buf_put_str(out, "null"); break;
    case JSON_FALSE: buf_put_str(out, "false"); break;
    case JSON_TRUE: buf_put_str(out, "true"); break;
    case JSON_NUMBER: jackson_put_number(out, j->text); break;
    case JSON_STRING: jackson_put_string(out, j->text); break;
    case JSON_ARRAY:
    case JSON_OBJECT: put_children(out, j, sorted); break;
    }
}

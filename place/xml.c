#include "place/xml.h"

static const uint8_t *find(struct span s, const char *what, size_t n)
{
    return s.n < n ? NULL : memmem(s.p, s.n, what, n);
}

/* Behind "<name>" or "<name attributes>"; NULL: not the start of it.  *empty:
 * "<name/>". */
static const uint8_t *open_tag(struct span s, struct span name, bool *empty)
{
    if (s.n < name.n + 2 || s.p[0] != '<' || memcmp(s.p + 1, name.p, name.n) != 0)
        return NULL;
    uint8_t c = s.p[1 + name.n];
    if (c != '>' && c != '/' && c != ' ' && c != '\n' && c != '\t' && c != '\r')
        return NULL;
    const uint8_t *end = memchr(s.p + 1 + name.n, '>', s.n - 1 - name.n);
    if (end == NULL)
        return NULL;
    *empty = end[-1] == '/';
    return end + 1;
}

/* The start of "</name>" in `s`. */
static const uint8_t *close_tag(struct span s, struct span name)
{
    const uint8_t *at;

    while ((at = find(s, "</", 2)) != NULL) {
        s = span_skip(s, (size_t)(at - s.p) + 2);
        if (s.n > name.n && memcmp(s.p, name.p, name.n) == 0 && s.p[name.n] == '>')
            return at;
    }
    return NULL;
}

bool xml_next(struct span *rest, const char *name, struct span *inside)
{
    struct span s = *rest, want = span_str(name);
    const uint8_t *at;

    while ((at = s.n == 0 ? NULL : memchr(s.p, '<', s.n)) != NULL) {
        bool empty = false;
        s = span_skip(s, (size_t)(at - s.p));
        const uint8_t *begin = open_tag(s, want, &empty);
        if (begin == NULL) {
            s = span_skip(s, 1);
            continue;
        }
        s = span_skip(s, (size_t)(begin - s.p));
        const uint8_t *end = empty ? begin : close_tag(s, want);
        if (end == NULL)
            return false; // cut off
        *inside = span_of(begin, (size_t)(end - begin));
        *rest = empty ? s : span_skip(s, (size_t)(end - begin) + want.n + 3);
        return true;
    }
    return false;
}

static const struct {
    const char *name;
    uint8_t byte;
} entities[] = {
    {"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''},
};

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

static int digit(uint8_t c, int base)
{
    int v = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    return v < base ? v : -1;
}

/* "#38;" or "#x26;": how many bytes of `s`, 0 when it is none. */
static size_t numbered(struct span s, struct buf *out)
{
    int base = s.n > 1 && s.p[1] == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 1, digits = 0;
    uint32_t c = 0;

    for (; i < s.n && digits < 8 && digit(s.p[i], base) >= 0; i++, digits++)
        c = c * (uint32_t)base + (uint32_t)digit(s.p[i], base);
    if (digits == 0 || i == s.n || s.p[i] != ';' || c == 0 || c > 0x10ffff)
        return 0;
    put_utf8(out, c);
    return i + 1;
}

/* What follows a '&': how many bytes of `s` it is. */
static size_t entity(struct span s, struct buf *out)
{
    if (s.n > 0 && s.p[0] == '#')
        return numbered(s, out);
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        size_t n = strlen(entities[i].name);
        if (s.n >= n && memcmp(s.p, entities[i].name, n) == 0) {
            buf_put_u8(out, entities[i].byte);
            return n;
        }
    }
    return 0;
}

bool xml_text(struct span in, const char *name, struct buf *out)
{
    struct span s;

    if (!xml_next(&in, name, &s))
        return false;
    while (s.n > 0) {
        const uint8_t *amp = memchr(s.p, '&', s.n);
        size_t n = amp == NULL ? s.n : (size_t)(amp - s.p);
        buf_put(out, span_of(s.p, n));
        s = span_skip(s, n);
        if (s.n == 0)
            break;
        size_t used = entity(span_skip(s, 1), out);
        if (used == 0)
            buf_put_u8(out, '&'); // as it stands
        s = span_skip(s, 1 + used);
    }
    return true;
}

int64_t xml_number(struct span in, const char *name)
{
    struct span s;
    int64_t v = 0;

    if (!xml_next(&in, name, &s) || s.n == 0 || s.n > 18)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (digit(s.p[i], 10) < 0)
            return -1;
        v = v * 10 + digit(s.p[i], 10);
    }
    return v;
}

void xml_put(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t k = 0;
        while (k < sizeof entities / sizeof entities[0] &&
               entities[k].byte != text.p[i])
            k++;
        if (k == sizeof entities / sizeof entities[0]) {
            buf_put_u8(out, text.p[i]);
            continue;
        }
        buf_put_u8(out, '&');
        buf_put_str(out, entities[k].name);
    }
}

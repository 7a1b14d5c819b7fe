#include "gateway/trace.h"

#define PARENT 55 // bytes of version 00
#define MEMBERS_MOST 32
#define KEY_MOST 256
#define VALUE_MOST 256

static bool is_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

static bool is_zero(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '0')
            return false;
    return true;
}

bool trace_is_parent(struct span v)
{
    if (v.n < PARENT || v.p[2] != '-' || v.p[35] != '-' || v.p[52] != '-')
        return false;
    const struct span version = span_of(v.p, 2), id = span_of(v.p + 3, 32),
                      parent = span_of(v.p + 36, 16), flags = span_of(v.p + 53, 2);

    if (!is_hex(version) || !is_hex(id) || !is_hex(parent) || !is_hex(flags) ||
        is_zero(id) || is_zero(parent) || span_eq(version, span_str("ff")))
        return false;
    return v.n == PARENT || (!is_zero(version) && v.p[PARENT] == '-');
}

static bool is_key_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '*' || c == '/' || c == '@';
}

static bool is_value_byte(uint8_t c)
{
    return c >= 0x20 && c <= 0x7e && c != ',' && c != '=';
}

static struct span trim(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_skip(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool is_member(struct span m)
{
    size_t key = 0;

    while (key < m.n && is_key_byte(m.p[key]))
        key++;
    if (key == 0 || key > KEY_MOST || key == m.n || m.p[key] != '=' ||
        !((m.p[0] >= 'a' && m.p[0] <= 'z') || (m.p[0] >= '0' && m.p[0] <= '9')))
        return false;
    struct span value = span_skip(m, key + 1);
    for (size_t i = 0; i < value.n; i++)
        if (!is_value_byte(value.p[i]))
            return false;
    return value.n > 0 && value.n <= VALUE_MOST;
}

bool trace_is_state(struct span v)
{
    size_t members = 0;

    if (v.n > TRACE_STATE_MOST)
        return false;
    while (v.n > 0) {
        const uint8_t *comma = memchr(v.p, ',', v.n);
        size_t n = comma != NULL ? (size_t)(comma - v.p) : v.n;
        struct span m = trim(span_of(v.p, n));

        if (m.n > 0 && (!is_member(m) || ++members > MEMBERS_MOST))
            return false;
        v = span_skip(v, comma != NULL ? n + 1 : n);
    }
    return members > 0;
}

#include "http/url.h"

#include "http/message.h"

static bool cut(struct span *before, struct span *rest, uint8_t mark)
{
    const uint8_t *p = rest->n > 0 ? memchr(rest->p, mark, rest->n) : NULL;

    if (p == NULL)
        return false;
    *before = span_of(rest->p, (size_t)(p - rest->p));
    *rest = span_skip(*rest, before->n + 1);
    return true;
}

/* What stands between "//" and the path, and what comes after it. */
static bool find_authority(struct span text, struct span *authority, struct span *rest)
{
    for (size_t i = 0; i + 2 < text.n; i++)
        if (memcmp(text.p + i, "://", 3) == 0) {
            struct span s = span_of(text.p + i + 3, text.n - i - 3);
            size_t n = 0;
            while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
                n++;
            *authority = span_of(s.p, n);
            *rest = span_skip(s, n);
            return true;
        }
    return false;
}

/* Up to and with the last '@', which is where a careless password still ends. */
static size_t userinfo_length(struct span authority)
{
    for (size_t i = authority.n; i-- > 0;)
        if (authority.p[i] == '@')
            return i + 1;
    return 0;
}

void url_put_shown(struct buf *out, struct span text)
{
    struct span authority, rest;

    if (!find_authority(text, &authority, &rest)) {
        // no URL we know the shape of: what stands before an '@' may be a secret
        buf_put(out, span_skip(text, userinfo_length(text)));
        return;
    }
    buf_put(out, span_of(text.p, (size_t)(authority.p - text.p)));
    buf_put(out, span_skip(authority, userinfo_length(authority)));
    buf_put(out, rest);
}

static enum err_kind refuse(struct span text, const char *why, struct err *e)
{
    struct buf shown = BUF_INIT(4096);

    url_put_shown(&shown, text);
    err_set(e, ERR_INVALID, "URL \"" SPAN_FMT "\" %s",
            SPAN_ARG(shown.over ? span_str("...") : buf_span(&shown)), why);
    buf_free(&shown);
    return ERR_INVALID;
}

static bool read_port(struct span digits, uint16_t *port)
{
    unsigned v = 0;

    if (digits.n == 0 || digits.n > 5)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(digits.p[i] - '0');
    }
    *port = (uint16_t)v;
    return v > 0 && v <= 65535;
}

static bool is_host_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           memchr("-._~%!$&'()*+,;=", c, 16) != NULL;
}

static bool read_host(struct url *u, struct span s)
{
    if (s.n > 0 && s.p[0] == '[') { // [::1]:8081
        struct span rest = span_skip(s, 1);
        if (!cut(&u->host, &rest, ']') || u->host.n == 0)
            return false;
        for (size_t i = 0; i < u->host.n; i++)
            if (!is_host_byte(u->host.p[i]) && u->host.p[i] != ':')
                return false;
        if (rest.n == 0)
            return true;
        return rest.p[0] == ':' && read_port(span_skip(rest, 1), &u->port);
    }
    struct span host, port = s;
    if (!cut(&host, &port, ':')) {
        host = s;
    } else if (!read_port(port, &u->port)) {
        return false;
    }
    for (size_t i = 0; i < host.n; i++)
        if (!is_host_byte(host.p[i]))
            return false;
    u->host = host;
    return host.n > 0;
}

static bool has_control_or_space(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

enum err_kind url_split(struct url *out, struct span text, struct err *e)
{
    struct span authority, rest, fragment;
    struct url u = {0};

    if (has_control_or_space(text))
        return refuse(text, "has a space or a control character", e);
    if (!find_authority(text, &authority, &rest))
        return refuse(text, "has no \"://\"", e);
    u.scheme = span_of(text.p, (size_t)(authority.p - text.p) - 3);
    u.tls = http_same(u.scheme, span_str("https"));
    if (!u.tls && !http_same(u.scheme, span_str("http")))
        return refuse(text, "is neither http nor https", e);

    size_t user = userinfo_length(authority);
    if (user > 0)
        u.user = span_of(authority.p, user - 1);
    u.port = u.tls ? 443 : 80;
    if (!read_host(&u, span_skip(authority, user)))
        return refuse(text, "has no host[:port] after \"://\"", e);
    if (cut(&fragment, &rest, '#'))
        rest = fragment;
    u.query = rest;
    if (!cut(&u.path, &u.query, '?')) {
        u.path = rest;
        u.query = (struct span){0};
    }
    *out = u;
    return ERR_OK;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

void url_put_escaped(struct buf *out, struct span s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (is_unreserved(c))
            buf_put_u8(out, c);
        else
            buf_put(out, span_of((char[]){'%', hex[c >> 4], hex[c & 15]}, 3));
    }
}

bool url_keeps_secrets(struct span text)
{
    struct err no_url = {0};
    struct url u;

    return url_split(&u, text, &no_url) == ERR_OK &&
           (u.tls || span_eq(u.host, span_str("127.0.0.1")) ||
            span_eq(u.host, span_str("::1")));
}

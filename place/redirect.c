#include "place/redirect.h"

#include "http/message.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool matches(struct span host, const char *pattern)
{
    struct span p = span_str(pattern);

    if (p.n > 2 && p.p[0] == '*' && p.p[1] == '.') {
        p = span_skip(p, 1); // ".example.org"
        return host.n > p.n && http_same(span_skip(host, host.n - p.n), p);
    }
    return http_same(host, p);
}

enum where { ELSEWHERE, LOOPBACK, LINK_LOCAL };

static enum where of_v4(uint32_t a)
{
    if (a >> 24 == 127 || a == 0)
        return LOOPBACK;
    return a >> 16 == 0xa9fe ? LINK_LOCAL : ELSEWHERE;
}

/* Names are not looked up: what they mean is the resolver's word, and the operator's.
 */
static enum where where_is(struct span host)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;

    snprintf(text, sizeof text, "%.*s", (int)(host.n < 63 ? host.n : 63),
             (const char *)host.p);
    if (http_same(host, span_str("localhost")))
        return LOOPBACK;
    // the classic forms, too: 2852039166 and 0xa9fea9fe are 169.254.169.254
    if (inet_aton(text, &v4) != 0)
        return of_v4(ntohl(v4.s_addr));
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return ELSEWHERE;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        return of_v4((uint32_t)v6.s6_addr[12] << 24 | (uint32_t)v6.s6_addr[13] << 16 |
                     (uint32_t)v6.s6_addr[14] << 8 | v6.s6_addr[15]);
    if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6))
        return LOOPBACK;
    return IN6_IS_ADDR_LINKLOCAL(&v6) ? LINK_LOCAL : ELSEWHERE;
}

static bool is_loopback(const char *node)
{
    char url[300];
    struct url u;
    struct err ignored = {0};

    snprintf(url, sizeof url, "http://%.250s", node);
    return url_split(&u, span_str(url), &ignored) == ERR_OK &&
           where_is(u.host) == LOOPBACK;
}

static bool is_allowed(struct span host, const char *from,
                       const struct conf_list *allowed)
{
    for (size_t i = 0; i < allowed->n; i++)
        if (matches(host, allowed->items[i]))
            return true;
    if (allowed->n > 0)
        return false;
    enum where w = where_is(host);
    return w == ELSEWHERE || (w == LOOPBACK && is_loopback(from));
}

enum err_kind redirect_check(struct span to, const char *from, bool tls,
                             const struct conf_list *allowed, struct err *e)
{
    struct url u;

    TRY(url_split(&u, to, e));
    if (tls && !u.tls)
        return err_set(e, ERR_INVALID,
                       "the NameNode sends us to " SPAN_FMT " without TLS: refused",
                       SPAN_ARG(u.host));
    if (!is_allowed(u.host, from, allowed))
        return err_set(e, ERR_INVALID,
                       "the NameNode sends us to " SPAN_FMT ": refused; if it is a "
                       "DataNode, name it in hdfs.redirects",
                       SPAN_ARG(u.host));
    return ERR_OK;
}

#include "http/url.h"

#include "tests/check.h"

static void takes_urls_apart(void)
{
    static const struct {
        const char *text, *user, *host;
        int port;
        bool tls;
        const char *path, *query;
    } t[] = {
        {"http://a", "", "a", 80, false, "", ""},
        {"HTTPS://a.b-c:8443/d/e?f=g#h", "", "a.b-c", 8443, true, "/d/e", "f=g"},
        {"https://a?x", "", "a", 443, true, "", "x"},
        {"http://u:p@a:1/", "u:p", "a", 1, false, "/", ""},
        {"http://u:p@q@a/", "u:p@q", "a", 80, false, "/", ""},
        {"http://[::1]:8081/x", "", "::1", 8081, false, "/x", ""},
        {"http://[fe80::1]", "", "fe80::1", 80, false, "", ""},
        {"http://127.0.0.1:65535", "", "127.0.0.1", 65535, false, "", ""},
        {"http://a/b@c", "", "a", 80, false, "/b@c", ""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct url u = {0};
        struct err e = {0};

        CHECK_INT(url_split(&u, span_str(t[i].text), &e), ERR_OK);
        CHECK_STR(e.msg, "");
        CHECK_SPAN(u.user, t[i].user);
        CHECK_SPAN(u.host, t[i].host);
        CHECK_INT(u.port, t[i].port);
        CHECK_INT(u.tls, t[i].tls);
        CHECK_SPAN(u.path, t[i].path);
        CHECK_SPAN(u.query, t[i].query);
    }
}

static void says_why_it_is_none(void)
{
    static const struct {
        const char *text, *msg;
    } t[] = {
        {"", "URL \"\" has no \"://\""},
        {"localhost:8081", "URL \"localhost:8081\" has no \"://\""},
        {"me:pw@localhost", "URL \"localhost\" has no \"://\""},
        {"ftp://a", "URL \"ftp://a\" is neither http nor https"},
        {"http://", "URL \"http://\" has no host[:port] after \"://\""},
        {"http://me:pw@/x", "URL \"http:///x\" has no host[:port] after \"://\""},
        {"http://a:", "URL \"http://a:\" has no host[:port] after \"://\""},
        {"http://a:0", "URL \"http://a:0\" has no host[:port] after \"://\""},
        {"http://a:65536", "URL \"http://a:65536\" has no host[:port] after \"://\""},
        {"http://a:8x", "URL \"http://a:8x\" has no host[:port] after \"://\""},
        {"http://a/b c", "URL \"http://a/b c\" has a space or a control character"},
        {"http://[::1", "URL \"http://[::1\" has no host[:port] after \"://\""},
        {"http://[]/", "URL \"http://[]/\" has no host[:port] after \"://\""},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct url u = {.port = 7};
        struct err e = {0};

        CHECK_INT(url_split(&u, span_str(t[i].text), &e), ERR_INVALID);
        CHECK_STR(e.msg, t[i].msg);
        CHECK_INT(u.port, 7);
    }
}

static void shows_urls_without_their_secrets(void)
{
    static const struct {
        const char *text, *shown;
    } t[] = {
        {"http://a/b", "http://a/b"},
        {"http://u:p@a/b", "http://a/b"},
        {"http://u:p@q@a/b@c", "http://a/b@c"},
        {"postgresql://u:p@a:5432/b", "postgresql://a:5432/b"},
        {"u:p@a", "a"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf b = BUF_INIT(1000);
        url_put_shown(&b, span_str(t[i].text));
        CHECK_SPAN(buf_span(&b), t[i].shown);
        buf_free(&b);
    }
}

static void escapes_one_segment(void)
{
    struct buf b = BUF_INIT(1000);

    url_put_escaped(&b, span_str("a/b c:.%~-_\xc3\xa9"));
    CHECK_SPAN(buf_span(&b), "a%2Fb%20c%3A.%25~-_%C3%A9");
    buf_free(&b);
}

static void secrets_go_over_tls_or_nowhere(void)
{
    static const struct {
        const char *url;
        bool want;
    } rows[] = {
        {"https://a:8081", true},
        {"HTTPS://a:8081", true},
        {"http://127.0.0.1:8081", true},
        {"http://[::1]:8081", true},
        {"http://10.0.0.3:8081", false},
        {"http://127.0.0.1.evil.example:1", false},
        {"http://localhost.evil:1", false},
        {"", false},
        {"http://127.0.0.1:80@evil.example/", false},
        {"http://u:s@127.0.0.1/", true},
        {"ftp://127.0.0.1", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(url_keeps_secrets(span_str(rows[i].url)), rows[i].want);
}

int main(void)
{
    RUN(takes_urls_apart);
    RUN(says_why_it_is_none);
    RUN(shows_urls_without_their_secrets);
    RUN(escapes_one_segment);
    RUN(secrets_go_over_tls_or_nowhere);
    return REPORT();
}

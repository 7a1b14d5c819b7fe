#include "place/redirect.h"

#include "tests/check.h"

static enum err_kind ask(const char *to, const char *from, const char *allowed)
{
    const char *items[] = {allowed};
    struct conf_list list = {items, allowed != NULL};
    struct err e = {0};

    return redirect_check(span_str(to), from, false, &list, &e);
}

static void without_a_list_no_address_is_followed_that_no_datanode_has(void)
{
    static const struct {
        const char *to, *from;
        enum err_kind want;
    } rows[] = {
        {"http://dn1:9864/x", "nn1:9870", ERR_OK},
        {"http://10.0.0.7:9864/x", "nn1:9870", ERR_OK},
        {"http://169.254.169.254/latest/meta-data/", "nn1:9870", ERR_INVALID},
        {"http://2852039166/latest/", "nn1:9870", ERR_INVALID},
        {"http://0xa9fea9fe/latest/", "nn1:9870", ERR_INVALID},
        {"http://[fe80::1]:9864/x", "nn1:9870", ERR_INVALID},
        {"http://[::ffff:169.254.169.254]/x", "nn1:9870", ERR_INVALID},
        {"http://127.0.0.1:22/x", "nn1:9870", ERR_INVALID},
        {"http://localhost:9864/x", "10.0.0.1:9870", ERR_INVALID},
        {"http://0.0.0.0:9864/x", "10.0.0.1:9870", ERR_INVALID},
        {"http://[::1]:9864/x", "10.0.0.1:9870", ERR_INVALID},
        {"http://127.0.0.1:9864/x", "127.0.0.1:9870", ERR_OK},
        {"http://127.0.0.1:9864/x", "localhost:9870", ERR_OK},
        {"file:///etc/passwd", "nn1:9870", ERR_INVALID},
        {"gopher://dn1:70/", "nn1:9870", ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (ask(rows[i].to, rows[i].from, NULL) != rows[i].want)
            printf("    %s\n", rows[i].to);
        CHECK_INT(ask(rows[i].to, rows[i].from, NULL), rows[i].want);
    }
}

static void with_a_list_only_its_hosts_are(void)
{
    CHECK_INT(ask("http://dn1:9864/x", "nn1:9870", "dn1"), ERR_OK);
    CHECK_INT(ask("http://DN1:9864/x", "nn1:9870", "dn1"), ERR_OK);
    CHECK_INT(ask("http://dn2:9864/x", "nn1:9870", "dn1"), ERR_INVALID);
    CHECK_INT(ask("http://dn2.example.org/x", "nn1:9870", "*.example.org"), ERR_OK);
    CHECK_INT(ask("http://example.org/x", "nn1:9870", "*.example.org"), ERR_INVALID);
    CHECK_INT(ask("http://badexample.org/x", "nn1:9870", "*.example.org"), ERR_INVALID);
    CHECK_INT(ask("http://dn1@evil:9864/x", "nn1:9870", "dn1"), ERR_INVALID);
}

static void tls_is_not_left(void)
{
    struct conf_list none = {0};
    struct err e = {0};

    CHECK_INT(
        redirect_check(span_str("http://dn1:9864/x"), "nn1:9871", true, &none, &e),
        ERR_INVALID);
    CHECK_INT(
        redirect_check(span_str("https://dn1:9865/x"), "nn1:9871", true, &none, &e),
        ERR_OK);
}

int main(void)
{
    RUN(without_a_list_no_address_is_followed_that_no_datanode_has);
    RUN(with_a_list_only_its_hosts_are);
    RUN(tls_is_not_left);
    return REPORT();
}

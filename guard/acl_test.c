#include "guard/acl.h"

#include "tests/check.h"

static const char permissions[] = "# comment\n"
                                  "user:alice  read,write  subject:orders-*\r\n"
                                  "\n"
                                  "  user:alice\tdelete subject:orders-old # more\n"
                                  "\"cert:CN=Etl,O=Shop Ltd\" write topic:orders\n"
                                  "user:root all *\n"
                                  "* read topic:public*\n"
                                  "anonymous read subject:free";

/* The same without what is not to be there. */
static struct acl *read_good(void)
{
    static const char good[] = "# comment\n"
                               "user:alice  read,write  subject:orders-*\r\n"
                               "\n"
                               "  user:alice\tdelete subject:orders-old\n"
                               "\"cert:CN=Etl,O=Shop Ltd\" write topic:orders\n"
                               "user:root all *\n"
                               "* read topic:public*\n"
                               "anonymous read subject:free";
    struct acl *a = NULL;
    struct err e = {0};

    CHECK_INT(acl_read(&a, span_str(good), &e), ERR_OK);
    return a;
}

static void only_what_a_line_permits_is_permitted(void)
{
    static const struct {
        const char *who;
        enum acl_op op;
        enum acl_kind kind;
        const char *name;
        bool may;
    } rows[] = {
        {"user:alice", ACL_READ, ACL_SUBJECT, "orders-value", true},
        {"user:alice", ACL_WRITE, ACL_SUBJECT, "orders-", true},
        {"user:alice", ACL_WRITE, ACL_SUBJECT, "orders", false},
        {"user:alice", ACL_WRITE, ACL_SUBJECT, "", false},
        {"user:alice", ACL_DELETE, ACL_SUBJECT, "orders-value", false},
        {"user:alice", ACL_DELETE, ACL_SUBJECT, "orders-old", true},
        {"user:alice", ACL_DELETE, ACL_SUBJECT, "orders-older", false},
        {"user:alice", ACL_WRITE, ACL_TOPIC, "orders-value", false},
        {"user:alice", ACL_READ, ACL_SUBJECT, ":.x:orders-value", false},
        {"cert:alice", ACL_READ, ACL_SUBJECT, "orders-value", false},
        {"user:Alice", ACL_READ, ACL_SUBJECT, "orders-value", false},
        {"cert:CN=Etl,O=Shop Ltd", ACL_WRITE, ACL_TOPIC, "orders", true},
        {"cert:CN=Etl,O=Shop", ACL_WRITE, ACL_TOPIC, "orders", false},
        {"user:root", ACL_CONFIGURE, ACL_SUBJECT, ":.x:y", true},
        {"user:root", ACL_DELETE, ACL_TOPIC, "", true},
        {"user:nobody", ACL_READ, ACL_TOPIC, "public1", true},
        {"anonymous", ACL_READ, ACL_TOPIC, "public1", true},
        {"anonymous", ACL_READ, ACL_SUBJECT, "free", true},
        {"user:anonymous", ACL_READ, ACL_SUBJECT, "free", false},
        {"*", ACL_READ, ACL_SUBJECT, "free", false},
        {"", ACL_READ, ACL_SUBJECT, "free", false},
    };
    struct acl *a = read_good();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(acl_may(a, span_str(rows[i].who), rows[i].op, rows[i].kind,
                          span_str(rows[i].name)),
                  rows[i].may);
    acl_free(a);
}

static void all_of_them_is_more_than_each(void)
{
    struct acl *a = read_good();

    CHECK(acl_may_all(a, span_str("user:root"), ACL_CONFIGURE, ACL_SUBJECT));
    CHECK(!acl_may_all(a, span_str("user:alice"), ACL_READ, ACL_SUBJECT));
    CHECK(!acl_may_all(a, span_str("anonymous"), ACL_READ, ACL_TOPIC));
    acl_free(a);
}

static void nothing_permits_nothing(void)
{
    struct acl *a = NULL;
    struct err e = {0};

    CHECK_INT(acl_read(&a, span_str("\n# none\n"), &e), ERR_OK);
    CHECK(!acl_may(a, span_str("user:root"), ACL_READ, ACL_SUBJECT, span_str("a")));
    acl_free(a);
}

static void a_line_that_is_none_is_named(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"user:a read", "line 1: too few"},
        {"\n\nuser:a read subject:b c", "line 3: too many"},
        {"alice read subject:b", "wanted user:NAME"},
        {"user: read subject:b", "wanted user:NAME"},
        {"user:a reed subject:b", "\"reed\", wanted read"},
        {"user:a read, subject:b extra", "too many"},
        {"user:a ,read subject:b", "\"\", wanted read"},
        {"user:a read subject:", "wanted subject:NAME"},
        {"user:a read group:b", "wanted subject:NAME"},
        {"user:a read subject:a*b", "* before its end"},
        {"user:a read subject:a**", "* before its end"},
        {"\"user:a read subject:b", "quote"},
        {"\"\" read subject:b", "quote"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct acl *a = NULL;
        struct err e = {0};
        CHECK_INT(acl_read(&a, span_str(rows[i].text), &e), ERR_INVALID);
        CHECK(strstr(e.msg, rows[i].says) != NULL);
        CHECK(a == NULL);
    }
    struct acl *a = NULL;
    struct err e = {0};
    CHECK_INT(acl_read(&a, span_str(permissions), &e), ERR_INVALID); // "# more"
}

int main(void)
{
    RUN(only_what_a_line_permits_is_permitted);
    RUN(all_of_them_is_more_than_each);
    RUN(nothing_permits_nothing);
    RUN(a_line_that_is_none_is_named);
    return REPORT();
}

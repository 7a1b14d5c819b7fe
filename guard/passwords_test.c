#include "guard/passwords.h"

#include "tests/check.h"

#include <crypt.h>

static const char *test_hash(const char *password, const char *salt)
{
    static struct crypt_data d;

    return crypt_rn(password, salt, &d, sizeof d);
}

static void a_password_fits_its_own_hash(void)
{
    static const char *const salts[] = {"$2y$04$abcdefghijklmnopqrstuu", "$6$saltsalt",
                                        "$y$j75$abcdefgh"};
    struct err e = {0};

    for (size_t i = 0; i < sizeof salts / sizeof *salts; i++) {
        struct passwords *p = NULL;
        char text[400], hash[PASSWORDS_HASH];
        const char *made = test_hash("secret", salts[i]);
        CHECK(made != NULL);
        snprintf(text, sizeof text, "# people\nalice:%s\r\n", made);
        CHECK_INT(passwords_read(&p, span_str(text), &e), ERR_OK);
        CHECK(passwords_hash(p, span_str("alice"), hash));
        CHECK(passwords_fit(hash, "secret"));
        CHECK(!passwords_fit(hash, "Secret"));
        CHECK(!passwords_fit(hash, ""));
        CHECK(!passwords_hash(p, span_str("bob"), hash));
        CHECK(hash[0] == '$'); // another's, to spend the same time on
        passwords_free(p);
    }
}

static void no_hash_fits_nothing(void)
{
    CHECK(!passwords_fit("", ""));
    CHECK(!passwords_fit("*0", "*0"));
    CHECK(!passwords_fit("$2y$04$", "a"));
}

static void a_line_that_is_none_is_named_and_not_quoted(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"\nalice", "line 2: no colon"},
        {":$2y$04$abcdefghijklmnopqrstuu", "a name"},
        {"a\tb:$2y$04$abcdefghijklmnopqrstuu", "a name"},
        {"alice:hunter2", "wanted bcrypt"},
        {"alice:", "a hash of 0 bytes"},
        {"alice:$apr1$salt$hunter2", "wanted bcrypt"},
        {"alice:{SHA}hunter2", "wanted bcrypt"},
        {"alice:$2y$31$hunter2hunter2hunter2h", "cost 31"},
        {"alice:$6$rounds=999999999$hunter2$x", "rounds"},
        {"alice:$2y$04$hunter2 of no salt", "crypt(3)"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct passwords *p = NULL;
        struct err e = {0};
        CHECK(passwords_read(&p, span_str(rows[i].text), &e) != ERR_OK);
        CHECK(strstr(e.msg, rows[i].says) != NULL);
        CHECK(strstr(e.msg, "hunter2") == NULL);
    }
}

static void nobody_is_there_twice(void)
{
    struct passwords *p = NULL;
    struct err e = {0};
    char text[400];

    snprintf(text, sizeof text, "a:%s\n", test_hash("x", "$6$saltsalt"));
    size_t n = strlen(text);
    memcpy(text + n, text, n);
    text[2 * n] = '\0';
    CHECK_INT(passwords_read(&p, span_str(text), &e), ERR_INVALID);
    CHECK(strstr(e.msg, "line 2: \"a\" is there twice") != NULL);
}

int main(void)
{
    RUN(a_password_fits_its_own_hash);
    RUN(no_hash_fits_nothing);
    RUN(a_line_that_is_none_is_named_and_not_quoted);
    RUN(nobody_is_there_twice);
    return REPORT();
}

#include "registry/fence.h"
#include "tests/check.h"

#include <stdio.h>
#include <string.h>

static struct reg_fence fence(const char *url)
{
    struct reg_fence f = {.offset = 3, .epoch = 7, .instance = "5f0c"};

    snprintf(f.url, sizeof f.url, "%s", url);
    return f;
}

static void what_is_written_is_read(void)
{
    struct reg_fence f = fence("http://10.0.0.3:8081"), again = {0};
    struct kf_header headers[REG_FENCE_HEADERS];
    struct arena a = {0};

    reg_fence_put(&f, headers, &a);
    CHECK(reg_fence_read(&again, headers, REG_FENCE_HEADERS, 42));
    CHECK_INT(again.offset, 42);
    CHECK_INT(again.epoch, 7);
    CHECK_STR(again.instance, "5f0c");
    CHECK_STR(again.url, "http://10.0.0.3:8081");
    arena_free(&a);
}

static void a_noop_of_others_is_no_fence(void)
{
    struct kf_header other = {"trace", span_str("x")};
    struct reg_fence f = fence("http://a:1");

    CHECK(!reg_fence_read(&f, NULL, 0, 1));
    CHECK(!reg_fence_read(&f, &other, 1, 1));
    CHECK_INT(f.offset, 3); // left alone
}

/* Whoever may write the topic could else send our requests anywhere. */
static void a_holder_with_an_odd_address_is_not_sent_to(void)
{
    static const char *const odd[] = {"",
                                      "10.0.0.3:8081",
                                      "ftp://a:1",
                                      "http://",
                                      "http://:80",
                                      "http://a:1/path",
                                      "http://user@a:1",
                                      "http://a:1?x",
                                      "http://a:1#x",
                                      "http://a b",
                                      "http://a\r\nX: y",
                                      "http://a\\b"};

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct kf_header headers[] = {{"avrogate.instance", span_str("i")},
                                      {"avrogate.epoch", span_str("1")},
                                      {"avrogate.url", span_str(odd[i])}};
        struct reg_fence f = {0};

        CHECK(reg_fence_read(&f, headers, 3, 9));
        CHECK_STR(f.url, "");
        CHECK_INT(f.offset, 9);
    }
}

static void a_url_too_long_and_an_instance_too_long_are_refused(void)
{
    char url[REG_URL_MOST + 2] = "http://";
    struct kf_header headers[] = {{"avrogate.instance", span_str("i")},
                                  {"avrogate.url", {0}}};
    struct kf_header strange = {"avrogate.instance",
                                span_str("0123456789012345678901234567890123")};
    struct reg_fence f = {0};
    struct err e = {0};

    memset(url + 7, 'a', sizeof url - 8);
    CHECK_INT(reg_url_check(url, &e), ERR_INVALID);
    headers[1].value = span_str(url);
    CHECK(reg_fence_read(&f, headers, 2, 1));
    CHECK_STR(f.url, "");
    CHECK(!reg_fence_read(&f, &strange, 1, 1));
}

static void urls_that_are_fine_are_taken(void)
{
    static const char *const fine[] = {"http://a", "http://a:1", "https://[::1]:8081",
                                       "HTTP://registry-0.ns.svc:8081"};
    struct err e = {0};

    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        CHECK_INT(reg_url_check(fine[i], &e), ERR_OK);
}

static void a_write_goes_where_the_pen_is(void)
{
    static const struct {
        const char *why;
        struct reg_standing s;
        enum reg_way way;
    } rows[] = {
        {"we hold it", {true, false, "http://a", "http://a", false}, REG_WRITE},
        {"we hold it, and were asked",
         {true, true, "http://a", "http://a", false},
         REG_WRITE},
        {"nobody ever took it", {false, false, "http://a", "", false}, REG_WRITE},
        {"another has it", {false, false, "http://a", "http://b", false}, REG_FORWARD},
        {"another has it and we are nobody",
         {false, false, "", "http://b", false},
         REG_FORWARD},
        {"another had it and is silent",
         {false, false, "http://a", "http://b", true},
         REG_WRITE},
        {"another says we have it, and we have not",
         {false, true, "http://a", "http://b", false},
         REG_NOT_MINE},
        {"asked, and the one we know is silent",
         {false, true, "http://a", "http://b", true},
         REG_NOT_MINE},
        {"the fence names us: we were started anew",
         {false, false, "http://a", "HTTP://A", false},
         REG_WRITE},
        {"asked, the fence names us",
         {false, true, "http://a", "http://a", true},
         REG_WRITE},
        {"asked, nobody has an address", {false, true, "", "", false}, REG_NOT_MINE},
        {"the holder told no address", {false, false, "", "", false}, REG_WRITE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (reg_way_of(&rows[i].s) != rows[i].way)
            printf("    %s\n", rows[i].why);
        CHECK_INT(reg_way_of(&rows[i].s), rows[i].way);
    }
}

int main(void)
{
    RUN(what_is_written_is_read);
    RUN(a_noop_of_others_is_no_fence);
    RUN(a_holder_with_an_odd_address_is_not_sent_to);
    RUN(a_url_too_long_and_an_instance_too_long_are_refused);
    RUN(urls_that_are_fine_are_taken);
    RUN(a_write_goes_where_the_pen_is);
    return REPORT();
}

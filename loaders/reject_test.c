#include "loaders/reject.h"
#include "tests/check.h"

/* The row's fields, "-" for a NULL, else its length. */
static const char *lengths(struct span row)
{
    static char text[400];
    size_t at = 2;

    text[0] = '\0';
    while (at + 4 <= row.n) {
        uint32_t n = (uint32_t)row.p[at] << 24 | (uint32_t)row.p[at + 1] << 16 |
                     (uint32_t)row.p[at + 2] << 8 | row.p[at + 3];
        char one[20];
        at += 4 + (n == UINT32_MAX ? 0 : n);
        snprintf(one, sizeof one, n == UINT32_MAX ? "- " : "%u ", n);
        strcat(text, one);
    }
    strcat(text, at == row.n ? "." : "cut");
    return text;
}

#define RUN_OF "00000000-0000-4000-8000-000000000000"

static void a_row_has_what_was_said_and_null_for_the_rest(void)
{
    struct record rec = {.offset = 7, .timestamp_ms = 2000, .value = span_str("abc")};
    struct batch b = {.topic = "t", .records = &rec, .n = 1};
    struct sifted got = {.id = 5, .stage = "value", .rule = "r1", .pointer = "/a"};
    struct buf out = BUF_INIT(4096);
    struct rejects all = {0};

    rejects_add(&all, 0, -1, "database", "no");
    rejects_add_sifted(&all, 0, &got, "city", "why");
    strcpy(all.items[0].sqlstate, "23514");
    reject_put(&out, &all.items[0], &b, "job", RUN_OF, INT64_MAX);
    CHECK_INT(out.p[1], REJECT_FIELDS);
    CHECK_STR(lengths(buf_span(&out)), "3 1 4 4 8 16 8 8 8 2 5 - - - - 3 - - - .");
    buf_reset(&out);
    reject_put(&out, &all.items[1], &b, "job", RUN_OF, 1999); // a year that is too far
    CHECK_STR(lengths(buf_span(&out)), "3 1 4 4 8 16 - - 5 3 - 4 - 4 - 3 - 2 2 .");
    buf_free(&out);
    rejects_free(&all);
}

static void the_last_one_says_why_there_are_too_many(void)
{
    struct batch b = {.topic = "t", .n = 100};
    struct rejects all = {0};
    struct err e = {0};

    CHECK_INT(rejects_check(&all, &b, 0, 0, 10, &e), ERR_OK);
    for (int i = 0; i < 70; i++) // more than there is room for at first
        rejects_add(&all, 0, -1, "frame", i < 69 ? "one" : "another");
    CHECK_INT(rejects_check(&all, &b, 0, 70, 10, &e), ERR_OK);
    CHECK_INT(rejects_check(&all, &b, 0, 0, 10, &e), ERR_LIMIT);
    CHECK(strstr(e.msg, "another") != NULL);
    rejects_reset(&all);
    CHECK_INT(rejects_check(&all, &b, 70, 0, 10, &e), ERR_OK);
    rejects_free(&all);
}

int main(void)
{
    RUN(a_row_has_what_was_said_and_null_for_the_rest);
    RUN(the_last_one_says_why_there_are_too_many);
    return REPORT();
}

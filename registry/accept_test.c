#include "registry/accept.h"
#include "tests/check.h"

#define PLAIN "application/vnd.schemaregistry+json"

static void the_answer_is_in_the_type_the_client_likes_best(void)
{
    static const struct {
        const char *accept, *want;
    } rows[] = {
        {"", REG_JSON},
        {"*/*", REG_JSON},
        {"application/*", REG_JSON},
        {REG_JSON, REG_JSON},
        {"application/json", "application/json"},
        {"Application/JSON; charset=utf-8", "application/json"},
        {REG_JSON ", " PLAIN ", application/json", REG_JSON},
        {"application/vnd.schemaregistry.v1+json;q=0.1, application/json",
         "application/json"},
        {"text/html, */*;q=0.1", REG_JSON},
        {"application/json, */*;q=0.1", "application/json"},
        {PLAIN ";q=0.9,application/json;q=0.9", PLAIN},
        {"application/json;q=0, */*", REG_JSON},
        {"application/json; q=2", "application/json"},
    };
    static const char *const none[] = {"text/html", "application/json;q=0",
                                       "application/xml, text/*", ","};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(reg_accepted(span_str(rows[i].accept)), rows[i].want);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK(reg_accepted(span_str(none[i])) == NULL);
}

static void bodies_of_these_types_are_read(void)
{
    static const struct {
        const char *type;
        bool want;
    } rows[] = {{"", true},
                {REG_JSON, true},
                {PLAIN, true},
                {"application/json", true},
                {"application/json;charset=utf-8", true},
                {"APPLICATION/JSON ; charset=utf-8", true},
                {"application/octet-stream", true},
                {"text/plain", false},
                {"application/x-www-form-urlencoded", false},
                {"application/jsonp", false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(reg_readable(span_str(rows[i].type)), rows[i].want);
}

int main(void)
{
    RUN(the_answer_is_in_the_type_the_client_likes_best);
    RUN(bodies_of_these_types_are_read);
    return REPORT();
}

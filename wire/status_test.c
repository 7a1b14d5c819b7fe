#include "tests/check.h"
#include "wire/status.h"

static void every_kind_has_its_status(void)
{
    static const struct {
        enum err_kind kind;
        int http;
    } rows[] = {{ERR_OK, 200},       {ERR_INVALID, 422},      {ERR_NOT_FOUND, 404},
                {ERR_CONFLICT, 409}, {ERR_LIMIT, 413},        {ERR_UNAVAILABLE, 503},
                {ERR_INTERNAL, 500}, {(enum err_kind)99, 500}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(status_of_kind(rows[i].kind), rows[i].http);
}

static void an_error_code_begins_with_its_status(void)
{
    static const struct {
        int code, http;
    } rows[] = {{REG_SUBJECT_NOT_FOUND, 404},
                {REG_INVALID_SCHEMA, 422},
                {REG_TIMEOUT, 500},
                {REG_INCOMPATIBLE, 409},
                {REG_INCOMPATIBLE_OLD, 409},
                {415, 415},
                {0, 500},
                {-40401, 500},
                {99999, 500},
                {1234, 500}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(status_of_code(rows[i].code), rows[i].http);
}

static void a_client_learns_what_to_do_from_the_status(void)
{
    static const struct {
        int http;
        enum err_kind kind;
    } rows[] = {{200, ERR_OK},          {207, ERR_OK},        {400, ERR_INVALID},
                {401, ERR_INVALID},     {404, ERR_NOT_FOUND}, {409, ERR_CONFLICT},
                {413, ERR_LIMIT},       {422, ERR_INVALID},   {429, ERR_UNAVAILABLE},
                {500, ERR_UNAVAILABLE}, {501, ERR_INVALID},   {503, ERR_UNAVAILABLE},
                {408, ERR_UNAVAILABLE}, {302, ERR_INVALID},   {0, ERR_INVALID},
                {425, ERR_UNAVAILABLE}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(kind_of_status(rows[i].http), rows[i].kind);
}

int main(void)
{
    RUN(every_kind_has_its_status);
    RUN(an_error_code_begins_with_its_status);
    RUN(a_client_learns_what_to_do_from_the_status);
    return REPORT();
}

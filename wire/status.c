#include "wire/status.h"

static const struct {
    enum err_kind kind;
    int http;
} rows[] = {
    {ERR_OK, 200},    {ERR_INVALID, 422},     {ERR_NOT_FOUND, 404}, {ERR_CONFLICT, 409},
    {ERR_LIMIT, 413}, {ERR_UNAVAILABLE, 503}, {ERR_INTERNAL, 500},
};

int status_of_kind(enum err_kind k)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == k)
            return rows[i].http;
    return 500;
}

int status_of_code(int error_code)
{
    int status = error_code >= 10000 ? error_code / 100 : error_code;

    return status >= 100 && status <= 599 ? status : 500;
}

/* A few statuses say more than their class does; the rest are told by the first digit.
 */
static const struct {
    int http;
    enum err_kind kind;
} said[] = {
    {404, ERR_NOT_FOUND}, {408, ERR_UNAVAILABLE}, {409, ERR_CONFLICT},
    {413, ERR_LIMIT},     {425, ERR_UNAVAILABLE}, {429, ERR_UNAVAILABLE},
    {501, ERR_INVALID},
};

enum err_kind kind_of_status(int http)
{
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (said[i].http == http)
            return said[i].kind;
    if (http >= 200 && http < 300)
        return ERR_OK;
    return http >= 500 ? ERR_UNAVAILABLE : ERR_INVALID;
}

/*
 * Whatever body arrives, it is refused or read; and what was read is written in a form
 * that reads back to the very same.
 */
#include "wire/api.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void schema_again(struct span body, struct arena *a)
{
    struct buf once = BUF_INIT(1 << 24), twice = BUF_INIT(1 << 24);
    struct api_schema s;
    struct err e;

    if (api_schema_read(&s, body, a, &e) != ERR_OK)
        return;
    api_schema_put(&once, &s);
    if (api_schema_read(&s, buf_span(&once), a, &e) != ERR_OK)
        abort();
    api_schema_put(&twice, &s);
    if (!span_eq(buf_span(&once), buf_span(&twice)))
        abort();
    buf_free(&once);
    buf_free(&twice);
}

static void config_again(struct span body, struct arena *a)
{
    struct buf once = BUF_INIT(1 << 24), twice = BUF_INIT(1 << 24);
    struct api_config c;
    enum av_level level;
    struct err e;

    if (api_config_read(&c, body, a, &e) != ERR_OK)
        return;
    (void)api_config_level(&c, &level);
    api_config_put(&once, &c, API_CONFIG_SET);
    if (api_config_read(&c, buf_span(&once), a, &e) != ERR_OK)
        abort();
    api_config_put(&twice, &c, API_CONFIG_SET);
    if (!span_eq(buf_span(&once), buf_span(&twice)))
        abort();
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a = {0};
    struct span body = span_of(p, n);
    struct api_error error;
    enum api_mode mode;
    struct err e;

    schema_again(body, &a);
    config_again(body, &a);
    (void)!api_error_read(&error, body, &a, &e);
    (void)!api_mode_read(&mode, body, &a, &e);
    arena_free(&a);
    return 0;
}

#include "gateway/ask.h"

#include <stdlib.h>

static void must(bool b)
{
    if (!b)
        abort();
}

/* The next line of `rest`, which is cut behind it. */
static struct span line(struct span *rest)
{
    const uint8_t *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct span s = span_of(rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n);

    *rest = span_skip(*rest, s.n + (end != NULL));
    return s;
}

/* Lines: topic, content type, key, then names and values of parameters in turn. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct ask_defaults defaults;
    struct span rest = span_of(p, n);
    struct span topic = line(&rest), type = line(&rest), key = line(&rest);
    struct http_field params[16];
    size_t n_params = 0;
    bool unsupported;
    struct err e = {0};
    struct ask a;

    while (rest.n > 0 && n_params < 16) {
        struct span name = line(&rest);
        params[n_params++] = (struct http_field){name, line(&rest)};
    }
    if (key.n == 0)
        key = (struct span){0};
    if (ask_read(&a, &defaults, topic, params, n_params, type, key, &unsupported, &e) !=
        ERR_OK) {
        must(e.msg[0] != '\0');
        return 0;
    }
    must(!unsupported && ask_topic_is_legal(a.topic));
    must(a.body <= BODY_CSV && a.on_error <= ON_ERROR_DLQ && a.partition >= -1);
    must(a.schema_id >= 0 && a.version >= 0 && (a.schema_id == 0 || a.version == 0));
    must(a.delimiter < 0x80 && a.delimiter != '"' && a.delimiter != '\n');
    must(a.key.p == NULL || a.key_field.n == 0);
    return 0;
}

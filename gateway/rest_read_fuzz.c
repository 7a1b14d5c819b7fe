/*
 * Whatever body arrives, each of REST Proxy's readers reads or refuses it with a code
 * that has a status, and what it hands out lies in the body.  First byte: which reader.
 */
#include "gateway/rest_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool held)
{
    if (!held)
        abort();
}

static void check_datum(const struct rest_datum *d)
{
    if (d->value == NULL)
        return;
    must(d->value->at <= d->value->end && d->value->end <= d->text.n);
    must(d->ref.id >= 0 && d->ref.version >= 0);
}

static void check_record(const struct rest_record *r)
{
    must(r->extra.partition >= -1);
    must(r->code == 0 || (rest_status(r->code) >= 400 && r->why.n > 0));
    for (size_t i = 0; i < r->extra.n_headers; i++)
        must(r->extra.headers[i].name != NULL);
    check_datum(&r->key);
    check_datum(&r->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const struct rest_limits limits = {.records = 100};
    struct rest_body b = {0};
    struct arena a = {0};
    struct err e = {0};
    enum err_kind rc;
    int code = 0;

    if (n == 0)
        return 0;
    struct span body = span_of(p + 1, n - 1);
    if (p[0] % 6 < 4)
        rc = rest_read_v2(&b, (enum rest_format)(1 + p[0] % 4), body, &limits, &a,
                          &code, &e);
    else if (p[0] % 6 == 4)
        rc = rest_read_v3(&b, body, &limits, &a, &code, &e);
    else
        rc = rest_read_batch(&b, body, &limits, &a, &code, &e);
    if (rc == ERR_OK) {
        must(b.n > 0 && b.n <= limits.records);
        for (size_t i = 0; i < b.n; i++)
            check_record(&b.records[i]);
    } else {
        must(rest_status(code) >= 400 && rest_status(code) < 500);
    }
    arena_free(&a);
    return 0;
}

/*
 * Two schemas and some bytes, parted by NUL: whatever they are, a plan is made or
 * refused, and followed.  A schema resolves with itself unless nothing can be read of
 * it.
 */
#include "avro-core/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct span part(struct span *rest)
{
    const uint8_t *end = rest->n > 0 ? memchr(rest->p, 0, rest->n) : NULL;
    size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    struct span s = span_of(rest->p, n);

    *rest = span_skip(*rest, n + 1);
    return s;
}

static void follow(struct av_schema *w, struct av_schema *r, struct span bytes)
{
    static const struct av_visitor_ops nothing = {0};
    const struct av_decode_limits lim = {.items = 10000, .empty_items = 1000};
    struct av_visitor v = {&nothing};
    struct av_plan *plan;
    struct err e = {0};
    size_t used;

    if (av_plan_new(&plan, w, r, &e) != ERR_OK)
        return;
    if (av_decode(plan, bytes, &lim, &v, &used, &e) == ERR_OK && used > bytes.n)
        abort();
    av_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span rest = span_of(p, n), w_text = part(&rest), r_text = part(&rest);
    struct av_schema *w = NULL, *r = NULL;
    struct err e = {0};

    if (av_schema_parse(&w, w_text, NULL, 0, NULL, &e) == ERR_OK) {
        follow(w, w, rest);
        if (av_schema_parse(&r, r_text, NULL, 0, NULL, &e) == ERR_OK) {
            follow(w, r, rest);
            follow(r, w, rest);
        }
    }
    av_schema_release(w);
    av_schema_release(r);
    return 0;
}

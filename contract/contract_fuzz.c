/*
 * A rule set up to the first zero byte, a datum behind it: whatever they are, the set
 * is compiled or refused with a reason, and the datum gets an answer; what is let
 * through unchanged is the datum itself, and a datum that decodes decodes again after a
 * change.
 */
#include "contract/contract.h"

#include "avro-core/decode.h"
#include "avro-core/resolve.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"s\",\"type\":\"string\",\"confluent:tags\":[\"T\"]},"
    "{\"name\":\"n\",\"type\":[\"null\",\"long\"]},"
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"double\"}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"bytes\"}}]}";

static void must(bool so)
{
    if (!so)
        abort();
}

static bool decodes(const struct av_plan *plan, struct span datum)
{
    static const struct av_visitor_ops blind;
    struct av_visitor nobody = {&blind};
    struct err e = {0};

    return av_decode_all(plan, datum, NULL, &nobody, &e) == ERR_OK;
}

static void apply(const struct contract *c, const struct av_plan *plan,
                  struct span datum)
{
    struct contract_run *run = contract_run_new();
    struct contract_result r;
    bool good = decodes(plan, datum);

    contract_apply(c, run, datum, 1700000000000000000, &r);
    must(r.refused == (r.rule != NULL));
    must(r.changed || (r.datum.p == datum.p && r.datum.n == datum.n));
    must(!good || r.refused || decodes(plan, r.datum));
    contract_run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(p, 0, n) : NULL;
    size_t rules = zero != NULL ? (size_t)(zero - p) : n;
    const struct contract_options o = {.observe = n % 5 == 0};
    struct av_schema *schema = NULL;
    struct av_plan *plan = NULL;
    struct contract *c = NULL;
    struct err e = {0};

    must(av_schema_parse(&schema, span_str(text), NULL, 0, NULL, &e) == ERR_OK);
    must(av_plan_new(&plan, schema, schema, &e) == ERR_OK);
    if (contract_new(&c, schema, span_str("{\"tags\":{\"**.s\":[\"U\"]}}"),
                     span_of(p, rules), &o, &e) != ERR_OK)
        must(e.msg[0] != '\0');
    else if (c != NULL)
        apply(c, plan, zero != NULL ? span_of(zero + 1, n - rules - 1) : span_of(p, 0));
    contract_free(c);
    av_plan_free(plan);
    av_schema_release(schema);
    return 0;
}

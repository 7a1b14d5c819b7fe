/*
 * Rules (YAML) up to the first zero byte, a datum behind it: the rules are read or
 * refused with a reason, and any datum gets a verdict; one that decodes still does when
 * fields were taken from it.  What a `unique` noted is taken back, and comes in again.
 */
#include "quality/quality.h"

#include "avro-core/decode.h"
#include "avro-core/resolve.h"
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"s\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"n\",\"type\":[\"long\",\"null\"]},"
    "{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}}"
    ","
    "{\"name\":\"r\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"I\",\"fields\":"
    "[{\"name\":\"d\",\"type\":\"double\"}]}]},"
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

static void ask(struct quality *q, const struct av_plan *plan, struct span datum)
{
    struct quality_count *counts = quality_counts(q);
    bool good = decodes(plan, datum);
    struct buf noted = BUF_INIT(1 << 16);
    struct quality_finding f;
    struct quality_verdict v;
    struct err e = {0};

    quality_stand(q, 0, 0, 0);
    for (int64_t i = 0; i < 3; i++) {
        struct quality_place at = {0, i, INT64_C(1700000000000000000)};
        quality_ask(q, datum, &at, counts, &v);
        must(v.outcome != QUALITY_ASIDE || v.errors.n > 2);
        must(v.outcome != QUALITY_LOAD || !good || decodes(plan, v.datum));
    }
    for (size_t i = 0; i < quality_rules(q); i++) {
        must(counts[i].failed <= counts[i].checked && counts[i].checked <= 3);
        quality_ask_run(q, i, counts, 3, 0, &f);
        buf_reset(&noted);
        quality_noted(q, 0, i, &noted);
        must(quality_recall(q, 0, i, buf_span(&noted), &e) == ERR_OK);
        (void)!quality_recall(q, 0, i, datum, &e);
    }
    buf_reset(&noted);
    quality_pack(q, 0, &noted);
    must(quality_unpack(q, 1, buf_span(&noted), &e) == ERR_OK);
    (void)!quality_unpack(q, 1, datum, &e);
    quality_undo(q, 0, 0);
    buf_free(&noted);
    free(counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(p, 0, n) : NULL;
    size_t rules = zero != NULL ? (size_t)(zero - p) : n;
    struct conf_tree tree = {.file = "p.yaml"};
    struct av_schema *schema = NULL;
    struct av_plan *plan = NULL;
    struct quality *q = NULL;
    struct arena a = {0};
    struct err e = {0};

    must(av_schema_parse(&schema, span_str(text), NULL, 0, NULL, &e) == ERR_OK);
    must(av_plan_new(&plan, schema, schema, &e) == ERR_OK);
    if (yaml_read(&tree.root, "p.yaml", span_of(p, rules), &a, &e) != ERR_OK ||
        quality_read(&q, &tree, &e) != ERR_OK ||
        (q != NULL && quality_use(q, schema, &e) != ERR_OK))
        must(e.msg[0] != '\0');
    else if (q != NULL)
        ask(q, plan, zero != NULL ? span_of(zero + 1, n - rules - 1) : span_of(p, 0));
    quality_free(q);
    arena_free(&a);
    av_plan_free(plan);
    av_schema_release(schema);
    return 0;
}

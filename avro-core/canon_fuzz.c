/*
 * Whatever schema is accepted, its printed form is accepted too and prints the same; so
 * does the normalized, and the canonical form is that of all three.  But for one
 * corner: Java, whose text it is, writes names without a namespace where they are read
 * with one.
 */
#include "avro-core/canon.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define MOST (1 << 22)

/* Whether some types or aliases have a namespace and others have none. */
static bool mixes_namespaces(const struct av_schema *s)
{
    bool with = false, without = false;

    for (size_t i = 0; i < av_schema_nodes(s); i++) {
        const struct av_node *n = av_schema_node(s, (uint32_t)i);
        if (n->type != AV_RECORD && n->type != AV_ENUM && n->type != AV_FIXED)
            continue;
        with |= n->name.space.n > 0;
        without |= n->name.space.n == 0;
        for (size_t k = 0; k < n->n_aliases; k++) {
            with |= n->aliases[k].space.n > 0;
            without |= n->aliases[k].space.n == 0;
        }
    }
    return with && without;
}

struct forms {
    struct buf printed, normalized, canonical;
};

static const struct av_parse_limits limits = {
    .bytes = MOST, .depth = 200, .keep_bad_defaults = true};

static bool read_forms(struct forms *f, struct span text)
{
    struct av_schema *s;
    struct err e;

    if (av_schema_parse(&s, text, NULL, 0, &limits, &e) != ERR_OK)
        return false;
    if (mixes_namespaces(s)) {
        av_schema_release(s);
        return false;
    }
    *f = (struct forms){BUF_INIT(MOST), BUF_INIT(MOST), BUF_INIT(MOST)};
    av_print(&f->printed, s);
    av_print_normalized(&f->normalized, s);
    av_print_canonical(&f->canonical, s);
    av_schema_release(s);
    return true;
}

static void free_forms(struct forms *f)
{
    buf_free(&f->printed);
    buf_free(&f->normalized);
    buf_free(&f->canonical);
}

static void must_be(struct buf *got, struct buf *want)
{
    if (!span_eq(buf_span(got), buf_span(want)))
        abort();
}

/* Forms larger than the limits are nobody's promise. */
static bool too_large(const struct forms *f)
{
    struct err e;

    return buf_status(&f->printed, &e) != ERR_OK ||
           buf_status(&f->normalized, &e) != ERR_OK ||
           buf_status(&f->canonical, &e) != ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct forms once, again;

    if (!read_forms(&once, span_of(p, n)))
        return 0;
    if (!too_large(&once)) {
        if (!read_forms(&again, buf_span(&once.canonical)))
            abort();
        must_be(&again.canonical, &once.canonical);
        free_forms(&again);
        if (!read_forms(&again, buf_span(&once.printed)))
            abort();
        must_be(&again.printed, &once.printed);
        must_be(&again.normalized, &once.normalized);
        must_be(&again.canonical, &once.canonical);
        free_forms(&again);
        if (!read_forms(&again, buf_span(&once.normalized)))
            abort();
        must_be(&again.normalized, &once.normalized);
        free_forms(&again);
    }
    free_forms(&once);
    return 0;
}

/*
 * Whatever text arrives, av_schema_parse() answers within its limits; what parses has a
 * coherent graph, and is a reference another schema can stand on.
 */
#include "avro-core/schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void check_edge(const struct av_schema *s, const struct av_node *to)
{
    want(to->index < av_schema_nodes(s) && av_schema_node(s, to->index) == to);
}

static void check_field(const struct av_schema *s, const struct av_field *f)
{
    check_edge(s, f->type);
    want(f->name.n > 0);
    want((f->fallback == NULL) == (f->fallback_avro.p == NULL));
    if (f->type->type == AV_NULL && f->fallback != NULL)
        want(f->fallback_avro.n == 0);
    if (f->type->type == AV_FIXED && f->fallback != NULL)
        want(f->fallback_avro.n == f->type->size);
}

static void check_node(const struct av_schema *s, const struct av_node *n)
{
    const struct av_node *other;
    char name[AV_FULLNAME_SHOWN];

    for (size_t i = 0; i < n->n_fields; i++)
        check_field(s, &n->fields[i]);
    for (size_t i = 0; i < n->n_branches; i++) {
        check_edge(s, n->branches[i]);
        want(n->branches[i]->type != AV_UNION);
    }
    want((n->items != NULL) == (n->type == AV_ARRAY || n->type == AV_MAP));
    if (n->items != NULL)
        check_edge(s, n->items);
    want(n->fallback >= -1 && n->fallback < (int)n->n_symbols);
    want((n->logical == AV_DECIMAL) == (n->precision > 0));
    if (av_is_nullable(n, &other))
        want(other->type != AV_NULL && n->n_branches == 2);
    av_node_name(name, n);
    want(name[0] != '\0');
}

static void check_graph(const struct av_schema *s)
{
    check_edge(s, av_schema_root(s));
    for (size_t i = 0; i < av_schema_nodes(s); i++) {
        want(av_schema_node(s, (uint32_t)i)->index == i);
        check_node(s, av_schema_node(s, (uint32_t)i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const struct av_parse_limits lenient = {.keep_bad_defaults = true};
    struct av_schema *s, *again;
    struct err e = {0};

    if (av_schema_parse(&s, span_of(p, n), NULL, 0, NULL, &e) != ERR_OK) {
        want(e.kind == ERR_INVALID || e.kind == ERR_LIMIT);
        want(e.msg[0] != '\0');
        if (av_schema_parse(&s, span_of(p, n), NULL, 0, &lenient, &e) == ERR_OK)
            av_schema_release(s);
        return 0;
    }
    check_graph(s);
    // The same text again, where all its names are known: everything equals the
    // reference.
    if (av_schema_parse(&again, span_of(p, n), &s, 1, NULL, &e) == ERR_OK) {
        check_graph(again);
        av_schema_release(again);
    }
    av_schema_release(s);
    return 0;
}

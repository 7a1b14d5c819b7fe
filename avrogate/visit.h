/*
 * visit.h - a caller's visitor as one of ours; not installed.
 */
#pragma once

#include "avro-core/visitor.h"
#include "avrogate/serde.h"

struct visit {
    struct av_visitor visitor;         // first: pass &v.visitor
    const struct avrogate_visitor *to; // borrowed
    void *arg;
};

void visit_init(struct visit *v, const struct avrogate_visitor *to, void *arg);

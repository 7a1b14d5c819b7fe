/*
 * visitor.h - what a decoder tells about a value, one call a piece.
 *
 * A decoder (decode.h) walks a datum in the *reader's* schema and calls:
 *
 *      {"id":7,"tags":["a"]}   record_begin  field(0) int64(7)
 *                              field(1) array_begin item string("a") array_end
 * record_end
 *
 * int and long arrive as int64, enum as its symbol's index in the reader's schema,
 * bytes, string and fixed as spans borrowed from the input (or from the schema, for
 * defaults): copy what must outlive the call.  `node` is the reader's type; a union's
 * branch is announced by branch() and then visited as itself.
 *
 * A visitor puts `struct av_visitor` first in a struct of its own.  Any call may
 * refuse: its error ends the walk.  A call that is NULL in the table is skipped.
 */
#pragma once

#include "avro-core/schema.h"

struct av_visitor {
    const struct av_visitor_ops *ops;
};

struct av_visitor_ops {
    enum err_kind (*null)(struct av_visitor *v, const struct av_node *node,
                          struct err *e);
    enum err_kind (*boolean)(struct av_visitor *v, const struct av_node *node, bool x,
                             struct err *e);
    enum err_kind (*int64)(struct av_visitor *v, const struct av_node *node, int64_t x,
                           struct err *e); // int and long
    enum err_kind (*real)(struct av_visitor *v, const struct av_node *node, double x,
                          struct err *e); // float and double
    enum err_kind (*bytes)(struct av_visitor *v, const struct av_node *node,
                           struct span x,
                           struct err *e); // bytes and fixed
    enum err_kind (*string)(struct av_visitor *v, const struct av_node *node,
                            struct span x, struct err *e);
    enum err_kind (*symbol)(struct av_visitor *v, const struct av_node *node,
                            uint32_t i,
                            struct err *e); // enum
    enum err_kind (*branch)(struct av_visitor *v, const struct av_node *node,
                            uint32_t i,
                            struct err *e); // union: which branch comes
    enum err_kind (*record_begin)(struct av_visitor *v, const struct av_node *node,
                                  struct err *e);
    /* Fields come in the order of the writer, then those that take their default. */
    enum err_kind (*field)(struct av_visitor *v, const struct av_node *node, uint32_t i,
                           struct err *e);
    enum err_kind (*record_end)(struct av_visitor *v, const struct av_node *node,
                                struct err *e);
    enum err_kind (*array_begin)(struct av_visitor *v, const struct av_node *node,
                                 struct err *e);
    enum err_kind (*item)(struct av_visitor *v, const struct av_node *node,
                          struct err *e);
    enum err_kind (*array_end)(struct av_visitor *v, const struct av_node *node,
                               struct err *e);
    enum err_kind (*map_begin)(struct av_visitor *v, const struct av_node *node,
                               struct err *e);
    enum err_kind (*key)(struct av_visitor *v, const struct av_node *node,
                         struct span key, struct err *e);
    enum err_kind (*map_end)(struct av_visitor *v, const struct av_node *node,
                             struct err *e);
};

/*
 * dlq_print.h - a dead letter for people, and as one line of JSON that loses nothing.
 * Pure.
 */
#pragma once

#include "cli/dlq_read.h"

/* Some lines: place, time, schema, who, each error, key, the record as it was sent. */
void dlq_print_text(struct buf *out, const struct letter *l);
/* One line, with its feed.  What is no UTF-8 is in `value_base64`, not `value`. */
void dlq_print_json(struct buf *out, const struct letter *l);
/* What could speak to the terminal is '?'. */
void dlq_put_shown(struct buf *out, struct span text);
/* ,"name":"text"  or  ,"name_base64":"..."  or  ,"name":null */
void dlq_put_member(struct buf *out, const char *name, struct span bytes);
/* "weather.dlq/0@12" */
void dlq_put_place(struct buf *out, const struct letter *l);

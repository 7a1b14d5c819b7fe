/*
 * subject.h - what a subject is called: made from topic and record name, taken apart
 * into context and name.
 *
 * Confluent's three naming strategies:
 *      TopicNameStrategy        <topic>-value        <topic>-key
 *      RecordNameStrategy       <full record name>
 *      TopicRecordNameStrategy  <topic>-<full record name>
 *
 * A subject may say its context, `:.ctx:name`; one that does not is in the default
 * context, whose name is ".".  Ids are given out per context.
 *
 * Pure.
 */
#pragma once

#include "base/buf.h"

enum subject_strategy { SUBJECT_TOPIC, SUBJECT_RECORD, SUBJECT_TOPIC_RECORD };

/* "topic", "TopicNameStrategy", "TOPIC_NAME", with or without Confluent's package in
 * front. */
enum err_kind subject_strategy_read(enum subject_strategy *out, struct span name,
                                    struct err *e) MUST_USE;
const char *subject_strategy_name(enum subject_strategy s);

/* Appends the subject.  ERR_INVALID when the strategy wants a record name and `record`
 * is empty. */
enum err_kind subject_name(struct buf *out, enum subject_strategy s, struct span topic,
                           struct span record, bool is_key, struct err *e) MUST_USE;

struct subject {
    struct span context; // "." or ".ctx"; borrowed from the text, or static
    struct span name;    // what follows it; may be empty
};

/* Takes `qualified` apart.  A text that only looks qualified is all name. */
struct subject subject_split(struct span qualified);
/* Appends it as people write it: without the default context. */
void subject_put(struct buf *out, const struct subject *s);

#define SUBJECT_MOST 1024 // bytes of a qualified subject

/* May it be registered under?  ERR_INVALID: control characters, a reserved name, no
 * name at all, not UTF-8, too long. */
enum err_kind subject_check(struct span qualified, struct err *e) MUST_USE;

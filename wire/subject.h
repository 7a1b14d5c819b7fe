/*
 * subject.h - topic and record name -> subject: Confluent's three naming strategies.
 *
 *      TopicNameStrategy        <topic>-value        <topic>-key
 *      RecordNameStrategy       <full record name>
 *      TopicRecordNameStrategy  <topic>-<full record name>
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

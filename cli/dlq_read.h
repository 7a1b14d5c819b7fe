/*
 * dlq_read.h - the letters of a dead-letter topic, one after the other.
 *
 * Where each partition ends is asked once, before the first letter is read: what comes
 * meanwhile is not read.  A partition at a time, in its
 * order.  One thread.
 */
#pragma once

#include "base/conf.h"
#include "base/json.h"
#include "kafka/client.h"
#include "kafka/consumer.h"

struct letter {
    const struct kf_message *m;
    struct span schema_id, subject, content_type, principal, time, query;
    struct span errors;        // JSON; n 0 = none that can be read
    const struct json *faults; // the same read: an array; NULL = none
};

struct dlq_source {
    const char *bootstrap;
    const struct conf_pairs *kafka; // properties
    int64_t partition;              // -1 = all
    int64_t offset;                 // this letter alone; -1 = all
    int64_t last;                   // so many of each partition's end at most; 0 = all
    const struct conf_pairs *where; // every one must hold
    const volatile int *stop;       // may be NULL; set by a signal's handler
};

/* A letter is valid until this returns; false ends the reading. */
struct dlq_reader {
    bool (*take)(struct dlq_reader *r, const struct letter *l);
};

/* Every letter there is now and that was asked for. */
enum err_kind dlq_read(const struct dlq_source *s, struct kf_admin *kafka,
                       const char *topic, struct dlq_reader *r, struct err *e) MUST_USE;

/* The first header of that name; p NULL = none. */
struct span letter_header(const struct kf_message *m, const char *name);
/* A text member of one of its errors: "pointer", "rule", "message". */
struct span fault_text(const struct json *fault, const char *name);
/* Fills *l from the message; what is parsed lives in `a`. */
void letter_open(struct letter *l, const struct kf_message *m, struct arena *a);

/*
 * tail.h - the thread that reads `_schemas` into the state, and everybody's view of it.
 *
 * The only one who changes the state.  Every record moves the offset; what cannot be
 * decoded is skipped, counted and logged with its offset.  Readers hold the read lock
 * for as long as they look and do no I/O meanwhile; others wait for an offset.
 *
 * A second thread, the pulse, asks the broker for the topic's end every two seconds:
 * that is how we know whether Kafka is there, and that the topic is still the one we
 * read (one that shrank is never written to again).
 *
 * Any thread may call anything here.
 */
#pragma once

#include "kafka/client.h"
#include "registry/fence.h"
#include "registry/state.h"

struct reg_tail;

struct reg_tail_view { // a moment's copy
    bool caught_up;    // has read to the end once
    bool kafka_is_up;  // the last pulse was answered
    bool broken;       // the topic is not the one we read: never write
    int64_t next;      // the offset that comes next
    int64_t seen;      // the one behind the last record, as `next` without marks
    uint64_t records;  // read
    uint64_t skipped;  // could not be decoded
    char why[240];     // why it is not up, or broken; "" otherwise
};

/* `topic`, `bootstrap` and `properties` are borrowed until reg_tail_close(). */
enum err_kind reg_tail_open(struct reg_tail **out, const char *bootstrap,
                            const struct conf_pairs *properties, const char *topic,
                            struct err *e) MUST_USE;
void reg_tail_close(struct reg_tail *t);

/* The state, read-locked until reg_tail_done(). */
const struct reg_state *reg_tail_look(struct reg_tail *t);
void reg_tail_done(struct reg_tail *t);

void reg_tail_view(struct reg_tail *t, struct reg_tail_view *out);

/* How long Kafka has been away, in ms; 0: it is there.  Takes no lock. */
int64_t reg_tail_lag(struct reg_tail *t);

/* Waits until everything before `next` is applied; false when `due_ms` (clock_ms())
 * came first, or the tail is broken. */
bool reg_tail_wait(struct reg_tail *t, int64_t next, int64_t due_ms);

/* Waits until it has read to the end once; false when `due_ms` came first. */
bool reg_tail_wait_read(struct reg_tail *t, int64_t due_ms);

/* Asks the broker where the topic ends and waits for that: ERR_UNAVAILABLE when it does
 * not answer in time, ERR_CONFLICT when the topic is not the one we read. */
enum err_kind reg_tail_sync(struct reg_tail *t, int64_t due_ms, struct err *e) MUST_USE;

/* The newest fence read; its offset is -1 where there is none. */
void reg_tail_fence(struct reg_tail *t, struct reg_fence *out);
/* Waits for one behind offset `after`; false when `due_ms` came first. */
bool reg_tail_wait_fence(struct reg_tail *t, int64_t after, int64_t due_ms);

/*
 * replay.h - the answers of requests that bore an Idempotency-Key.
 *
 *      absent --begin--> running --end--> finished --24 h, or pushed out--> absent
 *                         ^  \--end--> unfinished --begin--> running
 *                         wait: whoever comes meanwhile
 *
 * An entry stands for one key of one principal and topic; `hash` says which request it
 * was.  Of one that ended with something written, but not for certain all of it, what
 * became of each record is kept, so that the next one sends the others only.
 * `limits.bytes` bounds what is remembered: the entry asked for longest ago goes first.
 * Nothing here is durable: what a restart forgets, the ids in the records' headers
 * still tell (docs/gateway.md).
 *
 * Any thread; the lock is held for a look-up and a copy.
 */
#pragma once

#include "base/buf.h"
#include "base/tab.h"

#include <pthread.h>

#define REPLAY_HASH 32

struct replay_limits {
    size_t bytes;
    int64_t ttl_ms;
};

struct replay_answer {
    int status;
    const char *type; // a literal
    struct span body;
};

struct written;

struct replay_known { // of each record of an unfinished request, by its index
    int32_t schema_id;
    struct written *main, *dlq;
    size_t n;
};

struct replay_entry;

struct replay {
    struct replay_limits limits;
    pthread_mutex_t lock;
    // under lock
    struct tab entries;
    struct replay_entry *first, *last; // asked for last, asked for longest ago
    size_t bytes;
};

void replay_init(struct replay *t, const struct replay_limits *lim);
void replay_free(struct replay *t);

enum replay_verdict {
    REPLAY_RUN,   // go on, and replay_end() whatever comes of it
    REPLAY_AGAIN, // it was answered: *again, its body in the arena
    REPLAY_WAIT,  // one is running: `waiter` comes back by replay_end()
    REPLAY_OTHER, // the name was given to another request
};

/* `name` is principal, topic and key.  With REPLAY_RUN *entry is the caller's; what is
 * known of an earlier try is in *known, borrowed until replay_end(), n 0 when nothing
 * is. */
enum replay_verdict replay_begin(struct replay *t, struct span name,
                                 const uint8_t hash[REPLAY_HASH], void *waiter,
                                 int64_t now_ms, struct arena *a,
                                 struct replay_entry **entry,
                                 struct replay_known *known,
                                 struct replay_answer *again);

enum replay_end {
    REPLAY_NOTHING,    // nothing was written by this one: as if it had not come
    REPLAY_FINISHED,   // the answer is the answer
    REPLAY_UNFINISHED, // some may be there: `known`
};

/* Returns who waited, to be answered and freed by the caller; *n of them. */
void **replay_end(struct replay *t, struct replay_entry *entry, enum replay_end how,
                  const struct replay_answer *answer, const struct replay_known *known,
                  int64_t now_ms, size_t *n);

size_t replay_bytes(struct replay *t);

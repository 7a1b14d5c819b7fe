/*
 * retry.h - a request that names itself is carried out once (Idempotency-Key).
 *
 * The name stands for one request of one principal to one topic.  While the first runs,
 * the same again waits for its answer; once all of it is in Kafka the answer comes
 * again from memory; after an answer of 504 only what is not known to be there is sent,
 * and each record bears an id that is the same both times (carry.h).  Glue between
 * http, replay.h and publish.h.
 */
#pragma once

#include "gateway/publish.h"
#include "gateway/replay.h"

struct gateway;

enum retry_step { RETRY_ON, RETRY_ANSWERED };

/* Its body is whole.  RETRY_ANSWERED: it was answered, or waits for another.  A dry run
 * takes no key. */
enum retry_step retry_ask(struct gateway *g, struct http_req *r, bool dry_run);
/* Every report of `p` is there: what its answer will be worth.  Before the answer. */
void retry_note(const struct publish *p);
/* What an earlier try wrote is not sent again.  Before the sending. */
void retry_recall(struct publish *p);
/* The schema an earlier try was checked with; 0: there was none. */
int32_t retry_schema(const struct http_req *r);
/* `r` has its answer: those who waited get it too. */
void retry_answered(struct gateway *g, struct http_req *r,
                    const struct replay_answer *answer);

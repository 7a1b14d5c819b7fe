/*
 * history.h - who did what to a version, when and why.
 *
 *      _schemas   key, value: Confluent's to the byte
 *                 header "avrogate-act": {"what":"registered","ts":...}    earlier
 *                 header "avrogate-act": {"what":"deleted","ts":...}       this record
 *
 * A record tells its own act in the last of these headers and, before it, those of the
 * records it writes over: compaction keeps the last record of a key alone.  Others'
 * records have no such headers: what they did is told by what they changed and the time
 * of the record.  A version keeps REG_ACTS acts, the first of all and the newest.
 *
 * Read liberally: a header that cannot be read is not there.  Pure; any thread.
 */
#pragma once

#include "kafka/producer.h"
#include "registry/log.h"

#define REG_ACT_HEADER "avrogate-act"
#define REG_ACTS 16          // that a version keeps
#define REG_ACTS_READ 64     // of one record
#define REG_ACT_BYTES 4096   // of one header
#define REG_WHO_BYTES 512    // what we keep of a principal,
#define REG_CLIENT_BYTES 96  // of an address, maybe "... via ..."
#define REG_AGENT_BYTES 128  // of a User-Agent,
#define REG_REASON_BYTES 512 // and the most a reason may have

struct reg_history {
    struct reg_act *first, *last;
    size_t n;
};

/* Copies `act` behind the others; of too many the second oldest goes. */
void reg_history_add(struct reg_history *h, const struct reg_act *act);
void reg_history_free(struct reg_history *h);

/* "registered", ... */
const char *reg_deed_name(enum reg_deed d);

/* One act as JSON; what is not known is left out. */
void reg_act_put(struct buf *out, const struct reg_act *act);
/* Borrows from `text` and `a`.  false: it is none. */
bool reg_act_read(struct reg_act *out, struct span text, struct arena *a);

/* What the headers of a record tell goes into *ev, borrowed from them and `a`. */
void reg_event_read_headers(struct reg_event *ev, const struct kf_header *headers,
                            size_t n, struct arena *a);
/* The headers `ev` is written with, in `a`; acts without a time have `now_ms`. */
const struct kf_header *reg_event_headers(const struct reg_event *ev, int64_t now_ms,
                                          struct arena *a, size_t *n);

/* `s` as text that can be kept: a byte that is no UTF-8 or a control character is a
 * '?', and what is past `most` bytes is gone. */
struct span reg_text_kept(struct span s, size_t most, struct arena *a);

/*
 * The header X-Registry-Reason: UTF-8, in which %XX may stand for a byte (a % without
 * two hex digits is a %).  ERR_INVALID when it is longer than REG_REASON_BYTES, holds
 * control characters or is no UTF-8.
 */
enum err_kind reg_reason_read(struct span *out, struct span header, struct arena *a,
                              struct err *e) MUST_USE;

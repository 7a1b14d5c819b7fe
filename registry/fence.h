/*
 * fence.h - who holds the pen, as the log says it; and where a write goes by that.
 *
 * Whoever takes the pen (pen.h) writes a fence record first: a NOOP under the very key
 * Confluent writes, value null, and in its headers who it is and where others reach it:
 *
 *      {"keytype":"NOOP","magic":0}   null   avrogate.epoch: 7
 *                                            avrogate.instance: 5f0c...
 *                                            avrogate.url: http://10.0.0.3:8081
 *
 * The pen's holders follow each other as their fence records do in the log, since the
 * broker lets nobody write after the next one took it.  So the newest fence names the
 * holder, and everything former holders wrote lies before it.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "kafka/producer.h"

#define REG_URL_MOST 512
#define REG_INSTANCE 32
#define REG_FENCE_HEADERS 3

struct reg_fence {
    int64_t offset; // -1: nobody ever took the pen
    uint64_t epoch; // how often it was taken, for people: the offset is what counts
    char instance[REG_INSTANCE + 1];
    char url[REG_URL_MOST + 1]; // "": nobody is to be sent there
};

/* False: no fence record, or one not to be believed; *out is left alone. */
bool reg_fence_read(struct reg_fence *out, const struct kf_header *headers, size_t n,
                    int64_t offset);
/* Fills `out`, which borrows from `f` and the arena. */
void reg_fence_put(const struct reg_fence *f, struct kf_header out[REG_FENCE_HEADERS],
                   struct arena *a);

/* "http://host:8081" or https, no path, no userinfo; ERR_INVALID says what is wrong. */
enum err_kind reg_url_check(const char *url, struct err *e) MUST_USE;

enum reg_way {
    REG_WRITE,    // here: we hold the pen, or shall take it
    REG_FORWARD,  // the holder is asked
    REG_NOT_MINE, // whoever sent it here is told to do without us
};

struct reg_standing {    // what is known when a write comes
    bool holds;          // we have the pen as far as we know
    bool from_instance;  // it was forwarded to us: no second hop
    const char *url;     // ours, "" = none
    const char *newest;  // the newest fence's, "" = none
    bool newest_is_dead; // it was asked and did not answer, or not as the holder
};

enum reg_way reg_way_of(const struct reg_standing *s);

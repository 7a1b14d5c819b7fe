/*
 * append.h - the way of every write: one that holds the pen decides and writes, others
 * ask the one that does.
 *
 *      submit -> here? --yes--> queue -> [take the pen] -> decide -> produce, commit
 *                  |              ^            -> wait until the tail has it -> look
 *                  no             | nobody     -> answer
 *                  '-> forward.h: the holder is asked -> its answer is ours
 *
 * A command is answered from the state, never from what we meant to write, and refused
 * only on a state that was read to the end.  When it is not known whether Kafka has a
 * record (time-out, lost answer, the pen lost at the commit), it is looked for behind
 * the next fence: there it is, or it will never be.  Commands that wait share a
 * transaction where share.h allows.
 *
 * One thread writes; commands wait in a bounded queue.
 */
#pragma once

#include "http/client.h"
#include "http/server.h"
#include "registry/doubt.h"
#include "registry/tail.h"

#define REG_FORWARDED "X-Avrogate-Forwarded" // by which instance: no second hop
#define REG_CLIENT "X-Avrogate-Client"       // whose request it forwards: an address
#define REG_SEEN "X-Avrogate-Seen" // the offset up to which the answer has read
#define REG_NOT_THE_HOLDER 421     // as an error code: who forwarded does without us

struct reg_job {
    struct reg_command command;
    struct arena *arena; // the request's; the writer's from submit to an answer
    int64_t due_ms;      // by clock_ms()
    /* Either is called once, on a thread of the writer's; then the job is the caller's
     * again.  `d->no` is a refusal.  What `d` holds lives in the arena. */
    void (*done)(struct reg_job *job, const struct reg_decision *d);
    /* Another instance did it: its answer. */
    void (*relayed)(struct reg_job *job, const struct http_reply *reply);
    const struct http_req *asked; // what the holder is asked; NULL: do not ask
    bool from_instance;           // it was forwarded to us

    // the writer's own
    struct reg_decision before; // made earlier, outcome in doubt
    enum reg_doubt doubt;
    int64_t doubted; // offset of the fence under which that was; a newer one ends it
    int tries;
    bool alone;  // shares with none: one of its transaction was too large
    bool synced; // the state was read to the end for it
};

struct reg_writer;

struct reg_writer_options {
    const char *bootstrap, *topic; // borrowed
    const struct conf_pairs *properties;
    const char *url;        // where others reach us; "" = they cannot
    int64_t timeout_ms;     // of one write, before which its outcome is known
    int64_t forward_ms;     // for the holder to answer, when it is quick
    const char *forward_ca; // vouches for the holder's certificate; NULL, "": system
    struct reg_rules rules;
    size_t queue;
};

enum err_kind reg_writer_open(struct reg_writer **out, struct reg_tail *t,
                              const struct reg_writer_options *o,
                              struct err *e) MUST_USE;
/* False when too many are waiting: nothing was taken. */
bool reg_writer_submit(struct reg_writer *w, struct reg_job *job);
/* Do we hold the pen, as far as we know? */
bool reg_writer_holds(struct reg_writer *w);
/* Finishes what waits (refusing it), then ends. */
void reg_writer_close(struct reg_writer *w);

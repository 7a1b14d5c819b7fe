/*
 * source_stage_inside.h - for the files of the stage source.
 */
#pragma once

#include "loaders/batch_queue.h"
#include "loaders/source_stage.h"
#include "loaders/stage_claim.h"
#include "loaders/stage_rows.h"

#include <pthread.h>

struct stage_part {
    int32_t id;
    struct claim claim; // the sink's
    int64_t next;       // the next offset to gather
    int64_t mark;       // of what lies before it, where it is a claim's end
    bool taken;         // once
    bool resumed;       // its first claim may begin before `next`
    struct err fault;   // stops it, once what was read is loaded
    int claims;         // read in a row
    int64_t *firsts;    // of the claims listed, ascending; those before `at` are read
    size_t n, cap, at;
    struct batch *open; // being gathered, NULL = none
    int64_t target;     // until_end: what was claimed at the start
    // while it is somebody else's: how far he was, since when, how long that is let be
    int64_t theirs, since_ms, patience_ms;
    // under the source's lock, but that the reader may read what only it writes
    bool mine, stopped;  // now; for good
    int64_t loaded, end; // next offset to load; behind the newest claim
};

struct stage_source {
    struct source source;
    struct stage_source_options o;
    struct sink *sink;
    struct place *place;
    struct stage_files *files;
    struct stage_rows_from from;
    char *cluster; // as the claims say it, NULL = they do not
    pthread_t thread;

    // the reader's
    bool looked;              // every partition was listed once
    int64_t look_ms, wait_ms; // when to look again; the pause after the last failure
    int64_t read_ms;          // not before: something was away
    int64_t reached_ms, grumbled_ms, stand_by_ms;
    size_t turn;
    struct stage_part *reading; // whose claim is open, NULL = none
    struct arena arena;         // of that claim
    struct stage_claim c;
    struct stage_rows *rows;
    struct buf framed;

    pthread_mutex_t lock;
    pthread_cond_t some, room;
    // under lock
    struct stage_part **parts; // changes only by the reader, which may read it without
    size_t n_parts;
    struct batch_queue queue;
    int64_t open_cost; // being gathered
    size_t n_stopped;
    int64_t aside; // records the stage had set aside in what was read
    bool drain, quit, finished, read_all;
    struct err failure;
    char why[240];
};

struct stage_part *stage_part(const struct stage_source *s, int32_t id);
void stage_stop_part(struct stage_source *s, struct stage_part *p, const struct err *e);
void stage_grumble(struct stage_source *s, const struct err *e);
/* Says that a partition is not ours (any more), and what was read of it goes. */
void stage_forget_part(struct stage_source *s, struct stage_part *p);

/* source_stage_look.c: what is claimed, and whose it is.  ERR_UNAVAILABLE: later. */
enum err_kind stage_look(struct stage_source *s, struct err *e) MUST_USE;
/* The same without taking anything. */
enum err_kind stage_look_only(struct stage_source *s, struct err *e) MUST_USE;
enum err_kind stage_read_claim(struct stage_source *s, const struct stage_part *p,
                               int64_t first, struct stage_claim *c, struct arena *a,
                               struct err *e) MUST_USE;
/* The partitions that others have: taken where they stand still. */
void stage_stand_by(struct stage_source *s);
void stage_look_for_end(struct stage_source *s);

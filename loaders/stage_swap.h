/*
 * stage_swap.h - many staged files become one, whoever dies in between.  Pure.
 *
 *      _merges/00000000000000000007         the claim: inputs, output, its ticket
 *      _merges/00000000000000000007.done    nothing of it is left to do
 *
 *      LOOK --newest is open--> RELEASE FINISH REMOVE MARK --> LOOK
 *        |                                '--gone--> JUDGE --> LOOK
 *        '--none--> PLAN WRITE CLAIM CHECK --> RELEASE ...
 *                    |           '------'--lost--> DISCARD --> LOOK
 *                    '--nothing to do--> END
 *
 * The claim is the swap.  Its name is the number behind the newest one's, so a plan
 * made before somebody else's merge is refused, and no input is merged twice.  What
 * comes after the claim may be repeated by anybody.  Whoever runs it does what the
 * phase says and tells swap_next() the outcome; ERR_UNAVAILABLE never moves it.
 * Between FINISH and the end of REMOVE one who only lists sees rows twice, so nothing
 * that takes long lies between them.
 *
 * No name of an input ever comes again, or a caller that slept in REMOVE would take
 * away what is new: only files whose names say that a loader or a merge made them are
 * merged.  loaders/stage_swap_test.c runs it against crashes, zombies and lost answers.
 *
 * Source: decisions/138.  No thread of its own.
 */
#pragma once

#include "loaders/stage_claim.h"

#define SWAP_DIR "_merges"
#define SWAP_MOST 8000 // inputs of one swap: the claim must stay below PLACE_CLAIM

enum swap_phase {
    SWAP_LOOK,    // list the claims, read the newest; ERR_NOT_FOUND = it was cleaned
    SWAP_PLAN,    // list the files, choose; ERR_NOT_FOUND = nothing to do
    SWAP_WRITE,   // the merged file, privately; ERR_NOT_FOUND = an input is gone
    SWAP_CLAIM,   // ERR_CONFLICT = somebody merged meanwhile
    SWAP_CHECK,   // ERR_CONFLICT = there are newer claims: we slept for long
    SWAP_RELEASE, // .done beside the loaders' claims
    SWAP_FINISH,  // the output to its name; ERR_NOT_FOUND = it is not there
    SWAP_JUDGE,   // why not; ERR_NOT_FOUND = nobody can know
    SWAP_REMOVE,  // inputs away
    SWAP_MARK,    // .done beside our claim
    SWAP_DISCARD, // our private output away
    SWAP_END,     // nothing is left to do
    SWAP_STOPPED, // a person must look
};

/* How the action of `at` ended; `open`: LOOK found a claim that is not done. */
enum swap_phase swap_next(enum swap_phase at, enum err_kind outcome, bool open);
const char *swap_phase_name(enum swap_phase at);

struct swap_input {
    const char *name;    // relative to the place
    int64_t bytes, rows; // rows stand in the output in the order of the inputs
    const char *claim;   // the loader's, "" = it was merged before
};

/* Of a partition: the first offsets of the first and the last claim with rows in it. */
struct swap_range {
    int32_t partition;
    int64_t first, last;
};

struct swap {
    int64_t seq;
    int64_t made_ms;        // wall clock
    const char *by;         // run: no two bodies are the same
    const char *schema;     // of the output: stage_schema_name()
    struct stage_file into; // `rejects` is not used
    struct swap_input *inputs;
    size_t n;
    const char *topic;
    struct swap_range *ranges; // of all that ever went into the output
    size_t n_ranges;
};

/* Widens the ranges, which have room for one more. */
void swap_add_range(struct swap_range *ranges, size_t *n, const struct swap_range *r);

/* "_merges/00000000000000000007" */
void swap_name(char out[STAGE_NAME], int64_t seq);
void swap_put(struct buf *out, const struct swap *s);
/* Everything lives in the arena.  ERR_INTERNAL: not what swap_put() writes. */
enum err_kind swap_read(struct swap *s, struct span text, struct arena *a,
                        struct err *e) MUST_USE;

/*
 * Whose a file is, by its name: a loader's, "dir/weather+3+0...100+0...199.parquet" or
 * "dir/weather+3+0000000017.parquet", or a merge's.
 */
struct swap_origin {
    char topic[256];
    bool loaders, merged; // neither: somebody else's, and left alone
    int32_t partition;
    int64_t first; // -1 = `count` says which claim
    int64_t count;
    int64_t merge; // which one made it
};

/* "weather+merged-0000000017-1a2b3c4d": a merge's, with as much of its run's id. */
void swap_output_name(char out[STAGE_NAME], const char *topic, int64_t seq,
                      const char *run);
struct swap_origin swap_origin_of(const char *name);

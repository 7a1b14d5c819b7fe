/*
 * stage_merge_inside.h - for the files of stage_merge.
 */
#pragma once

#include "base/tab.h"
#include "loaders/etl_log.h"
#include "loaders/stage_merge.h"
#include "loaders/stage_order.h"
#include "place/spool.h"

struct merge_dir { // one that is still to be looked through
    const char *name;
    int depth;
    struct merge_dir *next;
};

struct merging {
    const struct merge_options *o;
    struct merge_sums *sums;
    struct run run; // its id makes our names and bodies ours
    uint64_t names; // private names given so far

    struct arena plan; // of the swap at hand; reset when looked again
    struct swap swap;
    struct av_schema *schema; // of its output, held
    char key[STAGE_SCHEMA];   // of that
    struct tab schemas;       // by key, held: of formats that bring none
    struct buf ticket, body;
    struct spool *spool; // the output's bytes, NULL = not made
    char final[STAGE_NAME];
    char sha256[SPOOL_SHA];
    bool probed;            // the place refuses what exists
    int64_t newest;         // claim of a merge, -1 = none
    bool ours;              // the swap is this call's
    bool walked;            // `dirs` has begun
    struct merge_dir *dirs; // in their order; what was left behind is not looked at
                            // again: a run's requests grow with the files, not with
                            // files times directories
    struct tab settled;     // claims whose files have their names all; by the claim's
    const char **shown;     // dry run: inputs told already
    size_t n_shown, cap;    // of shown
    struct arena kept;      // of what shown, dirs and settled have
};

/* True for a directory a backup can go to: merges pass over it. */
bool merge_is_backup(const char *dir);
/* "_tmp/merge-<run>-7" */
void merge_private_name(struct merging *m, char out[100]);
void merge_say(struct merging *m, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* stage_merge_plan.c: inputs of the next swap into m->swap, ERR_NOT_FOUND = none. */
enum err_kind merge_plan(struct merging *m, struct err *e) MUST_USE;

/* stage_merge_write.c */
struct merge_file { // a staged file as a source of records
    struct place *place;
    const char *name;
    struct format_reader *reader;
    struct buf window;
    uint64_t at; // of the window's first byte
};
/* `schema`: what it is read as where its format brings none. */
enum err_kind merge_file_open(struct merge_file *f, const struct merging *m,
                              const struct swap_input *in, struct av_schema *schema,
                              struct err *e) MUST_USE;
bool merge_is_bare(const char *format); // it brings none
void merge_file_close(struct merge_file *f);
/* Rows of this schema have an order, which the output's format can say. */
bool merge_has_order(const struct merging *m, struct av_schema *schema);
/* The merged file into m->spool, then to the place. */
enum err_kind merge_write(struct merging *m, struct err *e) MUST_USE;

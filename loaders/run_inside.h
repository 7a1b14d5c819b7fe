/*
 * run_inside.h - a loader, shared by run.c (its life) and run_parts.c (what it is put
 * together from, as its settings say).
 */
#pragma once

#include "loaders/etl_copy.h"
#include "loaders/run.h"
#include "loaders/run_rules.h"
#include "loaders/sift.h"
#include "loaders/sink.h"
#include "loaders/source.h"
#include "loaders/stage_schemas.h"
#include "transform/memory.h"

#include <pthread.h>

struct loader {
    struct loader_settings s;
    char *group, *subject;
    char *topic; // of the stage's place
    pthread_t thread;
    bool joined; // by whoever ends it

    // the pump's thread
    struct rc *rc;
    struct transform *transform; // NULL = none
    struct transform_memory *memory; // of its dedupes; NULL = it has none
    struct quality *quality;     // NULL = none
    struct run_rules rules;
    unsigned envelope; // parts that files get
    struct sift *sift;
    struct stage_schemas *schemas; // NULL = the registry's
    struct source *source;
    struct sink *sink;
    struct etl_copy *copy; // NULL = nobody wants one
    int64_t began_ms, grumbled_ms;
    bool paused;
    int64_t looked_ms; // when that was last asked

    pthread_mutex_t lock;
    pthread_cond_t changed;
    // under lock
    bool stop, complete;
    bool has_source; // `source` may be asked
    struct loader_state state;
};

/* Looks at the settings of the source, and opens what records are read with:
 * transforms, rules, the registry.  ERR_INVALID. */
enum err_kind loader_open_reading(struct loader *l, struct err *e) MUST_USE;
/* Behind that.  ERR_INVALID. */
enum err_kind loader_open_sink(struct loader *l, struct err *e) MUST_USE;
/* Behind the sink, which must have begun. */
enum err_kind loader_open_source(const struct loader *l, struct source **out,
                                 struct err *e) MUST_USE;
/* Where the source is a stage: its schemas, without its rows. */
enum err_kind loader_learn_stage(const struct loader *l, struct err *e) MUST_USE;

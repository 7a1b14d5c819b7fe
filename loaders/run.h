/*
 * run.h - a loader: a pipeline file's settings, a source, a sink, and the threads.
 *
 *      reader (source_kafka.c) --queue--> pump (here) --> Postgres, ODBC, or files
 *
 * The pump's thread brings everything up, waiting for what is away, and takes it down
 * again; loader_state() tells how it stands.  Any thread may call these.  What a user
 * is promised, and which test provokes which fault, is in docs/loaders.md.
 */
#pragma once

#include "base/buf.h"
#include "base/conf.h"
#include "loaders/sink_odbc.h"
#include "place/place.h"
#include "registry-client/login.h"

#include <stdint.h>

struct loader_settings { // filled by the rows of loader_rows
    const char *job;
    struct conf_list registry;
    struct rc_login login; // at the registry
    int64_t registry_timeout_ms;

    const char *bootstrap, *topic, *group, *subject;
    int start;
    struct conf_pairs kafka;
    struct conf_tree transform, quality;
    struct { // instead of Kafka: what another loader staged
        const char *place, *topic, *format, *share, *spool, *ca;
        int64_t interval_ms, timeout_ms;
        const char *s3_endpoint, *s3_region, *s3_access_key, *s3_secret_key, *s3_token;
        const char *hdfs_user, *hdfs_token;
        struct conf_list hdfs_redirects;
    } stage;
    int64_t batch_rows, batch_bytes, batch_age_ms, memory, unknown_ms;

    const char *url, *table, *quarantine;
    int mode, tombstones;
    struct conf_list key;
    int64_t ids_keep_ms;
    bool evolve, allow_unsafe;
    double reject_limit;
    int64_t reject_floor, lock_timeout_ms, statement_timeout_ms;

    const char *odbc_connection, *odbc_dsn, *odbc_dialect, *odbc_table;
    const char *odbc_quarantine;
    int odbc_mode, odbc_tombstones;
    struct conf_list odbc_key;
    int64_t odbc_array, odbc_reject_floor, odbc_lock_timeout_ms, odbc_ids_keep_ms;
    int64_t odbc_statement_timeout_ms;
    bool odbc_evolve;
    double odbc_reject_limit;

    const char *place, *format, *spool, *codec;
    struct conf_pairs partition_by;
    int names;
    int64_t rotate_rows, rotate_bytes, rotate_age_ms, files_memory;
    double files_reject_limit;
    int64_t files_reject_floor, place_timeout_ms;
    const char *s3_endpoint, *s3_region, *s3_access_key, *s3_secret_key, *s3_token;
    int64_t s3_part;
    const char *hdfs_user, *hdfs_token, *place_ca;
    struct conf_list hdfs_redirects, bloom, envelope;

    const char *audit_url;
    int64_t max_behind_ms;
    int64_t for_ms;          // 0 = until told
    int64_t every_ms;        // 0 = one run
    struct conf_list phases; // cycle.h; none = it only loads
    const char *merge_to, *merge_into, *merge_backup;
    int64_t merge_bytes, clean_older_ms;
    bool merge_all;
    bool until_end, plan;
    int64_t sample; // records; 0 = load
    const char *listen, *log_level;
};

extern const struct conf_row loader_rows[];

/* The settings of its place, sink.files'. */
struct place_settings loader_place(const struct loader_settings *s);

/* The same of source.stage. */
struct place_settings loader_source_place(const struct loader_settings *s);
/* Where source.stage is given: topic and bootstrap as everybody asks for them.  What it
 * returns (NULL = nothing) is to be freed behind the settings. */
char *loader_use_stage(struct loader_settings *s);

struct loader;

enum loader_phase {
    LOADER_STARTING, // something is away, or the first partitions are not here yet
    LOADER_RUNNING,
    LOADER_ENDED,
};

struct loader_state {
    enum loader_phase phase;
    bool failed;   // LOADER_ENDED: `why` says what a person must do
    char why[240]; // while it waits: for what
    const char *run_id;
    int64_t loaded, rejected, duplicate, filtered, quarantined; // of this run
    int64_t bytes, batches;
    int64_t files, file_bytes; // of rows, made of them
    int64_t lag, held;         // records behind; bytes read ahead
    int64_t aside;             // records the stage had set aside
    size_t partitions, stopped;
};

/* Checks what can be checked without asking anybody (ERR_INVALID) and starts.  Borrows
 * the settings' texts. */
enum err_kind loader_open(struct loader **out, const struct loader_settings *s,
                          struct err *e) MUST_USE;
void loader_state(struct loader *l, struct loader_state *out);
/* The next offset of a partition to be loaded: all before it is in the table.  -1 while
 * the partition is not ours. */
int64_t loader_loaded(struct loader *l, int32_t partition);
/* Asks it to end: nothing new is begun, and the run was interrupted. */
void loader_stop(struct loader *l);
/* The same from whoever knows that all is loaded: the run was a success. */
void loader_finish(struct loader *l);
/* Waits at most `ms` for the end; true when it has ended. */
bool loader_wait(struct loader *l, int64_t ms);
/* Stops it and waits: what is being written is finished or rolled back within five
 * seconds in all. */
void loader_end(struct loader *l);
/* Ends it unless it has ended, and gives everything back. */
void loader_close(struct loader *l);

/* What would be done to the sink's table for the subject's latest schema: statements,
 * or nothing when it fits.  Changes nothing.  ERR_INVALID: it cannot be made to fit. */
enum err_kind loader_plan(const struct loader_settings *s, struct buf *statements,
                          struct err *e) MUST_USE;
/* The last records of the topic, settings.sample of them, and what the transforms make
 * of each; nothing is loaded. */
enum err_kind loader_sample(const struct loader_settings *s, struct buf *out,
                            struct err *e) MUST_USE;

/* Is sink.odbc meant; and what it is opened with, borrowed from the settings. */
bool loader_is_odbc(const struct loader_settings *s);
struct odbc_options loader_odbc(const struct loader_settings *s);

/* avrogate load */
int cmd_load(int argc, char **argv);

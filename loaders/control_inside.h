/*
 * control_inside.h - for the files of avrogate load status|pause|resume|reset.
 *
 * What keeps a job's positions is one of three: a Postgres warehouse, a database by
 * ODBC, the claims of staged files.  A control_ledger says how each is asked and told.
 */
#pragma once

#include "kafka/client.h"
#include "loaders/pause.h"
#include "loaders/run.h"
#include "loaders/sink.h"

#define CONTROL_NONE (-1)

struct control_settings {
    struct loader_settings load; // first: the pipeline file's rows
    bool json, yes;
    int64_t partition;
    const char *to, *reason;
};

struct stand { // of a partition
    int32_t partition;
    int64_t next; // CONTROL_NONE = nothing of it was loaded yet
    int64_t low, high;
    int64_t changed_ms; // 0 = not known
    int32_t generation;
    int64_t crashes;
    bool running;
    const char *owner;
    int64_t target; // reset: where to
};

struct control_jobs {   // that have run here; of staged files: topics
    bool known;         // the one that is asked about is one of them
    const char **names; // the others
    size_t n;
};

struct control {
    struct control_settings s;
    struct arena a;
    struct kf_admin *kafka;
    const struct control_ledger *ledger;
    struct pg pg;        // sink.postgres
    struct sink *odbc;   // sink.odbc
    struct place *place; // sink.files
    struct pause pause;
    struct control_jobs jobs;
    struct stand *stands;
    int32_t n;
};

/* SQL of all jobs that have positions, and of the one whose name follows, had it only
 * runs. */
#define CONTROL_JOBS                                                       \
    "SELECT pipeline FROM etl_offsets UNION SELECT job_name FROM etl_log " \
    "WHERE job_name = "

struct control_ledger {
    enum err_kind (*open)(struct control *c, struct err *e);
    void (*close)(struct control *c); // also after an open that failed
    /* Makes its tables where they are not there yet; NULL = it has none. */
    enum err_kind (*need)(struct control *c, struct err *e);
    /* Fills the stands of c->n partitions, and c->pause. */
    enum err_kind (*ask)(struct control *c, struct err *e);
    enum err_kind (*ask_pause)(struct control *c, struct err *e); // c->pause
    /* The names of all that have run, into c->jobs; none where nothing has. */
    enum err_kind (*ask_jobs)(struct control *c, struct err *e);
    const char *what; // these are names of: "job", "topic"
    enum err_kind (*pause)(struct control *c, const struct pause *p, struct err *e);
    enum err_kind (*resume)(struct control *c, struct err *e);
    /* Moves to their targets the stands that control_moves().  NULL = positions are
     * claims, which are never taken back. */
    enum err_kind (*move)(struct control *c, const char *who, struct err *e);
};

extern const struct control_ledger control_postgres, control_odbc, control_files;

struct stand *control_stand(struct control *c, int64_t partition); // NULL = none
bool control_moves(const struct control *c, const struct stand *t);

/* control_jobs.c: takes out the one that is asked about and sorts the others, the
 * nearest first; then a line for a person, and two members for a program. */
void control_jobs_are(struct control_jobs *jobs, const char *job);
void control_jobs_tell(struct buf *out, const struct control_jobs *jobs,
                       const char *what, const char *job);
void control_jobs_put_json(struct buf *out, const struct control_jobs *jobs);

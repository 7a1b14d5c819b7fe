-- The position, the audit and what was set aside.  docs/etl-log.md explains every column.

-- Where each partition goes on.  This row, not Kafka's committed offset, is the truth:
-- it changes in the transaction that loads the rows.
CREATE TABLE etl_offsets (
    pipeline      text        NOT NULL,
    topic         text        NOT NULL,
    topic_id      text,                               -- Kafka's own, where the client library tells it
    part          integer     NOT NULL,
    next_offset   bigint      NOT NULL CHECK (next_offset >= 0),
    epoch         bigint      NOT NULL DEFAULT 0,     -- the fencing token: +1 for each owner
    owner         text        NOT NULL DEFAULT '',
    updated       timestamptz NOT NULL DEFAULT clock_timestamp(),
    cluster_id    text,
    generation    integer     NOT NULL DEFAULT 0,     -- +1 when somebody declares the topic new
    mark          bigint,                             -- fingerprint of the record at next_offset - 1
    released      boolean     NOT NULL DEFAULT true,  -- the last owner left in order
    trying        boolean     NOT NULL DEFAULT false, -- it is at work on a record somebody died at
    crash_offset  bigint,                             -- next_offset when the last owner came
    crashes       integer     NOT NULL DEFAULT 0,     -- how many in a row died trying there
    isolate_until bigint      NOT NULL DEFAULT 0,     -- one record at a time below this offset
    PRIMARY KEY (pipeline, topic, part)
);

-- One row for each run of a job.
CREATE TABLE etl_log (
    start_time        timestamptz NOT NULL DEFAULT clock_timestamp(),
    end_time          timestamptz,
    job_name          text        NOT NULL,
    status            text        NOT NULL CHECK (status IN ('running', 'success', 'failed', 'interrupted')),
    records_processed bigint      NOT NULL DEFAULT 0 CHECK (records_processed >= 0), -- rows loaded
    error_message     text,
    run_id            uuid        PRIMARY KEY,
    source            text        NOT NULL DEFAULT '',
    topic             text        NOT NULL DEFAULT '',
    target            text        NOT NULL DEFAULT '',
    "partition"       integer,                           -- of a run that loaded from one alone
    first_offset      bigint,                            -- ... and its range; NULL when from several:
    last_offset       bigint,                            -- see etl_log_partition
    partitions        jsonb       NOT NULL DEFAULT '{}', -- {"0": [first offset, last offset], ...}
    records_rejected  bigint      NOT NULL DEFAULT 0,
    records_duplicate bigint      NOT NULL DEFAULT 0,
    batches           bigint      NOT NULL DEFAULT 0,
    bytes             bigint      NOT NULL DEFAULT 0,
    schema_ids        integer[]   NOT NULL DEFAULT '{}',
    last_sign         timestamptz NOT NULL DEFAULT clock_timestamp(), -- of life
    changed           timestamptz NOT NULL DEFAULT clock_timestamp(), -- this row
    instance          text        NOT NULL DEFAULT '', -- host:pid
    program           text        NOT NULL DEFAULT '',
    CHECK (end_time >= start_time),
    CHECK ((status = 'running') = (end_time IS NULL))
);
CREATE INDEX etl_log_job ON etl_log (job_name, start_time);

-- One row for each committed range; never updated.
CREATE TABLE etl_batch (
    pipeline       text        NOT NULL,
    topic          text        NOT NULL,
    part           integer     NOT NULL,
    generation     integer     NOT NULL,
    first_offset   bigint      NOT NULL,
    last_offset    bigint      NOT NULL,
    run_id         uuid        NOT NULL,
    rows_in        bigint      NOT NULL,
    rows_loaded    bigint      NOT NULL CHECK (rows_loaded >= 0),
    rows_rejected  bigint      NOT NULL CHECK (rows_rejected >= 0),
    rows_duplicate bigint      NOT NULL CHECK (rows_duplicate >= 0),
    bytes          bigint      NOT NULL,
    target         text        NOT NULL,
    schema_ids     integer[]   NOT NULL,
    started        timestamptz NOT NULL,
    finished       timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_us    bigint      NOT NULL CHECK (duration_us >= 0),
    instance       text        NOT NULL,
    epoch          bigint      NOT NULL,
    PRIMARY KEY (pipeline, topic, part, generation, first_offset),
    CHECK (rows_in = rows_loaded + rows_rejected + rows_duplicate),
    CHECK (last_offset >= first_offset)
);
CREATE INDEX etl_batch_run ON etl_batch (run_id);

-- Records that could not be loaded, as they were on the topic.
CREATE TABLE etl_reject (
    pipeline      text        NOT NULL,
    topic         text        NOT NULL,
    part          integer     NOT NULL,
    generation    integer     NOT NULL,
    record_offset bigint      NOT NULL,
    run_id        uuid        NOT NULL,
    rejected      timestamptz NOT NULL,
    record_time   timestamptz,
    stage         text        NOT NULL, -- frame, schema, decode, value, database, tombstone, crash
    error         text        NOT NULL,
    sqlstate      text,
    column_name   text,
    constraint_name text,
    schema_id     integer,
    record_key    bytea,
    record_value  bytea,
    headers       jsonb,                -- [{"name": ..., "value": base64 or null}, ...]
    PRIMARY KEY (pipeline, topic, part, generation, record_offset)
);

-- Tries that failed, for whoever asks what happened at night.  The range they tried is
-- in etl_batch once, when it came through.
CREATE TABLE etl_attempt (
    run_id       uuid        NOT NULL,
    pipeline     text        NOT NULL,
    topic        text        NOT NULL,
    part         integer     NOT NULL,
    first_offset bigint      NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    sqlstate     text,
    error        text        NOT NULL
);
CREATE INDEX etl_attempt_at ON etl_attempt (pipeline, at);

-- What each run did to each partition, as plain columns.
CREATE VIEW etl_log_partition AS
SELECT b.run_id, b.pipeline AS job_name, b.topic, b.part AS "partition", b.generation,
       min(b.first_offset) AS first_offset, max(b.last_offset) AS last_offset,
       sum(b.rows_loaded)::bigint AS records_processed,
       sum(b.rows_rejected)::bigint AS records_rejected,
       sum(b.rows_duplicate)::bigint AS records_duplicate,
       sum(b.bytes)::bigint AS bytes, count(*) AS batches,
       min(b.started) AS started, max(b.finished) AS finished
  FROM etl_batch b
 GROUP BY b.run_id, b.pipeline, b.topic, b.part, b.generation;

-- The invariants, each empty when all is well.
CREATE VIEW etl_gap AS
SELECT pipeline, topic, part, generation, previous + 1 AS expected, first_offset AS found
  FROM (SELECT b.*, lag(last_offset) OVER (PARTITION BY pipeline, topic, part, generation
                                           ORDER BY first_offset) AS previous
          FROM etl_batch b) x
 WHERE previous IS NOT NULL AND first_offset <> previous + 1;

CREATE VIEW etl_miscount AS
SELECT l.run_id, l.job_name, l.topic, x.what, x.in_run, x.in_batches
  FROM etl_log l
  LEFT JOIN (SELECT run_id, sum(rows_loaded) AS loaded, sum(rows_rejected) AS rejected,
                    sum(rows_duplicate) AS duplicate, count(*) AS batches, sum(bytes) AS bytes
               FROM etl_batch GROUP BY run_id) b USING (run_id),
       LATERAL (VALUES ('records_processed', l.records_processed, coalesce(b.loaded, 0)::bigint),
                       ('records_rejected', l.records_rejected, coalesce(b.rejected, 0)::bigint),
                       ('records_duplicate', l.records_duplicate, coalesce(b.duplicate, 0)::bigint),
                       ('batches', l.batches, coalesce(b.batches, 0)),
                       ('bytes', l.bytes, coalesce(b.bytes, 0)::bigint)) x (what, in_run, in_batches)
 WHERE x.in_run <> x.in_batches
UNION ALL
SELECT p.run_id, l.job_name, l.topic, 'offsets of partition ' || p."partition",
       (l.partitions -> p."partition"::text ->> 1)::bigint, p.last_offset
  FROM (SELECT run_id, "partition", min(first_offset) AS first_offset, max(last_offset) AS last_offset
          FROM etl_log_partition GROUP BY run_id, "partition"
        HAVING count(*) = 1) p JOIN etl_log l USING (run_id)
 -- (a topic declared new in the middle of a run begins twice: not compared)
 WHERE l.partitions -> p."partition"::text IS DISTINCT FROM jsonb_build_array(p.first_offset, p.last_offset);

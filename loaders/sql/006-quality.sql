-- What the pipeline's quality rules said, a row for each rule of a run.
CREATE TABLE etl_rule_result (
    run_id      uuid        NOT NULL,
    pipeline    text        NOT NULL,
    topic       text        NOT NULL,
    rule        text        NOT NULL,
    severity    text        NOT NULL CHECK (severity IN ('warn', 'null_field', 'quarantine', 'fail')),
    form        text        NOT NULL,
    wanted      text        NOT NULL,
    checked     bigint      NOT NULL DEFAULT 0, -- records, of rows and fresh: times it was asked
    failed      bigint      NOT NULL DEFAULT 0,
    errors      bigint      NOT NULL DEFAULT 0, -- of those: it could not be answered
    last_failed text,                           -- weather/3@105: temp is out of range
    stopped     text,                           -- the run ended for it, and why
    changed     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, topic, rule),
    CHECK (failed BETWEEN 0 AND checked),
    CHECK (errors BETWEEN 0 AND failed)
);
CREATE INDEX etl_rule_result_changed ON etl_rule_result (pipeline, changed);

-- What `unique` rules remember, a row for each range and rule: 16 bytes a key, its hash
-- and its offset.  It goes when the rule looks back no further.
CREATE TABLE etl_rule_seen (
    pipeline     text    NOT NULL,
    topic        text    NOT NULL,
    part         integer NOT NULL,
    generation   integer NOT NULL,
    rule         text    NOT NULL,
    first_offset bigint  NOT NULL,
    last_offset  bigint  NOT NULL,
    keys         bytea   NOT NULL,
    PRIMARY KEY (pipeline, topic, part, generation, rule, first_offset)
);

-- Records that went to the quarantine: the table, or _quarantine files, beside the target.
ALTER TABLE etl_batch ADD COLUMN rows_quarantined bigint NOT NULL DEFAULT 0 CHECK (rows_quarantined >= 0),
                      ADD COLUMN quarantine text; -- where to, when there are any
ALTER TABLE etl_batch DROP CONSTRAINT etl_batch_sum;
ALTER TABLE etl_batch ADD CONSTRAINT etl_batch_sum
    CHECK (rows_in = rows_loaded + rows_rejected + rows_duplicate + rows_filtered + rows_quarantined);
ALTER TABLE etl_log ADD COLUMN records_quarantined bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW etl_log_partition AS
SELECT b.run_id, b.pipeline AS job_name, b.topic, b.part AS "partition", b.generation,
       min(b.first_offset) AS first_offset, max(b.last_offset) AS last_offset,
       sum(b.rows_loaded)::bigint AS records_processed,
       sum(b.rows_rejected)::bigint AS records_rejected,
       sum(b.rows_duplicate)::bigint AS records_duplicate,
       sum(b.bytes)::bigint AS bytes, count(*) AS batches,
       min(b.started) AS started, max(b.finished) AS finished,
       sum(b.rows_filtered)::bigint AS records_filtered,
       sum(b.rows_quarantined)::bigint AS records_quarantined
  FROM etl_batch b
 GROUP BY b.run_id, b.pipeline, b.topic, b.part, b.generation;

CREATE OR REPLACE VIEW etl_miscount AS
SELECT l.run_id, l.job_name, l.topic, x.what, x.in_run, x.in_batches
  FROM etl_log l
  LEFT JOIN (SELECT run_id, sum(rows_loaded) AS loaded, sum(rows_rejected) AS rejected,
                    sum(rows_duplicate) AS duplicate, sum(rows_filtered) AS filtered,
                    sum(rows_quarantined) AS quarantined,
                    count(*) AS batches, sum(bytes) AS bytes
               FROM etl_batch GROUP BY run_id) b USING (run_id),
       LATERAL (VALUES ('records_processed', l.records_processed, coalesce(b.loaded, 0)::bigint),
                       ('records_rejected', l.records_rejected, coalesce(b.rejected, 0)::bigint),
                       ('records_duplicate', l.records_duplicate, coalesce(b.duplicate, 0)::bigint),
                       ('records_filtered', l.records_filtered, coalesce(b.filtered, 0)::bigint),
                       ('records_quarantined', l.records_quarantined, coalesce(b.quarantined, 0)::bigint),
                       ('batches', l.batches, coalesce(b.batches, 0)),
                       ('bytes', l.bytes, coalesce(b.bytes, 0)::bigint)) x (what, in_run, in_batches)
 WHERE x.in_run <> x.in_batches
UNION ALL
SELECT p.run_id, l.job_name, l.topic, 'offsets of partition ' || p."partition",
       (l.partitions -> p."partition"::text ->> 1)::bigint, p.last_offset
  FROM (SELECT run_id, "partition", min(first_offset) AS first_offset, max(last_offset) AS last_offset
          FROM etl_log_partition GROUP BY run_id, "partition"
        HAVING count(*) = 1) p JOIN etl_log l USING (run_id)
 WHERE l.partitions -> p."partition"::text IS DISTINCT FROM jsonb_build_array(p.first_offset, p.last_offset);

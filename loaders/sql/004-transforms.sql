-- Records that a pipeline's transforms let go are neither loaded nor set aside: they are
-- counted by themselves, so that the sums go on to cover every offset.
ALTER TABLE etl_batch ADD COLUMN rows_filtered bigint NOT NULL DEFAULT 0 CHECK (rows_filtered >= 0);
ALTER TABLE etl_batch DROP CONSTRAINT etl_batch_check;
ALTER TABLE etl_batch ADD CONSTRAINT etl_batch_sum
    CHECK (rows_in = rows_loaded + rows_rejected + rows_duplicate + rows_filtered);
ALTER TABLE etl_log ADD COLUMN records_filtered bigint NOT NULL DEFAULT 0;

-- What set a record aside, and where in it.
ALTER TABLE etl_reject ADD COLUMN rule text, ADD COLUMN pointer text;

DROP VIEW etl_miscount, etl_log_partition;
CREATE VIEW etl_log_partition AS
SELECT b.run_id, b.pipeline AS job_name, b.topic, b.part AS "partition", b.generation,
       min(b.first_offset) AS first_offset, max(b.last_offset) AS last_offset,
       sum(b.rows_loaded)::bigint AS records_processed,
       sum(b.rows_rejected)::bigint AS records_rejected,
       sum(b.rows_duplicate)::bigint AS records_duplicate,
       sum(b.bytes)::bigint AS bytes, count(*) AS batches,
       min(b.started) AS started, max(b.finished) AS finished,
       sum(b.rows_filtered)::bigint AS records_filtered
  FROM etl_batch b
 GROUP BY b.run_id, b.pipeline, b.topic, b.part, b.generation;

CREATE VIEW etl_miscount AS
SELECT l.run_id, l.job_name, l.topic, x.what, x.in_run, x.in_batches
  FROM etl_log l
  LEFT JOIN (SELECT run_id, sum(rows_loaded) AS loaded, sum(rows_rejected) AS rejected,
                    sum(rows_duplicate) AS duplicate, sum(rows_filtered) AS filtered,
                    count(*) AS batches, sum(bytes) AS bytes
               FROM etl_batch GROUP BY run_id) b USING (run_id),
       LATERAL (VALUES ('records_processed', l.records_processed, coalesce(b.loaded, 0)::bigint),
                       ('records_rejected', l.records_rejected, coalesce(b.rejected, 0)::bigint),
                       ('records_duplicate', l.records_duplicate, coalesce(b.duplicate, 0)::bigint),
                       ('records_filtered', l.records_filtered, coalesce(b.filtered, 0)::bigint),
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

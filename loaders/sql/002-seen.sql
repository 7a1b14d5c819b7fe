-- Ids of records (header avrogate.idempotency-id), so that a record which the topic has
-- twice, because its request was sent twice, is loaded once.  A row stands for the place
-- that was loaded: the same place again, after somebody set the offsets back, is no
-- duplicate.
CREATE TABLE etl_seen (
    pipeline      text        NOT NULL,
    id            text        NOT NULL,
    topic         text        NOT NULL,
    part          integer     NOT NULL,
    generation    integer     NOT NULL,
    record_offset bigint      NOT NULL,
    seen          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, id)
);
CREATE INDEX etl_seen_seen ON etl_seen (pipeline, seen);

-- By how many rows the target grew: with keys that is not the number of records loaded.
-- NULL = as many as were loaded.
ALTER TABLE etl_batch ADD COLUMN rows_added bigint;

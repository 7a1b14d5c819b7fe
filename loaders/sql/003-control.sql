-- Jobs that a person stopped for a while; a running loader looks every two seconds.
CREATE TABLE etl_pause (
    pipeline text        PRIMARY KEY,
    since    timestamptz NOT NULL DEFAULT clock_timestamp(),
    who      text        NOT NULL,
    reason   text        NOT NULL DEFAULT ''
);

-- Positions that a person moved.  The partition's generation rises, so that what is
-- loaded again, or passed over, is neither an overlap nor a gap.
CREATE TABLE etl_reset (
    pipeline   text        NOT NULL,
    topic      text        NOT NULL,
    part       integer     NOT NULL,
    generation integer     NOT NULL, -- the new one
    was        bigint,               -- NULL = it had no position yet
    goes_on    bigint      NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    who        text        NOT NULL,
    reason     text        NOT NULL DEFAULT '',
    PRIMARY KEY (pipeline, topic, part, generation)
);

-- What a run did, one after the other: rows were collected, files merged, rows loaded,
-- files cleaned.  A run that only loads has none.
CREATE TABLE etl_phase (
    run_id        uuid        NOT NULL,
    job_name      text        NOT NULL,
    number        integer     NOT NULL CHECK (number > 0), -- in the run
    phase         text        NOT NULL CHECK (phase IN ('collect', 'merge', 'load', 'clean')),
    start_time    timestamptz NOT NULL DEFAULT clock_timestamp(),
    end_time      timestamptz,
    status        text        NOT NULL CHECK (status IN ('running', 'success', 'failed', 'interrupted')),
    rows_in       bigint      NOT NULL DEFAULT 0 CHECK (rows_in >= 0),
    rows_out      bigint      NOT NULL DEFAULT 0 CHECK (rows_out >= 0),
    files_in      bigint      NOT NULL DEFAULT 0 CHECK (files_in >= 0),
    files_out     bigint      NOT NULL DEFAULT 0 CHECK (files_out >= 0),
    bytes_in      bigint      NOT NULL DEFAULT 0 CHECK (bytes_in >= 0),
    bytes_out     bigint      NOT NULL DEFAULT 0 CHECK (bytes_out >= 0),
    load_run      uuid,                                    -- of a load: its own row in the warehouse's etl_log
    error_message text,
    PRIMARY KEY (run_id, number),
    CHECK (end_time >= start_time),
    CHECK ((status = 'running') = (end_time IS NULL)),
    -- a merge adds nothing and loses nothing
    CHECK (phase <> 'merge' OR rows_in = rows_out)
);
CREATE INDEX etl_phase_job ON etl_phase (job_name, start_time);

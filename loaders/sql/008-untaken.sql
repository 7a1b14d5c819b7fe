-- Of the rows that were sent those that the table took none for: a trigger of it returned
-- NULL.  It may have put them elsewhere, so they count as loaded.
ALTER TABLE etl_log ADD COLUMN records_untaken bigint NOT NULL DEFAULT 0;

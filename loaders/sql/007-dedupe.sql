-- What the pipeline's dedupe steps remember, a row for each batch and 10,000 keys:
-- hashes and their offsets, in hexadecimal digits.  It goes when the steps look back no
-- further.
CREATE TABLE etl_dedupe (
    pipeline     text    NOT NULL,
    topic        text    NOT NULL,
    part         integer NOT NULL,
    generation   integer NOT NULL,
    first_offset bigint  NOT NULL,
    last_offset  bigint  NOT NULL,
    piece        integer NOT NULL,
    keys         text    NOT NULL,
    PRIMARY KEY (pipeline, topic, part, generation, first_offset, piece)
);

/*
 * avro_convert.h - `avrogate avro convert` and `cat`: files of records from one format
 * into another, whichever format/format.h knows.
 */
#pragma once

/* argv[0] is "convert" or "cat".  The process's exit code; all is said. */
int avro_convert_run(int argc, char **argv);

/*
 * parquet_reader.h - Parquet files back to Avro binary, for parquet.c's table.
 *
 * The schema is the file's avro.schema when its columns are what we write for that one;
 * else one made from the columns: a file of somebody else's is read as far as its types
 * have an Avro type.
 */
#pragma once

#include "format/format_inside.h"

enum err_kind parquet_read(struct format_reader **out, struct av_schema *schema,
                           const struct format_options *o,
                           const struct format_source *from, struct err *e) MUST_USE;
struct span parquet_reader_note(struct format_reader *r, const char *key);
enum err_kind parquet_next(struct format_reader *r, struct span *datum, bool *more,
                           struct err *e) MUST_USE;
void parquet_reader_close(struct format_reader *r);

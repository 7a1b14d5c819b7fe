/*
 * csv.h - RFC 4180, bytes in, rows of cells out, chunk by chunk.
 *
 *      name,price\r\n              cells "name" "price"
 *      "5"" disk",9.50\n           cells "5\" disk" "9.50", the first one quoted
 *      "two\nlines",\n             cells "two\nlines" ""
 *
 * Beyond the RFC: lines may end in LF, the delimiter may be another byte, a UTF-8 byte
 * order mark is dropped, a quote inside an unquoted cell is a quote.  A line without a
 * byte is no row, unless the first row has one cell only: then it is a row with an
 * empty cell. What a cell's bytes mean (UTF-8, numbers) is not looked at here.
 *
 *      csv_feed(r, chunk, last);
 *      while (csv_next(r, &cells, &n, &more, &e) == ERR_OK && more) ...
 *      // !more: feed the next chunk, or that was the end
 *
 * A row that a chunk cuts off is held (copied) until its rest comes; whole rows are not
 * copied.  Memory: the longest row plus a chunk.  One thread at a time.
 */
#pragma once

#include "avro-core/row.h"

struct csv_options {
    char delimiter;   // 0 = ','
    size_t row_bytes; // 0 = 1 MiB
    size_t cells;     // of a row; 0 = 10,000
};

struct csv_reader;

/* `o` NULL = defaults.  ERR_INVALID when the delimiter cannot be one. */
enum err_kind csv_open(struct csv_reader **out, const struct csv_options *o,
                       struct err *e) MUST_USE;
void csv_close(struct csv_reader *r);

/*
 * Gives the next bytes, borrowed until csv_next() said !more (or the reader is closed).
 * Only then may the next chunk be fed.  `last`: nothing comes behind it; it may be
 * empty.
 */
void csv_feed(struct csv_reader *r, struct span chunk, bool last);

/*
 * The next row; cells are valid until the next call.  *more false: no whole row is left
 * in what was fed.  ERR_INVALID: the row is broken and dropped, the next call goes on
 * behind the end of its line.  ERR_LIMIT: a row is too long or has too many cells; so
 * will every later call say, for nobody knows where the next row begins.
 */
enum err_kind csv_next(struct csv_reader *r, const struct av_cell **cells, size_t *n,
                       bool *more, struct err *e) MUST_USE;

/* Of the row that csv_next() gave or refused last: */
size_t csv_line(const struct csv_reader *r);   // its first line, from 1
size_t csv_offset(const struct csv_reader *r); // of its first byte in all that was fed
struct span csv_text(
    const struct csv_reader *r); // its bytes, without the line's end;
                                 // of a refused one, as far as it was read

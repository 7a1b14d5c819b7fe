/*
 * etl_copy.h - a copy of the audit's tables in another database (`audit.url`).
 *
 * The truth about a Postgres sink stands in the sink's own database, in the data's
 * transactions: nothing else could be exact.  This thread carries what changed there
 * over, every other second, from whatever point the copy has reached: an outage of
 * either side only makes it late, and a row carried twice is there once.  It never
 * stops the loading.
 *
 * Any thread may open and close.
 */
#pragma once

#include "base/err.h"

struct etl_copy;

/* Borrows the texts.  ERR_UNAVAILABLE: no thread. */
enum err_kind etl_copy_open(struct etl_copy **out, const char *from_url,
                            const char *to_url, const char *job,
                            struct err *e) MUST_USE;
/* Carries over what is there by now, waiting three seconds at most, and ends. */
void etl_copy_close(struct etl_copy *c);

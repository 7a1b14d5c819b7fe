/*
 * spool.h - bytes kept until a place has them: in memory, then in a file nobody sees.
 *
 * A file can be written only from bytes that can be read again (place_write()).  What
 * is past `memory` goes to a file in `dir` that has no name any more, so that nothing
 * is left of it whatever happens to us.  SHA-256 is counted on the way.
 *
 * Owner: whoever opened it.  One thread.
 */
#pragma once

#include "place/place.h"

#define SPOOL_SHA 65

struct spool;

struct spool *spool_open(const char *dir, size_t memory); // borrows `dir`
void spool_close(struct spool *s);                        // NULL is fine
/* ERR_UNAVAILABLE: the disk is full, or the like; the spool is of no use then. */
enum err_kind spool_put(struct spool *s, struct span bytes, struct err *e) MUST_USE;
int64_t spool_size(const struct spool *s);
/* What a place reads; valid until spool_close(). */
struct place_bytes spool_bytes(struct spool *s);
/* In hexadecimal digits, of all that was put so far. */
void spool_sha256(const struct spool *s, char out[SPOOL_SHA]);

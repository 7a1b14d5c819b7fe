/*
 * input.h - what a command is given to read: a file's bytes, or standard input's.
 */
#pragma once

#include "base/buf.h"

/*
 * Appends all of `path` ("-" is standard input) to `out`.  ERR_NOT_FOUND, ERR_LIMIT
 * when it is larger than out's limit, ERR_UNAVAILABLE when reading fails; the message
 * names it.
 */
enum err_kind input_read(struct buf *out, const char *path, struct err *e) MUST_USE;

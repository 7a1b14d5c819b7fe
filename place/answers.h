/*
 * answers.h - what servers say, as our kinds of failure.  Pure.
 *
 * WebHDFS sends nearly every failure as 403 with the Java exception's name in
 * RemoteException.exception (docs of WebHDFS, "Error Responses"); S3 sends a status and
 * an <Error><Code> (Amazon S3 API Reference, "Error responses"), sometimes under 200.
 * Names that are not in the tables go by the status.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

/* ERR_OK for 2xx.  `what` begins the message: "CREATE /stage/x". */
enum err_kind answer_of_webhdfs(int status, struct span body, const char *what,
                                struct err *e) MUST_USE;
/* ERR_OK for 2xx without an <Error>. `body` may be that of a HEAD: none. */
enum err_kind answer_of_s3(int status, struct span body, const char *what,
                           struct err *e) MUST_USE;

/* "Fri, 20 Nov 2026 09:00:00 GMT" or "2026-11-20T09:00:00.123Z" -> ms; -1: neither. */
int64_t answer_time(struct span text);

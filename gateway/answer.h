/*
 * answer.h - what became of a request's records -> status and body.
 *
 *      {"accepted":1,"rejected":1,
 *       "records":[{"index":0,"partition":0,"offset":12},
 *                  {"index":1,"errors":[{"pointer":"/temperature", ...}]}],
 *       "schema":{"subject":"weather-value","id":7,"version":3}}
 *
 * The statuses are those of docs/gateway.md: 2xx only for what Kafka has; 4xx and 503
 * only where nothing was written; 504 where it may have been.  Pure.
 */
#pragma once

#include "gateway/publish.h"

/* Writes the body and returns the status; *retry: seconds for Retry-After, 0 = none. */
int answer_put(struct buf *out, const struct publish *p, int *retry);

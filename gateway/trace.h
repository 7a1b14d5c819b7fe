/*
 * trace.h - W3C Trace Context (Recommendation, 2021): is this header field one?
 *
 *      traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *      tracestate:  vendor=opaque,other@tenant=opaque
 *
 * What is none is dropped, as the recommendation says, and never refuses a request.
 * Pure.
 */
#pragma once

#include "base/span.h"

#define TRACE_STATE_MOST 512 // bytes that everybody has to pass on

/* Any version but ff; of versions after 00 what is known of 00 is checked. */
bool trace_is_parent(struct span value);
/* One to 32 members "key=value", at most TRACE_STATE_MOST bytes. */
bool trace_is_state(struct span value);

/*
 * clock.h - two clocks that are never mixed up.
 *
 * Durations and deadlines use clock_ms()/clock_us(): CLOCK_MONOTONIC, untouched by
 * whoever sets the date.  wall_ms() is data: what a record or a log line is stamped
 * with.
 */
#pragma once

#include "base/span.h"

#include <pthread.h>
#include <time.h>

int64_t clock_ms(void);
int64_t clock_us(void);
/* clock_ms() as it was at most CLOCK_COARSE_MS ago, for a tenth of the price: to ask
 * whether something kept for seconds is still good. */
#define CLOCK_COARSE_MS 10 // a tick of Linux, at HZ=100
int64_t clock_coarse_ms(void);
int64_t wall_ms(void); // since 1970-01-01T00:00:00Z

/* A moment of clock_ms()'s, for pthread_cond_timedwait() on a condition made so. */
struct timespec clock_at(int64_t ms);
void clock_cond_init(pthread_cond_t *c);

/* "2026-11-21T09:30:00.123Z" */
#define WALL_TEXT 25
void wall_print(char out[WALL_TEXT], int64_t ms);

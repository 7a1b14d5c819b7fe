/*
 * fresh.h - a second look before "there is none": somebody may have registered it
 * elsewhere a moment ago.
 *
 * Those who missed wait here together; one question to the broker serves all of them,
 * and there is at most one every FRESH_EVERY_MS.  Bounded: who finds no room, or asks
 * while Kafka is away, is answered from memory.
 */
#pragma once

#include "registry/tail.h"

#define FRESH_EVERY_MS 20
#define FRESH_WITHIN_MS 500

struct reg_waiting {                      // put first in a struct of your own
    void (*again)(struct reg_waiting *w); // once, on our thread
};

struct reg_fresh;

struct reg_fresh *reg_fresh_open(struct reg_tail *t, size_t most);
/* False: no use waiting.  Nothing was taken. */
bool reg_fresh_wait(struct reg_fresh *f, struct reg_waiting *w);
/* Serves what waits at once, then ends. */
void reg_fresh_close(struct reg_fresh *f);

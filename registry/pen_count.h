/*
 * pen_count.h - what /metrics says of the pen: how often it was taken, how long writes
 * waited for it, what was passed on to its holder.
 *
 * One set a process.  Any thread.
 */
#pragma once

#include <stdint.h>

enum reg_taking { REG_TAKEN, REG_TAKEN_BY_OTHER, REG_NOT_TAKEN };
enum reg_passing { REG_RELAYED, REG_NOT_BY_HOLDER, REG_HOLDER_SILENT };

void reg_count_taking(enum reg_taking outcome, int64_t us);
void reg_count_passing(enum reg_passing outcome);
/* Writes were there and could go nowhere for so long. */
void reg_count_gap(int64_t us);

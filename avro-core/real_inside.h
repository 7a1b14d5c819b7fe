/* real_inside.h - what number.c and its table of powers share. */
#pragma once

#include <stdint.h>

#define POWER_FIRST (-342)
#define POWER_LAST 308

extern const uint64_t powers_of_five[][2]; // from POWER_FIRST on: high half, low half

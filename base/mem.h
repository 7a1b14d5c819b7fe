/*
 * mem.h - memory that is either there or the process is not.
 *
 * mem_alloc() and its kin never return NULL: limits are checked where bytes enter
 * (house rule), so running out means the machine is out, and we abort.  A library's
 * user may set mem_on_exhausted() to say goodbye first.
 *
 * struct arena gives many small pieces and takes them all back at once.  Pieces are
 * zeroed and aligned for anything.  One thread at a time.  Under ASan every piece is
 * its own malloc, so that the sanitizer sees past its end.
 */
#pragma once

#include "base/attr.h"
#include "base/span.h"

#include <stddef.h>

void *mem_alloc(size_t n);                      // zeroed; free() gives it back
void *mem_array(size_t n, size_t size);         // the same, n * size checked
void *mem_grow(void *p, size_t n, size_t size); // realloc to n * size, not zeroed
char *mem_str(struct span s);                   // a NUL-terminated copy
void mem_on_exhausted(void (*goodbye)(size_t wanted));

struct arena {
    struct arena_block *blocks; // newest first
    size_t used;                // bytes given out, for whoever keeps a budget
};

void *arena_alloc(struct arena *a, size_t n);
/* Room for `n` pieces of `bytes` in all, in one block that is not larger: for an arena
 * that is kept, and whose owner knows what comes. */
void arena_reserve(struct arena *a, size_t n, size_t bytes);
void *arena_array(struct arena *a, size_t n, size_t size);
struct span arena_copy(struct arena *a, struct span s);
char *arena_str(struct arena *a, struct span s); // NUL-terminated
/* `x`, `between` and `y` as one, whole (SPAN_FMT cuts, for messages). */
struct span arena_join(struct arena *a, struct span x, const char *between,
                       struct span y);
struct span arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_reset(struct arena *a); // empty again; the newest block is kept
void arena_free(struct arena *a);  // usable again as from = {0}

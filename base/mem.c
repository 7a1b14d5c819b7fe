#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void (*on_exhausted)(size_t wanted);

void mem_on_exhausted(void (*goodbye)(size_t wanted))
{
    on_exhausted = goodbye;
}

static _Noreturn void exhausted(size_t wanted)
{
    if (on_exhausted != NULL)
        on_exhausted(wanted);
    fprintf(stderr, "out of memory: %zu bytes wanted\n", wanted);
    abort();
}

static size_t times(size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total))
        exhausted(SIZE_MAX);
    return total;
}

/* glibc's calloc() passes by what each thread keeps for its next malloc() (until 2.41):
 * it takes the lock, and what is freed piles up. */
#define SMALL 1024 // what a thread keeps at most

static void *zeroed(size_t n)
{
    if (n > SMALL)
        return calloc(1, n);
    void *p = malloc(n);
    return p == NULL ? NULL : memset(p, 0, n);
}

void *mem_alloc(size_t n)
{
    void *p = zeroed(n > 0 ? n : 1);

    if (p == NULL)
        exhausted(n);
    return p;
}

void *mem_array(size_t n, size_t size)
{
    return mem_alloc(times(n, size));
}

void *mem_grow(void *p, size_t n, size_t size)
{
    size_t total = times(n, size);
    void *grown = realloc(p, total > 0 ? total : 1);

    if (grown == NULL)
        exhausted(total);
    return grown;
}

char *mem_str(struct span s)
{
    char *p = mem_alloc(s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

/*
 * Blocks double up to a bound; a piece larger than a block gets one of its own.  Under
 * ASan a block holds one piece.
 */
#define BLOCK_FIRST 1024
#define BLOCK_MOST (64 * 1024)
#define ALIGN _Alignof(max_align_t)

#if defined(__SANITIZE_ADDRESS__)
#define ONE_PIECE_A_BLOCK true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_PIECE_A_BLOCK true
#endif
#endif
#ifndef ONE_PIECE_A_BLOCK
#define ONE_PIECE_A_BLOCK false
#endif

struct arena_block {
    struct arena_block *older;
    size_t n, cap;
    _Alignas(max_align_t) uint8_t bytes[];
};

/* What is in it is not zero yet: that is done by the piece. */
static struct arena_block *add_exactly(struct arena *a, size_t cap)
{
    struct arena_block *b = mem_grow(NULL, sizeof *b + cap, 1);

    *b = (struct arena_block){.older = a->blocks, .cap = cap};
    return a->blocks = b;
}

static struct arena_block *add_block(struct arena *a, size_t at_least)
{
    size_t cap = a->blocks == NULL ? BLOCK_FIRST : a->blocks->cap * 2;

    if (cap > BLOCK_MOST)
        cap = BLOCK_MOST;
    if (cap < at_least || ONE_PIECE_A_BLOCK)
        cap = at_least;
    return add_exactly(a, cap);
}

void arena_reserve(struct arena *a, size_t n, size_t bytes)
{
    size_t room = bytes + n * ALIGN; // what rounding may take

    if (ONE_PIECE_A_BLOCK ||
        (a->blocks != NULL && a->blocks->cap - a->blocks->n >= room))
        return;
    add_exactly(a, room);
}

/* Not zero. */
static void *take(struct arena *a, size_t n)
{
    size_t piece = n > SIZE_MAX - ALIGN ? n : (n + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_block *b = a->blocks;

    if (ONE_PIECE_A_BLOCK)
        b = add_block(a, n); // its true size, so that ASan sees the end
    else if (b == NULL || piece > b->cap - b->n)
        b = add_block(a, piece);
    void *p = b->bytes + b->n;
    b->n += ONE_PIECE_A_BLOCK ? n : piece;
    a->used += piece;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return memset(take(a, n), 0, n);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    return arena_alloc(a, times(n, size));
}

char *arena_str(struct arena *a, struct span s)
{
    char *p = take(a, s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

struct span arena_copy(struct arena *a, struct span s)
{
    return span_of(arena_str(a, s), s.n);
}

struct span arena_join(struct arena *a, struct span x, const char *between,
                       struct span y)
{
    size_t n = strlen(between);
    uint8_t *to = take(a, x.n + n + y.n + 1);

    if (x.n > 0)
        memcpy(to, x.p, x.n);
    memcpy(to + x.n, between, n);
    if (y.n > 0)
        memcpy(to + x.n + n, y.p, y.n);
    to[x.n + n + y.n] = 0;
    return span_of(to, x.n + n + y.n);
}

struct span arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    char *p = take(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return span_of(p, (size_t)n);
}

static void free_from(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *older = b->older;
        free(b);
        b = older;
    }
}

void arena_reset(struct arena *a)
{
    a->used = 0;
    if (a->blocks == NULL)
        return;
    free_from(a->blocks->older);
    a->blocks->older = NULL;
    a->blocks->n = 0;
    if (ONE_PIECE_A_BLOCK)
        arena_free(a);
}

void arena_free(struct arena *a)
{
    free_from(a->blocks);
    *a = (struct arena){0};
}

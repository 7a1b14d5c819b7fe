/*
 * place_inside.h - what the places share.  place.c has checked names and arguments.
 */
#pragma once

#include "http/client.h"
#include "place/place.h"

#define CHUNK (256 << 10)    // read from place_bytes at a time
#define ENTRIES_MOST 1000000 // of one directory
#define TIMEOUT_MS 30000
#define SLOWEST (256 << 10) // bytes a second a transfer must reach in all
#define STALL_MS 20000      // without progress, at most

struct place_list {
    struct arena *arena;
    struct place_entry *entries; // malloc'd
    size_t n, cap;
    const char *after; // NULL = all
};

/* Adds one, unless it is not behind `after`. */
enum err_kind place_list_add(struct place_list *l, struct span name,
                             const struct place_entry *entry, struct err *e) MUST_USE;

struct place_ops {
    const char *kind;
    enum err_kind (*write)(struct place *p, const char *tmp, const char *final,
                           const struct place_bytes *bytes, struct buf *ticket,
                           struct err *e);
    /* ERR_CONFLICT: it exists.  Reading it is the caller's. */
    enum err_kind (*claim)(struct place *p, const char *name, const char *tmp,
                           struct span body, struct err *e);
    enum err_kind (*finish)(struct place *p, struct span ticket, const char *final,
                            int64_t n, struct err *e);
    enum err_kind (*discard)(struct place *p, struct span ticket, const char *final,
                             struct err *e);
    enum err_kind (*pending)(struct place *p, struct span ticket, const char *final,
                             int64_t *n, struct err *e);
    enum err_kind (*list)(struct place *p, const char *dir, struct place_list *l,
                          struct err *e);
    enum err_kind (*read)(struct place *p, const char *name, int64_t at, size_t n,
                          struct buf *out, struct err *e);
    enum err_kind (*stat)(struct place *p, const char *name, struct place_entry *out,
                          struct err *e);
    enum err_kind (*remove)(struct place *p, const char *name, struct err *e);
    enum err_kind (*sweep)(struct place *p, int64_t age_ms,
                           bool (*keep)(void *arg, struct span id), void *arg,
                           size_t *swept, struct err *e);
    void (*close)(struct place *p);
};

struct place { // first in each place's own struct
    const struct place_ops *ops;
    struct place_settings s;
    char *shown;
    atomic_bool cancelled;
};

/* Settings are right for it, or ERR_INVALID.  `rest` is the URL behind "scheme://". */
enum err_kind place_local_open(struct place **out, const struct place_settings *s,
                               struct span rest, struct err *e) MUST_USE;
enum err_kind place_webhdfs_open(struct place **out, const struct place_settings *s,
                                 struct span rest, bool tls, struct err *e) MUST_USE;
enum err_kind place_s3_open(struct place **out, const struct place_settings *s,
                            struct span rest, struct err *e) MUST_USE;

/* A ticket that is the name of a private file, checked: it comes out of a claim. */
enum err_kind place_ticket_name(char out[PLACE_NAME + 1], struct span ticket,
                                struct err *e) MUST_USE;
int64_t place_timeout(const struct place *p);
int64_t place_stall(const struct place *p);
/* clock_ms() by which `n` bytes must be through. */
int64_t place_deadline(const struct place *p, int64_t n);
/* Appends the name with every part escaped for a URL. */
void place_put_path(struct buf *out, const char *name);
/* "final exists with 17 bytes, 42 were written": ERR_INTERNAL unless they agree. */
enum err_kind place_same_length(const char *name, int64_t found, int64_t wanted,
                                struct err *e) MUST_USE;

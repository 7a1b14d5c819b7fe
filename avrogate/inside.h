/*
 * inside.h - what the library's files know of each other; not installed.
 *
 * Inside we fail with struct err and wait until a clock_ms(); at the door that becomes
 * struct avrogate_error and a number of milliseconds.
 */
#pragma once

#include "avrogate/serde.h"
#include "registry-client/registry_client.h"

#include <stdatomic.h>

struct async;

struct avrogate_registry {
    struct rc *rc;
    struct async *async;
    int32_t timeout_ms, negative_ttl_ms;
};

struct avrogate_schema {
    atomic_uint holders;
    struct rc_schema s;
    char name[AV_FULLNAME_SHOWN];
};

/* Takes `s` over. */
struct avrogate_schema *schema_wrap(struct rc_schema *s);

/* ---- at the door ---- */

enum avrogate_kind give_error(struct avrogate_error *out, enum err_kind kind,
                              const struct err *e);
int64_t deadline_of(const struct avrogate_registry *r, int32_t timeout_ms);

/*
 * Copies a caller's options, which begin with their size, into ours of `n` bytes.  A
 * shorter one is of an older header: the rest stays zero.  ERR_INVALID: no size, or one
 * of a newer header that sets what we do not know.
 */
enum err_kind take_options(void *ours, size_t n, const void *theirs,
                           struct err *e) MUST_USE;

/* ---- a draft of our own ---- */

struct draft {
    struct rc_draft d; // points into `a`
    struct arena a;
};

/* ERR_INVALID: no text, a reference without name or subject. */
enum err_kind draft_init(struct draft *out, const char *text,
                         const struct avrogate_reference *references, size_t n,
                         bool normalize, struct err *e) MUST_USE;
void draft_free(struct draft *d);
/* The same of what a caller filled in. */
enum err_kind take_draft(struct draft *out, const struct avrogate_draft *theirs,
                         struct err *e) MUST_USE;

/* ---- the buffers ---- */

/* The memory of `out` as a buf of ours, empty; buffer_give() puts it back. */
struct buf buffer_take(struct avrogate_buffer *out, size_t limit);
void buffer_give(struct avrogate_buffer *out, struct buf *b, bool good);

/* ---- what is asked asynchronously ---- */

/* The schema of a topic, or of a message, learnt until `deadline_ms`. */
enum err_kind serializer_find(struct avrogate_serializer *s, const char *topic,
                              int64_t deadline_ms, struct avrogate_schema **out,
                              struct err *e) MUST_USE;
struct avrogate_registry *serializer_registry(const struct avrogate_serializer *s);

/* How a message names its schema. */
struct writer {
    bool by_guid;
    int32_t id;
    uint8_t guid[16];
};
enum err_kind deserializer_find(struct avrogate_deserializer *d, const struct writer *w,
                                int64_t deadline_ms, struct avrogate_schema **out,
                                struct err *e) MUST_USE;
enum err_kind writer_read(struct writer *out, struct span *body,
                          const struct avrogate_message *m, struct err *e) MUST_USE;
struct avrogate_registry *deserializer_registry(const struct avrogate_deserializer *d);

/* ---- async.c ---- */

struct async *async_open(struct avrogate_registry *r, size_t threads, size_t pending,
                         enum avrogate_completions where);
void async_close(struct async *a);

/*
 * registry_client.h - schemas from any Confluent-compatible registry, kept close.
 *
 * Works against Confluent's, Karapace, Apicurio's ccompat API and our own.
 *   - by id: an id never changes its meaning, so it never expires; one fetch per miss,
 *     other threads wait for it (single flight), each with its own deadline;
 *   - latest and by version: kept for `latest_ttl_ms`; while the registry is away the
 *     last answer goes on (rc_schema.stale tells);
 *   - "there is none" is remembered for `negative_ttl_ms`;
 *   - several URLs are tried in turn; the one that failed last is asked last.
 *
 * Any thread.  No lock is held across I/O.
 */
#pragma once

#include "avro-core/schema.h"
#include "registry-client/login.h"
#include "wire/api.h"

#include <stdatomic.h>

struct rc_options {
    const char *const *urls; // "http://127.0.0.1:8081", ...
    size_t n_urls;
    struct rc_login login;
    int64_t latest_ttl_ms;   // 0 = 30,000
    int64_t negative_ttl_ms; // 0 = 1,000
    size_t cached_ids;       // 0 = 10,000; the least recently used go first
};

/* Metadata and rules that stand beside a schema, as JSON objects; empty = none.
 * Immutable and counted, as the schema is. */
struct rc_beside {
    struct span metadata, rules;
    atomic_size_t users;
};

struct rc_schema {
    int32_t id;
    int32_t version;     // 0 when asked by id
    struct span subject; // empty when asked by id
    struct av_schema *schema;
    struct rc_beside *beside; // NULL where nothing stands beside it
    bool stale;               // the registry is away; this is what it said last
};

struct rc;

enum err_kind rc_open(struct rc **out, const struct rc_options *o,
                      struct err *e) MUST_USE;
void rc_close(struct rc *rc);
void rc_set_bearer(struct rc *rc, const char *token); // tokens expire; NULL = none

/*
 * Each fills *out, which rc_schema_free() gives back, and waits at most until
 * `deadline_ms` (by clock_ms(); 0 = from the cache or not at all, then
 * ERR_UNAVAILABLE). ERR_NOT_FOUND: the registry says there is none, its error code in
 * the message. ERR_UNAVAILABLE: nobody answered in time.  ERR_INVALID: it does not
 * parse, or is no Avro.
 */
enum err_kind rc_by_id(struct rc *rc, int32_t id, int64_t deadline_ms,
                       struct rc_schema *out, struct err *e) MUST_USE;
/* By the 16 bytes of its guid; id and version stay 0. */
enum err_kind rc_by_guid(struct rc *rc, const uint8_t guid[16], int64_t deadline_ms,
                         struct rc_schema *out, struct err *e) MUST_USE;
enum err_kind rc_latest(struct rc *rc, struct span subject, int64_t deadline_ms,
                        struct rc_schema *out, struct err *e) MUST_USE;
enum err_kind rc_by_version(struct rc *rc, struct span subject, int32_t version,
                            int64_t deadline_ms, struct rc_schema *out,
                            struct err *e) MUST_USE;
/*
 * Whoever finds that data does not fit the latest schema may doubt it: if it was learnt
 * before `before_ms` (by clock_ms()) it is asked for anew by the next call, which waits
 * for the answer, and this returns true.  What is stale is not doubted: the registry is
 * away.
 */
bool rc_doubt_latest(struct rc *rc, struct span subject, int64_t before_ms);
/* A schema that may not be registered yet. */
struct rc_draft {
    struct span text;
    const struct api_reference *references;
    size_t n_references;
    bool normalize; // the registry's normalize=true
};

/* Registers it, or finds it registered.  ERR_CONFLICT when incompatible.  Kept nowhere:
 * the registry is asked each time. */
enum err_kind rc_register(struct rc *rc, struct span subject,
                          const struct rc_draft *draft, int64_t deadline_ms,
                          struct rc_schema *out, struct err *e) MUST_USE;
/* Finds it registered, or ERR_NOT_FOUND.  The registry is asked each time. */
enum err_kind rc_lookup(struct rc *rc, struct span subject,
                        const struct rc_draft *draft, int64_t deadline_ms,
                        struct rc_schema *out, struct err *e) MUST_USE;
/* Parses `text` with what it refers to, which is asked for. */
enum err_kind rc_parse(struct rc *rc, const struct rc_draft *draft, int64_t deadline_ms,
                       struct av_schema **out, struct err *e) MUST_USE;
void rc_schema_free(struct rc_schema *s);
struct rc_schema rc_schema_copy(const struct rc_schema *s); // the same, held once more

/* Does anybody answer?  For /readyz. */
enum err_kind rc_ping(struct rc *rc, int64_t deadline_ms, struct err *e) MUST_USE;

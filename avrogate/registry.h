/*
 * avrogate/registry.h - schemas from any registry with Confluent's interface, kept
 * close.
 *
 * Confluent's own registry, Karapace, Apicurio (its ccompat API) and avrogate answer
 * the same questions.  What has been answered is kept:
 *   - an id never changes its meaning, so it is fetched once and never expires; many
 *     threads that miss it ask once, each with its own time limit;
 *   - the latest version is asked for anew after `latest_ttl_ms`; while every registry
 *     is away the last answer goes on, and avrogate_schema_stale() says so;
 *   - "there is none" is remembered for `negative_ttl_ms`;
 *   - several URLs are tried in turn; the one that failed last is asked last.
 *
 * Any thread may call anything here at any time, but close what another still uses.  No
 * lock is held while the network is waited for.  A call blocks for `timeout_ms` at
 * most; 0 answers from memory or not at all, for threads that must not wait; and each
 * question can be asked without waiting for its answer (below: asynchronous).
 *
 * Every struct that a caller fills begins with its own size, so that it may grow:
 *      struct avrogate_registry_options o = {.size = sizeof o, .urls = "http://..."};
 * What is left zero has its default.
 *
 * See avrogate-registry(7), avrogate_registry(3).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AVROGATE_API __attribute__((visibility("default")))
#define AVROGATE_MUST_USE __attribute__((warn_unused_result))

#define AVROGATE_REGISTRY_MAJOR 0
#define AVROGATE_REGISTRY_MINOR 1
#define AVROGATE_REGISTRY_PATCH 0
/* 0x000100 is 0.1.0: for #if AVROGATE_REGISTRY_VERSION >= ... */
#define AVROGATE_REGISTRY_VERSION                                   \
    (AVROGATE_REGISTRY_MAJOR << 16 | AVROGATE_REGISTRY_MINOR << 8 | \
     AVROGATE_REGISTRY_PATCH)

/* "0.1.0": of the library that is running, not of the header. */
AVROGATE_API const char *avrogate_registry_version(void);

/* ---- how a call fails ---- */

/* For the program: retry, set aside, or stop. */
enum avrogate_kind {
    AVROGATE_OK = 0,
    AVROGATE_INVALID,     // what was given is wrong and will be wrong next time too
    AVROGATE_NOT_FOUND,   // the registry says that there is none
    AVROGATE_CONFLICT,    // the registry refuses it: incompatible
    AVROGATE_LIMIT,       // larger or deeper than is handled
    AVROGATE_UNAVAILABLE, // nobody answered, or not in time: later it may
    AVROGATE_INTERNAL,    // a bug in the library
};

/* For the person: what was found, what was wanted, where.  Never NULL where a function
 * takes one; untouched by AVROGATE_OK. */
struct avrogate_error {
    enum avrogate_kind kind;
    int code; // the registry's error_code (40403, ...), 0 when it is not from there
    char message[240];
};

/* Bytes that belong to somebody else; not NUL-terminated. */
struct avrogate_bytes {
    const void *p;
    size_t n;
};

/* The machine is out of memory: called once before abort(), with the bytes wanted. */
AVROGATE_API void avrogate_on_exhausted(void (*goodbye)(size_t wanted));

/* ---- a registry ---- */

/* Where the callbacks of asynchronous calls run. */
enum avrogate_completions {
    AVROGATE_ON_OWN_THREADS, // of the library: they should be quick and never block
    AVROGATE_ON_DISPATCH,    // in avrogate_registry_dispatch(), in the caller's thread
};

struct avrogate_registry_options { // strings are copied
    size_t size;
    const char *urls; // "http://one:8081,http://two:8081"; a path after it is kept
    const char *user, *password;                // basic
    const char *bearer;                         // a token; see set_bearer
    const char *ca_file, *cert_file, *key_file; // TLS, PEM; NULL = the system's / none
    int32_t timeout_ms;      // what AVROGATE_PATIENCE means; 0 = 10,000
    int32_t latest_ttl_ms;   // 0 = 30,000
    int32_t negative_ttl_ms; // 0 = 1,000
    size_t cached_ids;       // 0 = 10,000; the least recently used go first
    size_t threads;          // of asynchronous calls; 0 = 2; started when needed
    size_t pending; // asynchronous calls waiting; 0 = 10,000, then AVROGATE_LIMIT
    enum avrogate_completions completions;
};

/* As `timeout_ms`: what the registry's options say. */
#define AVROGATE_PATIENCE (-1)

struct avrogate_registry;

/* Nothing is asked yet.  AVROGATE_INVALID: a URL that is none, a TLS file that cannot
 * be read. */
AVROGATE_API enum avrogate_kind avrogate_registry_open(
    struct avrogate_registry **out, const struct avrogate_registry_options *o,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/* After its serializers and deserializers.  What is being asked for asynchronously is
 * waited for, what waits ends as AVROGATE_UNAVAILABLE; callbacks not yet called are
 * called in here.  NULL is fine. */
AVROGATE_API void avrogate_registry_close(struct avrogate_registry *r);

/* From now on another token (they expire); NULL = none. */
AVROGATE_API void avrogate_registry_set_bearer(struct avrogate_registry *r,
                                               const char *token);

/* Does anybody answer? */
AVROGATE_API enum avrogate_kind avrogate_registry_ping(
    struct avrogate_registry *r, int32_t timeout_ms,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/* ---- a schema ---- */

/* Immutable and counted: share it among threads, release what you were given. */
struct avrogate_schema;

AVROGATE_API struct avrogate_schema *avrogate_schema_retain(struct avrogate_schema *s);
AVROGATE_API void avrogate_schema_release(struct avrogate_schema *s); // NULL is fine

/* What follows lives as long as the schema. */
AVROGATE_API int32_t avrogate_schema_id(const struct avrogate_schema *s); // 0 by guid
AVROGATE_API int32_t
avrogate_schema_version(const struct avrogate_schema *s); // 0 by id
AVROGATE_API const char *avrogate_schema_subject(const struct avrogate_schema *s); // ""
AVROGATE_API const char *avrogate_schema_name(const struct avrogate_schema *s);
AVROGATE_API struct avrogate_bytes avrogate_schema_text(
    const struct avrogate_schema *s);
/* The registry is away, and this is what it said last. */
AVROGATE_API bool avrogate_schema_stale(const struct avrogate_schema *s);

/* A type of another schema that this one uses by name. */
struct avrogate_reference {
    const char *name, *subject;
    int32_t version;
};

/* A schema to be registered or looked up. */
struct avrogate_draft {
    size_t size;
    const char *text;
    const struct avrogate_reference *references;
    size_t n_references;
    bool normalize; // the registry's normalize=true
};

/*
 * Each fills *out, to be released.  AVROGATE_NOT_FOUND: the registry says there is
 * none. AVROGATE_UNAVAILABLE: nobody answered in time.  AVROGATE_INVALID: it does not
 * parse, or is no Avro.
 */
AVROGATE_API enum avrogate_kind avrogate_schema_by_id(
    struct avrogate_registry *r, int32_t id, int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;
/* The 16 bytes of a guid, as messages carry it in a header (serde.h).  Not every
 * registry knows them. */
AVROGATE_API enum avrogate_kind avrogate_schema_by_guid(
    struct avrogate_registry *r, const uint8_t guid[16], int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API enum avrogate_kind avrogate_schema_latest(
    struct avrogate_registry *r, const char *subject, int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API enum avrogate_kind avrogate_schema_by_version(
    struct avrogate_registry *r, const char *subject, int32_t version,
    int32_t timeout_ms, struct avrogate_schema **out,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/* Registers it, or finds it registered: the same schema has the same id.  Asks the
 * registry each time.  AVROGATE_CONFLICT: incompatible with what the subject has. */
AVROGATE_API enum avrogate_kind avrogate_schema_register(
    struct avrogate_registry *r, const char *subject,
    const struct avrogate_draft *draft, int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;
/* Finds it registered, or AVROGATE_NOT_FOUND.  Asks the registry each time. */
AVROGATE_API enum avrogate_kind avrogate_schema_lookup(
    struct avrogate_registry *r, const char *subject,
    const struct avrogate_draft *draft, int32_t timeout_ms,
    struct avrogate_schema **out, struct avrogate_error *e) AVROGATE_MUST_USE;

/* ---- asynchronous ---- */

/*
 * Called once for each call that was accepted.  `s` and `e` are borrowed for the call;
 * `s` is NULL unless `kind` is AVROGATE_OK.  It may call anything but
 * avrogate_registry_close().
 */
struct avrogate_done {
    void (*call)(void *arg, enum avrogate_kind kind, struct avrogate_schema *s,
                 const struct avrogate_error *e);
    void *arg;
};

/*
 * The same questions, asked by the library's threads: these return at once.
 * AVROGATE_LIMIT: too many are waiting already, nothing will be called.  Who asks for
 * what is being asked for already shares the answer, and its time limit.
 */
AVROGATE_API enum avrogate_kind avrogate_schema_by_id_async(
    struct avrogate_registry *r, int32_t id, int32_t timeout_ms,
    struct avrogate_done done, struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API enum avrogate_kind avrogate_schema_latest_async(
    struct avrogate_registry *r, const char *subject, int32_t timeout_ms,
    struct avrogate_done done, struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API enum avrogate_kind avrogate_schema_by_version_async(
    struct avrogate_registry *r, const char *subject, int32_t version,
    int32_t timeout_ms, struct avrogate_done done,
    struct avrogate_error *e) AVROGATE_MUST_USE;
AVROGATE_API enum avrogate_kind avrogate_schema_register_async(
    struct avrogate_registry *r, const char *subject,
    const struct avrogate_draft *draft, int32_t timeout_ms, struct avrogate_done done,
    struct avrogate_error *e) AVROGATE_MUST_USE;

/*
 * With AVROGATE_ON_DISPATCH: readable while callbacks wait to be run, for poll() or
 * epoll; the registry's own, do not read or close it.  -1 with AVROGATE_ON_OWN_THREADS.
 */
AVROGATE_API int avrogate_registry_fd(const struct avrogate_registry *r);
/* Runs the callbacks that wait; returns how many.  One thread at a time. */
AVROGATE_API size_t avrogate_registry_dispatch(struct avrogate_registry *r);

#ifdef __cplusplus
}
#endif

/*
 * place.h - where staged files lie: a directory here, on HDFS, or below an S3 prefix.
 *
 *      file:///var/stage/weather
 *      webhdfs://nn1:9870,nn2:9870/stage/weather      (swebhdfs:// with TLS)
 *      s3://bucket/prefix
 *
 * Few verbs, made for one protocol: a file is written where nobody looks, a claim says
 * that it counts, and whoever comes finishes it.
 *
 *      write --> private bytes + ticket --claim--> one of many wins --finish--> final
 *
 * Promises, and tests/promises/place.c asks every place on its real server:
 *   - write(): ERR_OK means the bytes are durable, as many as were given, and no reader
 *     sees a final name; anything else left nothing that counts;
 *   - claim(): of any number of callers, anywhere, one gets ERR_OK; a claim is never
 *     seen without its whole body;
 *   - finish(): moves what the ticket names to its final name in one step, and may be
 *     repeated by anybody: "it is there, of that length" is ERR_OK;
 *   - an answer that was lost is ERR_UNAVAILABLE; the same call again finds out.
 *
 * What a failure means, the same for all places:
 *      ERR_UNAVAILABLE  try again: away, busy, full, in safe mode, or nobody heard
 *      ERR_CONFLICT     exists: claim() gives what is in it
 *      ERR_NOT_FOUND    gone: no such name
 *      ERR_INVALID      refused: credentials, permission, a name the place cannot have
 *      ERR_LIMIT        larger than the caller agreed to take
 *      ERR_INTERNAL     broken: what lies there is not what was written
 *
 * Names are relative, with '/' between their parts, no part empty, "." or "..", at most
 * PLACE_NAME bytes.  Below "_" at the start of a part lies what readers of the files
 * pass over (Spark, Hive, DuckDB and pyarrow do).
 *
 * One thread at a time uses a place; open one per thread.  place_cancel(): any.
 * Source: failure-model.md, section 4; docs/staging.md has what each server does.
 */
#pragma once

#include "base/buf.h"
#include "base/conf.h"
#include "base/mem.h"

#define PLACE_NAME 900

/* ERR_INVALID unless it is a name as above.  Every verb asks so of its own. */
enum err_kind place_check_name(const char *name, struct err *e) MUST_USE;

struct place_settings { // strings borrowed until place_close()
    const char *url;
    int64_t timeout_ms; // without an answer, or without progress; 0 = 30 s

    struct {               // webhdfs://
        const char *user;  // user.name; NULL = the process's user
        const char *token; // a delegation token instead
        // hosts a NameNode may send us to: "dn1", "10.0.0.7", "*.example.org";
        // none = any that is no link-local
        struct conf_list redirects;
        // address, and loopback only from loopback
    } hdfs;
    struct {                  // s3://
        const char *endpoint; // NULL = Amazon's, of the region
        const char *region;   // NULL = us-east-1
        const char *access_key, *secret_key, *session_token;
        int64_t part; // bytes of one part of an upload; 0 = 8 MiB
    } s3;
    const char *ca_file; // for TLS; NULL = the system's
};

struct place;

/* Looks at the settings only: ERR_INVALID says what is wrong with them. */
enum err_kind place_open(struct place **out, const struct place_settings *s,
                         struct err *e) MUST_USE;
void place_close(struct place *p); // NULL is fine
/* Whatever waits, waits no more, and every later call is ERR_UNAVAILABLE. */
void place_cancel(struct place *p);
/* "webhdfs://nn1:9870/stage": for messages and the audit, without secrets. */
const char *place_shown(const struct place *p);
const char *place_kind(const struct place *p); // "local", "hdfs", "s3"

/* What is to be written.  It can be read again from any byte, because a try can fail.
 */
struct place_bytes {
    enum err_kind (*read)(void *arg, int64_t at, uint8_t *p, size_t n, struct err *e);
    void *arg;
    int64_t n; // more than 0
};

/* Bytes in memory as place_bytes: `s` must outlive it. */
struct place_bytes place_bytes_of(const struct span *s);

/*
 * Writes `bytes` privately.  `tmp` is a name nobody else uses (below "_tmp/"), `final`
 * where finish() is going to put it.  `ticket` (reset first) gets what finish() needs:
 * text to be kept in the claim.  What an earlier try under `tmp` left is replaced.
 */
enum err_kind place_write(struct place *p, const char *tmp, const char *final,
                          const struct place_bytes *bytes, struct buf *ticket,
                          struct err *e) MUST_USE;

/*
 * Makes `name` with `body` (not empty, at most PLACE_CLAIM bytes) unless it exists;
 * then ERR_CONFLICT, with its body in `found` (reset first).  A body must differ from
 * everybody else's: finding one's own is ERR_OK, an answer had been lost.  `tmp` as for
 * write().
 */
#define PLACE_CLAIM (4 << 20)
enum err_kind place_claim(struct place *p, const char *name, const char *tmp,
                          struct span body, struct buf *found, struct err *e) MUST_USE;

/* ERR_NOT_FOUND: neither the private bytes nor the final file are there.
 * ERR_INTERNAL: something else has the final name. */
enum err_kind place_finish(struct place *p, struct span ticket, const char *final,
                           int64_t n, struct err *e) MUST_USE;
/* Gives private bytes up.  Gone already is ERR_OK. */
enum err_kind place_discard(struct place *p, struct span ticket, const char *final,
                            struct err *e) MUST_USE;

/* Asks whether finish() still has something to move.  ERR_NOT_FOUND: no private bytes;
 * ask for the name once more, for somebody may just have finished.  *n: so many, -1
 * where the place does not say. */
enum err_kind place_pending(struct place *p, struct span ticket, const char *final,
                            int64_t *n, struct err *e) MUST_USE;

struct place_entry {
    const char *name; // the last part
    int64_t bytes;
    int64_t modified_ms; // by the place's clock
    bool dir;
};

/* What lies directly in `dir` ("" = the place itself) with a name behind `after` (NULL
 * = all), in order of bytes.  A directory that is not there is empty.  At most a
 * million. */
enum err_kind place_list(struct place *p, const char *dir, const char *after,
                         struct arena *a, struct place_entry **out, size_t *n,
                         struct err *e) MUST_USE;
/* Appends the `n` bytes from `at` on, fewer at the end of the file. */
enum err_kind place_read(struct place *p, const char *name, int64_t at, size_t n,
                         struct buf *out, struct err *e) MUST_USE;
/* The name and the arena's part of *out are left alone. */
enum err_kind place_stat(struct place *p, const char *name, struct place_entry *out,
                         struct err *e) MUST_USE;
/* A file.  Gone already is ERR_OK. */
enum err_kind place_remove(struct place *p, const char *name, struct err *e) MUST_USE;

/*
 * Throws away private bytes older than `age_ms` (by the place's clock) that `keep` does
 * not want: asked with what every ticket of theirs contains.  *swept counts.
 */
enum err_kind place_sweep(struct place *p, int64_t age_ms,
                          bool (*keep)(void *arg, struct span id), void *arg,
                          size_t *swept, struct err *e) MUST_USE;

/* Makes a claim of its own twice: ERR_INVALID when the second was not refused, and no
 * exactly-once can stand on this place. */
enum err_kind place_probe(struct place *p, struct err *e) MUST_USE;

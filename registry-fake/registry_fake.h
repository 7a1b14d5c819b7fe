/*
 * avrogate/registry_fake.h - a schema registry in a test's own process, that misbehaves
 * on request.
 *
 * For the tests of whoever talks to a registry, by whatever client: it listens on a
 * free port of 127.0.0.1, answers from a table that the test fills (or that clients
 * fill by registering), and can be slow, cut answers off, reset connections, answer
 * with errors, garbage, the wrong schema, without end, in circles, or never.
 *
 *      struct registry_fake *f = registry_fake_start();
 *      int32_t id = registry_fake_add(f, "orders-value", "\"long\"", NULL);
 *      registry_fake_be(f, (struct registry_fake_mood){.how = REGISTRY_FAKE_RESETS},
 * 1);
 *      ... the client is given registry_fake_url(f): the first request is reset, the
 *          second answered ...
 *      registry_fake_stop(f);
 *
 * It knows GET /schemas/ids/{id}, /schemas/guids/{guid}, /subjects,
 * /subjects/{subject}/versions, /subjects/{subject}/versions/{version}, and
 * POST /subjects/{subject}[/versions]; it checks neither schemas nor compatibility.
 * Any thread.  In libavrogate-registry-fake, which needs nothing else of avrogate.
 *
 * See avrogate_registry_fake(3).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REGISTRY_FAKE_API __attribute__((visibility("default")))

struct registry_fake;

/* NULL when it cannot listen; errno says why. */
REGISTRY_FAKE_API struct registry_fake *registry_fake_start(void);
/* Cuts off whoever is being answered.  NULL is fine. */
REGISTRY_FAKE_API void registry_fake_stop(struct registry_fake *f);
/* "http://127.0.0.1:PORT"; lives as long as the fake. */
REGISTRY_FAKE_API const char *registry_fake_url(const struct registry_fake *f);

/*
 * Puts a schema into the table as the subject's next version, and returns its id: the
 * one it has already, or the next.  `references` is a JSON array as the registry's
 * interface has it, or NULL.
 */
REGISTRY_FAKE_API int32_t registry_fake_add(struct registry_fake *f,
                                            const char *subject, const char *schema,
                                            const char *references);
/* The guid that schema has: MD5 as the registry counts it. */
REGISTRY_FAKE_API bool registry_fake_guid(struct registry_fake *f, int32_t id,
                                          uint8_t guid[16]);
/* From now on every new schema of the subject is incompatible: 409. */
REGISTRY_FAKE_API void registry_fake_refuse(struct registry_fake *f,
                                            const char *subject);

enum registry_fake_how {
    REGISTRY_FAKE_KIND,      // as a registry does
    REGISTRY_FAKE_SLOW,      // the same, `ms` later
    REGISTRY_FAKE_NEVER,     // reads the question and says nothing
    REGISTRY_FAKE_STOPS,     // ends in the middle of the body
    REGISTRY_FAKE_RESETS,    // resets the connection instead of answering
    REGISTRY_FAKE_STATUS,    // answers `status` with an error_code of the interface
    REGISTRY_FAKE_STRANGER,  // answers `status` (404) as some other server would
    REGISTRY_FAKE_GARBAGE,   // 200, and no JSON, or `body`
    REGISTRY_FAKE_WRONG,     // another id, version and schema than was asked for
    REGISTRY_FAKE_HUGE,      // 200, JSON whose text has `bytes` bytes (1 GiB)
    REGISTRY_FAKE_REDIRECTS, // 302 to the same place, for ever
    REGISTRY_FAKE_CHANGES,   // a schema that is another at each answer
};

struct registry_fake_mood {
    enum registry_fake_how how;
    int status;       // STATUS: 500; STRANGER: 404
    int error_code;   // STATUS: 0 = 50001 for 500, else the status
    int32_t ms;       // SLOW: 1,000
    size_t bytes;     // HUGE
    const char *body; // GARBAGE: this instead; borrowed while it is the mood
};

/* The next `times` requests meet this mood, the ones after them the mood before; 0 =
 * all from now on. */
REGISTRY_FAKE_API void registry_fake_be(struct registry_fake *f,
                                        struct registry_fake_mood mood, size_t times);

/* How many requests came so far. */
REGISTRY_FAKE_API size_t registry_fake_asked(const struct registry_fake *f);
/* The last request, "GET /schemas/ids/7", and one of its header fields ("" when it had
 * none); cut to `n` bytes with their NUL. */
REGISTRY_FAKE_API void registry_fake_last(const struct registry_fake *f, char *out,
                                          size_t n);
REGISTRY_FAKE_API void registry_fake_last_header(const struct registry_fake *f,
                                                 const char *name, char *out, size_t n);

#ifdef __cplusplus
}
#endif

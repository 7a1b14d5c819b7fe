/*
 * rc.h - a schema registry in the test's own hands: stands in for registry-client at
 * link time, so include it in one file of a test.
 *
 * fake_registry.away makes every answer ERR_UNAVAILABLE.
 */
#pragma once

#include "registry-client/registry_client.h"

#define FAKE_SCHEMAS 16

static struct {
    struct av_schema *schemas[FAKE_SCHEMAS]; // id = index + 1
    int32_t latest;                          // 0 = the subject is not registered
    bool away;
    int asked;
} fake_registry;

static inline int32_t fake_register(const char *text)
{
    struct err e = {0};
    int32_t id = 1;

    while (fake_registry.schemas[id - 1] != NULL)
        id++;
    if (av_schema_parse(&fake_registry.schemas[id - 1], span_str(text), NULL, 0, NULL,
                        &e) != ERR_OK)
        return -1;
    return fake_registry.latest = id;
}

static inline void fake_registry_reset(void)
{
    for (int i = 0; i < FAKE_SCHEMAS; i++) {
        av_schema_release(fake_registry.schemas[i]);
        fake_registry.schemas[i] = NULL;
    }
    fake_registry.latest = 0;
    fake_registry.away = false;
    fake_registry.asked = 0;
}

static inline enum err_kind fake_answer(int32_t id, struct rc_schema *out,
                                        struct err *e)
{
    fake_registry.asked++;
    if (fake_registry.away)
        return err_set(e, ERR_UNAVAILABLE, "the registry is away");
    if (id < 1 || id > FAKE_SCHEMAS || fake_registry.schemas[id - 1] == NULL)
        return err_set(e, ERR_NOT_FOUND, "40403: no schema %d", id);
    *out = (struct rc_schema){
        .id = id, .schema = av_schema_retain(fake_registry.schemas[id - 1])};
    return ERR_OK;
}

enum err_kind rc_by_id(struct rc *rc, int32_t id, int64_t deadline_ms,
                       struct rc_schema *out, struct err *e)
{
    (void)rc, (void)deadline_ms;
    return fake_answer(id, out, e);
}

enum err_kind rc_latest(struct rc *rc, struct span subject, int64_t deadline_ms,
                        struct rc_schema *out, struct err *e)
{
    (void)rc, (void)subject, (void)deadline_ms;
    return fake_answer(fake_registry.latest, out, e);
}

void rc_schema_free(struct rc_schema *s)
{
    av_schema_release(s->schema);
}

struct rc_schema rc_schema_copy(const struct rc_schema *s)
{
    struct rc_schema copy = *s;

    av_schema_retain(s->schema);
    return copy;
}

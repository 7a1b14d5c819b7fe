#include "loaders/stage_schemas.h"

#include "avro-core/canon.h"
#include "base/tab.h"
#include "loaders/stage_claim.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEMAS_MOST 10000
#define TEXT_MOST ((size_t)16 << 20)

struct known {
    int32_t id;
    struct av_schema *schema; // held
    uint8_t key[32];          // of its normalized text
};

struct known_key {
    struct av_schema *schema; // held
    char name[STAGE_SCHEMA];
};

struct stage_schemas {
    struct sift_schemas sift;
    pthread_mutex_t lock;
    // under lock
    struct tab by_id, by_key, keys; // keys: of records, by their id
    size_t n;
    const struct known *latest;
    int64_t latest_ms;
};

/* Under the lock. */
static enum err_kind give(const struct known *k, struct rc_schema *out)
{
    *out = (struct rc_schema){.id = k->id, .schema = av_schema_retain(k->schema)};
    return ERR_OK;
}

static enum err_kind by_id(void *arg, int32_t id, struct rc_schema *out, struct err *e)
{
    struct stage_schemas *s = arg;

    pthread_mutex_lock(&s->lock);
    const struct known *k = tab_get_id(&s->by_id, id);
    enum err_kind rc = k != NULL ? give(k, out)
                                 : err_set(e, ERR_NOT_FOUND,
                                           "no staged file has schema id %" PRId32, id);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static enum err_kind latest(void *arg, struct rc_schema *out, struct err *e)
{
    struct stage_schemas *s = arg;

    pthread_mutex_lock(&s->lock);
    enum err_kind rc =
        s->latest != NULL
            ? give(s->latest, out)
            : err_set(e, ERR_NOT_FOUND, "no staged file's schema is known yet");
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Waiting does not bring it: what is staged is whole. */
static enum err_kind key_by_id(void *arg, int32_t id, struct rc_schema *out,
                               struct err *e)
{
    struct stage_schemas *s = arg;

    pthread_mutex_lock(&s->lock);
    const struct known_key *k = tab_get_id(&s->keys, id);
    if (k != NULL)
        *out = (struct rc_schema){.id = id, .schema = av_schema_retain(k->schema)};
    pthread_mutex_unlock(&s->lock);
    return k != NULL ? ERR_OK
                     : err_set(e, ERR_INVALID,
                               "no claim brings the schema of this key (it was not to "
                               "be had when the record was staged)");
}

struct stage_schemas *stage_schemas_open(void)
{
    struct stage_schemas *s = mem_alloc(sizeof *s);

    s->sift = (struct sift_schemas){by_id, key_by_id, latest, s};
    s->latest_ms = INT64_MIN;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void stage_schemas_close(struct stage_schemas *s)
{
    struct known *k;

    if (s == NULL)
        return;
    for (size_t at = 0; (k = tab_each(&s->by_id, &at, NULL)) != NULL;) {
        av_schema_release(k->schema);
        free(k);
    }
    struct known_key *key;
    for (size_t at = 0; (key = tab_each(&s->keys, &at, NULL)) != NULL;) {
        av_schema_release(key->schema);
        free(key);
    }
    tab_free(&s->by_id);
    tab_free(&s->by_key);
    tab_free(&s->keys);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Made of the text, so that every instance of a job says the same. */
static int32_t own_id(const struct stage_schemas *s, const uint8_t key[32])
{
    uint32_t n = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 |
                 (uint32_t)key[2] << 8 | key[3];

    n %= SCHEMAS_OWN - 1;
    while (tab_get_id(&s->by_id, SCHEMAS_OWN + (int32_t)n) != NULL)
        n = (n + 1) % (SCHEMAS_OWN - 1);
    return SCHEMAS_OWN + (int32_t)n;
}

/* Under the lock. */
static struct known *new_known(struct stage_schemas *s, struct av_schema *schema,
                               int64_t id, const uint8_t key[32])
{
    struct known *k = mem_alloc(sizeof *k);
    bool taken = id <= 0 || id >= SCHEMAS_OWN || tab_get_id(&s->by_id, id) != NULL;

    *k = (struct known){.id = taken ? own_id(s, key) : (int32_t)id,
                        .schema = av_schema_retain(schema)};
    memcpy(k->key, key, sizeof k->key);
    tab_put_id(&s->by_id, k->id, k);
    tab_put(&s->by_key, span_of(k->key, sizeof k->key), k);
    s->n++;
    return k;
}

static enum err_kind key_of(uint8_t key[32], const struct av_schema *schema,
                            struct err *e)
{
    struct buf text = BUF_INIT(TEXT_MOST);

    av_print_normalized(&text, schema);
    enum err_kind rc = buf_status(&text, e);
    av_sha256(key, buf_span(&text));
    buf_free(&text);
    return rc;
}

enum err_kind stage_schemas_add(struct stage_schemas *s, struct av_schema *schema,
                                int64_t id, int64_t made_ms, int32_t *out,
                                struct err *e)
{
    uint8_t key[32];

    TRY(key_of(key, schema, e));
    pthread_mutex_lock(&s->lock);
    struct known *k = tab_get(&s->by_key, span_of(key, sizeof key));
    if (k == NULL && s->n < SCHEMAS_MOST)
        k = new_known(s, schema, id, key);
    if (k != NULL && made_ms >= s->latest_ms) {
        s->latest = k;
        s->latest_ms = made_ms;
    }
    pthread_mutex_unlock(&s->lock);
    if (k == NULL)
        return err_set(e, ERR_LIMIT, "staged files of more than %d schemas",
                       SCHEMAS_MOST);
    *out = k->id;
    return ERR_OK;
}

enum err_kind stage_schemas_key_known(struct stage_schemas *s, int32_t id,
                                      const char *name, bool *known, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    const struct known_key *k = tab_get_id(&s->keys, id);
    bool same = k == NULL || strcmp(k->name, name) == 0;
    *known = k != NULL;
    pthread_mutex_unlock(&s->lock);
    return same ? ERR_OK
                : err_set(e, ERR_CONFLICT,
                          "schema id %" PRId32
                          " of keys means another schema than in an older claim: "
                          "staged by way of two registries?",
                          id);
}

void stage_schemas_add_key(struct stage_schemas *s, int32_t id, const char *name,
                           struct av_schema *schema)
{
    pthread_mutex_lock(&s->lock);
    if (tab_get_id(&s->keys, id) == NULL) {
        struct known_key *k = mem_alloc(sizeof *k);
        k->schema = av_schema_retain(schema);
        snprintf(k->name, sizeof k->name, "%s", name);
        tab_put_id(&s->keys, id, k);
    }
    pthread_mutex_unlock(&s->lock);
}

const struct sift_schemas *stage_schemas_sift(const struct stage_schemas *s)
{
    return &s->sift;
}

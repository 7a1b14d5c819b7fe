#include "gateway/codec.h"

#include <stdlib.h>

void codecs_init(struct codecs *t, size_t most)
{
    *t = (struct codecs){.most = most};
    pthread_mutex_init(&t->lock, NULL);
}

void codec_release(struct codec *c)
{
    if (c == NULL || atomic_fetch_sub(&c->users, 1) > 1)
        return;
    av_encoder_free(c->encoder);
    av_plan_free(c->plan);
    free(c);
}

static void drop_all(struct codecs *t)
{
    struct codec *c;

    for (size_t at = 0; (c = tab_each(&t->table, &at, NULL)) != NULL;)
        codec_release(c);
    tab_free(&t->table);
}

void codecs_free(struct codecs *t)
{
    drop_all(t);
    pthread_mutex_destroy(&t->lock);
}

static enum err_kind compile(struct codec **out, struct av_schema *schema,
                             const struct av_encode_options *o, struct err *e)
{
    struct codec *c = mem_alloc(sizeof *c);

    atomic_init(&c->users, 1);
    enum err_kind rc = av_encoder_new(&c->encoder, schema, o, e);
    if (rc == ERR_OK)
        rc = av_plan_new(&c->plan, schema, schema, e);
    if (rc != ERR_OK) {
        codec_release(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

static struct codec *find(struct codecs *t, int64_t key)
{
    pthread_mutex_lock(&t->lock);
    struct codec *c = tab_get_id(&t->table, key);
    if (c != NULL)
        atomic_fetch_add(&c->users, 1);
    pthread_mutex_unlock(&t->lock);
    return c;
}

/* Keeps `c` for the next one; a table that is full begins anew, which costs a
 * compilation a schema and nothing else. */
static void keep(struct codecs *t, int64_t key, struct codec *c)
{
    pthread_mutex_lock(&t->lock);
    if (t->table.n >= t->most)
        drop_all(t);
    atomic_fetch_add(&c->users, 1);
    struct codec *before = tab_put_id(&t->table, key, c);
    pthread_mutex_unlock(&t->lock);
    codec_release(before);
}

enum err_kind codec_get(struct codecs *t, int32_t id, struct av_schema *schema,
                        const struct av_encode_options *o, struct codec **out,
                        struct err *e)
{
    int64_t key = (int64_t)id << 8 | (int64_t)o->unknown_fields << 4 |
                  (int64_t)o->strict_avro_json << 3 | (int64_t)o->bytes_as;

    *out = find(t, key);
    if (*out != NULL)
        return ERR_OK;
    TRY(compile(out, schema, o, e));
    keep(t, key, *out);
    return ERR_OK;
}

/*
 * The schemas of staged files: what rows are written as, of the values in them where
 * they have an envelope, and of the keys of tombstones, which nobody behind us can ask
 * for.
 */
#include "loaders/sink_files_inside.h"

#include "avro-core/canon.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static enum err_kind store(struct files *f, const char *key, struct span printed,
                           struct err *e)
{
    struct buf found = BUF_INIT(PLACE_CLAIM);
    char name[STAGE_NAME], tmp[100];

    stage_schema_name(name, key);
    snprintf(tmp, sizeof tmp, "_tmp/%s-%" PRIu64 ".avsc", f->tag, ++f->seq);
    enum err_kind rc = place_claim(f->place, name, tmp, printed, &found, e);
    buf_free(&found);
    return rc == ERR_CONFLICT ? err_set(e, ERR_INTERNAL, "%.100s holds another", name)
                              : rc;
}

static enum err_kind store_schema(struct files *f, const struct av_schema *schema,
                                  const char *key, struct err *e)
{
    struct buf printed = BUF_INIT(PLACE_CLAIM);

    av_print_alone(&printed, schema);
    enum err_kind rc = buf_status(&printed, e);
    if (rc == ERR_OK)
        rc = store(f, key, buf_span(&printed), e);
    buf_free(&printed);
    return rc;
}

enum err_kind files_store_schemas(struct files *f, struct err *e)
{
    if (f->schema_there)
        return ERR_OK;
    TRY(store_schema(f, f->reader, f->schema, e));
    if (f->envelope != NULL)
        TRY(store_schema(f, f->value, f->value_key, e));
    f->schema_there = true;
    return ERR_OK;
}

static bool is_noted(const struct files_range *r, int32_t id)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (r->keys[i].id == id)
            return true;
    return false;
}

static enum err_kind store_key(struct files *f, const struct av_schema *schema,
                               char key[STAGE_SCHEMA], struct err *e)
{
    struct buf printed = BUF_INIT(PLACE_CLAIM);

    av_print_alone(&printed, schema);
    stage_schema_key(key, buf_span(&printed));
    enum err_kind rc = buf_status(&printed, e);
    if (rc == ERR_OK && tab_get(&f->keys, span_str(key)) == NULL)
        rc = store(f, key, buf_span(&printed), e);
    if (rc == ERR_OK)
        tab_put(&f->keys, span_str(key), f); // any pointer: it is there
    buf_free(&printed);
    return rc;
}

enum err_kind files_note_key(struct files *f, struct files_range *r, struct sift *sift,
                             const struct record *rec, struct err *why, struct err *e)
{
    struct av_schema *schema;
    struct frame frame;
    struct err none = {0};
    char key[STAGE_SCHEMA];

    if (frame_read(&frame, rec->key, &none) != ERR_OK || is_noted(r, frame.schema_id) ||
        sift_key_schema(sift, rec, &schema, &none) != ERR_OK || schema == NULL)
        return ERR_OK; // whoever reads it on finds out, as from the topic
    if (r->n_keys == STAGE_KEYS)
        return err_set(why, ERR_LIMIT, "keys of more than %d schemas in one file",
                       STAGE_KEYS);
    if (store_key(f, schema, key, e) != ERR_OK)
        return ERR_INTERNAL; // *e tells: not this record's fault
    r->keys = mem_grow(r->keys, r->n_keys + 1, sizeof *r->keys);
    r->keys[r->n_keys++] =
        (struct stage_key){frame.schema_id, arena_str(&r->keys_a, span_str(key))};
    return ERR_OK;
}

void files_free_schemas(struct files *f)
{
    envelope_free(f->envelope);
    av_schema_release(f->reader);
    av_schema_release(f->value);
    tab_free(&f->keys);
}

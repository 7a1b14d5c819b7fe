/*
 * stage_schemas.h - the schemas that staged files bring, as sift asks for them.
 *
 * A loader that reads a stage need not reach the registry: each claim names the schema
 * of its rows.  The latest is that of the newest claim seen; the id is the registry's
 * where the claim says it, else one made of the text, above SCHEMAS_OWN.
 *
 * Any thread.
 */
#pragma once

#include "loaders/sift.h"

#define SCHEMAS_OWN (1 << 30)

struct stage_schemas;

struct stage_schemas *stage_schemas_open(void);
void stage_schemas_close(struct stage_schemas *s); // NULL is fine

/* `id` 0 = it has none; `made_ms` of its claim.  ERR_LIMIT: too many. */
enum err_kind stage_schemas_add(struct stage_schemas *s, struct av_schema *schema,
                                int64_t id, int64_t made_ms, int32_t *out,
                                struct err *e) MUST_USE;

/* The schema of keys framed with this id, as it was in the registry; `name` tells texts
 * apart (stage_schema_name()).  Known: it has been added.  ERR_CONFLICT: the id means
 * another schema. */
enum err_kind stage_schemas_key_known(struct stage_schemas *s, int32_t id,
                                      const char *name, bool *known,
                                      struct err *e) MUST_USE;
void stage_schemas_add_key(struct stage_schemas *s, int32_t id, const char *name,
                           struct av_schema *schema);

/* Borrowed from it. */
const struct sift_schemas *stage_schemas_sift(const struct stage_schemas *s);

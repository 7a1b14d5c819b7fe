/*
 * may.h - which permission a request to the registry needs (docs/security.md).
 *
 * The door asks for what the path tells; what only the state or the body tells (a list,
 * an id, an alias, a reference) is asked where it is known.  Subjects are asked about
 * in the form they are kept in, ":.ctx:name", so that no other spelling gets by.
 */
#pragma once

#include "registry/api_inside.h"

/* Pure.  A row nobody thought of needs everything. */
void reg_ask_of(struct guard_ask *out, const struct http_req *r, struct arena *a);

#define REG_FORBIDDEN 40301 // not permitted; whoever says it has told the log

/* May whoever sent `r` do so to `subject`, qualified as it is kept? */
bool reg_may(const struct reg_api *api, const struct http_req *r, enum acl_op op,
             struct span subject);

/* Does `schema` stand anywhere they may read?  The first such place, or NULL. */
const struct reg_version *reg_place_shown(const struct reg_api *api,
                                          const struct http_req *r,
                                          const struct reg_schema *schema);

/* May they do so to each of what `schema`, sent for `subject`, refers to?  false: 403
 * in *no. */
bool reg_may_refer(const struct reg_api *api, const struct http_req *r,
                   const struct api_schema *schema, struct span subject,
                   struct arena *a, struct reg_refusal *no);

/* An alias gives away what may be done to the subject it names: only who may configure
 * that one sets it.  false: 403 in *no. */
bool reg_may_alias(const struct reg_api *api, const struct http_req *r,
                   const struct api_config *config, struct arena *a,
                   struct reg_refusal *no);

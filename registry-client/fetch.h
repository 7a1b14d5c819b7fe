/*
 * fetch.h - a schema with everything it refers to, fetched and parsed; kept nowhere.
 */
#pragma once

#include "registry-client/rest.h"

/*
 * GETs `path`, which answers with a Schema object, then its references (each a subject
 * and version, at most 16 deep and 200 in all), and parses.  Fills *out; id and version
 * are what the answer says, 0 where it does not.
 */
enum err_kind fetch_schema(struct rest *r, struct span path, int64_t deadline_ms,
                           struct rc_schema *out, struct err *e) MUST_USE;

/* Parses the text of `draft` after the schemas it refers to, which are fetched. */
enum err_kind fetch_references(struct rest *r, const struct rc_draft *draft,
                               int64_t deadline_ms, struct av_schema **out,
                               struct err *e) MUST_USE;

/* Appends "/subjects/<subject>/versions/<version>", escaped; version 0 = latest. */
void fetch_put_version_path(struct buf *out, struct span subject, int32_t version);

/*
 * etl_field.h - fields of the audit's rows as copy.h writes them, for every sink that
 * keeps etl_reject; and when too many records were set aside.
 *
 * Text comes from strangers: what is no UTF-8, and zero bytes, become '?'.
 * Pure; a buf belongs to one thread.
 */
#pragma once

#include "base/buf.h"

void etl_field_text(struct buf *out, struct span text);
void etl_field_text_or_null(struct buf *out, struct span text);   // NULL where it is ""
void etl_field_bytes_or_null(struct buf *out, struct span bytes); // p NULL = NULL
void etl_field_id(struct buf *out, const char *uuid);
/* A record's packed headers (batch.h) as jsonb: [{"name":..,"value":base64 or null}].
 */
void etl_field_headers(struct buf *out, struct span packed);

/* `bad` of a batch's `n` records cannot be loaded, `before` of the run were not.  Past
 * `floor` of a run and `limit` per cent of a batch: ERR_LIMIT, and `last` says why. */
enum err_kind etl_check_rejects(size_t bad, size_t n, size_t before, int64_t floor,
                                double limit, struct span last, struct err *e) MUST_USE;

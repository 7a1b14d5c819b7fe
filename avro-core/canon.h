/*
 * canon.h - a schema written back: printed form, canonical form, fingerprints.
 *
 * The *printed form* is what Confluent's registry stores and finds ids by: the parsed
 * schema written again by Avro Java (docs/printed-form.md has the rules).  *Normalized*
 * is the printed form under normalize=true.  The *parsing canonical form* and
 * CRC-64-AVRO are the Avro specification's ("Transforming into Parsing Canonical Form",
 * "Schema Fingerprints").  Pure; safe from any thread.
 */
#pragma once

#include "avro-core/schema.h"

/* Types inside each other, counted in the written text, where a type stands at its
 * first use.  What is deeper leaves `out` over (buf_status() says ERR_LIMIT). */
#define AV_PRINT_DEPTH 1000

/* A type that is the root of a reference is written by its name, not written out. */
void av_print(struct buf *out, const struct av_schema *s);
/* The printed form, but with references written out: for whoever has only this text. */
void av_print_alone(struct buf *out, const struct av_schema *s);
void av_print_normalized(struct buf *out, const struct av_schema *s);
void av_print_canonical(struct buf *out, const struct av_schema *s);

uint64_t av_crc64(struct span bytes); // CRC-64-AVRO (Rabin) of a canonical form
void av_md5(uint8_t out[16], struct span bytes);
void av_sha256(uint8_t out[32], struct span bytes);

/*
 * guid.h - the identity of a schema: what two schemas with one id have in common.
 *
 * MD5 over the text, then each reference (name, subject, version as int32 big-endian),
 * then metadata and rules where there are any, as Confluent computes it
 * (docs/registry.md has the rule).  The guid is those 16 bytes printed as a UUID.
 * Pure.
 */
#pragma once

#include "wire/api.h"

#define GUID_TEXT 37 // with its NUL

void guid_md5(uint8_t md5[16], const struct api_schema *s);
void guid_print(char out[GUID_TEXT], const uint8_t md5[16]);
/* ERR_INVALID when `text` is no guid.  Case is ignored. */
enum err_kind guid_read(uint8_t md5[16], struct span text, struct err *e) MUST_USE;

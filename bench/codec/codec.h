/*
 * codec.h - the peers of the codec's bench: each makes Avro of one record's JSON, or
 * reads it, in its own way.  All get the same bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The schema they all know: six fields, one of them nullable. */
extern const char schema_text[];

/* Behind each text 64 bytes may be read: simdjson wants that.  The Avro bytes written
 * to `to`; 0 when it failed. */
typedef size_t peer_encode(const uint8_t *json, size_t n, uint8_t *to);

size_t simdjson_record(const uint8_t *json, size_t n, uint8_t *to);
/* All records of a text, one a line, as simdjson likes it best. */
size_t simdjson_lines(const uint8_t *json, size_t n, uint8_t *to);

void avroc_begin(void);
void avroc_end(void);
size_t jansson_avroc(const uint8_t *json, size_t n, uint8_t *to);
/* Reads a datum and adds its values up, so that nothing is left out. */
double avroc_decode(const uint8_t *avro, size_t n, size_t *used);

#ifdef __cplusplus
}
#endif

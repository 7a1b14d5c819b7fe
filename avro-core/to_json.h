/*
 * to_json.h - a visitor that writes JSON.
 *
 * Plain JSON, as encode.h reads it: unions without wrappers, logical types as text (ISO
 * 8601, decimals exact, UUID), bytes and fixed as base64, NaN and infinities as the
 * strings "NaN", "Infinity", "-Infinity".  A value of a union that another branch could
 * read as well gets its wrapper, so that what is written here encodes to the same
 * datum, or is refused as ambiguous where a map could be meant (docs/json.md, unions,
 * 4).  A date or time that has no ISO form (a year of five digits) is its number. With
 * `avro_json`: the specification's JSON encoding, wrappers and \u00XX bytes.
 *
 * Refused, because no JSON of that schema says it: a decimal of more digits than its
 * precision, a malformed big-decimal (ERR_INVALID); more than `buf` holds, deeper than
 * AV_TO_JSON_DEPTH (ERR_LIMIT).  Then `out` holds half a value: buf_cut() it.
 *
 * A map's key that comes twice is written twice, as it was found.
 */
#pragma once

#include "avro-core/decode.h"

#define AV_TO_JSON_DEPTH 128

struct av_to_json {
    struct av_visitor visitor; // first: pass &w.visitor
    struct buf *out;           // borrowed; appended to
    bool avro_json;
    // private to to_json.c
    uint8_t depth;
    const struct av_node *chosen_of; // the union whose branch comes next, or NULL
    uint32_t chosen;
    struct {
        bool some;                       // something was written at this level
        bool wrapped;                    // a wrapper ends behind it
        const struct av_node *unsure_of; // a map's union: its first key decides
        uint32_t unsure;
    } level[AV_TO_JSON_DEPTH];
};

/* Once for any number of data; after a failed one, again. */
void av_to_json_init(struct av_to_json *w, struct buf *out, bool avro_json);

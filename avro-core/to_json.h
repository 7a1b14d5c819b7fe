/*
 * to_json.h - a visitor that writes JSON.
 *
 * Plain JSON, as encode.h reads it: unions without wrappers, logical types as text (ISO
 * 8601, decimals exact, UUID), bytes and fixed as base64, NaN and infinities as the
 * strings "NaN", "Infinity", "-Infinity".  A union two of whose branches would read
 * back alike gets its wrapper, so that what is written here always encodes to the same
 * datum. With `avro_json`: the specification's JSON encoding, wrappers and \u00XX
 * bytes.
 */
#pragma once

#include "avro-core/decode.h"

struct av_to_json {
    struct av_visitor visitor; // first: pass &w.visitor
    struct buf *out;           // borrowed; appended to
    bool avro_json;
    // private to to_json.c
    uint8_t depth;
    struct {
        uint8_t closes; // wrappers to close after the value that follows
        bool some;      // something was written at this level
    } level[128];
};

void av_to_json_init(struct av_to_json *w, struct buf *out, bool avro_json);

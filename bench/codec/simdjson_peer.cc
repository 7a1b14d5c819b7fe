// What one writes by hand for one schema, with simdjson On-Demand: as little as is
// correct.
#include "bench/codec/codec.h"

#include <cstring>
#include <simdjson.h>

using namespace simdjson;

static uint8_t *put_long(uint8_t *to, int64_t v)
{
    uint64_t x = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

    for (; x >= 0x80; x >>= 7)
        *to++ = (uint8_t)(x | 0x80);
    *to++ = (uint8_t)x;
    return to;
}

static uint8_t *put_string(uint8_t *to, std::string_view s)
{
    to = put_long(to, (int64_t)s.size());
    memcpy(to, s.data(), s.size());
    return to + s.size();
}

static uint8_t *put_double(uint8_t *to, double v)
{
    memcpy(to, &v, sizeof v);
    return to + sizeof v;
}

// Members in the schema's order, which is the fast way; find_field() goes on from the
// last one.
static uint8_t *put_record(uint8_t *to, ondemand::object record)
{
    to = put_string(to, record.find_field("device_id").get_string());
    to = put_long(to, record.find_field("seq").get_int64());
    to = put_long(to, record.find_field("recorded_at").get_int64());
    to = put_double(to, record.find_field("temperature").get_double());
    ondemand::value humidity = record.find_field("humidity");
    if (humidity.is_null()) {
        *to++ = 0;
    } else {
        *to++ = 2;
        to = put_double(to, humidity.get_double());
    }
    return put_string(to, record.find_field("location").get_string());
}

extern "C" size_t simdjson_record(const uint8_t *json, size_t n, uint8_t *to)
{
    static ondemand::parser parser;

    try {
        auto doc = parser.iterate(padded_string_view(json, n, n + SIMDJSON_PADDING));
        return (size_t)(put_record(to, doc.get_object()) - to);
    } catch (const simdjson_error &) {
        return 0;
    }
}

extern "C" size_t simdjson_lines(const uint8_t *json, size_t n, uint8_t *to)
{
    static ondemand::parser parser;
    uint8_t *first = to;

    try {
        ondemand::document_stream all = parser.iterate_many(json, n, 1 << 20);
        for (auto doc : all)
            to = put_record(to, doc.get_object());
        return (size_t)(to - first);
    } catch (const simdjson_error &) {
        return 0;
    }
}

/* jansson and avro-c, as their manuals show them. */
#include "bench/codec/codec.h"

#include <avro.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static avro_schema_t schema;
static avro_value_iface_t *iface;
static avro_value_t value;

void avroc_begin(void)
{
    if (avro_schema_from_json_length(schema_text, strlen(schema_text), &schema) != 0)
        abort();
    iface = avro_generic_class_from_schema(schema);
    avro_generic_value_new(iface, &value);
}

void avroc_end(void)
{
    avro_value_decref(&value);
    avro_value_iface_decref(iface);
    avro_schema_decref(schema);
}

static void set_string(const char *name, const json_t *record_b)
{
    const json_t *x = json_object_get(record_b, name);
    avro_value_t field;

    avro_value_get_by_name(&value, name, &field, NULL);
    avro_value_set_string_len(&field, (char *)(uintptr_t)json_string_value(x),
                              json_string_length(x) + 1);
}

static void set_long(const char *name, const json_t *record_b)
{
    avro_value_t field;

    avro_value_get_by_name(&value, name, &field, NULL);
    avro_value_set_long(&field, json_integer_value(json_object_get(record_b, name)));
}

static void set_nullable(const char *name, const json_t *record_b)
{
    const json_t *x = json_object_get(record_b, name);
    avro_value_t field, branch;

    avro_value_get_by_name(&value, name, &field, NULL);
    avro_value_set_branch(&field, json_is_null(x) ? 0 : 1, &branch);
    if (json_is_null(x))
        avro_value_set_null(&branch);
    else
        avro_value_set_double(&branch, json_number_value(x));
}

static size_t write_value(uint8_t *to)
{
    avro_writer_t w = avro_writer_memory((char *)to, 4096);
    size_t n = avro_value_write(w, &value) == 0 ? (size_t)avro_writer_tell(w) : 0;

    avro_writer_free(w);
    return n;
}

size_t jansson_avroc(const uint8_t *json, size_t n, uint8_t *to)
{
    json_t *record = json_loadb((const char *)json, n, 0, NULL);
    avro_value_t field;

    if (record == NULL)
        return 0;
    avro_value_reset(&value);
    set_string("device_id", record);
    set_long("seq", record);
    set_long("recorded_at", record);
    avro_value_get_by_name(&value, "temperature", &field, NULL);
    avro_value_set_double(&field,
                          json_number_value(json_object_get(record, "temperature")));
    set_nullable("humidity", record);
    set_string("location", record);
    json_decref(record);
    return write_value(to);
}

static double text_size(size_t field_index)
{
    avro_value_t field;
    const char *text;
    size_t n;

    avro_value_get_by_index(&value, field_index, &field, NULL);
    avro_value_get_string(&field, &text, &n);
    return (double)(n - 1); // its NUL counts
}

static double number(size_t field_index)
{
    avro_value_t field;
    int64_t x;

    avro_value_get_by_index(&value, field_index, &field, NULL);
    avro_value_get_long(&field, &x);
    return (double)x;
}

static double real(avro_value_t *field)
{
    double x;

    avro_value_get_double(field, &x);
    return x;
}

static double sum_value(void)
{
    avro_value_t temperature, humidity, branch;
    int which;

    avro_value_get_by_index(&value, 3, &temperature, NULL);
    avro_value_get_by_index(&value, 4, &humidity, NULL);
    avro_value_get_discriminant(&humidity, &which);
    avro_value_get_current_branch(&humidity, &branch);
    return text_size(0) + number(1) + number(2) + real(&temperature) +
           (which == 1 ? real(&branch) : 0) + text_size(5);
}

double avroc_decode(const uint8_t *avro, size_t n, size_t *used)
{
    avro_reader_t r = avro_reader_memory((const char *)avro, (int64_t)n);

    avro_value_reset(&value);
    if (avro_value_read(r, &value) != 0)
        abort();
    *used = n;
    avro_reader_free(r);
    return sum_value();
}

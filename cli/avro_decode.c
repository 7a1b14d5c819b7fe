/*
 * Twice over the file: once to know that all of it is good, once to write.  So nothing
 * of a refused file is written, and nothing but one record's JSON is kept.
 */
#include "avro-core/canon.h"
#include "avro-core/ocf.h"
#include "avro-core/to_json.h"
#include "cli/avro_inside.h"
#include "cli/input.h"
#include "wire/frame.h"

#include <stdio.h>

#define WRITE_AT ((size_t)64 * 1024)
#define FORM_MOST ((size_t)64 << 20) // of a canonical form

struct decoding {
    const struct avro_job *job;
    struct span file;
    struct av_schema *writer, *reader;
    struct av_plan *plan;
    struct av_to_json json;
    struct buf lines;
    bool writing;
};

/* A record was decoded into lines: ends its line, and writes or forgets it. */
static enum err_kind end_line(struct decoding *d, struct err *e)
{
    buf_put_u8(&d->lines, '\n');
    TRY(buf_status(&d->lines, e));
    if (d->writing && d->lines.n >= WRITE_AT)
        TRY(avro_write(buf_span(&d->lines), e));
    if (!d->writing || d->lines.n >= WRITE_AT)
        buf_reset(&d->lines);
    return ERR_OK;
}

static enum err_kind decode_message(struct decoding *d, struct err *e)
{
    const struct av_decode_limits lim = {.first = FRAME_HEAD};
    struct frame f;

    if (frame_read(&f, d->file, e) != ERR_OK)
        return err_prefix(e, "byte 0");
    TRY(av_decode_all(d->plan, f.body, &lim, &d->json.visitor, e));
    return end_line(d, e);
}

/* Data of no size are as many as one likes; one is what an empty file holds. */
static enum err_kind decode_data(struct decoding *d, struct err *e)
{
    struct av_decode_limits lim = {0};
    size_t used;

    for (size_t n = 1; n == 1 || lim.first < d->file.n; n++) {
        if (av_decode(d->plan, span_skip(d->file, lim.first), &lim, &d->json.visitor,
                      &used, e) != ERR_OK)
            return err_prefix(e, "record %zu", n);
        if (used == 0 && d->file.n > 0)
            return err_set(
                e, ERR_INVALID,
                "byte %zu: a datum of this schema takes no bytes, %zu are left",
                lim.first, d->file.n - lim.first);
        lim.first += used;
        TRY(end_line(d, e));
    }
    return ERR_OK;
}

static enum err_kind decode_container(struct decoding *d, struct err *e)
{
    struct av_ocf_reader *r;
    bool more = true;

    TRY(av_ocf_open(&r, d->file, NULL, e));
    enum err_kind k = ERR_OK;
    while (k == ERR_OK && more) {
        k = av_ocf_next(r, d->plan, &d->json.visitor, NULL, &more, e);
        if (k == ERR_OK && more)
            k = end_line(d, e);
    }
    av_ocf_close(r);
    return k;
}

static enum err_kind decode_once(struct decoding *d, enum avro_kind kind, struct err *e)
{
    av_to_json_init(&d->json, &d->lines, d->job->avro_json);
    switch (kind) {
    case KIND_OCF: return decode_container(d, e);
    case KIND_CONFLUENT: return decode_message(d, e);
    default: return decode_data(d, e);
    }
}

static enum avro_kind guess(const struct decoding *d)
{
    if (d->job->kind != KIND_GUESS)
        return d->job->kind;
    if (d->file.n >= 4 && memcmp(d->file.p, "Obj\x01", 4) == 0)
        return KIND_OCF;
    return KIND_DATUM;
}

static bool same_form(const struct av_schema *a, const struct av_schema *b)
{
    struct buf one = BUF_INIT(FORM_MOST), two = BUF_INIT(FORM_MOST);

    av_print_canonical(&one, a);
    av_print_canonical(&two, b);
    bool same = one.over || two.over || span_eq(buf_span(&one), buf_span(&two));
    buf_free(&one);
    buf_free(&two);
    return same;
}

/* A container brings its schema.  One given beside it says what the person takes it
 * for; to read it as that is another wish, with an option of its own. */
static enum err_kind check_given(const struct decoding *d, struct err *e)
{
    struct av_schema *given;

    if (d->job->schema == NULL)
        return ERR_OK;
    TRY(avro_schema_load(&given, d->job->schema, true, e));
    bool same = same_form(given, d->writer);
    av_schema_release(given);
    if (!same)
        return err_set(e, ERR_INVALID,
                       "byte 4: the file was written with another schema than %s; "
                       "--reader-schema reads it as that",
                       d->job->schema);
    return ERR_OK;
}

static enum err_kind load_writer(struct decoding *d, enum avro_kind kind, struct err *e)
{
    struct av_ocf_reader *r;

    if (kind != KIND_OCF && d->job->schema == NULL)
        return err_set(e, ERR_INVALID, "no --schema, and no object container file");
    if (kind != KIND_OCF)
        return avro_schema_load(&d->writer, d->job->schema, true, e);
    TRY(av_ocf_open(&r, d->file, NULL, e));
    d->writer = av_schema_retain(av_ocf_schema(r));
    av_ocf_close(r);
    return check_given(d, e);
}

static enum err_kind load_schemas(struct decoding *d, enum avro_kind kind,
                                  struct err *e)
{
    TRY(load_writer(d, kind, e));
    if (d->job->reader_schema != NULL)
        TRY(avro_schema_load(&d->reader, d->job->reader_schema, true, e));
    else
        d->reader = av_schema_retain(d->writer);
    return av_plan_new(&d->plan, d->writer, d->reader, e);
}

static enum err_kind decode(struct decoding *d, struct err *e)
{
    enum avro_kind kind = guess(d);

    TRY(load_schemas(d, kind, e));
    TRY(decode_once(d, kind, e));
    d->writing = true;
    TRY(decode_once(d, kind, e));
    return avro_write(buf_span(&d->lines), e);
}

int avro_decode_run(const struct avro_job *job)
{
    struct decoding d = {.job = job, .lines = BUF_INIT(AVRO_JSON_MOST)};
    struct buf file = BUF_INIT(AVRO_FILE_MOST);
    struct err e = {0};
    enum err_kind k = input_read(&file, job->file, &e);

    if (k == ERR_OK) {
        d.file = buf_span(&file);
        k = decode(&d, &e);
    }
    if (k != ERR_OK)
        fprintf(stderr, "avrogate avro decode: %s\n", e.msg);
    av_plan_free(d.plan);
    av_schema_release(d.writer);
    av_schema_release(d.reader);
    buf_free(&d.lines);
    buf_free(&file);
    return k == ERR_OK ? 0 : 1;
}

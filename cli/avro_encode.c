#include "avro-core/encode.h"
#include "avro-core/ocf.h"
#include "cli/avro_inside.h"
#include "cli/input.h"
#include "wire/frame.h"

#include <stdio.h>

#define OUTPUT_MOST ((size_t)8 << 30)

struct encoding {
    const struct avro_job *job;
    struct span text;
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct av_ocf_writer *container; // NULL for the other kinds
    struct buf datum, out;
    size_t records, refused;
    struct {
        size_t at, line; // the newest place asked for: lines are counted once
    } seen;
};

static size_t line_of(struct encoding *c, size_t at, size_t *column)
{
    size_t start = at;

    if (at < c->seen.at)
        c->seen.at = c->seen.line = 0;
    for (; c->seen.at < at; c->seen.at++)
        c->seen.line += c->text.p[c->seen.at] == '\n';
    while (start > 0 && c->text.p[start - 1] != '\n')
        start--;
    *column = at - start + 1;
    return c->seen.line + 1;
}

static void tell(struct encoding *c, const struct av_problems *problems)
{
    for (const struct av_problem *p = problems->first; p != NULL; p = p->next) {
        size_t column, line = line_of(c, p->offset, &column);

        fprintf(stderr, "avrogate avro encode: line %zu, column %zu: %.*s\n", line,
                column, (int)p->message.n, (const char *)p->message.p);
    }
    if (problems->more > 0)
        fprintf(stderr, "avrogate avro encode: %zu more problems in this record\n",
                problems->more);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(struct span text, size_t at)
{
    while (at < text.n && is_blank(text.p[at]))
        at++;
    return at;
}

/* What is no JSON may be one bad line: the next one is tried. */
static size_t skip_line(struct span text, size_t at)
{
    while (at < text.n && text.p[at] != '\n')
        at++;
    return at;
}

static void keep(struct encoding *c)
{
    if (c->container != NULL)
        av_ocf_write(c->container, buf_span(&c->datum));
    else
        buf_put(&c->out, buf_span(&c->datum));
}

#define PROBLEMS_MOST 100 // records refused, before it is no use to go on

static enum err_kind encode_one(struct encoding *c, size_t *at, struct err *e)
{
    struct av_problems problems = {0};
    size_t began = *at, column;

    buf_reset(&c->datum);
    c->records++;
    if (c->job->kind == KIND_CONFLUENT && c->records > 1)
        return err_set(e, ERR_INVALID,
                       "line %zu: a second record, a confluent file is one message",
                       line_of(c, began, &column));
    enum err_kind k = av_encode_next(c->encoder, c->text, at, &c->datum, &problems);
    if (k == ERR_OK) {
        keep(c);
    } else {
        c->refused++;
        tell(c, &problems);
        if (*at == began || av_problems_blame_json(&problems))
            *at = skip_line(c->text, *at);
    }
    av_problems_free(&problems);
    return ERR_OK;
}

static enum err_kind encode_all(struct encoding *c, struct err *e)
{
    size_t at = skip_blanks(c->text, 0);

    while (at < c->text.n && c->refused < PROBLEMS_MOST) {
        TRY(encode_one(c, &at, e));
        at = skip_blanks(c->text, at);
    }
    if (c->refused > 0)
        return err_set(e, ERR_INVALID,
                       "%zu of %zu records refused, nothing was written", c->refused,
                       c->records);
    if (c->job->kind == KIND_CONFLUENT && c->records == 0)
        return err_set(e, ERR_INVALID, "no record, a confluent file is one message");
    if (c->container != NULL)
        TRY(av_ocf_flush(c->container, e));
    return buf_status(&c->out, e);
}

static enum err_kind begin(struct encoding *c, struct err *e)
{
    const struct av_encode_options o = {
        .strict_avro_json = c->job->avro_json,
        .unknown_fields =
            c->job->ignore_unknown ? AV_UNKNOWN_IGNORE : AV_UNKNOWN_REJECT,
    };

    TRY(avro_schema_load(&c->schema, c->job->schema, false, e));
    TRY(av_encoder_new(&c->encoder, c->schema, &o, e));
    if (c->job->kind == KIND_OCF)
        return av_ocf_writer_new(&c->container, c->schema, c->job->codec, &c->out, e);
    if (c->job->kind == KIND_CONFLUENT)
        frame_write_head(&c->out, c->job->id);
    return ERR_OK;
}

static enum err_kind encode(struct encoding *c, struct err *e)
{
    TRY(begin(c, e));
    TRY(encode_all(c, e));
    return avro_write(buf_span(&c->out), e);
}

int avro_encode_run(const struct avro_job *job)
{
    struct encoding c = {
        .job = job, .datum = BUF_INIT(AVRO_JSON_MOST), .out = BUF_INIT(OUTPUT_MOST)};
    struct buf file = BUF_INIT(AVRO_FILE_MOST);
    struct err e = {0};
    enum err_kind k = input_read(&file, job->file, &e);

    if (k == ERR_OK) {
        c.text = buf_span(&file);
        k = encode(&c, &e);
    }
    if (k != ERR_OK)
        fprintf(stderr, "avrogate avro encode: %s\n", e.msg);
    av_ocf_writer_free(c.container);
    av_encoder_free(c.encoder);
    av_schema_release(c.schema);
    buf_free(&c.datum);
    buf_free(&c.out);
    buf_free(&file);
    return k == ERR_OK ? 0 : 1;
}

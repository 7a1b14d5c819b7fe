#include "format/format_inside.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

static const struct format_ops *const formats[] = {&format_parquet, &format_ocf,
                                                   &format_json, &format_csv};
#define N_FORMATS (sizeof formats / sizeof *formats)

const char format_names[] = "parquet, ocf, json, csv";

static bool is_called(const struct format_ops *f, const char *name)
{
    char with_commas[32];

    if (strcmp(f->name, name) == 0)
        return true;
    snprintf(with_commas, sizeof with_commas, ",%.20s,", name);
    return strstr(f->other_names, with_commas) != NULL;
}

static const struct format_ops *find(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (is_called(formats[i], name))
            return formats[i];
    return NULL;
}

static enum err_kind want(const struct format_ops **out, const char *name,
                          struct err *e)
{
    *out = find(name);
    if (*out == NULL)
        return err_set(e, ERR_INVALID, "format \"%.40s\" is none of %s", name,
                       format_names);
    return ERR_OK;
}

const char *format_suffix(const char *format)
{
    const struct format_ops *f = find(format);

    return f == NULL ? NULL : f->suffix;
}

const char *format_of_path(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot == NULL)
        return NULL;
    for (size_t i = 0; i < N_FORMATS; i++)
        if (strcasecmp(formats[i]->suffix, dot) == 0 || is_called(formats[i], dot + 1))
            return formats[i]->name;
    return NULL;
}

/* ---- writing ---- */

static const struct format_options defaults;

enum err_kind format_open(struct format_writer **out, const char *format,
                          struct av_schema *schema, const struct format_options *o,
                          const struct format_sink *to, struct err *e)
{
    const struct format_ops *f;

    TRY(want(&f, format, e));
    TRY(f->open(out, schema, o != NULL ? o : &defaults, to, e));
    (*out)->ops = f;
    (*out)->schema = av_schema_retain(schema);
    return ERR_OK;
}

enum err_kind format_append(struct format_writer *w, const struct av_plan *plan,
                            struct span datum, const struct av_decode_limits *lim,
                            struct err *e)
{
    assert(av_plan_reader(plan) == w->schema && !w->finished);
    TRY(w->ops->append(w, plan, datum, lim, e));
    w->rows++;
    return ERR_OK;
}

uint64_t format_rows(const struct format_writer *w)
{
    return w->rows;
}

enum err_kind format_cut(struct format_writer *w, struct err *e)
{
    return w->ops->cut != NULL ? w->ops->cut(w, e) : ERR_OK;
}

uint64_t format_bytes(const struct format_writer *w)
{
    return w->bytes + (w->finished ? 0 : w->ops->waiting(w));
}

bool format_note(struct format_writer *w, const char *key, const char *value)
{
    return w->ops->note != NULL && w->ops->note(w, key, value);
}

enum err_kind format_finish(struct format_writer *w, struct err *e)
{
    TRY(w->ops->finish(w, e));
    w->finished = true;
    return ERR_OK;
}

void format_close(struct format_writer *w)
{
    if (w == NULL)
        return;
    av_schema_release(w->schema);
    w->ops->close(w);
}

enum err_kind format_put(struct format_writer *w, struct span bytes, struct err *e)
{
    if (bytes.n == 0)
        return ERR_OK;
    TRY(w->to.write(w->to.ctx, bytes, e));
    w->bytes += bytes.n;
    return ERR_OK;
}

enum err_kind format_drain(struct format_writer *w, struct buf *b, bool now,
                           struct err *e)
{
    if (b->n < FORMAT_PIECE && !now)
        return ERR_OK;
    TRY(format_put(w, buf_span(b), e));
    buf_reset(b);
    return ERR_OK;
}

/* ---- reading ---- */

enum err_kind format_read(struct format_reader **out, const char *format,
                          struct av_schema *schema, const struct format_options *o,
                          const struct format_source *from, struct err *e)
{
    const struct format_ops *f;

    TRY(want(&f, format, e));
    TRY(f->read(out, schema, o != NULL ? o : &defaults, from, e));
    (*out)->ops = f;
    return ERR_OK;
}

struct av_schema *format_reader_schema(struct format_reader *r)
{
    return r->schema;
}

struct span format_reader_note(struct format_reader *r, const char *key)
{
    return r->ops->reader_note == NULL ? (struct span){0} : r->ops->reader_note(r, key);
}

enum err_kind format_next(struct format_reader *r, struct span *datum, bool *more,
                          struct err *e)
{
    TRY(r->ops->next(r, datum, more, e));
    r->rows += *more;
    return ERR_OK;
}

uint64_t format_reader_rows(const struct format_reader *r)
{
    return r->rows;
}

void format_reader_close(struct format_reader *r)
{
    if (r == NULL)
        return;
    av_schema_release(r->schema);
    r->ops->reader_close(r);
}

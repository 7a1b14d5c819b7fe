#include "http/coding.h"

#include "http/message.h"

#include <zlib.h>
#include <zstd.h>

#define RATIO 200
#define FREE_BYTES (1 << 20) // of output that no ratio is asked about
#define STEP (64 << 10)
#define WINDOW_LOG 23 // RFC 9659: 8 MiB

enum http_coding http_coding_of(struct span value)
{
    static const struct {
        const char *name;
        enum http_coding coding;
    } names[] = {{"", HTTP_IDENTITY},
                 {"identity", HTTP_IDENTITY},
                 {"gzip", HTTP_GZIP},
                 {"x-gzip", HTTP_GZIP},
                 {"zstd", HTTP_ZSTD}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (http_same(value, span_str(names[i].name)))
            return names[i].coding;
    return HTTP_CODING_UNKNOWN;
}

struct decoding {
    struct buf *out;
    struct span in;
    size_t before; // bytes that were in `out`
    const struct http_coding_limits *lim;
};

/* Room for the next piece, or why there is none. */
static enum err_kind next_room(struct decoding *d, uint8_t **p, size_t *room,
                               struct err *e)
{
    size_t ratio = d->lim->ratio > 0 ? d->lim->ratio : RATIO;
    size_t n = d->out->n - d->before, left = d->out->limit - d->out->n;

    if (n > FREE_BYTES && n / ratio > d->in.n)
        return err_set(e, ERR_LIMIT,
                       "the body becomes more than %zu times as large when it is "
                       "unpacked",
                       ratio);
    *room = left < STEP ? left : STEP;
    if (*room == 0)
        return err_set(e, ERR_LIMIT,
                       "the body is %zu bytes or longer when it is unpacked",
                       d->out->limit);
    if (d->lim->may_grow != NULL && !d->lim->may_grow(d->lim->who, *room))
        return err_set(e, ERR_UNAVAILABLE, "there is no room for the unpacked body");
    *p = buf_room(d->out, *room);
    return ERR_OK;
}

static enum err_kind refuse_gzip(const z_stream *z, struct err *e)
{
    return err_set(e, ERR_INVALID, "the body is no gzip: %s",
                   z->msg != NULL ? z->msg : "it ends too early");
}

static enum err_kind run_gzip(struct decoding *d, z_stream *z, struct err *e)
{
    z->next_in = (uint8_t *)(uintptr_t)d->in.p;
    z->avail_in = (uInt)d->in.n;
    for (;;) {
        uint8_t *p = NULL;
        size_t room = 0;

        TRY(next_room(d, &p, &room, e));
        z->next_out = p;
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        buf_added(d->out, room - z->avail_out);
        if (rc == Z_STREAM_END && z->avail_in == 0)
            return ERR_OK;
        if (rc == Z_STREAM_END)
            rc = inflateReset(z); // another member
        if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0))
            return refuse_gzip(z, e);
    }
}

static enum err_kind read_gzip(struct decoding *d, struct err *e)
{
    z_stream z = {0};

    if (d->in.n > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK) // 16: gzip only
        return err_set(e, ERR_LIMIT, "the body is too large to unpack");
    enum err_kind rc = run_gzip(d, &z, e);
    inflateEnd(&z);
    return rc;
}

static enum err_kind run_zstd(struct decoding *d, ZSTD_DCtx *z, struct err *e)
{
    ZSTD_inBuffer in = {d->in.p, d->in.n, 0};
    size_t left = 1;

    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG);
    while (in.pos < in.size || left != 0) {
        uint8_t *p = NULL;
        size_t room = 0;

        TRY(next_room(d, &p, &room, e));
        ZSTD_outBuffer out = {p, room, 0};
        left = ZSTD_decompressStream(z, &out, &in);
        buf_added(d->out, out.pos);
        if (ZSTD_isError(left))
            return err_set(e, ERR_INVALID, "the body is no zstd: %s",
                           ZSTD_getErrorName(left));
        if (left != 0 && in.pos == in.size && out.pos < room)
            return err_set(e, ERR_INVALID, "the body is no zstd: it ends too early");
    }
    return ERR_OK;
}

static enum err_kind read_zstd(struct decoding *d, struct err *e)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();

    if (z == NULL)
        return err_set(e, ERR_UNAVAILABLE, "no memory to unpack");
    enum err_kind rc = run_zstd(d, z, e);
    ZSTD_freeDCtx(z);
    return rc;
}

enum err_kind http_decode(struct buf *out, enum http_coding coding, struct span in,
                          const struct http_coding_limits *lim, struct err *e)
{
    struct decoding d = {.out = out, .in = in, .before = out->n, .lim = lim};

    switch (coding) {
    case HTTP_GZIP: return read_gzip(&d, e);
    case HTTP_ZSTD: return read_zstd(&d, e);
    case HTTP_IDENTITY: buf_put(out, in); return buf_status(out, e);
    default: return err_set(e, ERR_NOT_FOUND, "content encoding is not known");
    }
}

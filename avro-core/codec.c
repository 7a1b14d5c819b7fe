#include "avro-core/codec.h"

#include "base/mem.h"

#include <bzlib.h>
#include <lzma.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define CHECKSUM 4       // bytes of zlib that may stand behind deflate data
#define STEP (64 * 1024) // of output at a time: a claim of size costs nothing

/* Room for at most `most` more bytes within the limit; *n is how many, 0 at the limit.
 */
static uint8_t *some_room(struct buf *out, size_t most, size_t *n)
{
    *n = out->limit - out->n < most ? out->limit - out->n : most;
    return *n > 0 ? buf_room(out, *n) : NULL;
}

static enum err_kind too_much(const struct buf *out, struct err *e)
{
    return err_set(e, ERR_LIMIT, "block inflates to more than %zu bytes", out->limit);
}

/* ---- null ---- */

static enum err_kind null_copy(struct span in, struct buf *out, struct err *e)
{
    buf_put(out, in);
    return buf_status(out, e);
}

/* ---- deflate: RFC 1951, no head, no checksum ---- */

#define RAW (-15)

static enum err_kind inflate_into(z_stream *z, struct buf *out, struct err *e)
{
    int rc = Z_OK;

    while (rc == Z_OK) {
        size_t n;
        uint8_t extra, *room = some_room(out, STEP, &n);

        // At the limit the end of the stream may still be read, but no byte more.
        z->next_out = room != NULL ? room : &extra;
        z->avail_out = room != NULL ? (uInt)n : 1;
        uInt before = z->avail_out;
        rc = inflate(z, Z_NO_FLUSH);
        if (room == NULL && z->avail_out == 0)
            return too_much(out, e);
        if (room != NULL)
            buf_added(out, before - z->avail_out);
        if (rc == Z_OK && z->avail_in == 0 && z->avail_out > 0)
            return err_set(e, ERR_INVALID, "deflate data ends in its middle");
    }
    if (rc == Z_BUF_ERROR)
        return err_set(e, ERR_INVALID, "deflate data ends in its middle");
    if (rc != Z_STREAM_END)
        return err_set(e, ERR_INVALID, "deflate: %s",
                       z->msg != NULL ? z->msg : "broken");
    // Avro's own Python and fastavro write zlib without its head and the last byte of
    // its checksum, and leave the rest: Java's reader, and so everybody, passes over
    // it.
    if (z->avail_in > CHECKSUM)
        return err_set(e, ERR_INVALID, "%u bytes follow the deflate data", z->avail_in);
    return ERR_OK;
}

static enum err_kind deflate_inflate(struct span in, struct buf *out, struct err *e)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};

    if (in.n > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "deflate block of %zu bytes", in.n);
    if (inflateInit2(&z, RAW) != Z_OK)
        return err_set(e, ERR_INTERNAL, "zlib does not start");
    enum err_kind k = inflate_into(&z, out, e);
    inflateEnd(&z);
    return k;
}

static enum err_kind deflate_deflate(struct span in, struct buf *out, struct err *e)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, ERR_INTERNAL, "zlib does not start");
    size_t bound = deflateBound(&z, (uLong)in.n);
    uint8_t *room = buf_room(out, bound);
    if (room != NULL) {
        z.next_out = room;
        z.avail_out = (uInt)bound;
        int rc = deflate(&z, Z_FINISH);
        buf_added(out, bound - z.avail_out);
        if (rc != Z_STREAM_END)
            out->over = true;
    }
    deflateEnd(&z);
    return buf_status(out, e);
}

/* ---- snappy: its block format, then a CRC-32 of what was packed, big-endian ---- */

#define CRC 4

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum err_kind snappy_inflate(struct span in, struct buf *out, struct err *e)
{
    size_t n;

    if (in.n < CRC)
        return err_set(e, ERR_INVALID,
                       "snappy block of %zu bytes, its CRC alone takes %d", in.n, CRC);
    const char *packed = (const char *)in.p;
    if (snappy_uncompressed_length(packed, in.n - CRC, &n) != SNAPPY_OK)
        return err_set(e, ERR_INVALID, "snappy data is broken");
    if (n > out->limit - out->n)
        return too_much(out, e);
    // Before any memory is taken: 20 bytes can claim to be 4 GiB.
    if (snappy_validate_compressed_buffer(packed, in.n - CRC) != SNAPPY_OK)
        return err_set(e, ERR_INVALID, "snappy data is broken");
    uint8_t *room = buf_room(out, n);
    if (n > 0 && snappy_uncompress(packed, in.n - CRC, (char *)room, &n) != SNAPPY_OK)
        return err_set(e, ERR_INVALID, "snappy data is broken");
    buf_added(out, n);
    uint32_t is = (uint32_t)crc32(0, room, (uInt)n), said = be32(in.p + in.n - CRC);
    if (is != said)
        return err_set(e, ERR_INVALID,
                       "CRC-32 of the snappy block is %08x, it says %08x", is, said);
    return ERR_OK;
}

static enum err_kind snappy_deflate(struct span in, struct buf *out, struct err *e)
{
    size_t n = snappy_max_compressed_length(in.n);
    uint8_t *room = buf_room(out, n);

    if (room != NULL) {
        if (snappy_compress((const char *)in.p, in.n, (char *)room, &n) != SNAPPY_OK)
            return err_set(e, ERR_INTERNAL, "snappy does not compress");
        buf_added(out, n);
        buf_put_be32(out, (uint32_t)crc32(0, in.p, (uInt)in.n));
    }
    return buf_status(out, e);
}

/* ---- zstandard: RFC 8878, one frame ---- */

#define WINDOW_LOG 26 // 64 MiB: what a frame may ask us to remember

static enum err_kind zstd_into(ZSTD_DStream *z, ZSTD_inBuffer *in, struct buf *out,
                               struct err *e)
{
    size_t rest = 1;

    while (rest > 0) {
        size_t n, read = in->pos;
        uint8_t extra, *room = some_room(out, STEP, &n);
        ZSTD_outBuffer to = {room != NULL ? room : &extra, room != NULL ? n : 1, 0};

        rest = ZSTD_decompressStream(z, &to, in);
        if (ZSTD_isError(rest))
            return err_set(e, ERR_INVALID, "zstandard: %s", ZSTD_getErrorName(rest));
        if (room == NULL && to.pos > 0)
            return too_much(out, e);
        if (room != NULL)
            buf_added(out, to.pos);
        if (rest > 0 && to.pos < to.size && in->pos == in->size && in->pos == read)
            return err_set(e, ERR_INVALID, "zstandard data ends in its middle");
    }
    if (in->pos < in->size)
        return err_set(e, ERR_INVALID, "%zu bytes follow the zstandard frame",
                       in->size - in->pos);
    return ERR_OK;
}

static enum err_kind zstd_inflate(struct span in, struct buf *out, struct err *e)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer from = {in.p, in.n, 0};

    if (z == NULL)
        return err_set(e, ERR_INTERNAL, "zstandard does not start");
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG);
    enum err_kind k = zstd_into(z, &from, out, e);
    ZSTD_freeDStream(z);
    return k;
}

static enum err_kind zstd_deflate(struct span in, struct buf *out, struct err *e)
{
    size_t n = ZSTD_compressBound(in.n);
    uint8_t *room = buf_room(out, n);

    if (room != NULL) {
        n = ZSTD_compress(room, n, in.p, in.n, ZSTD_CLEVEL_DEFAULT);
        if (ZSTD_isError(n))
            return err_set(e, ERR_INTERNAL, "zstandard: %s", ZSTD_getErrorName(n));
        buf_added(out, n);
    }
    return buf_status(out, e);
}

/* ---- bzip2: one stream ---- */

static const char *bzip2_says(int rc)
{
    switch (rc) {
    case BZ_DATA_ERROR: return "a checksum is wrong";
    case BZ_DATA_ERROR_MAGIC: return "it does not begin like bzip2";
    case BZ_MEM_ERROR: return "out of memory";
    default: return "broken";
    }
}

static enum err_kind bunzip_into(bz_stream *z, struct buf *out, struct err *e)
{
    int rc = BZ_OK;

    while (rc == BZ_OK) {
        size_t n;
        uint8_t extra, *room = some_room(out, STEP, &n);

        z->next_out = room != NULL ? (char *)room : (char *)&extra;
        z->avail_out = room != NULL ? (unsigned)n : 1;
        unsigned before = z->avail_out;
        rc = BZ2_bzDecompress(z);
        if (room == NULL && z->avail_out == 0)
            return too_much(out, e);
        if (room != NULL)
            buf_added(out, before - z->avail_out);
        if (rc == BZ_OK && z->avail_in == 0 && z->avail_out > 0)
            return err_set(e, ERR_INVALID, "bzip2 data ends in its middle");
    }
    if (rc != BZ_STREAM_END)
        return err_set(e, ERR_INVALID, "bzip2: %s", bzip2_says(rc));
    // Avro's own Python and fastavro write zlib without its head and the last byte of
    // its checksum, and leave the rest: Java's reader, and so everybody, passes over
    // it.
    if (z->avail_in > CHECKSUM)
        return err_set(e, ERR_INVALID, "%u bytes follow the bzip2 data", z->avail_in);
    return ERR_OK;
}

static enum err_kind bzip2_inflate(struct span in, struct buf *out, struct err *e)
{
    bz_stream z = {.next_in = (char *)(uintptr_t)in.p, .avail_in = (unsigned)in.n};

    if (in.n > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "bzip2 block of %zu bytes", in.n);
    if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
        return err_set(e, ERR_INTERNAL, "bzip2 does not start");
    enum err_kind k = bunzip_into(&z, out, e);
    BZ2_bzDecompressEnd(&z);
    return k;
}

#define BZIP2_LEVEL 9 // what its own tool takes, and Avro Java

static enum err_kind bzip2_deflate(struct span in, struct buf *out, struct err *e)
{
    size_t bound = in.n + in.n / 100 + 600; // says bzip2's manual
    uint8_t *room = buf_room(out, bound);
    unsigned n = (unsigned)bound;

    if (room != NULL) {
        if (bound > UINT32_MAX ||
            BZ2_bzBuffToBuffCompress((char *)room, &n, (char *)(uintptr_t)in.p,
                                     (unsigned)in.n, BZIP2_LEVEL, 0, 0) != BZ_OK)
            return err_set(e, ERR_INTERNAL, "bzip2 does not compress");
        buf_added(out, n);
    }
    return buf_status(out, e);
}

/* ---- xz: one stream of the .xz format ---- */

#define XZ_MEMORY ((uint64_t)128 << 20) // what data may ask for; xz -9 asks for 65 MiB

static const char *xz_says(lzma_ret rc)
{
    switch (rc) {
    case LZMA_FORMAT_ERROR: return "it does not begin like xz";
    case LZMA_DATA_ERROR: return "broken";
    case LZMA_MEMLIMIT_ERROR: return "it wants more than 128 MiB of memory";
    case LZMA_BUF_ERROR: return "it ends in its middle";
    default: return "a feature that is not known";
    }
}

static enum err_kind unxz_into(lzma_stream *z, struct buf *out, struct err *e)
{
    lzma_ret rc = LZMA_OK;

    while (rc == LZMA_OK) {
        size_t n;
        uint8_t extra, *room = some_room(out, STEP, &n);

        z->next_out = room != NULL ? room : &extra;
        z->avail_out = room != NULL ? n : 1;
        size_t before = z->avail_out;
        rc = lzma_code(z, LZMA_FINISH);
        if (room == NULL && z->avail_out == 0)
            return too_much(out, e);
        if (room != NULL)
            buf_added(out, before - z->avail_out);
    }
    if (rc == LZMA_MEMLIMIT_ERROR)
        return err_set(e, ERR_LIMIT, "xz: %s", xz_says(rc));
    if (rc != LZMA_STREAM_END)
        return err_set(e, ERR_INVALID, "xz: %s", xz_says(rc));
    if (z->avail_in > 0)
        return err_set(e, ERR_INVALID, "%zu bytes follow the xz data", z->avail_in);
    return ERR_OK;
}

static enum err_kind xz_inflate(struct span in, struct buf *out, struct err *e)
{
    lzma_stream z = LZMA_STREAM_INIT;

    if (lzma_stream_decoder(&z, XZ_MEMORY, 0) != LZMA_OK)
        return err_set(e, ERR_INTERNAL, "xz does not start");
    z.next_in = in.p;
    z.avail_in = in.n;
    enum err_kind k = unxz_into(&z, out, e);
    lzma_end(&z);
    return k;
}

static enum err_kind xz_deflate(struct span in, struct buf *out, struct err *e)
{
    size_t n = 0, bound = lzma_stream_buffer_bound(in.n);
    uint8_t *room = buf_room(out, bound);

    if (room != NULL) {
        if (lzma_easy_buffer_encode(LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64, NULL, in.p,
                                    in.n, room, &n, bound) != LZMA_OK)
            return err_set(e, ERR_INTERNAL, "xz does not compress");
        buf_added(out, n);
    }
    return buf_status(out, e);
}

static const struct codec codecs[] = {
    {"null", null_copy, null_copy},
    {"deflate", deflate_inflate, deflate_deflate},
    {"snappy", snappy_inflate, snappy_deflate},
    {"zstandard", zstd_inflate, zstd_deflate},
    {"bzip2", bzip2_inflate, bzip2_deflate},
    {"xz", xz_inflate, xz_deflate},
};

const char codec_names[] = "null, deflate, snappy, zstandard, bzip2, xz";

const struct codec *codec_find(struct span name)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (span_eq(name, span_str(codecs[i].name)))
            return &codecs[i];
    return NULL;
}

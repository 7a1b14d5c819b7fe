#include "avro-core/ocf.h"

#include "avro-core/canon.h"
#include "avro-core/codec.h"
#include "avro-core/varint.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAGIC "Obj\x01"
#define SYNC 16
#define BLOCK_BYTES ((size_t)64 << 20)
#define HEADER_BYTES ((size_t)4 << 20)
#define META_MOST 1024      // entries of the header
#define EMPTY_MOST 1000000u // records that take no bytes, in a file

struct meta {
    struct span key, value;
};

struct av_ocf_reader {
    struct span file;
    struct span rest; // of the file, not yet looked at
    uint64_t base;    // where `file` stands in the file, when it is fed in pieces
    struct av_ocf_limits lim;
    struct meta *meta;
    size_t n_meta;
    struct av_schema *schema;
    const struct codec *codec;
    uint8_t sync[SYNC];

    // the block in hand
    struct buf inflated;
    struct span data; // its records, not yet read
    size_t data_n;    // so long it was
    size_t block_at;  // where its data stands in the file
    uint64_t left;    // records it still claims

    size_t records, empties;
};

static size_t offset(const struct av_ocf_reader *r)
{
    return (size_t)r->base + r->file.n - r->rest.n;
}

/* ---- the header: a map of bytes ---- */

static enum err_kind take_count(struct av_ocf_reader *r, const char *what, int64_t *out,
                                struct err *e)
{
    if (!varint_take(&r->rest, out))
        return err_set(e, ERR_INVALID, "byte %zu: %s is no number", offset(r), what);
    return ERR_OK;
}

static enum err_kind take_bytes(struct av_ocf_reader *r, struct span *out,
                                struct err *e)
{
    size_t at = offset(r);
    int64_t n = 0;

    TRY(take_count(r, "a length in the header", &n, e));
    if (n < 0 || (uint64_t)n > r->rest.n)
        return err_set(e, ERR_INVALID,
                       "byte %zu: %lld bytes in the header, %zu are left", at,
                       (long long)n, r->rest.n);
    *out = span_of(r->rest.p, (size_t)n);
    r->rest = span_skip(r->rest, (size_t)n);
    if (offset(r) > r->lim.header_bytes)
        return err_set(e, ERR_LIMIT, "byte %zu: a header of more than %zu bytes", at,
                       r->lim.header_bytes);
    return ERR_OK;
}

static enum err_kind take_entry(struct av_ocf_reader *r, struct err *e)
{
    struct meta m;
    size_t at = offset(r);

    TRY(take_bytes(r, &m.key, e));
    TRY(take_bytes(r, &m.value, e));
    for (size_t i = 0; i < r->n_meta; i++)
        if (span_eq(r->meta[i].key, m.key))
            return err_set(e, ERR_INVALID,
                           "byte %zu: the header has \"" SPAN_FMT "\" twice", at,
                           SPAN_ARG(m.key));
    r->meta[r->n_meta++] = m;
    return ERR_OK;
}

static enum err_kind take_entries(struct av_ocf_reader *r, int64_t n, struct err *e)
{
    if (n > META_MOST - (int64_t)r->n_meta)
        return err_set(e, ERR_LIMIT, "byte %zu: a header of more than %d entries",
                       offset(r), META_MOST);
    r->meta = mem_grow(r->meta, r->n_meta + (size_t)n, sizeof *r->meta);
    for (; n > 0; n--)
        TRY(take_entry(r, e));
    return ERR_OK;
}

static enum err_kind take_meta(struct av_ocf_reader *r, struct err *e)
{
    int64_t n = 0, size = 0;

    for (;;) {
        TRY(take_count(r, "the header's count", &n, e));
        if (n == 0)
            return ERR_OK;
        if (n == INT64_MIN)
            return err_set(e, ERR_INVALID, "byte %zu: the header's count", offset(r));
        if (n < 0) { // its size in bytes comes first; nothing is skipped by it
            TRY(take_count(r, "the header's size", &size, e));
            n = -n;
        }
        TRY(take_entries(r, n, e));
    }
}

static enum err_kind take_sync(struct av_ocf_reader *r, const uint8_t **out,
                               struct err *e)
{
    if (r->rest.n < SYNC)
        return err_set(e, ERR_INVALID,
                       "byte %zu: a sync marker takes %d bytes, %zu are left",
                       offset(r), SYNC, r->rest.n);
    *out = r->rest.p;
    r->rest = span_skip(r->rest, SYNC);
    return ERR_OK;
}

static enum err_kind find_codec(struct av_ocf_reader *r, struct err *e)
{
    struct span name = av_ocf_meta(r, "avro.codec");

    if (name.n == 0)
        name = span_str("null");
    r->codec = codec_find(name);
    if (r->codec == NULL)
        return err_set(e, ERR_INVALID, "codec \"" SPAN_FMT "\" is none of %s",
                       SPAN_ARG(name), codec_names);
    return ERR_OK;
}

static enum err_kind find_schema(struct av_ocf_reader *r, struct err *e)
{
    const struct av_parse_limits written_long_ago = {.keep_bad_defaults = true};
    struct span text = av_ocf_meta(r, "avro.schema");

    if (text.n == 0)
        return err_set(e, ERR_INVALID, "the header has no avro.schema");
    enum err_kind k = av_schema_parse(&r->schema, text, NULL, 0, &written_long_ago, e);
    if (k != ERR_OK)
        return err_prefix(e, "avro.schema, byte %zu", (size_t)(text.p - r->file.p));
    return ERR_OK;
}

static enum err_kind read_header(struct av_ocf_reader *r, struct err *e)
{
    const size_t magic = strlen(MAGIC);
    const uint8_t *sync = NULL;

    if (r->file.n < magic || memcmp(r->file.p, MAGIC, magic) != 0)
        return err_set(
            e, ERR_INVALID,
            "byte 0: no object container file: it does not begin with Obj 0x01");
    r->rest = span_skip(r->file, magic);
    TRY(take_meta(r, e));
    TRY(take_sync(r, &sync, e));
    memcpy(r->sync, sync, SYNC);
    TRY(find_codec(r, e));
    return find_schema(r, e);
}

enum err_kind av_ocf_open(struct av_ocf_reader **out, struct span file,
                          const struct av_ocf_limits *lim, struct err *e)
{
    struct av_ocf_reader *r = mem_alloc(sizeof *r);

    r->file = file;
    if (lim != NULL)
        r->lim = *lim;
    if (r->lim.block_bytes == 0)
        r->lim.block_bytes = BLOCK_BYTES;
    if (r->lim.header_bytes == 0)
        r->lim.header_bytes = HEADER_BYTES;
    r->inflated = BUF_INIT(r->lim.block_bytes);

    enum err_kind k = read_header(r, e);
    if (k != ERR_OK) {
        av_ocf_close(r);
        return k;
    }
    *out = r;
    return ERR_OK;
}

void av_ocf_close(struct av_ocf_reader *r)
{
    if (r == NULL)
        return;
    av_schema_release(r->schema);
    buf_free(&r->inflated);
    free(r->meta);
    free(r);
}

struct av_schema *av_ocf_schema(struct av_ocf_reader *r)
{
    return r->schema;
}

const char *av_ocf_codec(const struct av_ocf_reader *r)
{
    return r->codec->name;
}

struct span av_ocf_meta(const struct av_ocf_reader *r, const char *key)
{
    for (size_t i = 0; i < r->n_meta; i++)
        if (span_eq(r->meta[i].key, span_str(key)))
            return r->meta[i].value;
    return (struct span){0};
}

/* ---- blocks ---- */

static bool is_packed(const struct av_ocf_reader *r)
{
    return r->codec != codec_find(span_str("null"));
}

static enum err_kind open_data(struct av_ocf_reader *r, struct span data, struct err *e)
{
    if (!is_packed(r)) {
        r->data = data;
    } else {
        buf_reset(&r->inflated);
        if (r->codec->inflate(data, &r->inflated, e) != ERR_OK)
            return err_prefix(e, "block at byte %zu", r->block_at);
        r->data = buf_span(&r->inflated);
    }
    r->data_n = r->data.n;
    return ERR_OK;
}

static enum err_kind next_block(struct av_ocf_reader *r, struct err *e)
{
    size_t at = offset(r);
    int64_t count = 0, size = 0;
    const uint8_t *sync = NULL;

    TRY(take_count(r, "a block's count", &count, e));
    TRY(take_count(r, "a block's size", &size, e));
    if (count < 0 || size < 0 || (uint64_t)size > r->rest.n)
        return err_set(e, ERR_INVALID,
                       "byte %zu: block of %lld records in %lld bytes, %zu are left",
                       at, (long long)count, (long long)size, r->rest.n);
    r->block_at = offset(r);
    struct span data = span_of(r->rest.p, (size_t)size);
    r->rest = span_skip(r->rest, (size_t)size);
    size_t sync_at = offset(r);
    TRY(take_sync(r, &sync, e));
    if (memcmp(sync, r->sync, SYNC) != 0)
        return err_set(e, ERR_INVALID, "byte %zu: not the sync marker of this file",
                       sync_at);
    r->left = (uint64_t)count;
    return open_data(r, data, e);
}

/* Puts in front of an error which record it was; its bytes count from the file's first,
 * or from the first of an inflated block. */
static enum err_kind blame(const struct av_ocf_reader *r, struct err *e)
{
    if (!is_packed(r))
        return err_prefix(e, "record %zu", r->records + 1);
    return err_prefix(e, "record %zu, in the inflated block at byte %zu",
                      r->records + 1, r->block_at);
}

static enum err_kind check_empty(struct av_ocf_reader *r, size_t used, struct err *e)
{
    if (used > 0 || ++r->empties <= EMPTY_MOST)
        return ERR_OK;
    return err_set(e, ERR_LIMIT, "more than %u records that take no bytes", EMPTY_MOST);
}

static enum err_kind next_record(struct av_ocf_reader *r, const struct av_plan *plan,
                                 struct av_visitor *v, struct span *datum,
                                 struct err *e)
{
    struct av_decode_limits lim = r->lim.decode;
    size_t used;

    lim.first = r->data_n - r->data.n + (is_packed(r) ? 0 : r->block_at);
    if (av_decode(plan, r->data, &lim, v, &used, e) != ERR_OK ||
        check_empty(r, used, e) != ERR_OK)
        return blame(r, e);
    if (datum != NULL)
        *datum = span_of(r->data.p, used);
    r->data = span_skip(r->data, used);
    r->left--;
    r->records++;
    return ERR_OK;
}

enum err_kind av_ocf_next(struct av_ocf_reader *r, const struct av_plan *plan,
                          struct av_visitor *v, struct span *datum, bool *more,
                          struct err *e)
{
    while (r->left == 0) {
        if (r->data.n > 0)
            return err_set(
                e, ERR_INVALID,
                "block at byte %zu: %zu bytes follow the last of its records",
                r->block_at, r->data.n);
        if (r->rest.n == 0) {
            *more = false;
            return ERR_OK;
        }
        TRY(next_block(r, e));
    }
    TRY(next_record(r, plan, v, datum, e));
    *more = true;
    return ERR_OK;
}

size_t av_ocf_records(const struct av_ocf_reader *r)
{
    return r->records;
}

size_t av_ocf_at(const struct av_ocf_reader *r)
{
    if (r->left == 0 && r->data.n == 0)
        return offset(r);
    return r->block_at + (is_packed(r) ? 0 : r->data_n - r->data.n);
}

void av_ocf_feed(struct av_ocf_reader *r, struct span blocks, uint64_t at)
{
    r->base = at;
    r->file = r->rest = blocks;
}

/* ---- writing ---- */

#define BLOCK_WRITTEN (64 * 1024)
#define BLOCK_MOST ((size_t)1 << 30)

struct av_ocf_writer {
    const struct codec *codec;
    struct buf *out; // borrowed
    struct buf block, packed;
    int64_t count;
    struct err failed; // of a block that was ended on the way
    uint8_t sync[SYNC];
};

static enum err_kind draw_sync(uint8_t sync[SYNC], struct err *e)
{
    if (getrandom(sync, SYNC, 0) != SYNC)
        return err_set(e, ERR_UNAVAILABLE, "no random bytes: %s", strerror(errno));
    return ERR_OK;
}

static void put_bytes(struct buf *out, struct span bytes)
{
    varint_append(out, (int64_t)bytes.n);
    buf_put(out, bytes);
}

static void put_entry(struct buf *out, const char *key, struct span value)
{
    put_bytes(out, span_str(key));
    put_bytes(out, value);
}

static void put_header(struct av_ocf_writer *w, struct span schema,
                       const struct av_ocf_note *notes, size_t n)
{
    buf_put_str(w->out, MAGIC);
    varint_append(w->out, (int64_t)n + 2);
    put_entry(w->out, "avro.schema", schema);
    put_entry(w->out, "avro.codec", span_str(w->codec->name));
    for (size_t i = 0; i < n; i++)
        put_entry(w->out, notes[i].key, notes[i].value);
    varint_append(w->out, 0);
    buf_put(w->out, span_of(w->sync, SYNC));
}

/* The header's schema has nobody to refer to. */
static bool stands_alone(const struct av_schema *s)
{
    for (uint32_t i = 0; i < av_schema_nodes(s); i++)
        if (av_schema_node(s, i)->borrowed_from.n > 0)
            return false;
    return true;
}

static enum err_kind schema_text(struct buf *out, const struct av_schema *s,
                                 struct err *e)
{
    if (stands_alone(s))
        buf_put(out, av_schema_text(s));
    else
        av_print_alone(out, s);
    if (buf_status(out, e) != ERR_OK)
        return err_prefix(e, "avro.schema");
    return ERR_OK;
}

static bool is_known(const struct av_ocf_note *notes, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(notes[i].key, key) == 0)
            return true;
    return false;
}

static enum err_kind check_notes(const struct av_ocf_note *notes, size_t n,
                                 struct err *e)
{
    if (n > META_MOST - 2)
        return err_set(e, ERR_LIMIT, "a header of more than %d entries", META_MOST);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(notes[i].key, "avro.", 5) == 0)
            return err_set(e, ERR_INVALID, "a note called \"%.80s\": avro. is reserved",
                           notes[i].key);
        if (is_known(notes, i, notes[i].key))
            return err_set(e, ERR_INVALID, "the note \"%.80s\" is there twice",
                           notes[i].key);
    }
    return ERR_OK;
}

enum err_kind av_ocf_writer_new(struct av_ocf_writer **out, const struct av_schema *s,
                                const char *codec, struct buf *to, struct err *e)
{
    return av_ocf_writer_new_noted(out, s, codec, NULL, 0, to, e);
}

enum err_kind av_ocf_writer_new_noted(struct av_ocf_writer **out,
                                      const struct av_schema *s, const char *codec,
                                      const struct av_ocf_note *notes, size_t n_notes,
                                      struct buf *to, struct err *e)
{
    const struct codec *c = codec_find(span_str(codec));
    uint8_t sync[SYNC];

    if (c == NULL)
        return err_set(e, ERR_INVALID, "codec \"%.40s\" is none of %s", codec,
                       codec_names);
    TRY(check_notes(notes, n_notes, e));
    TRY(draw_sync(sync, e));

    struct buf text = BUF_INIT(HEADER_BYTES);
    enum err_kind k = schema_text(&text, s, e);
    if (k != ERR_OK) {
        buf_free(&text);
        return k;
    }

    struct av_ocf_writer *w = mem_alloc(sizeof *w);
    w->codec = c;
    w->out = to;
    w->block = BUF_INIT(BLOCK_MOST);
    w->packed = BUF_INIT(BLOCK_MOST + BLOCK_MOST / 4);
    memcpy(w->sync, sync, SYNC);
    put_header(w, buf_span(&text), notes, n_notes);
    buf_free(&text);
    *out = w;
    return ERR_OK;
}

static enum err_kind end_block(struct av_ocf_writer *w, struct err *e)
{
    if (w->count == 0)
        return ERR_OK;
    buf_reset(&w->packed);
    TRY(buf_status(&w->block, e));
    TRY(w->codec->deflate(buf_span(&w->block), &w->packed, e));
    varint_append(w->out, w->count);
    put_bytes(w->out, buf_span(&w->packed));
    buf_put(w->out, span_of(w->sync, SYNC));
    buf_reset(&w->block);
    w->count = 0;
    return buf_status(w->out, e);
}

void av_ocf_write(struct av_ocf_writer *w, struct span datum)
{
    buf_put(&w->block, datum);
    w->count++;
    if (w->block.n >= BLOCK_WRITTEN && w->failed.kind == ERR_OK)
        (void)!end_block(w, &w->failed); // told by the next flush
}

enum err_kind av_ocf_flush(struct av_ocf_writer *w, struct err *e)
{
    if (w->failed.kind != ERR_OK) {
        *e = w->failed;
        return e->kind;
    }
    return end_block(w, e);
}

size_t av_ocf_waiting(const struct av_ocf_writer *w)
{
    return w->block.n;
}

void av_ocf_writer_free(struct av_ocf_writer *w)
{
    if (w == NULL)
        return;
    buf_free(&w->block);
    buf_free(&w->packed);
    free(w);
}

#include "avro-core/ocf.h"

#include "avro-core/codec.h"
#include "avro-core/to_json.h"
#include "tests/check.h"

#include <stdlib.h>

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e), ERR_OK);
    return s;
}

/* Reads a whole file; `text` gets JSON lines, or the message. */
static enum err_kind read_file(struct span file, const struct av_ocf_limits *lim,
                               struct buf *text)
{
    struct av_ocf_reader *r;
    struct av_plan *plan = NULL;
    struct av_to_json w;
    struct err e = {0};
    bool more = true;
    enum err_kind k = av_ocf_open(&r, file, lim, &e);

    buf_reset(text);
    if (k == ERR_OK) {
        k = av_plan_new(&plan, av_ocf_schema(r), av_ocf_schema(r), &e);
        av_to_json_init(&w, text, false);
        while (k == ERR_OK && more) {
            k = av_ocf_next(r, plan, &w.visitor, NULL, &more, &e);
            if (k == ERR_OK && more)
                buf_put_u8(text, '\n');
        }
        av_plan_free(plan);
        av_ocf_close(r);
    }
    if (k != ERR_OK) {
        buf_reset(text);
        buf_put_str(text, e.msg);
    }
    return k;
}

static const char *const codecs[] = {"null",      "deflate", "snappy",
                                     "zstandard", "bzip2",   "xz"};
#define CODECS (sizeof codecs / sizeof *codecs)

/* A file of `n` strings of `length` bytes, in blocks of `a_block`. */
static void write_file(struct buf *file, const char *codec, size_t n, size_t length,
                       size_t a_block)
{
    struct av_schema *s = parse("\"string\"");
    struct av_ocf_writer *w;
    struct err e = {0};
    uint8_t *datum = malloc(length + 2);

    CHECK(length < 8192);
    datum[0] = (uint8_t)(length * 2 | 0x80);
    datum[1] = (uint8_t)(length * 2 >> 7);
    memset(datum + 2, 'x', length);
    CHECK_INT(av_ocf_writer_new(&w, s, codec, file, &e), ERR_OK);
    for (size_t i = 0; i < n; i++) {
        av_ocf_write(w, span_of(datum, length + 2));
        if (i % a_block == a_block - 1)
            CHECK_INT(av_ocf_flush(w, &e), ERR_OK);
    }
    CHECK_INT(av_ocf_flush(w, &e), ERR_OK);
    av_ocf_writer_free(w);
    av_schema_release(s);
    free(datum);
}

static void what_is_written_is_read_with_every_codec(void)
{
    for (size_t i = 0; i < CODECS; i++) {
        struct buf file = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

        write_file(&file, codecs[i], 5, 3, 2);
        CHECK_INT(read_file(buf_span(&file), NULL, &text), ERR_OK);
        CHECK_SPAN(buf_span(&text), "\"xxx\"\n\"xxx\"\n\"xxx\"\n\"xxx\"\n\"xxx\"\n");
        buf_reset(&file);
        write_file(&file, codecs[i], 0, 3, 1);
        CHECK_INT(read_file(buf_span(&file), NULL, &text), ERR_OK);
        CHECK_INT(text.n, 0);
        buf_reset(&file);
        write_file(&file, codecs[i], 1000, 900, 10000); // the writer ends blocks itself
        CHECK_INT(read_file(buf_span(&file), NULL, &text), ERR_OK);
        CHECK_INT(text.n, 903 * 1000);
        buf_free(&file);
        buf_free(&text);
    }
}

static void the_header_tells_codec_and_schema(void)
{
    struct buf file = BUF_INIT(1 << 20);
    struct av_ocf_reader *r;
    struct err e = {0};

    write_file(&file, "snappy", 1, 3, 1);
    CHECK_INT(av_ocf_open(&r, buf_span(&file), NULL, &e), ERR_OK);
    CHECK_STR(av_ocf_codec(r), "snappy");
    CHECK_SPAN(av_ocf_meta(r, "avro.codec"), "snappy");
    CHECK_SPAN(av_ocf_meta(r, "avro.schema"), "\"string\"");
    CHECK_INT(av_ocf_meta(r, "nothing").n, 0);
    CHECK_INT(av_schema_root(av_ocf_schema(r))->type, AV_STRING);
    av_ocf_close(r);
    av_ocf_close(NULL);
    buf_free(&file);
}

static void records_are_handed_out_with_their_place(void)
{
    struct buf file = BUF_INIT(1 << 20);
    static const struct av_visitor_ops nothing = {0};
    struct av_visitor v = {&nothing};
    struct av_ocf_reader *r;
    struct av_plan *plan;
    struct span datum;
    struct err e = {0};
    bool more = false;

    write_file(&file, "null", 2, 3, 2);
    CHECK_INT(av_ocf_open(&r, buf_span(&file), NULL, &e), ERR_OK);
    CHECK_INT(av_plan_new(&plan, av_ocf_schema(r), av_ocf_schema(r), &e), ERR_OK);
    size_t header = av_ocf_at(r);
    CHECK_INT(av_ocf_next(r, plan, &v, &datum, &more, &e), ERR_OK);
    CHECK(more && span_eq(datum, span_of("\x86\0xxx", 5)));
    CHECK(datum.p == file.p + header + 2);
    CHECK_INT(av_ocf_records(r), 1);
    CHECK_INT(av_ocf_at(r), header + 2 + 5);
    CHECK_INT(av_ocf_next(r, plan, &v, &datum, &more, &e), ERR_OK);
    CHECK_INT(av_ocf_next(r, plan, &v, &datum, &more, &e), ERR_OK);
    CHECK(!more);
    CHECK_INT(av_ocf_at(r), file.n);
    av_plan_free(plan);
    av_ocf_close(r);
    buf_free(&file);
}

static void a_file_that_is_cut_anywhere_is_refused(void)
{
    for (size_t i = 0; i < CODECS; i++) {
        struct buf file = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

        write_file(&file, codecs[i], 4, 3, 2);
        struct span whole = buf_span(&file);
        size_t header = 0, good = 0;
        for (size_t n = 0; n <= whole.n; n++) {
            uint8_t *copy = malloc(n + 1);
            memcpy(copy, whole.p, n);
            bool ok = read_file(span_of(copy, n), NULL, &text) == ERR_OK;
            free(copy);
            good += ok;
            header = ok && header == 0 ? n : header;
        }
        CHECK_INT(good, 3); // after the header, after the first block, at the end
        buf_free(&file);
        buf_free(&text);
    }
}

/* No bit of a block can change without somebody seeing it, where the codec has a
 * checksum. */
static void a_bit_that_flips_never_crashes(void)
{
    for (size_t i = 0; i < CODECS; i++) {
        struct buf file = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

        write_file(&file, codecs[i], 4, 30, 2);
        for (size_t bit = 0; bit < file.n * 8; bit++) {
            file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum err_kind k = read_file(buf_span(&file), NULL, &text);
            CHECK(k == ERR_OK || k == ERR_INVALID || k == ERR_LIMIT);
            file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_free(&file);
        buf_free(&text);
    }
}

#define SYNC "0123456789abcdef"
#define HEAD "Obj\1\4\26avro.schema\20\"string\"\24avro.codec"
#define PLAIN_HEAD HEAD "\10null\0" SYNC
#define NULLS_HEAD "Obj\1\2\26avro.schema\14\"null\"\0" SYNC

static void hand_made_files_say_what_is_wrong_with_them(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum err_kind kind;
        const char *text;
    } rows[] = {
#define ROW(bytes, kind, text) {bytes, sizeof(bytes) - 1, kind, text}
        ROW(PLAIN_HEAD, ERR_OK, ""),
        ROW(PLAIN_HEAD "\2\4\2x" SYNC, ERR_OK, "\"x\"\n"),
        ROW(PLAIN_HEAD "\0\0" SYNC, ERR_OK, ""), // an empty block does no harm
        ROW("Obj\1\1\76\26avro.schema\20\"string\"\0" SYNC, ERR_OK,
            ""), // a block of a map
        ROW("", ERR_INVALID,
            "byte 0: no object container file: it does not begin with Obj 0x01"),
        ROW("Obj\2", ERR_INVALID,
            "byte 0: no object container file: it does not begin with Obj 0x01"),
        ROW("Obj\1", ERR_INVALID, "byte 4: the header's count is no number"),
        ROW("Obj\1\0" SYNC, ERR_INVALID, "the header has no avro.schema"),
        ROW("Obj\1\2\4", ERR_INVALID, "byte 5: 2 bytes in the header, 0 are left"),
        ROW("Obj\1\2\3", ERR_INVALID, "byte 5: -2 bytes in the header, 0 are left"),
        ROW("Obj\1\2\2k\x80", ERR_INVALID,
            "byte 7: a length in the header is no number"),
        ROW("Obj\1\4\2k\2v\2k\2v\0", ERR_INVALID, "byte 9: the header has \"k\" twice"),
        ROW("Obj\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", ERR_INVALID,
            "byte 14: the header's count"),
        ROW("Obj\1\x80\x20", ERR_LIMIT, "byte 6: a header of more than 1024 entries"),
        ROW("Obj\1\3", ERR_INVALID, "byte 5: the header's size is no number"),
        ROW("Obj\1\2\26avro.schema\4{}\0" SYNC, ERR_INVALID, NULL),
        ROW(HEAD "\12lzma2\0" SYNC, ERR_INVALID,
            "codec \"lzma2\" is none of null, deflate, snappy, zstandard, bzip2, xz"),
        ROW(HEAD "\10null\0"
                 "0123",
            ERR_INVALID, "byte 43: a sync marker takes 16 bytes, 4 are left"),
        ROW(PLAIN_HEAD "\2", ERR_INVALID, "byte 60: a block's size is no number"),
        ROW(PLAIN_HEAD "\1\4\2x" SYNC, ERR_INVALID,
            "byte 59: block of -1 records in 2 bytes, 18 are left"),
        ROW(PLAIN_HEAD "\2\3\2x" SYNC, ERR_INVALID,
            "byte 59: block of 1 records in -2 bytes, 18 are left"),
        ROW(PLAIN_HEAD "\2\x7e\2x" SYNC, ERR_INVALID,
            "byte 59: block of 1 records in 63 bytes, 18 are left"),
        ROW(PLAIN_HEAD "\2\4\2x"
                       "0123456789abcdeX",
            ERR_INVALID, "byte 63: not the sync marker of this file"),
        ROW(PLAIN_HEAD "\4\4\2x" SYNC, ERR_INVALID,
            "record 2: byte 63: a number ends after 0 bytes, in its middle"),
        ROW(PLAIN_HEAD "\2\6\2xy" SYNC, ERR_INVALID,
            "block at byte 61: 1 bytes follow the last of its records"),
        ROW(NULLS_HEAD "\x80\x89\x7a\0" SYNC, ERR_OK, NULL),
        ROW(NULLS_HEAD "\x82\x89\x7a\0" SYNC, ERR_LIMIT,
            "record 1000001: more than 1000000 records that take no bytes"),
        ROW(HEAD "\16deflate\0" SYNC "\2\2\x07" SYNC, ERR_INVALID,
            "block at byte 64: deflate: invalid block type"),
        ROW(HEAD "\16deflate\0" SYNC "\2\0" SYNC, ERR_INVALID,
            "block at byte 64: deflate data ends in its middle"),
        ROW(HEAD "\16deflate\0" SYNC "\2\16\3\0xxxxx" SYNC, ERR_INVALID,
            "block at byte 64: 5 bytes follow the deflate data"),
        ROW(HEAD "\14snappy\0" SYNC "\2\2x" SYNC, ERR_INVALID,
            "block at byte 63: snappy block of 1 bytes, its CRC alone takes 4"),
        ROW(HEAD "\14snappy\0" SYNC "\2\10\0\0\0\0" SYNC, ERR_INVALID,
            "block at byte 63: snappy data is broken"),
        ROW(HEAD "\14snappy\0" SYNC "\2\16\2\4\2xcccc" SYNC, ERR_INVALID, NULL),
        ROW(HEAD "\22zstandard\0" SYNC "\2\10wxyz" SYNC, ERR_INVALID,
            "block at byte 66: zstandard: Unknown frame descriptor"),
        ROW(HEAD "\12bzip2\0" SYNC "\2\10wxyz" SYNC, ERR_INVALID,
            "block at byte 62: bzip2: it does not begin like bzip2"),
        ROW(HEAD "\12bzip2\0" SYNC "\2\10BZh9" SYNC, ERR_INVALID,
            "block at byte 62: bzip2 data ends in its middle"),
        ROW(HEAD "\4xz\0" SYNC "\2\30wxyzwxyzwxyz" SYNC, ERR_INVALID,
            "block at byte 59: xz: it does not begin like xz"),
        ROW(HEAD "\4xz\0" SYNC "\2\14\3757zXZ\0" SYNC, ERR_INVALID,
            "block at byte 59: xz: it ends in its middle"),
    };
    struct buf text = BUF_INIT(64 << 20);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(read_file(span_of(rows[i].bytes, rows[i].n), NULL, &text),
                  rows[i].kind);
        if (rows[i].text != NULL)
            CHECK_SPAN(buf_span(&text), rows[i].text);
    }
    buf_free(&text);
}

/* Packs `in` and unpacks it with room for `room` bytes. */
static enum err_kind through(const char *codec, struct span in, size_t room,
                             struct err *e)
{
    const struct codec *c = codec_find(span_str(codec));
    struct buf packed = BUF_INIT(8 << 20), out = BUF_INIT(room);

    CHECK_INT(c->deflate(in, &packed, e), ERR_OK);
    enum err_kind k = c->inflate(buf_span(&packed), &out, e);
    if (k == ERR_OK)
        CHECK(span_eq(buf_span(&out), in));
    buf_free(&packed);
    buf_free(&out);
    return k;
}

static void a_block_inflates_to_its_limit_and_no_further(void)
{
    static uint8_t zeros[300000];
    struct err e = {0};

    for (size_t i = 1; i < CODECS; i++) {
        CHECK_INT(through(codecs[i], span_of(zeros, sizeof zeros), sizeof zeros, &e),
                  ERR_OK);
        CHECK_INT(
            through(codecs[i], span_of(zeros, sizeof zeros), sizeof zeros - 1, &e),
            ERR_LIMIT);
        CHECK_STR(e.msg, "block inflates to more than 299999 bytes");
        CHECK_INT(through(codecs[i], span_of(zeros, 0), 0, &e), ERR_OK);
        CHECK_INT(through(codecs[i], span_of(zeros, 65536), 65536, &e), ERR_OK);
    }
    CHECK(codec_find(span_str("lz4")) == NULL);
}

static void a_crc_that_does_not_match_is_seen(void)
{
    const struct codec *c = codec_find(span_str("snappy"));
    struct buf packed = BUF_INIT(100), out = BUF_INIT(100);
    struct err e = {0};

    CHECK_INT(c->deflate(span_str("abc"), &packed, &e), ERR_OK);
    packed.p[packed.n - 1] ^= 1;
    CHECK_INT(c->inflate(buf_span(&packed), &out, &e), ERR_INVALID);
    CHECK_STR(e.msg, "CRC-32 of the snappy block is 352441c2, it says 352441c3");
    buf_free(&packed);
    buf_free(&out);
}

static void limits_are_kept(void)
{
    const struct av_ocf_limits small_header = {.header_bytes = 20};
    const struct av_ocf_limits small_block = {.block_bytes = 100};
    struct buf file = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

    write_file(&file, "deflate", 1, 1000, 1);
    CHECK_INT(read_file(buf_span(&file), &small_header, &text), ERR_LIMIT);
    CHECK_SPAN(buf_span(&text), "byte 17: a header of more than 20 bytes");
    CHECK_INT(read_file(buf_span(&file), &small_block, &text), ERR_LIMIT);
    buf_free(&file);
    buf_free(&text);
}

static void a_writer_says_what_it_cannot_do(void)
{
    struct av_schema *s = parse("\"string\"");
    struct buf file = BUF_INIT(200);
    struct av_ocf_writer *w;
    struct err e = {0};

    CHECK_INT(av_ocf_writer_new(&w, s, "lzo", &file, &e), ERR_INVALID);
    CHECK_STR(e.msg,
              "codec \"lzo\" is none of null, deflate, snappy, zstandard, bzip2, xz");
    CHECK_INT(av_ocf_writer_new(&w, s, "null", &file, &e), ERR_OK);
    for (int i = 0; i < 100; i++)
        av_ocf_write(w, span_of("\x06zzz", 4));
    CHECK_INT(av_ocf_flush(w, &e), ERR_LIMIT);
    av_ocf_writer_free(w);
    av_ocf_writer_free(NULL);

    // A block ended on the way may fail too; the next flush tells.
    static uint8_t large[70000] = {0xe0, 0xc5, 0x08};
    CHECK_INT(av_ocf_writer_new(&w, s, "null", &file, &e), ERR_OK);
    av_ocf_write(w, span_of(large, sizeof large));
    CHECK_INT(av_ocf_flush(w, &e), ERR_LIMIT);
    av_ocf_writer_free(w);
    av_schema_release(s);
    buf_free(&file);
}

static void a_header_has_what_its_schema_refers_to(void)
{
    struct buf file = BUF_INIT(1 << 20);
    struct av_ocf_writer *w;
    struct av_ocf_reader *r;
    struct err e = {0};
    struct av_schema *lent = parse("{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}"),
                     *uses;

    CHECK_INT(av_schema_parse(&uses, span_str("[\"null\",\"F\"]"), &lent, 1, NULL, &e),
              ERR_OK);
    CHECK_INT(av_ocf_writer_new(&w, uses, "null", &file, &e), ERR_OK);
    av_ocf_writer_free(w);
    CHECK_INT(av_ocf_open(&r, buf_span(&file), NULL, &e), ERR_OK);
    CHECK_SPAN(av_schema_text(av_ocf_schema(r)),
               "[\"null\",{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}]");
    av_ocf_close(r);
    av_schema_release(uses);
    av_schema_release(lent);
    buf_free(&file);
}

static void notes_stand_in_the_header(void)
{
    struct av_schema *s = parse("\"string\"");
    struct av_ocf_note notes[] = {{"a", span_str("1")}, {"b", span_str("")}};
    struct buf file = BUF_INIT(1 << 20);
    struct av_ocf_writer *w;
    struct av_ocf_reader *r;
    struct err e = {0};

    CHECK_INT(av_ocf_writer_new_noted(&w, s, "null", notes, 2, &file, &e), ERR_OK);
    av_ocf_writer_free(w);
    CHECK_INT(av_ocf_open(&r, buf_span(&file), NULL, &e), ERR_OK);
    CHECK_SPAN(av_ocf_meta(r, "a"), "1");
    CHECK_SPAN(av_ocf_meta(r, "b"), "");
    av_ocf_close(r);

    notes[1].key = "a";
    CHECK_INT(av_ocf_writer_new_noted(&w, s, "null", notes, 2, &file, &e), ERR_INVALID);
    CHECK_STR(e.msg, "the note \"a\" is there twice");
    notes[1].key = "avro.codec";
    CHECK_INT(av_ocf_writer_new_noted(&w, s, "null", notes, 2, &file, &e), ERR_INVALID);
    CHECK_STR(e.msg, "a note called \"avro.codec\": avro. is reserved");
    av_schema_release(s);
    buf_free(&file);
}

int main(void)
{
    RUN(what_is_written_is_read_with_every_codec);
    RUN(the_header_tells_codec_and_schema);
    RUN(records_are_handed_out_with_their_place);
    RUN(a_file_that_is_cut_anywhere_is_refused);
    RUN(a_bit_that_flips_never_crashes);
    RUN(hand_made_files_say_what_is_wrong_with_them);
    RUN(a_block_inflates_to_its_limit_and_no_further);
    RUN(a_crc_that_does_not_match_is_seen);
    RUN(limits_are_kept);
    RUN(a_writer_says_what_it_cannot_do);
    RUN(a_header_has_what_its_schema_refers_to);
    RUN(notes_stand_in_the_header);
    return REPORT();
}

/*
 * What every format keeps: what was written is read, in pieces of any size.
 */
#include "format/format.h"

#include "avro-core/encode.h"
#include "avro-core/to_json.h"
#include "format/library.h"
#include "tests/check.h"

#include <stdlib.h>

static struct av_schema *parse(const char *text)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return s;
}

static struct av_plan *plan_of(struct av_schema *w, struct av_schema *r)
{
    struct av_plan *p = NULL;
    struct err e = {0};

    CHECK_INT(av_plan_new(&p, w, r, &e), ERR_OK);
    return p;
}

/* The JSON's Avro binary, appended to `out`; the datum is what was added. */
static struct span encode(struct buf *out, struct av_schema *s, const char *json)
{
    struct av_problems p = {0};
    struct av_encoder *enc = NULL;
    struct err e = {0};

    buf_reset(out);
    CHECK_INT(av_encoder_new(&enc, s, NULL, &e), ERR_OK);
    CHECK_INT(av_encode(enc, span_str(json), out, &p), ERR_OK);
    CHECK_STR(p.first == NULL ? "" : (const char *)p.first->message.p, "");
    av_encoder_free(enc);
    av_problems_free(&p);
    return buf_span(out);
}

/* ---- a file in memory, whose other side can be away ---- */

struct memory {
    struct buf bytes;
    size_t until; // fails behind so many bytes; 0 = never
    size_t calls;
};

static enum err_kind keep(void *ctx, struct span bytes, struct err *e)
{
    struct memory *m = ctx;

    m->calls++;
    if (m->until > 0 && m->bytes.n + bytes.n > m->until)
        return err_set(e, ERR_UNAVAILABLE, "disk full");
    buf_put(&m->bytes, bytes);
    return buf_status(&m->bytes, e);
}

static enum err_kind give(void *ctx, uint64_t at, uint8_t *to, size_t n, struct err *e)
{
    const struct memory *m = ctx;

    if (at > m->bytes.n || n > m->bytes.n - at)
        return err_set(e, ERR_INTERNAL, "asked for more than there is");
    if (n > 0)
        memcpy(to, m->bytes.p + at, n);
    return ERR_OK;
}

#define MEMORY ((struct memory){.bytes = BUF_INIT((size_t)256 << 20)})

static struct format_writer *open_on(struct memory *m, const char *format,
                                     struct av_schema *s,
                                     const struct format_options *o)
{
    const struct format_sink to = {keep, m};
    struct format_writer *w = NULL;
    struct err e = {0};

    CHECK_INT(format_open(&w, format, s, o, &to, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return w;
}

static struct format_reader *read_from(struct memory *m, const char *format,
                                       struct av_schema *s)
{
    const struct format_source from = {give, m, m->bytes.n};
    struct format_reader *r = NULL;
    struct err e = {0};

    CHECK_INT(format_read(&r, format, s, NULL, &from, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return r;
}

/* All records as JSON lines, or the message that reading ended with. */
static void read_all(struct memory *m, const char *format, struct av_schema *s,
                     struct buf *text)
{
    struct format_reader *r = read_from(m, format, s);
    struct av_plan *plan = NULL;
    struct av_to_json json;
    struct err e = {0};
    struct span datum;
    bool more = false;

    buf_reset(text);
    if (r == NULL)
        return;
    plan = plan_of(format_reader_schema(r), format_reader_schema(r));
    av_to_json_init(&json, text, false);
    while (format_next(r, &datum, &more, &e) == ERR_OK && more) {
        CHECK_INT(av_decode_all(plan, datum, NULL, &json.visitor, &e), ERR_OK);
        buf_put_u8(text, '\n');
    }
    buf_put_str(text, e.msg);
    av_plan_free(plan);
    format_reader_close(r);
}

#define ORDER                                                                 \
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["                    \
    "{\"name\":\"id\",\"type\":\"long\"},"                                    \
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null},"    \
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}," \
    "{\"name\":\"price\",\"type\":\"double\",\"default\":1.5}]}"

static const char order_1[] =
    "{\"id\":7,\"note\":\"a, \\\"b\\\"\\nc\",\"tags\":[\"x\",\"\"],\"price\":0.1}";
static const char order_2[] = "{\"id\":-1,\"note\":null,\"tags\":[],\"price\":2.0}";

static const char *const kept[] = {"ocf", "json", "csv", "parquet"};
static size_t n_kept; // without parquet where its library was not built
#define KEPT n_kept

static void append(struct format_writer *w, struct av_schema *s, const char *json)
{
    struct buf room = BUF_INIT(1 << 20);
    struct av_plan *plan = plan_of(s, s);
    struct err e = {0};

    CHECK_INT(format_append(w, plan, encode(&room, s, json), NULL, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    av_plan_free(plan);
    buf_free(&room);
}

static void finish(struct format_writer *w, const struct memory *m)
{
    struct err e = {0};

    CHECK_INT(format_finish(w, &e), ERR_OK);
    CHECK_INT(format_bytes(w), m->bytes.n);
    format_close(w);
}

static void what_was_written_is_read(void)
{
    struct av_schema *s = parse(ORDER);
    struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);

        append(w, s, order_1);
        append(w, s, order_2);
        CHECK_INT(format_rows(w), 2);
        finish(w, &m);
        read_all(&m, kept[i], s, &text);
        CHECK_SPAN(buf_span(&text),
                   "{\"id\":7,\"note\":\"a, "
                   "\\\"b\\\"\\nc\",\"tags\":[\"x\",\"\"],\"price\":0.1}\n"
                   "{\"id\":-1,\"note\":null,\"tags\":[],\"price\":2.0}\n");
        buf_free(&m.bytes);
    }
    buf_free(&text);
    av_schema_release(s);
}

static void a_file_of_no_record_is_a_file(void)
{
    struct av_schema *s = parse(ORDER);
    struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;

        finish(open_on(&m, kept[i], s, NULL), &m);
        read_all(&m, kept[i], s, &text);
        CHECK_SPAN(buf_span(&text), "");
        buf_free(&m.bytes);
    }
    buf_free(&text);
    av_schema_release(s);
}

/* More than a piece, so that both sides have to go on in the middle of things. */
static void a_large_file_is_read_in_pieces(void)
{
    struct av_schema *s = parse(ORDER);
    struct av_plan *plan = plan_of(s, s);
    struct buf room = BUF_INIT(1 << 20);
    struct err e = {0};

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);
        struct span datum;
        bool more = true;
        char json[200];

        for (int n = 0; n < 40000; n++) {
            snprintf(json, sizeof json,
                     "{\"id\":%d,\"note\":\"%x\",\"tags\":[\"t%d\"],\"price\":%d}", n,
                     n * 2654435761u, n % 7, n);
            CHECK(format_bytes(w) >= m.bytes.n);
            if (format_append(w, plan, encode(&room, s, json), NULL, &e) != ERR_OK)
                break;
        }
        CHECK_INT(format_rows(w), 40000);
        finish(w, &m);

        struct format_reader *r = read_from(&m, kept[i], s);
        while (format_next(r, &datum, &more, &e) == ERR_OK && more)
            ;
        CHECK_STR(e.msg, "");
        CHECK_INT(format_reader_rows(r), 40000);
        format_reader_close(r);
        buf_free(&m.bytes);
    }
    av_plan_free(plan);
    buf_free(&room);
    av_schema_release(s);
}

#define OLD                                                                   \
    "{\"type\":\"record\",\"name\":\"Order\",\"fields\":["                    \
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}," \
    "{\"name\":\"gone\",\"type\":\"bytes\"},"                                 \
    "{\"name\":\"id\",\"type\":\"int\"}]}"

static void an_older_writers_record_is_written_as_the_files_schema_has_it(void)
{
    struct av_schema *s = parse(ORDER), *old = parse(OLD);
    struct av_plan *plan = plan_of(old, s);
    struct buf room = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
    struct err e = {0};

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);
        struct span datum =
            encode(&room, old, "{\"tags\":[\"x\",\"y\"],\"gone\":\"AA==\",\"id\":5}");

        CHECK_INT(format_append(w, plan, datum, NULL, &e), ERR_OK);
        append(w, s, order_2);
        finish(w, &m);
        read_all(&m, kept[i], s, &text);
        CHECK_SPAN(buf_span(&text),
                   "{\"id\":5,\"note\":null,\"tags\":[\"x\",\"y\"],\"price\":1.5}\n"
                   "{\"id\":-1,\"note\":null,\"tags\":[],\"price\":2.0}\n");
        buf_free(&m.bytes);
    }
    av_plan_free(plan);
    buf_free(&room);
    buf_free(&text);
    av_schema_release(s);
    av_schema_release(old);
}

static void a_broken_datum_leaves_no_trace(void)
{
    struct av_schema *s = parse(ORDER);
    struct av_plan *plan = plan_of(s, s);
    struct buf room = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);
        struct span datum = encode(&room, s, order_1);

        append(w, s, order_2);
        for (size_t n = 0; n < datum.n; n++) {
            struct err e = {0};
            CHECK_INT(format_append(w, plan, span_of(datum.p, n), NULL, &e),
                      ERR_INVALID);
            CHECK(strncmp(e.msg, "byte ", 5) == 0);
        }
        append(w, s, order_2);
        CHECK_INT(format_rows(w), 2);
        finish(w, &m);
        read_all(&m, kept[i], s, &text);
        CHECK_SPAN(buf_span(&text),
                   "{\"id\":-1,\"note\":null,\"tags\":[],\"price\":2.0}\n"
                   "{\"id\":-1,\"note\":null,\"tags\":[],\"price\":2.0}\n");
        buf_free(&m.bytes);
    }
    av_plan_free(plan);
    buf_free(&room);
    buf_free(&text);
    av_schema_release(s);
}

static void a_sink_that_fails_is_heard(void)
{
    struct av_schema *s = parse(ORDER);

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct err e = {0};

        m.until = 10;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);
        append(w, s, order_1);
        CHECK_INT(format_finish(w, &e), ERR_UNAVAILABLE);
        CHECK_STR(e.msg, "disk full");
        format_close(w);
        buf_free(&m.bytes);
    }
    av_schema_release(s);
}

static void notes_are_kept_where_there_is_a_place(void)
{
    const struct format_note notes[] = {{"avrogate.topic", "orders"},
                                        {"avrogate.schema.id", "17"}};
    const struct format_options o = {.notes = notes, .n_notes = 2};
    struct av_schema *s = parse(ORDER);
    struct memory m = MEMORY;

    finish(open_on(&m, "ocf", s, &o), &m);
    struct format_reader *r = read_from(&m, "ocf", NULL);
    CHECK_SPAN(format_reader_note(r, "avrogate.topic"), "orders");
    CHECK_SPAN(format_reader_note(r, "avrogate.schema.id"), "17");
    CHECK_SPAN(format_reader_note(r, "nothing"), "");
    format_reader_close(r);
    buf_free(&m.bytes);
    av_schema_release(s);
}

static void a_format_is_known_by_name_and_by_suffix(void)
{
    struct format_writer *w;
    struct err e = {0};
    const struct format_sink to = {keep, NULL};

    CHECK_STR(format_suffix("avro"), ".avro");
    CHECK_STR(format_suffix("ndjson"), ".jsonl");
    CHECK(format_suffix("xml") == NULL);
    CHECK_STR(format_of_path("a/b.c/part-1.avro"), "ocf");
    CHECK_STR(format_of_path("x.ndjson"), "json");
    CHECK(format_of_path("parquet") == NULL);
    CHECK_INT(format_open(&w, "xml", NULL, NULL, &to, &e), ERR_INVALID);
    CHECK_STR(e.msg, "format \"xml\" is none of parquet, ocf, json, csv");
}

static void set(struct memory *m, const char *text)
{
    buf_reset(&m->bytes);
    buf_put_str(&m->bytes, text);
}

static void a_bad_line_is_told_and_passed_over(void)
{
    struct av_schema *s = parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                "\"name\":\"a\",\"type\":\"int\"}]}");
    struct memory m = MEMORY;
    struct span datum;
    struct err e = {0};
    bool more;

    set(&m, "{\"a\":1}\r\n\n  \n{\"a\":\"x\"}\n{\"a\"\n{\"a\":2}");
    struct format_reader *r = read_from(&m, "json", s);
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK_SPAN(datum, "\x02");
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_INVALID);
    CHECK_STR(e.msg, "line 4, byte 18: /a: string \"x\", wanted int (type)");
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_INVALID);
    CHECK(strncmp(e.msg, "line 5, byte ", 13) == 0);
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK_SPAN(datum, "\x04");
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK(!more);
    CHECK_INT(format_reader_rows(r), 2);
    format_reader_close(r);
    buf_free(&m.bytes);
    av_schema_release(s);
}

static void a_container_cut_anywhere_is_refused(void)
{
    struct av_schema *s = parse(ORDER);
    struct buf text = BUF_INIT(1 << 20);
    struct memory m = MEMORY;
    struct format_writer *w = open_on(&m, "ocf", s, NULL);

    append(w, s, order_1);
    append(w, s, order_2);
    finish(w, &m);
    size_t whole = m.bytes.n, header = 0;
    for (size_t n = whole - 1; n > 0; n--) {
        const struct format_source from = {give, &m, n};
        struct format_reader *r = NULL;
        struct span datum;
        struct err e = {0};
        bool more = true;
        enum err_kind k = format_read(&r, "ocf", NULL, NULL, &from, &e);

        while (k == ERR_OK && more)
            k = format_next(r, &datum, &more, &e);
        if (k == ERR_OK)
            header++; // just behind the header: a file of no record
        format_reader_close(r);
    }
    CHECK_INT(header, 1);
    buf_free(&m.bytes);
    buf_free(&text);
    av_schema_release(s);
}

#define PATHS                                                                    \
    "{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},{\"name\":\"a\",\"type\":{\"type\":\"record\",\"name\":\"A\","    \
    "\"fields\":"                                                                \
    "[{\"name\":\"b\",\"type\":\"string\"}]}}]}"

static enum err_kind try_parquet(const struct format_options *o, struct err *e)
{
    struct av_schema *s = parse(PATHS);
    struct memory m = MEMORY;
    const struct format_sink to = {keep, &m};
    struct format_writer *w = NULL;
    enum err_kind k = format_open(&w, "parquet", s, o, &to, e);

    if (k == ERR_OK) {
        append(w, s, "{\"id\":1,\"a\":{\"b\":\"x\"}}");
        CHECK(format_note(w, "late", "1"));
        finish(w, &m);
        struct format_reader *r = read_from(&m, "parquet", NULL);
        CHECK_SPAN(format_reader_note(r, "late"), "1");
        format_reader_close(r);
    }
    buf_free(&m.bytes);
    av_schema_release(s);
    return k;
}

static void what_parquet_is_asked_for_must_be_there(void)
{
    const char *const bloom[] = {"id", "a.b"}, *const no_bloom[] = {"a"};
    const struct format_sort sort[] = {{"a.b", true, false}},
                             no_sort[] = {{"b", false, false}};
    struct format_options o = {.bloom = bloom, .n_bloom = 2, .sort = sort, .n_sort = 1};
    struct err e = {0};

    if (n_kept < 4)
        return;
    CHECK_INT(try_parquet(&o, &e), ERR_OK);
    o.bloom = no_bloom, o.n_bloom = 1;
    CHECK_INT(try_parquet(&o, &e), ERR_INVALID);
    CHECK_STR(e.msg,
              "parquet: there is no column \"a\" of plain values (the path of one "
              "inside a record has dots)");
    o.n_bloom = 0, o.sort = no_sort;
    CHECK_INT(try_parquet(&o, &e), ERR_INVALID);
    o.n_sort = 0, o.codec = "middle-out";
    CHECK_INT(try_parquet(&o, &e), ERR_INVALID);
}

static void an_aborted_file_writes_nothing_more(void)
{
    struct av_schema *s = parse(ORDER);

    for (size_t i = 0; i < KEPT; i++) {
        struct memory m = MEMORY;
        struct format_writer *w = open_on(&m, kept[i], s, NULL);

        append(w, s, order_1);
        size_t calls = m.calls;
        format_close(w);
        CHECK_INT(m.calls, calls);
        buf_free(&m.bytes);
    }
    av_schema_release(s);
}

static void a_csv_cell_says_nothing_or_no_letters(void)
{
    struct av_schema *s = parse(ORDER);
    const struct format_options o = {.delimiter = ';', .crlf = true};
    struct memory m = MEMORY;
    struct format_writer *w = open_on(&m, "csv", s, &o);

    append(w, s, "{\"id\":1,\"note\":\"\",\"tags\":[],\"price\":1e30}");
    append(w, s, "{\"id\":2,\"note\":null,\"tags\":[\"a;b\"],\"price\":\"NaN\"}");
    append(w, s, "{\"id\":3,\"note\":\"a,b;c\",\"tags\":[],\"price\":-0.0}");
    finish(w, &m);
    CHECK_SPAN(buf_span(&m.bytes), "id;note;tags;price\r\n"
                                   "1;\"\";[];1e+30\r\n"
                                   "2;;\"[\"\"a;b\"\"]\";NaN\r\n"
                                   "3;\"a,b;c\";[];-0.0\r\n");
    buf_free(&m.bytes);
    av_schema_release(s);
}

static void a_bad_row_is_told_and_passed_over(void)
{
    struct av_schema *s = parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{"
                                "\"name\":\"a\",\"type\":\"int\"}]}");
    struct memory m = MEMORY;
    struct span datum;
    struct err e = {0};
    bool more;

    set(&m, "a\n1\nx\n2\n");
    struct format_reader *r = read_from(&m, "csv", s);
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_INVALID);
    CHECK(strncmp(e.msg, "line 3: /a: ", 12) == 0);
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK_SPAN(datum, "\x04");
    CHECK_INT(format_next(r, &datum, &more, &e), ERR_OK);
    CHECK(!more);
    format_reader_close(r);
    buf_free(&m.bytes);
    av_schema_release(s);
}

/* Not built is not there; there and unusable is a failure. */
static size_t count_formats(void)
{
    const struct pq_abi *pq;
    struct err e = {0};

    if (library_open(&pq, &e) == ERR_OK)
        return 4;
    printf("# without Parquet: %s\n", e.msg);
    CHECK(strstr(e.msg, "No such file") != NULL);
    return 3;
}

int main(void)
{
    n_kept = count_formats();
    RUN(what_was_written_is_read);
    RUN(a_file_of_no_record_is_a_file);
    RUN(a_large_file_is_read_in_pieces);
    RUN(an_older_writers_record_is_written_as_the_files_schema_has_it);
    RUN(a_broken_datum_leaves_no_trace);
    RUN(a_sink_that_fails_is_heard);
    RUN(notes_are_kept_where_there_is_a_place);
    RUN(a_format_is_known_by_name_and_by_suffix);
    RUN(a_bad_line_is_told_and_passed_over);
    RUN(a_container_cut_anywhere_is_refused);
    RUN(what_parquet_is_asked_for_must_be_there);
    RUN(an_aborted_file_writes_nothing_more);
    RUN(a_csv_cell_says_nothing_or_no_letters);
    RUN(a_bad_row_is_told_and_passed_over);
    return REPORT();
}

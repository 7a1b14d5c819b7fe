#include "avro-core/row.h"
#include "tests/check.h"

#include <stdlib.h>

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define FILLED(name, type, fallback) \
    "{\"name\":\"" name "\",\"type\":" type ",\"default\":" fallback "}"
#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"

#define MOST 8

static struct av_encoder *encoder_for(const char *schema,
                                      const struct av_encode_options *o)
{
    struct av_schema *s = NULL;
    struct av_encoder *enc = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, o, &e) != ERR_OK)
        printf("    %s: %s\n", schema, e.msg);
    av_schema_release(s);
    return enc;
}

/* "a|b" as spans. */
static size_t split(struct span out[MOST], const char *text)
{
    size_t n = 0;

    for (;;) {
        size_t size = strcspn(text, "|");
        out[n++] = span_of(text, size);
        if (text[size] == '\0' || n == MOST)
            return n;
        text += size + 1;
    }
}

/* The same as cells; one that stands in quotes was quoted. */
static size_t split_cells(struct av_cell out[MOST], const char *text)
{
    struct span spans[MOST];
    size_t n = split(spans, text);

    for (size_t i = 0; i < n; i++) {
        struct span s = spans[i];
        bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
        if (quoted)
            s = span_of(s.p + 1, s.n - 2);
        out[i] = (struct av_cell){s, (size_t)(s.p - (const uint8_t *)text), quoted};
    }
    return n;
}

struct binding {
    const char *headers;
    const char *msg; // NULL: it binds
};

static void check_binding(const char *schema, const struct binding *b,
                          const struct av_row_map *map, size_t n_map,
                          const struct av_encode_options *o)
{
    struct av_encoder *enc = encoder_for(schema, o);
    struct span headers[MOST];
    size_t n = split(headers, b->headers);
    struct av_row *r = NULL;
    struct err e = {0};

    CHECK_INT(av_row_bind(&r, enc, headers, n, map, n_map, &e),
              b->msg == NULL ? ERR_OK : ERR_INVALID);
    CHECK_STR(e.msg, b->msg != NULL ? b->msg : "");
    av_row_free(r);
    av_encoder_free(enc);
}

#define WEATHER                                                             \
    RECORD(FIELD("date", "\"string\"") "," FIELD(                           \
        "temp_max", "\"double\"") ","                                       \
                                  "{\"name\":\"wind\",\"type\":\"double\"," \
                                  "\"default\":0,\"aliases\":[\"w\"]}")

static void headers_find_their_fields(void)
{
    static const struct binding cases[] = {
        {"date|temp_max|wind", NULL},
        {"wind|date|temp_max", NULL},
        {"date|temp_max", NULL},
        {"date|temp max|w", NULL},
        {"date|temp\xc3\xa9max", NULL},
        {"date|temp--max",
         "no field for column \"temp--max\"; no column for field \"temp_max\""},
        {"date", "no column for field \"temp_max\""},
        {"Date|temp_max", "no field for column \"Date\"; no column for field \"date\""},
        {"date|temp_max|rain", "no field for column \"rain\""},
        {"date|temp_max|temp max|date",
         "two columns for field \"temp_max\"; two columns for field \"date\""},
        {"date|temp_max|wind|w", "two columns for field \"wind\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_binding(WEATHER, &cases[i], NULL, 0, NULL);
}

static void a_map_comes_first(void)
{
    const struct av_row_map map[] = {{span_str("Tag"), span_str("date")},
                                     {span_str("wind"), span_str("temp_max")}};
    const struct av_row_map wrong[] = {{span_str("Tag"), span_str("dat")}};
    const struct binding good = {"Tag|wind", NULL};
    const struct binding bad = {"Tag|date|temp_max",
                                "the map names a field that is none, \"dat\"; "
                                "no field for column \"Tag\""};

    check_binding(WEATHER, &good, map, 2, NULL);
    check_binding(WEATHER, &bad, wrong, 1, NULL);
}

static void unknown_columns_may_be_ignored(void)
{
    const struct av_encode_options ignore = {.unknown_fields = AV_UNKNOWN_IGNORE};
    const struct binding good = {"rain|date|temp_max", NULL};

    check_binding(WEATHER, &good, NULL, 0, &ignore);
}

static void a_row_is_a_record(void)
{
    const struct binding bad = {"a", "a row is a record, the schema's root is a map"};

    check_binding("{\"type\":\"map\",\"values\":\"int\"}", &bad, NULL, 0, NULL);
}

struct row_case {
    const char *schema; // NULL: that of the case before
    const char *headers;
    const char *cells;
    const char *hex;
    const char *messages;
};

static void check_row(const struct av_encoder *enc, const struct row_case *c)
{
    struct span headers[MOST];
    struct av_cell cells[MOST];
    size_t n = split(headers, c->headers), n_cells = split_cells(cells, c->cells);
    struct av_row *r = NULL;
    struct buf out = BUF_INIT(1 << 16), said = BUF_INIT(1 << 16);
    struct av_problems p = {0};
    struct err e = {0};
    char hex[400] = "";

    CHECK_INT(av_row_bind(&r, enc, headers, n, NULL, 0, &e), ERR_OK);
    if (r == NULL) {
        printf("    %s\n", e.msg);
        return;
    }
    buf_put_str(&out, "x");
    enum err_kind k = av_row_encode(r, cells, n_cells, 900, &out, &p);
    CHECK_INT(k, c->hex != NULL ? ERR_OK : ERR_INVALID);
    CHECK_INT(p.n > 0, k != ERR_OK);
    for (size_t i = 1; i < out.n; i++)
        sprintf(hex + 2 * (i - 1), "%02x", out.p[i]);
    CHECK_STR(hex, c->hex != NULL ? c->hex : "");
    for (const struct av_problem *x = p.first; x != NULL; x = x->next)
        buf_printf(&said, "%zu %.*s\n", x->offset, (int)x->message.n,
                   (const char *)x->message.p);
    CHECK_SPAN(buf_span(&said), c->messages != NULL ? c->messages : "");
    av_row_free(r);
    av_problems_free(&p);
    buf_free(&out);
    buf_free(&said);
}

static void cells_are_typed_by_the_schema(void)
{
    static const struct row_case cases[] = {
        {RECORD(FIELD("s", "\"string\"") "," FIELD("i", "\"int\"")), "s|i", "007|7",
         "063030370e", NULL},
        {NULL, "i|s", "7| a ",
         "0620612"
         "00e",
         NULL},
        {NULL, "s|i", "| 7 ", "000e", NULL},
        {NULL, "s|i", "\"\"|\"7\"", "000e", NULL},
        {NULL, "s|i", "x|", NULL, "2 /i: cell \"\", wanted int (missing-field)\n"},
        {NULL, "s|i", "x|007", NULL, "2 /i: cell \"007\", wanted int (type)\n"},
        {NULL, "s|i", "\xff|x", NULL,
         "0 /s: bytes that are no UTF-8, wanted string (utf8)\n"
         "2 /i: cell \"x\", wanted int (type)\n"},
        {NULL, "s|i", "a", NULL, "900 the value: 1, wanted 2 cells (columns)\n"},
        {NULL, "s|i", "a|1|2", NULL, "900 the value: 3, wanted 2 cells (columns)\n"},
        {NULL, "s|i", "a|3000000000", NULL,
         "2 /i: cell \"3000000000\", wanted int (range)\n"},
        {NULL, "s|i", "a|1.5", NULL, "2 /i: cell \"1.5\", wanted int (type)\n"},
        {NULL, "s|i", "a|1.0", "026102", NULL},
        {RECORD(FIELD("b", "\"boolean\"")), "b", "true", "01", NULL},
        {NULL, "b", "FALSE", "00", NULL},
        {NULL, "b", "1", NULL, "0 /b: cell \"1\", wanted boolean (type)\n"},
        {RECORD(FIELD("d", "\"double\"")), "d", "1.5", "000000000000f83f", NULL},
        {NULL, "d", "NaN", "000000000000f87f", NULL},
        {NULL, "d", "1,5", NULL, "0 /d: cell \"1,5\", wanted double (type)\n"},
        {NULL, "d", "1e999", NULL, "0 /d: cell \"1e999\", wanted double (range)\n"},
        {RECORD(FIELD("d", "{\"type\":\"int\",\"logicalType\":\"date\"}")), "d",
         "1970-01-02", "02", NULL},
        {NULL, "d", "1", "02", NULL},
        {NULL, "d", "02.01.1970", NULL,
         "0 /d: cell \"02.01.1970\", wanted date (date)\n"},
        {RECORD(FIELD("p",
                      "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,"
                      "\"scale\":2}")),
         "p", "1.10", "026e", NULL},
        {NULL, "p", "1.234", NULL,
         "0 /p: cell \"1.234\", wanted decimal(4,2) (precision)\n"},
        {NULL, "p", "x", NULL, "0 /p: cell \"x\", wanted decimal(4,2) (decimal)\n"},
        {RECORD(FIELD("e",
                      "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}")),
         "e", "B", "02", NULL},
        {NULL, "e", "C", NULL, "0 /e: cell \"C\", wanted one of: A, B (enum)\n"},
        {RECORD(FIELD("n", "\"null\"") "," FIELD("b", "\"bytes\"")), "n|b",
         "|AP8=", "0400ff", NULL},
        {NULL, "n|b", "x|AP8", NULL,
         "0 /n: cell \"x\", wanted null (type)\n2 /b: cell \"AP8\", wanted bytes "
         "(base64)\n"},
    };
    struct av_encoder *enc = NULL;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].schema != NULL) {
            av_encoder_free(enc);
            enc = encoder_for(cases[i].schema, NULL);
        }
        check_row(enc, &cases[i]);
    }
    av_encoder_free(enc);
}

static void an_empty_cell_is_null_or_the_default(void)
{
    static const struct row_case cases[] = {
        {RECORD(FIELD("a", "[\"null\",\"int\"]") "," FILLED(
             "b", "\"int\"", "7") "," FILLED("c", "[\"string\",\"null\"]", "\"x\"")),
         "a|b|c", "1|2|3",
         "02020400023"
         "3",
         NULL},
        {NULL, "a|b|c", "||", "000e02", NULL},
        {NULL, "a|b|c", "||\"\"", "000e0000", NULL},
        {NULL, "a", "5",
         "020a"
         "0e"
         "000278",
         NULL},
        {NULL, "a|b", "x|", NULL,
         "0 /a: cell \"x\", wanted one of: null, int (type)\n"},
        {NULL, "a|b", "3e9|", NULL, "0 /a: cell \"3e9\", wanted int (range)\n"},
    };
    struct av_encoder *enc = encoder_for(cases[0].schema, NULL);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_row(enc, &cases[i]);
    av_encoder_free(enc);
}

static void a_cell_of_a_union_takes_the_branch_that_fits(void)
{
    static const struct row_case cases[] = {
        {RECORD(FIELD("u", "[\"null\",\"string\",\"long\",\"double\",\"boolean\"]")),
         "u", "5", "040a", NULL},
        {NULL, "u", "5.0", "060000000000001440", NULL},
        {NULL, "u", "abc", "0206616263", NULL},
        {NULL, "u", "true", "0801", NULL},
        {NULL, "u", "007", "0206303037", NULL},
        {NULL, "u", "", "00", NULL},
        {NULL, "u", "\"\"", "0200", NULL},
        {RECORD(FIELD("u", "[\"int\",\"long\"]")), "u", "5", NULL,
         "0 /u: cell \"5\" (fits both int and long), wanted one of: int, long "
         "(ambiguous)\n"},
        {NULL, "u", "5000000000", "0280c8afa025", NULL},
        {NULL, "u", "x", NULL, "0 /u: cell \"x\", wanted one of: int, long (union)\n"},
        {RECORD(FIELD("u", "[\"int\",{\"type\":\"array\",\"items\":\"int\"}]")), "u",
         "[1,2]",
         "020402"
         "0400",
         NULL},
        {NULL, "u", "[1,x]", NULL,
         "0 /u: cell \"[1,x]\", wanted one of: int, array (union)\n"},
    };
    struct av_encoder *enc = NULL;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].schema != NULL) {
            av_encoder_free(enc);
            enc = encoder_for(cases[i].schema, NULL);
        }
        check_row(enc, &cases[i]);
    }
    av_encoder_free(enc);
}

static void nested_types_take_json(void)
{
    static const struct row_case cases[] = {
        {RECORD(FIELD("l", "{\"type\":\"array\",\"items\":\"int\"}") "," FIELD(
             "r", "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"x\","
                  "\"type\":\"int\"}"
                  ",{\"name\":\"y\",\"type\":\"int\"}]}")),
         "r|l", "{\"y\":1,\"x\":2}|[3]", "0206000402", NULL},
        {NULL, "l|r", " [3] | {\"x\":2,\"y\":1} ", "0206000402", NULL},
        {NULL, "l|r", "[3|{\"x\":\"a\",\"y\":1}", NULL,
         "2 /l/0: the end of the text, wanted ',' or ']' (json)\n"
         "8 /r/x: string \"a\", wanted int (type)\n"},
        {NULL, "l|r", "[3]]|{\"y\":1,\"z\":2}", NULL,
         "3 /l: ']', wanted the end of the cell (json)\n"
         "12 /r/z: string \"z\", wanted a field of S (unknown-field)\n"
         "5 /r/x: nothing, wanted int (missing-field)\n"},
    };
    struct av_encoder *enc = encoder_for(cases[0].schema, NULL);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_row(enc, &cases[i]);
    av_encoder_free(enc);
}

int main(void)
{
    RUN(headers_find_their_fields);
    RUN(a_map_comes_first);
    RUN(unknown_columns_may_be_ignored);
    RUN(a_row_is_a_record);
    RUN(cells_are_typed_by_the_schema);
    RUN(an_empty_cell_is_null_or_the_default);
    RUN(a_cell_of_a_union_takes_the_branch_that_fits);
    RUN(nested_types_take_json);
    return REPORT();
}

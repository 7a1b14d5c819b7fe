/*
 * Whatever datum arrives, the walk into columns and decode.h agree on it: what one
 * takes the other takes, a refused one leaves no trace, and what the columns hold reads
 * back as the same record.
 */
#include "avro-core/to_json.h"
#include "format/cells.h"
#include "format/columns.h"
#include "format/value.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define R(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define F(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define L(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"

/* Writer and reader; one text: both. */
static const char *const texts[][2] = {
    {R(F("a", "\"long\"") "," F("b", "[\"null\",\"string\"]") "," F(
         "c", "\"double\"") "," F("d", "\"int\"") "," F("e", "\"boolean\"")),
     NULL},
    {R(F("a", "{\"type\":\"array\",\"items\":[\"null\",\"long\"]}") "," F(
         "b",
         "{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"bytes\"}}")),
     NULL},
    {R(F("a",
         "[\"null\",\"long\",{\"type\":\"fixed\",\"name\":\"F\",\"size\":3},"
         "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"x\",\"type\":"
         "\"float\"},{\"name\":\"y\",\"type\":\"null\"}]}]") "," F("e",
                                                                   "{\"type\":"
                                                                   "\"enum\","
                                                                   "\"name\":\"E\","
                                                                   "\"symbols\":["
                                                                   "\"P\",\"Q\","
                                                                   "\"S\"]}")),
     NULL},
    {R(F("a",
         "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":20,"
         "\"scale\":2}") "," F("b",
                               "{\"type\":\"bytes\",\"logicalType\":\"decimal\","
                               "\"precision\":50,"
                               "\"scale\":0}") "," F("c",
                                                     "{\"type\":\"bytes\","
                                                     "\"logicalType\":\"decimal\","
                                                     "\"precision\":80,"
                                                     "\"scale\":3}") "," F("d",
                                                                           L("byte"
                                                                             "s",
                                                                             "big-"
                                                                             "decim"
                                                                             "a"
                                                                             "l"))),
     NULL},
    {R(F("a", L("int", "date")) "," F("b", L("long", "timestamp-micros")) "," F(
         "c", "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":"
              "\"duration\"}") "," F("d", "{\"type\":\"fixed\",\"name\":\"U\","
                                          "\"size\":16,\"logicalType\":"
                                          "\"uuid\"}")),
     NULL},
    {R(F("a", "\"string\"") "," F("next", "[\"null\",\"R\"]") "," F(
         "all", "{\"type\":\"array\",\"items\":\"R\"}")),
     NULL},
    {R(F("a", "\"int\"") "," F(
         "gone",
         "{\"type\":\"array\",\"items\":"
         "\"string\"}") "," F("b", "[\"string\",\"long\"]") "," F("g", "\"long\"")),
     R(F("b", "[\"string\",\"double\",\"long\"]") "," F(
         "a", "\"double\"") ","
                            "{\"name\":\"new\",\"type\":{\"type\":\"array\","
                            "\"items\":\"string\"},"
                            "\"default\":[\"x\",\"yy\"]}")},
    {"{\"type\":\"array\",\"items\":\"null\"}", NULL},
    {"{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"None\","
     "\"fields\":[]}"
     "}",
     NULL},
    {"\"string\"", NULL},
};
#define N_TEXTS (sizeof texts / sizeof *texts)

static struct pair {
    struct av_plan *plan, *again; // again: of the reader to itself
    struct columns *columns;
    struct route *route;
    struct cells *cells;
} pairs[N_TEXTS];

static const struct av_decode_limits lim = {
    .depth = 30, .items = 10000, .empty_items = 1000};

static struct av_schema *parse(const char *text)
{
    struct av_schema *s;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    return s;
}

static void make(struct pair *x, const char *const text[2])
{
    struct av_schema *w = parse(text[0]), *r = parse(text[1] ? text[1] : text[0]);
    struct av_schema *writer = text[1] == NULL ? r : w;
    struct ArrowSchema type;
    struct err e = {0};

    if (av_plan_new(&x->plan, writer, r, &e) != ERR_OK ||
        av_plan_new(&x->again, r, r, &e) != ERR_OK ||
        columns_new(&x->columns, r, (size_t)1 << 26, true, &e) != ERR_OK ||
        route_new(&x->route, x->columns, x->plan, &e) != ERR_OK)
        abort();
    columns_schema(x->columns, &type);
    if (cells_new(&x->cells, r, &type, &e) != ERR_OK)
        abort();
    type.release(&type);
    av_schema_release(w);
    av_schema_release(r);
}

static enum err_kind on_span(struct av_visitor *v, const struct av_node *node,
                             struct span x, struct err *e)
{
    (void)v;
    return value_check(node, x, true, e);
}

static enum err_kind slowly(const struct pair *x, struct span datum)
{
    static const struct av_visitor_ops ops = {.bytes = on_span, .string = on_span};
    struct av_visitor v = {&ops};
    struct err e;

    return av_decode_all(x->plan, datum, &lim, &v, &e);
}

static enum err_kind to_json(const struct av_plan *plan, struct span datum,
                             struct buf *out)
{
    static struct av_to_json json;
    struct err e;

    av_to_json_init(&json, out, false);
    return av_decode_all(plan, datum, NULL, &json.visitor, &e);
}

/* The order of fields is the writer's in the one text and the reader's in the other, so
 * only where they are the same are the texts. */
static void compare(const struct pair *x, struct span datum)
{
    struct buf before = BUF_INIT(1 << 26), after = BUF_INIT(1 << 26),
               made = BUF_INIT(1 << 26);
    struct ArrowArray batch;
    struct err e = {0};

    columns_export(x->columns, &batch);
    if (cells_take(x->cells, &batch, &e) != ERR_OK)
        abort();
    enum err_kind k = cells_put(x->cells, 0, &made, &e);
    // a union in JSON may be refused as ambiguous (docs/json.md, unions, 4)
    if (k != ERR_OK && strstr(e.msg, "ambiguous") == NULL) {
        fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    if (k == ERR_OK && to_json(x->again, buf_span(&made), &after) != ERR_OK)
        abort();
    if (k == ERR_OK && x->plan != NULL &&
        av_plan_writer(x->plan) == av_plan_reader(x->plan) &&
        (to_json(x->again, datum, &before) != ERR_OK ||
         !span_eq(buf_span(&before), buf_span(&after))))
        abort();
    batch.release(&batch);
    buf_free(&before);
    buf_free(&after);
    buf_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct err e = {0};

    if (n == 0)
        return 0;
    struct pair *x = &pairs[p[0] % N_TEXTS];
    struct span datum = span_of(p + 1, n - 1);
    if (x->plan == NULL)
        make(x, texts[p[0] % N_TEXTS]);

    columns_reset(x->columns);
    enum err_kind fast = columns_append(x->columns, x->route, x->plan, datum, &lim, &e);
    if ((fast == ERR_OK) != (slowly(x, datum) == ERR_OK) && fast != ERR_LIMIT &&
        fast != ERR_OK) // JSON inside has limits of its own
        abort();
    if (fast == ERR_OK)
        compare(x, datum);
    else if (columns_rows(x->columns) != 0 ||
             columns_append(x->columns, x->route, x->plan, datum, &lim, &e) == ERR_OK)
        abort();
    return 0;
}

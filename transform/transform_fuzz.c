/*
 * What strangers give: the first byte says to whom the rest goes.
 *
 *      f  a format, a newline, a text         c  a lookup's CSV        j  its JSON
 * lines s  steps as YAML, fitted to a schema   others: a record for programs of all
 * steps
 *
 * A record that decodes and is kept must come out as a record that decodes.
 */
#include "base/conf.h"
#include "transform/lookup.h"
#include "transform/pattern.h"
#include "transform/transform_inside.h"

#include <stdlib.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
    "{\"name\":\"s\",\"type\":\"string\"},"
    "{\"name\":\"n\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"l\",\"type\":\"long\"},"
    "{\"name\":\"d\",\"type\":\"double\"},"
    "{\"name\":\"b\",\"type\":[\"bytes\",\"null\"]},"
    "{\"name\":\"dec\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
    "\"precision\":20,\"scale\":4}},"
    "{\"name\":\"big\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"big-decimal\"}},"
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"
    "},"
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\","
    "\"B\"]"
    "}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"R\"]}},"
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"null\"}}]}";

static const char *const steps[] = {
    "transform:\n- drop: [m]\n- cast: {s: {to: \"decimal(9,2)\", else: null}, l: int, "
    "d: "
    "string, dec: \"decimal(30,1)\", big: {to: double, else: null}, at: date, day: "
    "timestamp-nanos, e: string, a: string, b: string}\n- filter: \"l > 0\"\n",
    "transform:\n- parse: {s: {as: timestamp, format: \"dd/MM/yyyy HH:mm\", zone: "
    "Europe/Zurich, else: null}, n: {as: date, format: [yyyyMMdd, d.M.yyyy], else: "
    "null}}\n"
    "- dedupe: {key: [l, d, b, e, dec], last: 100}\n- compute: {x: \"l + 1\", y: "
    "\"m\", z: "
    "{expr: \"d\", type: \"decimal(9,2)\", else: null}}\n- select: [x, y, z, e, a, "
    "s]\n",
    "transform:\n- compute: {l: \"size(s)\", whole: \"message\"}\n- cast: {m: string, "
    "whole: "
    "string}\n- rename: {l: k}\n",
};
#define PROGRAMS (sizeof steps / sizeof steps[0])

static const struct conf_row rows[] = {{"transform", CONF_TREE, 0, .help = "s"}, {0}};

static struct av_schema *schema;
static struct av_plan *plan;

struct made {
    struct conf conf;
    struct {
        struct conf_tree tree;
    } settings;
    struct transform *t;
    struct transform_program *p;
    struct av_plan *out;
    struct transform_run *run;
};

static bool make(struct made *m, struct span yaml)
{
    struct err e = {0};

    if (conf_read_text(&m->conf, rows, "f", yaml, &m->settings, &e) != ERR_OK ||
        m->settings.tree.root == NULL)
        return false;
    if (transform_read(&m->t, &m->settings.tree, &e) != ERR_OK ||
        transform_compile(&m->p, m->t, schema, &e) != ERR_OK)
        return false;
    struct av_schema *s = transform_schema(m->p);
    if (av_plan_new(&m->out, s, s, &e) != ERR_OK)
        abort(); // what comes out has a schema
    m->run = transform_run_new(NULL);
    return true;
}

static void unmake(struct made *m)
{
    transform_run_free(m->run);
    av_plan_free(m->out);
    transform_program_free(m->p);
    transform_free(m->t);
    conf_free(&m->conf);
}

static void begin(void)
{
    struct err e = {0};

    if (av_schema_parse(&schema, span_str(schema_text), NULL, 0, NULL, &e) != ERR_OK ||
        av_plan_new(&plan, schema, schema, &e) != ERR_OK)
        abort();
}

static void ask(struct made *m, struct span datum)
{
    static const struct av_visitor_ops nobody;
    static int64_t offset;
    struct av_visitor v = {&nobody};
    struct transform_origin o = {0, offset++ % 1000, 1700000000000000000};
    struct transform_result result;
    struct err e = {0};

    if (m->p == NULL)
        return;
    bool good = av_decode_all(plan, datum, NULL, &v, &e) == ERR_OK;
    if (transform_apply(m->run, m->p, &o, datum, &result, &e) != ERR_OK ||
        result.fate != TRANSFORM_KEPT || !good)
        return;
    e = (struct err){0};
    // A record inside a record may be deeper than a decoder goes.
    if (av_decode_all(m->out, result.datum, NULL, &v, &e) == ERR_INVALID)
        abort();
}

static void ask_all(struct span datum)
{
    static struct made made[PROGRAMS];
    static bool there;

    for (size_t i = 0; !there && i < PROGRAMS; i++)
        (void)make(&made[i], span_str(steps[i]));
    there = true;
    for (size_t i = 0; i < PROGRAMS; i++)
        ask(&made[i], datum);
}

static void read_format(struct span in)
{
    char format[300];
    struct pattern p;
    struct pattern_moment m;
    struct err e = {0};
    const char *why;
    size_t at;

    const uint8_t *end = memchr(in.p, '\n', in.n);
    size_t n = end == NULL ? in.n : (size_t)(end - in.p);
    if (n >= sizeof format)
        return;
    memcpy(format, in.p, n);
    format[n] = '\0';
    if (tr_pattern_read(&p, format, &e) != ERR_OK)
        return;
    struct span text = span_skip(in, n + 1);
    if (tr_pattern_match(&p, text, &m, &why, &at) &&
        (at != text.n || m.seconds < 0 || m.seconds >= 86400 || m.nanos < 0 ||
         m.nanos > 999999999))
        abort();
}

static void read_lookup(struct span in, const char *file)
{
    const struct lookup_column columns[] = {
        {"k", "\"string\""}, {"n", "\"int\""}, {"v", "[\"null\",\"double\"]"}};
    struct lookup *l;
    struct err e = {0};

    if (tr_lookup_new(&l, file, in, columns, 2, 1, &e) != ERR_OK)
        return;
    (void)tr_lookup_find(l, span_str("\x02"
                                     "a\x02"));
    tr_lookup_free(l);
}

/* A lookup would read files of this machine. */
static void read_steps(struct span in)
{
    struct made m = {0};

    if (memmem(in.p, in.n, "lookup", 6) != NULL ||
        memmem(in.p, in.n, "file:", 5) != NULL)
        return;
    if (make(&m, in))
        ask(&m, span_of("", 0));
    unmake(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (schema == NULL)
        begin();
    if (size == 0)
        return 0;
    struct span rest = span_of(data + 1, size - 1);
    switch (data[0]) {
    case 'f': read_format(rest); break;
    case 'c': read_lookup(rest, "f.csv"); break;
    case 'j': read_lookup(rest, "f.json"); break;
    case 's': read_steps(rest); break;
    default: ask_all(rest); break;
    }
    return 0;
}

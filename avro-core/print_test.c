#include "avro-core/canon.h"
#include "tests/vectors.h"

#define MOST (1 << 20)

static struct av_schema *parsed(struct span text, struct av_schema *const *known,
                                size_t n)
{
    struct av_schema *s = NULL;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, text, known, n, NULL, &e), ERR_OK);
    if (s == NULL)
        printf("    %s\n    %.*s\n", e.msg, (int)text.n, (const char *)text.p);
    return s;
}

/* Parses the line's schema after its references; the caller releases all of it. */
static struct av_schema *line_schema(const struct json *line, struct av_schema **refs,
                                     size_t *n_refs)
{
    const struct json *texts = json_member(line, "refs");

    *n_refs = 0;
    for (const struct json *t = texts != NULL ? texts->first : NULL; t != NULL;
         t = t->next) {
        refs[*n_refs] = parsed(t->text, refs, *n_refs);
        if (refs[*n_refs] != NULL)
            ++*n_refs;
    }
    return parsed(vectors_text(line, "schema"), refs, *n_refs);
}

static void print_one(const struct json *line)
{
    struct av_schema *refs[8], *s;
    struct buf out = BUF_INIT(MOST);
    size_t n;

    s = line_schema(line, refs, &n);
    if (s != NULL) {
        av_print(&out, s);
        vectors_same("printed", buf_span(&out), vectors_text(line, "printed"));
        buf_reset(&out);
        av_print_normalized(&out, s);
        if (json_member(line, "normalized") != NULL)
            vectors_same("normalized", buf_span(&out),
                         vectors_text(line, "normalized"));
    }
    av_schema_release(s);
    while (n > 0)
        av_schema_release(refs[--n]);
    buf_free(&out);
}

static void schemas_are_printed_as_Java_prints_them(void)
{
    CHECK(vectors_each("tests/vectors/schema/printed.ndjson", print_one) >= 80);
}

static void check_forms(const char *text, const char *printed, const char *normalized)
{
    struct av_schema *s = parsed(span_str(text), NULL, 0);
    struct buf out = BUF_INIT(MOST);

    if (s == NULL)
        return;
    av_print(&out, s);
    CHECK_SPAN(buf_span(&out), printed);
    buf_reset(&out);
    av_print_normalized(&out, s);
    CHECK_SPAN(buf_span(&out), normalized);
    buf_free(&out);
    av_schema_release(s);
}

/* What Java makes of this loses the empty namespace: B would become a.B. */
static void normalizing_does_not_rename_a_type(void)
{
    const char *kept =
        "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"a\",\"fields\":["
        "{\"name\":\"b\",\"type\":{\"type\":\"fixed\",\"name\":\"B\","
        "\"namespace\":\"\",\"size\":1}}]}";

    check_forms(kept, kept, kept);
}

/* Stored schemas may have such defaults.  Java finds no value in some of them. */
static void a_default_that_does_not_fit_is_printed_and_perhaps_not_normalized(void)
{
    static const struct {
        const char *type, *value;
        bool normalized;
    } t[] = {
        {"\"string\"", "null", true},
        {"\"string\"", "1", false},
        {"\"int\"", "\"x\"", false},
        {"\"int\"", "true", true},
        {"\"int\"", "5000000000", true},
        {"\"long\"", "1.5", false},
        {"\"long\"", "12345678901234567890", false},
        {"{\"type\":\"array\",\"items\":\"int\"}", "\"x\"", false},
    };
    const struct av_parse_limits stored = {.keep_bad_defaults = true};

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf with = BUF_INIT(1000), without = BUF_INIT(1000),
                   out = BUF_INIT(1000);
        const char *head = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":"
                           "\"f\",\"type\":";
        struct av_schema *s = NULL;
        struct err e = {0};

        buf_printf(&with, "%s%s,\"default\":%s}]}", head, t[i].type, t[i].value);
        buf_printf(&without, "%s%s}]}", head, t[i].type);
        CHECK_INT(av_schema_parse(&s, buf_span(&with), NULL, 0, &stored, &e), ERR_OK);
        if (s != NULL) {
            av_print(&out, s);
            vectors_same("printed", buf_span(&out), buf_span(&with));
            buf_reset(&out);
            av_print_normalized(&out, s);
            vectors_same("normalized", buf_span(&out),
                         buf_span(t[i].normalized ? &with : &without));
        }
        av_schema_release(s);
        buf_free(&with);
        buf_free(&without);
        buf_free(&out);
    }
}

static void an_integer_too_long_for_a_long_survives(void)
{
    check_forms("{\"type\":\"string\",\"x\":[12345678901234567890123]}",
                "{\"type\":\"string\",\"x\":[12345678901234567890123]}",
                "{\"type\":\"string\",\"x\":[12345678901234567890123]}");
}

/* Each type is defined after its use: no text is that deep, the printed one would be.
 */
static void a_schema_too_deep_to_print_leaves_the_buffer_over(void)
{
    struct buf text = BUF_INIT(MOST), out = BUF_INIT(MOST);
    struct err e;
    int n = AV_PRINT_DEPTH + 10;

    buf_put_u8(&text, '[');
    for (int i = 0; i < n; i++)
        buf_printf(&text,
                   "%s{\"type\":\"record\",\"name\":\"R%d\",\"fields\":["
                   "{\"name\":\"f\",\"type\":\"%s%.0d\"}]}",
                   i > 0 ? "," : "", i, i + 1 < n ? "R" : "int", i + 1 < n ? i + 1 : 0);
    buf_put_u8(&text, ']');
    struct av_schema *s = parsed(buf_span(&text), NULL, 0);
    if (s != NULL) {
        av_print(&out, s);
        CHECK_INT(buf_status(&out, &e), ERR_LIMIT);
        buf_reset(&out);
        av_print_canonical(&out, s);
        CHECK_INT(buf_status(&out, &e), ERR_LIMIT);
    }
    av_schema_release(s);
    buf_free(&out);
    buf_free(&text);
}

int main(void)
{
    RUN(schemas_are_printed_as_Java_prints_them);
    RUN(normalizing_does_not_rename_a_type);
    RUN(a_default_that_does_not_fit_is_printed_and_perhaps_not_normalized);
    RUN(an_integer_too_long_for_a_long_survives);
    RUN(a_schema_too_deep_to_print_leaves_the_buffer_over);
    return REPORT();
}

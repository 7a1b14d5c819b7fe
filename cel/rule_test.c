#include "avro-core/encode.h"
#include "cel/cel.h"
#include "tests/check.h"

#include <stdlib.h>

#define ORDER                                                                          \
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.shop\",\"fields\":["  \
    "{\"name\":\"id\",\"type\":\"long\"},"                                             \
    "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}"

/* What the rule says of the record. */
static struct span says(const char *rule, const char *record)
{
    static char said[1000];
    struct err e = {0};
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct cel_rules *set;
    struct cel_rule *r;
    struct buf datum = BUF_INIT(10000), out = BUF_INIT(sizeof said);
    struct av_problems problems = {0};

    if (av_schema_parse(&schema, span_str(ORDER), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&encoder, schema, NULL, &e) != ERR_OK ||
        cel_rules_new(&set, schema, &e) != ERR_OK)
        abort();
    if (cel_rules_add(set, span_str(rule), CEL_RECORD, &r, &e) != ERR_OK) {
        buf_put_str(&out, e.msg);
    } else if (av_encode(encoder, span_str(record), &datum, &problems) == ERR_OK) {
        struct cel_run *run = cel_run_new();

        cel_begin(run, set, buf_span(&datum), 0);
        cel_show(run, r, &out);
        cel_run_free(run);
    }
    memcpy(said, out.p, out.n);
    size_t n = out.n;
    av_problems_free(&problems);
    cel_rules_free(set);
    av_encoder_free(encoder);
    av_schema_release(schema);
    buf_free(&datum);
    buf_free(&out);
    return span_of(said, n);
}

static void a_condition_is_true_or_false(void)
{
    CHECK_SPAN(says("message.id > 5", "{\"id\":6}"), "true");
    CHECK_SPAN(says("message.id > 5", "{\"id\":5}"), "false");
}

static void what_does_not_type_check_is_refused_with_its_place(void)
{
    CHECK_SPAN(says("message.id ==\n '7'", "{}"),
               "1:12: \"==\" does not take (int, string)");
}

int main(void)
{
    RUN(a_condition_is_true_or_false);
    RUN(what_does_not_type_check_is_refused_with_its_place);
    return REPORT();
}

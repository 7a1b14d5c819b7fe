#include "loaders/quarantine.h"

#include "tests/check.h"

#define SCHEMA(more)                                                             \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}" more "]}"

static enum err_kind plan(const char *schema, const struct table_has *has, size_t n,
                          bool evolve, struct buf *ddl, struct buf *copy, struct err *e)
{
    struct av_schema *s;
    struct table t;

    if (av_schema_parse(&s, span_str(schema), NULL, 0, NULL, e) != ERR_OK)
        return e->kind;
    enum err_kind rc =
        quarantine_plan(&t, s, has, n, "\"t_quarantine\"", evolve, ddl, e);
    if (rc == ERR_OK) {
        quarantine_put_copy(copy, &t, "\"t_quarantine\"");
        table_free(&t);
    }
    av_schema_release(s);
    return rc;
}

#define EXTRA                                                                      \
    "_errors jsonb, ADD COLUMN _topic text, ADD COLUMN _partition integer, "       \
    "ADD COLUMN _offset bigint, ADD COLUMN _run_id uuid, ADD COLUMN _quarantined " \
    "timestamptz"

static void it_has_the_records_columns_and_its_own(void)
{
    struct buf ddl = BUF_INIT(10000), copy = BUF_INIT(10000);
    struct err e = {0};

    CHECK_INT(plan(SCHEMA(""), NULL, 0, true, &ddl, &copy, &e), ERR_OK);
    CHECK(memmem(ddl.p, ddl.n, "CREATE TABLE \"t_quarantine\"", 27) != NULL);
    CHECK(memmem(ddl.p, ddl.n, "PRIMARY KEY", 11) == NULL);
    static const char alter[] = "ALTER TABLE \"t_quarantine\" ADD COLUMN " EXTRA ";\n";
    CHECK(memmem(ddl.p, ddl.n, alter, strlen(alter)) != NULL);
    CHECK_SPAN(buf_span(&copy),
               "COPY \"t_quarantine\" (\"id\", _errors, _topic, "
               "_partition, _offset, _run_id, _quarantined) FROM STDIN "
               "(FORMAT binary)");
    buf_free(&ddl);
    buf_free(&copy);
}

static void it_grows_with_the_schema(void)
{
    static const struct table_has has[] = {
        {.name = "id", .type = "bigint", .typmod = -1, .not_null = true},
        {.name = "_errors", .type = "jsonb", .typmod = -1, .not_null = true},
        {.name = "_topic", .type = "text", .typmod = -1},
        {.name = "_partition", .type = "integer", .typmod = -1},
        {.name = "_offset", .type = "bigint", .typmod = -1},
        {.name = "_run_id", .type = "uuid", .typmod = -1},
        {.name = "_quarantined", .type = "timestamp with time zone", .typmod = -1},
    };
    struct buf ddl = BUF_INIT(10000), copy = BUF_INIT(10000);
    struct err e = {0};

    CHECK_INT(plan(SCHEMA(""), has, 7, true, &ddl, &copy, &e), ERR_OK);
    CHECK_INT(ddl.n, 0);
    CHECK_INT(plan(SCHEMA(",{\"name\":\"x\",\"type\":[\"null\",\"int\"]}"), has, 6,
                   true, &ddl, &copy, &e),
              ERR_OK);
    CHECK_SPAN(buf_span(&ddl),
               "ALTER TABLE \"t_quarantine\" ADD COLUMN \"x\" integer;\n"
               "ALTER TABLE \"t_quarantine\" ADD COLUMN _quarantined timestamptz;\n");
    CHECK_INT(plan(SCHEMA(""), has, 6, false, &ddl, &copy, &e), ERR_INVALID);
    CHECK_STR(e.msg, "table \"t_quarantine\" has no column _quarantined (and evolve is "
                     "off)");
    buf_free(&ddl);
    buf_free(&copy);
}

static void a_field_of_the_same_name_is_refused(void)
{
    struct buf ddl = BUF_INIT(10000), copy = BUF_INIT(10000);
    struct err e = {0};

    CHECK_INT(plan(SCHEMA(",{\"name\":\"_offset\",\"type\":\"int\"}"), NULL, 0, true,
                   &ddl, &copy, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "field _offset: the quarantine has a column of that name");
    buf_free(&ddl);
    buf_free(&copy);
}

static void a_row_says_where_it_is_from(void)
{
    struct buf out = BUF_INIT(10000);

    quarantine_put_extra(
        &out, &(struct quarantined){.topic = "t",
                                    .run_id = "123e4567-e89b-12d3-a456-426614174000",
                                    .partition = 3,
                                    .offset = 5,
                                    .wall_ms = 1,
                                    .errors = span_str("[\xff]")});
    CHECK_INT(out.n, 4 + 4 + 4 + 1 + 4 + 4 + 4 + 8 + 4 + 16 + 4 + 8);
    CHECK_SPAN(span_of(out.p + 4, 4),
               "\1[?]"); // what is no UTF-8 the server would refuse
    buf_free(&out);
}

int main(void)
{
    RUN(it_has_the_records_columns_and_its_own);
    RUN(it_grows_with_the_schema);
    RUN(a_field_of_the_same_name_is_refused);
    RUN(a_row_says_where_it_is_from);
    return REPORT();
}

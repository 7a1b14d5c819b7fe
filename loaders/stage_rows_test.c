/*
 * Rows of a claim, staged by the files sink in a directory and read back: their order,
 * what a claim that counts does, and what is damaged.
 */
#include "loaders/stage_rows.h"

#include "avro-core/varint.h"
#include "loaders/sink_files_inside.h"
#include "loaders/stage_merge.h"
#include "tests/fakes/batches.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"},{\"name\":\"city\",\"type\":\"string\"}]}"

#define KEY                                                                      \
    "{\"type\":\"record\",\"name\":\"K\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"

static char dir[100], url[120];
static int32_t id, key_id;
static unsigned envelope; // that files are staged with
static struct sift *sift;
static struct place *place;
static struct stage_schemas *schemas;
static struct stage_files *files;
static struct arena mem;
static struct stage_claim claim;

static void enter(void)
{
    static int count;
    struct sift_options o = {.subject = "t-value", .timeout_ms = 1000, .keys = true};
    struct place_settings p = {.url = url};
    struct err e = {0};

    snprintf(dir, sizeof dir, "/tmp/avrogate-rows-%ld-%d", (long)getpid(), ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    fake_registry_reset();
    key_id = fake_register(KEY);
    id = fake_register(SCHEMA);
    CHECK_INT(sift_open(&sift, NULL, &o, &e), ERR_OK);
    CHECK_INT(place_open(&place, &p, &e), ERR_OK);
    schemas = stage_schemas_open();
    files = stage_files_open(place);
}

static void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    stage_schemas_close(schemas);
    stage_files_close(files);
    place_close(place);
    sift_close(sift);
    arena_free(&mem);
    fake_registry_reset();
}

/* Its key is framed: five bytes, and the offset. */
static void add_tombstone(struct batch *b)
{
    struct buf key = BUF_INIT(100), headers = BUF_INIT(100);

    frame_write_head(&key, key_id);
    varint_append(&key, b->next);
    batch_pack_header(&headers, "why", span_str("it is gone"));
    struct record r = {.offset = b->next,
                       .timestamp_ms = -1,
                       .key = buf_span(&key),
                       .headers = buf_span(&headers)};
    batch_add(b, &r);
    buf_free(&key);
    buf_free(&headers);
}

static void check_enveloped(const struct stage_row *row)
{
    struct span key = row->key, headers = row->headers, name, value;
    int64_t offset = -1;

    if (!row->deleted) {
        CHECK_SPAN(key, "k");
        CHECK_INT(row->timestamp_ms, 1700000000000);
        CHECK_INT(headers.n, 0);
        return;
    }
    CHECK_INT(row->timestamp_ms, -1);
    CHECK(key.n > 5 && key.p[4] == (uint8_t)key_id);
    key = span_skip(key, 5);
    CHECK(varint_take(&key, &offset));
    CHECK_INT(offset, row->offset);
    CHECK(batch_next_header(&headers, &name, &value));
    CHECK_SPAN(name, "why");
    CHECK_SPAN(value, "it is gone");
}

/* Stages offsets [100, 100 + n), every third in another city, some left out and some
 * that are rubbish, as one claim. */
static void stage_at(int64_t first, int n, const char *format, bool cities)
{
    struct conf_pair by = {"0.field", "city", false};
    struct files_options o = {.place.url = url,
                              .format = format,
                              .rotate_rows = 1 << 20,
                              .rotate_bytes = 1 << 30,
                              .rotate_age_ms = 3600000,
                              .memory = 1 << 20,
                              .spool = "/tmp",
                              .job = "job",
                              .topic = "t",
                              .source = "",
                              .reject_limit = 100,
                              .envelope = envelope,
                              .partition_by = {&by, cities}};
    struct batch *b = batch_new("t", 0, first);
    struct sink *s = NULL;
    struct claim c;
    struct receipt r;
    struct settled told;
    struct err e = {0};

    CHECK_INT(files_sink_open(&s, &o, &e), ERR_OK);
    CHECK_INT(s->ops->begin(s, &e), ERR_OK);
    CHECK_INT(s->ops->take(s, "t", 0, first, "cluster", &c, &e), ERR_OK);
    b->epoch = c.epoch;
    for (int i = 0; i < n; i++) {
        char json[80];
        snprintf(json, sizeof json, "{\"id\":%d,\"city\":\"%s\"}", (int)first + i,
                 i % 3 == 0 ? "Ulm" : "Bonn");
        if (i % 10 == 7)
            add_rubbish(b);
        else if (i % 10 == 4)
            b->next++; // a hole
        else if (i % 10 == 9 && envelope != 0)
            add_tombstone(b);
        else
            add_json(b, id, json);
    }
    CHECK_INT(sift_prepare(sift, b, &e), ERR_OK);
    CHECK_INT(s->ops->shape(s, sift_reader(sift), &e), ERR_OK);
    CHECK_INT(s->ops->write(s, b, sift, &r, &e), ERR_OK);
    CHECK_INT(s->ops->settle(s, true, &told, &e), ERR_OK);
    CHECK(told.any && !told.lost);
    batch_free(b);
    s->ops->close(s);
}

static void use_claim(int64_t first)
{
    char name[STAGE_NAME];
    struct err e = {0};

    stage_claim_name(name, "t", 0, first);
    CHECK_INT(files_read_claim(place, name, &claim, &mem, &e), ERR_OK);
}

static void stage(int n, const char *format, bool cities)
{
    stage_at(100, n, format, cities);
    use_claim(100);
}

static void forget_offsets(void)
{
    for (size_t i = 0; i < claim.n_files; i++)
        claim.files[i].runs = "";
}

static enum err_kind open_rows(struct stage_rows **r, const char *format, int64_t at,
                               struct err *e)
{
    struct stage_rows_from from = {.place = place,
                                   .files = files,
                                   .spool = "/tmp",
                                   .format = format,
                                   .schemas = schemas};

    return stage_rows_open(r, &from, &claim, at, e);
}

/* Reads all from `at` on; what is wrong is in *e, and the number of rows is returned.
 */
static int read_all(int64_t at, int64_t offsets[], struct err *e)
{
    struct stage_rows *r;
    int n = 0;

    if (open_rows(&r, NULL, at, e) != ERR_OK)
        return -1;
    for (bool more = true; more;) {
        struct stage_row row;
        if (stage_rows_next(r, &row, &more, e) != ERR_OK)
            break;
        if (more) {
            struct span datum = row.datum;
            int64_t value = -1;
            CHECK_INT(row.schema, id);
            CHECK(varint_take(&datum, &value) == !row.deleted);
            if (envelope & ENVELOPE_HEADERS)
                check_enveloped(&row);
            if (!stage_rows_counted(&claim) && !row.deleted)
                CHECK_INT(value, row.offset);
            offsets[n++] = row.offset;
        }
    }
    stage_rows_close(r);
    return n;
}

static bool is_row(int64_t offset)
{
    return offset % 10 != 4 && offset % 10 != 7;
}

static void rows_of_several_files_come_in_the_order_of_their_offsets(void)
{
    static const char *const formats[] = {"json", "csv", "ocf"};

    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        int64_t got[200];
        struct err e = {0};

        enter();
        stage(100, formats[k], true);
        CHECK_INT(claim.n_files, 3); // two cities, and what was set aside
        CHECK_INT(read_all(0, got, &e), 80);
        for (int64_t o = 100, i = 0; o < 200; o++)
            if (is_row(o))
                CHECK_INT(got[i++], o);
        // and from any place in it
        CHECK_INT(read_all(150, got, &e), 40);
        CHECK_INT(got[0], 150);
        CHECK_INT(read_all(154, got, &e), 36);
        CHECK_INT(got[0], 155);
        CHECK_INT(read_all(200, got, &e), 0);
        CHECK_INT(stage_rows_mark(&claim, 150), -1);
        CHECK_INT(stage_rows_mark(&claim, 200), claim.mark);
        leave();
    }
}

static void a_claim_without_offsets_counts_its_rows(void)
{
    int64_t got[200];
    struct err e = {0};

    enter();
    stage(100, "json", true);
    forget_offsets();
    CHECK_INT(read_all(0, got, &e), 80);
    for (int i = 0; i < 80; i++)
        CHECK_INT(got[i], 100 + i);
    for (int64_t at = 100; at < 180; at += 13) {
        CHECK_INT(read_all(at, got, &e), 180 - (int)at);
        CHECK_INT(got[0], at);
    }
    CHECK_INT(read_all(190, got, &e), 0); // behind its rows, and not behind it
    int64_t here = stage_rows_mark(&claim, 150);
    CHECK(here >= 0 && here != stage_rows_mark(&claim, 151));
    claim.files[0].sha256 = "another";
    CHECK(here != stage_rows_mark(&claim, 150));
    leave();
}

static void damage(const char *command)
{
    char all[500];

    snprintf(all, sizeof all, "cd %s && %s", dir, command);
    CHECK_INT(system(all), 0);
}

static void says(const struct err *e, const char *part)
{
    bool said = strstr(e->msg, part) != NULL;

    CHECK(said);
    if (!said)
        printf("    \"%s\" does not say \"%s\"\n", e->msg, part);
}

static void what_is_not_what_was_staged_is_not_loaded(void)
{
    static const struct {
        const char *command, *why;
    } damages[] = {
        {"rm city=Ulm/*", "it is gone"},
        {"for f in city=Ulm/*; do printf x >> $f; done", "bytes, staged were"},
        {"truncate -s -1 city=Ulm/*", "bytes, staged were"},
        {"sed -i s/id/ie/ city=Ulm/*", "SHA-256"},
        {"mv city=Bonn/* city=Ulm/t+0*", "bytes, staged were"},
        {"rm _schemas/*", "is gone"},
        {"sed -i s/id/ie/ _schemas/*", "not what its name says"},
    };

    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        int64_t got[200];
        struct err e = {0};

        enter();
        stage(100, "json", true);
        damage(damages[i].command);
        CHECK(read_all(0, got, &e) < 80);
        CHECK_INT(e.kind, ERR_CONFLICT);
        says(&e, damages[i].why);
        leave();
    }
}

static void a_claim_that_lies_about_its_rows_is_not_believed(void)
{
    int64_t got[200];
    struct err e = {0};

    enter();
    stage(100, "json", true);
    claim.loaded++;
    CHECK_INT(read_all(0, got, &e), -1);
    CHECK_INT(e.kind, ERR_CONFLICT);
    claim.loaded--;
    claim.files[0].rows--; // and then one of the file is left over
    claim.files[1].rows++;
    forget_offsets();
    CHECK(read_all(0, got, &e) < 80);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "has more than");
    leave();
    enter();
    stage(100, "json", true);
    claim.files[0].rows++;
    claim.files[1].rows--;
    forget_offsets();
    CHECK(read_all(0, got, &e) < 80);
    says(&e, "it ends after");
    leave();
    enter();
    stage(100, "json", true);
    claim.files[1].runs = claim.files[0].runs; // the same offsets twice
    claim.loaded += claim.files[0].rows - claim.files[1].rows;
    CHECK(read_all(0, got, &e) < 80);
    CHECK_INT(e.kind, ERR_CONFLICT);
    leave();
}

static void a_file_that_has_not_its_name_yet_is_given_it(void)
{
    int64_t got[200];
    char command[300];
    struct err e = {0};

    enter();
    stage(100, "json", false);
    snprintf(command, sizeof command, "mkdir -p _tmp && mv t+0* %.*s",
             (int)claim.files[0].ticket.n, (const char *)claim.files[0].ticket.p);
    damage(command);
    CHECK_INT(read_all(0, got, &e), 80);
    leave();
}

static void merge(const char *format, const char *to, int64_t most)
{
    struct merge_options o = {.place = place,
                              .dir = "",
                              .format = format,
                              .to = to,
                              .max_bytes = most,
                              .spool = "/tmp"};
    struct merge_sums sums;
    struct err e = {0};

    enum err_kind rc = stage_merge(&o, &sums, &e);
    CHECK_INT(rc, ERR_OK);
    if (rc != ERR_OK)
        printf("    %s\n", e.msg);
    CHECK(sums.merges > 0);
}

static void expect_claim(int64_t first)
{
    int64_t got[200];
    struct err e = {0};

    use_claim(first);
    CHECK_INT(read_all(0, got, &e), 80);
    CHECK_INT(got[0], first);
    CHECK_INT(read_all(first + 51, got, &e), 39);
    CHECK_INT(got[0], first + 51);
}

static void what_was_merged_is_found_in_what_it_was_merged_into(void)
{
    static const char *const formats[] = {"json", "csv", "ocf"};

    for (size_t k = 0; k < 3; k++) {
        enter();
        for (int i = 0; i < 4; i++)
            stage_at(100 + i * 100, 100, formats[k], true);
        merge(formats[k], formats[k], 5000);
        for (int i = 0; i < 4; i++)
            expect_claim(100 + i * 100);
        for (int i = 3; i >= 0; i--) // backwards nothing that is open helps
            expect_claim(100 + i * 100);
        merge(formats[k], formats[(k + 1) % 3], 1 << 20); // on, and as something else
        for (int i = 0; i < 4; i++)
            expect_claim(100 + i * 100);
        leave();
    }
}

static void a_merged_file_is_not_believed_either(void)
{
    int64_t got[200];
    struct err e = {0};

    enter();
    stage_at(100, 100, "json", false);
    stage_at(200, 100, "json", false);
    merge("json", "json", 1 << 20);
    damage("sed -i s/Ulm/Olm/ t+merged*");
    use_claim(200);
    CHECK_INT(read_all(0, got, &e), 0);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "SHA-256");
    leave();
}

static void a_file_that_is_merged_while_it_is_read_is_read_to_its_end(void)
{
    struct stage_rows *r = NULL;
    struct stage_row row;
    struct err e = {0};
    bool more = true;
    int n = 0;

    enter();
    stage_at(100, 100, "json", true);
    stage_at(200, 100, "json", true);
    use_claim(200);
    CHECK_INT(open_rows(&r, NULL, 0, &e), ERR_OK);
    CHECK_INT(stage_rows_next(r, &row, &more, &e), ERR_OK); // one of its files is open
    merge("json", "json", 1 << 20);
    for (n = 1; more; n++)
        CHECK_INT(stage_rows_next(r, &row, &more, &e), ERR_OK);
    CHECK_INT(n - 1, 80);
    stage_rows_close(r);
    leave();
}

static void another_format_than_was_wanted_is_refused(void)
{
    struct stage_rows *r = NULL;
    struct stage_row row;
    bool more;
    struct err e = {0};

    enter();
    stage(10, "json", false);
    CHECK_INT(open_rows(&r, "csv", 0, &e), ERR_OK);
    CHECK_INT(stage_rows_next(r, &row, &more, &e), ERR_CONFLICT);
    says(&e, "no csv file");
    stage_rows_close(r);
    leave();
}

/* Which key schemas the claim brings, as the loader behind asks for them. */
static void check_key_schema(void)
{
    const struct sift_schemas *ask = stage_schemas_sift(schemas);
    struct rc_schema got;
    struct err e = {0};

    CHECK_INT(claim.n_keys, 1);
    CHECK_INT(ask->key_by_id(ask->arg, key_id, &got, &e), ERR_OK);
    CHECK_SPAN(av_schema_root(got.schema)->name.base, "K");
    rc_schema_free(&got);
    CHECK_INT(ask->key_by_id(ask->arg, id, &got, &e), ERR_INVALID); // at once
}

static void records_with_an_envelope_come_back_from_every_format_merged_or_not(void)
{
    static const char *const formats[] = {"json", "csv", "ocf"};

    for (size_t k = 0; k < 2 * (sizeof formats / sizeof *formats); k++) {
        int64_t got[200];
        struct err e = {0};

        enter();
        envelope = ENVELOPE_KEY | ENVELOPE_TIMESTAMP | ENVELOPE_HEADERS |
                   ENVELOPE_PARTITION | ENVELOPE_OFFSET | ENVELOPE_DELETED;
        stage_at(0, 100, formats[k / 2], true);
        stage(100, formats[k / 2], true);
        if (k % 2 == 1)
            merge(formats[k / 2], "ocf", 1 << 30);
        CHECK_INT(claim.loaded, 80);
        CHECK_INT(read_all(0, got, &e), 80);
        for (int64_t o = 100, i = 0; o < 200; o++)
            if (is_row(o))
                CHECK_INT(got[i++], o);
        CHECK_INT(read_all(159, got, &e), 33);
        check_key_schema();
        envelope = 0;
        leave();
    }
}

static void what_a_row_says_of_itself_is_what_the_claim_says(void)
{
    int64_t got[200];
    struct err e = {0};

    enter();
    envelope = ENVELOPE_OFFSET | ENVELOPE_PARTITION;
    stage(10, "json", false);
    claim.partition = 4;
    CHECK_INT(read_all(0, got, &e), 0);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "is partition 0's");
    claim.partition = 0;
    claim.files[0].runs = "0:8";
    CHECK(read_all(0, got, &e) < 8);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "claimed as");
    envelope = 0;
    leave();
}

static void an_id_that_means_two_key_schemas_is_a_conflict(void)
{
    int64_t got[200];
    char other[STAGE_SCHEMA] = {0};
    struct err e = {0};

    enter();
    envelope = ENVELOPE_KEY | ENVELOPE_DELETED;
    stage(100, "json", false);
    CHECK_INT(read_all(0, got, &e), 80);
    memset(other, 'a', STAGE_SCHEMA - 1);
    claim.keys[0].schema = other;
    CHECK_INT(read_all(0, got, &e), -1);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "another schema");
    envelope = 0;
    leave();
}

static void csv_of_several_types_in_a_field_is_refused(void)
{
    int64_t got[20];
    struct err e = {0};

    enter();
    fake_registry_reset();
    id = fake_register(
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\","
        "\"type\":[\"long\",\"string\"]},{\"name\":\"city\",\"type\":"
        "\"string\"}]}");
    stage(3, "csv", false);
    CHECK_INT(read_all(0, got, &e), 0);
    CHECK_INT(e.kind, ERR_CONFLICT);
    says(&e, "several types");
    leave();
}

static void the_latest_schema_is_the_newest_claims(void)
{
    struct stage_schemas *s = stage_schemas_open();
    const struct sift_schemas *ask = stage_schemas_sift(s);
    struct av_schema *a, *b;
    struct rc_schema got;
    struct err e = {0};
    int32_t first, second, again;

    CHECK_INT(av_schema_parse(&a, span_str("\"long\""), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(av_schema_parse(&b, span_str("\"string\""), NULL, 0, NULL, &e), ERR_OK);
    CHECK_INT(ask->latest(ask->arg, &got, &e), ERR_NOT_FOUND);
    CHECK_INT(ask->by_id(ask->arg, 7, &got, &e), ERR_NOT_FOUND);
    CHECK_INT(stage_schemas_add(s, a, 7, 2000, &first, &e), ERR_OK);
    CHECK_INT(first, 7);
    CHECK_INT(stage_schemas_add(s, b, 7, 1000, &second, &e), ERR_OK);
    CHECK(second >= SCHEMAS_OWN); // somebody else's 7
    CHECK_INT(stage_schemas_add(s, b, 7, 1500, &again, &e), ERR_OK);
    CHECK_INT(again, second);
    CHECK_INT(ask->latest(ask->arg, &got, &e), ERR_OK);
    CHECK_INT(got.id, first);
    rc_schema_free(&got);
    CHECK_INT(stage_schemas_add(s, b, 0, 3000, &again, &e), ERR_OK);
    CHECK_INT(ask->latest(ask->arg, &got, &e), ERR_OK);
    CHECK_INT(got.id, second);
    rc_schema_free(&got);
    av_schema_release(a);
    av_schema_release(b);
    stage_schemas_close(s);
}

int main(void)
{
    RUN(rows_of_several_files_come_in_the_order_of_their_offsets);
    RUN(a_claim_without_offsets_counts_its_rows);
    RUN(what_is_not_what_was_staged_is_not_loaded);
    RUN(a_claim_that_lies_about_its_rows_is_not_believed);
    RUN(a_file_that_has_not_its_name_yet_is_given_it);
    RUN(what_was_merged_is_found_in_what_it_was_merged_into);
    RUN(a_merged_file_is_not_believed_either);
    RUN(a_file_that_is_merged_while_it_is_read_is_read_to_its_end);
    RUN(another_format_than_was_wanted_is_refused);
    RUN(records_with_an_envelope_come_back_from_every_format_merged_or_not);
    RUN(what_a_row_says_of_itself_is_what_the_claim_says);
    RUN(an_id_that_means_two_key_schemas_is_a_conflict);
    RUN(csv_of_several_types_in_a_field_is_refused);
    RUN(the_latest_schema_is_the_newest_claims);
    return REPORT();
}

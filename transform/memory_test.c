#include "transform/memory.h"

#include "tests/transform_house.h"

static const char shop[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":"
    "\"long\"},{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"K\","
    "\"symbols\":[\"A\",\"B\"]}}]}";
static const char other_order[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"kind\",\"type\":{"
    "\"type\":\"enum\",\"name\":\"K\",\"symbols\":[\"C\",\"B\",\"A\"]}},{\"name\":"
    "\"id\",\"type\":\"int\"}]}";

/* A loader: steps, and what they remember. */
static struct transform_memory *begin(struct transform_house *h, const char *schema,
                                      const char *steps, int64_t next)
{
    CHECK_INT(transform_house_open(h, schema, steps), ERR_OK);
    struct transform_memory *m = transform_memory_new(h->t);
    transform_run_free(h->run);
    h->run = transform_run_new(m);
    h->offset = next;
    transform_memory_stand(m, 0, 1, next);
    return m;
}

static void end(struct transform_house *h, struct transform_memory *m)
{
    transform_house_close(h);
    transform_memory_free(m);
}

static bool goes_on(struct transform_house *h, int id, const char *kind)
{
    char json[100];

    snprintf(json, sizeof json, "{\"id\":%d,\"kind\":\"%s\"}", id, kind);
    return strcmp(transform_house_says(h, json), "repeated") != 0;
}

/* As a sink does: in pieces of two keys. */
static void write_down(const struct transform_memory *m, int64_t next, struct buf *out)
{
    struct transform_noted at = {0};

    while (transform_memory_noted(m, 0, next, 2, &at, out))
        CHECK(at.first <= at.last && at.last < next);
}

static enum err_kind recall(struct transform_memory *m, struct span pieces)
{
    struct err e = {0};

    return transform_memory_recall(m, 0, pieces, &e);
}

static void whoever_goes_on_knows_what_was_kept(void)
{
    static const char steps[] = "transform:\n- dedupe: {key: [kind, id], last: 100}\n";
    struct buf kept = BUF_INIT(1 << 20);
    struct transform_house h;
    struct transform_memory *m = begin(&h, shop, steps, 0);

    for (int batch = 0; batch < 3; batch++) {
        for (int i = 0; i < 5; i++)
            CHECK(goes_on(&h, batch * 5 + i, "A"));
        CHECK(transform_memory_stands(m, 0, 1, batch * 5));
        write_down(m, h.offset, &kept);
        transform_memory_keep(m, 0, h.offset);
    }
    CHECK(goes_on(&h, 100, "A")); // and this is not kept: killed
    end(&h, m);

    m = begin(&h, other_order, steps, 15); // a later version of the schema, too
    CHECK_INT(recall(m, buf_span(&kept)), ERR_OK);
    CHECK(transform_memory_stands(m, 0, 1, 15));
    CHECK(!transform_memory_stands(m, 0, 2, 15));
    CHECK(!transform_memory_stands(m, 1, 1, 15));
    CHECK(goes_on(&h, 100, "A"));
    CHECK(!goes_on(&h, 100, "A"));
    for (int i = 0; i < 15; i++) {
        CHECK(!goes_on(&h, i, "A"));
        CHECK(goes_on(&h, i, "B"));
    }
    end(&h, m);
    buf_free(&kept);
}

/* Three times the same batch, of which two are rolled back: it is whole each time. */
static void a_batch_that_comes_again_is_no_repetition_of_itself(void)
{
    struct buf noted = BUF_INIT(1 << 20);
    struct transform_house h;
    struct transform_memory *m = begin(
        &h, shop, "transform:\n- dedupe: {key: id, last: 4}\n- filter: id > 0\n", 10);
    size_t n = 0;

    for (int round = 0; round < 3; round++) {
        h.offset = 10;
        for (int i = 0; i < 10; i++)
            CHECK_INT(goes_on(&h, i / 2, "A"), i % 2 == 0);
        buf_reset(&noted);
        write_down(m, h.offset, &noted);
        CHECK(round == 0 || noted.n == n);
        n = noted.n;
        transform_memory_undo(m, 0);
    }
    write_down(m, 20, &noted);
    CHECK_INT(noted.n, n); // all was taken back
    end(&h, m);
    buf_free(&noted);
}

static void only_what_will_matter_is_written(void)
{
    struct buf noted = BUF_INIT(1 << 20);
    struct transform_noted at = {0};
    struct transform_house h;
    struct transform_memory *m =
        begin(&h, shop, "transform:\n- dedupe: {key: id, last: 10}\n", 0);

    CHECK_INT(transform_memory_last(m), 10);
    for (int i = 0; i < 1000; i++)
        CHECK(goes_on(&h, i, "A"));
    CHECK(transform_memory_noted(m, 0, 1000, 100, &at, &noted));
    CHECK_INT(at.first, 990);
    CHECK_INT(at.last, 999);
    CHECK(!transform_memory_noted(m, 0, 1000, 100, &at, &noted));
    CHECK(!transform_memory_noted(m, 7, 1000, 100, &at, &noted));
    end(&h, m);
    buf_free(&noted);
}

/* Of another type the same bytes would be another value. */
static void keys_of_another_type_are_not_compared(void)
{
    static const char one[] =
        "transform:\n- cast: {id: \"decimal(9,0)\"}\n- dedupe: {key: id}\n";
    static const char other[] =
        "transform:\n- cast: {id: \"decimal(9,2)\"}\n- dedupe: {key: id}\n";
    struct buf kept = BUF_INIT(1 << 20);
    struct transform_house h;
    struct transform_memory *m = begin(&h, shop, one, 0);

    CHECK(goes_on(&h, 100, "A"));
    write_down(m, 1, &kept);
    end(&h, m);
    m = begin(&h, shop, other, 1);
    CHECK_INT(recall(m, buf_span(&kept)), ERR_OK);
    CHECK(goes_on(&h, 1, "A"));
    CHECK(goes_on(&h, 100, "A"));
    end(&h, m);
    m = begin(&h, shop, one, 1);
    CHECK_INT(recall(m, buf_span(&kept)), ERR_OK);
    CHECK(goes_on(&h, 1, "A"));
    CHECK(!goes_on(&h, 100, "A"));
    end(&h, m);
    buf_free(&kept);
}

static void what_is_damaged_is_refused(void)
{
    struct buf kept = BUF_INIT(1 << 20);
    struct transform_house h;
    struct transform_memory *m =
        begin(&h, shop, "transform:\n- dedupe: {key: id}\n", 0);

    for (int i = 0; i < 3; i++)
        CHECK(goes_on(&h, i, "A"));
    write_down(m, 3, &kept);
    transform_memory_stand(m, 0, 1, 3);
    CHECK_INT(recall(m, buf_span(&kept)), ERR_OK);
    CHECK_INT(recall(m, buf_span(&kept)), ERR_INVALID); // twice: offsets do not rise
    for (size_t n = 1; n < kept.n; n++) {
        transform_memory_stand(m, 0, 1, 3);
        enum err_kind rc = recall(m, span_of(kept.p, n));
        CHECK(rc == ERR_INVALID || n == kept.n / 2 + 12); // between two pieces
    }
    end(&h, m);
    buf_free(&kept);
}

int main(void)
{
    RUN(whoever_goes_on_knows_what_was_kept);
    RUN(a_batch_that_comes_again_is_no_repetition_of_itself);
    RUN(only_what_will_matter_is_written);
    RUN(keys_of_another_type_are_not_compared);
    RUN(what_is_damaged_is_refused);
    return REPORT();
}

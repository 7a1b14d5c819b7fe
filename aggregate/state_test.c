#include "tests/aggregate_house.h"

#include "avro-core/canon.h"
#include "base/tab.h"

/* --- a changelog, an owner that dies, and what it should have come to ---------------
 */

struct entry {
    struct span key, value; // value p NULL = none
    bool gone;              // compacted away
};

struct changelog {
    struct entry *entries;
    size_t n;
    struct arena mem;
};

static void append(struct changelog *l, struct span key, struct span value)
{
    l->entries = mem_grow(l->entries, l->n + 1, sizeof *l->entries);
    l->entries[l->n++] =
        (struct entry){arena_copy(&l->mem, key),
                       value.p == NULL ? value : arena_copy(&l->mem, value), false};
}

/* What a compacted topic may do at any time: only the last of a key stays. */
static void compact(struct changelog *l)
{
    struct tab last = {0};

    for (size_t i = l->n; i-- > 0;)
        if (!l->entries[i].gone && tab_put(&last, l->entries[i].key, l) != NULL)
            l->entries[i].gone = true;
    tab_free(&last);
}

/* One transaction: the rows that changed, and the position behind them. */
static void commit(struct changelog *l, struct shop *s, const struct agg_position *p)
{
    struct buf key = BUF_INIT(1 << 20), value = BUF_INIT(1 << 20);

    if (l->n == 0) {
        agg_state_put_shape(&value, agg_plan_shape(s->plan));
        append(l, agg_state_shape_key, buf_span(&value));
    }
    for (size_t i = 0; i < s->table.n_dirty; i++) {
        const struct agg_row *r = s->table.dirty[i];

        buf_reset(&key);
        buf_reset(&value);
        agg_state_put_key(&key, &s->table, r);
        agg_state_put_row(&value, &s->table, r);
        append(l, buf_span(&key), r->dropped ? (struct span){0} : buf_span(&value));
    }
    buf_reset(&value);
    agg_state_put_position(&value, p);
    append(l, agg_state_position_key, buf_span(&value));
    agg_table_forget_dirty(&s->table);
    buf_free(&key);
    buf_free(&value);
}

static void read_back(const struct changelog *l, struct agg_view *v, size_t partition)
{
    struct err e = {0};

    for (size_t i = 0; i < l->n; i++)
        if (!l->entries[i].gone)
            must(agg_view_apply(v, partition, (int64_t)i, l->entries[i].key,
                                l->entries[i].value, &e),
                 &e);
}

/* The owner is gone, and the next one has what was committed. */
static void restore(const struct changelog *l, struct shop *s, struct agg_position *p)
{
    struct err e = {0};
    enum agg_record kind;

    agg_table_free(&s->table);
    agg_table_init(&s->table, agg_plan_shape(s->plan));
    *p = AGG_NOWHERE;
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *x = &l->entries[i];

        if (x->gone)
            continue;
        must(agg_state_kind(&kind, x->key, &e), &e);
        if (kind == AGG_ROW)
            must(agg_state_apply(&s->table, x->key, x->value, &e), &e);
        if (kind == AGG_POSITION)
            must(agg_state_read_position(p, x->value, &e), &e);
    }
    agg_table_forget_dirty(&s->table);
    s->watermark = p->watermark;
}

struct input {
    char customer[24], amount[32];
    int64_t items, at;
};

static void make_input(struct input *r, size_t i)
{
    snprintf(r->customer, sizeof r->customer, "\"c%d\"", rand() % 7);
    snprintf(r->amount, sizeof r->amount, "\"%d.%02d\"", rand() % 1000 - 500,
             rand() % 100);
    r->items = rand() % 100 - 50;
    r->at = (int64_t)i * 40 + rand() % 400; // out of order, some too late
}

static void feed(struct shop *s, const struct input *r, struct agg_position *p)
{
    enum agg_outcome outcome = AGG_TAKEN;
    struct err e = {0};

    must(shop_order(s, r->customer, r->amount, r->items, 0.5, r->at, &outcome, &e), &e);
    p->records += outcome == AGG_TAKEN;
    p->late += outcome == AGG_LATE;
    p->next++;
    p->watermark = s->watermark;
    (void)agg_expire(&s->spec, &s->table, s->watermark);
}

#define COLUMNS                                                                        \
    "n=count,s=sum(amount),a=avg(items),lo=min(amount),hi=max(customer),l=last(items)" \
    ","                                                                                \
    "w=sum(weight)"
#define PARTS 3
#define RECORDS 300

static void try_history(unsigned seed, int64_t window_ms)
{
    struct input inputs[PARTS][RECORDS];
    struct changelog logs[PARTS] = {0};
    struct shop dies, lives;
    struct agg_view got, want;
    struct buf texts[2] = {BUF_INIT(1 << 20), BUF_INIT(1 << 20)};
    int64_t late[2] = {0};

    srand(seed);
    agg_view_init(&got, PARTS);
    agg_view_init(&want, PARTS);
    for (size_t k = 0; k < PARTS; k++) {
        struct agg_position at = AGG_NOWHERE, steady = AGG_NOWHERE;

        for (size_t i = 0; i < RECORDS; i++)
            make_input(&inputs[k][i], i);
        shop_open(&dies, "customer", COLUMNS, window_ms, 100);
        shop_open(&lives, "customer", COLUMNS, window_ms, 100);
        while (at.next < RECORDS) {
            feed(&dies, &inputs[k][at.next], &at);
            if (rand() % 12 == 0)
                commit(&logs[k], &dies, &at);
            if (rand() % 30 == 0)
                compact(&logs[k]);
            if (rand() % 25 == 0)
                restore(&logs[k], &dies, &at);
        }
        commit(&logs[k], &dies, &at);
        read_back(&logs[k], &got, k);
        for (size_t i = 0; i < RECORDS; i++)
            feed(&lives, &inputs[k][i], &steady);
        shop_show(&lives, &want, k);
        late[0] += at.late;
        late[1] += steady.late;
        CHECK_INT(at.records + at.late, RECORDS);
        CHECK_INT(got.parts[k].position.next, RECORDS);
        shop_close(&dies);
        shop_close(&lives);
        arena_free(&logs[k].mem);
        free(logs[k].entries);
    }
    view_json(&got, &texts[0]);
    view_json(&want, &texts[1]);
    CHECK(texts[0].n > 0 && span_eq(buf_span(&texts[0]), buf_span(&texts[1])));
    CHECK_INT(late[0], late[1]);
    CHECK(window_ms == 0 || late[0] > 0);
    agg_view_free(&got);
    agg_view_free(&want);
    buf_free(&texts[0]);
    buf_free(&texts[1]);
}

static void an_owner_that_dies_anywhere_counts_nothing_twice_and_loses_nothing(void)
{
    for (unsigned seed = 1; seed <= 20; seed++)
        try_history(seed, 0);
}

static void windows_close_at_the_same_record_however_often_their_owner_died(void)
{
    for (unsigned seed = 1; seed <= 20; seed++)
        try_history(seed, 1000);
}

/* --- the bytes ---------------------------------------------------------------------
 */

static void check_avro(const char *schema, struct span value)
{
    struct av_schema *s = NULL;
    struct av_plan *plan = NULL;
    static const struct av_visitor_ops none = {0};
    struct av_visitor v = {&none};
    struct buf canonical = BUF_INIT(1 << 16);
    struct err e = {0};

    must(av_schema_parse(&s, span_str(schema), NULL, 0, NULL, &e), &e);
    av_print_canonical(&canonical, s);
    uint64_t print = av_crc64(buf_span(&canonical));
    CHECK(value.n > 10 && value.p[0] == 0xc3 && value.p[1] == 0x01);
    for (size_t i = 0; i < 8; i++)
        CHECK_INT(value.p[2 + i], print >> (8 * i) & 0xff);
    must(av_plan_new(&plan, s, s, &e), &e);
    CHECK_INT(av_decode_all(plan, span_skip(value, 10), NULL, &v, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    av_plan_free(plan);
    av_schema_release(s);
    buf_free(&canonical);
}

static void the_state_is_avro_that_others_can_read(void)
{
    struct buf value = BUF_INIT(1 << 16);
    struct agg_position p = {1, -2, 3, 4, 5, 6, -7, 8, 9};
    struct shop s;

    shop_open(&s, "customer", COLUMNS, 0, 0);
    order(&s, "\"a\"", "\"1.00\"", 1, 1, 1);
    agg_state_put_row(&value, &s.table, s.table.dirty[0]);
    check_avro(AGG_ROW_SCHEMA, buf_span(&value));
    buf_reset(&value);
    agg_state_put_position(&value, &p);
    check_avro(AGG_POSITION_SCHEMA, buf_span(&value));
    buf_reset(&value);
    agg_state_put_shape(&value, agg_plan_shape(s.plan));
    check_avro(AGG_SHAPE_SCHEMA, buf_span(&value));
    buf_reset(&value);
    agg_state_put_seen(&value, span_str("keys"));
    check_avro(AGG_SEEN_SCHEMA, buf_span(&value));
    buf_free(&value);
    shop_close(&s);
}

static void a_position_is_read_as_it_was_written(void)
{
    struct buf value = BUF_INIT(1 << 16);
    struct agg_position p = {1, INT64_MIN, 3, 4, 5, 6, -7, 8, INT64_MAX}, got = {0};
    struct err e = {0};

    agg_state_put_position(&value, &p);
    CHECK_INT(agg_state_read_position(&got, buf_span(&value), &e), ERR_OK);
    CHECK(memcmp(&p, &got, sizeof p) == 0);
    for (size_t n = 0; n < value.n; n++)
        CHECK_INT(agg_state_read_position(&got, span_of(value.p, n), &e), ERR_INVALID);
    buf_free(&value);
}

static void a_row_that_is_cut_or_anothers_changes_nothing(void)
{
    struct buf key = BUF_INIT(1 << 16), value = BUF_INIT(1 << 16);
    struct err e = {0};
    struct shop s, other;

    shop_open(&s, "customer", COLUMNS, 0, 0);
    shop_open(&other, "customer", "hi=max(customer)", 0, 0);
    order(&s, "\"a\\u0000b\"", "\"1.00\"", 1, 1, 1);
    agg_state_put_key(&key, &s.table, s.table.dirty[0]);
    agg_state_put_row(&value, &s.table, s.table.dirty[0]);
    for (size_t n = 0; n < value.n; n++)
        CHECK_INT(agg_state_apply(&s.table, buf_span(&key), span_of(value.p, n), &e),
                  ERR_INVALID);
    for (size_t n = 1; n < key.n; n++)
        CHECK_INT(agg_state_apply(&s.table, span_of(key.p, n), buf_span(&value), &e),
                  ERR_INVALID);
    CHECK_INT(agg_state_apply(&other.table, buf_span(&key), buf_span(&value), &e),
              ERR_INVALID);
    CHECK_INT(other.table.n, 0);
    CHECK_INT(s.table.n, 1);
    CHECK_INT(agg_state_apply(&s.table, buf_span(&key), buf_span(&value), &e), ERR_OK);
    CHECK_INT(agg_state_apply(&s.table, buf_span(&key), (struct span){0}, &e), ERR_OK);
    CHECK_INT(s.table.n, 0);
    buf_free(&key);
    buf_free(&value);
    shop_close(&s);
    shop_close(&other);
}

static void a_shape_is_read_as_it_was_written(void)
{
    struct buf text = BUF_INIT(AGG_SHAPE_BYTES), again = BUF_INIT(AGG_SHAPE_BYTES);
    struct agg_shape got;
    struct arena mem = {0};
    struct err e = {0};
    struct shop s;

    shop_open(&s, "customer,address.city,at", COLUMNS, 60000, 0);
    agg_shape_put(&text, agg_plan_shape(s.plan));
    CHECK_INT(agg_shape_read(&got, buf_span(&text), &mem, &e), ERR_OK);
    agg_shape_put(&again, &got);
    CHECK(span_eq(buf_span(&text), buf_span(&again)));
    CHECK_INT(got.n_keys, 3);
    CHECK_INT(agg_shape_read(&got, span_str("window x\n"), &mem, &e), ERR_INVALID);
    CHECK_INT(agg_shape_read(&got, span_str("window 0\nkey a string\n"), &mem, &e),
              ERR_INVALID);
    CHECK_INT(
        agg_shape_read(&got, span_str("window 0\ncolumn a sum elephant\n"), &mem, &e),
        ERR_INVALID);
    arena_free(&mem);
    buf_free(&text);
    buf_free(&again);
    shop_close(&s);
}

static void partitions_of_two_shapes_are_a_conflict(void)
{
    struct shop a, b;
    struct agg_view v;
    struct buf value = BUF_INIT(1 << 16);
    struct err e = {0};

    shop_open(&a, "customer", "n=count", 0, 0);
    shop_open(&b, "customer", "n=sum(items)", 0, 0);
    agg_view_init(&v, 2);
    shop_show(&a, &v, 0);
    agg_state_put_shape(&value, agg_plan_shape(b.plan));
    CHECK_INT(agg_view_apply(&v, 1, 0, agg_state_shape_key, buf_span(&value), &e),
              ERR_CONFLICT);
    agg_view_free(&v);
    buf_free(&value);
    shop_close(&a);
    shop_close(&b);
}

/* --- keys and the table ------------------------------------------------------------
 */

static void keys_sort_as_their_values_do_and_read_back(void)
{
    const struct agg_value values[] = {
        {.kind = AGG_NONE},
        {.kind = AGG_WHOLE, .whole = {-WHOLE_MOST}},
        {.kind = AGG_WHOLE, .whole = {-1}},
        {.kind = AGG_WHOLE, .whole = {0}},
        {.kind = AGG_WHOLE, .whole = {WHOLE_MOST}},
        {.kind = AGG_REAL, .real = -1e300},
        {.kind = AGG_REAL, .real = -0.5},
        {.kind = AGG_REAL, .real = 0},
        {.kind = AGG_REAL, .real = 1e-300},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"", 0}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"\0", 1}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"\0\0", 2}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"\0\1", 2}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"a", 1}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"a\0", 2}},
        {.kind = AGG_TEXT, .text = {(const uint8_t *)"ab", 2}},
    };
    struct buf last = BUF_INIT(1000), now = BUF_INIT(1000);
    struct arena mem = {0};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct agg_value got = {0};
        int64_t window = 0;

        buf_reset(&now);
        agg_key_put_window(&now, -5);
        agg_key_put(&now, &values[i]);
        size_t n = last.n < now.n ? last.n : now.n;
        CHECK(i == 0 || memcmp(last.p, now.p, n) < 0 ||
              (last.n < now.n && memcmp(last.p, now.p, n) == 0));
        struct span key = buf_span(&now);
        CHECK(agg_key_window(&key, &window) && window == -5);
        CHECK(agg_key_next(&key, &got, &mem) && key.n == 0);
        CHECK_INT(got.kind, values[i].kind);
        if (got.kind == AGG_WHOLE)
            CHECK(got.whole.v == values[i].whole.v);
        if (got.kind == AGG_REAL)
            CHECK(got.real == values[i].real);
        if (got.kind == AGG_TEXT)
            CHECK(span_eq(got.text, values[i].text));
        buf_reset(&last);
        buf_put(&last, buf_span(&now));
    }
    arena_free(&mem);
    buf_free(&last);
    buf_free(&now);
}

#define KEYS 500

static void rows_are_found_however_many_were_dropped(void)
{
    struct agg_field f = {.name = span_str("n"), .fn = AGG_COUNT};
    struct agg_shape shape = {.fields = &f, .n_columns = 1};
    struct agg_table t;
    bool there[KEYS] = {false}, made;
    size_t n = 0;

    agg_table_init(&t, &shape);
    srand(7);
    for (int i = 0; i < 20000; i++) {
        uint32_t k = (uint32_t)rand() % KEYS;
        struct buf key = BUF_INIT(100);

        agg_key_put_window(&key, k);
        struct agg_row *r = agg_table_find(&t, buf_span(&key));
        CHECK((r != NULL) == there[k]);
        if (r != NULL && rand() % 2 == 0) {
            agg_table_drop(&t, r);
            there[k] = false;
            n--;
        } else if (r == NULL) {
            agg_table_touch(&t, agg_table_get(&t, buf_span(&key), &made));
            CHECK(made);
            there[k] = true;
            n++;
        }
        CHECK_INT(t.n, n);
        if (rand() % 100 == 0)
            agg_table_forget_dirty(&t);
        buf_free(&key);
    }
    size_t walked = 0;
    for (size_t at = 0; agg_table_each(&t, &at) != NULL;)
        walked++;
    CHECK_INT(walked, n);
    agg_table_free(&t);
}

static void averages_are_rounded_halves_away_from_zero(void)
{
    static const struct {
        int64_t sum, n;
        const char *want;
    } cases[] = {
        {1, 2, "0.5000"},     {1, 3, "0.3333"},     {2, 3, "0.6667"},
        {-2, 3, "-0.6667"},   {1, 20000, "0.0001"}, {-1, 20000, "-0.0001"},
        {1, 20001, "0.0000"}, {7, 7, "1.0000"},     {INT64_MIN, INT64_MAX, "-1.0000"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf text = BUF_INIT(100);
        __int128 mean = 0;

        CHECK(whole_average(&mean, cases[i].sum, cases[i].n, 4));
        whole_print(&text, mean, 4);
        CHECK_SPAN(buf_span(&text), cases[i].want);
        buf_free(&text);
    }
    __int128 mean;
    CHECK(!whole_average(&mean, WHOLE_MOST, 1, 4));
}

int main(void)
{
    RUN(an_owner_that_dies_anywhere_counts_nothing_twice_and_loses_nothing);
    RUN(windows_close_at_the_same_record_however_often_their_owner_died);
    RUN(the_state_is_avro_that_others_can_read);
    RUN(a_position_is_read_as_it_was_written);
    RUN(a_row_that_is_cut_or_anothers_changes_nothing);
    RUN(a_shape_is_read_as_it_was_written);
    RUN(partitions_of_two_shapes_are_a_conflict);
    RUN(keys_sort_as_their_values_do_and_read_back);
    RUN(rows_are_found_however_many_were_dropped);
    RUN(averages_are_rounded_halves_away_from_zero);
    return REPORT();
}

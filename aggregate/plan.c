#include "aggregate/plan.h"

#include "avro-core/put.h"

#include <inttypes.h>
#include <stdlib.h>

#define SLOTS_MOST (AGG_KEYS_MOST + AGG_COLUMNS_MOST + 1)

struct agg_next { // what becomes of a field: -1 = nothing
    int32_t slot, child;
};

struct agg_step { // a record on the way to a field that is wanted
    const struct av_node *record;
    struct agg_next *fields; // by the reader's index
};

struct agg_plan {
    struct av_schema *reader;
    const struct agg_spec *spec;
    struct agg_shape shape;
    struct agg_step *steps;
    size_t n_steps;
    struct agg_type types[SLOTS_MOST]; // of what is taken
    size_t n_slots;
    int32_t key_slots[AGG_KEYS_MOST], column_slots[AGG_COLUMNS_MOST], time_slot;
    bool is_timed; // a record's time decides something
    struct arena mem;
};

/* --- making ------------------------------------------------------------------------
 */

static const struct av_node *strip(const struct av_node *n)
{
    const struct av_node *other;

    return av_is_nullable(n, &other) ? other : n;
}

static int32_t add_step(struct agg_plan *p, const struct av_node *record)
{
    p->steps = mem_grow(p->steps, p->n_steps + 1, sizeof *p->steps);
    struct agg_step *s = &p->steps[p->n_steps];
    s->record = record;
    s->fields = arena_array(&p->mem, record->n_fields + 1, sizeof *s->fields);
    for (size_t i = 0; i < record->n_fields; i++)
        s->fields[i] = (struct agg_next){-1, -1};
    return (int32_t)p->n_steps++;
}

static bool find_field(const struct av_node *record, struct span name, size_t *at)
{
    for (size_t i = 0; i < record->n_fields; i++)
        if (span_eq(record->fields[i].name, name)) {
            *at = i;
            return true;
        }
    return false;
}

static struct span first_name(struct span path)
{
    const uint8_t *dot = memchr(path.p, '.', path.n);

    return dot == NULL ? path : span_of(path.p, (size_t)(dot - path.p));
}

/* The slot of the value at the end of `path`, made when it is wanted the first time. */
static enum err_kind slot_of(struct agg_plan *p, struct span path, int32_t *slot,
                             struct err *e)
{
    int32_t step = 0;

    for (struct span left = path;;) {
        struct span name = first_name(left);
        size_t at;

        if (!find_field(p->steps[step].record, name, &at))
            return err_set(e, ERR_INVALID, "no such field: \"" SPAN_FMT "\"",
                           SPAN_ARG(name));
        const struct av_node *type = strip(p->steps[step].record->fields[at].type);
        struct agg_next *next = &p->steps[step].fields[at];
        left = span_skip(left, name.n + 1);
        if (left.n == 0) {
            if (next->slot < 0) {
                TRY(agg_type_of(&p->types[p->n_slots], type, e));
                next->slot = (int32_t)p->n_slots++;
            }
            *slot = next->slot;
            return ERR_OK;
        }
        if (type->type != AV_RECORD)
            return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" is no record",
                           SPAN_ARG(name));
        if (next->child < 0) {
            int32_t child = add_step(p, type); // moves the steps
            p->steps[step].fields[at].child = child;
        }
        step = p->steps[step].fields[at].child;
    }
}

static enum err_kind plan_key(struct agg_plan *p, size_t i, struct agg_field *f,
                              struct err *e)
{
    struct span path = p->spec->keys[i];

    if (slot_of(p, path, &p->key_slots[i], e) != ERR_OK)
        return err_prefix(e, "aggregate.key " SPAN_FMT, SPAN_ARG(path));
    *f = (struct agg_field){.name = p->spec->key_names[i],
                            .type = p->types[p->key_slots[i]]};
    return ERR_OK;
}

static enum err_kind plan_column(struct agg_plan *p, size_t i, struct agg_field *f,
                                 struct err *e)
{
    const struct agg_column *c = &p->spec->columns[i];
    const struct agg_type every = {.kind = AGG_WHOLE};

    *f = (struct agg_field){.name = c->name, .fn = c->fn};
    p->column_slots[i] = -1;
    enum err_kind rc =
        c->path.n == 0 ? ERR_OK : slot_of(p, c->path, &p->column_slots[i], e);
    if (rc == ERR_OK)
        rc = agg_result_type(
            &f->type, c->fn,
            p->column_slots[i] < 0 ? &every : &p->types[p->column_slots[i]], e);
    if (rc != ERR_OK)
        return err_prefix(e, "%s(" SPAN_FMT ")", agg_function_name(c->fn),
                          SPAN_ARG(c->path));
    return ERR_OK;
}

static bool is_time(const struct agg_type *t)
{
    return t->kind == AGG_WHOLE && t->avro == AV_LONG && t->logical != AV_DECIMAL &&
           t->logical != AV_TIME_MICROS;
}

static enum err_kind plan_time(struct agg_plan *p, struct err *e)
{
    p->time_slot = -1;
    if (p->spec->time_field.n == 0)
        return ERR_OK;
    enum err_kind rc = slot_of(p, p->spec->time_field, &p->time_slot, e);
    if (rc == ERR_OK && !is_time(&p->types[p->time_slot]))
        rc = err_set(e, ERR_INVALID,
                     "no time: wanted a timestamp, or a long of milliseconds");
    if (rc != ERR_OK)
        return err_prefix(e, "aggregate.time_field " SPAN_FMT,
                          SPAN_ARG(p->spec->time_field));
    return ERR_OK;
}

static enum err_kind plan_all(struct agg_plan *p, struct err *e)
{
    const struct agg_spec *s = p->spec;
    const struct av_node *root = av_schema_root(p->reader);

    if (root->type != AV_RECORD)
        return err_set(e, ERR_INVALID, "the schema is a %s, wanted a record",
                       av_type_name(root->type));
    add_step(p, root);
    struct agg_field *f = arena_array(&p->mem, s->n_keys + s->n_columns, sizeof *f);
    for (size_t i = 0; i < s->n_keys; i++)
        TRY(plan_key(p, i, &f[i], e));
    for (size_t i = 0; i < s->n_columns; i++)
        TRY(plan_column(p, i, &f[s->n_keys + i], e));
    TRY(plan_time(p, e));
    p->is_timed = s->window_ms > 0 || p->time_slot >= 0;
    for (size_t i = 0; i < s->n_columns; i++)
        p->is_timed = p->is_timed || s->columns[i].fn == AGG_LAST;
    p->shape = (struct agg_shape){.window_ms = s->window_ms,
                                  .fields = f,
                                  .n_keys = s->n_keys,
                                  .n_columns = s->n_columns};
    return ERR_OK;
}

enum err_kind agg_plan_new(struct agg_plan **out, const struct agg_spec *spec,
                           struct av_schema *reader, struct err *e)
{
    struct agg_plan *p = mem_alloc(sizeof *p);

    p->reader = av_schema_retain(reader);
    p->spec = spec;
    enum err_kind rc = plan_all(p, e);
    if (rc != ERR_OK) {
        agg_plan_free(p);
        return rc;
    }
    *out = p;
    return ERR_OK;
}

void agg_plan_free(struct agg_plan *p)
{
    if (p == NULL)
        return;
    av_schema_release(p->reader);
    arena_free(&p->mem);
    free(p->steps);
    free(p);
}

const struct agg_shape *agg_plan_shape(const struct agg_plan *p)
{
    return &p->shape;
}

/* --- taking values out of a record -------------------------------------------------
 */

static struct agg_value *wanted(struct agg_taker *t)
{
    return t->inside > 0 || t->slot < 0 ? NULL : &t->slots[t->slot];
}

static enum err_kind take_null(struct av_visitor *v, const struct av_node *node,
                               struct err *e)
{
    struct agg_value *at = wanted((struct agg_taker *)v);

    (void)node, (void)e;
    if (at != NULL)
        at->kind = AGG_NONE;
    return ERR_OK;
}

static enum err_kind take_whole(struct agg_taker *t, __int128 x)
{
    struct agg_value *at = wanted(t);

    if (at != NULL) {
        at->kind = AGG_WHOLE;
        at->whole.v = x;
    }
    return ERR_OK;
}

static enum err_kind take_boolean(struct av_visitor *v, const struct av_node *node,
                                  bool x, struct err *e)
{
    (void)node, (void)e;
    return take_whole((struct agg_taker *)v, x);
}

static enum err_kind take_int64(struct av_visitor *v, const struct av_node *node,
                                int64_t x, struct err *e)
{
    (void)node, (void)e;
    return take_whole((struct agg_taker *)v, x);
}

static enum err_kind take_real(struct av_visitor *v, const struct av_node *node,
                               double x, struct err *e)
{
    struct agg_value *at = wanted((struct agg_taker *)v);

    (void)node, (void)e;
    if (at != NULL) {
        at->kind = AGG_REAL;
        at->real = x;
    }
    return ERR_OK;
}

static enum err_kind take_text(struct agg_taker *t, struct span x)
{
    struct agg_value *at = wanted(t);

    if (at != NULL) {
        at->kind = AGG_TEXT;
        at->text = x;
    }
    return ERR_OK;
}

static enum err_kind take_decimal(struct agg_taker *t, struct span x, struct err *e)
{
    __int128 whole;

    if (wanted(t) == NULL)
        return ERR_OK;
    if (!whole_read(&whole, x) || !whole_fits(whole, WHOLE_MOST))
        return err_set(e, ERR_LIMIT, "a decimal of more than %d digits", WHOLE_DIGITS);
    return take_whole(t, whole);
}

/* Sixteen bytes become the text that a uuid in a string is. */
static enum err_kind take_uuid(struct agg_taker *t, struct span x)
{
    struct buf text = BUF_INIT(36);

    if (wanted(t) == NULL)
        return ERR_OK;
    put_uuid(&text, x.p);
    memcpy(t->uuids[t->slot], text.p, 36);
    buf_free(&text);
    return take_text(t, span_of(t->uuids[t->slot], 36));
}

static enum err_kind take_bytes(struct av_visitor *v, const struct av_node *node,
                                struct span x, struct err *e)
{
    struct agg_taker *t = (struct agg_taker *)v;

    if (node->logical == AV_DECIMAL)
        return take_decimal(t, x, e);
    return node->logical == AV_UUID ? take_uuid(t, x) : take_text(t, x);
}

static enum err_kind take_string(struct av_visitor *v, const struct av_node *node,
                                 struct span x, struct err *e)
{
    (void)node, (void)e;
    return take_text((struct agg_taker *)v, x);
}

static enum err_kind take_symbol(struct av_visitor *v, const struct av_node *node,
                                 uint32_t i, struct err *e)
{
    (void)e;
    return take_text((struct agg_taker *)v, node->symbols[i]);
}

static enum err_kind record_begin(struct av_visitor *v, const struct av_node *node,
                                  struct err *e)
{
    struct agg_taker *t = (struct agg_taker *)v;

    (void)node;
    if (t->inside > 0)
        return ERR_OK;
    if (t->depth == AGG_DEPTH)
        return err_set(e, ERR_LIMIT, "records deeper than %d", AGG_DEPTH);
    t->levels[t->depth++] = t->level;
    t->level = t->depth == 1  ? t->plan->steps
               : t->child < 0 ? NULL
                              : &t->plan->steps[t->child];
    return ERR_OK;
}

static enum err_kind field(struct av_visitor *v, const struct av_node *node, uint32_t i,
                           struct err *e)
{
    struct agg_taker *t = (struct agg_taker *)v;

    (void)node, (void)e;
    if (t->inside > 0)
        return ERR_OK;
    t->slot = t->level == NULL ? -1 : t->level->fields[i].slot;
    t->child = t->level == NULL ? -1 : t->level->fields[i].child;
    return ERR_OK;
}

static enum err_kind record_end(struct av_visitor *v, const struct av_node *node,
                                struct err *e)
{
    struct agg_taker *t = (struct agg_taker *)v;

    (void)node, (void)e;
    if (t->inside == 0)
        t->level = t->levels[--t->depth];
    return ERR_OK;
}

static enum err_kind go_in(struct av_visitor *v, const struct av_node *node,
                           struct err *e)
{
    (void)node, (void)e;
    ((struct agg_taker *)v)->inside++;
    return ERR_OK;
}

static enum err_kind come_out(struct av_visitor *v, const struct av_node *node,
                              struct err *e)
{
    (void)node, (void)e;
    ((struct agg_taker *)v)->inside--;
    return ERR_OK;
}

static const struct av_visitor_ops ops = {
    .null = take_null,
    .boolean = take_boolean,
    .int64 = take_int64,
    .real = take_real,
    .bytes = take_bytes,
    .string = take_string,
    .symbol = take_symbol,
    .record_begin = record_begin,
    .field = field,
    .record_end = record_end,
    .array_begin = go_in,
    .array_end = come_out,
    .map_begin = go_in,
    .map_end = come_out,
};

void agg_taker_init(struct agg_taker *t, const struct agg_plan *p)
{
    *t = (struct agg_taker){
        .visitor = {&ops}, .plan = p, .key = BUF_INIT(AGG_KEY_BYTES)};
    t->slots = mem_array(p->n_slots + 1, sizeof *t->slots);
    t->uuids = mem_array(p->n_slots + 1, sizeof *t->uuids);
}

void agg_taker_free(struct agg_taker *t)
{
    free(t->slots);
    free(t->uuids);
    buf_free(&t->key);
    *t = (struct agg_taker){0};
}

void agg_take_begin(struct agg_taker *t)
{
    for (size_t i = 0; i < t->plan->n_slots; i++)
        t->slots[i].kind = AGG_NONE;
    t->slot = t->child = -1;
    t->depth = t->inside = 0;
    t->level = NULL;
}

/* --- what it does to the table -----------------------------------------------------
 */

static int64_t units_per_ms(enum av_logical l)
{
    switch (l) {
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return 1000;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return 1000000;
    default: return 1;
    }
}

/* Towards the past, also before 1970. */
static int64_t floor_div(int64_t x, int64_t by)
{
    return x / by - (x % by < 0);
}

#define TIME_MOST \
    (INT64_C(1) << 55) // a million years: what is added to it stays a number

static enum err_kind find_time(const struct agg_taker *t, int64_t time_ms,
                               int64_t now_ms, int64_t *out, struct err *e)
{
    const struct agg_plan *p = t->plan;

    if (p->time_slot >= 0) {
        const struct agg_value *v = &t->slots[p->time_slot];
        if (v->kind != AGG_WHOLE)
            return err_set(e, ERR_INVALID, SPAN_FMT " is null: the record has no time",
                           SPAN_ARG(p->spec->time_field));
        time_ms = floor_div((int64_t)v->whole.v,
                            units_per_ms(p->types[p->time_slot].logical));
    } else if (time_ms < 0) {
        return err_set(e, ERR_INVALID, "the record has no time");
    }
    if (time_ms > now_ms + p->spec->ahead_ms)
        return err_set(e, ERR_INVALID,
                       "its time is %" PRId64 " ms ahead of the clock, at most %" PRId64
                       " will do",
                       time_ms - now_ms, p->spec->ahead_ms);
    if (time_ms < -TIME_MOST)
        return err_set(e, ERR_INVALID, "its time is a million years ago");
    *out = time_ms;
    return ERR_OK;
}

static enum err_kind make_key(struct agg_taker *t, int64_t start, struct err *e)
{
    const struct agg_plan *p = t->plan;

    buf_reset(&t->key);
    agg_key_put_window(&t->key, start);
    for (size_t i = 0; i < p->spec->n_keys; i++)
        agg_key_put(&t->key, &t->slots[p->key_slots[i]]);
    if (buf_status(&t->key, e) != ERR_OK)
        return err_set(e, ERR_LIMIT, "a key of more than %d bytes", AGG_KEY_BYTES);
    return ERR_OK;
}

static const struct agg_value one = {.kind = AGG_WHOLE, .whole = {1}};

static const struct agg_value *value_of(const struct agg_taker *t, size_t column)
{
    int32_t slot = t->plan->column_slots[column];

    return slot < 0 ? &one : &t->slots[slot];
}

static enum err_kind check(const struct agg_taker *t, const struct agg_row *r,
                           struct err *e)
{
    const struct agg_column *c = t->plan->spec->columns;
    const struct agg_cell none = {0};

    for (size_t i = 0; i < t->plan->spec->n_columns; i++)
        if (agg_cell_check(r == NULL ? &none : &r->cells[i], c[i].fn, value_of(t, i),
                           e) != ERR_OK)
            return err_prefix(e, "column " SPAN_FMT, SPAN_ARG(c[i].name));
    return ERR_OK;
}

enum err_kind agg_take(struct agg_taker *t, struct agg_table *table, int64_t time_ms,
                       int64_t now_ms, int64_t *watermark, enum agg_outcome *outcome,
                       struct err *e)
{
    const struct agg_spec *s = t->plan->spec;
    struct agg_row *r;
    int64_t start = 0;
    bool made;

    if (t->plan->is_timed)
        TRY(find_time(t, time_ms, now_ms, &time_ms, e));
    if (s->window_ms > 0)
        start = floor_div(time_ms, s->window_ms) * s->window_ms;
    *outcome = AGG_LATE;
    if (s->window_ms > 0 && start + s->window_ms + s->grace_ms <= *watermark)
        return ERR_OK;
    TRY(make_key(t, start, e));
    r = agg_table_find(table, buf_span(&t->key));
    TRY(check(t, r, e));

    if (r == NULL)
        r = agg_table_get(table, buf_span(&t->key), &made);
    for (size_t i = 0; i < s->n_columns; i++)
        agg_cell_add(table, &r->cells[i], s->columns[i].fn, value_of(t, i), time_ms);
    agg_table_touch(table, r);
    if (t->plan->is_timed && time_ms > *watermark)
        *watermark = time_ms;
    *outcome = AGG_TAKEN;
    return ERR_OK;
}

size_t agg_expire(const struct agg_spec *s, struct agg_table *table, int64_t watermark)
{
    int64_t kept = s->window_ms + s->grace_ms + s->keep_ms;

    // One more window, so that a table is walked at most once a window.
    if (s->window_ms == 0 || watermark < -TIME_MOST ||
        table->oldest > watermark - kept - s->window_ms)
        return 0;
    return agg_table_drop_before(table, watermark - kept + 1);
}

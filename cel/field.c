#include "avro-core/put.h"
#include "cel/cel_inside.h"

/*
 * Values where they stand in the datum.  Whoever reads checks against the end: the
 * bytes are a stranger's until somebody has decoded them, and nobody says who.
 */
#define NESTING_MOST 200

static const uint8_t *cut(struct cel_run *run)
{
    if (run->broken == NULL)
        run->broken = "the record's Avro binary is cut or malformed";
    return NULL;
}

static bool left(const struct cel_run *run, const uint8_t *p, uint64_t n)
{
    return n <= (uint64_t)(run->end - p);
}

static bool take_slowly(struct cel_run *run, const uint8_t **p, int64_t *out)
{
    uint64_t u = 0;

    for (unsigned shift = 0; *p < run->end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;

        u |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *out = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
            return true;
        }
    }
    cut(run);
    return false;
}

bool cel_take_long(struct cel_run *run, const uint8_t **p, int64_t *out)
{
    if (*p < run->end && **p < 0x80) {
        uint8_t b = *(*p)++;

        *out = (b >> 1) ^ -(b & 1);
        return true;
    }
    return take_slowly(run, p, out);
}

static bool take_span(struct cel_run *run, const uint8_t **p, struct span *out)
{
    int64_t n;

    if (!cel_take_long(run, p, &n))
        return false;
    if (n < 0 || !left(run, *p, (uint64_t)n)) {
        cut(run);
        return false;
    }
    *out = span_of(*p, (size_t)n);
    *p += n;
    return true;
}

/* The branch that a union's datum is of. */
static const struct av_node *take_branch(struct cel_run *run, const struct av_node *n,
                                         const uint8_t **p)
{
    int64_t i;

    if (!cel_take_long(run, p, &i))
        return NULL;
    if (i < 0 || (uint64_t)i >= n->n_branches) {
        cut(run);
        return NULL;
    }
    return n->branches[i];
}

/* The head of an array's or map's next block: 0 items are the end. */
static bool take_block(struct cel_run *run, const uint8_t **p, int64_t *items,
                       int64_t *bytes)
{
    *bytes = -1;
    if (!cel_take_long(run, p, items))
        return false;
    if (*items >= 0)
        return true;
    if (*items == INT64_MIN || !cel_take_long(run, p, bytes)) {
        cut(run);
        return false;
    }
    *items = -*items;
    return true;
}

/* Skipping */

static const uint8_t *skip_n(struct cel_run *run, const uint8_t *p, size_t n)
{
    return left(run, p, n) ? p + n : cut(run);
}

static const uint8_t *skip_items(struct cel_run *run, const struct av_node *n,
                                 const uint8_t *p, int64_t items)
{
    struct span key;

    for (; items > 0; items--) {
        if (!cel_steps(run, 1))
            return NULL;
        if (n->type == AV_MAP && !take_span(run, &p, &key))
            return NULL;
        p = cel_skip(run, n->items, p);
        if (p == NULL)
            return NULL;
    }
    return p;
}

static const uint8_t *skip_blocks(struct cel_run *run, const struct av_node *n,
                                  const uint8_t *p)
{
    for (;;) {
        int64_t items, bytes;

        if (!take_block(run, &p, &items, &bytes))
            return NULL;
        if (items == 0)
            return p;
        if (bytes >= 0)
            p = left(run, p, (uint64_t)bytes) ? p + bytes : cut(run);
        else
            p = skip_items(run, n, p, items);
        if (p == NULL)
            return NULL;
    }
}

static const uint8_t *skip_fields(struct cel_run *run, const struct av_node *n,
                                  size_t from, size_t to, const uint8_t *p)
{
    for (size_t i = from; i < to && p != NULL; i++)
        p = cel_skip(run, n->fields[i].type, p);
    return p;
}

static const uint8_t *skip_inside(struct cel_run *run, const struct av_node *n,
                                  const uint8_t *p)
{
    if (run->nesting >= NESTING_MOST)
        return cut(run);
    run->nesting++;
    if (n->type == AV_RECORD)
        p = skip_fields(run, n, 0, n->n_fields, p);
    else if (n->type != AV_UNION)
        p = skip_blocks(run, n, p);
    else if ((n = take_branch(run, n, &p)) != NULL)
        p = cel_skip(run, n, p);
    else
        p = NULL;
    run->nesting--;
    return p;
}

const uint8_t *cel_skip(struct cel_run *run, const struct av_node *n, const uint8_t *p)
{
    struct span s;
    int64_t x;

    switch (n->type) {
    case AV_NULL: return p;
    case AV_BOOLEAN: return skip_n(run, p, 1);
    case AV_INT:
    case AV_LONG:
    case AV_ENUM: return cel_take_long(run, &p, &x) ? p : NULL;
    case AV_FLOAT: return skip_n(run, p, 4);
    case AV_DOUBLE: return skip_n(run, p, 8);
    case AV_FIXED: return skip_n(run, p, n->size);
    case AV_BYTES:
    case AV_STRING: return take_span(run, &p, &s) ? p : NULL;
    default: return skip_inside(run, n, p);
    }
}

const uint8_t *cel_field_at(struct cel_run *run, const struct av_node *record, size_t i,
                            const uint8_t *p)
{
    return skip_fields(run, record, 0, i, p);
}

int cel_field_index(const struct av_node *record, struct span name)
{
    for (size_t i = 0; i < record->n_fields; i++)
        if (span_eq(record->fields[i].name, name))
            return (int)i;
    return -1;
}

/* The walk */

static void forget(struct cel_run *run, const struct cel_want *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->slot[i] >= 0)
            run->slots[w->slot[i]] = NULL;
        if (w->inner[i] != NULL)
            forget(run, w->inner[i]);
    }
}

static const uint8_t *walk(struct cel_run *run, const struct cel_want *w,
                           const uint8_t *p, bool to_the_end);

/* Past field `i`, of which something within is wanted. */
static const uint8_t *walk_into(struct cel_run *run, const struct cel_want *w, size_t i,
                                const uint8_t *p, bool to_the_end)
{
    const struct av_node *n = w->record->fields[i].type;

    if (n->type == AV_UNION && (n = take_branch(run, n, &p)) == NULL)
        return NULL;
    if (n->type == AV_RECORD)
        return walk(run, w->inner[i], p, to_the_end);
    forget(run, w->inner[i]);
    return p;
}

static const uint8_t *walk(struct cel_run *run, const struct cel_want *w,
                           const uint8_t *p, bool to_the_end)
{
    for (size_t i = 0; i < w->n; i++) {
        bool on = to_the_end || i + 1 < w->n;

        if (w->slot[i] >= 0)
            run->slots[w->slot[i]] = p;
        if (w->inner[i] != NULL)
            p = walk_into(run, w, i, p, on);
        else if (on)
            p = cel_skip(run, w->record->fields[i].type, p);
        if (p == NULL)
            return NULL;
    }
    return to_the_end ? skip_fields(run, w->record, w->n, w->record->n_fields, p) : p;
}

bool cel_walk(struct cel_run *run)
{
    run->walked = walk(run, run->set->want, run->datum.p, false) != NULL;
    return run->walked;
}

/* Loading */

static struct cel_value moment(int64_t x, int64_t per_second)
{
    int64_t seconds = x / per_second, rest = x % per_second;

    if (rest < 0) {
        rest += per_second;
        seconds--;
    }
    return cel_timestamp(seconds, rest * (1000000000 / per_second));
}

static struct cel_value since_midnight(int64_t x, int64_t nanos)
{
    int64_t all;

    if (__builtin_mul_overflow(x, nanos, &all))
        return cel_fail("a time of day out of range");
    return cel_duration(all);
}

static struct cel_value whole(const struct av_node *n, int64_t x)
{
    switch (n->logical) {
    case AV_DATE: return cel_timestamp(x * 86400, 0);
    case AV_TIME_MILLIS: return since_midnight(x, 1000000);
    case AV_TIME_MICROS: return since_midnight(x, 1000);
    case AV_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MILLIS: return moment(x, 1000);
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return moment(x, 1000000);
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return moment(x, 1000000000);
    default: return cel_int(x);
    }
}

static struct cel_value in_datum(enum cel_kind k, const struct av_node *n,
                                 const uint8_t *p)
{
    return (struct cel_value){.kind = (uint8_t)k, .in_datum = true, .node = n, .p = p};
}

static struct cel_value real(const struct av_node *n, const uint8_t *p)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < (n->type == AV_FLOAT ? 4 : 8); i++)
        bits |= (uint64_t)p[i] << 8 * i;
    if (n->type == AV_FLOAT) {
        uint32_t half = (uint32_t)bits;
        float f;

        memcpy(&f, &half, sizeof f);
        return cel_double((double)f);
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return cel_double(d);
}

static struct cel_value uuid(struct cel_run *run, const uint8_t *p)
{
    struct buf text = BUF_INIT(64);

    put_uuid(&text, p);
    struct cel_value v = cel_text(run, CEL_STRING, &text);
    buf_free(&text);
    return v;
}

static struct cel_value fixed(struct cel_run *run, const struct av_node *n,
                              const uint8_t *p)
{
    if (!left(run, p, n->size)) {
        cut(run);
        return cel_broken(run);
    }
    if (n->logical == AV_DECIMAL)
        return in_datum(CEL_DECIMAL, n, p);
    if (n->logical == AV_UUID && n->size == 16)
        return uuid(run, p);
    return cel_bytes(span_of(p, n->size));
}

static struct cel_value symbol(struct cel_run *run, const struct av_node *n, int64_t i)
{
    if (i >= 0 && (uint64_t)i < n->n_symbols)
        return cel_string(n->symbols[i]);
    cut(run);
    return cel_broken(run);
}

static bool is_decimal(const struct av_node *n)
{
    return n->logical == AV_DECIMAL || n->logical == AV_BIG_DECIMAL;
}

struct cel_value cel_load(struct cel_run *run, const struct av_node *n,
                          const uint8_t *p)
{
    const uint8_t *start = p;
    struct span s;
    int64_t x;

    switch (n->type) {
    case AV_NULL: return cel_null();
    case AV_BOOLEAN:
        if (left(run, p, 1))
            return cel_bool(*p != 0);
        break;
    case AV_INT:
    case AV_LONG:
        if (cel_take_long(run, &p, &x))
            return n->logical == AV_PLAIN ? cel_int(x) : whole(n, x);
        break;
    case AV_FLOAT:
    case AV_DOUBLE:
        if (left(run, p, n->type == AV_FLOAT ? 4 : 8))
            return real(n, p);
        break;
    case AV_STRING:
        if (take_span(run, &p, &s))
            return cel_string(s);
        break;
    case AV_BYTES:
        if (take_span(run, &p, &s))
            return is_decimal(n) ? in_datum(CEL_DECIMAL, n, start) : cel_bytes(s);
        break;
    case AV_FIXED: return fixed(run, n, p);
    case AV_ENUM:
        if (cel_take_long(run, &p, &x))
            return symbol(run, n, x);
        break;
    case AV_RECORD: return in_datum(CEL_MESSAGE, n, p);
    case AV_ARRAY: return in_datum(CEL_LIST, n, p);
    case AV_MAP: return in_datum(CEL_MAP, n, p);
    case AV_UNION:
        if ((n = take_branch(run, n, &p)) != NULL)
            return cel_load(run, n, p);
        break;
    }
    cut(run);
    return cel_broken(run);
}

/* Going along */

struct cel_each cel_each_of(struct cel_run *run, struct cel_value v)
{
    return (struct cel_each){.run = run, .of = v, .p = v.in_datum ? v.p : NULL};
}

static bool next_made(struct cel_each *each, struct cel_value *item,
                      struct cel_value *value)
{
    bool map = each->of.kind == CEL_MAP;

    if (each->i >= each->of.n)
        return false;
    *item = each->of.items[map ? 2 * each->i : each->i];
    if (map && value != NULL)
        *value = each->of.items[2 * each->i + 1];
    each->i++;
    return true;
}

/* True while there is an item at each->p. */
static bool more(struct cel_each *each)
{
    int64_t bytes;

    if (each->done)
        return false;
    if (each->left == 0 && !take_block(each->run, &each->p, &each->left, &bytes))
        each->left = 0;
    each->done = each->left == 0;
    return !each->done;
}

bool cel_next(struct cel_each *each, struct cel_value *item, struct cel_value *value)
{
    const struct av_node *n = each->of.node;
    struct span key;

    if (!cel_steps(each->run, 1))
        return false;
    if (!each->of.in_datum)
        return next_made(each, item, value);
    if (!more(each))
        return false;
    if (n->type == AV_MAP) {
        if (!take_span(each->run, &each->p, &key))
            return false;
        *item = cel_string(key);
        item = value;
    }
    if (item != NULL)
        *item = cel_load(each->run, n->items, each->p);
    each->at = each->p;
    each->p = cel_skip(each->run, n->items, each->p);
    each->left--;
    return each->p != NULL;
}

int64_t cel_count(struct cel_run *run, struct cel_value v)
{
    const struct av_node *n = v.node;
    const uint8_t *p = v.p;
    int64_t count = 0, items, bytes;

    if (!v.in_datum)
        return (int64_t)v.n;
    while (take_block(run, &p, &items, &bytes) && items > 0) {
        count += items;
        if (bytes >= 0)
            p = left(run, p, (uint64_t)bytes) ? p + bytes : cut(run);
        else
            p = skip_items(run, n, p, items);
        if (p == NULL || count < 0)
            return 0;
    }
    return count;
}

/* Finding */

static bool as_index(struct cel_value key, int64_t *out)
{
    if (key.kind == CEL_UINT && key.u <= INT64_MAX)
        *out = (int64_t)key.u;
    else if (key.kind == CEL_DOUBLE && key.d >= -1e15 && key.d <= 1e15 &&
             key.d == (double)(int64_t)key.d)
        *out = (int64_t)key.d;
    else if (key.kind == CEL_INT)
        *out = key.i;
    else
        return false;
    return true;
}

static struct cel_value item_at(struct cel_run *run, struct cel_value list, int64_t i)
{
    struct cel_each each = cel_each_of(run, list);
    struct cel_value v;

    if (!list.in_datum && i >= 0 && (uint64_t)i < list.n)
        return list.items[i];
    for (int64_t at = 0; list.in_datum && i >= 0 && cel_next(&each, &v, NULL); at++)
        if (at == i)
            return v;
    return cel_failf(run, "index out of range: %lld", (long long)i);
}

/* Of a key that comes twice the last counts, as in the map a consumer makes of it. */
static bool find_in_datum(struct cel_run *run, struct cel_value map, struct span key,
                          struct cel_value *out)
{
    struct cel_each each = cel_each_of(run, map);
    const uint8_t *found = NULL;
    struct cel_value k;

    while (cel_next(&each, &k, NULL))
        if (span_eq(k.s, key))
            found = each.at;
    if (found != NULL)
        *out = cel_load(run, map.node->items, found);
    return found != NULL;
}

bool cel_find(struct cel_run *run, struct cel_value map, struct cel_value key,
              struct cel_value *out)
{
    if (map.in_datum)
        return key.kind == CEL_STRING && find_in_datum(run, map, key.s, out);
    for (size_t i = 0; i < map.n && cel_steps(run, 1); i++)
        if (cel_equal(run, map.items[2 * i], key)) {
            *out = map.items[2 * i + 1];
            return true;
        }
    return false;
}

static struct cel_value no_key(struct cel_run *run, struct cel_value key)
{
    if (key.kind == CEL_STRING)
        return cel_failf(run, "no such key: " SPAN_FMT, SPAN_ARG(key.s));
    if (key.kind == CEL_INT)
        return cel_failf(run, "no such key: %lld", (long long)key.i);
    return cel_fail("no such key");
}

struct cel_value cel_index(struct cel_run *run, struct cel_value of,
                           struct cel_value key)
{
    struct cel_value v;
    int64_t i;

    if (of.kind == CEL_LIST && as_index(key, &i))
        return item_at(run, of, i);
    if (of.kind == CEL_MAP)
        return cel_find(run, of, key, &v) ? v : no_key(run, key);
    return cel_no_overload(run, "[]", (struct cel_value[]){of, key}, 2);
}

struct cel_value cel_select(struct cel_run *run, struct cel_value of, struct span name)
{
    struct cel_value v;

    if (of.kind == CEL_MAP)
        return cel_find(run, of, cel_string(name), &v) ? v
                                                       : no_key(run, cel_string(name));
    if (of.kind != CEL_MESSAGE)
        return cel_failf(run, "no field \"" SPAN_FMT "\" in a value of type %s",
                         SPAN_ARG(name), cel_kind_name(of.kind));
    int i = cel_field_index(of.node, name);
    if (i < 0)
        return cel_failf(run, "no such field: " SPAN_FMT, SPAN_ARG(name));
    const uint8_t *p = cel_field_at(run, of.node, (size_t)i, of.p);
    return p != NULL ? cel_load(run, of.node->fields[i].type, p) : cel_broken(run);
}

struct cel_value cel_has(struct cel_run *run, struct cel_value of, struct span name)
{
    struct cel_value v;

    if (of.kind == CEL_MAP)
        return cel_bool(cel_find(run, of, cel_string(name), &v));
    v = cel_select(run, of, name);
    return v.kind == CEL_ERROR ? v : cel_bool(v.kind != CEL_NULL);
}

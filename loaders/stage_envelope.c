#include "loaders/stage_envelope.h"

#include "avro-core/canon.h"
#include "avro-core/identical.h"
#include "avro-core/varint.h"
#include "format/rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TEXT_MOST ((size_t)16 << 20)
#define ROW_MOST ((size_t)1 << 30)
#define HEADERS_MOST ((size_t)64 << 20)
#define HEADER_LEAST 2 // bytes: the length of its name, and that it has no value

/* In the order of the columns. */
static const struct {
    unsigned part;
    const char *word, *type;
} columns[ENVELOPE_WORDS] = {
    {ENVELOPE_KEY, "key", "[\"null\",\"bytes\"]"},
    {ENVELOPE_TIMESTAMP, "timestamp",
     "[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}]"},
    {ENVELOPE_HEADERS, "headers",
     "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"avrogate.Header\","
     "\"fields\":[{\"name\":\"key\",\"type\":\"string\"},{\"name\":\"value\",\"type\":["
     "\"null\",\"bytes\"]}]}}"},
    {ENVELOPE_PARTITION, "partition", "\"int\""},
    {ENVELOPE_OFFSET, "offset", "\"long\""},
    {ENVELOPE_DELETED, "deleted", "\"boolean\""},
};

const char envelope_words[] = "key, timestamp, headers, partition, offset, deleted";

unsigned envelope_part(struct span word)
{
    for (size_t i = 0; i < ENVELOPE_WORDS; i++)
        if (span_eq(word, span_str(columns[i].word)))
            return columns[i].part;
    return 0;
}

enum err_kind envelope_read(unsigned *parts, const char *const *words, size_t n,
                            struct err *e)
{
    *parts = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned part = envelope_part(span_str(words[i]));
        if (part == 0)
            return err_set(e, ERR_INVALID,
                           "sink.files.envelope \"%.40s\", wanted some of %s", words[i],
                           envelope_words);
        *parts |= part;
    }
    return ERR_OK;
}

const char *envelope_word(unsigned part)
{
    size_t i = 0;

    while (columns[i].part != part)
        i++;
    return columns[i].word;
}

struct envelope {
    unsigned parts;
    struct av_schema *value, *bare, *file; // bare: the columns and the value as it is;
                                           // file: the value may be null
    struct av_plan *to_file, *plain;       // bare -> file, file -> file
    // writing
    uint64_t known; // of a plan; what is read by it is the value's already, or not
    bool same;
    struct buf row, nulls; // nulls: of a tombstone
    // reading
    struct av_plan *from, *to_bare; // NULL: rows are the file's already, or bare
    struct buf as_file, as_bare, headers;
    struct rewrite rewrite;
};

/* --- the schema ------------------------------------------------------------------- */

static bool may_be_null(const struct av_node *n)
{
    bool null = n->type == AV_NULL;

    for (size_t i = 0; n->type == AV_UNION && i < n->n_branches; i++)
        null |= n->branches[i]->type == AV_NULL;
    return null;
}

/* Is it used inside itself?  Then its name is taken. */
static bool is_recursive(const struct av_schema *s)
{
    const struct av_node *root = av_schema_root(s);
    bool found = false;

    for (uint32_t i = 0; i < av_schema_nodes(s) && !found; i++) {
        const struct av_node *n = av_schema_node(s, i);
        found |= n->items == root;
        for (size_t k = 0; k < n->n_fields; k++)
            found |= n->fields[k].type == root;
        for (size_t k = 0; k < n->n_branches; k++)
            found |= n->branches[k] == root;
    }
    return found;
}

struct maker {
    struct buf *out;
    struct span text; // of the value's schema
    unsigned parts;
    bool null; // fields may be null
};

static void put_piece(const struct maker *m, const struct json *j)
{
    buf_put(m->out, span_of(m->text.p + j->at, j->end - j->at));
}

static void put_columns(const struct maker *m)
{
    for (size_t i = 0; i < ENVELOPE_WORDS; i++)
        if (m->parts & columns[i].part)
            buf_printf(m->out, "{\"name\":\"_%s\",\"type\":%s},", columns[i].word,
                       columns[i].type);
}

/* A default is of the first branch. */
static void put_type(const struct maker *m, const struct json *type,
                     const struct av_node *n, bool fallback)
{
    if (!m->null || may_be_null(n)) {
        put_piece(m, type);
        return;
    }
    buf_put_str(m->out, fallback ? "[" : "[\"null\",");
    if (n->type == AV_UNION)
        buf_put(m->out, span_of(m->text.p + type->at + 1, type->end - type->at - 2));
    else
        put_piece(m, type);
    buf_put_str(m->out, fallback ? ",\"null\"]" : "]");
}

static void put_field(const struct maker *m, const struct json *field,
                      const struct av_field *f)
{
    char sign = '{';

    for (const struct json *j = field->first; j != NULL; j = j->next, sign = ',') {
        buf_put_u8(m->out, (uint8_t)sign);
        json_put_string(m->out, j->name);
        buf_put_u8(m->out, ':');
        if (span_eq(j->name, span_str("type")))
            put_type(m, j, f->type, f->fallback != NULL);
        else
            put_piece(m, j);
    }
    buf_put_u8(m->out, '}');
}

static void put_fields(const struct maker *m, const struct json *fields,
                       const struct av_node *root)
{
    const struct av_field *f = root->fields;

    buf_put_u8(m->out, '[');
    put_columns(m);
    for (const struct json *j = fields->first; j != NULL; j = j->next, f++) {
        put_field(m, j, f);
        if (j->next != NULL)
            buf_put_u8(m->out, ',');
    }
    if (fields->first == NULL && m->parts != 0) // the comma behind the last column
        buf_cut(m->out, m->out->n - 1);
    buf_put_u8(m->out, ']');
}

static void put_record(const struct maker *m, const struct json *record,
                       const struct av_node *root, bool renamed)
{
    char sign = '{';

    for (const struct json *j = record->first; j != NULL; j = j->next, sign = ',') {
        buf_put_u8(m->out, (uint8_t)sign);
        json_put_string(m->out, j->name);
        buf_put_u8(m->out, ':');
        if (span_eq(j->name, span_str("fields")))
            put_fields(m, j, root);
        else if (renamed && span_eq(j->name, span_str("name")))
            buf_printf(m->out, "\"%.*s_staged\"", SPAN_WHOLE(j->text));
        else
            put_piece(m, j);
    }
    buf_put_u8(m->out, '}');
}

/* In no namespace, so that names in the value mean what they mean alone. */
static void put_wrapped(const struct maker *m, const struct json *value,
                        const struct av_node *root)
{
    buf_put_str(m->out,
                "{\"type\":\"record\",\"name\":\"avrogate_staged\",\"fields\":[");
    put_columns(m);
    buf_put_str(m->out, "{\"name\":\"value\",\"type\":");
    put_type(m, value, root, false);
    buf_put_str(m->out, "}]}");
}

static enum err_kind make_text(struct maker *m, struct av_schema *value, bool renamed,
                               struct err *e)
{
    const struct json_limits lim = {.depth = AV_PRINT_DEPTH, .values = 10000000};
    struct arena a = {0};
    const struct json *j;

    enum err_kind rc = json_read(&j, m->text, &lim, &a, e);
    if (rc == ERR_OK && av_schema_root(value)->type == AV_RECORD)
        put_record(m, j, av_schema_root(value), renamed);
    else if (rc == ERR_OK)
        put_wrapped(m, j, av_schema_root(value));
    arena_free(&a);
    return rc == ERR_OK ? buf_status(m->out, e) : rc;
}

static enum err_kind make(struct av_schema **out, struct av_schema *value,
                          unsigned parts, bool null, struct err *e)
{
    const struct av_parse_limits lim = {.bytes = TEXT_MOST, .keep_bad_defaults = true};
    struct buf printed = BUF_INIT(TEXT_MOST), text = BUF_INIT(TEXT_MOST);
    bool renamed = is_recursive(value);

    av_print_alone(&printed, value);
    struct maker m = {&text, buf_span(&printed), parts, null};
    enum err_kind rc = buf_status(&printed, e);
    if (rc == ERR_OK)
        rc = make_text(&m, value, renamed, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, buf_span(&text), &value, renamed, &lim, e);
    buf_free(&printed);
    buf_free(&text);
    return rc == ERR_OK ? ERR_OK : err_prefix(e, "the schema with an envelope");
}

/* Whoever queries the file may not tell large letters from small ones. */
static enum err_kind check_names(struct av_schema *value, unsigned parts, struct err *e)
{
    const struct av_node *root = av_schema_root(value);

    for (size_t k = 0; root->type == AV_RECORD && k < root->n_fields; k++)
        for (size_t i = 0; i < ENVELOPE_WORDS; i++) {
            struct span name = root->fields[k].name;
            if ((parts & columns[i].part) && name.n == strlen(columns[i].word) + 1 &&
                name.p[0] == '_' &&
                strncasecmp((const char *)name.p + 1, columns[i].word, name.n - 1) == 0)
                return err_set(
                    e, ERR_INVALID,
                    "sink.files.envelope %s: the schema has a field " SPAN_FMT
                    " of its own",
                    columns[i].word, SPAN_ARG(name));
        }
    return ERR_OK;
}

/* A tombstone's value: null, wherever that stands in the union. */
static void put_nulls(struct envelope *v)
{
    const struct av_node *root = av_schema_root(v->file);

    for (size_t i = (size_t)__builtin_popcount(v->parts); i < root->n_fields; i++) {
        const struct av_node *n = root->fields[i].type;
        for (size_t k = 0; n->type == AV_UNION && k < n->n_branches; k++)
            if (n->branches[k]->type == AV_NULL)
                varint_append(&v->nulls, (int64_t)k);
    }
}

static enum err_kind fill(struct envelope *v, struct err *e)
{
    TRY(check_names(v->value, v->parts, e));
    TRY(make(&v->bare, v->value, v->parts, false, e));
    if ((v->parts & ENVELOPE_DELETED) == 0)
        v->file = av_schema_retain(v->bare);
    else
        TRY(make(&v->file, v->value, v->parts, true, e));
    TRY(av_plan_new(&v->to_file, v->bare, v->file, e));
    TRY(av_plan_new(&v->plain, v->file, v->file, e));
    put_nulls(v);
    return ERR_OK;
}

enum err_kind envelope_new(struct envelope **out, struct av_schema *value,
                           unsigned parts, struct err *e)
{
    struct envelope *v = mem_alloc(sizeof *v);

    *v = (struct envelope){.parts = parts,
                           .value = av_schema_retain(value),
                           .row = BUF_INIT(ROW_MOST),
                           .nulls = BUF_INIT(TEXT_MOST),
                           .as_file = BUF_INIT(ROW_MOST),
                           .as_bare = BUF_INIT(ROW_MOST),
                           .headers = BUF_INIT(HEADERS_MOST)};
    rewrite_init(&v->rewrite, &v->row);
    if (fill(v, e) != ERR_OK) {
        envelope_free(v);
        return e->kind;
    }
    *out = v;
    return ERR_OK;
}

void envelope_free(struct envelope *v)
{
    if (v == NULL)
        return;
    av_plan_free(v->to_file);
    av_plan_free(v->plain);
    av_plan_free(v->from);
    av_plan_free(v->to_bare);
    av_schema_release(v->value);
    av_schema_release(v->bare);
    av_schema_release(v->file);
    buf_free(&v->row);
    buf_free(&v->nulls);
    buf_free(&v->as_file);
    buf_free(&v->as_bare);
    buf_free(&v->headers);
    rewrite_free(&v->rewrite);
    free(v);
}

struct av_schema *envelope_schema(const struct envelope *v)
{
    return v->file;
}

/* Appends to `out` what the datum is by the plan. */
static enum err_kind rewrite_by(struct envelope *v, const struct av_plan *plan,
                                struct span datum, struct buf *out, struct err *e)
{
    v->rewrite.out = out;
    rewrite_reset(&v->rewrite);
    TRY(av_decode_all(plan, datum, NULL, &v->rewrite.visitor, e));
    return buf_status(out, e);
}

/* --- writing ---------------------------------------------------------------------- */

static void put_bytes(struct buf *out, struct span x)
{
    varint_append(out, (int64_t)x.n);
    buf_put(out, x);
}

static void put_bytes_or_null(struct buf *out, struct span x)
{
    varint_append(out, x.p != NULL);
    if (x.p != NULL)
        put_bytes(out, x);
}

static void put_headers(struct buf *out, struct span packed)
{
    struct span rest = packed, name, value;
    int64_t n = 0;

    while (batch_next_header(&rest, &name, &value))
        n++;
    if (n > 0)
        varint_append(out, n);
    while (batch_next_header(&packed, &name, &value)) {
        put_bytes(out, name);
        put_bytes_or_null(out, value);
    }
    varint_append(out, 0);
}

static void put_head(struct envelope *v, const struct record *r, int32_t partition,
                     bool deleted)
{
    if (v->parts & ENVELOPE_KEY)
        put_bytes_or_null(&v->row, r->key);
    if (v->parts & ENVELOPE_TIMESTAMP) {
        varint_append(&v->row, r->timestamp_ms >= 0);
        if (r->timestamp_ms >= 0)
            varint_append(&v->row, r->timestamp_ms);
    }
    if (v->parts & ENVELOPE_HEADERS)
        put_headers(&v->row, r->headers);
    if (v->parts & ENVELOPE_PARTITION)
        varint_append(&v->row, partition);
    if (v->parts & ENVELOPE_OFFSET)
        varint_append(&v->row, r->offset);
    if (v->parts & ENVELOPE_DELETED)
        buf_put_u8(&v->row, deleted);
}

/* Is what this plan reads written as the value's schema writes it? */
static bool is_same(struct envelope *v, const struct av_plan *plan)
{
    if (v->known == av_plan_id(plan))
        return v->same;
    v->known = av_plan_id(plan);
    return v->same = av_plan_writer(plan) == v->value ||
                     av_identical(av_plan_writer(plan), v->value);
}

enum err_kind envelope_put(struct envelope *v, const struct record *r,
                           int32_t partition, const struct av_plan *plan,
                           struct span datum, struct envelope_row *out, struct err *e)
{
    buf_reset(&v->row);
    put_head(v, r, partition, plan == NULL);
    size_t head = v->row.n;
    if (plan == NULL)
        buf_put(&v->row, buf_span(&v->nulls));
    else if (is_same(v, plan))
        buf_put(&v->row, datum);
    else
        TRY(rewrite_by(v, plan, datum, &v->row, e));
    TRY(buf_status(&v->row, e));
    *out = (struct envelope_row){
        .plan = plan == NULL ? v->plain : v->to_file,
        .datum = buf_span(&v->row),
        .lim.first = 0 - head, // what is wrong is told of the value's own bytes
    };
    return ERR_OK;
}

/* --- reading ---------------------------------------------------------------------- */

enum err_kind envelope_from(struct envelope *v, struct av_schema *file, struct err *e)
{
    av_plan_free(v->from);
    av_plan_free(v->to_bare);
    v->from = v->to_bare = NULL;
    if (v->file != v->bare)
        TRY(av_plan_new(&v->to_bare, v->file, v->bare, e));
    return av_identical(file, v->file) ? ERR_OK
                                       : av_plan_new(&v->from, file, v->file, e);
}

static enum err_kind cut(struct err *e, unsigned part)
{
    return err_set(e, ERR_INVALID, "its column _%s is none", envelope_word(part));
}

/* One byte that says which of two. */
static bool take_bool(struct span *s, bool *out)
{
    if (s->n == 0 || s->p[0] > 1)
        return false;
    *out = s->p[0] == 1;
    *s = span_skip(*s, 1);
    return true;
}

static bool take_branch(struct span *s, bool *there)
{
    int64_t branch;

    if (!varint_take(s, &branch) || branch < 0 || branch > 1)
        return false;
    *there = branch == 1;
    return true;
}

static bool take_bytes(struct span *s, struct span *out)
{
    int64_t n;

    if (!varint_take(s, &n) || n < 0 || (uint64_t)n > s->n)
        return false;
    *out = span_of(s->p, (size_t)n);
    *s = span_skip(*s, (size_t)n);
    return true;
}

static bool take_bytes_or_null(struct span *s, struct span *out)
{
    bool there;

    *out = (struct span){0};
    return take_branch(s, &there) && (!there || take_bytes(s, out));
}

static bool take_timestamp(struct span *s, int64_t *out)
{
    bool there;

    *out = -1;
    return take_branch(s, &there) && (!there || varint_take(s, out));
}

/* A name that holds a zero is no header's. */
static bool take_header(struct span *s, struct buf *out)
{
    char text[256], *name = text;
    struct span key, value;

    if (!take_bytes(s, &key) || !take_bytes_or_null(s, &value) ||
        memchr(key.p, 0, key.n) != NULL || value.n >= UINT32_MAX)
        return false;
    if (key.n >= sizeof text)
        name = mem_str(key);
    else
        snprintf(text, sizeof text, "%.*s", (int)key.n, (const char *)key.p);
    batch_pack_header(out, name, value);
    if (name != text)
        free(name);
    return true;
}

/* Blocks of an array, up to the empty one; a negative count has its bytes behind it. */
static bool take_headers(struct span *s, struct buf *out)
{
    int64_t n, bytes;

    for (;;) {
        if (!varint_take(s, &n) || n == INT64_MIN || (n < 0 && !varint_take(s, &bytes)))
            return false;
        n = n < 0 ? -n : n;
        if (n == 0)
            return true;
        if ((uint64_t)n > s->n / HEADER_LEAST)
            return false;
        while (n-- > 0)
            if (!take_header(s, out))
                return false;
    }
}

static bool take_int(struct span *s, int32_t *out)
{
    int64_t x;

    if (!varint_take(s, &x) || x < 0 || x > INT32_MAX)
        return false;
    *out = (int32_t)x;
    return true;
}

static enum err_kind take_head(struct envelope *v, struct span *s, struct record *out,
                               int32_t *partition, bool *deleted, struct err *e)
{
    buf_reset(&v->headers);
    *out = (struct record){.offset = -1, .timestamp_ms = -1};
    *partition = -1;
    *deleted = false;
    if ((v->parts & ENVELOPE_KEY) && !take_bytes_or_null(s, &out->key))
        return cut(e, ENVELOPE_KEY);
    if ((v->parts & ENVELOPE_TIMESTAMP) && !take_timestamp(s, &out->timestamp_ms))
        return cut(e, ENVELOPE_TIMESTAMP);
    if ((v->parts & ENVELOPE_HEADERS) && !take_headers(s, &v->headers))
        return cut(e, ENVELOPE_HEADERS);
    if ((v->parts & ENVELOPE_PARTITION) && !take_int(s, partition))
        return cut(e, ENVELOPE_PARTITION);
    if ((v->parts & ENVELOPE_OFFSET) && !varint_take(s, &out->offset))
        return cut(e, ENVELOPE_OFFSET);
    if ((v->parts & ENVELOPE_DELETED) && !take_bool(s, deleted))
        return cut(e, ENVELOPE_DELETED);
    return buf_status(&v->headers, e);
}

/* A value of no bytes is one. */
static struct span or_empty(struct span value)
{
    return value.n > 0 ? value : span_of("", 0);
}

/* The value as it was, where the file's could be null. */
static enum err_kind take_bare(struct envelope *v, struct span row, struct record *out,
                               int32_t *partition, struct err *e)
{
    bool deleted;

    buf_reset(&v->as_bare);
    TRY(rewrite_by(v, v->to_bare, row, &v->as_bare, e));
    struct span rest = buf_span(&v->as_bare);
    TRY(take_head(v, &rest, out, partition, &deleted, e));
    out->value = or_empty(rest);
    return ERR_OK;
}

enum err_kind envelope_take(struct envelope *v, struct span datum, struct record *out,
                            int32_t *partition, struct err *e)
{
    bool deleted;

    if (v->from != NULL) {
        buf_reset(&v->as_file);
        TRY(rewrite_by(v, v->from, datum, &v->as_file, e));
        datum = buf_span(&v->as_file);
    }
    struct span rest = datum;
    TRY(take_head(v, &rest, out, partition, &deleted, e));
    if (v->to_bare != NULL && !deleted)
        TRY(take_bare(v, datum, out, partition, e));
    else if (!deleted)
        out->value = or_empty(rest);
    out->headers = buf_span(&v->headers);
    return ERR_OK;
}

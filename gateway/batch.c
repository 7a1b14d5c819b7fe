#include "gateway/batch_inside.h"

#include "gateway/contracts.h"
#include "gateway/key.h"
#include "gateway/when.h"
#include "wire/csv.h"
#include "wire/frame.h"

#include <stdlib.h>

#define PROBLEMS_A_RECORD 20
#define RECORD_MOST (16 << 20) // what the encoder lets one record have

void gw_batch_init(struct gw_batch *b, const struct gw_batch_limits *lim)
{
    *b = (struct gw_batch){
        .limits = *lim, .frames = BUF_INIT(lim->frames), .keys = BUF_INIT(lim->frames)};
}

/* Avro is shorter than its JSON, mostly: frames that fit need not grow. */
void gw_batch_expect(struct gw_batch *b, size_t bytes, struct item *one)
{
    if (bytes < b->limits.frames / 2)
        (void)buf_room(&b->frames, bytes + FRAME_HEAD);
    b->items = one;
    b->cap = 1;
    b->lent = true;
}

void gw_batch_free(struct gw_batch *b)
{
    buf_free(&b->frames);
    buf_free(&b->keys);
    if (!b->lent)
        free(b->items);
    av_problems_free(&b->problems);
}

struct span gw_batch_frame(const struct gw_batch *b, size_t i)
{
    const struct item *it = &b->items[i];

    if (it->is_null)
        return (struct span){0};
    return it->frame_n > 0 ? span_of(b->frames.p + it->frame_at, it->frame_n)
                           : span_str("");
}

struct span gw_batch_key(const struct gw_batch *b, size_t i)
{
    if (!b->items[i].has_key)
        return (struct span){0};
    return span_of(b->keys.n > 0 ? b->keys.p + b->items[i].key_at : (const uint8_t *)"",
                   b->items[i].key_n);
}

void gw_batch_put_problems(struct buf *out, const struct item *it)
{
    const struct av_problem *problem = it->first;

    buf_put_u8(out, '[');
    for (size_t i = 0; i < it->n_problems; i++, problem = problem->next) {
        if (i > 0)
            buf_put_u8(out, ',');
        av_problem_put(out, problem);
    }
    buf_put_u8(out, ']');
}

bool gw_batch_blames_form(const struct gw_batch *b)
{
    for (const struct av_problem *p = b->problems.first; p != NULL; p = p->next)
        if (strcmp(p->rule, "json") == 0 || strcmp(p->rule, "csv") == 0 ||
            strcmp(p->rule, "cloudevents") == 0)
            return true;
    return false;
}

bool gw_batch_blames_size(const struct gw_batch *b)
{
    for (const struct av_problem *p = b->problems.first; p != NULL; p = p->next)
        if (strcmp(p->rule, "size") != 0)
            return false;
    return b->bad > 0;
}

static void grow(struct gw_batch *b)
{
    struct item *lent = b->lent ? b->items : NULL;

    b->cap = b->cap < 4 ? 8 : b->cap * 2;
    b->items = mem_grow(lent == NULL ? b->items : NULL, b->cap, sizeof *b->items);
    if (lent != NULL && b->n > 0)
        memcpy(b->items, lent, b->n * sizeof *lent);
    b->lent = false;
}

enum err_kind gw_batch_add(struct gw_batch *b, struct item **out, struct err *e)
{
    if (b->n == b->limits.records)
        return err_set(e, ERR_LIMIT, "more than %zu records in one request",
                       b->limits.records);
    if (b->n == b->cap)
        grow(b);
    *out = &b->items[b->n++];
    **out = (struct item){.frame_at = b->frames.n};
    return ERR_OK;
}

/* Lets the next record report as many problems as one may, while the request may. */
static void allow_problems(struct gw_batch *b)
{
    size_t most = b->problems.n + PROBLEMS_A_RECORD;

    b->problems.most = most < b->limits.problems ? most : b->limits.problems;
    b->problems.more = 0;
}

/* Whatever was added to the problems since `before` is this item's. */
static void settle(struct gw_batch *b, struct item *it, const struct av_problem *before,
                   size_t n_before)
{
    it->n_problems = b->problems.n - n_before;
    it->more = b->problems.more;
    if (it->n_problems > 0)
        it->first = before != NULL ? before->next : b->problems.first;
}

static struct span pointer_to(struct gw_batch *b, struct span field)
{
    return arena_join(&b->problems.arena, span_str(""), "/", field);
}

static void take_key(struct gw_batch *b, const struct ask *a,
                     const struct gw_batch_schema *s, struct item *it, size_t offset)
{
    struct span datum = span_of(b->frames.p + it->frame_at + FRAME_HEAD,
                                b->frames.n - it->frame_at - FRAME_HEAD);
    struct err e = {0};

    it->key_at = b->keys.n;
    if (key_of(&b->keys, s->plan, a->key_field, datum, &it->has_key, &e) != ERR_OK) {
        struct span pointer = pointer_to(b, a->key_field);
        av_problem_add(&b->problems, "key", pointer, offset,
                       span_str("a key: string, bytes, int, long, boolean or enum"),
                       "%s", e.msg);
    }
    it->key_n = b->keys.n - it->key_at;
}

/* A record that Kafka would not take is refused before any is sent: afterwards the
 * others would have been written. */
static bool check_size(struct gw_batch *b, const struct ask *a, const struct item *it,
                       size_t offset)
{
    size_t frame = b->frames.n - it->frame_at;
    size_t key = (a->key.p != NULL ? a->key.n
                  : it->has_key    ? it->key_n
                                   : 0) +
                 it->beside;
    struct span none = {0};

    if (frame + key <= b->limits.record)
        return true;
    struct span wanted = arena_printf(&b->problems.arena, "at most %zu bytes for Kafka",
                                      b->limits.record);
    av_problem_add(&b->problems, "size", none, offset, wanted,
                   "%zu bytes of Avro and %zu of key and headers", frame, key);
    return false;
}

/* The rules are asked of what was encoded, and may have made something else of it. */
static bool keeps_contract(struct gw_batch *b, const struct gw_batch_schema *s,
                           struct item *it, size_t offset)
{
    return s->contract == NULL || it->is_null ||
           gw_contract_holds(s->contract, s->run, &b->frames, it->frame_at + FRAME_HEAD,
                             offset, it, &b->problems);
}

/* Was it the request's limit that refused the record, and not the record's own? */
static bool frames_are_full(const struct gw_batch *b, const struct item *it)
{
    const struct av_problem *p = it->first;
    bool too_large = false;

    for (size_t i = 0; i < it->n_problems; i++, p = p->next)
        too_large |= strcmp(p->rule, "size") == 0;
    return too_large && b->limits.frames - it->frame_at < RECORD_MOST;
}

static void take_time(struct gw_batch *b, const struct ask *a,
                      const struct gw_batch_schema *s, struct item *it, size_t offset)
{
    struct span datum = span_of(b->frames.p + it->frame_at + FRAME_HEAD,
                                b->frames.n - it->frame_at - FRAME_HEAD);
    struct err e = {0};
    bool has = false;

    b->beside = true;
    if (when_of(&it->timestamp_ms, s->plan, a->timestamp_field, datum, &has, &e) ==
        ERR_OK)
        return;
    struct span pointer = pointer_to(b, a->timestamp_field);
    av_problem_add(&b->problems, "record-time", pointer, offset,
                   span_str("a timestamp, milliseconds or text of RFC 3339"), "%s",
                   e.msg);
}

/* What is taken from the record itself. */
static bool take_from_record(struct reading *r, struct item *it, size_t offset)
{
    struct gw_batch *b = r->b;
    size_t before = b->problems.n;

    if (r->a->key_field.n > 0)
        take_key(b, r->a, r->s, it, offset);
    if (r->a->timestamp_field.n > 0)
        take_time(b, r->a, r->s, it, offset);
    return b->problems.n == before && b->problems.more == 0;
}

enum err_kind take_record(struct reading *r, read_one read, struct err *e)
{
    struct gw_batch *b = r->b;
    const struct av_problem *before = b->problems.last;
    size_t n_before = b->problems.n;
    struct item *it = NULL;

    TRY(gw_batch_add(b, &it, e));
    allow_problems(b);
    frame_write_head(&b->frames, r->s->id);
    bool good = read(r, it) == ERR_OK, fits = true;
    // `text` may stand elsewhere: of a container file only its block has a place
    size_t offset =
        r->csv != NULL || it->text.p < r->body.p || it->text.p > r->body.p + r->body.n
            ? r->at
            : (size_t)(it->text.p - r->body.p);
    good = good && keeps_contract(b, r->s, it, offset);
    if (good)
        good = take_from_record(r, it, offset);
    if (good)
        good = fits = check_size(b, r->a, it, offset);
    if (good)
        it->frame_n = b->frames.n - it->frame_at;
    else
        buf_cut(&b->frames, it->frame_at);
    settle(b, it, before, n_before);
    it->refused = !good;
    b->bad += !good;
    if (!good && fits && frames_are_full(b, it))
        return err_set(e, ERR_LIMIT, "more than %zu bytes of Avro in one request",
                       b->limits.frames);
    return ERR_OK;
}

static void skip_space(struct reading *r)
{
    while (r->at < r->body.n && (r->body.p[r->at] == ' ' || r->body.p[r->at] == '\t' ||
                                 r->body.p[r->at] == '\n' || r->body.p[r->at] == '\r'))
        r->at++;
}

static enum err_kind refuse_at(const struct reading *r, const char *wanted,
                               struct err *e)
{
    size_t line, column;

    json_place(r->body, r->at, &line, &column);
    if (r->at >= r->body.n)
        return err_set(e, ERR_INVALID, "%zu:%zu: the body ends, wanted %s", line,
                       column, wanted);
    return err_set(
        e, ERR_INVALID, "%zu:%zu: found '%c', wanted %s", line, column,
        r->body.p[r->at] >= 0x20 && r->body.p[r->at] < 0x7f ? r->body.p[r->at] : '?',
        wanted);
}

static enum err_kind read_json_value(struct reading *r, struct item *it)
{
    size_t from;

    skip_space(r);
    from = r->at;
    enum err_kind rc =
        av_encode_next(r->s->encoder, r->body, &r->at, &r->b->frames, &r->b->problems);
    it->text = span_of(r->body.p + from, r->at - from);
    return rc;
}

/* The last record was no JSON: nothing behind it in this body can be trusted. */
static bool lost_the_thread(const struct gw_batch *b)
{
    const struct item *it = &b->items[b->n - 1];
    const struct av_problem *p = it->first;

    for (size_t i = 0; i < it->n_problems; i++, p = p->next)
        if (strcmp(p->rule, "json") == 0)
            return true;
    return false;
}

static enum err_kind explain_json(const struct reading *r, struct err *e)
{
    const struct av_problem *p = r->b->problems.last;
    size_t line, column;

    json_place(r->body, p->offset, &line, &column);
    return err_set(e, ERR_INVALID, "%zu:%zu: no JSON: " SPAN_FMT, line, column,
                   SPAN_ARG(p->message));
}

static enum err_kind read_array(struct reading *r, struct err *e)
{
    r->at++;
    skip_space(r);
    if (r->at < r->body.n && r->body.p[r->at] == ']') {
        r->at++;
        return ERR_OK;
    }
    for (;;) {
        TRY(take_record(r, read_json_value, e));
        if (lost_the_thread(r->b))
            return explain_json(r, e);
        skip_space(r);
        uint8_t c = r->at < r->body.n ? r->body.p[r->at] : 0;
        if (c != ',' && c != ']')
            return refuse_at(r, "',' or ']' after a record", e);
        r->at++;
        if (c == ']')
            return ERR_OK;
    }
}

static enum err_kind read_json(struct reading *r, struct err *e)
{
    skip_space(r);
    if (r->at == r->body.n)
        return refuse_at(r, "a record or an array of records", e);
    if (r->body.p[r->at] == '[') {
        TRY(read_array(r, e));
    } else {
        TRY(take_record(r, read_json_value, e));
        if (lost_the_thread(r->b))
            return explain_json(r, e);
    }
    skip_space(r);
    return r->at == r->body.n ? ERR_OK : refuse_at(r, "nothing after the records", e);
}

/* A line's problems are counted from the body's beginning, as everybody's are. */
static enum err_kind read_line(struct reading *r, struct item *it)
{
    const uint8_t *from = r->body.p + r->at;
    const uint8_t *end = memchr(from, '\n', r->body.n - r->at);
    struct span upto =
        span_of(r->body.p, end != NULL ? (size_t)(end - r->body.p) : r->body.n);
    size_t at = r->at;

    it->text = span_of(from, upto.n - r->at);
    enum err_kind rc =
        av_encode_next(r->s->encoder, upto, &at, &r->b->frames, &r->b->problems);
    r->at = upto.n + (end != NULL);
    while (rc == ERR_OK && at < upto.n &&
           (upto.p[at] == ' ' || upto.p[at] == '\t' || upto.p[at] == '\r'))
        at++;
    if (rc == ERR_OK && at < upto.n) {
        av_problem_add(&r->b->problems, "json", (struct span){0}, at,
                       span_str("one value in a line"), "more after it");
        rc = ERR_INVALID;
    }
    return rc;
}

static enum err_kind read_ndjson(struct reading *r, struct err *e)
{
    while (r->at < r->body.n) {
        const uint8_t *from = r->body.p + r->at;
        const uint8_t *end = memchr(from, '\n', r->body.n - r->at);
        size_t n = end != NULL ? (size_t)(end - from) : r->body.n - r->at;
        if (json_is_blank(span_of(from, n)))
            r->at += n + (end != NULL);
        else
            TRY(take_record(r, read_line, e));
    }
    return ERR_OK;
}

/* The row that csv_next() gave or refused; its problems' offsets are the body's own. */
static enum err_kind read_row(struct reading *r, struct item *it)
{
    it->text = csv_text(r->csv);
    if (r->broken != NULL) {
        av_problem_add(&r->b->problems, "csv", (struct span){0}, csv_offset(r->csv),
                       span_str("a row"), "%s", r->broken->msg);
        return ERR_INVALID;
    }
    return av_row_encode(r->row, r->cells, r->n_cells, csv_offset(r->csv),
                         &r->b->frames, &r->b->problems);
}

static enum err_kind read_rows(struct reading *r, struct err *e)
{
    for (;;) {
        struct err broken = {0};
        bool more = false;
        enum err_kind rc = csv_next(r->csv, &r->cells, &r->n_cells, &more, &broken);
        if (rc != ERR_OK && rc != ERR_INVALID) {
            *e = broken;
            return rc;
        }
        if (rc == ERR_OK && !more)
            return ERR_OK;
        r->broken = rc == ERR_OK ? NULL : &broken;
        TRY(take_record(r, read_row, e));
    }
}

/* Binds the header line.  What the schema cannot take is the data's fault:
 * ERR_CONFLICT. */
static enum err_kind read_header(struct reading *r, struct av_row **row, struct err *e)
{
    bool more = false;

    TRY(csv_next(r->csv, &r->cells, &r->n_cells, &more, e));
    if (!more)
        return err_set(e, ERR_INVALID, "the body is empty, wanted a header line");
    struct span *headers = mem_array(r->n_cells, sizeof *headers);
    for (size_t i = 0; i < r->n_cells; i++)
        headers[i] = r->cells[i].text;
    enum err_kind rc = av_row_bind(row, r->s->encoder, headers, r->n_cells, NULL, 0, e);
    free(headers);
    if (rc == ERR_INVALID)
        return e->kind = ERR_CONFLICT;
    return rc;
}

static enum err_kind read_csv(struct reading *r, struct err *e)
{
    const struct csv_options o = {.delimiter = (char)r->a->delimiter,
                                  .row_bytes = r->body.n};
    struct av_row *row = NULL;

    TRY(csv_open(&r->csv, &o, e));
    csv_feed(r->csv, r->body, true); // it drops a byte order mark itself
    enum err_kind rc = read_header(r, &row, e);
    r->row = row;
    if (rc == ERR_OK)
        rc = read_rows(r, e);
    if (row != NULL)
        av_row_free(row);
    csv_close(r->csv);
    return rc;
}

enum err_kind gw_batch_read(struct gw_batch *b, const struct ask *a,
                            const struct gw_batch_schema *s, struct span body,
                            struct err *e)
{
    static enum err_kind (*const readers[])(struct reading * r, struct err * e) = {
        [BODY_JSON] = read_json,
        [BODY_NDJSON] = read_ndjson,
        [BODY_CSV] = read_csv,
        [BODY_OCF] = read_ocf,
        [BODY_FRAMED] = read_framed,
        [BODY_EVENT] = read_event_body,
        [BODY_EVENTS] = read_events_body,
        [BODY_EVENT_DATA] = read_event_data};
    struct reading r = {.b = b, .a = a, .s = s, .body = body};

    bool is_text = a->body != BODY_OCF && a->body != BODY_FRAMED;

    if (is_text && body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0)
        r.at = 3; // a byte order mark is no part of any record
    TRY(readers[a->body](&r, e));
    if (b->n == 0)
        return err_set(e, ERR_INVALID, "the body holds no record");
    return ERR_OK;
}

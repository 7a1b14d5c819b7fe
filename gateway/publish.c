#include "gateway/publish.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define DLQ_HEADERS 15
#define FEW 16 // records, for which nothing is allocated

static void note_report(struct written *w, const struct kf_report *r)
{
    if (r->kind == ERR_OK) {
        *w = (struct written){.outcome = OUTCOME_WRITTEN,
                              .partition = r->partition,
                              .offset = r->offset,
                              .timestamp_ms = r->timestamp_ms};
        return;
    }
    *w = (struct written){.outcome = r->maybe ? OUTCOME_UNKNOWN : OUTCOME_NOT_WRITTEN,
                          .kind = r->kind,
                          .reason = r->reason};
}

static void let_go(struct publish *p)
{
    if (atomic_fetch_sub(&p->left, 1) == 1)
        p->done(p);
}

static void on_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct publish *p = (struct publish *)w;
    note_report(index < p->good ? &p->main[p->order[index]] : &p->dlq[p->order[index]],
                r);
    let_go(p);
}

/* Its letter is where it was: one more for each time it is tried would be a loop. */
static bool is_replay(const struct publish *p)
{
    return http_header(p->req, "Avrogate-Replay").p != NULL;
}

bool publish_buries(const struct publish *p, size_t i)
{
    const struct item *it = &p->batch.items[i];

    return it->refused && !is_replay(p) &&
           (p->ask.on_error == ON_ERROR_DLQ ||
            (it->broken != NULL && it->broken->dead));
}

bool publish_buries_any(const struct publish *p)
{
    for (size_t i = 0; p->batch.bad > 0 && i < p->batch.n; i++)
        if (publish_buries(p, i))
            return true;
    return false;
}

static bool is_to_send(const struct publish *p, size_t i)
{
    bool refused = p->batch.items[i].refused;

    if (refused ? !publish_buries(p, i) : p->held)
        return false;
    return (refused ? p->dlq[i] : p->main[i]).outcome != OUTCOME_WRITTEN;
}

static size_t count_to_send(const struct publish *p, bool refused)
{
    size_t n = 0;

    if (refused && p->batch.bad == 0)
        return 0;
    for (size_t i = 0; i < p->batch.n; i++)
        n += p->batch.items[i].refused == refused && is_to_send(p, i);
    return n;
}

static size_t send_good(struct publish *p, struct kf_producer *producer,
                        const char *topic)
{
    struct kf_record few[FEW] = {{.partition = -1}};
    struct kf_record *records =
        p->good <= FEW ? few : mem_grow(NULL, p->good, sizeof *records);
    size_t n = 0;

    for (size_t i = 0; i < p->batch.n; i++) {
        if (p->batch.items[i].refused || !is_to_send(p, i))
            continue;
        p->order[n] = (uint32_t)i;
        struct kf_record *r = &records[n++];
        *r = p->extra != NULL ? p->extra[i]
                              : (struct kf_record){.partition = p->ask.partition};
        r->key = p->ask.key.p != NULL ? p->ask.key : gw_batch_key(&p->batch, i);
        r->value = gw_batch_frame(&p->batch, i);
    }
    kf_send_batch(producer, topic, records, n, &p->waiter, 0);
    if (records != few)
        free(records);
    return n;
}

/* What was wrong with item `i`, as the JSON the client gets too. */
static struct span problems_text(const struct item *it, struct buf *text)
{
    gw_batch_put_problems(text, it);
    return text->over ? span_str("[]") : buf_span(text);
}

/* REST Proxy's records each have their own. */
static int32_t schema_id(const struct publish *p, const struct item *it)
{
    return it->broken != NULL ? it->broken->schema_id : p->schema.id;
}

/* Which rule refused it, under the names that Confluent's clients give it. */
static size_t fill_rule_headers(struct kf_header *h, const struct publish *p,
                                const struct broken_rule *r)
{
    size_t n = 0;

    if (r == NULL)
        return 0;
    h[n++] = (struct kf_header){"__rule.name", r->rule};
    h[n++] = (struct kf_header){"__rule.mode", span_str("WRITE")};
    h[n++] = (struct kf_header){"__rule.subject", r->subject};
    h[n++] = (struct kf_header){"__rule.topic", p->ask.topic};
    h[n++] = (struct kf_header){"__rule.exception", r->why};
    return n;
}

/* What it takes to send it again as it was. */
static size_t fill_way_headers(struct kf_header *h, const struct http_req *r)
{
    size_t n = 0;

    if (r->query.n > 0)
        h[n++] = (struct kf_header){"avrogate.query", r->query};
    if (r->who.n > 0)
        h[n++] = (struct kf_header){"avrogate.principal", r->who};
    return n;
}

/* The headers of a dead letter.  Texts live in the request's arena. */
static size_t fill_headers(struct kf_header *h, struct publish *p,
                           const struct item *it, size_t index)
{
    struct arena *a = &p->req->arena;
    struct buf text = BUF_INIT(64 << 10);
    char when[WALL_TEXT];
    size_t n = 0;

    wall_print(when, wall_ms());
    h[n++] =
        (struct kf_header){"avrogate.errors", arena_copy(a, problems_text(it, &text))};
    h[n++] = (struct kf_header){"avrogate.topic", p->ask.topic};
    h[n++] = (struct kf_header){"avrogate.schema.id",
                                arena_printf(a, "%d", schema_id(p, it))};
    h[n++] =
        (struct kf_header){"avrogate.subject", it->broken != NULL ? it->broken->subject
                                                                  : p->schema.subject};
    h[n++] = (struct kf_header){"avrogate.request.id", p->req->id};
    h[n++] = (struct kf_header){"avrogate.record.index", arena_printf(a, "%zu", index)};
    h[n++] = (struct kf_header){"avrogate.time", arena_copy(a, span_str(when))};
    h[n++] = (struct kf_header){"content-type", http_header(p->req, "Content-Type")};
    buf_free(&text);
    n += fill_way_headers(h + n, p->req);
    return n + fill_rule_headers(h + n, p, it->broken);
}

/* The bad ones, as they were sent.  `order` goes on behind the good ones. */
static void send_bad(struct publish *p, struct kf_producer *producer, const char *topic,
                     size_t good)
{
    size_t n = 0;
    struct kf_record *records = mem_array(p->batch.bad + 1, sizeof *records);

    for (size_t i = 0; i < p->batch.n; i++) {
        const struct item *it = &p->batch.items[i];
        if (!it->refused || !is_to_send(p, i))
            continue;
        struct kf_header *headers =
            arena_array(&p->req->arena, DLQ_HEADERS, sizeof *headers);
        p->order[good + n] = (uint32_t)i;
        records[n++] = (struct kf_record){.key = p->ask.key,
                                          .value = it->text,
                                          .headers = headers,
                                          .n_headers = fill_headers(headers, p, it, i),
                                          .partition = -1};
    }
    kf_send_batch(producer, topic, records, n, &p->waiter, (uint32_t)good);
    free(records);
}

void publish_start(struct publish *p, struct kf_producer *producer)
{
    size_t bad = count_to_send(p, true);
    struct arena *a = &p->req->arena;
    const char *topic = arena_str(a, p->ask.topic);

    p->waiter.report = on_report;
    p->good = (uint32_t)count_to_send(p, false);
    p->order = p->small ? arena_array(a, p->batch.n, sizeof *p->order)
                        : mem_array(p->batch.n, sizeof *p->order);
    // One is ours, so that the last report cannot come before the last record was sent.
    atomic_init(&p->left, p->good + bad + 1);
    if (p->good > 0)
        send_good(p, producer, topic);
    if (bad > 0)
        send_bad(p, producer, (const char *)arena_printf(a, "%s.dlq", topic).p,
                 p->good);
    let_go(p);
}

void publish_expect(struct publish *p)
{
    size_t n = p->batch.n;

    p->small = p->in_arena && n <= FEW;
    p->main = p->small ? arena_array(&p->req->arena, n, sizeof *p->main)
                       : mem_array(n, sizeof *p->main);
    p->dlq = p->small ? arena_array(&p->req->arena, n, sizeof *p->dlq)
                      : mem_array(n, sizeof *p->dlq);
}

static void free_all_but_outcomes(struct publish *p)
{
    gw_batch_free(&p->batch);
    rc_schema_free(&p->schema);
    codec_release(p->codec);
    gw_contract_release(p->contract);
    if (!p->small)
        free(p->order);
}

void publish_shed(struct publish *p)
{
    free_all_but_outcomes(p);
    p->batch = (struct gw_batch){0};
    p->codec = NULL;
    p->contract = NULL;
    p->order = NULL;
}

void publish_free(struct publish *p)
{
    if (p->drop != NULL)
        p->drop(p);
    free_all_but_outcomes(p);
    if (!p->small) {
        free(p->main);
        free(p->dlq);
    }
    if (!p->in_arena)
        free(p);
}

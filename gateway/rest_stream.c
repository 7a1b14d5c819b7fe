/*
 * v3's records as a stream: JSON values one behind the other as long as the client
 * likes, a report each, in their order, as soon as Kafka has it.
 *
 *      pieces --> in --cut--> part: some whole values --> Kafka --> reports --> out
 *                               \_ PARTS_MOST of them at once, then it is not read
 *
 * A part is carried out as a request of its own would be (rest.c), with its own memory
 * and deadline; one bad record is one report and the stream goes on.  A session is
 * locked for bookkeeping only; whoever set `working` alone cuts and sends.
 */
#include "gateway/rest.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

#define PARTS_MOST 8            // in flight; a client waits for itself, not for others
#define PART_RECORDS 500        // of one part
#define PART_BYTES (256 << 10)  // but for one record that is larger
#define REPORTS_MOST (64 << 20) // of one part
#define ASIDE (64 << 10)        // bytes that a stream may hold for nothing

/* A part, from its cutting until its reports are out. */
struct slot {
    struct slot *next;
    struct buf text;    // its values
    struct buf reports; // when it is done
    bool done;
};

struct part {
    struct rest rest; // first: its publish is the part's
    struct session *session;
    struct slot *slot;
    struct http_req req; // as the stream's, with an arena and a deadline of its own
    struct visit visit;
};

struct session {
    struct gateway *gateway;
    struct http_req *r;
    pthread_mutex_t lock;
    // under lock
    struct buf in;             // what came and was not cut yet
    struct slot *first, *last; // in order; the first whose reports are not out
    size_t n;                  // of them
    struct slot *todo;         // cut, and to be carried out by whoever works
    bool working;              // somebody cuts and sends; alone he touches `cut`
    bool paused;               // data() said false
    bool over, gone, ended;
    int code; // the stream broke off, and why
    const char *why;
    struct rest_cut cut;
    size_t held; // bytes of `in` that are the sender's share
};

/* ---- reports ---- */

static void put_failure(struct buf *out, int code, const char *msg)
{
    buf_put_u8(out, '{');
    rest_v3_put_failure(out, code, span_str(msg));
    buf_put_str(out, "}\r\n");
}

static void drop_slot(struct slot *s)
{
    buf_free(&s->text);
    buf_free(&s->reports);
    free(s);
}

/* Under the lock: what is done goes out, in order. */
static void put_out(struct session *s)
{
    while (s->first != NULL && s->first->done) {
        struct slot *slot = s->first;

        s->first = slot->next;
        if (s->first == NULL)
            s->last = NULL;
        s->n--;
        if (!s->gone && !slot->reports.over)
            http_stream_write(s->r, buf_span(&slot->reports));
        drop_slot(slot);
    }
}

/* Under the lock, as the last act: true once, when nothing more will happen. */
static bool is_over(struct session *s)
{
    if (s->ended || s->working || s->n > 0 || !(s->gone || (s->over && s->in.n == 0)))
        return false;
    s->ended = true;
    return true;
}

/* Under the lock, which it gives back: ends the stream, or has its loop look again. */
static void let_go(struct session *s)
{
    bool over = is_over(s);
    bool resume = !over && !s->ended && s->paused && !s->working && s->n < PARTS_MOST;

    if (resume)
        s->paused = false;
    struct http_req *r = s->r;
    // Still under the lock: rest_stream_free() takes it, so that `s` outlives this.
    if (over)
        http_stream_end(r);
    else if (resume)
        http_stream_resume(r);
    pthread_mutex_unlock(&s->lock);
}

static void finish(struct session *s, struct slot *slot)
{
    pthread_mutex_lock(&s->lock);
    slot->done = true;
    buf_free(&slot->text);
    put_out(s);
    let_go(s);
}

static void answer(struct rest *t)
{
    struct part *part = (struct part *)t;
    struct slot *slot = part->slot;

    for (size_t i = 0; i < t->body.n; i++) {
        rest_v3_put_report(&slot->reports, t, i);
        buf_put_str(&slot->reports, "\r\n");
    }
}

/* All of a part: a report each. */
static void refuse(struct rest *t, int code, const char *msg)
{
    struct part *part = (struct part *)t;

    for (size_t i = 0; i < t->body.n || i == 0; i++)
        put_failure(&part->slot->reports, code, msg);
}

static enum err_kind read_part(struct rest *t, struct span body, int *code,
                               struct err *e)
{
    t->limits.go_on = true;
    t->limits.records = PART_RECORDS;
    return rest_v3_read(t, body, code, e);
}

static const struct rest_kind kind = {
    .has_cluster = true, .read = read_part, .answer = answer, .refuse = refuse};

/* ---- parts ---- */

/* Its memory goes; whether its slot is done, only its reports tell. */
static void drop_part(struct publish *p)
{
    struct part *part = (struct part *)p;
    struct session *s = part->session;
    struct slot *slot = part->slot;

    arena_free(&part->req.arena);
    if (slot->reports.n > 0)
        finish(s, slot);
}

static struct part *make_part(struct session *s, struct slot *slot)
{
    struct part *part = mem_alloc(sizeof *part);
    struct publish *p = rest_publish(&part->rest);
    const struct visit *whole = s->r->visit;

    part->session = s;
    part->slot = slot;
    part->req = *s->r;
    part->req.arena = (struct arena){0};
    part->req.body = buf_span(&slot->text);
    part->req.began_us = clock_us();
    part->req.due_ms = clock_ms() + HTTP_LIMITS.request_ms;
    part->visit = (struct visit){.account = whole->account};
    part->req.visit = &part->visit;
    part->rest.sent.gateway = s->gateway;
    part->rest.kind = &kind;
    part->rest.type = REST_JSON_TYPE;
    p->req = &part->req;
    p->began_us = part->req.began_us;
    p->drop = drop_part;
    return part;
}

static struct slot *add_slot(struct session *s, struct span text)
{
    struct slot *slot = mem_alloc(sizeof *slot);

    slot->text = BUF_INIT(text.n);
    slot->reports = BUF_INIT(REPORTS_MOST);
    buf_put(&slot->text, text);
    if (s->last != NULL)
        s->last->next = slot;
    else
        s->first = slot;
    s->last = slot;
    s->n++;
    return slot;
}

/* Bytes of `in` go, and with them what they took of their sender's share. */
static void consume(struct session *s, size_t n)
{
    struct visit *visit = s->r->visit;

    if (n == 0)
        return;
    memmove(s->in.p, s->in.p + n, s->in.n - n);
    buf_cut(&s->in, s->in.n - n);
    if (s->in.n == 0 && s->in.cap > ASIDE)
        buf_free(&s->in);
    if (s->held > s->in.n) {
        shares_give(&s->gateway->shares, visit->account,
                    SHARE_ONLY(SHARE_BYTES, s->held - s->in.n));
        s->held = s->in.n;
    }
}

/* Whole values at the front of `in`, as many as a part takes; 0: there is none. */
static size_t cut(struct session *s)
{
    size_t end = 0;

    for (size_t n = 0; n < PART_RECORDS && end < PART_BYTES; n++) {
        if (!rest_cut(&s->cut, buf_span(&s->in)))
            break;
        end = s->cut.at;
        s->cut = (struct rest_cut){.at = end};
    }
    if (end > 0)
        s->cut.at -= end;
    return end;
}

/* What is left when nothing more comes, unless it is blank. */
static void refuse_rest(struct session *s)
{
    if (!json_is_blank(buf_span(&s->in)) || s->code != 0) {
        struct slot *slot = add_slot(s, (struct span){0});
        if (s->code != 0)
            put_failure(&slot->reports, s->code, s->why);
        else
            put_failure(&slot->reports, REST_BAD_REQUEST,
                        "the stream ends within a record: no JSON");
        s->code = 0; // said
        slot->done = true;
    }
    consume(s, s->in.n);
    put_out(s);
}

/* Under the lock: the next part is in `todo`; false: there is none, or enough are out.
 */
static bool cut_next(struct session *s)
{
    if (s->gone)
        consume(s, s->in.n);
    if (s->todo != NULL)
        return true;
    if (s->gone || s->n >= PARTS_MOST)
        return false;
    size_t n = cut(s);
    if (n > 0) {
        s->todo = add_slot(s, span_of(s->in.p, n));
        consume(s, n);
        return true;
    }
    if (s->over)
        refuse_rest(s);
    return false;
}

/* Whoever comes first works, the others have left what they brought. */
static void work(struct session *s, bool may_wait)
{
    pthread_mutex_lock(&s->lock);
    if (s->working && !may_wait) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    s->working = true;
    while (cut_next(s)) {
        struct slot *slot = s->todo;

        pthread_mutex_unlock(&s->lock);
        if (!rest_carry_out(&make_part(s, slot)->rest, may_wait)) {
            if (queue_try_put(&s->gateway->waiting, s->r))
                return; // `working` goes with it
            put_failure(&slot->reports, REST_KAFKA_RETRIABLE,
                        "too many requests wait for the registry or Kafka");
            finish(s, slot);
        }
        pthread_mutex_lock(&s->lock);
        s->todo = NULL;
    }
    s->working = false;
    let_go(s);
}

/* ---- what the loop tells ---- */

static struct session *session_of(const struct http_req *r)
{
    return ((struct visit *)r->visit)->stream;
}

static void break_off(struct session *s, int code, const char *why)
{
    if (s->code == 0) {
        s->code = code;
        s->why = why;
    }
    s->over = true;
}

/* More came, unless there is no room for it. */
static void take_piece(struct session *s, struct span piece)
{
    struct visit *visit = s->r->visit;
    size_t most = (size_t)s->gateway->s->body;

    if (piece.n == 0 || s->over)
        return;
    if (s->in.n + piece.n > most + PART_BYTES) {
        break_off(s, REST_TOO_LARGE, "a record is larger than limits.body");
        return;
    }
    if (s->in.n + piece.n > s->held + ASIDE) {
        size_t n = s->in.n + piece.n - s->held;
        enum share_of missing;
        if (shares_take(&s->gateway->shares, visit->account, SHARE_ONLY(SHARE_BYTES, n),
                        &missing) != SHARE_GIVEN) {
            break_off(s, REST_KAFKA_RETRIABLE, "too many bytes are in flight");
            return;
        }
        s->held += n;
    }
    buf_put(&s->in, piece);
}

static bool on_data(struct http_req *r, struct span piece)
{
    struct session *s = session_of(r);

    pthread_mutex_lock(&s->lock);
    take_piece(s, piece);
    pthread_mutex_unlock(&s->lock);
    work(s, false);
    pthread_mutex_lock(&s->lock);
    s->paused = s->working || s->n >= PARTS_MOST;
    bool more = !s->paused;
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void on_end(struct http_req *r, int status, const char *why)
{
    struct session *s = session_of(r);

    pthread_mutex_lock(&s->lock);
    if (status != 0)
        break_off(s, status == 503 ? REST_KAFKA_RETRIABLE : status, why);
    s->over = true;
    s->paused = true; // what is left is looked at whenever there is room
    pthread_mutex_unlock(&s->lock);
    work(s, false);
}

static void on_gone(struct http_req *r)
{
    struct session *s = session_of(r);

    pthread_mutex_lock(&s->lock);
    s->gone = true;
    pthread_mutex_unlock(&s->lock);
    work(s, false);
}

static const struct http_stream hears = {on_data, on_end, on_gone};

/* ---- its beginning and its end ---- */

bool rest_streams(struct http_app *app, const struct http_req *r)
{
    (void)app;
    return http_header(r, "Idempotency-Key").p == NULL &&
           http_header(r, "Content-Encoding").p == NULL;
}

/* What can be refused before the first record is; else 200.  false: a worker asks. */
static bool open_stream(struct gateway *g, struct http_req *r, bool may_wait)
{
    struct span cluster, topic = http_part(r, "topic");
    struct err e = {0};

    if (!rest_is_json(http_header(r, "Content-Type"), &e)) {
        rest_refuse(r, REST_JSON_TYPE, REST_UNSUPPORTED_TYPE, "%s", e.msg);
    } else if (!ask_topic_is_legal(topic)) {
        rest_refuse(r, REST_JSON_TYPE, REST_KAFKA_BAD_REQUEST,
                    "the topic's name is none that Kafka takes");
    } else if (rest_cluster_id(g, &r->arena, &cluster, may_wait, &e) != ERR_OK) {
        if (!may_wait)
            return false;
        rest_refuse_kafka(r, REST_JSON_TYPE, &e);
    } else if (!span_eq(cluster, http_part(r, "cluster"))) {
        rest_refuse(r, REST_JSON_TYPE, REST_NOT_FOUND,
                    "Cluster " SPAN_FMT " cannot be found.",
                    SPAN_ARG(http_part(r, "cluster")));
    } else {
        struct session *s = mem_alloc(sizeof *s);
        s->gateway = g;
        s->r = r;
        s->in = BUF_INIT((size_t)g->s->body + 2 * PART_BYTES);
        pthread_mutex_init(&s->lock, NULL);
        ((struct visit *)r->visit)->stream = s;
        http_stream_begin(r, 200, REST_JSON_TYPE, &hears);
    }
    return true;
}

void rest_stream_open(struct gateway *g, struct http_req *r)
{
    if (!open_stream(g, r, false) && !queue_try_put(&g->waiting, r))
        rest_refuse(r, REST_JSON_TYPE, REST_KAFKA_RETRIABLE,
                    "too many requests wait for the registry or Kafka");
}

void rest_stream_work(struct gateway *g, struct http_req *r)
{
    struct session *s = session_of(r);

    if (s == NULL)
        open_stream(g, r, true);
    else
        work(s, true);
}

void rest_stream_free(struct http_req *r)
{
    struct session *s = session_of(r);

    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock); // whoever ended it has left
    pthread_mutex_unlock(&s->lock);
    assert(s->n == 0);
    buf_free(&s->in);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

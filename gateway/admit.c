#include "gateway/admit.h"

#include "base/clock.h"
#include "gateway/gateway_inside.h"
#include "gateway/rest.h"

int admit_after(int seconds)
{
    return seconds + (int)(clock_us() % 3);
}

void admit_refuse(struct http_req *r, int status, int seconds, const char *message)
{
    struct buf body = BUF_INIT(4096);
    int code = rest_is_route(r->route) ? rest_outcome_code(status) : status;

    http_answer_retry_after(r, seconds);
    buf_printf(&body, "{\"error_code\":%d,\"message\":", code);
    json_put_string(&body, span_str(message));
    buf_put_str(&body, ",\"outcome\":\"not_written\"}");
    http_answer_take(r, status, "application/json", &body);
}

/* ---- permission ---- */

/* They name no topic, and tell of none but those admit_shows(). */
static const char *const open_patterns[] = {
    "/",
    "/openapi.json",
    "/topics",
    "/brokers",
    "/v3/clusters",
    "/v3/clusters/{cluster}",
    "/v3/clusters/{cluster}/brokers",
    "/v3/clusters/{cluster}/brokers/{broker}",
    "/v3/clusters/{cluster}/topics",
};

static bool is_open(const char *pattern)
{
    for (size_t i = 0; i < sizeof open_patterns / sizeof *open_patterns; i++)
        if (strcmp(pattern, open_patterns[i]) == 0)
            return true;
    return false;
}

/* What a path does to the topic it names; one nobody thought of, to all of them. */
void admit_head(struct http_app *app, struct http_req *r)
{
    struct gateway *g = (struct gateway *)app;
    bool reads = r->method == HTTP_GET || r->method == HTTP_HEAD;
    struct guard_ask ask = {reads ? ACL_READ : ACL_WRITE, ACL_TOPIC, GUARD_ALL, {0}};

    if (reads && is_open(r->route->pattern))
        ask.over = GUARD_NOTHING;
    for (size_t i = 0; i < r->nparts; i++)
        if (span_eq(r->parts[i].name, span_str("topic"))) {
            ask.over = GUARD_ONE;
            ask.name = r->parts[i].value;
        }
    guard_admit(g->guard, r, &ask);
}

bool admit_shows(struct gateway *g, const struct http_req *r, struct span topic)
{
    const struct guard_ask ask = {ACL_READ, ACL_TOPIC, GUARD_ONE, topic};

    return guard_may(g->guard, r->who, &ask);
}

/* ---- room ---- */

static const char *why(enum share_of what, enum share_verdict v)
{
    static const char *const texts[SHARE_KINDS][2] = {
        [SHARE_REQUESTS] = {"too many requests are in flight",
                            "this client has its share of the requests in flight"},
        [SHARE_RECORDS] = {"too many records wait for Kafka",
                           "this client has its share of the records in flight"},
        [SHARE_BYTES] = {"too many bytes are in flight",
                         "this client has its share of the bytes in flight"}};

    count_full(what, v);
    return texts[what][v == SHARE_OVER];
}

static struct span principal_of(const struct http_req *r)
{
    return r->who.n > 0 ? r->who : r->address;
}

void admit_enter(struct http_app *app, struct http_req *r)
{
    struct gateway *g = (struct gateway *)app;
    struct account *account = NULL;
    size_t declared = (size_t)r->declared;
    enum share_of missing;

    enum share_verdict v =
        shares_enter(&g->shares, principal_of(r), declared, &account, &missing);
    if (v != SHARE_GIVEN) {
        admit_refuse(r, 503, admit_after(1), why(missing, v));
        return;
    }
    struct visit *visit = arena_alloc(&r->arena, sizeof *visit);
    *visit = (struct visit){.account = account, .bytes = declared};
    r->visit = visit;
}

enum err_kind admit_bytes(struct gateway *g, struct http_req *r, size_t n,
                          struct err *e)
{
    struct visit *visit = r->visit;
    enum share_of missing;

    enum share_verdict v =
        shares_take(&g->shares, visit->account, SHARE_ONLY(SHARE_BYTES, n), &missing);
    if (v != SHARE_GIVEN)
        return err_set(e, ERR_UNAVAILABLE, "%s", why(missing, v));
    visit->bytes += n;
    return ERR_OK;
}

/* What was declared was taken with the head; a body in chunks is taken as it grows. */
bool admit_keep(struct http_app *app, struct http_req *r, size_t n)
{
    struct visit *visit = r->visit;
    struct err e = {0};

    visit->kept += n;
    if (visit->kept <= visit->bytes ||
        admit_bytes((struct gateway *)app, r, visit->kept - visit->bytes, &e) == ERR_OK)
        return true;
    admit_refuse(r, 503, admit_after(1), e.msg);
    return false;
}

static void let_out(struct gateway *g, struct visit *visit)
{
    if (visit == NULL || visit->account == NULL)
        return;
    shares_leave(&g->shares, visit->account, visit->bytes);
    visit->account = NULL;
}

/* Before the client has the answer: who has it may ask again at once, and finds room.
 */
void admit_answered(struct http_app *app, struct http_req *r, int status,
                    const char *type, struct span body)
{
    const struct replay_answer answer = {status, type, body};

    let_out((struct gateway *)app, r->visit);
    if (r->visit != NULL)
        retry_answered((struct gateway *)app, r, &answer);
}

void admit_leave(struct http_app *app, struct http_req *r)
{
    struct visit *visit = r->visit;

    let_out((struct gateway *)app, visit);
    if (visit == NULL)
        return;
    if (visit->finished != NULL)
        publish_free(visit->finished);
    buf_free(&visit->unpacked);
    rest_stream_free(r);
}

enum err_kind admit_records(struct gateway *g, const struct publish *p, size_t bytes,
                            struct err *e)
{
    const size_t n[SHARE_KINDS] = {[SHARE_RECORDS] = p->batch.n, [SHARE_BYTES] = bytes};
    struct account *account = ((struct visit *)p->req->visit)->account;
    enum share_of missing;

    enum share_verdict v = shares_take(&g->shares, account, n, &missing);
    if (v != SHARE_GIVEN)
        return err_set(e, ERR_UNAVAILABLE, "%s", why(missing, v));
    return ERR_OK;
}

void admit_reported(struct gateway *g, const struct publish *p, size_t bytes)
{
    const size_t n[SHARE_KINDS] = {[SHARE_RECORDS] = p->batch.n, [SHARE_BYTES] = bytes};

    shares_give(&g->shares, ((struct visit *)p->req->visit)->account, n);
}

#include "gateway/answer.h"

/* How often each thing happened to the good records. */
struct tally {
    size_t written, not_written, unknown;
    enum err_kind kind;     // of the first failure
    size_t dead, dead_lost; // bad ones that the DLQ has, and has not
};

static struct tally count(const struct publish *p)
{
    struct tally t = {0};

    for (size_t i = 0; i < p->batch.n; i++) {
        const struct written *w = &p->main[i];
        t.written += w->outcome == OUTCOME_WRITTEN;
        t.not_written += w->outcome == OUTCOME_NOT_WRITTEN;
        t.unknown += w->outcome == OUTCOME_UNKNOWN;
        if (t.kind == ERR_OK && w->outcome > OUTCOME_WRITTEN)
            t.kind = w->kind;
        t.dead += p->dlq[i].outcome == OUTCOME_WRITTEN;
        t.dead_lost += p->dlq[i].outcome > OUTCOME_WRITTEN;
    }
    return t;
}

/* Nothing of the good ones was written, for a reason of this kind. */
static int status_of_nothing(enum err_kind kind)
{
    static const struct {
        enum err_kind kind;
        int status;
    } t[] = {{ERR_NOT_FOUND, 404},
             {ERR_LIMIT, 413},
             {ERR_INVALID, 422},
             {ERR_CONFLICT, 403}};

    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (t[i].kind == kind)
            return t[i].status;
    return 503;
}

static int status_of_bad(const struct gw_batch *b)
{
    return gw_batch_blames_size(b) ? 413 : 422;
}

static int status_of(const struct publish *p, const struct tally *t)
{
    size_t good = p->batch.n - p->batch.bad;

    if (p->batch.bad > 0 && p->ask.on_error == ON_ERROR_REJECT)
        return gw_batch_blames_form(&p->batch) ? 400 : status_of_bad(&p->batch);
    if (good == 0)
        return status_of_bad(&p->batch);
    if (t->unknown > 0 || (t->not_written > 0 && t->written > 0))
        return 504;
    if (t->not_written > 0)
        return status_of_nothing(t->kind);
    return p->batch.bad > 0 ? 207 : 200;
}

static void put_outcome(struct buf *out, const struct written *w)
{
    static const char *const names[] = {
        [OUTCOME_NOT_WRITTEN] = "not_written", [OUTCOME_UNKNOWN] = "unknown"};

    switch (w->outcome) {
    case OUTCOME_NONE: break;
    case OUTCOME_WRITTEN:
        buf_put_str(out, ",\"partition\":");
        json_put_int(out, w->partition);
        buf_put_str(out, ",\"offset\":");
        json_put_int(out, w->offset);
        break;
    case OUTCOME_NOT_WRITTEN:
    case OUTCOME_UNKNOWN:
        buf_printf(out, ",\"outcome\":\"%s\",\"reason\":", names[w->outcome]);
        json_put_string(out, span_str(w->reason != NULL ? w->reason : ""));
        break;
    }
}

static void put_text(struct buf *out, const char *name, struct span text)
{
    if (text.n == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_put_string(out, text);
}

/* The rule that was broken, for programs: its error says the same to people. */
static void put_refusal(struct buf *out, const struct broken_rule *r)
{
    if (r == NULL)
        return;
    buf_put_str(out, ",\"contract\":{\"rule\":");
    json_put_string(out, r->rule);
    put_text(out, "doc", r->doc);
    put_text(out, "expr", r->expr);
    put_text(out, "field", r->field);
    put_text(out, "why", r->why);
    buf_put_u8(out, '}');
}

static void put_problems(struct buf *out, const struct item *it)
{
    buf_put_str(out, ",\"errors\":");
    gw_batch_put_problems(out, it);
    if (it->more > 0)
        buf_printf(out, ",\"more_errors\":%zu", it->more);
    put_refusal(out, it->broken);
}

static void put_dead_letter(struct buf *out, const struct publish *p,
                            const struct written *w)
{
    if (w->outcome == OUTCOME_WRITTEN) {
        buf_put_str(out, ",\"dlq\":{\"topic\":\"");
        buf_put(out, p->ask.topic);
        buf_printf(out, ".dlq\",\"partition\":%d,\"offset\":%lld}", w->partition,
                   (long long)w->offset);
    }
}

static bool is_shown(const struct publish *p, size_t i)
{
    bool bad = p->batch.items[i].refused;

    return bad || p->main[i].outcome != OUTCOME_NONE ||
           (p->ask.dry_run && p->batch.bad == 0);
}

static void put_records(struct buf *out, const struct publish *p)
{
    bool some = false;

    buf_put_str(out, "\"records\":[");
    for (size_t i = 0; i < p->batch.n; i++) {
        if (!is_shown(p, i))
            continue;
        buf_put_str(out, some ? ",{\"index\":" : "{\"index\":");
        json_put_int(out, (int64_t)i);
        some = true;
        if (p->batch.items[i].refused) {
            put_problems(out, &p->batch.items[i]);
            put_dead_letter(out, p, &p->dlq[i]);
        } else {
            put_outcome(out, &p->main[i]);
        }
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
}

static void put_schema(struct buf *out, const struct publish *p)
{
    buf_put_str(out, "\"schema\":{\"subject\":");
    if (p->schema.subject.n > 0)
        json_put_string(out, p->schema.subject);
    else
        buf_put_str(out, "null");
    buf_put_str(out, ",\"id\":");
    json_put_int(out, p->schema.id);
    buf_put_str(out, ",\"version\":");
    if (p->schema.version > 0)
        json_put_int(out, p->schema.version);
    else
        buf_put_str(out, "null"); // pinned by id: an id may have many versions
    if (p->schema.stale)
        buf_put_str(out, ",\"stale\":true");
    buf_put_u8(out, '}');
}

/* One sentence for whoever reads only that. */
static void put_message(struct buf *out, const struct publish *p, const struct tally *t,
                        int status)
{
    size_t good = p->batch.n - p->batch.bad;

    buf_printf(out, ",\"error_code\":%d,\"message\":\"", status);
    if (status == 504 && t->written > 0)
        buf_printf(out, "Kafka has %zu of %zu records, of the others see records",
                   t->written, good);
    else if (status == 504)
        buf_printf(out,
                   "Kafka may have written %zu of %zu records: the answer was lost",
                   t->unknown, good);
    else if (p->batch.bad > 0 && t->written == 0)
        buf_printf(out, "%zu of %zu records refused, nothing was written", p->batch.bad,
                   p->batch.n);
    else if (p->batch.bad > 0)
        buf_printf(out, "%zu of %zu records refused, the others were written",
                   p->batch.bad, p->batch.n);
    else
        buf_put_str(out, "nothing was written, of the reason see records");
    buf_put_u8(out, '"');
}

static const char *outcome_word(const struct tally *t)
{
    if (t->written > 0)
        return "partly_written";
    return t->unknown > 0 ? "unknown" : "not_written";
}

int answer_put(struct buf *out, const struct publish *p, int *retry)
{
    struct tally t = count(p);
    int status = status_of(p, &t);
    size_t accepted =
        p->ask.dry_run && status < 300 ? p->batch.n - p->batch.bad : t.written;

    *retry = status == 503 ? 1 : 0;
    buf_put_str(out, "{\"accepted\":");
    json_put_int(out, (int64_t)accepted);
    buf_put_str(out, ",\"rejected\":");
    json_put_int(out, (int64_t)p->batch.bad);
    buf_put_u8(out, ',');
    if (p->ask.dry_run)
        buf_put_str(out, "\"dry_run\":true,");
    put_records(out, p);
    buf_put_u8(out, ',');
    put_schema(out, p);
    if (!p->ask.dry_run && publish_buries_any(p))
        buf_printf(out, ",\"dlq\":\"%s\"", t.dead_lost > 0 ? "failed" : "stored");
    if (status != 200)
        put_message(out, p, &t, status);
    if (t.not_written + t.unknown > 0)
        buf_printf(out, ",\"outcome\":\"%s\"", outcome_word(&t));
    buf_put_u8(out, '}');
    return status;
}

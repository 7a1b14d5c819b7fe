#include "cli/produce_send.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST_US 1000000 // how far behind its rate it may fall and still catch up
#define NOTE_MS 5000     // between two notes that it waits
#define FIRST_PAUSE_MS 200
#define LAST_PAUSE_MS 5000

void sender_begin(struct sender *s)
{
    s->most_rows = s->batch_rows;
    s->most_bytes = s->batch_bytes;
}

bool sender_is_over(const struct sender *s)
{
    return s->t->ending != GOING;
}

void sender_end(struct sender *s, enum ending ending, const char *why)
{
    s->t->ending = ending;
    snprintf(s->t->why, sizeof s->t->why, "%s", why);
}

bool sender_is_interrupted(struct sender *s)
{
    if (*s->stop != 0 && !sender_is_over(s))
        sender_end(s, INTERRUPTED, "");
    return sender_is_over(s);
}

static void show_progress(struct sender *s)
{
    progress_show(s->progress, s->t->written + s->t->refused, s->t->refused, s->settled,
                  s->whole);
}

/* Sleeps until `at_us`; a signal ends it early. */
static void sleep_until(struct sender *s, int64_t at_us)
{
    while (!sender_is_interrupted(s) && clock_us() < at_us) {
        int64_t left = at_us - clock_us();
        if (left > 100000)
            left = 100000; // a signal between the question and the sleep costs this
        if (left > 0)
            nanosleep(&(struct timespec){.tv_nsec = left * 1000}, NULL);
        show_progress(s);
    }
}

/* ---- what became of the rows ---- */

/* The reasons of a verdict, walked along with its rows. */
struct reasons {
    const struct verdict *v;
    size_t next;
};

static const struct refusal *reasons_of(struct reasons *w, size_t row, size_t *n)
{
    const struct verdict *v = w->v;
    size_t from;

    while (w->next < v->n_refusals && v->refusals[w->next].row < row)
        w->next++;
    from = w->next;
    while (w->next < v->n_refusals && v->refusals[w->next].row == row)
        w->next++;
    *n = w->next - from;
    return v->refusals + from;
}

static void take_refused_row(struct sender *s, const struct parcel *p, size_t row,
                             const struct refusal *why, size_t n)
{
    static const char untold[] = "refused, and the answer does not say why";
    const struct refusal none = {
        .row = row, .rule = span_str("refused"), .message = span_str(untold)};
    const struct parcel_row *at = &p->rows[row];

    s->t->refused++;
    progress_wipe(s->progress);
    rejects_take(s->rejects, parcel_row_text(p, row), at->line, at->at,
                 n > 0 ? why : &none, n > 0 ? n : 1);
}

/*
 * Counts the first v->n rows by fate and tells of the refused; keep[] becomes true for
 * those that are to be asked about once more: what was not written, when `again`, and
 * what was refused without a reason because the answer had room for so many only (the
 * dead-letter topic would have those twice).
 */
static size_t account(struct sender *s, const struct parcel *p, const struct verdict *v,
                      bool again, bool *keep)
{
    bool ask_why = !s->to_dlq && v->n_refusals > 0 && v->kind != VERDICT_STOP &&
                   v->kind != VERDICT_DOUBT;
    struct reasons reasons = {.v = v};
    size_t kept = 0, n;

    for (size_t i = 0; i < v->n; i++) {
        const struct refusal *why = reasons_of(&reasons, i, &n);
        switch (v->fates[i]) {
        case FATE_WRITTEN:
            s->t->written++;
            if (s->ahead < p->rows[i].next_line)
                s->ahead = p->rows[i].next_line;
            break;
        case FATE_UNKNOWN: s->t->unknown++; break;
        case FATE_NOT_WRITTEN:
            keep[i] = again;
            s->t->not_written += !again;
            break;
        case FATE_REFUSED:
            keep[i] = n == 0 && ask_why;
            if (!keep[i])
                take_refused_row(s, p, i, why, n);
            break;
        }
        kept += keep[i];
    }
    s->t->dlq_failed |= v->dlq_failed;
    return kept;
}

/* Drops what is settled of the first v->n rows; returns how many are left of them. */
static size_t settle(struct sender *s, struct parcel *p, const struct verdict *v)
{
    bool *keep = mem_array(v->n, sizeof *keep);
    uint64_t behind = p->rows[v->n - 1].next_line;

    size_t kept = account(s, p, v, true, keep);
    s->t->bytes += parcel_keep(p, v->n, keep);
    s->t->next_line = kept > 0 ? p->rows[0].line : behind;
    free(keep);
    return kept;
}

/* It goes no further: nothing more will be said of these rows. */
static void leave(struct sender *s, struct parcel *p, const struct verdict *v)
{
    bool *keep = mem_array(v->n, sizeof *keep);

    (void)account(s, p, v, false, keep);
    (void)parcel_keep(p, v->n, keep);
    free(keep);
    sender_end(s, FAILED, v->why);
}

static bool is_settled(enum fate fate)
{
    return fate == FATE_WRITTEN || fate == FATE_REFUSED;
}

static void leave_in_doubt(struct sender *s, struct parcel *p, const struct verdict *v)
{
    size_t first = 0;

    while (first < v->n - 1 && is_settled(v->fates[first]))
        first++;
    s->t->next_line = p->rows[first].line;
    for (size_t i = first; i < v->n; i++)
        if (v->fates[i] == FATE_UNKNOWN && s->ahead < p->rows[i].next_line)
            s->ahead = p->rows[i].next_line;
    leave(s, p, v);
}

/* Too large for the other side: from now on smaller, though not for ever (grow()). */
static size_t make_smaller(struct sender *s, struct parcel *p, struct verdict *v)
{
    if (v->n > 1) {
        s->most_rows = v->n / 2;
        s->most_bytes = parcel_body(p, v->n).n / 2;
        return parcel_fits(p, s->most_rows, s->most_bytes);
    }
    struct refusal too_large = {.rule = span_str("size"), .message = span_str(v->why)};
    v->fates[0] = FATE_REFUSED;
    v->refusals = &too_large;
    v->n_refusals = 1;
    size_t settled = settle(s, p, v);
    v->refusals = NULL;
    v->n_refusals = 0;
    return settled;
}

/* One large row among small ones must not make requests small for ever. */
static void grow(struct sender *s)
{
    s->most_rows += s->most_rows / 8 + 1;
    s->most_bytes += s->most_bytes / 8 + 1;
    if (s->most_rows > s->batch_rows)
        s->most_rows = s->batch_rows;
    if (s->most_bytes > s->batch_bytes)
        s->most_bytes = s->batch_bytes;
}

/* ---- until it is settled ---- */

struct tries {
    int64_t since; // the first failure of those in a row
    int64_t pause;
};

static void note_waiting(struct sender *s, const struct parcel *p, const char *why,
                         const struct tries *t)
{
    int64_t now = clock_ms();

    if (s->quiet || (s->noted_ms >= t->since && now - s->noted_ms <= NOTE_MS))
        return;
    progress_wipe(s->progress);
    fprintf(stderr, "%s:%llu: not written, trying again: %s\n", s->name,
            (unsigned long long)p->rows[0].line, why);
    s->noted_ms = now;
}

/* The rows in front were not written.  Waits, or gives up. */
static void wait_to_try_again(struct sender *s, const struct parcel *p,
                              const struct verdict *v, struct tries *t)
{
    int64_t wait = v->after_ms > t->pause ? v->after_ms : t->pause;

    if (clock_ms() - t->since + wait > s->patience_ms) {
        sender_end(s, FAILED, v->why);
        return;
    }
    note_waiting(s, p, v->why, t);
    t->pause = t->pause * 2 < LAST_PAUSE_MS ? t->pause * 2 : LAST_PAUSE_MS;
    sleep_until(s, clock_us() + wait * 1000);
}

/* Acts on a verdict; returns how many rows in front are still to be sent. */
static size_t obey(struct sender *s, struct parcel *p, struct verdict *v,
                   struct tries *t)
{
    size_t n = v->n;

    switch (v->kind) {
    case VERDICT_DONE:
        n = settle(s, p, v);
        grow(s);
        *t = (struct tries){clock_ms(), FIRST_PAUSE_MS};
        break;
    case VERDICT_PARTLY:
        n = settle(s, p, v);
        t->since = clock_ms(); // it did get on
        if (n > 0)
            wait_to_try_again(s, p, v, t);
        break;
    case VERDICT_AGAIN: wait_to_try_again(s, p, v, t); break;
    case VERDICT_SPLIT: n = make_smaller(s, p, v); break;
    case VERDICT_STOP: leave(s, p, v); break;
    case VERDICT_DOUBT: leave_in_doubt(s, p, v); break;
    }
    return n;
}

static void deliver(struct sender *s, struct parcel *p, size_t n)
{
    struct tries tries = {clock_ms(), FIRST_PAUSE_MS};

    while (n > 0 && !sender_is_over(s)) {
        struct verdict v;
        verdict_begin(&v, n);
        s->way->ops->send(s->way, p, n, &v);
        n = obey(s, p, &v, &tries);
        verdict_free(&v);
    }
}

/* Rows go when their rate lets them; what was missed by more than a second is not
 * made up for. */
static void keep_pace(struct sender *s, size_t n)
{
    if (s->rate <= 0)
        return;
    int64_t now = clock_us();
    if (s->due_us < now - BURST_US)
        s->due_us = now;
    sleep_until(s, s->due_us);
    s->due_us += (int64_t)((double)n * 1e6 / s->rate);
}

void sender_flush(struct sender *s, struct parcel *p)
{
    s->ahead = 0; // under --loop lines begin again
    while (p->n > 0 && !sender_is_interrupted(s)) {
        size_t n = parcel_fits(p, s->most_rows, s->most_bytes);
        keep_pace(s, n);
        if (sender_is_over(s))
            return;
        deliver(s, p, n);
        if (p->n == 0)
            s->settled = s->done;
        show_progress(s);
    }
}

void sender_finish(struct sender *s, const struct parcel *p)
{
    struct run_totals *t = s->t;
    bool counted = t->unknown + t->not_written > 0;

    t->read -= p->n; // read ahead, and never sent
    if (t->ending == ENDED || s->ahead <= t->next_line)
        return;
    t->ending = IN_DOUBT;
    t->doubt_from = t->next_line;
    t->doubt_until = s->ahead - 1;
    for (size_t i = 0; !counted && i < p->n && p->rows[i].line < s->ahead; i++) {
        t->not_written++;
        t->read++;
    }
}

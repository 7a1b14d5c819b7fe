/* A record's verdict: every rule is asked of it as it came. */
#include "quality/quality_inside.h"

#include "avro-core/varint.h"
#include "base/json.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct asking {
    struct quality *q;
    struct span datum;
    const struct quality_place *at;
    struct quality_count *counts;
};

/* --- counts ----------------------------------------------------------------------- */

void quality_zero(const struct quality *q, struct quality_count *counts)
{
    for (size_t i = 0; i < quality_rules(q); i++)
        counts[i] = (struct quality_count){.newest = QUALITY_NONE, .offset = -1};
}

struct quality_count *quality_counts(const struct quality *q)
{
    struct quality_count *counts = mem_array(quality_rules(q) + 1, sizeof *counts);

    quality_zero(q, counts);
    return counts;
}

void quality_add(const struct quality *q, struct quality_count *to,
                 const struct quality_count *more)
{
    for (size_t i = 0; i < quality_rules(q); i++) {
        to[i].checked += more[i].checked;
        to[i].failed += more[i].failed;
        to[i].errors += more[i].errors;
        if (more[i].newest > to[i].newest)
            to[i].newest = more[i].newest;
        if (more[i].offset < 0)
            continue;
        to[i].partition = more[i].partition;
        to[i].offset = more[i].offset;
        memcpy(to[i].why, more[i].why, sizeof to[i].why);
    }
}

/* --- fields in the datum ---------------------------------------------------------- */

/* A field's value without its union's branch; false: it is null, or cut. */
static bool value_of(struct asking *a, const struct key_field *k, struct span *out)
{
    int64_t branch;

    if (!cel_locate(a->q->run, k->index, out))
        return false;
    if (k->null < 0)
        return true;
    return varint_take(out, &branch) && branch != k->null;
}

/* The key's fields, each behind its length; 0: one of them is null. */
static uint64_t hash_key(struct asking *a, const struct rule *r)
{
    struct buf *key = &a->q->key;
    struct span value;

    buf_reset(key);
    for (size_t i = 0; i < r->n_keys; i++) {
        if (!value_of(a, &r->keys[i], &value))
            return 0;
        varint_append(key, (int64_t)value.n);
        buf_put(key, value);
    }
    return seen_hash(buf_span(key));
}

static bool text_of(struct asking *a, const struct key_field *k, struct span *out)
{
    int64_t n;

    return value_of(a, k, out) && varint_take(out, &n) && n >= 0 &&
           (uint64_t)n <= out->n;
}

static int64_t units_a_second(const struct av_node *n)
{
    switch (n->logical) {
    case AV_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MILLIS: return 1000;
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return 1000000;
    default: return 1000000000;
    }
}

/* Nanoseconds, at the ends of what they can say where it is beyond. */
static int64_t nanos_of(const struct av_node *n, int64_t x)
{
    __int128 nanos = n->logical == AV_DATE
                         ? (__int128)x * 86400 * 1000000000
                         : (__int128)x * (1000000000 / units_a_second(n));

    return nanos > INT64_MAX    ? INT64_MAX
           : nanos < -INT64_MAX ? -INT64_MAX
                                : (int64_t)nanos;
}

static void note_time(struct asking *a, const struct rule *r, struct quality_count *c)
{
    struct span value;
    int64_t x;

    if (!value_of(a, &r->keys[0], &value) || !varint_take(&value, &x))
        return;
    int64_t nanos = nanos_of(r->keys[0].node, x);
    if (nanos > c->newest)
        c->newest = nanos;
}

/* --- a rule ----------------------------------------------------------------------- */

#define ERROR_MOST 90 // bytes of what an expression's error says

static void failed(struct asking *a, const struct rule *r, const char *means,
                   struct verdict_of *said)
{
    said->failed = true;
    tell(a->q, r, means, said->why);
}

/* A null is what was found. */
static void is_null(const struct rule *r, const char *path, struct verdict_of *said)
{
    said->failed = true;
    snprintf(said->why, sizeof said->why, "%.120s is null, wanted %s", path, r->wanted);
}

static void errs(struct asking *a, const struct rule *r, struct span message,
                 struct verdict_of *said)
{
    char means[ERROR_MOST + 10]; // the message is the run's until its next question

    if (message.n > ERROR_MOST)
        message.n = ERROR_MOST;
    snprintf(means, sizeof means, "error: %.*s", (int)utf8_good(message),
             message.n > 0 ? (const char *)message.p : "");
    failed(a, r, means, said);
}

/* True: it was asked. */
static bool ask_cel(struct asking *a, const struct rule *r, struct verdict_of *said,
                    struct quality_count *c)
{
    struct cel_outcome o;
    bool asked = r->n_questions == 0;

    for (size_t i = 0; i < r->n_questions && !said->failed; i++) {
        cel_check(a->q->run, r->questions[i].cel, &o);
        asked |= o.applied || o.verdict == CEL_ERRS;
        if (o.verdict == CEL_ERRS) {
            c->errors++;
            errs(a, r, o.message, said);
        } else if (o.verdict == CEL_FAILS && r->form == FORM_NOT_NULL) {
            is_null(r, r->questions[i].null_path, said);
        } else if (o.verdict == CEL_FAILS) {
            failed(a, r, r->form == FORM_EXPR ? "is false" : NULL, said);
        }
    }
    return asked;
}

static bool ask_timestamp(struct asking *a, const struct rule *r,
                          struct verdict_of *said)
{
    struct span text;

    if (!text_of(a, &r->keys[0], &text))
        return false;
    if (!pattern_fits(&r->pattern, text))
        failed(a, r, NULL, said);
    return true;
}

static bool ask_unique(struct asking *a, size_t i, struct verdict_of *said)
{
    struct partition *p = partition_of(a->q, a->at->partition);

    said->hash = hash_key(a, &a->q->rules[i]);
    if (said->hash == 0)
        return false;
    if (seen_before(seen_of(a->q, p, i), said->hash, a->at->offset))
        failed(a, &a->q->rules[i], "was seen before", said);
    return true;
}

static void ask_rule(struct asking *a, size_t i)
{
    const struct rule *r = &a->q->rules[i];
    struct verdict_of *said = &a->q->said[i];
    struct quality_count *c = &a->counts[i];

    said->failed = false;
    said->hash = 0;
    if (r->shown.of_run)
        return;
    bool asked = r->form == FORM_TIMESTAMP ? ask_timestamp(a, r, said)
                 : r->form == FORM_UNIQUE  ? ask_unique(a, i, said)
                                           : ask_cel(a, r, said, c);
    c->checked += asked;
    if (!said->failed)
        return;
    c->failed++;
    c->partition = a->at->partition;
    c->offset = a->at->offset;
    memcpy(c->why, said->why, sizeof c->why);
}

/* --- the verdict ------------------------------------------------------------------ */

static bool any(const struct quality *q, enum quality_severity s, size_t *rule)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->said[i].failed && q->rules[i].shown.severity == s) {
            *rule = i;
            return true;
        }
    return false;
}

static struct span tell_errors(struct quality *q)
{
    struct buf *out = &q->errors;

    buf_reset(out);
    buf_put_u8(out, '[');
    for (size_t i = 0; i < q->n; i++) {
        if (!q->said[i].failed)
            continue;
        buf_put_str(out, out->n > 1 ? ",{\"rule\":" : "{\"rule\":");
        json_put_string(out, span_str(q->rules[i].shown.name));
        buf_printf(out, ",\"severity\":\"%s\",\"why\":",
                   quality_severities[q->rules[i].shown.severity]);
        json_put_string(out, span_str(q->said[i].why));
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
    return buf_span(out);
}

/* Is the field taken away by a rule that failed? */
static bool is_nulled(const struct quality *q, size_t field, int *branch)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->said[i].failed && q->rules[i].shown.severity == QUALITY_NULL_FIELD &&
            q->rules[i].null_index == field) {
            *branch = q->rules[i].null_branch;
            return true;
        }
    return false;
}

static struct span without_fields(struct asking *a)
{
    const struct av_node *root = av_schema_root(a->q->schema);
    struct buf *out = &a->q->datum;
    struct span field;
    int branch = -1;

    buf_reset(out);
    for (size_t i = 0; i < root->n_fields; i++) {
        if (is_nulled(a->q, i, &branch)) {
            if (branch >= 0) // a field of type null alone has no bytes
                varint_append(out, branch);
        } else if (cel_locate(a->q->run, i, &field)) {
            buf_put(out, field);
        }
    }
    return buf_span(out);
}

/* Of what is loaded: a key that went elsewhere may come again. */
static void note_loaded(struct asking *a)
{
    struct quality *q = a->q;
    struct partition *p = NULL;

    for (size_t i = 0; i < q->n; i++) {
        if (q->rules[i].form == FORM_FRESH)
            note_time(a, &q->rules[i], &a->counts[i]);
        if (q->said[i].hash == 0)
            continue;
        if (p == NULL)
            p = partition_of(q, a->at->partition);
        seen_note(seen_of(q, p, i), q->said[i].hash, a->at->offset);
    }
}

void quality_ask(struct quality *q, struct span datum, const struct quality_place *at,
                 struct quality_count *counts, struct quality_verdict *out)
{
    struct asking a = {q, datum, at, counts};
    size_t rule;

    *out = (struct quality_verdict){.outcome = QUALITY_LOAD, .datum = datum};
    cel_begin(q->run, q->cel, datum, at->now);
    for (size_t i = 0; i < q->n; i++)
        ask_rule(&a, i);
    if (any(q, QUALITY_FAIL, &rule)) {
        out->outcome = QUALITY_STOP;
        out->rule = rule;
        q->stopped = (int)rule;
        out->why = span_str(q->said[rule].why);
        return;
    }
    if (any(q, QUALITY_QUARANTINE, &rule)) {
        out->outcome = QUALITY_ASIDE;
        out->errors = tell_errors(q);
        return;
    }
    if (any(q, QUALITY_NULL_FIELD, &rule))
        out->datum = without_fields(&a);
    note_loaded(&a);
}

int quality_stopped(const struct quality *q)
{
    return q->stopped;
}

/* --- of a run --------------------------------------------------------------------- */

static void ask_fresh(const struct rule *r, int64_t newest, int64_t now,
                      struct quality_finding *out)
{
    if (newest == QUALITY_NONE) {
        out->good = false;
        snprintf(out->why, sizeof out->why,
                 "no time was loaded, wanted one at most %" PRId64 " s old",
                 r->within_ms / 1000);
        return;
    }
    __int128 age_ms = ((__int128)now - newest) / 1000000;
    out->good = age_ms <= r->within_ms;
    if (!out->good)
        snprintf(out->why, sizeof out->why,
                 "the newest is %" PRId64 " s old, wanted at most %" PRId64 " s",
                 (int64_t)(age_ms / 1000), r->within_ms / 1000);
}

static void ask_rows(const struct rule *r, int64_t rows, struct quality_finding *out)
{
    bool few = r->least_rows >= 0 && rows < r->least_rows;
    bool many = r->most_rows >= 0 && rows > r->most_rows;

    out->good = !few && !many;
    if (!out->good)
        snprintf(out->why, sizeof out->why, "%" PRId64 " rows, wanted at %s %" PRId64,
                 rows, few ? "least" : "most", few ? r->least_rows : r->most_rows);
}

void quality_ask_run(const struct quality *q, size_t rule,
                     const struct quality_count *counts, int64_t rows, int64_t now,
                     struct quality_finding *out)
{
    const struct rule *r = &q->rules[rule];

    *out = (struct quality_finding){.good = true};
    if (r->form == FORM_FRESH)
        ask_fresh(r, counts[rule].newest, now, out);
    else if (r->form == FORM_ROWS)
        ask_rows(r, rows, out);
}

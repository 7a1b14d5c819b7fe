#include "cli/produce_way.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_VALUES 20000000 // JSON values; the body's size bounds them first

void verdict_begin(struct verdict *v, size_t n)
{
    *v = (struct verdict){.n = n};
    v->fates = arena_array(&v->arena, n, sizeof *v->fates);
}

void verdict_free(struct verdict *v)
{
    arena_free(&v->arena);
    *v = (struct verdict){0};
}

void verdict_all(struct verdict *v, enum fate fate)
{
    for (size_t i = 0; i < v->n; i++)
        v->fates[i] = fate;
}

size_t verdict_count(const struct verdict *v, enum fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        n += v->fates[i] == fate;
    return n;
}

void verdict_say(struct verdict *v, enum verdict_kind kind, const char *fmt, ...)
{
    va_list ap;

    v->kind = kind;
    va_start(ap, fmt);
    vsnprintf(v->why, sizeof v->why, fmt, ap);
    va_end(ap);
}

static struct span text_of(const struct json *obj, const char *name)
{
    const struct json *j = json_member(obj, name);

    return json_is(j, JSON_STRING) ? j->text : (struct span){0};
}

static size_t count_errors(const struct json *records)
{
    size_t n = 0;

    for (const struct json *r = records->first; r != NULL; r = r->next) {
        const struct json *errors = json_member(r, "errors");
        n += json_is(errors, JSON_ARRAY) ? errors->n : 0;
    }
    return n;
}

static void take_error(struct verdict *v, size_t row, const struct json *error)
{
    struct refusal *r = &v->refusals[v->n_refusals++];
    const struct json *offset = json_member(error, "offset");
    struct err ignored = {0};
    int64_t at = 0;

    *r = (struct refusal){.row = row,
                          .pointer = arena_copy(&v->arena, text_of(error, "pointer")),
                          .rule = arena_copy(&v->arena, text_of(error, "rule")),
                          .message = arena_copy(&v->arena, text_of(error, "message"))};
    r->has_offset = json_is(offset, JSON_NUMBER) &&
                    json_int(&at, offset, 0, INT64_MAX, &ignored) == ERR_OK;
    r->offset = (size_t)at;
}

static enum fate fate_of(const struct json *record)
{
    struct span outcome = text_of(record, "outcome");

    if (json_is(json_member(record, "errors"), JSON_ARRAY))
        return FATE_REFUSED;
    if (json_is(json_member(record, "offset"), JSON_NUMBER))
        return FATE_WRITTEN;
    return span_eq(outcome, span_str("not_written")) ? FATE_NOT_WRITTEN : FATE_UNKNOWN;
}

/* False when it is no answer of a gateway about these rows. */
static bool take_record(struct verdict *v, const struct json *record)
{
    const struct json *index = json_member(record, "index");
    const struct json *errors = json_member(record, "errors");
    struct err ignored = {0};
    int64_t i;

    if (!json_is(index, JSON_NUMBER) ||
        json_int(&i, index, 0, (int64_t)v->n - 1, &ignored) != ERR_OK)
        return false;
    v->fates[i] = fate_of(record);
    if (json_is(errors, JSON_ARRAY))
        for (const struct json *one = errors->first; one != NULL; one = one->next)
            take_error(v, (size_t)i, one);
    return true;
}

static bool take_records(struct verdict *v, const struct json *records)
{
    if (!json_is(records, JSON_ARRAY))
        return false;
    v->refusals = arena_array(&v->arena, count_errors(records), sizeof *v->refusals);
    for (const struct json *r = records->first; r != NULL; r = r->next)
        if (!take_record(v, r))
            return false;
    return true;
}

static int64_t seconds_of(struct span text)
{
    int64_t v = 0;

    for (size_t i = 0; i < text.n && i < 6; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0; // a date: nobody sends one here
        v = v * 10 + (text.p[i] - '0');
    }
    return v;
}

static void say_status(struct verdict *v, enum verdict_kind kind, int status,
                       const struct json *answer)
{
    struct span message = text_of(answer, "message");

    if (message.n > 0)
        verdict_say(v, kind, "%.*s (status %d)",
                    (int)(message.n < 350 ? message.n : 350), (const char *)message.p,
                    status);
    else
        verdict_say(v, kind, "%s (status %d)", http_status_name(status), status);
}

/* Rows that are not spoken of. */
static void settle_silent(struct verdict *v, enum fate fate)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->fates[i] == FATE_UNKNOWN)
            v->fates[i] = fate;
}

static void judge(struct verdict *v, int status, const struct json *answer,
                  bool has_records, struct span retry_after, bool rejecting)
{
    bool refused = has_records && verdict_count(v, FATE_REFUSED) > 0;

    v->dlq_failed = span_eq(text_of(answer, "dlq"), span_str("failed"));
    switch (status) {
    case 200:
    case 207:
        if (has_records && json_is(json_member(answer, "dry_run"), JSON_TRUE))
            settle_silent(v, FATE_WRITTEN); // as far as it goes
        v->kind = VERDICT_DONE;
        if (!has_records || verdict_count(v, FATE_UNKNOWN) > 0)
            say_status(v, VERDICT_DOUBT, status, answer);
        return;
    case 413:
        verdict_all(v, FATE_NOT_WRITTEN);
        say_status(v, VERDICT_SPLIT, status, answer);
        return;
    case 429:
    case 503:
        verdict_all(v, FATE_NOT_WRITTEN);
        v->n_refusals = 0;
        v->after_ms = seconds_of(retry_after) * 1000;
        say_status(v, VERDICT_AGAIN, status, answer);
        return;
    case 400:
    case 422:
        settle_silent(v, FATE_NOT_WRITTEN);
        if (refused && !rejecting && verdict_count(v, FATE_REFUSED) == v->n)
            v->kind = VERDICT_DONE;
        else
            say_status(v, VERDICT_STOP, status, answer);
        return;
    default: break;
    }
    if (status == 504 && has_records && verdict_count(v, FATE_UNKNOWN) == 0) {
        say_status(v, VERDICT_PARTLY, status, answer);
        return;
    }
    if (status >= 500) { // a gateway that answers 500 or a proxy's 502: who knows
        say_status(v, VERDICT_DOUBT, status, answer);
        return;
    }
    settle_silent(v, FATE_NOT_WRITTEN);
    say_status(v, VERDICT_STOP, status, answer);
}

void verdict_read(struct verdict *v, int status, struct span body,
                  struct span retry_after, bool rejecting)
{
    const struct json_limits limits = {.values = ANSWER_VALUES};
    const struct json *answer = NULL;
    struct arena scratch = {0};
    struct err ignored = {0};

    if (json_read(&answer, body, &limits, &scratch, &ignored) != ERR_OK)
        answer = NULL;
    bool has_records = take_records(v, json_member(answer, "records"));
    if (!has_records) {
        verdict_all(v, FATE_UNKNOWN);
        v->n_refusals = 0;
    }
    judge(v, status, answer, has_records, retry_after, rejecting);
    arena_free(&scratch);
}

/*
 * Bodies that are CloudEvents: the data is the record, the attributes its headers.
 */
#include "gateway/batch_inside.h"

#include "gateway/event.h"
#include "wire/frame.h"

#define DEPTH 128

/* What stands beside the record. */
static void take_beside(struct reading *r, struct item *it)
{
    const struct event *ev = r->event;
    struct gw_batch *b = r->b;

    it->headers = ev->headers;
    it->n_headers = ev->n_headers;
    b->beside = true;
    for (size_t i = 0; i < ev->n_headers; i++)
        it->beside += strlen(ev->headers[i].name) + ev->headers[i].value.n + 10;
    if (r->a->event_time)
        it->timestamp_ms = ev->time_ms;
    if (ev->key.p == NULL || r->a->key.p != NULL || r->a->key_field.n > 0)
        return;
    it->key_at = b->keys.n;
    buf_put(&b->keys, ev->key);
    it->key_n = b->keys.n - it->key_at;
    it->has_key = true;
}

static enum err_kind refuse(struct reading *r, size_t at)
{
    av_problem_add(&r->b->problems, "cloudevents", (struct span){0}, at,
                   span_str("a CloudEvent of version 1.0"), "%s", r->broken->msg);
    return ERR_INVALID;
}

/* The data as one JSON value, all of `text`. */
static enum err_kind put_data(struct reading *r, struct span text)
{
    return av_encode(r->s->encoder, text, &r->b->frames, &r->b->problems);
}

static enum err_kind read_member(struct reading *r, struct item *it)
{
    const struct event *ev = r->event;
    size_t at;

    it->text = span_of(r->body.p + r->at, r->datum.n);
    if (r->broken != NULL)
        return refuse(r, r->at);
    take_beside(r, it);
    if (ev->decoded.p != NULL)
        return put_data(r, ev->decoded);
    at = ev->data->at;
    return av_encode_next(r->s->encoder, r->body, &at, &r->b->frames, &r->b->problems);
}

/* One event of the JSON format, `j` of the body. */
static enum err_kind take_event(struct reading *r, const struct json *j, struct err *e)
{
    struct event ev;
    struct err why = {0};

    r->at = j->at;
    r->datum = span_of(r->body.p + j->at, j->end - j->at);
    r->broken = event_read(&ev, j, &r->b->problems.arena, &why) == ERR_OK ? NULL : &why;
    r->event = &ev;
    return take_record(r, read_member, e);
}

static enum err_kind read_text(struct reading *r, const struct json **j, struct err *e)
{
    const struct json_limits lim = {.depth = DEPTH};

    if (json_read(j, r->body, &lim, &r->b->problems.arena, e) != ERR_OK)
        return err_prefix(e, "no JSON");
    return ERR_OK;
}

enum err_kind read_event_body(struct reading *r, struct err *e)
{
    const struct json *j = NULL;

    TRY(read_text(r, &j, e));
    return take_event(r, j, e);
}

enum err_kind read_events_body(struct reading *r, struct err *e)
{
    const struct json *all = NULL;

    TRY(read_text(r, &all, e));
    if (all->kind != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "%s, wanted an array of CloudEvents",
                       json_kind_name(all->kind));
    for (const struct json *j = all->first; j != NULL; j = j->next)
        TRY(take_event(r, j, e));
    return ERR_OK;
}

static enum err_kind read_whole_body(struct reading *r, struct item *it)
{
    it->text = r->body;
    if (r->broken != NULL)
        return refuse(r, 0);
    take_beside(r, it);
    return put_data(r, r->body);
}

enum err_kind read_event_data(struct reading *r, struct err *e)
{
    struct event ev;
    struct err why = {0};

    r->broken = event_read_fields(&ev, r->a->fields, r->a->n_fields,
                                  &r->b->problems.arena, &why) == ERR_OK
                    ? NULL
                    : &why;
    r->event = &ev;
    return take_record(r, read_whole_body, e);
}

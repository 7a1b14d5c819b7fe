#include "avrogate/inside.h"

#include "avro-core/decode.h"
#include "avro-core/encode.h"
#include "base/clock.h"
#include "base/plain.h"
#include "base/tab.h"
#include "wire/frame.h"
#include "wire/subject.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define SUBJECTS_MOST 10000
#define MESSAGE_MOST (16 << 20)

static_assert((int)AVROGATE_TOPIC_NAME == SUBJECT_TOPIC &&
                  (int)AVROGATE_RECORD_NAME == SUBJECT_RECORD &&
                  (int)AVROGATE_TOPIC_RECORD_NAME == SUBJECT_TOPIC_RECORD,
              "avrogate/serde.h and wire/subject.h count strategies the same way");

/* A schema ready to be written; immutable, counted. */
struct known {
    atomic_uint holders;
    struct avrogate_schema *schema;
    struct av_encoder *encoder;
    struct av_plan *itself; // reads what it writes: for binary that somebody made
};

/* What is known of one subject.  All fields are under serializer.lock. */
struct slot {
    struct known *known;   // NULL = nothing yet
    enum err_kind refused; // ERR_OK, or why there is none
    struct err why;
    int64_t refused_until;
    bool asking;    // one thread is
    uint64_t asked; // how many times it was
};

struct avrogate_serializer {
    struct avrogate_registry *registry; // borrowed
    struct draft draft;                 // d.text empty = none was given
    struct span record;                 // full name in the draft; in draft.a
    enum avrogate_source source;
    enum avrogate_strategy strategy;
    bool is_key, avro_json;
    size_t message_most;

    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct tab slots; // by subject; under lock
};

/* ---- open and close ---- */

/* The name stands at the top of the text; what it refers to is not needed for that. */
static enum err_kind find_record_name(struct avrogate_serializer *s, struct err *e)
{
    const struct json *root;
    struct av_name name;
    struct arena a = {0};
    enum err_kind kind = json_read(&root, s->draft.d.text, NULL, &a, e);

    if (kind != ERR_OK) {
        arena_free(&a);
        return err_prefix(e, "schema");
    }
    const struct json *n = json_member(root, "name");
    const struct json *space = json_member(root, "namespace");
    if (json_is(n, JSON_STRING)) {
        struct span beside =
            json_is(space, JSON_STRING) ? space->text : (struct span){0};
        kind = av_name_resolve(&name, n->text, beside, (struct span){0}, e);
        if (kind == ERR_OK && name.space.n > 0)
            s->record = arena_printf(&s->draft.a, "%.*s.%.*s", (int)name.space.n,
                                     name.space.p, (int)name.base.n, name.base.p);
        else if (kind == ERR_OK)
            s->record = arena_copy(&s->draft.a, name.base);
    }
    arena_free(&a);
    return kind;
}

/* A schema that refers to nothing is read at once: its mistakes should show here. */
static enum err_kind check_text(const struct rc_draft *d, struct err *e)
{
    struct av_schema *parsed;

    if (d->n_references > 0)
        return ERR_OK;
    locale_t was = plain_begin();
    enum err_kind kind = av_schema_parse(&parsed, d->text, NULL, 0, NULL, e);
    plain_end(was);
    if (kind != ERR_OK)
        return err_prefix(e, "schema");
    av_schema_release(parsed);
    return ERR_OK;
}

static enum err_kind take_schema(struct avrogate_serializer *s,
                                 const struct avrogate_serializer_options *o,
                                 struct err *e)
{
    if (o->schema == NULL && o->source != AVROGATE_USE_LATEST)
        return err_set(e, ERR_INVALID, "no schema, and not AVROGATE_USE_LATEST");
    if (o->schema != NULL) {
        TRY(draft_init(&s->draft, o->schema, o->references, o->n_references,
                       o->normalize, e));
        TRY(check_text(&s->draft.d, e));
        TRY(find_record_name(s, e));
    }
    if (o->strategy != AVROGATE_TOPIC_NAME && s->record.n == 0)
        return err_set(e, ERR_INVALID, "%s wants a schema that has a name",
                       subject_strategy_name((enum subject_strategy)o->strategy));
    return ERR_OK;
}

static void init_lock(struct avrogate_serializer *s)
{

    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->answered);
}

static enum err_kind open_serializer(struct avrogate_serializer **out,
                                     struct avrogate_registry *r,
                                     const struct avrogate_serializer_options *theirs,
                                     struct err *e)
{
    struct avrogate_serializer_options o;

    TRY(take_options(&o, sizeof o, theirs, e));
    if ((unsigned)o.strategy > AVROGATE_TOPIC_RECORD_NAME ||
        (unsigned)o.source > AVROGATE_USE_LATEST)
        return err_set(e, ERR_INVALID, "strategy %d, source %d: there is no such",
                       (int)o.strategy, (int)o.source);
    struct avrogate_serializer *s = mem_alloc(sizeof *s);
    s->registry = r;
    s->source = o.source;
    s->strategy = o.strategy;
    s->is_key = o.is_key;
    s->avro_json = o.json == AVROGATE_JSON_AVRO;
    s->message_most = o.message_most > 0 ? o.message_most : MESSAGE_MOST;
    init_lock(s);
    enum err_kind kind = take_schema(s, &o, e);
    if (kind != ERR_OK)
        avrogate_serializer_close(s);
    else
        *out = s;
    return kind;
}

enum avrogate_kind avrogate_serializer_open(struct avrogate_serializer **out,
                                            struct avrogate_registry *r,
                                            const struct avrogate_serializer_options *o,
                                            struct avrogate_error *e)
{
    struct err why = {0};

    return give_error(e, open_serializer(out, r, o, &why), &why);
}

static void known_release(struct known *k)
{
    if (k == NULL ||
        atomic_fetch_sub_explicit(&k->holders, 1, memory_order_acq_rel) != 1)
        return;
    av_encoder_free(k->encoder);
    av_plan_free(k->itself);
    avrogate_schema_release(k->schema);
    free(k);
}

static struct known *known_retain(struct known *k)
{
    atomic_fetch_add_explicit(&k->holders, 1, memory_order_relaxed);
    return k;
}

void avrogate_serializer_close(struct avrogate_serializer *s)
{
    struct slot *slot;
    size_t at = 0;

    if (s == NULL)
        return;
    while ((slot = tab_each(&s->slots, &at, NULL)) != NULL) {
        known_release(slot->known);
        free(slot);
    }
    tab_free(&s->slots);
    pthread_cond_destroy(&s->answered);
    pthread_mutex_destroy(&s->lock);
    draft_free(&s->draft);
    free(s);
}

/* ---- what is written to a subject ---- */

/* Takes `found` over, also when it fails. */
static enum err_kind make_known(const struct avrogate_serializer *s,
                                struct rc_schema *found, struct known **out,
                                struct err *e)
{
    const struct av_encode_options o = {.strict_avro_json = s->avro_json,
                                        .bytes_as = s->avro_json ? AV_BYTES_AVRO_JSON
                                                                 : AV_BYTES_BASE64,
                                        .bytes = s->message_most};
    struct known *k = mem_alloc(sizeof *k);

    atomic_init(&k->holders, 1);
    k->schema = schema_wrap(found);
    struct av_schema *schema = k->schema->s.schema;
    enum err_kind kind = av_encoder_new(&k->encoder, schema, &o, e);
    if (kind == ERR_OK)
        kind = av_plan_new(&k->itself, schema, schema, e);
    if (kind == ERR_OK)
        *out = k;
    else
        known_release(k);
    return kind;
}

/* Registers or finds the draft, without the lock. */
static enum err_kind ask(struct avrogate_serializer *s, struct span subject,
                         int64_t deadline_ms, struct known **out, struct err *e)
{
    struct rc *rc = s->registry->rc;
    struct rc_schema found = {0};

    if (s->source == AVROGATE_REGISTER)
        TRY(rc_register(rc, subject, &s->draft.d, deadline_ms, &found, e));
    else
        TRY(rc_lookup(rc, subject, &s->draft.d, deadline_ms, &found, e));
    return make_known(s, &found, out, e);
}

/* Nobody's topics are this many; whoever makes them up learns anew. */
static void make_room(struct avrogate_serializer *s)
{
    struct tab kept = {0};
    struct slot *slot;
    struct span key;
    size_t at = 0;

    if (s->slots.n < SUBJECTS_MOST)
        return;
    while ((slot = tab_each(&s->slots, &at, &key)) != NULL) {
        if (slot->asking) {
            tab_put(&kept, key, slot);
            continue;
        }
        known_release(slot->known);
        free(slot);
    }
    tab_free(&s->slots);
    s->slots = kept;
}

static struct slot *take_slot(struct avrogate_serializer *s, struct span subject)
{
    struct slot *slot = tab_get(&s->slots, subject);

    if (slot == NULL) {
        make_room(s);
        slot = mem_alloc(sizeof *slot);
        tab_put(&s->slots, subject, slot);
    }
    return slot;
}

static void settle(struct avrogate_serializer *s, struct slot *slot, struct known *k,
                   enum err_kind kind, const struct err *why)
{
    slot->asking = false;
    slot->asked++;
    slot->refused = kind;
    slot->why = *why;
    slot->refused_until =
        clock_ms() + (kind == ERR_UNAVAILABLE ? 0 : s->registry->negative_ttl_ms);
    if (kind == ERR_OK) {
        known_release(slot->known);
        slot->known = k;
    }
    pthread_cond_broadcast(&s->answered);
}

static void ask_for_slot(struct avrogate_serializer *s, struct slot *slot,
                         struct span subject, int64_t deadline_ms)
{
    struct known *k = NULL;
    struct err why = {0};

    slot->asking = true;
    pthread_mutex_unlock(&s->lock);
    enum err_kind kind = ask(s, subject, deadline_ms, &k, &why);
    pthread_mutex_lock(&s->lock);
    settle(s, slot, k, kind, &why);
}

static void wait_until(struct avrogate_serializer *s, int64_t deadline_ms)
{
    struct timespec t = clock_at(deadline_ms);

    pthread_cond_timedwait(&s->answered, &s->lock, &t);
}

/*
 * One thread asks for a subject, the others wait and share what it was told.  A slot
 * may be dropped while nobody asks, so after a wait it is looked up anew.
 */
static enum err_kind find_draft_locked(struct avrogate_serializer *s,
                                       struct span subject, int64_t deadline_ms,
                                       struct known **out, struct err *e)
{
    struct slot *slot = take_slot(s, subject);
    uint64_t asked = slot->asked;

    for (;; slot = take_slot(s, subject)) {
        if (slot->known != NULL) {
            *out = known_retain(slot->known);
            return ERR_OK;
        }
        bool told = slot->asked != asked && !slot->asking;
        if (slot->refused != ERR_OK && (told || clock_ms() < slot->refused_until)) {
            *e = slot->why;
            return slot->refused;
        }
        if (clock_ms() >= deadline_ms)
            return err_set(e, ERR_UNAVAILABLE, "the registry has not answered in time");
        if (slot->asking)
            wait_until(s, deadline_ms);
        else
            ask_for_slot(s, slot, subject, deadline_ms);
    }
}

static enum err_kind find_draft(struct avrogate_serializer *s, struct span subject,
                                int64_t deadline_ms, struct known **out, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    enum err_kind kind = find_draft_locked(s, subject, deadline_ms, out, e);
    pthread_mutex_unlock(&s->lock);
    return kind;
}

/* What is ready of `subject`, if it is of that schema. */
static struct known *recall(struct avrogate_serializer *s, struct span subject,
                            const struct rc_schema *wanted)
{
    struct known *k = NULL;

    pthread_mutex_lock(&s->lock);
    struct slot *slot = take_slot(s, subject);
    if (slot->known != NULL && slot->known->schema->s.id == wanted->id &&
        slot->known->schema->s.version == wanted->version &&
        slot->known->schema->s.stale == wanted->stale)
        k = known_retain(slot->known);
    pthread_mutex_unlock(&s->lock);
    return k;
}

static void note(struct avrogate_serializer *s, struct span subject, struct known *k)
{
    pthread_mutex_lock(&s->lock);
    struct slot *slot = take_slot(s, subject);
    known_release(slot->known);
    slot->known = known_retain(k);
    pthread_mutex_unlock(&s->lock);
}

/* The client below keeps the latest and its age; here is kept what was made of it. */
static enum err_kind find_latest(struct avrogate_serializer *s, struct span subject,
                                 int64_t deadline_ms, struct known **out, struct err *e)
{
    struct rc_schema latest = {0};

    TRY(rc_latest(s->registry->rc, subject, deadline_ms, &latest, e));
    *out = recall(s, subject, &latest);
    if (*out != NULL) {
        rc_schema_free(&latest);
        return ERR_OK;
    }
    TRY(make_known(s, &latest, out, e));
    note(s, subject, *out);
    return ERR_OK;
}

static enum err_kind find(struct avrogate_serializer *s, const char *topic,
                          int64_t deadline_ms, struct known **out, struct err *e)
{
    struct buf subject = BUF_INIT(4096);
    struct span t = topic != NULL ? span_str(topic) : (struct span){0};

    if (t.n == 0 && s->strategy != AVROGATE_RECORD_NAME)
        return err_set(e, ERR_INVALID, "no topic is given");
    enum err_kind kind = subject_name(&subject, (enum subject_strategy)s->strategy, t,
                                      s->record, s->is_key, e);
    if (kind == ERR_OK)
        kind = buf_status(&subject, e);
    if (kind == ERR_OK)
        kind = s->source == AVROGATE_USE_LATEST
                   ? find_latest(s, buf_span(&subject), deadline_ms, out, e)
                   : find_draft(s, buf_span(&subject), deadline_ms, out, e);
    if (kind != ERR_OK)
        err_prefix(e, "subject " SPAN_FMT, SPAN_ARG(buf_span(&subject)));
    buf_free(&subject);
    return kind;
}

enum err_kind serializer_find(struct avrogate_serializer *s, const char *topic,
                              int64_t deadline_ms, struct avrogate_schema **out,
                              struct err *e)
{
    struct known *k;

    TRY(find(s, topic, deadline_ms, &k, e));
    *out = avrogate_schema_retain(k->schema);
    known_release(k);
    return ERR_OK;
}

struct avrogate_registry *serializer_registry(const struct avrogate_serializer *s)
{
    return s->registry;
}

enum avrogate_kind avrogate_serializer_schema(struct avrogate_serializer *s,
                                              const char *topic, int32_t timeout_ms,
                                              struct avrogate_schema **out,
                                              struct avrogate_error *e)
{
    struct err why = {0};

    return give_error(
        e, serializer_find(s, topic, deadline_of(s->registry, timeout_ms), out, &why),
        &why);
}

/* ---- writing ---- */

/* Everything that is wrong, as far as a message is long. */
static enum err_kind tell_problems(const struct av_problems *p, struct err *e)
{
    struct buf all = BUF_INIT(sizeof e->msg);
    size_t told = 0;

    for (const struct av_problem *at = p->first; at != NULL; at = at->next, told++) {
        if (all.n + at->message.n + 2 > sizeof e->msg - 24)
            break;
        buf_printf(&all, "%s%.*s", told > 0 ? "; " : "", (int)at->message.n,
                   (const char *)at->message.p);
    }
    size_t more = p->n + p->more - told;
    if (told == 0 && p->first != NULL) // one that is longer than a message
        err_set(e, ERR_INVALID, "%.*s", (int)p->first->message.n,
                (const char *)p->first->message.p);
    else if (more > 0)
        err_set(e, ERR_INVALID, "%.*s; and %zu more", (int)all.n, (const char *)all.p,
                more);
    else
        err_set(e, ERR_INVALID, "%.*s", (int)all.n, (const char *)all.p);
    buf_free(&all);
    return ERR_INVALID;
}

static enum err_kind write_json(const struct known *k, struct span json,
                                struct buf *out, struct err *e)
{
    struct av_problems p = {0};

    frame_write_head(out, k->schema->s.id);
    enum err_kind kind = av_encode(k->encoder, json, out, &p);
    if (kind != ERR_OK)
        tell_problems(&p, e);
    av_problems_free(&p);
    return kind != ERR_OK ? kind : buf_status(out, e);
}

static enum err_kind write_binary(const struct known *k, struct span avro,
                                  struct buf *out, struct err *e)
{
    static const struct av_visitor_ops nothing;
    struct av_visitor blind = {&nothing};

    TRY(av_decode_all(k->itself, avro, NULL, &blind, e));
    frame_write_head(out, k->schema->s.id);
    buf_put(out, avro);
    return buf_status(out, e);
}

static enum avrogate_kind serialize(struct avrogate_serializer *s, const char *topic,
                                    struct avrogate_bytes value, int32_t timeout_ms,
                                    struct avrogate_buffer *out,
                                    enum err_kind (*as)(const struct known *k,
                                                        struct span value,
                                                        struct buf *out, struct err *e),
                                    struct avrogate_error *e)
{
    struct err why = {0};
    struct known *k;
    enum err_kind kind = find(s, topic, deadline_of(s->registry, timeout_ms), &k, &why);

    if (kind != ERR_OK)
        return give_error(e, kind, &why);
    struct buf b = buffer_take(out, s->message_most);
    locale_t was = plain_begin();
    kind = as(k, span_of(value.p, value.n), &b, &why);
    plain_end(was);
    buffer_give(out, &b, kind == ERR_OK);
    known_release(k);
    return give_error(e, kind, &why);
}

enum avrogate_kind avrogate_serialize_json(
    struct avrogate_serializer *s, const char *topic, struct avrogate_bytes json,
    int32_t timeout_ms, struct avrogate_buffer *out, struct avrogate_error *e)
{
    return serialize(s, topic, json, timeout_ms, out, write_json, e);
}

enum avrogate_kind avrogate_serialize_binary(
    struct avrogate_serializer *s, const char *topic, struct avrogate_bytes avro,
    int32_t timeout_ms, struct avrogate_buffer *out, struct avrogate_error *e)
{
    return serialize(s, topic, avro, timeout_ms, out, write_binary, e);
}

enum avrogate_kind avrogate_frame(const struct avrogate_schema *s,
                                  struct avrogate_bytes avro,
                                  struct avrogate_buffer *out, struct avrogate_error *e)
{
    struct buf b = buffer_take(out, avro.n + FRAME_HEAD);

    if (s->s.id < 1)
        return avrogate_error_set(e, AVROGATE_INVALID,
                                  "a schema without an id: asked for by guid?");
    frame_write_head(&b, s->s.id);
    buf_put(&b, span_of(avro.p, avro.n));
    buffer_give(out, &b, true);
    return AVROGATE_OK;
}

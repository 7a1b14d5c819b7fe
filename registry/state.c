#include "registry/state.h"

#include "wire/guid.h"

#include <stdlib.h>

static const char all_contexts[] = ":.__GLOBAL:";

void reg_state_init(struct reg_state *s)
{
    *s = (struct reg_state){0};
}

struct span reg_subject_normal(struct span subject, struct arena *a)
{
    struct subject split = subject_split(subject);
    struct buf b = BUF_INIT(subject.n + 8);

    subject_put(&b, &split);
    struct span kept = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return kept;
}

static struct span md5_key(const uint8_t md5[16])
{
    return span_of(md5, 16);
}

/* Reading. */

const struct reg_context *reg_context_of(const struct reg_state *s, struct span subject)
{
    return tab_get(&s->contexts, subject_split(subject).context);
}

const struct reg_subject *reg_subject_of(const struct reg_state *s, struct span subject)
{
    const struct reg_context *c = reg_context_of(s, subject);

    return c != NULL ? tab_get(&c->subjects, subject_split(subject).name) : NULL;
}

const struct reg_schema *reg_schema_by_id(const struct reg_context *c, int32_t id)
{
    return c != NULL ? tab_get_id(&c->ids, id) : NULL;
}

const struct reg_schema *reg_schema_by_md5(const struct reg_context *c,
                                           const uint8_t md5[16])
{
    return c != NULL ? tab_get(&c->md5s, md5_key(md5)) : NULL;
}

/* Where `version` stands, or would. */
static size_t place_of(const struct reg_subject *subject, int32_t version)
{
    size_t low = 0, high = subject->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (subject->versions[mid]->version < version)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct reg_version *reg_version_of(const struct reg_subject *subject,
                                         int32_t version)
{
    if (subject == NULL)
        return NULL;

    size_t at = place_of(subject, version);
    if (at == subject->n || subject->versions[at]->version != version)
        return NULL;
    return subject->versions[at];
}

const struct reg_version *reg_version_latest(const struct reg_subject *subject,
                                             bool deleted)
{
    if (subject == NULL)
        return NULL;
    for (size_t i = subject->n; i-- > 0;)
        if (deleted || !subject->versions[i]->deleted)
            return subject->versions[i];
    return NULL;
}

bool reg_subject_lives(const struct reg_subject *subject, bool deleted)
{
    return reg_version_latest(subject, deleted) != NULL;
}

const struct reg_scope *reg_scope_of(const struct reg_state *s, struct span subject)
{
    struct arena a = {0};
    const struct reg_scope *scope =
        tab_get(&s->scopes, reg_subject_normal(subject, &a));

    arena_free(&a);
    return scope;
}

struct span reg_subject_meant(const struct reg_state *s, struct span subject,
                              struct arena *a)
{
    struct span normal = reg_subject_normal(subject, a);
    const struct reg_scope *scope = tab_get(&s->scopes, normal);
    const struct json *alias = NULL;
    struct err e = {0};

    if (scope == NULL || scope->config.member[API_ALIAS].n == 0 ||
        json_read(&alias, scope->config.member[API_ALIAS], NULL, a, &e) != ERR_OK ||
        !json_is(alias, JSON_STRING) || alias->text.n == 0)
        return normal;
    return reg_subject_normal(alias->text, a);
}

/* The scope of the whole context that `subject` is in. */
static const struct reg_scope *scope_around(const struct reg_state *s,
                                            struct span subject)
{
    struct subject context = {.context = subject_split(subject).context};
    struct buf b = BUF_INIT(subject.n + 8);

    subject_put(&b, &context);
    const struct reg_scope *scope = tab_get(&s->scopes, buf_span(&b));
    buf_free(&b);
    return scope;
}

#define SCOPES 3

static void scopes_in_force(const struct reg_state *s, struct span subject,
                            const struct reg_scope *out[SCOPES])
{
    out[0] = reg_scope_of(s, subject);
    out[1] = scope_around(s, subject);
    out[2] = tab_get(&s->scopes, span_str(all_contexts));
}

struct api_config reg_config_in_force(const struct reg_state *s, struct span subject)
{
    static const char level[] = "\"BACKWARD\"";
    struct api_config c = {0}, fallback = {.member[API_LEVEL] = span_str(level)};
    const struct reg_scope *scopes[SCOPES];

    scopes_in_force(s, subject, scopes);
    for (size_t i = 0; i < SCOPES; i++)
        if (scopes[i] != NULL && scopes[i]->has_config)
            api_config_inherit(&c, &scopes[i]->config);
    api_config_inherit(&c, &fallback);
    return c;
}

enum av_level reg_level_of(const struct api_config *in_force)
{
    enum av_level level = AV_LEVEL_BACKWARD;

    // Somebody else's record may hold a level we do not know: then the default holds.
    if (!api_config_level(in_force, &level))
        level = AV_LEVEL_BACKWARD;
    return level;
}

enum api_mode reg_mode_in_force(const struct reg_state *s, struct span subject)
{
    const struct reg_scope *scopes[SCOPES];

    scopes_in_force(s, subject, scopes);
    for (size_t i = 1; i < SCOPES; i++) // the one that goes before what is narrower
        if (scopes[i] != NULL && scopes[i]->has_mode &&
            scopes[i]->mode == API_READONLY_OVERRIDE)
            return API_READONLY_OVERRIDE;
    for (size_t i = 0; i < SCOPES; i++)
        if (scopes[i] != NULL && scopes[i]->has_mode)
            return scopes[i]->mode;
    return API_READWRITE;
}

static int by_bytes(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_qualified(const void *x, const void *y)
{
    return by_bytes((*(const struct reg_subject *const *)x)->qualified,
                    (*(const struct reg_subject *const *)y)->qualified);
}

static bool begins(struct span s, struct span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

const struct reg_subject **reg_subjects(const struct reg_state *s, struct span prefix,
                                        struct arena *a, size_t *n)
{
    bool everywhere = begins(prefix, span_str(":*:"));
    struct subject want = subject_split(everywhere ? span_skip(prefix, 3) : prefix);
    const struct reg_context *c;
    size_t most = 0;

    for (size_t at = 0; (c = tab_each(&s->contexts, &at, NULL)) != NULL;)
        most += c->subjects.n;
    const struct reg_subject **all = arena_array(a, most + 1, sizeof *all);

    *n = 0;
    for (size_t at = 0; (c = tab_each(&s->contexts, &at, NULL)) != NULL;) {
        const struct reg_subject *subject;

        if (!everywhere && !span_eq(c->name, want.context))
            continue;
        for (size_t i = 0; (subject = tab_each(&c->subjects, &i, NULL)) != NULL;)
            if (begins(subject->name, want.name))
                all[(*n)++] = subject;
    }
    qsort(all, *n, sizeof *all, by_qualified);
    return all;
}

/* Does `ref`, written in a schema of `in`, name this version?  An unqualified subject
 * is one of the schema's own context. */
static bool refers_to(const struct api_reference *ref, const struct reg_context *in,
                      const struct reg_version *v)
{
    struct subject split = subject_split(ref->subject);
    bool qualified = split.name.n != ref->subject.n;
    struct span context = qualified ? split.context : in->name;

    return ref->version == v->version && span_eq(context, v->subject->context->name) &&
           span_eq(split.name, v->subject->name);
}

static bool schema_refers(const struct reg_schema *schema, const struct reg_version *v)
{
    for (size_t i = 0; i < schema->what.n_references; i++)
        if (refers_to(&schema->what.references[i], schema->context, v))
            return true;
    return false;
}

static bool schema_lives(const struct reg_schema *schema)
{
    for (const struct reg_version *v = schema->places; v != NULL; v = v->next_place)
        if (!v->deleted)
            return true;
    return false;
}

int32_t reg_referrer_of(const struct reg_version *v)
{
    const struct reg_schema *schema;

    for (size_t at = 0;
         (schema = tab_each(&v->subject->context->ids, &at, NULL)) != NULL;)
        if (schema_refers(schema, v))
            return schema->id;
    return 0;
}

static int by_number(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;

    return (a > b) - (a < b);
}

int32_t *reg_referrers_of(const struct reg_version *v, bool deleted, struct arena *a,
                          size_t *n)
{
    const struct tab *all = &v->subject->context->ids;
    int32_t *ids = arena_array(a, all->n, sizeof *ids);
    const struct reg_schema *schema;

    *n = 0;
    for (size_t at = 0; (schema = tab_each(all, &at, NULL)) != NULL;)
        if (schema_refers(schema, v) && (deleted || schema_lives(schema)))
            ids[(*n)++] = schema->id;
    qsort(ids, *n, sizeof *ids, by_number);
    return ids;
}

/* Applying. */

static struct reg_context *context_for(struct reg_state *s, struct span name)
{
    struct reg_context *c = tab_get(&s->contexts, name);

    if (c == NULL) {
        c = mem_alloc(sizeof *c);
        c->name = span_str(mem_str(name));
        tab_put(&s->contexts, c->name, c);
    }
    return c;
}

static struct reg_subject *subject_for(struct reg_state *s, struct span qualified)
{
    struct subject split = subject_split(qualified);
    struct reg_context *c = context_for(s, split.context);
    struct reg_subject *subject = tab_get(&c->subjects, split.name);

    if (subject == NULL) {
        struct buf b = BUF_INIT(qualified.n + 8);
        subject_put(&b, &split);
        subject = mem_alloc(sizeof *subject);
        subject->context = c;
        subject->qualified = span_of(mem_str(buf_span(&b)), b.n);
        subject->name = span_of(mem_str(split.name), split.name.n);
        tab_put(&c->subjects, subject->name, subject);
        buf_free(&b);
    }
    return subject;
}

static void drop_subject_if_empty(struct reg_subject *subject)
{
    if (subject->n > 0)
        return;
    tab_drop(&subject->context->subjects, subject->name);
    reg_history_free(&subject->deletions);
    free(subject->versions);
    free((void *)(uintptr_t)subject->name.p);
    free((void *)(uintptr_t)subject->qualified.p);
    free(subject);
}

static struct span kept(struct arena *a, struct span s)
{
    return s.n > 0 ? arena_copy(a, s) : (struct span){0};
}

/* One block as large as what is in it: there are as many of these as there are schemas.
 */
static void make_room_for(struct arena *a, const struct api_schema *from)
{
    size_t n = 5 + 1 + 2 * from->n_references;
    size_t bytes = n + from->type.n + from->metadata.n + from->rules.n +
                   from->schema.n + from->md5.n +
                   from->n_references * sizeof *from->references;

    for (size_t i = 0; i < from->n_references; i++)
        bytes += from->references[i].name.n + from->references[i].subject.n;
    arena_reserve(a, n, bytes);
}

static void keep_what(struct reg_schema *schema, const struct api_schema *from)
{
    struct arena *a = &schema->arena;

    make_room_for(a, from);
    struct api_reference *refs = arena_array(a, from->n_references, sizeof *refs);

    for (size_t i = 0; i < from->n_references; i++)
        refs[i] = (struct api_reference){
            .name = arena_copy(a, from->references[i].name),
            .subject = arena_copy(a, from->references[i].subject),
            .version = from->references[i].version,
        };
    schema->what = (struct api_schema){
        .type = api_is_avro(from) ? (struct span){0} : kept(a, from->type),
        .references = refs,
        .n_references = from->n_references,
        .metadata = kept(a, from->metadata),
        .rules = kept(a, from->rules),
        .schema = arena_copy(a, from->schema),
        .md5 = kept(a, from->md5),
    };
}

/* Last in its chain: the schema that was first goes on being found. */
static void add_to_md5s(struct reg_context *c, struct reg_schema *schema)
{
    struct reg_schema *first = tab_get(&c->md5s, md5_key(schema->md5));

    if (first == NULL) {
        tab_put(&c->md5s, md5_key(schema->md5), schema);
        return;
    }
    while (first->same != NULL)
        first = first->same;
    first->same = schema;
}

static void drop_from_md5s(struct reg_context *c, struct reg_schema *schema)
{
    struct reg_schema *first = tab_get(&c->md5s, md5_key(schema->md5));

    if (first == schema) {
        tab_drop(&c->md5s, md5_key(schema->md5));
        if (schema->same != NULL)
            tab_put(&c->md5s, md5_key(schema->md5), schema->same);
        return;
    }
    while (first->same != schema)
        first = first->same;
    first->same = schema->same;
}

static struct reg_schema *schema_add(struct reg_context *c,
                                     const struct api_schema *from,
                                     const uint8_t md5[16])
{
    struct reg_schema *schema = mem_alloc(sizeof *schema);

    schema->id = from->id;
    schema->context = c;
    memcpy(schema->md5, md5, sizeof schema->md5);
    keep_what(schema, from);
    tab_put_id(&c->ids, schema->id, schema);
    add_to_md5s(c, schema);
    if (schema->id > c->max_id)
        c->max_id = schema->id;
    return schema;
}

static void schema_drop(struct reg_schema *schema)
{
    tab_drop_id(&schema->context->ids, schema->id);
    drop_from_md5s(schema->context, schema);
    arena_free(&schema->arena);
    free(schema);
}

static void add_place(struct reg_version *v, struct reg_schema *schema)
{
    if (schema->last_place != NULL)
        schema->last_place->next_place = v;
    else
        schema->places = v;
    schema->last_place = v;
    v->next_place = NULL;
    v->schema = schema;
}

/* Takes `v` out of its schema, which is forgotten when that was the last place. */
static void drop_place(struct reg_version *v)
{
    struct reg_schema *schema = v->schema;
    struct reg_version *before = NULL, *at = schema->places;

    for (; at != v; at = at->next_place)
        before = at;
    if (before != NULL)
        before->next_place = v->next_place;
    else
        schema->places = v->next_place;
    if (schema->last_place == v)
        schema->last_place = before;
    if (schema->places == NULL)
        schema_drop(schema);
    v->schema = NULL;
}

static void note_odd_key(struct reg_odd_key **keys, struct span key)
{
    if (key.n == 0)
        return;
    for (const struct reg_odd_key *k = *keys; k != NULL; k = k->next)
        if (span_eq(k->key, key))
            return;

    struct reg_odd_key *k = mem_alloc(sizeof *k);
    k->key = span_of(mem_str(key), key.n);
    k->next = *keys;
    *keys = k;
}

static void free_odd_keys(struct reg_odd_key **keys)
{
    while (*keys != NULL) {
        struct reg_odd_key *k = *keys;
        *keys = k->next;
        free((void *)(uintptr_t)k->key.p);
        free(k);
    }
}

static void free_version(struct reg_version *v)
{
    free_odd_keys(&v->odd_keys);
    reg_history_free(&v->history);
    free(v);
}

static void set_deleted(struct reg_version *v, bool deleted)
{
    if (v->deleted != deleted) {
        v->deleted = deleted;
        v->subject->context->live += deleted ? -1 : 1;
    }
}

static struct reg_version *version_for(struct reg_subject *subject, int32_t version)
{
    size_t at = place_of(subject, version);

    if (at < subject->n && subject->versions[at]->version == version)
        return subject->versions[at];
    if (subject->n == subject->cap) {
        subject->cap = subject->cap > 0 ? subject->cap * 2 : 4;
        subject->versions =
            mem_grow(subject->versions, subject->cap, sizeof *subject->versions);
    }
    memmove(&subject->versions[at + 1], &subject->versions[at],
            (subject->n - at) * sizeof *subject->versions);
    subject->n++;

    struct reg_version *v = mem_alloc(sizeof *v);
    v->subject = subject;
    v->version = version;
    v->deleted = true; // until set_deleted() counts it
    subject->versions[at] = v;
    return v;
}

static void drop_version(struct reg_subject *subject, size_t at)
{
    struct reg_version *v = subject->versions[at];

    set_deleted(v, true);
    drop_place(v);
    free_version(v);
    subject->n--;
    memmove(&subject->versions[at], &subject->versions[at + 1],
            (subject->n - at) * sizeof *subject->versions);
}

/* May `ev` say what its id means?  Yes when nobody did, when it says the same, and when
 * it rewrites the only place that said otherwise. */
static bool id_is_free(const struct reg_schema *holder, const struct reg_version *v,
                       const uint8_t md5[16])
{
    return holder == NULL || memcmp(holder->md5, md5, 16) == 0 ||
           (holder->places == v && v->next_place == NULL);
}

static enum reg_deed deed_of(const struct reg_version *v, bool deleted)
{
    if (v->history.n == 0)
        return REG_REGISTERED;
    return v->deleted == deleted ? REG_WRITTEN : deleted ? REG_DELETED : REG_UNDELETED;
}

/* Into `h` what the headers of `ev` tell, or the one act that can be told without them.
 * Of a history that is known only the last is news. */
static void note_acts(struct reg_history *h, const struct reg_event *ev,
                      enum reg_deed deed)
{
    const struct reg_act *act = ev->acts;
    struct reg_act own = {.deed = deed, .ts = ev->ts};

    while (h->n > 0 && act != NULL && act->next != NULL)
        act = act->next;
    for (; act != NULL && act->next != NULL; act = act->next)
        reg_history_add(h, act);
    if (act != NULL)
        own = *act;
    if (own.ts == 0)
        own.ts = ev->ts;
    own.up_to = ev->kind == REG_DELETE_SUBJECT ? ev->version : 0;
    reg_history_add(h, &own);
}

static void apply_schema(struct reg_state *s, const struct reg_event *ev)
{
    struct reg_context *c = context_for(s, subject_split(ev->subject).context);
    const struct reg_subject *known = reg_subject_of(s, ev->subject);
    struct reg_schema *schema = tab_get_id(&c->ids, ev->schema.id);
    uint8_t md5[16];

    guid_md5(md5, &ev->schema);
    if (!id_is_free(schema, reg_version_of(known, ev->version), md5)) {
        s->clashes++;
        return;
    }

    struct reg_subject *subject = subject_for(s, ev->subject);
    struct reg_version *v = version_for(subject, ev->version);
    if (v->schema != NULL &&
        (v->schema != schema || memcmp(schema->md5, md5, 16) != 0)) {
        drop_place(v);
        schema = tab_get_id(&c->ids, ev->schema.id);
    }
    if (schema == NULL)
        schema = schema_add(c, &ev->schema, md5);
    if (v->schema == NULL)
        add_place(v, schema);
    bool deleted = ev->schema.deleted == API_YES;
    note_acts(&v->history, ev, deed_of(v, deleted));
    set_deleted(v, deleted);
    v->offset = ev->offset;
    v->ts = ev->ts;
    note_odd_key(&v->odd_keys, ev->odd_key);
}

static void apply_schema_gone(struct reg_state *s, const struct reg_event *ev)
{
    struct reg_subject *subject = (void *)(uintptr_t)reg_subject_of(s, ev->subject);
    const struct reg_version *v = reg_version_of(subject, ev->version);

    if (v == NULL)
        return;
    drop_version(subject, place_of(subject, ev->version));
    drop_subject_if_empty(subject);
}

/* Which of the subject's deletions took `v`: the first that reaches it and came after
 * what was done to it last; where the times do not tell, the newest. */
static struct reg_act deletion_of(const struct reg_version *v)
{
    const struct reg_act *act = v->subject->deletions.first;

    while (act->next != NULL &&
           (act->up_to < v->version || act->ts < v->history.last->ts))
        act = act->next;
    return *act;
}

static void delete_with_subject(struct reg_version *v)
{
    struct reg_act act = deletion_of(v);

    act.up_to = act.left_out = 0;
    reg_history_add(&v->history, &act);
    set_deleted(v, true);
}

static void apply_delete_subject(struct reg_state *s, const struct reg_event *ev)
{
    struct reg_subject *subject = (void *)(uintptr_t)reg_subject_of(s, ev->subject);

    // A tombstone of this key undoes nothing: Karapace writes one after the versions'.
    if (subject == NULL || ev->gone)
        return;
    note_acts(&subject->deletions, ev, REG_DELETED);
    for (size_t i = 0; i < subject->n; i++)
        if (subject->versions[i]->version <= ev->version &&
            !subject->versions[i]->deleted)
            delete_with_subject(subject->versions[i]);
}

static void forget_deleted(struct reg_subject *subject)
{
    for (size_t i = subject->n; i-- > 0;)
        if (subject->versions[i]->deleted)
            drop_version(subject, i);
    drop_subject_if_empty(subject);
}

static void apply_clear_subject(struct reg_state *s, const struct reg_event *ev)
{
    struct subject split = subject_split(ev->subject);
    struct reg_context *c = tab_get(&s->contexts, split.context);
    struct reg_subject *one = c != NULL ? tab_get(&c->subjects, split.name) : NULL;
    struct arena a = {0};

    if (ev->gone || c == NULL)
        return;
    if (split.name.n > 0) {
        if (one != NULL)
            forget_deleted(one);
        return;
    }

    size_t n = 0;
    struct reg_subject **all = arena_array(&a, c->subjects.n, sizeof *all);
    for (size_t at = 0; (one = tab_each(&c->subjects, &at, NULL)) != NULL;)
        all[n++] = one;
    while (n > 0)
        forget_deleted(all[--n]);
    arena_free(&a);
}

static void free_scope(struct reg_scope *scope)
{
    free_odd_keys(&scope->odd_config_keys);
    free_odd_keys(&scope->odd_mode_keys);
    arena_free(&scope->arena);
    free(scope);
}

static struct reg_scope *scope_for(struct reg_state *s, struct span key)
{
    struct reg_scope *scope = tab_get(&s->scopes, key);

    if (scope == NULL) {
        scope = mem_alloc(sizeof *scope);
        tab_put(&s->scopes, key, scope);
    }
    return scope;
}

static void keep_config(struct reg_scope *scope, const struct reg_event *ev)
{
    arena_free(&scope->arena);
    scope->config = (struct api_config){0};
    scope->has_config = !ev->gone;
    for (int m = 0; m < API_CONFIG_MEMBERS && !ev->gone; m++)
        scope->config.member[m] = arena_copy(&scope->arena, ev->config.member[m]);
}

/* Forgotten with the last of what they hold. */
static void note_scope_key(struct reg_scope *scope, const struct reg_event *ev)
{
    struct reg_odd_key **keys =
        ev->kind == REG_CONFIG ? &scope->odd_config_keys : &scope->odd_mode_keys;

    if (ev->gone)
        free_odd_keys(keys);
    else
        note_odd_key(keys, ev->odd_key);
}

static void apply_scope(struct reg_state *s, const struct reg_event *ev)
{
    struct arena a = {0};
    struct span key = reg_subject_normal(ev->subject, &a);
    struct reg_scope *scope = scope_for(s, key);

    if (ev->kind == REG_CONFIG)
        keep_config(scope, ev);
    else {
        scope->has_mode = !ev->gone;
        scope->mode = ev->gone ? API_READWRITE : ev->mode;
    }
    note_scope_key(scope, ev);
    if (!scope->has_config && !scope->has_mode)
        free_scope(tab_drop(&s->scopes, key));
    arena_free(&a);
}

static void free_context(struct reg_context *c)
{
    struct reg_subject *subject;
    struct arena a = {0};
    struct reg_subject **all = arena_array(&a, c->subjects.n, sizeof *all);
    size_t n = 0;

    for (size_t at = 0; (subject = tab_each(&c->subjects, &at, NULL)) != NULL;)
        all[n++] = subject;
    while (n > 0) {
        subject = all[--n];
        while (subject->n > 0)
            drop_version(subject, subject->n - 1);
        drop_subject_if_empty(subject);
    }
    arena_free(&a);
    tab_free(&c->subjects);
    tab_free(&c->ids);
    tab_free(&c->md5s);
    free((void *)(uintptr_t)c->name.p);
    free(c);
}

/* A context that holds something stays, whatever its record says. */
static void apply_context(struct reg_state *s, const struct reg_event *ev)
{
    struct reg_context *c = tab_get(&s->contexts, ev->context);

    if (ev->context.n == 0)
        return;
    if (!ev->gone)
        context_for(s, ev->context);
    else if (c != NULL && c->subjects.n == 0) {
        tab_drop(&s->contexts, c->name);
        free_context(c);
    }
}

void reg_state_apply(struct reg_state *s, const struct reg_event *ev)
{
    s->applied++;
    switch (ev->kind) {
    case REG_SCHEMA: (ev->gone ? apply_schema_gone : apply_schema)(s, ev); break;
    case REG_CONFIG:
    case REG_MODE: apply_scope(s, ev); break;
    case REG_DELETE_SUBJECT: apply_delete_subject(s, ev); break;
    case REG_CLEAR_SUBJECT: apply_clear_subject(s, ev); break;
    case REG_NOOP: break;
    case REG_CONTEXT: apply_context(s, ev); break;
    case REG_FOREIGN: s->foreign++; break;
    }
}

void reg_state_free(struct reg_state *s)
{
    struct reg_context *c;
    struct reg_scope *scope;

    for (size_t at = 0; (c = tab_each(&s->contexts, &at, NULL)) != NULL;)
        free_context(c);
    for (size_t at = 0; (scope = tab_each(&s->scopes, &at, NULL)) != NULL;)
        free_scope(scope);
    tab_free(&s->contexts);
    tab_free(&s->scopes);
    reg_state_init(s);
}

static void put_version(struct buf *out, const struct reg_version *v)
{
    struct api_schema all = v->schema->what;

    all.subject = v->subject->qualified;
    all.version = v->version;
    all.id = v->schema->id;
    all.deleted = v->deleted ? API_YES : API_NO;
    api_schema_put(out, &all);
    buf_put_u8(out, '\n');
}

static int by_span(const void *x, const void *y)
{
    return by_bytes(*(const struct span *)x, *(const struct span *)y);
}

static void put_scopes(struct buf *out, const struct reg_state *s, struct arena *a)
{
    struct span *keys = arena_array(a, s->scopes.n + 1, sizeof *keys);
    size_t n = 0;

    for (size_t at = 0; tab_each(&s->scopes, &at, &keys[n]) != NULL;)
        n++;
    qsort(keys, n, sizeof *keys, by_span);
    for (size_t i = 0; i < n; i++) {
        const struct reg_scope *scope = tab_get(&s->scopes, keys[i]);

        json_put_string(out, keys[i]);
        buf_put_u8(out, ' ');
        if (scope->has_config)
            api_config_put(out, &scope->config, API_CONFIG_GET);
        if (scope->has_mode)
            api_mode_put(out, scope->mode);
        buf_put_u8(out, '\n');
    }
}

void reg_state_put(struct buf *out, const struct reg_state *s)
{
    struct arena a = {0};
    size_t n = 0;
    const struct reg_subject **subjects = reg_subjects(s, span_str(":*:"), &a, &n);

    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < subjects[i]->n; v++)
            put_version(out, subjects[i]->versions[v]);
    put_scopes(out, s, &a);
    arena_free(&a);
}

#include "registry/decide.h"

#include "wire/status.h"

#include <assert.h>

/* What every rule needs at hand. */
struct deciding {
    struct reg_decision *out;
    const struct reg_state *s;
    const struct reg_command *c;
    const struct reg_rules *rules;
    const struct reg_subject *subject; // NULL when nobody registered anything under it
    struct arena *a;
};

#define REFUSE(d, code, ...) reg_refuse(&(d)->out->no, (d)->a, (code), __VA_ARGS__)

/* The next event; `most` is how many there will be at most. */
static struct reg_event *add_event(struct deciding *d, enum reg_event_kind kind,
                                   size_t most)
{
    if (d->out->events == NULL)
        d->out->events = arena_array(d->a, most, sizeof *d->out->events);
    assert(d->out->n < most);

    struct reg_event *ev = &d->out->events[d->out->n++];
    *ev = (struct reg_event){.kind = kind, .subject = d->c->subject};
    return ev;
}

static bool subject_is_fine(struct deciding *d)
{
    struct err e = {0};

    if (subject_check(d->c->subject, &e) == ERR_OK)
        return true;
    REFUSE(d, REG_INVALID_SUBJECT,
           "The specified subject '" WHOLE_FMT "' is not a valid subject: %s",
           WHOLE(d->c->subject), e.msg);
    return false;
}

static bool may_write(struct deciding *d)
{
    enum api_mode mode = reg_mode_in_force(d->s, d->c->subject);

    if (mode != API_READONLY && mode != API_READONLY_OVERRIDE)
        return true;
    REFUSE(d, REG_NOT_PERMITTED,
           "Subject " WHOLE_FMT " in context " WHOLE_FMT " is in read-only mode",
           WHOLE(d->c->subject), WHOLE(subject_split(d->c->subject).context));
    return false;
}

/* A second meaning of an id stands in the log: until somebody has looked, giving out
 * more ids could only make it worse. */
static bool log_is_sound(struct deciding *d)
{
    if (d->s->clashes == 0)
        return true;
    REFUSE(d, REG_STORE_ERROR,
           "The log holds two schemas under one id (%llu times); nothing is written "
           "until that is repaired",
           (unsigned long long)d->s->clashes);
    return false;
}

static void add_gone(struct deciding *d, enum reg_event_kind kind, int32_t version,
                     const struct reg_odd_key *odd, size_t most)
{
    struct reg_event *ev = add_event(d, kind, most);

    ev->version = version;
    ev->gone = true;
    if (odd != NULL)
        ev->odd_key = odd->key;
}

/* Each form of a key gets its tombstone, or compaction would leave the record under the
 * other form to rise again. */
static void add_tombstones(struct deciding *d, const struct reg_version *v, size_t most)
{
    for (const struct reg_odd_key *k = v->odd_keys; k != NULL; k = k->next)
        add_gone(d, REG_SCHEMA, v->version, k, most);
    add_gone(d, REG_SCHEMA, v->version, NULL, most);
}

static void add_scope_tombstones(struct deciding *d, enum reg_event_kind kind,
                                 const struct reg_scope *scope, size_t most)
{
    const struct reg_odd_key *k =
        kind == REG_CONFIG ? scope->odd_config_keys : scope->odd_mode_keys;

    for (; k != NULL; k = k->next)
        add_gone(d, kind, 0, k, most);
    add_gone(d, kind, 0, NULL, most);
}

static size_t count_odd(const struct reg_odd_key *k)
{
    size_t n = 0;

    for (; k != NULL; k = k->next)
        n++;
    return n;
}

/* Tombstones of the settings and the mode of a scope, at most. */
static size_t count_scope_keys(const struct reg_scope *scope)
{
    return scope != NULL
               ? count_odd(scope->odd_config_keys) + count_odd(scope->odd_mode_keys) + 2
               : 0;
}

/* Registering. */

static bool fits(struct deciding *d, const struct reg_candidate *cand)
{
    enum av_level level = reg_level_in_force(d->s, d->c->subject);
    size_t n = 0, n_lines = 0;
    const struct reg_version **old = reg_versions_compared(d->subject, level, d->a, &n);
    const struct span *lines =
        reg_candidate_misfit(cand, d->s, old, n, level, d->a, &n_lines);

    if (lines == NULL)
        return true;

    struct buf text = BUF_INIT(1 << 20);
    buf_put_str(&text, "Schema being registered is incompatible with an earlier schema "
                       "for subject \"");
    buf_put(&text, d->c->subject);
    buf_put_str(&text, "\", details: [");
    for (size_t i = 0; i < n_lines; i++) {
        if (i > 0)
            buf_put_str(&text, ", ");
        buf_put(&text, lines[i]);
    }
    buf_put_u8(&text, ']');
    d->out->no = (struct reg_refusal){
        .code = d->rules->code_40901 ? REG_INCOMPATIBLE : REG_INCOMPATIBLE_OLD,
        .message = arena_copy(d->a, span_of(text.p, text.n)),
    };
    buf_free(&text);
    return false;
}

static int32_t next_version(const struct reg_subject *subject)
{
    const struct reg_version *last = reg_version_latest(subject, true);

    return last != NULL ? last->version + 1 : 1;
}

/* The id the context knows this schema by, else the next one; 0 when they are used up.
 */
static int32_t id_for(const struct deciding *d, const struct reg_candidate *cand)
{
    const struct reg_context *c = reg_context_of(d->s, d->c->subject);
    const struct reg_schema *known = reg_schema_by_md5(c, cand->md5);

    if (known != NULL)
        return known->id;
    if (c == NULL)
        return 1;
    return c->max_id < INT32_MAX ? c->max_id + 1 : 0;
}

/* A softly deleted version of the same schema makes way for the new one. */
static void replace_deleted(struct deciding *d, const struct reg_candidate *cand,
                            size_t most)
{
    for (size_t i = 0; d->subject != NULL && i < d->subject->n; i++) {
        const struct reg_version *v = d->subject->versions[i];

        if (!v->deleted || memcmp(v->schema->md5, cand->md5, 16) != 0 ||
            reg_referrer_of(v) != 0)
            continue;
        add_tombstones(d, v, most);
    }
}

static size_t count_keys(const struct reg_subject *subject)
{
    size_t n = 0;

    for (size_t i = 0; subject != NULL && i < subject->n; i++)
        n += 1 + count_odd(subject->versions[i]->odd_keys);
    return n;
}

static void add_version(struct deciding *d, const struct reg_candidate *cand,
                        int32_t id, int32_t version)
{
    size_t most = count_keys(d->subject) + 2;
    struct span context = subject_split(d->c->subject).context;

    if (context.n > 1 && reg_context_of(d->s, d->c->subject) == NULL) {
        struct reg_event *born = add_event(d, REG_CONTEXT, most);
        born->subject = (struct span){0};
        born->context = context;
    }
    replace_deleted(d, cand, most);

    struct reg_event *ev = add_event(d, REG_SCHEMA, most);
    ev->version = version;
    ev->schema = cand->what;
    ev->schema.id = id;
    ev->schema.deleted = API_NO;
    d->out->id = id;
    d->out->version = version;
    memcpy(d->out->md5, cand->md5, sizeof d->out->md5);
}

static bool explicit_numbers_are_fine(struct deciding *d, int32_t version)
{
    const struct api_schema *sent = &d->c->schema;

    if (sent->id != 0) {
        REFUSE(d, REG_NOT_PERMITTED, "Subject " WHOLE_FMT " is not in import mode",
               WHOLE(d->c->subject));
        return false;
    }
    if (sent->version != 0 && sent->version != version) {
        REFUSE(d, REG_INVALID_SCHEMA,
               "Version is not one more than previous version: "
               "found %d, wanted %d",
               (int)sent->version, (int)version);
        return false;
    }
    return true;
}

static void register_candidate(struct deciding *d, const struct reg_candidate *cand)
{
    const struct reg_version *known = reg_candidate_find(cand, d->s, d->subject, false);

    // Registering what is there is no write: it is answered in every mode.
    if (known != NULL) {
        d->out->id = known->schema->id;
        d->out->version = known->version;
        memcpy(d->out->md5, known->schema->md5, sizeof d->out->md5);
        return;
    }
    if (!may_write(d) || !log_is_sound(d))
        return;

    int32_t version = next_version(d->subject), id = id_for(d, cand);
    if (!d->c->force && !fits(d, cand))
        return;
    if (!explicit_numbers_are_fine(d, version))
        return;
    if (id == 0) {
        REFUSE(d, REG_STORE_ERROR, "All ids of the context have been given out");
        return;
    }
    add_version(d, cand, id, version);
}

static void decide_register(struct deciding *d)
{
    struct api_config config = reg_config_in_force(d->s, d->c->subject);
    struct reg_candidate cand;

    if (!subject_is_fine(d))
        return;
    if (!reg_candidate_make(&cand, d->s, d->c->subject, &d->c->schema,
                            d->c->normalize || api_config_true(&config, API_NORMALIZE),
                            d->a, &d->out->no))
        return;
    register_candidate(d, &cand);
    reg_candidate_free(&cand);
}

/* Settings. */

/* "" and ":.ctx:" are all of a context. */
static bool scope_is_fine(struct deciding *d)
{
    struct subject split = subject_split(d->c->subject);

    if (split.name.n > 0 && !span_eq(split.context, span_str(".__GLOBAL")))
        return subject_is_fine(d);
    return true;
}

static bool level_is_fine(struct deciding *d, struct span *level)
{
    struct api_config c = {.member[API_LEVEL] = *level};
    enum av_level l = AV_LEVEL_NONE;

    if (!api_config_level(&c, &l)) {
        REFUSE(d, REG_INVALID_LEVEL,
               "Invalid compatibility level. Valid values are none, backward, forward, "
               "full, backward_transitive, forward_transitive, and full_transitive");
        return false;
    }
    *level = arena_printf(d->a, "\"%s\"", av_level_name(l));
    return true;
}

/* Members that change what registering means are refused until they do: to keep one and
 * not obey it would be a lie. */
static bool member_is_fine(struct deciding *d, enum api_config_member m,
                           struct span *value)
{
    bool is_no = span_eq(*value, span_str("false"));

    switch (m) {
    case API_LEVEL: return level_is_fine(d, value);
    case API_NORMALIZE:
        if (is_no || span_eq(*value, span_str("true")))
            return true;
        break;
    case API_VALIDATE_FIELDS:
    case API_VALIDATE_NEW_SCHEMAS:
    case API_VALIDATE_RULES:
        if (is_no)
            return true;
        break;
    default: break;
    }
    REFUSE(d, REG_NOT_PERMITTED, "%s: this registry does not know " WHOLE_FMT " here",
           api_config_name(m), WHOLE(*value));
    return false;
}

static struct api_config kept_config(const struct api_config *c, struct arena *a)
{
    struct api_config kept;

    for (int m = 0; m < API_CONFIG_MEMBERS; m++)
        kept.member[m] = arena_copy(a, c->member[m]);
    return kept;
}

static bool same_config(const struct api_config *a, const struct api_config *b)
{
    for (int m = 0; m < API_CONFIG_MEMBERS; m++)
        if (!span_eq(a->member[m], b->member[m]))
            return false;
    return true;
}

static void decide_set_config(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    struct api_config was = {0}, change = d->c->config;

    if (!scope_is_fine(d))
        return;
    for (int m = 0; m < API_CONFIG_MEMBERS; m++) {
        struct span *value = &change.member[m];
        if (value->n > 0 && !span_eq(*value, span_str("null")) &&
            !member_is_fine(d, (enum api_config_member)m, value))
            return;
    }
    if (!may_write(d))
        return;

    if (scope != NULL)
        was = scope->config;
    struct api_config is = was;
    api_config_change(&is, &change);
    d->out->config = change;
    if (same_config(&was, &is))
        return;

    if (api_config_is_empty(&is))
        add_scope_tombstones(d, REG_CONFIG, scope, count_scope_keys(scope));
    else
        add_event(d, REG_CONFIG, 1)->config = is;
}

static void decide_drop_config(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    bool is_set = scope != NULL && scope->has_config;

    if (!scope_is_fine(d))
        return;
    if (!is_set && d->c->subject.n > 0) {
        REFUSE(d, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
               WHOLE(d->c->subject));
        return;
    }
    if (!may_write(d))
        return;
    struct api_config was =
        is_set ? scope->config : reg_config_in_force(d->s, d->c->subject);
    d->out->config = kept_config(&was, d->a);
    if (is_set)
        add_scope_tombstones(d, REG_CONFIG, scope, count_scope_keys(scope));
}

/* Deleting. */

static bool nobody_refers_to(struct deciding *d, const struct reg_version *v)
{
    if (reg_referrer_of(v) == 0)
        return true;
    REFUSE(d, REG_REFERENCE_EXISTS,
           "One or more references exist to the schema "
           "{magic=1,keytype=SCHEMA,subject=" WHOLE_FMT ",version=%d}.",
           WHOLE(v->subject->qualified), (int)v->version);
    return false;
}

static void delete_softly(struct deciding *d, const struct reg_version *v)
{
    struct reg_event *ev = add_event(d, REG_SCHEMA, 1);

    ev->version = v->version;
    ev->schema = v->schema->what;
    ev->schema.id = v->schema->id;
    ev->schema.deleted = API_YES;
}

static void decide_delete_version(struct deciding *d)
{
    bool permanent = d->c->permanent;
    const struct reg_version *v = d->c->version > 0
                                      ? reg_version_of(d->subject, d->c->version)
                                      : reg_version_latest(d->subject, permanent);

    if (!reg_subject_lives(d->subject, true)) {
        REFUSE(d, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
               WHOLE(d->c->subject));
        return;
    }
    if (v == NULL) {
        REFUSE(d, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)d->c->version);
        return;
    }
    if (v->deleted && !permanent) {
        REFUSE(d, REG_VERSION_SOFT_DELETED,
               "Subject '" WHOLE_FMT
               "' Version %d was soft deleted.Set permanent=true to "
               "delete permanently",
               WHOLE(d->c->subject), (int)v->version);
        return;
    }
    if (!v->deleted && permanent) {
        REFUSE(d, REG_VERSION_NOT_SOFT_DELETED,
               "Subject '" WHOLE_FMT "' Version %d was not deleted first before being "
               "permanently deleted",
               WHOLE(d->c->subject), (int)v->version);
        return;
    }
    if (!may_write(d) || !nobody_refers_to(d, v))
        return;

    d->out->version = v->version;
    if (permanent)
        add_tombstones(d, v, count_keys(d->subject));
    else
        delete_softly(d, v);
}

static void delete_subject_softly(struct deciding *d)
{
    struct reg_event *ev = add_event(d, REG_DELETE_SUBJECT, 1);

    ev->version = reg_version_latest(d->subject, false)->version;
}

static void delete_subject_for_good(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    size_t most = count_keys(d->subject) + count_scope_keys(scope);

    for (size_t i = d->subject->n; i-- > 0;)
        add_tombstones(d, d->subject->versions[i], most);
    if (scope != NULL && scope->has_config)
        add_scope_tombstones(d, REG_CONFIG, scope, most);
    if (scope != NULL && scope->has_mode)
        add_scope_tombstones(d, REG_MODE, scope, most);
}

static void decide_delete_subject(struct deciding *d)
{
    bool permanent = d->c->permanent;

    if (d->subject == NULL) {
        REFUSE(d, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
               WHOLE(d->c->subject));
        return;
    }
    bool lives = reg_subject_lives(d->subject, false);
    if (!lives && !permanent) {
        REFUSE(d, REG_SUBJECT_SOFT_DELETED,
               "Subject '" WHOLE_FMT "' was soft deleted.Set permanent=true to delete "
               "permanently",
               WHOLE(d->c->subject));
        return;
    }
    if (lives && permanent) {
        REFUSE(d, REG_SUBJECT_NOT_SOFT_DELETED,
               "Subject '" WHOLE_FMT "' was not deleted first before being permanently "
               "deleted",
               WHOLE(d->c->subject));
        return;
    }
    if (!may_write(d))
        return;

    d->out->versions = arena_array(d->a, d->subject->n, sizeof *d->out->versions);
    for (size_t i = 0; i < d->subject->n; i++) {
        const struct reg_version *v = d->subject->versions[i];
        if (v->deleted && !permanent)
            continue;
        if (!nobody_refers_to(d, v))
            return;
        d->out->versions[d->out->n_versions++] = v->version;
    }
    (permanent ? delete_subject_for_good : delete_subject_softly)(d);
}

void reg_decide(struct reg_decision *out, const struct reg_state *s,
                const struct reg_command *c, const struct reg_rules *rules,
                struct arena *a)
{
    static void (*const verbs[])(struct deciding *) = {
        [REG_DO_REGISTER] = decide_register,
        [REG_DO_SET_CONFIG] = decide_set_config,
        [REG_DO_DROP_CONFIG] = decide_drop_config,
        [REG_DO_DELETE_VERSION] = decide_delete_version,
        [REG_DO_DELETE_SUBJECT] = decide_delete_subject,
    };
    struct reg_command normal = *c; // one form of each name in the log: ":.:a" is "a"
    normal.subject = reg_subject_normal(c->subject, a);
    struct deciding d = {.out = out,
                         .s = s,
                         .c = &normal,
                         .rules = rules,
                         .subject = reg_subject_of(s, c->subject),
                         .a = a};

    *out = (struct reg_decision){0};
    verbs[c->verb](&d);
    if (out->no.code != 0)
        out->n = 0;
}

static bool is_registered(const struct reg_subject *subject,
                          const struct reg_decision *d)
{
    const struct reg_version *v = reg_version_of(subject, d->version);

    return v != NULL && !v->deleted && v->schema->id == d->id &&
           memcmp(v->schema->md5, d->md5, sizeof d->md5) == 0;
}

static bool config_is(const struct reg_scope *scope, const struct api_config *change)
{
    struct api_config is = {0};

    if (scope != NULL)
        is = scope->config;
    struct api_config then = is;
    api_config_change(&then, change);
    return same_config(&is, &then);
}

bool reg_is_so(const struct reg_state *s, const struct reg_command *c,
               const struct reg_decision *d)
{
    const struct reg_subject *subject = reg_subject_of(s, c->subject);
    const struct reg_scope *scope = reg_scope_of(s, c->subject);
    const struct reg_version *v = reg_version_of(subject, d->version);

    switch (c->verb) {
    case REG_DO_REGISTER: return is_registered(subject, d);
    case REG_DO_SET_CONFIG: return config_is(scope, &d->config);
    case REG_DO_DROP_CONFIG: return scope == NULL || !scope->has_config;
    case REG_DO_DELETE_VERSION: return v == NULL || (v->deleted && !c->permanent);
    case REG_DO_DELETE_SUBJECT:
        return subject == NULL || (!c->permanent && !reg_subject_lives(subject, false));
    }
    return false;
}

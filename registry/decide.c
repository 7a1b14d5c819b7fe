#include "registry/decide_inside.h"

#include "registry/meta.h"
#include "wire/guid.h"

struct reg_event *add_event(struct deciding *d, enum reg_event_kind kind)
{
    if (d->out->n == d->cap) {
        struct reg_event *more = arena_array(d->a, d->cap * 2 + 4, sizeof *more);
        if (d->out->n > 0)
            memcpy(more, d->out->events, d->out->n * sizeof *more);
        d->out->events = more;
        d->cap = d->cap * 2 + 4;
    }
    struct reg_event *ev = &d->out->events[d->out->n++];
    *ev = (struct reg_event){
        .kind = kind, .subject = d->c->subject, .act = d->c->by, .acts_now = true};
    return ev;
}

static void add_gone(struct deciding *d, enum reg_event_kind kind, struct span subject,
                     int32_t version, const struct reg_odd_key *odd)
{
    struct reg_event *ev = add_event(d, kind);

    ev->subject = subject;
    ev->version = version;
    ev->gone = true;
    ev->act.deed = REG_DELETED;
    if (odd != NULL)
        ev->odd_key = odd->key;
}

void add_tombstones(struct deciding *d, const struct reg_version *v)
{
    struct span subject = arena_copy(d->a, v->subject->qualified);

    for (const struct reg_odd_key *k = v->odd_keys; k != NULL; k = k->next)
        add_gone(d, REG_SCHEMA, subject, v->version, k);
    add_gone(d, REG_SCHEMA, subject, v->version, NULL);
}

void add_scope_tombstones(struct deciding *d, enum reg_event_kind kind,
                          struct span subject, const struct reg_scope *scope)
{
    const struct reg_odd_key *k =
        kind == REG_CONFIG ? scope->odd_config_keys : scope->odd_mode_keys;

    for (; k != NULL; k = k->next)
        add_gone(d, kind, subject, 0, k);
    add_gone(d, kind, subject, 0, NULL);
}

void refuse_no_subject(struct deciding *d)
{
    REFUSE(d, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
           WHOLE(d->c->subject));
}

bool subject_is_fine(struct deciding *d)
{
    struct err e = {0};

    if (subject_check(d->c->subject, &e) == ERR_OK)
        return true;
    REFUSE(d, REG_INVALID_SUBJECT,
           "The specified subject '" WHOLE_FMT "' is not a valid subject: %s",
           WHOLE(d->c->subject), e.msg);
    return false;
}

bool may_write(struct deciding *d)
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

/* Registering. */

static bool fits(struct deciding *d, const struct reg_candidate *cand,
                 const struct api_config *config)
{
    enum av_level level = reg_level_of(config);
    struct reg_misfit why;
    size_t n = 0;
    const struct reg_version **old =
        reg_versions_compared(d->subject, config, cand->what.metadata, d->a, &n);

    if (!reg_candidate_breaks_reserve(cand, d->subject, config, d->a, &why) &&
        !reg_candidate_misfit(cand, d->s, old, n, level, d->a, &why))
        return true;

    struct buf text = BUF_INIT(1 << 20);
    buf_put_str(&text, "Schema being registered is incompatible with an earlier schema "
                       "for subject \"");
    buf_put(&text, d->c->subject);
    buf_put_str(&text, "\", details: [");
    for (size_t i = 0; i < why.n_lines; i++) {
        if (i > 0)
            buf_put_str(&text, ", ");
        buf_put(&text, why.lines[i]);
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
    int32_t last = c != NULL ? c->max_id : 0, ahead = d->rules->ids_ahead;

    if (known != NULL)
        return known->id;
    d->out->new_id = true;
    return last < INT32_MAX - ahead ? last + ahead + 1 : 0;
}

/* A softly deleted version of the same schema makes way for the new one. */
static void replace_deleted(struct deciding *d, const struct reg_candidate *cand)
{
    for (size_t i = 0; d->subject != NULL && i < d->subject->n; i++) {
        const struct reg_version *v = d->subject->versions[i];

        if (!v->deleted || memcmp(v->schema->md5, cand->md5, 16) != 0 ||
            reg_referrer_of(v) != 0)
            continue;
        add_tombstones(d, v);
    }
}

static void add_version(struct deciding *d, const struct reg_candidate *cand,
                        int32_t id, int32_t version)
{
    struct span context = subject_split(d->c->subject).context;

    if (context.n > 1 && reg_context_of(d->s, d->c->subject) == NULL) {
        struct reg_event *born = add_event(d, REG_CONTEXT);
        born->subject = (struct span){0};
        born->context = context;
    }
    replace_deleted(d, cand);

    const struct reg_version *there = reg_version_of(d->subject, version);
    struct reg_event *ev = add_event(d, REG_SCHEMA);
    ev->version = version;
    ev->acts = there != NULL ? there->history.first : NULL;
    ev->schema = cand->what;
    ev->schema.id = id;
    ev->schema.deleted = API_NO;
    ev->act.deed = REG_REGISTERED;
    d->out->id = id;
    d->out->version = version;
    memcpy(d->out->md5, cand->md5, sizeof d->out->md5);
}

static bool may_register(struct deciding *d, enum api_mode mode)
{
    bool says_id = d->c->schema.id != 0;

    if (!may_write(d))
        return false;
    if (says_id == (mode == API_IMPORT))
        return true;
    REFUSE(d, REG_NOT_PERMITTED,
           "Subject " WHOLE_FMT " in context " WHOLE_FMT " is not in %s mode",
           WHOLE(d->c->subject), WHOLE(subject_split(d->c->subject).context),
           says_id ? "import" : "read-write");
    return false;
}

/* The version to write; 0: refused. */
static int32_t version_for(struct deciding *d, enum api_mode mode)
{
    int32_t next = next_version(d->subject), said = d->c->schema.version;

    if (said <= 0 || said == next)
        return next;
    if (mode == API_IMPORT)
        return said;
    REFUSE(d, REG_INVALID_SCHEMA,
           "Version is not one more than previous version: "
           "found %d, wanted %d",
           (int)said, (int)next);
    return 0;
}

/* The id to write under: as said, as known, or the next; 0: refused. */
static int32_t id_to_write(struct deciding *d, const struct reg_candidate *cand)
{
    int32_t said = d->c->schema.id, id = said != 0 ? said : id_for(d, cand);
    const struct reg_schema *holder =
        reg_schema_by_id(reg_context_of(d->s, d->c->subject), id);

    if (id == 0)
        REFUSE(d, REG_STORE_ERROR, "All ids of the context have been given out");
    if (holder == NULL || memcmp(holder->md5, cand->md5, 16) == 0)
        return id;
    REFUSE(d, REG_NOT_PERMITTED, "Overwrite new schema with id %d is not permitted.",
           (int)id);
    return 0;
}

/* Is it under the number that was said, if one was?  -1 says the newest. */
static bool is_number_asked(const struct deciding *d, const struct reg_version *v)
{
    int32_t said = d->c->schema.version;

    return said == 0 || said == v->version ||
           (said == -1 && v == reg_version_latest(d->subject, false));
}

/* Whoever says a number wants it in the metadata, and there it stays true from then on:
 * the schema is another one in each version. */
static void number_it(struct deciding *d, struct reg_candidate *cand, int32_t version)
{
    struct span key = span_str("confluent:version"), was;

    if (d->c->schema.version == 0 &&
        !reg_metadata_property(cand->what.metadata, key, d->a, &was))
        return;
    cand->what.metadata = reg_metadata_with(
        cand->what.metadata, key, arena_printf(d->a, "%d", (int)version), d->a);
    guid_md5(cand->md5, &cand->what);
}

/* Registering what is there is no write: it is answered in every mode. */
static bool is_there(struct deciding *d, const struct reg_candidate *cand)
{
    const struct reg_version *known = reg_candidate_find(cand, d->s, d->subject, false);
    int32_t said = d->c->schema.id;

    if (known == NULL || !is_number_asked(d, known))
        return false;
    if (said != 0 && said != known->schema->id)
        REFUSE(d, REG_ID_MISMATCH, "The schema has id %d, %d was sent",
               (int)known->schema->id, (int)said);
    d->out->id = known->schema->id;
    d->out->version = known->version;
    memcpy(d->out->md5, known->schema->md5, sizeof d->out->md5);
    return true;
}

static void register_candidate(struct deciding *d, struct reg_candidate *cand,
                               const struct api_config *config)
{
    enum api_mode mode = reg_mode_in_force(d->s, d->c->subject);

    if (!reg_config_dresses(config) && is_there(d, cand))
        return;
    if (mode != API_IMPORT) { // which takes what is sent for what it is
        reg_candidate_dress(cand, reg_version_latest(d->subject, false), config, d->a);
        if (is_there(d, cand))
            return;
    }
    d->out->left = d->rules->only_known;
    if (d->out->left || !may_register(d, mode) || !log_is_sound(d))
        return;
    if (mode != API_IMPORT && !reg_candidate_keeps_rules(cand, d->a, &d->out->no))
        return;
    if (mode != API_IMPORT && !d->c->force && !fits(d, cand, config))
        return;

    int32_t version = version_for(d, mode);
    if (version != 0 && mode != API_IMPORT)
        number_it(d, cand, version);
    int32_t id = version != 0 ? id_to_write(d, cand) : 0;
    if (id != 0)
        add_version(d, cand, id, version);
}

static void register_schema(struct deciding *d, const struct api_schema *sent)
{
    struct api_config config = reg_config_in_force(d->s, d->c->subject);
    const struct reg_command *asked = d->c;
    struct reg_command c = *asked;
    struct reg_candidate cand;

    c.schema = *sent;
    d->c = &c;
    if (reg_candidate_make(&cand, d->s, c.subject, sent,
                           c.normalize || api_config_true(&config, API_NORMALIZE), d->a,
                           &d->out->no)) {
        register_candidate(d, &cand, &config);
        reg_candidate_free(&cand);
    }
    d->c = asked;
}

static bool is_blank(struct span s)
{
    while (s.n > 0 && (s.p[0] <= ' '))
        s = span_skip(s, 1);
    return s.n == 0;
}

/* Metadata or rules alone are a new version of the text there is. */
static void take_text_of_before(const struct deciding *d, struct api_schema *sent)
{
    const struct reg_version *before = reg_version_latest(d->subject, false);

    if (before == NULL || !is_blank(sent->schema) ||
        reg_mode_in_force(d->s, d->c->subject) == API_IMPORT)
        return;
    sent->schema = before->schema->what.schema;
    sent->type = before->schema->what.type;
    sent->references = before->schema->what.references;
    sent->n_references = before->schema->what.n_references;
}

static void decide_register(struct deciding *d)
{
    struct api_schema sent = d->c->schema;

    if (!subject_is_fine(d))
        return;
    take_text_of_before(d, &sent);
    if (tag_schema(d, &sent))
        register_schema(d, &sent);
}

static void decide_tag(struct deciding *d)
{
    struct api_schema sent = d->c->schema;

    if (subject_is_fine(d) && schema_to_tag(d, &sent) && tag_schema(d, &sent))
        register_schema(d, &sent);
}

/* Versions are asked of the subject that an alias means, settings of the one named. */
static struct span subject_meant(const struct reg_state *s, const struct reg_command *c,
                                 struct arena *a)
{
    bool of_versions = c->verb == REG_DO_REGISTER || c->verb == REG_DO_TAG ||
                       c->verb == REG_DO_DELETE_VERSION ||
                       c->verb == REG_DO_DELETE_SUBJECT;

    return of_versions ? reg_subject_meant(s, c->subject, a)
                       : reg_subject_normal(c->subject, a);
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
        [REG_DO_SET_MODE] = decide_set_mode,
        [REG_DO_DROP_MODE] = decide_drop_mode,
        [REG_DO_DROP_CONTEXT] = decide_drop_context,
        [REG_DO_TAG] = decide_tag,
    };
    struct reg_command normal = *c; // one form of each name in the log: ":.:a" is "a"
    normal.subject = subject_meant(s, c, a);
    struct deciding d = {.out = out,
                         .s = s,
                         .c = &normal,
                         .rules = rules,
                         .subject = reg_subject_of(s, normal.subject),
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

static bool mode_is(const struct reg_scope *scope, enum api_mode mode)
{
    return scope != NULL && scope->has_mode && scope->mode == mode;
}

bool reg_is_so(const struct reg_state *s, const struct reg_command *c,
               const struct reg_decision *d)
{
    struct arena a = {0};
    struct span name = subject_meant(s, c, &a);
    const struct reg_subject *subject = reg_subject_of(s, name);
    const struct reg_scope *scope = reg_scope_of(s, name);
    const struct reg_version *v = reg_version_of(subject, d->version);

    arena_free(&a);
    switch (c->verb) {
    case REG_DO_REGISTER:
    case REG_DO_TAG: return is_registered(subject, d);
    case REG_DO_SET_CONFIG: return config_is(scope, &d->config);
    case REG_DO_DROP_CONFIG: return scope == NULL || !scope->has_config;
    case REG_DO_DELETE_VERSION: return v == NULL || (v->deleted && !c->permanent);
    case REG_DO_DELETE_SUBJECT:
        return subject == NULL || (!c->permanent && !reg_subject_lives(subject, false));
    case REG_DO_SET_MODE: return mode_is(scope, c->mode);
    case REG_DO_DROP_MODE: return scope == NULL || !scope->has_mode;
    case REG_DO_DROP_CONTEXT: return reg_context_of(s, c->subject) == NULL;
    }
    return false;
}

#include "registry/decide_inside.h"
#include "registry/meta.h"

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

static bool text_is_fine(struct span json, struct arena *a, struct span *text)
{
    const struct json *j = NULL;
    struct err e = {0};

    if (json_read(&j, json, NULL, a, &e) != ERR_OK || !json_is(j, JSON_STRING))
        return false;
    *text = j->text;
    return true;
}

/* Metadata and rules are kept as a schema's own are. */
static bool meta_is_fine(struct deciding *d, enum api_config_member m,
                         struct span *value)
{
    bool is_rules = m == API_DEFAULT_RULES || m == API_OVERRIDE_RULES;
    struct span tidy = {0};
    struct err e = {0};

    if ((is_rules ? reg_rules_tidy : reg_metadata_tidy)(&tidy, *value, d->a, &e) !=
        ERR_OK) {
        REFUSE(d, REG_INVALID_RULES, "%s: %s", api_config_name(m), e.msg);
        return false;
    }
    *value = tidy.n > 0 ? tidy : span_str("null"); // what says nothing is not set
    return true;
}

/* Members that change what registering means are refused where they are not obeyed: to
 * keep one in silence would be a lie. */
static bool member_is_fine(struct deciding *d, enum api_config_member m,
                           struct span *value)
{
    struct span text = {0};

    switch (m) {
    case API_LEVEL: return level_is_fine(d, value);
    case API_NORMALIZE:
    case API_VALIDATE_FIELDS:
    case API_VALIDATE_NEW_SCHEMAS: // schemas and rules are always looked at
    case API_VALIDATE_RULES:
        if (span_eq(*value, span_str("false")) || span_eq(*value, span_str("true")))
            return true;
        break;
    case API_ALIAS:
    case API_GROUP:
        if (text_is_fine(*value, d->a, &text))
            return true;
        break;
    case API_POLICY: // of JSON Schema alone; both are true of Avro
        if (text_is_fine(*value, d->a, &text) &&
            (span_eq(text, span_str("STRICT")) || span_eq(text, span_str("LENIENT"))))
            return true;
        break;
    case API_DEFAULT_METADATA:
    case API_OVERRIDE_METADATA:
    case API_DEFAULT_RULES:
    case API_OVERRIDE_RULES: return meta_is_fine(d, m, value);
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

void decide_set_config(struct deciding *d)
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
        add_scope_tombstones(d, REG_CONFIG, d->c->subject, scope);
    else
        add_event(d, REG_CONFIG)->config = is;
}

void decide_drop_config(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    bool is_set = scope != NULL && scope->has_config;

    if (!scope_is_fine(d))
        return;
    if (!is_set && d->c->subject.n > 0) {
        refuse_no_subject(d);
        return;
    }
    if (!may_write(d))
        return;
    struct api_config was =
        is_set ? scope->config : reg_config_in_force(d->s, d->c->subject);
    d->out->config = kept_config(&was, d->a);
    if (is_set)
        add_scope_tombstones(d, REG_CONFIG, d->c->subject, scope);
}

bool config_is(const struct reg_scope *scope, const struct api_config *change)
{
    struct api_config is = {0};

    if (scope != NULL)
        is = scope->config;
    struct api_config then = is;
    api_config_change(&then, change);
    return same_config(&is, &then);
}

/* Modes. */

/* All subjects in the command's scope: one, or those of a context. */
static const struct reg_subject **subjects_in_scope(struct deciding *d, size_t *n)
{
    struct subject split = subject_split(d->c->subject);

    if (split.name.n == 0)
        return reg_subjects(d->s, d->c->subject, d->a, n);
    *n = d->subject != NULL;
    return &d->subject;
}

/* Import fills what is empty: what is deleted softly goes for good, what lives forbids
 * it. */
static bool clear_for_import(struct deciding *d)
{
    size_t n = 0;
    const struct reg_subject **all = subjects_in_scope(d, &n);

    for (size_t i = 0; i < n; i++)
        if (reg_subject_lives(all[i], false)) {
            REFUSE(d, REG_NOT_PERMITTED, "Cannot import since found existing subjects");
            return false;
        }
    for (size_t i = 0; i < n; i++)
        for (size_t v = all[i]->n; v-- > 0;)
            add_tombstones(d, all[i]->versions[v]);
    add_event(d, REG_CLEAR_SUBJECT);
    return true;
}

void decide_set_mode(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    enum api_mode mode = d->c->mode;

    if (!scope_is_fine(d))
        return;
    if (mode == API_FORWARD) {
        REFUSE(d, REG_NOT_PERMITTED, "This registry forwards to no other");
        return;
    }
    d->out->mode = mode;
    if (scope != NULL && scope->has_mode && scope->mode == mode)
        return;
    if (mode == API_IMPORT && !d->c->force &&
        reg_mode_in_force(d->s, d->c->subject) != API_IMPORT && !clear_for_import(d))
        return;
    add_event(d, REG_MODE)->mode = mode;
}

/* The modes of the subjects in the scope, but not the scope's own. */
static void drop_modes_below(struct deciding *d)
{
    struct subject around = subject_split(d->c->subject);
    struct span key = {0};
    const struct reg_scope *scope;

    for (size_t at = 0; (scope = tab_each(&d->s->scopes, &at, &key)) != NULL;) {
        struct subject split = subject_split(key);

        if (scope->has_mode && split.name.n > 0 && around.name.n == 0 &&
            span_eq(split.context, around.context))
            add_scope_tombstones(d, REG_MODE, arena_copy(d->a, key), scope);
    }
}

void decide_drop_mode(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);
    bool is_set = scope != NULL && scope->has_mode;

    if (!scope_is_fine(d))
        return;
    if (!is_set && d->c->subject.n > 0 && !d->c->recursive) {
        refuse_no_subject(d);
        return;
    }
    d->out->mode = is_set ? scope->mode : reg_mode_in_force(d->s, d->c->subject);
    if (d->c->recursive)
        drop_modes_below(d);
    if (is_set)
        add_scope_tombstones(d, REG_MODE, d->c->subject, scope);
}

/* Contexts. */

void decide_drop_context(struct deciding *d)
{
    const struct reg_context *c = reg_context_of(d->s, d->c->subject);
    struct span name = subject_split(d->c->subject).context;

    if (c == NULL) {
        REFUSE(d, REG_SUBJECT_NOT_FOUND, "Context '" WHOLE_FMT "' not found.",
               WHOLE(name));
        return;
    }
    if (c->subjects.n > 0 || name.n == 1) {
        REFUSE(d, REG_CONTEXT_NOT_EMPTY, "The context '" WHOLE_FMT "' is not empty",
               WHOLE(name));
        return;
    }
    if (!may_write(d))
        return;

    struct reg_event *ev = add_event(d, REG_CONTEXT);
    ev->gone = true;
    ev->subject = (struct span){0};
    ev->context = arena_copy(d->a, name);
}

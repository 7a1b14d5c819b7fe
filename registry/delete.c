#include "registry/decide_inside.h"

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
    struct reg_event *ev = add_event(d, REG_SCHEMA);

    ev->version = v->version;
    ev->schema = v->schema->what;
    ev->schema.id = v->schema->id;
    ev->schema.deleted = API_YES;
    ev->acts = v->history.first;
    ev->act.deed = REG_DELETED;
}

void decide_delete_version(struct deciding *d)
{
    bool permanent = d->c->permanent;
    const struct reg_version *v = d->c->version > 0
                                      ? reg_version_of(d->subject, d->c->version)
                                      : reg_version_latest(d->subject, permanent);

    if (!reg_subject_lives(d->subject, true)) {
        refuse_no_subject(d);
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
        add_tombstones(d, v);
    else
        delete_softly(d, v);
}

static void delete_subject_softly(struct deciding *d)
{
    struct reg_event *ev = add_event(d, REG_DELETE_SUBJECT);

    ev->version = reg_version_latest(d->subject, false)->version;
    ev->acts = d->subject->deletions.first;
    ev->act.deed = REG_DELETED;
}

static void delete_subject_for_good(struct deciding *d)
{
    const struct reg_scope *scope = reg_scope_of(d->s, d->c->subject);

    for (size_t i = d->subject->n; i-- > 0;)
        add_tombstones(d, d->subject->versions[i]);
    if (scope != NULL && scope->has_config)
        add_scope_tombstones(d, REG_CONFIG, d->c->subject, scope);
    if (scope != NULL && scope->has_mode)
        add_scope_tombstones(d, REG_MODE, d->c->subject, scope);
}

void decide_delete_subject(struct deciding *d)
{
    bool permanent = d->c->permanent;

    if (d->subject == NULL) {
        refuse_no_subject(d);
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

#include "registry/share.h"

#include <string.h>

static bool same_context(struct span a, struct span b)
{
    return span_eq(subject_split(a).context, subject_split(b).context);
}

/* One new version and nothing else; what it replaces is its own subject's affair. */
static const struct reg_event *only_version(const struct reg_decision *d)
{
    const struct reg_event *version = NULL;

    for (size_t i = 0; i < d->n; i++) {
        if (d->events[i].kind != REG_SCHEMA)
            return NULL;
        if (d->events[i].gone)
            continue;
        if (version != NULL)
            return NULL;
        version = &d->events[i];
    }
    return version;
}

static bool may_share(const struct reg_command *c, const struct reg_decision *d)
{
    return c->verb == REG_DO_REGISTER && c->schema.id == 0 &&
           c->schema.n_references == 0 && only_version(d) != NULL;
}

static bool meet(const struct reg_decision *a, const struct reg_decision *b)
{
    const struct reg_event *x = only_version(a), *y = only_version(b);

    return span_eq(x->subject, y->subject) ||
           (same_context(x->subject, y->subject) && memcmp(a->md5, b->md5, 16) == 0);
}

int32_t reg_share_ids(const struct reg_share *s, struct span subject)
{
    int32_t n = 0;

    for (size_t i = 0; !s->closed && i < s->n; i++)
        n += s->members[i]->new_id &&
             same_context(only_version(s->members[i])->subject, subject);
    return n;
}

bool reg_share_add(struct reg_share *s, const struct reg_command *c,
                   const struct reg_decision *d)
{
    bool shares = may_share(c, d);

    if (s->n > 0 && (s->closed || !shares || s->n == REG_SHARE_MOST))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (meet(s->members[i], d))
            return false;
    s->members[s->n++] = d;
    s->closed = !shares;
    return true;
}

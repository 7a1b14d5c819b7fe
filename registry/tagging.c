#include "registry/decide_inside.h"
#include "registry/meta.h"

static void refuse_tags(struct deciding *d, const struct err *e)
{
    REFUSE(d, REG_INVALID_SCHEMA, "Invalid schema: %s", e->msg);
}

/* Those of the newest version; a place that is there no more takes its own along. */
static struct reg_tags handed_down(const struct deciding *d)
{
    const struct reg_version *before = reg_version_latest(d->subject, false);

    if (!d->c->tagging->propagate || before == NULL)
        return (struct reg_tags){0};
    return reg_tags_of(before->schema->what.schema, d->a);
}

bool tag_schema(struct deciding *d, struct api_schema *sent)
{
    const struct reg_tagging *t = d->c->tagging;
    struct reg_tags maybe;
    struct err e = {0};

    if (t == NULL || !api_is_avro(sent) || sent->schema.n == 0)
        return true; // without tags, or refused for what it is
    maybe = handed_down(d);
    if (t->add.n + t->drop.n + maybe.n == 0)
        return true;
    if (t->add.n + t->drop.n > 0 && sent->version == 0)
        sent->version = -1; // what is tagged says its number
    if (reg_tags_change(&sent->schema, sent->schema, &t->add, &t->drop, &maybe, d->a,
                        &e) == ERR_OK)
        return true;
    refuse_tags(d, &e);
    return false;
}

static const struct reg_version *version_to_tag(struct deciding *d)
{
    int32_t n = d->c->version;
    const struct reg_version *v =
        n > 0 ? reg_version_of(d->subject, n) : reg_version_latest(d->subject, false);

    if (!reg_subject_lives(d->subject, false))
        refuse_no_subject(d);
    else if (v == NULL || v->deleted)
        REFUSE(d, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
    else
        return v;
    return NULL;
}

/* Those given outright, or the newest version's with some merged in and some left out.
 * Empty: not said, so that they are what they were. */
static struct span rules_of(const struct deciding *d)
{
    const struct reg_tagging *t = d->c->tagging;
    const struct reg_version *before = reg_version_latest(d->subject, false);
    struct span rules = before->schema->what.rules;

    if (t->rules_to_merge.n == 0 && t->n_rules_to_drop == 0)
        return t->rules;
    if (t->rules_to_merge.n > 0)
        rules = reg_rules_merge(rules, t->rules_to_merge, d->a);
    rules = reg_rules_without(rules, t->rules_to_drop, t->n_rules_to_drop, d->a);
    return rules.n > 0 ? rules : span_str("{}");
}

/* What is merged was not looked at yet: a merge takes what is broken for nothing. */
static bool rules_are_fine(struct deciding *d)
{
    struct span tidy;
    struct err e = {0};

    if (reg_rules_tidy(&tidy, d->c->tagging->rules_to_merge, d->a, &e) == ERR_OK)
        return true;
    REFUSE(d, REG_INVALID_RULES, "Invalid rule set: %s", e.msg);
    return false;
}

bool schema_to_tag(struct deciding *d, struct api_schema *sent)
{
    const struct reg_tagging *t = d->c->tagging;
    const struct reg_version *v = version_to_tag(d);
    int32_t number = sent->version;

    if (v == NULL || !rules_are_fine(d))
        return false;
    *sent = v->schema->what;
    sent->id = 0;
    sent->version = number > 0 ? number : -1;
    sent->deleted = API_UNSAID;
    if (t->metadata.n > 0)
        sent->metadata = t->metadata;
    else if (sent->metadata.n == 0)
        sent->metadata = span_str("{}");
    sent->rules = rules_of(d);
    return true;
}

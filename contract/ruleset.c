#include "contract/ruleset.h"

#define RULES_MOST 1000

static struct span text_of(const struct json *obj, const char *name)
{
    const struct json *j = json_member(obj, name);

    return json_is(j, JSON_STRING) ? j->text : (struct span){0};
}

struct word {
    const char *name;
    int value;
};

static int value_of(struct span text, const struct word *words, int otherwise)
{
    for (; words->name != NULL; words++)
        if (span_eq(text, span_str(words->name)))
            return words->value;
    return otherwise;
}

/* The part of "onWrite,onRead" that is about writing; one alone is about both. */
static struct span for_writing(struct span action, enum rule_mode mode)
{
    const uint8_t *comma = action.n > 0 ? memchr(action.p, ',', action.n) : NULL;

    return comma != NULL && mode == RULE_WRITEREAD
               ? span_of(action.p, (size_t)(comma - action.p))
               : action;
}

static enum rule_action action_of(const struct json *j, const char *name,
                                  enum rule_mode mode, enum rule_action otherwise)
{
    static const struct word words[] = {
        {"NONE", RULE_NONE}, {"ERROR", RULE_ERROR}, {"DLQ", RULE_DLQ}, {0}};
    struct span text = for_writing(text_of(j, name), mode);

    return text.n == 0 ? otherwise
                       : (enum rule_action)value_of(text, words, RULE_UNKNOWN);
}

static const struct span *texts_of(const struct json *array, struct arena *a, size_t *n)
{
    struct span *all;

    *n = 0;
    if (!json_is(array, JSON_ARRAY))
        return NULL;
    all = arena_array(a, array->n + 1, sizeof *all);
    for (const struct json *j = array->first; j != NULL; j = j->next)
        if (json_is(j, JSON_STRING))
            all[(*n)++] = j->text;
    return all;
}

static bool is_observed(const struct json *rule)
{
    struct span mode = text_of(json_member(rule, "params"), "avrogate.mode");

    return span_eq(mode, span_str("observe"));
}

static enum err_kind read_rule(struct rule *out, const struct json *j, struct arena *a,
                               struct err *e)
{
    static const struct word kinds[] = {
        {"CONDITION", RULE_CONDITION}, {"TRANSFORM", RULE_TRANSFORM}, {0}};
    static const struct word modes[] = {
        {"WRITE", RULE_WRITE}, {"READ", RULE_READ}, {"WRITEREAD", RULE_WRITEREAD}, {0}};

    if (!json_is(j, JSON_OBJECT))
        return err_set(e, ERR_INVALID, "found %s, wanted a rule",
                       json_kind_name(j->kind));
    *out = (struct rule){
        .name = text_of(j, "name"),
        .doc = text_of(j, "doc"),
        .type = text_of(j, "type"),
        .expr = text_of(j, "expr"),
        .kind = (enum rule_kind)value_of(text_of(j, "kind"), kinds, RULE_EITHER),
        .mode = (enum rule_mode)value_of(text_of(j, "mode"), modes, RULE_OTHER),
        .disabled = json_is(json_member(j, "disabled"), JSON_TRUE),
        .observed = is_observed(j),
    };
    if (out->name.n == 0)
        return err_set(e, ERR_INVALID, "a rule without a name");
    out->tags = texts_of(json_member(j, "tags"), a, &out->n_tags);
    out->on_success = action_of(j, "onSuccess", out->mode, RULE_NONE);
    out->on_failure = action_of(j, "onFailure", out->mode, RULE_ERROR);
    return ERR_OK;
}

static enum err_kind read_group(const struct rule **out, size_t *n,
                                const struct json *set, const char *name,
                                struct arena *a, struct err *e)
{
    const struct json *group = json_member(set, name);
    size_t i = 0;

    *n = 0;
    if (group == NULL || json_is(group, JSON_NULL))
        return ERR_OK;
    if (!json_is(group, JSON_ARRAY) || group->n > RULES_MOST)
        return err_set(e, ERR_INVALID, "%s: wanted an array of at most %d rules", name,
                       RULES_MOST);
    struct rule *rules = arena_array(a, group->n + 1, sizeof *rules);
    for (const struct json *j = group->first; j != NULL; j = j->next)
        if (read_rule(&rules[i++], j, a, e) != ERR_OK)
            return err_prefix(e, "%s", name);
    *out = rules;
    *n = i;
    return ERR_OK;
}

static enum err_kind read_object(const struct json **out, struct span text,
                                 const char *what, struct arena *a, struct err *e)
{
    static const struct json_limits limits = {.depth = 100};

    if (json_read(out, text, &limits, a, e) != ERR_OK)
        return err_prefix(e, "%s", what);
    if (json_is(*out, JSON_NULL) || json_is(*out, JSON_OBJECT))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "%s: found %s, wanted object", what,
                   json_kind_name((*out)->kind));
}

enum err_kind ruleset_read(struct ruleset *out, struct span text, struct arena *a,
                           struct err *e)
{
    const struct json *j = NULL;

    *out = (struct ruleset){.enabled = true};
    if (text.n == 0)
        return ERR_OK;
    TRY(read_object(&j, arena_copy(a, text), "ruleSet", a, e));
    TRY(read_group(&out->domain, &out->n_domain, j, "domainRules", a, e));
    TRY(read_group(&out->encoding, &out->n_encoding, j, "encodingRules", a, e));
    out->enabled = !span_eq(text_of(j, "enableAt"), span_str("NONE"));
    return ERR_OK;
}

enum err_kind ruleset_tags(const struct path_tags **out, size_t *n,
                           struct span metadata, struct arena *a, struct err *e)
{
    const struct json *j = NULL;

    *n = 0;
    if (metadata.n == 0)
        return ERR_OK;
    TRY(read_object(&j, arena_copy(a, metadata), "metadata", a, e));
    const struct json *tags = json_member(j, "tags");
    if (!json_is(tags, JSON_OBJECT))
        return ERR_OK;
    struct path_tags *all = arena_array(a, tags->n + 1, sizeof *all);
    for (const struct json *p = tags->first; p != NULL; p = p->next) {
        all[*n].path = p->name;
        all[*n].tags = texts_of(p, a, &all[*n].n);
        *n += all[*n].n > 0;
    }
    *out = all;
    return ERR_OK;
}

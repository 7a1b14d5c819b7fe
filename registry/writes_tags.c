#include "registry/api_inside.h"

#include <string.h>

static enum err_kind read_tags(struct reg_tags *out, const struct json *body,
                               const char *name, struct arena *a, struct err *e)
{
    if (reg_tags_read(out, json_member(body, name), a, e) != ERR_OK)
        return err_prefix(e, "%s", name);
    return ERR_OK;
}

static bool refuse_body(struct reg_refusal *no, struct arena *a, const struct err *e)
{
    reg_refuse(no, a, REG_INVALID_SCHEMA, "The request is no JSON we can read: %s",
               e->msg);
    return false;
}

static enum err_kind read_registering(struct reg_tagging *t, const struct json *body,
                                      struct arena *a, struct err *e)
{
    TRY(read_tags(&t->add, body, "schemaTagsToAdd", a, e));
    TRY(read_tags(&t->drop, body, "schemaTagsToRemove", a, e));
    t->propagate = json_is(json_member(body, "propagateSchemaTags"), JSON_TRUE);
    return ERR_OK;
}

/* Nearly no body says anything of tags: those are not read twice. */
static bool speaks_of_tags(struct span body)
{
    static const char word[] = "SchemaTags", other[] = "schemaTags";

    return body.n > 0 && (memmem(body.p, body.n, word, sizeof word - 1) != NULL ||
                          memmem(body.p, body.n, other, sizeof other - 1) != NULL ||
                          memchr(body.p, '\\', body.n) != NULL); // \u0053chemaTags
}

bool tagging_asked(struct reg_command *c, const struct http_req *r, struct arena *a,
                   struct reg_refusal *no)
{
    const struct json *body = NULL;
    struct reg_tagging *t;
    struct err e = {0};

    if (!speaks_of_tags(r->body))
        return true;
    t = arena_alloc(a, sizeof *t);
    if (reg_object_read(&body, r->body, a, &e) != ERR_OK ||
        read_registering(t, body, a, &e) != ERR_OK)
        return refuse_body(no, a, &e);
    if (t->propagate || t->add.n + t->drop.n > 0)
        c->tagging = t;
    return true;
}

/* The member's JSON, white space and all; null is as good as absent. */
static struct span json_of(const struct http_req *r, const struct json *body,
                           const char *name)
{
    const struct json *m = json_member(body, name);

    if (m == NULL || json_is(m, JSON_NULL))
        return (struct span){0};
    return span_of(r->body.p + m->at, m->end - m->at);
}

static enum err_kind read_names(struct reg_tagging *t, const struct json *list,
                                struct arena *a, struct err *e)
{
    if (list == NULL || json_is(list, JSON_NULL))
        return ERR_OK;
    if (!json_is(list, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "rulesToRemove: found %s, wanted array",
                       json_kind_name(list->kind));
    t->rules_to_drop = arena_array(a, list->n, sizeof *t->rules_to_drop);
    for (const struct json *j = list->first; j != NULL; j = j->next) {
        if (!json_is(j, JSON_STRING))
            return err_set(e, ERR_INVALID, "rulesToRemove: found %s, wanted string",
                           json_kind_name(j->kind));
        t->rules_to_drop[t->n_rules_to_drop++] = j->text;
    }
    return ERR_OK;
}

static enum err_kind read_tagging(struct reg_tagging *t, int32_t *number,
                                  const struct http_req *r, struct arena *a,
                                  struct err *e)
{
    const struct json *body = NULL, *said;
    int64_t n = 0;

    TRY(reg_object_read(&body, r->body, a, e));
    TRY(read_tags(&t->add, body, "tagsToAdd", a, e));
    TRY(read_tags(&t->drop, body, "tagsToRemove", a, e));
    TRY(read_names(t, json_member(body, "rulesToRemove"), a, e));
    t->metadata = json_of(r, body, "metadata");
    t->rules = json_of(r, body, "ruleSet");
    t->rules_to_merge = json_of(r, body, "rulesToMerge");
    said = json_member(body, "newVersion");
    if (said != NULL && !json_is(said, JSON_NULL) &&
        json_int(&n, said, -1, INT32_MAX, e) != ERR_OK)
        return err_prefix(e, "newVersion");
    *number = (int32_t)n;
    return ERR_OK;
}

void post_tags(struct http_app *app, struct http_req *r)
{
    struct reg_tagging *t = arena_alloc(&r->arena, sizeof *t);
    struct reg_command c = {
        .verb = REG_DO_TAG, .subject = subject_part(r, &r->arena), .tagging = t};
    const char *type = agreed_type(r);
    struct reg_refusal no = {0};
    struct err e = {0};

    if (type == NULL)
        return;
    if (!version_part(r, &r->arena, &c.version, &no) ||
        (read_tagging(t, &c.schema.version, r, &r->arena, &e) != ERR_OK &&
         !refuse_body(&no, &r->arena, &e))) {
        refuse_write(r, type, &c, &no);
        return;
    }
    write_command(app, r, type, &c);
}

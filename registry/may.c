#include "registry/may.h"

#define IN_CONTEXT "/contexts/{context}"

enum from { OPEN, SUBJECT }; // is it about a subject at all?

/* The first row that fits; a pattern that ends in '*' fits all that begin so. */
static const struct need {
    enum http_method method;
    const char *pattern;
    enum from from;
    enum acl_op op;
} needs[] = {
    {HTTP_GET, "/", OPEN, ACL_READ},
    {HTTP_POST, "/", OPEN, ACL_READ},
    {HTTP_GET, "/openapi.json", OPEN, ACL_READ},
    {HTTP_GET, "/v1/metadata/*", OPEN, ACL_READ},
    // lists and ids: each thing shown is asked about
    {HTTP_GET, "/schemas*", OPEN, ACL_READ},
    {HTTP_GET, "/subjects", OPEN, ACL_READ},
    {HTTP_GET, "/contexts", OPEN, ACL_READ},
    {HTTP_GET, "/config", OPEN, ACL_READ},
    {HTTP_GET, "/mode", OPEN, ACL_READ},
    {HTTP_GET, "/subjects/{subject}/*", SUBJECT, ACL_READ},
    {HTTP_POST, "/subjects/{subject}", SUBJECT, ACL_READ}, // a look-up
    {HTTP_POST, "/subjects/{subject}/versions", SUBJECT, ACL_WRITE},
    {HTTP_POST, "/subjects/{subject}/versions/{version}/tags", SUBJECT, ACL_WRITE},
    {HTTP_DELETE, "/subjects/{subject}*", SUBJECT, ACL_DELETE},
    {HTTP_POST, "/compatibility/subjects/*", SUBJECT, ACL_READ},
    {HTTP_GET, "/config/{subject}", SUBJECT, ACL_READ},
    {HTTP_GET, "/mode/{subject}", SUBJECT, ACL_READ},
    {HTTP_PUT, "/config*", SUBJECT, ACL_CONFIGURE},
    {HTTP_DELETE, "/config*", SUBJECT, ACL_CONFIGURE},
    {HTTP_PUT, "/mode*", SUBJECT, ACL_CONFIGURE},
    {HTTP_DELETE, "/mode*", SUBJECT, ACL_CONFIGURE},
    {HTTP_DELETE, IN_CONTEXT, SUBJECT, ACL_DELETE},
};

static bool fits(const char *wanted, const char *pattern)
{
    size_t n = strlen(wanted);

    return wanted[n - 1] == '*' ? strncmp(wanted, pattern, n - 1) == 0
                                : strcmp(wanted, pattern) == 0;
}

/* Each row has a twin behind the context (api.c), which needs the same. */
static const char *without_context(const char *pattern)
{
    size_t n = strlen(IN_CONTEXT);

    return strncmp(pattern, IN_CONTEXT "/", n + 1) == 0 ? pattern + n : pattern;
}

static const struct need *need_of(const struct http_req *r)
{
    const char *pattern = without_context(r->route->pattern);
    enum http_method method = r->method == HTTP_HEAD ? HTTP_GET : r->method;

    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].method == method && fits(needs[i].pattern, pattern))
            return &needs[i];
    return NULL;
}

void reg_ask_of(struct guard_ask *out, const struct http_req *r, struct arena *a)
{
    const struct need *need = need_of(r);

    *out = (struct guard_ask){ACL_CONFIGURE, ACL_SUBJECT, GUARD_ALL, {0}};
    if (need == NULL)
        return;
    out->op = need->op;
    if (need->from == OPEN) {
        out->over = GUARD_NOTHING;
        return;
    }
    struct span subject = reg_subject_normal(subject_part(r, a), a);
    bool every = subject.n >= 3 && memcmp(subject.p, ":*:", 3) == 0;
    if (subject.n == 0 || every) // the settings of all
        return;
    out->over = GUARD_ONE;
    out->name = subject;
}

bool reg_may(const struct reg_api *api, const struct http_req *r, enum acl_op op,
             struct span subject)
{
    const struct guard_ask ask = {op, ACL_SUBJECT, GUARD_ONE, subject};

    return api->o.guard == NULL || guard_may(api->o.guard, r->who, &ask);
}

const struct reg_version *reg_place_shown(const struct reg_api *api,
                                          const struct http_req *r,
                                          const struct reg_schema *schema)
{
    const struct reg_version *v = schema != NULL ? schema->places : NULL;

    while (v != NULL && !reg_may(api, r, ACL_READ, v->subject->qualified))
        v = v->next_place;
    return v;
}

static bool refuse(const struct http_req *r, enum acl_op op, struct span subject,
                   struct arena *a, struct reg_refusal *no)
{
    const struct guard_ask ask = {op, ACL_SUBJECT, GUARD_ONE, subject};

    guard_tell(r, &ask);
    reg_refuse(no, a, REG_FORBIDDEN, WHOLE_FMT " may not %s subject " WHOLE_FMT,
               WHOLE(r->who), acl_op_name(op), WHOLE(subject));
    return false;
}

/* A reference that says no context is one of the subject's own. */
static struct span referred(const struct api_reference *ref, struct span subject,
                            struct arena *a)
{
    struct subject split = subject_split(ref->subject);

    if (split.name.n == ref->subject.n) // unqualified
        split.context = subject_split(subject).context;
    struct buf b = BUF_INIT(ref->subject.n + subject.n + 8);
    subject_put(&b, &split);
    struct span out = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return out;
}

bool reg_may_refer(const struct reg_api *api, const struct http_req *r,
                   const struct api_schema *schema, struct span subject,
                   struct arena *a, struct reg_refusal *no)
{
    for (size_t i = 0; i < schema->n_references; i++) {
        struct span to = referred(&schema->references[i], subject, a);
        if (!reg_may(api, r, ACL_READ, to))
            return refuse(r, ACL_READ, to, a, no);
    }
    return true;
}

bool reg_may_alias(const struct reg_api *api, const struct http_req *r,
                   const struct api_config *config, struct arena *a,
                   struct reg_refusal *no)
{
    struct span text = config->member[API_ALIAS];
    const struct json *alias = NULL;
    struct err e = {0};

    if (text.n == 0 || json_read(&alias, text, NULL, a, &e) != ERR_OK ||
        !json_is(alias, JSON_STRING) || alias->text.n == 0)
        return true; // none, which gives nothing away
    struct span to = reg_subject_normal(alias->text, a);
    return reg_may(api, r, ACL_CONFIGURE, to) || refuse(r, ACL_CONFIGURE, to, a, no);
}

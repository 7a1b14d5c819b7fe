#include "registry/api_inside.h"
#include "registry/may.h"
#include "registry/meta.h"
#include "wire/guid.h"

#include <stdlib.h>
#include <strings.h>

#define SCHEMAS_MOST 1000 // of GET /schemas in one answer, as Confluent has it

/* Asking. */

static int by_bytes(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

bool param_true(const struct http_req *r, const char *name)
{
    struct span v = {0};

    return http_param(r, name, &v) && v.n == 4 &&
           strncasecmp((const char *)v.p, "true", 4) == 0;
}

static struct span param(const struct http_req *r, const char *name,
                         const char *fallback)
{
    struct span v = {0};

    return http_param(r, name, &v) ? v : span_str(fallback);
}

bool takes_more(const struct http_req *r)
{
    struct span v = http_header(r, "Confluent-Accept-Unknown-Properties");

    return v.n == 4 && strncasecmp((const char *)v.p, "true", 4) == 0;
}

static struct span part(const struct http_req *r, const char *name)
{
    for (size_t i = 0; i < r->nparts; i++)
        if (span_eq(r->parts[i].name, span_str(name)))
            return r->parts[i].value;
    return (struct span){0};
}

static bool begins(struct span s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && memcmp(s.p, with, n) == 0;
}

/* {context} as it stands before a subject, ":.ctx:", whichever way it was written. */
static struct span context_part(const struct http_req *r, struct arena *a)
{
    struct span name = part(r, "context");

    while (name.n > 0 && (name.p[0] == ':' || name.p[0] == '.'))
        name = span_skip(name, 1);
    while (name.n > 0 && name.p[name.n - 1] == ':')
        name.n--;
    return name.n > 0 ? arena_printf(a, ":." WHOLE_FMT ":", WHOLE(name))
                      : (struct span){0};
}

/* A subject or a prefix, in the context that the path says. */
static struct span in_context(const struct http_req *r, struct span subject,
                              struct arena *a)
{
    struct span context = context_part(r, a);

    if (context.n == 0 || begins(subject, ":.") || begins(subject, ":*:"))
        return subject;
    return arena_printf(a, WHOLE_FMT WHOLE_FMT, WHOLE(context), WHOLE(subject));
}

struct span subject_part(const struct http_req *r, struct arena *a)
{
    return in_context(r, part(r, "subject"), a);
}

struct span subject_meant(struct reading *rd)
{
    return reg_subject_meant(rd->s, subject_part(rd->r, rd->a), rd->a);
}

const struct reg_subject *subject_found(struct reading *rd, struct span name,
                                        bool deleted)
{
    const struct reg_subject *found = reg_subject_of(rd->s, name);
    const struct reg_context *c;

    if (reg_subject_lives(found, deleted) || begins(name, ":."))
        return found;
    for (size_t at = 0; (c = tab_each(&rd->s->contexts, &at, NULL)) != NULL;) {
        const struct reg_subject *other = tab_get(&c->subjects, name);

        if (reg_subject_lives(other, deleted) &&
            reg_may(rd->api, rd->r, ACL_READ, other->qualified) &&
            (!reg_subject_lives(found, deleted) ||
             by_bytes(c->name, found->context->name) < 0))
            found = other;
    }
    return found;
}

/* Digits alone, with a sign if `sign`; false: no such number. */
static bool read_number(struct span s, bool sign, int64_t *out)
{
    char text[24];
    char *end = text;

    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (!(text[0] >= '0' && text[0] <= '9') && !(sign && text[0] == '-' && s.n > 1))
        return false;
    *out = strtoll(text, &end, 10);
    return *end == 0;
}

bool version_part(const struct http_req *r, struct arena *a, int32_t *version,
                  struct reg_refusal *no)
{
    struct span v = http_part(r, "version");
    int64_t n = 0;

    if (span_eq(v, span_str("latest")) || span_eq(v, span_str("-1"))) {
        *version = 0;
        return true;
    }
    if (read_number(v, false, &n) && n >= 1 && n <= INT32_MAX) {
        *version = (int32_t)n;
        return true;
    }
    reg_refuse(no, a, REG_INVALID_VERSION,
               "The specified version '" WHOLE_FMT
               "' is not a valid version id. Allowed "
               "values are between [1, 2^31-1] and the string \"latest\"",
               WHOLE(v));
    return false;
}

bool schema_body(const struct http_req *r, struct arena *a, struct api_schema *out,
                 struct reg_refusal *no)
{
    struct err e = {0};

    if (api_schema_read(out, r->body, a, &e) == ERR_OK)
        return true;
    reg_refuse(no, a, REG_INVALID_SCHEMA, "The request is no JSON we can read: %s",
               e.msg);
    return false;
}

void page(const struct http_req *r, size_t most, size_t *first, size_t *n)
{
    int64_t offset = 0, limit = -1;

    (void)read_number(param(r, "offset", "0"), true, &offset);
    (void)read_number(param(r, "limit", "-1"), true, &limit);
    *first = offset > 0 && (uint64_t)offset < *n ? (size_t)offset : offset > 0 ? *n : 0;
    *n -= *first;
    if (limit >= 0 && (uint64_t)limit < most)
        most = (size_t)limit;
    if (*n > most)
        *n = most;
}

/* Answering. */

static struct span guid_of(const struct reg_schema *schema, struct arena *a)
{
    char text[GUID_TEXT];

    guid_print(text, schema->md5);
    return arena_copy(a, span_str(text));
}

/* What an id means, without where it stands. */
static struct api_schema meaning_of(const struct reg_schema *schema, bool more,
                                    struct arena *a)
{
    struct api_schema answer = schema->what;

    answer.md5 = (struct span){0};
    if (more) {
        answer.guid = guid_of(schema, a);
        if (api_is_avro(&answer))
            answer.type = span_str("AVRO");
    }
    return answer;
}

struct api_schema answer_of(const struct reg_version *v, bool more, struct arena *a)
{
    struct api_schema answer = meaning_of(v->schema, more, a);

    answer.subject = v->subject->qualified;
    answer.version = v->version;
    answer.id = v->schema->id;
    if (more) {
        answer.ts = v->ts;
        answer.deleted = v->deleted ? API_YES : API_NO;
    }
    return answer;
}

void put_schema(struct reading *rd, const struct reg_schema *schema,
                struct api_schema answer)
{
    if (format_answer(rd->api, rd->r, rd->s, schema, &answer, rd->a, &rd->no))
        api_schema_put(&rd->out, &answer);
}

static void put_text(struct reading *rd, const struct reg_schema *schema)
{
    struct api_schema answer = schema->what;

    if (format_answer(rd->api, rd->r, rd->s, schema, &answer, rd->a, &rd->no))
        buf_put(&rd->out, answer.schema);
}

void refuse_subject(struct reading *rd, struct span subject)
{
    REFUSE_READ(rd, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
                WHOLE(subject));
}

void read_nothing(struct reading *rd)
{
    buf_put_str(&rd->out, "{}");
}

void read_schema_types(struct reading *rd)
{
    buf_put_str(&rd->out, "[\"AVRO\"]");
}

/* By id. */

static const struct reg_version *place_in(const struct reg_schema *schema,
                                          struct span subject)
{
    const struct reg_version *v = schema != NULL ? schema->places : NULL;

    while (v != NULL && !span_eq(v->subject->name, subject))
        v = v->next_place;
    return v;
}

/* The place in `subject`; in any when it is empty.  Never one not to be shown. */
static const struct reg_version *a_place(struct reading *rd,
                                         const struct reg_schema *schema,
                                         struct span subject)
{
    const struct reg_version *v = place_in(schema, subject);

    if (subject.n == 0)
        return reg_place_shown(rd->api, rd->r, schema);
    return v != NULL && reg_may(rd->api, rd->r, ACL_READ, v->subject->qualified) ? v
                                                                                 : NULL;
}

/* The schema of `id` where `subject` stands; one that says no context and does not have
 * it in the default one is looked for in the others. */
static const struct reg_schema *schema_for(const struct reg_state *s,
                                           struct span subject, int32_t id)
{
    struct subject split = subject_split(subject);
    const struct reg_schema *schema = reg_schema_by_id(reg_context_of(s, subject), id);
    const struct reg_context *c;

    if (split.name.n == 0 || split.name.n != subject.n ||
        place_in(schema, split.name) != NULL)
        return schema;
    for (size_t at = 0; (c = tab_each(&s->contexts, &at, NULL)) != NULL;)
        if (place_in(reg_schema_by_id(c, id), split.name) != NULL)
            return reg_schema_by_id(c, id);
    return schema;
}

static struct span subject_param(struct reading *rd)
{
    return in_context(rd->r, param(rd->r, "subject", ""), rd->a);
}

static const struct reg_schema *schema_asked(struct reading *rd)
{
    struct span text = http_part(rd->r, "id");
    int64_t id = 0;

    if (!read_number(text, true, &id) || id < INT32_MIN || id > INT32_MAX) {
        REFUSE_READ(rd, NOT_FOUND_PLAIN, "HTTP 404 Not Found");
        return NULL;
    }
    const struct reg_schema *schema = schema_for(rd->s, subject_param(rd), (int32_t)id);
    if (reg_place_shown(rd->api, rd->r, schema) != NULL)
        return schema;
    REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema %d not found", (int)id);
    return NULL;
}

void read_by_id(struct reading *rd)
{
    const struct reg_schema *schema = schema_asked(rd);
    bool more = takes_more(rd->r);

    if (schema == NULL)
        return;
    struct api_schema answer = meaning_of(schema, more, rd->a);
    const struct reg_version *v =
        a_place(rd, schema, subject_split(subject_param(rd)).name);
    if (more && v != NULL) {
        answer.subject = v->subject->qualified;
        answer.version = v->version;
    }
    if (param_true(rd->r, "fetchMaxId"))
        answer.max_id = schema->context->max_id;
    put_schema(rd, schema, answer);
}

void read_text_by_id(struct reading *rd)
{
    const struct reg_schema *schema = schema_asked(rd);

    if (schema != NULL)
        put_text(rd, schema);
}

int by_place(const void *x, const void *y)
{
    const struct api_place *a = x, *b = y;
    int order = by_bytes(a->subject, b->subject);

    return order != 0 ? order : (a->version > b->version) - (a->version < b->version);
}

/* Where the schema asked for stands, by subject and version; NULL: refused. */
static struct api_place *places_asked(struct reading *rd, size_t *n)
{
    const struct reg_schema *schema = schema_asked(rd);
    struct span only = subject_split(subject_param(rd)).name;
    bool deleted = param_true(rd->r, "deleted");
    size_t most = 0;

    if (schema == NULL)
        return NULL;
    for (const struct reg_version *v = schema->places; v != NULL; v = v->next_place)
        most++;
    struct api_place *all = arena_array(rd->a, most, sizeof *all);

    *n = 0;
    for (const struct reg_version *v = schema->places; v != NULL; v = v->next_place)
        if ((deleted || !v->deleted) &&
            (only.n == 0 || span_eq(only, v->subject->name)) &&
            reg_may(rd->api, rd->r, ACL_READ, v->subject->qualified))
            all[(*n)++] = (struct api_place){v->subject->qualified, v->version};
    qsort(all, *n, sizeof *all, by_place);
    return all;
}

void read_subjects_of_id(struct reading *rd)
{
    size_t n = 0, names = 0, first = 0;
    struct api_place *all = places_asked(rd, &n);

    if (all == NULL)
        return;
    struct span *subjects = arena_array(rd->a, n, sizeof *subjects);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !span_eq(all[i].subject, all[i - 1].subject))
            subjects[names++] = all[i].subject;
    page(rd->r, SIZE_MAX, &first, &names);
    api_texts_put(&rd->out, subjects + first, names);
}

void read_versions_of_id(struct reading *rd)
{
    size_t n = 0, first = 0;
    struct api_place *all = places_asked(rd, &n);

    if (all == NULL)
        return;
    page(rd->r, SIZE_MAX, &first, &n);
    api_places_put(&rd->out, all + first, n);
}

/* By guid, in every context. */

static bool guid_asked(struct reading *rd, uint8_t md5[16])
{
    struct span text = http_part(rd->r, "guid");
    struct err e = {0};

    if (guid_read(md5, text, &e) == ERR_OK)
        return true;
    REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found",
                WHOLE(text));
    return false;
}

void read_by_guid(struct reading *rd)
{
    const struct reg_schema *schema = NULL;
    const struct reg_context *c;
    uint8_t md5[16];

    if (!guid_asked(rd, md5))
        return;
    for (size_t at = 0; schema == NULL && (c = tab_each(&rd->s->contexts, &at, NULL));)
        for (schema = reg_schema_by_md5(c, md5);
             schema != NULL && reg_place_shown(rd->api, rd->r, schema) == NULL;)
            schema = schema->same;
    if (schema == NULL) {
        REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found",
                    WHOLE(http_part(rd->r, "guid")));
        return;
    }
    put_schema(rd, schema, meaning_of(schema, true, rd->a));
}

void read_ids_of_guid(struct reading *rd)
{
    const struct reg_context *c;
    uint8_t md5[16];
    bool any = false;

    if (!guid_asked(rd, md5))
        return;
    buf_put_u8(&rd->out, '[');
    for (size_t at = 0; (c = tab_each(&rd->s->contexts, &at, NULL)) != NULL;)
        for (const struct reg_schema *s = reg_schema_by_md5(c, md5); s; s = s->same) {
            if (reg_place_shown(rd->api, rd->r, s) == NULL)
                continue;
            buf_put_str(&rd->out, any ? ",{\"context\":" : "{\"context\":");
            json_put_string(&rd->out, c->name);
            buf_printf(&rd->out, ",\"id\":%d}", (int)s->id);
            any = true;
        }
    buf_put_u8(&rd->out, ']');
    if (!any)
        REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found",
                    WHOLE(http_part(rd->r, "guid")));
}

/* Lists. */

/* deleted=, deletedOnly=: which of the softly deleted count.  deletedOnly wins. */
static bool counts(bool is_deleted, bool deleted, bool only)
{
    return only ? is_deleted : deleted || !is_deleted;
}

/* subjectPrefix=, by default `all` or all of the context in the path. */
static struct span prefix_asked(struct reading *rd, const char *all)
{
    struct span none = in_context(rd->r, (struct span){0}, rd->a);

    if (none.n > 0)
        all = "";
    return in_context(rd->r, param(rd->r, "subjectPrefix", all), rd->a);
}

void read_subjects(struct reading *rd)
{
    bool deleted = param_true(rd->r, "deleted");
    bool only = param_true(rd->r, "deletedOnly");
    size_t n = 0, kept = 0, first = 0;
    const struct reg_subject **all =
        reg_subjects(rd->s, prefix_asked(rd, ":*:"), rd->a, &n);
    struct span *names = arena_array(rd->a, n, sizeof *names);

    for (size_t i = 0; i < n; i++)
        if (counts(!reg_subject_lives(all[i], false), deleted, only) &&
            reg_may(rd->api, rd->r, ACL_READ, all[i]->qualified))
            names[kept++] = all[i]->qualified;
    page(rd->r, SIZE_MAX, &first, &kept);
    api_texts_put(&rd->out, names + first, kept);
}

void read_versions(struct reading *rd)
{
    struct span name = subject_meant(rd);
    const struct reg_subject *subject = reg_subject_of(rd->s, name);
    bool negative = param_true(rd->r, "deletedAsNegative");
    bool deleted = param_true(rd->r, "deleted") || negative;
    bool only = param_true(rd->r, "deletedOnly");
    size_t n = subject != NULL ? subject->n : 0, kept = 0, first = 0;
    int32_t *versions = arena_array(rd->a, n, sizeof *versions);

    for (size_t i = 0; i < n; i++) {
        const struct reg_version *v = subject->versions[i];
        if (counts(v->deleted, deleted, only))
            versions[kept++] = negative && v->deleted ? -v->version : v->version;
    }
    if (kept == 0) {
        refuse_subject(rd, name);
        return;
    }
    page(rd->r, SIZE_MAX, &first, &kept);
    api_ints_put(&rd->out, versions + first, kept);
}

/* Into the object just written: the subjects whose alias `subject` is. */
static void add_aliases(struct reading *rd, struct span subject)
{
    struct span *names = arena_array(rd->a, rd->s->scopes.n, sizeof *names), key;
    size_t n = 0;

    for (size_t at = 0; tab_each(&rd->s->scopes, &at, &key) != NULL;)
        if (!span_eq(key, subject) && reg_may(rd->api, rd->r, ACL_READ, key) &&
            span_eq(reg_subject_meant(rd->s, key, rd->a), subject))
            names[n++] = key;
    if (n == 0)
        return;
    rd->out.n--;
    buf_put_str(&rd->out, ",\"aliases\":");
    api_texts_put(&rd->out, names, n);
    buf_put_u8(&rd->out, '}');
}

/* Those they may read, moved to the front. */
static size_t keep_shown(struct reading *rd, const struct reg_subject **all, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (reg_may(rd->api, rd->r, ACL_READ, all[i]->qualified))
            all[kept++] = all[i];
    return kept;
}

void read_schemas(struct reading *rd)
{
    bool deleted = param_true(rd->r, "deleted"),
         latest = param_true(rd->r, "latestOnly");
    bool more = takes_more(rd->r), aliases = param_true(rd->r, "aliases");
    struct span rule = param(rd->r, "ruleType", "");
    size_t n = 0, all_n = 0, first = 0;
    const struct reg_subject **subjects =
        reg_subjects(rd->s, prefix_asked(rd, ""), rd->a, &n);

    n = keep_shown(rd, subjects, n);
    for (size_t i = 0; i < n; i++)
        all_n += subjects[i]->n;
    const struct reg_version **all = arena_array(rd->a, all_n, sizeof *all);
    all_n = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < subjects[i]->n; v++) {
            const struct reg_version *version = subjects[i]->versions[v];
            if (counts(version->deleted, deleted, false) &&
                (!latest || version == reg_version_latest(subjects[i], deleted)) &&
                (rule.n == 0 ||
                 reg_rules_use(version->schema->what.rules, rule, rd->a)))
                all[all_n++] = version;
        }
    page(rd->r, SCHEMAS_MOST, &first, &all_n);
    buf_put_u8(&rd->out, '[');
    for (size_t i = 0; i < all_n; i++) {
        struct api_schema answer = answer_of(all[first + i], more, rd->a);
        if (i > 0)
            buf_put_u8(&rd->out, ',');
        api_schema_put(&rd->out, &answer);
        if (aliases)
            add_aliases(rd, answer.subject);
    }
    buf_put_u8(&rd->out, ']');
}

/* By subject and version. */

static const struct reg_version *version_asked(struct reading *rd)
{
    struct span name = subject_meant(rd);
    bool deleted = param_true(rd->r, "deleted");
    int32_t n = 0;

    if (!version_part(rd->r, rd->a, &n, &rd->no))
        return NULL;

    const struct reg_subject *subject = subject_found(rd, name, deleted);
    if (!reg_subject_lives(subject, deleted)) {
        refuse_subject(rd, name);
        return NULL;
    }
    const struct reg_version *v =
        n > 0 ? reg_version_of(subject, n) : reg_version_latest(subject, deleted);
    if (v == NULL || (v->deleted && !deleted)) {
        REFUSE_READ(rd, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
        return NULL;
    }
    return v;
}

void read_version(struct reading *rd)
{
    const struct reg_version *v = version_asked(rd);

    if (v != NULL)
        put_schema(rd, v->schema, answer_of(v, takes_more(rd->r), rd->a));
}

void read_text_of_version(struct reading *rd)
{
    const struct reg_version *v = version_asked(rd);

    if (v != NULL)
        put_text(rd, v->schema);
}

void read_referencedby(struct reading *rd)
{
    const struct reg_version *v = version_asked(rd);
    size_t n = 0, first = 0;

    if (v == NULL)
        return;
    int32_t *ids = reg_referrers_of(v, param_true(rd->r, "deleted"), rd->a, &n);
    page(rd->r, SIZE_MAX, &first, &n);
    api_ints_put(&rd->out, ids + first, n);
}

/* The newest version whose metadata has all the pairs of key= and value=. */

static bool has_pairs(struct reading *rd, const struct reg_version *v)
{
    const struct http_req *r = rd->r;
    size_t value = 0;

    for (size_t key = 0; key < r->nparams; key++) {
        struct span has = {0};

        if (!span_eq(r->params[key].name, span_str("key")))
            continue;
        while (value < r->nparams && !span_eq(r->params[value].name, span_str("value")))
            value++;
        if (value == r->nparams ||
            !reg_metadata_property(v->schema->what.metadata, r->params[key].value,
                                   rd->a, &has) ||
            !span_eq(has, r->params[value++].value))
            return false;
    }
    return true;
}

void read_metadata(struct reading *rd)
{
    struct span name = subject_meant(rd);
    bool deleted = param_true(rd->r, "deleted");
    const struct reg_subject *subject = subject_found(rd, name, deleted);

    if (!reg_subject_lives(subject, deleted)) {
        refuse_subject(rd, name);
        return;
    }
    for (size_t i = subject->n; i-- > 0;) {
        const struct reg_version *v = subject->versions[i];

        if (!counts(v->deleted, deleted, false) || !has_pairs(rd, v))
            continue;
        put_schema(rd, v->schema, answer_of(v, takes_more(rd->r), rd->a));
        return;
    }
    REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema not found");
}

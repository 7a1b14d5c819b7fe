#include "registry/api_inside.h"
#include "wire/guid.h"

#include <stdlib.h>
#include <strings.h>

#define SCHEMAS_MOST 1000 // of GET /schemas in one answer, as Confluent has it

#define REFUSE(rd, code, ...) reg_refuse(&(rd)->no, (rd)->a, (code), __VA_ARGS__)

/* Asking. */

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

struct span subject_part(const struct http_req *r)
{
    for (size_t i = 0; i < r->nparts; i++)
        if (span_eq(r->parts[i].name, span_str("subject")))
            return r->parts[i].value;
    return (struct span){0};
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

/* The window of a list that offset= and limit= ask for. */
static void page(const struct http_req *r, size_t most, size_t *first, size_t *n)
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

static void subject_not_found(struct reading *rd, struct span subject)
{
    REFUSE(rd, REG_SUBJECT_NOT_FOUND, "Subject '" WHOLE_FMT "' not found.",
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

static const struct reg_schema *schema_asked(struct reading *rd)
{
    struct span text = http_part(rd->r, "id");
    int64_t id = 0;

    if (!read_number(text, true, &id) || id < INT32_MIN || id > INT32_MAX) {
        REFUSE(rd, NOT_FOUND_PLAIN, "HTTP 404 Not Found");
        return NULL;
    }
    const struct reg_schema *schema = reg_schema_by_id(
        reg_context_of(rd->s, param(rd->r, "subject", "")), (int32_t)id);
    if (schema == NULL)
        REFUSE(rd, REG_SCHEMA_NOT_FOUND, "Schema %d not found", (int)id);
    return schema;
}

void read_by_id(struct reading *rd)
{
    const struct reg_schema *schema = schema_asked(rd);

    if (schema == NULL)
        return;
    struct api_schema answer = meaning_of(schema, takes_more(rd->r), rd->a);
    if (param_true(rd->r, "fetchMaxId"))
        answer.max_id = schema->context->max_id;
    api_schema_put(&rd->out, &answer);
}

void read_text_by_id(struct reading *rd)
{
    const struct reg_schema *schema = schema_asked(rd);

    if (schema != NULL)
        buf_put(&rd->out, schema->what.schema);
}

static int by_place(const void *x, const void *y)
{
    const struct api_place *a = x, *b = y;
    size_t n = a->subject.n < b->subject.n ? a->subject.n : b->subject.n;
    int order = n > 0 ? memcmp(a->subject.p, b->subject.p, n) : 0;

    if (order != 0)
        return order;
    if (a->subject.n != b->subject.n)
        return a->subject.n < b->subject.n ? -1 : 1;
    return (a->version > b->version) - (a->version < b->version);
}

/* Where the schema asked for stands, by subject and version; NULL: refused. */
static struct api_place *places_asked(struct reading *rd, size_t *n)
{
    const struct reg_schema *schema = schema_asked(rd);
    struct span only = subject_split(param(rd->r, "subject", "")).name;
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
            (only.n == 0 || span_eq(only, v->subject->name)))
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
    REFUSE(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found", WHOLE(text));
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
        schema = reg_schema_by_md5(c, md5);
    if (schema == NULL) {
        REFUSE(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found",
               WHOLE(http_part(rd->r, "guid")));
        return;
    }
    struct api_schema answer = meaning_of(schema, true, rd->a);
    api_schema_put(&rd->out, &answer);
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
            buf_put_str(&rd->out, any ? ",{\"context\":" : "{\"context\":");
            json_put_string(&rd->out, c->name);
            buf_printf(&rd->out, ",\"id\":%d}", (int)s->id);
            any = true;
        }
    buf_put_u8(&rd->out, ']');
    if (!any)
        REFUSE(rd, REG_SCHEMA_NOT_FOUND, "Schema " WHOLE_FMT " not found",
               WHOLE(http_part(rd->r, "guid")));
}

/* Lists. */

/* deleted=, deletedOnly=: which of the softly deleted count.  deletedOnly wins. */
static bool counts(bool is_deleted, bool deleted, bool only)
{
    return only ? is_deleted : deleted || !is_deleted;
}

void read_subjects(struct reading *rd)
{
    bool deleted = param_true(rd->r, "deleted");
    bool only = param_true(rd->r, "deletedOnly");
    size_t n = 0, kept = 0, first = 0;
    const struct reg_subject **all =
        reg_subjects(rd->s, param(rd->r, "subjectPrefix", ":*:"), rd->a, &n);
    struct span *names = arena_array(rd->a, n, sizeof *names);

    for (size_t i = 0; i < n; i++)
        if (counts(!reg_subject_lives(all[i], false), deleted, only))
            names[kept++] = all[i]->qualified;
    page(rd->r, SIZE_MAX, &first, &kept);
    api_texts_put(&rd->out, names + first, kept);
}

void read_versions(struct reading *rd)
{
    const struct reg_subject *subject = reg_subject_of(rd->s, subject_part(rd->r));
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
        subject_not_found(rd, subject_part(rd->r));
        return;
    }
    page(rd->r, SIZE_MAX, &first, &kept);
    api_ints_put(&rd->out, versions + first, kept);
}

void read_schemas(struct reading *rd)
{
    bool deleted = param_true(rd->r, "deleted"),
         latest = param_true(rd->r, "latestOnly");
    bool more = takes_more(rd->r);
    size_t n = 0, all_n = 0, first = 0;
    const struct reg_subject **subjects =
        reg_subjects(rd->s, param(rd->r, "subjectPrefix", ""), rd->a, &n);

    for (size_t i = 0; i < n; i++)
        all_n += subjects[i]->n;
    const struct reg_version **all = arena_array(rd->a, all_n, sizeof *all);
    all_n = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < subjects[i]->n; v++) {
            const struct reg_version *version = subjects[i]->versions[v];
            if (counts(version->deleted, deleted, false) &&
                (!latest || version == reg_version_latest(subjects[i], deleted)))
                all[all_n++] = version;
        }
    page(rd->r, SCHEMAS_MOST, &first, &all_n);
    buf_put_u8(&rd->out, '[');
    for (size_t i = 0; i < all_n; i++) {
        struct api_schema answer = answer_of(all[first + i], more, rd->a);
        if (i > 0)
            buf_put_u8(&rd->out, ',');
        api_schema_put(&rd->out, &answer);
    }
    buf_put_u8(&rd->out, ']');
}

void read_contexts(struct reading *rd)
{
    const struct reg_context *c;
    struct api_place *all = arena_array(rd->a, rd->s->contexts.n + 1, sizeof *all);
    size_t n = 0, first = 0;

    all[n++].subject = span_str("."); // there before anything is in it
    for (size_t at = 0; (c = tab_each(&rd->s->contexts, &at, NULL)) != NULL;)
        if (c->name.n > 1)
            all[n++].subject = c->name;
    qsort(all, n, sizeof *all, by_place);
    struct span *names = arena_array(rd->a, n, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = all[i].subject;
    page(rd->r, SIZE_MAX, &first, &n);
    api_texts_put(&rd->out, names + first, n);
}

/* By subject and version. */

static const struct reg_version *version_asked(struct reading *rd)
{
    struct span name = subject_part(rd->r);
    bool deleted = param_true(rd->r, "deleted");
    int32_t n = 0;

    if (!version_part(rd->r, rd->a, &n, &rd->no))
        return NULL;

    const struct reg_subject *subject = reg_subject_of(rd->s, name);
    if (!reg_subject_lives(subject, deleted)) {
        subject_not_found(rd, name);
        return NULL;
    }
    const struct reg_version *v =
        n > 0 ? reg_version_of(subject, n) : reg_version_latest(subject, deleted);
    if (v == NULL || (v->deleted && !deleted)) {
        REFUSE(rd, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
        return NULL;
    }
    return v;
}

void read_version(struct reading *rd)
{
    const struct reg_version *v = version_asked(rd);

    if (v == NULL)
        return;
    struct api_schema answer = answer_of(v, takes_more(rd->r), rd->a);
    api_schema_put(&rd->out, &answer);
}

void read_text_of_version(struct reading *rd)
{
    const struct reg_version *v = version_asked(rd);

    if (v != NULL)
        buf_put(&rd->out, v->schema->what.schema);
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

/* With a schema in the body. */

static bool normalize_asked(const struct reading *rd, struct span subject)
{
    struct api_config config = reg_config_in_force(rd->s, subject);

    return param_true(rd->r, "normalize") || api_config_true(&config, API_NORMALIZE);
}

static bool candidate_asked(struct reading *rd, struct reg_candidate *c)
{
    struct span subject = subject_part(rd->r);
    struct api_schema sent;

    return schema_body(rd->r, rd->a, &sent, &rd->no) &&
           reg_candidate_make(c, rd->s, subject, &sent, normalize_asked(rd, subject),
                              rd->a, &rd->no);
}

void read_lookup(struct reading *rd)
{
    struct span name = subject_part(rd->r);
    const struct reg_subject *subject = reg_subject_of(rd->s, name);
    bool deleted = param_true(rd->r, "deleted");
    struct reg_candidate c;

    if (!reg_subject_lives(subject, deleted)) {
        subject_not_found(rd, name);
        return;
    }
    if (!candidate_asked(rd, &c))
        return;
    const struct reg_version *v = reg_candidate_find(&c, rd->s, subject, deleted);
    reg_candidate_free(&c);
    if (v == NULL) {
        REFUSE(rd, REG_SCHEMA_NOT_FOUND, "Schema not found");
        return;
    }
    struct api_schema answer = answer_of(v, takes_more(rd->r), rd->a);
    api_schema_put(&rd->out, &answer);
}

/* Answers whether the schema in the body fits `versions`. */
static void put_compat(struct reading *rd, const struct reg_version *const *versions,
                       size_t n, enum av_level level)
{
    bool verbose = param_true(rd->r, "verbose");
    struct reg_candidate c;
    size_t lines = 0;

    if (!candidate_asked(rd, &c)) {
        if (!verbose || rd->no.code != REG_INVALID_SCHEMA)
            return;
        struct span why = rd->no.message; // said in the answer instead
        rd->no = (struct reg_refusal){0};
        api_compat_put(&rd->out, false, &why, 1);
        return;
    }
    const struct span *why =
        reg_candidate_misfit(&c, rd->s, versions, n, level, rd->a, &lines);
    static const struct span none[1];
    reg_candidate_free(&c);
    api_compat_put(&rd->out, why == NULL, verbose ? (why != NULL ? why : none) : NULL,
                   lines);
}

void read_compat_one(struct reading *rd)
{
    struct span name = subject_part(rd->r);
    const struct reg_subject *subject = reg_subject_of(rd->s, name);
    int32_t n = 0;

    if (!version_part(rd->r, rd->a, &n, &rd->no))
        return;
    const struct reg_version *v =
        n > 0 ? reg_version_of(subject, n) : reg_version_latest(subject, false);
    if (n > 0 && (v == NULL || v->deleted)) {
        REFUSE(rd, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
        return;
    }
    put_compat(rd, &v, v != NULL, reg_level_in_force(rd->s, name));
}

void read_compat_all(struct reading *rd)
{
    struct span name = subject_part(rd->r);
    enum av_level level = reg_level_in_force(rd->s, name);
    size_t n = 0;
    const struct reg_version **versions =
        reg_versions_compared(reg_subject_of(rd->s, name), level, rd->a, &n);

    put_compat(rd, versions, n, level);
}

/* Settings. */

void read_config(struct reading *rd)
{
    struct span subject = subject_part(rd->r);
    const struct reg_scope *scope = reg_scope_of(rd->s, subject);
    struct api_config config = {0};

    if (subject.n == 0 || param_true(rd->r, "defaultToGlobal"))
        config = reg_config_in_force(rd->s, subject);
    else if (scope != NULL && scope->has_config)
        config = scope->config;
    else {
        REFUSE(rd, REG_SUBJECT_LEVEL_NOT_FOUND,
               "Subject '" WHOLE_FMT
               "' does not have subject-level compatibility configured",
               WHOLE(subject));
        return;
    }
    api_config_put(&rd->out, &config, API_CONFIG_GET);
}

void read_mode(struct reading *rd)
{
    struct span subject = subject_part(rd->r);
    const struct reg_scope *scope = reg_scope_of(rd->s, subject);

    if (subject.n > 0 && !param_true(rd->r, "defaultToGlobal") &&
        (scope == NULL || !scope->has_mode)) {
        REFUSE(rd, REG_SUBJECT_MODE_NOT_FOUND,
               "Subject '" WHOLE_FMT "' does not have subject-level mode configured",
               WHOLE(subject));
        return;
    }
    api_mode_put(&rd->out, reg_mode_in_force(rd->s, subject));
}

/* The server. */

void read_cluster(struct reading *rd)
{
    buf_put_str(&rd->out, "{\"scope\":{\"path\":[],\"clusters\":{\"kafka-cluster\":");
    json_put_string(&rd->out, rd->api->o.cluster);
    buf_put_str(&rd->out,
                ",\"schema-registry-cluster\":\"schema-registry\"}},\"id\":\"\"}");
}

void read_release(struct reading *rd)
{
    buf_put_str(&rd->out, "{\"version\":\"" AVROGATE_VERSION "\",\"commitId\":\"\"}");
}

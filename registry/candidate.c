#include "registry/candidate.h"

#include "avro-core/canon.h"
#include "avro-core/identical.h"
#include "contract/contract.h"
#include "registry/meta.h"
#include "wire/guid.h"
#include "wire/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEMA_MOST (8 << 20) // of a printed schema; what may be sent is the HTTP limit
#define WRITTEN_OUT_MOST (64 << 20)
#define REFERENCES_DEPTH 32
#define KNOWN_MOST 1000 // schemas a schema may stand on, references of references too

void reg_refuse(struct reg_refusal *no, struct arena *a, int code, const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *no = (struct reg_refusal){.code = code, .message = arena_copy(a, span_str(text))};
}

/* The schemas that a text's references bring in, the deepest first. */
struct known {
    struct av_schema *parsed[KNOWN_MOST];
    const struct reg_schema *from[KNOWN_MOST];
    size_t n;
};

static void known_free(struct known *k)
{
    while (k->n > 0)
        av_schema_release(k->parsed[--k->n]);
}

static bool is_known(const struct known *k, const struct reg_schema *schema)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->from[i] == schema)
            return true;
    return false;
}

/* An unqualified subject in a reference is one of the context around it. */
static const struct reg_subject *referred(const struct reg_state *s,
                                          struct span context, struct span subject)
{
    struct subject split = subject_split(subject);

    if (split.name.n != subject.n)
        return reg_subject_of(s, subject);

    const struct reg_context *c = tab_get(&s->contexts, context);
    return c != NULL ? tab_get(&c->subjects, subject) : NULL;
}

const struct reg_version *reg_referred(const struct reg_state *s, struct span context,
                                       const struct api_reference *ref)
{
    const struct reg_subject *subject = referred(s, context, ref->subject);

    return ref->version > 0 ? reg_version_of(subject, ref->version)
                            : reg_version_latest(subject, false);
}

static enum err_kind gather(struct known *k, const struct reg_state *s,
                            struct span context, const struct api_schema *what,
                            int depth, struct err *e);

/* Parses a stored schema and puts it behind all it stands on. */
static enum err_kind gather_one(struct known *k, const struct reg_state *s,
                                const struct reg_schema *schema, int depth,
                                struct err *e)
{
    if (is_known(k, schema))
        return ERR_OK;
    if (depth == REFERENCES_DEPTH)
        return err_set(e, ERR_LIMIT, "references deeper than %d", REFERENCES_DEPTH);
    TRY(gather(k, s, schema->context->name, &schema->what, depth + 1, e));
    if (k->n == KNOWN_MOST)
        return err_set(e, ERR_LIMIT, "more than %d referenced schemas", KNOWN_MOST);
    TRY(av_schema_parse(&k->parsed[k->n], schema->what.schema, k->parsed, k->n, NULL,
                        e));
    k->from[k->n++] = schema;
    return ERR_OK;
}

static enum err_kind gather(struct known *k, const struct reg_state *s,
                            struct span context, const struct api_schema *what,
                            int depth, struct err *e)
{
    for (size_t i = 0; i < what->n_references; i++) {
        const struct api_reference *ref = &what->references[i];
        const struct reg_version *v = reg_referred(s, context, ref);

        if (v == NULL)
            return err_set(e, ERR_INVALID,
                           "no schema reference found for subject \"" SPAN_FMT
                           "\" and version %d",
                           SPAN_ARG(ref->subject), (int)ref->version);
        if (!api_is_avro(&v->schema->what))
            return err_set(e, ERR_INVALID,
                           "reference \"" SPAN_FMT "\" is no Avro schema",
                           SPAN_ARG(ref->name));
        TRY(gather_one(k, s, v->schema, depth, e));
    }
    return ERR_OK;
}

/* `what`, standing in `context`, parsed together with what it refers to. */
static enum err_kind parse(struct av_schema **out, const struct reg_state *s,
                           struct span context, const struct api_schema *what,
                           struct err *e)
{
    if (what->n_references == 0) // nearly all of them
        return av_schema_parse(out, what->schema, NULL, 0, NULL, e);

    struct known *k = mem_alloc(sizeof *k);
    enum err_kind rc = gather(k, s, context, what, 0, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, what->schema, k->parsed, k->n, NULL, e);
    known_free(k);
    free(k);
    return rc;
}

enum err_kind reg_written_out(struct span *out, const struct reg_state *s,
                              const struct reg_schema *schema, struct arena *a,
                              struct err *e)
{
    struct buf text = BUF_INIT(WRITTEN_OUT_MOST);
    struct av_schema *parsed = NULL;

    TRY(parse(&parsed, s, schema->context->name, &schema->what, e));
    av_print_alone(&text, parsed);
    av_schema_release(parsed);
    enum err_kind rc = buf_status(&text, e);
    if (rc == ERR_OK)
        *out = arena_copy(a, buf_span(&text));
    buf_free(&text);
    return rc;
}

/* The references as they are kept: "latest" becomes the version it is now. */
static void pin_references(struct reg_candidate *c, const struct reg_state *s,
                           struct span context, struct arena *a)
{
    struct api_reference *refs = arena_array(a, c->what.n_references, sizeof *refs);

    for (size_t i = 0; i < c->what.n_references; i++) {
        refs[i] = c->what.references[i];
        refs[i].version = reg_referred(s, context, &refs[i])->version;
    }
    c->what.references = refs;
}

/* What Avro alone cannot tell about it. */
static bool is_served(const struct api_schema *sent, struct arena *a,
                      struct reg_refusal *no)
{
    if (!api_is_avro(sent)) {
        reg_refuse(no, a, REG_INVALID_SCHEMA,
                   "Invalid schema type " SPAN_FMT ": this registry holds AVRO schemas "
                   "only",
                   SPAN_ARG(sent->type));
        return false;
    }
    if (sent->schema.n == 0) {
        reg_refuse(no, a, REG_INVALID_SCHEMA, "Empty schema");
        return false;
    }
    return true;
}

/* What stands beside the schema. */
static bool take_meta(struct reg_candidate *c, const struct api_schema *sent,
                      struct arena *a, struct reg_refusal *no)
{
    struct err e = {0};

    c->says_metadata = sent->metadata.n > 0;
    c->says_rules = sent->rules.n > 0;
    if (reg_metadata_tidy(&c->what.metadata, sent->metadata, a, &e) != ERR_OK) {
        reg_refuse(no, a, REG_INVALID_SCHEMA, "Invalid schema: %s", e.msg);
        return false;
    }
    if (reg_rules_tidy(&c->what.rules, sent->rules, a, &e) != ERR_OK) {
        reg_refuse(no, a, REG_INVALID_RULES, "Invalid rule set: %s", e.msg);
        return false;
    }
    return true;
}

bool reg_candidate_make(struct reg_candidate *out, const struct reg_state *s,
                        struct span subject, const struct api_schema *sent,
                        bool normalize, struct arena *a, struct reg_refusal *no)
{
    struct span context = subject_split(subject).context;
    struct reg_candidate c = {.what = {.references = sent->references,
                                       .n_references = sent->n_references,
                                       .schema = sent->schema},
                              .sent = sent->schema};
    struct err e = {0};

    if (!is_served(sent, a, no) || !take_meta(&c, sent, a, no))
        return false;
    if (parse(&c.parsed, s, context, &c.what, &e) != ERR_OK) {
        reg_refuse(no, a, REG_INVALID_SCHEMA, "Invalid schema: %s", e.msg);
        return false;
    }

    struct buf text = BUF_INIT(SCHEMA_MOST);
    (normalize ? av_print_normalized : av_print)(&text, c.parsed);
    if (buf_status(&text, &e) != ERR_OK) {
        reg_refuse(no, a, REG_TOO_LARGE, "Schema is too large: %s", e.msg);
        reg_candidate_free(&c);
        buf_free(&text);
        return false;
    }
    c.what.schema = arena_copy(a, buf_span(&text));
    buf_free(&text);
    pin_references(&c, s, context, a);
    guid_md5(c.md5, &c.what);
    *out = c;
    return true;
}

void reg_candidate_free(struct reg_candidate *c)
{
    av_schema_release(c->parsed);
    c->parsed = NULL;
}

bool reg_config_dresses(const struct api_config *config)
{
    static const enum api_config_member those[] = {
        API_DEFAULT_METADATA, API_OVERRIDE_METADATA, API_DEFAULT_RULES,
        API_OVERRIDE_RULES};

    for (size_t i = 0; i < sizeof those / sizeof *those; i++)
        if (config->member[those[i]].n > 0)
            return true;
    return false;
}

void reg_candidate_dress(struct reg_candidate *c, const struct reg_version *before,
                         const struct api_config *config, struct arena *a)
{
    const struct span *set = config->member;
    struct span metadata = c->what.metadata, rules = c->what.rules;

    if (before != NULL && !c->says_metadata)
        metadata = before->schema->what.metadata;
    if (before != NULL && !c->says_rules)
        rules = before->schema->what.rules;
    metadata = reg_metadata_merge(set[API_DEFAULT_METADATA], metadata, a);
    rules = reg_rules_merge(set[API_DEFAULT_RULES], rules, a);
    c->what.metadata = reg_metadata_merge(metadata, set[API_OVERRIDE_METADATA], a);
    c->what.rules = reg_rules_merge(rules, set[API_OVERRIDE_RULES], a);
    c->says_metadata = c->says_rules = true;
    guid_md5(c->md5, &c->what);
}

bool reg_candidate_keeps_rules(const struct reg_candidate *c, struct arena *a,
                               struct reg_refusal *no)
{
    struct err e = {0};

    if (contract_check(c->parsed, c->what.metadata, c->what.rules, &e) == ERR_OK)
        return true;
    reg_refuse(no, a, REG_INVALID_RULES, "Invalid rule set: %s", e.msg);
    return false;
}

/* By what the text says, to the byte. */
static const struct reg_version *find_text(const struct reg_candidate *c,
                                           const struct reg_subject *subject,
                                           bool deleted)
{
    const struct reg_version *found = NULL;

    for (const struct reg_schema *schema = reg_schema_by_md5(subject->context, c->md5);
         schema != NULL; schema = schema->same)
        for (const struct reg_version *v = schema->places; v != NULL; v = v->next_place)
            if (v->subject == subject && (deleted || !v->deleted) &&
                (found == NULL || v->version > found->version))
                found = v;
    return found;
}

static bool same_references(const struct api_schema *a, const struct api_schema *b)
{
    if (a->n_references != b->n_references)
        return false;
    for (size_t i = 0; i < a->n_references; i++) {
        const struct api_reference *x = &a->references[i], *y = &b->references[i];

        if (!span_eq(x->name, y->name) || !span_eq(x->subject, y->subject) ||
            x->version != y->version)
            return false;
    }
    return true;
}

static bool is_same(const struct reg_candidate *c, const struct reg_state *s,
                    const struct reg_version *v)
{
    const struct api_schema *what = &v->schema->what;
    struct av_schema *stored = NULL;
    struct err e = {0};

    if (!api_is_avro(what) || !same_references(&c->what, what) ||
        (c->says_metadata && !span_eq(c->what.metadata, what->metadata)) ||
        (c->says_rules && !span_eq(c->what.rules, what->rules)))
        return false;
    if (parse(&stored, s, v->subject->context->name, what, &e) != ERR_OK)
        return false;
    bool same = av_identical(c->parsed, stored);
    av_schema_release(stored);
    return same;
}

const struct reg_version *reg_candidate_find(const struct reg_candidate *c,
                                             const struct reg_state *s,
                                             const struct reg_subject *subject,
                                             bool deleted)
{
    if (subject == NULL)
        return NULL;

    const struct reg_version *found = find_text(c, subject, deleted);
    for (size_t i = subject->n; found == NULL && i-- > 0;) {
        const struct reg_version *v = subject->versions[i];
        if ((deleted || !v->deleted) && is_same(c, s, v))
            found = v;
    }
    return found;
}

/* A stored schema we cannot read: nothing can be said to fit it. */
static const struct span *unreadable(const struct reg_version *v, const char *why,
                                     struct arena *a, size_t *n)
{
    struct span *line = arena_alloc(a, sizeof *line);

    *line = arena_printf(a, "{oldSchemaVersion: %d, unreadable: '%s'}", (int)v->version,
                         why);
    *n = 1;
    return line;
}

bool reg_candidate_misfit(const struct reg_candidate *c, const struct reg_state *s,
                          const struct reg_version *const *versions, size_t n,
                          enum av_level level, struct arena *a, struct reg_misfit *out)
{
    struct av_schema **parsed = arena_array(a, n, sizeof *parsed);
    struct messages_old *old = arena_array(a, n, sizeof *old);
    struct err e = {0};
    size_t have = 0;

    *out = (struct reg_misfit){.old = old};
    if (level == AV_LEVEL_NONE)
        return false;
    for (; have < n && out->lines == NULL; have++) {
        const struct reg_version *v = versions[have];
        const struct api_schema *what = &v->schema->what;

        old[have] = (struct messages_old){.version = v->version, .text = what->schema};
        if (!api_is_avro(what))
            out->lines = unreadable(v, "another schema type", a, &out->n_lines);
        else if (parse(&parsed[have], s, v->subject->context->name, what, &e) != ERR_OK)
            out->lines = unreadable(v, e.msg, a, &out->n_lines);
    }

    if (out->lines == NULL)
        out->verdict = av_compat_level(level, c->parsed,
                                       (const struct av_schema *const *)parsed, n, a);
    if (out->verdict != NULL)
        out->lines = messages_of(out->verdict, old, level, a, &out->n_lines);
    for (size_t i = 0; i < have; i++)
        av_schema_release(parsed[i]);
    return out->lines != NULL;
}

static bool looks_at_all(enum av_level level)
{
    return level == AV_LEVEL_BACKWARD_TRANSITIVE ||
           level == AV_LEVEL_FORWARD_TRANSITIVE || level == AV_LEVEL_FULL_TRANSITIVE;
}

static bool same_group(struct span group, struct span x, struct span y, struct arena *a)
{
    struct span value = {0}, other = {0};
    bool has = reg_metadata_property(x, group, a, &value);

    return has == reg_metadata_property(y, group, a, &other) && span_eq(value, other);
}

/* The name of the property that makes groups; false: there are none. */
static bool group_of(const struct api_config *config, struct arena *a,
                     struct span *group)
{
    const struct json *j = NULL;
    struct err e = {0};

    if (config->member[API_GROUP].n == 0 ||
        json_read(&j, config->member[API_GROUP], NULL, a, &e) != ERR_OK ||
        !json_is(j, JSON_STRING))
        return false;
    *group = j->text;
    return true;
}

const struct reg_version **reg_versions_compared(const struct reg_subject *subject,
                                                 const struct api_config *config,
                                                 struct span metadata, struct arena *a,
                                                 size_t *n)
{
    size_t all = subject != NULL ? subject->n : 0;
    const struct reg_version **versions = arena_array(a, all, sizeof *versions);
    struct span group = {0};
    bool grouped = group_of(config, a, &group);

    *n = 0;
    for (size_t i = 0; i < all; i++) {
        const struct reg_version *v = subject->versions[i];

        if (!v->deleted &&
            (!grouped || same_group(group, metadata, v->schema->what.metadata, a)))
            versions[(*n)++] = v;
    }
    if (*n > 1 && !looks_at_all(reg_level_of(config))) {
        versions[0] = versions[*n - 1];
        *n = 1;
    }
    return versions;
}

#include "registry/api_inside.h"
#include "registry/may.h"
#include "wire/explain.h"

static bool normalize_asked(const struct reading *rd, struct span subject)
{
    struct api_config config = reg_config_in_force(rd->s, subject);

    return param_true(rd->r, "normalize") || api_config_true(&config, API_NORMALIZE);
}

static bool candidate_asked(struct reading *rd, struct reg_candidate *c)
{
    struct span subject = subject_meant(rd);
    struct api_schema sent;

    return schema_body(rd->r, rd->a, &sent, &rd->no) &&
           reg_may_refer(rd->api, rd->r, &sent, subject, rd->a, &rd->no) &&
           reg_candidate_make(c, rd->s, subject, &sent, normalize_asked(rd, subject),
                              rd->a, &rd->no);
}

void read_lookup(struct reading *rd)
{
    struct span name = subject_meant(rd);
    bool deleted = param_true(rd->r, "deleted");
    const struct reg_subject *subject = subject_found(rd, name, deleted);
    struct reg_candidate c;

    if (!reg_subject_lives(subject, deleted)) {
        refuse_subject(rd, name);
        return;
    }
    if (!candidate_asked(rd, &c))
        return;
    const struct reg_version *v = reg_candidate_find(&c, rd->s, subject, deleted);
    reg_candidate_free(&c);
    if (v == NULL) {
        REFUSE_READ(rd, REG_SCHEMA_NOT_FOUND, "Schema not found");
        return;
    }
    put_schema(rd, v->schema, answer_of(v, takes_more(rd->r), rd->a));
}

/* verbose= adds Confluent's lines, explain= ours. */
static void put_verdict(struct reading *rd, bool fits, const struct reg_misfit *why,
                        struct span sent)
{
    static const struct span none[1];
    const struct span *lines = fits ? none : why->lines;

    api_compat_put(&rd->out, fits, param_true(rd->r, "verbose") ? lines : NULL,
                   why->n_lines);
    if (!param_true(rd->r, "explain"))
        return;
    rd->out.n--; // into the object
    buf_put_str(&rd->out, ",\"explanation\":");
    explain_put(&rd->out, why->verdict, why->old, sent);
    buf_put_u8(&rd->out, '}');
}

/* Answers whether the schema in the body fits; `only` NULL: as the level says. */
static void put_compat(struct reading *rd, const struct reg_version *only, bool one)
{
    struct span name = subject_meant(rd);
    struct api_config config = reg_config_in_force(rd->s, name);
    bool verbose = param_true(rd->r, "verbose");
    size_t n = only != NULL;
    struct reg_candidate c;

    if (!candidate_asked(rd, &c)) {
        if (!verbose || rd->no.code != REG_INVALID_SCHEMA)
            return;
        struct span why = rd->no.message; // said in the answer instead
        rd->no = (struct reg_refusal){0};
        api_compat_put(&rd->out, false, &why, 1);
        return;
    }
    const struct reg_version *const *versions =
        one ? &only
            : reg_versions_compared(reg_subject_of(rd->s, name), &config,
                                    c.what.metadata, rd->a, &n);
    struct reg_misfit why;
    bool fits = !reg_candidate_breaks_reserve(&c, reg_subject_of(rd->s, name), &config,
                                              rd->a, &why) &&
                !reg_candidate_misfit(&c, rd->s, versions, n, reg_level_of(&config),
                                      rd->a, &why);
    reg_candidate_free(&c);
    put_verdict(rd, fits, &why, c.sent);
}

void read_compat_one(struct reading *rd)
{
    const struct reg_subject *subject = reg_subject_of(rd->s, subject_meant(rd));
    int32_t n = 0;

    if (!version_part(rd->r, rd->a, &n, &rd->no))
        return;
    const struct reg_version *v =
        n > 0 ? reg_version_of(subject, n) : reg_version_latest(subject, false);
    if (n > 0 && (v == NULL || v->deleted)) {
        REFUSE_READ(rd, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
        return;
    }
    put_compat(rd, v, true);
}

void read_compat_all(struct reading *rd)
{
    put_compat(rd, NULL, false);
}

#include "registry/candidate.h"
#include "registry/meta.h"

/* The next name of a list with commas, blanks taken off; empty at the end. */
static struct span next_name(struct span *list)
{
    struct span name = {0};

    while (list->n > 0 && name.n == 0) {
        const uint8_t *comma = memchr(list->p, ',', list->n);
        size_t n = comma != NULL ? (size_t)(comma - list->p) : list->n;

        name = span_of(list->p, n);
        *list = span_skip(*list, comma != NULL ? n + 1 : n);
        while (name.n > 0 && name.p[0] == ' ')
            name = span_skip(name, 1);
        while (name.n > 0 && name.p[name.n - 1] == ' ')
            name.n--;
    }
    return name;
}

static struct span reserved(struct span metadata, struct arena *a)
{
    struct span list = {0};

    (void)reg_metadata_property(metadata, span_str("confluent:reserved"), a, &list);
    return list;
}

static bool lists(struct span list, struct span wanted)
{
    for (struct span name = next_name(&list); name.n > 0; name = next_name(&list))
        if (span_eq(name, wanted))
            return true;
    return false;
}

static bool has_field(const struct json *schema, struct span wanted)
{
    const struct json *fields = json_member(schema, "fields");

    for (const struct json *f = fields != NULL ? fields->first : NULL; f != NULL;
         f = f->next) {
        const struct json *name = json_member(f, "name");
        if (json_is(name, JSON_STRING) && span_eq(name->text, wanted))
            return true;
    }
    return false;
}

static void add_line(struct reg_misfit *out, struct span *lines, const char *type,
                     const char *what, struct span name, struct arena *a)
{
    lines[out->n_lines++] = arena_printf(
        a, "{errorType:'%s', description:'%s', additionalInfo:'" WHOLE_FMT "'}", type,
        what, WHOLE(name));
}

static size_t count(struct span list)
{
    size_t n = 1;

    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == ',';
    return n;
}

bool reg_candidate_breaks_reserve(const struct reg_candidate *c,
                                  const struct reg_subject *subject,
                                  const struct api_config *config, struct arena *a,
                                  struct reg_misfit *out)
{
    static const struct json_limits limits = {.depth = 1000};
    const struct reg_version *before = reg_version_latest(subject, false);
    const struct json *schema = NULL;
    struct span now, was = {0};
    struct err e;

    *out = (struct reg_misfit){0};
    if (!api_config_true(config, API_VALIDATE_FIELDS) ||
        json_read(&schema, c->what.schema, &limits, a, &e) != ERR_OK)
        return false;
    now = reserved(c->what.metadata, a);
    if (before != NULL)
        was = reserved(before->schema->what.metadata, a);
    struct span *lines = arena_array(a, count(now) + count(was), sizeof *lines);

    for (struct span left = was, name = next_name(&left); name.n > 0;
         name = next_name(&left))
        if (!lists(now, name))
            add_line(out, lines, "RESERVED_FIELD_REMOVED",
                     "a name that the version before reserves is not reserved", name,
                     a);
    for (struct span left = now, name = next_name(&left); name.n > 0;
         name = next_name(&left))
        if (has_field(schema, name))
            add_line(out, lines, "FIELD_CONFLICTS_WITH_RESERVED_FIELD",
                     "a field has a name that the metadata reserves", name, a);
    out->lines = out->n_lines > 0 ? lines : NULL;
    return out->lines != NULL;
}

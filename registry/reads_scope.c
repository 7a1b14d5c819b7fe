#include "registry/api_inside.h"
#include "registry/may.h"

#include <stdlib.h>

/* Settings. */

void read_config(struct reading *rd)
{
    struct span subject = subject_part(rd->r, rd->a);
    const struct reg_scope *scope = reg_scope_of(rd->s, subject);
    struct api_config config = {0};

    if (subject.n == 0 || param_true(rd->r, "defaultToGlobal"))
        config = reg_config_in_force(rd->s, subject);
    else if (scope != NULL && scope->has_config)
        config = scope->config;
    else {
        REFUSE_READ(rd, REG_SUBJECT_LEVEL_NOT_FOUND,
                    "Subject '" WHOLE_FMT
                    "' does not have subject-level compatibility configured",
                    WHOLE(subject));
        return;
    }
    api_config_put(&rd->out, &config, API_CONFIG_GET);
}

void read_mode(struct reading *rd)
{
    struct span subject = subject_part(rd->r, rd->a);
    const struct reg_scope *scope = reg_scope_of(rd->s, subject);

    if (subject.n > 0 && !param_true(rd->r, "defaultToGlobal") &&
        (scope == NULL || !scope->has_mode)) {
        REFUSE_READ(rd, REG_SUBJECT_MODE_NOT_FOUND,
                    "Subject '" WHOLE_FMT
                    "' does not have subject-level mode configured",
                    WHOLE(subject));
        return;
    }
    api_mode_put(&rd->out, reg_mode_in_force(rd->s, subject));
}

/* Has it a subject they may read?  An empty one tells nothing. */
static bool is_shown(struct reading *rd, const struct reg_context *c)
{
    const struct reg_subject *s;

    if (c->subjects.n == 0)
        return true;
    for (size_t at = 0; (s = tab_each(&c->subjects, &at, NULL)) != NULL;)
        if (reg_may(rd->api, rd->r, ACL_READ, s->qualified))
            return true;
    return false;
}

static bool begins(struct span s, struct span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

void read_contexts(struct reading *rd)
{
    const struct reg_context *c;
    struct api_place *all = arena_array(rd->a, rd->s->contexts.n + 1, sizeof *all);
    struct span prefix = {0};
    size_t n = 0, first = 0;

    (void)http_param(rd->r, "contextPrefix", &prefix);
    if (begins(span_str("."), prefix))
        all[n++].subject = span_str("."); // there before anything is in it
    for (size_t at = 0; (c = tab_each(&rd->s->contexts, &at, NULL)) != NULL;)
        if (c->name.n > 1 && begins(c->name, prefix) && is_shown(rd, c))
            all[n++].subject = c->name;
    qsort(all, n, sizeof *all, by_place);
    struct span *names = arena_array(rd->a, n, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = all[i].subject;
    page(rd->r, SIZE_MAX, &first, &n);
    api_texts_put(&rd->out, names + first, n);
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

void read_deployment(struct reading *rd)
{
    buf_put_str(&rd->out, "{\"attributes\":[]}");
}

#include "avro-core/compat.h"

#include <strings.h>

static const struct {
    const char *name;
    bool backward, forward, transitive;
} levels[] = {
    [AV_LEVEL_NONE] = {"NONE", false, false, false},
    [AV_LEVEL_BACKWARD] = {"BACKWARD", true, false, false},
    [AV_LEVEL_BACKWARD_TRANSITIVE] = {"BACKWARD_TRANSITIVE", true, false, true},
    [AV_LEVEL_FORWARD] = {"FORWARD", false, true, false},
    [AV_LEVEL_FORWARD_TRANSITIVE] = {"FORWARD_TRANSITIVE", false, true, true},
    [AV_LEVEL_FULL] = {"FULL", true, true, false},
    [AV_LEVEL_FULL_TRANSITIVE] = {"FULL_TRANSITIVE", true, true, true},
};

#define LEVELS (sizeof levels / sizeof *levels)

const char *av_level_name(enum av_level l)
{
    return levels[l].name;
}

enum err_kind av_level_read(enum av_level *out, struct span name, struct err *e)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (name.n == strlen(levels[i].name) &&
            strncasecmp((const char *)name.p, levels[i].name, name.n) == 0) {
            *out = (enum av_level)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID,
                   "level \"" SPAN_FMT
                   "\": wanted NONE, BACKWARD, FORWARD or FULL, or one "
                   "of the last three with _TRANSITIVE",
                   SPAN_ARG(name));
}

/* One direction against one version; where the next verdict goes. */
static const struct av_verdict **judge(const struct av_verdict **end,
                                       bool new_reads_old,
                                       const struct av_schema *fresh,
                                       const struct av_schema *old, size_t version,
                                       struct arena *a)
{
    const struct av_incompat *reasons =
        new_reads_old ? av_compat(fresh, old, 0, a) : av_compat(old, fresh, 0, a);

    if (reasons == NULL)
        return end;
    struct av_verdict *v = arena_alloc(a, sizeof *v);
    *v = (struct av_verdict){version, new_reads_old, reasons, NULL};
    *end = v;
    return &v->next;
}

const struct av_verdict *av_compat_level(enum av_level level,
                                         const struct av_schema *fresh,
                                         const struct av_schema *const *old, size_t n,
                                         struct arena *a)
{
    const struct av_verdict *first = NULL, **end = &first;
    size_t until = levels[level].transitive || n == 0 ? 0 : n - 1;

    for (size_t i = n; i-- > until;) { // newest first, as the registry reports
        if (levels[level].backward)
            end = judge(end, true, fresh, old[i], i, a);
        if (levels[level].forward)
            end = judge(end, false, fresh, old[i], i, a);
    }
    return first;
}

#include "registry/doubt.h"

static bool deletes_latest(const struct reg_command *c)
{
    return c->verb == REG_DO_DELETE_VERSION && c->version == 0;
}

enum reg_settled reg_settle(enum reg_doubt doubt, const struct reg_state *s,
                            const struct reg_command *c,
                            const struct reg_decision *before)
{
    if (doubt == REG_SURE)
        return REG_AGAIN;
    if (before->no.code == 0 && reg_is_so(s, c, before))
        return REG_DONE;
    // The holder may have had another latest version before it: not to be done twice.
    return doubt == REG_DOUBT_ELSEWHERE && deletes_latest(c) ? REG_UNKNOWABLE
                                                             : REG_AGAIN;
}

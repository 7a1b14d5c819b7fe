#include "registry/api_inside.h"

/* What is not known is null: who reads it should not have to guess which. */
static void put_text(struct buf *out, const char *name, struct span s)
{
    buf_printf(out, ",\"%s\":", name);
    if (s.n > 0)
        json_put_string(out, s);
    else
        buf_put_str(out, "null");
}

static void put_act(struct buf *out, const struct reg_act *act)
{
    buf_printf(out, "{\"what\":\"%s\",\"ts\":", reg_deed_name(act->deed));
    if (act->ts > 0)
        json_put_int(out, act->ts);
    else
        buf_put_str(out, "null");
    put_text(out, "principal", act->who);
    put_text(out, "address", act->client);
    put_text(out, "agent", act->agent);
    put_text(out, "reason", act->reason);
    if (act->left_out > 0)
        buf_printf(out, ",\"leftOut\":%d", (int)act->left_out);
    buf_put_u8(out, '}');
}

/* Softly deleted versions have one too: that they are is part of it. */
static const struct reg_version *version_told(struct reading *rd)
{
    struct span name = subject_meant(rd);
    int32_t n = 0;

    if (!version_part(rd->r, rd->a, &n, &rd->no))
        return NULL;
    const struct reg_subject *subject = subject_found(rd, name, true);
    if (!reg_subject_lives(subject, true)) {
        refuse_subject(rd, name);
        return NULL;
    }
    const struct reg_version *v =
        n > 0 ? reg_version_of(subject, n) : reg_version_latest(subject, false);
    if (v == NULL)
        REFUSE_READ(rd, REG_VERSION_NOT_FOUND, "Version %d not found.", (int)n);
    return v;
}

void read_history(struct reading *rd)
{
    const struct reg_version *v = version_told(rd);

    if (v == NULL)
        return;
    buf_put_str(&rd->out, "{\"subject\":");
    json_put_string(&rd->out, v->subject->qualified);
    buf_printf(&rd->out, ",\"version\":%d,\"id\":%d,\"deleted\":%s,\"history\":[",
               (int)v->version, (int)v->schema->id, v->deleted ? "true" : "false");
    for (const struct reg_act *act = v->history.first; act != NULL; act = act->next) {
        put_act(&rd->out, act);
        if (act->next != NULL)
            buf_put_u8(&rd->out, ',');
    }
    buf_put_str(&rd->out, "]}");
}

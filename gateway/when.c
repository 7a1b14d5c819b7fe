#include "gateway/when.h"

#include "avro-core/moment.h"
#include "gateway/pick.h"

/* Towards the past. */
static int64_t floor_by(int64_t v, int64_t unit)
{
    return v / unit - (v % unit < 0);
}

bool when_read(int64_t *ms, struct span text)
{
    int64_t ns;

    if (moment_instant(ms, text, 1000, false) == MOMENT_FITS)
        return true;
    if (moment_instant(&ns, text, 1000000000, false) != MOMENT_FITS)
        return false;
    *ms = floor_by(ns, 1000000);
    return true;
}

static enum err_kind refuse_type(const struct picked *p, struct err *e)
{
    return err_set(e, ERR_INVALID, "a value of type %s", av_type_name(p->node->type));
}

static enum err_kind read_number(int64_t *ms, const struct picked *p, struct err *e)
{
    switch (p->node->logical) {
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: *ms = floor_by(p->int64, 1000); break;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: *ms = floor_by(p->int64, 1000000); break;
    case AV_DATE: *ms = p->int64 * 86400000; break;
    default:
        if (p->node->type != AV_LONG)
            return refuse_type(p, e);
        *ms = p->int64;
    }
    return ERR_OK;
}

static enum err_kind read_text(int64_t *ms, const struct picked *p, struct err *e)
{
    if (p->node->type != AV_STRING)
        return refuse_type(p, e);
    if (!when_read(ms, p->text))
        return err_set(e, ERR_INVALID, "text that is no time of RFC 3339");
    return ERR_OK;
}

enum err_kind when_of(int64_t *ms, const struct av_plan *plan, struct span field,
                      struct span datum, bool *has, struct err *e)
{
    struct picked p = {0};
    int64_t found = 0;

    TRY(pick_field(&p, plan, field, datum, e));
    *has = p.kind != PICKED_NULL;
    if (p.kind == PICKED_NULL)
        return ERR_OK;
    if (p.kind == PICKED_INT64)
        TRY(read_number(&found, &p, e));
    else if (p.kind == PICKED_TEXT)
        TRY(read_text(&found, &p, e));
    else
        return refuse_type(&p, e);
    if (found < 0)
        return err_set(e, ERR_INVALID, "a time before 1970");
    if (found == 0) // librdkafka takes it for none
        return err_set(e, ERR_INVALID,
                       "the first millisecond of 1970, which is no time for Kafka");
    *ms = found;
    return ERR_OK;
}

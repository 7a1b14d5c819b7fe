#include "gateway/key.h"

#include "base/json.h"
#include "gateway/pick.h"

enum err_kind key_of(struct buf *out, const struct av_plan *plan, struct span field,
                     struct span datum, bool *has, struct err *e)
{
    struct picked p = {0};

    TRY(pick_field(&p, plan, field, datum, e));
    switch (p.kind) {
    case PICKED_NULL: break;
    case PICKED_BOOLEAN: buf_put_str(out, p.boolean ? "true" : "false"); break;
    case PICKED_INT64: json_put_int(out, p.int64); break;
    case PICKED_TEXT: buf_put(out, p.text); break;
    case PICKED_OTHER:
        return err_set(e, ERR_INVALID, "a value of type %s",
                       av_type_name(p.node->type));
    }
    TRY(buf_status(out, e));
    *has = p.kind != PICKED_NULL;
    return ERR_OK;
}

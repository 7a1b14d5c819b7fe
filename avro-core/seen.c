#include "avro-core/seen.h"

#include "base/buf.h"

bool av_seen_add(struct seen *s, const struct av_name *name)
{
    static char here; // any pointer will do
    struct buf full = BUF_INIT(name->space.n + 1 + name->base.n);

    buf_put(&full, name->space);
    buf_put_u8(&full, '.');
    buf_put(&full, name->base);
    bool before = tab_put(&s->names, buf_span(&full), &here) != NULL;
    buf_free(&full);
    return !before;
}

void av_seen_free(struct seen *s)
{
    tab_free(&s->names);
}

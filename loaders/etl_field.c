#include "loaders/etl_field.h"

#include "avro-core/put.h"
#include "base/json.h"
#include "loaders/batch.h"
#include "loaders/copy.h"
#include "loaders/etl_log.h"

void etl_field_text(struct buf *out, struct span text)
{
    size_t at = copy_open(out);

    etl_put_clean(out, text);
    copy_close(out, at);
}

void etl_field_text_or_null(struct buf *out, struct span text)
{
    if (text.n == 0)
        copy_null(out);
    else
        etl_field_text(out, text);
}

void etl_field_bytes_or_null(struct buf *out, struct span bytes)
{
    if (bytes.p == NULL)
        copy_null(out);
    else
        copy_bytea(out, bytes);
}

void etl_field_id(struct buf *out, const char *uuid)
{
    struct err never = {0};

    (void)!copy_uuid(out, span_str(uuid), &never);
}

void etl_field_headers(struct buf *out, struct span packed)
{
    struct span name, value;
    struct buf clean = BUF_INIT(64 << 10);
    bool first = true;

    if (packed.n == 0) {
        copy_null(out);
        return;
    }
    size_t at = copy_open(out);
    buf_put_str(out, "\1[");
    while (batch_next_header(&packed, &name, &value)) {
        buf_reset(&clean);
        etl_put_clean(&clean, name);
        buf_put_str(out, first ? "{\"name\":" : ",{\"name\":");
        json_put_string(out, buf_span(&clean));
        buf_put_str(out, value.p == NULL ? ",\"value\":null" : ",\"value\":\"");
        put_base64(out, value);
        buf_put_str(out, value.p == NULL ? "}" : "\"}");
        first = false;
    }
    buf_put_str(out, "]");
    copy_close(out, at);
    buf_free(&clean);
}

enum err_kind etl_check_rejects(size_t bad, size_t n, size_t before, int64_t floor,
                                double limit, struct span last, struct err *e)
{
    if (bad == 0 || (int64_t)(before + bad) <= floor ||
        (double)bad * 100 <= limit * (double)n)
        return ERR_OK;
    return err_set(e, ERR_LIMIT,
                   "stopped: %zu of %zu records of this batch cannot be loaded, more "
                   "than reject_limit %g %%; the last: %.*s",
                   bad, n, limit, (int)(last.n < 100 ? last.n : 100),
                   (const char *)last.p);
}

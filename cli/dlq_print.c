#include "cli/dlq_print.h"

#include "avro-core/put.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <inttypes.h>

void dlq_put_shown(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        // C1 controls are two bytes in UTF-8: 0xc2 0x80 to 0xc2 0x9f
        bool c1 = text.p[i] == 0xc2 && i + 1 < text.n && text.p[i + 1] < 0xa0;

        buf_put_u8(out, c1 || text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i]);
        i += c1;
    }
}

void dlq_put_place(struct buf *out, const struct letter *l)
{
    buf_printf(out, "%s/%" PRId32 "@%" PRId64, l->m->topic, l->m->partition,
               l->m->offset);
}

static void put_bytes(struct buf *out, struct span bytes)
{
    if (bytes.p == NULL) {
        buf_put_str(out, "null");
    } else if (utf8_ok(bytes)) {
        dlq_put_shown(out, bytes);
    } else {
        buf_put_str(out, "base64 ");
        put_base64(out, bytes);
    }
}

static void put_line(struct buf *out, const char *what, struct span bytes)
{
    buf_printf(out, "  %-9s", what);
    put_bytes(out, bytes);
    buf_put_u8(out, '\n');
}

static void put_known(struct buf *out, const char *what, struct span text)
{
    if (text.n > 0)
        put_line(out, what, text);
}

static void put_when(struct buf *out, const struct letter *l)
{
    char when[WALL_TEXT];

    if (l->time.n > 0) {
        dlq_put_shown(out, l->time);
    } else if (l->m->timestamp_ms >= 0) {
        wall_print(when, l->m->timestamp_ms);
        buf_put_str(out, when);
    }
}

static void put_faults(struct buf *out, const struct letter *l)
{
    if (l->faults == NULL)
        return;
    for (const struct json *f = l->faults->first; f != NULL; f = f->next) {
        struct span pointer = fault_text(f, "pointer");

        buf_put_str(out, "  error    ");
        dlq_put_shown(out, fault_text(f, "rule"));
        buf_put_str(out, pointer.n > 0 ? " at " : "");
        dlq_put_shown(out, pointer);
        buf_put_str(out, ": ");
        dlq_put_shown(out, fault_text(f, "message"));
        buf_put_u8(out, '\n');
    }
}

void dlq_print_text(struct buf *out, const struct letter *l)
{
    dlq_put_place(out, l);
    buf_put_str(out, "  ");
    put_when(out, l);
    buf_put_str(out, "  schema ");
    dlq_put_shown(out, l->schema_id.n > 0 ? l->schema_id : span_str("unknown"));
    buf_put_str(out, l->subject.n > 0 ? " of " : "");
    dlq_put_shown(out, l->subject);
    buf_put_u8(out, '\n');
    put_faults(out, l);
    put_known(out, "rule", letter_header(l->m, "__rule.name"));
    put_known(out, "by", l->principal);
    put_known(out, "request", letter_header(l->m, "avrogate.request.id"));
    put_known(out, "query", l->query);
    put_known(out, "type", l->content_type);
    put_known(out, "key", l->m->key);
    put_line(out, "record", l->m->value);
}

void dlq_put_member(struct buf *out, const char *name, struct span bytes)
{
    bool text = bytes.p == NULL || utf8_ok(bytes);

    buf_printf(out, ",\"%s%s\":", name, text ? "" : "_base64");
    if (bytes.p == NULL) {
        buf_put_str(out, "null");
    } else if (text) {
        json_put_string(out, bytes);
    } else {
        buf_put_u8(out, '"');
        put_base64(out, bytes);
        buf_put_u8(out, '"');
    }
}

static void put_headers(struct buf *out, const struct kf_message *m)
{
    buf_put_str(out, ",\"headers\":[");
    for (size_t i = 0; i < m->n_headers; i++) {
        buf_put_str(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_put_string(out, span_str(m->headers[i].name));
        dlq_put_member(out, "value", m->headers[i].value);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
}

void dlq_print_json(struct buf *out, const struct letter *l)
{
    const struct kf_message *m = l->m;

    buf_put_str(out, "{\"topic\":");
    json_put_string(out, span_str(m->topic));
    buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64, m->partition,
               m->offset);
    buf_printf(out, ",\"timestamp_ms\":%" PRId64, m->timestamp_ms);
    dlq_put_member(out, "schema_id", l->schema_id);
    dlq_put_member(out, "subject", l->subject);
    dlq_put_member(out, "principal", l->principal);
    buf_put_str(out, ",\"errors\":");
    if (l->faults != NULL)
        json_put(out, l->faults);
    else
        buf_put_str(out, "[]");
    dlq_put_member(out, "key", m->key);
    dlq_put_member(out, "value", m->value);
    put_headers(out, m);
    buf_put_str(out, "}\n");
}

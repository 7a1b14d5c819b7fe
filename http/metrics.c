#include "http/server.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct http_counters, field)
#define REFUSED "avrogate_http_refused_total"
#define NO_ROOM "refused for want of room: of what there is none, and for whom"

/* Rows of one name stand together, and share the first one's words. */
static const struct shown {
    const char *name, *labels, *type, *help;
    size_t at;
} rows[] = {
    {"avrogate_http_connections", "", "gauge", "open now", AT(open)},
    {"avrogate_http_requests_in_flight", "", "gauge", "being handled now",
     AT(in_flight)},
    {"avrogate_http_requests_queued", "", "gauge", "waiting for a worker now",
     AT(queued)},
    {"avrogate_http_accepted_total", "", "counter", "connections", AT(accepted)},
    {REFUSED, "{of=\"connections\",for=\"all\"}", "counter", NO_ROOM, AT(over_cap)},
    {REFUSED, "{of=\"connections\",for=\"one\"}", "counter", NO_ROOM, AT(over_ip_cap)},
    {REFUSED, "{of=\"bodies\",for=\"all\"}", "counter", NO_ROOM, AT(over_bodies)},
    {REFUSED, "{of=\"workers\",for=\"all\"}", "counter", NO_ROOM, AT(over_queue)},
    {"avrogate_http_requests_total", "", "counter", "answered", AT(requests)},
    {"avrogate_http_malformed_total", "", "counter", "refused by the message rules",
     AT(malformed)},
    {"avrogate_http_bad_handshakes_total", "", "counter",
     "TLS that was begun and came to nothing", AT(bad_handshakes)},
    {"avrogate_http_late_requests_total", "", "counter", "answered 504 by the deadline",
     AT(late_request)},
    {"avrogate_http_client_gone_total", "", "counter",
     "clients that left before the answer", AT(gone)},
    {"avrogate_http_received_bytes_total", "", "counter", "from clients", AT(bytes_in)},
    {"avrogate_http_sent_bytes_total", "", "counter", "to clients", AT(bytes_out)},
};

void http_server_metrics(const struct http_server *s, struct buf *out)
{
    struct http_counters c;
    const char *last = "";
    uint64_t v;

    http_server_counters(s, &c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct shown *m = &rows[i];

        if (strcmp(m->name, last) != 0)
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                       m->type);
        memcpy(&v, (const char *)&c + m->at, sizeof v);
        buf_printf(out, "%s%s %llu\n", m->name, m->labels, (unsigned long long)v);
        last = m->name;
    }
}

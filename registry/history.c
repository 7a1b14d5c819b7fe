#include "registry/history.h"

#include "base/utf8.h"

#include <stdlib.h>

static const char *const deeds[] = {
    [REG_WRITTEN] = "written",   [REG_REGISTERED] = "registered",
    [REG_DELETED] = "deleted",   [REG_UNDELETED] = "undeleted",
    [REG_RESTORED] = "restored",
};

#define DEEDS (sizeof deeds / sizeof *deeds)

const char *reg_deed_name(enum reg_deed d)
{
    return deeds[d];
}

/* Keeping. */

static size_t copy_text(struct span *out, struct span s, uint8_t *room)
{
    if (s.n > 0)
        memcpy(room, s.p, s.n);
    *out = span_of(room, s.n);
    return s.n;
}

static struct reg_act *copy_of(const struct reg_act *act)
{
    size_t n = act->who.n + act->client.n + act->agent.n + act->reason.n;
    struct reg_act *copy = mem_alloc(sizeof *copy + n);
    uint8_t *room = (uint8_t *)(copy + 1);

    *copy = *act;
    copy->next = NULL;
    room += copy_text(&copy->who, act->who, room);
    room += copy_text(&copy->client, act->client, room);
    room += copy_text(&copy->agent, act->agent, room);
    copy_text(&copy->reason, act->reason, room);
    return copy;
}

/* How it began and how it is now say more than what was between. */
static void drop_second(struct reg_history *h)
{
    struct reg_act *second = h->first->next;

    second->next->left_out += second->left_out + 1;
    h->first->next = second->next;
    free(second);
    h->n--;
}

void reg_history_add(struct reg_history *h, const struct reg_act *act)
{
    struct reg_act *copy = copy_of(act);

    if (h->last != NULL)
        h->last->next = copy;
    else
        h->first = copy;
    h->last = copy;
    if (++h->n > REG_ACTS)
        drop_second(h);
}

void reg_history_free(struct reg_history *h)
{
    while (h->first != NULL) {
        struct reg_act *act = h->first;
        h->first = act->next;
        free(act);
    }
    *h = (struct reg_history){0};
}

/* Writing and reading. */

static void put_text(struct buf *out, const char *name, struct span s)
{
    if (s.n == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_put_string(out, s);
}

void reg_act_put(struct buf *out, const struct reg_act *act)
{
    buf_printf(out, "{\"what\":\"%s\"", deeds[act->deed]);
    if (act->ts > 0)
        buf_printf(out, ",\"ts\":%lld", (long long)act->ts);
    put_text(out, "who", act->who);
    put_text(out, "client", act->client);
    put_text(out, "agent", act->agent);
    put_text(out, "reason", act->reason);
    if (act->up_to > 0)
        buf_printf(out, ",\"upTo\":%d", (int)act->up_to);
    if (act->left_out > 0)
        buf_printf(out, ",\"leftOut\":%d", (int)act->left_out);
    buf_put_u8(out, '}');
}

static bool deed_named(enum reg_deed *out, const struct json *name)
{
    for (size_t i = 0; json_is(name, JSON_STRING) && i < DEEDS; i++)
        if (span_eq(name->text, span_str(deeds[i]))) {
            *out = (enum reg_deed)i;
            return true;
        }
    return false;
}

static struct span text_of(const struct json *j, const char *name)
{
    const struct json *m = json_member(j, name);

    return json_is(m, JSON_STRING) ? m->text : (struct span){0};
}

static int64_t int_of(const struct json *j, const char *name, int64_t most)
{
    const struct json *m = json_member(j, name);
    int64_t v = 0;
    struct err e;

    return m != NULL && json_int(&v, m, 0, most, &e) == ERR_OK ? v : 0;
}

bool reg_act_read(struct reg_act *out, struct span text, struct arena *a)
{
    static const struct json_limits limits = {.depth = 8, .values = 100};
    const struct json *j = NULL;
    struct err e;

    *out = (struct reg_act){0};
    if (text.n > REG_ACT_BYTES || json_read(&j, text, &limits, a, &e) != ERR_OK ||
        !deed_named(&out->deed, json_member(j, "what")))
        return false;
    out->ts = int_of(j, "ts", INT64_MAX);
    out->up_to = (int32_t)int_of(j, "upTo", INT32_MAX);
    out->left_out = (int32_t)int_of(j, "leftOut", 1000000);
    out->who = text_of(j, "who");
    out->client = text_of(j, "client");
    out->agent = text_of(j, "agent");
    out->reason = text_of(j, "reason");
    return true;
}

void reg_event_read_headers(struct reg_event *ev, const struct kf_header *headers,
                            size_t n, struct arena *a)
{
    struct reg_act *last = NULL;
    size_t read = 0;

    for (size_t i = 0; i < n && read < REG_ACTS_READ; i++) {
        struct reg_act *act;

        if (strcmp(headers[i].name, REG_ACT_HEADER) != 0)
            continue;
        read++;
        act = arena_alloc(a, sizeof *act);
        if (!reg_act_read(act, headers[i].value, a))
            continue;
        if (last == NULL)
            ev->acts = act;
        else
            last->next = act;
        last = act;
    }
}

/* Of what was told before, and of what is done now. */
static struct kf_header header_of(struct reg_act act, int64_t now_ms, struct arena *a)
{
    struct buf text = BUF_INIT(1 << 16);

    if (act.ts == 0)
        act.ts = now_ms;
    reg_act_put(&text, &act);
    struct span value = arena_copy(a, buf_span(&text));
    buf_free(&text);
    return (struct kf_header){REG_ACT_HEADER, value};
}

const struct kf_header *reg_event_headers(const struct reg_event *ev, int64_t now_ms,
                                          struct arena *a, size_t *n)
{
    size_t most = 0;

    for (const struct reg_act *act = ev->acts; act != NULL; act = act->next)
        most++;
    struct kf_header *all = arena_array(a, most + 1, sizeof *all);
    *n = 0;
    for (const struct reg_act *act = ev->acts; act != NULL; act = act->next)
        all[(*n)++] = header_of(*act, now_ms, a);
    if (ev->acts_now)
        all[(*n)++] = header_of(ev->act, now_ms, a);
    return all;
}

/* Texts. */

static bool is_control(const uint8_t *p, size_t n)
{
    return p[0] < 0x20 || p[0] == 0x7f || (n > 1 && p[0] == 0xc2 && p[1] < 0xa0);
}

/* Bytes of the character that `s` begins with; 0: it is none to keep. */
static size_t character(struct span s)
{
    static const struct {
        uint8_t mask, is;
    } leads[] = {{0x80, 0x00}, {0xe0, 0xc0}, {0xf0, 0xe0}, {0xf8, 0xf0}};

    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if ((s.p[0] & leads[n - 1].mask) == leads[n - 1].is)
            return utf8_ok(span_of(s.p, n)) && !is_control(s.p, n) ? n : 0;
    return 0;
}

struct span reg_text_kept(struct span s, size_t most, struct arena *a)
{
    uint8_t *text = arena_alloc(a, most + 1);
    size_t n = 0;

    while (s.n > 0) {
        size_t width = character(s);
        size_t taken = width > 0 ? width : 1;

        if (n + taken > most)
            break;
        if (width > 0)
            memcpy(text + n, s.p, width);
        else
            text[n] = '?';
        n += taken;
        s = span_skip(s, taken);
    }
    return span_of(text, n);
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static struct span decoded(struct span s, struct arena *a)
{
    uint8_t *out = arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool coded = s.p[i] == '%' && s.n - i > 2 && hex(s.p[i + 1]) >= 0 &&
                     hex(s.p[i + 2]) >= 0;

        out[n++] = coded ? (uint8_t)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])) : s.p[i];
        i += coded ? 2 : 0;
    }
    return span_of(out, n);
}

enum err_kind reg_reason_read(struct span *out, struct span header, struct arena *a,
                              struct err *e)
{
    struct span text = decoded(header, a);

    if (text.n > REG_REASON_BYTES)
        return err_set(e, ERR_INVALID, "X-Registry-Reason has %zu bytes, at most %d",
                       text.n, REG_REASON_BYTES);
    for (struct span left = text; left.n > 0;) {
        size_t width = character(left);
        if (width == 0)
            return err_set(e, ERR_INVALID,
                           "X-Registry-Reason has a control character or is no UTF-8 "
                           "at byte %zu",
                           text.n - left.n);
        left = span_skip(left, width);
    }
    *out = text;
    return ERR_OK;
}

#include "aggregator/web.h"

#include "aggregate/show.h"
#include "base/json.h"
#include "base/stats.h"

#include <inttypes.h>
#include <stdlib.h>

#define ROWS_USUAL 100
#define ROWS_MOST 10000
#define BODY_MOST (64 << 20)

struct web {
    struct http_app app; // first
    const struct aggregator_settings *s;
    struct engine *g;
    struct follower *f;
    struct http_server *server;
};

/* --- how it stands -----------------------------------------------------------------
 */

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text == NULL || text[0] == '\0')
        buf_put_str(out, "null");
    else
        json_put_string(out, span_str(text));
}

static void put_state(struct buf *out, const struct web *w,
                      const struct engine_state *st, const struct follower_state *fs)
{
    static const char *const phases[] = {"starting", "running", "ended"};

    buf_printf(out,
               "{\"phase\":\"%s\",\"records\":%" PRId64 ",\"late\":%" PRId64
               ",\"rejected\":%" PRId64 ",\"filtered\":%" PRId64 ",\"lag\":%" PRId64
               ",\"commits\":%" PRId64 ",\"partitions\":%" PRId32
               ",\"held\":%zu,\"whole\":%s,\"written\":%" PRId64,
               phases[st->phase], st->records, st->late, st->rejected, st->filtered,
               st->lag, st->commits, st->partitions, st->held,
               fs->whole ? "true" : "false", fs->written);
    put_text(out, "job", w->s->job);
    put_text(out, "waits", st->why[0] != '\0' ? st->why : fs->why);
}

static void answer(struct http_req *r, int status, struct buf *body)
{
    if (body->over) {
        buf_free(body);
        http_answer_error(r, 500, 500, "the answer is too large: ask for fewer rows");
        return;
    }
    http_answer_take(r, status, "application/json", body);
}

static void answer_state(struct web *w, struct http_req *r, bool may_fail)
{
    struct buf body = BUF_INIT(64 << 10);
    struct engine_state st;
    struct follower_state fs;

    engine_state(w->g, &st);
    follower_state(w->f, &fs);
    put_state(&body, w, &st, &fs);
    buf_put_str(&body, "}\n");
    bool ready = st.phase == ENGINE_RUNNING && st.why[0] == '\0' && fs.whole &&
                 !fs.failed && fs.why[0] == '\0';
    answer(r, may_fail && !ready ? 503 : 200, &body);
}

static void get_health(struct http_app *app, struct http_req *r)
{
    answer_state((struct web *)app, r, false);
}

static void get_ready(struct http_app *app, struct http_req *r)
{
    answer_state((struct web *)app, r, true);
}

static void get_metrics(struct http_app *app, struct http_req *r)
{
    const struct web *w = (struct web *)app;
    struct buf body = BUF_INIT(16 << 20);
    struct engine_state st;

    engine_state(w->g, &st); // sets the gauges
    stats_print(&body);
    http_server_metrics(w->server, &body);
    http_answer_take(r, 200, "text/plain; version=0.0.4", &body);
}

static void put_fields(struct buf *out, const struct agg_shape *s)
{
    for (size_t i = 0; i < s->n_keys + s->n_columns; i++) {
        const struct agg_field *f = &s->fields[i];

        buf_put_str(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_put_string(out, f->name);
        if (i >= s->n_keys)
            buf_printf(out, ",\"function\":\"%s\"", agg_function_name(f->fn));
        buf_put_str(out, ",\"type\":\"");
        agg_type_put(out, &f->type);
        buf_put_str(out, i < s->n_keys ? "\",\"key\":true}" : "\"}");
    }
}

static void get_table(struct http_app *app, struct http_req *r)
{
    struct web *w = (struct web *)app;
    struct buf body = BUF_INIT(1 << 20);
    struct engine_state st;
    struct follower_state fs;
    size_t rows = 0;

    engine_state(w->g, &st);
    follower_state(w->f, &fs);
    put_state(&body, w, &st, &fs);
    put_text(&body, "topic", w->s->topic);
    put_text(&body, "changelog", engine_changelog(w->g));
    struct agg_view *v = follower_lock(w->f);
    if (v->has_shape)
        (void)agg_view_keys(v, &rows);
    buf_printf(&body, ",\"rows\":%zu,\"window_ms\":%" PRId64 ",\"fields\":[", rows,
               v->shape.window_ms);
    if (v->has_shape)
        put_fields(&body, &v->shape);
    buf_put_str(&body, "],\"positions\":[");
    for (size_t i = 0; i < v->n_parts; i++)
        buf_printf(&body, "%s%" PRId64, i == 0 ? "" : ",", v->parts[i].position.next);
    follower_unlock(w->f);
    buf_put_str(&body, "]}\n");
    answer(r, 200, &body);
}

/* --- rows --------------------------------------------------------------------------
 */

struct wanted { // which rows
    size_t limit;
    struct span after;                  // a key, n 0 = from the first
    struct span values[AGG_KEYS_MOST];  // of the key's fields, as they are shown
    bool given[AGG_KEYS_MOST], filters; // ... p NULL in the path means not given
};

static bool read_limit(struct http_req *r, struct wanted *q)
{
    struct span text;
    size_t n = 0;

    q->limit = ROWS_USUAL;
    if (!http_param(r, "limit", &text))
        return true;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || n > ROWS_MOST)
            return false;
        n = n * 10 + (size_t)(text.p[i] - '0');
    }
    q->limit = n;
    return n >= 1 && n <= ROWS_MOST;
}

static int nibble(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_after(struct http_req *r, struct wanted *q)
{
    struct span text;

    if (!http_param(r, "after", &text))
        return true;
    if (text.n % 2 != 0 || text.n == 0)
        return false;
    uint8_t *key = arena_alloc(&r->arena, text.n / 2);
    for (size_t i = 0; i < text.n; i += 2) {
        int high = nibble(text.p[i]), low = nibble(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i / 2] = (uint8_t)(high << 4 | low);
    }
    q->after = span_of(key, text.n / 2);
    return true;
}

/* Every other parameter is a field of the key. */
static const char *read_filters(struct http_req *r, const struct agg_shape *s,
                                struct wanted *q)
{
    for (size_t i = 0; i < r->nparams; i++) {
        const struct http_field *p = &r->params[i];
        size_t k = 0;

        if (span_eq(p->name, span_str("limit")) || span_eq(p->name, span_str("after")))
            continue;
        while (k < s->n_keys && !span_eq(s->fields[k].name, p->name))
            k++;
        if (k == s->n_keys)
            return "a parameter that is no field of the key; wanted limit, after, or "
                   "one of those";
        q->values[k] = p->value;
        q->given[k] = q->filters = true;
    }
    return NULL;
}

static const char *read_wanted(struct http_req *r, const struct agg_shape *s,
                               struct wanted *q)
{
    *q = (struct wanted){0};
    if (!read_limit(r, q))
        return "limit: wanted 1 to 10000";
    if (!read_after(r, q))
        return "after: wanted what an answer had as next";
    const char *why = read_filters(r, s, q);
    if (why != NULL || r->nparts == 0)
        return why;
    if (s->n_keys != 1)
        return "the key has not one field: wanted /aggregate/rows?FIELD=VALUE";
    q->values[0] = http_part(r, "key");
    q->given[0] = q->filters = true;
    return NULL;
}

/* The only key these values can mean, if that can be said without looking: of fields
 * that are text, in a table without windows. */
static bool make_key(const struct agg_shape *s, const struct wanted *q, struct buf *key)
{
    agg_key_put_window(key, 0);
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct agg_value v = {.kind = AGG_TEXT, .text = q->values[i]};

        if (!q->given[i] || s->fields[i].type.kind != AGG_TEXT ||
            s->fields[i].type.avro == AV_BYTES)
            return false;
        agg_key_put(key, &v);
    }
    return s->window_ms == 0 && !key->over;
}

static bool fits(const struct agg_shape *s, const struct wanted *q, struct span key,
                 struct buf *text)
{
    struct arena mem = {0};
    struct agg_value v;
    int64_t start;
    bool good = agg_key_window(&key, &start);

    for (size_t i = 0; good && i < s->n_keys; i++) {
        good = agg_key_next(&key, &v, &mem);
        if (!good || !q->given[i])
            continue;
        buf_reset(text);
        agg_show_value(text, &s->fields[i].type, &v);
        good = v.kind != AGG_NONE && span_eq(buf_span(text), q->values[i]);
    }
    arena_free(&mem);
    return good;
}

static int compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* The first key behind `after`. */
static size_t first_behind(const struct span *keys, size_t n, struct span after)
{
    size_t low = 0, high = after.n == 0 ? 0 : n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(keys[mid], after) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct page {
    struct buf *body;
    struct agg_merged row;
    size_t n;
    struct span last;
    bool more;
};

static void add_row(struct page *p, const struct agg_view *v, struct span key)
{
    if (!agg_view_merge(v, key, &p->row))
        return;
    buf_put_str(p->body, p->n++ == 0 ? "\n" : ",\n");
    agg_show_json(p->body, &p->row);
    p->last = key;
}

static void fill(struct page *p, struct agg_view *v, const struct wanted *q)
{
    struct buf text = BUF_INIT(1 << 20);
    size_t n;

    if (q->filters && make_key(&v->shape, q, &text)) {
        add_row(p, v, buf_span(&text));
        buf_free(&text);
        return;
    }
    const struct span *keys = agg_view_keys(v, &n);
    for (size_t i = first_behind(keys, n, q->after); i < n && !p->more; i++) {
        if (q->filters && !fits(&v->shape, q, keys[i], &text))
            continue;
        if (p->n == q->limit)
            p->more = true;
        else
            add_row(p, v, keys[i]);
    }
    buf_free(&text);
}

static void answer_rows(struct http_req *r, struct agg_view *v, const struct wanted *q)
{
    struct buf body = BUF_INIT(BODY_MOST);
    struct page p = {.body = &body};

    buf_put_str(&body, "{\"rows\":[");
    fill(&p, v, q);
    buf_put_str(&body, p.n > 0 ? "\n],\"next\":" : "],\"next\":");
    if (p.more) {
        buf_put_u8(&body, '"');
        buf_put_hex(&body, p.last);
        buf_put_u8(&body, '"');
    } else {
        buf_put_str(&body, "null");
    }
    buf_put_str(&body, "}\n");
    agg_merged_free(&p.row);
    if (r->nparts > 0 && p.n == 0) {
        buf_free(&body);
        http_answer_error(r, 404, 404, "there is no row of that key");
        return;
    }
    answer(r, 200, &body);
}

static void get_rows(struct http_app *app, struct http_req *r)
{
    struct web *w = (struct web *)app;
    struct follower_state fs;
    struct wanted q;

    follower_state(w->f, &fs);
    if (!fs.whole) {
        http_answer_retry_after(r, 1);
        http_answer_error(r, 503, 503, "the table is still being read%s%s",
                          fs.why[0] == '\0' ? "" : ": ", fs.why);
        return;
    }
    struct agg_view *v = follower_lock(w->f);
    const char *why = read_wanted(r, &v->shape, &q);
    if (why == NULL)
        answer_rows(r, v, &q);
    follower_unlock(w->f);
    if (why != NULL)
        http_answer_error(r, 400, 400, "%s", why);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/metrics", get_metrics, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/healthz", get_health, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/readyz", get_ready, HTTP_ALWAYS, 0, 0},
    {HTTP_GET, "/aggregate", get_table, HTTP_MAY_BLOCK, 0, 0},
    {HTTP_GET, "/aggregate/rows", get_rows, HTTP_MAY_BLOCK, 0, 0},
    {HTTP_GET, "/aggregate/rows/{key}", get_rows, HTTP_MAY_BLOCK, 0, 0},
};

enum err_kind web_open(struct web **out, const struct aggregator_settings *s,
                       struct engine *g, struct follower *f, struct err *e)
{
    struct http_settings hs = {.listen = &s->listen,
                               .nlisten = 1,
                               .loops = 1,
                               .workers = 2,
                               .limits = HTTP_LIMITS};
    struct web *w = mem_alloc(sizeof *w);

    *w = (struct web){.s = s, .g = g, .f = f};
    w->app = (struct http_app){.routes = routes,
                               .nroutes = sizeof routes / sizeof routes[0]};
    if (http_server_open(&w->server, &hs, &w->app, e) != ERR_OK) {
        free(w);
        return e->kind;
    }
    *out = w;
    return ERR_OK;
}

void web_close(struct web *w)
{
    if (w == NULL)
        return;
    http_server_close(w->server);
    free(w);
}

#include "loaders/stage_window.h"

#include "avro-core/moment.h"
#include "avro-core/put.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS INT64_C(86400000)
#define NULL_NAME "__HIVE_DEFAULT_PARTITION__"
#define DAYS_MOST 2932896 // 9999-12-31: what has five digits of year is no directory
#define NAME_MOST 128     // bytes of a directory's name before the "="
#define PART_MOST 255     // bytes of one directory's name, on every place

enum as { AS_VALUE, AS_DAY, AS_HOUR, AS_MONTH };

static const struct {
    const char *as, *name; // of the directory; NULL = the field's
} ways[] = {
    [AS_VALUE] = {"value", NULL},
    [AS_DAY] = {"day", "dt"},
    [AS_HOUR] = {"hour", "dt"}, // and a second one, "hour"
    [AS_MONTH] = {"month", "month"},
};
#define N_WAYS (sizeof ways / sizeof ways[0])

static struct windows *of(struct av_visitor *v)
{
    return (struct windows *)v;
}

/* --- catching the fields ---------------------------------------------------------- */

static struct window_value *wanted(struct windows *w, size_t *from)
{
    if (w->depth != 1)
        return NULL;
    for (; *from < w->n; ++*from)
        if (w->rules[*from].index >= 0 && (uint32_t)w->rules[*from].index == w->at)
            return &w->values[(*from)++];
    return NULL;
}

static void keep_number(struct av_visitor *v, const struct av_node *node, int64_t x)
{
    struct window_value *to;

    for (size_t i = 0; (to = wanted(of(v), &i)) != NULL;)
        *to = (struct window_value){.there = true, .number = x, .node = node};
}

static void keep_text(struct av_visitor *v, const struct av_node *node, struct span x)
{
    struct window_value *to;

    for (size_t i = 0; (to = wanted(of(v), &i)) != NULL;) {
        *to = (struct window_value){.there = true, .is_text = true, .node = node};
        to->length = x.n; // too long is said later
        memcpy(to->text, x.p, x.n < sizeof to->text ? x.n : sizeof to->text);
    }
}

static enum err_kind int64_(struct av_visitor *v, const struct av_node *node, int64_t x,
                            struct err *e)
{
    (void)e;
    keep_number(v, node, x);
    return ERR_OK;
}

static enum err_kind boolean(struct av_visitor *v, const struct av_node *node, bool x,
                             struct err *e)
{
    (void)e;
    keep_text(v, node, span_str(x ? "true" : "false"));
    return ERR_OK;
}

static enum err_kind string(struct av_visitor *v, const struct av_node *node,
                            struct span x, struct err *e)
{
    (void)e;
    keep_text(v, node, x);
    return ERR_OK;
}

static enum err_kind symbol(struct av_visitor *v, const struct av_node *node,
                            uint32_t i, struct err *e)
{
    (void)e;
    keep_text(v, node, node->symbols[i]);
    return ERR_OK;
}

static enum err_kind deeper(struct av_visitor *v, const struct av_node *node,
                            struct err *e)
{
    (void)node, (void)e;
    of(v)->depth++;
    return ERR_OK;
}

static enum err_kind back(struct av_visitor *v, const struct av_node *node,
                          struct err *e)
{
    (void)node, (void)e;
    of(v)->depth--;
    return ERR_OK;
}

static enum err_kind field(struct av_visitor *v, const struct av_node *node, uint32_t i,
                           struct err *e)
{
    (void)node, (void)e;
    if (of(v)->depth == 1)
        of(v)->at = i;
    return ERR_OK;
}

static const struct av_visitor_ops catch_ops = {
    .boolean = boolean,
    .int64 = int64_,
    .string = string,
    .symbol = symbol,
    .record_begin = deeper,
    .record_end = back,
    .array_begin = deeper,
    .array_end = back,
    .map_begin = deeper,
    .map_end = back,
    .field = field,
};

/* --- rules ------------------------------------------------------------------------ */

static enum err_kind read_rule(struct windows *w, const struct conf_pair *p,
                               struct err *e)
{
    char *dot;
    long i = strtol(p->name, &dot, 10);

    if (dot == p->name || *dot != '.' || i < 0 || i >= WINDOWS_MOST)
        return err_set(e, ERR_INVALID,
                       "partition_by is a list of at most %d {field, as, name}",
                       WINDOWS_MOST);
    struct window_rule *r = &w->rules[i];
    if ((size_t)i >= w->n)
        w->n = (size_t)i + 1;
    if (strcmp(dot, ".field") == 0) {
        r->field = p->value;
    } else if (strcmp(dot, ".name") == 0) {
        r->name = p->value;
    } else if (strcmp(dot, ".as") == 0) {
        for (size_t k = 0; k < N_WAYS; k++)
            if (strcmp(ways[k].as, p->value) == 0) {
                r->as = (int)k;
                return ERR_OK;
            }
        return err_set(e, ERR_INVALID,
                       "partition_by as \"%.40s\", wanted value, day, hour or month",
                       p->value);
    } else {
        return err_set(e, ERR_INVALID, "partition_by has no \"%.40s\"", dot + 1);
    }
    return ERR_OK;
}

/* Readers make a column of it, and pass over what begins with "_" or ".". */
static bool is_name(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= NAME_MOST && s[0] != '_' && s[0] != '.' &&
           strcspn(s, "/=%\\\"'{}[]*?#:^ \t\r\n") == n;
}

/* Two directories of one name are two columns of one name: a reader takes either. */
static enum err_kind check_names(const struct windows *w, size_t i, struct err *e)
{
    const struct window_rule *r = &w->rules[i];

    if (!is_name(r->name))
        return err_set(e, ERR_INVALID,
                       "partition_by name \"%.40s\" is no name of a directory: wanted "
                       "at most %d letters, digits, - and ., not _ or . first",
                       r->name, NAME_MOST);
    for (size_t k = 0; k < w->n; k++)
        if ((k < i && strcmp(w->rules[k].name, r->name) == 0) ||
            (k != i && r->as == AS_HOUR && strcmp(w->rules[k].name, "hour") == 0))
            return err_set(e, ERR_INVALID,
                           "partition_by has two directories \"%.40s\": give one of "
                           "them another name",
                           w->rules[k].name);
    return ERR_OK;
}

enum err_kind windows_read(struct windows *w, const struct conf_pairs *rules,
                           struct err *e)
{
    *w = (struct windows){.visitor = {&catch_ops}};
    for (size_t i = 0; i < rules->n; i++)
        TRY(read_rule(w, &rules->items[i], e));
    for (size_t i = 0; i < w->n; i++) {
        struct window_rule *r = &w->rules[i];
        r->index = -1;
        if (r->field == NULL && r->as == AS_VALUE)
            return err_set(e, ERR_INVALID,
                           "partition_by without a field goes by the record's time: "
                           "as day, hour or month");
        if (r->name == NULL)
            r->name = ways[r->as].name != NULL ? ways[r->as].name : r->field;
        w->decodes = w->decodes || r->field != NULL;
    }
    for (size_t i = 0; i < w->n; i++)
        TRY(check_names(w, i, e));
    return ERR_OK;
}

static const struct av_node *not_null(const struct av_node *n)
{
    if (n->type != AV_UNION || n->n_branches != 2)
        return n;
    return n->branches[0]->type == AV_NULL ? n->branches[1] : n->branches[0];
}

static int64_t units_a_day(const struct av_node *n)
{
    switch (n->logical) {
    case AV_DATE: return 1;
    case AV_TIMESTAMP_MILLIS:
    case AV_LOCAL_TIMESTAMP_MILLIS: return DAY_MS;
    case AV_TIMESTAMP_MICROS:
    case AV_LOCAL_TIMESTAMP_MICROS: return DAY_MS * 1000;
    case AV_TIMESTAMP_NANOS:
    case AV_LOCAL_TIMESTAMP_NANOS: return DAY_MS * 1000000;
    default: return 0;
    }
}

static bool fits(const struct av_node *n, int as)
{
    n = not_null(n);
    if (as != AS_VALUE)
        return n->type == AV_STRING ||
               (units_a_day(n) > 0 && (as != AS_HOUR || n->logical != AV_DATE));
    return n->type == AV_STRING || n->type == AV_ENUM || n->type == AV_INT ||
           n->type == AV_LONG || n->type == AV_BOOLEAN;
}

static enum err_kind refuse_type(const struct window_rule *r, const struct av_node *n,
                                 struct err *e)
{
    static const char *const wanted[] = {
        [AS_VALUE] = "string, enum, int, long, boolean or a date",
        [AS_DAY] = "a date, a timestamp or text that begins with an ISO date",
        [AS_HOUR] = "a timestamp or text that begins with an ISO date and hour",
        [AS_MONTH] = "a date, a timestamp or text that begins with an ISO date",
    };

    return err_set(e, ERR_INVALID, "partition_by field \"%.60s\" is %s, wanted %s",
                   r->field, av_type_name(n->type), wanted[r->as]);
}

enum err_kind windows_use(struct windows *w, struct av_schema *reader, struct err *e)
{
    const struct av_node *root = av_schema_root(reader);

    for (size_t i = 0; i < w->n; i++) {
        struct window_rule *r = &w->rules[i];
        if (r->field == NULL)
            continue;
        r->index = -1;
        for (size_t k = 0; root->type == AV_RECORD && k < root->n_fields; k++)
            if (span_eq(root->fields[k].name, span_str(r->field)))
                r->index = (int)k;
        if (r->index < 0)
            return err_set(e, ERR_INVALID,
                           "partition_by field \"%.60s\": the schema has none",
                           r->field);
        if (!fits(root->fields[r->index].type, r->as))
            return refuse_type(r, not_null(root->fields[r->index].type), e);
    }
    return ERR_OK;
}

/* --- a record's directory --------------------------------------------------------- */

/* What Hive escapes, and what no place has in a name. */
static void put_escaped(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f ||
            strchr("\"#%'*/:=?\\{[]^", s.p[i]) != NULL)
            buf_printf(out, "%%%02X", s.p[i]);
        else
            buf_put_u8(out, s.p[i]);
}

static enum err_kind put_window(struct buf *out, const struct window_rule *r,
                                int64_t days, int hour, struct err *e)
{
    if (days < -719162 || days > DAYS_MOST)
        return err_set(e, ERR_INVALID, "%s: day %" PRId64 " has no year of four digits",
                       r->name, days);
    buf_printf(out, "%s=", r->name);
    size_t at = out->n;
    (void)!put_date(out, days);
    if (r->as == AS_MONTH && !out->over)
        buf_cut(out, at + strlen("2026-11"));
    if (r->as == AS_HOUR)
        buf_printf(out, "/hour=%02d", hour);
    return ERR_OK;
}

static void put_null(struct buf *out, const struct window_rule *r)
{
    buf_printf(out, "%s=" NULL_NAME, r->name);
    if (r->as == AS_HOUR)
        buf_put_str(out, "/hour=" NULL_NAME);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int two(const char *p)
{
    return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9'
               ? (p[0] - '0') * 10 + p[1] - '0'
               : -1;
}

/* Of an instant that says its offset, in UTC. */
static bool read_instant(const struct window_value *v, int32_t *days, int *hour)
{
    int64_t us;

    if (v->length >= sizeof v->text ||
        moment_instant(&us, span_of(v->text, v->length), 1000000, false) != MOMENT_FITS)
        return false;
    *days = (int32_t)floor_div(us, DAY_MS * 1000);
    *hour = (int)((us - *days * DAY_MS * 1000) / (DAY_MS * 1000 / 24));
    return true;
}

/* "2026-11-20", "2026-11-20T09:15:00Z": the date, and the hour where it is wanted. */
static enum err_kind put_text_time(struct buf *out, const struct window_rule *r,
                                   const struct window_value *v, struct err *e)
{
    const char *t = v->text;
    int hour = r->as == AS_HOUR && v->length >= 13 ? two(t + 11) : 0;
    int32_t days;

    if (v->length == 0) {
        put_null(out, r);
        return ERR_OK;
    }
    if (read_instant(v, &days, &hour))
        return put_window(out, r, days, hour, e);
    bool good = v->length >= (r->as == AS_HOUR ? 13 : 10) &&
                moment_date(&days, span_of(t, 10)) == MOMENT_FITS && hour >= 0 &&
                hour <= 23 && (r->as != AS_HOUR || t[10] == 'T' || t[10] == ' ');

    if (!good)
        return err_set(e, ERR_INVALID, "%s: \"%.*s\" begins with no ISO date%s",
                       r->name, (int)(v->length < 40 ? v->length : 40), t,
                       r->as == AS_HOUR ? " and hour" : "");
    return put_window(out, r, days, hour, e);
}

/* No record's value may stop those behind it: what no place can have as a name is that
 * record's fault. */
static enum err_kind put_text(struct buf *out, const struct window_rule *r,
                              const struct window_value *v, struct err *e)
{
    size_t at = out->n;

    if (v->length < sizeof v->text) {
        buf_printf(out, "%s=", r->name);
        put_escaped(out, span_of(v->text, v->length));
        if (out->n - at <= PART_MOST)
            return ERR_OK;
    }
    return err_set(e, ERR_INVALID,
                   "%s: %zu bytes are too long for the name of a directory, of %d with "
                   "%%XX for what a path cannot hold",
                   r->name, v->length, PART_MOST);
}

static enum err_kind put_value(struct buf *out, const struct window_rule *r,
                               const struct window_value *v, struct err *e)
{
    if (r->as != AS_VALUE && v->is_text)
        return put_text_time(out, r, v, e);
    if (r->as != AS_VALUE || v->node->logical == AV_DATE) {
        int64_t units = units_a_day(v->node), days = floor_div(v->number, units);
        int64_t inside = v->number - days * units;
        return put_window(out, r, days, units < 24 ? 0 : (int)(inside / (units / 24)),
                          e);
    }
    if (v->is_text && v->length > 0)
        return put_text(out, r, v, e);
    if (v->is_text)
        put_null(out, r); // as Hive has it
    else
        buf_printf(out, "%s=%" PRId64, r->name, v->number);
    return ERR_OK;
}

static enum err_kind put_rule(struct windows *w, size_t i, int64_t timestamp_ms,
                              struct buf *out, struct err *e)
{
    const struct window_rule *r = &w->rules[i];

    if (r->field == NULL && timestamp_ms >= 0)
        return put_window(out, r, timestamp_ms / DAY_MS,
                          (int)(timestamp_ms % DAY_MS / (DAY_MS / 24)), e);
    if (r->field == NULL || !w->values[i].there) {
        put_null(out, r);
        return ERR_OK;
    }
    return put_value(out, r, &w->values[i], e);
}

enum err_kind windows_of(struct windows *w, const struct av_plan *plan,
                         struct span datum, int64_t timestamp_ms, struct buf *out,
                         struct err *e)
{
    w->depth = 0;
    w->at = UINT32_MAX;
    for (size_t i = 0; i < w->n; i++)
        w->values[i].there = false;
    if (w->decodes && plan != NULL)
        TRY(av_decode_all(plan, datum, NULL, &w->visitor, e));
    for (size_t i = 0; i < w->n; i++) {
        if (i > 0)
            buf_put_u8(out, '/');
        TRY(put_rule(w, i, timestamp_ms, out, e));
    }
    return ERR_OK;
}

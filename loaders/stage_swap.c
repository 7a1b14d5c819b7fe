#include "loaders/stage_swap.h"

#include "base/json.h"
#include "place/place.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Where a phase goes when its action is done, when it met somebody else's work, when
 * what it needs is not there. */
static const struct {
    const char *name;
    enum swap_phase done, conflict, gone;
} ways[] = {
    [SWAP_LOOK] = {"look", SWAP_PLAN, SWAP_STOPPED, SWAP_LOOK},
    [SWAP_PLAN] = {"plan", SWAP_WRITE, SWAP_STOPPED, SWAP_END},
    [SWAP_WRITE] = {"write", SWAP_CLAIM, SWAP_STOPPED, SWAP_LOOK},
    [SWAP_CLAIM] = {"claim", SWAP_CHECK, SWAP_DISCARD, SWAP_STOPPED},
    [SWAP_CHECK] = {"check", SWAP_RELEASE, SWAP_DISCARD, SWAP_STOPPED},
    [SWAP_RELEASE] = {"release", SWAP_FINISH, SWAP_STOPPED, SWAP_STOPPED},
    [SWAP_FINISH] = {"finish", SWAP_REMOVE, SWAP_STOPPED, SWAP_JUDGE},
    [SWAP_JUDGE] = {"judge", SWAP_LOOK, SWAP_STOPPED, SWAP_STOPPED},
    [SWAP_REMOVE] = {"remove", SWAP_MARK, SWAP_STOPPED, SWAP_STOPPED},
    [SWAP_MARK] = {"mark", SWAP_LOOK, SWAP_STOPPED, SWAP_STOPPED},
    [SWAP_DISCARD] = {"discard", SWAP_LOOK, SWAP_LOOK, SWAP_LOOK},
};
#define N_WAYS (sizeof ways / sizeof ways[0])

enum swap_phase swap_next(enum swap_phase at, enum err_kind outcome, bool open)
{
    assert(at < N_WAYS);
    if (outcome == ERR_UNAVAILABLE)
        return at;
    if (at == SWAP_LOOK && outcome == ERR_OK && open)
        return SWAP_RELEASE;
    if (outcome == ERR_OK)
        return ways[at].done;
    if (outcome == ERR_CONFLICT)
        return ways[at].conflict;
    return outcome == ERR_NOT_FOUND ? ways[at].gone : SWAP_STOPPED;
}

const char *swap_phase_name(enum swap_phase at)
{
    return at < N_WAYS ? ways[at].name : "end";
}

/* --- the claim -------------------------------------------------------------------- */

void swap_name(char out[STAGE_NAME], int64_t seq)
{
    snprintf(out, STAGE_NAME, SWAP_DIR "/%020" PRId64, seq);
}

void swap_add_range(struct swap_range *ranges, size_t *n, const struct swap_range *r)
{
    size_t i = 0;

    while (i < *n && ranges[i].partition != r->partition)
        i++;
    if (i == *n)
        ranges[(*n)++] = *r;
    if (r->first < ranges[i].first)
        ranges[i].first = r->first;
    if (r->last > ranges[i].last)
        ranges[i].last = r->last;
}

static void put_text(struct buf *out, const char *name, struct span text)
{
    buf_printf(out, "\"%s\":", name);
    json_put_string(out, text);
}

void swap_put(struct buf *out, const struct swap *s)
{
    buf_printf(out, "{\"version\":1,\"seq\":%" PRId64 ",\"made_ms\":%" PRId64 ",",
               s->seq, s->made_ms);
    put_text(out, "by", span_str(s->by));
    buf_put_str(out, ",\"into\":{");
    put_text(out, "final", span_str(s->into.final));
    buf_put_str(out, ",");
    put_text(out, "ticket", s->into.ticket);
    buf_printf(out, ",\"bytes\":%" PRId64 ",\"rows\":%" PRId64 ",", s->into.bytes,
               s->into.rows);
    put_text(out, "sha256", span_str(s->into.sha256));
    buf_put_str(out, ",");
    put_text(out, "schema", span_str(s->schema));
    buf_put_str(out, "},");
    put_text(out, "topic", span_str(s->topic));
    buf_put_str(out, ",\"claims\":[");
    for (size_t i = 0; i < s->n_ranges; i++)
        buf_printf(out,
                   "%s{\"partition\":%" PRId32 ",\"first\":%" PRId64
                   ",\"last\":%" PRId64 "}",
                   i == 0 ? "" : ",", s->ranges[i].partition, s->ranges[i].first,
                   s->ranges[i].last);
    buf_put_str(out, "],\"inputs\":[");
    for (size_t i = 0; i < s->n; i++) {
        buf_put_str(out, i == 0 ? "{" : ",{");
        put_text(out, "name", span_str(s->inputs[i].name));
        buf_printf(out, ",\"bytes\":%" PRId64 ",\"rows\":%" PRId64 ",",
                   s->inputs[i].bytes, s->inputs[i].rows);
        put_text(out, "claim", span_str(s->inputs[i].claim));
        buf_put_str(out, "}");
    }
    buf_put_str(out, "]}\n");
}

static enum err_kind read_text(const char **out, const struct json *obj,
                               const char *name, struct arena *a, struct err *e)
{
    const struct json *j = json_member(obj, name);

    if (!json_is(j, JSON_STRING) || memchr(j->text.p, 0, j->text.n) != NULL)
        return err_set(e, ERR_INTERNAL, "merge without a text \"%s\"", name);
    *out = arena_str(a, j->text);
    return ERR_OK;
}

static enum err_kind read_number(int64_t *out, const struct json *obj, const char *name,
                                 struct err *e)
{
    const struct json *j = json_member(obj, name);
    struct err why = {0};

    if (j == NULL || json_int(out, j, 0, INT64_MAX, &why) != ERR_OK)
        return err_set(e, ERR_INTERNAL, "merge without a number \"%s\"", name);
    return ERR_OK;
}

static enum err_kind read_into(struct swap *s, const struct json *j, struct arena *a,
                               struct err *e)
{
    struct stage_file *f = &s->into;
    const char *ticket = NULL;

    TRY(read_text(&f->final, j, "final", a, e));
    TRY(read_text(&ticket, j, "ticket", a, e));
    f->ticket = span_str(ticket);
    TRY(read_number(&f->bytes, j, "bytes", e));
    TRY(read_number(&f->rows, j, "rows", e));
    TRY(read_text(&f->sha256, j, "sha256", a, e));
    TRY(read_text(&s->schema, j, "schema", a, e));
    if (strlen(s->schema) != STAGE_SCHEMA - 1 ||
        strspn(s->schema, "0123456789abcdef") != STAGE_SCHEMA - 1)
        return err_set(e, ERR_INTERNAL, "merge with a schema that is none: %.80s",
                       s->schema);
    return ERR_OK;
}

static enum err_kind read_ranges(struct swap *s, const struct json *list,
                                 struct arena *a, struct err *e)
{
    if (!json_is(list, JSON_ARRAY) || list->n == 0)
        return err_set(e, ERR_INTERNAL, "merge without a list \"claims\"");
    s->ranges = arena_array(a, list->n, sizeof *s->ranges);
    for (const struct json *j = list->first; j != NULL; j = j->next) {
        struct swap_range *r = &s->ranges[s->n_ranges++];
        int64_t partition;
        TRY(read_number(&partition, j, "partition", e));
        TRY(read_number(&r->first, j, "first", e));
        TRY(read_number(&r->last, j, "last", e));
        if (partition > INT32_MAX || r->last < r->first)
            return err_set(e, ERR_INTERNAL, "merge of claims %" PRId64 " to %" PRId64,
                           r->first, r->last);
        r->partition = (int32_t)partition;
    }
    return ERR_OK;
}

/* They are going to be removed: only what loaders and merges made. */
static enum err_kind read_input(struct swap_input *in, const struct json *j,
                                struct arena *a, struct err *e)
{
    struct swap_origin origin;

    TRY(read_text(&in->name, j, "name", a, e));
    TRY(read_number(&in->bytes, j, "bytes", e));
    TRY(read_number(&in->rows, j, "rows", e));
    TRY(read_text(&in->claim, j, "claim", a, e));
    origin = swap_origin_of(in->name);
    if (in->name[0] == '_' || origin.loaders == origin.merged)
        return err_set(e, ERR_INTERNAL, "merge of \"%.100s\", which is no staged file",
                       in->name);
    if (in->claim[0] != '\0' && strncmp(in->claim, "_claims/", 8) != 0)
        return err_set(e, ERR_INTERNAL, "merge with a claim \"%.100s\"", in->claim);
    return ERR_OK;
}

static enum err_kind read_inputs(struct swap *s, const struct json *list,
                                 struct arena *a, struct err *e)
{
    if (!json_is(list, JSON_ARRAY) || list->n == 0 || list->n > SWAP_MOST)
        return err_set(e, ERR_INTERNAL, "merge without a list \"inputs\"");
    s->inputs = arena_array(a, list->n, sizeof *s->inputs);
    for (const struct json *j = list->first; j != NULL; j = j->next)
        TRY(read_input(&s->inputs[s->n++], j, a, e));
    return ERR_OK;
}

enum err_kind swap_read(struct swap *s, struct span text, struct arena *a,
                        struct err *e)
{
    const struct json *root;
    struct err why = {0};
    struct swap r = {0};
    int64_t version;

    if (json_read(&root, text, NULL, a, &why) != ERR_OK)
        return err_set(e, ERR_INTERNAL, "merge that is no JSON: %.150s", why.msg);
    TRY(read_number(&version, root, "version", e));
    if (version != 1)
        return err_set(e, ERR_INTERNAL, "merge of version %" PRId64 ", we know 1",
                       version);
    TRY(read_number(&r.seq, root, "seq", e));
    TRY(read_number(&r.made_ms, root, "made_ms", e));
    TRY(read_text(&r.by, root, "by", a, e));
    TRY(read_into(&r, json_member(root, "into"), a, e));
    TRY(read_text(&r.topic, root, "topic", a, e));
    TRY(read_ranges(&r, json_member(root, "claims"), a, e));
    TRY(read_inputs(&r, json_member(root, "inputs"), a, e));
    *s = r;
    return ERR_OK;
}

/* --- names of files --------------------------------------------------------------- */

/* "+123": true and past it. */
static bool take_number(const char **at, size_t digits, int64_t *out)
{
    size_t n = **at == '+' ? strspn(*at + 1, "0123456789") : 0;

    if (n == 0 || n > 19 + (digits == 20) || (digits > 0 && n != digits))
        return false;
    *out = strtoll(*at + 1, NULL, 10);
    *at += 1 + n;
    return true;
}

/* "+merged-0000000017-1a2b3c4d.": true when that is it. */
static bool is_merged(const char *at, int64_t *seq)
{
    static const char sign[] = "+merged-";
    size_t n;

    if (strncmp(at, sign, sizeof sign - 1) != 0)
        return false;
    at += sizeof sign - 1;
    n = strspn(at, "0123456789");
    if (n < 10 || n > 18 || at[n] != '-')
        return false;
    *seq = strtoll(at, NULL, 10);
    at += n + 1;
    n = strspn(at, "0123456789abcdef");
    return n == 8 && at[n] == '.';
}

void swap_output_name(char out[STAGE_NAME], const char *topic, int64_t seq,
                      const char *run)
{
    snprintf(out, STAGE_NAME, "%.255s+merged-%010" PRId64 "-%.8s", topic, seq, run);
}

struct swap_origin swap_origin_of(const char *name)
{
    struct swap_origin o = {.first = -1, .count = -1};
    const char *slash = strrchr(name, '/');
    const char *base = slash != NULL ? slash + 1 : name;
    const char *at = strchr(base, '+');
    int64_t partition, last;

    if (at == NULL || at == base || (size_t)(at - base) >= sizeof o.topic)
        return o;
    snprintf(o.topic, sizeof o.topic, "%.*s", (int)(at - base), base);
    o.merged = is_merged(at, &o.merge);
    if (o.merged || !take_number(&at, 0, &partition) || partition > INT32_MAX)
        return o;
    o.partition = (int32_t)partition;
    if (take_number(&at, 20, &o.first))
        o.loaders = take_number(&at, 20, &last) && *at == '.';
    else
        o.loaders = take_number(&at, 10, &o.count) && *at == '.';
    return o;
}

/* Which files are merged next: the first full group of what lies there, or what is
 * left at the end of a directory. */
#include "loaders/stage_merge_inside.h"

#include "avro-core/canon.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/format.h"
#include "loaders/sink_files_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEPTH_MOST 8 // of directories: windows make four
#define SCHEMA_MOST (4 << 20)
#define NAMES_MOST (3 << 20) // of one swap: its claim must stay below PLACE_CLAIM
#define LARGE 16 // of what may be merged: what is more than a part of so many

struct ranges { // in the plan's arena
    const struct swap_range *all;
    size_t n;
};

/* Files that may become one: of one topic, one schema, one directory. */
struct group {
    const char *topic;
    struct span schema; // normalized
    struct av_schema *held;
    struct swap_input *inputs; // malloc'd
    struct ranges *of;         // each input's; malloc'd
    size_t n, names;           // bytes of the inputs' names, as the claim has them
    struct swap_range *ranges; // malloc'd
    size_t n_ranges;
    int64_t bytes;
    struct group *next;
};

/* A file, and what is known of its rows. */
struct candidate {
    struct swap_input in;
    const char *key; // of its schema, "" = not known
    struct swap_range *ranges;
    size_t n_ranges;
    bool counts;
};

struct planning {
    struct merging *m;
    struct group *groups; // of the directory at hand; of all with `into`
    struct group *chosen;
};

static bool converts(const struct merging *m)
{
    return strcmp(m->o->format, m->o->to) != 0 || m->o->into != NULL;
}

/* Also what gains nothing by it. */
static bool takes_all(const struct merging *m)
{
    return converts(m) || m->o->all;
}

static bool is_worth(const struct merging *m, const struct group *g)
{
    return g->n > 1 || (g->n == 1 && takes_all(m));
}

static void free_groups(struct planning *p)
{
    while (p->groups != NULL) {
        struct group *g = p->groups;
        p->groups = g->next;
        av_schema_release(g->held);
        free(g->inputs);
        free(g->of);
        free(g->ranges);
        free(g);
    }
}

/* --- is it committed -------------------------------------------------------------- */

/* With `names: count` the claim is the n-th: claims are never removed. */
static enum err_kind claim_by_count(struct merging *m, const struct swap_origin *o,
                                    char out[STAGE_NAME], struct err *e)
{
    char dir[STAGE_NAME];
    struct arena a = {0};
    struct place_entry *all;
    size_t n;
    int64_t count = 0;

    out[0] = '\0';
    stage_claims_dir(dir, o->topic, o->partition);
    enum err_kind rc = place_list(m->o->place, dir, NULL, &a, &all, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n && out[0] == '\0'; i++) {
        int64_t first = stage_claim_first(all[i].name);
        if (first >= 0 && count++ == o->count)
            stage_claim_name(out, o->topic, o->partition, first);
    }
    arena_free(&a);
    return rc;
}

static bool names(const struct stage_claim *c, const struct swap_input *in)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (strcmp(c->files[i].final, in->name) == 0)
            return c->files[i].bytes == in->bytes && !c->files[i].rejects;
    return false;
}

/* A file that has its name keeps it, or was taken on by somebody who had seen to the
 * others: a claim of many files is asked for them once. */
static enum err_kind finish_once(struct merging *m, const char *claim,
                                 const struct stage_claim *c, struct err *e)
{
    if (tab_get(&m->settled, span_str(claim)) != NULL)
        return ERR_OK;
    TRY(files_finish(m->o->place, c, e));
    (void)tab_put(&m->settled, span_str(claim), m);
    return ERR_OK;
}

/* The other files of the claim may not have their names yet: once we say `.done`, no
 * loader looks after them. */
static enum err_kind settle_claim(struct merging *m, struct candidate *f, struct err *e)
{
    struct stage_claim c;
    struct arena a = {0};

    enum err_kind rc = files_read_claim(m->o->place, f->in.claim, &c, &a, e);
    f->counts = rc == ERR_OK && names(&c, &f->in);
    if (f->counts) {
        f->key = arena_str(&m->plan, span_str(c.schema));
        f->ranges = arena_array(&m->plan, 1, sizeof *f->ranges);
        f->ranges[f->n_ranges++] = (struct swap_range){c.partition, c.first, c.first};
    }
    if (f->counts && !m->o->dry_run)
        rc = finish_once(m, f->in.claim, &c, e);
    arena_free(&a);
    f->counts = f->counts && rc == ERR_OK; // a file is gone: not ours to hide
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* One that was forgotten is nobody's: what its rows are, no one knows. */
static enum err_kind find_merge(struct merging *m, int64_t seq, struct candidate *f,
                                struct err *e)
{
    char name[STAGE_NAME];
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct swap s;

    swap_name(name, seq);
    enum err_kind rc = place_read(m->o->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK)
        rc = swap_read(&s, buf_span(&body), &m->plan, e);
    f->counts = rc == ERR_OK;
    if (rc == ERR_OK) {
        f->key = s.schema;
        f->ranges = s.ranges;
        f->n_ranges = s.n_ranges;
    }
    buf_free(&body);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_kind find_claim(struct merging *m, const struct swap_origin *origin,
                                struct candidate *f, struct err *e)
{
    char claim[STAGE_NAME];

    if (origin->first >= 0)
        stage_claim_name(claim, origin->topic, origin->partition, origin->first);
    else
        TRY(claim_by_count(m, origin, claim, e));
    f->in.claim = arena_str(&m->plan, span_str(claim));
    return claim[0] == '\0' ? ERR_OK : settle_claim(m, f, e);
}

/* A file without its claim does not count, and is left where it is. */
static enum err_kind find_origin(struct merging *m, const struct swap_origin *origin,
                                 struct candidate *f, struct err *e)
{
    struct place_entry there;

    if (origin->merged)
        TRY(find_merge(m, origin->merge, f, e));
    else
        TRY(find_claim(m, origin, f, e));
    if (f->counts)
        return ERR_OK;
    enum err_kind rc = place_stat(m->o->place, f->in.name, &there, e);
    if (rc == ERR_OK) // else it was merged meanwhile
        merge_say(m, "left alone, no whole claim names it: %s", f->in.name);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* --- groups ----------------------------------------------------------------------- */

static enum err_kind read_schema(struct merging *m, const char *key,
                                 struct av_schema **out, struct err *e)
{
    const struct av_parse_limits limits = {.bytes = SCHEMA_MOST,
                                           .keep_bad_defaults = true};
    struct buf text = BUF_INIT(SCHEMA_MOST);
    char name[STAGE_NAME];

    stage_schema_name(name, key);
    enum err_kind rc = place_read(m->o->place, name, 0, SCHEMA_MOST, &text, e);
    if (rc == ERR_OK)
        rc = av_schema_parse(out, buf_span(&text), NULL, 0, &limits, e);
    if (rc == ERR_OK)
        (void)tab_put(&m->schemas, span_str(key), *out);
    buf_free(&text);
    return rc == ERR_NOT_FOUND ? (e->kind = ERR_INTERNAL) : rc;
}

/* Of a format that brings none: what its claim says. */
static enum err_kind schema_told(struct merging *m, const struct swap_input *in,
                                 const char *key, struct av_schema **held,
                                 struct err *e)
{
    if (key[0] == '\0')
        return err_set(e, ERR_INVALID,
                       "%.150s: no claim says its schema: say which with --schema",
                       in->name);
    struct av_schema *s = tab_get(&m->schemas, span_str(key));
    if (s == NULL && read_schema(m, key, &s, e) != ERR_OK)
        return err_prefix(e, "the schema of %.120s", in->name);
    *held = av_schema_retain(s);
    return ERR_OK;
}

static enum err_kind schema_brought(struct merging *m, const struct swap_input *in,
                                    struct av_schema **held, struct err *e)
{
    struct merge_file f;

    enum err_kind rc = merge_file_open(&f, m, in, NULL, e);
    if (rc == ERR_OK)
        *held = av_schema_retain(format_reader_schema(f.reader));
    merge_file_close(&f);
    return rc;
}

static enum err_kind schema_of(struct merging *m, const struct swap_input *in,
                               const char *key, struct av_schema **held,
                               struct span *text, struct err *e)
{
    struct buf printed = BUF_INIT(SCHEMA_MOST);

    *text = (struct span){0};
    if (m->o->schema != NULL) {
        *held = av_schema_retain(m->o->schema);
        return ERR_OK;
    }
    if (merge_is_bare(m->o->format))
        TRY(schema_told(m, in, key, held, e));
    else
        TRY(schema_brought(m, in, held, e));
    av_print_normalized(&printed, *held);
    *text = arena_copy(&m->plan, buf_span(&printed));
    enum err_kind rc = buf_status(&printed, e);
    buf_free(&printed);
    return rc;
}

static struct group *group_of(struct planning *p, const char *topic,
                              struct av_schema *held, struct span schema)
{
    struct group **at = &p->groups;

    while (*at != NULL &&
           (strcmp((*at)->topic, topic) != 0 || !span_eq((*at)->schema, schema)))
        at = &(*at)->next;
    if (*at != NULL)
        return *at;
    struct group *g = *at = mem_alloc(sizeof *g);
    g->topic = arena_str(&p->m->plan, span_str(topic));
    g->schema = schema;
    g->held = av_schema_retain(held);
    return g;
}

static size_t names_of(const struct swap_input *in)
{
    return strlen(in->name) + strlen(in->claim) + 100;
}

static bool is_full(const struct merging *m, const struct group *g,
                    const struct swap_input *more)
{
    return m->o->into == NULL && g->n > 0 &&
           (g->bytes + more->bytes > m->o->max_bytes || g->n == SWAP_MOST ||
            g->names + names_of(more) > NAMES_MOST);
}

static void add_ranges(struct group *g, const struct ranges *more)
{
    g->ranges = mem_grow(g->ranges, g->n_ranges + more->n, sizeof *g->ranges);
    for (size_t i = 0; i < more->n; i++)
        swap_add_range(g->ranges, &g->n_ranges, &more->all[i]);
}

/* False: the group is chosen without it. */
static bool add_to(struct planning *p, struct group *g, const struct candidate *f)
{
    if (is_full(p->m, g, &f->in)) {
        if (is_worth(p->m, g)) {
            p->chosen = g;
            return false;
        }
        g->n = g->names = g->n_ranges = 0; // one alone, with which nothing goes
        g->bytes = 0;
    }
    g->inputs = mem_grow(g->inputs, g->n + 1, sizeof *g->inputs);
    g->of = mem_grow(g->of, g->n + 1, sizeof *g->of);
    g->of[g->n] = (struct ranges){f->ranges, f->n_ranges};
    g->inputs[g->n++] = f->in;
    g->bytes += f->in.bytes;
    g->names += names_of(&f->in);
    add_ranges(g, &g->of[g->n - 1]);
    return true;
}

static size_t largest_of(const struct group *g)
{
    size_t at = 0;

    for (size_t i = 1; i < g->n; i++)
        if (g->inputs[i].bytes > g->inputs[at].bytes)
            at = i;
    return at;
}

static void take_out(struct group *g, size_t at)
{
    g->bytes -= g->inputs[at].bytes;
    g->names -= names_of(&g->inputs[at]);
    g->n--;
    memmove(g->inputs + at, g->inputs + at + 1, (g->n - at) * sizeof *g->inputs);
    memmove(g->of + at, g->of + at + 1, (g->n - at) * sizeof *g->of);
    g->n_ranges = 0;
    for (size_t i = 0; i < g->n; i++)
        add_ranges(g, &g->of[i]);
}

/* A large file waits until as many bytes lie beside it: merged with every little that
 * came since, it would be written again each time, and with this a few times in all.
 * What goes to a backup is not merged again. */
static void let_large_wait(const struct merging *m, struct group *g)
{
    if (takes_all(m) || m->o->backup != NULL)
        return;
    while (g->n > 1) {
        size_t at = largest_of(g);
        int64_t bytes = g->inputs[at].bytes;
        if (bytes <= m->o->max_bytes / LARGE || bytes <= g->bytes - bytes)
            return;
        take_out(g, at);
        m->sums->waits = true;
    }
}

static bool is_shown(const struct merging *m, const char *name)
{
    for (size_t i = m->n_shown; i-- > 0;)
        if (strcmp(m->shown[i], name) == 0)
            return true;
    return false;
}

static bool is_candidate(const struct merging *m, const struct place_entry *one,
                         const char *name, const struct swap_origin *origin)
{
    const char *format = format_of_path(name);

    if (origin->loaders == origin->merged) // somebody else's
        return false;
    if (one->bytes == 0 || format == NULL)
        return false;
    if (m->o->topic != NULL && strcmp(m->o->topic, origin->topic) != 0)
        return false;
    if (strcmp(format, m->o->format) != 0) {
        m->sums->other = format;
        return false;
    }
    // what is nearly as large as it may be gains nothing
    return (takes_all(m) || one->bytes < m->o->max_bytes / 4 * 3) && !is_shown(m, name);
}

static enum err_kind take_file(struct planning *p, const struct place_entry *one,
                               const char *name, struct err *e)
{
    struct swap_origin origin = swap_origin_of(name);
    struct candidate f = {.in = {.name = name, .bytes = one->bytes, .claim = ""},
                          .key = ""};
    struct av_schema *held = NULL;
    struct span schema = {0};

    if (!is_candidate(p->m, one, name, &origin))
        return ERR_OK;
    TRY(find_origin(p->m, &origin, &f, e));
    if (!f.counts)
        return ERR_OK;
    enum err_kind rc = schema_of(p->m, &f.in, f.key, &held, &schema, e);
    if (rc == ERR_OK)
        (void)add_to(p, group_of(p, origin.topic, held, schema), &f);
    av_schema_release(held);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc; // gone since it was listed
}

/* --- directories ------------------------------------------------------------------ */

static void choose_rest(struct planning *p)
{
    for (struct group *g = p->groups; g != NULL && p->chosen == NULL; g = g->next) {
        let_large_wait(p->m, g);
        if (is_worth(p->m, g))
            p->chosen = g;
    }
}

bool merge_is_backup(const char *dir)
{
    return dir[0] == '_' || strcmp(dir, "backup") == 0 ||
           strncmp(dir, "backup/", 7) == 0;
}

static bool is_passed_over(const char *dir, const struct place_entry *one)
{
    return one->name[0] == '_' || one->name[0] == '.' ||
           (dir[0] == '\0' && one->dir && merge_is_backup(one->name));
}

static void push_dir(struct merging *m, struct merge_dir **at, const char *dir,
                     const char *name, int depth)
{
    struct merge_dir *d = arena_alloc(&m->kept, sizeof *d);

    d->name = (const char *)arena_printf(&m->kept, "%s%s%s%c", dir,
                                         dir[0] == '\0' ? "" : "/", name, 0)
                  .p;
    d->depth = depth;
    d->next = *at;
    *at = d;
}

/* Nothing is left to do here: on to what lies below, then to what is beside. */
static void leave_dir(struct merging *m, const struct place_entry *all, size_t n)
{
    const struct merge_dir *d = m->dirs;
    struct merge_dir **at = &m->dirs;

    m->dirs = d->next;
    for (size_t i = 0; i < n && d->depth < DEPTH_MOST; i++)
        if (all[i].dir && !is_passed_over(d->name, &all[i])) {
            push_dir(m, at, d->name, all[i].name, d->depth + 1);
            at = &(*at)->next;
        }
}

static enum err_kind look_through(struct planning *p, const char *dir, struct err *e)
{
    struct merging *m = p->m;
    struct place_entry *all;
    size_t n;

    TRY(place_list(m->o->place, dir, NULL, &m->plan, &all, &n, e));
    for (size_t i = 0; i < n && p->chosen == NULL; i++) {
        if (all[i].dir || is_passed_over(dir, &all[i]))
            continue;
        struct span full = arena_printf(&m->plan, "%s%s%s%c", dir,
                                        dir[0] == '\0' ? "" : "/", all[i].name, 0);
        TRY(take_file(p, &all[i], (const char *)full.p, e));
    }
    if (m->o->into == NULL && p->chosen == NULL) {
        choose_rest(p);
        if (p->chosen == NULL)
            free_groups(p);
    }
    if (p->chosen == NULL)
        leave_dir(m, all, n);
    return ERR_OK;
}

/* From where the plan before stopped; with `into`, whose one group is of all
 * directories, from the beginning. */
static enum err_kind walk(struct planning *p, struct err *e)
{
    struct merging *m = p->m;

    if (m->o->into != NULL)
        m->dirs = NULL;
    if (!m->walked || m->o->into != NULL)
        push_dir(m, &m->dirs, "", m->o->dir, 0);
    m->walked = true;
    while (m->dirs != NULL && p->chosen == NULL)
        TRY(look_through(p, m->dirs->name, e));
    return ERR_OK;
}

/* All of it goes into one file: there must be one schema, and room for the name. */
static enum err_kind check_into(const struct planning *p, struct err *e)
{
    struct place_entry there;
    const struct group *g = p->groups;

    if (p->m->o->into == NULL || g == NULL)
        return ERR_OK;
    if (g->next != NULL && strcmp(g->topic, g->next->topic) != 0)
        return err_set(e, ERR_INVALID,
                       "files of \"%.80s\" and of \"%.80s\": say which with --topic",
                       g->topic, g->next->topic);
    if (g->next != NULL)
        return err_set(e, ERR_INVALID,
                       "%.100s and %.80s differ in their schemas: say with --schema "
                       "what all are read as",
                       g->inputs[0].name, g->next->inputs[0].name);
    if (g->n > SWAP_MOST || g->names > NAMES_MOST)
        return err_set(e, ERR_LIMIT,
                       "%zu files are too many to become one: merge first", g->n);
    if (p->m->o->backup != NULL)
        return ERR_OK; // the time makes its name new
    enum err_kind rc = place_stat(p->m->o->place, p->m->o->into, &there, e);
    if (rc == ERR_OK)
        return err_set(e, ERR_CONFLICT, "%.120s is there already", p->m->o->into);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* --- the plan --------------------------------------------------------------------- */

/* "all.csv" as "all-20261120T091500Z-0000000017.csv". */
static void put_stamped(struct buf *out, const struct merging *m, const char *name)
{
    const char *suffix = format_suffix(m->o->to);
    size_t n = strlen(name), cut = strlen(suffix);
    time_t now = (time_t)(wall_ms() / 1000);
    char stamp[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    if (n > cut && strcmp(name + n - cut, suffix) == 0)
        n -= cut;
    buf_printf(out, "%s/%.*s-%s-%010" PRId64 "%s", m->o->backup, (int)n, name, stamp,
               m->newest + 1, suffix);
}

static enum err_kind name_output(struct merging *m, const struct group *g,
                                 struct err *e)
{
    const char *slash = strrchr(g->inputs[0].name, '/');
    int dir = slash != NULL ? (int)(slash + 1 - g->inputs[0].name) : 0;
    struct buf name = BUF_INIT(PLACE_NAME), full = BUF_INIT(PLACE_NAME);
    char base[STAGE_NAME];

    swap_output_name(base, g->topic, m->newest + 1, m->run.id);
    if (m->o->into != NULL)
        buf_put_str(&name, m->o->into);
    else if (m->o->backup != NULL) // the stamp has its own number
        buf_printf(&name, "%.*s%s", dir, g->inputs[0].name, g->topic);
    else
        buf_printf(&name, "%.*s%s%s", dir, g->inputs[0].name, base,
                   format_suffix(m->o->to));
    buf_put_u8(&name, 0);
    if (m->o->backup != NULL && buf_status(&name, e) == ERR_OK)
        put_stamped(&full, m, (const char *)name.p);
    else
        buf_put(&full, span_of(name.p, name.n - 1));
    enum err_kind rc = buf_status(&name, e);
    if (rc == ERR_OK)
        rc = buf_status(&full, e);
    if (rc == ERR_OK)
        snprintf(m->final, sizeof m->final, "%.*s", SPAN_WHOLE(buf_span(&full)));
    buf_free(&name);
    buf_free(&full);
    return rc;
}

struct place_in_order { // of an input
    struct swap_range least;
    size_t i;
};

static struct place_in_order place_of(const struct group *g, size_t i)
{
    struct place_in_order p = {.least = {.partition = INT32_MAX}, .i = i};

    for (size_t k = 0; k < g->of[i].n; k++) {
        const struct swap_range *r = &g->of[i].all[k];
        if (r->partition < p.least.partition ||
            (r->partition == p.least.partition && r->first < p.least.first))
            p.least = *r;
    }
    return p;
}

static int in_order(const void *a, const void *b)
{
    const struct place_in_order *x = a, *y = b;

    if (x->least.partition != y->least.partition)
        return x->least.partition < y->least.partition ? -1 : 1;
    if (x->least.first != y->least.first)
        return x->least.first < y->least.first ? -1 : 1;
    return x->i < y->i ? -1 : 1;
}

/* By what begins first: the fewer times the rows fall back, the larger row groups are.
 */
static void put_in_order(struct swap *s, const struct group *g)
{
    struct place_in_order *p = mem_array(g->n, sizeof *p);

    for (size_t i = 0; i < g->n; i++)
        p[i] = place_of(g, i);
    qsort(p, g->n, sizeof *p, in_order);
    for (size_t i = 0; i < g->n; i++)
        s->inputs[i] = g->inputs[p[i].i];
    free(p);
}

static enum err_kind take_group(struct merging *m, const struct group *g, struct err *e)
{
    m->swap = (struct swap){.seq = m->newest + 1, .by = m->run.id, .n = g->n};
    m->swap.inputs = arena_array(&m->plan, g->n, sizeof *g->inputs);
    memcpy(m->swap.inputs, g->inputs, g->n * sizeof *g->inputs);
    if (merge_has_order(m, g->held))
        put_in_order(&m->swap, g);
    m->swap.topic = g->topic; // in the plan's arena
    m->swap.ranges = arena_array(&m->plan, g->n_ranges, sizeof *g->ranges);
    memcpy(m->swap.ranges, g->ranges, g->n_ranges * sizeof *g->ranges);
    m->swap.n_ranges = g->n_ranges;
    av_schema_release(m->schema);
    m->schema = av_schema_retain(g->held);
    return name_output(m, g, e);
}

enum err_kind merge_plan(struct merging *m, struct err *e)
{
    struct planning p = {.m = m};

    enum err_kind rc = walk(&p, e);
    if (rc == ERR_OK)
        rc = check_into(&p, e);
    if (rc == ERR_OK && p.chosen == NULL)
        choose_rest(&p);
    if (rc == ERR_OK && p.chosen == NULL)
        rc = err_set(e, ERR_NOT_FOUND, "nothing to merge");
    if (rc == ERR_OK)
        rc = take_group(m, p.chosen, e);
    free_groups(&p);
    return rc;
}

#include "loaders/sink_files_inside.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OWN_NAME 80 // of a file: partition, offsets, suffix

struct files *files_of(struct sink *s)
{
    return (struct files *)s;
}

struct files_part *files_part(struct files *f, int32_t partition)
{
    struct files_part *p = f->parts;

    while (p != NULL && p->partition != partition)
        p = p->link;
    return p;
}

/* --- claims (any place of ours) --------------------------------------------------- */

static enum err_kind finish_all(struct place *p, const struct stage_claim *c,
                                struct err *e)
{
    for (size_t i = 0; i < c->n_files; i++) {
        const struct stage_file *f = &c->files[i];
        TRY(place_finish(p, f->ticket, f->final, f->bytes, e));
    }
    return ERR_OK;
}

enum err_kind files_finish(struct place *p, const struct stage_claim *c, struct err *e)
{
    char done[STAGE_NAME + sizeof STAGE_DONE];
    struct place_entry there;
    struct err look = {0};

    enum err_kind rc = finish_all(p, c, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    stage_claim_name(done, c->topic, c->partition, c->first);
    strcat(done, STAGE_DONE);
    enum err_kind found = place_stat(p, done, &there, &look);
    if (found == ERR_UNAVAILABLE)
        *e = look;
    return found == ERR_NOT_FOUND ? rc : found;
}

enum err_kind files_read_claim(struct place *p, const char *name, struct stage_claim *c,
                               struct arena *a, struct err *e)
{
    struct buf body = BUF_INIT(PLACE_CLAIM);

    enum err_kind rc = place_read(p, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK && body.n == 0) // not ours to judge yet: see place_claim()
        rc = err_set(e, ERR_UNAVAILABLE, "is an empty claim as yet");
    else if (rc == ERR_OK)
        rc = stage_claim_read(c, arena_copy(a, buf_span(&body)), a, e);
    buf_free(&body);
    return rc == ERR_OK ? ERR_OK : err_prefix(e, "%.80s", name);
}

struct claims { // of a partition, as a list tells
    int64_t *firsts;
    size_t n;
    bool done; // the newest one's files were taken on
};

/* Where to begin to list: the last hint but one, so that the audit can still be filled
 * in for as many claims as lie between two. "" = at the first. */
static enum err_kind read_hint(struct place *p, const char *topic, int32_t partition,
                               char after[24], struct arena *a, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    after[0] = '\0';
    stage_hints_dir(dir, topic, partition);
    TRY(place_list(p, dir, NULL, a, &all, &n, e));
    int64_t first = n < 2 ? -1 : stage_claim_first(all[n - 2].name);
    if (first > 0)
        snprintf(after, 24, "%020" PRId64, first - 1);
    return ERR_OK;
}

static enum err_kind list_claims(struct place *p, const char *topic, int32_t partition,
                                 struct claims *c, struct arena *a, struct err *e)
{
    char dir[STAGE_NAME], after[24];
    struct place_entry *all;
    size_t n;

    TRY(read_hint(p, topic, partition, after, a, e));
    stage_claims_dir(dir, topic, partition);
    TRY(place_list(p, dir, after[0] == '\0' ? NULL : after, a, &all, &n, e));
    c->firsts = arena_array(a, n + 1, sizeof *c->firsts);
    for (size_t i = 0; i < n; i++) {
        int64_t first = stage_claim_first(all[i].name);
        bool done = c->n > 0 && strlen(all[i].name) == 20 + strlen(STAGE_DONE) &&
                    strtoll(all[i].name, NULL, 10) == c->firsts[c->n - 1];
        if (first >= 0) {
            c->firsts[c->n++] = first;
            c->done = false;
        } else if (done) {
            c->done = true;
        }
    }
    return ERR_OK;
}

static enum err_kind read_newest(struct place *p, const char *topic, int32_t partition,
                                 const struct claims *all, struct stage_claim *c,
                                 struct stage_found *found, struct arena *a,
                                 struct err *e)
{
    char name[STAGE_NAME];

    *found = (struct stage_found){-1, -1, all->done};
    if (all->n == 0)
        return ERR_OK;
    stage_claim_name(name, topic, partition, all->firsts[all->n - 1]);
    TRY(files_read_claim(p, name, c, a, e));
    if (c->first != all->firsts[all->n - 1] || c->partition != partition)
        return err_set(e, ERR_INTERNAL, "%.80s speaks of %" PRId32 "@%" PRId64, name,
                       c->partition, c->first);
    *found = (struct stage_found){c->first, c->last, all->done};
    return ERR_OK;
}

enum err_kind files_newest(struct place *p, const char *topic, int32_t partition,
                           struct stage_claim *c, bool *any, struct arena *a,
                           struct err *e)
{
    struct claims all = {0};
    struct stage_found found;

    TRY(list_claims(p, topic, partition, &all, a, e));
    *any = all.n > 0;
    return read_newest(p, topic, partition, &all, c, &found, a, e);
}

/* --- whose partition it is (the source's thread) ---------------------------------- */

static enum err_kind check_claim(const struct files *f, const struct stage_claim *c,
                                 const char *cluster, struct err *e)
{
    if (strcmp(c->job, f->o.job) != 0)
        return err_set(e, ERR_CONFLICT,
                       "%.80s is staged there by job \"%.60s\", we are \"%.60s\"",
                       f->o.topic, c->job, f->o.job);
    if (cluster != NULL && c->cluster[0] != '\0' && strcmp(c->cluster, cluster) != 0)
        return err_set(
            e, ERR_CONFLICT,
            "the claims speak of Kafka cluster %.60s, this one is %.60s: the "
            "offsets mean other records",
            c->cluster, cluster);
    return ERR_OK;
}

/* The one before the newest ends where the newest begins, or somebody meddled. */
static enum err_kind check_chain(struct files *f, int32_t partition,
                                 const struct claims *all, struct arena *a,
                                 struct err *e)
{
    char name[STAGE_NAME];
    struct stage_claim c;

    if (all->n < 2)
        return ERR_OK;
    stage_claim_name(name, f->o.topic, partition, all->firsts[all->n - 2]);
    TRY(files_read_claim(f->look, name, &c, a, e));
    if (c.last + 1 == all->firsts[all->n - 1])
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "%.60s/%" PRId32 ": claimed up to %" PRId64
                   ", and again from %" PRId64 " on: a %s",
                   f->o.topic, partition, c.last, all->firsts[all->n - 1],
                   c.last + 1 < all->firsts[all->n - 1] ? "gap" : "overlap");
}

static void note_part(struct files *f, int32_t partition, const struct stage *st,
                      const struct stage_claim *newest, struct claim *out)
{
    pthread_mutex_lock(&f->lock);
    struct files_part *p = files_part(f, partition);
    if (p == NULL) {
        p = mem_alloc(sizeof *p);
        p->partition = partition;
        p->link = f->parts;
        f->parts = p;
    }
    p->epoch++;
    p->next = st->next;
    p->released = false;
    p->count = newest == NULL ? 0 : newest->count + 1;
    *out = (struct claim){.next = st->next,
                          .epoch = p->epoch,
                          .mark = newest == NULL ? -1 : newest->mark};
    pthread_mutex_unlock(&f->lock);
}

static enum err_kind take_with(struct files *f, int32_t partition, int64_t low,
                               const char *cluster, struct claim *out, struct arena *a,
                               struct err *e)
{
    struct stage st = stage_begin();
    struct stage_found found;
    struct stage_claim newest = {0};
    struct claims all = {0};
    struct err ignored = {0};

    TRY(list_claims(f->look, f->o.topic, partition, &all, a, e));
    TRY(read_newest(f->look, f->o.topic, partition, &all, &newest, &found, a, e));
    if (found.last >= 0)
        TRY(check_claim(f, &newest, cluster, e));
    TRY(check_chain(f, partition, &all, a, e));
    stage_next(&st, ERR_OK, &found, low);
    if (st.phase == STAGE_SETTLE) {
        TRY(files_finish(f->look, &newest, e));
        stage_next(&st, ERR_OK, NULL, low);
    }
    if (audit_fill(f, partition, all.firsts, all.n, &ignored) != ERR_OK)
        log_err(LOG_WARN, "audit not filled in yet", &ignored);
    note_part(f, partition, &st, found.last < 0 ? NULL : &newest, out);
    return ERR_OK;
}

static enum err_kind take(struct sink *s, const char *topic, int32_t partition,
                          int64_t low, const char *cluster, struct claim *out,
                          struct err *e)
{
    struct files *f = files_of(s);
    struct arena a = {0};

    (void)topic; // one only
    if (cluster != NULL && f->cluster == NULL)
        f->cluster = mem_str(span_str(cluster));
    enum err_kind rc = take_with(f, partition, low, cluster, out, &a, e);
    arena_free(&a);
    // a claim whose files are gone, or that somebody else wrote: a person must look
    return rc == ERR_NOT_FOUND || rc == ERR_INTERNAL ? (e->kind = ERR_CONFLICT) : rc;
}

static void release(struct sink *s, const char *topic, int32_t partition, int64_t epoch)
{
    struct files *f = files_of(s);

    (void)topic;
    pthread_mutex_lock(&f->lock);
    struct files_part *p = files_part(f, partition);
    if (p != NULL && p->epoch == epoch)
        p->released = true; // what the pump gathered of it, the new owner gathers again
    pthread_mutex_unlock(&f->lock);
}

static int64_t known_next(struct files *f, int32_t partition)
{
    pthread_mutex_lock(&f->lock);
    struct files_part *p = files_part(f, partition);
    int64_t next = p == NULL ? -1 : p->next;
    pthread_mutex_unlock(&f->lock);
    return next;
}

static enum err_kind has_reached(struct files *f, int32_t partition, int64_t wanted,
                                 bool *yes, struct err *e)
{
    struct arena a = {0};
    struct claims all = {0};
    struct stage_claim newest;
    struct stage_found found = {-1, -1, false};

    *yes = wanted <= 0 || known_next(f, partition) >= wanted;
    if (*yes)
        return ERR_OK;
    enum err_kind rc = list_claims(f->look, f->o.topic, partition, &all, &a, e);
    if (rc == ERR_OK)
        rc = read_newest(f->look, f->o.topic, partition, &all, &newest, &found, &a, e);
    *yes = found.last + 1 >= wanted;
    arena_free(&a);
    return rc;
}

static enum err_kind reached(struct sink *s, const char *topic, const int64_t *next,
                             size_t n, bool *yes, struct err *e)
{
    (void)topic;
    *yes = true;
    for (size_t i = 0; i < n && *yes; i++)
        TRY(has_reached(files_of(s), (int32_t)i, next[i], yes, e));
    return ERR_OK;
}

/* --- the run ---------------------------------------------------------------------- */

static enum err_kind trial(struct sink *s, const struct batch *b, struct err *e)
{
    struct files *f = files_of(s);

    pthread_mutex_lock(&f->lock);
    struct files_part *p = files_part(f, b->partition);
    bool mine = p != NULL && p->epoch == b->epoch;
    pthread_mutex_unlock(&f->lock);
    if (!mine)
        return err_set(e, ERR_CONFLICT, "%s/%" PRId32 " is another epoch's", b->topic,
                       b->partition);
    return ERR_OK;
}

static enum err_kind begin(struct sink *s, struct err *e)
{
    struct files *f = files_of(s);

    TRY(place_probe(f->look, e));
    return audit_begin(f, e);
}

static enum err_kind end(struct sink *s, const char *status, const char *why,
                         struct err *e)
{
    return audit_end(files_of(s), status, why, e);
}

static const char *run_id(const struct sink *s)
{
    return ((const struct files *)s)->run.id;
}

static enum err_kind paused(struct sink *s, struct pause *out, struct err *e)
{
    struct files *f = files_of(s);

    return pause_ask_place(f->place, f->o.topic, out, e);
}

static void cancel(struct sink *s)
{
    struct files *f = files_of(s);

    place_cancel(f->place);
    place_cancel(f->look);
    pg_cancel(&f->pg);
}

static void close_sink(struct sink *s)
{
    struct files *f = files_of(s);

    for (struct files_range *r = f->ranges, *next; r != NULL; r = next) {
        next = r->link;
        files_free_range(f, r);
    }
    for (struct files_part *p = f->parts, *next; p != NULL; p = next) {
        next = p->link;
        free(p);
    }
    audit_free(f);
    place_close(f->look);
    place_close(f->place);
    files_free_schemas(f);
    buf_free(&f->dir);
    pthread_mutex_destroy(&f->lock);
    free(f->cluster);
    free(f);
}

static const struct sink_ops files_ops = {
    .name = "files",
    .take = take,
    .release = release,
    .reached = reached,
    .trial = trial,
    .shape = files_shape,
    .write = files_write,
    .rules = files_tell_rules,
    .settle = files_settle,
    .begin = begin,
    .end = end,
    .run_id = run_id,
    .paused = paused,
    .anew = "stage it in another place, or move _claims/TOPIC away",
    .skip = "stage them in another place, or move _claims/TOPIC away",
    .cancel = cancel,
    .close = close_sink,
};

static enum err_kind no_bytes(void *ctx, struct span bytes, struct err *e)
{
    (void)ctx, (void)bytes, (void)e;
    return ERR_OK;
}

/* Is there such a codec, is what writes the format installed?  Asked of any schema, for
 * a start that is to fail should not wait for the first record. */
static enum err_kind check_format(const struct files_options *o, struct err *e)
{
    static const char any[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                              "{\"name\":\"x\",\"type\":\"int\"}]}";
    const struct format_options how = {.codec = o->how.codec};
    const struct format_sink nowhere = {no_bytes, NULL};
    struct format_writer *w = NULL;
    struct av_schema *schema;

    if (o->how.n_bloom > 0 && strcmp(format_suffix(o->format), ".parquet") != 0)
        return err_set(e, ERR_INVALID,
                       "sink.files.bloom: %.40s has no bloom filters, wanted parquet",
                       o->format);
    TRY(av_schema_parse(&schema, span_str(any), NULL, 0, NULL, e));
    if (format_open(&w, o->format, schema, &how, &nowhere, e) == ERR_OK)
        format_close(w);
    else
        (void)err_prefix(e, "sink.files");
    av_schema_release(schema);
    return w != NULL ? ERR_OK : (e->kind = ERR_INVALID);
}

static enum err_kind check_options(const struct files_options *o, struct err *e)
{
    if (format_suffix(o->format) == NULL)
        return err_set(e, ERR_INVALID, "sink.files.format \"%.40s\", wanted one of %s",
                       o->format, format_names);
    TRY(check_format(o, e));
    if ((o->envelope & ENVELOPE_DELETED) && !(o->envelope & ENVELOPE_KEY))
        return err_set(e, ERR_INVALID,
                       "sink.files.envelope deleted: wanted key beside it, which says "
                       "of what");
    if (strlen(o->spool) > 3000 || access(o->spool, W_OK | X_OK) != 0)
        return err_set(e, ERR_INVALID,
                       "sink.files.spool \"%.120s\" is no directory we can write to",
                       o->spool);
    return ERR_OK;
}

static enum err_kind fill(struct files *f, struct err *e)
{
    TRY(check_options(&f->o, e));
    TRY(windows_read(&f->windows, &f->o.partition_by, e));
    TRY(place_open(&f->look, &f->o.place, e));
    return place_open(&f->place, &f->o.place, e);
}

enum err_kind files_sink_open(struct sink **out, const struct files_options *o,
                              struct err *e)
{
    struct files *f = mem_alloc(sizeof *f);

    *f = (struct files){
        .sink = {.ops = &files_ops, .no_headers = !(o->envelope & ENVELOPE_HEADERS)},
        .o = *o};
    // a longer one has no room for the file's own name: its record is set aside
    f->dir = BUF_INIT(PLACE_NAME - OWN_NAME - strlen(o->topic));
    pthread_mutex_init(&f->lock, NULL);
    f->rows_end = &f->rows;
    run_init(&f->run, o->job);
    f->run.topic = o->topic;
    f->run.source = o->source;
    f->run.target = o->place.url;
    snprintf(f->tag, sizeof f->tag, "%.8s%.4s", f->run.id, f->run.id + 9);
    snprintf(f->app_ledger, sizeof f->app_ledger, "avrogate l %s", f->run.id);
    snprintf(f->app_writer, sizeof f->app_writer, "avrogate w %s", f->run.id);
    pg_init(&f->ledger, o->audit_url != NULL ? o->audit_url : "", f->app_ledger);
    pg_init(&f->pg, o->audit_url != NULL ? o->audit_url : "", f->app_writer);
    if (fill(f, e) != ERR_OK) {
        close_sink(&f->sink);
        return e->kind;
    }
    f->run.target = place_shown(f->place);
    *out = &f->sink;
    return ERR_OK;
}

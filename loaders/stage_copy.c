#include "loaders/stage_copy.h"

#include "loaders/sink_files_inside.h"
#include "loaders/stage_merge_inside.h"
#include "loaders/stage_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the statement ---------------------------------------------------------------- */

static const char *kind_of(const struct dialect *d, const char *file)
{
    size_t n = strlen(file);

    for (size_t i = 0; d->copy_kinds[i].suffix != NULL; i++) {
        size_t tail = strlen(d->copy_kinds[i].suffix);
        if (n > tail && strcmp(file + n - tail, d->copy_kinds[i].suffix) == 0)
            return d->copy_kinds[i].format;
    }
    return NULL;
}

static enum err_kind put(struct buf *sql, const struct dialect *d, const char *table,
                         const char *at, const char *const *files, size_t n,
                         struct buf *target, struct buf *list, struct err *e)
{
    const char *kind = kind_of(d, files[0]);

    if (kind == NULL)
        return err_set(e, ERR_INVALID, "%s cannot take in %.120s", d->name, files[0]);
    TRY(dialect_put_table(target, d, table, e));
    buf_put_u8(target, 0);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(list, i == 0 ? "" : ",\n    ");
        dialect_put_text(list, d, files[i]);
    }
    buf_put_u8(list, 0);
    TRY(buf_status(list, e));
    dialect_put(sql, d->copy_into,
                (const char *[]){"table", (const char *)target->p, "at", at, "files",
                                 (const char *)list->p, "format", kind, NULL});
    return buf_status(sql, e);
}

enum err_kind stage_copy_put(struct buf *sql, const struct dialect *d,
                             const char *table, const char *at,
                             const char *const *files, size_t n, struct err *e)
{
    struct buf target = BUF_INIT(4000), list = BUF_INIT(8 << 20);

    if (d->copy_into == NULL)
        return err_set(e, ERR_INVALID, "dialect %s has no COPY INTO from a stage",
                       d->name);
    enum err_kind rc = put(sql, d, table, at, files, n, &target, &list, e);
    buf_free(&target);
    buf_free(&list);
    return rc;
}

/* --- the claims ------------------------------------------------------------------- */

struct copying {
    const struct copy_options *o;
    struct copy_sums *sums;
    struct arena a, names;
    const char **files; // gathered, of one kind
    size_t n;
    struct buf sql;
    struct buf target; // the table, in the dialect's words
    struct stage_note note;
    struct swap_range *named; // claims that may be named, by partition
    size_t n_named;
};

static enum err_kind needs_no_note(struct err *e)
{
    return err_prefix(e, "to note in the place what is copied (--unnoted does not)");
}

static enum err_kind flush(struct copying *c, struct err *e)
{
    if (c->n == 0)
        return ERR_OK;
    buf_reset(&c->sql);
    TRY(stage_copy_put(&c->sql, c->o->d, c->o->table, c->o->at, c->files, c->n, e));
    buf_put_u8(&c->sql, 0);
    TRY(buf_status(&c->sql, e));
    TRY(c->o->statement(c->o->arg, (const char *)c->sql.p, e));
    c->sums->statements++;
    c->n = 0;
    arena_reset(&c->names);
    return ERR_OK;
}

static enum err_kind add_file(struct copying *c, const char *name, struct err *e)
{
    const char *kind = kind_of(c->o->d, name);

    if (c->n == COPY_FILES || (c->n > 0 && kind_of(c->o->d, c->files[0]) != kind))
        TRY(flush(c, e));
    c->files[c->n++] = arena_str(&c->names, span_str(name));
    return ERR_OK;
}

/* All but the newest claim of a partition are finished (docs/staging.md). */
static enum err_kind is_finished(struct copying *c, const struct stage_claim *claim,
                                 bool *yes, struct err *e)
{
    struct place_entry there;

    *yes = true;
    for (size_t i = 0; i < claim->n_files && *yes; i++) {
        enum err_kind rc = place_stat(c->o->place, claim->files[i].final, &there, e);
        if (rc != ERR_OK && rc != ERR_NOT_FOUND)
            return rc;
        *yes = rc == ERR_OK;
    }
    return ERR_OK;
}

static enum err_kind add_claim(struct copying *c, const struct stage_claim *claim,
                               bool newest, struct err *e)
{
    bool finished = true;

    if (c->o->merged) { // nobody has merged it yet
        c->sums->waiting += claim->loaded;
        return ERR_OK;
    }

    if (newest)
        TRY(is_finished(c, claim, &finished, e));
    c->sums->open += !finished;
    if (!finished)
        return ERR_OK;
    c->sums->claims++;
    for (size_t i = 0; i < claim->n_files; i++) {
        if (claim->files[i].rejects)
            continue;
        TRY(add_file(c, claim->files[i].final, e));
        c->sums->files++;
        c->sums->rows += claim->files[i].rows;
    }
    return ERR_OK;
}

static enum err_kind find_claim(const struct copying *c, int32_t partition,
                                int64_t first, struct stage_claim *out, struct arena *a,
                                struct err *e)
{
    char name[STAGE_NAME];

    stage_claim_name(name, c->o->topic, partition, first);
    return files_read_claim(c->o->place, name, out, a, e);
}

static enum err_kind read_claim(struct copying *c, int32_t partition, int64_t first,
                                bool newest, struct err *e)
{
    struct stage_claim claim;
    struct arena a = {0};

    enum err_kind rc = find_claim(c, partition, first, &claim, &a, e);
    if (rc == ERR_OK)
        rc = add_claim(c, &claim, newest, e);
    arena_free(&a);
    return rc;
}

/* What came after the note was made is for the next time. */
static bool may_be_named(const struct copying *c, int32_t partition, int64_t first)
{
    for (size_t i = 0; i < c->n_named; i++)
        if (c->named[i].partition == partition)
            return first <= c->named[i].last;
    return false;
}

static bool is_done(const struct place_entry *all, size_t n, size_t i)
{
    size_t length = strlen(all[i].name);

    return i + 1 < n && strncmp(all[i + 1].name, all[i].name, length) == 0 &&
           strcmp(all[i + 1].name + length, STAGE_DONE) == 0;
}

static enum err_kind add_partition(struct copying *c, int32_t partition, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    stage_claims_dir(dir, c->o->topic, partition);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    int64_t newest = stage_claim_newest(all, n);
    for (size_t i = 0; i < n; i++) {
        int64_t first = stage_claim_first(all[i].name);
        if (first < 0 || (all[i].modified_ms < c->o->since_ms && !c->o->merged))
            continue;
        if (is_done(all, n, i))
            c->sums->gone += !c->o->merged;
        else if (!c->o->merged && !may_be_named(c, partition, first))
            c->sums->open++;
        else
            TRY(read_claim(c, partition, first, first == newest, e));
    }
    return ERR_OK;
}

/* The rows of a file that was merged lie in another: by name it would be missed, or by
 * the other's name be there twice. */
static enum err_kind check_merges(struct copying *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, SWAP_DIR, NULL, &c->a, &all, &n, e));
    if (n == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "files of this place were merged: what their claims name is gone, "
                   "and nobody could say whether the warehouse has it.  Stage what is "
                   "to be copied in a place that is not merged, or copy only what "
                   "merges put into a backup (--merged)");
}

/* --- the note --------------------------------------------------------------------- */

static enum err_kind newest_is_finished(struct copying *c, int32_t partition,
                                        int64_t first, bool *yes, struct err *e)
{
    struct stage_claim claim;
    struct arena a = {0};

    enum err_kind rc = find_claim(c, partition, first, &claim, &a, e);
    if (rc == ERR_OK)
        rc = is_finished(c, &claim, yes, e);
    arena_free(&a);
    return rc;
}

static enum err_kind find_named(struct copying *c, int32_t partition, struct err *e)
{
    struct swap_range r = {partition, -1, -1};
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    stage_claims_dir(dir, c->o->topic, partition);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    int64_t newest = stage_claim_newest(all, n);
    for (size_t i = 0; i < n; i++) {
        int64_t first = stage_claim_first(all[i].name);
        bool finished = true;
        if (first < 0 || all[i].modified_ms < c->o->since_ms || is_done(all, n, i))
            continue;
        if (first == newest)
            TRY(newest_is_finished(c, partition, first, &finished, e));
        if (!finished)
            continue;
        r.first = r.first < 0 ? first : r.first;
        r.last = first;
    }
    if (r.first >= 0)
        swap_add_range(c->named, &c->n_named, &r);
    return ERR_OK;
}

/* Noted first: a merge takes away what went into its output before that has a name, so
 * whoever copies the output after these statements did something finds the note. */
static enum err_kind note_named(struct copying *c, const struct place_entry *all,
                                size_t n, struct err *e)
{
    c->named = mem_array(n + 1, sizeof *c->named);
    for (size_t i = 0; i < n; i++) {
        int32_t partition = all[i].dir ? stage_claims_partition(all[i].name) : -1;
        if (partition >= 0)
            TRY(find_named(c, partition, e));
    }
    if (c->o->unnoted || c->n_named == 0)
        return ERR_OK;
    if (stage_note_add(&c->note, c->named, c->n_named, e) != ERR_OK)
        return needs_no_note(e);
    return ERR_OK;
}

/* Has the table rows of it already, under the names that loaders gave? */
static enum err_kind check_note(struct copying *c, const struct swap *s, struct err *e)
{
    const struct swap_range *r = NULL;

    for (size_t i = 0; i < s->n_ranges && r == NULL; i++)
        r = stage_note_meets(&c->note, &s->ranges[i]);
    if (r == NULL)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "%.60s has rows (partition %" PRId32 ", claims %" PRId64
                   " to %" PRId64 ") that %.40s was told to copy without --merged.  "
                   "Clean what is copied before it is merged; or TRUNCATE TABLE, then "
                   "--anew",
                   s->into.final, r->partition, r->first, r->last,
                   (const char *)c->target.p);
}

/* --- what merges made ------------------------------------------------------------- */

/* An output without its name: of a merge that is going on, or that was called off, and
 * then its rows are in another. */
static enum err_kind add_output(struct copying *c, const struct swap *s, bool newest,
                                bool recent, struct err *e)
{
    struct place_entry there;
    bool backup = merge_is_backup(s->into.final);

    enum err_kind rc = place_stat(c->o->place, s->into.final, &there, e);
    if (rc == ERR_NOT_FOUND) {
        c->sums->open += newest;
        return ERR_OK;
    }
    TRY(rc);
    if (!backup)
        c->sums->waiting += s->into.rows;
    if (!backup || !recent)
        return ERR_OK;
    if (there.bytes != s->into.bytes)
        return err_set(e, ERR_CONFLICT,
                       "%.150s has %" PRId64 " bytes, its merge wrote %" PRId64,
                       s->into.final, there.bytes, s->into.bytes);
    TRY(check_note(c, s, e));
    TRY(add_file(c, s->into.final, e));
    c->sums->claims++;
    c->sums->files++;
    c->sums->rows += s->into.rows;
    return ERR_OK;
}

static enum err_kind read_merge(struct copying *c, const char *name, bool newest,
                                bool recent, struct err *e)
{
    char path[STAGE_NAME];
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct arena a = {0};
    struct swap s;

    swap_name(path, stage_claim_first(name));
    enum err_kind rc = place_read(c->o->place, path, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK && swap_read(&s, buf_span(&body), &a, e) != ERR_OK)
        rc = err_prefix(e, "%.80s", path);
    if (rc == ERR_OK && strcmp(s.topic, c->o->topic) == 0)
        rc = add_output(c, &s, newest, recent, e);
    arena_free(&a);
    buf_free(&body);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc; // forgotten meanwhile
}

static enum err_kind add_merges(struct copying *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, SWAP_DIR, NULL, &c->a, &all, &n, e));
    if (!c->o->unnoted) // behind the list, see note_named()
        TRY(stage_note_read(&c->note, e));
    int64_t newest = stage_claim_newest(all, n);
    for (size_t i = 0; i < n; i++) {
        int64_t seq = stage_claim_first(all[i].name);
        if (seq >= 0)
            TRY(read_merge(c, all[i].name, seq == newest,
                           all[i].modified_ms >= c->o->since_ms, e));
    }
    return ERR_OK;
}

static enum err_kind copy_all(struct copying *c, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    if (c->o->anew && !c->o->unnoted && stage_note_forget(&c->note, e) != ERR_OK)
        return needs_no_note(e);
    TRY(c->o->merged ? add_merges(c, e) : check_merges(c, e));
    snprintf(dir, sizeof dir, "_claims/%.255s", c->o->topic);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    if (!c->o->merged)
        TRY(note_named(c, all, n, e));
    for (size_t i = 0; i < n; i++) {
        int32_t partition = all[i].dir ? stage_claims_partition(all[i].name) : -1;
        if (partition >= 0)
            TRY(add_partition(c, partition, e));
    }
    return flush(c, e);
}

enum err_kind stage_copy(const struct copy_options *o, struct copy_sums *sums,
                         struct err *e)
{
    struct copying c = {.o = o,
                        .sums = sums,
                        .sql = BUF_INIT(16 << 20),
                        .target = BUF_INIT(4000),
                        .note = {.place = o->place, .topic = o->topic}};

    *sums = (struct copy_sums){0};
    if (dialect_put_table(&c.target, o->d, o->table, e) != ERR_OK) {
        buf_free(&c.target);
        return e->kind;
    }
    buf_put_u8(&c.target, 0);
    c.note.target = (const char *)c.target.p;
    c.files = mem_array(COPY_FILES, sizeof *c.files);
    enum err_kind rc = copy_all(&c, e);
    stage_note_free(&c.note);
    buf_free(&c.target);
    free(c.named);
    free(c.files);
    buf_free(&c.sql);
    arena_free(&c.a);
    arena_free(&c.names);
    return rc;
}

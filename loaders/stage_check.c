#include "loaders/stage_check.h"

#include "base/tab.h"
#include "loaders/sink_files_inside.h"
#include "loaders/stage_swap.h"
#include "loaders/stage_where.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MOST 8
#define PIECE ((size_t)4 << 20)
#define SPOOL_HEAD ((size_t)1 << 20)

struct known {             // a file that somebody names
    int64_t rows, claimed; // of it; that claims have in it; -1 = not looked at
};

struct checking {
    const struct check_options *o;
    struct check_sums *sums;
    struct stage_where *where;
    struct tab files; // by name: struct known
    struct arena a;
};

static void wrong(struct checking *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void wrong(struct checking *c, const char *fmt, ...)
{
    char line[2 * STAGE_NAME];
    va_list args;

    c->sums->wrong++;
    if (c->o->say == NULL)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    c->o->say(c->o->arg, line);
}

static struct known *know(struct checking *c, const char *name, int64_t rows,
                          bool *is_new)
{
    struct known *k = tab_get(&c->files, span_str(name));

    *is_new = k == NULL;
    if (k != NULL)
        return k;
    k = arena_alloc(&c->a, sizeof *k);
    *k = (struct known){.rows = rows};
    (void)tab_put(&c->files, span_str(name), k);
    return k;
}

/* --- bytes ------------------------------------------------------------------------ */

static enum err_kind fetch(struct checking *c, const char *name, int64_t bytes,
                           struct spool *to, struct err *e)
{
    struct buf piece = BUF_INIT(PIECE + 1);
    enum err_kind rc = ERR_OK;

    for (int64_t at = 0; at < bytes && rc == ERR_OK; at += (int64_t)piece.n) {
        buf_reset(&piece);
        rc = place_read(c->o->place, name, at, PIECE, &piece, e);
        if (rc == ERR_OK && piece.n == 0)
            break; // shorter: its hash tells
        if (rc == ERR_OK)
            rc = spool_put(to, buf_span(&piece), e);
    }
    buf_free(&piece);
    return rc;
}

static enum err_kind check_bytes(struct checking *c, const char *name, int64_t bytes,
                                 const char *sha256, struct err *e)
{
    char found[SPOOL_SHA];

    if (!c->o->deep)
        return ERR_OK;
    struct spool *s = spool_open(c->o->spool, SPOOL_HEAD);
    enum err_kind rc = fetch(c, name, bytes, s, e);
    if (rc == ERR_OK) {
        spool_sha256(s, found);
        if (strcmp(found, sha256) != 0)
            wrong(c, "%s: its bytes are not those that were written (SHA-256)", name);
    }
    spool_close(s);
    return rc;
}

/* --- claims ----------------------------------------------------------------------- */

struct part {
    const char *topic;
    int32_t id;
    int64_t next;    // offset the next claim must begin with, -1 = any
    int64_t newest;  // first offset of the newest claim
    int64_t cleaned; // ... of the last one that was cleaned, -1 = none
};

static enum err_kind check_here(struct checking *c, const struct stage_file *f,
                                const struct stage_lies *l, struct err *e)
{
    bool is_new;

    c->sums->files++;
    (void)know(c, f->final, f->rows, &is_new);
    if (!is_new)
        wrong(c, "%s: two claims name it", f->final);
    if (l->bytes != f->bytes) {
        wrong(c, "%s: %" PRId64 " bytes, its claim says %" PRId64, f->final, l->bytes,
              f->bytes);
        return ERR_OK;
    }
    return check_bytes(c, f->final, f->bytes, f->sha256, e);
}

static enum err_kind check_merged(struct checking *c, const struct stage_file *f,
                                  const struct stage_lies *l, struct err *e)
{
    bool is_new;
    struct known *k = know(c, l->name, l->rows, &is_new);

    c->sums->merged++;
    k->claimed += f->rows;
    if (f->rows > l->rows - l->first)
        wrong(c, "%s: %" PRId64 " rows from %" PRId64 " on in %s, which has %" PRId64,
              f->final, f->rows, l->first, l->name, l->rows);
    return is_new ? check_bytes(c, l->name, l->bytes, l->sha256, e) : ERR_OK;
}

/* ERR_NOT_FOUND: neither under its name nor in what it was merged into. */
static enum err_kind check_named(struct checking *c, const struct stage_file *f,
                                 struct err *e)
{
    struct stage_lies l;

    TRY(stage_where_find(c->where, f->final, &l, e));
    return l.merged ? check_merged(c, f, &l, e) : check_here(c, f, &l, e);
}

/* Whoever comes next gives it its name, if what is to have it is still there. */
static enum err_kind check_unnamed(struct checking *c, const struct stage_file *f,
                                   struct err *e)
{
    int64_t n;

    enum err_kind rc = place_pending(c->o->place, f->ticket, f->final, &n, e);
    if (rc == ERR_NOT_FOUND)
        return check_named(c, f, e); // it may have been given it just now
    if (rc != ERR_OK)
        return rc;
    c->sums->open++;
    if (n >= 0 && n != f->bytes)
        wrong(c,
              "%s: %" PRId64 " bytes without their name yet, its claim says %" PRId64,
              f->final, n, f->bytes);
    return ERR_OK;
}

static enum err_kind check_file(struct checking *c, const struct part *p,
                                const struct stage_claim *claim,
                                const struct stage_file *f, struct err *e)
{
    enum err_kind rc = check_named(c, f, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    if (!f->rejects && claim->first <= p->cleaned) {
        c->sums->cleaned++;
        return ERR_OK;
    }
    if (claim->first == p->newest)
        rc = check_unnamed(c, f, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    wrong(c,
          "%s: it is gone, and %" PRId64 " rows of %s/%" PRId32 "@%" PRId64 "-%" PRId64
          " with it",
          f->final, f->rows, claim->topic, claim->partition, claim->first, claim->last);
    return ERR_OK;
}

static void check_chain(struct checking *c, struct part *p,
                        const struct stage_claim *claim, int64_t first)
{
    if (claim->first != first || claim->partition != p->id ||
        strcmp(claim->topic, p->topic) != 0)
        wrong(c,
              "%s/%" PRId32 "@%" PRId64 ": its claim speaks of %s/%" PRId32 "@%" PRId64,
              p->topic, p->id, first, claim->topic, claim->partition, claim->first);
    else if (p->next >= 0 && claim->first != p->next)
        wrong(c,
              "%s/%" PRId32 ": claimed up to %" PRId64 ", and again from %" PRId64
              " on: a %s",
              p->topic, p->id, p->next - 1, claim->first,
              claim->first > p->next ? "gap" : "overlap");
    p->next = claim->last + 1;
}

static enum err_kind check_claim(struct checking *c, struct part *p, int64_t first,
                                 struct err *e)
{
    char name[STAGE_NAME];
    struct stage_claim claim;
    struct arena a = {0};
    int64_t rows = 0, rejects = 0;

    stage_claim_name(name, p->topic, p->id, first);
    enum err_kind rc = files_read_claim(c->o->place, name, &claim, &a, e);
    if (rc == ERR_OK)
        check_chain(c, p, &claim, first);
    for (size_t i = 0; rc == ERR_OK && i < claim.n_files; i++) {
        *(claim.files[i].rejects ? &rejects : &rows) += claim.files[i].rows;
        rc = check_file(c, p, &claim, &claim.files[i], e);
    }
    if (rc == ERR_OK && (rows != claim.loaded || rejects != claim.rejected))
        wrong(c,
              "%s: %" PRId64 " rows and %" PRId64 " rejects, its files have %" PRId64
              " and %" PRId64,
              name, claim.loaded, claim.rejected, rows, rejects);
    c->sums->claims++;
    c->sums->rows += rows;
    c->sums->rejects += rejects;
    arena_free(&a);
    if (rc == ERR_INTERNAL) { // what lies there is no claim
        wrong(c, "%s", e->msg);
        rc = ERR_OK;
    }
    return rc;
}

static int64_t last_of(const struct place_entry *all, size_t n)
{
    int64_t first = -1;

    while (n > 0 && first < 0)
        first = stage_claim_first(all[--n].name);
    return first;
}

static enum err_kind check_part(struct checking *c, const char *topic, const char *id,
                                struct err *e)
{
    struct part p = {.topic = topic, .id = (int32_t)atol(id), .next = -1};
    char dir[STAGE_NAME], hints[STAGE_NAME + 8];
    struct place_entry *all;
    size_t n;

    stage_claims_dir(dir, topic, p.id);
    snprintf(hints, sizeof hints, "%s.clean", dir);
    TRY(place_list(c->o->place, hints, NULL, &c->a, &all, &n, e));
    p.cleaned = last_of(all, n);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    p.newest = last_of(all, n);
    for (size_t i = 0; i < n; i++)
        if (stage_claim_first(all[i].name) >= 0)
            TRY(check_claim(c, &p, stage_claim_first(all[i].name), e));
    c->sums->partitions++;
    return ERR_OK;
}

static enum err_kind check_topic(struct checking *c, const char *topic, struct err *e)
{
    char dir[STAGE_NAME];
    struct place_entry *all;
    size_t n;

    snprintf(dir, sizeof dir, "_claims/%.255s", topic);
    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n; i++)
        if (all[i].dir && strspn(all[i].name, "0123456789") == strlen(all[i].name))
            TRY(check_part(c, topic, all[i].name, e));
    return ERR_OK;
}

/* --- files ------------------------------------------------------------------------ */

/* The newest merge may be at its names just now: its output is known to it alone. */
static enum err_kind know_newest_merge(struct checking *c, struct err *e)
{
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct place_entry *all;
    char name[STAGE_NAME];
    struct swap s;
    bool is_new;
    size_t n;

    TRY(place_list(c->o->place, SWAP_DIR, NULL, &c->a, &all, &n, e));
    int64_t seq = last_of(all, n);
    if (seq < 0)
        return ERR_OK;
    swap_name(name, seq);
    enum err_kind rc = place_read(c->o->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK)
        rc = swap_read(&s, buf_span(&body), &c->a, e);
    if (rc == ERR_OK) {
        struct known *k = know(c, s.into.final, s.into.rows, &is_new);
        if (is_new)
            k->claimed = k->rows; // its inputs are still there
    }
    buf_free(&body);
    return rc;
}

static void check_name(struct checking *c, const char *name)
{
    struct swap_origin o = swap_origin_of(name);

    if (o.loaders == o.merged || tab_get(&c->files, span_str(name)) != NULL)
        return;
    if (c->o->topic == NULL || strcmp(c->o->topic, o.topic) == 0)
        wrong(c, "%s: no claim names it", name);
}

static enum err_kind walk(struct checking *c, const char *dir, int depth, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, dir, NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n; i++) {
        if (all[i].name[0] == '_' || all[i].name[0] == '.')
            continue;
        struct span full = arena_printf(&c->a, "%s%s%s%c", dir,
                                        dir[0] == '\0' ? "" : "/", all[i].name, 0);
        if (!all[i].dir)
            check_name(c, (const char *)full.p);
        else if (depth < DEPTH_MOST)
            TRY(walk(c, (const char *)full.p, depth + 1, e));
    }
    return ERR_OK;
}

static void check_rows(struct checking *c)
{
    struct known *k;
    struct span name;

    for (size_t at = 0; (k = tab_each(&c->files, &at, &name)) != NULL;)
        if (k->claimed != 0 && k->claimed != k->rows)
            wrong(c, SPAN_FMT ": %" PRId64 " rows, claims have %" PRId64 " in it",
                  SPAN_ARG(name), k->rows, k->claimed);
}

static enum err_kind check(struct checking *c, struct err *e)
{
    struct place_entry *all;
    size_t n;

    TRY(place_list(c->o->place, "_claims", NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n; i++)
        if (all[i].dir &&
            (c->o->topic == NULL || strcmp(c->o->topic, all[i].name) == 0))
            TRY(check_topic(c, all[i].name, e));
    TRY(know_newest_merge(c, e));
    check_rows(c);
    return walk(c, "", 0, e);
}

enum err_kind stage_check(const struct check_options *o, struct check_sums *sums,
                          struct err *e)
{
    struct checking c = {.o = o, .sums = sums, .where = stage_where_open(o->place)};

    *sums = (struct check_sums){0};
    enum err_kind rc = check(&c, e);
    stage_where_close(c.where);
    tab_free(&c.files);
    arena_free(&c.a);
    return rc;
}

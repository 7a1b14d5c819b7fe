#include "loaders/stage_note.h"

#include "base/clock.h"
#include "base/json.h"
#include "loaders/etl_log.h"
#include "loaders/stage_claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS_MOST 10000
#define TRIES 20 // against others who write notes at the same time

static void directory(const struct stage_note *n, char out[STAGE_NAME])
{
    char key[STAGE_SCHEMA];

    stage_schema_key(key, span_str(n->target));
    snprintf(out, STAGE_NAME, "_copies/%.255s/%.32s", n->topic, key);
}

static void widen(struct stage_note *n, const struct swap_range *r)
{
    if (n->n == n->cap) {
        n->cap = n->cap * 2 + 16;
        n->ranges = mem_grow(n->ranges, n->cap, sizeof *n->ranges);
    }
    swap_add_range(n->ranges, &n->n, r);
}

/* --- the text --------------------------------------------------------------------- */

static void put(struct buf *out, const struct stage_note *n, const char *by)
{
    buf_printf(out,
               "{\"version\":1,\"by\":\"%s\",\"made_ms\":%" PRId64 ",\"topic\":", by,
               wall_ms());
    json_put_string(out, span_str(n->topic));
    buf_put_str(out, ",\"target\":");
    json_put_string(out, span_str(n->target));
    buf_put_str(out, ",\"claims\":[");
    for (size_t i = 0; i < n->n; i++)
        buf_printf(out,
                   "%s{\"partition\":%" PRId32 ",\"first\":%" PRId64
                   ",\"last\":%" PRId64 "}",
                   i == 0 ? "" : ",", n->ranges[i].partition, n->ranges[i].first,
                   n->ranges[i].last);
    buf_put_str(out, "]}\n");
}

static enum err_kind read_range(struct stage_note *n, const struct json *j,
                                struct err *e)
{
    struct swap_range r;
    int64_t partition;

    TRY(json_int(&partition, json_member(j, "partition"), 0, INT32_MAX, e));
    TRY(json_int(&r.first, json_member(j, "first"), 0, INT64_MAX, e));
    TRY(json_int(&r.last, json_member(j, "last"), r.first, INT64_MAX, e));
    r.partition = (int32_t)partition;
    widen(n, &r);
    return ERR_OK;
}

enum err_kind stage_note_take(struct stage_note *n, struct span text, struct err *e)
{
    const struct json *root, *list;
    int64_t version;

    TRY(json_read(&root, text, NULL, &n->a, e));
    TRY(json_int(&version, json_member(root, "version"), 1, 1, e));
    list = json_member(root, "claims");
    if (!json_is(list, JSON_ARRAY))
        return err_set(e, ERR_INVALID, "a note without a list \"claims\"");
    if (list->n > PARTITIONS_MOST)
        return err_set(e, ERR_LIMIT, "a note of %zu partitions, %d are allowed",
                       list->n, PARTITIONS_MOST);
    for (const struct json *j = list->first; j != NULL; j = j->next)
        TRY(read_range(n, j, e));
    return ERR_OK;
}

/* --- the place -------------------------------------------------------------------- */

static enum err_kind read_one(struct stage_note *n, const char *name, struct err *e)
{
    struct buf body = BUF_INIT(PLACE_CLAIM);

    enum err_kind rc = place_read(n->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK && stage_note_take(n, buf_span(&body), e) != ERR_OK) {
        rc = e->kind = ERR_INTERNAL;
        err_prefix(e, "%.200s", name);
    }
    buf_free(&body);
    return rc;
}

struct there {              // notes that there are
    int64_t newest, oldest; // -1 = none
};

/* ERR_NOT_FOUND: another took one away behind its own, which is there by now. */
static enum err_kind read_all(struct stage_note *n, struct there *there, struct err *e)
{
    char dir[STAGE_NAME], name[STAGE_NAME + 32];
    struct place_entry *all;
    size_t count;

    *there = (struct there){-1, -1};
    n->n = 0;
    directory(n, dir);
    TRY(place_list(n->place, dir, NULL, &n->a, &all, &count, e));
    for (size_t i = 0; i < count; i++) {
        int64_t seq = stage_claim_first(all[i].name);
        if (seq < 0)
            continue;
        snprintf(name, sizeof name, "%s/%020" PRId64, dir, seq);
        TRY(read_one(n, name, e));
        there->newest = seq;
        if (there->oldest < 0)
            there->oldest = seq;
    }
    return ERR_OK;
}

static enum err_kind read_surely(struct stage_note *n, struct there *there,
                                 struct err *e)
{
    enum err_kind rc = ERR_NOT_FOUND;

    for (int i = 0; i < TRIES && rc == ERR_NOT_FOUND; i++)
        rc = read_all(n, there, e);
    return rc == ERR_NOT_FOUND ? (e->kind = ERR_UNAVAILABLE) : rc;
}

enum err_kind stage_note_read(struct stage_note *n, struct err *e)
{
    struct there there;

    return read_surely(n, &there, e);
}

static enum err_kind remove_notes(struct stage_note *n, const struct there *there,
                                  struct err *e)
{
    char dir[STAGE_NAME], name[STAGE_NAME + 32];

    directory(n, dir);
    for (int64_t seq = there->oldest; seq >= 0 && seq <= there->newest; seq++) {
        snprintf(name, sizeof name, "%s/%020" PRId64, dir, seq);
        TRY(place_remove(n->place, name, e));
    }
    return ERR_OK;
}

static bool has(const struct stage_note *n, const struct swap_range *r)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->ranges[i].partition == r->partition)
            return n->ranges[i].first <= r->first && r->last <= n->ranges[i].last;
    return false;
}

/* ERR_CONFLICT: another was first with that number. */
static enum err_kind write_next(struct stage_note *n, const struct there *there,
                                struct err *e)
{
    struct buf body = BUF_INIT(PLACE_CLAIM), found = BUF_INIT(PLACE_CLAIM);
    char dir[STAGE_NAME], name[STAGE_NAME + 32], tmp[100];
    struct run run; // its id makes the name and the body ours

    run_init(&run, "");
    directory(n, dir);
    snprintf(name, sizeof name, "%s/%020" PRId64, dir, there->newest + 1);
    snprintf(tmp, sizeof tmp, "_tmp/copy-%s", run.id);
    put(&body, n, run.id);
    enum err_kind rc = buf_status(&body, e);
    if (rc == ERR_OK)
        rc = place_claim(n->place, name, tmp, buf_span(&body), &found, e);
    buf_free(&body);
    buf_free(&found);
    return rc;
}

enum err_kind stage_note_add(struct stage_note *n, const struct swap_range *more,
                             size_t n_more, struct err *e)
{
    struct there there;

    for (int i = 0; i < TRIES; i++) {
        bool all = true;
        TRY(read_surely(n, &there, e));
        for (size_t k = 0; k < n_more; k++) {
            all = all && has(n, &more[k]);
            widen(n, &more[k]);
        }
        if (all)
            return ERR_OK;
        enum err_kind rc = write_next(n, &there, e);
        if (rc == ERR_OK)
            return remove_notes(n, &there, e);
        if (rc != ERR_CONFLICT)
            return rc;
    }
    return err_set(e, ERR_UNAVAILABLE, "others note what they copy all the time");
}

enum err_kind stage_note_forget(struct stage_note *n, struct err *e)
{
    struct there there;

    TRY(read_surely(n, &there, e));
    n->n = 0;
    return remove_notes(n, &there, e);
}

const struct swap_range *stage_note_meets(const struct stage_note *n,
                                          const struct swap_range *r)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->ranges[i].partition == r->partition && n->ranges[i].first <= r->last &&
            r->first <= n->ranges[i].last)
            return &n->ranges[i];
    return NULL;
}

void stage_note_free(struct stage_note *n)
{
    free(n->ranges);
    arena_free(&n->a);
}

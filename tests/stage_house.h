/*
 * stage_house.h - a place in a directory with claims of two partitions in it, for the
 * tests of what goes over it: its verbs are counted, and at a given one the caller
 * dies, or others come and do all they can do before it goes on.
 */
#pragma once

#include "loaders/stage_check.h"
#include "loaders/stage_merge.h"
#include "loaders/stage_where.h"
#include "place/place_inside.h"
#include "tests/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA                                                                   \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":" \
    "\"long\"}]}"
#define EACH 10  // rows of a staged file
#define MOST 500 // rows of a place

static char dir[100], url[120];
static struct av_schema *schema; // what all is read as, NULL = what the claims say
static char key[STAGE_SCHEMA];   // of SCHEMA
static struct place *place;      // nobody counts its verbs
static int64_t next_of[2];       // offset of each partition that comes next
static int64_t came;             // rows staged so far, their ids being 0 to came - 1

/* --- a place that fails when it is told to ---------------------------------------- */

static const struct place_ops *real;
static int verbs_left = -1;     // -1 = for ever
static void (*meanwhile)(void); // instead of dying

static inline enum err_kind count_verb(struct err *e)
{
    if (verbs_left != 0) {
        verbs_left -= verbs_left > 0;
        return ERR_OK;
    }
    if (meanwhile == NULL)
        return err_set(e, ERR_INTERNAL, "dead");
    verbs_left = -1;
    meanwhile();
    return ERR_OK;
}

static inline enum err_kind counted_write(struct place *p, const char *tmp,
                                          const char *final,
                                          const struct place_bytes *bytes,
                                          struct buf *ticket, struct err *e)
{
    TRY(count_verb(e));
    return real->write(p, tmp, final, bytes, ticket, e);
}

static inline enum err_kind counted_claim(struct place *p, const char *name,
                                          const char *tmp, struct span body,
                                          struct err *e)
{
    TRY(count_verb(e));
    return real->claim(p, name, tmp, body, e);
}

static inline enum err_kind counted_finish(struct place *p, struct span ticket,
                                           const char *final, int64_t n, struct err *e)
{
    TRY(count_verb(e));
    return real->finish(p, ticket, final, n, e);
}

static inline enum err_kind counted_discard(struct place *p, struct span ticket,
                                            const char *final, struct err *e)
{
    TRY(count_verb(e));
    return real->discard(p, ticket, final, e);
}

static inline enum err_kind counted_list(struct place *p, const char *at,
                                         struct place_list *l, struct err *e)
{
    TRY(count_verb(e));
    return real->list(p, at, l, e);
}

static inline enum err_kind counted_read(struct place *p, const char *name, int64_t at,
                                         size_t n, struct buf *out, struct err *e)
{
    TRY(count_verb(e));
    return real->read(p, name, at, n, out, e);
}

static inline enum err_kind counted_stat(struct place *p, const char *name,
                                         struct place_entry *out, struct err *e)
{
    TRY(count_verb(e));
    return real->stat(p, name, out, e);
}

static inline enum err_kind counted_remove(struct place *p, const char *name,
                                           struct err *e)
{
    TRY(count_verb(e));
    return real->remove(p, name, e);
}

static inline void count_verbs(struct place *p)
{
    static struct place_ops counted;

    counted = *real;
    counted.write = counted_write;
    counted.claim = counted_claim;
    counted.finish = counted_finish;
    counted.discard = counted_discard;
    counted.list = counted_list;
    counted.read = counted_read;
    counted.stat = counted_stat;
    counted.remove = counted_remove;
    p->ops = &counted;
}

/* --- the place -------------------------------------------------------------------- */

static inline struct place *open_place(void)
{
    const struct place_settings s = {.url = url};
    struct place *p = NULL;
    struct err e = {0};

    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    return p;
}

static inline void put_file(const char *tmp, const char *final, struct span text,
                            struct buf *ticket)
{
    struct place_bytes bytes = place_bytes_of(&text);
    struct err e = {0};

    CHECK_INT(place_write(place, tmp, final, &bytes, ticket, &e), ERR_OK);
}

static inline void enter(void)
{
    static int count;
    struct buf ticket = BUF_INIT(1000);
    char name[STAGE_NAME];
    struct err e = {0};

    // thousands of fsyncs: in memory, where there is such a place
    snprintf(dir, sizeof dir, "%s/avrogate-merge-%ld-%d",
             access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid(),
             ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    CHECK_INT(mkdir(dir, 0777), 0);
    place = open_place();
    real = place->ops;
    came = next_of[0] = next_of[1] = 0;
    verbs_left = -1;
    meanwhile = NULL;
    stage_schema_key(key, span_str(SCHEMA));
    stage_schema_name(name, key);
    put_file("_tmp/schema", name, span_str(SCHEMA), &ticket);
    CHECK_INT(place_finish(place, buf_span(&ticket), name, sizeof SCHEMA - 1, &e),
              ERR_OK);
    buf_free(&ticket);
}

static inline void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    place_close(place);
}

static inline void put_claim(const struct stage_claim *c)
{
    struct buf body = BUF_INIT(PLACE_CLAIM), found = BUF_INIT(PLACE_CLAIM);
    char name[STAGE_NAME];
    struct err e = {0};

    stage_claim_put(&body, c);
    stage_claim_name(name, c->topic, c->partition, c->first);
    CHECK_INT(place_claim(place, name, "_tmp/claim", buf_span(&body), &found, &e),
              ERR_OK);
    buf_free(&body);
    buf_free(&found);
}

/* What a loader does: EACH rows, claimed and, unless it dies there, finished. */
static inline void stage_rows(int32_t partition, bool finished)
{
    struct buf text = BUF_INIT(1 << 16), ticket = BUF_INIT(1000);
    char final[STAGE_NAME], tmp[60];
    int64_t first = next_of[partition];
    struct err e = {0};

    for (int i = 0; i < EACH; i++)
        buf_printf(&text, "{\"id\":%" PRId64 "}\n", came++);
    snprintf(final, sizeof final, "t+%" PRId32 "+%020" PRId64 "+%020" PRId64 ".jsonl",
             partition, first, came - 1);
    snprintf(tmp, sizeof tmp, "_tmp/loader-%" PRId64, came);
    next_of[partition] = came;
    put_file(tmp, final, buf_span(&text), &ticket);
    struct stage_file f = {.final = final,
                           .ticket = buf_span(&ticket),
                           .bytes = (int64_t)text.n,
                           .rows = EACH,
                           .sha256 = ""};
    struct stage_claim c = {.job = "j",
                            .topic = "t",
                            .cluster = "",
                            .instance = "",
                            .run = "",
                            .partition = partition,
                            .first = first,
                            .last = came - 1,
                            .loaded = EACH,
                            .schema = key,
                            .files = &f,
                            .n_files = 1};
    put_claim(&c);
    if (finished)
        CHECK_INT(place_finish(place, buf_span(&ticket), final, f.bytes, &e), ERR_OK);
    buf_free(&text);
    buf_free(&ticket);
}

/* --- readers ---------------------------------------------------------------------- */

struct seen {
    int times[MOST];
    int files;
};

static inline void read_rows(struct seen *s, const char *name)
{
    struct buf text = BUF_INIT(1 << 20);
    struct err e = {0};

    CHECK_INT(place_read(place, name, 0, 1 << 20, &text, &e), ERR_OK);
    buf_put_u8(&text, 0);
    for (const char *at = (const char *)text.p; (at = strstr(at, "\"id\":")) != NULL;
         at++) {
        long id = strtol(at + 5, NULL, 10);
        if (id >= 0 && id < MOST)
            s->times[id]++;
    }
    s->files++;
    buf_free(&text);
}

/* The newest merge's output is there, and `name` went into it. */
static inline bool is_merged_away(const char *name)
{
    struct arena a = {0};
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct place_entry *all, there;
    struct swap swap;
    struct err e = {0};
    bool away = false;
    size_t n;

    CHECK_INT(place_list(place, SWAP_DIR, NULL, &a, &all, &n, &e), ERR_OK);
    while (n > 0 && stage_claim_first(all[n - 1].name) < 0)
        n--;
    if (n > 0) {
        char claim[STAGE_NAME];
        swap_name(claim, stage_claim_first(all[n - 1].name));
        CHECK_INT(place_read(place, claim, 0, PLACE_CLAIM, &body, &e), ERR_OK);
        CHECK_INT(swap_read(&swap, buf_span(&body), &a, &e), ERR_OK);
        for (size_t i = 0; i < swap.n; i++)
            away = away || strcmp(swap.inputs[i].name, name) == 0;
        away = away && place_stat(place, swap.into.final, &there, &e) == ERR_OK;
    }
    buf_free(&body);
    arena_free(&a);
    return away;
}

static inline void read_place(struct seen *s, bool leaves_out)
{
    struct arena a = {0};
    struct place_entry *all;
    struct err e = {0};
    size_t n;

    *s = (struct seen){0};
    CHECK_INT(place_list(place, "", NULL, &a, &all, &n, &e), ERR_OK);
    for (size_t i = 0; i < n; i++)
        if (!all[i].dir && !(leaves_out && is_merged_away(all[i].name)))
            read_rows(s, all[i].name);
    arena_free(&a);
}

/* As docs/staging.md has it: each row once, at any moment. */
static inline bool reads_each_once(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, true);
    for (int64_t i = 0; i < MOST; i++)
        well = well && s.times[i] == (i < came);
    return well;
}

/* One that only lists: never less than all. */
static inline bool lists_all(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, false);
    for (int64_t i = 0; i < came; i++)
        well = well && s.times[i] > 0;
    return well;
}

static inline void say_wrong(void *arg, const char *line)
{
    (void)arg;
    printf("    %s\n", line);
}

/* Of a place at rest. */
static inline int64_t wrongs(bool loud)
{
    struct check_options o = {.place = place, .say = loud ? say_wrong : NULL};
    struct check_sums sums;
    struct err e = {0};

    CHECK_INT(stage_check(&o, &sums, &e), ERR_OK);
    CHECK_INT(sums.rows, came);
    return sums.wrong;
}

/* ... and each once when no merge is at work. */
static inline bool lists_each_once(int files)
{
    struct seen s;
    bool well = true;

    read_place(&s, false);
    for (int64_t i = 0; i < MOST; i++)
        well = well && s.times[i] == (i < came);
    if (s.files != files)
        printf("    %d files, wanted %d\n", s.files, files);
    return well && s.files == files && wrongs(true) == 0;
}

/* --- merging ---------------------------------------------------------------------- */

static inline enum err_kind merge_at(struct place *p, struct merge_sums *sums)
{
    struct merge_options o = {.place = p,
                              .dir = "",
                              .format = "json",
                              .to = "json",
                              .schema = schema,
                              .max_bytes = 1 << 20,
                              .spool = "/tmp"};
    struct err e = {0};

    enum err_kind rc = stage_merge(&o, sums, &e);
    if (rc != ERR_OK && strstr(e.msg, "dead") == NULL)
        printf("    %s\n", e.msg);
    return rc;
}

static inline void merge_all(void)
{
    struct place *p = open_place();
    struct merge_sums sums;

    CHECK_INT(merge_at(p, &sums), ERR_OK);
    place_close(p);
}

/* As a caller whose verbs are counted; true when it came to its end. */
static inline bool merge_until(int verbs, void (*then)(void))
{
    struct place *p = open_place();
    struct merge_sums sums;

    count_verbs(p);
    verbs_left = verbs;
    meanwhile = then;
    enum err_kind rc = merge_at(p, &sums);
    bool reached = verbs_left == -1; // of a sleeper: it slept
    verbs_left = -1;
    place_close(p);
    CHECK(then == NULL || rc == ERR_OK);
    return then == NULL ? rc == ERR_OK : !reached;
}

static inline void stage_four(void)
{
    for (int i = 0; i < 4; i++)
        stage_rows(i % 2, true);
}

static inline void remove_one(const char *name)
{
    char path[STAGE_NAME + 100];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_INT(unlink(path), 0);
}

/*
 * Merges and cleaning in a directory, broken off and slept through between any two
 * requests to it: the place's verbs are counted, and at a given one the caller dies, or
 * others come and do all they can do before it goes on.
 */
#include "loaders/stage_merge.h"

#include "loaders/stage_check.h"
#include "loaders/stage_clean.h"
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

static enum err_kind count_verb(struct err *e)
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

static enum err_kind counted_write(struct place *p, const char *tmp, const char *final,
                                   const struct place_bytes *bytes, struct buf *ticket,
                                   struct err *e)
{
    TRY(count_verb(e));
    return real->write(p, tmp, final, bytes, ticket, e);
}

static enum err_kind counted_claim(struct place *p, const char *name, const char *tmp,
                                   struct span body, struct err *e)
{
    TRY(count_verb(e));
    return real->claim(p, name, tmp, body, e);
}

static enum err_kind counted_finish(struct place *p, struct span ticket,
                                    const char *final, int64_t n, struct err *e)
{
    TRY(count_verb(e));
    return real->finish(p, ticket, final, n, e);
}

static enum err_kind counted_discard(struct place *p, struct span ticket,
                                     const char *final, struct err *e)
{
    TRY(count_verb(e));
    return real->discard(p, ticket, final, e);
}

static enum err_kind counted_list(struct place *p, const char *at, struct place_list *l,
                                  struct err *e)
{
    TRY(count_verb(e));
    return real->list(p, at, l, e);
}

static enum err_kind counted_read(struct place *p, const char *name, int64_t at,
                                  size_t n, struct buf *out, struct err *e)
{
    TRY(count_verb(e));
    return real->read(p, name, at, n, out, e);
}

static enum err_kind counted_stat(struct place *p, const char *name,
                                  struct place_entry *out, struct err *e)
{
    TRY(count_verb(e));
    return real->stat(p, name, out, e);
}

static enum err_kind counted_remove(struct place *p, const char *name, struct err *e)
{
    TRY(count_verb(e));
    return real->remove(p, name, e);
}

static void count_verbs(struct place *p)
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

static struct place *open_place(void)
{
    const struct place_settings s = {.url = url};
    struct place *p = NULL;
    struct err e = {0};

    CHECK_INT(place_open(&p, &s, &e), ERR_OK);
    return p;
}

static void put_file(const char *tmp, const char *final, struct span text,
                     struct buf *ticket)
{
    struct place_bytes bytes = place_bytes_of(&text);
    struct err e = {0};

    CHECK_INT(place_write(place, tmp, final, &bytes, ticket, &e), ERR_OK);
}

static void enter(void)
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

static void leave(void)
{
    char command[200];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    place_close(place);
}

static void put_claim(const struct stage_claim *c)
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
static void stage_rows(int32_t partition, bool finished)
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

static void read_rows(struct seen *s, const char *name)
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
static bool is_merged_away(const char *name)
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

static void read_place(struct seen *s, bool leaves_out)
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
static bool reads_each_once(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, true);
    for (int64_t i = 0; i < MOST; i++)
        well = well && s.times[i] == (i < came);
    return well;
}

/* One that only lists: never less than all. */
static bool lists_all(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, false);
    for (int64_t i = 0; i < came; i++)
        well = well && s.times[i] > 0;
    return well;
}

static void say_wrong(void *arg, const char *line)
{
    (void)arg;
    printf("    %s\n", line);
}

/* Of a place at rest. */
static int64_t wrongs(bool loud)
{
    struct check_options o = {.place = place, .say = loud ? say_wrong : NULL};
    struct check_sums sums;
    struct err e = {0};

    CHECK_INT(stage_check(&o, &sums, &e), ERR_OK);
    CHECK_INT(sums.rows, came);
    return sums.wrong;
}

/* ... and each once when no merge is at work. */
static bool lists_each_once(int files)
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

static enum err_kind merge_at(struct place *p, struct merge_sums *sums)
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

static void merge_all(void)
{
    struct place *p = open_place();
    struct merge_sums sums;

    CHECK_INT(merge_at(p, &sums), ERR_OK);
    place_close(p);
}

/* As a caller whose verbs are counted; true when it came to its end. */
static bool merge_until(int verbs, void (*then)(void))
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

static void many_small_files_become_one(void)
{
    struct merge_sums sums;

    enter();
    for (int i = 0; i < 6; i++)
        stage_rows(i % 2, true);
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merges, 1);
    CHECK_INT(sums.inputs, 6);
    CHECK_INT(sums.rows, 6 * EACH);
    CHECK(lists_each_once(1));
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merges, 0); // again: nothing is left to do
    stage_rows(0, true);
    merge_all();
    CHECK(lists_each_once(1)); // a merged file is merged on
    leave();
}

static void stage_four(void)
{
    for (int i = 0; i < 4; i++)
        stage_rows(i % 2, true);
}

static void dead_at_any_request_it_is_mended_by_the_next(void)
{
    bool ended = false;
    int k = 0;

    for (; !ended && k < 500; k++) {
        enter();
        stage_four();
        ended = merge_until(k, NULL);
        CHECK(reads_each_once() && lists_all());
        if (k % 3 == 0) {
            stage_rows(1, true); // loaders go on meanwhile
            CHECK(reads_each_once() && lists_all());
        }
        merge_all();
        CHECK(lists_each_once(1) && reads_each_once());
        leave();
    }
    CHECK(ended);
    CHECK(k > 30); // there were as many requests to die at
}

static void dead_twice_it_is_mended_by_the_third(void)
{
    for (int k = 20; k < 60; k += 3)
        for (int j = 1; j < 30; j += 4) {
            enter();
            stage_four();
            (void)merge_until(k, NULL);
            stage_rows(0, true);
            (void)merge_until(j, NULL);
            CHECK(reads_each_once() && lists_all());
            merge_all();
            CHECK(lists_each_once(1));
            leave();
        }
}

static void others_merge(void)
{
    merge_all();
    CHECK(reads_each_once());
}

static void others_go_on_for_long(void)
{
    for (int i = 0; i < 3; i++) {
        merge_all();
        stage_rows(i % 2, true);
        stage_rows(i % 2, true);
    }
    merge_all();
    CHECK(reads_each_once() && lists_all());
}

static void sleep_at_any_request(void (*then)(void))
{
    bool slept = true;
    int k = 0;

    for (; slept && k < 500; k++) {
        enter();
        stage_four();
        slept = !merge_until(k, then);
        CHECK(reads_each_once() && lists_all());
        merge_all();
        CHECK(lists_each_once(1) && reads_each_once());
        leave();
    }
    CHECK(!slept && k > 30);
}

static void two_at_once_merge_each_file_once(void)
{
    sleep_at_any_request(others_merge);
}

static void one_that_slept_through_others_merges_does_no_harm(void)
{
    sleep_at_any_request(others_go_on_for_long);
}

static void a_loader_that_goes_on_is_not_disturbed(void)
{
    sleep_at_any_request(stage_four);
}

/* The newest claim's loader died before it gave the file its name. */
static void what_is_claimed_is_finished_before_it_is_merged(void)
{
    struct merge_sums sums;

    enter();
    stage_four();
    stage_rows(1, false);
    CHECK(!lists_all());
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.inputs, 4); // what nobody sees is nobody's yet
    stage_rows(0, true);
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    leave();
}

static void what_is_not_ours_is_left_alone(void)
{
    static const char *const names[] = {"report.jsonl", "t+9+1.jsonl",
                                        "t+9+0000000001.jsonl",
                                        "backup/t+0+0000000001."
                                        "jsonl"};
    struct buf ticket = BUF_INIT(1000);
    struct place_entry there;
    struct merge_sums sums;
    struct err e = {0};

    enter();
    stage_four();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put_file("_tmp/x", names[i], span_str("{\"id\":7}\n"), &ticket);
        CHECK_INT(place_finish(place, buf_span(&ticket), names[i], 9, &e), ERR_OK);
    }
    CHECK_INT(merge_at(place, &sums), ERR_OK);
    CHECK_INT(sums.inputs, 4);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK_INT(place_stat(place, names[i], &there, &e), ERR_OK);
    buf_free(&ticket);
    leave();
}

/* The file's k-th row is the k-th of what was staged. */
static void check_rows(const struct stage_lies *l, int64_t first)
{
    struct buf text = BUF_INIT(1 << 20);
    struct err e = {0};
    const char *at;
    int64_t row = 0;

    CHECK_INT(place_read(place, l->name, 0, 1 << 20, &text, &e), ERR_OK);
    CHECK_INT(text.n, l->bytes);
    buf_put_u8(&text, 0);
    at = (const char *)text.p;
    for (; row < l->first && (at = strchr(at, '\n')) != NULL; at++)
        row++;
    for (int64_t i = 0; i < EACH && at != NULL; i++, at++) {
        const char *id = strstr(at, "\"id\":");
        CHECK_INT(id != NULL ? strtol(id + 5, NULL, 10) : -1, first + i);
        at = strchr(at, '\n');
    }
    buf_free(&text);
}

static void rows_that_were_merged_are_found_where_they_went(void)
{
    struct stage_lies l;
    struct err e = {0};

    enter();
    struct stage_where *w = stage_where_open(place);
    for (int round = 0; round < 3; round++) {
        stage_four();
        for (int64_t first = 0; first < came; first += EACH) {
            char name[STAGE_NAME];
            int64_t from = first < 2 * EACH ? 0 : first - EACH; // the other's between
            snprintf(name, sizeof name, "t+%d+%020" PRId64 "+%020" PRId64 ".jsonl",
                     (int)(first / EACH % 2), from, first + EACH - 1);
            CHECK_INT(stage_where_find(w, name, &l, &e), ERR_OK);
            CHECK_INT(l.merged, first < round * 4 * EACH);
            CHECK(!l.merged || (l.rows == round * 4 * EACH &&
                                strcmp(l.schema, key) == 0 && strlen(l.sha256) == 64));
            check_rows(&l, first);
        }
        merge_all();
    }
    CHECK_INT(stage_where_find(w, "t+9+0000000001.jsonl", &l, &e), ERR_NOT_FOUND);
    stage_where_close(w);
    leave();
}

static void what_has_no_schema_anywhere_is_not_merged(void)
{
    struct merge_sums sums;

    enter();
    key[0] = '\0'; // as an older loader's claims
    stage_four();
    struct merge_options o = {.place = place,
                              .dir = "",
                              .format = "json",
                              .to = "json",
                              .max_bytes = 1 << 20,
                              .spool = "/tmp"};
    struct err e = {0};
    CHECK_INT(stage_merge(&o, &sums, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "--schema") != NULL);
    CHECK_INT(av_schema_parse(&schema, span_str(SCHEMA), NULL, 0, NULL, &e), ERR_OK);
    merge_all();
    CHECK(lists_each_once(1));
    av_schema_release(schema);
    schema = NULL;
    leave();
}

/* --- cleaning --------------------------------------------------------------------- */

static int64_t loaded; // of each partition, all before it

static enum err_kind ask_loaded(void *arg, const char *topic, int32_t partition,
                                int64_t *next, struct err *e)
{
    (void)arg, (void)topic, (void)partition, (void)e;
    *next = loaded;
    return ERR_OK;
}

static enum err_kind clean_at(struct place *p, struct clean_sums *sums)
{
    struct clean_options o = {.place = p, .loaded = ask_loaded};
    struct err e = {0};

    enum err_kind rc = stage_clean(&o, sums, &e);
    if (rc != ERR_OK && verbs_left != 0)
        printf("    %s\n", e.msg);
    return rc;
}

static void clean_all(void)
{
    struct place *p = open_place();
    struct clean_sums sums;

    CHECK_INT(clean_at(p, &sums), ERR_OK);
    place_close(p);
}

static bool clean_until(int verbs, void (*then)(void))
{
    struct place *p = open_place();
    struct clean_sums sums;

    count_verbs(p);
    verbs_left = verbs;
    meanwhile = then;
    enum err_kind rc = clean_at(p, &sums);
    bool reached = verbs_left == -1;
    verbs_left = -1;
    place_close(p);
    CHECK(then == NULL || rc == ERR_OK);
    return then == NULL ? rc == ERR_OK : !reached;
}

/* What is not loaded is there once, and no row twice. */
static bool keeps_what_is_not_loaded(void)
{
    struct seen s;
    bool well = true;

    read_place(&s, true);
    for (int64_t i = 0; i < MOST; i++)
        well = well && s.times[i] <= 1 && (i < loaded || s.times[i] == (i < came));
    return well;
}

static int lying_in(const char *at)
{
    struct arena a = {0};
    struct place_entry *all;
    struct err e = {0};
    size_t n;
    int files = 0;

    CHECK_INT(place_list(place, at, NULL, &a, &all, &n, &e), ERR_OK);
    for (size_t i = 0; i < n; i++)
        files += !all[i].dir;
    arena_free(&a);
    return files;
}

static void what_is_loaded_is_cleaned_and_nothing_else(void)
{
    struct clean_sums sums;

    enter();
    stage_four();
    loaded = 25; // in the middle of a claim
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.claims, 2);
    CHECK_INT(sums.files, 2);
    CHECK_INT(sums.rows, 2 * EACH);
    CHECK_INT(lying_in(""), 2);
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.claims, 0); // again: nothing is left to do
    merge_all();
    stage_four();
    merge_all();
    loaded = 60; // of the merged file in part
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merged, 0);
    CHECK(keeps_what_is_not_loaded());
    CHECK_INT(wrongs(true), 0); // merges of what is cleaned are known while it lives on
    loaded = came;
    CHECK_INT(clean_at(place, &sums), ERR_OK);
    CHECK_INT(sums.merged, 1);
    CHECK_INT(lying_in(""), 0);
    CHECK_INT(lying_in(SWAP_DIR), 2);          // the newest, which is the next number's
    CHECK_INT(lying_in("_claims/t/00000"), 8); // claims stay, with .done
    CHECK_INT(lying_in("_claims/t/00001.clean"), 1);
    stage_rows(0, true);
    merge_all();
    loaded = came - EACH;
    CHECK(keeps_what_is_not_loaded());
    leave();
}

static void dead_at_any_request_cleaning_is_finished_by_the_next(void)
{
    bool ended = false;
    int k = 0;

    for (; !ended && k < 500; k++) {
        enter();
        stage_four();
        merge_all();
        stage_four();
        loaded = 60;
        ended = clean_until(k, NULL);
        CHECK(keeps_what_is_not_loaded());
        merge_all();
        CHECK(keeps_what_is_not_loaded());
        CHECK_INT(wrongs(true), 0);
        loaded = came;
        clean_all();
        CHECK_INT(lying_in(""), 0);
        CHECK_INT(wrongs(true), 0);
        leave();
    }
    CHECK(ended && k > 20);
}

static void others_stage_and_merge(void)
{
    stage_four();
    merge_all();
    stage_four();
    CHECK(keeps_what_is_not_loaded());
}

static void others_stage_merge_and_clean(void)
{
    int64_t was = loaded;

    stage_four();
    merge_all();
    clean_all();
    stage_four();
    merge_all();
    loaded = was + 20;
    clean_all();
    CHECK(keeps_what_is_not_loaded());
}

static void one_that_slept_while_cleaning_takes_nothing_new(void)
{
    static void (*const others[])(void) = {others_stage_and_merge,
                                           others_stage_merge_and_clean};

    for (size_t i = 0; i < 2; i++) {
        bool slept = true;
        int k = 0;
        for (; slept && k < 500; k++) {
            enter();
            stage_four();
            merge_all();
            stage_four();
            loaded = 60;
            slept = !clean_until(k, others[i]);
            CHECK(keeps_what_is_not_loaded());
            merge_all();
            CHECK(keeps_what_is_not_loaded());
            leave();
        }
        CHECK(!slept && k > 20);
    }
}

/* ... and forget merges, so that their numbers are free again. */
static void others_load_and_clean(void)
{
    for (int i = 0; i < 3; i++) {
        merge_all();
        stage_four();
        merge_all();
        loaded = came;
        clean_all();
        stage_four();
    }
    CHECK(keeps_what_is_not_loaded());
}

static void a_merge_that_slept_through_others_cleaning_does_no_harm(void)
{
    bool slept = true;
    int k = 0;

    for (; slept && k < 500; k++) {
        enter();
        stage_four();
        loaded = 0;
        slept = !merge_until(k, others_load_and_clean);
        merge_all();
        clean_all();
        CHECK(keeps_what_is_not_loaded());
        CHECK_INT(wrongs(true), 0);
        leave();
    }
    CHECK(!slept && k > 30);
}

static void a_merge_sleeps_while_others_clean(void)
{
    for (int k = 0; k < 60; k++) {
        enter();
        stage_four();
        loaded = 20;
        (void)merge_until(k, clean_all);
        CHECK(keeps_what_is_not_loaded());
        merge_all();
        clean_all();
        CHECK(keeps_what_is_not_loaded());
        loaded = came;
        clean_all();
        CHECK_INT(lying_in(""), 0);
        leave();
    }
}

static void remove_one(const char *name)
{
    char path[STAGE_NAME + 100];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_INT(unlink(path), 0);
}

static void what_was_tampered_with_is_found(void)
{
    struct arena a = {0};
    struct place_entry *all;
    struct err e = {0};
    char merged[300];
    size_t n;

    for (int what = 0; what < 4; what++) {
        enter();
        stage_four();
        merge_all();
        CHECK_INT(place_list(place, "", NULL, &a, &all, &n, &e), ERR_OK);
        for (size_t i = 0; i < n; i++)
            if (!all[i].dir)
                snprintf(merged, sizeof merged, "%s", all[i].name);
        stage_four();
        CHECK_INT(wrongs(true), 0);
        switch (what) {
        case 0: remove_one(merged); break;
        case 1:
            remove_one("t+0+00000000000000000030+00000000000000000049.jsonl");
            break;
        case 2: remove_one("_merges/00000000000000000000"); break;
        case 3: remove_one("_claims/t/00000/00000000000000000010"), came -= EACH; break;
        }
        CHECK(wrongs(false) > 0);
        leave();
    }
    arena_free(&a);
}

/* Of the newest claim: a file whose name nobody has come to give it is no loss, one
 * that is in neither place is. */
static void what_has_no_name_yet_is_told_from_what_is_gone(void)
{
    static const struct {
        bool finished;
        const char *remove;
        int64_t open, wrong;
    } cases[] = {
        {true, NULL, 0, 0},
        {false, NULL, 1, 0},
        {false, "_tmp/loader-20", 0, 1},
        {true, "t+0+00000000000000000010+00000000000000000019.jsonl", 0, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct check_options o = {0};
        struct check_sums sums;
        struct err e = {0};
        enter();
        stage_rows(0, true);
        stage_rows(0, cases[i].finished);
        if (cases[i].remove != NULL)
            remove_one(cases[i].remove);
        o.place = place;
        CHECK_INT(stage_check(&o, &sums, &e), ERR_OK);
        CHECK_INT(sums.open, cases[i].open);
        CHECK_INT(sums.wrong, cases[i].wrong);
        leave();
    }
}

/* A crash, and nobody came for so long that the private bytes were swept. */
static void swept_before_anybody_came_it_is_called_off(void)
{
    int found = 0;

    for (int k = 20; k < 60; k++) {
        char command[200];
        enter();
        stage_four();
        (void)merge_until(k, NULL);
        snprintf(command, sizeof command, "rm -f %s/_tmp/*", dir);
        CHECK_INT(system(command), 0);
        CHECK(lists_all());
        merge_all();
        CHECK(lists_each_once(1));
        leave();
        found++;
    }
    CHECK_INT(found, 40);
}

int main(void)
{
    RUN(many_small_files_become_one);
    RUN(dead_at_any_request_it_is_mended_by_the_next);
    RUN(dead_twice_it_is_mended_by_the_third);
    RUN(two_at_once_merge_each_file_once);
    RUN(one_that_slept_through_others_merges_does_no_harm);
    RUN(a_loader_that_goes_on_is_not_disturbed);
    RUN(what_is_claimed_is_finished_before_it_is_merged);
    RUN(what_is_not_ours_is_left_alone);
    RUN(rows_that_were_merged_are_found_where_they_went);
    RUN(what_has_no_schema_anywhere_is_not_merged);
    RUN(what_is_loaded_is_cleaned_and_nothing_else);
    RUN(dead_at_any_request_cleaning_is_finished_by_the_next);
    RUN(one_that_slept_while_cleaning_takes_nothing_new);
    RUN(a_merge_that_slept_through_others_cleaning_does_no_harm);
    RUN(a_merge_sleeps_while_others_clean);
    RUN(what_was_tampered_with_is_found);
    RUN(what_has_no_name_yet_is_told_from_what_is_gone);
    RUN(swept_before_anybody_came_it_is_called_off);
    return REPORT();
}

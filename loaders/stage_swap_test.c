/*
 * The swap against everything that can happen to it: callers that die between any two
 * steps, zombies that sleep through others' merges and through a clean, answers that
 * are lost, private bytes that are swept.  A reader looks after every step.
 */
#include "loaders/stage_swap.h"

#include "tests/check.h"

#include <stdlib.h>

#define SCHEMA_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILES 3000
#define SWAPS 1000
#define CALLERS 3
#define FIRST 12 // files that lie there at the start
#define LATE 30  // that come while it runs

struct file {
    bool there;
    uint64_t rows; // a bit for each
};

struct claimed {
    bool there, done, was_private, output_there; // output: private or final
    int output, inputs[4], n;
};

static struct {
    struct file files[FILES];
    int n;
    uint64_t all; // rows that came
    int came;
    struct claimed claims[SWAPS];
} place;

struct caller {
    enum swap_phase at;
    int newest, seq, asleep;
    struct claimed mine; // the swap at hand
};

static uint64_t seed;

static unsigned roll(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void arrive(void)
{
    uint64_t row = UINT64_C(1) << place.came++;

    place.files[place.n++] = (struct file){true, row};
    place.all |= row;
}

static int newest(void)
{
    int i = SWAPS - 1;

    while (i >= 0 && !place.claims[i].there)
        i--;
    return i;
}

/* --- what a place does ------------------------------------------------------------ */

static enum err_kind look(struct caller *c, bool *open)
{
    c->newest = newest();
    *open = c->newest >= 0 && !place.claims[c->newest].done;
    if (*open) {
        c->seq = c->newest;
        c->mine = place.claims[c->seq];
    }
    return ERR_OK;
}

static enum err_kind plan(struct caller *c)
{
    unsigned want = 2 + roll(3);

    c->seq = c->newest + 1;
    c->mine = (struct claimed){.there = true};
    for (int i = 0; i < place.n && (unsigned)c->mine.n < want; i++)
        if (place.files[i].there)
            c->mine.inputs[c->mine.n++] = i;
    return c->mine.n < 2 ? ERR_NOT_FOUND : ERR_OK;
}

/* Private files are kept at the same place in the list, not there yet. */
static enum err_kind write_file(struct caller *c)
{
    struct file f = {0};

    for (int i = 0; i < c->mine.n; i++) {
        if (!place.files[c->mine.inputs[i]].there)
            return ERR_NOT_FOUND;
        f.rows |= place.files[c->mine.inputs[i]].rows;
    }
    c->mine.output = place.n;
    place.files[place.n++] = f;
    return ERR_OK;
}

static enum err_kind claim(struct caller *c)
{
    struct claimed *there = &place.claims[c->seq];

    if (there->there)
        return there->output == c->mine.output ? ERR_OK : ERR_CONFLICT;
    *there = c->mine;
    there->was_private = true;
    return ERR_OK;
}

static enum err_kind check(struct caller *c)
{
    return newest() > c->seq ? ERR_CONFLICT : ERR_OK;
}

static bool swept[FILES];

static enum err_kind finish(struct caller *c)
{
    struct file *f = &place.files[c->mine.output];

    if (f->there)
        return ERR_OK;
    if (swept[c->mine.output] || f->rows == 0)
        return ERR_NOT_FOUND;
    f->there = true;
    return ERR_OK;
}

static enum err_kind judge(struct caller *c)
{
    if (place.claims[c->seq].done || newest() > c->seq)
        return ERR_OK;
    for (int i = 0; i < c->mine.n; i++)
        if (!place.files[c->mine.inputs[i]].there)
            return ERR_NOT_FOUND;
    place.claims[c->seq].done = true;
    return ERR_OK;
}

/* Some of them: it may break off in the middle. */
static enum err_kind remove_inputs(struct caller *c)
{
    for (int i = 0; i < c->mine.n; i++) {
        if (roll(6) == 0)
            return ERR_UNAVAILABLE;
        place.files[c->mine.inputs[i]] = (struct file){0}; // names never come again
    }
    return ERR_OK;
}

static enum err_kind discard(struct caller *c)
{
    swept[c->mine.output] = swept[c->mine.output] || !place.files[c->mine.output].there;
    return ERR_OK;
}

static enum err_kind act(struct caller *c, bool *open)
{
    switch (c->at) {
    case SWAP_LOOK: return look(c, open);
    case SWAP_PLAN: return plan(c);
    case SWAP_WRITE: return write_file(c);
    case SWAP_CLAIM: return claim(c);
    case SWAP_CHECK: return check(c);
    case SWAP_FINISH: return finish(c);
    case SWAP_JUDGE: return judge(c);
    case SWAP_RELEASE: return ERR_OK;
    case SWAP_REMOVE: return remove_inputs(c);
    case SWAP_MARK: place.claims[c->seq].done = true; return ERR_OK;
    case SWAP_DISCARD: return discard(c);
    default: abort();
    }
}

/* --- what a reader sees ----------------------------------------------------------- */

/* One that lists and leaves out what went into the newest merge's output, where that
 * is there. */
static bool reads_each_once(void)
{
    uint64_t seen = 0, twice = 0;
    int last = newest();
    const struct claimed *merge = last >= 0 ? &place.claims[last] : NULL;

    if (merge != NULL && !place.files[merge->output].there)
        merge = NULL;
    for (int i = 0; i < place.n; i++) {
        bool reads = place.files[i].there;
        for (int k = 0; merge != NULL && k < merge->n; k++)
            reads = reads && merge->inputs[k] != i;
        if (!reads)
            continue;
        twice |= seen & place.files[i].rows;
        seen |= place.files[i].rows;
    }
    return twice == 0 && seen == place.all;
}

/* One that lists: rows may be there twice for a moment, missing never. */
static bool lists_all(void)
{
    uint64_t seen = 0;

    for (int i = 0; i < place.n; i++)
        if (place.files[i].there)
            seen |= place.files[i].rows;
    return seen == place.all;
}

static bool lists_each_once(void)
{
    uint64_t seen = 0, twice = 0;

    for (int i = 0; i < place.n; i++)
        if (place.files[i].there) {
            twice |= seen & place.files[i].rows;
            seen |= place.files[i].rows;
        }
    return twice == 0 && seen == place.all;
}

/* --- a run ------------------------------------------------------------------------ */

static void clean(void)
{
    for (int i = newest() - 1; i >= 0; i--)
        place.claims[i] = (struct claimed){0};
}

/* The private bytes of the newest claim, a day after everybody died. */
static void sweep(void)
{
    int last = newest();

    if (last >= 0 && !place.claims[last].done &&
        !place.files[place.claims[last].output].there)
        swept[place.claims[last].output] = true;
}

static bool step(struct caller *c, bool trouble)
{
    bool open = false;
    enum err_kind rc = ERR_UNAVAILABLE;

    if (c->at == SWAP_END)
        c->at = SWAP_LOOK;
    if (!trouble || roll(10) > 0) // else the request was lost
        rc = act(c, &open);
    if (trouble && roll(10) == 0)
        rc = ERR_UNAVAILABLE; // else the answer
    c->at = swap_next(c->at, rc, open);
    return c->at != SWAP_STOPPED;
}

static bool run(uint64_t which)
{
    struct caller all[CALLERS] = {0};
    unsigned alive = 1 + (unsigned)(which % CALLERS);

    seed = which * 2654435761u + 12345;
    memset(&place, 0, sizeof place);
    memset(swept, 0, sizeof swept);
    for (int i = 0; i < FIRST; i++)
        arrive();
    for (int turn = 0; turn < 600; turn++) {
        struct caller *c = &all[roll(alive)];
        if (c->asleep > 0) {
            c->asleep--;
            continue;
        }
        switch (roll(40)) {
        case 0: *c = (struct caller){0}; break; // killed, called again
        case 1: c->asleep = (int)roll(60); break;
        case 2: clean(); break;
        case 3:
            if (place.came < FIRST + LATE)
                arrive();
            break;
        case 4:
            if (alive == 1)
                sweep();
            break;
        default:
            if (!step(c, true))
                return false;
        }
        if (!reads_each_once() || !lists_all())
            return false;
    }
    // the trouble is over: one that is called now ends it
    struct caller last = {0};
    for (int turn = 0; turn < 3000; turn++) {
        if (!step(&last, false))
            return false;
        if (last.at == SWAP_END)
            return lists_each_once() && reads_each_once();
    }
    return false;
}

static void rows_are_there_once_whatever_happens(void)
{
    int bad = 0;

    for (uint64_t s = 1; s <= 3000; s++)
        if (!run(s) && bad++ < 5)
            printf("    seed %llu\n", (unsigned long long)s);
    CHECK_INT(bad, 0);
}

/* One after the other: dead after exactly `k` steps, then called again. */
static void a_crash_after_any_step_is_mended_by_calling_again(void)
{
    for (int k = 0; k < 60; k++) {
        struct caller c = {0};
        seed = 1;
        memset(&place, 0, sizeof place);
        memset(swept, 0, sizeof swept);
        for (int i = 0; i < FIRST; i++)
            arrive();
        for (int i = 0; i < k; i++)
            CHECK(step(&c, false));
        c = (struct caller){0};
        for (int i = 0; i < 1000 && c.at != SWAP_END; i++)
            CHECK(step(&c, false));
        CHECK_INT(c.at, SWAP_END);
        CHECK(lists_each_once());
    }
}

static void a_claim_reads_back_as_it_was_written(void)
{
    struct swap_input in[] = {{"dt=1/w+3+0000000001.avro", 10, 1, "_claims/w/00003/1"},
                              {"\"q\"/w+merged-0000000001-0123abcd.avro", 20, 2, ""}};
    struct swap_range ranges[] = {{3, 1, 700}, {0, 0, 0}};
    struct swap s = {.topic = "w",
                     .ranges = ranges,
                     .n_ranges = 2,
                     .seq = 7,
                     .made_ms = 5,
                     .schema = SCHEMA_KEY,
                     .by = "me",
                     .into = {.final = "w+merged.avro",
                              .ticket = span_str("_tmp/x"),
                              .bytes = 30,
                              .rows = 3,
                              .sha256 = "ab"},
                     .inputs = in,
                     .n = 2};
    struct buf text = BUF_INIT(4096), again = BUF_INIT(4096);
    struct arena a = {0};
    struct swap got;
    struct err e = {0};

    swap_put(&text, &s);
    CHECK_INT(swap_read(&got, buf_span(&text), &a, &e), ERR_OK);
    swap_put(&again, &got);
    CHECK(span_eq(buf_span(&text), buf_span(&again)));
    CHECK_STR(got.inputs[1].name, in[1].name);
    CHECK_INT(got.inputs[1].rows, 2);
    CHECK_INT(got.n_ranges, 2);
    CHECK_INT(got.ranges[0].last, 700);
    CHECK_INT(swap_read(&got, span_str("{\"version\":2}"), &a, &e), ERR_INTERNAL);
    CHECK_INT(swap_read(&got, span_str("{\"version\":1,\"seq\":1}"), &a, &e),
              ERR_INTERNAL);
    buf_free(&text);
    buf_free(&again);
    arena_free(&a);
}

static void a_merge_of_what_is_no_staged_file_is_refused(void)
{
    static const char *const inputs[][2] = {
        {"_claims/w/00003/00000000000000000001", ""},
        {"_claims/w+3+0000000001.avro", ""},
        {"report.csv", ""},
        {"w+3+0000000001.avro", "report.csv"},
    };

    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct swap_input in = {inputs[i][0], 1, 1, inputs[i][1]};
        struct swap_range range = {0, 0, 0};
        struct swap s = {.by = "me",
                         .topic = "w",
                         .ranges = &range,
                         .n_ranges = 1,
                         .schema = SCHEMA_KEY,
                         .into = {.final = "w", .sha256 = ""},
                         .inputs = &in,
                         .n = 1};
        struct buf text = BUF_INIT(4096);
        struct arena a = {0};
        struct err e = {0};
        swap_put(&text, &s);
        CHECK_INT(swap_read(&s, buf_span(&text), &a, &e), ERR_INTERNAL);
        buf_free(&text);
        arena_free(&a);
    }
}

static void names_of_files_tell_whose_they_are(void)
{
    struct swap_origin o = swap_origin_of(
        "dt=1/weather+3+00000000000000000100+00000000000000000199.parquet");

    CHECK(o.loaders);
    CHECK_STR(o.topic, "weather");
    CHECK_INT(o.partition, 3);
    CHECK_INT(o.first, 100);
    o = swap_origin_of("weather+12+0000000017.parquet");
    CHECK(o.loaders);
    CHECK_INT(o.partition, 12);
    CHECK_INT(o.first, -1);
    CHECK_INT(o.count, 17);
    o = swap_origin_of("dt=1/weather+merged-0000000017-00ab12cd.parquet");
    CHECK(o.merged && !o.loaders);
    CHECK_INT(o.merge, 17);
    CHECK_STR(o.topic, "weather");
    CHECK(!swap_origin_of("weather+merged-0000000017-ab.parquet").merged);
    CHECK(!swap_origin_of("weather+merged-17-00ab12cd.parquet").merged);
    char name[STAGE_NAME];
    swap_output_name(name, "weather", 17, "00ab12cd-1111");
    strcat(name, ".csv");
    CHECK(swap_origin_of(name).merged);
    o = swap_origin_of("a+b/part-1.parquet");
    CHECK(!o.loaders);
    CHECK_STR(o.topic, "");
    CHECK(!swap_origin_of("w+1+00000000000000000100+1.parquet").loaders);
}

int main(void)
{
    RUN(rows_are_there_once_whatever_happens);
    RUN(a_crash_after_any_step_is_mended_by_calling_again);
    RUN(a_claim_reads_back_as_it_was_written);
    RUN(a_merge_of_what_is_no_staged_file_is_refused);
    RUN(names_of_files_tell_whose_they_are);
    return REPORT();
}

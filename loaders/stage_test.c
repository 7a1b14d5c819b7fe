/*
 * The protocol against everything that can happen to it: instances that die between any
 * two steps, zombies that sleep through another's life and wake, answers that are lost.
 * Each seed is one run; a run that fails prints its seed, and can be had again.
 */
#include "loaders/stage.h"

#include "base/mem.h"
#include "tests/check.h"

#include <stdlib.h>

#define LOG 400     // records of the partition
#define INSTANCES 4 // alive or asleep at once
#define FILES 4000  // of a run, private and final

struct file {
    int64_t first, last;
    bool final, gone;
};

struct claimed {
    bool there;
    int64_t last;
    int file;
    bool done;
};

static struct {
    struct file files[FILES];
    int n;
    struct claimed claims[LOG]; // by first offset
} place;

struct instance {
    struct stage s;
    int file;   // private, -1 = none
    int theirs; // of the claim that was found
    int asleep; // so many turns
};

static uint64_t seed;

static unsigned roll(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* --- what a place does ------------------------------------------------------------ */

static enum err_kind look(struct instance *i, struct stage_found *f)
{
    *f = (struct stage_found){-1, -1, false};
    for (int64_t at = LOG - 1; at >= 0; at--)
        if (place.claims[at].there) {
            *f = (struct stage_found){at, place.claims[at].last, place.claims[at].done};
            i->theirs = place.claims[at].file;
            break;
        }
    return ERR_OK;
}

static enum err_kind finish(int file)
{
    if (place.files[file].gone)
        return ERR_NOT_FOUND;
    place.files[file].final = true; // idempotent
    return ERR_OK;
}

static enum err_kind write_file(struct instance *i)
{
    i->file = place.n++;
    place.files[i->file] = (struct file){i->s.first, i->s.last, false, false};
    return ERR_OK;
}

static enum err_kind claim(struct instance *i, struct stage_found *f)
{
    struct claimed *c = &place.claims[i->s.first];

    if (!c->there) {
        *c = (struct claimed){true, i->s.last, i->file, false};
        return ERR_OK;
    }
    if (c->file == i->file)
        return ERR_OK; // our own: an answer was lost
    *f = (struct stage_found){i->s.first, c->last, c->done};
    i->theirs = c->file;
    return ERR_CONFLICT;
}

static enum err_kind act(struct instance *i, struct stage_found *f)
{
    switch (i->s.phase) {
    case STAGE_LOOK: return look(i, f);
    case STAGE_SETTLE: return finish(i->theirs);
    case STAGE_WRITE: return write_file(i);
    case STAGE_CLAIM: return claim(i, f);
    case STAGE_FINISH: return finish(i->file);
    case STAGE_DISCARD: place.files[i->file].gone = true; return ERR_OK;
    case STAGE_YIELD: return finish(i->theirs);
    default: abort();
    }
}

/* --- a run ------------------------------------------------------------------------ */

/* A loader's turn: it gathers a random number of records, or takes the next step. */
static bool step(struct instance *i, int64_t end)
{
    struct stage_found f = {-1, -1, false};

    if (i->s.phase == STAGE_STOPPED)
        return false;
    if (i->s.phase == STAGE_KEPT || i->s.phase == STAGE_LOST) {
        stage_again(&i->s);
        return true;
    }
    if (i->s.phase == STAGE_READY) {
        if (i->s.next < end)
            stage_seal(&i->s, i->s.next + roll((unsigned)(end - i->s.next)) % 20);
        return true;
    }
    enum err_kind rc = ERR_UNAVAILABLE;
    if (roll(10) > 0) // else the request was lost
        rc = act(i, &f);
    if (roll(10) == 0)
        rc = ERR_UNAVAILABLE; // else the answer
    stage_next(&i->s, rc, &f, 0);
    return true;
}

/* A reader of staged files: the finals, which must be the claims' and follow each
 * other. */
static bool is_whole(int64_t end, bool complete)
{
    int covered[LOG] = {0};
    int64_t at = 0;

    for (int k = 0; k < place.n; k++) {
        const struct file *f = &place.files[k];
        if (!f->final)
            continue;
        for (int64_t o = f->first; o <= f->last; o++)
            covered[o]++;
        const struct claimed *c = &place.claims[f->first];
        if (!c->there || c->file != k || f->gone)
            return false; // a stray one
    }
    while (at < end && place.claims[at].there) {
        at = place.claims[at].last + 1;
    }
    for (int64_t o = 0; o < at; o++)
        if (covered[o] > 1 || (complete && covered[o] != 1))
            return false;
    return !complete || at == end;
}

static bool run(uint64_t which)
{
    struct instance all[INSTANCES];
    int64_t end = 50 + (int64_t)(which % (LOG - 50));
    // alone, nobody else's claim is stumbled over: what is left is found by looking
    unsigned alive = 1 + (unsigned)(which % INSTANCES);

    seed = which * 2654435761u + 12345;
    place.n = 0;
    memset(place.claims, 0, sizeof place.claims);
    for (int k = 0; k < INSTANCES; k++)
        all[k] = (struct instance){.s = stage_begin()};
    for (int turn = 0; turn < 1500 && place.n < FILES - 200; turn++) {
        struct instance *i = &all[roll(alive)];
        if (i->asleep > 0) {
            i->asleep--;
            continue;
        }
        switch (roll(60)) {
        case 0: *i = (struct instance){.s = stage_begin()}; break; // killed, started
        case 1: i->asleep = (int)roll(60); break;
        default:
            if (!step(i, end))
                return false; // nothing of this should need a person
        }
        if (!is_whole(end, false))
            return false;
    }
    // the trouble is over: one that comes now ends it
    struct instance last = {.s = stage_begin()};
    for (int turn = 0; turn < 2000; turn++)
        if (!step(&last, end))
            return false;
    return is_whole(end, true);
}

static void no_gap_overlap_or_stray_file_whatever_happens(void)
{
    int bad = 0;

    for (uint64_t s = 1; s <= 2000; s++)
        if (!run(s)) {
            if (bad++ < 5)
                printf("    seed %llu\n", (unsigned long long)s);
        }
    CHECK_INT(bad, 0);
}

static void the_newest_claim_is_finished_before_anything_else(void)
{
    struct stage s = stage_begin();

    stage_next(&s, ERR_UNAVAILABLE, NULL, 0);
    CHECK_INT(s.phase, STAGE_LOOK);
    stage_next(&s, ERR_OK, &(struct stage_found){100, 199, false}, 0);
    CHECK_INT(s.phase, STAGE_SETTLE);
    stage_next(&s, ERR_OK, NULL, 0);
    CHECK_INT(s.phase, STAGE_READY);
    CHECK_INT(s.next, 200);
}

static void files_that_were_taken_on_are_not_missed(void)
{
    struct stage s = stage_begin();

    stage_next(&s, ERR_OK, &(struct stage_found){100, 199, true}, 0);
    CHECK_INT(s.phase, STAGE_READY);
    CHECK_INT(s.next, 200);
}

static void a_claim_whose_files_are_gone_stops_the_partition(void)
{
    struct stage s = stage_begin();

    stage_next(&s, ERR_OK, &(struct stage_found){100, 199, false}, 0);
    stage_next(&s, ERR_NOT_FOUND, NULL, 0);
    CHECK_INT(s.phase, STAGE_STOPPED);
}

static void a_partition_without_claims_begins_at_its_low_end(void)
{
    struct stage s = stage_begin();

    stage_next(&s, ERR_OK, &(struct stage_found){-1, -1, false}, 17);
    CHECK_INT(s.phase, STAGE_READY);
    CHECK_INT(s.next, 17);
}

static void a_claim_that_says_another_first_offset_stops_it(void)
{
    struct stage s = {.phase = STAGE_CLAIM, .next = 10, .first = 10, .last = 20};

    stage_next(&s, ERR_CONFLICT, &(struct stage_found){11, 30, false}, 0);
    CHECK_INT(s.phase, STAGE_STOPPED);
}

int main(void)
{
    RUN(no_gap_overlap_or_stray_file_whatever_happens);
    RUN(the_newest_claim_is_finished_before_anything_else);
    RUN(files_that_were_taken_on_are_not_missed);
    RUN(a_claim_whose_files_are_gone_stops_the_partition);
    RUN(a_partition_without_claims_begins_at_its_low_end);
    RUN(a_claim_that_says_another_first_offset_stops_it);
    return REPORT();
}

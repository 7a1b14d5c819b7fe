#include "loaders/stage.h"

#include <assert.h>

struct stage stage_begin(void)
{
    return (struct stage){.phase = STAGE_LOOK};
}

void stage_seal(struct stage *s, int64_t last)
{
    assert(s->phase == STAGE_READY && last >= s->next);
    s->first = s->next;
    s->last = last;
    s->phase = STAGE_WRITE;
}

void stage_again(struct stage *s)
{
    assert(s->phase == STAGE_KEPT || s->phase == STAGE_LOST);
    s->phase = STAGE_READY;
}

/* Where a phase goes when its action is done, and when it failed for good.  What is not
 * there cannot be found out again by asking: a person must. */
static const struct {
    enum stage_phase done, failed;
} ways[] = {
    [STAGE_LOOK] = {STAGE_SETTLE, STAGE_STOPPED},
    [STAGE_SETTLE] = {STAGE_READY, STAGE_STOPPED},
    [STAGE_WRITE] = {STAGE_CLAIM, STAGE_STOPPED},
    [STAGE_CLAIM] = {STAGE_FINISH, STAGE_STOPPED},
    [STAGE_FINISH] = {STAGE_KEPT, STAGE_STOPPED},
    [STAGE_DISCARD] = {STAGE_YIELD, STAGE_YIELD}, // what is left is swept in a day
    [STAGE_YIELD] = {STAGE_LOST, STAGE_STOPPED},
};

static void take_found(struct stage *s, const struct stage_found *found)
{
    s->first = found->first;
    s->last = found->last;
}

void stage_next(struct stage *s, enum err_kind outcome, const struct stage_found *found,
                int64_t low)
{
    assert(s->phase < sizeof ways / sizeof ways[0] && s->phase != STAGE_READY &&
           s->phase != STAGE_KEPT);
    if (outcome == ERR_UNAVAILABLE)
        return;
    if (s->phase == STAGE_LOOK && outcome == ERR_OK) {
        take_found(s, found);
        s->next = found->last < 0 ? low : found->last + 1;
        s->phase = found->last < 0 || found->done ? STAGE_READY : STAGE_SETTLE;
        return;
    }
    if (s->phase == STAGE_CLAIM && outcome == ERR_CONFLICT) {
        // the name is the first offset: another one in it is not ours to understand
        bool sane = found->first == s->next && found->last >= found->first;
        take_found(s, found);
        s->phase = sane ? STAGE_DISCARD : STAGE_STOPPED;
        return;
    }
    if (outcome == ERR_OK && (s->phase == STAGE_FINISH || s->phase == STAGE_YIELD))
        s->next = s->last + 1;
    s->phase = outcome == ERR_OK ? ways[s->phase].done : ways[s->phase].failed;
}

#include "gateway/share.h"

#include <assert.h>
#include <stdlib.h>

void shares_init(struct shares *s, const struct share_limits *lim)
{
    *s = (struct shares){.limits = *lim};
    assert(lim->percent >= 1 && lim->percent <= 100);
    pthread_mutex_init(&s->lock, NULL);
}

void shares_free(struct shares *s)
{
    assert(s->accounts.n == 0); // every request has left
    tab_free(&s->accounts);
    pthread_mutex_destroy(&s->lock);
}

/* Pure: may one that has `mine` of `used` have `n` more? */
static enum share_verdict judge(size_t most, size_t used, size_t mine, size_t n,
                                int percent)
{
    if (mine == 0 && used < most)
        return SHARE_GIVEN;
    if (used >= most || n > most - used)
        return SHARE_FULL;
    if (percent == 100)
        return SHARE_GIVEN;
    // In long double no product overflows, and a byte of rounding is nobody's loss.
    return (long double)(mine + n) * (100 - percent) <=
                   (long double)(most - used) * percent
               ? SHARE_GIVEN
               : SHARE_OVER;
}

static void give(struct shares *s, struct account *a, const size_t n[SHARE_KINDS])
{
    for (size_t what = 0; what < SHARE_KINDS; what++) {
        assert(a->used[what] >= n[what]);
        a->used[what] -= n[what];
        s->used[what] -= n[what];
    }
}

static enum share_verdict take(struct shares *s, struct account *a,
                               const size_t n[SHARE_KINDS], enum share_of *missing)
{
    for (size_t what = 0; what < SHARE_KINDS; what++) {
        if (n[what] == 0)
            continue;
        enum share_verdict v = judge(s->limits.most[what], s->used[what], a->used[what],
                                     n[what], s->limits.percent);
        if (v != SHARE_GIVEN) {
            *missing = (enum share_of)what;
            return v;
        }
    }
    for (size_t what = 0; what < SHARE_KINDS; what++) {
        a->used[what] += n[what];
        s->used[what] += n[what];
    }
    return SHARE_GIVEN;
}

static struct account *find_account(struct shares *s, struct span name)
{
    struct account *a = tab_get(&s->accounts, name);

    if (a != NULL)
        return a;
    a = mem_alloc(sizeof *a + name.n);
    memcpy(a + 1, name.p, name.n);
    a->name = span_of((const uint8_t *)(a + 1), name.n);
    tab_put(&s->accounts, name, a);
    return a;
}

static void drop_idle(struct shares *s, struct account *a)
{
    if (a->used[SHARE_REQUESTS] > 0)
        return;
    assert(a->used[SHARE_RECORDS] == 0 && a->used[SHARE_BYTES] == 0);
    tab_drop(&s->accounts, a->name);
    free(a);
}

enum share_verdict shares_enter(struct shares *s, struct span name, size_t bytes,
                                struct account **out, enum share_of *missing)
{
    const size_t n[SHARE_KINDS] = {[SHARE_REQUESTS] = 1, [SHARE_BYTES] = bytes};

    pthread_mutex_lock(&s->lock);
    struct account *a = find_account(s, name);
    enum share_verdict v = take(s, a, n, missing);
    if (v == SHARE_GIVEN)
        *out = a;
    else
        drop_idle(s, a);
    pthread_mutex_unlock(&s->lock);
    return v;
}

void shares_leave(struct shares *s, struct account *a, size_t bytes)
{
    const size_t n[SHARE_KINDS] = {[SHARE_REQUESTS] = 1, [SHARE_BYTES] = bytes};

    pthread_mutex_lock(&s->lock);
    give(s, a, n);
    drop_idle(s, a);
    pthread_mutex_unlock(&s->lock);
}

enum share_verdict shares_take(struct shares *s, struct account *a,
                               const size_t n[SHARE_KINDS], enum share_of *missing)
{
    pthread_mutex_lock(&s->lock);
    enum share_verdict v = take(s, a, n, missing);
    pthread_mutex_unlock(&s->lock);
    return v;
}

void shares_give(struct shares *s, struct account *a, const size_t n[SHARE_KINDS])
{
    pthread_mutex_lock(&s->lock);
    give(s, a, n);
    pthread_mutex_unlock(&s->lock);
}

size_t shares_used(struct shares *s, enum share_of what)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->used[what];
    pthread_mutex_unlock(&s->lock);
    return n;
}

size_t shares_accounts(struct shares *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->accounts.n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

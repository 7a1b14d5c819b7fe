#include "guard/rate.h"

#include "base/tab.h"

#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#define WAYS 8 // places a name may stand in: two lines of the cache
#define SETS (RATE_BUCKETS / WAYS)
#define SECOND_NS INT64_C(1000000000)

void rate_init(struct rate *r)
{
    *r = (struct rate){0};
    pthread_mutex_init(&r->lock, NULL);
    if (RAND_bytes((unsigned char *)&r->secret, sizeof r->secret) != 1) {
        fprintf(stderr, "guard: the system gives no random bytes\n");
        abort();
    }
}

void rate_free(struct rate *r)
{
    free(r->buckets);
    pthread_mutex_destroy(&r->lock);
}

struct rate_rule rate_rule_of(double per_second, int64_t burst)
{
    struct rate_rule rule = {(int64_t)((double)SECOND_NS / per_second), burst};

    if (rule.every_ns < 1)
        rule.every_ns = 1;
    if (rule.burst == 0)
        rule.burst = per_second > 1 ? (int64_t)per_second : 1;
    return rule;
}

/* The bucket of `name`, or the one that would be missed least.  Under lock. */
static struct rate_bucket *find(struct rate *r, uint64_t name)
{
    struct rate_bucket *set = &r->buckets[name % SETS * WAYS], *best = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].name == name)
            return &set[i];
        if (set[i].full_ns < best->full_ns)
            best = &set[i];
    }
    return best;
}

/* When `name` has all its tokens again.  Under lock. */
static int64_t full_at(struct rate *r, uint64_t name, int64_t now_ns)
{
    const struct rate_bucket *b = r->buckets != NULL ? find(r, name) : NULL;

    return b != NULL && b->name == name && b->full_ns > now_ns ? b->full_ns : now_ns;
}

static int64_t wait_of(const struct rate_rule *rule, int64_t full_ns, int64_t now_ns)
{
    int64_t wait = full_ns - now_ns - (rule->burst - 1) * rule->every_ns;

    return wait > 0 ? wait : 0;
}

/* Under lock. */
static void spend(struct rate *r, const struct rate_rule *rule, uint64_t name,
                  int64_t now_ns)
{
    if (r->buckets == NULL)
        r->buckets = mem_array(RATE_BUCKETS, sizeof *r->buckets);
    int64_t full_ns = full_at(r, name, now_ns) + rule->every_ns;
    *find(r, name) = (struct rate_bucket){name, full_ns};
}

int64_t rate_wait(struct rate *r, const struct rate_rule *rule, struct span name,
                  int64_t now_ns)
{
    uint64_t hash = tab_hash(r->secret, name);

    pthread_mutex_lock(&r->lock);
    int64_t wait = wait_of(rule, full_at(r, hash, now_ns), now_ns);
    pthread_mutex_unlock(&r->lock);
    return wait;
}

void rate_spend(struct rate *r, const struct rate_rule *rule, struct span name,
                int64_t now_ns)
{
    uint64_t hash = tab_hash(r->secret, name);

    pthread_mutex_lock(&r->lock);
    spend(r, rule, hash, now_ns);
    pthread_mutex_unlock(&r->lock);
}

int64_t rate_take(struct rate *r, const struct rate_rule *rule, struct span name,
                  int64_t now_ns)
{
    uint64_t hash = tab_hash(r->secret, name);

    pthread_mutex_lock(&r->lock);
    int64_t wait = wait_of(rule, full_at(r, hash, now_ns), now_ns);
    if (wait == 0)
        spend(r, rule, hash, now_ns);
    pthread_mutex_unlock(&r->lock);
    return wait;
}

int rate_seconds(int64_t wait_ns)
{
    int64_t s = (wait_ns + SECOND_NS - 1) / SECOND_NS;

    return s < 1 ? 1 : s > INT_MAX ? INT_MAX : (int)s;
}

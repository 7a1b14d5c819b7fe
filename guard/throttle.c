#include "guard/guard_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"

#include <arpa/inet.h>

#define TELL_EVERY_MS 1000

static struct stats_metric throttled = {
    .name = "avrogate_throttled_total",
    .help = "requests told 429: too many of them, or too many wrong passwords",
    .kind = STATS_COUNTER,
    .labels = "what"};

static void add_metric(void)
{
    stats_add(&throttled);
}

void throttle_init(struct guard *g)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct guard_settings *s = g->s;

    pthread_once(&once, add_metric);
    rate_init(&g->requests);
    rate_init(&g->guesses);
    if (s->rate > 0)
        g->of_one = rate_rule_of(s->rate, s->burst);
    if (s->wrong > 0)
        g->of_guesser = rate_rule_of((double)s->wrong / 60, s->wrong);
    g->of_guesser_at_one = rate_rule_of(1.0 / 60, 1);
}

void throttle_free(struct guard *g)
{
    rate_free(&g->requests);
    rate_free(&g->guesses);
}

struct span throttle_address(struct span peer, struct arena *a)
{
    char text[INET6_ADDRSTRLEN] = "";
    uint8_t six[16];
    size_t n = peer.n;

    while (n > 0 && peer.p[n - 1] != ':')
        n--;
    struct span host = span_of(peer.p, n > 0 ? n - 1 : 0);
    if (host.n < 2 || host.p[0] != '[' || host.n - 2 >= sizeof text)
        return host;
    memcpy(text, host.p + 1, host.n - 2);
    if (inet_pton(AF_INET6, text, six) != 1)
        return host;
    memset(six + 8, 0, 8);
    inet_ntop(AF_INET6, six, text, sizeof text);
    return arena_copy(a, span_str(text));
}

/* Who pays: somebody known by name, else the address. */
static struct span payer_of(struct http_req *r)
{
    if (acl_is_name(r->who))
        return r->who;
    return throttle_address(r->peer, &r->arena);
}

/* At most a line a second, which counts those that had none: what is refused because
 * it is too much must not become too much again. */
static void tell(struct guard *g, const struct http_req *r, struct span who,
                 const char *why)
{
    int64_t now = clock_ms(), due = atomic_load(&g->tell_due);

    atomic_fetch_add(&g->untold, 1);
    if (now < due ||
        !atomic_compare_exchange_strong(&g->tell_due, &due, now + TELL_EVERY_MS))
        return;
    log_event(LOG_WARN, "refused", LOG_S("why", why), LOG_B("who", who),
              LOG_S("method", http_method_name(r->method)), LOG_B("path", r->path),
              LOG_B("client", r->peer), LOG_B("request", r->id),
              LOG_I("refused_since_last_told", atomic_exchange(&g->untold, 0)),
              LOG_END);
}

static void count(const char *what)
{
    const char *labels[] = {what};

    stats_count(stats_child(&throttled, labels), 1);
}

bool throttle_request(struct guard *g, struct http_req *r)
{
    if (g->s->rate <= 0)
        return true;
    int64_t wait = rate_take(&g->requests, &g->of_one, payer_of(r), clock_us() * 1000);
    if (wait == 0)
        return true;
    count("requests");
    tell(g, r, r->who, "too many requests");
    http_answer_retry_after(r, rate_seconds(wait));
    http_answer_error(r, 429, 429, "Too many requests: wait %d s", rate_seconds(wait));
    return false;
}

/* The three names a wrong password is booked under. */
struct guess {
    struct span where, whose, both;
};

static struct guess guess_of(struct http_req *r, struct span user)
{
    struct arena *a = &r->arena;
    struct span where = throttle_address(r->peer, a);

    return (struct guess){
        arena_printf(a, "a%.*s", SPAN_WHOLE(where)),
        arena_printf(a, "n%.*s", SPAN_WHOLE(user)),
        arena_printf(a, "b%zu:%.*s%.*s", where.n, SPAN_WHOLE(where), SPAN_WHOLE(user)),
    };
}

/*
 * An address has its share of wrong passwords.  A name has one too, over all addresses;
 * when that is gone an address still has one try a minute at it: whoever guesses from
 * everywhere is slowed down, and who knows the password comes in.
 */
static int64_t guess_wait(struct guard *g, const struct guess *guess, int64_t now_ns)
{
    int64_t where = rate_wait(&g->guesses, &g->of_guesser, guess->where, now_ns),
            whose = rate_wait(&g->guesses, &g->of_guesser, guess->whose, now_ns),
            both = rate_wait(&g->guesses, &g->of_guesser_at_one, guess->both, now_ns);

    if (both < whose)
        whose = both;
    return where > whose ? where : whose;
}

bool throttle_guess(struct guard *g, struct http_req *r, struct span user)
{
    struct guess guess;

    if (g->s->wrong == 0)
        return true;
    guess = guess_of(r, user);
    int64_t wait = guess_wait(g, &guess, clock_us() * 1000);
    if (wait == 0)
        return true;
    count("passwords");
    tell(g, r, user, "too many wrong passwords");
    http_answer_retry_after(r, rate_seconds(wait));
    http_answer_error(r, 429, 429, "Too many wrong passwords: wait %d s",
                      rate_seconds(wait));
    return false;
}

void throttle_wrong(struct guard *g, struct http_req *r, struct span user)
{
    struct guess guess;
    int64_t now_ns = clock_us() * 1000;

    if (g->s->wrong == 0)
        return;
    guess = guess_of(r, user);
    rate_spend(&g->guesses, &g->of_guesser, guess.where, now_ns);
    rate_spend(&g->guesses, &g->of_guesser, guess.whose, now_ns);
    rate_spend(&g->guesses, &g->of_guesser_at_one, guess.both, now_ns);
}

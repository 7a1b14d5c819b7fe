#include "gateway/contracts.h"

#include "base/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct stats_metric rules = {
    .name = "avrogate_gateway_rules_total",
    .help = "records by subject, rule and what the rule did to them",
    .kind = STATS_COUNTER,
    .labels = "subject,rule,outcome"};

void contracts_count_install(void)
{
    stats_add(&rules);
}

struct gw_contract {
    struct contract *contract;
    char *subject;
    int32_t schema_id;
    // A row of CONTRACT_OUTCOMES a rule, each found when it is first counted.
    _Atomic(struct stats_value *) *counters;
    atomic_size_t users;
};

/* What one contract's rules did to the records of a request. */
struct tally {
    struct gw_contract *contract; // held
    uint32_t *n;                  // a row of CONTRACT_OUTCOMES a rule
    struct tally *next;
};

struct gw_run {
    struct contract_run *run;
    struct tally *tallies; // nearly always one
    struct gw_run *next;   // while idle
};

void contracts_init(struct contracts *t, size_t most, enum contracts_mode mode)
{
    *t = (struct contracts){.most = most, .mode = mode};
    pthread_mutex_init(&t->lock, NULL);
}

void gw_contract_release(struct gw_contract *c)
{
    if (c == NULL || atomic_fetch_sub(&c->users, 1) > 1)
        return;
    contract_free(c->contract);
    free(c->subject);
    free(c->counters);
    free(c);
}

static void drop_all(struct contracts *t)
{
    struct gw_contract *c;

    for (size_t at = 0; (c = tab_each(&t->table, &at, NULL)) != NULL;)
        gw_contract_release(c);
    tab_free(&t->table);
}

void contracts_free(struct contracts *t)
{
    drop_all(t);
    while (t->idle != NULL) {
        struct gw_run *next = t->idle->next;
        contract_run_free(t->idle->run);
        free(t->idle);
        t->idle = next;
    }
    pthread_mutex_destroy(&t->lock);
}

/* "7 orders-value".  An id never changes its meaning, so neither does this. */
static struct span key_of_schema(struct buf *out, const struct rc_schema *s,
                                 struct span subject)
{
    buf_printf(out, "%d ", s->id);
    buf_put(out, subject);
    return buf_span(out);
}

static struct gw_contract *find(struct contracts *t, struct span key)
{
    pthread_mutex_lock(&t->lock);
    struct gw_contract *c = tab_get(&t->table, key);
    if (c != NULL)
        atomic_fetch_add(&c->users, 1);
    pthread_mutex_unlock(&t->lock);
    return c;
}

static void keep(struct contracts *t, struct span key, struct gw_contract *c)
{
    pthread_mutex_lock(&t->lock);
    if (t->table.n >= t->most)
        drop_all(t);
    atomic_fetch_add(&c->users, 1);
    struct gw_contract *before = tab_put(&t->table, key, c);
    pthread_mutex_unlock(&t->lock);
    gw_contract_release(before);
}

/* A schema by id has no subject: counted under its id. */
static char *name_subject(const struct rc_schema *s, struct span subject)
{
    char id[24];

    if (subject.n > 0)
        return mem_str(subject);
    snprintf(id, sizeof id, "#%d", s->id);
    return mem_str(span_str(id));
}

static enum err_kind compile(struct contracts *t, const struct rc_schema *s,
                             struct span subject, struct gw_contract **out,
                             struct err *e)
{
    const struct contract_options o = {.observe = t->mode == CONTRACTS_OBSERVE};
    struct contract *contract = NULL;

    if (contract_new(&contract, s->schema, s->beside->metadata, s->beside->rules, &o,
                     e) != ERR_OK)
        return err_prefix(e, "schema %d", s->id);
    struct gw_contract *c = mem_alloc(sizeof *c);
    atomic_init(&c->users, 1);
    c->contract = contract;
    c->schema_id = s->id;
    c->subject = name_subject(s, subject);
    if (contract != NULL)
        c->counters = mem_array(contract_rules(contract) * CONTRACT_OUTCOMES + 1,
                                sizeof *c->counters);
    *out = c;
    return ERR_OK;
}

/* One whose rules are all for others is kept too, so that it is read once. */
static struct gw_contract *unless_empty(struct gw_contract *c)
{
    if (c->contract != NULL)
        return c;
    gw_contract_release(c);
    return NULL;
}

enum err_kind contracts_get(struct contracts *t, const struct rc_schema *s,
                            struct span subject, struct gw_contract **out,
                            struct err *e)
{
    struct buf name = BUF_INIT(4096);
    struct gw_contract *c;
    enum err_kind k;

    *out = NULL;
    if (s->beside == NULL || s->beside->rules.n == 0 || t->mode == CONTRACTS_OFF)
        return ERR_OK;
    struct span key = key_of_schema(&name, s, subject);
    k = buf_status(&name, e);
    c = k == ERR_OK ? find(t, key) : NULL;
    if (k == ERR_OK && c == NULL && (k = compile(t, s, subject, &c, e)) == ERR_OK)
        keep(t, key, c);
    buf_free(&name);
    if (k == ERR_OK)
        *out = unless_empty(c);
    return k;
}

static struct stats_value *counter_of(struct gw_contract *c, size_t rule,
                                      enum contract_outcome o)
{
    static const char *const names[] = {
        [CONTRACT_PASSED] = "passed",   [CONTRACT_SKIPPED] = "skipped",
        [CONTRACT_REFUSED] = "refused", [CONTRACT_DEAD] = "dlq",
        [CONTRACT_IGNORED] = "ignored", [CONTRACT_OBSERVED] = "observed"};
    _Atomic(struct stats_value *) *at = &c->counters[rule * CONTRACT_OUTCOMES + o];
    struct stats_value *v = atomic_load_explicit(at, memory_order_relaxed);
    char name[300];

    if (v != NULL)
        return v;
    snprintf(name, sizeof name, "%.*s",
             SPAN_WHOLE(contract_rule(c->contract, rule)->name));
    v = stats_child(&rules, (const char *const[]){c->subject, name, names[o]});
    atomic_store_explicit(at, v, memory_order_relaxed);
    return v;
}

static void count(const struct tally *t)
{
    size_t n = contract_rules(t->contract->contract);

    for (size_t rule = 0; rule < n; rule++)
        for (size_t o = CONTRACT_PASSED; o < CONTRACT_OUTCOMES; o++) {
            uint32_t times = t->n[rule * CONTRACT_OUTCOMES + o];
            if (times > 0)
                stats_count(counter_of(t->contract, rule, (enum contract_outcome)o),
                            times);
        }
}

static struct tally *tally_of(struct gw_run *run, struct gw_contract *c)
{
    struct tally *t = run->tallies;

    while (t != NULL && t->contract != c)
        t = t->next;
    if (t != NULL)
        return t;
    t = mem_alloc(sizeof *t);
    t->contract = c;
    t->n = mem_array(contract_rules(c->contract) * CONTRACT_OUTCOMES, sizeof *t->n);
    atomic_fetch_add(&c->users, 1);
    t->next = run->tallies;
    return run->tallies = t;
}

struct gw_run *contracts_take_run(struct contracts *t)
{
    pthread_mutex_lock(&t->lock);
    struct gw_run *run = t->idle;
    if (run != NULL)
        t->idle = run->next;
    pthread_mutex_unlock(&t->lock);
    if (run != NULL)
        return run;
    run = mem_alloc(sizeof *run);
    run->run = contract_run_new();
    return run;
}

void contracts_give_run(struct contracts *t, struct gw_run *run, bool counts)
{
    while (run->tallies != NULL) {
        struct tally *tally = run->tallies;
        run->tallies = tally->next;
        if (counts)
            count(tally);
        gw_contract_release(tally->contract);
        free(tally->n);
        free(tally);
    }
    pthread_mutex_lock(&t->lock);
    run->next = t->idle;
    t->idle = run;
    pthread_mutex_unlock(&t->lock);
}

static void note_refusal(const struct gw_contract *c, const struct contract_result *r,
                         struct item *it, struct arena *a)
{
    struct broken_rule *why = arena_alloc(a, sizeof *why);

    *why = (struct broken_rule){.rule = arena_copy(a, r->rule->name),
                                .doc = arena_copy(a, r->rule->doc),
                                .expr = arena_copy(a, r->rule->expr),
                                .field = arena_copy(a, r->field),
                                .why = arena_copy(a, r->why),
                                .subject = arena_copy(a, span_str(c->subject)),
                                .schema_id = c->schema_id,
                                .dead = r->dead};
    it->broken = why;
}

static void add_problem(const struct contract_result *r, size_t offset,
                        struct av_problems *problems)
{
    const struct contract_rule *rule = r->rule;
    bool has_doc = rule->doc.n > 0;

    av_problem_add(problems, "contract", r->pointer, offset, rule->expr,
                   "rule \"" SPAN_FMT "\"%s%.*s%s " SPAN_FMT, SPAN_ARG(rule->name),
                   has_doc ? " (" : "", has_doc ? (int)rule->doc.n : 0,
                   has_doc ? (const char *)rule->doc.p : "", has_doc ? ")" : "",
                   SPAN_ARG(r->why));
}

/* A key and a value are asked one after the other. */
static void note_observed(struct item *it, struct span names, struct arena *a)
{
    if (names.n == 0)
        return;
    it->observed = it->observed.n == 0 ? arena_copy(a, names)
                                       : arena_join(a, it->observed, ",", names);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A write past the limit would be dropped, and all that follow it. */
static bool replace(struct buf *out, size_t at, struct span datum, size_t offset,
                    struct av_problems *problems)
{
    if (datum.n > out->limit - at) {
        struct span none = {0};
        av_problem_add(problems, "size", none, offset, span_str("room for it"),
                       "%zu bytes after its rules", datum.n);
        return false;
    }
    buf_cut(out, at);
    buf_put(out, datum);
    return true;
}

bool gw_contract_holds(struct gw_contract *c, struct gw_run *run, struct buf *out,
                       size_t at, size_t offset, struct item *it,
                       struct av_problems *problems)
{
    struct tally *tally = tally_of(run, c);
    struct contract_result r;

    contract_apply(c->contract, run->run, span_of(out->p + at, out->n - at), now_ns(),
                   &r);
    for (size_t i = 0; i < contract_rules(c->contract); i++)
        tally->n[i * CONTRACT_OUTCOMES + r.outcomes[i]]++;
    note_observed(it, r.observed, &problems->arena);
    if (r.refused) {
        note_refusal(c, &r, it, &problems->arena);
        add_problem(&r, offset, problems);
        return false;
    }
    return !r.changed || replace(out, at, r.datum, offset, problems);
}

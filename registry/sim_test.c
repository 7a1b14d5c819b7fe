/*
 * Random histories from a seed: whatever is asked in whatever order, an id means one
 * schema for ever, versions grow, and the log alone makes the same state again.
 *      build-dev/registry-sim_test [first seed] [seeds]
 */
#include "registry/share.h"
#include "tests/check.h"
#include "wire/status.h"

#include <stdlib.h>

#define STEPS 60
#define IDS 4096

struct sim {
    uint64_t dice;
    struct reg_state state;
    struct arena arena;
    struct span keys[STEPS * 32], values[STEPS * 32]; // the log
    size_t n;
    struct span means[IDS]; // text by id, in the default context
};

static uint32_t roll(struct sim *m, uint32_t below)
{
    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    return (uint32_t)(m->dice >> 20) % below;
}

static struct span taken(struct buf *b, struct arena *a)
{
    struct span s = arena_copy(a, buf_span(b));

    buf_free(b);
    return s;
}

static void play(struct reg_state *s, struct span key, struct span value,
                 struct arena *a)
{
    struct reg_event ev = {0};
    struct err e = {0};

    CHECK_INT(reg_event_read(&ev, key, value, a, &e), ERR_OK);
    reg_state_apply(s, &ev);
}

/* All are written out before any is applied: events borrow from the state. */
static void put(struct sim *m, const struct reg_decision *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct buf key = BUF_INIT(1 << 20), value = BUF_INIT(1 << 20);

        reg_event_put_key(&key, &d->events[i]);
        bool there = reg_event_put_value(&value, &d->events[i]);
        m->keys[m->n] = taken(&key, &m->arena);
        m->values[m->n] = taken(&value, &m->arena);
        if (!there)
            m->values[m->n] = (struct span){0};
        m->n++;
    }
}

static void commit(struct sim *m, const struct reg_decision *d)
{
    size_t first = m->n;

    put(m, d);
    for (size_t i = first; i < m->n; i++)
        play(&m->state, m->keys[i], m->values[i], &m->arena);
}

static const char *const subjects[4] = {"a", "b", "c-value", "d"};
static const char *const schemas[] = {
    "\"int\"",
    "\"long\"",
    "\"string\"",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\","
    "\"default\":0}]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]"
    "}",
    "{\"type\":\"string\",\"x\":1,\"y\":2}",
    "{\"type\":\"string\",\"y\":2,\"x\":1}",
    "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}",
    "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
    "no schema",
};
static const char *const levels[] = {"\"NONE\"", "\"BACKWARD\"", "\"FULL_TRANSITIVE\"",
                                     "null", "\"SIDEWAYS\""};

static const char *const metadata[] = {"{}", "{\"properties\":{\"a\":\"1\"}}",
                                       "{\"properties\":{\"a\":\"2\"}}"};

static struct reg_command draw(struct sim *m)
{
    struct reg_command c = {.subject = span_str(subjects[roll(m, 4)]),
                            .normalize = roll(m, 8) == 0,
                            .force = roll(m, 16) == 0,
                            .permanent = roll(m, 2) == 0,
                            .version = (int32_t)roll(m, 5)};
    uint32_t kind = roll(m, 16);

    if (kind < 9) {
        c.verb = REG_DO_REGISTER;
        c.version = 0;
        c.schema.schema = span_str(schemas[roll(m, sizeof schemas / sizeof *schemas)]);
        if (roll(m, 4) == 0)
            c.schema.metadata = span_str(metadata[roll(m, 3)]);
        if (roll(m, 16) == 0)
            c.schema.id = (int32_t)roll(m, 20);
    } else if (kind == 9) {
        c.verb = roll(m, 3) == 0 ? REG_DO_SET_MODE : REG_DO_DROP_MODE;
        c.mode = roll(m, 2) == 0 ? API_IMPORT : API_READONLY;
        c.recursive = roll(m, 2) == 0;
    } else if (kind < 11) {
        c.verb = REG_DO_SET_CONFIG;
        c.config.member[API_LEVEL] =
            span_str(levels[roll(m, sizeof levels / sizeof *levels)]);
    } else if (kind == 11)
        c.verb = REG_DO_DROP_CONFIG;
    else if (kind < 15)
        c.verb = REG_DO_DELETE_VERSION;
    else
        c.verb = REG_DO_DELETE_SUBJECT;
    return c;
}

/* What an id meant once it means always; but who imports may fill an id that was
 * deleted for good. */
static void check_meaning(struct sim *m, int32_t id, bool imported)
{
    const struct reg_schema *schema =
        reg_schema_by_id(reg_context_of(&m->state, span_str("")), id);

    CHECK(schema != NULL && id > 0 && id < IDS);
    if (schema == NULL || id <= 0 || id >= IDS)
        return;
    if (m->means[id].n == 0 || (imported && schema->places->next_place == NULL))
        m->means[id] = arena_copy(&m->arena, schema->what.schema);
    CHECK(span_eq(m->means[id], schema->what.schema));
}

static int32_t last_version(const struct reg_state *s, struct span subject)
{
    const struct reg_version *v = reg_version_latest(reg_subject_of(s, subject), true);

    return v != NULL ? v->version : 0;
}

static void step(struct sim *m)
{
    static const struct reg_rules rules = {0};
    struct reg_decision d, again;
    struct reg_command c = draw(m);
    int32_t last = last_version(&m->state, c.subject);

    reg_decide(&d, &m->state, &c, &rules, &m->arena);
    if (d.no.code != 0) {
        CHECK_INT(d.n, 0);
        return;
    }
    bool was_so = reg_is_so(&m->state, &c, &d);
    CHECK(was_so == (d.n == 0) || c.verb == REG_DO_SET_CONFIG);
    commit(m, &d);
    CHECK(reg_is_so(&m->state, &c, &d));
    CHECK_INT(m->state.clashes, 0);
    if (c.verb != REG_DO_REGISTER)
        return;

    check_meaning(m, d.id, c.schema.id != 0 && d.n > 0);
    if (d.n > 0)
        CHECK_INT(d.version, last + 1);
    reg_decide(&again, &m->state, &c, &rules, &m->arena);
    CHECK_INT(again.n, 0); // asking twice is asking once
    CHECK_INT(again.id, d.id);
}

#define TOGETHER 6

/* What shares a transaction was decided on one state; one after the other it would have
 * been decided the same. */
static void step_together(struct sim *m)
{
    struct reg_command c[TOGETHER];
    struct reg_decision d[TOGETHER];
    size_t ends[TOGETHER], n = 0, at = m->n;
    struct reg_share share = {0};

    for (int i = 0; i < TOGETHER; i++) {
        struct reg_rules rules = {0};

        c[n] = draw(m);
        rules.ids_ahead = reg_share_ids(&share, c[n].subject);
        reg_decide(&d[n], &m->state, &c[n], &rules, &m->arena);
        if (d[n].n == 0 || !reg_share_add(&share, &c[n], &d[n]))
            continue;
        put(m, &d[n]);
        ends[n++] = m->n;
    }
    for (size_t i = 0; i < n; i++) {
        static const struct reg_rules rules = {0};
        struct reg_decision alone;

        reg_decide(&alone, &m->state, &c[i], &rules, &m->arena);
        CHECK_INT(alone.no.code, 0);
        CHECK_INT(alone.n, d[i].n);
        CHECK_INT(alone.id, d[i].id);
        CHECK_INT(alone.version, d[i].version);
        for (; at < ends[i]; at++)
            play(&m->state, m->keys[at], m->values[at], &m->arena);
        CHECK(reg_is_so(&m->state, &c[i], &d[i]));
        if (c[i].verb == REG_DO_REGISTER)
            check_meaning(m, d[i].id, c[i].schema.id != 0);
    }
    CHECK_INT(m->state.clashes, 0);
}

static struct span told(const struct reg_state *s, struct arena *a)
{
    struct buf b = BUF_INIT(1 << 22);

    reg_state_put(&b, s);
    return taken(&b, a);
}

/* What compaction leaves: of each key the last record, tombstones gone. */
static bool survives(const struct sim *m, size_t at)
{
    for (size_t i = at + 1; i < m->n; i++)
        if (span_eq(m->keys[at], m->keys[i]))
            return false;
    return m->values[at].p != NULL;
}

static void replay(struct sim *m, bool compacted)
{
    struct reg_state again;

    reg_state_init(&again);
    for (size_t i = 0; i < m->n; i++)
        if (!compacted || survives(m, i))
            play(&again, m->keys[i], m->values[i], &m->arena);
    CHECK(span_eq(told(&m->state, &m->arena), told(&again, &m->arena)));
    CHECK_INT(again.clashes, 0);
    reg_state_free(&again);
}

static void history(uint64_t seed)
{
    struct sim *m = mem_alloc(sizeof *m);
    int before = check_failed;

    m->dice = seed * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < STEPS; i++)
        roll(m, 4) == 0 ? step_together(m) : step(m);
    replay(m, false);
    replay(m, true);
    if (check_failed != before)
        printf("    seed %llu\n", (unsigned long long)seed);
    reg_state_free(&m->state);
    arena_free(&m->arena);
    free(m);
}

static uint64_t first_seed = 1, seeds = 300;

static void random_histories_keep_every_promise(void)
{
    for (uint64_t i = 0; i < seeds; i++)
        history(first_seed + i);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seeds = strtoull(argv[2], NULL, 10);
    RUN(random_histories_keep_every_promise);
    return REPORT();
}

#include "contract/contract.h"

#include "contract/ruleset.h"

#include <stdlib.h>

#define RECORD_MOST ((size_t)16 << 20) // bytes of a record that a TRANSFORM makes
#define WHY_MOST 500                   // of an error's text that is passed on

/* A rule that a record is asked, or why it cannot be. */
struct asked {
    struct contract_rule shown;
    bool transforms;
    enum rule_action on_success, on_failure;
    struct cel_rule *cel; // NULL: `broken` says why
    struct span broken;
};

struct contract {
    struct arena arena; // owns the texts
    struct cel_rules *cel;
    struct asked *asked;
    struct contract_rule *shown; // the same, as the world sees them
    size_t n;
};

/* Compiling */

static bool is_type(const struct rule *r, const char *type)
{
    return span_eq(r->type, span_str(type));
}

static bool is_cel(const struct rule *r)
{
    return is_type(r, "CEL") || is_type(r, "CEL_FIELD");
}

/* Left alone, a field that is to be a secret would be written for all to read. */
static bool encrypts(const struct rule *r)
{
    return is_type(r, "ENCRYPT") || is_type(r, "ENCRYPT_PAYLOAD");
}

/* Is it what its kind says?  A kind that is not said follows from the expression. */
static enum err_kind check_kind(const struct rule *r, const struct cel_rule *cel,
                                bool *transforms, struct err *e)
{
    enum cel_yield yields = cel_rule_yield(cel);

    *transforms = r->kind == RULE_TRANSFORM ||
                  (r->kind == RULE_EITHER && yields == CEL_YIELDS_VALUE);
    if (r->kind == RULE_CONDITION && yields == CEL_YIELDS_VALUE)
        return err_set(e, ERR_INVALID, "1:1: a CONDITION wants true or false");
    if (r->kind == RULE_TRANSFORM && yields == CEL_YIELDS_BOOL && is_type(r, "CEL"))
        return err_set(e, ERR_INVALID,
                       "1:1: a TRANSFORM wants a record, found true or false");
    return ERR_OK;
}

static enum err_kind compile(struct cel_rules *set, const struct rule *r,
                             struct cel_rule **out, bool *transforms, struct err *e)
{
    enum cel_mode mode = is_type(r, "CEL_FIELD") ? CEL_FIELD : CEL_RECORD;
    struct cel_rule *cel = NULL;

    if (r->expr.n == 0)
        return err_set(e, ERR_INVALID, "expr is missing");
    TRY(cel_rules_add(set, r->expr, mode, &cel, e));
    TRY(check_kind(r, cel, transforms, e));
    if (mode == CEL_FIELD && r->n_tags > 0)
        cel_rule_only(cel, r->tags, r->n_tags);
    *out = cel;
    return ERR_OK;
}

static enum err_kind name_rule(const char *group, const struct rule *r, struct err *e)
{
    return err_prefix(e, "%s: rule \"" SPAN_FMT "\"", group, SPAN_ARG(r->name));
}

static enum err_kind begin(struct cel_rules **out, struct av_schema *schema,
                           struct span metadata, struct arena *a, struct err *e)
{
    const struct path_tags *tags = NULL;
    struct cel_rules *set = NULL;
    size_t n = 0;

    TRY(ruleset_tags(&tags, &n, metadata, a, e));
    TRY(cel_rules_new(&set, schema, e));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < tags[i].n; k++)
            cel_rules_tag(set, tags[i].path, tags[i].tags[k]);
    *out = set;
    return ERR_OK;
}

static enum err_kind check(struct av_schema *schema, struct span metadata,
                           struct span rules, struct arena *a, struct err *e)
{
    struct cel_rules *set = NULL;
    enum err_kind k = ERR_OK;
    struct ruleset rs;

    TRY(ruleset_read(&rs, rules, a, e));
    if (rs.n_domain == 0)
        return ERR_OK;
    TRY(begin(&set, schema, metadata, a, e));
    for (size_t i = 0; i < rs.n_domain && k == ERR_OK; i++) {
        const struct rule *r = &rs.domain[i];
        struct cel_rule *cel;
        bool transforms;
        if (is_cel(r) && !r->disabled &&
            (k = compile(set, r, &cel, &transforms, e)) != ERR_OK)
            k = name_rule("domainRules", r, e);
    }
    cel_rules_free(set);
    return k;
}

enum err_kind contract_check(struct av_schema *schema, struct span metadata,
                             struct span rules, struct err *e)
{
    struct arena a = {0};
    enum err_kind k = rules.n > 0 ? check(schema, metadata, rules, &a, e) : ERR_OK;

    arena_free(&a);
    return k;
}

static bool is_for_writing(const struct rule *r)
{
    return !r->disabled && (r->mode == RULE_WRITE || r->mode == RULE_WRITEREAD);
}

static enum err_kind refuse_secret(const char *group, const struct rule *r,
                                   struct err *e)
{
    err_set(e, ERR_INVALID,
            "type " SPAN_FMT
            " is not carried out here, and without it the record would be "
            "published in clear",
            SPAN_ARG(r->type));
    return name_rule(group, r, e);
}

static enum err_kind check_actions(const struct rule *r, struct err *e)
{
    if (r->on_failure != RULE_UNKNOWN && r->on_success != RULE_UNKNOWN)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "an action other than ERROR, DLQ and NONE");
}

static void keep_shown(struct contract *c, struct asked *q, const struct rule *r,
                       bool observe)
{
    struct arena *a = &c->arena;

    q->shown = (struct contract_rule){.name = arena_copy(a, r->name),
                                      .doc = arena_copy(a, r->doc),
                                      .type = arena_copy(a, r->type),
                                      .expr = arena_copy(a, r->expr),
                                      .observed = observe || r->observed};
    q->on_success = r->on_success;
    q->on_failure = r->on_failure;
}

/*
 * A rule that does not compile shuts the door; one of a type that others carry out
 * fails on each record, as it does in Confluent's clients that have no executor for it.
 */
static enum err_kind keep(struct contract *c, const struct rule *r, bool observe,
                          struct err *e)
{
    struct asked *q = &c->asked[c->n];
    struct err why = {0};

    if (encrypts(r))
        return refuse_secret("domainRules", r, e);
    keep_shown(c, q, r, observe);
    enum err_kind k = check_actions(r, &why);
    if (k == ERR_OK && is_cel(r))
        k = compile(c->cel, r, &q->cel, &q->transforms, &why);
    if (k != ERR_OK && !q->shown.observed) {
        *e = why;
        return name_rule("domainRules", r, e);
    }
    if (k != ERR_OK)
        q->broken = arena_copy(&c->arena, span_str(why.msg));
    else if (q->cel == NULL)
        q->broken = arena_printf(&c->arena,
                                 "a rule of type \"" SPAN_FMT "\" is not carried out "
                                 "here",
                                 SPAN_ARG(r->type));
    c->n++;
    return ERR_OK;
}

static enum err_kind keep_all(struct contract *c, const struct ruleset *rs,
                              bool observe, struct err *e)
{
    c->asked = mem_array(rs->n_domain + 1, sizeof *c->asked);
    for (size_t i = 0; i < rs->n_domain; i++)
        if (is_for_writing(&rs->domain[i]))
            TRY(keep(c, &rs->domain[i], observe, e));
    for (size_t i = 0; i < rs->n_encoding; i++)
        if (is_for_writing(&rs->encoding[i]))
            return refuse_secret("encodingRules", &rs->encoding[i], e);
    c->shown = mem_array(c->n + 1, sizeof *c->shown);
    for (size_t i = 0; i < c->n; i++)
        c->shown[i] = c->asked[i].shown;
    return ERR_OK;
}

static bool has_work(const struct ruleset *rs)
{
    bool any = false;

    for (size_t i = 0; i < rs->n_domain; i++)
        any |= is_for_writing(&rs->domain[i]);
    for (size_t i = 0; i < rs->n_encoding; i++)
        any |= is_for_writing(&rs->encoding[i]);
    return any && rs->enabled;
}

static enum err_kind make(struct contract **out, struct av_schema *schema,
                          struct span metadata, struct span rules, struct arena *a,
                          const struct contract_options *o, struct err *e)
{
    struct ruleset rs;

    TRY(ruleset_read(&rs, rules, a, e));
    if (!has_work(&rs))
        return ERR_OK;
    struct contract *c = mem_alloc(sizeof *c);
    enum err_kind k = begin(&c->cel, schema, metadata, a, e);
    if (k == ERR_OK)
        k = keep_all(c, &rs, o->observe, e);
    if (k != ERR_OK) {
        contract_free(c);
        return k;
    }
    *out = c;
    return ERR_OK;
}

enum err_kind contract_new(struct contract **out, struct av_schema *schema,
                           struct span metadata, struct span rules,
                           const struct contract_options *o, struct err *e)
{
    struct arena a = {0};

    *out = NULL;
    if (rules.n == 0)
        return ERR_OK;
    enum err_kind k = make(out, schema, metadata, rules, &a, o, e);
    arena_free(&a);
    return k;
}

void contract_free(struct contract *c)
{
    if (c == NULL)
        return;
    cel_rules_free(c->cel);
    arena_free(&c->arena);
    free(c->asked);
    free(c->shown);
    free(c);
}

size_t contract_rules(const struct contract *c)
{
    return c->n;
}

const struct contract_rule *contract_rule(const struct contract *c, size_t i)
{
    return &c->shown[i];
}

/* Applying */

struct contract_run {
    struct cel_run *cel;
    struct buf made[2];  // records that TRANSFORMs made, in turn
    struct buf observed; // names
    struct buf why;
    enum contract_outcome *outcomes;
    size_t outcomes_cap;
    struct span datum; // the record as it is now
    int64_t now;
    bool begun; // the datum is the one that cel knows
};

struct contract_run *contract_run_new(void)
{
    struct contract_run *run = mem_alloc(sizeof *run);

    run->cel = cel_run_new();
    run->made[0] = run->made[1] = BUF_INIT(RECORD_MOST);
    run->observed = BUF_INIT(1 << 16);
    run->why = BUF_INIT(1 << 16);
    return run;
}

void contract_run_free(struct contract_run *run)
{
    if (run == NULL)
        return;
    cel_run_free(run->cel);
    buf_free(&run->made[0]);
    buf_free(&run->made[1]);
    buf_free(&run->observed);
    buf_free(&run->why);
    free(run->outcomes);
    free(run);
}

/* What came of asking one rule. */
struct finding {
    bool good, applied;
    struct span why, field, pointer;
};

static struct finding finding_of(struct contract_run *run, const struct cel_outcome *o)
{
    struct span text = o->message;

    buf_reset(&run->why);
    if (o->verdict == CEL_ERRS) {
        buf_put_str(&run->why, "error: ");
        buf_put(&run->why, span_of(text.p, text.n < WHY_MOST ? text.n : WHY_MOST));
    } else if (o->verdict == CEL_FAILS) {
        buf_put_str(&run->why, "is false");
    }
    return (struct finding){.good = o->verdict == CEL_HOLDS,
                            .applied = o->applied,
                            .why = buf_span(&run->why),
                            .field = o->field,
                            .pointer = o->pointer};
}

static void begin_record(struct contract_run *run, const struct contract *c)
{
    if (!run->begun)
        cel_begin(run->cel, c->cel, run->datum, run->now);
    run->begun = true;
}

/* The buf that does not hold the record. */
static struct buf *free_buf(struct contract_run *run)
{
    struct buf *b = &run->made[0];

    if (b->n > 0 && run->datum.p == b->p)
        b = &run->made[1];
    buf_reset(b);
    return b;
}

static struct finding ask(const struct contract *c, struct contract_run *run,
                          const struct asked *q)
{
    struct cel_outcome o = {0};

    if (q->cel == NULL)
        return (struct finding){.why = q->broken};
    begin_record(run, c);
    if (!q->transforms) {
        cel_check(run->cel, q->cel, &o);
        return finding_of(run, &o);
    }
    struct buf *made = free_buf(run);
    cel_transform(run->cel, q->cel, made, &o);
    struct finding f = finding_of(run, &o);
    if (f.good && made->over)
        return (struct finding){.why = span_str("error: the record grows too large")};
    if (f.good && f.applied && !q->shown.observed) {
        run->datum = buf_span(made);
        run->begun = false;
    }
    return f;
}

static void note_observed(struct contract_run *run, const struct asked *q)
{
    if (run->observed.n > 0)
        buf_put_u8(&run->observed, ',');
    buf_put(&run->observed, q->shown.name);
}

static enum contract_outcome outcome_of(const struct asked *q, const struct finding *f)
{
    static const enum contract_outcome by_action[] = {[RULE_NONE] = CONTRACT_IGNORED,
                                                      [RULE_ERROR] = CONTRACT_REFUSED,
                                                      [RULE_DLQ] = CONTRACT_DEAD,
                                                      [RULE_UNKNOWN] =
                                                          CONTRACT_REFUSED};
    enum rule_action action = f->good ? q->on_success : q->on_failure;

    if (q->shown.observed && (!f->good || action != RULE_NONE))
        return CONTRACT_OBSERVED;
    if (!f->good || action != RULE_NONE)
        return by_action[action];
    return f->applied ? CONTRACT_PASSED : CONTRACT_SKIPPED;
}

static void make_room(struct contract_run *run, size_t n)
{
    if (n > run->outcomes_cap) {
        run->outcomes_cap = n;
        run->outcomes = mem_grow(run->outcomes, n, sizeof *run->outcomes);
    }
    for (size_t i = 0; i < n; i++)
        run->outcomes[i] = CONTRACT_UNASKED;
}

/* A rule whose success is an error refuses too. */
static struct span why_of(const struct finding *f)
{
    return f->good ? span_str("holds, and its onSuccess refuses") : f->why;
}

void contract_apply(const struct contract *c, struct contract_run *run,
                    struct span datum, int64_t now, struct contract_result *out)
{
    *out = (struct contract_result){0};
    make_room(run, c->n);
    buf_reset(&run->observed);
    run->datum = datum;
    run->now = now;
    run->begun = false;
    for (size_t i = 0; i < c->n && !out->refused; i++) {
        const struct asked *q = &c->asked[i];
        struct finding f = ask(c, run, q);
        enum contract_outcome o = run->outcomes[i] = outcome_of(q, &f);
        if (o == CONTRACT_OBSERVED)
            note_observed(run, q);
        if (o != CONTRACT_REFUSED && o != CONTRACT_DEAD)
            continue;
        out->refused = true;
        out->dead = o == CONTRACT_DEAD;
        out->rule = &c->shown[i];
        out->why = why_of(&f);
        out->field = f.field;
        out->pointer = f.pointer;
    }
    out->changed = run->datum.p != datum.p;
    out->datum = run->datum;
    out->observed = run->observed.over ? span_str("...") : buf_span(&run->observed);
    out->outcomes = run->outcomes;
}

/*
 * Unions without wrappers: which branch takes a value is decided by the value alone.
 *
 * Mostly the first byte decides, because one branch takes such a token.  Where several
 * do, each is tried on the text; the one that fits is kept, two are ambiguous, whatever
 * their order in the schema.  Two readings prefer one another, by what the text shows:
 * an integer literal is meant for int and long, any other number for the rest; only
 * if none of those takes it the others are asked.  docs/json.md has the table.
 *
 * Trying reads text again, and tries nest.  So that no text can make it exponential,
 * what is read while trying is counted, and ends at TRY_FACTOR times the record (plus
 * TRY_FREE).
 */
#include "avro-core/encode_inside.h"

#include <stdio.h>

#define TRY_FREE (16 * 1024)
#define TRY_FACTOR 64
#define NO_BRANCH UINT32_MAX

static bool encode_branch(struct walk *w, const struct node *n, uint32_t i)
{
    const struct branch *b = &n->branches[i];

    if (!walk_room(w, sizeof b->index))
        return false;
    memcpy(w->w, b->index, sizeof b->index);
    w->w += b->index_n;
    w->choice = n;
    w->choice_at = w->p;
    return encode_value(w, b->node);
}

/* ---- Avro's own way: {"string": "x"} ---- */

/* The branch that an object's first name names. */
static uint32_t wrapper_branch(const struct walk *w, const struct node *n)
{
    struct walk look = *w;

    look.p++;
    walk_blanks(&look);
    if (walk_token(&look) != TOKEN_STRING)
        return NO_BRANCH;
    size_t left = (size_t)(look.end - ++look.p);
    for (uint32_t i = 0; i < n->n; i++) {
        struct span name = n->branches[i].wrapper;
        if (name.n > 0 && left > name.n && look.p[name.n] == '"' &&
            memcmp(look.p, name.p, name.n) == 0)
            return i;
    }
    return NO_BRANCH;
}

static bool more_members(struct walk *w, const struct node *n, const uint8_t *at,
                         struct place *here)
{
    if (w->p == w->end || *w->p != ',')
        return walk_no_json(w, w->p, "'}'");
    here->name = (struct span){0};
    w->why = "a wrapper has one member";
    return walk_wrong(w, n, "union", at);
}

static bool unwrap(struct walk *w, const struct node *n, uint32_t i, struct place *here)
{
    const uint8_t *at = w->p++;

    walk_blanks(w);
    here->name = n->branches[i].wrapper;
    w->p += here->name.n + 2;
    if (!walk_take(w, ':'))
        return walk_no_json(w, w->p, "':'");
    walk_blanks(w);
    if (!encode_branch(w, n, i))
        return false;
    return walk_take(w, '}') || more_members(w, n, at, here);
}

static bool encode_wrapped(struct walk *w, const struct node *n, uint32_t i)
{
    struct place here;

    if (walk_at_depth_limit(w))
        return walk_too_deep(w);
    walk_enter(w, &here);
    bool on = unwrap(w, n, i, &here);
    walk_leave(w);
    return on;
}

/* ---- by trying ---- */

struct trial {
    const struct node *n;
    const uint8_t *at;     // the value
    const uint8_t *behind; // where the branch that fits ended
    size_t mark, kept;     // its bytes in the output
    unsigned fits;
    uint32_t first, second; // branches that fit
    bool first_wrapped, second_wrapped;
};

/* False when too much was read again already. */
static bool may_try(struct walk *w)
{
    if (w->tried < TRY_FREE)
        return true;
    if (w->may_try == 0) { // now it pays to know how long the record is
        struct walk look = *w;
        look.trying = 1;
        look.p = w->first;
        w->may_try = text_skip(&look) ? (size_t)(look.p - w->first) : 1;
        w->may_try = w->may_try * TRY_FACTOR + TRY_FREE;
    }
    return w->tried < w->may_try;
}

static bool give_up(struct walk *w, const struct node *n)
{
    w->stopped = true;
    walk_note_text(w, "ambiguous", w->p, n->wanted,
                   "a value that too many branches might take: name the branch");
    return false;
}

static bool fits(struct walk *w, const struct trial *t, uint32_t i, bool wrapped)
{
    const struct place *place = w->place;
    size_t depth = w->depth, scratch = w->scratch;

    w->p = t->at;
    w->trying++;
    bool fit = wrapped ? encode_wrapped(w, t->n, i) : encode_branch(w, t->n, i);
    w->trying--;
    w->tried += (size_t)(w->p - t->at) + 1;
    walk_pop(w, w->scratch - scratch);
    w->place = place;
    w->depth = depth;
    w->why = NULL;
    return fit;
}

/* Tries one branch.  False: stopped. */
static bool attempt(struct walk *w, struct trial *t, uint32_t i, bool wrapped)
{
    if (t->fits > 1)
        return true;
    if (!may_try(w))
        return give_up(w, t->n);

    bool fit = fits(w, t, i, wrapped);
    if (w->stopped)
        return false;
    if (fit && t->fits++ == 0) {
        t->first = i;
        t->first_wrapped = wrapped;
        t->behind = w->p;
        t->kept = walk_written(w);
    } else if (fit) {
        t->second = i;
        t->second_wrapped = wrapped;
    }
    w->w = w->out->p + t->kept; // the first that fits stays, the others are taken back
    return true;
}

static bool attempt_all(struct walk *w, struct trial *t, enum token token)
{
    for (uint32_t i = t->n->pick[token].first; i < t->n->n; i++)
        if ((t->n->branches[i].node->takes >> token & 1) != 0 &&
            !attempt(w, t, i, false))
            return false;
    return true;
}

static bool attempt_numbers(struct walk *w, struct trial *t, bool integral)
{
    for (uint32_t i = t->n->pick[TOKEN_NUMBER].first; i < t->n->n; i++) {
        const struct node *b = t->n->branches[i].node;
        if ((b->takes >> TOKEN_NUMBER & 1) != 0 && b->integral == integral &&
            !attempt(w, t, i, false))
            return false;
    }
    return true;
}

static bool attempt_number(struct walk *w, struct trial *t)
{
    struct number x;

    if (!number_scan(&x, span_of(t->at, (size_t)(w->end - t->at))))
        return true; // nothing fits
    if (!attempt_numbers(w, t, x.plain))
        return false;
    return t->fits > 0 || attempt_numbers(w, t, !x.plain);
}

static void name_of(char *to, size_t room, const struct node *n, uint32_t i,
                    bool wrapped)
{
    char name[AV_FULLNAME_SHOWN];

    av_node_name(name, n->branches[i].node->schema);
    snprintf(to, room, "%s%.100s", wrapped ? "a wrapped " : "", name);
}

static bool ambiguous(struct walk *w, const struct trial *t)
{
    char one[120], two[120], why[300], wanted[300];

    if (w->trying > 0)
        return false;
    name_of(one, sizeof one, t->n, t->first, t->first_wrapped);
    name_of(two, sizeof two, t->n, t->second, t->second_wrapped);
    snprintf(why, sizeof why, "fits both %s and %s", one, two);
    name_of(one, sizeof one, t->n, t->first, false);
    name_of(two, sizeof two, t->n, t->second, false);
    snprintf(wanted, sizeof wanted, "{\"%s\": ...} or {\"%s\": ...}", one, two);
    w->w = w->out->p + t->mark;
    w->p = t->behind;
    w->why = why;
    walk_note(w, "ambiguous", t->at, span_str(wanted),
              span_of(t->at, (size_t)(w->p - t->at)));
    return true;
}

static bool nothing_fits(struct walk *w, const struct trial *t, uint32_t wrapped)
{
    if (w->trying > 0)
        return false;
    w->p = t->at;
    if (wrapped != NO_BRANCH) // it names its branch: say what is wrong inside
        return encode_wrapped(w, t->n, wrapped);
    return walk_wrong(w, t->n, "union", t->at);
}

static bool encode_by_trial(struct walk *w, const struct node *n, enum token token,
                            uint32_t wrapped)
{
    struct trial t = {.n = n, .at = w->p, .mark = walk_written(w)};

    t.kept = t.mark;
    if (wrapped != NO_BRANCH && !attempt(w, &t, wrapped, true))
        return false;
    if (!(token == TOKEN_NUMBER ? attempt_number(w, &t) : attempt_all(w, &t, token)))
        return false;
    if (t.fits > 1)
        return ambiguous(w, &t);
    if (t.fits == 0)
        return nothing_fits(w, &t, wrapped);
    w->p = t.behind;
    return true;
}

static bool encode_object(struct walk *w, const struct node *n)
{
    const struct pick *pick = &n->pick[TOKEN_OBJECT];
    uint32_t wrapped = wrapper_branch(w, n);

    if (wrapped != NO_BRANCH && pick->n == 0)
        return encode_wrapped(w, n, wrapped);
    if (wrapped == NO_BRANCH && pick->n == 1)
        return encode_branch(w, n, pick->first);
    if (pick->n == 0)
        return walk_wrong(w, n, "type", w->p);
    return encode_by_trial(w, n, TOKEN_OBJECT, wrapped);
}

static bool encode_strict(struct walk *w, const struct node *n, enum token token)
{
    if (token == TOKEN_NULL && n->pick[token].n == 1)
        return encode_branch(w, n, n->pick[token].first);
    uint32_t wrapped = token == TOKEN_OBJECT ? wrapper_branch(w, n) : NO_BRANCH;
    if (wrapped != NO_BRANCH)
        return encode_wrapped(w, n, wrapped);
    w->why = "strict Avro JSON wants {\"branch\": value}";
    return walk_wrong(w, n, "union", w->p);
}

bool encode_union(struct walk *w, const struct node *n)
{
    enum token token = walk_token(w);
    const struct pick *pick = &n->pick[token];

    if (w->enc->options.strict_avro_json && token != TOKEN_NONE)
        return encode_strict(w, n, token);
    if (token == TOKEN_OBJECT)
        return encode_object(w, n);
    if (pick->n == 1)
        return encode_branch(w, n, pick->first);
    if (pick->n > 1)
        return encode_by_trial(w, n, token, NO_BRANCH);
    return walk_wrong_kind(w, n);
}

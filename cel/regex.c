#include "cel/regex_inside.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CACHE_BYTES ((size_t)256 * 1024) // of states a scratch remembers

uint32_t regex_character(const uint8_t *p, size_t left, size_t *n)
{
    static const struct {
        uint8_t least, most, n;
        uint32_t smallest;
    } leads[] = {
        {0xC2, 0xDF, 2, 0x80}, {0xE0, 0xEF, 3, 0x800}, {0xF0, 0xF4, 4, 0x10000}};

    *n = 1;
    if (p[0] < 0x80)
        return p[0];
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        if (p[0] < leads[i].least || p[0] > leads[i].most || leads[i].n > left)
            continue;
        uint32_t c = p[0] & (0xFFu >> (leads[i].n + 1));
        for (size_t k = 1; k < leads[i].n; k++) {
            if ((p[k] & 0xC0) != 0x80)
                return 0xFFFD;
            c = c << 6 | (p[k] & 0x3F);
        }
        if (c < leads[i].smallest || c >= CODE_POINTS || (c >= 0xD800 && c <= 0xDFFF))
            return 0xFFFD;
        *n = leads[i].n;
        return c;
    }
    return 0xFFFD;
}

static enum err_kind compile(struct cel_regex *re, struct sets *sets,
                             struct span pattern, size_t *at, struct err *e)
{
    struct node *root;

    TRY(regex_parse(&root, sets, pattern, sets->arena, at, e));
    return regex_program(re, root, sets, e);
}

enum err_kind cel_regex_compile(struct cel_regex **out, struct span pattern, size_t *at,
                                struct err *e)
{
    static atomic_uint_fast64_t last_id;
    struct arena a = {0};
    struct sets sets = {.arena = &a};
    struct cel_regex *re = mem_alloc(sizeof *re);

    re->id = atomic_fetch_add(&last_id, 1) + 1;
    enum err_kind k = compile(re, &sets, pattern, at, e);
    sets_free(&sets);
    arena_free(&a);
    if (k == ERR_OK)
        *out = re;
    else
        cel_regex_free(re);
    return k;
}

void cel_regex_free(struct cel_regex *re)
{
    if (re == NULL)
        return;
    free(re->steps);
    free(re->kinds);
    free(re->members);
    free(re->starts);
    free(re->of);
    free(re);
}

/*
 * A state is the steps that are being tried at once.  Those that ask about the next
 * character (\b, $) stay in it unanswered; then it also keeps what the character before
 * was.  A state with the last step in it is MATCHED, for any part of the text will do.
 */
enum { UNKNOWN, MATCHED, DEAD, FIRST_STATE };

struct state {
    uint32_t first, n; // its steps, in `held`
    uint8_t before;    // KIND_.., 0 unless something is unanswered
    bool asks;
};

struct cel_regex_scratch {
    uint64_t id;     // the pattern whose states these are
    uint64_t *seen;  // a bit a step
    uint32_t *stack; // of steps to be followed
    uint32_t *list;  // the steps of a state in the making
    uint32_t list_n;
    bool list_asks, matched;
    struct state *states; // from FIRST_STATE on
    uint32_t states_n, states_cap;
    uint32_t *next; // a row of classes + 1 a state
    uint32_t *held;
    size_t held_n, held_cap;
    uint32_t *slots; // open addressing over states
    size_t slots_n;
    uint32_t forgotten; // how often all states were
};

struct cel_regex_scratch *cel_regex_scratch_open(void)
{
    return mem_alloc(sizeof(struct cel_regex_scratch));
}

static void free_parts(struct cel_regex_scratch *s)
{
    free(s->seen);
    free(s->stack);
    free(s->list);
    free(s->states);
    free(s->next);
    free(s->held);
    free(s->slots);
    *s = (struct cel_regex_scratch){0};
}

void cel_regex_scratch_close(struct cel_regex_scratch *s)
{
    if (s == NULL)
        return;
    free_parts(s);
    free(s);
}

static bool holds(enum assertion a, unsigned before, bool end, unsigned kind)
{
    switch (a) {
    case AT_TEXT_START: return before & KIND_START;
    case AT_LINE_START: return before & (KIND_START | KIND_NEWLINE);
    case AT_TEXT_END: return end;
    case AT_LINE_END: return end || kind & KIND_NEWLINE;
    case AT_WORD_EDGE: return ((before ^ kind) & KIND_WORD) != 0;
    case AT_NO_WORD_EDGE: return ((before ^ kind) & KIND_WORD) == 0;
    }
    return false;
}

static bool asks_ahead(enum assertion a)
{
    return a != AT_TEXT_START && a != AT_LINE_START;
}

/* What is known where steps are followed. */
struct place {
    unsigned before; // KIND_.. of the character before
    bool ahead;      // the next one is known too:
    bool end;        // there is none
    unsigned kind;   // or this is its kind
};

static uint32_t push(struct cel_regex_scratch *s, uint32_t n, uint32_t step)
{
    if (s->seen[step / 64] >> step % 64 & 1)
        return n;
    s->seen[step / 64] |= 1ull << step % 64;
    s->stack[n] = step;
    return n + 1;
}

/* Marks all steps that are reached from this one without reading a character. */
static void follow(struct cel_regex_scratch *s, const struct cel_regex *re,
                   uint32_t from, struct place at)
{
    uint32_t n = push(s, 0, from);

    while (n > 0) {
        const struct step *step = &re->steps[s->stack[--n]];
        switch (step->kind) {
        case STEP_SET: break;
        case STEP_MATCH: s->matched = true; break;
        case STEP_FORK:
            n = push(s, n, step->next);
            n = push(s, n, step->other);
            break;
        case STEP_ASSERTION:
            if (!at.ahead && asks_ahead((enum assertion)step->what))
                s->list_asks = true;
            else if (holds((enum assertion)step->what, at.before, at.end, at.kind))
                n = push(s, n, step->next);
            break;
        }
    }
}

/* Turns the marks into the list, ascending, of steps that read or wait to be asked. */
static void list_seen(struct cel_regex_scratch *s, const struct cel_regex *re)
{
    size_t words = (re->steps_n + 63) / 64;

    s->list_n = 0;
    for (size_t w = 0; w < words; w++) {
        for (uint64_t bits = s->seen[w]; bits != 0; bits &= bits - 1) {
            uint32_t i = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
            const struct step *step = &re->steps[i];
            if (step->kind == STEP_SET || (step->kind == STEP_ASSERTION &&
                                           asks_ahead((enum assertion)step->what)))
                s->list[s->list_n++] = i;
        }
        s->seen[w] = 0;
    }
}

static size_t row_of(const struct cel_regex *re)
{
    return re->classes + 1u;
}

static void forget(struct cel_regex_scratch *s)
{
    s->forgotten++;
    s->states_n = FIRST_STATE;
    s->held_n = 0;
    if (s->slots_n > 0)
        memset(s->slots, 0, s->slots_n * sizeof *s->slots);
}

static size_t used(const struct cel_regex_scratch *s, const struct cel_regex *re)
{
    return s->states_n * (row_of(re) * sizeof *s->next + sizeof *s->states) +
           s->held_n * sizeof *s->held;
}

/* Four times as many slots as states, so that a search ends soon. */
static void spread(struct cel_regex_scratch *s)
{
    free(s->slots);
    s->slots_n = 4 * (size_t)s->states_cap;
    s->slots = mem_array(s->slots_n, sizeof *s->slots);
}

static size_t hash_of(const uint32_t *steps, uint32_t n, unsigned before)
{
    uint64_t h = 1469598103934665603u ^ before;

    for (uint32_t i = 0; i < n; i++)
        h = (h ^ steps[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 31);
}

static bool same_state(const struct cel_regex_scratch *s, const struct state *state,
                       unsigned before)
{
    return state->n == s->list_n && state->before == before &&
           (state->n == 0 ||
            memcmp(s->held + state->first, s->list, state->n * sizeof *s->list) == 0);
}

static uint32_t *slot_for(struct cel_regex_scratch *s, const uint32_t *steps,
                          uint32_t n, unsigned before, bool any)
{
    size_t i = hash_of(steps, n, before) % s->slots_n;

    while (s->slots[i] != 0 && (any || !same_state(s, &s->states[s->slots[i]], before)))
        i = (i + 1) % s->slots_n;
    return &s->slots[i];
}

static void grow_states(struct cel_regex_scratch *s, const struct cel_regex *re)
{
    if (s->states_n < s->states_cap)
        return;
    s->states_cap = s->states_cap == 0 ? 16 : 2 * s->states_cap;
    s->states = mem_grow(s->states, s->states_cap, sizeof *s->states);
    s->next = mem_grow(s->next, s->states_cap * row_of(re), sizeof *s->next);
    spread(s);
    for (uint32_t i = FIRST_STATE; i < s->states_n; i++)
        *slot_for(s, s->held + s->states[i].first, s->states[i].n, s->states[i].before,
                  true) = i;
}

static void hold_list(struct cel_regex_scratch *s)
{
    if (s->held_n + s->list_n > s->held_cap) {
        s->held_cap = 2 * (s->held_n + s->list_n) + 64;
        s->held = mem_grow(s->held, s->held_cap, sizeof *s->held);
    }
    if (s->list_n > 0)
        memcpy(s->held + s->held_n, s->list, s->list_n * sizeof *s->list);
    s->held_n += s->list_n;
}

/* The state of the list: remembered, or made.  All others may be forgotten for it. */
static uint32_t state_of_list(struct cel_regex_scratch *s, const struct cel_regex *re,
                              unsigned before)
{
    unsigned kept = s->list_asks ? before : 0;

    if (s->matched)
        return MATCHED;
    if (s->list_n == 0 && !re->line_starts)
        return DEAD;
    if (used(s, re) > CACHE_BYTES)
        forget(s);
    grow_states(s, re);
    uint32_t *slot = slot_for(s, s->list, s->list_n, kept, false);
    if (*slot != 0)
        return *slot;
    uint32_t made = *slot = s->states_n++;
    s->states[made] =
        (struct state){(uint32_t)s->held_n, s->list_n, (uint8_t)kept, s->list_asks};
    hold_list(s);
    memset(s->next + made * row_of(re), 0, row_of(re) * sizeof *s->next);
    return made;
}

static void begin_list(struct cel_regex_scratch *s)
{
    s->list_asks = s->matched = false;
}

/* The list of a state, its questions answered by the class that comes next. */
static void answer(struct cel_regex_scratch *s, const struct cel_regex *re,
                   const struct state *from, uint32_t class)
{
    bool end = class == re->classes;
    struct place at = {from->before, true, end, end ? 0 : re->kinds[class]};

    begin_list(s);
    for (uint32_t i = 0; i < from->n; i++)
        follow(s, re, s->held[from->first + i], at);
    list_seen(s, re);
}

/* Where `state` comes to by a character of this class, or by the end of the text. */
static uint32_t step_from(struct cel_regex_scratch *s, const struct cel_regex *re,
                          uint32_t state, uint32_t class)
{
    struct state from = s->states[state];
    bool end = class == re->classes;

    s->list_n = from.n;
    if (from.n > 0)
        memcpy(s->list, s->held + from.first, from.n * sizeof *s->list);
    if (from.asks) {
        answer(s, re, &from, class);
        if (s->matched)
            return MATCHED;
    }
    if (end)
        return DEAD;
    struct place at = {re->kinds[class], false, false, 0};
    uint32_t n = s->list_n;
    begin_list(s);
    for (uint32_t i = 0; i < n; i++) {
        const struct step *step = &re->steps[s->list[i]];
        if (step->kind == STEP_SET && regex_in(re, step->what, class))
            follow(s, re, step->next, at);
    }
    follow(s, re, re->entry, at); // a match may begin anywhere
    list_seen(s, re);
    return state_of_list(s, re, at.before);
}

static uint32_t remember_step(struct cel_regex_scratch *s, const struct cel_regex *re,
                              uint32_t state, uint32_t class)
{
    uint32_t before = s->forgotten;
    uint32_t to = step_from(s, re, state, class);

    if (s->forgotten == before) // else this state is none any more
        s->next[state * row_of(re) + class] = to;
    return to;
}

static void take_up(struct cel_regex_scratch *s, const struct cel_regex *re)
{
    free_parts(s);
    s->id = re->id;
    s->states_n = FIRST_STATE;
    s->seen = mem_array((re->steps_n + 63) / 64, sizeof *s->seen);
    s->stack = mem_array(re->steps_n, sizeof *s->stack);
    s->list = mem_array(re->steps_n, sizeof *s->list);
}

static uint32_t start_state(struct cel_regex_scratch *s, const struct cel_regex *re)
{
    struct place at = {KIND_START & re->asks, false, false, 0};

    begin_list(s);
    follow(s, re, re->entry, at);
    list_seen(s, re);
    return state_of_list(s, re, at.before);
}

static uint32_t class_of(const struct cel_regex *re, uint32_t c)
{
    size_t low = 0, n = re->runs;

    if (c < NEAR)
        return re->near[c];
    while (n > 1) {
        size_t half = n / 2;
        if (re->starts[low + half] <= c) {
            low += half;
            n -= half;
        } else {
            n = half;
        }
    }
    return re->of[low];
}

bool cel_regex_matches(const struct cel_regex *re, struct span text,
                       struct cel_regex_scratch *s)
{
    size_t i = 0, row = row_of(re), n;

    if (s->id != re->id)
        take_up(s, re);
    uint32_t state = start_state(s, re);
    while (i < text.n && state >= FIRST_STATE) {
        uint32_t class =
            text.p[i] < 0x80
                ? (n = 1, re->near[text.p[i]])
                : class_of(re, regex_character(text.p + i, text.n - i, &n));
        i += n;
        uint32_t to = s->next[state * row + class];
        state = to != UNKNOWN ? to : remember_step(s, re, state, class);
    }
    if (state >= FIRST_STATE) {
        uint32_t to = s->next[state * row + re->classes];
        state = to != UNKNOWN ? to : remember_step(s, re, state, re->classes);
    }
    return state == MATCHED;
}

#include "cel/regex_inside.h"

#include <stdlib.h>

/*
 * From the tree to steps, back to front: each node is told which step follows it.
 */
struct emit {
    struct step *steps;
    uint32_t n, cap;
    size_t visits; // of nodes: an empty thing repeated costs time, and no step
    bool over;
};

static uint32_t add_step(struct emit *m, struct step step)
{
    if (m->n >= CEL_REGEX_PROGRAM) {
        m->over = true;
        return 0;
    }
    if (m->n == m->cap) {
        m->cap = m->cap == 0 ? 32 : 2 * m->cap;
        m->steps = mem_grow(m->steps, m->cap, sizeof *m->steps);
    }
    m->steps[m->n] = step;
    return m->n++;
}

static uint32_t fork_to(struct emit *m, uint32_t next, uint32_t other)
{
    return add_step(m, (struct step){STEP_FORK, 0, next, other});
}

static uint32_t emit(struct emit *m, const struct node *node, uint32_t next);

static uint32_t emit_all(struct emit *m, const struct node *child, uint32_t next)
{
    size_t n = 0;
    const struct node *c;

    for (c = child; c != NULL; c = c->next)
        n++;
    const struct node **in_order = mem_array(n, sizeof *in_order);
    for (c = child; c != NULL; c = c->next)
        in_order[--n] = c;
    for (c = child; c != NULL; c = c->next)
        next = emit(m, in_order[n++], next);
    free(in_order);
    return next;
}

static uint32_t emit_one_of(struct emit *m, const struct node *child, uint32_t next)
{
    uint32_t entry = emit(m, child, next);

    for (const struct node *c = child->next; c != NULL; c = c->next)
        entry = fork_to(m, entry, emit(m, c, next));
    return entry;
}

/* As often as it likes, even never. */
static uint32_t emit_loop(struct emit *m, const struct node *node, uint32_t next)
{
    uint32_t loop = fork_to(m, 0, next);
    uint32_t body = emit(m, node, loop);

    if (!m->over)
        m->steps[loop].next = body;
    return loop;
}

/* x{2,4} is xx(x(x)?)?: each further one is asked for behind the last. */
static uint32_t emit_optional(struct emit *m, const struct node *node, int n,
                              uint32_t next)
{
    uint32_t entry = next;

    for (int i = 0; i < n && !m->over; i++)
        entry = fork_to(m, emit(m, node, entry), next);
    return entry;
}

static uint32_t emit_repeat(struct emit *m, const struct node *node, uint32_t next)
{
    uint32_t entry = node->max < 0
                         ? emit_loop(m, node->first, next)
                         : emit_optional(m, node->first, node->max - node->min, next);
    int times = node->min;

    if (node->max < 0 && times > 0) { // x+ needs x once only: the loop is behind it
        entry = emit(m, node->first, entry);
        times--;
    }
    for (; times > 0 && !m->over; times--)
        entry = emit(m, node->first, entry);
    return entry;
}

static uint32_t emit(struct emit *m, const struct node *node, uint32_t next)
{
    if (m->over || ++m->visits > 4 * CEL_REGEX_PROGRAM) {
        m->over = true;
        return 0;
    }
    switch (node->kind) {
    case NODE_EMPTY: return next;
    case NODE_SET: return add_step(m, (struct step){STEP_SET, node->set, next, 0});
    case NODE_ASSERTION:
        return add_step(
            m, (struct step){STEP_ASSERTION, (uint32_t)node->assertion, next, 0});
    case NODE_ALL: return emit_all(m, node->first, next);
    case NODE_ONE_OF: return emit_one_of(m, node->first, next);
    case NODE_REPEAT: return emit_repeat(m, node, next);
    }
    return next;
}

/* What the assertions must know of the characters beside them. */
static void note_questions(struct cel_regex *re)
{
    static const unsigned asks[] = {
        [AT_TEXT_START] = KIND_START,
        [AT_LINE_START] = KIND_START | KIND_NEWLINE,
        [AT_TEXT_END] = 0,
        [AT_LINE_END] = KIND_NEWLINE,
        [AT_WORD_EDGE] = KIND_WORD,
        [AT_NO_WORD_EDGE] = KIND_WORD,
    };

    for (uint32_t i = 0; i < re->steps_n; i++)
        if (re->steps[i].kind == STEP_ASSERTION) {
            re->asks |= asks[re->steps[i].what];
            re->line_starts |= re->steps[i].what == AT_LINE_START;
        }
}

/*
 * The classes: code points cut where any set begins or ends, pieces that are in the
 * same sets given one number.
 */
struct cut {
    uint32_t *starts, *of;
    size_t n;
    uint32_t classes;
};

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static struct cut cut_everywhere(const struct sets *sets)
{
    struct cut c = {.classes = 1};
    size_t ends = 1, n = 0;

    for (size_t i = 0; i < sets->n; i++)
        ends += 2 * sets->all[i].n;
    c.starts = mem_array(ends, sizeof *c.starts);
    c.n = 1;
    for (size_t i = 0; i < sets->n; i++)
        for (size_t k = 0; k < sets->all[i].n; k++) {
            c.starts[c.n++] = sets->all[i].ranges[k].first;
            if (sets->all[i].ranges[k].last + 1 < CODE_POINTS)
                c.starts[c.n++] = sets->all[i].ranges[k].last + 1;
        }
    qsort(c.starts, c.n, sizeof *c.starts, ascending);
    for (size_t i = 0; i < c.n; i++)
        if (n == 0 || c.starts[i] != c.starts[n - 1])
            c.starts[n++] = c.starts[i];
    c.n = n;
    c.of = mem_array(n, sizeof *c.of);
    return c;
}

/* Where a range that begins at a cut begins. */
static size_t piece_at(const struct cut *c, uint32_t code)
{
    return (size_t)((const uint32_t *)bsearch(&code, c->starts, c->n, sizeof code,
                                              ascending) -
                    c->starts);
}

/* Classes that are partly in the set come apart.  `inside` has room for all pieces. */
static void tell_apart(struct cut *c, const struct set *set, uint32_t *inside)
{
    uint32_t before = c->classes;

    for (uint32_t i = 0; i < before; i++)
        inside[i] = UINT32_MAX;
    for (size_t k = 0; k < set->n; k++) {
        size_t i = piece_at(c, set->ranges[k].first);
        for (; i < c->n && c->starts[i] <= set->ranges[k].last; i++) {
            if (inside[c->of[i]] == UINT32_MAX)
                inside[c->of[i]] = c->classes++;
            c->of[i] = inside[c->of[i]];
        }
    }
}

/* Numbers that nothing has any more are given away again. */
static void renumber(struct cut *c, uint32_t *number)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->classes; i++)
        number[i] = UINT32_MAX;
    for (size_t i = 0; i < c->n; i++) {
        if (number[c->of[i]] == UINT32_MAX)
            number[c->of[i]] = n++;
        c->of[i] = number[c->of[i]];
    }
    c->classes = n;
}

static void join_neighbours(struct cut *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (n == 0 || c->of[i] != c->of[n - 1]) {
            c->starts[n] = c->starts[i];
            c->of[n++] = c->of[i];
        }
    c->n = n;
}

static struct cut cut_classes(const struct sets *sets)
{
    struct cut c = cut_everywhere(sets);
    uint32_t *numbers = mem_array(2 * c.n + 1, sizeof *numbers);

    for (size_t i = 0; i < sets->n; i++) {
        tell_apart(&c, &sets->all[i], numbers);
        renumber(&c, numbers);
    }
    free(numbers);
    join_neighbours(&c);
    return c;
}

static size_t run_of(const struct cel_regex *re, uint32_t code)
{
    size_t low = 0, n = re->runs;

    while (n > 1) {
        size_t half = n / 2;
        if (re->starts[low + half] <= code) {
            low += half;
            n -= half;
        } else {
            n = half;
        }
    }
    return low;
}

static void note_members(struct cel_regex *re, const struct sets *sets)
{
    re->members_row = (re->classes + 63) / 64;
    re->members = mem_array(sets->n * re->members_row, sizeof *re->members);
    for (size_t s = 0; s < sets->n; s++)
        for (size_t k = 0; k < sets->all[s].n; k++) {
            struct range r = sets->all[s].ranges[k];
            for (size_t i = run_of(re, r.first);
                 i < re->runs && re->starts[i] <= r.last; i++)
                re->members[s * re->members_row + re->of[i] / 64] |= 1ull
                                                                     << re->of[i] % 64;
        }
}

static void note_classes(struct cel_regex *re, const struct sets *sets)
{
    struct cut c = cut_classes(sets);

    re->classes = c.classes;
    re->runs = c.n;
    re->starts = c.starts;
    re->of = mem_array(c.n, sizeof *re->of);
    for (size_t i = 0; i < c.n; i++)
        re->of[i] = (uint16_t)c.of[i];
    free(c.of);
    for (uint32_t code = 0; code < NEAR; code++)
        re->near[code] = re->of[run_of(re, code)];
    note_members(re, sets);
}

/* The sets that assertions ask about; they cut classes like any other. */
static void note_kinds(struct cel_regex *re, uint32_t word, uint32_t newline)
{
    re->kinds = mem_array(re->classes, 1);
    for (uint32_t i = 0; i < re->classes; i++) {
        if (re->asks & KIND_WORD && regex_in(re, word, i))
            re->kinds[i] |= KIND_WORD;
        if (re->asks & KIND_NEWLINE && regex_in(re, newline, i))
            re->kinds[i] |= KIND_NEWLINE;
    }
}

static void add_asked_sets(struct cel_regex *re, struct sets *sets, uint32_t *word,
                           uint32_t *newline)
{
    struct gather g = {0};

    if (re->asks & KIND_WORD) {
        gather_perl(&g, 'w');
        *word = sets_number(sets, &g);
    }
    gather_clear(&g);
    if (re->asks & KIND_NEWLINE) {
        gather_add(&g, '\n', '\n');
        *newline = sets_number(sets, &g);
    }
    gather_free(&g);
}

enum err_kind regex_program(struct cel_regex *re, const struct node *root,
                            struct sets *sets, struct err *e)
{
    struct emit m = {0};
    uint32_t word = 0, newline = 0;

    re->entry = emit(&m, root, add_step(&m, (struct step){.kind = STEP_MATCH}));
    re->steps = m.steps;
    re->steps_n = m.n;
    if (m.over)
        return err_set(e, ERR_LIMIT,
                       "pattern too large: it compiles to more than %d steps",
                       CEL_REGEX_PROGRAM);
    note_questions(re);
    add_asked_sets(re, sets, &word, &newline);
    note_classes(re, sets);
    note_kinds(re, word, newline);
    return ERR_OK;
}

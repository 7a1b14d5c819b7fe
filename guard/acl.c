#include "guard/acl.h"

#include "base/tab.h"

#include <stdlib.h>

#define WORDS 3

struct rule {
    unsigned ops;   // 1 << enum acl_op
    unsigned kinds; // 1 << enum acl_kind
    struct span name;
    bool prefix;
    struct rule *next;
};

struct rules { // of one principal
    struct rule *first;
};

struct acl {
    struct arena arena; // owns all but the table itself
    struct tab who;     // principal -> struct rules
    struct rules everybody;
    size_t n;
};

static const char *const op_names[ACL_OPS] = {"read", "write", "delete", "configure"};
static const char *const kind_names[] = {"subject", "topic"};

const char *acl_op_name(enum acl_op op)
{
    return op_names[op];
}

const char *acl_kind_name(enum acl_kind kind)
{
    return kind_names[kind];
}

static bool is(struct span s, const char *word)
{
    return span_eq(s, span_str(word));
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next of `line` that ends at `c` off it; what is left begins behind. */
static struct span cut_at(struct span *line, uint8_t c)
{
    const uint8_t *end = line->n > 0 ? memchr(line->p, c, line->n) : NULL;
    size_t n = end != NULL ? (size_t)(end - line->p) : line->n;
    struct span word = span_of(line->p, n);

    *line = span_skip(*line, n + 1);
    return word;
}

/* A word, or several in quotes.  false: a quote that is not closed. */
static bool next_word(struct span *line, struct span *word)
{
    while (line->n > 0 && is_space(line->p[0]))
        *line = span_skip(*line, 1);
    if (line->n > 0 && line->p[0] == '"') {
        *line = span_skip(*line, 1);
        bool closed = line->n > 0 && memchr(line->p, '"', line->n) != NULL;
        *word = cut_at(line, '"');
        return closed && word->n > 0;
    }
    size_t n = 0;
    while (n < line->n && !is_space(line->p[n]))
        n++;
    *word = span_of(line->p, n);
    *line = span_skip(*line, n);
    return true;
}

bool acl_is_name(struct span s)
{
    static const char *const ways[] = {ACL_USER, ACL_CERT, ACL_TOKEN};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (s.n > strlen(ways[i]) && memcmp(s.p, ways[i], strlen(ways[i])) == 0)
            return true;
    return false;
}

static bool is_principal(struct span s)
{
    if (acl_is_name(s))
        return s.n <= ACL_PRINCIPAL;
    return is(s, "*") || is(s, "anonymous");
}

static enum err_kind read_ops(unsigned *out, struct span words, struct err *e)
{
    *out = 0;
    while (words.n > 0) {
        struct span word = cut_at(&words, ',');
        unsigned bits = is(word, "all") ? (1U << ACL_OPS) - 1 : 0;
        for (unsigned i = 0; i < ACL_OPS; i++)
            if (is(word, op_names[i]))
                bits = 1U << i;
        if (bits == 0)
            return err_set(e, ERR_INVALID,
                           "\"" SPAN_FMT
                           "\", wanted read, write, delete, configure or all",
                           SPAN_ARG(word));
        *out |= bits;
    }
    return ERR_OK;
}

static enum err_kind read_place(struct rule *r, struct span place, struct err *e)
{
    struct span name = place;
    struct span kind = cut_at(&name, ':');

    r->kinds = 0;
    if (is(place, "*")) {
        r->kinds = 3;
        name = place;
    }
    for (unsigned i = 0; i < 2; i++)
        if (is(kind, kind_names[i]))
            r->kinds = 1U << i;
    if (r->kinds == 0 || name.n == 0)
        return err_set(e, ERR_INVALID,
                       "\"" SPAN_FMT "\", wanted subject:NAME, topic:NAME or *",
                       SPAN_ARG(place));
    r->prefix = name.p[name.n - 1] == '*';
    r->name = span_of(name.p, name.n - r->prefix);
    if (r->name.n > 0 && memchr(r->name.p, '*', r->name.n) != NULL)
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" has a * before its end",
                       SPAN_ARG(place));
    return ERR_OK;
}

static struct rules *rules_of(struct acl *a, struct span who)
{
    if (is(who, "*"))
        return &a->everybody;
    struct rules *r = tab_get(&a->who, who);
    if (r == NULL) {
        r = arena_alloc(&a->arena, sizeof *r);
        tab_put(&a->who, who, r);
    }
    return r;
}

static enum err_kind take_words(struct acl *a, const struct span words[WORDS],
                                struct err *e)
{
    struct rule rule = {0};

    if (!is_principal(words[0]))
        return err_set(e, ERR_INVALID,
                       "\"" SPAN_FMT "\", wanted user:NAME, cert:NAME, token:NAME, "
                       "anonymous or *",
                       SPAN_ARG(words[0]));
    TRY(read_ops(&rule.ops, words[1], e));
    TRY(read_place(&rule, words[2], e));
    if (++a->n > ACL_RULES)
        return err_set(e, ERR_LIMIT, "more than %d permissions", ACL_RULES);

    struct rules *of = rules_of(a, words[0]);
    struct rule *kept = arena_alloc(&a->arena, sizeof *kept);
    *kept = rule;
    kept->name = arena_copy(&a->arena, rule.name);
    kept->next = of->first;
    of->first = kept;
    return ERR_OK;
}

static enum err_kind take_line(struct acl *a, struct span line, struct err *e)
{
    struct span words[WORDS + 1];
    int n = 0;

    for (; n <= WORDS; n++) {
        if (!next_word(&line, &words[n]))
            return err_set(e, ERR_INVALID, "a quote that is not closed, or empty");
        if (words[n].n == 0 || (n == 0 && words[0].p[0] == '#'))
            break;
    }
    if (n == 0)
        return ERR_OK;
    if (n != WORDS)
        return err_set(e, ERR_INVALID, "%s words, wanted three: who may where",
                       n < WORDS ? "too few" : "too many");
    return take_words(a, words, e);
}

enum err_kind acl_read(struct acl **out, struct span text, struct err *e)
{
    struct acl *a;

    if (text.n > ACL_FILE)
        return err_set(e, ERR_LIMIT, "%zu bytes, at most %d are read", text.n,
                       ACL_FILE);
    a = mem_alloc(sizeof *a);
    for (int line = 1; text.n > 0; line++)
        if (take_line(a, cut_at(&text, '\n'), e) != ERR_OK) {
            acl_free(a);
            return err_prefix(e, "line %d", line);
        }
    *out = a;
    return ERR_OK;
}

void acl_free(struct acl *a)
{
    if (a == NULL)
        return;
    tab_free(&a->who);
    arena_free(&a->arena);
    free(a);
}

static bool covers(const struct rule *r, struct span name)
{
    return r->prefix ? name.n >= r->name.n &&
                           (r->name.n == 0 || memcmp(name.p, r->name.p, r->name.n) == 0)
                     : span_eq(name, r->name);
}

/* `name` NULL: all of them. */
static bool permit(const struct rules *rules, enum acl_op op, enum acl_kind kind,
                   const struct span *name)
{
    const struct rule *r = rules != NULL ? rules->first : NULL;

    for (; r != NULL; r = r->next)
        if ((r->ops & 1U << op) && (r->kinds & 1U << kind) &&
            (name != NULL ? covers(r, *name) : r->prefix && r->name.n == 0))
            return true;
    return false;
}

bool acl_may(const struct acl *a, struct span who, enum acl_op op, enum acl_kind kind,
             struct span name)
{
    return permit(tab_get(&a->who, who), op, kind, &name) ||
           permit(&a->everybody, op, kind, &name);
}

bool acl_may_all(const struct acl *a, struct span who, enum acl_op op,
                 enum acl_kind kind)
{
    return permit(tab_get(&a->who, who), op, kind, NULL) ||
           permit(&a->everybody, op, kind, NULL);
}

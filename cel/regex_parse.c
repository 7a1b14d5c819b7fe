#include "cel/regex_inside.h"

#include "base/utf8.h"

#include <stdlib.h>

#define HEIGHT (3 * CEL_REGEX_NESTING + 16) // of the tree: whoever walks it recurses

enum flag { FOLD = 1, LINES = 2, DOT_ALL = 4, UNGREEDY = 8 };

struct parse {
    const uint32_t *c; // the pattern's code points
    size_t n, i;
    unsigned flags;
    size_t depth;
    struct arena *a;
    struct sets *sets;
    struct gather gathered, group; // one in use at a time, memory kept
    struct span *names;            // of groups: two may not be called the same
    size_t names_n, names_cap;
    size_t *at;
    struct err *e;
};

static enum err_kind fail(struct parse *p, size_t at, enum err_kind kind,
                          const char *what)
{
    *p->at = at;
    return err_set(p->e, kind, "%s", what);
}

static enum err_kind wrong(struct parse *p, size_t at, const char *what)
{
    return fail(p, at, ERR_INVALID, what);
}

/* What stands `ahead` of here; 0 is no character that means anything. */
static uint32_t peek(const struct parse *p, size_t ahead)
{
    return p->i + ahead < p->n ? p->c[p->i + ahead] : 0;
}

static bool more(const struct parse *p, size_t ahead)
{
    return p->i + ahead < p->n;
}

static struct node *node_of(struct parse *p, enum node_kind kind)
{
    struct node *node = arena_alloc(p->a, sizeof *node);

    node->kind = kind;
    node->height = node->times = 1;
    return node;
}

static enum err_kind node_of_gathered(struct node **out, struct parse *p, size_t at)
{
    struct node *node = node_of(p, NODE_SET);

    node->set = sets_number(p->sets, &p->gathered);
    if (p->sets->n > CEL_REGEX_SETS)
        return fail(p, at, ERR_LIMIT, "too many different sets of characters");
    *out = node;
    return ERR_OK;
}

static struct node *node_of_assertion(struct parse *p, enum assertion a)
{
    struct node *node = node_of(p, NODE_ASSERTION);

    node->assertion = a;
    return node;
}

static enum err_kind literal(struct node **out, struct parse *p, uint32_t c, size_t at)
{
    gather_clear(&p->gathered);
    gather_add(&p->gathered, c, c);
    if (p->flags & FOLD)
        gather_fold(&p->gathered);
    return node_of_gathered(out, p, at);
}

static enum err_kind any(struct node **out, struct parse *p, size_t at)
{
    gather_clear(&p->gathered);
    if (p->flags & DOT_ALL) {
        gather_add(&p->gathered, 0, CODE_POINTS - 1);
    } else {
        gather_add(&p->gathered, 0, '\n' - 1);
        gather_add(&p->gathered, '\n' + 1, CODE_POINTS - 1);
    }
    return node_of_gathered(out, p, at);
}

static int hex(uint32_t c)
{
    if (c >= '0' && c <= '9')
        return (int)(c - '0');
    if ((c | 32) >= 'a' && (c | 32) <= 'f' && c < 0x80)
        return (int)((c | 32) - 'a' + 10);
    return -1;
}

/* Behind \x{ : digits and a brace. */
static bool hex_in_braces(uint32_t *out, struct parse *p)
{
    uint32_t code = 0;
    size_t digits = 0;

    for (; more(p, 0) && hex(p->c[p->i]) >= 0; p->i++, digits++) {
        code = code * 16 + (uint32_t)hex(p->c[p->i]);
        if (code >= CODE_POINTS)
            return false;
    }
    if (peek(p, 0) != '}' || digits == 0)
        return false;
    p->i++;
    *out = code;
    return true;
}

static bool hex_escape(uint32_t *out, struct parse *p)
{
    if (peek(p, 0) == '{') {
        p->i++;
        return hex_in_braces(out, p);
    }
    if (!more(p, 1) || hex(p->c[p->i]) < 0 || hex(p->c[p->i + 1]) < 0)
        return false;
    *out = (uint32_t)(hex(p->c[p->i]) * 16 + hex(p->c[p->i + 1]));
    p->i += 2;
    return true;
}

static bool octal_digit(uint32_t c)
{
    return c >= '0' && c <= '7';
}

/* \0, \07, \123; \1 alone would refer back, and that is not to be had. */
static bool octal_escape(uint32_t *out, struct parse *p, uint32_t first)
{
    if (first != '0' && !octal_digit(peek(p, 0)))
        return false;
    uint32_t code = first - '0';
    for (int i = 0; i < 2 && octal_digit(peek(p, 0)); i++)
        code = code * 8 + (p->c[p->i++] - '0');
    *out = code;
    return true;
}

static bool is_letter(uint32_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool simple_escape(uint32_t *out, struct parse *p, uint32_t c)
{
    static const char names[] = "afnrtv", values[] = "\a\f\n\r\t\v";

    if (c == 'x')
        return hex_escape(out, p);
    if (octal_digit(c))
        return octal_escape(out, p, c);
    for (size_t i = 0; i < sizeof names - 1; i++)
        if (c == (uint32_t)names[i]) {
            *out = (uint32_t)values[i];
            return true;
        }
    *out = c; // punctuation means itself
    return c < 0x80 && !is_letter(c) && !(c >= '0' && c <= '9');
}

/* At a backslash that must name one character. */
static enum err_kind escape(uint32_t *out, struct parse *p)
{
    size_t at = p->i;

    if (!more(p, 1))
        return wrong(p, at, "trailing \\ at end of the pattern");
    uint32_t c = p->c[p->i + 1];
    p->i += 2;
    if (!simple_escape(out, p, c))
        return wrong(p, at, "invalid escape sequence");
    return ERR_OK;
}

/* Groups are folded before they are negated: (?i)\P{Lu} is all but letters with case.
 */
static void take_group(struct parse *p, bool negated)
{
    if (p->flags & FOLD)
        gather_fold(&p->group);
    gather_all(&p->gathered, &p->group, negated);
}

/* The name in \pN or \p{Name}, from behind the p.  Names are ASCII: others fit none. */
static enum err_kind property_name(char name[32], size_t *n, struct parse *p, size_t at)
{
    size_t end = p->i;

    *n = 0;
    if (peek(p, 0) != '{') {
        if (!more(p, 0))
            return wrong(p, at, "\\p without a name");
        name[(*n)++] = p->c[p->i] < 0x80 ? (char)p->c[p->i] : '?';
        p->i++;
        return ERR_OK;
    }
    while (end < p->n && p->c[end] != '}')
        end++;
    if (end == p->n)
        return wrong(p, at, "\\p{ without its }");
    for (p->i++; p->i < end; p->i++)
        if (*n < 32)
            name[(*n)++] = p->c[p->i] < 0x80 ? (char)p->c[p->i] : '?';
    p->i++;
    return ERR_OK;
}

/* At \p or \P. */
static enum err_kind property(struct parse *p)
{
    size_t at = p->i, n;
    bool negated = p->c[p->i + 1] == 'P';
    char name[32], *start = name;

    p->i += 2;
    TRY(property_name(name, &n, p, at));
    if (n > 0 && name[0] == '^') {
        negated = !negated;
        start++;
        n--;
    }
    gather_clear(&p->group);
    if (n == 0 || !gather_property(&p->group, span_of(start, n)))
        return wrong(p, at, "no Unicode category or script of that name");
    take_group(p, negated);
    return ERR_OK;
}

static bool is_property(const struct parse *p)
{
    return peek(p, 0) == '\\' && (peek(p, 1) == 'p' || peek(p, 1) == 'P');
}

/* At \d or a relative of it: gathers it. */
static bool took_perl(struct parse *p)
{
    uint32_t letter = peek(p, 1);

    gather_clear(&p->group);
    if (peek(p, 0) != '\\' || !is_letter(letter) ||
        !gather_perl(&p->group, letter | 32))
        return false;
    take_group(p, (letter & 32) == 0);
    p->i += 2;
    return true;
}

/* At [: inside a class; `*took` when there is a :] behind it. */
static enum err_kind posix(bool *took, struct parse *p)
{
    size_t at = p->i, from = p->i + 2, end = from;
    char name[16];
    size_t n = 0;

    while (end + 1 < p->n && !(p->c[end] == ':' && p->c[end + 1] == ']'))
        end++;
    *took = end + 1 < p->n;
    if (!*took)
        return ERR_OK;
    bool negated = p->c[from] == '^';
    for (size_t i = from + negated; i < end; i++)
        if (n < sizeof name)
            name[n++] = p->c[i] < 0x80 ? (char)p->c[i] : '?';
    gather_clear(&p->group);
    if (!gather_posix(&p->group, span_of(name, n)))
        return wrong(p, at, "no character class of that name");
    take_group(p, negated);
    p->i = end + 2;
    return ERR_OK;
}

static enum err_kind class_character(uint32_t *out, struct parse *p, size_t class_at)
{
    if (!more(p, 0))
        return wrong(p, class_at, "missing closing ]");
    if (p->c[p->i] == '\\')
        return escape(out, p);
    *out = p->c[p->i++];
    return ERR_OK;
}

static enum err_kind class_range(struct parse *p, size_t class_at)
{
    size_t at = p->i;
    uint32_t first, last;

    TRY(class_character(&first, p, class_at));
    last = first;
    if (more(p, 1) && p->c[p->i] == '-' && p->c[p->i + 1] != ']') { // [a-] is a and -
        p->i++;
        TRY(class_character(&last, p, class_at));
    }
    if (last < first)
        return wrong(p, at, "invalid character class range");
    gather_clear(&p->group);
    gather_add(&p->group, first, last);
    take_group(p, false);
    return ERR_OK;
}

static enum err_kind class_item(struct parse *p, size_t class_at)
{
    bool took = false;

    if (peek(p, 0) == '[' && peek(p, 1) == ':' && more(p, 2))
        TRY(posix(&took, p));
    if (took)
        return ERR_OK;
    if (is_property(p) && more(p, 2))
        return property(p);
    if (took_perl(p))
        return ERR_OK;
    return class_range(p, class_at);
}

static enum err_kind class_of(struct node **out, struct parse *p)
{
    size_t at = p->i++;
    bool negated = peek(p, 0) == '^', first = true;

    p->i += negated;
    gather_clear(&p->gathered);
    while (first || peek(p, 0) != ']') { // []a] is ] and a
        if (!more(p, 0))
            return wrong(p, at, "missing closing ]");
        first = false;
        TRY(class_item(p, at));
    }
    p->i++;
    if (negated)
        gather_negate(&p->gathered);
    return node_of_gathered(out, p, at);
}

/* At a backslash outside a class. */
static enum err_kind escaped(struct node **out, struct parse *p)
{
    size_t at = p->i;
    uint32_t c = peek(p, 1);

    static const struct {
        char c;
        enum assertion assertion;
    } assertions[] = {{'A', AT_TEXT_START},
                      {'z', AT_TEXT_END},
                      {'b', AT_WORD_EDGE},
                      {'B', AT_NO_WORD_EDGE}};
    for (size_t i = 0; i < sizeof assertions / sizeof *assertions; i++)
        if (c == (uint32_t)assertions[i].c) {
            p->i += 2;
            *out = node_of_assertion(p, assertions[i].assertion);
            return ERR_OK;
        }
    if (c == 'C')
        return wrong(p, at, "\\C (one byte) is not supported: a text is characters");
    gather_clear(&p->gathered);
    if (is_property(p)) {
        TRY(property(p));
        return node_of_gathered(out, p, at);
    }
    if (took_perl(p))
        return node_of_gathered(out, p, at);
    TRY(escape(&c, p));
    return literal(out, p, c, at);
}

/* What follows "(?" up to ":" or ")": i m s U, and - before those to be switched off.
 */
static enum err_kind flags(bool *group, struct parse *p, size_t at)
{
    static const char names[] = "imsU";
    static const unsigned bits[] = {FOLD, LINES, DOT_ALL, UNGREEDY};
    unsigned on = p->flags;
    bool off = false, seen = false;

    for (p->i += 2; more(p, 0); p->i++) {
        uint32_t c = p->c[p->i];
        const char *name = c < 0x80 && c != 0 ? strchr(names, (int)c) : NULL;
        if (c == ':' || c == ')') {
            if (off && !seen)
                break;
            p->i++;
            p->flags = on;
            *group = c == ':';
            return ERR_OK;
        }
        if (c == '-' && !off) {
            off = true;
            seen = false;
            continue;
        }
        if (name == NULL)
            break;
        on = off ? on & ~bits[name - names] : on | bits[name - names];
        seen = true;
    }
    return wrong(p, at, "invalid or unsupported (? syntax");
}

/* What may stand in a group's name: word characters of any script. */
static bool names_well(struct parse *p, size_t from, size_t end)
{
    static const char *const categories[] = {"L", "Nl", "Mn", "Mc", "Nd", "Pc"};
    bool good = from < end;

    gather_clear(&p->group);
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        gather_property(&p->group, span_str(categories[i]));
    for (size_t i = from; i < end && good; i++)
        good = gather_has(&p->group, p->c[i]);
    return good;
}

static bool name_is_new(struct parse *p, size_t from, size_t end)
{
    struct span name = span_of(p->c + from, (end - from) * sizeof *p->c);

    for (size_t i = 0; i < p->names_n; i++)
        if (span_eq(p->names[i], name))
            return false;
    if (p->names_n == p->names_cap) {
        p->names_cap = p->names_cap == 0 ? 8 : 2 * p->names_cap;
        p->names = mem_grow(p->names, p->names_cap, sizeof *p->names);
    }
    p->names[p->names_n++] = name;
    return true;
}

/* At (?P< or (?<. */
static enum err_kind group_name(struct parse *p)
{
    size_t at = p->i, from = p->i + (p->c[p->i + 2] == 'P' ? 4 : 3), end = from;

    while (end < p->n && p->c[end] != '>')
        end++;
    if (end == p->n || !names_well(p, from, end))
        return wrong(p, at, "invalid named capture group");
    if (!name_is_new(p, from, end))
        return wrong(p, at, "duplicate name of a capture group");
    p->i = end + 1;
    return ERR_OK;
}

static enum err_kind alternatives(struct node **out, struct parse *p);

/* Behind what opens a group, up to and with its ). */
static enum err_kind group_body(struct node **out, struct parse *p, size_t at,
                                unsigned flags_before)
{
    if (++p->depth > CEL_REGEX_NESTING)
        return fail(p, at, ERR_LIMIT, "groups nest too deeply");
    TRY(alternatives(out, p));
    if (peek(p, 0) != ')')
        return wrong(p, at, "missing closing )");
    p->depth--;
    p->i++;
    p->flags = flags_before;
    return ERR_OK;
}

/* At "(".  *out stays NULL for (?i), which is nothing that could be repeated. */
static enum err_kind group(struct node **out, struct parse *p)
{
    size_t at = p->i;
    unsigned before = p->flags;
    bool opens = true;

    if (peek(p, 1) != '?')
        p->i++;
    else if ((peek(p, 2) == 'P' && peek(p, 3) == '<') || peek(p, 2) == '<')
        TRY(group_name(p));
    else
        TRY(flags(&opens, p, at));
    return opens ? group_body(out, p, at, before) : ERR_OK;
}

/* A number without leading zeros, not beyond what could be meant. */
static bool count(int *out, const struct parse *p, size_t *i)
{
    size_t from = *i;
    int n = 0;

    for (; *i < p->n && p->c[*i] >= '0' && p->c[*i] <= '9'; (*i)++) {
        if (n >= 100000000)
            return false;
        n = n * 10 + (int)(p->c[*i] - '0');
    }
    *out = n;
    return *i > from && !(p->c[from] == '0' && *i > from + 1);
}

/* At "{": how often, and where it ends; false when it is but a brace. */
static bool counts(int *min, int *max, const struct parse *p, size_t *end)
{
    size_t i = p->i + 1;

    if (!count(min, p, &i))
        return false;
    *max = *min;
    if (i < p->n && p->c[i] == ',') {
        i++;
        *max = -1;
        if (i < p->n && p->c[i] != '}' && !count(max, p, &i))
            return false;
    }
    if (i >= p->n || p->c[i] != '}')
        return false;
    *end = i + 1;
    return true;
}

struct repeat {
    int min, max;
    size_t at;
    bool counted;
};

/* Reads the operator here, if there is one, with the ? behind it. */
static bool took_repeat(struct repeat *r, struct parse *p)
{
    size_t end = p->i + 1;

    *r = (struct repeat){0, -1, p->i, false};
    switch (peek(p, 0)) {
    case '*': break;
    case '+': r->min = 1; break;
    case '?': r->max = 1; break;
    case '{':
        r->counted = true;
        if (!counts(&r->min, &r->max, p, &end))
            return false;
        break;
    default: return false;
    }
    p->i = end;
    if (peek(p, 0) == '?')
        p->i++;
    return true;
}

static enum err_kind too_high(struct parse *p, const struct node *node, size_t at)
{
    return node->height > HEIGHT ? fail(p, at, ERR_LIMIT, "nests too deeply") : ERR_OK;
}

/* Puts what was last read, at *last, under a repetition. */
static enum err_kind repeat(struct node **last, struct parse *p, struct repeat r)
{
    if (r.counted && ((r.max != -1 && r.max < r.min) || r.min > CEL_REGEX_REPEAT ||
                      r.max > CEL_REGEX_REPEAT))
        return wrong(p, r.at, "bad repetition count");
    if (*last == NULL)
        return wrong(p, r.at, "nothing to repeat");
    struct node *node = node_of(p, NODE_REPEAT);
    int most = r.max < 0 ? r.min : r.max;
    node->min = r.min;
    node->max = r.max;
    node->first = *last;
    node->height = node->first->height + 1;
    node->times = node->first->times * (size_t)(r.counted && most > 0 ? most : 1);
    if (r.counted && most >= 2 && node->times > CEL_REGEX_REPEAT)
        return wrong(p, r.at, "bad repetition count: the nested ones multiply");
    *last = node;
    return too_high(p, node, r.at);
}

/* Behind \Q: the next character is meant literally, unless it is \E, which ends that.
 */
static enum err_kind quoted(struct node **out, struct parse *p, bool *quoting)
{
    if (peek(p, 0) == '\\' && peek(p, 1) == 'E') {
        p->i += 2;
        *quoting = false;
        return ERR_OK;
    }
    size_t at = p->i++;
    return literal(out, p, p->c[at], at);
}

/* One thing that may be repeated; *out stays NULL where there was none. */
static enum err_kind atom(struct node **out, struct parse *p)
{
    size_t at = p->i;
    bool lines = p->flags & LINES;

    switch (p->c[p->i]) {
    case '(': return group(out, p);
    case '[': return class_of(out, p);
    case '\\': return escaped(out, p);
    case '.': p->i++; return any(out, p, at);
    case '^':
        p->i++;
        *out = node_of_assertion(p, lines ? AT_LINE_START : AT_TEXT_START);
        return ERR_OK;
    case '$':
        p->i++;
        *out = node_of_assertion(p, lines ? AT_LINE_END : AT_TEXT_END);
        return ERR_OK;
    default: p->i++; return literal(out, p, p->c[at], at);
    }
}

static void measure(struct node *parent, const struct node *child)
{
    if (child->height + 1 > parent->height)
        parent->height = child->height + 1;
    if (child->times > parent->times)
        parent->times = child->times;
}

/* Gives `list` a parent of its kind; a single one needs none. */
static enum err_kind gathered_under(struct node **out, struct parse *p,
                                    enum node_kind kind, struct node *list, size_t at)
{
    if (list == NULL || list->next == NULL) {
        *out = list != NULL ? list : node_of(p, NODE_EMPTY);
        return ERR_OK;
    }
    struct node *parent = node_of(p, kind);
    parent->first = list;
    for (const struct node *child = list; child != NULL; child = child->next)
        measure(parent, child);
    *out = parent;
    return too_high(p, parent, at);
}

/* Things one behind the other, up to | or ) or the end. */
static enum err_kind sequence(struct node **out, struct parse *p)
{
    struct node *list = NULL, **last = &list; // where the last one hangs
    size_t at = p->i, repeated_until = SIZE_MAX;
    bool quoting = false;

    while (more(p, 0) && (quoting || (p->c[p->i] != '|' && p->c[p->i] != ')'))) {
        struct node *node = NULL;
        struct repeat r;
        if (!quoting && took_repeat(&r, p)) {
            if (repeated_until == r.at) // a** is Perl's mistake, a++ its own thing
                return wrong(p, r.at, "bad repetition operator");
            TRY(repeat(last, p, r));
            repeated_until = p->i;
            continue;
        }
        if (quoting) {
            TRY(quoted(&node, p, &quoting));
        } else if (peek(p, 0) == '\\' && peek(p, 1) == 'Q') {
            p->i += 2;
            quoting = true;
        } else {
            TRY(atom(&node, p));
        }
        if (node == NULL)
            continue;
        if (*last != NULL)
            last = &(*last)->next;
        *last = node;
    }
    return gathered_under(out, p, NODE_ALL, list, at);
}

static enum err_kind alternatives(struct node **out, struct parse *p)
{
    struct node *list = NULL, **end = &list;
    size_t at = p->i;

    for (;;) {
        TRY(sequence(end, p));
        if (peek(p, 0) != '|')
            return gathered_under(out, p, NODE_ONE_OF, list, at);
        end = &(*end)->next;
        p->i++;
    }
}

static enum err_kind whole(struct node **out, struct parse *p)
{
    TRY(alternatives(out, p));
    return more(p, 0) ? wrong(p, p->i, "unexpected )") : ERR_OK;
}

/* The pattern's code points, NULL when it is no UTF-8. */
static uint32_t *characters(struct span pattern, struct arena *a, size_t *n)
{
    uint32_t *c = arena_array(a, pattern.n + 1, sizeof *c);
    size_t good = utf8_good(pattern);

    *n = 0;
    for (size_t i = 0, length; i < good; i += length)
        c[(*n)++] = regex_character(pattern.p + i, pattern.n - i, &length);
    return c;
}

enum err_kind regex_parse(struct node **out, struct sets *sets, struct span pattern,
                          struct arena *a, size_t *at, struct err *e)
{
    struct parse p = {.a = a, .sets = sets, .at = at, .e = e};

    *at = 0;
    if (pattern.n > CEL_REGEX_PATTERN)
        return err_set(e, ERR_LIMIT, "pattern of %zu bytes, at most %d are taken",
                       pattern.n, CEL_REGEX_PATTERN);
    p.c = characters(pattern, a, &p.n);
    if (utf8_good(pattern) < pattern.n)
        return fail(&p, p.n, ERR_INVALID, "invalid UTF-8");
    enum err_kind k = whole(out, &p);
    gather_free(&p.gathered);
    gather_free(&p.group);
    free(p.names);
    return k;
}

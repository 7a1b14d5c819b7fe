#include "avro-core/schema_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FALLBACKS_MOST (4 << 20) // bytes of all defaults of a schema in Avro binary

/* Why a value is not of its type: kept as parts, for most are never told (unions). */
enum why { WRONG_TYPE, WRONG_LENGTH, NOT_LATIN1, NO_SYMBOL, NO_FIELD, UNFINISHED };

enum state { UNSEEN, OPEN, DONE };

struct encoding {
    struct build *b;
    struct buf out;
    const uint8_t *states; // enum state by node index; NULL while types are pending
    enum why why;
    const struct json *at;
    const struct av_node *type;
    struct span field;
};

static enum err_kind differ(struct encoding *x, const struct json *v,
                            const struct av_node *type, enum why why)
{
    x->at = v;
    x->type = type;
    x->why = why;
    return ERR_INVALID;
}

/* The parts as a sentence. */
static enum err_kind tell(struct encoding *x)
{
    char name[AV_FULLNAME_SHOWN], found[SHOWN];

    av_node_name(name, x->type);
    shown(found, x->at);
    switch (x->why) {
    case WRONG_LENGTH:
        return refuse(x->b, x->at, ERR_INVALID, "%s, wanted %zu bytes of %s", found,
                      x->type->size, name);
    case NOT_LATIN1:
        return refuse(x->b, x->at, ERR_INVALID, "%s, wanted no character past U+00FF",
                      found);
    case NO_SYMBOL:
        return refuse(x->b, x->at, ERR_INVALID, "%s, wanted a symbol of %s", found,
                      name);
    case NO_FIELD:
        return refuse(x->b, x->at, ERR_INVALID,
                      "no \"" SPAN_FMT "\", and it has no default in %s",
                      SPAN_ARG(x->field), name);
    case UNFINISHED:
        return refuse(x->b, x->at, ERR_INVALID,
                      "a default holds %s while that is being defined", name);
    case WRONG_TYPE: break;
    }
    return refuse(x->b, x->at, ERR_INVALID, "%s, wanted %s", found, name);
}

/* ---- writing ---- */

static void put_long(struct buf *out, int64_t v)
{
    uint64_t z = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);

    for (; z >= 0x80; z >>= 7)
        buf_put_u8(out, (uint8_t)(z | 0x80));
    buf_put_u8(out, (uint8_t)z);
}

static void put_little_endian(struct buf *out, uint64_t v, int bytes)
{
    for (; bytes > 0; bytes--, v >>= 8)
        buf_put_u8(out, (uint8_t)v);
}

static void put_text(struct buf *out, struct span s)
{
    put_long(out, (int64_t)s.n);
    buf_put(out, s);
}

/* False when a finite number is out of the type's range: Java would make it infinite.
 */
static bool put_real(struct buf *out, enum av_type type, double v)
{
    float f = (float)v;
    uint64_t bits = 0;

    if (type == AV_FLOAT && isinf(f) && !isinf(v))
        return false;
    if (type == AV_FLOAT)
        memcpy(&bits, &f, sizeof f);
    else
        memcpy(&bits, &v, sizeof v);
    put_little_endian(out, bits, type == AV_FLOAT ? 4 : 8);
    return true;
}

/* ---- values ---- */

static enum err_kind put_value(struct encoding *x, const struct av_node *type,
                               const struct json *v);

static bool is_integral(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (memchr(".eE", text.p[i], 3) != NULL)
            return false;
    return true;
}

static enum err_kind put_whole(struct encoding *x, const struct av_node *type,
                               const struct json *v)
{
    int64_t min = type->type == AV_INT ? INT32_MIN : INT64_MIN;
    int64_t max = type->type == AV_INT ? INT32_MAX : INT64_MAX;
    struct err e = {0};
    int64_t i;

    if (v->kind != JSON_NUMBER || !is_integral(v->text) ||
        json_int(&i, v, min, max, &e) != ERR_OK)
        return differ(x, v, type, WRONG_TYPE);
    put_long(&x->out, i);
    return ERR_OK;
}

static enum err_kind put_float(struct encoding *x, const struct av_node *type,
                               const struct json *v)
{
    double d;

    if (v->kind != JSON_NUMBER)
        return differ(x, v, type, WRONG_TYPE);
    d = strtod(arena_str(&x->b->scratch, v->text), NULL);
    if (isinf(d) || !put_real(&x->out, type->type, d))
        return differ(x, v, type, WRONG_TYPE);
    return ERR_OK;
}

/* Text whose characters are the bytes; `out` is in the scratch arena. */
static bool latin1(struct build *b, struct span text, struct span *out)
{
    uint8_t *to = arena_alloc(&b->scratch, text.n);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c >= 0x80) {
            if (c > 0xc3) // U+0100 and up; the text is UTF-8, so a second byte follows
                return false;
            c = (uint8_t)(c << 6 | (text.p[++i] & 0x3f));
        }
        to[n++] = c;
    }
    *out = span_of(to, n);
    return true;
}

static enum err_kind put_bytes(struct encoding *x, const struct av_node *type,
                               const struct json *v)
{
    struct span bytes;

    if (v->kind != JSON_STRING)
        return differ(x, v, type, WRONG_TYPE);
    if (!latin1(x->b, v->text, &bytes))
        return differ(x, v, type, NOT_LATIN1);
    if (type->type == AV_BYTES)
        put_text(&x->out, bytes);
    else if (bytes.n == type->size)
        buf_put(&x->out, bytes);
    else
        return differ(x, v, type, WRONG_LENGTH);
    return ERR_OK;
}

static enum err_kind put_symbol(struct encoding *x, const struct av_node *type,
                                const struct json *v)
{
    if (v->kind != JSON_STRING)
        return differ(x, v, type, WRONG_TYPE);
    TRY(take_steps(x->b, v, type->n_symbols));
    for (size_t i = 0; i < type->n_symbols; i++)
        if (span_eq(type->symbols[i], v->text)) {
            put_long(&x->out, (int64_t)i);
            return ERR_OK;
        }
    return differ(x, v, type, NO_SYMBOL);
}

static enum err_kind put_items(struct encoding *x, const struct av_node *type,
                               const struct json *v)
{
    if (v->kind != (type->type == AV_MAP ? JSON_OBJECT : JSON_ARRAY))
        return differ(x, v, type, WRONG_TYPE);
    if (v->n > 0)
        put_long(&x->out, (int64_t)v->n);
    for (const struct json *k = v->first; k != NULL; k = k->next) {
        if (type->type == AV_MAP)
            put_text(&x->out, k->name);
        TRY(put_value(x, type->items, k));
    }
    put_long(&x->out, 0);
    return ERR_OK;
}

/* The first branch that takes the value; Avro Java's parser takes any. */
static enum err_kind put_branch(struct encoding *x, const struct av_node *type,
                                const struct json *v)
{
    size_t n = x->out.n;

    for (size_t i = 0; i < type->n_branches; i++) {
        put_long(&x->out, (int64_t)i);
        enum err_kind k = put_value(x, type->branches[i], v);
        if (k != ERR_INVALID || x->why == UNFINISHED)
            return k;
        buf_cut(&x->out, n);
    }
    return differ(x, v, type, WRONG_TYPE);
}

/* A field the object does not name: the field's own default, which was made before. */
static enum err_kind put_omitted(struct encoding *x, const struct av_node *type,
                                 const struct av_field *f, const struct json *v)
{
    bool has = x->states == NULL ? f->fallback != NULL : f->fallback_avro.p != NULL;

    if (!has) {
        x->field = f->name;
        return differ(x, v, type, NO_FIELD);
    }
    buf_put(&x->out, f->fallback_avro);
    return ERR_OK;
}

/* The member for a field: mostly the one behind the last. */
static enum err_kind find_member(struct encoding *x, const struct json *v,
                                 const struct json *hint, struct span name,
                                 const struct json **out)
{
    *out = hint;
    if (hint != NULL && span_eq(hint->name, name))
        return ERR_OK;
    TRY(take_steps(x->b, v, v->n));
    *out = json_member_span(v, name);
    return ERR_OK;
}

/* What the object has beyond the fields is passed over, as Avro Java does. */
static enum err_kind put_record(struct encoding *x, const struct av_node *type,
                                const struct json *v)
{
    const struct json *m, *hint = v->first;

    if (v->kind != JSON_OBJECT)
        return differ(x, v, type, WRONG_TYPE);
    if (is_pending(type))
        return ERR_OK;
    if (x->states != NULL && x->states[type->index] != DONE)
        return differ(x, v, type, UNFINISHED);
    TRY(take_steps(x->b, v, type->n_fields));
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct av_field *f = &type->fields[i];
        TRY(find_member(x, v, hint, f->name, &m));
        if (m == NULL) {
            TRY(put_omitted(x, type, f, v));
            continue;
        }
        TRY(put_value(x, f->type, m));
        hint = m->next;
    }
    return ERR_OK;
}

static enum err_kind put_null(struct encoding *x, const struct av_node *type,
                              const struct json *v)
{
    return v->kind == JSON_NULL ? ERR_OK : differ(x, v, type, WRONG_TYPE);
}

static enum err_kind put_boolean(struct encoding *x, const struct av_node *type,
                                 const struct json *v)
{
    if (v->kind != JSON_TRUE && v->kind != JSON_FALSE)
        return differ(x, v, type, WRONG_TYPE);
    buf_put_u8(&x->out, v->kind == JSON_TRUE);
    return ERR_OK;
}

static enum err_kind put_string(struct encoding *x, const struct av_node *type,
                                const struct json *v)
{
    if (v->kind != JSON_STRING)
        return differ(x, v, type, WRONG_TYPE);
    put_text(&x->out, v->text);
    return ERR_OK;
}

/* Recursion goes down the value, whose depth the reader of the text has limited. */
static enum err_kind put_value(struct encoding *x, const struct av_node *type,
                               const struct json *v)
{
    static enum err_kind (*const put[])(struct encoding *, const struct av_node *,
                                        const struct json *) = {
        [AV_NULL] = put_null,    [AV_BOOLEAN] = put_boolean, [AV_INT] = put_whole,
        [AV_LONG] = put_whole,   [AV_FLOAT] = put_float,     [AV_DOUBLE] = put_float,
        [AV_BYTES] = put_bytes,  [AV_STRING] = put_string,   [AV_RECORD] = put_record,
        [AV_ENUM] = put_symbol,  [AV_ARRAY] = put_items,     [AV_MAP] = put_items,
        [AV_UNION] = put_branch, [AV_FIXED] = put_bytes,
    };

    TRY(take_steps(x->b, v, 1));
    if (x->out.over)
        return refuse(x->b, v, ERR_LIMIT, "defaults of more than %d bytes in all",
                      FALLBACKS_MOST);
    return put[type->type](x, type, v);
}

/* ---- numbers as text ---- */

static size_t skip_digits(struct span s, size_t i, bool hex)
{
    while (i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') ||
                       (hex && (s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'f')))
        i++;
    return i;
}

/* Behind digits with a point among, before or behind them; `i` when there are none. */
static size_t skip_mantissa(struct span s, size_t i, bool hex)
{
    size_t point = skip_digits(s, i, hex);
    size_t end = point;

    if (point < s.n && s.p[point] == '.')
        end = skip_digits(s, point + 1, hex);
    return end > i + (end > point) ? end : i;
}

/* Behind an exponent at `i`: its letter, a sign or none, digits.  0 when it is broken.
 */
static size_t skip_exponent(struct span s, size_t i)
{
    size_t k = i + 1;

    if (k < s.n && (s.p[k] == '+' || s.p[k] == '-'))
        k++;
    size_t end = skip_digits(s, k, false);
    return end > k ? end : 0;
}

/* True when `s`, without sign, is a number in Java's grammar; *n: what strtod may see.
 */
static bool is_java_number(struct span s, size_t *n)
{
    bool hex = s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
    size_t start = hex ? 2 : 0, i = skip_mantissa(s, start, hex);

    if (i == start)
        return false;
    if (i < s.n && (s.p[i] | 0x20) == (hex ? 'p' : 'e')) {
        i = skip_exponent(s, i);
        if (i == 0)
            return false;
    } else if (hex) {
        return false; // there the exponent must be
    }
    *n = i;
    if (i < s.n && strchr("fFdD", s.p[i]) != NULL)
        i++;
    return i == s.n;
}

static struct span trim(struct span s)
{
    while (s.n > 0 && s.p[0] <= ' ')
        s = span_skip(s, 1);
    while (s.n > 0 && s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

bool read_java_double(struct build *b, struct span text, double *out)
{
    struct span s = trim(text);
    bool negative = s.n > 0 && s.p[0] == '-';
    double v;
    size_t n;

    if (negative || (s.n > 0 && s.p[0] == '+'))
        s = span_skip(s, 1);
    if (span_eq(s, span_str("NaN")))
        v = (double)NAN;
    else if (span_eq(s, span_str("Infinity")))
        v = (double)INFINITY;
    else if (is_java_number(s, &n) &&
             !isinf(v = strtod(arena_str(&b->scratch, span_of(s.p, n)), NULL)))
        (void)n;
    else
        return false;
    *out = negative && !isnan(v) ? -v : v;
    return true;
}

/* ---- defaults of fields ---- */

/* A float or double may have its default as text, but only at the top (Avro Java). */
static enum err_kind put_fallback(struct encoding *x, const struct av_node *type,
                                  const struct json *v)
{
    double d;

    if ((type->type != AV_FLOAT && type->type != AV_DOUBLE) || v->kind != JSON_STRING)
        return put_value(x, type, v);
    if (!read_java_double(x->b, v->text, &d) || !put_real(&x->out, type->type, d))
        return differ(x, v, type, WRONG_TYPE);
    return ERR_OK;
}

enum err_kind check_fallback(struct build *b, const struct av_node *type,
                             const struct json *v)
{
    struct encoding x = {.b = b, .out = BUF_INIT(FALLBACKS_MOST)};
    enum err_kind k = put_fallback(&x, type, v);

    buf_free(&x.out);
    if (k != ERR_INVALID || b->keep_bad_defaults) // who keeps it wants no reason
        return k;
    return tell(&x);
}

static enum err_kind encode_field(struct encoding *x, struct av_field *f,
                                  const struct json *v)
{
    buf_reset(&x->out);
    enum err_kind k = put_fallback(x, f->type, v);
    if (k == ERR_INVALID && x->b->keep_bad_defaults)
        return ERR_OK;
    if (k != ERR_OK)
        return k == ERR_INVALID ? tell(x) : k;
    if (x->out.over || x->out.n > FALLBACKS_MOST - x->b->fallback_bytes)
        return refuse(x->b, v, ERR_LIMIT, "defaults of more than %d bytes in all",
                      FALLBACKS_MOST);
    x->b->fallback_bytes += x->out.n;
    f->fallback_avro =
        arena_copy(&x->b->s->arena, buf_span(&x->out)); // p is never NULL
    return ERR_OK;
}

/* From the tree rather than from the kept values: there a message finds its place. */
static enum err_kind encode_record(struct encoding *x, const struct av_node *n)
{
    const struct json *k = json_member(x->b->origins[n->index].at, "fields")->first;

    for (size_t i = 0; i < n->n_fields; i++, k = k->next)
        if (n->fields[i].fallback != NULL)
            TRY(encode_field(x, (struct av_field *)&n->fields[i],
                             json_member(k, "default")));
    return ERR_OK;
}

/* ---- the order: a record's fields first, then its defaults ---- */

struct step {
    const struct av_node *node;
    size_t next; // child to visit
};

static const struct av_node *child(const struct av_node *n, size_t i)
{
    if (n->type == AV_RECORD)
        return i < n->n_fields ? n->fields[i].type : NULL;
    if (n->type == AV_UNION)
        return i < n->n_branches ? n->branches[i] : NULL;
    return i == 0 ? n->items : NULL;
}

/* Depth first with its own stack: a chain of types is as long as somebody makes it. */
static enum err_kind visit_from(struct encoding *x, const struct av_node *start,
                                uint8_t *states, struct step *stack)
{
    size_t depth = 1;

    stack[0] = (struct step){start, 0};
    states[start->index] = OPEN;
    while (depth > 0) {
        struct step *top = &stack[depth - 1];
        const struct av_node *c = child(top->node, top->next++);

        if (c == NULL) {
            if (top->node->type == AV_RECORD)
                TRY(encode_record(x, top->node));
            states[top->node->index] = DONE;
            depth--;
        } else if (states[c->index] == UNSEEN) {
            states[c->index] = OPEN;
            stack[depth++] = (struct step){c, 0};
        }
    }
    return ERR_OK;
}

/* In the order of the definitions, as Avro Java resolves them: it decides what is
 * whole. */
static enum err_kind visit_all(struct encoding *x, uint8_t *states, struct step *stack)
{
    for (size_t i = 0; i < x->b->s->n_nodes; i++)
        if (x->b->origins[i].lender != NULL)
            states[i] = DONE; // and encoded where it was written
    for (size_t i = 0; i < x->b->s->n_nodes; i++)
        if (states[i] == UNSEEN && x->b->s->nodes[i]->type == AV_RECORD)
            TRY(visit_from(x, x->b->s->nodes[i], states, stack));
    return ERR_OK;
}

enum err_kind encode_fallbacks(struct build *b)
{
    size_t n = b->s->n_nodes;
    uint8_t *states = arena_alloc(&b->scratch, n);
    struct step *stack = mem_array(n, sizeof *stack);
    struct encoding x = {.b = b, .out = BUF_INIT(FALLBACKS_MOST), .states = states};
    enum err_kind k = visit_all(&x, states, stack);

    buf_free(&x.out);
    free(stack);
    return k;
}

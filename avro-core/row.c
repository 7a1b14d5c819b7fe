/*
 * A row stands on the encoder's plan: each cell is given to the readers that a JSON
 * string or number would be given to.  Fields are written in the schema's order,
 * whatever the order of the columns, so nothing has to be put in order afterwards.
 */
#include "avro-core/row.h"

#include "avro-core/encode_inside.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define NO_COLUMN SIZE_MAX

struct av_row {
    const struct av_encoder *enc;
    size_t n;        // columns
    size_t *columns; // by field: the column it is read from, or NO_COLUMN
};

/* ---- binding ---- */

static bool is_alias(const struct av_field *f, struct span name)
{
    for (size_t i = 0; i < f->n_aliases; i++)
        if (span_eq(f->aliases[i], name))
            return true;
    return false;
}

static uint8_t name_byte(uint8_t c, size_t i)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

    return letter || (i > 0 && c >= '0' && c <= '9') ? c : '_';
}

/* True when `header`, its odd characters replaced, is `name`; a run of bytes beyond
 * ASCII is one character each, as UTF-8 counts. */
static bool is_like(struct span header, struct span name)
{
    size_t k = 0;

    for (size_t i = 0; i < header.n; i++) {
        if ((header.p[i] & 0xc0) == 0x80)
            continue; // the rest of a character
        if (k == name.n || name.p[k] != name_byte(header.p[i], k))
            return false;
        k++;
    }
    return k == name.n;
}

static bool by_name(const struct av_field *f, struct span header)
{
    return span_eq(f->name, header);
}

static size_t find_field(const struct av_node *n, struct span header,
                         bool (*matches)(const struct av_field *f, struct span header))
{
    for (size_t i = 0; i < n->n_fields; i++)
        if (matches(&n->fields[i], header))
            return i;
    return n->n_fields;
}

static bool by_likeness(const struct av_field *f, struct span header)
{
    return is_like(header, f->name);
}

/* The field of a header: by map, exact name, alias, likeness; n_fields when none. */
static size_t field_of(const struct av_node *n, struct span header,
                       const struct av_row_map *map, size_t n_map)
{
    static bool (*const ways[])(const struct av_field *,
                                struct span) = {by_name, is_alias, by_likeness};

    for (size_t i = 0; i < n_map; i++)
        if (span_eq(map[i].header, header))
            return find_field(n, map[i].field, by_name);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        size_t i = find_field(n, header, ways[w]);
        if (i < n->n_fields)
            return i;
    }
    return n->n_fields;
}

/* Sentences of what is wrong with the header, one after the other. */
struct complaints {
    struct buf text;
    size_t n;
};

static void complain(struct complaints *c, const char *what, struct span name)
{
    if (c->n++ > 0)
        buf_put_str(&c->text, "; ");
    buf_printf(&c->text, "%s \"" SPAN_FMT "\"", what, SPAN_ARG(name));
}

static void bind_headers(struct av_row *r, const struct av_node *n,
                         const struct span *headers, const struct av_row_map *map,
                         size_t n_map, struct complaints *c)
{
    bool ignore = r->enc->options.unknown_fields == AV_UNKNOWN_IGNORE;

    for (size_t i = 0; i < r->n; i++) {
        size_t f = field_of(n, headers[i], map, n_map);
        if (f == n->n_fields) {
            if (!ignore)
                complain(c, "no field for column", headers[i]);
        } else if (r->columns[f] != NO_COLUMN) {
            complain(c, "two columns for field", n->fields[f].name);
        } else {
            r->columns[f] = i;
        }
    }
}

static void check_fields(const struct av_row *r, const struct av_node *n,
                         struct complaints *c)
{
    for (size_t f = 0; f < n->n_fields; f++)
        if (r->columns[f] == NO_COLUMN && !r->enc->root->members[f].has_fallback)
            complain(c, "no column for field", n->fields[f].name);
}

/* The map's fields must exist: a slip there would silently bind by name. */
static void check_map(const struct av_node *n, const struct av_row_map *map,
                      size_t n_map, struct complaints *c)
{
    for (size_t i = 0; i < n_map; i++)
        if (find_field(n, map[i].field, by_name) == n->n_fields)
            complain(c, "the map names a field that is none,", map[i].field);
}

#define COMPLAINTS_SHOWN 4096

enum err_kind av_row_bind(struct av_row **out, const struct av_encoder *enc,
                          const struct span *headers, size_t n,
                          const struct av_row_map *map, size_t n_map, struct err *e)
{
    const struct av_node *root = enc->root->schema;
    struct complaints c = {.text = BUF_INIT(COMPLAINTS_SHOWN)};

    if (root->type != AV_RECORD)
        return err_set(e, ERR_INVALID, "a row is a record, the schema's root is a %s",
                       av_type_name(root->type));

    struct av_row *r = mem_alloc(sizeof *r);
    r->enc = enc;
    r->n = n;
    r->columns = mem_array(root->n_fields, sizeof *r->columns);
    for (size_t f = 0; f < root->n_fields; f++)
        r->columns[f] = NO_COLUMN;
    check_map(root, map, n_map, &c);
    bind_headers(r, root, headers, map, n_map, &c);
    check_fields(r, root, &c);
    if (c.n > 0) {
        err_set(e, ERR_INVALID, "%.*s", (int)c.text.n, (const char *)c.text.p);
        av_row_free(r);
    } else {
        *out = r;
    }
    buf_free(&c.text);
    return c.n > 0 ? ERR_INVALID : ERR_OK;
}

void av_row_free(struct av_row *r)
{
    if (r == NULL)
        return;
    free(r->columns);
    free(r);
}

/* ---- cells ---- */

static struct span trimmed(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++; // not span_skip(): an empty rest keeps its place
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool is_word(struct span s, const char *lower)
{
    size_t n = strlen(lower);

    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((s.p[i] | 0x20) != lower[i])
            return false;
    return true;
}

static const char *boolean_from_cell(struct walk *w, struct span text)
{
    bool yes = is_word(text, "true");

    if (!yes && !is_word(text, "false"))
        return "type";
    if (!walk_room(w, 1))
        return "size";
    *w->w++ = yes;
    return NULL;
}

static bool is_nested(const struct node *n)
{
    return n->encode == encode_record || n->encode == encode_array ||
           n->encode == encode_map;
}

static bool walk_cell(struct walk *w, const struct node *n, struct span text)
{
    w->offset += (size_t)(text.p - w->text);
    w->text = w->first = w->p = text.p;
    w->end = text.p + text.n;
    walk_blanks(w);
    if (!encode_value(w, n))
        return false;
    walk_blanks(w);
    return w->p == w->end || walk_no_json(w, w->p, "the end of the cell");
}

/* JSON in a cell.  If it is none, that ends the cell, not the row. */
static const char *nested_from_cell(struct walk *w, const struct node *n,
                                    struct span text)
{
    const struct walk before = *w;
    bool on = walk_cell(w, n, text);

    walk_pop(w, w->scratch - before.scratch);
    w->text = before.text;
    w->offset = before.offset;
    w->stopped = w->stopped && !w->text_broken;
    w->text_broken = false;
    return !on && w->trying > 0 ? "type" : NULL; // else what is wrong was noted
}

static const char *value_from_cell(struct walk *w, const struct node *n,
                                   struct span cell);

/* Tries the branches but string and null: how many took the cell; the first one stays.
 */
static unsigned try_branches(struct walk *w, const struct node *n, struct span cell,
                             uint32_t took[2], bool integral, bool numbers)
{
    size_t mark = walk_written(w), kept = mark;
    unsigned fits = 0;

    for (uint32_t i = 0; i < n->n && fits < 2 && !w->stopped; i++) {
        const struct node *b = n->branches[i].node;
        bool number = (b->takes >> TOKEN_NUMBER & 1) != 0;
        if (b->schema->type == AV_STRING || b->schema->type == AV_NULL)
            continue;
        if (numbers && (!number || b->integral != integral))
            continue;
        if (!walk_room(w, VARINT))
            return 0;
        w->w = varint_put(w->w, (int64_t)i);
        w->trying++;
        bool fit = value_from_cell(w, b, cell) == NULL && !w->stopped;
        w->trying--;
        w->why = NULL;
        if (fit && fits == 0)
            kept = walk_written(w);
        if (fit)
            took[fits++] = i;
        w->w = w->out->p + kept;
    }
    return fits;
}

static uint32_t string_branch(const struct node *n)
{
    for (uint32_t i = 0; i < n->n; i++)
        if (n->branches[i].node->schema->type == AV_STRING)
            return i;
    return n->n;
}

static const char *ambiguous_cell(struct walk *w, const struct node *n,
                                  const uint32_t took[2])
{
    char one[AV_FULLNAME_SHOWN], two[AV_FULLNAME_SHOWN];

    av_node_name(one, n->branches[took[0]].node->schema);
    av_node_name(two, n->branches[took[1]].node->schema);
    w->why = (const char *)arena_printf(&w->problems->arena,
                                        "fits both %.60s and %.60s", one, two)
                 .p;
    return "ambiguous";
}

/* The one branch beside null that there is, or n->n. */
static uint32_t only_branch(const struct node *n)
{
    uint32_t only = n->n;

    for (uint32_t i = 0; i < n->n; i++) {
        if (n->branches[i].node->schema->type == AV_NULL)
            continue;
        if (only != n->n)
            return n->n;
        only = i;
    }
    return only;
}

static const char *branch_from_cell(struct walk *w, const struct node *n, uint32_t i,
                                    struct span cell)
{
    if (!walk_room(w, VARINT))
        return "size";
    w->w = varint_put(w->w, (int64_t)i);
    return value_from_cell(w, n->branches[i].node, cell);
}

/*
 * A cell has no token that tells text from number, so a string takes what no other
 * branch takes; among the others the rules of encode_union.c hold.
 */
static const char *union_from_cell(struct walk *w, const struct node *n,
                                   struct span cell)
{
    uint32_t only = only_branch(n), took[2], text = string_branch(n);
    struct number x;
    unsigned fits = 0;

    if (only < n->n)
        return branch_from_cell(w, n, only, cell);
    struct span t = trimmed(cell);
    if (number_scan(&x, t) && x.text.n == t.n) {
        fits = try_branches(w, n, cell, took, x.plain, true);
        if (fits == 0 && !w->stopped)
            fits = try_branches(w, n, cell, took, !x.plain, true);
    }
    if (fits == 0 && !w->stopped)
        fits = try_branches(w, n, cell, took, false, false);
    if (w->stopped)
        return "size";
    if (fits > 1)
        return ambiguous_cell(w, n, took);
    if (fits == 1)
        return NULL;
    return text < n->n ? branch_from_cell(w, n, text, cell) : "union";
}

static const char *value_from_cell(struct walk *w, const struct node *n,
                                   struct span cell)
{
    struct span text = trimmed(cell);
    struct number x;

    if (n->encode == encode_union)
        return union_from_cell(w, n, cell);
    if (is_nested(n))
        return nested_from_cell(w, n, text);
    if (n->schema->type == AV_BOOLEAN)
        return boolean_from_cell(w, text);
    if (n->schema->type == AV_NULL)
        return text.n == 0 ? NULL : "type";
    if (n->schema->type == AV_STRING)
        return utf8_ok(cell) ? n->from_text(w, n, cell) : "utf8";
    if (n->from_number != NULL && number_scan(&x, text) && x.text.n == text.n)
        return n->from_number(w, n, &x);
    if (!utf8_ok(text))
        return "utf8";
    return n->from_text != NULL ? n->from_text(w, n, text) : "type";
}

static uint32_t null_branch(const struct node *n)
{
    for (uint32_t i = 0; n->encode == encode_union && i < n->n; i++)
        if (n->branches[i].node->schema->type == AV_NULL)
            return i;
    return UINT32_MAX;
}

/* Nothing stands there: null, the default, "" for a string.  False: none of them. */
static bool take_nothing(struct walk *w, const struct member *m)
{
    uint32_t null = null_branch(m->type);

    if (null != UINT32_MAX) {
        if (walk_room(w, VARINT))
            w->w = varint_put(w->w, (int64_t)null);
        return true;
    }
    if (m->has_fallback) {
        (void)encode_fallback(w, m);
        return true;
    }
    if (m->type->schema->type == AV_NULL)
        return true;
    if (m->type->schema->type != AV_STRING || m->type->schema->logical != AV_PLAIN)
        return false;
    if (walk_room(w, 1))
        *w->w++ = 0;
    return true;
}

#define CELL_SHOWN 60

static void show_cell(char *to, size_t room, const struct av_cell *c)
{
    size_t n = c->text.n;
    bool cut = n > CELL_SHOWN;

    if (cut)
        for (n = CELL_SHOWN; n > 0 && (c->text.p[n] & 0xc0) == 0x80;)
            n--;
    snprintf(to, room, "cell \"%.*s\"%s", (int)n, n > 0 ? (const char *)c->text.p : "",
             cut ? "..." : "");
    for (; *to != '\0'; to++)
        if ((uint8_t)*to < ' ' || (uint8_t)*to == 0x7f)
            *to = ' ';
}

static void note_cell(struct walk *w, const struct node *n, const char *rule,
                      const struct av_cell *c)
{
    char found[CELL_SHOWN + 20];

    show_cell(found, sizeof found, c);
    if (!utf8_ok(span_str(found)))
        snprintf(found, sizeof found, "bytes that are no UTF-8");
    uint32_t only = n->encode == encode_union ? only_branch(n) : n->n;
    bool narrow = only < n->n && strcmp(rule, "type") != 0; // it was surely meant
    walk_note_text(w, rule, w->text,
                   narrow ? n->branches[only].node->wanted : n->wanted, found);
}

static void encode_cell(struct walk *w, const struct member *m, const struct av_cell *c)
{
    w->text = c->text.p != NULL ? c->text.p : (const uint8_t *)"";
    w->offset = c->offset;
    w->tried = w->may_try = 0;
    if (c->text.n == 0 && !c->quoted) {
        if (!take_nothing(w, m))
            note_cell(w, m->type, "missing-field", c);
        return;
    }
    struct span text = c->text.n > 0 ? c->text : span_of(w->text, 0);
    const char *rule = value_from_cell(w, m->type, text);
    if (rule != NULL && !w->stopped)
        note_cell(w, m->type, rule, c);
}

static void wrong_columns(struct av_problems *p, size_t want, size_t got, size_t offset)
{
    char wanted[40];
    int n = snprintf(wanted, sizeof wanted, "%zu cells", want);

    av_problem_add(p, "columns", (struct span){0}, offset, span_of(wanted, (size_t)n),
                   "%zu", got);
}

enum err_kind av_row_encode(const struct av_row *r, const struct av_cell *cells,
                            size_t n, size_t offset, struct buf *out,
                            struct av_problems *p)
{
    const struct node *root = r->enc->root;
    struct place here;
    struct walk w;

    if (n != r->n) {
        wrong_columns(p, r->n, n, offset);
        return ERR_INVALID;
    }
    if (!walk_begin(&w, r->enc, (struct span){0}, out, p))
        return ERR_LIMIT;
    walk_enter(&w, &here);
    for (uint32_t i = 0; i < root->n && !w.stopped; i++) {
        const struct member *m = &root->members[i];
        here.name = m->name;
        w.offset = offset;
        if (r->columns[i] == NO_COLUMN)
            (void)encode_fallback(&w, m);
        else
            encode_cell(&w, m, &cells[r->columns[i]]);
    }
    walk_leave(&w);
    return walk_end(&w);
}

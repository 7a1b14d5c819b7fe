/* lookup: fields from the row of a small file that the record's fields name. */
#include "transform/lookup.h"
#include "transform/transform_inside.h"

#include "avro-core/to_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum missing { MISSING_REJECT, MISSING_NULL, MISSING_FILTER };

struct taken {
    const char *column, *as;
    struct tr_type type;
    bool nullable;
};

struct join_given {
    const char *file;
    struct buf text;
    const char **fields, **columns; // of the record, of the file
    size_t n_keys;
    struct taken *taken;
    size_t n_taken;
    enum missing missing;
};

struct join {
    const struct join_given *given;
    struct lookup *lookup;
    struct {
        const struct av_node *type; // without its null
        enum tr_null null;
        size_t reg;
    } * keys;
    size_t *out;          // registers
    struct av_plan *plan; // of the first key, for messages
};

/* --- as given --------------------------------------------------------------------- */

static enum err_kind read_file(struct join_given *j, const struct given *g,
                               struct err *e)
{
    FILE *f = fopen(j->file, "rb");
    uint8_t *room;
    size_t n = 0;

    if (f == NULL) {
        tr_given_refuse(g, e, "%.100s: %s", j->file, strerror(errno));
        return e->kind = ERR_NOT_FOUND;
    }
    do {
        room = buf_room(&j->text, 65536);
        n = room == NULL ? 0 : fread(room, 1, 65536, f);
        if (room != NULL)
            buf_added(&j->text, n);
    } while (n > 0);
    bool bad = ferror(f) != 0;
    fclose(f);
    if (bad)
        return tr_given_refuse(g, e, "%.100s cannot be read", j->file);
    if (buf_status(&j->text, e) != ERR_OK)
        return err_set(e, ERR_LIMIT, "%.60s: %.100s: more than %zu bytes", g->from,
                       j->file, LOOKUP_BYTES);
    return ERR_OK;
}

/* {field: column}, [name], name */
static enum err_kind read_on(struct join_given *j, const struct given *on,
                             struct arena *a, struct err *e)
{
    j->fields = arena_array(a, on->n + 1, sizeof *j->fields);
    j->columns = arena_array(a, on->n + 1, sizeof *j->columns);
    if (on->text != NULL)
        j->fields[0] = j->columns[0] = on->text, j->n_keys = 1;
    for (const struct given *g = on->first; g != NULL; g = g->next, j->n_keys++) {
        if (g->text == NULL)
            return tr_given_refuse(g, e, "wanted a column of the file");
        j->columns[j->n_keys] = g->text;
        j->fields[j->n_keys] = on->list ? g->text : g->key;
    }
    return j->n_keys > 0 ? ERR_OK : tr_given_refuse(on, e, "no field is named");
}

/* column: name, column: {as: name, type: long?}, or a list's column */
static enum err_kind read_taken(struct taken *t, const struct given *g, bool list,
                                struct arena *a, struct err *e)
{
    const char *type = NULL;

    t->column = list ? g->text : g->key;
    t->as = g->text != NULL ? g->text : g->key;
    if (g->text == NULL && list)
        return tr_given_refuse(g, e, "wanted a column of the file");
    if (g->text == NULL) {
        TRY(tr_given_known(g, "as|type", e));
        TRY(tr_given_text(&t->as, g, "as", false, e));
        TRY(tr_given_text(&type, g, "type", false, e));
        t->as = t->as != NULL ? t->as : g->key;
    }
    type = type != NULL ? type : "string";
    size_t n = strlen(type);
    t->nullable = n > 0 && type[n - 1] == '?';
    if (tr_column_check_name(t->as, e) != ERR_OK ||
        tr_type_read(&t->type, arena_str(a, span_of(type, n - t->nullable)), e) !=
            ERR_OK)
        return err_prefix(e, "%.60s", g->from);
    return ERR_OK;
}

static enum err_kind read_take(struct join_given *j, const struct given *take,
                               struct arena *a, struct err *e)
{
    if (take->text != NULL || take->n == 0)
        return tr_given_refuse(take, e, "wanted {column: name} or [column]");
    j->taken = arena_array(a, take->n, sizeof *j->taken);
    for (const struct given *g = take->first; g != NULL; g = g->next)
        TRY(read_taken(&j->taken[j->n_taken++], g, take->list, a, e));
    return ERR_OK;
}

static enum err_kind check_columns(const struct join_given *j, const struct given *g,
                                   struct err *e)
{
    size_t n = j->n_keys + j->n_taken;

    if (n > LOOKUP_COLUMNS)
        return err_set(e, ERR_LIMIT, "%.60s: %zu columns, %d are allowed", g->from, n,
                       LOOKUP_COLUMNS);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            const char *x =
                i < j->n_keys ? j->columns[i] : j->taken[i - j->n_keys].column;
            const char *y =
                k < j->n_keys ? j->columns[k] : j->taken[k - j->n_keys].column;
            if (strcmp(x, y) == 0)
                return tr_given_refuse(g, e, "column \"%.60s\" is named twice", x);
        }
    return ERR_OK;
}

static enum err_kind read_missing(struct join_given *j, const struct given *g,
                                  struct err *e)
{
    static const char *const words[] = {"reject", "null", "filter"};
    const char *text = NULL;

    TRY(tr_given_text(&text, g, "missing", false, e));
    for (int i = 0; text != NULL && i < 3; i++)
        if (strcmp(text, words[i]) == 0) {
            j->missing = (enum missing)i;
            return ERR_OK;
        }
    return text == NULL
               ? ERR_OK
               : tr_given_refuse(
                     g, e, "missing: \"%.40s\", wanted reject, null or filter", text);
}

static enum err_kind must_get(const struct given **out, const struct given *g,
                              const char *key, struct err *e)
{
    *out = tr_given_get(g, key);
    return *out != NULL ? ERR_OK : tr_given_refuse(g, e, "\"%s\" is missing", key);
}

static enum err_kind read_lookup(struct step *s, struct arena *a, struct err *e)
{
    struct join_given *j = arena_alloc(a, sizeof *j);
    const struct given *on, *take;

    s->read = j;
    j->text = BUF_INIT(LOOKUP_BYTES);
    TRY(tr_given_known(s->given, "file|on|take|missing", e));
    TRY(tr_given_text(&j->file, s->given, "file", true, e));
    TRY(must_get(&on, s->given, "on", e));
    TRY(must_get(&take, s->given, "take", e));
    TRY(read_on(j, on, a, e));
    TRY(read_take(j, take, a, e));
    TRY(read_missing(j, s->given, e));
    TRY(check_columns(j, s->given, e));
    return read_file(j, s->given, e);
}

static void forget_lookup(struct step *s)
{
    struct join_given *j = s->read;

    if (j != NULL)
        buf_free(&j->text);
}

/* --- one record ------------------------------------------------------------------- */

/* The key's bytes go to r->text; false: one of its fields is null. */
static bool put_keys(struct transform_run *r, const struct join *j)
{
    buf_reset(&r->text);
    for (size_t i = 0; i < j->given->n_keys; i++) {
        struct span value = tr_register(r, j->keys[i].reg);
        if (tr_take_branch(&value, j->keys[i].null))
            return false;
        tr_put_key(&r->text, j->keys[i].type, value);
    }
    return true;
}

static enum err_kind refuse(struct transform_run *r, const struct join *j,
                            struct transform_result *out, const struct op *op,
                            struct err *e)
{
    struct span value = tr_register(r, j->keys[0].reg), field;
    struct av_to_json w;
    struct err ignored = {0};

    field = span_str(j->given->fields[0]);
    if (tr_take_branch(&value, j->keys[0].null))
        return tr_refuse(out, op, field, e, "null, wanted a key of %.60s",
                         j->given->file);
    buf_reset(&r->text);
    av_to_json_init(&w, &r->text, false);
    if (av_decode_all(j->plan, value, NULL, &w.visitor, &ignored) != ERR_OK)
        buf_cut(&r->text, 0);
    return tr_refuse(out, op, field, e, SPAN_FMT "%s, no such row in %.60s",
                     SPAN_ARG(buf_span(&r->text)), j->given->n_keys > 1 ? ", ..." : "",
                     j->given->file);
}

static void put_value(struct transform_run *r, const struct join *j, size_t i,
                      const struct lookup_row *row)
{
    const struct taken *t = &j->given->taken[i];
    size_t at = tr_make(r);

    // A type that may be null has its branch in the row.
    if (j->given->missing == MISSING_NULL && (row == NULL || !t->nullable))
        tr_put_branch(&r->scratch, TR_NULL_FIRST, row == NULL);
    if (row != NULL)
        buf_put(&r->scratch, tr_lookup_value(row, i));
    tr_made(r, j->out[i], at);
}

static enum err_kind run_lookup(struct transform_run *r, const struct op *op,
                                struct transform_result *out, struct err *e)
{
    const struct join *j = op->made;
    const struct lookup_row *row = NULL;

    if (put_keys(r, j))
        row = tr_lookup_find(j->lookup, buf_span(&r->text));
    if (row == NULL && j->given->missing == MISSING_FILTER) {
        out->fate = TRANSFORM_FILTERED;
        return ERR_OK;
    }
    if (row == NULL && j->given->missing == MISSING_REJECT)
        return refuse(r, j, out, op, e);
    for (size_t i = 0; i < j->given->n_taken; i++)
        put_value(r, j, i, row);
    return ERR_OK;
}

/* --- the step --------------------------------------------------------------------- */

static void free_join(void *thing)
{
    struct join *j = thing;

    tr_lookup_free(j->lookup);
    av_plan_free(j->plan);
    free(j);
}

static const char *type_json(struct arena *a, const struct av_node *n)
{
    struct buf out = BUF_INIT(1 << 16);

    tr_schema_put_type(&out, n);
    const char *text = arena_str(a, buf_span(&out));
    buf_free(&out);
    return text;
}

static enum err_kind bind_keys(struct compiler *c, struct join *j,
                               struct lookup_column *columns, struct err *e)
{
    const struct join_given *g = j->given;

    j->keys = arena_array(&c->p->arena, g->n_keys, sizeof *j->keys);
    for (size_t i = 0; i < g->n_keys; i++) {
        struct column *col;
        TRY(tr_column_must(&col, c, g->fields[i], e));
        struct tr_nullable n = tr_nullable_of(col->field->type);
        if (n.value->type != AV_STRING && n.value->type != AV_INT &&
            n.value->type != AV_LONG && n.value->type != AV_BOOLEAN)
            return err_set(
                e, ERR_INVALID,
                "%s is of type %s, which is no key: wanted string, int, long "
                "or boolean (cast it before)",
                g->fields[i], av_type_name(n.value->type));
        j->keys[i].type = n.value;
        j->keys[i].null = n.null;
        j->keys[i].reg = col->reg;
        columns[i] =
            (struct lookup_column){g->columns[i], type_json(&c->p->arena, n.value)};
    }
    return tr_plan_of(&j->plan, j->keys[0].type, e);
}

static void add_taken(struct compiler *c, struct join *j, struct column *columns,
                      size_t *n)
{
    const struct join_given *g = j->given;

    j->out = arena_array(&c->p->arena, g->n_taken, sizeof *j->out);
    for (size_t i = 0; i < g->n_taken; i++) {
        const struct taken *t = &g->taken[i];
        bool null = t->nullable || g->missing == MISSING_NULL;
        j->out[i] = tr_new_register(c);
        struct column col = {.name = span_str(t->as),
                             .type = tr_type_json(&t->type,
                                                  null ? TR_NULL_FIRST : TR_NEVER_NULL,
                                                  &c->p->arena),
                             .reg = j->out[i]};
        tr_place(c, columns, n, &col);
    }
}

static enum err_kind compile_lookup(struct compiler *c, const struct step *s,
                                    struct err *e)
{
    const struct join_given *g = s->read;
    struct arena *a = &c->p->arena;
    struct lookup_column *in = arena_array(a, g->n_keys + g->n_taken, sizeof *in);
    struct column *columns = arena_array(a, c->n + g->n_taken, sizeof *columns);
    struct join *j = mem_alloc(sizeof *j);
    size_t n = c->n;

    j->given = g;
    tr_program_owns(c->p, free_join, j);
    TRY(bind_keys(c, j, in, e));
    for (size_t i = 0; i < g->n_taken; i++) {
        const struct taken *t = &g->taken[i];
        struct span json =
            tr_type_json(&t->type, t->nullable ? TR_NULL_FIRST : TR_NEVER_NULL, a);
        in[g->n_keys + i] = (struct lookup_column){t->column, arena_str(a, json)};
    }
    TRY(tr_lookup_new(&j->lookup, g->file, buf_span(&g->text), in, g->n_keys,
                      g->n_taken, e));
    memcpy(columns, c->columns, c->n * sizeof *columns);
    add_taken(c, j, columns, &n);
    tr_add_op(c, run_lookup, j);
    return tr_compile_adopt(c, columns, n, e);
}

const struct verb tr_verb_lookup = {"lookup", read_lookup, forget_lookup,
                                    compile_lookup};

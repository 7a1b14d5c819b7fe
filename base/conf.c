#include "base/conf_inside.h"

#include "base/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MOST (1 << 20)
#define FROM 300

extern char **environ;

/* Where a setting's rows and its struct are: what every step here needs. */
struct target {
    struct conf *c;
    const struct conf_row *rows;
    void *settings;
};

static enum err_kind read_file(struct conf *c, const char *path, struct span *out,
                               struct err *e)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL)
        return err_set(e, ERR_INVALID, "%s: cannot be opened: %m", path);
    char *text = arena_alloc(&c->arena, FILE_MOST + 1);
    size_t n = fread(text, 1, FILE_MOST + 1, f);
    bool broken = ferror(f) != 0;
    fclose(f);
    if (broken)
        return err_set(e, ERR_INVALID, "%s: cannot be read: %m", path);
    if (n > FILE_MOST)
        return err_set(e, ERR_LIMIT, "%s: more than %d bytes", path, FILE_MOST);
    *out = span_of(text, n);
    return ERR_OK;
}

/* ${NAME} or ${NAME:-text} at `text`; *n says how much of it was that. */
static enum err_kind expand_one(struct conf *c, const char *text, size_t *n,
                                const char **value, const char *from, struct err *e)
{
    const char *end = strchr(text, '}');

    if (end == NULL)
        return err_set(e, ERR_INVALID, "%s: \"%s\" has no closing brace", from, text);
    *n = (size_t)(end - text) + 1;
    char *name = arena_str(&c->arena, span_of(text + 2, *n - 3));
    char *otherwise = strstr(name, ":-");
    if (otherwise != NULL)
        *otherwise = '\0';
    *value = getenv(name);
    if (*value == NULL && otherwise == NULL)
        return err_set(e, ERR_INVALID, "%s: the environment has no %s", from, name);
    if (*value == NULL)
        *value = otherwise + 2;
    return ERR_OK;
}

/* A value from the file, with ${NAME} and file:PATH replaced. */
static enum err_kind expand(struct conf *c, const char *text, const char **out,
                            const char *from, struct err *e)
{
    if (strncmp(text, "file:", 5) == 0 && strncmp(text, "file://", 7) != 0) {
        struct span content;
        if (read_file(c, text + 5, &content, e) != ERR_OK)
            return err_prefix(e, "%s", from);
        if (content.n > 0 && content.p[content.n - 1] == '\n')
            content.n--;
        *out = arena_str(&c->arena, content);
        return ERR_OK;
    }
    if (strstr(text, "${") == NULL) {
        *out = text;
        return ERR_OK;
    }
    struct buf whole = BUF_INIT(FILE_MOST);
    enum err_kind rc = ERR_OK;
    while (*text != '\0' && rc == ERR_OK) {
        const char *value;
        size_t n = 1;
        if (strncmp(text, "${", 2) == 0) {
            rc = expand_one(c, text, &n, &value, from, e);
            if (rc == ERR_OK)
                buf_put_str(&whole, value);
        } else {
            buf_put_u8(&whole, (uint8_t)*text);
        }
        text += n;
    }
    if (rc == ERR_OK)
        rc = buf_status(&whole, e);
    if (rc == ERR_OK)
        *out = arena_str(&c->arena, buf_span(&whole));
    buf_free(&whole);
    return rc;
}

static const struct conf_row *find_row(const struct conf_row *rows, const char *key)
{
    for (; rows->key != NULL; rows++)
        if (strcmp(rows->key, key) == 0)
            return rows;
    return NULL;
}

/* The PAIRS row above `key`, and in *rest what is left of the key below it. */
static const struct conf_row *find_pairs(const struct conf_row *rows, const char *key,
                                         const char **rest)
{
    const struct conf_row *best = NULL;

    for (; rows->key != NULL; rows++) {
        size_t n = strlen(rows->key);
        if (rows->kind == CONF_PAIRS && strncmp(rows->key, key, n) == 0 &&
            key[n] == '.' && (best == NULL || n > strlen(best->key))) {
            best = rows;
            *rest = key + n + 1;
        }
    }
    return best;
}

static bool is_prefix(const struct conf_row *rows, const char *key)
{
    size_t n = strlen(key);

    for (; rows->key != NULL; rows++)
        if (strncmp(rows->key, key, n) == 0 && rows->key[n] == '.')
            return true;
    return false;
}

/* The keys that could have been meant: those beside the unknown one. */
static enum err_kind refuse_key(const struct target *t, const char *key,
                                const char *from, struct err *e)
{
    const char *dot = strrchr(key, '.');
    size_t above = dot != NULL ? (size_t)(dot - key) + 1 : 0;
    struct buf known = BUF_INIT(400);
    const char *before = "";
    size_t before_n = 0;

    for (const struct conf_row *row = t->rows; row->key != NULL; row++) {
        if (strncmp(row->key, key, above) != 0)
            continue;
        size_t n = strcspn(row->key + above, ".");
        if (n == before_n && strncmp(before, row->key + above, n) == 0)
            continue;
        before = row->key + above;
        before_n = n;
        buf_printf(&known, "%s%.*s", known.n > 0 ? ", " : "", (int)n, before);
    }
    err_set(e, ERR_INVALID, "%s: unknown key \"%s\", known here: %.*s", from, key,
            (int)known.n, known.n > 0 ? (const char *)known.p : "none");
    buf_free(&known);
    return ERR_INVALID;
}

/* A copy of what stands at `y` and below it, with every value expanded. */
static enum err_kind expand_tree(struct conf *c, const char *file, const struct yaml *y,
                                 struct yaml **out, struct err *e)
{
    struct yaml *copy = arena_alloc(&c->arena, sizeof *copy), **end = NULL;
    char from[FROM];

    *copy = *y;
    copy->first = copy->next = NULL;
    end = &copy->first;
    snprintf(from, sizeof from, "%s:%zu:%zu", file, y->line, y->column);
    if (y->kind == YAML_TEXT)
        TRY(expand(c, y->text, &copy->text, from, e));
    for (const struct yaml *m = y->first; m != NULL; m = m->next) {
        TRY(expand_tree(c, file, m, end, e));
        end = &(*end)->next;
    }
    *out = copy;
    return ERR_OK;
}

static enum err_kind apply_tree(const struct target *t, const struct conf_row *row,
                                const char *file, const struct yaml *y, struct err *e)
{
    struct conf_tree *at = (void *)((char *)t->settings + row->at);
    struct yaml *root;

    TRY(expand_tree(t->c, file, y, &root, e));
    *at = (struct conf_tree){arena_str(&t->c->arena, span_str(file)), root};
    return ERR_OK;
}

static enum err_kind apply(const struct target *t, const char *file, const char *above,
                           const struct yaml *y, struct err *e);

static enum err_kind apply_list(const struct target *t, const struct conf_row *row,
                                const char *file, const struct yaml *y,
                                const char *from, struct err *e)
{
    const char *value;

    if (!conf_is_list(row))
        return err_set(e, ERR_INVALID, "%s: %s is a list, wanted one value", from,
                       row->key);
    conf_clear(row, t->settings);
    for (const struct yaml *item = y->first; item != NULL; item = item->next) {
        if (item->kind != YAML_TEXT)
            return err_set(e, ERR_INVALID, "%s:%zu:%zu: %s: wanted plain values", file,
                           item->line, item->column, row->key);
        TRY(expand(t->c, item->text, &value, from, e));
        conf_add_item(t->c, row, t->settings, value);
    }
    return ERR_OK;
}

static enum err_kind apply_text(const struct target *t, const char *key,
                                const struct yaml *y, const char *from, struct err *e)
{
    const struct conf_row *row = find_row(t->rows, key);
    const char *rest, *value;

    if (y->plain && y->text[0] == '\0')
        return row != NULL || is_prefix(t->rows, key) ? ERR_OK
                                                      : refuse_key(t, key, from, e);
    TRY(expand(t->c, y->text, &value, from, e));
    if (row != NULL && row->kind != CONF_PAIRS) {
        conf_clear(row, t->settings);
        return conf_store(t->c, row, t->settings, value, from, e);
    }
    const struct conf_row *pairs = find_pairs(t->rows, key, &rest);
    if (pairs == NULL && (row != NULL || is_prefix(t->rows, key)))
        return err_set(e, ERR_INVALID, "%s: %s is one value, wanted keys and values%s",
                       from, key, row != NULL ? ", or a list of such" : "");
    if (pairs == NULL)
        return refuse_key(t, key, from, e);
    conf_set_pair(t->c, pairs, t->settings, rest, value);
    return ERR_OK;
}

/* Pairs given as a list of maps: "partition_by.0.field". */
static enum err_kind apply_items(const struct target *t, const char *file,
                                 const char *above, const struct yaml *y, struct err *e)
{
    size_t i = 0;

    for (const struct yaml *m = y->first; m != NULL; m = m->next) {
        const char *key =
            (const char *)arena_printf(&t->c->arena, "%s.%zu", above, i++).p;
        TRY(apply(t, file, key, m, e));
    }
    return ERR_OK;
}

static enum err_kind apply_member(const struct target *t, const char *file,
                                  const char *above, const struct yaml *y,
                                  struct err *e)
{
    char from[FROM];
    const char *key = (const char *)arena_printf(&t->c->arena, "%s%s%s", above,
                                                 *above != '\0' ? "." : "", y->key)
                          .p;
    const struct conf_row *row = find_row(t->rows, key);
    const char *rest;

    snprintf(from, sizeof from, "%s:%zu:%zu", file, y->line, y->column);
    if (row != NULL && row->kind == CONF_TREE)
        return apply_tree(t, row, file, y, e);
    if (y->kind == YAML_TEXT)
        return apply_text(t, key, y, from, e);
    if (y->kind == YAML_LIST && row != NULL && row->kind == CONF_PAIRS)
        return apply_items(t, file, key, y, e);
    if (y->kind == YAML_LIST && row != NULL)
        return apply_list(t, row, file, y, from, e);
    if (y->kind == YAML_LIST && is_prefix(t->rows, key))
        return err_set(e, ERR_INVALID, "%s: %s is a list, wanted keys and values", from,
                       key);
    if (y->kind == YAML_LIST)
        return refuse_key(t, key, from, e);
    if (is_prefix(t->rows, key) || find_pairs(t->rows, key, &rest) != NULL ||
        (row != NULL && row->kind == CONF_PAIRS))
        return apply(t, file, key, y, e);
    if (row != NULL)
        return err_set(e, ERR_INVALID, "%s: %s has keys of its own, wanted %s", from,
                       key, conf_is_list(row) ? "a list" : "one value");
    return refuse_key(t, key, from, e);
}

static enum err_kind apply(const struct target *t, const char *file, const char *above,
                           const struct yaml *y, struct err *e)
{
    if (y->kind != YAML_MAP)
        return err_set(e, ERR_INVALID, "%s:%zu:%zu: wanted keys and values", file,
                       y->line, y->column);
    for (const struct yaml *m = y->first; m != NULL; m = m->next)
        TRY(apply_member(t, file, above, m, e));
    return ERR_OK;
}

static enum err_kind apply_fallbacks(const struct target *t, struct err *e)
{
    for (const struct conf_row *row = t->rows; row->key != NULL; row++)
        if (row->fallback != NULL)
            TRY(conf_store(t->c, row, t->settings, row->fallback, "default", e));
    return ERR_OK;
}

static enum err_kind apply_yaml(const struct target *t, const char *name,
                                struct span text, struct err *e)
{
    const struct yaml *root;

    TRY(yaml_read(&root, name, text, &t->c->arena, e));
    return root == NULL ? ERR_OK : apply(t, name, "", root, e);
}

/* AVROGATE_KAFKA_SECURITY_PROTOCOL=ssl -> security.protocol=ssl below the key kafka. */
static void apply_pair_environment(const struct target *t, const struct conf_row *row)
{
    char prefix[CONF_NAME];

    conf_env_name(prefix, row);
    strncat(prefix, "_", sizeof prefix - strlen(prefix) - 1);
    for (char **v = environ; *v != NULL; v++) {
        const char *equals = strchr(*v, '=');
        if (equals == NULL || strncmp(*v, prefix, strlen(prefix)) != 0)
            continue;
        const char *written = *v + strlen(prefix);
        char *name =
            arena_str(&t->c->arena, span_of(written, (size_t)(equals - written)));
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '_' ? '.' : (char)tolower((unsigned char)*p);
        conf_set_pair(t->c, row, t->settings, name, equals + 1);
    }
}

static enum err_kind apply_environment(const struct target *t, struct err *e)
{
    char name[CONF_NAME];

    for (const struct conf_row *row = t->rows; row->key != NULL; row++) {
        conf_env_name(name, row);
        const char *value = getenv(name);
        if (row->kind == CONF_PAIRS) {
            apply_pair_environment(t, row);
        } else if (row->kind != CONF_TREE && value != NULL) {
            conf_clear(row, t->settings);
            TRY(conf_store(t->c, row, t->settings, value, name, e));
        }
    }
    return ERR_OK;
}

static enum err_kind check_required(const struct target *t, struct err *e)
{
    char flag[CONF_NAME], env[CONF_NAME];

    for (const struct conf_row *row = t->rows; row->key != NULL; row++) {
        const void *at = (const char *)t->settings + row->at;
        bool missing =
            row->required && (conf_is_list(row) ? ((const struct conf_list *)at)->n == 0
                                                : *(const char *const *)at == NULL);
        if (!missing)
            continue;
        conf_flag_name(flag, row);
        conf_env_name(env, row);
        if (row->secret)
            return err_set(e, ERR_INVALID, "%s is missing (%s): %s", row->key, env,
                           row->help);
        return err_set(e, ERR_INVALID, "%s is missing (--%s or %s): %s", row->key, flag,
                       env, row->help);
    }
    return ERR_OK;
}

static const struct conf_row *find_flag(const struct conf_row *rows, const char *flag,
                                        size_t n)
{
    char name[CONF_NAME];

    for (; rows->key != NULL; rows++) {
        conf_flag_name(name, rows);
        if (!rows->secret && rows->kind != CONF_TREE && strlen(name) == n &&
            strncmp(name, flag, n) == 0)
            return rows;
    }
    return NULL;
}

static const struct conf_row *find_letter(const struct conf_row *rows, char letter)
{
    for (; rows->key != NULL; rows++)
        if (rows->letter == letter && letter != 0)
            return rows;
    return NULL;
}

static enum err_kind store_flag(const struct target *t, const struct conf_row *row,
                                const char *flag, const char *value, bool *cleared,
                                struct err *e)
{
    if (row->kind != CONF_PAIRS) {
        if (!*cleared)
            conf_clear(row, t->settings);
        *cleared = true;
        return conf_store(t->c, row, t->settings, value, flag, e);
    }
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value)
        return err_set(e, ERR_INVALID, "%s \"%s\": wanted name=value", flag, value);
    char *name = arena_str(&t->c->arena, span_of(value, (size_t)(equals - value)));
    if (conf_sounds_secret(name))
        return err_set(
            e, ERR_INVALID,
            "%s %s: a secret does not belong on the command line, where everybody "
            "can read it; use the settings file or the environment",
            flag, name);
    conf_set_pair(t->c, row, t->settings, name, equals + 1);
    return ERR_OK;
}

/* One flag at argv[*i]; *i is moved past its value.  `file` and `done` catch -c and -h.
 */
struct flags {
    int argc;
    char *const *argv;
    int i;
    const char *file;
    bool help, version, markdown;
    bool *cleared; // per row: a list that a flag has begun to fill
    const char **operands;
    size_t n_operands;
};

static enum err_kind flag_value(struct flags *f, const char *flag, const char *inlined,
                                const char **value, struct err *e)
{
    *value = inlined;
    if (inlined != NULL)
        return ERR_OK;
    if (f->i + 1 >= f->argc)
        return err_set(e, ERR_INVALID, "%s wants a value", flag);
    *value = f->argv[++f->i];
    return ERR_OK;
}

static bool take_own_flag(struct flags *f, const char *flag)
{
    f->help |= strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0;
    f->version |= strcmp(flag, "--version") == 0;
    f->markdown |= strcmp(flag, "--settings") == 0;
    return f->help || f->version || f->markdown;
}

static enum err_kind take_flag(const struct target *t, struct flags *f, struct err *e)
{
    const char *flag = f->argv[f->i], *value;
    bool is_long = flag[1] == '-';
    const char *equals = is_long ? strchr(flag, '=') : NULL;
    const char *inlined = equals != NULL ? equals + 1 : NULL;
    size_t n = equals != NULL ? (size_t)(equals - flag) : strlen(flag);

    if (take_own_flag(f, flag))
        return ERR_OK;
    if ((n == 8 && strncmp(flag, "--config", 8) == 0) || strcmp(flag, "-c") == 0)
        return flag_value(f, "--config", inlined, &f->file, e);

    const struct conf_row *row = is_long           ? find_flag(t->rows, flag + 2, n - 2)
                                 : flag[2] == '\0' ? find_letter(t->rows, flag[1])
                                                   : NULL;
    if (row == NULL)
        return err_set(e, ERR_INVALID, "unknown flag %s (see --help)", flag);
    if (row->kind == CONF_BOOL && inlined == NULL)
        value = "true";
    else
        TRY(flag_value(f, flag, inlined, &value, e));
    return t->settings == NULL
               ? ERR_OK
               : store_flag(t, row, flag, value, &f->cleared[row - t->rows], e);
}

/* Walks the command line; with t->settings NULL only -c, -h and operands are taken. */
static enum err_kind take_flags(const struct target *t, struct flags *f, struct err *e)
{
    bool only_operands = false;

    f->n_operands = 0;
    for (f->i = 1; f->i < f->argc; f->i++) {
        const char *arg = f->argv[f->i];
        if (!only_operands && strcmp(arg, "--") == 0)
            only_operands = true;
        else if (only_operands || arg[0] != '-' || arg[1] == '\0')
            f->operands[f->n_operands++] = arg;
        else
            TRY(take_flag(t, f, e));
    }
    return ERR_OK;
}

static void print(struct buf *out)
{
    fwrite(out->p, 1, out->n, stdout);
    fflush(stdout);
    buf_free(out);
}

static bool answer_questions(const struct conf_program *p, const struct flags *f)
{
    struct buf out = BUF_INIT(1 << 20);

    if (f->version)
        buf_printf(&out, "avrogate %s\n", AVROGATE_VERSION);
    else if (f->help)
        conf_help(&out, p);
    else if (f->markdown)
        conf_markdown(&out, p);
    else
        return false;
    print(&out);
    return true;
}

static enum err_kind read_all(const struct target *t, const struct conf_program *p,
                              struct flags *f, struct err *e)
{
    TRY(apply_fallbacks(t, e));
    if (f->file != NULL) {
        struct span text;
        TRY(read_file(t->c, f->file, &text, e));
        TRY(apply_yaml(t, f->file, text, e));
        t->c->file = arena_str(&t->c->arena, span_str(f->file));
    }
    TRY(apply_environment(t, e));
    TRY(take_flags(t, f, e));
    if (f->n_operands > 0 && p->operands == NULL)
        return err_set(e, ERR_INVALID, "\"%s\" is not expected (see --help)",
                       f->operands[0]);
    t->c->operands = f->operands;
    t->c->n_operands = f->n_operands;
    enum err_kind rc = check_required(t, e);
    // who reports it names the program; only the file is news
    return rc != ERR_OK && f->file != NULL ? err_prefix(e, "%s", f->file) : rc;
}

static size_t count_rows(const struct conf_row *rows)
{
    size_t n = 0;

    while (rows[n].key != NULL)
        n++;
    return n;
}

enum err_kind conf_read(struct conf *c, const struct conf_program *p, int argc,
                        char *const *argv, void *settings, enum conf_outcome *outcome,
                        struct err *e)
{
    struct target asked = {c, p->rows, NULL}, t = {c, p->rows, settings};
    struct flags f = {.argc = argc, .argv = argv};

    *c = (struct conf){0};
    f.operands = arena_array(&c->arena, (size_t)argc + 1, sizeof *f.operands);
    f.cleared = arena_array(&c->arena, count_rows(p->rows) + 1, sizeof *f.cleared);
    f.file = getenv("AVROGATE_CONFIG");
    TRY(take_flags(&asked, &f, e));
    *outcome = answer_questions(p, &f) ? CONF_DONE : CONF_RUN;
    return *outcome == CONF_DONE ? ERR_OK : read_all(&t, p, &f, e);
}

enum err_kind conf_read_text(struct conf *c, const struct conf_row *rows,
                             const char *name, struct span yaml, void *settings,
                             struct err *e)
{
    struct target t = {c, rows, settings};

    *c = (struct conf){0};
    TRY(apply_fallbacks(&t, e));
    TRY(apply_yaml(&t, name, yaml, e));
    return check_required(&t, e) == ERR_OK ? ERR_OK : err_prefix(e, "%s", name);
}

void conf_free(struct conf *c)
{
    arena_free(&c->arena);
}

char *conf_or(const char *given, const char *base, const char *suffix)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    if (given != NULL && given[0] != '\0')
        return mem_str(span_str(given));
    buf_put_str(&b, base);
    buf_put_str(&b, suffix);
    char *text = mem_str(buf_span(&b));
    buf_free(&b);
    return text;
}

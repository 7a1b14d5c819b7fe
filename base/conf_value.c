#include "base/conf_inside.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t times;
};

/* Longest first where one is another's end; the first is what a message prints in. */
static const struct unit byte_units[] = {
    {"GiB", 1LL << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
    {"GB", 1000000000}, {"MB", 1000000},  {"KB", 1000},
    {"B", 1},           {"", 1},          {NULL, 0}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                         {"s", 1000},     {"ms", 1},      {NULL, 0}};

void conf_flag_name(char out[CONF_NAME], const struct conf_row *row)
{
    snprintf(out, CONF_NAME, "%s", row->flag != NULL ? row->flag : row->key);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '.' || *p == '_')
            *p = '-';
}

void conf_env_name(char out[CONF_NAME], const struct conf_row *row)
{
    snprintf(out, CONF_NAME, "AVROGATE_%s", row->key);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '.' || *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static void put_amount(struct buf *out, const struct unit *units, int64_t v)
{
    for (const struct unit *u = units; u->name != NULL; u++)
        if (v != 0 && v % u->times == 0 &&
            (u->times % 1000 != 0 || units == time_units)) {
            buf_printf(out, "%lld%s", (long long)(v / u->times), u->name);
            return;
        }
    buf_printf(out, "%lld", (long long)v);
}

static void put_range(struct buf *out, const struct conf_row *row, const char *noun,
                      const struct unit *units)
{
    static const struct unit plain[] = {{"", 1}, {NULL, 0}};

    buf_put_str(out, noun);
    if (row->max == 0 && row->min == 0)
        return;
    buf_put_str(out, " from ");
    put_amount(out, units != NULL ? units : plain, row->min);
    buf_put_str(out, " to ");
    put_amount(out, units != NULL ? units : plain, row->max);
}

void conf_put_wanted(struct buf *out, const struct conf_row *row)
{
    switch (row->kind) {
    case CONF_TEXT: buf_put_str(out, "text"); break;
    case CONF_BOOL: buf_put_str(out, "true or false"); break;
    case CONF_INT: put_range(out, row, "a whole number", NULL); break;
    case CONF_BYTES: put_range(out, row, "bytes", byte_units); break;
    case CONF_DURATION: put_range(out, row, "a duration", time_units); break;
    case CONF_REAL: buf_put_str(out, "a number"); break;
    case CONF_CHOICE: buf_printf(out, "one of %s", row->choices); break;
    case CONF_LIST:
    case CONF_TEXTS: buf_put_str(out, "a list"); break;
    case CONF_PAIRS: buf_put_str(out, "name: value pairs"); break;
    case CONF_TREE: buf_put_str(out, "in the file"); break;
    }
}

static enum err_kind refuse(const struct conf_row *row, const char *text,
                            const char *from, struct err *e)
{
    struct buf wanted = BUF_INIT(1000);

    conf_put_wanted(&wanted, row);
    err_set(e, ERR_INVALID, "%s: %s is \"%s\", wanted " SPAN_FMT, from, row->key,
            row->secret ? "(secret)" : text, SPAN_ARG(buf_span(&wanted)));
    buf_free(&wanted);
    return ERR_INVALID;
}

/* "16MiB" by `units`; false when it is none, or does not fit. */
static bool read_amount(int64_t *out, const char *text, const struct unit *units)
{
    char *end;

    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno != 0 || isspace((unsigned char)*text))
        return false;
    if (v == 0 && *end == '\0') {
        *out = 0;
        return true;
    }
    for (const struct unit *u = units; u->name != NULL; u++)
        if (strcasecmp(end, u->name) == 0)
            return !__builtin_mul_overflow((int64_t)v, u->times, out);
    return false;
}

static bool in_range(const struct conf_row *row, int64_t v)
{
    return row->min == 0 && row->max == 0 ? v >= 0 : v >= row->min && v <= row->max;
}

static bool read_bool(bool *out, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < 4; i++) {
        *out = strcasecmp(text, yes[i]) == 0;
        if (*out || strcasecmp(text, no[i]) == 0)
            return true;
    }
    return false;
}

static bool read_choice(int *out, const char *text, const char *choices)
{
    for (int i = 0; *choices != '\0'; i++) {
        size_t n = strcspn(choices, "|");
        if (strlen(text) == n && strncasecmp(text, choices, n) == 0) {
            *out = i;
            return true;
        }
        choices += n + (choices[n] == '|');
    }
    return false;
}

static bool read_real(double *out, const char *text)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

bool conf_is_list(const struct conf_row *row)
{
    return row->kind == CONF_LIST || row->kind == CONF_TEXTS;
}

void conf_clear(const struct conf_row *row, void *settings)
{
    if (conf_is_list(row))
        *(struct conf_list *)((char *)settings + row->at) = (struct conf_list){0};
}

void conf_add_item(struct conf *c, const struct conf_row *row, void *settings,
                   const char *item)
{
    struct conf_list *list = (struct conf_list *)((char *)settings + row->at);
    const char **items = arena_array(&c->arena, list->n + 1, sizeof *items);

    for (size_t i = 0; i < list->n; i++)
        items[i] = list->items[i];
    items[list->n] = arena_str(&c->arena, span_str(item));
    *list = (struct conf_list){items, list->n + 1};
}

static void add_items(struct conf *c, const struct conf_row *row, void *settings,
                      const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        const char *end = text + n;
        while (*text == ' ')
            text++;
        if (end > text)
            conf_add_item(c, row, settings,
                          arena_str(&c->arena, span_of(text, (size_t)(end - text))));
        text = end + (*end == ',');
    }
}

bool conf_sounds_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", "key.pem",
                                        "jaas",     "token",  "oauthbearer.config"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]) != NULL)
            return true;
    return false;
}

void conf_set_pair(struct conf *c, const struct conf_row *row, void *settings,
                   const char *name, const char *value)
{
    struct conf_pairs *pairs = (struct conf_pairs *)((char *)settings + row->at);
    struct conf_pair pair = {.name = arena_str(&c->arena, span_str(name)),
                             .value = arena_str(&c->arena, span_str(value)),
                             .secret = conf_sounds_secret(name)};

    for (size_t i = 0; i < pairs->n; i++)
        if (strcmp(pairs->items[i].name, name) == 0) {
            pairs->items[i] = pair;
            return;
        }
    struct conf_pair *items = arena_array(&c->arena, pairs->n + 1, sizeof *items);
    if (pairs->n > 0)
        memcpy(items, pairs->items, pairs->n * sizeof *items);
    items[pairs->n] = pair;
    *pairs = (struct conf_pairs){items, pairs->n + 1};
}

enum err_kind conf_store(struct conf *c, const struct conf_row *row, void *settings,
                         const char *text, const char *from, struct err *e)
{
    void *at = (char *)settings + row->at;
    bool good = true;
    int64_t v = 0;

    switch (row->kind) {
    case CONF_TEXT: *(const char **)at = arena_str(&c->arena, span_str(text)); break;
    case CONF_BOOL: good = read_bool(at, text); break;
    case CONF_REAL: good = read_real(at, text); break;
    case CONF_CHOICE: good = read_choice(at, text, row->choices); break;
    case CONF_LIST: add_items(c, row, settings, text); break;
    case CONF_TEXTS: conf_add_item(c, row, settings, text); break;
    case CONF_PAIRS:
    case CONF_TREE: good = false; break;
    case CONF_INT:
    case CONF_BYTES:
    case CONF_DURATION: {
        static const struct unit plain[] = {{"", 1}, {NULL, 0}};
        const struct unit *units = row->kind == CONF_INT     ? plain
                                   : row->kind == CONF_BYTES ? byte_units
                                                             : time_units;
        good = read_amount(&v, text, units) && in_range(row, v);
        if (good)
            *(int64_t *)at = v;
        break;
    }
    }
    return good ? ERR_OK : refuse(row, text, from, e);
}

#include "wire/guid.h"

#include "avro-core/canon.h"

#include <stdlib.h>

/* Depth as in api.c, which read the very same text. */
static const struct json *tree(struct span text, struct arena *a)
{
    const struct json *j = NULL;
    struct err e = {0};

    if (text.n == 0 ||
        json_read(&j, text, &(struct json_limits){.depth = 100}, a, &e) != ERR_OK)
        return NULL;
    return j;
}

static int by_bytes(struct span a, struct span b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_name(const void *x, const void *y)
{
    return by_bytes((*(const struct json *const *)x)->name,
                    (*(const struct json *const *)y)->name);
}

static int by_text(const void *x, const void *y)
{
    return by_bytes((*(const struct json *const *)x)->text,
                    (*(const struct json *const *)y)->text);
}

/* The children of `j` in the order of `compare`; NULL-terminated. */
static const struct json **sorted(const struct json *j, struct arena *a,
                                  int (*compare)(const void *, const void *))
{
    const struct json **all = arena_array(a, j->n + 1, sizeof *all);
    size_t n = 0;

    for (const struct json *c = j->first; c != NULL; c = c->next)
        all[n++] = c;
    qsort(all, n, sizeof *all, compare);
    return all;
}

static void put_sorted_texts(struct buf *b, const struct json *array, struct arena *a)
{
    if (json_is(array, JSON_ARRAY))
        for (const struct json **c = sorted(array, a, by_text); *c != NULL; c++)
            buf_put(b, (*c)->text);
}

/* Name and value of each member by name; a value may be a text or a set of them. */
static void put_map(struct buf *b, const struct json *map, struct arena *a)
{
    if (!json_is(map, JSON_OBJECT))
        return;
    for (const struct json **m = sorted(map, a, by_name); *m != NULL; m++) {
        buf_put(b, (*m)->name);
        if (json_is(*m, JSON_ARRAY))
            put_sorted_texts(b, *m, a);
        else
            buf_put(b, (*m)->text);
    }
}

static void put_metadata(struct buf *b, const struct json *meta, struct arena *a)
{
    if (meta == NULL)
        return;
    buf_put_u8(b, 1);
    put_map(b, json_member(meta, "tags"), a);
    put_map(b, json_member(meta, "properties"), a);
    put_sorted_texts(b, json_member(meta, "sensitive"), a);
}

static void put_text(struct buf *b, const struct json *obj, const char *name)
{
    const struct json *m = json_member(obj, name);

    if (json_is(m, JSON_STRING))
        buf_put(b, m->text);
}

static void put_rule(struct buf *b, const struct json *rule, struct arena *a)
{
    put_text(b, rule, "name");
    put_text(b, rule, "doc");
    put_text(b, rule, "kind");
    put_text(b, rule, "mode");
    put_text(b, rule, "type");
    put_sorted_texts(b, json_member(rule, "tags"), a);
    put_map(b, json_member(rule, "params"), a);
    put_text(b, rule, "expr");
    put_text(b, rule, "onSuccess");
    put_text(b, rule, "onFailure");
    if (json_is(json_member(rule, "disabled"), JSON_TRUE))
        buf_put_u8(b, 1);
}

static void put_rules(struct buf *b, const struct json *set, struct arena *a)
{
    static const char *const groups[] = {"migrationRules", "domainRules",
                                         "encodingRules"};

    if (set == NULL)
        return;
    buf_put_u8(b, 1);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct json *group = json_member(set, groups[i]);

        if (json_is(group, JSON_ARRAY))
            for (const struct json *r = group->first; r != NULL; r = r->next)
                put_rule(b, r, a);
    }
    put_text(b, set, "enableAt");
}

void guid_md5(uint8_t md5[16], const struct api_schema *s)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2);
    struct arena a = {0};

    buf_put(&b, s->schema);
    for (size_t i = 0; i < s->n_references; i++) {
        buf_put(&b, s->references[i].name);
        buf_put(&b, s->references[i].subject);
        buf_put_be32(&b, (uint32_t)s->references[i].version);
    }
    put_metadata(&b, tree(s->metadata, &a), &a);
    put_rules(&b, tree(s->rules, &a), &a);
    av_md5(md5, buf_span(&b));
    arena_free(&a);
    buf_free(&b);
}

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

void guid_print(char out[GUID_TEXT], const uint8_t md5[16])
{
    static const char hex[] = "0123456789abcdef";
    size_t byte = 0;

    for (size_t at = 0; at < GUID_TEXT - 1;) {
        if (is_dash(at)) {
            out[at++] = '-';
            continue;
        }
        out[at++] = hex[md5[byte] >> 4];
        out[at++] = hex[md5[byte++] & 15];
    }
    out[GUID_TEXT - 1] = 0;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err_kind guid_read(uint8_t md5[16], struct span text, struct err *e)
{
    uint8_t nibbles[32];
    size_t n = 0;

    for (size_t at = 0; text.n == GUID_TEXT - 1 && at < text.n; at++) {
        if (is_dash(at) && text.p[at] == '-')
            continue;
        if (is_dash(at) || digit(text.p[at]) < 0)
            break;
        nibbles[n++] = (uint8_t)digit(text.p[at]);
    }
    if (n != sizeof nibbles)
        return err_set(e, ERR_INVALID, "\"" SPAN_FMT "\" is no guid", SPAN_ARG(text));
    for (size_t i = 0; i < 16; i++)
        md5[i] = (uint8_t)(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
    return ERR_OK;
}

#include "wire/explain.h"

#include "base/json.h"

/* {what}: the field or the symbols.  {old}, {new}: what stands there. */
static const char *const changes[][2] = {
    // old reads new, new reads old
    [AV_NAME_MISMATCH] = {"keep the old name",
                          "keep the old name, or list it in \"aliases\""},
    [AV_FIXED_SIZE_MISMATCH] = {"keep the size {old}", "keep the size {old}"},
    [AV_MISSING_ENUM_SYMBOLS] =
        {"leave out the symbols {what}: the old enum has no default to read them as",
         "keep the symbols {what}, or give the enum a \"default\" to read them as"},
    [AV_READER_FIELD_MISSING_DEFAULT_VALUE] =
        {"keep the field \"{what}\": readers of the old schema have no default for it",
         "give the field \"{what}\" a \"default\""},
    [AV_TYPE_MISMATCH] =
        {"keep {old}, or a type that Avro promotes to it",
         "keep {old}, or a type that Avro promotes it to, or a union with {old} in it"},
    [AV_MISSING_UNION_BRANCH] = {"leave {new} out: the old union does not take it",
                                 "keep {old} in the union"},
};

static bool starts_with(const char *text, const char *mark)
{
    return strncmp(text, mark, strlen(mark)) == 0;
}

void explain_change(struct buf *out, const struct av_incompat *r, bool new_reads_old,
                    struct span fresh, struct span old)
{
    const struct {
        const char *mark;
        struct span value;
    } marks[] = {{"{what}", r->detail},
                 {"{old}", old.n > 0 ? old : span_str("what it was")},
                 {"{new}", fresh.n > 0 ? fresh : span_str("what is new")}};

    for (const char *at = changes[r->kind][new_reads_old]; *at != 0;) {
        size_t i = 0;
        while (i < sizeof marks / sizeof *marks && !starts_with(at, marks[i].mark))
            i++;
        if (i == sizeof marks / sizeof *marks) {
            buf_put_u8(out, (uint8_t)*at++);
            continue;
        }
        buf_put(out, marks[i].value);
        at += strlen(marks[i].mark);
    }
}

/* The next token of a pointer, unescaped; *rest is what follows. */
static struct span token(struct span *rest, struct arena *a)
{
    char *text = arena_alloc(a, rest->n + 1);
    size_t at = 1, n = 0;

    for (; at < rest->n && rest->p[at] != '/'; at++) {
        if (rest->p[at] == '~' && at + 1 < rest->n)
            text[n++] = rest->p[++at] == '0' ? '~' : '/';
        else
            text[n++] = (char)rest->p[at];
    }
    *rest = span_skip(*rest, at);
    return span_of(text, n);
}

static const struct json *item(const struct json *array, struct span number)
{
    size_t n = 0;

    for (size_t i = 0; i < number.n; i++) {
        if (number.p[i] < '0' || number.p[i] > '9' || n > array->n)
            return NULL;
        n = n * 10 + (size_t)(number.p[i] - '0');
    }
    const struct json *j = n < array->n ? array->first : NULL;
    for (; j != NULL && n > 0; n--)
        j = j->next;
    return j;
}

static const struct json *at_pointer(const struct json *j, struct span pointer,
                                     struct arena *a)
{
    while (j != NULL && pointer.n > 0) {
        struct span t = token(&pointer, a);
        j = json_is(j, JSON_ARRAY) ? item(j, t) : json_member_span(j, t);
    }
    return j;
}

static struct span value_at(const struct json *tree, struct span pointer,
                            struct arena *a)
{
    const struct json *j = at_pointer(tree, pointer, a);
    struct buf b = BUF_INIT(EXPLAIN_VALUE);
    struct span value = {0};

    if (j != NULL)
        json_put(&b, j);
    if (!b.over && b.n > 0)
        value = arena_copy(a, buf_span(&b));
    buf_free(&b);
    return value;
}

static const struct json *tree_of(struct span text, struct arena *a)
{
    static const struct json_limits limits = {.depth = 1000};
    const struct json *tree = NULL;
    struct err e = {0};

    return json_read(&tree, text, &limits, a, &e) == ERR_OK ? tree : NULL;
}

struct span explain_value(struct span text, struct span pointer, struct arena *a)
{
    return value_at(tree_of(text, a), pointer, a);
}

static void put_side(struct buf *out, const char *name, bool there, struct span pointer,
                     struct span value)
{
    if (!there)
        return;
    buf_printf(out, ",\"%sPointer\":", name);
    json_put_string(out, pointer);
    if (value.n == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    buf_put(out, value);
}

static void put_reason(struct buf *out, const struct av_incompat *r, bool new_reads_old,
                       int32_t version, const struct json *fresh,
                       const struct json *old, struct arena *a)
{
    struct span new_at = new_reads_old ? r->reader_path : r->writer_path;
    struct span old_at = new_reads_old ? r->writer_path : r->reader_path;
    // A field that only the reader has: the writer has no place to point at.
    bool alone = r->kind == AV_READER_FIELD_MISSING_DEFAULT_VALUE;
    struct span is = value_at(fresh, new_at, a), was = value_at(old, old_at, a);
    struct buf change = BUF_INIT(8 * EXPLAIN_VALUE);

    explain_change(&change, r, new_reads_old, is, was);
    buf_printf(out, "{\"version\":%d,\"direction\":\"%s\",\"rule\":\"%s\"",
               (int)version, new_reads_old ? "BACKWARD" : "FORWARD",
               av_incompat_kind_name(r->kind));
    put_side(out, "new", new_reads_old || !alone, new_at, is);
    put_side(out, "old", !new_reads_old || !alone, old_at, was);
    buf_put_str(out, ",\"why\":");
    json_put_string(out, r->message);
    buf_put_str(out, ",\"change\":");
    json_put_string(out, buf_span(&change));
    buf_put_u8(out, '}');
    buf_free(&change);
}

void explain_put(struct buf *out, const struct av_verdict *v,
                 const struct messages_old *old, struct span fresh)
{
    struct arena a = {0};
    const struct json *sent = tree_of(fresh, &a);
    size_t n = 0;

    buf_put_u8(out, '[');
    for (; v != NULL; v = v->next) {
        const struct json *stored = tree_of(old[v->version].text, &a);

        for (const struct av_incompat *r = v->reasons; r != NULL && n < EXPLAIN_MOST;
             r = r->next) {
            buf_put_str(out, n++ > 0 ? "," : "");
            put_reason(out, r, v->new_reads_old, old[v->version].version, sent, stored,
                       &a);
        }
    }
    buf_put_u8(out, ']');
    arena_free(&a);
}

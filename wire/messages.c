#include "wire/messages.h"

#include "base/buf.h"

/* {at}: where.  {R}: the schema that reads, {W}: the one that was written with.
 * {what}: the field or the symbols. */
static const char *const sentences[] = {
    [AV_NAME_MISMATCH] = "The name of the schema has changed (path '{at}')",
    [AV_FIXED_SIZE_MISMATCH] = "The size of FIXED type field at path '{at}' in the {R} "
                               "schema does not match with the {W} schema",
    [AV_MISSING_ENUM_SYMBOLS] =
        "The {R} schema is missing enum symbols '{what}' at path "
        "'{at}' in the {W} schema",
    [AV_READER_FIELD_MISSING_DEFAULT_VALUE] =
        "The field '{what}' at path '{at}' in the {R} schema has no default value and "
        "is "
        "missing in the {W} schema",
    [AV_TYPE_MISMATCH] = "The type (path '{at}') of a field in the {R} schema does not "
                         "match with the {W} schema",
    [AV_MISSING_UNION_BRANCH] =
        "The {R} schema is missing a type inside a union field at "
        "path '{at}' in the {W} schema",
};

static bool starts_with(const char *text, const char *mark)
{
    return strncmp(text, mark, strlen(mark)) == 0;
}

static void put_sentence(struct buf *out, const struct av_incompat *r,
                         bool new_reads_old)
{
    const struct {
        const char *mark;
        struct span value;
    } marks[] = {{"{at}", r->location},
                 {"{what}", r->detail},
                 {"{R}", span_str(new_reads_old ? "new" : "old")},
                 {"{W}", span_str(new_reads_old ? "old" : "new")}};

    for (const char *at = sentences[r->kind]; *at != 0;) {
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

static struct span kept(struct buf *line, struct arena *a)
{
    struct span s = arena_copy(a, buf_span(line));

    buf_reset(line);
    return s;
}

const struct span *messages_of(const struct av_verdict *v,
                               const struct messages_old *old, enum av_level level,
                               struct arena *a, size_t *n)
{
    const struct messages_old *against = &old[v->version];
    struct buf line = BUF_INIT(SIZE_MAX / 2);
    size_t reasons = 0;

    for (const struct av_incompat *r = v->reasons; r != NULL; r = r->next)
        reasons++;

    struct span *lines = arena_array(a, reasons + 3, sizeof *lines);
    *n = 0;
    for (const struct av_incompat *r = v->reasons; r != NULL; r = r->next) {
        buf_printf(&line, "{errorType:'%s', description:'",
                   av_incompat_kind_name(r->kind));
        put_sentence(&line, r, v->new_reads_old);
        buf_put_str(&line, "', additionalInfo:'");
        buf_put(&line, r->detail);
        buf_put_str(&line, "'}");
        lines[(*n)++] = kept(&line, a);
    }
    buf_printf(&line, "{oldSchemaVersion: %d}", (int)against->version);
    lines[(*n)++] = kept(&line, a);
    buf_put_str(&line, "{oldSchema: '");
    buf_put(&line, against->text);
    buf_put_str(&line, "'}");
    lines[(*n)++] = kept(&line, a);
    buf_printf(&line, "{validateFields: 'false', compatibility: '%s'}",
               av_level_name(level));
    lines[(*n)++] = kept(&line, a);
    buf_free(&line);
    return lines;
}

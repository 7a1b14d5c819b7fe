#include "wire/subject.h"

#include <ctype.h>

static const struct {
    enum subject_strategy strategy;
    const char *name; // Confluent's class, and what we print
    const char *upper, *lower;
} strategies[] = {
    {SUBJECT_TOPIC, "TopicNameStrategy", "TOPIC_NAME", "topic"},
    {SUBJECT_RECORD, "RecordNameStrategy", "RECORD_NAME", "record"},
    {SUBJECT_TOPIC_RECORD, "TopicRecordNameStrategy", "TOPIC_RECORD_NAME",
     "topic_record"},
};

#define STRATEGIES (sizeof strategies / sizeof *strategies)

static const char package[] = "io.confluent.kafka.serializers.subject.";

/* Any case, and '-' where we write '_'. */
static bool equals(struct span s, const char *text)
{
    bool same = s.n == strlen(text);

    for (size_t i = 0; i < s.n && same; i++)
        same = tolower(s.p[i]) == tolower((uint8_t)text[i]) ||
               (s.p[i] == '-' && text[i] == '_');
    return same;
}

enum err_kind subject_strategy_read(enum subject_strategy *out, struct span name,
                                    struct err *e)
{
    const size_t n = sizeof package - 1;
    struct span base =
        name.n > n && memcmp(name.p, package, n) == 0 ? span_skip(name, n) : name;

    for (size_t i = 0; i < STRATEGIES; i++)
        if (equals(base, strategies[i].name) || equals(base, strategies[i].upper) ||
            equals(base, strategies[i].lower)) {
            *out = strategies[i].strategy;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "subject name strategy \"" SPAN_FMT
                   "\", wanted topic, record or topic_record (TopicNameStrategy, "
                   "RecordNameStrategy, TopicRecordNameStrategy)",
                   SPAN_ARG(name));
}

const char *subject_strategy_name(enum subject_strategy s)
{
    return strategies[s].name;
}

enum err_kind subject_name(struct buf *out, enum subject_strategy s, struct span topic,
                           struct span record, bool is_key, struct err *e)
{
    if (s != SUBJECT_TOPIC && record.n == 0)
        return err_set(e, ERR_INVALID, "%s wants a record with a name",
                       subject_strategy_name(s));

    if (s != SUBJECT_RECORD)
        buf_put(out, topic);
    if (s == SUBJECT_TOPIC)
        buf_put_str(out, is_key ? "-key" : "-value");
    if (s == SUBJECT_TOPIC_RECORD)
        buf_put_u8(out, '-');
    if (s != SUBJECT_TOPIC)
        buf_put(out, record);
    return ERR_OK;
}

static const uint8_t dot[] = ".";

struct subject subject_split(struct span qualified)
{
    struct subject whole = {.context = span_of(dot, 1), .name = qualified};

    if (qualified.n < 3 || qualified.p[0] != ':' || qualified.p[1] != '.')
        return whole;

    const uint8_t *end = memchr(qualified.p + 2, ':', qualified.n - 2);
    if (end == NULL)
        return whole;

    size_t context = (size_t)(end - qualified.p) - 1;
    return (struct subject){.context = span_of(qualified.p + 1, context),
                            .name = span_skip(qualified, context + 2)};
}

void subject_put(struct buf *out, const struct subject *s)
{
    if (s->context.n > 1) {
        buf_put_u8(out, ':');
        buf_put(out, s->context);
        buf_put_u8(out, ':');
    }
    buf_put(out, s->name);
}

/* The length of the UTF-8 sequence at the start of `s` that is no control character, or
 * 0.  Unicode's Cc are U+0000-1F and U+007F-9F. */
static size_t printable(struct span s)
{
    uint8_t c = s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;

    if (n == 1)
        return c >= 0x20 && c != 0x7f;
    if (c < 0xc2 || c > 0xf4 || s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;

    uint8_t d = s.p[1];
    if ((c == 0xc2 && d < 0xa0) || (c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) ||
        (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
        return 0;
    return n;
}

enum err_kind subject_check(struct span qualified, struct err *e)
{
    static const char *const reserved[] = {"__GLOBAL", "__EMPTY"};
    struct subject s = subject_split(qualified);

    if (qualified.n > SUBJECT_MOST)
        return err_set(e, ERR_INVALID, "a subject of %zu bytes, at most %d",
                       qualified.n, SUBJECT_MOST);
    if (s.name.n == 0)
        return err_set(e, ERR_INVALID, "the subject is empty");
    for (size_t i = 0, n; i < qualified.n; i += n)
        if ((n = printable(span_skip(qualified, i))) == 0)
            return err_set(e, ERR_INVALID,
                           "byte 0x%02x at %zu has no place in a subject",
                           qualified.p[i], i);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (span_eq(s.name, span_str(reserved[i])))
            return err_set(e, ERR_INVALID, "%s is a reserved name", reserved[i]);
    if (span_eq(s.context, span_str(".__GLOBAL")))
        return err_set(e, ERR_INVALID, "the context .__GLOBAL holds settings only");
    return ERR_OK;
}

#include "avro-core/problem.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

#define MOST_WHEN_UNSAID 20
#define FOUND_SHOWN 240

static size_t most_of(const struct av_problems *p)
{
    return p->most > 0 ? p->most : MOST_WHEN_UNSAID;
}

/* That the text is no JSON is always kept: av_problems_blame_json() asks for it. */
bool av_problem_wanted(const struct av_problems *p, const char *rule)
{
    return p->n < most_of(p) || strcmp(rule, "json") == 0;
}

void av_problems_reset(struct av_problems *p)
{
    arena_reset(&p->arena);
    p->first = p->last = NULL;
    p->n = p->more = 0;
}

void av_problems_free(struct av_problems *p)
{
    arena_free(&p->arena);
    p->first = p->last = NULL;
    p->n = p->more = 0;
}

static struct span join(struct arena *a, const struct span *parts, size_t n)
{
    size_t total = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    uint8_t *p = arena_alloc(a, total + 1);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n > 0)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    return span_of(p, total);
}

static struct span sentence(struct arena *a, const struct av_problem *x)
{
    struct span place = x->pointer.n > 0 ? x->pointer : span_str("the value");
    const struct span parts[] = {
        place,       span_str(": "), x->found,          span_str(", wanted "),
        x->expected, span_str(" ("), span_str(x->rule), span_str(")"),
    };

    return join(a, parts, sizeof parts / sizeof *parts);
}

static void append(struct av_problems *p, struct av_problem *x)
{
    if (p->last == NULL)
        p->first = x;
    else
        p->last->next = x;
    p->last = x;
    p->n++;
}

void av_problem_add(struct av_problems *p, const char *rule, struct span pointer,
                    size_t offset, struct span expected, const char *found_fmt, ...)
{
    if (!av_problem_wanted(p, rule)) {
        p->more++;
        return;
    }

    char found[FOUND_SHOWN];
    va_list ap;
    va_start(ap, found_fmt);
    int n = vsnprintf(found, sizeof found, found_fmt, ap);
    va_end(ap);
    if (n < 0)
        found[0] = '\0';

    struct av_problem *x = arena_alloc(&p->arena, sizeof *x);
    x->rule = rule;
    x->pointer = arena_copy(&p->arena, pointer);
    x->offset = offset;
    x->expected = arena_copy(&p->arena, expected);
    x->found = arena_copy(&p->arena, span_str(found));
    x->message = sentence(&p->arena, x);
    append(p, x);
}

static void put_member(struct buf *out, const char *name, struct span text)
{
    buf_put_u8(out, ',');
    json_put_string(out, span_str(name));
    buf_put_u8(out, ':');
    json_put_string(out, text);
}

void av_problem_put(struct buf *out, const struct av_problem *p)
{
    buf_put_str(out, "{\"pointer\":");
    json_put_string(out, p->pointer);
    buf_put_str(out, ",\"offset\":");
    json_put_int(out, (int64_t)p->offset);
    put_member(out, "expected", p->expected);
    put_member(out, "found", p->found);
    put_member(out, "rule", span_str(p->rule));
    put_member(out, "message", p->message);
    buf_put_u8(out, '}');
}

void av_problems_put(struct buf *out, const struct av_problems *p)
{
    buf_put_u8(out, '[');
    for (const struct av_problem *x = p->first; x != NULL; x = x->next) {
        if (x != p->first)
            buf_put_u8(out, ',');
        av_problem_put(out, x);
    }
    buf_put_u8(out, ']');
}

/*
 * What was found and what was wanted, in as many bytes as a message has:
 *
 *      temp is 61.5, wanted from -90 to 60
 *      is false with total 5, net 3, wanted message.total == message.net
 *
 * Values stand as JSON, so that nothing in them can end a line; what is too long is cut
 * at a character.
 */
#include "quality/quality_inside.h"

#include "base/utf8.h"

#include <stdio.h>

#define VALUE_MOST 48  // bytes of a value
#define PATH_SHOWN 60  // ... of a field's path
#define WANTED_MOST 60 // ... of what was wanted
#define MANY_MOST 24   // ... of a value, where a message has several
#define FOUND_ROOM 140 // ... of all that was found; the rest of the message is WANTED
#define KEEP_MOST (64u << 10) // memory kept for the next value

/* How many bytes at `at` belong together: a character, or an escape of JSON. */
static size_t step(struct span text, size_t at)
{
    uint8_t c = text.p[at];

    if (c == '\\' && at + 1 < text.n)
        return text.p[at + 1] == 'u' ? 6 : 2;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* As many whole characters as fit in `most`, and a sign where there are more. */
static void put_cut(struct buf *out, struct span text, size_t most)
{
    bool quoted = text.n > 1 && text.p[0] == '"' && text.p[text.n - 1] == '"';
    size_t n = 0, next;

    text.n = utf8_good(text);
    while (n < text.n && (next = n + step(text, n)) <= most)
        n = next;
    buf_put(out, span_of(text.p, n < text.n ? n : text.n));
    if (n < text.n)
        buf_put_str(out, quoted ? "\"\xe2\x80\xa6" : "\xe2\x80\xa6");
}

/* The value as JSON; false: there is none to show (a record on the way to it is null,
 * or it has no JSON). */
static bool show(struct quality *q, const struct found *f)
{
    static const char error[] = "error: ";

    buf_reset(&q->value);
    if (f->value == NULL)
        return false;
    cel_show(q->run, f->value, &q->value);
    struct span text = buf_span(&q->value);
    return text.n > 0 && !(text.n >= sizeof error - 1 &&
                           memcmp(text.p, error, sizeof error - 1) == 0);
}

static void put_found(struct quality *q, struct buf *out, const struct found *f,
                      const char *between, size_t most)
{
    put_cut(out, span_str(f->path), PATH_SHOWN);
    buf_put_str(out, between);
    if (show(q, f))
        put_cut(out, buf_span(&q->value), most);
    else
        buf_printf(out, "a %s that is not %s", f->type, f->dropped ? "kept" : "shown");
    if (q->value.cap > KEEP_MOST)
        buf_free(&q->value);
}

static void put_means(struct quality *q, struct buf *out, const struct rule *r,
                      const char *means)
{
    buf_put_str(out, means);
    for (size_t i = 0; i < r->n_found; i++) {
        buf_put_str(out, i > 0 ? ", " : " with ");
        put_found(q, out, &r->found[i], " ", r->n_found > 1 ? MANY_MOST : VALUE_MOST);
    }
}

void tell(struct quality *q, const struct rule *r, const char *means,
          char why[QUALITY_WHY])
{
    struct buf found = BUF_INIT(1024), said = BUF_INIT(QUALITY_WHY);

    if (means == NULL)
        put_found(q, &found, &r->found[0], " is ", VALUE_MOST);
    else
        put_means(q, &found, r, means);
    put_cut(&said, buf_span(&found), FOUND_ROOM);
    buf_put_str(&said, ", wanted ");
    put_cut(&said, span_str(r->wanted), WANTED_MOST);
    snprintf(why, QUALITY_WHY, "%.*s", (int)said.n, (const char *)said.p);
    buf_free(&found);
    buf_free(&said);
}

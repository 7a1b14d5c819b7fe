#include "avro-core/encode_inside.h"

#include <stdio.h>

bool walk_too_large(struct walk *w)
{
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "at most %zu bytes of Avro",
                     w->enc->options.bytes);

    w->stopped = true;
    walk_note_text(w, "size", w->p, span_of(wanted, (size_t)n), "more");
    return false;
}

/*
 * Who asks for room asks for the worst case: a text with escapes, a record to be put in
 * order take twice their size for a while.  What was really written is checked by
 * walk_end().
 */
#define SLACK 8192

bool walk_grow(struct walk *w, size_t n)
{
    struct buf *out = w->out;
    size_t cap = out->cap, limit = w->enc->options.bytes;

    out->n = (size_t)(w->w - out->p);
    if (out->n - w->start > limit || n > 2 * limit + SLACK)
        return walk_too_large(w);
    if (buf_room(out, n + w->scratch) == NULL) {
        out->over =
            false; // the caller's buf is not harmed by a record that was refused
        return walk_too_large(w);
    }
    memmove(out->p + out->cap - w->scratch, out->p + cap - w->scratch, w->scratch);
    w->w = out->p + out->n;
    w->w_end = out->p + out->cap - w->scratch;
    return true;
}

void *walk_scratch(const struct walk *w)
{
    return w->w_end;
}

void *walk_push(struct walk *w, size_t n)
{
    if (!walk_room(w, n))
        return NULL;
    w->scratch += n;
    w->w_end -= n;
    return w->w_end;
}

void walk_pop(struct walk *w, size_t n)
{
    w->scratch -= n;
    w->w_end += n;
}

/* RFC 6901: ~ and / are escaped; nothing else is. */
static void put_pointer_token(struct buf *out, struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '~')
            buf_put_str(out, "~0");
        else if (name.p[i] == '/')
            buf_put_str(out, "~1");
        else
            buf_put_u8(out, name.p[i]);
}

static void put_raw_name(struct buf *out, struct span raw)
{
    struct buf plain = BUF_INIT(raw.n + 1);
    uint8_t *to = buf_room(&plain, raw.n + 1);

    buf_added(&plain, text_unescape(to, raw));
    if (text_is_utf8(buf_span(&plain)))
        put_pointer_token(out, buf_span(&plain));
    else
        buf_put_str(out, "?");
    buf_free(&plain);
}

static void put_pointer(struct buf *out, const struct place *at)
{
    if (at == NULL)
        return;
    put_pointer(out, at->up);
    if (at->name.p == NULL && at->index == NOWHERE)
        return;
    buf_put_u8(out, '/');
    if (at->name.p == NULL)
        buf_printf(out, "%zu", at->index);
    else if (at->raw)
        put_raw_name(out, at->name);
    else
        put_pointer_token(out, at->name);
}

#define POINTER_MOST (64 * 1024)

void walk_note_text(struct walk *w, const char *rule, const uint8_t *at,
                    struct span wanted, const char *found)
{
    struct buf pointer = BUF_INIT(POINTER_MOST);

    w->failed = true;
    if (!av_problem_wanted(w->problems, rule)) { // no need to put words together
        w->problems->more++;
        w->why = NULL;
        return;
    }
    put_pointer(&pointer, w->place);
    if (pointer.over)
        buf_reset(&pointer);
    av_problem_add(w->problems, rule, buf_span(&pointer),
                   w->offset + (size_t)(at - w->text), wanted, "%s%s%s%s", found,
                   w->why != NULL ? " (" : "", w->why != NULL ? w->why : "",
                   w->why != NULL ? ")" : "");
    w->why = NULL;
    buf_free(&pointer);
}

#define VALUE_SHOWN 60

static const char *word_for(uint8_t first)
{
    static const char *const words[TOKENS] = {"",        "",      "",      "number ",
                                              "string ", "array", "object"};

    return words[text_tokens[first]];
}

/* The value as it stands in the text, cut, and fit for a message. */
static void show(char *to, size_t room, struct span value)
{
    bool whole = value.p[0] != '[' && value.p[0] != '{';
    size_t n = whole ? value.n : 0;
    bool cut = n > VALUE_SHOWN;

    if (cut)
        for (n = VALUE_SHOWN; n > 0 && (value.p[n] & 0xc0) == 0x80;)
            n--;
    snprintf(to, room, "%s%.*s%s", word_for(value.p[0]), (int)n, (const char *)value.p,
             cut ? "..." : "");
    if (text_is_utf8(span_str(to)))
        return;
    for (; *to != '\0'; to++)
        if ((uint8_t)*to >= 0x80)
            *to = '?';
}

void walk_note(struct walk *w, const char *rule, const uint8_t *at, struct span wanted,
               struct span value)
{
    char found[VALUE_SHOWN + 40];

    show(found, sizeof found, value);
    walk_note_text(w, rule, at, wanted, found);
}

static void describe_byte(char *to, size_t room, const struct walk *w,
                          const uint8_t *at)
{
    if (at >= w->end)
        snprintf(to, room, "the end of the text");
    else if (*at > ' ' && *at < 0x7f)
        snprintf(to, room, "'%c'", *at);
    else
        snprintf(to, room, "byte 0x%02x", *at);
}

bool walk_no_json(struct walk *w, const uint8_t *at, const char *wanted)
{
    char found[40];

    if (w->trying > 0)
        return false;
    w->p = at;
    w->stopped = w->text_broken = true;
    describe_byte(found, sizeof found, w, at);
    walk_note_text(w, "json", at, span_str(wanted), found);
    return false;
}

static size_t notes_of(const struct walk *w)
{
    return w->problems->n + w->problems->more;
}

/* The value at `at` broke a rule: noted, and stepped over. */
bool walk_wrong(struct walk *w, const struct node *n, const char *rule,
                const uint8_t *at)
{
    if (w->trying > 0)
        return false;

    const char *why = w->why;
    size_t notes = notes_of(w);
    w->why = NULL;
    w->p = at;
    if (!text_skip(w))
        return false;
    if (notes_of(w) > notes)
        return true; // the text itself was the trouble
    w->why = why;
    bool in_union = w->choice_at == at && strcmp(rule, "type") == 0;
    walk_note(w, rule, at, in_union ? w->choice->wanted : n->wanted,
              span_of(at, (size_t)(w->p - at)));
    return true;
}

bool walk_wrong_kind(struct walk *w, const struct node *n)
{
    if (walk_token(w) == TOKEN_NONE)
        return walk_no_json(w, w->p, "a value");
    return walk_wrong(w, n, "type", w->p);
}

/* The text is too deep whatever its type, so a union need not try other branches. */
bool walk_too_deep(struct walk *w)
{
    char wanted[40];
    const uint8_t *at = w->p;
    int n =
        snprintf(wanted, sizeof wanted, "at most %zu levels", w->enc->options.depth);

    w->stopped = w->trying > 0;
    if (!w->stopped && !text_skip(w))
        return false;
    walk_note_text(w, "depth", at, span_of(wanted, (size_t)n), "one more");
    return !w->stopped;
}

#include "avro-core/encode_inside.h"

/* No arithmetic on NULL: a buf has memory and an empty text an address before a walk.
 */
bool walk_begin(struct walk *w, const struct av_encoder *enc, struct span text,
                struct buf *out, struct av_problems *p)
{
    if (out->over || (out->p == NULL && buf_room(out, 1) == NULL))
        return false;
    if (text.p == NULL)
        text = span_of("", 0);
    // One by one: cleared as a whole first, it takes longer than two fields to encode.
    w->p = w->text = w->first = text.p;
    w->end = text.p + text.n;
    w->w = out->p + out->n;
    w->w_end = out->p + out->cap;
    w->place = NULL;
    w->enc = enc;
    w->problems = p;
    w->out = out;
    w->start = out->n;
    w->offset = w->scratch = w->depth = w->tried = w->may_try = 0;
    w->trying = 0;
    w->failed = w->stopped = w->text_broken = false;
    w->why = NULL;
    w->choice = NULL;
    w->choice_at = NULL;
    return true;
}

/* What was written counts only if nothing went wrong. */
enum err_kind walk_end(struct walk *w)
{
    size_t n = walk_written(w) - w->start;

    if (!w->failed && n > w->enc->options.bytes)
        walk_too_large(w);
    if (w->failed) {
        w->out->n = w->start;
        return ERR_INVALID;
    }
    w->out->n = w->start + n;
    return ERR_OK;
}

/* A number or a word must not run on: 1.2.3, truex. */
static bool runs_on(const struct walk *w)
{
    if (w->p == w->end)
        return false;
    uint8_t c = *w->p, before = w->p[-1];
    bool closed = before == '"' || before == '}' || before == ']';
    return !closed && (text_tokens[c] == TOKEN_NUMBER || c == '.' || c == '+' ||
                       c == '_' || (uint8_t)((c | 0x20) - 'a') < 26);
}

/*
 * Stopped, but not by the JSON: the value is stepped over all the same, so that the
 * next one can be read.
 */
static void step_over(struct walk *w)
{
    if (!w->stopped || w->text_broken)
        return;
    w->stopped = false;
    w->trying = 0;
    w->place = NULL;
    w->p = w->first;
    text_skip(w);
}

enum err_kind av_encode_next(const struct av_encoder *enc, struct span text, size_t *at,
                             struct buf *out, struct av_problems *p)
{
    struct walk w;

    if (!walk_begin(&w, enc, text, out, p))
        return ERR_LIMIT;
    w.p += *at;
    walk_blanks(&w);
    w.first = w.p;
    if (!encode_value(&w, enc->root))
        step_over(&w);
    if (!w.text_broken && runs_on(&w))
        walk_no_json(&w, w.p, "the end of the value");
    *at = (size_t)(w.p - text.p);
    return walk_end(&w);
}

enum err_kind av_encode(const struct av_encoder *enc, struct span text, struct buf *out,
                        struct av_problems *p)
{
    struct walk w;

    if (!walk_begin(&w, enc, text, out, p))
        return ERR_LIMIT;
    walk_blanks(&w);
    w.first = w.p;
    if (!encode_value(&w, enc->root))
        step_over(&w);
    walk_blanks(&w);
    if (!w.text_broken && w.p < w.end)
        walk_no_json(&w, w.p, "the end of the text");
    return walk_end(&w);
}

bool av_problems_blame_json(const struct av_problems *p)
{
    for (const struct av_problem *x = p->first; x != NULL; x = x->next)
        if (strcmp(x->rule, "json") == 0)
            return true;
    return false;
}

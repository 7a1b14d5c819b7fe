#include "format/window.h"

#define PIECE ((size_t)256 << 10)

void window_init(struct window *w, const struct format_source *from, size_t most)
{
    *w = (struct window){.from = *from, .text = BUF_INIT(most + PIECE)};
}

void window_free(struct window *w)
{
    buf_free(&w->text);
}

struct span window_ready(const struct window *w)
{
    return span_skip(span_of(w->text.p, w->text.n), w->at);
}

uint64_t window_offset(const struct window *w)
{
    return w->next - (w->text.n - w->at);
}

bool window_end(const struct window *w)
{
    return w->next == w->from.size;
}

/* Moves what is left to the front, so that the window does not grow with the file. */
static void drop_used(struct window *w)
{
    size_t left = w->text.n - w->at;

    if (w->at == 0)
        return;
    if (left > 0)
        memmove(w->text.p, w->text.p + w->at, left);
    buf_cut(&w->text, left);
    w->at = 0;
}

enum err_kind window_more(struct window *w, struct err *e)
{
    uint64_t left = w->from.size - w->next;
    size_t n = left < PIECE ? (size_t)left : PIECE;

    drop_used(w);
    if (n == 0)
        return ERR_OK;
    uint8_t *to = buf_room(&w->text, n);
    if (to == NULL)
        return err_set(e, ERR_LIMIT, "more than %zu bytes in one piece",
                       w->text.limit - PIECE);
    TRY(w->from.read_at(w->from.ctx, w->next, to, n, e));
    buf_added(&w->text, n);
    w->next += n;
    return ERR_OK;
}

enum err_kind window_want(struct window *w, size_t n, struct err *e)
{
    while (window_ready(w).n < n && !window_end(w))
        TRY(window_more(w, e));
    return ERR_OK;
}

void window_use(struct window *w, size_t n)
{
    w->at += n;
}

#include "cli/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_MS 100
#define LINE_MS 5000
#define RATE_MS 1000
#define LATE 0.3 // weight of the last second in the rate

static void put_grouped(struct buf *out, uint64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);

    for (int i = 0; i < n; i++) {
        buf_put_u8(out, (uint8_t)digits[i]);
        if (i < n - 1 && (n - 1 - i) % 3 == 0)
            buf_put_u8(out, ',');
    }
}

static void put_span_of_time(struct buf *out, uint64_t seconds)
{
    unsigned long long s = seconds;

    if (s >= 3600)
        buf_printf(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        buf_printf(out, "%llu:%02llu", s / 60, s % 60);
}

static void put_bar(struct buf *out, uint64_t done, uint64_t whole, size_t width)
{
    size_t full = (size_t)((double)done / (double)whole * (double)width);

    buf_put_u8(out, '[');
    for (size_t i = 0; i < width; i++)
        buf_put_u8(out, i < full ? '=' : i == full ? '>' : ' ');
    buf_put_str(out, "] ");
}

size_t progress_bar_width(size_t columns)
{
    return columns < 75 ? 0 : columns > 110 ? 50 : 30;
}

void progress_print(struct buf *out, const struct progress_state *s,
                    uint64_t done_at_begin, size_t width)
{
    uint64_t done = s->done < s->whole ? s->done : s->whole;

    if (s->whole > 0 && width > 0)
        put_bar(out, done, s->whole, width);
    if (s->whole > 0)
        buf_printf(out, "%3.0f %%  ", 100.0 * (double)done / (double)s->whole);
    put_grouped(out, s->rows);
    buf_put_str(out, " rows  ");
    put_grouped(out, (uint64_t)(s->rate + 0.5));
    buf_put_str(out, "/s");
    if (s->refused > 0) {
        buf_put_str(out, "  ");
        put_grouped(out, s->refused);
        buf_put_str(out, " refused");
    }
    if (s->whole > 0 && done > done_at_begin && s->elapsed_ms > 0) {
        double left = (double)(s->whole - done) * (double)s->elapsed_ms / 1000 /
                      (double)(done - done_at_begin);
        buf_put_str(out, "  ETA ");
        put_span_of_time(out, (uint64_t)(left + 0.5));
    }
}

static size_t terminal_columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 ? 80 : w.ws_col;
}

/* One that can go back to the beginning of a line. */
static bool is_terminal(void)
{
    const char *kind = getenv("TERM");

    return isatty(STDERR_FILENO) == 1 && kind != NULL && strcmp(kind, "dumb") != 0;
}

void progress_begin(struct progress *p, const char *name, bool quiet)
{
    *p = (struct progress){.name = name, .quiet = quiet, .terminal = is_terminal()};
    p->began_ms = p->last_ms = p->marked_ms = clock_ms();
}

int64_t progress_elapsed_ms(const struct progress *p)
{
    return clock_ms() - p->began_ms;
}

/* Within the first second it is what was so far, then a mean that forgets. */
static void note_rate(struct progress *p, uint64_t rows, int64_t now)
{
    int64_t ms = now - p->marked_ms;
    bool first = p->marked_ms == p->began_ms;

    if (ms <= 0 || (!first && ms < RATE_MS))
        return;
    double fresh = (double)(rows - p->marked_rows) * 1000 / (double)ms;
    p->rate = first ? fresh : LATE * fresh + (1 - LATE) * p->rate;
    if (ms < RATE_MS)
        return;
    p->marked_ms = now;
    p->marked_rows = rows;
}

void progress_show(struct progress *p, uint64_t rows, uint64_t refused, uint64_t done,
                   uint64_t whole)
{
    int64_t now = clock_ms();

    if (p->quiet || now - p->last_ms < (p->terminal ? DRAW_MS : LINE_MS))
        return;
    p->last_ms = now;
    note_rate(p, rows, now);
    const struct progress_state s = {.rows = rows,
                                     .refused = refused,
                                     .done = done,
                                     .whole = whole,
                                     .elapsed_ms = now - p->began_ms,
                                     .rate = p->rate};
    struct buf out = BUF_INIT(1000);
    size_t columns = p->terminal ? terminal_columns() : 0;
    progress_print(&out, &s, p->done_at_begin, progress_bar_width(columns));
    if (p->terminal && out.n >= columns)
        buf_cut(&out, columns - 1); // a line that wraps cannot be wiped
    if (p->terminal)
        fprintf(stderr, "\r\033[K%.*s", (int)out.n, (const char *)out.p);
    else
        fprintf(stderr, "%s: %.*s\n", p->name, (int)out.n, (const char *)out.p);
    fflush(stderr);
    p->drawn = p->terminal;
    buf_free(&out);
}

void progress_wipe(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}

#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <strings.h>
#include <unistd.h>

#define LINE_LIMIT 16384
#define VALUE_SHOWN 2000

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static _Atomic enum log_level least_level = LOG_INFO;
static atomic_ullong dropped;

void log_set_level(enum log_level least)
{
    atomic_store(&least_level, least);
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

enum err_kind log_level_read(enum log_level *out, struct span name, struct err *e)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (span_eq(name, span_str(level_names[i]))) {
            *out = (enum log_level)i;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "log level \"" SPAN_FMT "\", wanted debug, info, warn or error",
                   SPAN_ARG(name));
}

static struct span shown(struct span s)
{
    return s.n > VALUE_SHOWN ? span_of(s.p, VALUE_SHOWN) : s;
}

static void put_machine(struct buf *line, enum log_level l, const char *when,
                        const char *event, const struct log_field *f)
{
    buf_printf(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":", when,
               level_names[l]);
    json_put_string(line, span_str(event));
    for (; f->tag != LOG_TAG_END; f++) {
        buf_put_u8(line, ',');
        json_put_string(line, span_str(f->name));
        buf_put_u8(line, ':');
        if (f->tag == LOG_TAG_INT)
            json_put_int(line, f->i);
        else
            json_put_string(line, shown(f->s));
    }
    buf_put_str(line, "}\n");
}

/* Text for people; control characters cannot reach the terminal through
 * json_put_string. */
static void put_human(struct buf *line, enum log_level l, const char *when,
                      const char *event, const struct log_field *f)
{
    buf_printf(line, "%.8s %-5s %s", when + 11, level_names[l], event);
    for (; f->tag != LOG_TAG_END; f++) {
        buf_printf(line, "  %s=", f->name);
        if (f->tag == LOG_TAG_INT)
            json_put_int(line, f->i);
        else
            json_put_string(line, shown(f->s));
    }
    buf_put_u8(line, '\n');
}

/* One write, and no waiting for a reader of stderr that has stopped reading. */
static void write_line(struct span line)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&out, 1, 0) != 1 ||
        write(STDERR_FILENO, line.p, line.n) != (ssize_t)line.n)
        atomic_fetch_add(&dropped, 1);
}

void log_fields(enum log_level l, const char *event, const struct log_field *fields)
{
    char when[WALL_TEXT];
    struct buf line = BUF_INIT(LINE_LIMIT);
    struct err e = {0};

    if (l < atomic_load(&least_level))
        return;
    wall_print(when, wall_ms());
    (isatty(STDERR_FILENO) ? put_human : put_machine)(&line, l, when, event, fields);
    if (buf_status(&line, &e) == ERR_OK)
        write_line(buf_span(&line));
    else
        atomic_fetch_add(&dropped, 1);
    buf_free(&line);
}

void log_err(enum log_level l, const char *event, const struct err *e)
{
    log_event(l, event, LOG_S("reason", e->msg), LOG_END);
}

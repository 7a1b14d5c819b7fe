/*
 * log.h - one JSON line per event, on stderr.
 *
 *      {"ts":"2026-11-21T09:30:00.123Z","level":"info","event":"batch
 * loaded","topic":"orders","rows":100}
 *
 * The one place that escapes what strangers sent.  A line is written with one write(2),
 * never blocks for long and is dropped (and counted) rather than waited for when stderr
 * is full.  On a terminal the line is plain text for people.  Any thread.
 *
 *      log_event(LOG_INFO, "batch loaded", LOG_S("topic", t), LOG_I("rows", n),
 * LOG_END);
 *
 * Never log a secret: conf.h marks them, and nothing prints them.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_tag { LOG_TAG_END, LOG_TAG_INT, LOG_TAG_STR, LOG_TAG_SPAN };

struct log_field {
    enum log_tag tag;
    const char *name;
    int64_t i;
    struct span s;
};

#define LOG_I(name_, v) \
    ((struct log_field){.tag = LOG_TAG_INT, .name = (name_), .i = (int64_t)(v)})
#define LOG_S(name_, v) \
    ((struct log_field){.tag = LOG_TAG_SPAN, .name = (name_), .s = span_str(v)})
#define LOG_B(name_, v) \
    ((struct log_field){.tag = LOG_TAG_SPAN, .name = (name_), .s = (v)})
#define LOG_END ((struct log_field){.tag = LOG_TAG_END})

void log_fields(enum log_level l, const char *event, const struct log_field *fields);
#define log_event(level, event, ...) \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__})

/* What failed, in the place where the error stops going up. */
void log_err(enum log_level l, const char *event, const struct err *e);

void log_set_level(enum log_level least);
enum err_kind log_level_read(enum log_level *out, struct span name,
                             struct err *e) MUST_USE;
uint64_t log_dropped(void);

#include "base/log.h"
#include "tests/check.h"

#include <unistd.h>

/* What one call writes to stderr. */
static struct span logged(char out[4000], enum log_level l, struct span value)
{
    int pipes[2], before = dup(STDERR_FILENO);

    if (pipe(pipes) != 0 || before < 0)
        return (struct span){0};
    dup2(pipes[1], STDERR_FILENO);
    log_event(l, "batch loaded", LOG_B("topic", value), LOG_I("rows", -7), LOG_END);
    dup2(before, STDERR_FILENO);
    close(pipes[1]);
    ssize_t n = read(pipes[0], out, 4000);
    close(pipes[0]);
    close(before);
    return span_of(out, n < 0 ? 0 : (size_t)n);
}

static void a_line_is_json_whatever_strangers_sent(void)
{
    char out[4000];
    struct span line = logged(out, LOG_WARN, span_str("a\"b\n\x1b[2J"));

    CHECK(line.n > 33);
    CHECK_SPAN(span_skip(line, 32), ",\"level\":\"warn\",\"event\":\"batch loaded\","
                                    "\"topic\":\"a\\\"b\\n\\u001b[2J\",\"rows\":-7}\n");
}

static void what_is_below_the_level_is_not_written(void)
{
    char out[4000];

    CHECK_INT(logged(out, LOG_DEBUG, span_str("x")).n, 0);
    log_set_level(LOG_DEBUG);
    CHECK(logged(out, LOG_DEBUG, span_str("x")).n > 0);
    log_set_level(LOG_INFO);
}

static void levels_are_read_by_name(void)
{
    enum log_level l;
    struct err e = {0};

    CHECK_INT(log_level_read(&l, span_str("error"), &e), ERR_OK);
    CHECK_INT(l, LOG_ERROR);
    CHECK_INT(log_level_read(&l, span_str("loud"), &e), ERR_INVALID);
    CHECK_STR(e.msg, "log level \"loud\", wanted debug, info, warn or error");
}

int main(void)
{
    RUN(a_line_is_json_whatever_strangers_sent);
    RUN(what_is_below_the_level_is_not_written);
    RUN(levels_are_read_by_name);
    return REPORT();
}

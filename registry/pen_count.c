#include "registry/pen_count.h"

#include "base/stats.h"

#include <pthread.h>

static struct stats_metric takes = {.name = "avrogate_registry_pen_takes_total",
                                    .help = "attempts at the pen: taken, other (was "
                                            "faster), failed",
                                    .kind = STATS_COUNTER,
                                    .labels = "outcome"};
static struct stats_metric take_seconds = {
    .name = "avrogate_registry_pen_take_seconds",
    .help = "from asking the broker until our reader had our fence",
    .kind = STATS_HISTOGRAM,
    .bounds = stats_latency_bounds};
static struct stats_metric forwards = {
    .name = "avrogate_registry_pen_forwards_total",
    .help = "writes passed on to the holder: relayed, refused (it is none), silent",
    .kind = STATS_COUNTER,
    .labels = "outcome"};
static struct stats_metric gap = {
    .name = "avrogate_registry_pen_gap_seconds",
    .help = "how long writes waited here because nobody had the pen",
    .kind = STATS_HISTOGRAM,
    .bounds = stats_latency_bounds};

static const char *const takings[] = {
    [REG_TAKEN] = "taken", [REG_TAKEN_BY_OTHER] = "other", [REG_NOT_TAKEN] = "failed"};
static const char *const passings[] = {[REG_RELAYED] = "relayed",
                                       [REG_NOT_BY_HOLDER] = "refused",
                                       [REG_HOLDER_SILENT] = "silent"};

static void add_all(void)
{
    stats_add(&takes);
    stats_add(&take_seconds);
    stats_add(&forwards);
    stats_add(&gap);
}

static void add_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, add_all);
}

static void count(struct stats_metric *m, const char *outcome)
{
    add_once();
    stats_count(stats_child(m, &outcome), 1);
}

void reg_count_taking(enum reg_taking outcome, int64_t us)
{
    count(&takes, takings[outcome]);
    if (outcome == REG_TAKEN)
        stats_observe(&take_seconds, &take_seconds.value, us);
}

void reg_count_passing(enum reg_passing outcome)
{
    count(&forwards, passings[outcome]);
}

void reg_count_gap(int64_t us)
{
    add_once();
    stats_observe(&gap, &gap.value, us);
}

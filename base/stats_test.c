#include "base/stats.h"
#include "tests/check.h"

static struct stats_metric requests = {.name = "requests_total",
                                       .help = "answered",
                                       .kind = STATS_COUNTER,
                                       .labels = "topic,status"};
static struct stats_metric depth = {
    .name = "depth", .help = "now", .kind = STATS_GAUGE};
static const double bounds[] = {0.001, 0.5, 0};
static struct stats_metric seconds = {
    .name = "seconds", .help = "taken", .kind = STATS_HISTOGRAM, .bounds = bounds};

static void prints_what_prometheus_reads(void)
{
    struct buf out = BUF_INIT(1 << 20);
    const char *ok[] = {"or\"ders", "200"};

    stats_add(&requests);
    stats_add(&depth);
    stats_add(&depth); // once is enough
    stats_add(&seconds);
    stats_count(stats_child(&requests, ok), 2);
    stats_count(stats_child(&requests, ok), 1);
    stats_set(&depth.value, -4);
    stats_observe(&seconds, &seconds.value, 1000);
    stats_observe(&seconds, &seconds.value, 1001);
    stats_observe(&seconds, &seconds.value, 9000000);
    stats_print(&out);
    CHECK_SPAN(buf_span(&out), "# HELP requests_total answered\n"
                               "# TYPE requests_total counter\n"
                               "requests_total{topic=\"or\\\"ders\",status=\"200\"} 3\n"
                               "# HELP depth now\n"
                               "# TYPE depth gauge\n"
                               "depth -4\n"
                               "# HELP seconds taken\n"
                               "# TYPE seconds histogram\n"
                               "seconds_bucket{le=\"0.001\"} 1\n"
                               "seconds_bucket{le=\"0.5\"} 2\n"
                               "seconds_bucket{le=\"+Inf\"} 3\n"
                               "seconds_sum 9.0020009999999999\n"
                               "seconds_count 3\n");
    buf_free(&out);
}

static void strangers_cannot_make_it_grow_for_ever(void)
{
    static struct stats_metric many = {
        .name = "many", .help = "names", .kind = STATS_COUNTER, .labels = "name"};
    struct stats_value *other = NULL;

    for (int i = 0; i < STATS_CHILDREN + 50; i++) {
        char name[20];
        snprintf(name, sizeof name, "n%d", i);
        other = stats_child(&many, (const char *const[]){name});
        stats_count(other, 1);
    }
    CHECK_INT(stats_get(other), 50);
    CHECK(other == stats_child(&many, (const char *const[]){"other"}));
}

int main(void)
{
    RUN(prints_what_prometheus_reads);
    RUN(strangers_cannot_make_it_grow_for_ever);
    return REPORT();
}

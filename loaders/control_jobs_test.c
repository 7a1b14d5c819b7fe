#include "loaders/control_inside.h"
#include "tests/check.h"

/* What is told of `job` among these names, as a line and as members. */
static void told(const char *job, const char **names, size_t n, const char *line,
                 const char *members)
{
    struct control_jobs jobs = {.names = names, .n = n};
    struct buf out = BUF_INIT(4096);

    control_jobs_are(&jobs, job);
    control_jobs_tell(&out, &jobs, "job", job);
    if (line != NULL)
        CHECK_SPAN(buf_span(&out), line);
    CHECK_INT(jobs.known, line == NULL);
    buf_reset(&out);
    control_jobs_put_json(&out, &jobs);
    CHECK_SPAN(buf_span(&out), members);
    buf_free(&out);
}

static void a_name_that_never_ran_is_told_its_neighbours(void)
{
    const char *none[] = {NULL}, *one[] = {"weather"}, *self[] = {"orders", "weather"},
               *many[] = {"g",        "orders", "weather-daily", "leather",
                          "feathers", "w\"x\n", "weather"};

    told("x", none, 0, "no job \"x\" has run here yet, nor any other",
         "\"known\":false,\"nearest\":[]");
    told("wether", one, 1,
         "no job \"wether\" has run here yet; known here: \"weather\"",
         "\"known\":false,\"nearest\":[\"weather\"]");
    told("wether", many, 7,
         "no job \"wether\" has run here yet; known here, the nearest first: "
         "\"weather\", \"leather\", \"feathers\", \"orders\", \"w\\\"x\\n\" and 2 more",
         "\"known\":false,\"nearest\":[\"weather\",\"leather\",\"feathers\",\"orders\","
         "\"w\\\"x\\n\"]");
    told("weather", self, 2, NULL, "\"known\":true");
}

int main(void)
{
    RUN(a_name_that_never_ran_is_told_its_neighbours);
    return REPORT();
}

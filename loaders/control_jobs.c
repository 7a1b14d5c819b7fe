/* Has such a job run here?  Whose name was mistyped is told the names that there are.
 */
#include "base/json.h"
#include "base/near.h"
#include "loaders/control_inside.h"

#include <stdio.h>

#define NEAREST_MOST 5

static bool take_own(const char **names, size_t *n, const char *job)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i], job) == 0) {
            names[i] = names[--*n];
            return true;
        }
    return false;
}

void control_jobs_are(struct control_jobs *jobs, const char *job)
{
    jobs->known |= take_own(jobs->names, &jobs->n, job);
    near_sort(jobs->names, jobs->n, job);
}

static void put_nearest(struct buf *out, const struct control_jobs *jobs,
                        const char *between)
{
    for (size_t i = 0; i < jobs->n && i < NEAREST_MOST; i++) {
        buf_put_str(out, i > 0 ? between : "");
        json_put_string(out, span_str(jobs->names[i]));
    }
}

void control_jobs_tell(struct buf *out, const struct control_jobs *jobs,
                       const char *what, const char *job)
{
    buf_printf(out, "no %s ", what);
    json_put_string(out, span_str(job));
    buf_put_str(out, " has run here yet");
    if (jobs->n == 0) {
        buf_put_str(out, ", nor any other");
        return;
    }
    buf_put_str(out,
                jobs->n > 1 ? "; known here, the nearest first: " : "; known here: ");
    put_nearest(out, jobs, ", ");
    if (jobs->n > NEAREST_MOST)
        buf_printf(out, " and %zu more", jobs->n - NEAREST_MOST);
}

void control_jobs_put_json(struct buf *out, const struct control_jobs *jobs)
{
    buf_printf(out, "\"known\":%s", jobs->known ? "true" : "false");
    if (jobs->known)
        return;
    buf_put_str(out, ",\"nearest\":[");
    put_nearest(out, jobs, ",");
    buf_put_u8(out, ']');
}

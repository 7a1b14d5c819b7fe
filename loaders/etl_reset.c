#include "loaders/etl_reset.h"

#include "loaders/etl_log.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

void etl_put_reset(struct buf *sql, const char *job, const char *topic, int32_t part,
                   int64_t goes_on, const char *who, const char *reason)
{
    buf_put_str(sql, "WITH was AS (SELECT next_offset FROM etl_offsets WHERE pipeline "
                     "= ");
    etl_put_text(sql, job);
    buf_put_str(sql, " AND topic = ");
    etl_put_text(sql, topic);
    buf_printf(sql,
               " AND part = %" PRId32 "), now AS (INSERT INTO etl_offsets AS o "
               "(pipeline, topic, part, next_offset, epoch) VALUES (",
               part);
    etl_put_text(sql, job);
    buf_put_str(sql, ", ");
    etl_put_text(sql, topic);
    buf_printf(
        sql,
        ", %" PRId32 ", %" PRId64
        ", 1) ON CONFLICT (pipeline, topic, part) DO UPDATE SET next_offset = "
        "excluded.next_offset, epoch = o.epoch + 1, generation = o.generation + "
        "1, mark = NULL, crashes = 0, crash_offset = NULL, trying = false, "
        "isolate_until = 0, updated = clock_timestamp() RETURNING *) INSERT INTO "
        "etl_reset (pipeline, topic, part, generation, was, goes_on, who, "
        "reason) SELECT pipeline, topic, part, generation, (SELECT next_offset "
        "FROM was), next_offset, ",
        part, goes_on);
    etl_put_text(sql, who);
    buf_put_str(sql, ", ");
    etl_put_text(sql, reason);
    buf_put_str(sql, " FROM now;\n");
}

void etl_who(char *out, size_t n)
{
    char host[40] = "?";
    const struct passwd *pw = getpwuid(getuid());

    (void)!gethostname(host, sizeof host - 1);
    if (pw != NULL)
        snprintf(out, n, "%s@%s", pw->pw_name, host);
    else
        snprintf(out, n, "%ld@%s", (long)getuid(), host);
}

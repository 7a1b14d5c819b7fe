#include "loaders/pause.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_MOST 4096

void pause_put(struct buf *out, const struct pause *p)
{
    char since[WALL_TEXT];

    wall_print(since, p->since_ms);
    buf_printf(out, "paused since %s by %s%s%s", since, p->who,
               p->reason[0] == '\0' ? "" : ": ", p->reason);
}

/* --- beside the positions in the warehouse -----------------------------------------
 */

enum err_kind pause_ask_pg(struct pg *pg, const char *job, struct pause *out,
                           struct err *e)
{
    PGresult *r = NULL;

    *out = (struct pause){0};
    TRY(pg_ask_with(pg, &r,
                    "SELECT (extract(epoch FROM since) * 1000)::bigint, who, reason "
                    "FROM etl_pause WHERE pipeline = $1",
                    1, &job, e));
    out->on = PQntuples(r) == 1;
    if (out->on) {
        out->since_ms = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
        snprintf(out->who, sizeof out->who, "%s", PQgetvalue(r, 0, 1));
        snprintf(out->reason, sizeof out->reason, "%s", PQgetvalue(r, 0, 2));
    }
    PQclear(r);
    return ERR_OK;
}

static enum err_kind run(struct pg *pg, const char *sql, int n,
                         const char *const *values, struct err *e)
{
    PGresult *r = NULL;

    TRY(pg_ask_with(pg, &r, sql, n, values, e));
    PQclear(r);
    return ERR_OK;
}

enum err_kind pause_set_pg(struct pg *pg, const char *job, const struct pause *p,
                           struct err *e)
{
    const char *const values[] = {job, p->who, p->reason};

    return run(pg,
               "INSERT INTO etl_pause (pipeline, who, reason) VALUES ($1, $2, $3) ON "
               "CONFLICT (pipeline) DO UPDATE SET since = clock_timestamp(), who = "
               "excluded.who, reason = excluded.reason",
               3, values, e);
}

enum err_kind pause_end_pg(struct pg *pg, const char *job, struct err *e)
{
    return run(pg, "DELETE FROM etl_pause WHERE pipeline = $1", 1, &job, e);
}

/* --- beside the claims -------------------------------------------------------------
 */

static void name_of(char out[PLACE_NAME], const char *topic)
{
    snprintf(out, PLACE_NAME, "_control/%.250s.paused", topic);
}

static void keep_text(char *to, size_t n, const struct json *j, const char *member)
{
    const struct json *m = json_member(j, member);

    if (m != NULL && m->kind == JSON_STRING)
        snprintf(to, n, "%.*s", (int)m->text.n, (const char *)m->text.p);
}

/* Whatever stands in the file, it is there: paused. */
static void read_body(struct span body, struct pause *out)
{
    struct arena a = {0};
    const struct json *j, *since;
    struct err unreadable = {0};

    *out = (struct pause){.on = true, .who = "somebody"};
    if (json_read(&j, body, NULL, &a, &unreadable) == ERR_OK) {
        keep_text(out->who, sizeof out->who, j, "who");
        keep_text(out->reason, sizeof out->reason, j, "reason");
        since = json_member(j, "since_ms");
        if (since != NULL && since->kind == JSON_NUMBER)
            out->since_ms = strtoll((const char *)since->text.p, NULL, 10);
    }
    arena_free(&a);
}

enum err_kind pause_ask_place(struct place *place, const char *topic, struct pause *out,
                              struct err *e)
{
    struct buf body = BUF_INIT(BODY_MOST);
    char name[PLACE_NAME];

    *out = (struct pause){0};
    name_of(name, topic);
    enum err_kind rc = place_read(place, name, 0, BODY_MOST, &body, e);
    if (rc == ERR_OK)
        read_body(buf_span(&body), out);
    buf_free(&body);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err_kind pause_set_place(struct place *place, const char *topic,
                              const struct pause *p, struct err *e)
{
    struct buf body = BUF_INIT(BODY_MOST), found = BUF_INIT(PLACE_CLAIM);
    char name[PLACE_NAME], tmp[PLACE_NAME];

    name_of(name, topic);
    snprintf(tmp, sizeof tmp, "_tmp/pause-%" PRId64 "-%ld", p->since_ms,
             (long)getpid());
    buf_printf(&body, "{\"since_ms\":%" PRId64 ",\"who\":", p->since_ms);
    json_put_string(&body, span_str(p->who));
    buf_put_str(&body, ",\"reason\":");
    json_put_string(&body, span_str(p->reason));
    buf_put_str(&body, "}\n");
    enum err_kind rc = place_remove(place, name, e);
    if (rc == ERR_OK)
        rc = place_claim(place, name, tmp, buf_span(&body), &found, e);
    buf_free(&body);
    buf_free(&found);
    return rc == ERR_CONFLICT ? ERR_OK : rc; // somebody else just paused it
}

enum err_kind pause_end_place(struct place *place, const char *topic, struct err *e)
{
    char name[PLACE_NAME];

    name_of(name, topic);
    return place_remove(place, name, e);
}

#include "loaders/control.h"
#include "loaders/control_inside.h"

#include "avro-core/moment.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "loaders/etl_reset.h"
#include "loaders/sink_files.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS_MOST 240
#define ASK_MS 10000
#define PARTITIONS_MOST 10000

#define AT(field) offsetof(struct control_settings, field)

static const struct conf_row own_rows[] = {
    {"json", CONF_BOOL, AT(json), .flag = "json", .help = "status: as one JSON object"},
    {"reason", CONF_TEXT, AT(reason), .flag = "reason", .fallback = "",
     .help = "pause, reset: why; kept, and shown"},
    {"to", CONF_TEXT, AT(to), .flag = "to", .argument = "WHERE",
     .help = "reset: earliest, latest, an offset, or a time (2026-11-20T00:00:00Z)"},
    {"partition", CONF_INT, AT(partition), .flag = "partition", .fallback = "-1",
     .min = -1, .max = INT32_MAX, .argument = "N",
     .help = "reset: this partition alone; -1 = all"},
    {"yes", CONF_BOOL, AT(yes), .flag = "yes", .help = "reset: do it"},
    {0},
};

static const char about[] =
    "How a job stands, and a person's word about it.\n\n"
    "  status  per partition: the position, Kafka's end, the lag, who has it\n"
    "  pause   running loaders of the job stop at the next batch, and stay stopped "
    "over\n          restarts; they keep their partitions\n"
    "  resume  they go on\n"
    "  reset   the positions are moved; without --yes it only says what would "
    "happen\n\n"
    "A pause and a reset are kept beside the positions (etl_pause, etl_reset; "
    "_control/ of\nstaged files) with who and why.  Exit status: 0 done; 1 it could "
    "not "
    "be, or reset\nwithout --yes; 2 called wrongly.";

static const char examples[] =
    "  avrogate load status -c pipeline.yaml\n"
    "  avrogate load status -c pipeline.yaml --json | jq .lag\n"
    "  avrogate load pause  -c pipeline.yaml --reason \"the table is being mended\"\n"
    "  avrogate load resume -c pipeline.yaml\n"
    "  avrogate load reset  -c pipeline.yaml --to 2026-11-20T00:00:00Z --yes\n";

/* --- what is there ---------------------------------------------------------------- */

struct stand *control_stand(struct control *c, int64_t partition)
{
    return partition >= 0 && partition < c->n ? &c->stands[partition] : NULL;
}

static void new_stands(struct control *c, int32_t n)
{
    c->n = n;
    c->stands = arena_array(&c->a, (size_t)n + 1, sizeof *c->stands);
    for (int32_t i = 0; i < n; i++)
        c->stands[i] =
            (struct stand){.partition = i, .next = CONTROL_NONE, .owner = ""};
}

/* What another loader staged is what there is: from its first claim to its last. */
static enum err_kind ask_stand(struct control *c, struct place *from, int32_t partition,
                               struct err *e)
{
    const char *topic = c->s.load.topic;
    struct stage_claim newest;
    struct place_entry *all;
    struct arena a = {0};
    char dir[STAGE_NAME];
    bool any = false;
    size_t n = 0;

    stage_claims_dir(dir, topic, partition);
    enum err_kind rc = place_list(from, dir, NULL, &a, &all, &n, e);
    if (rc == ERR_OK)
        rc = files_newest(from, topic, partition, &newest, &any, &a, e);
    if (rc == ERR_OK && any) {
        c->stands[partition].low = stage_claim_first(all[0].name);
        c->stands[partition].high = newest.last + 1;
    }
    arena_free(&a);
    return rc;
}

static enum err_kind ask_stands(struct control *c, struct place *from, struct err *e)
{
    struct place_entry *all;
    char dir[STAGE_NAME];
    size_t n;
    int32_t most = -1;

    snprintf(dir, sizeof dir, "_claims/%.255s", c->s.load.topic);
    TRY(place_list(from, dir, NULL, &c->a, &all, &n, e));
    for (size_t i = 0; i < n; i++) {
        int32_t id = stage_claims_partition(all[i].name);
        most = id > most ? id : most;
    }
    if (most < 0)
        return err_set(e, ERR_NOT_FOUND, "nothing of topic %.80s is staged at %.120s",
                       c->s.load.topic, place_shown(from));
    if (most > PARTITIONS_MOST)
        return err_set(e, ERR_LIMIT, "partition %" PRId32 ", the most is %d", most,
                       PARTITIONS_MOST);
    new_stands(c, most + 1);
    for (int32_t i = 0; i < c->n; i++)
        TRY(ask_stand(c, from, i, e));
    return ERR_OK;
}

static enum err_kind ask_stage(struct control *c, struct err *e)
{
    struct place_settings s = loader_source_place(&c->s.load);
    struct place *from;

    TRY(place_open(&from, &s, e));
    enum err_kind rc = ask_stands(c, from, e);
    place_close(from);
    return rc;
}

static enum err_kind ask_kafka(struct control *c, struct err *e)
{
    const struct loader_settings *l = &c->s.load;

    TRY(kf_admin_open(&c->kafka, l->bootstrap, &l->kafka, e));
    TRY(kf_topic_partitions(c->kafka, l->topic, &c->n, ASK_MS, e));
    new_stands(c, c->n);
    for (int32_t i = 0; i < c->n; i++) {
        struct stand *t = &c->stands[i];
        TRY(kf_offsets(c->kafka, l->topic, i, &t->low, &t->high, ASK_MS, e));
    }
    return ERR_OK;
}

/* What keeps the positions. */
static enum err_kind open_ledger(struct control *c, struct err *e)
{
    struct loader_settings *l = &c->s.load;

    if (l->topic == NULL || l->bootstrap == NULL)
        return err_set(e, ERR_INVALID, "%s is missing",
                       l->bootstrap == NULL ? "source.kafka.bootstrap"
                                            : "source.kafka.topic");
    if (l->phases.n > 0)
        // of the phase load, which is a job of its own
        l->url = l->odbc_connection = l->odbc_dsn = NULL;
    if ((l->place != NULL) + (l->url != NULL) + loader_is_odbc(l) != 1)
        return err_set(e, ERR_INVALID,
                       "wanted one sink: sink.postgres.url, sink.files.place, or "
                       "sink.odbc.connection or .dsn");
    c->ledger = l->url != NULL      ? &control_postgres
                : loader_is_odbc(l) ? &control_odbc
                                    : &control_files;
    return c->ledger->open(c, e);
}

static enum err_kind look(struct control *c, struct err *e)
{
    TRY(c->s.load.stage.place != NULL ? ask_stage(c, e) : ask_kafka(c, e));
    return c->ledger->ask(c, e);
}

/* --- status ----------------------------------------------------------------------- */

/* Of a partition that was never loaded: all of it. */
static int64_t lag_of(const struct stand *t)
{
    int64_t from = t->next == CONTROL_NONE || t->next < t->low ? t->low : t->next;

    return t->high > from ? t->high - from : 0;
}

static void put_time_or(struct buf *out, int64_t ms, const char *none)
{
    char text[WALL_TEXT];

    if (ms != 0)
        wall_print(text, ms);
    buf_put_str(out, ms == 0 ? none : text);
}

static void put_target(struct buf *out, const struct loader_settings *l)
{
    const char *table = loader_is_odbc(l) ? l->odbc_table : l->table;

    buf_put_str(out, l->place != NULL ? l->place : table == NULL ? "" : table);
}

static void put_table(struct buf *out, const struct control *c)
{
    const struct loader_settings *l = &c->s.load;
    int64_t lag = 0;

    buf_printf(out, "%s: %s -> ", l->job, l->topic);
    put_target(out, l);
    buf_put_u8(out, '\n');
    if (c->pause.on) {
        pause_put(out, &c->pause);
        buf_put_u8(out, '\n');
    }
    buf_printf(out, "%9s %15s %15s %12s  %-24s  %s\n", "partition", "position", "end",
               "lag", "last loaded", "who");
    for (int32_t i = 0; i < c->n; i++) {
        const struct stand *t = &c->stands[i];

        buf_printf(out, "%9" PRId32 " ", i);
        if (t->next == CONTROL_NONE)
            buf_printf(out, "%15s", "-");
        else
            buf_printf(out, "%15" PRId64, t->next);
        buf_printf(out, " %15" PRId64 " %12" PRId64 "  ", t->high, lag_of(t));
        put_time_or(out, t->changed_ms, "-                       ");
        buf_printf(out, "  %s%s%s\n", t->owner, t->running ? " (running)" : "",
                   t->next >= 0 && t->next < t->low ? "; RECORDS WERE DELETED BEFORE "
                                                      "THEY WERE LOADED"
                   : t->crashes > 0                 ? "; died at this position"
                                                    : "");
        lag += lag_of(t);
    }
    buf_printf(out, "%9s %15s %15s %12" PRId64 "\n", "all", "", "", lag);
}

static void put_stand(struct buf *out, const struct stand *t)
{
    buf_printf(out, "{\"partition\":%" PRId32 ",\"position\":", t->partition);
    if (t->next == CONTROL_NONE)
        buf_put_str(out, "null");
    else
        buf_printf(out, "%" PRId64, t->next);
    buf_printf(out,
               ",\"first\":%" PRId64 ",\"end\":%" PRId64 ",\"lag\":%" PRId64
               ",\"generation\":%" PRId32 ",\"crashes\":%" PRId64
               ",\"running\":%s,\"owner\":",
               t->low, t->high, lag_of(t), t->generation, t->crashes,
               t->running ? "true" : "false");
    json_put_string(out, span_str(t->owner));
    buf_put_str(out, ",\"updated\":");
    buf_put_str(out, t->changed_ms == 0 ? "null" : "\"");
    put_time_or(out, t->changed_ms, "");
    buf_put_str(out, t->changed_ms == 0 ? "}" : "\"}");
}

static void put_pause(struct buf *out, const struct pause *p)
{
    if (!p->on) {
        buf_put_str(out, "null");
        return;
    }
    buf_put_str(out, "{\"since\":\"");
    put_time_or(out, p->since_ms, "");
    buf_put_str(out, "\",\"who\":");
    json_put_string(out, span_str(p->who));
    buf_put_str(out, ",\"reason\":");
    json_put_string(out, span_str(p->reason));
    buf_put_u8(out, '}');
}

static void put_json(struct buf *out, const struct control *c)
{
    struct buf target = BUF_INIT(4096);
    int64_t lag = 0;

    buf_put_str(out, "{\"job\":");
    json_put_string(out, span_str(c->s.load.job));
    buf_put_str(out, ",\"topic\":");
    json_put_string(out, span_str(c->s.load.topic));
    put_target(&target, &c->s.load);
    buf_put_str(out, ",\"target\":");
    json_put_string(out, buf_span(&target));
    buf_put_u8(out, ',');
    control_jobs_put_json(out, &c->jobs);
    buf_put_str(out, ",\"paused\":");
    put_pause(out, &c->pause);
    buf_put_str(out, ",\"partitions\":[");
    for (int32_t i = 0; i < c->n; i++) {
        buf_put_str(out, i == 0 ? "" : ",");
        put_stand(out, &c->stands[i]);
        lag += lag_of(&c->stands[i]);
    }
    buf_printf(out, "],\"lag\":%" PRId64 "}\n", lag);
    buf_free(&target);
}

static enum err_kind show_status(struct control *c, struct buf *out, struct err *e)
{
    TRY(look(c, e));
    if (c->s.json)
        put_json(out, c);
    else
        put_table(out, c);
    return ERR_OK;
}

/* --- pause, resume ---------------------------------------------------------------- */

static enum err_kind need(struct control *c, struct err *e)
{
    return c->ledger->need == NULL ? ERR_OK : c->ledger->need(c, e);
}

static enum err_kind do_pause(struct control *c, struct buf *out, struct err *e)
{
    struct pause p = {.on = true, .since_ms = wall_ms()};

    etl_who(p.who, sizeof p.who);
    snprintf(p.reason, sizeof p.reason, "%s", c->s.reason);
    TRY(need(c, e));
    TRY(c->ledger->pause(c, &p, e));
    buf_printf(out, "%s: ", c->s.load.job);
    pause_put(out, &p);
    buf_put_u8(out, '\n');
    return ERR_OK;
}

static enum err_kind do_resume(struct control *c, struct buf *out, struct err *e)
{
    TRY(need(c, e));
    TRY(c->ledger->ask_pause(c, e));
    TRY(c->ledger->resume(c, e));
    buf_printf(out, "%s: %s\n", c->s.load.job,
               c->pause.on ? "goes on" : "was not paused");
    return ERR_OK;
}

/* --- reset ------------------------------------------------------------------------ */

static enum err_kind refuse_to(const char *to, struct err *e)
{
    return err_set(
        e, ERR_INVALID,
        "--to \"%.60s\": wanted earliest, latest, an offset, or a time such as "
        "2026-11-20T00:00:00Z",
        to);
}

/* Whether --to says anything, whatever the topic has. */
static enum err_kind check_to(const char *to, struct err *e)
{
    char *rest;
    int64_t ms;

    if (to == NULL)
        return err_set(e, ERR_INVALID, "reset wants --to earliest|latest|OFFSET|TIME");
    if (strcmp(to, "earliest") == 0 || strcmp(to, "latest") == 0)
        return ERR_OK;
    (void)strtoll(to, &rest, 10);
    if (*rest == '\0' && rest != to)
        return ERR_OK;
    return moment_instant(&ms, span_str(to), 1000, false) == MOMENT_FITS
               ? ERR_OK
               : refuse_to(to, e);
}

static enum err_kind find_target(struct control *c, struct stand *t, struct err *e)
{
    const char *to = c->s.to;
    char *rest;
    int64_t ms;

    if (strcmp(to, "earliest") == 0 || strcmp(to, "latest") == 0) {
        t->target = to[0] == 'e' ? t->low : t->high;
        return ERR_OK;
    }
    t->target = strtoll(to, &rest, 10);
    if (*rest != '\0' || rest == to) {
        if (moment_instant(&ms, span_str(to), 1000, false) != MOMENT_FITS)
            return refuse_to(to, e);
        if (c->kafka == NULL)
            return err_set(e, ERR_INVALID,
                           "--to %.60s: staged files tell no times, wanted an offset",
                           to);
        return kf_offset_at(c->kafka, c->s.load.topic, t->partition, ms, &t->target,
                            ASK_MS, e);
    }
    if (t->target >= t->low && t->target <= t->high)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "--to %" PRId64 ": %.100s/%" PRId32 " has %" PRId64 " to %" PRId64,
                   t->target, c->s.load.topic, t->partition, t->low, t->high);
}

static bool is_meant(const struct control *c, const struct stand *t)
{
    return c->s.partition < 0 || t->partition == c->s.partition;
}

static void put_move(struct buf *out, const struct stand *t)
{
    buf_printf(out, "  partition %" PRId32 ": ", t->partition);
    if (t->next == CONTROL_NONE)
        buf_printf(out, "no position yet, goes on at %" PRId64 "\n", t->target);
    else if (t->target == t->next)
        buf_printf(out, "stays at %" PRId64 "\n", t->next);
    else
        buf_printf(out, "%" PRId64 " -> %" PRId64 ", %" PRId64 " records %s\n", t->next,
                   t->target,
                   t->target < t->next ? t->next - t->target : t->target - t->next,
                   t->target < t->next ? "again" : "passed over");
}

bool control_moves(const struct control *c, const struct stand *t)
{
    return is_meant(c, t) && t->target != t->next;
}

static enum err_kind do_reset(struct control *c, struct buf *out, struct err *e)
{
    char who[80];

    if (c->ledger->move == NULL)
        return err_set(e, ERR_INVALID,
                       "staged files keep their positions as claims, which are never "
                       "taken back: stage the topic in another place, or move "
                       "_claims/%.100s away",
                       c->s.load.topic);
    TRY(need(c, e));
    TRY(look(c, e));
    if (c->s.partition >= c->n)
        return err_set(e, ERR_INVALID, "--partition %" PRId64 ": %.100s has %" PRId32,
                       c->s.partition, c->s.load.topic, c->n);
    buf_printf(out, "%s: %s\n", c->s.load.job, c->s.load.topic);
    for (int32_t i = 0; i < c->n; i++) {
        if (!is_meant(c, &c->stands[i]))
            continue;
        TRY(find_target(c, &c->stands[i], e));
        put_move(out, &c->stands[i]);
    }
    if (!c->s.yes)
        return err_set(e, ERR_CONFLICT, "nothing was changed: --yes does it");
    etl_who(who, sizeof who);
    return c->ledger->move(c, who, e);
}

/* --- the command ------------------------------------------------------------------ */

static const struct word {
    const char *name;
    enum err_kind (*run)(struct control *c, struct buf *out, struct err *e);
} words[] = {
    {"status", show_status},
    {"pause", do_pause},
    {"resume", do_resume},
    {"reset", do_reset},
};

static const struct word *find_word(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

bool control_is(const char *word)
{
    return find_word(word) != NULL;
}

static size_t add_rows(struct conf_row *all, size_t n, const struct conf_row *rows)
{
    for (; rows->key != NULL; rows++) {
        assert(n + 1 < ROWS_MOST);
        all[n++] = *rows;
    }
    return n;
}

static void close_control(struct control *c)
{
    if (c->kafka != NULL)
        kf_admin_close(c->kafka);
    if (c->ledger != NULL)
        c->ledger->close(c);
    arena_free(&c->a);
}

static const char *job_of(const struct control *c)
{
    return c->ledger == &control_files ? c->s.load.topic : c->s.load.job;
}

static enum err_kind find_jobs(struct control *c, struct err *e)
{
    TRY(c->ledger->ask_jobs(c, e));
    control_jobs_are(&c->jobs, job_of(c));
    return ERR_OK;
}

/* Before its first start a job may be paused or set somewhere; or it is mistyped. */
static void tell_unknown(const struct word *w, const struct control *c)
{
    struct buf line = BUF_INIT(16384);

    control_jobs_tell(&line, &c->jobs, c->ledger->what, job_of(c));
    fprintf(stderr, "avrogate load %s: %.*s\n", w->name, (int)line.n,
            (const char *)line.p);
    buf_free(&line);
}

static int run_word(const struct word *w, struct control *c)
{
    struct buf out = BUF_INIT(64 << 20);
    struct err e = {0};

    if (w->run == do_reset && check_to(c->s.to, &e) != ERR_OK) {
        fprintf(stderr, "avrogate load %s: %s\n", w->name, e.msg);
        return 2;
    }
    enum err_kind rc = open_ledger(c, &e);
    if (rc == ERR_OK)
        rc = find_jobs(c, &e); // before a reset makes it one of them
    bool found = rc == ERR_OK;
    if (rc == ERR_OK)
        rc = w->run(c, &out, &e);
    if (out.n > 0)
        fwrite(out.p, 1, out.n, stdout);
    if (found && !c->jobs.known && !c->s.json)
        tell_unknown(w, c);
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate load %s: %s\n", w->name, e.msg);
    buf_free(&out);
    close_control(c);
    return rc == ERR_OK ? 0 : 1;
}

int control_run(int argc, char **argv)
{
    static struct conf_row rows[ROWS_MOST];
    const struct word *w = find_word(argv[1]);
    struct control c = {0};
    struct conf conf = {0};
    enum conf_outcome outcome;
    char name[40];
    struct err e = {0};

    (void)add_rows(rows, add_rows(rows, 0, own_rows), loader_rows);
    snprintf(name, sizeof name, "avrogate load %s", w->name);
    struct conf_program program = {
        .name = name, .about = about, .examples = examples, .rows = rows};
    log_set_level(LOG_ERROR);
    if (conf_read(&conf, &program, argc - 1, argv + 1, &c.s, &outcome, &e) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", name, e.msg);
        conf_free(&conf);
        return 2;
    }
    int code = 0;
    char *topic = NULL;
    if (outcome == CONF_RUN) {
        topic = loader_use_stage(&c.s.load);
        code = run_word(w, &c);
    }
    free(topic);
    conf_free(&conf);
    return code;
}

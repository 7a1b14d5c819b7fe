#include "cli/stage.h"

#include "base/clock.h"
#include "base/conf.h"
#include "cli/avro_inside.h"
#include "cli/progress.h"
#include "format/format.h"
#include "loaders/etl_phase.h"
#include "loaders/migrate.h"
#include "loaders/stage_check.h"
#include "loaders/stage_clean.h"
#include "loaders/stage_copy.h"
#include "loaders/stage_merge.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

struct settings {
    const char *place, *dir, *topic, *format, *to, *into, *backup, *schema, *codec;
    const char *spool, *ca, *audit, *job, *loaded_by, *warehouse;
    const char *dialect, *table, *at, *connection;
    const char *s3_endpoint, *s3_region, *s3_access_key, *s3_secret_key, *s3_token;
    const char *hdfs_user, *hdfs_token;
    struct conf_list hdfs_redirects, bloom;
    int64_t max_bytes, older_ms, since_ms, timeout_ms, s3_part;
    bool dry_run, deep, quiet, all, merged, anew, unnoted;
};

#define AT(field) offsetof(struct settings, field)

static const struct conf_row rows[] = {
    {"place", CONF_TEXT, AT(place), .argument = "URL", .required = true,
     .help = "where files are staged, as the loader has it: file:///DIR, "
             "webhdfs://HOST:PORT/DIR, s3://BUCKET/PREFIX"},
    {"dir", CONF_TEXT, AT(dir), .fallback = "", .argument = "DIR",
     .help = "only below this directory of the place"},
    {"topic", CONF_TEXT, AT(topic), .help = "only this topic's files"},
    {"format", CONF_TEXT, AT(format), .fallback = "parquet",
     .help = "of the files that are merged: parquet, ocf, json, csv"},
    {"to", CONF_TEXT, AT(to), .argument = "FORMAT",
     .help = "of the merged file (default: the same)"},
    {"into", CONF_TEXT, AT(into), .argument = "NAME.csv",
     .help = "all of them into this one file; its name says the format"},
    {"schema", CONF_TEXT, AT(schema), .argument = "FILE",
     .help =
         "what all files are read as (default: what they bring, or their claims say)"},
    {"max_bytes", CONF_BYTES, AT(max_bytes), .fallback = "256MiB", .min = 1,
     .max = INT64_C(1) << 40,
     .help = "of the files that become one; what has three quarters of it stays"},
    {"backup", CONF_TEXT, AT(backup), .argument = "DIR",
     .help = "the merged file goes below DIR, with the time in its name: backup, or a "
             "name that begins with _ and that readers of the place pass over"},
    {"all", CONF_BOOL, AT(all),
     .help = "merge into a backup: also what is alone or large enough, so that all of "
             "it goes there"},
    {"codec", CONF_TEXT, AT(codec),
     .help = "how the merged file is packed (default: the format's own choice)"},
    {"bloom", CONF_LIST, AT(bloom), .argument = "COLUMN",
     .help = "parquet: columns that get a bloom filter"},
    {"older", CONF_DURATION, AT(older_ms), .fallback = "0",
     .help = "clean: only what was staged so long ago"},
    {"loaded_by", CONF_TEXT, AT(loaded_by), .argument = "JOB",
     .help = "clean: only what this job has loaded into the warehouse"},
    {"warehouse.url", CONF_TEXT, AT(warehouse), .secret = true,
     .help = "clean: the database whose etl_offsets say so"},
    {"dialect", CONF_TEXT, AT(dialect), .fallback = "snowflake",
     .help = "copy-into: whose statements"},
    {"table", CONF_TEXT, AT(table), .help = "copy-into: the table there"},
    {"at", CONF_TEXT, AT(at), .argument = "@STAGE/PATH",
     .help = "copy-into: the place, as the warehouse names it"},
    {"since", CONF_DURATION, AT(since_ms), .fallback = "0",
     .help = "copy-into: only what was staged within so long; 0 = all"},
    {"merged", CONF_BOOL, AT(merged),
     .help = "copy-into: what merges put into backups, instead of what loaders staged"},
    {"anew", CONF_BOOL, AT(anew),
     .help = "copy-into: the table was emptied (TRUNCATE TABLE): what it was told to "
             "copy is forgotten"},
    {"unnoted", CONF_BOOL, AT(unnoted),
     .help =
         "copy-into: the place is only read: what is copied is not noted there, and "
         "what was is not asked for"},
    {"connection", CONF_TEXT, AT(connection), .secret = true,
     .help = "copy-into: run the statements there (an ODBC connection string) instead "
             "of printing them"},
    {"deep", CONF_BOOL, AT(deep),
     .help = "check: read every file, and compare its SHA-256"},
    {"dry_run", CONF_BOOL, AT(dry_run), .help = "say what would be merged, or cleaned"},
    {"spool", CONF_TEXT, AT(spool), .fallback = "/tmp", .argument = "DIR",
     .help = "where a merged file waits until the place has it"},
    {"quiet", CONF_BOOL, AT(quiet), .letter = 'q', .help = "no progress"},
    {"audit.url", CONF_TEXT, AT(audit), .flag = "audit", .argument = "postgresql://...",
     .help = "write the run into etl_log and etl_phase there"},
    {"job", CONF_TEXT, AT(job),
     .help = "as which job (default: stage merge, stage clean)"},
    {"timeout", CONF_DURATION, AT(timeout_ms), .fallback = "30s", .min = 100,
     .max = 600000, .help = "wait for one answer of the place"},
    {"ca", CONF_TEXT, AT(ca), .argument = "PATH",
     .help = "certificates the place is checked against"},
    {"s3.endpoint", CONF_TEXT, AT(s3_endpoint), .argument = "URL",
     .help = "of what speaks like S3 (default: Amazon's)"},
    {"s3.region", CONF_TEXT, AT(s3_region), .fallback = "us-east-1",
     .help = "its region"},
    {"s3.access_key", CONF_TEXT, AT(s3_access_key), .secret = true,
     .help = "access key"},
    {"s3.secret_key", CONF_TEXT, AT(s3_secret_key), .secret = true,
     .help = "secret key"},
    {"s3.session_token", CONF_TEXT, AT(s3_token), .secret = true,
     .help = "token of temporary credentials"},
    {"s3.part", CONF_BYTES, AT(s3_part), .fallback = "8MiB", .min = 5 << 20,
     .max = 512 << 20, .help = "bytes of one part of an upload"},
    {"hdfs.user", CONF_TEXT, AT(hdfs_user),
     .help = "user.name (default: the process's user)"},
    {"hdfs.token", CONF_TEXT, AT(hdfs_token), .secret = true,
     .help = "delegation token"},
    {"hdfs.redirects", CONF_LIST, AT(hdfs_redirects), .argument = "HOST",
     .help = "DataNodes a NameNode may send us to"},
    {0},
};

static const struct conf_program program = {
    .name = "avrogate stage",
    .operands = "merge|clean|check|copy-into",
    .about =
        "merge  turns small staged files into large ones, or all of them into one CSV. "
        "Files of\n       one topic, one schema and one directory become one; the "
        "large "
        "one appears,\n       and the small ones go.\n"
        "clean  takes away files that are old enough or loaded, and what is known of "
        "their\n       merges.  Claims, rejects and backups stay.\n"
        "check  proves that the place holds what its claims say: no gap, no overlap, "
        "each row\n       in its file or in what that was merged into, no file that "
        "nobody names.\n"
        "copy-into  prints the statements by which a warehouse takes in the claimed "
        "files of a\n       topic, or runs them; what it has already it passes "
        "over.\n\n"
        "Killed at any moment, call it again: it finishes what it had begun, and does "
        "nothing\ntwice.  It may run beside loaders and beside itself.",
    .examples =
        "  avrogate stage merge --place file:///var/stage/weather --dry-run\n"
        "  avrogate stage merge --place file:///var/stage/weather --max-bytes 512MiB\n"
        "  avrogate stage merge --place file:///var/stage/weather --dir dt=2026-11-20 "
        "--into weather.csv --backup backup\n"
        "  avrogate stage check --place file:///var/stage/weather --deep\n"
        "  AVROGATE_S3_SECRET_KEY=... avrogate stage merge --place s3://bucket/weather "
        "--to parquet --format csv\n"
        "  avrogate stage clean --place file:///var/stage/weather --older 7d "
        "--dry-run\n"
        "  AVROGATE_WAREHOUSE_URL=service=warehouse avrogate stage clean --place "
        "s3://bucket/weather --loaded-by weather-load\n"
        "  avrogate stage copy-into --place s3://bucket/weather --topic weather "
        "--table "
        "weather --at @stage/weather\n",
    .rows = rows,
};

struct stage_run {
    struct settings s;
    struct progress progress;
    struct merge_options o;
    struct merge_sums merged;
    struct clean_sums cleaned;
    struct check_sums checked;
    struct place *place;
    struct av_schema *schema;
    struct pg pg, warehouse;
    struct odbc odbc;
    struct run run;
    struct etl_phase phase;
    char job[40];
};

static void say(void *arg, const char *line)
{
    struct stage_run *r = arg;

    progress_wipe(&r->progress);
    puts(line);
    fflush(stdout);
}

/* --- etl_log ---------------------------------------------------------------------- */

static bool has_audit(const struct stage_run *r)
{
    return r->s.audit != NULL && !r->s.dry_run;
}

static enum err_kind audit_begin(struct stage_run *r, struct err *e)
{
    if (!has_audit(r))
        return ERR_OK;
    run_init(&r->run, r->s.job != NULL ? r->s.job : r->job);
    if (r->s.topic != NULL)
        r->run.topic = r->s.topic;
    r->run.source = place_shown(r->place);
    r->run.target = r->s.into != NULL ? r->s.into : place_shown(r->place);
    TRY(migrate(&r->pg, e));
    TRY(run_lock(&r->pg, &r->run, e));
    TRY(run_begin(&r->pg, &r->run, e));
    return phase_begin(&r->pg, &r->run, &r->phase, e);
}

static enum err_kind audit_end(struct stage_run *r, enum err_kind rc, struct err *e)
{
    const char *status = rc == ERR_OK ? "success" : "failed";
    const char *why = rc == ERR_OK ? NULL : e->msg;
    struct err lost = {0};

    if (!has_audit(r))
        return rc;
    enum err_kind ended = phase_end(&r->pg, &r->run, &r->phase, status, why, &lost);
    if (ended == ERR_OK)
        ended = run_end(&r->pg, &r->run, status, why, &lost);
    if (rc == ERR_OK && ended != ERR_OK)
        *e = lost;
    return rc == ERR_OK ? ended : rc;
}

/* --- merge ------------------------------------------------------------------------ */

static void show_progress(void *arg, int64_t n, int64_t bytes, int64_t whole)
{
    struct stage_run *r = arg;

    progress_show(&r->progress, (uint64_t)n, 0, (uint64_t)bytes, (uint64_t)whole);
}

/* "dt=2026-11-20/" is "dt=2026-11-20"; the place refuses what else it cannot have. */
static enum err_kind check_dir(struct settings *s, struct err *e)
{
    static char dir[PLACE_NAME];
    size_t n = strlen(s->dir);

    if (n >= sizeof dir)
        return err_set(e, ERR_INVALID, "dir of %zu bytes, at most %d", n, PLACE_NAME);
    memcpy(dir, s->dir, n + 1);
    while (n > 0 && dir[n - 1] == '/')
        dir[--n] = '\0';
    s->dir = dir;
    return ERR_OK;
}

static enum err_kind check_merge(struct stage_run *r, struct err *e)
{
    const struct settings *s = &r->s;

    TRY(check_dir(&r->s, e));
    r->o = (struct merge_options){
        .dir = s->dir,
        .topic = s->topic,
        .format = s->format,
        .to = s->to,
        .into = s->into,
        .how = {.codec = s->codec, .bloom = s->bloom.items, .n_bloom = s->bloom.n},
        .max_bytes = s->max_bytes,
        .backup = s->backup,
        .all = s->all,
        .dry_run = s->dry_run,
        .spool = s->spool,
        .arg = r,
        .say = say,
        .progress = show_progress};
    return merge_check(&r->o, e);
}

/* Also of a place, a topic or a format that was not meant: best effort. */
static void say_nothing(const struct stage_run *r)
{
    char dir[PLACE_NAME];
    struct arena a = {0};
    struct place_entry *all = NULL;
    struct err e = {0};
    size_t n = 0;

    snprintf(dir, sizeof dir, "_claims%s%.255s", r->s.topic != NULL ? "/" : "",
             r->s.topic != NULL ? r->s.topic : "");
    enum err_kind rc = place_list(r->place, dir, NULL, &a, &all, &n, &e);
    arena_free(&a);
    if (rc == ERR_OK && n == 0)
        printf("nothing to merge: no loader staged anything there\n");
    else if (r->merged.other != NULL)
        printf("nothing to merge of %s; %s lies there: --format %s\n", r->s.format,
               r->merged.other, r->merged.other);
    else
        printf("nothing to merge%s\n",
               r->merged.waits
                   ? ": what is large waits until as many bytes lie beside it"
                   : "");
}

static void say_merged(const struct stage_run *r)
{
    const struct merge_sums *n = &r->merged;

    if (n->merges == 0)
        say_nothing(r);
    else if (!r->s.dry_run)
        printf("%" PRId64 " files, %" PRId64 " bytes, became %" PRId64 ", %" PRId64
               " bytes; %" PRId64 " rows\n",
               n->inputs, n->bytes_in, n->merges, n->bytes_out, n->rows);
}

static enum err_kind merge(struct stage_run *r, struct err *e)
{
    struct etl_phase *p = &r->phase;
    const struct merge_sums *n = &r->merged;

    if (r->s.schema != NULL)
        TRY(avro_schema_load(&r->schema, r->s.schema, true, e));
    r->o.place = r->place;
    r->o.schema = r->schema;
    progress_begin(&r->progress, "avrogate stage", r->s.quiet);
    enum err_kind rc = stage_merge(&r->o, &r->merged, e);
    progress_wipe(&r->progress);
    p->rows_in = p->rows_out = n->rows;
    p->files_in = n->inputs;
    p->files_out = n->merges;
    p->bytes_in = n->bytes_in;
    p->bytes_out = n->bytes_out;
    if (rc == ERR_OK)
        say_merged(r);
    return rc;
}

/* --- clean ------------------------------------------------------------------------ */

static enum err_kind check_clean(struct stage_run *r, struct err *e)
{
    const struct settings *s = &r->s;

    if (s->older_ms == 0 && s->loaded_by == NULL)
        return err_set(e, ERR_INVALID,
                       "clean all of it? Say --older 1ms; or wanted --older, or "
                       "--loaded-by");
    if ((s->loaded_by == NULL) != (s->warehouse == NULL))
        return err_set(e, ERR_INVALID,
                       "wanted loaded_by and warehouse.url together: a job, and the "
                       "database that knows how far it is");
    return ERR_OK;
}

static enum err_kind ask_loaded(void *arg, const char *topic, int32_t partition,
                                int64_t *next, struct err *e)
{
    struct stage_run *r = arg;

    return clean_ask_loaded(&r->warehouse, r->s.loaded_by, topic, partition, next, e);
}

static enum err_kind clean(struct stage_run *r, struct err *e)
{
    const struct clean_options o = {.place = r->place,
                                    .topic = r->s.topic,
                                    .older_ms = r->s.older_ms,
                                    .loaded =
                                        r->s.loaded_by != NULL ? ask_loaded : NULL,
                                    .dry_run = r->s.dry_run,
                                    .arg = r,
                                    .say = r->s.quiet ? NULL : say};
    struct etl_phase *p = &r->phase;
    const struct clean_sums *n = &r->cleaned;

    enum err_kind rc = stage_clean(&o, &r->cleaned, e);
    p->rows_in = n->rows;
    p->files_in = n->files + n->merged;
    p->bytes_in = n->bytes + n->merged_bytes;
    if (rc == ERR_OK)
        printf("%" PRId64 " claims: %" PRId64 " staged and %" PRId64
               " merged files, %" PRId64 " bytes, %" PRId64 " rows%s\n",
               n->claims, n->files, n->merged, n->bytes + n->merged_bytes, n->rows,
               r->s.dry_run ? " would be cleaned" : " cleaned");
    return rc;
}

/* --- copy-into -------------------------------------------------------------------- */

static enum err_kind check_copy(struct stage_run *r, struct err *e)
{
    const struct settings *s = &r->s;
    const struct dialect *d = dialect_named(s->dialect);

    if (s->topic == NULL || s->table == NULL || s->at == NULL)
        return err_set(e, ERR_INVALID, "wanted --topic, --table and --at");
    if (d == NULL || d->copy_into == NULL)
        return err_set(e, ERR_INVALID,
                       "dialect \"%.40s\", wanted one that copies from a stage: "
                       "snowflake",
                       s->dialect);
    return ERR_OK;
}

static enum err_kind copy_statement(void *arg, const char *sql, struct err *e)
{
    struct stage_run *r = arg;

    if (r->s.connection != NULL && !r->s.dry_run)
        return odbc_run(&r->odbc, sql, NULL, e);
    printf("%s;\n", sql);
    return ERR_OK;
}

static enum err_kind copy_into(struct stage_run *r, struct err *e)
{
    const struct copy_options o = {
        .place = r->place,
        .topic = r->s.topic,
        .d = dialect_named(r->s.dialect),
        .table = r->s.table,
        .at = r->s.at,
        .since_ms = r->s.since_ms > 0 ? wall_ms() - r->s.since_ms : 0,
        .merged = r->s.merged,
        // a dry run asks what was noted, and notes nothing
        .unnoted = r->s.unnoted || (r->s.dry_run && (!r->s.merged || r->s.anew)),
        .anew = r->s.anew,
        .arg = r,
        .statement = copy_statement};
    struct copy_sums n;

    TRY(stage_copy(&o, &n, e));
    r->phase.rows_in = r->phase.rows_out = n.rows;
    r->phase.files_in = n.files;
    fprintf(stderr,
            "%" PRId64 " files of %" PRId64 " claims, %" PRId64 " rows, in %" PRId64
            " statements; %" PRId64 " claims not finished yet, %" PRId64 " cleaned\n",
            n.files, n.claims, n.rows, n.statements, n.open, n.gone);
    if (n.waiting > 0)
        fprintf(stderr,
                "%" PRId64 " rows are in no backup yet: stage merge --backup DIR "
                "--all\n",
                n.waiting);
    return ERR_OK;
}

/* --- check ------------------------------------------------------------------------ */

static enum err_kind check_check(struct stage_run *r, struct err *e)
{
    if (r->s.audit == NULL)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "check does nothing that etl_log would tell of");
}

static enum err_kind check(struct stage_run *r, struct err *e)
{
    const struct check_options o = {.place = r->place,
                                    .topic = r->s.topic,
                                    .deep = r->s.deep,
                                    .spool = r->s.spool,
                                    .arg = r,
                                    .say = say};
    const struct check_sums *n = &r->checked;

    TRY(stage_check(&o, &r->checked, e));
    printf("%" PRId64 " partitions, %" PRId64 " claims, %" PRId64 " rows, %" PRId64
           " set aside; files: %" PRId64 " as staged, %" PRId64 " merged, %" PRId64
           " cleaned, %" PRId64 " without their names yet\n",
           n->partitions, n->claims, n->rows, n->rejects, n->files, n->merged,
           n->cleaned, n->open);
    if (n->wrong > 0)
        return err_set(e, ERR_CONFLICT, "%" PRId64 " things are wrong", n->wrong);
    return ERR_OK;
}

/* --- the command ------------------------------------------------------------------ */

static const struct deed {
    const char *name, *phase; // what it is in etl_phase
    enum err_kind (*check)(struct stage_run *r, struct err *e); // called wrongly?
    enum err_kind (*run)(struct stage_run *r, struct err *e);
} deeds[] = {
    {"merge", "merge", check_merge, merge},
    {"clean", "clean", check_clean, clean},
    {"copy-into", "load", check_copy, copy_into},
    {"check", "check", check_check, check},
};

static enum err_kind open_place(struct stage_run *r, struct err *e)
{
    const struct settings *s = &r->s;
    const struct place_settings p = {
        .url = s->place,
        .timeout_ms = s->timeout_ms,
        .ca_file = s->ca,
        .hdfs = {s->hdfs_user, s->hdfs_token, s->hdfs_redirects},
        .s3 = {s->s3_endpoint, s->s3_region, s->s3_access_key, s->s3_secret_key,
               s->s3_token, s->s3_part}};

    return place_open(&r->place, &p, e);
}

static enum err_kind run_deed(struct stage_run *r, const struct deed *d, struct err *e)
{
    TRY(open_place(r, e));
    TRY(audit_begin(r, e));
    return audit_end(r, d->run(r, e), e);
}

static int do_deed(struct stage_run *r, const struct deed *d)
{
    struct err e = {0};

    snprintf(r->job, sizeof r->job, "stage %s", d->name);
    r->phase = (struct etl_phase){.number = 1, .name = d->phase};
    pg_init(&r->pg, r->s.audit != NULL ? r->s.audit : "", "avrogate stage");
    pg_init(&r->warehouse, r->s.warehouse != NULL ? r->s.warehouse : "",
            "avrogate stage");
    odbc_init(&r->odbc, r->s.connection);
    bool called_wrongly = d->check(r, &e) != ERR_OK;
    enum err_kind rc = called_wrongly ? e.kind : run_deed(r, d, &e);
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate stage %s: %s\n", d->name, e.msg);
    pg_close(&r->pg);
    pg_close(&r->warehouse);
    odbc_close(&r->odbc);
    place_close(r->place);
    av_schema_release(r->schema);
    return called_wrongly ? 2 : rc != ERR_OK || fflush(stdout) != 0;
}

static const struct deed *deed_of(const struct conf *conf)
{
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0] && conf->n_operands == 1; i++)
        if (strcmp(conf->operands[0], deeds[i].name) == 0)
            return &deeds[i];
    return NULL;
}

int cmd_stage(int argc, char **argv)
{
    struct conf conf = {0};
    struct stage_run r = {0};
    enum conf_outcome outcome;
    struct err e = {0};
    int code = 0;

    if (conf_read(&conf, &program, argc, argv, &r.s, &outcome, &e) != ERR_OK) {
        fprintf(stderr, "avrogate stage: %s\n", e.msg);
        conf_free(&conf);
        return 2;
    }
    const struct deed *d = deed_of(&conf);
    if (outcome == CONF_RUN && d == NULL) {
        fprintf(stderr,
                "avrogate stage: what? one of merge, clean, check, copy-into\n");
        code = 2;
    } else if (outcome == CONF_RUN) {
        code = do_deed(&r, d);
    }
    conf_free(&conf);
    return code;
}

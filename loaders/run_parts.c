#include "loaders/run_inside.h"

#include "base/clock.h"
#include "loaders/sink_files.h"
#include "loaders/sink_odbc.h"
#include "loaders/sink_postgres.h"
#include "loaders/source_kafka.h"
#include "loaders/source_stage.h"
#include "loaders/stage_envelope.h"

#include <stdio.h>
#include <stdlib.h>

/* --- what is read ------------------------------------------------------------------
 */

struct place_settings loader_source_place(const struct loader_settings *s)
{
    return (struct place_settings){
        .url = s->stage.place,
        .timeout_ms = s->stage.timeout_ms,
        .ca_file = s->stage.ca,
        .hdfs = {s->stage.hdfs_user, s->stage.hdfs_token, s->stage.hdfs_redirects},
        .s3 = {s->stage.s3_endpoint, s->stage.s3_region, s->stage.s3_access_key,
               s->stage.s3_secret_key, s->stage.s3_token, 0},
    };
}

/* "2/3" is the share 1 of 3. */
static enum err_kind read_share(const char *text, int32_t *share, int32_t *shares,
                                struct err *e)
{
    int i = 0, n = 0, end = 0;

    if (sscanf(text, "%5d/%5d%n", &i, &n, &end) != 2 || text[end] != '\0' || i < 1 ||
        i > n)
        return err_set(e, ERR_INVALID,
                       "source.stage.share \"%.20s\", wanted 1/3, 2/3 "
                       "or the like",
                       text);
    *share = i - 1;
    *shares = n;
    return ERR_OK;
}

static enum err_kind stage_options(const struct loader *l,
                                   struct stage_source_options *o, struct err *e)
{
    const struct loader_settings *s = &l->s;

    *o = (struct stage_source_options){
        .place = loader_source_place(s),
        .topic = s->topic,
        .format = s->stage.format,
        .spool = s->stage.spool,
        .interval_ms = s->stage.interval_ms,
        .batch_rows = s->batch_rows,
        .batch_bytes = s->batch_bytes,
        .batch_age_ms = s->batch_age_ms,
        .memory = s->memory,
        .until_end = s->until_end,
        .ordered = s->place == NULL &&
                   (s->mode != MERGE_APPEND || s->odbc_mode != MERGE_APPEND),
        .schemas = l->schemas,
    };
    if (s->stage.format != NULL && format_suffix(s->stage.format) == NULL)
        return err_set(e, ERR_INVALID,
                       "source.stage.format \"%.40s\", wanted one of %s",
                       s->stage.format, format_names);
    return read_share(s->stage.share, &o->share, &o->shares, e);
}

static enum err_kind open_stage(const struct loader *l, struct source **out,
                                struct err *e)
{
    struct stage_source_options o;

    TRY(stage_options(l, &o, e));
    return stage_source_open(out, &o, l->sink, e);
}

enum err_kind loader_open_source(const struct loader *l, struct source **out,
                                 struct err *e)
{
    if (l->s.stage.place != NULL)
        return open_stage(l, out, e);
    struct kafka_source_options o = {
        .bootstrap = l->s.bootstrap,
        .topic = l->s.topic,
        .group = l->group,
        .properties = &l->s.kafka,
        .batch_rows = l->s.batch_rows,
        .batch_bytes = l->s.batch_bytes,
        .batch_age_ms = l->s.batch_age_ms,
        .memory = l->s.memory,
        .until_end = l->s.until_end,
        .latest = l->s.start == 1,
    };

    return kafka_source_open(out, &o, l->sink, e);
}

/* The last part of "webhdfs://nn1:9870/stage/weather/". */
static char *topic_of(const char *place)
{
    size_t n = strlen(place);

    while (n > 0 && place[n - 1] == '/')
        n--;
    size_t at = n;
    while (at > 0 && place[at - 1] != '/')
        at--;
    return mem_str(span_of(place + at, n - at));
}

char *loader_use_stage(struct loader_settings *s)
{
    char *topic;

    if (s->stage.place == NULL)
        return NULL;
    topic = s->stage.topic != NULL ? mem_str(span_str(s->stage.topic))
                                   : topic_of(s->stage.place);
    s->topic = topic;
    if (s->bootstrap == NULL)
        s->bootstrap = s->stage.place;
    return topic;
}

enum err_kind loader_learn_stage(const struct loader *l, struct err *e)
{
    struct stage_source_options o;

    if (l->s.stage.place == NULL)
        return ERR_OK;
    TRY(stage_options(l, &o, e));
    return stage_source_learn(&o, e);
}

static enum err_kind check_source(struct loader *l, struct err *e)
{
    const struct loader_settings *s = &l->s;
    struct stage_source_options o;

    if (s->stage.place != NULL && s->bootstrap != l->s.stage.place)
        return err_set(e, ERR_INVALID,
                       "wanted one source: source.kafka.bootstrap or "
                       "source.stage.place");
    if (s->stage.place != NULL)
        return stage_options(l, &o, e);
    const char *missing = s->registry.n == 0     ? "registry"
                          : s->bootstrap == NULL ? "source.kafka.bootstrap"
                          : s->topic == NULL     ? "source.kafka.topic"
                                                 : NULL;
    if (missing != NULL)
        return err_set(e, ERR_INVALID, "%s is missing%s", missing,
                       s->bootstrap == NULL && s->registry.n > 0
                           ? " (or source.stage.place)"
                           : "");
    return ERR_OK;
}

static enum err_kind open_registry(struct loader *l, struct err *e)
{
    struct rc_options o = {
        .urls = l->s.registry.items,
        .n_urls = l->s.registry.n,
        .login = l->s.login,
        .latest_ttl_ms = 1, // asked only when a new writer appears, and then in earnest
    };
    struct sift_options so = {.subject = l->subject,
                              .unknown_ms = l->s.unknown_ms,
                              .timeout_ms = l->s.registry_timeout_ms,
                              .keys = l->s.tombstones == 1 ||
                                      l->s.odbc_tombstones == 1 ||
                                      (l->envelope & ENVELOPE_DELETED)};

    if (l->s.transform.root != NULL)
        TRY(transform_read(&l->transform, &l->s.transform, e));
    TRY(quality_read(&l->quality, &l->s.quality, e));
    run_rules_open(&l->rules, l->quality, clock_ms());
    l->memory = transform_memory_new(l->transform);
    so.transform = l->transform;
    so.memory = l->memory;
    so.quality = l->quality;
    if (l->schemas != NULL)
        so.schemas = stage_schemas_sift(l->schemas);
    if (o.n_urls > 0)
        TRY(rc_open(&l->rc, &o, e));
    return sift_open(&l->sift, l->rc, &so, e);
}

enum err_kind loader_open_reading(struct loader *l, struct err *e)
{
    TRY(check_source(l, e));
    TRY(envelope_read(&l->envelope, l->s.envelope.items, l->s.envelope.n, e));
    return open_registry(l, e);
}

/* --- where it goes -----------------------------------------------------------------
 */

struct place_settings loader_place(const struct loader_settings *s)
{
    return (struct place_settings){
        .url = s->place,
        .timeout_ms = s->place_timeout_ms,
        .ca_file = s->place_ca,
        .hdfs = {s->hdfs_user, s->hdfs_token, s->hdfs_redirects},
        .s3 = {s->s3_endpoint, s->s3_region, s->s3_access_key, s->s3_secret_key,
               s->s3_token, s->s3_part},
    };
}

static enum err_kind open_files(struct loader *l, struct err *e)
{
    const struct loader_settings *s = &l->s;
    struct files_options o = {
        .place = loader_place(s),
        .format = s->format,
        .how = {.codec = s->codec, .bloom = s->bloom.items, .n_bloom = s->bloom.n},
        .partition_by = s->partition_by,
        .envelope = l->envelope,
        .by_count = s->names == 1,
        .rotate_rows = s->rotate_rows,
        .rotate_bytes = s->rotate_bytes,
        .rotate_age_ms = s->rotate_age_ms,
        .memory = s->files_memory,
        .spool = s->spool,
        .job = s->job,
        .topic = s->topic,
        .source = s->bootstrap,
        .quality = l->quality,
        .dedupe = l->memory,
        .reject_limit = s->files_reject_limit,
        .reject_floor = s->files_reject_floor,
        .audit_url = s->audit_url,
        .max_behind_ms = s->max_behind_ms,
    };

    return files_sink_open(&l->sink, &o, e);
}

static enum err_kind check_mode(const struct loader_settings *s, struct err *e)
{
    bool append = s->mode == MERGE_APPEND;

    if (append && s->key.n > 0)
        return err_set(e, ERR_INVALID,
                       "sink.postgres.key is given, but mode append has no use for it: "
                       "wanted mode insert_ignore, upsert or history");
    if (!append && s->key.n == 0)
        return err_set(e, ERR_INVALID,
                       "sink.postgres.mode wants sink.postgres.key: the fields that "
                       "make a row the same row");
    if (s->tombstones == 1 && (append || s->mode == MERGE_INSERT_IGNORE))
        return err_set(
            e, ERR_INVALID,
            "sink.postgres.tombstones delete: wanted mode upsert or history");
    return ERR_OK;
}

bool loader_is_odbc(const struct loader_settings *s)
{
    return s->odbc_connection != NULL || s->odbc_dsn != NULL;
}

struct odbc_options loader_odbc(const struct loader_settings *s)
{
    bool deletes = s->odbc_tombstones == 1;

    return (struct odbc_options){
        .connection = s->odbc_connection,
        .dsn = s->odbc_dsn,
        .dialect = s->odbc_dialect,
        .table = s->odbc_table,
        .job = s->job,
        .topic = s->topic,
        .source = s->bootstrap,
        .reject_limit = s->odbc_reject_limit,
        .reject_floor = s->odbc_reject_floor,
        .isolate = s->batch_rows < 10000 ? s->batch_rows : 10000,
        .evolve = s->odbc_evolve,
        .mode = deletes && s->odbc_mode == APPLY_UPSERT ? APPLY_MIRROR
                                                        : (enum apply_mode)s->odbc_mode,
        .deletes = deletes,
        .keys = {s->odbc_key.items, s->odbc_key.n, s->odbc_mode == APPLY_HISTORY},
        .quarantine = s->odbc_quarantine,
        .ids_keep_ms = s->odbc_ids_keep_ms,
        .array = s->odbc_array,
        .lock_timeout_ms = s->odbc_lock_timeout_ms,
        .statement_timeout_ms = s->odbc_statement_timeout_ms,
    };
}

static enum err_kind open_odbc(struct loader *l, struct err *e)
{
    struct odbc_options o = loader_odbc(&l->s);

    o.quality = l->quality;
    o.memory = l->memory;
    if (o.deletes && o.mode != APPLY_MIRROR && o.mode != APPLY_HISTORY)
        return err_set(e, ERR_INVALID,
                       "sink.odbc.tombstones delete: wanted mode upsert or history");
    return odbc_sink_open(&l->sink, &o, e);
}

enum err_kind loader_open_sink(struct loader *l, struct err *e)
{
    if ((l->s.place != NULL) + (l->s.url != NULL) + loader_is_odbc(&l->s) != 1)
        return err_set(e, ERR_INVALID,
                       "wanted one sink: sink.postgres.url, sink.files.place, or "
                       "sink.odbc.connection or .dsn");
    if (l->s.place != NULL)
        return open_files(l, e);
    if (loader_is_odbc(&l->s))
        return open_odbc(l, e);
    if (l->s.table == NULL)
        return err_set(e, ERR_INVALID, "sink.postgres.table is missing");
    TRY(check_mode(&l->s, e));
    struct postgres_options o = {
        .url = l->s.url,
        .table = l->s.table,
        .job = l->s.job,
        .topic = l->s.topic,
        .source = l->s.bootstrap,
        .reject_limit = l->s.reject_limit,
        .reject_floor = l->s.reject_floor,
        .isolate = l->s.batch_rows < 10000 ? l->s.batch_rows : 10000,
        .evolve = l->s.evolve,
        .mode = (enum merge_mode)l->s.mode,
        .keys = {l->s.key.items, l->s.key.n, l->s.mode == MERGE_HISTORY},
        .deletes = l->s.tombstones == 1,
        .quality = l->quality,
        .memory = l->memory,
        .quarantine = l->s.quarantine,
        .ids_keep_ms = l->s.ids_keep_ms,
        .allow_unsafe = l->s.allow_unsafe,
        .lock_timeout_ms = l->s.lock_timeout_ms,
        .statement_timeout_ms = l->s.statement_timeout_ms,
    };

    return postgres_sink_open(&l->sink, &o, e);
}

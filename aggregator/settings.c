#include "aggregator/settings.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stddef.h>

#define AT(field) offsetof(struct aggregator_settings, field)
#define DAY_MS (INT64_C(86400) * 1000)

const struct conf_row aggregator_rows[] = {
    {"job", CONF_TEXT, AT(job), .required = true,
     .help = "name of the job: whose state, offsets and audit these are"},
    {"registry", CONF_LIST, AT(registry), .required = true, .min = 1, .max = 16,
     .help = "schema registry, one URL or several", .argument = "URL"},
    RC_LOGIN_TREE(struct aggregator_settings, login),
    {"registry_timeout", CONF_DURATION, AT(registry_timeout_ms), .fallback = "10s",
     .min = 100, .max = 300000, .help = "wait for one answer of the registry"},

    {"source.kafka.bootstrap", CONF_TEXT, AT(bootstrap), .required = true,
     .flag = "bootstrap", .argument = "HOST:PORT", .help = "brokers, with commas"},
    {"source.kafka.topic", CONF_TEXT, AT(topic), .required = true, .flag = "topic",
     .help = "topic to aggregate"},
    {"source.kafka.group", CONF_TEXT, AT(group),
     .help = "consumer group; instances of one job share it (default: the job)"},
    {"source.kafka.subject", CONF_TEXT, AT(subject),
     .help = "subject whose latest schema says what the fields are (default: "
             "TOPIC-value)"},
    {"source.kafka.start", CONF_CHOICE, AT(start), .fallback = "earliest",
     .choices = "earliest|latest",
     .help = "where a partition starts that this job never saw"},
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {"unknown_schema_wait", CONF_DURATION, AT(unknown_ms), .fallback = "60s", .min = 0,
     .max = DAY_MS,
     .help = "how long an id the registry does not know is waited for, before its "
             "records are set aside"},

    {"transform", CONF_TREE, AT(transform),
     .help = "steps that make other records of the records, before they are counted: "
             "docs/transforms.md"},
    {"aggregate.key", CONF_LIST, AT(key), .max = 16, .argument = "FIELD",
     .help = "fields whose values make a row, a.b for those inside records; none: one "
             "row"},
    {"aggregate.columns", CONF_PAIRS, AT(columns),
     .help = "NAME: count, count(FIELD), sum, min, max, avg or last (FIELD)"},
    {"aggregate.where", CONF_TEXT, AT(where),
     .help = "a condition in CEL: only records of which it is true count"},
    {"aggregate.time_field", CONF_TEXT, AT(time_field),
     .help = "a timestamp that is the record's time (default: Kafka's)"},
    {"aggregate.window.size", CONF_DURATION, AT(window_ms), .fallback = "0", .min = 0,
     .max = DAY_MS * 366, .help = "a row for each window so long; 0 = none"},
    {"aggregate.window.grace", CONF_DURATION, AT(grace_ms), .fallback = "10s", .min = 0,
     .max = DAY_MS * 366, .help = "how late a record may be before it is left out"},
    {"aggregate.window.keep", CONF_DURATION, AT(keep_ms), .fallback = "1d", .min = 0,
     .max = DAY_MS * 3660,
     .help = "how long a window stays in the table after its grace"},
    {"aggregate.ahead", CONF_DURATION, AT(ahead_ms), .fallback = "1d", .min = 0,
     .max = DAY_MS * 36600,
     .help = "a record whose time lies further in the future is set aside: it would "
             "close windows"},

    {"state.topic", CONF_TEXT, AT(changelog),
     .help = "compacted topic that keeps the table (default: JOB-changelog)"},
    {"state.replication", CONF_INT, AT(replication), .fallback = "0", .min = 0,
     .max = 100, .help = "copies of it when it is made; 0 = one a broker, 3 at most"},
    {"state.commit", CONF_DURATION, AT(commit_ms), .fallback = "1s", .min = 10,
     .max = 60000, .help = "from one transaction to the next"},
    {"dead_letters", CONF_TEXT, AT(dead_letters),
     .help = "topic for records that cannot be read or counted (default: they are "
             "counted and logged)"},

    {"sink.postgres.url", CONF_TEXT, AT(pg_url), .secret = true,
     .help = "postgresql://user@host:port/database, as libpq takes it"},
    {"sink.postgres.table", CONF_TEXT, AT(pg_table), .flag = "table",
     .help = "table, or schema.table, that has the aggregates"},
    {"sink.kafka.topic", CONF_TEXT, AT(publish_topic), .flag = "publish",
     .help = "topic that gets each row as it changes, as framed Avro"},
    {"audit.url", CONF_TEXT, AT(audit_url), .secret = true,
     .help = "database of the audit (default: that of sink.postgres)"},

    {"print", CONF_DURATION, AT(print_ms), .flag = "print", .fallback = "0", .min = 0,
     .max = DAY_MS, .help = "write the whole table to stdout so often; 0 = never"},
    {"print_rows", CONF_INT, AT(print_rows), .fallback = "0", .min = 0,
     .max = INT64_C(1) << 40, .help = "at most so many of its rows; 0 = all"},
    {"for", CONF_DURATION, AT(for_ms), .fallback = "0", .min = 0, .max = DAY_MS * 365,
     .help = "run for so long, then end; 0 = until told to stop"},
    {"sample", CONF_INT, AT(sample), .flag = "sample", .fallback = "0", .min = 0,
     .max = 1000000,
     .help =
         "show the table that so many of the topic's last records would make, write "
         "nothing, and end"},
    {"until_end", CONF_BOOL, AT(until_end), .flag = "until-end",
     .help = "end when everything on the topic at the start is counted"},
    {"listen", CONF_TEXT, AT(listen), .argument = "HOST:PORT",
     .help = "serve the table, /metrics, /healthz and /readyz there"},
    {"log_level", CONF_TEXT, AT(log_level), .fallback = "info",
     .help = "debug, info, warn or error"},
    {0},
};

/* --- what follows from them --------------------------------------------------------
 */

struct agg_asked aggregator_asked(const struct aggregator_settings *s)
{
    return (struct agg_asked){.keys = &s->key,
                              .columns = &s->columns,
                              .time_field = s->time_field,
                              .window_ms = s->window_ms,
                              .grace_ms = s->grace_ms,
                              .keep_ms = s->keep_ms,
                              .ahead_ms = s->ahead_ms};
}

char *aggregator_changelog(const struct aggregator_settings *s)
{
    return conf_or(s->changelog, s->job, "-changelog");
}

char *aggregator_group(const struct aggregator_settings *s)
{
    return conf_or(s->group, s->job, "");
}

char *aggregator_subject(const struct aggregator_settings *s)
{
    return conf_or(s->subject, s->topic, "-value");
}

char *aggregator_name(const struct aggregator_settings *s, int32_t partition)
{
    struct buf id = BUF_INIT(1000);

    buf_printf(&id, "avrogate-aggregate-%s-%" PRId32, s->job, partition);
    char *name = mem_str(buf_span(&id));
    buf_free(&id);
    return name;
}

/* What is deleted by age or size would be missing from the table. */
static enum err_kind check_policy(struct kf_admin *a, const char *changelog,
                                  int timeout_ms, struct err *e)
{
    struct arena mem = {0};
    struct span policy;
    enum err_kind rc =
        kf_topic_setting(a, changelog, "cleanup.policy", &mem, &policy, timeout_ms, e);

    if (rc == ERR_OK && !span_eq(policy, span_str("compact")))
        rc = err_set(e, ERR_INVALID,
                     "topic %s has cleanup.policy=" SPAN_FMT
                     ", wanted compact: rows would be lost",
                     changelog, SPAN_ARG(policy));
    arena_free(&mem);
    return rc;
}

enum err_kind aggregator_make_changelog(struct kf_admin *a,
                                        const struct aggregator_settings *s,
                                        const char *changelog, int32_t partitions,
                                        int timeout_ms, struct err *e)
{
    struct conf_pair items[] = {{"cleanup.policy", "compact", false},
                                AGGREGATOR_STAMPED,
                                {"segment.bytes", "67108864", false},
                                {"min.cleanable.dirty.ratio", "0.3", false}};
    struct conf_pairs config = {items, sizeof items / sizeof *items};
    int32_t there;

    TRY(kf_topic_create(a, changelog, partitions, (int16_t)s->replication, &config,
                        timeout_ms, e));
    TRY(kf_topic_partitions(a, changelog, &there, timeout_ms, e));
    if (there < partitions)
        return err_set(e, ERR_INVALID,
                       "topic %s has %" PRId32 " partitions, %s has %" PRId32
                       ": give it as many (kafka-topics --alter --partitions)",
                       changelog, there, s->topic, partitions);
    return check_policy(a, changelog, timeout_ms, e);
}

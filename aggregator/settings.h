/*
 * settings.h - an aggregate's pipeline file.
 */
#pragma once

#include "aggregate/spec.h"
#include "base/conf.h"
#include "kafka/client.h"
#include "registry-client/login.h"

#include <stdint.h>

struct aggregator_settings { // filled by the rows of aggregator_rows
    const char *job;
    struct conf_list registry;
    struct rc_login login; // at the registry
    int64_t registry_timeout_ms;

    const char *bootstrap, *topic, *group, *subject;
    int start;
    struct conf_pairs kafka;
    int64_t unknown_ms;

    struct conf_tree transform; // root NULL = none
    struct conf_list key;
    struct conf_pairs columns;
    const char *where, *time_field;
    int64_t window_ms, grace_ms, keep_ms, ahead_ms;

    const char *changelog;
    int64_t replication, commit_ms;
    const char *dead_letters;

    const char *pg_url, *pg_table;
    const char *publish_topic;
    const char *audit_url;

    int64_t print_ms, print_rows;
    int64_t for_ms, sample; // records; 0 = count
    bool until_end;
    const char *listen, *log_level;
};

extern const struct conf_row aggregator_rows[];

struct agg_asked aggregator_asked(const struct aggregator_settings *s); // borrows

/* What is not given has a name made of another's; the caller frees it. */
char *aggregator_changelog(const struct aggregator_settings *s); // JOB-changelog
char *aggregator_group(const struct aggregator_settings *s);     // JOB
char *aggregator_subject(const struct aggregator_settings *s);   // TOPIC-value
/* Whose the partition is: the transactional.id of its writer; the caller frees it. */
char *aggregator_name(const struct aggregator_settings *s, int32_t partition);

/* A struct conf_pair of every topic that is made here: the brokers stamp its records.
 * From whose clock is an hour ahead they would take none
 * (message.timestamp.after.max.ms), and the table would stand still. */
#define AGGREGATOR_STAMPED                               \
    {                                                    \
        "message.timestamp.type", "LogAppendTime", false \
    }

/* The changelog of a topic of so many partitions, made when it is not there.
 * ERR_INVALID: it is there, and cannot be used. */
enum err_kind aggregator_make_changelog(struct kf_admin *a,
                                        const struct aggregator_settings *s,
                                        const char *changelog, int32_t partitions,
                                        int timeout_ms, struct err *e) MUST_USE;

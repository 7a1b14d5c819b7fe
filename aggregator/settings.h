/*
 * settings.h - an aggregate's pipeline file.
 */
#pragma once

#include "base/conf.h"
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
    int64_t for_ms;
    bool until_end;
    const char *listen, *log_level;
};

extern const struct conf_row aggregator_rows[];

/*
 * dlq_inside.h - what the questions of `avrogate dlq` share.
 */
#pragma once

#include "cli/dlq_edit.h"
#include "cli/dlq_read.h"
#include "cli/gateway_login.h"
#include "registry-client/login.h"

#define DLQ_TOPIC_MOST 255

struct dlq_settings {
    const char *bootstrap, *topic, *output;
    const char *gateway;
    struct gateway_login gateway_login;
    const char *csv_header;
    int64_t partition, offset, last;
    int64_t timeout_ms, patience_ms;
    struct conf_pairs where, kafka, param;
    struct dlq_edit_settings edit;
    struct conf_list registry;
    struct rc_login login; // at the registry
    bool json, dry_run, quiet;
};

struct dlq {
    struct dlq_settings s;
    struct dlq_source source; // of `s`
    struct kf_admin *kafka;
    char topic[DLQ_TOPIC_MOST]; // the operand; with ".dlq"
    struct dlq_edit *edit;      // NULL: as they are
};

/* Each returns the process's exit code, or fails: *e says why. */
enum err_kind dlq_ls(struct dlq *d, int *code, struct err *e) MUST_USE;
enum err_kind dlq_show(struct dlq *d, int *code, struct err *e) MUST_USE;
enum err_kind dlq_export(struct dlq *d, int *code, struct err *e) MUST_USE;
enum err_kind dlq_replay(struct dlq *d, int *code, struct err *e) MUST_USE;

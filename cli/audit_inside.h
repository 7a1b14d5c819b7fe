/*
 * audit_inside.h - for the files of avrogate audit.
 */
#pragma once

#include "base/conf.h"
#include "cli/audit_db.h"
#include "cli/audit_print.h"

struct audit_settings {
    struct audit_at at;
    const char *job, *topic, *bootstrap;
    int64_t since_ms, limit;
    bool json, csv;
    struct conf_pairs kafka;
};

struct audit {
    struct audit_settings s;
    struct audit_db db;
    enum audit_form form;
    const char *args[4]; // of the queries
    char since[24], limit[24];
    struct buf out;
    size_t wrong;
};

/* Appends rows in the form that was asked for. */
void audit_show(struct audit *a, const PGresult *r);
enum err_kind audit_verify(struct audit *a, struct err *e);
/* What verify asks of a database of a->db.d, one after the other; false past the last.
 */
bool audit_verify_say(struct buf *sql, const struct audit *a, size_t i);

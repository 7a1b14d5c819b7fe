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
    struct buf out;
    size_t wrong;
};

/* Appends rows in the form that was asked for. */
void audit_show(struct audit *a, const PGresult *r);
/* Appends a statement whose {words} are the dialect's and the settings'. */
void audit_put(struct buf *sql, const struct audit *a, const char *template);
enum err_kind audit_ask(struct audit *a, PGresult **r, const char *template,
                        struct err *e) MUST_USE;

enum err_kind audit_verify(struct audit *a, struct err *e);
/* What is asked of any database, by verify and in all, one after the other; false past
 * the last. */
bool audit_verify_say(struct buf *sql, const struct audit *a, size_t i);
bool audit_say(struct buf *sql, const struct audit *a, size_t i);

/*
 * migrate.h - brings the audit's tables to the version this program knows.
 *
 * loaders/sql/NNN-name.sql are embedded at build time and applied in order, each in
 * its own transaction with its row in etl_version, under an advisory lock: any number
 * of instances may start at once.  A file is never changed once it was released; a
 * database newer than the program is refused.
 */
#pragma once

#include "loaders/pg.h"

struct migration {
    int number;
    const char *name, *sql;
};

extern const struct migration migrations[];
extern const size_t n_migrations;
extern const char migrate_version_table[]; // the statement that makes etl_version

enum err_kind migrate(struct pg *pg, struct err *e) MUST_USE;

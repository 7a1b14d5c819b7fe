/*
 * table.h - what the fake registry knows: schemas by id, ids by subject and version.
 *
 * Not thread-safe; registry_fake.c has the lock.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

struct fake_schema {              // id = index + 1
    struct span text, references; // references: JSON array or empty; in the arena
};

struct fake_subject {
    struct span name;
    int32_t *ids; // of version 1, 2, ...
    size_t n;
    bool refuses; // what is new
};

struct fake_table {
    struct arena arena;
    struct fake_schema *schemas;
    size_t n_schemas;
    struct fake_subject *subjects;
    size_t n_subjects;
};

void table_free(struct fake_table *t);
struct fake_subject *table_subject(struct fake_table *t, struct span name, bool make);
int32_t table_find(const struct fake_table *t, struct span text,
                   struct span references);
/* The version of `id` in the subject, 0 = none. */
int32_t table_version(const struct fake_subject *s, int32_t id);
/* Its id; a new one where the schema is new. */
int32_t table_add(struct fake_table *t, struct fake_subject *s, struct span text,
                  struct span references);
bool table_guid(const struct fake_table *t, int32_t id, uint8_t guid[16]);

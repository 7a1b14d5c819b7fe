/*
 * decide_inside.h - what the files of decisions share: decide.c registers, delete.c
 * deletes, scope.c sets what holds for a subject, a context or all.
 */
#pragma once

#include "registry/decide.h"
#include "wire/status.h"

/* What every rule needs at hand. */
struct deciding {
    struct reg_decision *out;
    const struct reg_state *s;
    const struct reg_command *c; // its subject is the one meant, in its one form
    const struct reg_rules *rules;
    const struct reg_subject *subject; // NULL when nobody registered anything under it
    struct arena *a;
    size_t cap; // of out->events
};

#define REFUSE(d, code, ...) reg_refuse(&(d)->out->no, (d)->a, (code), __VA_ARGS__)

/* The next event, about the command's subject; good until the one after it. */
struct reg_event *add_event(struct deciding *d, enum reg_event_kind kind);
/* Each form of a key gets its tombstone, or compaction would leave the record under the
 * other form to rise again. */
void add_tombstones(struct deciding *d, const struct reg_version *v);
void add_scope_tombstones(struct deciding *d, enum reg_event_kind kind,
                          struct span subject, const struct reg_scope *scope);

/* Each refuses when it is false. */
bool subject_is_fine(struct deciding *d);
bool may_write(struct deciding *d);
void refuse_no_subject(struct deciding *d);

/* What is sent, with what its command's tagging asks for.  false: refused. */
bool tag_schema(struct deciding *d, struct api_schema *sent);
/* The version that is to be tagged, as something sent.  false: refused. */
bool schema_to_tag(struct deciding *d, struct api_schema *sent);

void decide_delete_version(struct deciding *d);
void decide_delete_subject(struct deciding *d);
void decide_set_config(struct deciding *d);
void decide_drop_config(struct deciding *d);
void decide_set_mode(struct deciding *d);
void decide_drop_mode(struct deciding *d);
void decide_drop_context(struct deciding *d);

bool config_is(const struct reg_scope *scope, const struct api_config *change);

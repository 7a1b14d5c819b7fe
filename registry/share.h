/*
 * share.h - which decisions may be written in one transaction.
 *
 * A commit costs the same for one record as for a hundred, so requests that wait share
 * one.  But each was decided on the state alone, not on what the others will change.
 * So they share only when that makes no difference: new versions of different
 * subjects, of different schemas, without references, in contexts that exist.  What
 * else one registration has to do with another is the id, the next of its context:
 * `ids` says how many were given already (struct reg_rules.ids_ahead).  Whatever does
 * not fit waits for the next transaction and is decided anew.  Pure.
 */
#pragma once

#include "registry/decide.h"

#define REG_SHARE_MOST 128 // decisions in a transaction

struct reg_share {
    const struct reg_decision *members[REG_SHARE_MOST]; // borrowed
    size_t n;
    bool closed; // its one member shares with none
};

/* How many ids of `subject`'s context the members will have taken. */
int32_t reg_share_ids(const struct reg_share *s, struct span subject);
/* Adds `d`, decided with those ids ahead; false: it must wait for the next. */
bool reg_share_add(struct reg_share *s, const struct reg_command *c,
                   const struct reg_decision *d);

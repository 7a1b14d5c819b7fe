/*
 * decide.h - command + state -> events, or a refusal.  All the rules of writing.
 *
 * The order of decisions is Confluent's (docs/registry.md).  A command that asks for
 * what is so already gives no events: it is answered from the state.  Pure.
 */
#pragma once

#include "registry/candidate.h"
#include "registry/tags.h"

enum reg_verb {
    REG_DO_REGISTER,
    REG_DO_SET_CONFIG,
    REG_DO_DROP_CONFIG,
    REG_DO_DELETE_VERSION,
    REG_DO_DELETE_SUBJECT,
    REG_DO_SET_MODE,
    REG_DO_DROP_MODE,
    REG_DO_DROP_CONTEXT,
    REG_DO_TAG,
};

/* Tags put into the text of a schema on its way; see tags.h. */
struct reg_tagging {
    struct reg_tags add, drop;
    bool propagate; // REGISTER: those of the newest version too
    // TAG: what the new version has besides; JSON as sent, empty = as before
    struct span metadata, rules, rules_to_merge;
    struct span *rules_to_drop;
    size_t n_rules_to_drop;
};

struct reg_command {
    enum reg_verb verb;
    struct span subject;      // "" = all of the default context
    struct api_schema schema; // REGISTER; of TAG the new version's number alone
    bool normalize;           // REGISTER
    bool force;               // REGISTER, SET_MODE
    struct api_config config; // SET_CONFIG: the change
    enum api_mode mode;       // SET_MODE
    bool recursive;           // DROP_MODE: those of all subjects in the scope too
    int32_t version;          // DELETE_VERSION, TAG; 0 = latest
    const struct reg_tagging *tagging; // REGISTER, TAG; NULL = none
    bool permanent;                    // DELETE_*
    struct reg_act by;                 // who asks, from where and why
};

struct reg_decision {
    struct reg_refusal no; // code 0: go
    struct reg_event *events;
    size_t n;
    bool left;                // reg_rules.only_known, and it is new
    int32_t id, version;      // REGISTER, TAG, DELETE_VERSION: what it is about
    bool new_id;              // REGISTER, TAG: nothing had that id before
    uint8_t md5[16];          // REGISTER, TAG
    struct api_config config; // SET_CONFIG: as sent, tidied; DROP_CONFIG: what was
    int32_t *versions;        // DELETE_SUBJECT: those deleted
    size_t n_versions;
    enum api_mode mode; // SET_MODE: as set; DROP_MODE: what was
};

struct reg_rules {     // settings that change a rule
    bool code_40901;   // an incompatible schema is error 40901, not 409
    int32_t ids_ahead; // of the context, given in the same transaction (share.h)
    bool only_known;   // REGISTER: is it there?  What is new is left undecided
};

/* The events borrow from command, state and arena: write them out before anything is
 * applied.  The rest of *out is the command's and the arena's. */
void reg_decide(struct reg_decision *out, const struct reg_state *s,
                const struct reg_command *c, const struct reg_rules *rules,
                struct arena *a);

/* Is what `d` decided for `c` so in this state?  How an unknown outcome is resolved. */
bool reg_is_so(const struct reg_state *s, const struct reg_command *c,
               const struct reg_decision *d);

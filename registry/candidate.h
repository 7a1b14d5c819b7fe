/*
 * candidate.h - a schema somebody sent: parsed, its references resolved, written in the
 * form it would be stored in; and the questions asked about it.
 *
 * The rules of identity are docs/registry.md's.  Pure: reads the state, changes
 * nothing.  One thread; the state must not change while a candidate borrows from it.
 */
#pragma once

#include "registry/state.h"

#include "wire/messages.h"

struct reg_refusal {
    int code; // registry error code; 0 = none
    struct span message;
};

struct reg_candidate {
    struct api_schema what; // as it would be stored
    uint8_t md5[16];
    struct av_schema *parsed;
    struct span sent;               // the text it was parsed from
    bool says_metadata, says_rules; // not sent: any the stored one has will do
};

/*
 * Makes a candidate for `subject` from what was sent.  False: *no says why.
 * reg_candidate_free() it when it was made.
 */
bool reg_candidate_make(struct reg_candidate *out, const struct reg_state *s,
                        struct span subject, const struct api_schema *sent,
                        bool normalize, struct arena *a, struct reg_refusal *no);
void reg_candidate_free(struct reg_candidate *c);

/* Gives it what a new version gets besides what was sent: what the version before it
 * has, over the defaults and under the overrides of `config`. */
void reg_candidate_dress(struct reg_candidate *c, const struct reg_version *before,
                         const struct api_config *config, struct arena *a);
/* Can every rule of it be asked of a record of it?  False: *no says which cannot. */
bool reg_candidate_keeps_rules(const struct reg_candidate *c, struct arena *a,
                               struct reg_refusal *no);
/* Does `config` change what is registered? */
bool reg_config_dresses(const struct api_config *config);

/* The version of `subject` that is this very schema, the newest; NULL = none. */
const struct reg_version *reg_candidate_find(const struct reg_candidate *c,
                                             const struct reg_state *s,
                                             const struct reg_subject *subject,
                                             bool deleted);

/* The version that a reference means which stands in a schema of `context`, or NULL. */
const struct reg_version *reg_referred(const struct reg_state *s, struct span context,
                                       const struct api_reference *ref);
/* The text of a stored schema with all that it refers to written out in it. */
enum err_kind reg_written_out(struct span *out, const struct reg_state *s,
                              const struct reg_schema *schema, struct arena *a,
                              struct err *e) MUST_USE;

struct reg_misfit {           // lives in the arena it was made in
    const struct span *lines; // as Confluent words them; NULL: it fits
    size_t n_lines;
    const struct av_verdict *verdict; // NULL too where a stored schema is unreadable
    const struct messages_old *old;   // what the verdict counts
};

/* Does `c` not fit `versions[0..n)`, oldest first, under `level`?  *out says why. */
bool reg_candidate_misfit(const struct reg_candidate *c, const struct reg_state *s,
                          const struct reg_version *const *versions, size_t n,
                          enum av_level level, struct arena *a, struct reg_misfit *out);

/* Under validateFields: names that the metadata reserves ("confluent:reserved", with
 * commas) are no fields at the top, and stay reserved. */
bool reg_candidate_breaks_reserve(const struct reg_candidate *c,
                                  const struct reg_subject *subject,
                                  const struct api_config *config, struct arena *a,
                                  struct reg_misfit *out);

/* The living versions that a schema of this metadata is compared with: those of its
 * compatibility group, all of them or the newest alone. */
const struct reg_version **reg_versions_compared(const struct reg_subject *subject,
                                                 const struct api_config *config,
                                                 struct span metadata, struct arena *a,
                                                 size_t *n);

/* A span for printf in full: clients read these messages. */
#define WHOLE_FMT "%.*s"
#define WHOLE(s) (int)(s).n, (s).n ? (const char *)(s).p : ""

void reg_refuse(struct reg_refusal *no, struct arena *a, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

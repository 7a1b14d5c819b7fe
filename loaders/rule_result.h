/*
 * rule_result.h - rows of etl_rule_result: what a quality rule said in a run.
 *
 * Pure: statements out, nothing run.
 */
#pragma once

#include "loaders/dialect.h"
#include "quality/quality.h"

struct rule_result { // all texts borrowed
    const char *name, *severity, *form, *wanted;
    int64_t checked, failed, errors;
    const char *last_failed, *stopped; // NULL = nothing to say
};

#define RULE_LAST (QUALITY_WHY + 300)
/* Of a rule's counts; `last` holds "weather/3@105: city is null". */
void rule_result_of(struct rule_result *out, const struct quality_rule *rule,
                    const struct quality_count *count, const char *topic,
                    char last[RULE_LAST]);

struct rule_origin {
    const char *run_id, *job, *topic;
};

/*
 * Appends what adds the counts to the run's rows, or with `set` raises them to these
 * (they never fall, and telling them again changes nothing): a statement without its
 * end, whose rows come `FROM from` when that is not NULL (a list of tables in scope;
 * `run_id` is then an expression of it).  Nothing when `n` is 0.
 */
void rule_result_put(struct buf *sql, const struct rule_origin *o,
                     const struct rule_result *results, size_t n, bool set,
                     const char *from);

/* The same in a dialect's words, where no single statement does it everywhere: rows of
 * nothing for rules that have none yet, and then what adds, or sets. */
void rule_result_put_once(struct buf *sql, const struct dialect *d,
                          const struct rule_origin *o,
                          const struct rule_result *results, size_t n);
void rule_result_put_change(struct buf *sql, const struct dialect *d,
                            const struct rule_origin *o,
                            const struct rule_result *results, size_t n, bool set);

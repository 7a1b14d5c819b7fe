/*
 * run_rules.h - quality rules of a run: rows and freshness, asked at its end and, with
 * `every`, while it goes on; and what every rule said so far, for the metrics.
 *
 * Pure: times come in.  One thread, the pump's.
 */
#pragma once

#include "loaders/rule_result.h"

struct run_rules {
    struct quality *q; // borrowed
    struct quality_count *totals;
    int64_t rows; // loaded so far
    struct of_run {
        int64_t checked, failed;
        int64_t asked_ms, rows_before; // the last interval's end
        char last[QUALITY_WHY];
    } * of;
    int stop; // the rule that ended the run, -1 = none
    char stopped[240];
    bool changed; // since run_rules_results()
};

/* `q` NULL: there are none, and all calls do nothing. */
void run_rules_open(struct run_rules *r, struct quality *q, int64_t now_ms);
void run_rules_close(struct run_rules *r);

/* A batch is durable; `counts` NULL = nobody was asked. */
void run_rules_note(struct run_rules *r, const struct quality_count *counts,
                    int64_t loaded);

/*
 * Asks what is due; `at_end`: all that is asked of the whole run, too.  ERR_LIMIT: a
 * rule of severity fail says no, and which.  `wall` is in nanoseconds since 1970.
 */
enum err_kind run_rules_ask(struct run_rules *r, bool at_end, int64_t now_ms,
                            int64_t wall, struct err *e) MUST_USE;

/* A rule said stop; `why` as the run says it. */
void run_rules_stop(struct run_rules *r, int rule, const char *why);

/* The rules of the run, and one that stopped it, as etl_rule_result is to have them (a
 * record's rule without its counts): room for quality_rules(q); returns how many. */
size_t run_rules_results(struct run_rules *r, struct rule_result *out);

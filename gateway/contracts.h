/*
 * contracts.h - the rules of schemas, compiled: a request finds its own ready.
 *
 * Kept by schema id and subject, for the subject is what the counters say.  A contract
 * is immutable and counted, as a codec is; a table that is full begins anew.  Any
 * thread; the lock covers the look-up only.
 */
#pragma once

#include "base/tab.h"
#include "contract/contract.h"
#include "gateway/batch.h"
#include "registry-client/registry_client.h"

#include <pthread.h>

enum contracts_mode { CONTRACTS_ENFORCE, CONTRACTS_OBSERVE, CONTRACTS_OFF };

struct gw_contract; // one schema's

struct contracts {
    enum contracts_mode mode;
    size_t most;
    pthread_mutex_t lock;
    struct tab table;    // under lock: "id subject" -> gw_contract, one user each
    struct gw_run *idle; // under lock: those nobody uses now
};

void contracts_count_install(void);
void contracts_init(struct contracts *t, size_t most, enum contracts_mode mode);
void contracts_free(struct contracts *t);

/*
 * The contract of `s`, NULL where it has none; gw_contract_release() when done.
 * `subject` as it was meant, empty when it was asked for by id.  ERR_INVALID: its rules
 * cannot be carried out here, and nothing may be written with it.
 */
enum err_kind contracts_get(struct contracts *t, const struct rc_schema *s,
                            struct span subject, struct gw_contract **out,
                            struct err *e) MUST_USE;
void gw_contract_release(struct gw_contract *c); // NULL is fine

/* A thread's place to ask from, for one request.  What the rules did is counted when it
 * is given back, if it is: a request that is read again would count twice. */
struct gw_run;
struct gw_run *contracts_take_run(struct contracts *t);
void contracts_give_run(struct contracts *t, struct gw_run *run, bool count);

/*
 * Asks of the datum that `out` ends with, from `at` on, and replaces it by what the
 * rules make of it.  False: refused; then one problem is added, and `it` says by which
 * rule.  `offset` is where the record begins in its text.
 */
bool gw_contract_holds(struct gw_contract *c, struct gw_run *run, struct buf *out,
                       size_t at, size_t offset, struct item *it,
                       struct av_problems *problems);

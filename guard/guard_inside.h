/*
 * guard_inside.h - guard.c holds the files and reads them again, admit.c asks them.
 */
#pragma once

#include "base/queue.h"
#include "guard/acl.h"
#include "guard/guard.h"
#include "guard/jwt.h"
#include "guard/passwords.h"
#include "guard/proven.h"
#include "guard/rate.h"

#include <stdatomic.h>

#define HASHERS 2 // threads that hash passwords: as much of the machine as logins get
#define HASHES 64 // requests that may wait for one

struct watched { // a file as it was when last looked at
    const char *path;
    int64_t seen[4]; // device and inode, size, time of change: 0 when absent
    bool changed;    // and not read again yet
};

struct guard {
    const struct guard_settings *s;
    struct http_tls *tls;

    pthread_rwlock_t lock;
    // under lock, which nobody holds for long
    struct passwords *passwords; // NULL: no passwords are asked for
    struct acl *acl;             // NULL: whoever is in may do everything
    struct jwks *keys;           // NULL: not asked for, or not had yet
    // end of lock
    struct jwt_rules tokens;  // constant
    _Atomic int64_t keys_due; // of a URL: clock_ms() when it is asked again

    struct rate requests, guesses;
    // constant: of a principal, of an address or a name, of an address at one name
    struct rate_rule of_one, of_guesser, of_guesser_at_one;
    _Atomic int64_t tell_due; // clock_ms() at which a line may be written again
    atomic_llong untold;      // refusals without a line since the last

    struct proven proven;
    struct queue hashing; // of struct hashing, admit.c
    pthread_t hashers[HASHERS];
    bool is_hashing;

    pthread_t watcher;
    bool is_watching;
    pthread_mutex_t watch_lock;
    pthread_cond_t stop_watching;
    bool stopped; // under watch_lock
    struct watched files[7];
    size_t nfiles;
};

void *guard_hash(void *guard); // a thread's life: until `hashing` is closed

/* throttle.c: too many requests, too many wrong passwords.  false: has been told 429.
 */
/* Where `peer` ("127.0.0.1:40332") is, as a name of its bucket: of IPv6 the /64, which
 * is what one customer gets. */
struct span throttle_address(struct span peer, struct arena *a);
void throttle_init(struct guard *g);
void throttle_free(struct guard *g);
bool throttle_request(struct guard *g, struct http_req *r); // when it is known who asks
bool throttle_guess(struct guard *g, struct http_req *r, struct span user);
void throttle_wrong(struct guard *g, struct http_req *r, struct span user);

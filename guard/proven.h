/*
 * proven.h - credentials that were found good a little while ago.
 *
 * A password's hash costs a tenth of a second by design; a client that sends the same
 * password with each request pays it once in PROVEN_MS.  Kept is a keyed hash of name
 * and password under a key of this process, never the password.  Only what was good is
 * kept, at most PROVEN_MOST of them.  Any thread.
 */
#pragma once

#include "base/tab.h"

#include <pthread.h>

#define PROVEN_MS 60000
#define PROVEN_MOST 4096

struct proven {
    pthread_mutex_t lock;
    // under lock
    struct tab good; // keyed hash -> struct proof
    uint64_t age;    // counts up at each proven_forget()
    uint8_t key[32]; // constant
};

void proven_init(struct proven *p);
void proven_free(struct proven *p);

bool proven_has(struct proven *p, struct span credential, int64_t now_ms);

/* Was it good, however long ago?  No proof that it is; one that is no guess. */
bool proven_knows(struct proven *p, struct span credential);

/* `age`: what proven_age() said before the credential was checked; one that was checked
 * against what has been forgotten since is not taken. */
void proven_put(struct proven *p, struct span credential, uint64_t age, int64_t now_ms);
uint64_t proven_age(struct proven *p);
void proven_forget(struct proven *p);

/*
 * passwords.h - who has which password, as hashes: the file `htpasswd -B` writes.
 *
 *      alice:$2y$12$...
 *
 * Hashes are those of crypt(5) that cost an attacker something: bcrypt, yescrypt,
 * scrypt, sha512crypt.  Immutable once read: any thread may ask.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define PASSWORDS_FILE (4 << 20) // bytes
#define PASSWORDS_MOST 100000    // users
#define PASSWORDS_HASH 256       // bytes of one, and its NUL
#define PASSWORDS_USER 255
#define PASSWORDS_TEXT 255 // bytes of a password; bcrypt looks at the first 72

struct passwords;

/* ERR_INVALID and ERR_LIMIT name the line, never what stands in it behind the name. */
enum err_kind passwords_read(struct passwords **out, struct span text,
                             struct err *e) MUST_USE;
void passwords_free(struct passwords *p);

/* The hash of `user`, copied.  false: there is no such user, and `hash` is another's,
 * to be tried all the same, so that time does not tell. */
bool passwords_hash(const struct passwords *p, struct span user,
                    char hash[PASSWORDS_HASH]);

/* Is `hash` that of `password`?  A tenth of a second and more: not on a loop. */
bool passwords_fit(const char *hash, const char *password);

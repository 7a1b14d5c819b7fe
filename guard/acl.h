/*
 * acl.h - who may do what to which subject or topic: a file of permissions, one a line.
 *
 *      # who                     may             where
 *      user:alice                read,write      subject:orders-*
 *      "cert:CN=Etl,O=Shop Ltd"  write           topic:orders
 *      *                         read            subject:*
 *      user:root                 all             *
 *
 * Nothing is permitted but what a line permits, and no line takes away.  A name ends in
 * `*` to mean all that begin so, else it is meant exactly; `*` alone as place is every
 * subject and topic.  A principal is user:NAME (password), cert:NAME (certificate, RFC
 * 2253) or anonymous; `*` is everybody, anonymous too.
 *
 * Immutable once read: any thread may ask.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum acl_op { ACL_READ, ACL_WRITE, ACL_DELETE, ACL_CONFIGURE, ACL_OPS };
enum acl_kind { ACL_SUBJECT, ACL_TOPIC };

#define ACL_FILE (4 << 20) // bytes
#define ACL_RULES 100000
#define ACL_PRINCIPAL 1024 // bytes

/* How a principal begins, by what it was known by. */
#define ACL_USER "user:"   // a name of the passwords
#define ACL_CERT "cert:"   // a certificate's
#define ACL_TOKEN "token:" // a token's claim
/* Is it one of these, and somebody behind it? */
bool acl_is_name(struct span principal);

struct acl;

/* ERR_INVALID and ERR_LIMIT name the line. */
enum err_kind acl_read(struct acl **out, struct span text, struct err *e) MUST_USE;
void acl_free(struct acl *a);

bool acl_may(const struct acl *a, struct span who, enum acl_op op, enum acl_kind kind,
             struct span name);
/* May they do so to all there are and will be? */
bool acl_may_all(const struct acl *a, struct span who, enum acl_op op,
                 enum acl_kind kind);

const char *acl_op_name(enum acl_op op); // "read"
const char *acl_kind_name(enum acl_kind kind);

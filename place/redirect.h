/*
 * redirect.h - may a NameNode send us there?  Pure.
 *
 * Whoever answers for a NameNode chooses the host that our bytes go to.  With a list,
 * only its hosts; without one, any but those that no DataNode has: link-local addresses
 * (where clouds keep their credentials), and loopback unless the NameNode is there,
 * too.
 */
#pragma once

#include "base/conf.h"
#include "base/err.h"
#include "base/span.h"

/* `from` "nn1:9870".  ERR_INVALID: refused. */
enum err_kind redirect_check(struct span to, const char *from, bool tls,
                             const struct conf_list *allowed, struct err *e) MUST_USE;

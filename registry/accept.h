/*
 * accept.h - which of the registry's content types a client takes, and sends.
 *
 * RFC 9110, 12.5.1 and 8.3.  We write three types, best first:
 * application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json,
 * application/json; and read those and application/octet-stream.  Pure.
 */
#pragma once

#include "base/span.h"

#define REG_JSON "application/vnd.schemaregistry.v1+json"

/* The type to answer in, a literal; NULL when the client takes none of ours (406). */
const char *reg_accepted(struct span accept);

/* May a body of this type be read?  None said is fine.  False: 415. */
bool reg_readable(struct span content_type);

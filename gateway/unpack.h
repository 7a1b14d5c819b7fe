/*
 * unpack.h - a body under a Content-Encoding, unpacked in its place (http/coding.h).
 *
 * It may become as long as any body may be, and its bytes count as those of its sender
 * while it grows (admit.h).
 */
#pragma once

#include "http/server.h"

struct gateway;

/* Is there something to be done, which wants a worker? */
bool unpack_is_due(const struct http_req *r);
/* 0, and req->body is the body; else the status it is refused with, and why. */
int unpack_body(struct gateway *g, struct http_req *r, struct err *e);

/*
 * status.h - our kinds of failure as HTTP statuses, and the registry's error codes.
 *
 * One table (status.c).  A registry error code names its HTTP status in its first three
 * digits (registry interface facts: docs/registry.md): 40401 -> 404.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum registry_code {
    REG_INCOMPATIBLE_OLD = 409, // up to Confluent 8.1; 40901 from 8.2 on
    REG_INCOMPATIBLE = 40901,
    REG_SUBJECT_NOT_FOUND = 40401,
    REG_VERSION_NOT_FOUND = 40402,
    REG_SCHEMA_NOT_FOUND = 40403,
    REG_SUBJECT_SOFT_DELETED = 40404,
    REG_SUBJECT_NOT_SOFT_DELETED = 40405,
    REG_VERSION_SOFT_DELETED = 40406,
    REG_VERSION_NOT_SOFT_DELETED = 40407,
    REG_SUBJECT_LEVEL_NOT_FOUND = 40408,
    REG_SUBJECT_MODE_NOT_FOUND = 40409,
    REG_INVALID_SCHEMA = 42201,
    REG_INVALID_VERSION = 42202,
    REG_INVALID_LEVEL = 42203,
    REG_INVALID_MODE = 42204,
    REG_NOT_PERMITTED = 42205,
    REG_REFERENCE_EXISTS = 42206,
    REG_ID_MISMATCH = 42207,
    REG_INVALID_SUBJECT = 42208,
    REG_TOO_LARGE = 42209,
    REG_INVALID_RULES = 42210,
    REG_CONTEXT_NOT_EMPTY = 42211,
    REG_STORE_ERROR = 50001,
    REG_TIMEOUT = 50002,
    REG_FORWARD_FAILED = 50003,
    REG_NO_LEADER = 50004,
};

int status_of_kind(enum err_kind k); // ERR_INVALID -> 422, ERR_UNAVAILABLE -> 503, ...
int status_of_code(int error_code);  // 40401 -> 404, 404 -> 404
enum err_kind kind_of_status(
    int http); // for clients: 503 -> ERR_UNAVAILABLE, 404 -> ERR_NOT_FOUND

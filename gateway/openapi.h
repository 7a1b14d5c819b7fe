/*
 * openapi.h - the gateway's interface described, served at /openapi.json.
 */
#pragma once

#include "http/openapi.h"

extern const struct openapi_book gateway_openapi;

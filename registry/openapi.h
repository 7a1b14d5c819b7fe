/*
 * openapi.h - the registry's interface described, served at /openapi.json.
 */
#pragma once

#include "http/openapi.h"

extern const struct openapi_book registry_openapi;

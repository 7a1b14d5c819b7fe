/*
 * openapi_inside.h - openapi.c has the paths, openapi_schemas.c what is sent and
 * answered.
 */
#pragma once

#include "registry/openapi.h"

/* "Name":{...},... of every component that paths may refer to. */
void openapi_put_schemas(struct buf *out);

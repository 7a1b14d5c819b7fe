/*
 * schema_history.h - `avrogate schema history`: who did what to a subject's versions,
 * as a registry tells it.
 */
#pragma once

int cmd_schema_history(int argc, char **argv);

/*
 * schema.h - `avrogate schema canonical|check|compat|print|rule`: questions about schema
 * files.
 *
 * Works without a registry.  Exit code 0: done, or yes; 1: refused or no, with the
 * reason on stderr and nothing on stdout (but for `compat --json`, whose answer is
 * stdout either way); 2: called wrongly.
 */
#pragma once

int cmd_schema(int argc, char **argv); // argv[0] is "schema"

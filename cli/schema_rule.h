/*
 * schema_rule.h - `avrogate schema rule`: a CEL rule tried on records, without anything
 * running.
 *
 * NDJSON in, a line a record out: true, false, "error: why", or the value as JSON.  Exit
 * code 0; 2 for a rule that does not compile (line:column on stderr, nothing on stdout)
 * and for a wrong call; 1 for files that cannot be read.
 */
#pragma once

int cmd_schema_rule(int argc, char **argv); // argv[0] is "rule"

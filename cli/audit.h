/*
 * audit.h - avrogate audit runs|failures|rejects|verify: what the loaders wrote down.
 *
 * Reads etl_log, etl_batch, etl_reject and etl_attempt (docs/etl-log.md) in a read-only
 * transaction.  The exit code of `verify`: 0 proved, 1 something does not add up (said
 * in words), 2 called wrongly, 3 it could not be looked at.
 */
#pragma once

int cmd_audit(int argc, char **argv);

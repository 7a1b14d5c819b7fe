/*
 * dlq.h - avrogate dlq ls|show|export|replay: dead letters looked at and sent again.
 *
 * Reads `<topic>.dlq` as the gateway writes it (docs/dlq.md).  Exit codes: 0 done, 1
 * failed, or a letter was refused again, 2 called wrongly.
 */
#pragma once

int cmd_dlq(int argc, char **argv);

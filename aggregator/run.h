/*
 * run.h - avrogate aggregate: running aggregates of a topic (docs/aggregates.md).
 */
#pragma once

int cmd_aggregate(int argc, char **argv);

/*
 * produce.h - `avrogate produce`: a file's rows into a topic, each checked on its way.
 *
 * Through the gateway, or straight to Kafka after the same checks.  docs/produce.md
 * says what a cell means, and what may happen.  Exit code 0: every row is written; 1:
 * some were refused, or it stopped before the end; 2: called wrongly.
 */
#pragma once

int cmd_produce(int argc, char **argv);

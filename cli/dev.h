/*
 * dev.h - `avrogate dev`: everything in one process, to try things out.
 *
 *      POST -> gateway -> embedded Kafka -> a loader for each topic -> Postgres
 *                 └── registry ──┘
 *
 * The Kafka is librdkafka's mock cluster (kafka/mock.h): in memory, gone at the end.
 */
#pragma once

/* Exit status. */
int cmd_dev(int argc, char **argv);

/*
 * mock.h - librdkafka's mock cluster: a Kafka in this process, for `avrogate dev` and
 * tests.
 *
 * In memory, gone at the end.  It keeps about 5 MiB a partition and then drops the
 * oldest silently, makes a topic of everything it is asked about, has no compaction, no
 * CreateTopics, no DescribeConfigs and does not fence: good for a demo and for unit
 * tests, for nothing else (rdkafka_mock.h, 2.0.2).
 */
#pragma once

#include "kafka/client.h"

#define KF_MOCK_KEEPS (5 << 20)

struct kf_mock;

/* `brokers` of them on 127.0.0.1, ports given by the system. */
enum err_kind kf_mock_open(struct kf_mock **out, int brokers, struct err *e) MUST_USE;
const char *kf_mock_bootstrap(const struct kf_mock *m);
enum err_kind kf_mock_topic(struct kf_mock *m, const char *topic, int32_t partitions,
                            struct err *e) MUST_USE;
/* From now on clients are told that there is no such topic, or that there is. */
void kf_mock_topic_absent(struct kf_mock *m, const char *topic, bool absent);
/* The next `n` produce requests fail so: "timed_out", "not_leader",
 * "not_enough_replicas", "too_large", "invalid_record", "not_allowed", "disconnect",
 * "out_of_order"; "taken" lets one through, between others.  Calls add up in order. */
void kf_mock_fail_produce(struct kf_mock *m, const char *how, int n);
/* Brokers are numbered from 1; -1 = all of them. */
void kf_mock_broker_down(struct kf_mock *m, int32_t broker, bool down);
/* From now on this broker answers so late; 0 = at once. */
void kf_mock_broker_slow(struct kf_mock *m, int32_t broker, int ms);
/* The producer dies of a fatal error, as a broker that lost its state makes it. */
struct kf_producer;
void kf_mock_kill_producer(struct kf_producer *p);
void kf_mock_close(struct kf_mock *m);

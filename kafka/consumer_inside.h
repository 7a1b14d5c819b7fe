/*
 * consumer_inside.h - a consumer from within, for what stands beside it.
 */
#pragma once

#include "kafka/client_inside.h"
#include "kafka/consumer.h"

rd_kafka_t *kf_consumer_handle(const struct kf_consumer *c);

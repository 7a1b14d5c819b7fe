/*
 * kafka_house.h - a mock cluster with records in it: what the consumer's tests share.
 */
#pragma once

#include "base/clock.h"
#include "kafka/consumer.h"
#include "kafka/mock.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 60000 // for what must come: long enough for any machine

static inline struct kf_mock *mock(const char *topic, int32_t partitions)
{
    struct kf_mock *m = NULL;
    struct err e = {0};

    if (kf_mock_open(&m, 1, &e) != ERR_OK ||
        kf_mock_topic(m, topic, partitions, &e) != ERR_OK) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return m;
}

static inline void ignore_report(struct kf_waiter *w, uint32_t i,
                                 const struct kf_report *r)
{
    (void)w, (void)i, (void)r;
}

/* `n` records of `size` bytes to each partition of `topic`. */
static inline void fill(struct kf_mock *m, const char *topic, int32_t partitions, int n,
                        size_t size)
{
    struct kf_producer *p = NULL;
    struct kf_waiter w = {ignore_report};
    struct err e = {0};
    uint8_t *bytes = calloc(1, size);

    CHECK_INT(kf_producer_open(&p, kf_mock_bootstrap(m), NULL, &e), ERR_OK);
    for (int i = 0; i < n; i++)
        for (int32_t k = 0; k < partitions; k++) {
            struct kf_record r = {.value = span_of(bytes, size), .partition = k};
            CHECK_INT(kf_send(p, topic, &r, &w, 0, &e), ERR_OK);
        }
    CHECK(kf_flush(p, WAIT_MS));
    kf_producer_close(p);
    free(bytes);
}

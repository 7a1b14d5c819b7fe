/*
 * spin.h - librdkafka's broker threads sleep where they would spin, and look up where
 * they would oversleep (decision 164).
 *
 * An idempotent producer may have five requests in flight for a partition, but counts
 * records (rd_kafka_toppar_producer_serve() of 2.0.2): with more of them out, the next
 * request waits for the answer, and once its linger is over the broker's thread calls
 * poll() without patience until that comes.  Whenever Kafka is slower than the linger,
 * a core is gone.  Nothing but a descriptor or the clock can change what such a thread
 * has to do, so the third poll in a row that found nothing waits for KF_SPIN_US, or for
 * whichever descriptor is ready first.
 *
 * A consumer fetches a partition no more once queued.min.messages of it wait, and looks
 * again when something wakes it or its second is over: whoever takes the messages does
 * not wake it.  So it is woken after KF_LOOK_MS, and after twice that, and so on until
 * a descriptor is ready.  Messages that a fetch brought beyond the limit are gone after
 * t at the earliest, and before 2t it looks: as many again below them, and nobody
 * waits.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#define KF_SPIN_US 200 // how late a linger of another partition may be noticed
#define KF_LOOK_MS 4   // after a descriptor was ready

/* Of every broker thread of the client that `conf` makes.  Before rd_kafka_new(). */
void kf_spin_stop(rd_kafka_conf_t *conf);
/* How often one slept so, and how often one was woken, in this process.  Any thread. */
uint64_t kf_spin_sleeps(void);
uint64_t kf_spin_looks(void);

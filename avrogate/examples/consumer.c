/* N messages of Kafka as lines of JSON: consumer BOOTSTRAP REGISTRY TOPIC GROUP N */
#include <avrogate/serde.h>

#include <err.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char why[512];
    struct avrogate_registry *registry;
    struct avrogate_deserializer *deserializer;
    struct avrogate_buffer json = {0};
    struct avrogate_error e = {0};

    if (argc != 6)
        errx(2, "usage: consumer BOOTSTRAP REGISTRY TOPIC GROUP N");
    struct avrogate_registry_options ro = {.size = sizeof ro, .urls = argv[2]};
    struct avrogate_deserializer_options o = {.size = sizeof o};
    if (avrogate_registry_open(&registry, &ro, &e) != AVROGATE_OK ||
        avrogate_deserializer_open(&deserializer, registry, &o, &e) != AVROGATE_OK)
        errx(1, "%s", e.message);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "group.id", argv[4], why, sizeof why);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", why, sizeof why);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why) != 0)
        errx(1, "%s", why);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, argv[3], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(kafka, topics);
    rd_kafka_topic_partition_list_destroy(topics);

    for (int left = atoi(argv[5]); left > 0;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(kafka, 1000);
        if (m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            struct avrogate_message in = {.p = m->payload, .n = m->len};
            if (avrogate_deserialize_json(deserializer, &in, AVROGATE_PATIENCE, &json,
                                          &e) != AVROGATE_OK)
                errx(1, "offset %lld: %s", (long long)m->offset, e.message);
            printf("%.*s\n", (int)json.n, (char *)json.p);
            left--;
        }
        if (m != NULL)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(kafka);
    rd_kafka_destroy(kafka);
    avrogate_buffer_free(&json);
    avrogate_deserializer_close(deserializer);
    avrogate_registry_close(registry);
}

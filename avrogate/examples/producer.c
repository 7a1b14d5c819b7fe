/* Lines of JSON from standard input to Kafka: producer BOOTSTRAP REGISTRY TOPIC SCHEMA
 */
#include <avrogate/serde.h>

#include <err.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[65536], why[512];
    struct avrogate_registry *registry;
    struct avrogate_serializer *serializer;
    struct avrogate_buffer m = {0};
    struct avrogate_error e = {0};

    if (argc != 5)
        errx(2, "usage: producer BOOTSTRAP REGISTRY TOPIC SCHEMA");
    struct avrogate_registry_options ro = {.size = sizeof ro, .urls = argv[2]};
    struct avrogate_serializer_options so = {.size = sizeof so, .schema = argv[4]};
    if (avrogate_registry_open(&registry, &ro, &e) != AVROGATE_OK ||
        avrogate_serializer_open(&serializer, registry, &so, &e) != AVROGATE_OK)
        errx(1, "%s", e.message);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], why, sizeof why) != 0)
        errx(1, "%s", why);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);

    while (fgets(line, sizeof line, stdin) != NULL) {
        struct avrogate_bytes json = {line, strlen(line)};
        if (avrogate_serialize_json(serializer, argv[3], json, AVROGATE_PATIENCE, &m,
                                    &e) != AVROGATE_OK)
            errx(1, "%s", e.message);
        if (rd_kafka_producev(kafka, RD_KAFKA_V_TOPIC(argv[3]),
                              RD_KAFKA_V_VALUE(m.p, m.n),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_FREE),
                              RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR)
            errx(1, "the queue to Kafka is full");
        m = (struct avrogate_buffer){0}; // librdkafka's now
    }
    if (rd_kafka_flush(kafka, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        errx(1, "not all of it is written");
    rd_kafka_destroy(kafka);
    avrogate_serializer_close(serializer);
    avrogate_registry_close(registry);
}

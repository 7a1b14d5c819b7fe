#include "kafka/transaction.h"

#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "kafka/producer_inside.h"

/* A transaction that its producer left open holds readers up so long at most; who takes
 * the name ends it at once. */
#define OPEN_MOST "30000"
#define LISTEN_MS 20 // how late we may notice that the name is not to be had yet

enum err_kind kf_transactional_open(struct kf_producer **out, const char *bootstrap,
                                    const struct conf_pairs *properties, const char *id,
                                    const char *topic, struct err *e)
{
    struct conf_pair more[] = {{"transactional.id", id, false},
                               {"transaction.timeout.ms", OPEN_MOST, false}};
    struct kf_producer *p = NULL;

    TRY(kf_producer_make(&p, bootstrap, properties, more, sizeof more / sizeof *more,
                         e));
    struct kf_handle *asked = kf_handle_take(&p->handles, p->rk, topic, clock_us());
    if (asked != NULL) // the question is on its way
        kf_handle_give(&p->handles, asked);
    *out = p;
    return ERR_OK;
}

/* What killed the producer, where something did: later calls only say that it is dead.
 */
static rd_kafka_resp_err_t cause(const struct kf_producer *p, rd_kafka_resp_err_t code)
{
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(p->rk, NULL, 0);

    return fatal != RD_KAFKA_RESP_ERR_NO_ERROR ? fatal : code;
}

static enum err_kind kind_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH: return ERR_CONFLICT;
    case RD_KAFKA_RESP_ERR__FATAL: return ERR_UNAVAILABLE;
    default: return kf_kind(code) == ERR_CONFLICT ? ERR_INVALID : kf_kind(code);
    }
}

/* Takes `error` over. */
static enum err_kind outcome(struct kf_producer *p, rd_kafka_error_t *error,
                             const char *what, struct err *e)
{
    if (error == NULL)
        return ERR_OK;

    rd_kafka_resp_err_t code = cause(p, rd_kafka_error_code(error));
    enum err_kind kind = kind_of(code);
    err_set(e, kind, "%s: %s: %s", what, rd_kafka_err2name(code),
            rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return kind;
}

static bool is_timeout(const rd_kafka_error_t *error)
{
    return error != NULL && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

/* librdkafka 2.0.2 asks again half a second after the broker said that the former
 * holder's transaction is still being ended.  That takes milliseconds, so who hears of
 * it asks anew with another producer. */
enum err_kind kf_take(struct kf_producer *p, int timeout_ms, struct err *e)
{
    int64_t due_ms = clock_ms() + timeout_ms;

    for (;;) {
        int64_t left = due_ms - clock_ms();
        int ms = left > LISTEN_MS ? LISTEN_MS : left > 1 ? (int)left : 1;
        rd_kafka_error_t *error = rd_kafka_init_transactions(p->rk, ms);

        if (!is_timeout(error) || left <= LISTEN_MS)
            return outcome(p, error, "taking the name", e);
        rd_kafka_error_destroy(error); // it goes on where it was
        if (atomic_load(&p->voice.id_is_busy))
            return err_set(e, ERR_UNAVAILABLE,
                           "taking the name: the former holder's end is awaited");
    }
}

enum err_kind kf_begin(struct kf_producer *p, struct err *e)
{
    return outcome(p, rd_kafka_begin_transaction(p->rk), "beginning a transaction", e);
}

/* Takes `list` and `group` over. */
static enum err_kind send_offsets(struct kf_producer *p,
                                  rd_kafka_topic_partition_list_t *list,
                                  rd_kafka_consumer_group_metadata_t *group,
                                  int timeout_ms, struct err *e)
{
    rd_kafka_error_t *error =
        rd_kafka_send_offsets_to_transaction(p->rk, list, group, timeout_ms);

    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    return outcome(p, error, "committing the position", e);
}

enum err_kind kf_commit_position(struct kf_producer *p, const struct kf_consumer *c,
                                 const char *topic, int32_t partition, int64_t next,
                                 int timeout_ms, struct err *e)
{
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(kf_consumer_handle(c));

    if (group == NULL)
        return err_set(e, ERR_UNAVAILABLE, "committing the position: not in the group");
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, topic, partition)->offset = next;
    return send_offsets(p, l, group, timeout_ms, e);
}

enum err_kind kf_commit_positions(struct kf_producer *p, const char *group,
                                  const char *topic, const int64_t *next, int32_t n,
                                  int timeout_ms, struct err *e)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(n);

    for (int32_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(l, topic, i)->offset = next[i];
    return send_offsets(p, l, rd_kafka_consumer_group_metadata_new(group), timeout_ms,
                        e);
}

enum err_kind kf_commit(struct kf_producer *p, int timeout_ms, struct err *e)
{
    return outcome(p, rd_kafka_commit_transaction(p->rk, timeout_ms), "committing", e);
}

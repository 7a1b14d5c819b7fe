#include "gateway/room.h"

#include <stdio.h>

/* What Kafka adds to a record: a batch of its own at worst (61 bytes of head, Kafka
 * protocol guide "Record Batch") and a record's varints. */
#define RECORD_EXTRA 128
/* A dead letter's headers: their names and short values, and a problem's text. */
#define LETTER_EXTRA 1024
#define PROBLEM_EXTRA 512

static bool is_good(const struct publish *p, size_t i)
{
    return !p->batch.items[i].refused && !p->held;
}

static size_t cost(const struct publish *p, size_t i)
{
    const struct item *it = &p->batch.items[i];
    size_t key = p->ask.key.p != NULL ? p->ask.key.n : it->key_n;

    if (!it->refused)
        return it->frame_n + key + RECORD_EXTRA;
    return it->text.n + key + LETTER_EXTRA + it->n_problems * PROBLEM_EXTRA;
}

/* Of the records that are sent, or of the dead letters. */
static size_t costs(const struct publish *p, bool good)
{
    size_t sum = 0;

    for (size_t i = 0; i < p->batch.n; i++)
        if (good ? is_good(p, i) : publish_buries(p, i))
            sum += cost(p, i);
    return sum;
}

static void name_topic(char name[264], const struct publish *p, const char *suffix)
{
    snprintf(name, 264, "%.*s%s", SPAN_WHOLE(p->ask.topic), suffix);
}

bool room_take(struct gateway_room *r, const struct publish *p, char name[264])
{
    size_t good = costs(p, true);

    name_topic(name, p, "");
    if (!r->take(r, name, good))
        return false;
    if (!publish_buries_any(p))
        return true;
    name_topic(name, p, ".dlq");
    if (r->take(r, name, costs(p, false)))
        return true;
    char topic[264];
    name_topic(topic, p, "");
    r->settle(r, topic, good, -1, -1);
    return false;
}

static void settle(struct gateway_room *r, const char *topic, size_t bytes,
                   const struct written *w)
{
    bool there = w->outcome == OUTCOME_WRITTEN;

    r->settle(r, topic, bytes, there ? w->partition : -1, there ? w->offset : -1);
}

void room_settle(struct gateway_room *r, const struct publish *p)
{
    char topic[264], letters[264];

    name_topic(topic, p, "");
    name_topic(letters, p, ".dlq");
    for (size_t i = 0; i < p->batch.n; i++) {
        if (is_good(p, i))
            settle(r, topic, cost(p, i), &p->main[i]);
        else if (publish_buries(p, i))
            settle(r, letters, cost(p, i), &p->dlq[i]);
    }
}

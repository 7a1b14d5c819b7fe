/*
 * room.h - the room a publish takes in an embedded Kafka, and gives back.
 *
 * Under `avrogate dev` Kafka keeps a few MiB and then drops the oldest; what nobody has
 * read yet must not be among it (struct gateway_room in gateway/run.h).
 */
#pragma once

#include "gateway/publish.h"
#include "gateway/run.h"

/* Takes room for every record of `p` and for its dead letters, or for none of them.
 * False: `name` is the topic that has none. */
bool room_take(struct gateway_room *r, const struct publish *p, char name[264]);
/* What became of each: settled at its offset, or given back. */
void room_settle(struct gateway_room *r, const struct publish *p);

/* The embedded Kafka drops what it cannot keep: the room is what stands before that. */
#include "cli/dev_room.h"

#include "tests/check.h"

#include <string.h>

static int64_t loaded[2];

static int64_t loaded_so_far(struct dev_room *r, const char *topic, int32_t partition)
{
    (void)r;
    return strcmp(topic, "read") == 0 ? loaded[partition] : -1;
}

static void open_room(struct dev_room *r, size_t most)
{
    loaded[0] = loaded[1] = 0;
    dev_room_init(r, most, loaded_so_far);
}

static void what_is_not_loaded_takes_room(void)
{
    struct dev_room r;

    open_room(&r, 1000);
    CHECK(r.gate.take(&r.gate, "read", 600));
    CHECK(!r.gate.take(&r.gate, "read", 401));
    CHECK(r.gate.take(&r.gate, "other", 1000)); // a topic has room of its own
    r.gate.settle(&r.gate, "read", 600, 0, 7);
    CHECK(!r.gate.take(&r.gate, "read", 401));
    loaded[0] = 7; // 7 itself is not
    CHECK(!r.gate.take(&r.gate, "read", 401));
    loaded[0] = 8;
    CHECK(r.gate.take(&r.gate, "read", 401));
    CHECK_INT(dev_room_held(&r, "read"), 401);
    dev_room_free(&r);
}

static void what_came_to_nothing_gives_its_room_back(void)
{
    struct dev_room r;

    open_room(&r, 1000);
    CHECK(r.gate.take(&r.gate, "read", 900));
    r.gate.settle(&r.gate, "read", 400, 0, 0);
    r.gate.settle(&r.gate, "read", 500, -1, -1);
    CHECK_INT(dev_room_held(&r, "read"), 400);
    dev_room_free(&r);
}

static void what_nobody_loads_is_held_to_the_end(void)
{
    struct dev_room r;

    open_room(&r, 1000);
    CHECK(r.gate.take(&r.gate, "read.dlq", 1000));
    r.gate.settle(&r.gate, "read.dlq", 1000, 0, 0);
    loaded[0] = 100;
    CHECK(!r.gate.take(&r.gate, "read.dlq", 1));
    dev_room_free(&r);
}

static void a_request_larger_than_the_room_never_fits(void)
{
    struct dev_room r;

    open_room(&r, 1000);
    CHECK(!r.gate.take(&r.gate, "read", 1001));
    CHECK(!r.gate.take(&r.gate, "read", SIZE_MAX));
    CHECK(r.gate.take(&r.gate, "read", 1000));
    dev_room_free(&r);
}

/* Under a steady flow something is always unread; what was read must leave all the
 * same. */
static void a_steady_flow_never_fills_it(void)
{
    struct dev_room r;
    size_t refused = 0;

    open_room(&r, 64 * 100);
    for (int64_t i = 0; i < 100000; i++) {
        int32_t p = (int32_t)(i % 2);
        refused += !r.gate.take(&r.gate, "read", 100);
        r.gate.settle(&r.gate, "read", 100, p, i / 2);
        loaded[p] = i / 2 - 5;
    }
    CHECK_INT(refused, 0);
    CHECK(dev_room_held(&r, "read") >= 100 * 2 * 5);
    loaded[0] = loaded[1] = 50000;
    CHECK_INT(dev_room_held(&r, "read"), 0);
    dev_room_free(&r);
}

int main(void)
{
    RUN(what_is_not_loaded_takes_room);
    RUN(what_came_to_nothing_gives_its_room_back);
    RUN(what_nobody_loads_is_held_to_the_end);
    RUN(a_request_larger_than_the_room_never_fits);
    RUN(a_steady_flow_never_fills_it);
    return REPORT();
}

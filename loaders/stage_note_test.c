#include "loaders/stage_note.h"

#include "place/place_inside.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[100], url[120];
static struct place *place;

static void enter(void)
{
    static int count;
    struct place_settings s = {.url = url};
    struct err e = {0};

    snprintf(dir, sizeof dir, "/tmp/stage-note-%ld-%d", (long)getpid(), ++count);
    snprintf(url, sizeof url, "file://%s", dir);
    CHECK_INT(mkdir(dir, 0700), 0);
    CHECK_INT(place_open(&place, &s, &e), ERR_OK);
}

static void leave(void)
{
    char command[200];

    place_close(place);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

static struct stage_note note_of(const char *target)
{
    return (struct stage_note){.place = place, .topic = "t", .target = target};
}

static void add(const char *target, int32_t partition, int64_t first, int64_t last)
{
    struct stage_note n = note_of(target);
    struct swap_range r = {partition, first, last};
    struct err e = {0};

    CHECK_INT(stage_note_add(&n, &r, 1, &e), ERR_OK);
    stage_note_free(&n);
}

static bool meets(const char *target, int32_t partition, int64_t first, int64_t last)
{
    struct stage_note n = note_of(target);
    struct swap_range r = {partition, first, last};
    struct err e = {0};

    CHECK_INT(stage_note_read(&n, &e), ERR_OK);
    bool yes = stage_note_meets(&n, &r) != NULL;
    stage_note_free(&n);
    return yes;
}

static size_t lying(void) // notes of all targets
{
    char command[200], said[20] = "";

    snprintf(command, sizeof command, "find %s/_copies -type f | wc -l", dir);
    FILE *f = popen(command, "r");
    CHECK(f != NULL && fgets(said, sizeof said, f) != NULL);
    pclose(f);
    return strtoul(said, NULL, 10);
}

static void what_was_noted_stays_and_is_one_file(void)
{
    enter();
    CHECK(!meets("a", 0, 0, 100));
    add("a", 0, 10, 20);
    add("a", 1, 5, 5);
    add("a", 0, 15, 40);
    CHECK_INT(lying(), 1);
    CHECK(!meets("a", 0, 0, 9));
    CHECK(meets("a", 0, 0, 10));
    CHECK(meets("a", 0, 30, 100));
    CHECK(!meets("a", 0, 41, 100));
    CHECK(meets("a", 1, 5, 5));
    CHECK(!meets("a", 2, 5, 5));
    CHECK(!meets("b", 0, 10, 20));
    add("b", 0, 100, 100);
    CHECK_INT(lying(), 2);
    struct stage_note n = note_of("a");
    struct err e = {0};
    CHECK_INT(stage_note_forget(&n, &e), ERR_OK);
    stage_note_free(&n);
    CHECK(!meets("a", 0, 10, 20));
    CHECK(meets("b", 0, 100, 100));
    leave();
}

static const struct place_ops *real;
static int between;

/* Another is first with the number. */
static enum err_kind claim_late(struct place *p, const char *name, const char *tmp,
                                struct span body, struct err *e)
{
    p->ops = real;
    if (between-- > 0)
        add("a", 7, 1, 2);
    return real->claim(p, name, tmp, body, e);
}

static void two_at_once_both_stay(void)
{
    static struct place_ops ops;

    enter();
    add("a", 0, 0, 0);
    real = place->ops;
    ops = *real;
    ops.claim = claim_late;
    place->ops = &ops;
    between = 1;
    add("a", 3, 5, 6);
    CHECK(meets("a", 0, 0, 0));
    CHECK(meets("a", 3, 5, 6));
    CHECK(meets("a", 7, 1, 2));
    CHECK_INT(lying(), 1);
    leave();
}

static void what_is_no_note_is_said(void)
{
    static const char *const texts[] = {
        "",
        "{}",
        "{\"version\":2,\"claims\":[]}",
        "{\"version\":1}",
        "{\"version\":1,\"claims\":[{\"partition\":-1,\"first\":0,\"last\":0}]}",
        "{\"version\":1,\"claims\":[{\"partition\":0,\"first\":5,\"last\":4}]}",
        "{\"version\":1,\"claims\":[7]}"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct stage_note n = {0};
        struct err e = {0};
        CHECK(stage_note_take(&n, span_str(texts[i]), &e) != ERR_OK);
        stage_note_free(&n);
    }
}

int main(void)
{
    RUN(what_was_noted_stays_and_is_one_file);
    RUN(two_at_once_both_stay);
    RUN(what_is_no_note_is_said);
    return REPORT();
}

#include "registry/doubt.h"
#include "tests/check.h"

#include <stdlib.h>

struct house {
    struct reg_state state;
    struct arena arena;
};

static struct reg_command registers(const char *subject, const char *schema)
{
    return (struct reg_command){.verb = REG_DO_REGISTER,
                                .subject = span_str(subject),
                                .schema.schema = span_str(schema)};
}

static struct reg_command deletes(const char *subject, int32_t version)
{
    return (struct reg_command){.verb = REG_DO_DELETE_VERSION,
                                .subject = span_str(subject),
                                .version = version};
}

static struct reg_decision decided(struct house *h, const struct reg_command *c)
{
    static const struct reg_rules rules = {0};
    struct reg_decision d;

    reg_decide(&d, &h->state, c, &rules, &h->arena);
    return d;
}

static struct reg_decision done(struct house *h, const struct reg_command *c)
{
    struct reg_decision d = decided(h, c);

    CHECK_INT(d.no.code, 0);
    for (size_t i = 0; i < d.n; i++)
        reg_state_apply(&h->state, &d.events[i]);
    return d;
}

static enum reg_settled settled(struct house *h, enum reg_doubt doubt,
                                const struct reg_command *c,
                                const struct reg_decision *before)
{
    return reg_settle(doubt, &h->state, c, before);
}

static void close_house(struct house *h)
{
    reg_state_free(&h->state);
    arena_free(&h->arena);
}

static void what_was_written_is_the_answer(void)
{
    struct reg_command c = registers("s", "\"int\""), gone = deletes("s", 1);
    struct house h = {0};

    reg_state_init(&h.state);
    struct reg_decision d = done(&h, &c);
    CHECK_INT(settled(&h, REG_DOUBT_OURS, &c, &d), REG_DONE);
    CHECK_INT(settled(&h, REG_DOUBT_ELSEWHERE, &c, &d), REG_DONE);
    CHECK_INT(settled(&h, REG_SURE, &c, &d), REG_AGAIN);
    d = done(&h, &gone);
    CHECK_INT(settled(&h, REG_DOUBT_ELSEWHERE, &gone, &d), REG_DONE);
    close_house(&h);
}

static void what_was_not_written_is_decided_again(void)
{
    struct reg_command first = registers("s", "\"int\"");
    struct reg_command c = registers("s", "\"long\""), gone = deletes("s", 1);
    struct house h = {0};

    reg_state_init(&h.state);
    (void)done(&h, &first);
    struct reg_decision d = decided(&h, &c);
    CHECK_INT(settled(&h, REG_DOUBT_OURS, &c, &d), REG_AGAIN);
    CHECK_INT(settled(&h, REG_DOUBT_ELSEWHERE, &c, &d), REG_AGAIN);
    d = decided(&h, &gone);
    CHECK_INT(settled(&h, REG_DOUBT_ELSEWHERE, &gone, &d), REG_AGAIN);
    close_house(&h);
}

/* Another schema may have come under the id that was to be ours. */
static void an_id_that_went_to_another_is_none_of_ours(void)
{
    struct reg_command ours = registers("s", "\"int\""),
                       theirs = registers("t", "\"long\"");
    struct house h = {0};

    reg_state_init(&h.state);
    struct reg_decision d = decided(&h, &ours);
    struct reg_decision other = done(&h, &theirs);
    CHECK_INT(d.id, other.id);
    CHECK_INT(settled(&h, REG_DOUBT_OURS, &ours, &d), REG_AGAIN);
    close_house(&h);
}

/* "The latest" is another one once it was deleted: nobody can tell by looking whether
 * the holder, whose latest we do not know, has done it. */
static void the_latest_is_not_deleted_twice(void)
{
    struct reg_command a = registers("s", "\"int\""), b = registers("s", "\"long\"");
    struct reg_command latest = deletes("s", 0);
    struct house h = {0};

    reg_state_init(&h.state);
    (void)done(&h, &a);
    struct reg_decision d = decided(&h, &latest); // as we knew it: version 1
    (void)done(&h, &b);
    (void)done(&h, &latest); // as the holder did: version 2
    CHECK_INT(settled(&h, REG_DOUBT_ELSEWHERE, &latest, &d), REG_UNKNOWABLE);
    CHECK_INT(settled(&h, REG_DOUBT_OURS, &latest, &d), REG_AGAIN);
    close_house(&h);
}

int main(void)
{
    RUN(what_was_written_is_the_answer);
    RUN(what_was_not_written_is_decided_again);
    RUN(an_id_that_went_to_another_is_none_of_ours);
    RUN(the_latest_is_not_deleted_twice);
    return REPORT();
}

#include "registry/share.h"
#include "tests/check.h"

#include <string.h>

/* A registration as reg_decide() leaves it. */
struct one {
    struct reg_command c;
    struct reg_decision d;
    struct reg_event events[2];
};

static struct one *registration(struct one *o, const char *subject, uint8_t schema)
{
    *o = (struct one){.c = {.verb = REG_DO_REGISTER, .subject = span_str(subject)}};
    o->events[0] = (struct reg_event){.kind = REG_SCHEMA, .subject = span_str(subject)};
    o->d = (struct reg_decision){.events = o->events, .n = 1, .new_id = true};
    memset(o->d.md5, schema, sizeof o->d.md5);
    return o;
}

static bool add(struct reg_share *s, struct one *o)
{
    return reg_share_add(s, &o->c, &o->d);
}

static void new_schemas_of_different_subjects_share(void)
{
    struct reg_share s = {0};
    struct one a, b, c;

    CHECK(add(&s, registration(&a, "a", 1)));
    CHECK_INT(reg_share_ids(&s, span_str("x")), 1);
    CHECK(add(&s, registration(&b, "b", 2)));
    CHECK_INT(reg_share_ids(&s, span_str("x")), 2);
    CHECK(add(&s, registration(&c, ":.y:a", 1))); // another context: another schema
    CHECK_INT(reg_share_ids(&s, span_str("x")), 2);
    CHECK_INT(reg_share_ids(&s, span_str(":.y:z")), 1);
}

static void one_subject_or_one_schema_does_not_share(void)
{
    struct reg_share s = {0};
    struct one a, b, c;

    CHECK(add(&s, registration(&a, "a", 1)));
    CHECK(!add(&s, registration(&b, "a", 2)));
    CHECK(!add(&s, registration(&c, "c", 1)));
    CHECK_INT(s.n, 1);
}

static void a_schema_that_has_its_id_takes_none(void)
{
    struct reg_share s = {0};
    struct one a;

    registration(&a, "a", 1)->d.new_id = false;
    CHECK(add(&s, &a));
    CHECK_INT(reg_share_ids(&s, span_str("b")), 0);
}

/* Each of these decides, or is decided by, more than its own subject. */
static void what_reaches_further_goes_alone(void)
{
    struct one rows[5], plain;

    for (size_t i = 0; i < 5; i++)
        registration(&rows[i], "a", 1);
    rows[0].c.verb = REG_DO_SET_CONFIG;
    rows[1].c.schema.id = 7;
    rows[2].c.schema.n_references = 1;
    rows[3].events[1] = (struct reg_event){.kind = REG_CONTEXT};
    rows[3].d.n = 2;
    rows[4].events[1] = rows[4].events[0];
    rows[4].d.n = 2;
    registration(&plain, "b", 2);
    for (size_t i = 0; i < 5; i++) {
        struct reg_share first = {0}, second = {0};

        CHECK(add(&first, &rows[i]));
        CHECK(!add(&first, &plain));
        CHECK_INT(reg_share_ids(&first, span_str("z")), 0);
        CHECK(add(&second, &plain));
        CHECK(!add(&second, &rows[i]));
    }
}

static void a_tombstone_of_its_own_subject_goes_along(void)
{
    struct reg_share s = {0};
    struct one a, b;

    registration(&a, "a", 1);
    a.events[1] = a.events[0];
    a.events[0].gone = true;
    a.d.n = 2;
    CHECK(add(&s, &a));
    CHECK(add(&s, registration(&b, "b", 2)));
}

static void no_more_than_fit(void)
{
    static struct one all[REG_SHARE_MOST + 1];
    static char names[REG_SHARE_MOST + 1][4];
    struct reg_share s = {0};

    for (size_t i = 0; i <= REG_SHARE_MOST; i++) {
        names[i][0] = (char)('a' + i % 16);
        names[i][1] = (char)('a' + i / 16);
        registration(&all[i], names[i], (uint8_t)i);
        CHECK_INT(add(&s, &all[i]), i < REG_SHARE_MOST);
    }
}

int main(void)
{
    RUN(new_schemas_of_different_subjects_share);
    RUN(one_subject_or_one_schema_does_not_share);
    RUN(a_schema_that_has_its_id_takes_none);
    RUN(what_reaches_further_goes_alone);
    RUN(a_tombstone_of_its_own_subject_goes_along);
    RUN(no_more_than_fit);
    return REPORT();
}

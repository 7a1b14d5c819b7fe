#include "registry/state.h"
#include "tests/check.h"

static struct arena arena;

#define KEY(s, v) \
    "{\"keytype\":\"SCHEMA\",\"subject\":\"" s "\",\"version\":" #v ",\"magic\":1}"
#define VALUE(s, v, id, text, deleted)                                            \
    "{\"subject\":\"" s "\",\"version\":" #v ",\"id\":" #id ",\"schema\":\"" text \
    "\",\"deleted\":" deleted "}"
#define IS(s, v, id, text) VALUE(s, v, id, text, "false")
#define WAS(s, v, id, text) VALUE(s, v, id, text, "true")

struct record {
    const char *key, *value;
};

static void apply(struct reg_state *s, const struct record *records, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct reg_event ev = {0};
        struct err e = {0};
        struct span value = {0};

        if (records[i].value != NULL)
            value = span_str(records[i].value);
        CHECK_INT(reg_event_read(&ev, span_str(records[i].key), value, &arena, &e),
                  ERR_OK);
        CHECK_STR(e.msg, "");
        ev.offset = (int64_t)i;
        reg_state_apply(s, &ev);
    }
}

#define APPLY(s, ...)                             \
    do {                                          \
        const struct record r_[] = {__VA_ARGS__}; \
        apply((s), r_, sizeof r_ / sizeof *r_);   \
    } while (0)

static struct span told(const struct reg_state *s)
{
    struct buf b = BUF_INIT(1 << 20);

    reg_state_put(&b, s);
    struct span text = arena_copy(&arena, buf_span(&b));
    buf_free(&b);
    return text;
}

static void a_log_becomes_subjects_versions_and_ids(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("b", 1), IS("b", 1, 1, "x")}, {KEY("a", 2), IS("a", 2, 2, "y")},
          {KEY("a", 1), IS("a", 1, 1, "x")});
    CHECK_SPAN(told(&s),
               IS("a", 1, 1, "x") "\n" IS("a", 2, 2, "y") "\n" IS("b", 1, 1, "x") "\n");

    const struct reg_context *c = reg_context_of(&s, span_str("a"));
    const struct reg_schema *x = reg_schema_by_id(c, 1);
    CHECK_INT(c->max_id, 2);
    CHECK_INT(c->live, 3);
    CHECK_SPAN(x->places->subject->name, "b"); // oldest first
    CHECK_SPAN(x->places->next_place->subject->name, "a");
    CHECK(reg_schema_by_md5(c, x->md5) == x);
    CHECK_INT(reg_version_latest(reg_subject_of(&s, span_str("a")), false)->version, 2);
    CHECK(reg_version_of(reg_subject_of(&s, span_str("a")), 3) == NULL);
    CHECK(reg_subject_of(&s, span_str("c")) == NULL);
    CHECK(reg_schema_by_id(c, 3) == NULL);
    CHECK(reg_schema_by_id(NULL, 1) == NULL);
    reg_state_free(&s);
}

static void a_softly_deleted_version_is_there_for_who_asks(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 1, "x")}, {KEY("a", 2), IS("a", 2, 2, "y")},
          {KEY("a", 2), WAS("a", 2, 2, "y")});
    const struct reg_subject *a = reg_subject_of(&s, span_str("a"));
    CHECK_INT(reg_version_latest(a, false)->version, 1);
    CHECK_INT(reg_version_latest(a, true)->version, 2);
    CHECK_INT(a->context->live, 1);

    APPLY(&s, {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"a\",\"magic\":0}",
               "{\"subject\":\"a\",\"version\":2}"});
    CHECK(!reg_subject_lives(a, false));
    CHECK(reg_subject_lives(a, true));
    CHECK_INT(a->context->live, 0);
    CHECK(reg_schema_by_id(a->context, 1) != NULL);

    APPLY(&s, {KEY("a", 3), IS("a", 3, 3, "z")},
          {"{\"keytype\":\"DELETE_SUBJECT\",\"subject\":\"a\",\"magic\":0}", NULL});
    CHECK_INT(reg_version_latest(a, false)->version, 3);
    reg_state_free(&s);
}

static void a_tombstone_forgets_the_version_and_the_id_with_its_last_place(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 1, "x")}, {KEY("b", 1), IS("b", 1, 1, "x")},
          {KEY("a", 1), NULL}, {KEY("never", 1), NULL});
    const struct reg_context *c = reg_context_of(&s, span_str(""));
    CHECK(reg_subject_of(&s, span_str("a")) == NULL);
    CHECK(reg_schema_by_id(c, 1) != NULL);
    APPLY(&s, {KEY("b", 1), NULL});
    CHECK(reg_schema_by_id(c, 1) == NULL);
    CHECK_INT(c->max_id, 1); // not to be given out again
    CHECK_INT(c->live, 0);
    CHECK_SPAN(told(&s), "");
    reg_state_free(&s);
}

static void the_first_meaning_of_an_id_stands(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 1, "x")}, {KEY("b", 1), IS("b", 1, 1, "other")});
    CHECK_INT(s.clashes, 1);
    CHECK_SPAN(told(&s), IS("a", 1, 1, "x") "\n");
    reg_state_free(&s);
}

static void a_record_may_be_written_anew(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 1, "x")},
          {KEY("a", 1), IS("a", 1, 1, "better")});
    CHECK_INT(s.clashes, 0);
    CHECK_SPAN(told(&s), IS("a", 1, 1, "better") "\n");
    APPLY(&s, {KEY("a", 1), IS("a", 1, 9, "ten")},
          {KEY("b", 1), IS("b", 1, 1, "free")});
    CHECK_SPAN(told(&s), IS("a", 1, 9, "ten") "\n" IS("b", 1, 1, "free") "\n");
    CHECK_INT(reg_context_of(&s, span_str("a"))->max_id, 9);
    reg_state_free(&s);
}

static void one_schema_under_two_ids_is_found_by_the_first(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 5, "x")}, {KEY("b", 1), IS("b", 1, 3, "x")},
          {KEY("c", 1), IS("c", 1, 4, "x")});
    const struct reg_context *c = reg_context_of(&s, span_str("a"));
    const uint8_t *md5 = reg_schema_by_id(c, 5)->md5;
    uint8_t kept[16];
    memcpy(kept, md5, 16);
    CHECK_INT(reg_schema_by_md5(c, kept)->id, 5);
    APPLY(&s, {KEY("b", 1), NULL}, {KEY("a", 1), NULL});
    CHECK_INT(reg_schema_by_md5(c, kept)->id, 4);
    APPLY(&s, {KEY("c", 1), NULL});
    CHECK(reg_schema_by_md5(c, kept) == NULL);
    reg_state_free(&s);
}

static void contexts_count_for_themselves(void)
{
    struct reg_state s;
    size_t n = 0;

    reg_state_init(&s);
    APPLY(&s,
          {"{\"keytype\":\"CONTEXT\",\"tenant\":\"default\",\"context\":\".eu\","
           "\"magic\":0}",
           "{\"tenant\":\"default\",\"context\":\".eu\"}"},
          {KEY(":.eu:a", 1), IS(":.eu:a", 1, 1, "e")},
          {KEY("a", 1), IS("a", 1, 1, "d")}, {KEY(":.:b", 1), IS(":.:b", 1, 2, "f")});
    CHECK_INT(s.clashes, 0);
    CHECK_SPAN(reg_schema_by_id(reg_context_of(&s, span_str(":.eu:a")), 1)->what.schema,
               "e");
    CHECK_SPAN(reg_subject_of(&s, span_str(":.:a"))->qualified, "a");
    CHECK_SPAN(reg_subject_of(&s, span_str("b"))->qualified, "b");

    static const struct {
        const char *prefix;
        size_t n;
        const char *first;
    } rows[] = {{"", 2, "a"},          {":*:", 3, ":.eu:a"}, {":.eu:", 1, ":.eu:a"},
                {":*:a", 2, ":.eu:a"}, {"b", 1, "b"},        {"zz", 0, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct reg_subject **all =
            reg_subjects(&s, span_str(rows[i].prefix), &arena, &n);
        CHECK_INT(n, rows[i].n);
        if (n > 0)
            CHECK_SPAN(all[0]->qualified, rows[i].first);
    }
    reg_state_free(&s);
}

static enum av_level level_in_force(const struct reg_state *st, struct span subject)
{
    struct api_config config = reg_config_in_force(st, subject);

    return reg_level_of(&config);
}

static void settings_fall_back_from_subject_to_context_to_all(void)
{
    struct reg_state s;

    reg_state_init(&s);
    CHECK_INT(level_in_force(&s, span_str("a")), AV_LEVEL_BACKWARD);
    APPLY(&s, {"{\"keytype\":\"CONFIG\",\"subject\":\":.__GLOBAL:\",\"magic\":0}",
               "{\"compatibilityLevel\":\"FORWARD\",\"normalize\":true}"});
    CHECK_INT(level_in_force(&s, span_str("a")), AV_LEVEL_FORWARD);
    APPLY(&s,
          {"{\"keytype\":\"CONFIG\",\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}"},
          {"{\"keytype\":\"CONFIG\",\"subject\":\":.eu:\",\"magic\":0}",
           "{\"compatibilityLevel\":\"NONE\"}"},
          {"{\"keytype\":\"CONFIG\",\"subject\":\"b\",\"magic\":0}",
           "{\"compatibilityLevel\":\"BACKWARD_TRANSITIVE\"}"});
    CHECK_INT(level_in_force(&s, span_str("a")), AV_LEVEL_FULL);
    CHECK_INT(level_in_force(&s, span_str("")), AV_LEVEL_FULL);
    CHECK_INT(level_in_force(&s, span_str(":.eu:a")), AV_LEVEL_NONE);
    CHECK_INT(level_in_force(&s, span_str(":.us:a")), AV_LEVEL_FORWARD);
    CHECK_INT(level_in_force(&s, span_str("b")), AV_LEVEL_BACKWARD_TRANSITIVE);

    struct api_config b = reg_config_in_force(&s, span_str("b"));
    CHECK(api_config_true(&b, API_NORMALIZE)); // merged member by member
    CHECK_SPAN(told(&s), "\"\" {\"compatibilityLevel\":\"FULL\"}\n"
                         "\":.__GLOBAL:\" {\"normalize\":true,"
                         "\"compatibilityLevel\":\"FORWARD\"}\n"
                         "\":.eu:\" {\"compatibilityLevel\":\"NONE\"}\n"
                         "\"b\" {\"compatibilityLevel\":\"BACKWARD_TRANSITIVE\"}\n");
    APPLY(&s, {"{\"keytype\":\"CONFIG\",\"subject\":\"b\",\"magic\":0}", NULL});
    CHECK(reg_scope_of(&s, span_str("b")) == NULL);
    reg_state_free(&s);
}

static void an_unknown_level_counts_as_the_default(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {"{\"keytype\":\"CONFIG\",\"magic\":0}",
               "{\"compatibilityLevel\":\"SIDEWAYS\"}"});
    CHECK_INT(level_in_force(&s, span_str("a")), AV_LEVEL_BACKWARD);
    reg_state_free(&s);
}

static void modes_fall_back_too(void)
{
    struct reg_state s;

    reg_state_init(&s);
    CHECK_INT(reg_mode_in_force(&s, span_str("a")), API_READWRITE);
    APPLY(&s, {"{\"keytype\":\"MODE\",\"magic\":0}", "{\"mode\":\"READONLY\"}"},
          {"{\"keytype\":\"MODE\",\"subject\":\"a\",\"magic\":0}",
           "{\"mode\":\"IMPORT\"}"},
          {"{\"keytype\":\"CONFIG\",\"subject\":\"a\",\"magic\":0}",
           "{\"compatibilityLevel\":\"NONE\"}"});
    CHECK_INT(reg_mode_in_force(&s, span_str("a")), API_IMPORT);
    CHECK_INT(reg_mode_in_force(&s, span_str("b")), API_READONLY);
    APPLY(&s, {"{\"keytype\":\"MODE\",\"subject\":\"a\",\"magic\":0}", NULL});
    CHECK_INT(reg_mode_in_force(&s, span_str("a")), API_READONLY);
    CHECK(reg_scope_of(&s, span_str("a"))->has_config);
    reg_state_free(&s);
}

static void clearing_forgets_what_was_deleted(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), WAS("a", 1, 1, "x")}, {KEY("a", 2), IS("a", 2, 2, "y")},
          {KEY("b", 1), WAS("b", 1, 3, "z")}, {KEY("c", 1), WAS("c", 1, 4, "w")},
          {"{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\"a\",\"magic\":0}",
           "{\"subject\":\"a\"}"});
    CHECK_SPAN(told(&s), IS("a", 2, 2, "y") "\n" WAS("b", 1, 3, "z") "\n" WAS(
                             "c", 1, 4, "w") "\n");
    APPLY(&s, {"{\"keytype\":\"CLEAR_SUBJECT\",\"magic\":0}", "{}"},
          {"{\"keytype\":\"CLEAR_SUBJECT\",\"subject\":\"none\",\"magic\":0}", "{}"});
    CHECK_SPAN(told(&s), IS("a", 2, 2, "y") "\n");
    reg_state_free(&s);
}

static void each_form_of_a_key_is_remembered_once(void)
{
    static const char odd[] =
        "{\"subject\":\"a\",\"version\":1,\"magic\":1,\"keytype\":\"SCHEMA\"}";
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {odd, IS("a", 1, 1, "x")}, {odd, IS("a", 1, 1, "x")},
          {KEY("a", 1), IS("a", 1, 1, "x")});
    const struct reg_version *v = reg_version_of(reg_subject_of(&s, span_str("a")), 1);
    CHECK_SPAN(v->odd_keys->key, odd);
    CHECK(v->odd_keys->next == NULL);
    CHECK_INT(v->offset, 2);
    reg_state_free(&s);
}

static void a_reference_holds_its_target(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {KEY("a", 1), IS("a", 1, 1, "x")}, {KEY("a", 2), IS("a", 2, 2, "y")},
          {KEY("b", 1),
           "{\"subject\":\"b\",\"version\":1,\"id\":3,\"references\":[{\"name\":"
           "\"n\",\"subject\":\"a\",\"version\":2}],\"schema\":\"z\"}"});
    const struct reg_subject *a = reg_subject_of(&s, span_str("a"));
    CHECK_INT(reg_referrer_of(reg_version_of(a, 1)), 0);
    CHECK_INT(reg_referrer_of(reg_version_of(a, 2)), 3);
    reg_state_free(&s);
}

static void foreign_events_are_counted(void)
{
    struct reg_state s;

    reg_state_init(&s);
    APPLY(&s, {"{\"keytype\":\"ASSOC\"}", "{}"},
          {"{\"keytype\":\"NOOP\",\"magic\":0}", NULL});
    CHECK_INT(s.foreign, 1);
    CHECK_INT(s.applied, 2);
    reg_state_free(&s);
}

int main(void)
{
    RUN(a_log_becomes_subjects_versions_and_ids);
    RUN(a_softly_deleted_version_is_there_for_who_asks);
    RUN(a_tombstone_forgets_the_version_and_the_id_with_its_last_place);
    RUN(the_first_meaning_of_an_id_stands);
    RUN(a_record_may_be_written_anew);
    RUN(one_schema_under_two_ids_is_found_by_the_first);
    RUN(contexts_count_for_themselves);
    RUN(settings_fall_back_from_subject_to_context_to_all);
    RUN(an_unknown_level_counts_as_the_default);
    RUN(modes_fall_back_too);
    RUN(clearing_forgets_what_was_deleted);
    RUN(each_form_of_a_key_is_remembered_once);
    RUN(a_reference_holds_its_target);
    RUN(foreign_events_are_counted);
    arena_free(&arena);
    return REPORT();
}

#include "registry/history.h"

#include "registry/decide.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Acts as text. */

static void an_act_is_written_and_read_back(void)
{
    static const struct reg_act rows[] = {
        {.deed = REG_REGISTERED, .ts = 1700000000000},
        {.deed = REG_WRITTEN},
        {.deed = REG_DELETED, .ts = 5, .up_to = 7, .left_out = 3},
        {.deed = REG_UNDELETED,
         .who = {(const uint8_t *)"user:al\"ice", 11},
         .client = {(const uint8_t *)"::1", 3},
         .agent = {(const uint8_t *)"curl/8", 6},
         .reason = {(const uint8_t *)"f\xc3\xbcr alle", 9}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf first = BUF_INIT(1 << 16), second = BUF_INIT(1 << 16);
        struct arena a = {0};
        struct reg_act back;

        reg_act_put(&first, &rows[i]);
        CHECK(reg_act_read(&back, buf_span(&first), &a));
        reg_act_put(&second, &back);
        CHECK(span_eq(buf_span(&first), buf_span(&second)));
        arena_free(&a);
        buf_free(&first);
        buf_free(&second);
    }
}

static void what_is_no_act_is_not_read(void)
{
    static const char *const rows[] = {"",
                                       "null",
                                       "[]",
                                       "{}",
                                       "{\"what\":1}",
                                       "{\"what\":\"eaten\"}",
                                       "{\"what\":\"deleted\"",
                                       "{\"what\":\"deleted\"}x"};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};
        struct reg_act act;

        CHECK(!reg_act_read(&act, span_str(rows[i]), &a));
        arena_free(&a);
    }
}

static void what_is_odd_in_an_act_is_left_out(void)
{
    struct arena a = {0};
    struct reg_act act;

    CHECK(reg_act_read(&act,
                       span_str("{\"what\":\"deleted\",\"ts\":-1,\"who\":7,\"upTo\":"
                                "99999999999,\"reason\":null,\"tomorrow\":[]}"),
                       &a));
    CHECK_INT(act.deed, REG_DELETED);
    CHECK_INT(act.ts, 0);
    CHECK_INT(act.up_to, 0);
    CHECK_INT((long)(act.who.n + act.reason.n), 0);
    arena_free(&a);
}

static void reasons_are_utf8_maybe_percent_coded(void)
{
    static const struct {
        const char *header, *wanted; // NULL: refused
    } rows[] = {
        {"", ""},
        {"PAY-17: a new field", "PAY-17: a new field"},
        {"f\xc3\xbcr", "f\xc3\xbcr"},
        {"f%C3%bcr", "f\xc3\xbcr"},
        {"100% done, 5 %zz", "100% done, 5 %zz"},
        {"%25C3", "%C3"},
        {"a%00b", NULL},
        {"a%0ab", NULL},
        {"a\tb", NULL},
        {"a%7f", NULL},
        {"%c2%85", NULL}, // a C1 control
        {"f\xfcr", NULL}, // Latin-1
        {"%C3", NULL},
        {"%ed%a0%80", NULL}, // half a surrogate pair
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};
        struct span out = {0};
        struct err e = {0};

        enum err_kind rc = reg_reason_read(&out, span_str(rows[i].header), &a, &e);
        CHECK_INT(rc, rows[i].wanted != NULL ? ERR_OK : ERR_INVALID);
        if (rows[i].wanted != NULL)
            CHECK_SPAN(out, rows[i].wanted);
        arena_free(&a);
    }
}

static void a_reason_has_an_end(void)
{
    char text[REG_REASON_BYTES + 2];
    struct arena a = {0};
    struct span out = {0};
    struct err e = {0};

    memset(text, 'a', sizeof text);
    CHECK_INT(reg_reason_read(&out, span_of(text, REG_REASON_BYTES), &a, &e), ERR_OK);
    CHECK_INT(reg_reason_read(&out, span_of(text, REG_REASON_BYTES + 1), &a, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "X-Registry-Reason has 513 bytes, at most 512");
    arena_free(&a);
}

static void strangers_texts_are_made_fit_to_keep(void)
{
    static const struct {
        const char *text;
        size_t most;
        const char *wanted;
    } rows[] = {
        {"curl/8.1", 20, "curl/8.1"},
        {"a\x01\xff z", 20, "a?? z"},
        {"\xc3\xbc\xc3\xbc", 3, "\xc3\xbc"},
        {"abc", 2, "ab"},
        {"\xc3", 5, "?"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = {0};

        CHECK_SPAN(reg_text_kept(span_str(rows[i].text), rows[i].most, &a),
                   rows[i].wanted);
        arena_free(&a);
    }
}

static void of_too_many_the_first_and_the_newest_are_kept(void)
{
    struct reg_history h = {0};
    struct reg_act act = {0};

    for (act.ts = 1; act.ts <= 100; act.ts++)
        reg_history_add(&h, &act);
    CHECK_INT((long)h.n, REG_ACTS);
    CHECK_INT(h.first->ts, 1);
    CHECK_INT(h.first->next->ts, 100 - REG_ACTS + 2);
    CHECK_INT(h.first->next->left_out, 100 - REG_ACTS);
    CHECK_INT(h.last->ts, 100);
    reg_history_free(&h);
}

/* A log: what is decided is written, read and applied; then it is compacted. */

#define RECORDS 100

struct record {
    struct span key, value;
    struct kf_header headers[REG_ACTS_READ];
    size_t n_headers;
    int64_t ts;
};

struct log {
    struct record records[RECORDS];
    size_t n;
    struct reg_state state;
    struct arena arena;
    int64_t now;
};

static void apply(struct reg_state *s, const struct record *r)
{
    struct reg_event ev = {0};
    struct arena a = {0};
    struct err e = {0};

    CHECK_INT(reg_event_read(&ev, r->key, r->value, &a, &e), ERR_OK);
    ev.ts = r->ts;
    reg_event_read_headers(&ev, r->headers, r->n_headers, &a);
    reg_state_apply(s, &ev);
    arena_free(&a);
}

static void write(struct log *l, const struct reg_event *ev)
{
    struct record *r = &l->records[l->n++];
    struct buf key = BUF_INIT(1 << 16), value = BUF_INIT(1 << 16);
    size_t n = 0;
    const struct kf_header *headers = reg_event_headers(ev, l->now, &l->arena, &n);

    CHECK(n <= REG_ACTS_READ && l->n <= RECORDS);
    memcpy(r->headers, headers, n * sizeof *headers);
    r->n_headers = n;
    reg_event_put_key(&key, ev);
    if (reg_event_put_value(&value, ev))
        r->value = arena_copy(&l->arena, buf_span(&value));
    r->key = arena_copy(&l->arena, buf_span(&key));
    r->ts = l->now;
    buf_free(&key);
    buf_free(&value);
}

static void run(struct log *l, struct reg_command c, const char *who)
{
    static const struct reg_rules rules = {0};
    struct reg_decision d;
    size_t from = l->n;

    l->now += 10;
    c.by.who = span_str(who);
    reg_decide(&d, &l->state, &c, &rules, &l->arena);
    CHECK_SPAN(d.no.message, "");
    for (size_t i = 0; i < d.n; i++)
        write(l, &d.events[i]);
    for (size_t i = from; i < l->n; i++)
        apply(&l->state, &l->records[i]);
}

static void register_one(struct log *l, const char *schema, const char *who)
{
    run(l,
        (struct reg_command){.verb = REG_DO_REGISTER,
                             .subject = span_str("s"),
                             .force = true,
                             .schema = {.schema = span_str(schema)}},
        who);
}

static void delete_one(struct log *l, int32_t version, const char *who)
{
    run(l,
        (struct reg_command){.verb = REG_DO_DELETE_VERSION,
                             .subject = span_str("s"),
                             .version = version},
        who);
}

static void delete_all(struct log *l, const char *who)
{
    run(l,
        (struct reg_command){.verb = REG_DO_DELETE_SUBJECT, .subject = span_str("s")},
        who);
}

/* As somebody does who writes no headers: Confluent's registry. */
static void write_bare(struct log *l, const char *key, const char *value)
{
    l->now += 10;
    l->records[l->n] =
        (struct record){.key = span_str(key), .value = span_str(value), .ts = l->now};
    apply(&l->state, &l->records[l->n++]);
}

/* Of each key the last record alone. */
static void compact(struct log *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n; i++) {
        bool over = false;

        for (size_t later = i + 1; later < l->n; later++)
            over |= span_eq(l->records[i].key, l->records[later].key);
        if (!over)
            l->records[kept++] = l->records[i];
    }
    l->n = kept;
}

/* "registered@10:alice deleted@20:bob" */
static const char *told(const struct reg_state *s, int32_t version)
{
    static char text[2000];
    const struct reg_version *v =
        reg_version_of(reg_subject_of(s, span_str("s")), version);
    size_t n = 0;

    text[0] = '\0';
    for (const struct reg_act *act = v != NULL ? v->history.first : NULL; act != NULL;
         act = act->next)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s@%d:" SPAN_FMT,
                              n > 0 ? " " : "", reg_deed_name(act->deed), (int)act->ts,
                              SPAN_ARG(act->who));
    return text;
}

/* Read anew, the log tells `wanted` of `version`. */
static void check_replay(const struct log *l, int32_t version, const char *wanted)
{
    struct reg_state s;

    reg_state_init(&s);
    for (size_t i = 0; i < l->n; i++)
        apply(&s, &l->records[i]);
    CHECK_STR(told(&s, version), wanted);
    reg_state_free(&s);
}

static struct log *log_new(void)
{
    struct log *l = mem_alloc(sizeof *l);

    reg_state_init(&l->state);
    return l;
}

static void log_free(struct log *l)
{
    reg_state_free(&l->state);
    arena_free(&l->arena);
    free(l);
}

#define UNDELETED                                                               \
    "{\"keytype\":\"SCHEMA\",\"subject\":\"s\",\"version\":1,\"magic\":1}",     \
        "{\"subject\":\"s\",\"version\":1,\"id\":1,\"schema\":\"\\\"int\\\"\"," \
        "\"deleted\":false}"

static void a_version_knows_who_made_and_who_deleted_it(void)
{
    static const char wanted[] = "registered@10:alice deleted@20:bob";
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    delete_one(l, 1, "bob");
    CHECK_STR(told(&l->state, 1), wanted);
    check_replay(l, 1, wanted);
    compact(l);
    CHECK_INT((long)l->n, 1);
    check_replay(l, 1, wanted);
    log_free(l);
}

static void a_deletion_of_the_subject_is_told_of_each_version_it_took(void)
{
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    register_one(l, "\"long\"", "bob");
    delete_one(l, 1, "carol");
    delete_all(l, "dave");
    register_one(l, "\"string\"", "erin");
    delete_all(l, "frank");
    for (int compacted = 0; compacted < 2; compacted++) {
        check_replay(l, 1, "registered@10:alice deleted@30:carol");
        check_replay(l, 2, "registered@20:bob deleted@40:dave");
        check_replay(l, 3, "registered@50:erin deleted@60:frank");
        compact(l);
    }
    log_free(l);
}

static void what_others_do_without_headers_is_told_by_its_time(void)
{
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    delete_one(l, 1, "bob");
    write_bare(l, UNDELETED);
    write_bare(l, UNDELETED);
    CHECK_STR(told(&l->state, 1),
              "registered@10:alice deleted@20:bob undeleted@30: written@40:");
    delete_one(l, 1, "carol");
    compact(l);
    check_replay(l, 1,
                 "registered@10:alice deleted@20:bob undeleted@30: written@40: "
                 "deleted@50:carol");
    log_free(l);
}

static void compaction_takes_what_others_wrote_over(void)
{
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    write_bare(l, UNDELETED);
    CHECK_STR(told(&l->state, 1), "registered@10:alice written@20:");
    compact(l);
    check_replay(l, 1, "registered@20:"); // all that the topic still has
    log_free(l);
}

static void an_undeleted_version_is_told_of_the_deletion_that_came_after(void)
{
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    delete_all(l, "bob");
    write_bare(l, UNDELETED);
    delete_all(l, "carol");
    CHECK_STR(told(&l->state, 1),
              "registered@10:alice deleted@20:bob undeleted@30: deleted@40:carol");
    log_free(l);
}

static void a_version_gone_for_good_leaves_nothing_to_the_next_of_its_number(void)
{
    struct log *l = log_new();

    register_one(l, "\"int\"", "alice");
    delete_one(l, 1, "bob");
    run(l,
        (struct reg_command){.verb = REG_DO_DELETE_VERSION,
                             .subject = span_str("s"),
                             .version = 1,
                             .permanent = true},
        "carol");
    register_one(l, "\"long\"", "dave");
    CHECK_STR(told(&l->state, 1), "registered@40:dave");
    check_replay(l, 1, "registered@40:dave");
    log_free(l);
}

static void headers_that_are_not_ours_or_are_broken_are_not_there(void)
{
    static const struct kf_header headers[] = {
        {"trace", {(const uint8_t *)"x", 1}},
        {REG_ACT_HEADER, {NULL, 0}},
        {REG_ACT_HEADER, {(const uint8_t *)"{", 1}},
        {REG_ACT_HEADER, {(const uint8_t *)"{\"what\":\"deleted\"}", 18}},
    };
    struct reg_event ev = {0};
    struct arena a = {0};

    reg_event_read_headers(&ev, headers, 3, &a);
    CHECK(ev.acts == NULL);
    reg_event_read_headers(&ev, headers, 4, &a);
    CHECK(ev.acts != NULL && ev.acts->deed == REG_DELETED && ev.acts->next == NULL);
    arena_free(&a);
}

int main(void)
{
    RUN(an_act_is_written_and_read_back);
    RUN(what_is_no_act_is_not_read);
    RUN(what_is_odd_in_an_act_is_left_out);
    RUN(reasons_are_utf8_maybe_percent_coded);
    RUN(a_reason_has_an_end);
    RUN(strangers_texts_are_made_fit_to_keep);
    RUN(of_too_many_the_first_and_the_newest_are_kept);
    RUN(a_version_knows_who_made_and_who_deleted_it);
    RUN(a_deletion_of_the_subject_is_told_of_each_version_it_took);
    RUN(what_others_do_without_headers_is_told_by_its_time);
    RUN(compaction_takes_what_others_wrote_over);
    RUN(an_undeleted_version_is_told_of_the_deletion_that_came_after);
    RUN(a_version_gone_for_good_leaves_nothing_to_the_next_of_its_number);
    RUN(headers_that_are_not_ours_or_are_broken_are_not_there);
    return REPORT();
}

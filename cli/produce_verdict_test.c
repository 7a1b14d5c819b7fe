#include "cli/produce_way.h"

#include "tests/check.h"

/* What a gateway's answer says of three rows: kind, a letter for each fate, pause. */
static void check(int status, const char *body, const char *retry, bool rejecting,
                  enum verdict_kind kind, const char *fates, int64_t after_ms)
{
    static const char letters[] = {[FATE_UNKNOWN] = '?',
                                   [FATE_WRITTEN] = 'w',
                                   [FATE_REFUSED] = 'r',
                                   [FATE_NOT_WRITTEN] = 'n'};
    struct verdict v;
    char got[4] = "";

    verdict_begin(&v, 3);
    verdict_read(&v, status, span_str(body), span_str(retry), rejecting);
    for (size_t i = 0; i < 3; i++)
        got[i] = letters[v.fates[i]];
    CHECK_INT(v.kind, kind);
    CHECK_STR(got, fates);
    CHECK_INT(v.after_ms, after_ms);
    CHECK(v.kind == VERDICT_DONE || v.why[0] != '\0');
    verdict_free(&v);
}

#define W(i) "{\"index\":" #i ",\"partition\":0,\"offset\":7}"
#define R(i)         \
    "{\"index\":" #i \
    ",\"errors\":[{\"pointer\":\"/a\",\"offset\":4,\"message\":\"m\"}]}"
#define N(i) "{\"index\":" #i ",\"outcome\":\"not_written\",\"reason\":\"x\"}"
#define U(i) "{\"index\":" #i ",\"outcome\":\"unknown\",\"reason\":\"x\"}"
#define RECORDS(list) "{\"records\":[" list "],\"message\":\"why\"}"

static void success_settles_every_row(void)
{
    check(200, RECORDS(W(0) "," W(1) "," W(2)), "", false, VERDICT_DONE, "www", 0);
    check(207, RECORDS(W(0) "," R(1) "," W(2)), "", false, VERDICT_DONE, "wrw", 0);
    check(422, RECORDS(R(0) "," R(1) "," R(2)), "", false, VERDICT_DONE, "rrr", 0);
}

static void success_that_leaves_a_row_out_is_none(void)
{
    check(200, RECORDS(W(0) "," W(2)), "", false, VERDICT_DOUBT, "w?w", 0);
    check(200, "{\"dry_run\":true,\"records\":[" R(1) "]}", "", false, VERDICT_DONE,
          "wrw", 0);
    check(200, "<html>", "", false, VERDICT_DOUBT, "???", 0);
    check(200, "", "", false, VERDICT_DOUBT, "???", 0);
}

static void one_bad_row_stops_it_when_the_request_is_refused_whole(void)
{
    check(422, RECORDS(R(1)), "", true, VERDICT_STOP, "nrn", 0);
    check(400, RECORDS(R(1)), "", true, VERDICT_STOP, "nrn", 0);
    check(422, RECORDS(R(0) "," R(1) "," R(2)), "", true, VERDICT_STOP, "rrr", 0);
}

static void what_was_not_written_may_go_again_after_the_pause_that_is_asked_for(void)
{
    check(503, RECORDS(N(0) "," R(1) "," N(2)), "3", false, VERDICT_AGAIN, "nnn", 3000);
    check(503, "Service Unavailable", "", false, VERDICT_AGAIN, "nnn", 0);
    check(429, "{\"message\":\"slow\"}", "1", false, VERDICT_AGAIN, "nnn", 1000);
    check(503, "{}", "Fri, 20 Nov 2026 10:00:00 GMT", false, VERDICT_AGAIN, "nnn", 0);
}

static void rows_that_are_written_and_rows_that_are_not_part_ways(void)
{
    check(504, RECORDS(W(0) "," N(1) "," R(2)), "", false, VERDICT_PARTLY, "wnr", 0);
}

static void nobody_knows_is_never_a_reason_to_send_again(void)
{
    check(504, RECORDS(W(0) "," U(1) "," N(2)), "", false, VERDICT_DOUBT, "w?n", 0);
    check(504, "gateway timeout", "", false, VERDICT_DOUBT, "???", 0);
    check(502, "<html>", "", false, VERDICT_DOUBT, "???", 0);
    check(500, "{\"message\":\"oops\"}", "", false, VERDICT_DOUBT, "???", 0);
}

static void too_large_may_go_in_pieces(void)
{
    check(413, "{\"message\":\"large\"}", "", false, VERDICT_SPLIT, "nnn", 0);
}

static void what_will_not_change_stops_it(void)
{
    static const int statuses[] = {301, 401, 403, 404, 415, 422};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        check(statuses[i], "{\"message\":\"no\"}", "", false, VERDICT_STOP, "nnn", 0);
}

static void an_answer_about_rows_we_did_not_send_is_none(void)
{
    check(200, RECORDS(W(0) "," W(1) "," W(3)), "", false, VERDICT_DOUBT, "???", 0);
    check(200, RECORDS("{\"index\":-1}"), "", false, VERDICT_DOUBT, "???", 0);
    check(200, RECORDS("{\"index\":\"0\"}"), "", false, VERDICT_DOUBT, "???", 0);
    check(200, RECORDS("7"), "", false, VERDICT_DOUBT, "???", 0);
}

static void reasons_come_with_their_rows_and_places(void)
{
    static const char body[] =
        RECORDS(W(0) ",{\"index\":1,\"errors\":[{\"pointer\":\"/a\",\"offset\":4,"
                     "\"rule\":\"type\",\"message\":\"one\"},{\"message\":\"two\"}]},"
                     "{\"index\":2,\"errors\":[]}");
    struct verdict v;

    verdict_begin(&v, 3);
    verdict_read(&v, 207, span_str(body), (struct span){0}, false);
    CHECK_INT(v.n_refusals, 2);
    CHECK_INT(v.refusals[0].row, 1);
    CHECK_SPAN(v.refusals[0].pointer, "/a");
    CHECK_SPAN(v.refusals[0].rule, "type");
    CHECK_SPAN(v.refusals[0].message, "one");
    CHECK(v.refusals[0].has_offset && v.refusals[0].offset == 4);
    CHECK_SPAN(v.refusals[1].message, "two");
    CHECK(!v.refusals[1].has_offset);
    CHECK_INT(v.fates[2], FATE_REFUSED);
    verdict_free(&v);
}

static void the_reason_to_stop_is_the_gateways_own(void)
{
    struct verdict v;

    verdict_begin(&v, 1);
    verdict_read(&v, 404, span_str("{\"message\":\"no topic\"}"), (struct span){0},
                 false);
    CHECK_STR(v.why, "no topic (status 404)");
    verdict_free(&v);
}

static void a_dead_letter_topic_that_failed_is_noticed(void)
{
    struct verdict v;

    verdict_begin(&v, 1);
    verdict_read(&v, 422, span_str("{\"records\":[" R(0) "],\"dlq\":\"failed\"}"),
                 (struct span){0}, false);
    CHECK(v.dlq_failed);
    verdict_free(&v);
}

int main(void)
{
    RUN(success_settles_every_row);
    RUN(success_that_leaves_a_row_out_is_none);
    RUN(one_bad_row_stops_it_when_the_request_is_refused_whole);
    RUN(what_was_not_written_may_go_again_after_the_pause_that_is_asked_for);
    RUN(rows_that_are_written_and_rows_that_are_not_part_ways);
    RUN(nobody_knows_is_never_a_reason_to_send_again);
    RUN(too_large_may_go_in_pieces);
    RUN(what_will_not_change_stops_it);
    RUN(an_answer_about_rows_we_did_not_send_is_none);
    RUN(reasons_come_with_their_rows_and_places);
    RUN(the_reason_to_stop_is_the_gateways_own);
    RUN(a_dead_letter_topic_that_failed_is_noticed);
    return REPORT();
}

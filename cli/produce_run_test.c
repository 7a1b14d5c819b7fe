#include "cli/produce_run.h"

#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * A way that keeps a diary and does as it is told.  The diary has a letter for each
 * row's fate in front of its text and '|' behind each request.  The script has a word
 * for each request (after the last: all are written):
 *      d  written        r..  refused: row 0, 2, ... by their digits (R: no reason)
 *      a  again          n..  these not written, the others are; a part
 *      s  too large      u..  of these nobody knows, the others are written
 *      x  it will not    !    written, and somebody presses Ctrl-C
 */
struct diary {
    struct way way;
    const char *script;
    struct buf said;
    size_t largest; // rows in a request; 0 = any, more are too large
    volatile int stop;
};

static void set_fates(struct verdict *v, const char *rows, enum fate fate)
{
    for (; *rows >= '0' && *rows <= '9'; rows++)
        if ((size_t)(*rows - '0') < v->n)
            v->fates[*rows - '0'] = fate;
}

static void give_reasons(struct verdict *v)
{
    v->refusals = arena_array(&v->arena, v->n, sizeof *v->refusals);
    for (size_t i = 0; i < v->n; i++)
        if (v->fates[i] == FATE_REFUSED)
            v->refusals[v->n_refusals++] = (struct refusal){
                .row = i, .rule = span_str("type"), .message = span_str("bad")};
}

static void follow(struct diary *d, char word, const char *rows, struct verdict *v)
{
    verdict_all(v, FATE_WRITTEN);
    v->kind = VERDICT_DONE;
    switch (word) {
    case '!': d->stop = 2; break;
    case 'r':
        set_fates(v, rows, FATE_REFUSED);
        give_reasons(v);
        break;
    case 'R': // a reason for the first of them only
        set_fates(v, rows, FATE_REFUSED);
        give_reasons(v);
        v->n_refusals = 1;
        break;
    case 'n':
        set_fates(v, rows, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_PARTLY, "part");
        break;
    case 'u':
        set_fates(v, rows, FATE_UNKNOWN);
        verdict_say(v, VERDICT_DOUBT, "doubt");
        break;
    case 'a':
        verdict_all(v, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_AGAIN, "again");
        break;
    case 's':
        verdict_all(v, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_SPLIT, "large");
        break;
    case 'x':
        verdict_all(v, FATE_NOT_WRITTEN);
        verdict_say(v, VERDICT_STOP, "no");
        break;
    default: break;
    }
}

static void note(struct diary *d, const struct parcel *p, const struct verdict *v)
{
    for (size_t i = 0; i < v->n; i++) {
        buf_put_u8(&d->said, (uint8_t) "?wrn"[v->fates[i]]);
        buf_put(&d->said, parcel_row_text(p, i));
        buf_put_u8(&d->said, ' ');
    }
    buf_put_u8(&d->said, '|');
}

static void send_fake(struct way *way, const struct parcel *p, size_t n,
                      struct verdict *v)
{
    struct diary *d = (struct diary *)way;
    char word = *d->script != '\0' ? *d->script++ : 'd';
    const char *rows = d->script;

    CHECK_INT(v->n, n);
    CHECK_INT(parcel_body(p, n).n, p->rows[n - 1].at + p->rows[n - 1].n + 1);
    while (*d->script >= '0' && *d->script <= '9')
        d->script++;
    while (*d->script == ' ')
        d->script++;
    follow(d, d->largest > 0 && n > d->largest ? 's' : word, rows, v);
    note(d, p, v);
}

static const struct way_ops fake_ops = {.send = send_fake};

static char path[] = "/tmp/cli-run-XXXXXX", rejects_path[] = "/tmp/cli-rej-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static void read_rejects(struct buf *out)
{
    uint8_t block[4096];
    FILE *f = fopen(rejects_path, "r");

    buf_reset(out);
    buf_put(out, span_of(block, fread(block, 1, sizeof block, f)));
    fclose(f);
}

static struct run_settings settings(enum rows_kind kind)
{
    return (struct run_settings){.path = path,
                                 .name = "file",
                                 .kind = kind,
                                 .delimiter = ',',
                                 .batch_rows = 3,
                                 .batch_bytes = 1 << 20,
                                 .quiet = true};
}

static struct diary d;

/* Runs with a script; *t and the diary say what happened. */
static enum err_kind run(struct run_totals *t, const struct run_settings *s,
                         const char *script)
{
    struct err e = {0};

    buf_free(&d.said);
    d = (struct diary){{&fake_ops}, script, BUF_INIT(1 << 20), d.largest, 0};
    return run_rows(t, s, &d.way, &d.stop, &e);
}

static const char seven[] = "1\n2\n3\n4\n5\n6\n7\n";

static void rows_go_in_order_so_many_at_a_time(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 w3 |w4 w5 w6 |w7 |");
    CHECK(t.ending == ENDED && t.read == 7 && t.written == 7 && t.bytes == 14);
    s.batch_bytes = 4;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 |w3 w4 |w5 w6 |w7 |");
}

static void refused_rows_are_counted_and_the_others_go_on(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "r02 d r0"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "r1 w2 r3 |w4 w5 w6 |r7 |");
    CHECK(t.ending == ENDED && t.written == 4 && t.refused == 3);
}

static void a_refused_row_without_a_reason_is_asked_about_again(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "R012 R01 r0"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "r1 r2 r3 |r2 r3 |r3 |w4 w5 w6 |w7 |");
    CHECK(t.refused == 3 && t.written == 4);
    s.to_dlq = true; // it would be there twice
    CHECK_INT(run(&t, &s, "R012"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "r1 r2 r3 |w4 w5 w6 |w7 |");
}

static void what_was_not_written_goes_again_until_patience_ends(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    s.patience_ms = 5000;
    CHECK_INT(run(&t, &s, "d a"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 w3 |n4 n5 n6 |w4 w5 w6 |w7 |");
    s.patience_ms = 0;
    CHECK_INT(run(&t, &s, "d a"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 w3 |n4 n5 n6 |");
    CHECK(t.ending == FAILED && t.next_line == 4 && t.written == 3 && t.read == 3);
    CHECK_STR(t.why, "again");
}

static void of_a_request_written_in_part_only_the_rest_goes_again(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    s.patience_ms = 5000;
    CHECK_INT(run(&t, &s, "n1 d"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 n2 w3 |w2 |w4 w5 w6 |w7 |");
    CHECK(t.ending == ENDED && t.written == 7 && t.not_written == 0);
}

static void a_part_that_cannot_be_ended_is_said_to_be_one(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "d n1"), ERR_OK);
    CHECK(t.ending == IN_DOUBT && t.doubt_from == 5 && t.doubt_until == 6);
    CHECK(t.written == 5 && t.not_written == 1 && t.unknown == 0 && t.read == 6);
    CHECK_INT(t.next_line, 5);
}

static void doubt_stops_it_and_names_the_lines(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "d u12"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 w3 |w4 ?5 ?6 |");
    CHECK(t.ending == IN_DOUBT && t.doubt_from == 5 && t.doubt_until == 6);
    CHECK(t.written == 4 && t.unknown == 2 && t.next_line == 5);
    CHECK_INT(run(&t, &s, "u0"), ERR_OK);
    CHECK(t.doubt_from == 1 && t.doubt_until == 3);
}

static void what_will_not_change_stops_it_before_the_line_it_was_at(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "d x"), ERR_OK);
    CHECK(t.ending == FAILED && t.next_line == 4 && t.not_written == 3);
}

static void too_large_a_request_goes_in_pieces_and_they_grow_again(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    s.batch_rows = 4;
    CHECK_INT(run(&t, &s, "s s d"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said),
               "n1 n2 n3 n4 |n1 n2 |w1 |w2 |w3 w4 |w5 w6 |w7 w8 w9 |");
    CHECK(t.written == 9 && t.refused == 0);
    d.largest = 1;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_INT(t.written, 9);
    d.largest = 0;
}

static void a_row_too_large_by_itself_is_refused(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file("1\n2\n");
    CHECK_INT(run(&t, &s, "s s d"), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "n1 n2 |n1 |w2 |");
    CHECK(t.ending == ENDED && t.refused == 1 && t.written == 1);
}

static void a_signal_ends_it_between_two_requests(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    CHECK_INT(run(&t, &s, "d !"), ERR_OK);
    CHECK(t.ending == INTERRUPTED && t.next_line == 7 && t.written == 6 && t.read == 6);
    s.from_line = t.next_line;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w7 |");
}

static void it_goes_on_from_a_line_behind_the_header(void)
{
    struct run_settings s = settings(ROWS_CSV);
    struct run_totals t;

    write_file("a,b\n1,\"x\ny\"\n2,z\n");
    s.from_line = 2;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1,\"x\ny\" w2,z |");
    s.from_line = 3; // inside the first row: behind it
    s.quiet = true;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w2,z |");
    s.from_line = 5;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "");
    CHECK(t.ending == ENDED && t.read == 0);
}

static void a_count_ends_it_and_a_loop_begins_again(void)
{
    struct run_settings s = settings(ROWS_CSV);
    struct run_totals t;

    write_file("a\n1\n2\n");
    s.count = 5;
    s.loop = true;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1 w2 |w1 w2 |w1 |");
    CHECK_INT(t.ending, ENDED);
    write_file("a\n");
    CHECK_INT(run(&t, &s, ""), ERR_OK); // no row: a loop would have no end
    CHECK(t.ending == ENDED && t.read == 0);
}

static void an_interrupted_loop_is_never_in_doubt(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;

    write_file(seven);
    s.loop = true;
    CHECK_INT(run(&t, &s, "d d d !"), ERR_OK);
    CHECK(t.ending == INTERRUPTED && t.written == 10);
}

static void a_sample_repeats_with_its_seed(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;
    struct buf first = BUF_INIT(1 << 16);

    write_file(seven);
    s.sample = true;
    s.count = 50;
    s.seed = 3;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK(t.ending == ENDED && t.written == 50);
    buf_put(&first, buf_span(&d.said));
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK(span_eq(buf_span(&first), buf_span(&d.said)));
    s.seed = 4;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK(!span_eq(buf_span(&first), buf_span(&d.said)));
    buf_free(&first);
}

static void rejects_can_be_mended_and_sent_again(void)
{
    struct run_settings s = settings(ROWS_CSV);
    struct run_totals t;
    struct buf kept = BUF_INIT(1 << 16);

    write_file("a,b\n1,\"x\ny\"\n2,z\n\"q\"q,1\n3,w\n");
    s.rejects = rejects_path;
    CHECK_INT(run(&t, &s, "r0 r0"), ERR_OK);
    CHECK(t.refused == 3 && t.written == 1 && t.read == 4);
    read_rejects(&kept);
    buf_put_u8(&kept, 0);
    CHECK(strstr((char *)kept.p, "a,b,avrogate_line,avrogate_errors\n"
                                 "1,\"x\ny\",2,bad\n\"\"\"q") == (char *)kept.p);
    CHECK(strstr((char *)kept.p, "\n3,w,6,bad\n") != NULL);
    write_file("a,b,avrogate_line,avrogate_errors\n1,\"x\ny\",2,bad\n3,w,6,\"b, d\"\n");
    s.rejects = NULL;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1,\"x\ny\" w3,w |");
    buf_free(&kept);
}

static void going_on_adds_to_the_rejects_there_are(void)
{
    struct run_settings s = settings(ROWS_NDJSON);
    struct run_totals t;
    struct buf kept = BUF_INIT(1 << 16);

    write_file("1\n2\n");
    s.rejects = rejects_path;
    CHECK_INT(run(&t, &s, "r0"), ERR_OK);
    s.append_rejects = true;
    s.from_line = 2;
    CHECK_INT(run(&t, &s, "r0"), ERR_OK);
    read_rejects(&kept);
    CHECK_SPAN(buf_span(&kept),
               "{\"line\":1,\"errors\":[{\"pointer\":\"\",\"rule\":\"type\","
               "\"message\":\"bad\"}],\"text\":\"1\"}\n"
               "{\"line\":2,\"errors\":[{\"pointer\":\"\",\"rule\":\"type\","
               "\"message\":\"bad\"}],\"text\":\"2\"}\n");
    s.append_rejects = false;
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    read_rejects(&kept);
    CHECK_SPAN(buf_span(&kept), "");
    s.rejects = path;
    CHECK_INT(run(&t, &s, ""), ERR_INVALID); // the file itself would be emptied
    buf_free(&kept);
}

static void a_header_gets_its_fields_by_the_map(void)
{
    const struct span names[] = {span_str("a b"), span_str("x=y"), span_str("c"),
                                 span_str("c")};
    const char *items[] = {"a b=first", "x=y=second", "c=third"};
    struct conf_list map = {.items = items, .n = 3};
    struct span fields[4];
    struct err e = {0};

    CHECK_INT(header_map(fields, names, 4, &map, &e), ERR_OK);
    CHECK_SPAN(fields[0], "first");
    CHECK_SPAN(fields[1], "second");
    CHECK_SPAN(fields[2], "third");
    CHECK_SPAN(fields[3], "third");
    items[0] = "nobody=z";
    CHECK_INT(header_map(fields, names, 4, &map, &e), ERR_INVALID);
    CHECK(strstr(e.msg, "\"nobody\"") != NULL && strstr(e.msg, "a b, x=y, c, c"));
    for (size_t i = 0; i < 3; i++) {
        static const char *const wrong[] = {"a b", "=z", "a b="};
        items[0] = wrong[i];
        CHECK_INT(header_map(fields, names, 4, &map, &e), ERR_INVALID);
        CHECK(strstr(e.msg, "HEADER=FIELD") != NULL);
    }
}

static void a_file_without_a_header_is_no_csv(void)
{
    struct run_settings s = settings(ROWS_CSV);
    struct run_totals t;

    write_file("");
    CHECK_INT(run(&t, &s, ""), ERR_INVALID);
    write_file("\"a\"b,c\n1,2\n");
    CHECK_INT(run(&t, &s, ""), ERR_INVALID);
    CHECK_SPAN(buf_span(&d.said), "");
}

static void it_stops_with_what_it_read_when_the_rest_cannot_be_read(void)
{
    struct run_settings s = settings(ROWS_CSV);
    struct run_totals t;
    FILE *f = fopen(path, "w");

    fputs("a,b\n1,2\n3,\"", f);
    for (size_t i = 0; i < ROW_MOST / 8 + 1000; i++)
        fputs("12345678", f);
    fclose(f);
    CHECK_INT(run(&t, &s, ""), ERR_OK);
    CHECK_SPAN(buf_span(&d.said), "w1,2 |");
    CHECK(t.ending == FAILED && t.next_line == 3 && t.written == 1);
}

int main(void)
{
    close(mkstemp(path));
    close(mkstemp(rejects_path));
    RUN(rows_go_in_order_so_many_at_a_time);
    RUN(refused_rows_are_counted_and_the_others_go_on);
    RUN(a_refused_row_without_a_reason_is_asked_about_again);
    RUN(what_was_not_written_goes_again_until_patience_ends);
    RUN(of_a_request_written_in_part_only_the_rest_goes_again);
    RUN(a_part_that_cannot_be_ended_is_said_to_be_one);
    RUN(doubt_stops_it_and_names_the_lines);
    RUN(what_will_not_change_stops_it_before_the_line_it_was_at);
    RUN(too_large_a_request_goes_in_pieces_and_they_grow_again);
    RUN(a_row_too_large_by_itself_is_refused);
    RUN(a_signal_ends_it_between_two_requests);
    RUN(it_goes_on_from_a_line_behind_the_header);
    RUN(a_count_ends_it_and_a_loop_begins_again);
    RUN(an_interrupted_loop_is_never_in_doubt);
    RUN(a_sample_repeats_with_its_seed);
    RUN(rejects_can_be_mended_and_sent_again);
    RUN(going_on_adds_to_the_rejects_there_are);
    RUN(a_header_gets_its_fields_by_the_map);
    RUN(a_file_without_a_header_is_no_csv);
    RUN(it_stops_with_what_it_read_when_the_rest_cannot_be_read);
    buf_free(&d.said);
    unlink(path);
    unlink(rejects_path);
    return REPORT();
}

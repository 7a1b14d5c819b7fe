/*
 * The pump among fakes that write down what was asked of them: a test reads as the
 * order in which things happened.
 */
#include "loaders/pump.h"
#include "tests/check.h"
#include "tests/fakes/rc.h"

static char diary[300];

static void wrote(const char *what)
{
    strcat(strcat(diary, what), " ");
}

struct fake_source {
    struct source source; // first, so that a struct source * is ours to cast back
    int left;
};

static enum err_kind fake_next(struct source *s, int wait_ms, struct batch **out,
                               struct err *e)
{
    struct fake_source *self = (struct fake_source *)s;

    (void)wait_ms, (void)e;
    *out = self->left-- > 0 ? batch_new("orders", 3, 100) : NULL;
    if (*out != NULL)
        (*out)->next = 200;
    wrote("next");
    return ERR_OK;
}

static void fake_done(struct source *s, struct batch *b)
{
    (void)s;
    wrote("done");
    batch_free(b);
}

static void fake_drop(struct source *s, struct batch *b)
{
    (void)s;
    wrote("drop");
    batch_free(b);
}

static const struct source_ops fake_source_ops = {
    .name = "fake", .next = fake_next, .done = fake_done, .drop = fake_drop};

struct fake_sink {
    struct sink sink;
    enum err_kind says;
    size_t part, seen; // says that it took so many; records of the last batch
};

static enum err_kind fake_trial(struct sink *s, const struct batch *b, struct err *e)
{
    (void)s, (void)b, (void)e;
    wrote("trial");
    return ERR_OK;
}

static enum err_kind fake_shape(struct sink *s, struct av_schema *reader, struct err *e)
{
    (void)s, (void)reader, (void)e;
    wrote("shape");
    return ERR_OK;
}

static enum err_kind fake_write(struct sink *s, const struct batch *b,
                                struct sift *sift, struct receipt *r, struct err *e)
{
    (void)sift;
    wrote("write");
    r->loaded = 100;
    r->part = ((struct fake_sink *)s)->part;
    r->held = r->part > 0;
    ((struct fake_sink *)s)->part = 0;
    ((struct fake_sink *)s)->seen = b->n;
    enum err_kind says = ((struct fake_sink *)s)->says;
    return says == ERR_OK ? ERR_OK : err_set(e, says, "the sink said no");
}

static const struct sink_ops fake_sink_ops = {
    .name = "fake", .trial = fake_trial, .shape = fake_shape, .write = fake_write};

static struct fake_source from;
static struct fake_sink to;
static struct pump p;
static struct pump_moved m;
static struct err e;

static void begin(enum err_kind says, int batches)
{
    struct sift_options o = {.subject = "orders-value"};

    fake_registry_reset();
    diary[0] = '\0';
    from = (struct fake_source){{&fake_source_ops}, batches};
    to = (struct fake_sink){.sink = {.ops = &fake_sink_ops}, .says = says};
    p = (struct pump){.source = &from.source, .sink = &to.sink};
    e = (struct err){0};
    CHECK_INT(sift_open(&p.sift, NULL, &o, &e), ERR_OK);
}

static void end(void)
{
    pump_end(&p);
    sift_close(p.sift);
}

static void is_done_only_when_the_sink_said_so(void)
{
    begin(ERR_OK, 1);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK(m.moved);
    CHECK_INT(m.next, 200);
    CHECK_INT(m.receipt.loaded, 100);
    CHECK_STR(diary, "next write done ");
    end();
}

static void keeps_the_batch_while_the_sink_is_away(void)
{
    begin(ERR_UNAVAILABLE, 1);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_UNAVAILABLE);
    CHECK_STR(e.msg, "orders/3@100-199: the sink said no");
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_UNAVAILABLE);
    to.says = ERR_OK;
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK_STR(diary, "next write write write done ");
    end();
}

static void drops_what_is_somebody_elses_and_goes_on(void)
{
    begin(ERR_CONFLICT, 2);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK(m.dropped && !m.moved);
    CHECK_STR(diary, "next write drop ");
    end();
}

static void stops_at_what_no_waiting_mends(void)
{
    begin(ERR_LIMIT, 1);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_LIMIT);
    CHECK_STR(diary, "next write ");
    end();
    CHECK_STR(diary, "next write drop "); // given back, not forgotten
}

static void shapes_the_sink_once_for_each_reader(void)
{
    begin(ERR_OK, 3);
    (void)fake_register("{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}");
    CHECK_INT(sift_latest(p.sift, &e), ERR_OK);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK_STR(diary, "next shape write done next write done ");
    end();
}

static void says_so_before_it_touches_what_it_died_of(void)
{
    begin(ERR_OK, 0);
    p.held = batch_new("orders", 3, 100);
    p.held->next = 101;
    p.held->trial = true;
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK_STR(diary, "trial write done ");
    end();
}

static void what_the_sink_did_not_take_it_is_given_again(void)
{
    struct record r = {.timestamp_ms = 1, .value = span_str("x")};

    begin(ERR_OK, 0);
    p.held = batch_new("orders", 3, 100);
    for (r.offset = 100; r.offset < 105; r.offset++)
        batch_add(p.held, &r);
    to.part = 2;
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK(!m.moved && p.held != NULL);
    CHECK_INT(to.seen, 5);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK(m.moved);
    CHECK_INT(m.next, 105);
    CHECK_INT(to.seen, 3);
    CHECK_STR(diary, "write write done ");
    end();
}

static void rests_when_there_is_nothing(void)
{
    begin(ERR_OK, 0);
    CHECK_INT(pump_once(&p, 0, &m, &e), ERR_OK);
    CHECK(!m.moved && !m.dropped);
    end();
}

static void waits_longer_each_time_up_to_half_a_minute(void)
{
    struct pump_moved free_ = {0}, busy = {.receipt = {.busy = true}};

    p = (struct pump){.tries = 1};
    CHECK(pump_pause_ms(&p, &free_) >= 25 && pump_pause_ms(&p, &free_) <= 50);
    p.tries = 100;
    CHECK(pump_pause_ms(&p, &free_) >= 15000 && pump_pause_ms(&p, &free_) <= 30000);
    CHECK(pump_pause_ms(&p, &busy) >= 1000 && pump_pause_ms(&p, &busy) <= 2000);
}

int main(void)
{
    RUN(is_done_only_when_the_sink_said_so);
    RUN(keeps_the_batch_while_the_sink_is_away);
    RUN(drops_what_is_somebody_elses_and_goes_on);
    RUN(stops_at_what_no_waiting_mends);
    RUN(shapes_the_sink_once_for_each_reader);
    RUN(says_so_before_it_touches_what_it_died_of);
    RUN(what_the_sink_did_not_take_it_is_given_again);
    RUN(rests_when_there_is_nothing);
    RUN(waits_longer_each_time_up_to_half_a_minute);
    fake_registry_reset();
    return REPORT();
}

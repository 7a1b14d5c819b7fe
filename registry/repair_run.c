#include "registry/repair_run.h"

#include "base/clock.h"
#include "base/conf.h"
#include "kafka/consumer.h"
#include "registry/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define TEXT_MOST ((size_t)1 << 30)

struct settings {
    const char *bootstrap, *topic, *file, *subject, *reason;
    int64_t id, version;
    bool dry_run;
    struct conf_pairs kafka;
};

#define AT(field) offsetof(struct settings, field)
#define KAFKA_ROWS                                                        \
    {"bootstrap",                                                         \
     CONF_TEXT,                                                           \
     AT(bootstrap),                                                       \
     .required = true,                                                    \
     .argument = "HOST:PORT",                                             \
     .help = "Kafka brokers, with commas"},                               \
        {"topic", CONF_TEXT, AT(topic), .fallback = "_schemas",           \
         .help = "compacted topic that holds everything"},                \
    {                                                                     \
        "kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property" \
    }
#define FILE_ROW                                                               \
    {                                                                          \
        "file", CONF_TEXT, AT(file),                                           \
            .fallback = "-", .argument = "FILE",                               \
            .help = "the backup, one JSON object a line; - is stdin or stdout" \
    }
#define DRY_ROW                                                   \
    {                                                             \
        "dry_run", CONF_BOOL, AT(dry_run),                        \
            .fallback = "false", .flag = "dry-run",               \
            .help = "say what would be written and write nothing" \
    }
#define REASON_ROW                                                                \
    {                                                                             \
        "reason", CONF_TEXT, AT(reason),                                          \
            .argument = "TEXT", .help = "why, for the history of what is written" \
    }

static const struct conf_row fsck_rows[] = {KAFKA_ROWS, {0}};
static const struct conf_row backup_rows[] = {KAFKA_ROWS, FILE_ROW, {0}};
static const struct conf_row restore_rows[] = {
    KAFKA_ROWS,
    FILE_ROW,
    DRY_ROW,
    REASON_ROW,
    {"id", CONF_INT, AT(id), .fallback = "0", .min = 0, .max = INT32_MAX,
     .help = "the schema of this id alone; 0 is everything"},
    {0}};
static const struct conf_row undelete_rows[] = {
    KAFKA_ROWS,
    DRY_ROW,
    REASON_ROW,
    {"subject", CONF_TEXT, AT(subject), .required = true, .help = "whose versions"},
    {"subject_version", CONF_INT, AT(version), .fallback = "0", .min = 0,
     .max = INT32_MAX, .help = "this version alone; 0 is all"},
    {0}};

/* All records of the topic. */
struct log {
    struct reg_record *all;
    size_t n, cap;
    struct arena arena;
};

static struct span kept(struct span s, struct arena *a)
{
    if (s.p == NULL)
        return s;
    struct span copy = arena_copy(a, s);
    return copy.p != NULL ? copy : span_of("", 0); // empty is no tombstone
}

/* They outlive the message: the texts are kept first. */
static const struct reg_act *acts_of(const struct kf_message *m, struct arena *a)
{
    struct kf_header *headers = arena_array(a, m->n_headers, sizeof *headers);
    struct reg_event ev = {0};

    for (size_t i = 0; i < m->n_headers; i++)
        headers[i] =
            (struct kf_header){m->headers[i].name, kept(m->headers[i].value, a)};
    reg_event_read_headers(&ev, headers, m->n_headers, a);
    return ev.acts;
}

static void keep(struct log *l, const struct kf_message *m)
{
    if (l->n == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->all = mem_grow(l->all, l->cap, sizeof *l->all);
    }
    l->all[l->n++] = (struct reg_record){
        .key = kept(m->key, &l->arena),
        .value = kept(m->value, &l->arena),
        .offset = m->offset,
        .ts = m->timestamp_ms > 0 ? m->timestamp_ms : 0,
        .acts = acts_of(m, &l->arena),
    };
}

static void log_free(struct log *l)
{
    free(l->all);
    arena_free(&l->arena);
}

static enum err_kind read_to_end(struct log *l, struct kf_consumer *c, struct err *e)
{
    int64_t due = clock_ms() + PATIENCE_MS;

    while (clock_ms() < due) {
        struct kf_message m;
        struct kf_end end = {0};
        bool got = false;
        enum err_kind rc = kf_poll(c, 1000, &m, &got, &end, e);

        if (rc != ERR_OK && rc != ERR_UNAVAILABLE)
            return rc;
        if (rc == ERR_OK && got) {
            keep(l, &m);
            kf_message_free(&m);
            due = clock_ms() + PATIENCE_MS;
        }
        if (rc == ERR_OK && end.reached)
            return ERR_OK;
    }
    return err_set(e, ERR_UNAVAILABLE, "Kafka does not answer");
}

static enum err_kind read_log(struct log *l, const struct settings *s, struct err *e)
{
    struct kf_admin *admin = NULL;
    struct kf_consumer *c = NULL;
    int32_t partitions = 0;

    TRY(kf_admin_open(&admin, s->bootstrap, &s->kafka, e));
    enum err_kind rc =
        kf_topic_partitions(admin, s->topic, &partitions, PATIENCE_MS, e);
    kf_admin_close(admin);
    if (rc != ERR_OK)
        return rc;
    if (partitions != 1)
        return err_set(e, ERR_CONFLICT, "topic %s has %d partitions, wanted 1",
                       s->topic, (int)partitions);
    TRY(kf_consumer_assign(&c, s->bootstrap, &s->kafka, s->topic, 0, KF_BEGINNING, e));
    rc = read_to_end(l, c, e);
    kf_consumer_close(c);
    return rc;
}

/* Files. */

static enum err_kind write_all(int fd, struct span s, struct err *e)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_UNAVAILABLE, "cannot be written: %s",
                           strerror(errno));
        s = span_skip(s, n > 0 ? (size_t)n : 0);
    }
    return ERR_OK;
}

/* The file is whole or, under its name, not there. */
static enum err_kind write_file(const char *name, struct span text, struct err *e)
{
    char aside[4096];

    if (strcmp(name, "-") == 0)
        return write_all(STDOUT_FILENO, text, e);
    if ((size_t)snprintf(aside, sizeof aside, "%s.part", name) >= sizeof aside)
        return err_set(e, ERR_INVALID, "%.100s...: a name too long", name);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s: %s", aside, strerror(errno));
    enum err_kind rc = write_all(fd, text, e);
    if (rc == ERR_OK && fsync(fd) != 0)
        rc = err_set(e, ERR_UNAVAILABLE, "%s: %s", aside, strerror(errno));
    if (close(fd) != 0 && rc == ERR_OK)
        rc = err_set(e, ERR_UNAVAILABLE, "%s: %s", aside, strerror(errno));
    if (rc == ERR_OK && rename(aside, name) != 0)
        rc = err_set(e, ERR_INVALID, "%s: %s", name, strerror(errno));
    return rc;
}

static enum err_kind read_file(const char *name, struct buf *out, struct err *e)
{
    bool is_stdin = strcmp(name, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    uint8_t block[65536];
    ssize_t n = 0;

    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s: %s", name, strerror(errno));
    while (!out->over && ((n = read(fd, block, sizeof block)) > 0 || errno == EINTR))
        if (n > 0)
            buf_put(out, span_of(block, (size_t)n));
    int why = n < 0 ? errno : 0;
    if (!is_stdin)
        close(fd);
    if (why != 0)
        return err_set(e, ERR_INVALID, "%s: %s", name, strerror(why));
    return buf_status(out, e);
}

/* Writing what was planned. */

struct delivery {
    struct kf_waiter waiter; // first
    pthread_mutex_t lock;
    size_t failed;
    struct err why;
};

static void note_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct delivery *d = (struct delivery *)w;

    (void)index;
    if (r->kind == ERR_OK)
        return;
    pthread_mutex_lock(&d->lock);
    d->failed++;
    err_set(&d->why, r->kind, "%s: %s", r->name, r->reason);
    pthread_mutex_unlock(&d->lock);
}

static enum err_kind send_record(struct kf_producer *p, const struct settings *s,
                                 const struct kf_record *r, struct delivery *d,
                                 struct err *e)
{
    enum err_kind rc;

    while ((rc = kf_send(p, s->topic, r, &d->waiter, 0, e)) == ERR_UNAVAILABLE &&
           kf_healthy(p))
        (void)kf_flush(p, 100);
    return rc;
}

static enum err_kind send_one(struct kf_producer *p, const struct settings *s,
                              const struct reg_event *ev, struct delivery *d,
                              struct err *e)
{
    struct buf key = BUF_INIT(TEXT_MOST), value = BUF_INIT(TEXT_MOST);
    struct arena a = {0};
    enum err_kind rc;

    reg_event_put_key(&key, ev);
    bool there = reg_event_put_value(&value, ev);
    rc = buf_status(&key, e);
    if (rc == ERR_OK)
        rc = buf_status(&value, e);
    struct kf_record r = {.key = buf_span(&key),
                          .value = there ? buf_span(&value) : (struct span){0}};
    r.headers = reg_event_headers(ev, wall_ms(), &a, &r.n_headers);
    if (rc == ERR_OK)
        rc = send_record(p, s, &r, d, e);
    buf_free(&key);
    buf_free(&value);
    arena_free(&a);
    return rc;
}

static enum err_kind write_plan(const struct settings *s, const struct reg_plan *plan,
                                struct err *e)
{
    struct delivery d = {.waiter = {note_report}, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kf_producer *p = NULL;
    enum err_kind rc = ERR_OK;

    TRY(kf_producer_open(&p, s->bootstrap, &s->kafka, e));
    for (size_t i = 0; i < plan->n && rc == ERR_OK; i++)
        rc = send_one(p, s, &plan->events[i], &d, e);
    bool flushed = kf_flush(p, PATIENCE_MS);
    kf_producer_close(p);
    if (rc != ERR_OK)
        return rc;
    if (d.failed > 0 || !flushed)
        return err_set(e, ERR_UNAVAILABLE,
                       "%zu records were not written (%s): do it again, what is there "
                       "is not written twice",
                       d.failed, d.why.msg);
    return ERR_OK;
}

/* The commands.  Each returns an exit status: 0 all is well, 1 not. */

/* Whoever has Kafka's address may do this: there is no principal to name. */
static void say_whose(const struct settings *s, struct reg_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct reg_act *act = &plan->events[i].act;

        act->agent = span_str(act->deed == REG_UNDELETED ? "avrogate registry undelete"
                                                         : "avrogate registry restore");
        if (s->reason != NULL)
            act->reason =
                reg_text_kept(span_str(s->reason), REG_REASON_BYTES, &plan->arena);
    }
}

static int finish_plan(const struct settings *s, struct reg_plan *plan, struct err *e)
{
    say_whose(s, plan);
    enum err_kind rc = buf_status(&plan->lines, e); // who acts must be able to say so

    if (rc == ERR_OK && !s->dry_run && plan->n > 0)
        rc = write_plan(s, plan, e);
    if (rc == ERR_OK)
        rc = write_all(STDOUT_FILENO, buf_span(&plan->lines), e);
    if (rc == ERR_OK)
        printf("%zu %swritten, %zu left alone\n", plan->n,
               s->dry_run ? "would be " : "", plan->left_alone);
    int code = rc != ERR_OK ? -1 : plan->left_alone > 0;
    reg_plan_free(plan);
    return code;
}

static int fsck(const struct settings *s, struct log *l, struct err *e)
{
    struct buf report = BUF_INIT(TEXT_MOST);
    size_t wrong = reg_fsck(&report, l->all, l->n);
    enum err_kind rc = buf_status(&report, e);

    (void)s;
    if (rc == ERR_OK)
        rc = write_all(STDOUT_FILENO, buf_span(&report), e);
    buf_free(&report);
    return rc != ERR_OK ? -1 : wrong > 0;
}

static int backup(const struct settings *s, struct log *l, struct err *e)
{
    struct buf text = BUF_INIT(TEXT_MOST);
    enum err_kind rc;

    reg_backup_put(&text, l->all, l->n);
    rc = buf_status(&text, e);
    if (rc == ERR_OK)
        rc = write_file(s->file, buf_span(&text), e);
    buf_free(&text);
    return rc != ERR_OK ? -1 : 0;
}

static int restore(const struct settings *s, struct log *l, struct err *e)
{
    struct buf text = BUF_INIT(TEXT_MOST);
    struct reg_record *records = NULL;
    struct reg_plan plan;
    size_t n = 0;
    int code = -1;

    if (read_file(s->file, &text, e) == ERR_OK &&
        reg_backup_read(&records, &n, buf_span(&text), &l->arena, e) == ERR_OK) {
        reg_plan_restore(&plan, records, n, l->all, l->n, (int32_t)s->id);
        code = finish_plan(s, &plan, e);
    }
    buf_free(&text);
    return code;
}

static int undelete(const struct settings *s, struct log *l, struct err *e)
{
    struct reg_plan plan;

    reg_plan_undelete(&plan, l->all, l->n, span_str(s->subject), (int32_t)s->version);
    return finish_plan(s, &plan, e);
}

static const struct tool {
    const char *name;
    int (*run)(const struct settings *s, struct log *l, struct err *e);
    struct conf_program program;
} tools[] = {
    {"fsck",
     fsck,
     {.name = "avrogate registry fsck",
      .about = "Reads the topic and says what is wrong in it: records that cannot be "
               "decoded, ids with two meanings, schemas or references that cannot be "
               "read.  Exit code 1 when something is.",
      .examples = "  avrogate registry fsck --bootstrap 127.0.0.1:9092\n",
      .rows = fsck_rows}},
    {"backup",
     backup,
     {.name = "avrogate registry backup",
      .about = "Writes every record that counts, one JSON object a line.",
      .examples = "  avrogate registry backup --bootstrap 127.0.0.1:9092 --file "
                  "schemas.ndjson\n",
      .rows = backup_rows}},
    {"restore",
     restore,
     {.name = "avrogate registry restore",
      .about =
          "Writes what a backup has and the topic has not, with its ids and "
          "versions.  What is there is never overwritten: where it says something "
          "else it is left alone, which makes the exit code 1.  The topic need not "
          "be empty; let nobody register meanwhile.",
      .examples =
          "  avrogate registry restore --bootstrap 127.0.0.1:9092 --file "
          "schemas.ndjson\n"
          "  avrogate registry restore --bootstrap 127.0.0.1:9092 --id 7 --dry-run < "
          "schemas.ndjson\n",
      .rows = restore_rows}},
    {"undelete",
     undelete,
     {.name = "avrogate registry undelete",
      .about =
          "Brings deleted versions back: softly deleted ones always, those deleted "
          "for good as long as the log has not been compacted.  Let nobody "
          "register meanwhile.",
      .examples = "  avrogate registry undelete --bootstrap 127.0.0.1:9092 --subject "
                  "orders-value --subject-version 3\n",
      .rows = undelete_rows}},
};

static int run(const struct tool *t, int argc, char **argv)
{
    struct settings s = {0};
    enum conf_outcome outcome = CONF_RUN;
    struct conf c = {0};
    struct log l = {0};
    struct err e = {0};
    int code = -1;

    enum err_kind rc = conf_read(&c, &t->program, argc, argv, &s, &outcome, &e);
    if (rc == ERR_OK && outcome == CONF_DONE)
        code = 0;
    else if (rc == ERR_OK && read_log(&l, &s, &e) == ERR_OK)
        code = t->run(&s, &l, &e);
    if (code < 0)
        fprintf(stderr, "%s: %s\n", t->program.name, e.msg);
    log_free(&l);
    conf_free(&c);
    return code >= 0 ? code : rc == ERR_INVALID ? 2 : 1;
}

bool reg_repair_cmd(int argc, char **argv, int *status)
{
    for (size_t i = 0; argc > 1 && i < sizeof tools / sizeof *tools; i++)
        if (strcmp(argv[1], tools[i].name) == 0) {
            *status = run(&tools[i], argc - 1, argv + 1);
            return true;
        }
    return false;
}

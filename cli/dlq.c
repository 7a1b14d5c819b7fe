#include "cli/dlq.h"

#include "cli/dlq_inside.h"
#include "http/url.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define AT(field) offsetof(struct dlq_settings, field)

static const struct conf_row rows[] = {
    {"bootstrap", CONF_TEXT, AT(bootstrap), .letter = 'b', .required = true,
     .argument = "HOST:PORT,...", .help = "Kafka brokers"},
    {"topic", CONF_TEXT, AT(topic), .letter = 't',
     .help = "ls: the dead letters of this topic only"},
    {"partition", CONF_INT, AT(partition), .fallback = "-1", .min = -1,
     .max = INT32_MAX, .argument = "N", .help = "letters of this partition; -1 = all"},
    {"offset", CONF_INT, AT(offset), .fallback = "-1", .min = -1, .max = INT64_MAX,
     .argument = "N", .help = "with --partition: this letter alone"},
    {"last", CONF_INT, AT(last), .fallback = "20", .min = 1, .max = 100000,
     .letter = 'n', .argument = "N", .help = "show: the newest so many"},
    {"where", CONF_PAIRS, AT(where), .argument = "KEY=VALUE",
     .help = "only letters for which this holds; repeat for more. KEY: rule, pointer, "
             "offset, schema.id, subject, principal, request.id, any header"},
    {"gateway", CONF_TEXT, AT(gateway), .letter = 'g', .argument = "URL",
     .help = "replay: through this gateway; may carry user:secret@"},
    {"dry_run", CONF_BOOL, AT(dry_run), .help = "replay: check only, write nothing"},
    {"param", CONF_PAIRS, AT(param), .argument = "NAME=VALUE",
     .help = "replay: a parameter of the gateway's, instead of the letter's own: "
             "key_field=id, unknown_fields=ignore"},
    {"csv_header", CONF_TEXT, AT(csv_header), .argument = "LINE",
     .help = "replay: the columns of letters that are rows of CSV"},
    {"set", CONF_TEXTS, AT(edit.set), .argument = "PLACE=EXPR",
     .help = "replay: make the field at PLACE (price, /items/*/price) what the CEL "
             "expression gives; repeat for more"},
    {"drop", CONF_TEXTS, AT(edit.drop), .argument = "PLACE",
     .help = "replay: without this field; after every --set; repeat for more"},
    {"transform", CONF_TEXT, AT(edit.transform), .argument = "EXPR",
     .help = "replay: the record is what the CEL expression gives; before every --set"},
    {"repair", CONF_TEXT, AT(edit.repair), .argument = "EXPR",
     .help = "replay: of what is no JSON: the CEL expression gives the text to read"},
    {"registry", CONF_LIST, AT(registry), .letter = 'r', .argument = "URL,...",
     .help = "replay: schema registry, for changing framed Avro"},
    RC_LOGIN_ROWS(struct dlq_settings, login),
    {"timeout", CONF_DURATION, AT(timeout_ms), .fallback = "30s", .min = 100,
     .max = 3600000, .help = "replay: wait for the answer to one request"},
    {"patience", CONF_DURATION, AT(patience_ms), .fallback = "60s", .min = 0,
     .max = 86400000, .help = "replay: how long to try again while the gateway cannot"},
    GATEWAY_LOGIN_ROWS(struct dlq_settings, gateway_login),
    {"output", CONF_TEXT, AT(output), .letter = 'o', .argument = "FILE",
     .help = "export: to this file; default standard output"},
    {"json", CONF_BOOL, AT(json), .help = "one JSON object a line"},
    {"quiet", CONF_BOOL, AT(quiet), .letter = 'q', .help = "no progress"},
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {0},
};

static const struct conf_program program = {
    .name = "avrogate dlq",
    .operands = "ls|show|export|replay [TOPIC]",
    .about =
        "Dead letters: what the gateway refused and kept in TOPIC.dlq, with every "
        "error.\n\n"
        "  ls      the dead-letter topics, and how many letters by error and schema\n"
        "  show    letters with errors, sender, time and the record as it was sent\n"
        "  export  all of it as one JSON object a line; nothing is lost\n"
        "  replay  sends them through the gateway again, which checks them against the "
        "newest\n          schema; a letter goes in once, however often it is "
        "replayed\n\n"
        "A replay can change the records first, with CEL over `message`, `value` (what "
        "stands at a\nplace), `text`, `key`, `errors`, `headers` and `now`; `guard ; "
        "expression` where the guard is\ntrue. --dry-run shows each before and "
        "after.\n\n"
        "TOPIC may be named with or without .dlq. Reading changes nothing, and leaves "
        "no group behind.\n\nExit status: 0 done, 1 failed or a letter did not go in, "
        "2 called wrongly.",
    .examples =
        "  avrogate dlq ls -b 127.0.0.1:9092\n"
        "  avrogate dlq show -b 127.0.0.1:9092 orders --last 5 --where rule=type\n"
        "  avrogate dlq show -b 127.0.0.1:9092 orders --partition 0 --offset 12\n"
        "  avrogate dlq export -b 127.0.0.1:9092 orders -o orders.dlq.ndjson\n"
        "  avrogate dlq replay -b 127.0.0.1:9092 orders -g http://127.0.0.1:8082 "
        "--where schema.id=7 --dry-run\n"
        "  avrogate dlq replay -b 127.0.0.1:9092 orders -g http://127.0.0.1:8082\n"
        "  avrogate dlq replay -b 127.0.0.1:9092 orders -g http://127.0.0.1:8082 "
        "--dry-run \\\n"
        "      --set 'price=type(value) == string ; double(value)' --set "
        "'/items/*/sku=value.trim()' \\\n"
        "      --set 'customer=message.cust' --drop cust\n"
        "  avrogate dlq replay -b 127.0.0.1:9092 orders -g http://127.0.0.1:8082 \\\n"
        "      --transform '{\"id\": int(message.orderId), \"price\": "
        "message.total}'\n"
        "  avrogate dlq replay -b 127.0.0.1:9092 orders -g http://127.0.0.1:8082 \\\n"
        "      --repair 'text.replace(\"NaN\", \"null\")' --where rule=json\n",
    .rows = rows,
};

static const struct question {
    const char *name;
    size_t operands; // with its own name
    enum err_kind (*ask)(struct dlq *d, int *code, struct err *e);
} questions[] = {
    {"ls", 1, dlq_ls},
    {"show", 2, dlq_show},
    {"export", 2, dlq_export},
    {"replay", 2, dlq_replay},
};

static const struct question *find_question(const struct conf *c)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (c->n_operands == questions[i].operands &&
            strcmp(c->operands[0], questions[i].name) == 0)
            return &questions[i];
    return NULL;
}

/* "orders" is "orders.dlq". */
static enum err_kind name_topic(char out[DLQ_TOPIC_MOST], const char *operand,
                                struct err *e)
{
    size_t n = strlen(operand);
    bool whole = n > 4 && strcmp(operand + n - 4, ".dlq") == 0;

    if (n == 0 || n + 5 > DLQ_TOPIC_MOST)
        return err_set(e, ERR_INVALID, "\"%.60s\" is no topic", operand);
    snprintf(out, DLQ_TOPIC_MOST, "%s%s", operand, whole ? "" : ".dlq");
    return ERR_OK;
}

/* Who only reads must not think that something is changed. */
static enum err_kind check_reading(const struct dlq *d, struct err *e)
{
    const struct dlq_edit_settings *s = &d->s.edit;

    if (s->repair == NULL && s->transform == NULL && s->set.n + s->drop.n == 0)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "--set, --drop, --transform and --repair are for replay");
}

static enum err_kind check(const struct dlq *d, const struct question *q, struct err *e)
{
    struct url u;

    if (d->s.offset >= 0 && d->s.partition < 0)
        return err_set(e, ERR_INVALID, "--offset without --partition");
    if (q->ask != dlq_replay)
        return check_reading(d, e);
    if (d->s.gateway == NULL)
        return err_set(e, ERR_INVALID, "replay wants --gateway URL");
    for (size_t i = 0; i < d->s.param.n; i++)
        if (strcmp(d->s.param.items[i].name, "dry_run") == 0 ||
            strcmp(d->s.param.items[i].name, "on_error") == 0)
            return err_set(e, ERR_INVALID, "--param %s is not for a replay",
                           d->s.param.items[i].name);
    TRY(url_split(&u, span_str(d->s.gateway), e));
    if (u.query.n > 0)
        return err_set(e, ERR_INVALID,
                       "--gateway has a query, wanted http://HOST:PORT");
    return ERR_OK;
}

static int ask(struct dlq *d, const struct question *q)
{
    struct err e = {0};
    int code = 1;

    d->source = (struct dlq_source){.bootstrap = d->s.bootstrap,
                                    .kafka = &d->s.kafka,
                                    .partition = d->s.partition,
                                    .offset = d->s.offset,
                                    .where = &d->s.where};
    enum err_kind rc = kf_admin_open(&d->kafka, d->s.bootstrap, &d->s.kafka, &e);
    if (rc == ERR_OK) {
        rc = q->ask(d, &code, &e);
        kf_admin_close(d->kafka);
    }
    if (rc != ERR_OK) {
        fprintf(stderr, "avrogate dlq: %s\n", e.msg);
        return 1;
    }
    return fflush(stdout) != 0 ? 1 : code;
}

static int misused(const char *why)
{
    fprintf(stderr, "avrogate dlq: %s\n", why);
    return 2;
}

static int run(struct dlq *d, const struct conf *conf)
{
    const struct question *q = find_question(conf);
    struct err e = {0};

    if (q == NULL)
        return misused("what? ls, show TOPIC, export TOPIC, replay TOPIC");
    if (q->operands == 2 && name_topic(d->topic, conf->operands[1], &e) != ERR_OK)
        return misused(e.msg);
    if (check(d, q, &e) != ERR_OK)
        return misused(e.msg);
    if (dlq_edit_new(&d->edit, &d->s.edit, &e) != ERR_OK)
        return misused(e.msg);
    int code = ask(d, q);
    dlq_edit_free(d->edit);
    return code;
}

int cmd_dlq(int argc, char **argv)
{
    struct conf conf = {0};
    struct dlq d = {0};
    enum conf_outcome outcome;
    struct err e = {0};
    int code = 0;

    if (conf_read(&conf, &program, argc, argv, &d.s, &outcome, &e) != ERR_OK)
        code = misused(e.msg);
    else if (outcome == CONF_RUN)
        code = run(&d, &conf);
    conf_free(&conf);
    return code;
}

#include "cli/produce.h"

#include "base/json.h"
#include "cli/produce_run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { DONE = 0, INCOMPLETE = 1, MISUSED = 2 };
enum { FORMAT_BY_NAME, FORMAT_CSV, FORMAT_NDJSON };
enum { ON_ERROR_IS_PARTIAL, ON_ERROR_IS_REJECT, ON_ERROR_IS_DLQ };

#define SAMPLE_RATE 10.0 // rows a second, when nobody says
#define PARAMS_MOST 16
#define SHOWN 20

struct produce_settings {
    struct conf_list gateway;
    struct gateway_login gateway_login;
    const char *bootstrap;
    struct conf_list registry;
    struct rc_login login; // at the registry
    struct conf_pairs kafka;
    const char *topic, *delimiter, *key_field;
    int format, on_error;
    int64_t schema_id;
    const char *version, *subject, *strategy, *record_name;
    const char *unknown_fields, *bytes_as;
    struct conf_list map;
    int64_t batch, batch_bytes, count, from_line, timeout_ms, patience_ms;
    double rate;
    int64_t seed;
    bool sample, loop, dry_run, quiet, json;
    const char *rejects;
};

#define AT(field) offsetof(struct produce_settings, field)

static const struct conf_row rows[] = {
    {"gateway", CONF_LIST, AT(gateway), .letter = 'g', .argument = "URL,...",
     .help = "gateways, the next one when one is away; or --bootstrap and --registry"},
    {"topic", CONF_TEXT, AT(topic), .letter = 't', .required = true,
     .argument = "TOPIC", .help = "where the rows go"},
    {"key_field", CONF_TEXT, AT(key_field), .letter = 'k', .argument = "FIELD",
     .help = "field whose value is the Kafka key"},
    {"format", CONF_CHOICE, AT(format), .choices = "by_name|csv|ndjson",
     .fallback = "by_name",
     .help = "of the file; by_name goes by .csv, .tsv, .ndjson, "
             ".jsonl"},
    {"delimiter", CONF_TEXT, AT(delimiter), .letter = 'd', .argument = "CHAR|tab",
     .help = "between cells of CSV (default: a comma, of .tsv a tab)"},
    {"map", CONF_LIST, AT(map), .letter = 'm', .argument = "HEADER=FIELD",
     .help = "a column's field, where their names differ; repeat for more"},
    {"on_error", CONF_CHOICE, AT(on_error), .choices = "partial|reject|dlq",
     .fallback = "partial",
     .help = "bad rows are left out; stop it at the first; go to TOPIC.dlq"},
    {"rejects", CONF_TEXT, AT(rejects), .argument = "FILE",
     .help = "refused rows with their lines and errors, to be mended and sent again"},
    {"from_line", CONF_INT, AT(from_line), .fallback = "0", .min = 0, .max = INT64_MAX,
     .argument = "N", .help = "go on from this line of the file"},
    {"rate", CONF_REAL, AT(rate), .fallback = "0", .argument = "ROWS",
     .help = "rows a second; 0 = as fast as it goes (with --sample: 10)"},
    {"sample", CONF_BOOL, AT(sample),
     .help = "rows at random, again and again: a simulated live feed"},
    {"seed", CONF_INT, AT(seed), .fallback = "0", .min = 0, .max = INT64_MAX,
     .argument = "N", .help = "of --sample: the same rows in the same order each time"},
    {"loop", CONF_BOOL, AT(loop), .help = "begin again where the file ends"},
    {"count", CONF_INT, AT(count), .fallback = "0", .min = 0, .max = INT64_MAX,
     .letter = 'n', .argument = "N",
     .help = "rows to send in all; 0 = no end but the "
             "file's"},
    {"dry_run", CONF_BOOL, AT(dry_run), .help = "check only, write nothing"},
    {"batch", CONF_INT, AT(batch), .fallback = "5000", .min = 1, .max = 50000,
     .argument = "ROWS", .help = "rows in a request"},
    {"batch_bytes", CONF_BYTES, AT(batch_bytes), .fallback = "1MiB", .min = 1024,
     .max = 256 << 20, .help = "bytes in a request, unless one row has more"},
    {"patience", CONF_DURATION, AT(patience_ms), .fallback = "30s", .min = 0,
     .max = 86400000, .help = "how long to try again while nothing is written"},
    {"timeout", CONF_DURATION, AT(timeout_ms), .fallback = "30s", .min = 100,
     .max = 3600000, .help = "wait for the answer to one request"},
    {"schema_id", CONF_INT, AT(schema_id), .fallback = "0", .min = 0, .max = INT32_MAX,
     .argument = "ID", .help = "the schema with this id; default the subject's latest"},
    {"schema_version", CONF_TEXT, AT(version), .argument = "N|latest",
     .help = "this version of the subject"},
    {"subject", CONF_TEXT, AT(subject), .help = "default TOPIC-value"},
    {"subject_name_strategy", CONF_TEXT, AT(strategy),
     .argument = "topic|record|topic_record",
     .help = "how the topic's subject is called"},
    {"record_name", CONF_TEXT, AT(record_name),
     .help = "full name of the record, for the strategies that need it"},
    {"unknown_fields", CONF_TEXT, AT(unknown_fields), .argument = "reject|ignore",
     .help = "what columns and members do that the schema does not have"},
    {"bytes_as", CONF_TEXT, AT(bytes_as), .argument = "base64|avro_json",
     .help = "how bytes and fixed are written"},
    {"quiet", CONF_BOOL, AT(quiet), .letter = 'q', .help = "no progress"},
    {"json", CONF_BOOL, AT(json), .help = "the summary as a JSON object"},
    GATEWAY_LOGIN_ROWS(struct produce_settings, gateway_login),
    {"bootstrap", CONF_TEXT, AT(bootstrap), .letter = 'b', .argument = "HOST:PORT,...",
     .help = "Kafka brokers, to do without a gateway"},
    {"registry", CONF_LIST, AT(registry), .letter = 'r', .argument = "URL,...",
     .help = "schema registry, with --bootstrap"},
    RC_LOGIN_ROWS(struct produce_settings, login),
    {"kafka", CONF_PAIRS, AT(kafka), .help = "any librdkafka property"},
    {0}};

static const struct conf_program program = {
    .name = "avrogate produce",
    .operands = "FILE.csv|FILE.ndjson|-",
    .about =
        "Sends a file's rows to a topic, each checked against the Avro schema of its\n"
        "subject: through the gateway, or straight to Kafka after the same checks.\n"
        "Refused rows are told by line and column, the others are written, in order.\n"
        "When it stops before the end it says from which line to go on.\n"
        "Exit codes: 0 every row is written; 1 some are not, or it stopped; 2 the "
        "call\n"
        "was wrong and nothing was sent.",
    .examples =
        "  avrogate produce --gateway http://127.0.0.1:8082 --topic weather "
        "weather.csv\n"
        "  avrogate produce -g http://127.0.0.1:8082 -t weather -k date --rejects "
        "bad.csv weather.csv\n"
        "  avrogate produce -g http://127.0.0.1:8082 -t prices -d ';' -m "
        "'Price (EUR)=price' prices.csv\n"
        "  avrogate produce -g http://127.0.0.1:8082 -t prices --from-line 120001 "
        "prices.csv\n"
        "  avrogate produce -g http://127.0.0.1:8082 -t sensors --sample --rate 50 "
        "sensors.ndjson\n"
        "  jq -c '.[]' orders.json | avrogate produce -g http://127.0.0.1:8082 -t "
        "orders --format ndjson -\n"
        "  avrogate produce -b 127.0.0.1:9092 -r http://127.0.0.1:8081 -t weather "
        "--dry-run weather.csv\n",
    .rows = rows,
};

static volatile int stop; // by whoever sends a signal; an int, as sig_atomic_t is

static void on_signal(int which)
{
    stop = which;
}

/* The first signal lets the request in flight end, the second one ends the process. */
static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    stop = 0;
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- from settings to a run ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && strcasecmp(name + n - m, end) == 0;
}

static enum err_kind choose_kind(struct run_settings *r,
                                 const struct produce_settings *s, struct err *e)
{
    static const struct {
        const char *end;
        enum rows_kind kind;
        char delimiter;
    } t[] = {{".csv", ROWS_CSV, ','},
             {".tsv", ROWS_CSV, '\t'},
             {".tab", ROWS_CSV, '\t'},
             {".ndjson", ROWS_NDJSON, ','},
             {".jsonl", ROWS_NDJSON, ','}};

    r->delimiter = ',';
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        if (!ends_in(r->path, t[i].end))
            continue;
        r->kind = t[i].kind;
        r->delimiter = t[i].delimiter;
        if (s->format == FORMAT_BY_NAME)
            return ERR_OK;
    }
    if (s->format == FORMAT_BY_NAME)
        return err_set(e, ERR_INVALID,
                       "%s: its name does not say what it is, wanted --format csv or "
                       "--format ndjson",
                       r->name);
    r->kind = s->format == FORMAT_CSV ? ROWS_CSV : ROWS_NDJSON;
    return ERR_OK;
}

static enum err_kind read_delimiter(struct run_settings *r, const char *text,
                                    struct err *e)
{
    if (text == NULL)
        return ERR_OK;
    if (strcasecmp(text, "tab") == 0 || strcmp(text, "\\t") == 0)
        text = "\t";
    if (text[0] == '\0' || text[1] != '\0' || strchr("\"\r\n", text[0]) != NULL ||
        (unsigned char)text[0] >= 0x80)
        return err_set(e, ERR_INVALID,
                       "delimiter is \"%s\", wanted one ASCII character or tab", text);
    r->delimiter = text[0];
    return ERR_OK;
}

/* Of a slow feed a request holds what comes in a fifth of a second. */
static size_t rows_of_batch(const struct produce_settings *s, double rate)
{
    double few = rate / 5;

    if (rate <= 0 || few >= (double)s->batch)
        return (size_t)s->batch;
    return few < 1 ? 1 : (size_t)few;
}

static enum err_kind check_together(const struct produce_settings *s, struct err *e)
{
    bool through = s->gateway.n > 0, straight = s->bootstrap != NULL;

    if (through == straight)
        return err_set(e, ERR_INVALID, "%s --gateway, or --bootstrap and --registry",
                       through ? "both ways are given, wanted one:" : "wanted");
    if (straight && s->registry.n == 0)
        return err_set(e, ERR_INVALID, "--bootstrap wants --registry");
    if (straight && s->on_error == ON_ERROR_IS_DLQ)
        return err_set(
            e, ERR_INVALID,
            "on_error dlq is the gateway's, without one --rejects FILE keeps "
            "refused rows");
    if (s->sample && (s->loop || s->from_line > 0))
        return err_set(e, ERR_INVALID, "--sample takes rows at random, without %s",
                       s->loop ? "--loop" : "--from-line");
    if (!(s->rate >= 0 && s->rate <= 1e9))
        return err_set(e, ERR_INVALID, "rate is %g, wanted 0 to 1e9 rows a second",
                       s->rate);
    return ERR_OK;
}

static enum err_kind fill_run(struct run_settings *r, const struct produce_settings *s,
                              const struct conf *c, struct err *e)
{
    if (c->n_operands != 1)
        return err_set(e, ERR_INVALID, "%zu files are given, wanted one (- is stdin)",
                       c->n_operands);
    TRY(check_together(s, e));
    double rate = s->sample && s->rate == 0 ? SAMPLE_RATE : s->rate;
    *r = (struct run_settings){
        .path = c->operands[0],
        .name = strcmp(c->operands[0], "-") == 0 ? "stdin" : c->operands[0],
        .map = s->map,
        .batch_rows = rows_of_batch(s, rate),
        .batch_bytes = (size_t)s->batch_bytes,
        .rate = rate,
        .sample = s->sample,
        .loop = s->loop,
        .quiet = s->quiet,
        .append_rejects = s->from_line > 0,
        .count = (uint64_t)s->count,
        .from_line = (uint64_t)s->from_line,
        .seed = (uint64_t)s->seed,
        .to_dlq = s->on_error == ON_ERROR_IS_DLQ,
        .rejects = s->rejects,
        .show = SHOWN,
        .patience_ms = s->patience_ms};
    TRY(choose_kind(r, s, e));
    if (r->kind == ROWS_NDJSON && (s->map.n > 0 || s->delimiter != NULL))
        return err_set(e, ERR_INVALID, "%s is for CSV",
                       s->map.n > 0 ? "--map" : "--delimiter");
    return read_delimiter(r, s->delimiter, e);
}

/* ---- what both ways are told ---- */

static void add_param(struct way_settings *w, struct http_field *params,
                      const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        params[w->n_params++] = (struct http_field){span_str(name), span_str(value)};
}

static void fill_way(struct way_settings *w, struct http_field *params,
                     const struct produce_settings *s, const struct run_settings *r,
                     struct arena *a)
{
    static const char *const on_error[] = {"partial", "reject", "dlq"};
    const char *id = (const char *)arena_printf(a, "%lld", (long long)s->schema_id).p;
    const char *delimiter =
        r->delimiter == '\t' ? "tab" : arena_str(a, span_of(&r->delimiter, 1));

    *w = (struct way_settings){
        .topic = s->topic,
        .content_type = r->kind == ROWS_CSV ? "text/csv" : "application/x-ndjson",
        .params = params,
        .rejecting = s->on_error == ON_ERROR_IS_REJECT,
        .dry_run = s->dry_run,
        .timeout_ms = s->timeout_ms};
    add_param(w, params, "on_error", on_error[s->on_error]);
    add_param(w, params, "dry_run", s->dry_run ? "true" : NULL);
    add_param(w, params, "key_field", s->key_field);
    add_param(w, params, "schema_id", s->schema_id > 0 ? id : NULL);
    add_param(w, params, "version", s->version);
    add_param(w, params, "subject", s->subject);
    add_param(w, params, "subject_name_strategy", s->strategy);
    add_param(w, params, "record_name", s->record_name);
    add_param(w, params, "unknown_fields", s->unknown_fields);
    add_param(w, params, "bytes_as", s->bytes_as);
    if (r->kind == ROWS_CSV && r->delimiter != ',')
        add_param(w, params, "delimiter", delimiter);
}

static enum err_kind open_way(struct way **out, const struct way_settings *w,
                              const struct produce_settings *s, struct err *e)
{
    if (s->bootstrap != NULL) {
        const struct way_kafka_settings k = {.bootstrap = s->bootstrap,
                                             .registry = s->registry,
                                             .login = &s->login,
                                             .kafka = &s->kafka};
        return way_kafka_open(out, w, &k, e);
    }
    const struct way_http_settings h = {.urls = s->gateway, .login = s->gateway_login};
    return way_http_open(out, w, &h, e);
}

/* ---- what is said at the end ---- */

static bool is_endless(const struct run_settings *r)
{
    return (r->sample || r->loop) && r->count == 0;
}

/* Everything that was to be written is. */
static bool is_complete(const struct run_totals *t, const struct run_settings *r)
{
    return t->refused == 0 &&
           (t->ending == ENDED || (t->ending == INTERRUPTED && is_endless(r)));
}

static void say_why(const struct run_totals *t, const struct run_settings *r)
{
    unsigned long long next = t->next_line, from = t->doubt_from,
                       until = t->doubt_until;

    if (t->ending == FAILED || t->ending == IN_DOUBT)
        fprintf(stderr, "%s: stopped: %s\n", r->name, t->why);
    if (strstr(t->why, "no field for column") != NULL)
        fprintf(stderr, "a column may be given its field with --map HEADER=FIELD, "
                        "or be left out with --unknown-fields ignore\n");
    if (t->dlq_failed)
        fprintf(stderr,
                "%s: some refused rows did not get into the dead-letter topic\n",
                r->name);
    if (r->sample || t->ending == ENDED)
        return;
    if (t->ending == IN_DOUBT)
        fprintf(
            stderr,
            "lines %llu to %llu: %llu rows are not written, of %llu nobody knows, the "
            "others are settled.  Look into the topic, then\n"
            "  go on with --from-line %llu: those that were written are then there "
            "twice\n"
            "  or with --from-line %llu: those that were not are then missing\n",
            from, until, (unsigned long long)t->not_written,
            (unsigned long long)t->unknown, from, until + 1);
    else
        fprintf(
            stderr,
            "lines before %llu are settled, nothing from there on is written: go on "
            "with --from-line %llu\n",
            next, next);
}

static double rate_of(const struct run_totals *t)
{
    return t->elapsed_ms > 0 ? (double)t->written * 1000 / (double)t->elapsed_ms : 0;
}

static const char *ending_name(const struct run_totals *t)
{
    static const char *const names[] = {[GOING] = "failed",
                                        [ENDED] = "done",
                                        [INTERRUPTED] = "interrupted",
                                        [FAILED] = "failed",
                                        [IN_DOUBT] = "in_doubt"};

    return names[t->ending];
}

static void print_json(const struct run_totals *t, const struct produce_settings *s)
{
    struct buf out = BUF_INIT(1 << 16);

    buf_printf(&out,
               "{\"outcome\":\"%s\",\"read\":%llu,\"%s\":%llu,\"refused\":%llu,"
               "\"not_written\":%llu,\"in_doubt\":%llu,\"bytes\":%llu,\"seconds\":%.3f,"
               "\"rows_per_second\":%.1f,\"next_line\":",
               ending_name(t), (unsigned long long)t->read,
               s->dry_run ? "accepted" : "written", (unsigned long long)t->written,
               (unsigned long long)t->refused, (unsigned long long)t->not_written,
               (unsigned long long)t->unknown, (unsigned long long)t->bytes,
               (double)t->elapsed_ms / 1000, rate_of(t));
    if (t->ending == ENDED || s->sample)
        buf_put_str(&out, "null");
    else
        buf_printf(&out, "%llu", (unsigned long long)t->next_line);
    if (t->ending == IN_DOUBT && !s->sample)
        buf_printf(&out, ",\"doubt_lines\":[%llu,%llu]",
                   (unsigned long long)t->doubt_from,
                   (unsigned long long)t->doubt_until);
    if (t->why[0] != '\0') {
        buf_put_str(&out, ",\"message\":");
        json_put_string(&out, span_str(t->why));
    }
    buf_put_str(&out, "}\n");
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void print_summary(const struct run_totals *t, const struct produce_settings *s)
{
    printf("%llu rows read, %llu %s, %llu refused", (unsigned long long)t->read,
           (unsigned long long)t->written,
           s->dry_run ? "good, none written (dry run)" : "written",
           (unsigned long long)t->refused);
    if (t->not_written > 0)
        printf(", %llu not written", (unsigned long long)t->not_written);
    if (t->unknown > 0)
        printf(", %llu in doubt", (unsigned long long)t->unknown);
    printf(", %.1f s, %.0f rows/s\n", (double)t->elapsed_ms / 1000, rate_of(t));
}

static int report(const struct run_totals *t, const struct run_settings *r,
                  const struct produce_settings *s)
{
    say_why(t, r);
    if (s->json)
        print_json(t, s);
    else
        print_summary(t, s);
    if (fflush(stdout) != 0) {
        perror("avrogate produce: stdout");
        return INCOMPLETE;
    }
    return is_complete(t, r) ? DONE : INCOMPLETE;
}

static int say_wrong(const struct err *e)
{
    fprintf(stderr, "avrogate produce: %s\n", e->msg);
    return MISUSED;
}

static int run(const struct produce_settings *s, const struct conf *c)
{
    struct http_field params[PARAMS_MOST];
    struct arena texts = {0};
    struct run_settings r;
    struct run_totals totals;
    struct way_settings w;
    struct way *way;
    struct err e = {0};

    if (fill_run(&r, s, c, &e) != ERR_OK)
        return say_wrong(&e);
    fill_way(&w, params, s, &r, &texts);
    if (open_way(&way, &w, s, &e) != ERR_OK) {
        arena_free(&texts);
        return say_wrong(&e);
    }
    catch_signals();
    enum err_kind rc = run_rows(&totals, &r, way, &stop, &e);
    int code = rc != ERR_OK ? say_wrong(&e) : report(&totals, &r, s);
    way->ops->close(way);
    arena_free(&texts);
    return code;
}

int cmd_produce(int argc, char **argv)
{
    struct produce_settings s = {0};
    enum conf_outcome outcome;
    struct conf c;
    struct err e = {0};

    int code = DONE;
    if (conf_read(&c, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        code = say_wrong(&e);
    else if (outcome == CONF_RUN)
        code = run(&s, &c);
    conf_free(&c);
    return code;
}

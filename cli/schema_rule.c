#include "cli/schema_rule.h"

#include "avro-core/encode.h"
#include "base/clock.h"
#include "cel/cel.h"
#include "cli/avro_inside.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DONE = 0, REFUSED = 1, MISUSED = 2 };

#define LINE_MOST ((size_t)64 << 20)

struct trial {
    const char *schema_file, *text;
    enum cel_mode mode;
    struct av_schema *schema;
    struct av_encoder *encoder;
    struct cel_rules *rules;
    struct cel_rule *rule;
    struct cel_run *run;
    struct buf datum, line;
};

static const char help[] =
    "usage: avrogate schema rule --schema FILE --expr EXPR [--field] < RECORDS\n"
    "\n"
    "Asks a CEL rule about records, as the gateway would: NDJSON on stdin, for each "
    "record\n"
    "a line on stdout: true, false, `error: why`, or the value as JSON (a "
    "transform's).\n"
    "The record is `message`, the time is `now`.  `guard ; expression` asks only where "
    "the\n"
    "guard is true.  docs/cel.md tells what an expression sees.\n"
    "\n"
    "  --schema FILE   the records' Avro schema\n"
    "  --expr EXPR     the rule\n"
    "  --field         ask it for each field: value, typeName, name, fullName, tags "
    "and\n"
    "                  message are bound; the first false or error decides\n"
    "  --help          this text\n"
    "\n"
    "exit codes: 0 every record has its line; 1 a file cannot be read; 2 the rule does "
    "not\n"
    "compile (line:column on stderr), or called wrongly\n"
    "\n"
    "examples:\n"
    "  avrogate schema rule --schema order.avsc --expr 'size(message.items) > 0' < "
    "orders.ndjson\n"
    "  avrogate schema rule --schema order.avsc --field \\\n"
    "      --expr '\"PII\" in tags ; value.matches(\"^[*]+$\")' < orders.ndjson\n"
    "  avrogate schema rule --schema order.avsc --expr '{\"id\": message.id}' < "
    "orders.ndjson\n";

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"schema", required_argument, NULL, 's'},
    {"expr", required_argument, NULL, 'e'},
    {"field", no_argument, NULL, 'f'},
    {0},
};

static int misused(const char *what, const char *which)
{
    fprintf(stderr, "avrogate schema rule: %s%s\n\n%s", what, which, help);
    return MISUSED;
}

static int read_call(struct trial *t, int argc, char **argv, bool *asked)
{
    int letter;

    optind = 0; // glibc: begin anew
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":h", options, NULL)) != -1)
        switch (letter) {
        case 'h': *asked = true; return DONE;
        case 's': t->schema_file = optarg; break;
        case 'e': t->text = optarg; break;
        case 'f': t->mode = CEL_FIELD; break;
        case ':': return misused("a value is missing after ", argv[optind - 1]);
        default: return misused("no such option: ", argv[optind - 1]);
        }
    if (optind < argc)
        return misused("one argument too many: ", argv[optind]);
    if (t->schema_file == NULL || t->text == NULL)
        return misused("both are needed: --schema FILE and --expr EXPR", "");
    return DONE;
}

/* Everything that is made once. */
static int begin(struct trial *t)
{
    struct err e = {0};

    if (avro_schema_load(&t->schema, t->schema_file, false, &e) != ERR_OK ||
        av_encoder_new(&t->encoder, t->schema, NULL, &e) != ERR_OK ||
        cel_rules_new(&t->rules, t->schema, &e) != ERR_OK) {
        fprintf(stderr, "avrogate schema rule: %s\n", e.msg);
        return REFUSED;
    }
    if (cel_rules_add(t->rules, span_str(t->text), t->mode, &t->rule, &e) != ERR_OK) {
        fprintf(stderr, "avrogate schema rule: %s\n", e.msg);
        return MISUSED;
    }
    t->run = cel_run_new();
    return DONE;
}

static void ask(struct trial *t, struct span record)
{
    struct av_problems problems = {0};

    buf_reset(&t->datum);
    buf_reset(&t->line);
    if (av_encode(t->encoder, record, &t->datum, &problems) == ERR_OK) {
        cel_begin(t->run, t->rules, buf_span(&t->datum), wall_ms() * 1000000);
        cel_show(t->run, t->rule, &t->line);
    } else if (problems.first != NULL) {
        buf_put_str(&t->line, "error: ");
        buf_put(&t->line, problems.first->message);
    } else {
        buf_put_str(&t->line, "error: no record of this schema");
    }
    av_problems_free(&problems);
    buf_put_u8(&t->line, '\n');
}

static int ask_all(struct trial *t)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int code = DONE;

    while (code == DONE && (n = getline(&line, &room, stdin)) > 0) {
        struct span record = span_of(line, (size_t)n);

        if (json_is_blank(record))
            continue;
        ask(t, record);
        if (fwrite(t->line.p, 1, t->line.n, stdout) != t->line.n)
            code = REFUSED;
    }
    if (fflush(stdout) != 0 || ferror(stdin))
        code = REFUSED;
    if (code != DONE)
        fprintf(stderr, "avrogate schema rule: %s\n", strerror(errno));
    free(line);
    return code;
}

static void end(struct trial *t)
{
    cel_run_free(t->run);
    cel_rules_free(t->rules);
    av_encoder_free(t->encoder);
    av_schema_release(t->schema);
    buf_free(&t->datum);
    buf_free(&t->line);
}

int cmd_schema_rule(int argc, char **argv)
{
    struct trial t = {
        .mode = CEL_RECORD, .datum = BUF_INIT(LINE_MOST), .line = BUF_INIT(LINE_MOST)};
    bool asked = false;
    int code = read_call(&t, argc, argv, &asked);

    if (code != DONE)
        return code;
    if (asked) {
        fputs(help, stdout);
        return DONE;
    }
    code = begin(&t);
    if (code == DONE)
        code = ask_all(&t);
    end(&t);
    return code;
}

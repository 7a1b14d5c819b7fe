#include "cli/avro.h"

#include "cli/avro_convert.h"
#include "cli/avro_inside.h"
#include "cli/input.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "usage: avrogate avro decode [--schema FILE] [options] FILE\n"
    "       avrogate avro encode --schema FILE [options] [FILE]\n"
    "       avrogate avro convert [options] IN OUT\n"
    "       avrogate avro cat [options] IN\n"
    "\n"
    "decode writes one JSON line a record.  It exits 0 when the whole file was "
    "accepted,\n"
    "and 1 when it was not: then nothing is written but the reason, with its byte "
    "offset,\n"
    "on standard error.\n"
    "convert and cat read and write files of records: Parquet, ocf, JSON lines, CSV; "
    "see\n"
    "avrogate avro convert --help.\n"
    "encode reads JSON values, one a line or however they are spaced, and writes "
    "Avro.\n"
    "It exits 1 when one of them does not fit the schema: every problem is told with "
    "its\n"
    "line, and nothing is written.  A FILE of - is standard input.\n"
    "\n"
    "  --schema FILE         the writer's schema; an ocf file brings its own, and is "
    "refused\n"
    "                        when that is another one\n"
    "  --kind datum          data back to back until the end of the file\n"
    "  --kind confluent      one message: 0x00, schema id, datum\n"
    "  --kind ocf            an object container file\n"
    "                        (decode without --kind: ocf where the file begins like "
    "one,\n"
    "                        else datum; encode: datum)\n"
    "  --avro-json           the JSON of the Avro specification: {\"string\": \"x\"} "
    "in\n"
    "                        unions, bytes as \\u00XX, numbers where dates are meant\n"
    "  -h, --help            this\n"
    "\n"
    "decode:\n"
    "  --reader-schema FILE  read as this schema: defaults, aliases, promotions\n"
    "\n"
    "encode:\n"
    "  --id N                schema id of a confluent message\n"
    "  --codec NAME          of an ocf file: null (default), deflate, snappy, "
    "zstandard,\n"
    "                        bzip2, xz\n"
    "  --unknown-fields reject|ignore\n"
    "                        what becomes of fields the schema has not; default "
    "reject\n"
    "\n"
    "examples:\n"
    "  avrogate avro decode part-0001.avro | head -3\n"
    "  avrogate avro decode --schema order.avsc --kind confluent message.bin\n"
    "  avrogate avro decode --schema v1.avsc --reader-schema v2.avsc orders.bin\n"
    "  avrogate avro encode --schema order.avsc < orders.ndjson > orders.bin\n"
    "  avrogate avro encode --schema order.avsc --kind ocf --codec zstandard "
    "orders.ndjson \\\n"
    "      > orders.avro\n"
    "  kcat -C -e -c 1 -t orders -f '%s' | avrogate avro decode --schema order.avsc "
    "\\\n"
    "      --kind confluent -\n";

enum option_id {
    SCHEMA = 256,
    KIND,
    AVRO_JSON,
    READER_SCHEMA,
    ID,
    CODEC,
    UNKNOWN_FIELDS
};

static const struct option options[] = {
    {"schema", required_argument, NULL, SCHEMA},
    {"kind", required_argument, NULL, KIND},
    {"avro-json", no_argument, NULL, AVRO_JSON},
    {"reader-schema", required_argument, NULL, READER_SCHEMA},
    {"id", required_argument, NULL, ID},
    {"codec", required_argument, NULL, CODEC},
    {"unknown-fields", required_argument, NULL, UNKNOWN_FIELDS},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int wrong(const char *option, const char *found, const char *wanted)
{
    fprintf(stderr, "avrogate avro: %s \"%s\", wanted %s\n", option, found, wanted);
    return 2;
}

static int take_kind(struct avro_job *job, const char *arg)
{
    static const char *const names[] = {
        [KIND_DATUM] = "datum", [KIND_CONFLUENT] = "confluent", [KIND_OCF] = "ocf"};

    for (enum avro_kind k = KIND_DATUM; k <= KIND_OCF; k++)
        if (strcmp(arg, names[k]) == 0) {
            job->kind = k;
            return 0;
        }
    return wrong("--kind", arg, "datum, confluent or ocf");
}

static int take_id(struct avro_job *job, const char *arg)
{
    char *end;

    errno = 0;
    long long id = strtoll(arg, &end, 10);
    if (errno != 0 || end == arg || *end != '\0' || id < 1 || id > INT32_MAX)
        return wrong("--id", arg, "a schema id from 1 to 2147483647");
    job->id = (int32_t)id;
    return 0;
}

static int take_unknown(struct avro_job *job, const char *arg)
{
    job->ignore_unknown = strcmp(arg, "ignore") == 0;
    if (!job->ignore_unknown && strcmp(arg, "reject") != 0)
        return wrong("--unknown-fields", arg, "reject or ignore");
    return 0;
}

/* 0: go on; otherwise the exit code, one less than nothing for help. */
#define HELP (-1)
static int take_option(struct avro_job *job, int option)
{
    switch (option) {
    case SCHEMA: job->schema = optarg; return 0;
    case READER_SCHEMA: job->reader_schema = optarg; return 0;
    case CODEC: job->codec = optarg; return 0;
    case AVRO_JSON: job->avro_json = true; return 0;
    case KIND: return take_kind(job, optarg);
    case ID: return take_id(job, optarg);
    case UNKNOWN_FIELDS: return take_unknown(job, optarg);
    case 'h': return HELP;
    default: fputs("see avrogate avro --help\n", stderr); return 2;
    }
}

static int take_options(struct avro_job *job, int argc, char **argv)
{
    int option;

    optind = 0; // main() may have used getopt before us
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int rc = take_option(job, option);
        if (rc != 0)
            return rc;
    }
    if (optind < argc)
        job->file = argv[optind++];
    if (optind < argc)
        return wrong("FILE", argv[optind], "one only");
    return 0;
}

static int check_decode(const struct avro_job *job)
{
    if (job->file == NULL)
        return wrong("FILE", "", "a file, or - for standard input");
    if (job->schema == NULL && (job->kind == KIND_DATUM || job->kind == KIND_CONFLUENT))
        return wrong("--schema", "",
                     "the writer's schema: only an ocf file brings its own");
    return 0;
}

static int check_encode(struct avro_job *job)
{
    if (job->schema == NULL)
        return wrong("--schema", "", "the schema's file");
    if (job->kind == KIND_CONFLUENT && job->id == 0)
        return wrong("--id", "", "a schema id: the message's head has one");
    if (job->file == NULL)
        job->file = "-";
    return 0;
}

int cmd_avro(int argc, char **argv)
{
    struct avro_job job = {.codec = "null"};
    const char *what = argc > 1 ? argv[1] : "";
    bool decode = strcmp(what, "decode") == 0;

    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (strcmp(what, "convert") == 0 || strcmp(what, "cat") == 0)
        return avro_convert_run(argc - 1, argv + 1);
    if (!decode && strcmp(what, "encode") != 0)
        return wrong("command", what,
                     "decode, encode, convert or cat; see avrogate avro --help");

    int rc = take_options(&job, argc - 1, argv + 1);
    if (rc == HELP) {
        fputs(help, stdout);
        return 0;
    }
    if (rc == 0)
        rc = decode ? check_decode(&job) : check_encode(&job);
    if (rc != 0)
        return rc;
    return decode ? avro_decode_run(&job) : avro_encode_run(&job);
}

enum err_kind avro_schema_load(struct av_schema **out, const char *path, bool old,
                               struct err *e)
{
    const struct av_parse_limits lim = {.keep_bad_defaults = old};
    struct buf text = BUF_INIT((size_t)1 << 20);
    enum err_kind k = input_read(&text, path, e);

    if (k == ERR_OK) {
        k = av_schema_parse(out, buf_span(&text), NULL, 0, &lim, e);
        if (k != ERR_OK)
            err_prefix(e, "%s", path);
    }
    buf_free(&text);
    return k;
}

enum err_kind avro_write(struct span bytes, struct err *e)
{
    while (bytes.n > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_UNAVAILABLE, "standard output: %s", strerror(errno));
        if (n > 0)
            bytes = span_skip(bytes, (size_t)n);
    }
    return ERR_OK;
}

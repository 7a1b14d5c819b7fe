#include "cli/avro_convert.h"

#include "base/mem.h"
#include "cli/avro_inside.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "format/format.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: avrogate avro convert [options] IN OUT\n"
    "       avrogate avro cat [options] IN\n"
    "\n"
    "convert reads a file of records and writes it in another format; cat writes JSON\n"
    "lines on standard output.  Formats: parquet, ocf (.avro), json (.jsonl), csv; "
    "each "
    "is\n"
    "known by the file's first bytes or by its name.  OUT appears when it is whole; on "
    "an\n"
    "error there is none, the reason is on standard error and the exit code is 1.  A "
    "file\n"
    "of - is standard input or output.\n"
    "\n"
    "  --from FORMAT         of IN, where its name does not say\n"
    "  --to FORMAT           of OUT\n"
    "  --schema FILE         what json and csv are read as; ocf and parquet have a "
    "schema,\n"
    "                        and with this are read as it: defaults, aliases, fewer "
    "fields\n"
    "  --delimiter C         of csv; default a comma (\\t is a tab)\n"
    "  --codec NAME          parquet: zstd (default), snappy, gzip, lz4, brotli, none; "
    "ocf:\n"
    "                        zstandard (default), null, deflate, snappy, bzip2, xz\n"
    "  --level N             of parquet's codec\n"
    "  --row-group-rows N    parquet; default 1048576\n"
    "  --row-group-bytes N   parquet, of columns before they are packed; default "
    "67108864\n"
    "  --bloom COLUMN        parquet: a bloom filter; again for each column, a.b for a "
    "field\n"
    "                        inside a record\n"
    "  --sorted COLUMN[:desc]  parquet: the rows are in this order already, say so\n"
    "  --uuids               parquet: UUIDs as Parquet's own type, which Spark "
    "refuses; "
    "else\n"
    "                        as the text or bytes they are in Avro\n"
    "  --note KEY=VALUE      into the file's metadata; again for each\n"
    "  --avro-json           json: as the Avro specification has it\n"
    "  --skip-bad            json, csv: say which lines are wrong and go on\n"
    "  -q, --quiet           no progress\n"
    "  -h, --help            this\n"
    "\n"
    "examples:\n"
    "  avrogate avro convert orders.avro orders.parquet\n"
    "  avrogate avro convert --schema order.avsc orders.csv orders.parquet --bloom id\n"
    "  avrogate avro convert part-0001.parquet --to csv - | head\n"
    "  avrogate avro cat part-0001.parquet | jq .id\n";

#define LISTED 64 // of --bloom, --sorted, --note

struct job {
    const char *in, *out, *from, *to, *schema;
    bool skip_bad, quiet, to_stdout;
    struct format_options options;
    const char *bloom[LISTED];
    struct format_sort sort[LISTED];
    struct format_note notes[LISTED];
    struct arena texts;
};

/* ---- the files ---- */

struct input {
    int fd;
    struct buf all; // of what is no regular file
    uint64_t at;    // furthest byte read, for the progress
};

static enum err_kind read_at(void *ctx, uint64_t at, uint8_t *to, size_t n,
                             struct err *e)
{
    struct input *in = ctx;

    if (at + n > in->at)
        in->at = at + n;
    if (in->fd < 0) {
        memcpy(to, in->all.p + at, n);
        return ERR_OK;
    }
    while (n > 0) {
        ssize_t got = pread(in->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(e, ERR_UNAVAILABLE, "byte %llu cannot be read: %s",
                           (unsigned long long)at,
                           got == 0 ? "the file has become shorter" : strerror(errno));
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return ERR_OK;
}

static enum err_kind open_input(struct input *in, const char *path,
                                struct format_source *from, struct err *e)
{
    struct stat st;

    *in = (struct input){.fd = -1, .all = BUF_INIT(AVRO_FILE_MOST)};
    *from = (struct format_source){.read_at = read_at, .ctx = in};
    if (strcmp(path, "-") != 0) {
        in->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0 || fstat(in->fd, &st) != 0)
            return err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
        if (S_ISREG(st.st_mode)) {
            from->size = (uint64_t)st.st_size;
            return ERR_OK;
        }
        close(in->fd);
        in->fd = -1;
    }
    TRY(input_read(&in->all, path, e)); // a pipe cannot be read at any place
    from->size = in->all.n;
    return ERR_OK;
}

static void close_input(struct input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    buf_free(&in->all);
}

/* OUT.part until it is whole. */
struct output {
    int fd;
    char part[PATH_MAX];
};

static enum err_kind write_all(void *ctx, struct span bytes, struct err *e)
{
    const struct output *out = ctx;

    while (bytes.n > 0) {
        ssize_t n = write(out->fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_UNAVAILABLE, "cannot write: %s", strerror(errno));
        if (n > 0)
            bytes = span_skip(bytes, (size_t)n);
    }
    return ERR_OK;
}

static enum err_kind open_output(struct output *out, const struct job *job,
                                 struct err *e)
{
    *out = (struct output){.fd = STDOUT_FILENO};
    if (job->to_stdout)
        return ERR_OK;
    if (snprintf(out->part, sizeof out->part, "%s.part", job->out) >=
        (int)sizeof out->part)
        return err_set(e, ERR_INVALID, "a name of more than %d bytes", PATH_MAX);
    out->fd = open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out->fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", out->part, strerror(errno));
    return ERR_OK;
}

static enum err_kind end_output(struct output *out, const struct job *job,
                                enum err_kind k, struct err *e)
{
    if (job->to_stdout || out->fd < 0)
        return k;
    if (close(out->fd) != 0 && k == ERR_OK)
        k = err_set(e, ERR_UNAVAILABLE, "%s: %s", out->part, strerror(errno));
    if (k == ERR_OK && rename(out->part, job->out) != 0)
        k = err_set(e, ERR_UNAVAILABLE, "%s: %s", job->out, strerror(errno));
    if (k != ERR_OK)
        unlink(out->part);
    return k;
}

/* ---- which formats ---- */

static const char *format_by_magic(const struct format_source *from)
{
    uint8_t magic[4];
    struct err e;

    if (from->size < sizeof magic ||
        from->read_at(from->ctx, 0, magic, sizeof magic, &e) != ERR_OK)
        return NULL;
    if (memcmp(magic, "Obj\x01", 4) == 0)
        return "ocf";
    return memcmp(magic, "PAR1", 4) == 0 ? "parquet" : NULL;
}

static enum err_kind find_formats(struct job *job, const struct format_source *from,
                                  struct err *e)
{
    if (job->from == NULL)
        job->from = format_by_magic(from);
    if (job->from == NULL)
        job->from = format_of_path(job->in);
    if (job->from == NULL)
        return err_set(e, ERR_INVALID, "%s: say with --from which format it is of: %s",
                       job->in, format_names);
    if (job->to == NULL)
        job->to = format_of_path(job->out);
    if (job->to == NULL)
        return err_set(e, ERR_INVALID, "%s: say with --to which format it becomes: %s",
                       job->out, format_names);
    return ERR_OK;
}

static bool has_schema(const char *format)
{
    const char *suffix = format_suffix(format);

    return suffix != NULL &&
           (strcmp(suffix, ".avro") == 0 || strcmp(suffix, ".parquet") == 0);
}

/* ---- converting ---- */

struct conversion {
    struct job *job;
    struct input input;
    struct format_source from;
    struct format_sink to;
    struct format_reader *reader;
    struct format_writer *writer;
    struct av_schema *schema; // of OUT
    struct av_plan *plan;
    struct progress progress;
    uint64_t bad;
};

static enum err_kind open_files(struct conversion *c, struct err *e)
{
    struct job *job = c->job;

    if (job->schema != NULL)
        TRY(avro_schema_load(&c->schema, job->schema, false, e));
    if (format_read(&c->reader, job->from, has_schema(job->from) ? NULL : c->schema,
                    &job->options, &c->from, e) != ERR_OK)
        return err_prefix(e, "%s", job->in);
    if (c->schema == NULL)
        c->schema = av_schema_retain(format_reader_schema(c->reader));
    TRY(av_plan_new(&c->plan, format_reader_schema(c->reader), c->schema, e));
    return format_open(&c->writer, job->to, c->schema, &job->options, &c->to, e);
}

/* True: the line was bad and is passed over. */
static bool pass_over(struct conversion *c, const struct err *e)
{
    if (!c->job->skip_bad || has_schema(c->job->from) || !err_blames_input(e->kind))
        return false;
    progress_wipe(&c->progress);
    fprintf(stderr, "avrogate avro: %s: %s\n", c->job->in, e->msg);
    c->bad++;
    return true;
}

static enum err_kind copy_records(struct conversion *c, struct err *e)
{
    struct span datum;
    bool more = true;

    while (more) {
        enum err_kind k = format_next(c->reader, &datum, &more, e);
        if (k != ERR_OK && pass_over(c, e)) {
            more = true;
            continue;
        }
        if (k != ERR_OK)
            return err_prefix(e, "%s", c->job->in);
        if (more && format_append(c->writer, c->plan, datum, NULL, e) != ERR_OK)
            return err_prefix(e, "record %llu",
                              (unsigned long long)format_reader_rows(c->reader));
        if (format_reader_rows(c->reader) % 1024 == 0)
            progress_show(&c->progress, format_rows(c->writer), c->bad, c->input.at,
                          c->from.size);
    }
    return format_finish(c->writer, e);
}

static enum err_kind convert(struct conversion *c, struct err *e)
{
    TRY(find_formats(c->job, &c->from, e));
    TRY(open_files(c, e));
    progress_begin(&c->progress, "avrogate avro", c->job->quiet);
    enum err_kind k = copy_records(c, e);
    progress_wipe(&c->progress);
    return k;
}

static void say_done(const struct conversion *c)
{
    if (c->job->quiet || c->job->to_stdout)
        return;
    fprintf(stderr, "%s: %llu records, %llu bytes", c->job->out,
            (unsigned long long)format_rows(c->writer),
            (unsigned long long)format_bytes(c->writer));
    if (c->bad > 0)
        fprintf(stderr, ", %llu bad lines passed over", (unsigned long long)c->bad);
    fprintf(stderr, "\n");
}

static enum err_kind run(struct job *job, struct err *e)
{
    struct conversion c = {.job = job};
    struct output out;

    TRY(open_output(&out, job, e));
    c.to = (struct format_sink){write_all, &out};
    enum err_kind k = open_input(&c.input, job->in, &c.from, e);
    if (k == ERR_OK)
        k = convert(&c, e);
    k = end_output(&out, job, k, e);
    if (k == ERR_OK)
        say_done(&c);
    format_close(c.writer);
    format_reader_close(c.reader);
    av_plan_free(c.plan);
    av_schema_release(c.schema);
    close_input(&c.input);
    return k == ERR_OK && c.bad > 0 ? ERR_INVALID : k;
}

/* ---- what was asked for ---- */

enum option_id {
    FROM = 256,
    TO,
    SCHEMA,
    DELIMITER,
    CODEC,
    LEVEL,
    GROUP_ROWS,
    GROUP_BYTES,
    BLOOM,
    SORTED,
    NOTE,
    AVRO_JSON,
    SKIP_BAD,
    UUIDS,
};

static const struct option flags[] = {
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"schema", required_argument, NULL, SCHEMA},
    {"delimiter", required_argument, NULL, DELIMITER},
    {"codec", required_argument, NULL, CODEC},
    {"level", required_argument, NULL, LEVEL},
    {"row-group-rows", required_argument, NULL, GROUP_ROWS},
    {"row-group-bytes", required_argument, NULL, GROUP_BYTES},
    {"bloom", required_argument, NULL, BLOOM},
    {"sorted", required_argument, NULL, SORTED},
    {"note", required_argument, NULL, NOTE},
    {"avro-json", no_argument, NULL, AVRO_JSON},
    {"skip-bad", no_argument, NULL, SKIP_BAD},
    {"uuids", no_argument, NULL, UUIDS},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int wrong(const char *option, const char *found, const char *wanted)
{
    fprintf(stderr, "avrogate avro: %s \"%s\", wanted %s\n", option, found, wanted);
    return 2;
}

static int take_number(long long *out, const char *option, long long least,
                       long long most)
{
    char *end, wanted[80];

    errno = 0;
    *out = strtoll(optarg, &end, 10);
    if (errno == 0 && end != optarg && *end == '\0' && *out >= least && *out <= most)
        return 0;
    snprintf(wanted, sizeof wanted, "a number from %lld to %lld", least, most);
    return wrong(option, optarg, wanted);
}

static int take_level(struct job *job)
{
    long long n;
    int rc = take_number(&n, "--level", -100, 100);

    job->options.level = (int)n;
    return rc;
}

static int take_size(size_t *out, const char *option)
{
    long long n;
    int rc = take_number(&n, option, 1, (long long)1 << 40);

    *out = (size_t)n;
    return rc;
}

static int take_delimiter(struct job *job)
{
    if (strcmp(optarg, "\\t") == 0)
        job->options.delimiter = '\t';
    else if (strlen(optarg) == 1)
        job->options.delimiter = optarg[0];
    else
        return wrong("--delimiter", optarg, "one character");
    return 0;
}

static int take_bloom(struct job *job)
{
    if (job->options.n_bloom == LISTED)
        return wrong("--bloom", optarg, "fewer of them");
    job->bloom[job->options.n_bloom++] = optarg;
    return 0;
}

static int take_sorted(struct job *job)
{
    const char *colon = strchr(optarg, ':');
    size_t n = colon != NULL ? (size_t)(colon - optarg) : strlen(optarg);

    if (job->options.n_sort == LISTED || (colon != NULL && strcmp(colon, ":desc") != 0))
        return wrong("--sorted", optarg, "COLUMN or COLUMN:desc");
    job->sort[job->options.n_sort++] =
        (struct format_sort){.column = arena_str(&job->texts, span_of(optarg, n)),
                             .descending = colon != NULL};
    return 0;
}

static int take_note(struct job *job)
{
    const char *is = strchr(optarg, '=');

    if (job->options.n_notes == LISTED || is == NULL || is == optarg)
        return wrong("--note", optarg, "KEY=VALUE");
    job->notes[job->options.n_notes++] = (struct format_note){
        arena_str(&job->texts, span_of(optarg, (size_t)(is - optarg))), is + 1};
    return 0;
}

#define HELP (-1)
static int take_option(struct job *job, int option)
{
    switch (option) {
    case FROM: job->from = optarg; return 0;
    case TO: job->to = optarg; return 0;
    case SCHEMA: job->schema = optarg; return 0;
    case CODEC: job->options.codec = optarg; return 0;
    case AVRO_JSON: job->options.avro_json = true; return 0;
    case SKIP_BAD: job->skip_bad = true; return 0;
    case UUIDS: job->options.uuids = true; return 0;
    case 'q': job->quiet = true; return 0;
    case DELIMITER: return take_delimiter(job);
    case LEVEL: return take_level(job);
    case GROUP_ROWS: return take_size(&job->options.row_group_rows, "--row-group-rows");
    case GROUP_BYTES:
        return take_size(&job->options.row_group_bytes, "--row-group-bytes");
    case BLOOM: return take_bloom(job);
    case SORTED: return take_sorted(job);
    case NOTE: return take_note(job);
    case 'h': return HELP;
    default: fputs("see avrogate avro convert --help\n", stderr); return 2;
    }
}

static int take_files(struct job *job, int argc, char **argv, bool cat)
{
    if (argc - optind != (cat ? 1 : 2))
        return wrong("files", optind < argc ? argv[optind] : "",
                     cat ? "one: IN" : "two: IN and OUT");
    job->in = argv[optind];
    job->out = cat ? "-" : argv[optind + 1];
    job->to_stdout = strcmp(job->out, "-") == 0;
    if (cat && job->to == NULL)
        job->to = "json";
    return 0;
}

static int take_all(struct job *job, int argc, char **argv)
{
    int option;

    job->options.bloom = job->bloom;
    job->options.sort = job->sort;
    job->options.notes = job->notes;
    optind = 0;
    while ((option = getopt_long(argc, argv, "qh", flags, NULL)) != -1) {
        int rc = take_option(job, option);
        if (rc != 0)
            return rc;
    }
    return take_files(job, argc, argv, strcmp(argv[0], "cat") == 0);
}

int avro_convert_run(int argc, char **argv)
{
    struct job job = {0};
    struct err e = {0};
    int rc = take_all(&job, argc, argv);

    if (rc == HELP)
        fputs(help, stdout);
    if (rc == 0 && run(&job, &e) != ERR_OK) {
        if (e.kind != ERR_OK)
            fprintf(stderr, "avrogate avro %s: %s\n", argv[0], e.msg);
        rc = 1;
    }
    arena_free(&job.texts);
    return rc == HELP ? 0 : rc;
}

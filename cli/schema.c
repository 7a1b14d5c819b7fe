#include "cli/schema.h"

#include "avro-core/canon.h"
#include "cli/schema_history.h"
#include "cli/schema_rule.h"
#include "wire/explain.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MOST (1024 * 1024)     // of a schema, as the registry takes it
#define PRINT_MOST (64 * TEXT_MOST) // of what is printed
#define FILES_MOST 1000

enum { DONE = 0, REFUSED = 1, MISUSED = 2 };

/* A schema file, read and parsed. */
struct file {
    const char *name;
    struct buf text;
    struct av_schema *schema;
};

/* What a subcommand was called with. */
struct call {
    const char *command;
    enum av_level level;
    bool normalize, json;
    struct file references[FILES_MOST]; // parsed in order, each knowing those before it
    size_t n_references;
    struct file files[FILES_MOST];
    size_t n_files;
};

/* Reading */

static enum err_kind read_all(struct buf *out, int fd, struct err *e)
{
    for (;;) {
        uint8_t block[16384];
        ssize_t n = read(fd, block, sizeof block);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_INVALID, "%s", strerror(errno));
        if (n == 0)
            return ERR_OK;
        buf_put(out, span_of(block, (size_t)n));
        if (out->over)
            return err_set(e, ERR_LIMIT, "more than %d bytes", TEXT_MOST);
    }
}

static enum err_kind read_file(struct file *f, struct err *e)
{
    if (strcmp(f->name, "-") == 0)
        return read_all(&f->text, STDIN_FILENO, e);
    int fd = open(f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_INVALID, "%s", strerror(errno));
    enum err_kind kind = read_all(&f->text, fd, e);
    close(fd);
    return kind;
}

/* "4:17: " at `s`: its length, 0 when there is none. */
static size_t place_length(const char *s)
{
    size_t digits = strspn(s, "0123456789");

    if (digits == 0 || s[digits] != ':')
        return 0;
    size_t more = strspn(s + digits + 1, "0123456789");
    return more > 0 && s[digits + 1 + more] == ':' ? digits + 1 + more : 0;
}

/* Where in what the parser says the place stands: "/fields/2 at 4:17: ...", "at 1:1:
 * ..." of the whole, "JSON: 4:17: ...".  NULL when there is none. */
static const char *find_place(const char *msg, const char **before_end)
{
    const char *at = strncmp(msg, "at ", 3) == 0 ? msg : strstr(msg, " at ");
    const char *json = strncmp(msg, "JSON: ", 6) == 0 ? msg + 6 : NULL;

    if (json != NULL && place_length(json) > 0) {
        *before_end = json - 2;
        return json;
    }
    if (at == NULL || place_length(strchr(at, 't') + 2) == 0)
        return NULL;
    *before_end = at;
    return strchr(at, 't') + 2;
}

/* Editors want "file:4:17: /fields/2: ...". */
static void say_wrong(const struct file *f, const struct err *e)
{
    const char *name = strcmp(f->name, "-") == 0 ? "stdin" : f->name;
    const char *before_end, *place = find_place(e->msg, &before_end);

    if (place == NULL) {
        fprintf(stderr, "%s: %s\n", name, e->msg);
        return;
    }
    int n = (int)place_length(place), before = (int)(before_end - e->msg);
    fprintf(stderr, "%s:%.*s: %.*s%s%s\n", name, n, place, before, e->msg,
            before > 0 ? ": " : "", place + n + 2);
}

/* Reads and parses; what went wrong is on stderr. */
static bool load(struct file *f, const struct call *c, size_t n_known)
{
    struct av_schema *known[FILES_MOST];
    struct err e = {0};

    for (size_t i = 0; i < n_known; i++)
        known[i] = c->references[i].schema;
    f->text = BUF_INIT(TEXT_MOST);
    if (read_file(f, &e) == ERR_OK &&
        av_schema_parse(&f->schema, buf_span(&f->text), known, n_known, NULL, &e) ==
            ERR_OK)
        return true;
    say_wrong(f, &e);
    return false;
}

static bool load_references(struct call *c)
{
    for (size_t i = 0; i < c->n_references; i++)
        if (!load(&c->references[i], c, i))
            return false;
    return true;
}

static bool load_all(struct call *c)
{
    if (!load_references(c))
        return false;
    for (size_t i = 0; i < c->n_files; i++)
        if (!load(&c->files[i], c, c->n_references))
            return false;
    return true;
}

/* Writing */

/* Puts it all on stdout, or nothing. */
static int put_out(const struct call *c, struct buf *out)
{
    struct err e;

    if (buf_status(out, &e) != ERR_OK) {
        fprintf(stderr, "avrogate schema %s: %s\n", c->command, e.msg);
        return REFUSED;
    }
    if ((out->n > 0 && fwrite(out->p, 1, out->n, stdout) != out->n) ||
        fflush(stdout) != 0) {
        fprintf(stderr, "avrogate schema %s: cannot write: %s\n", c->command,
                strerror(errno));
        return REFUSED;
    }
    return DONE;
}

static void put_hex(struct buf *out, const char *before, const uint8_t *p, size_t n)
{
    buf_put_str(out, before);
    buf_put_hex(out, span_of(p, n));
    buf_put_u8(out, '\n');
}

/* canonical */

static void put_canonical(struct buf *out, const struct av_schema *s)
{
    uint8_t md5[16], sha256[32];

    av_print_canonical(out, s);
    struct span form = buf_span(out);
    uint64_t crc = av_crc64(form);
    av_md5(md5, form);
    av_sha256(sha256, form);

    buf_printf(out, "\n0x%016llx\n", (unsigned long long)crc);
    put_hex(out, "md5: ", md5, sizeof md5);
    put_hex(out, "sha256: ", sha256, sizeof sha256);
}

static int run_canonical(struct call *c)
{
    struct buf out = BUF_INIT(PRINT_MOST);

    if (!load_all(c))
        return REFUSED;
    put_canonical(&out, c->files[0].schema);
    int code = put_out(c, &out);
    buf_free(&out);
    return code;
}

/* print */

static int run_print(struct call *c)
{
    struct buf out = BUF_INIT(PRINT_MOST);

    if (!load_all(c))
        return REFUSED;
    if (c->normalize)
        av_print_normalized(&out, c->files[0].schema);
    else
        av_print(&out, c->files[0].schema);
    buf_put_u8(&out, '\n');
    int code = put_out(c, &out);
    buf_free(&out);
    return code;
}

/* check */

static void put_count(struct buf *out, size_t n, const char *one, const char *many)
{
    buf_printf(out, ", %zu %s", n, n == 1 ? one : many);
}

/* "record com.x.Y, 6 fields" */
static void put_summary(struct buf *out, const struct av_node *n)
{
    char name[AV_FULLNAME_SHOWN];

    av_node_name(name, n);
    if (n->type == AV_RECORD || n->type == AV_ENUM || n->type == AV_FIXED)
        buf_printf(out, "%s ", av_type_name(n->type));
    buf_put_str(out, name);
    if (n->logical != AV_PLAIN)
        buf_printf(out, " (%s)", av_logical_name(n->logical));
    switch (n->type) {
    case AV_RECORD: put_count(out, n->n_fields, "field", "fields"); break;
    case AV_ENUM: put_count(out, n->n_symbols, "symbol", "symbols"); break;
    case AV_FIXED: put_count(out, n->size, "byte", "bytes"); break;
    case AV_UNION: put_count(out, n->n_branches, "branch", "branches"); break;
    case AV_ARRAY:
    case AV_MAP:
        av_node_name(name, n->items);
        buf_printf(out, " of %s", name);
        break;
    default: break;
    }
}

/* Every file gets its line, whatever the others are. */
static int run_check(struct call *c)
{
    int code = DONE;

    if (!load_references(c))
        return REFUSED;
    for (size_t i = 0; i < c->n_files; i++) {
        struct buf out = BUF_INIT(PRINT_MOST);
        struct file *f = &c->files[i];

        if (!load(f, c, c->n_references)) {
            code = REFUSED;
            continue;
        }
        buf_printf(&out, "%s: ok, ", f->name);
        put_summary(&out, av_schema_root(f->schema));
        buf_put_u8(&out, '\n');
        if (put_out(c, &out) != DONE)
            code = REFUSED;
        buf_free(&out);
    }
    return code;
}

/* compat */

static void put_member(struct buf *out, const char *name, struct span text)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_string(out, text);
}

/* The smallest change to the new file that takes the reason away. */
static void put_change(struct buf *out, const struct call *c,
                       const struct av_incompat *r, const struct av_verdict *v)
{
    struct span fresh = buf_span(&c->files[0].text);
    struct span old = buf_span(&c->files[1 + v->version].text);
    struct arena a = {0};

    explain_change(
        out, r, v->new_reads_old,
        explain_value(fresh, v->new_reads_old ? r->reader_path : r->writer_path, &a),
        explain_value(old, v->new_reads_old ? r->writer_path : r->reader_path, &a));
    arena_free(&a);
}

static void put_reason_json(struct buf *out, const struct call *c,
                            const struct av_incompat *r, const struct av_verdict *v)
{
    struct buf change = BUF_INIT(16 * EXPLAIN_VALUE);
    bool new_reads_old = v->new_reads_old;

    put_change(&change, c, r, v);
    buf_printf(out, "{\"kind\":\"%s\"", av_incompat_kind_name(r->kind));
    put_member(out, "new", new_reads_old ? r->reader_path : r->writer_path);
    put_member(out, "old", new_reads_old ? r->writer_path : r->reader_path);
    put_member(out, "location", r->location);
    put_member(out, "detail", r->detail);
    put_member(out, "message", r->message);
    put_member(out, "change", buf_span(&change));
    buf_put_u8(out, '}');
    buf_free(&change);
}

static void put_verdict_json(struct buf *out, const struct call *c,
                             const struct av_verdict *v)
{
    buf_put_str(out, "{\"old\":");
    json_put_string(out, span_str(c->files[1 + v->version].name));
    buf_printf(out, ",\"version\":%zu,\"direction\":\"%s\",\"reasons\":[",
               v->version + 1, v->new_reads_old ? "BACKWARD" : "FORWARD");
    for (const struct av_incompat *r = v->reasons; r != NULL; r = r->next) {
        put_reason_json(out, c, r, v);
        buf_put_str(out, r->next != NULL ? "," : "");
    }
    buf_put_str(out, "]}");
}

static void put_verdicts_json(struct buf *out, const struct call *c,
                              const struct av_verdict *verdicts)
{
    buf_printf(out, "{\"compatible\":%s,\"level\":\"%s\",\"verdicts\":[",
               verdicts == NULL ? "true" : "false", av_level_name(c->level));
    for (const struct av_verdict *v = verdicts; v != NULL; v = v->next) {
        put_verdict_json(out, c, v);
        buf_put_str(out, v->next != NULL ? "," : "");
    }
    buf_put_str(out, "]}\n");
}

static struct span shown_path(struct span path)
{
    return path.n > 0 ? path : span_str("(the whole)");
}

static void say_reason(const struct call *c, const struct av_incompat *r,
                       const struct av_verdict *v)
{
    struct buf change = BUF_INIT(16 * EXPLAIN_VALUE);
    bool new_reads_old = v->new_reads_old;
    struct span fresh = shown_path(new_reads_old ? r->reader_path : r->writer_path);
    struct span old = shown_path(new_reads_old ? r->writer_path : r->reader_path);

    put_change(&change, c, r, v);
    fprintf(stderr, "  %s: %.*s\n    new: %.*s\n    old: %.*s\n    change: %.*s\n",
            av_incompat_kind_name(r->kind), (int)r->message.n,
            (const char *)r->message.p, (int)fresh.n, (const char *)fresh.p, (int)old.n,
            (const char *)old.p, (int)change.n, (const char *)change.p);
    buf_free(&change);
}

static void say_verdicts(const struct call *c, const struct av_verdict *verdicts)
{
    for (const struct av_verdict *v = verdicts; v != NULL; v = v->next) {
        const char *fresh = c->files[0].name, *old = c->files[1 + v->version].name;

        fprintf(stderr, "%s cannot read what was written with %s:\n",
                v->new_reads_old ? fresh : old, v->new_reads_old ? old : fresh);
        for (const struct av_incompat *r = v->reasons; r != NULL; r = r->next)
            say_reason(c, r, v);
    }
}

static int report(const struct call *c, const struct av_verdict *verdicts)
{
    struct buf out = BUF_INIT(PRINT_MOST);

    if (c->json)
        put_verdicts_json(&out, c, verdicts);
    else if (verdicts == NULL)
        buf_put_str(&out, "compatible\n");
    else
        say_verdicts(c, verdicts);
    int code = put_out(c, &out);
    buf_free(&out);
    return code == DONE && verdicts != NULL ? REFUSED : code;
}

static int run_compat(struct call *c)
{
    const struct av_schema *old[FILES_MOST];
    struct arena a = {0};

    if (!load_all(c))
        return REFUSED;
    for (size_t i = 1; i < c->n_files; i++)
        old[i - 1] = c->files[i].schema;
    int code = report(
        c, av_compat_level(c->level, c->files[0].schema, old, c->n_files - 1, &a));
    arena_free(&a);
    return code;
}

/* Being called */

static const char canonical_help[] =
    "usage: avrogate schema canonical [--references FILE]... [FILE]\n"
    "\n"
    "Prints the Parsing Canonical Form of a schema, then its fingerprints: "
    "CRC-64-AVRO,\n"
    "MD5 and SHA-256, a line each.  Without FILE, or with -, the schema is read from\n"
    "stdin (up to 1 MiB).\n"
    "\n"
    "  --references FILE   a schema whose named types may be used; repeat for more\n"
    "  --help              this text\n"
    "\n"
    "examples:\n"
    "  avrogate schema canonical < order.avsc\n"
    "  avrogate schema canonical order.avsc | sed -n 2p\n";

static const char check_help[] =
    "usage: avrogate schema check [--references FILE]... FILE...\n"
    "\n"
    "Says of each file whether it is a valid Avro schema, as FILE:line:column: reason "
    "when\n"
    "it is not.  - is stdin.  Exit code 0 when all are valid, 1 otherwise.\n"
    "\n"
    "  --references FILE   a schema whose named types may be used; repeat for more, "
    "those\n"
    "                      that use others after them\n"
    "  --help              this text\n"
    "\n"
    "examples:\n"
    "  avrogate schema check schemas/*.avsc\n"
    "  avrogate schema check --references money.avsc order.avsc\n";

static const char compat_help[] =
    "usage: avrogate schema compat [--level LEVEL] [--json] [--references FILE]... NEW "
    "OLD...\n"
    "\n"
    "May NEW be registered after the OLD ones, oldest first?  Prints `compatible`, or "
    "every\n"
    "reason against it with its place in both schemas.  - is stdin.  Exit code 0 when\n"
    "compatible, 1 otherwise.\n"
    "\n"
    "  --level LEVEL       BACKWARD (default: NEW reads what OLD wrote), FORWARD (OLD "
    "reads\n"
    "                      what NEW writes), FULL (both), or one of these with\n"
    "                      _TRANSITIVE (against all, not the last only), or NONE\n"
    "  --json              the answer as JSON on stdout\n"
    "  --references FILE   a schema whose named types may be used; repeat for more\n"
    "  --help              this text\n"
    "\n"
    "examples:\n"
    "  avrogate schema compat new.avsc old.avsc\n"
    "  avrogate schema compat --level FULL_TRANSITIVE --json v3.avsc v1.avsc v2.avsc\n"
    "  git show HEAD:order.avsc | avrogate schema compat order.avsc -\n";

static const char print_help[] =
    "usage: avrogate schema print [--normalize] [--references FILE]... [FILE]\n"
    "\n"
    "Prints a schema as a registry stores it: the text that ids are found by.  "
    "Without\n"
    "FILE, or with -, the schema is read from stdin (up to 1 MiB).\n"
    "\n"
    "  --normalize         as with normalize=true\n"
    "  --references FILE   a schema whose named types may be used; repeat for more\n"
    "  --help              this text\n"
    "\n"
    "examples:\n"
    "  avrogate schema print order.avsc\n"
    "  avrogate schema print --normalize < order.avsc\n";

static const char schema_help[] =
    "usage: avrogate schema canonical|check|compat|history|print|rule ...\n"
    "\n"
    "  canonical   canonical form and fingerprints of a schema\n"
    "  check       whether files are valid schemas\n"
    "  compat      whether a schema may follow others\n"
    "  history     who did what to a version, as a registry tells it\n"
    "  print       a schema as a registry stores it\n"
    "  rule        what a CEL rule says of records\n"
    "\n"
    "`avrogate schema canonical --help` says more, with examples; so do the others.\n";

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"references", required_argument, NULL, 'r'},
    {"level", required_argument, NULL, 'l'},
    {"json", no_argument, NULL, 'j'},
    {"normalize", no_argument, NULL, 'n'},
    {0},
};

static const struct subcommand {
    const char *name;
    const char *help;
    const char *takes;  // letters of its options
    size_t least, most; // files; with least 0, stdin when there is none
    int (*run)(struct call *c);
} subcommands[] = {
    {"canonical", canonical_help, "hr", 0, 1, run_canonical},
    {"check", check_help, "hr", 1, FILES_MOST, run_check},
    {"compat", compat_help, "hrlj", 2, FILES_MOST, run_compat},
    {"print", print_help, "hrn", 0, 1, run_print},
};

/* How to do better is on stderr; what was wrong too. */
static int misused(const struct subcommand *s, const char *what, const char *which)
{
    fprintf(stderr, "avrogate schema %s: %s%s\n\n%s", s->name, what, which, s->help);
    return MISUSED;
}

static int take_option(const struct subcommand *s, struct call *c, int letter)
{
    struct err e;

    switch (letter) {
    case 'j': c->json = true; break;
    case 'n': c->normalize = true; break;
    case 'r':
        if (c->n_references == FILES_MOST)
            return misused(s, "too many references", "");
        c->references[c->n_references++].name = optarg;
        break;
    case 'l':
        if (av_level_read(&c->level, span_str(optarg), &e) != ERR_OK)
            return misused(s, e.msg, "");
        break;
    default: break;
    }
    return DONE;
}

static bool is_stdin_twice(const struct call *c)
{
    int times = 0;

    for (size_t i = 0; i < c->n_files; i++)
        times += strcmp(c->files[i].name, "-") == 0;
    for (size_t i = 0; i < c->n_references; i++)
        times += strcmp(c->references[i].name, "-") == 0;
    return times > 1;
}

static int take_files(const struct subcommand *s, struct call *c, int argc, char **argv)
{
    size_t n = (size_t)(argc - optind);

    if (n < s->least)
        return misused(s, n == 0 ? "no file given" : "no schema to compare with", "");
    if (n > s->most)
        return misused(s, "too many files: ", argv[optind + (int)s->most]);
    for (size_t i = 0; i < n; i++)
        c->files[c->n_files++].name = argv[optind + (int)i];
    if (n == 0)
        c->files[c->n_files++].name = "-";
    return is_stdin_twice(c) ? misused(s, "stdin can be read once", "") : DONE;
}

/* DONE: `c` is complete.  *asked: it was only a question for help. */
static int read_call(const struct subcommand *s, struct call *c, int argc, char **argv,
                     bool *asked)
{
    int letter, which = 0;

    optind = 0; // glibc: begin anew
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":h", options, &which)) != -1) {
        if (letter == ':')
            return misused(s, "a value is missing after ", argv[optind - 1]);
        if (letter == '?')
            return misused(s, "no such option: ", argv[optind - 1]);
        if (strchr(s->takes, letter) == NULL)
            return misused(s, "not an option of this command: ", options[which].name);
        if (letter == 'h') {
            *asked = true;
            return DONE;
        }
        int code = take_option(s, c, letter);
        if (code != DONE)
            return code;
    }
    return take_files(s, c, argc, argv);
}

static void close_files(struct file *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        av_schema_release(f[i].schema);
        buf_free(&f[i].text);
    }
}

static int run(const struct subcommand *s, int argc, char **argv)
{
    struct call *c = mem_alloc(sizeof *c);
    bool asked = false;

    c->command = s->name;
    c->level = AV_LEVEL_BACKWARD;
    int code = read_call(s, c, argc, argv, &asked);
    if (code == DONE && asked)
        fputs(s->help, stdout);
    else if (code == DONE)
        code = s->run(c);
    close_files(c->files, c->n_files);
    close_files(c->references, c->n_references);
    free(c);
    return code;
}

int cmd_schema(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        fputs(schema_help, stdout);
        return DONE;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return run(&subcommands[i], argc - 1, argv + 1);
    if (strcmp(name, "history") == 0)
        return cmd_schema_history(argc - 1, argv + 1);
    if (strcmp(name, "rule") == 0)
        return cmd_schema_rule(argc - 1, argv + 1);
    if (*name != '\0')
        fprintf(stderr, "avrogate schema: there is no \"%s\"\n\n", name);
    fputs(schema_help, stderr);
    return MISUSED;
}

#include "cli/schema.h"

#include "tests/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD(fields) \
    "{\"type\":\"record\",\"name\":\"com.x.Y\",\"fields\":[" fields "]}"
#define A "{\"name\":\"a\",\"type\":\"int\"}"
#define B "{\"name\":\"b\",\"type\":\"int\"}"
#define B0 "{\"name\":\"b\",\"type\":\"int\",\"default\":0}"

/* What a call left behind. */
struct outcome {
    int code;
    char out[8192], err[8192];
};

static char dir[] = "/tmp/cli-schema-XXXXXX";

static void read_back(char out[8192], FILE *f)
{
    rewind(f);
    out[fread(out, 1, 8191, f)] = '\0';
    fclose(f);
}

/* Puts `fd` where `f` is; returns what was there. */
static int redirect(int fd, FILE *f)
{
    int saved = dup(fd);

    dup2(fileno(f), fd);
    return saved;
}

static void restore(int fd, int saved)
{
    dup2(saved, fd);
    close(saved);
}

/* Runs `avrogate schema ...` with `in` on stdin, in the directory of the test's files.
 */
static struct outcome run(const char *in, int argc, char **argv)
{
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    struct outcome o = {0};
    int saved[3];

    fputs(in, files[0]);
    rewind(files[0]);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++)
        saved[fd] = redirect(fd, files[fd]);
    o.code = cmd_schema(argc, argv);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++)
        restore(fd, saved[fd]);
    fclose(files[0]);
    read_back(o.out, files[1]);
    read_back(o.err, files[2]);
    return o;
}

#define CALL(in, ...)                                                          \
    run(in, (int)(sizeof((char *[]){"schema", __VA_ARGS__}) / sizeof(char *)), \
        (char *[]){"schema", __VA_ARGS__, NULL})

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f != NULL);
    if (f == NULL)
        return;
    fputs(text, f);
    fclose(f);
}

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static void canonical_prints_the_form_and_three_fingerprints(void)
{
    struct outcome o = CALL("{\"type\": \"int\"}", "canonical");

    CHECK_INT(o.code, 0);
    CHECK_STR(o.out,
              "\"int\"\n0x7275d51a3f395c8f\n"
              "md5: ef524ea1b91e73173d938ade36c1db32\n"
              "sha256: 3f2b87a9fe7cc9b13835598c3981cd45e3e355309e5090aa0933d7becb"
              "6fba45\n");
    CHECK_STR(o.err, "");
    CHECK_STR(CALL("{\"type\": \"int\"}", "canonical", "-").out, o.out);
}

static void canonical_refuses_with_the_reason_on_stderr_and_nothing_on_stdout(void)
{
    struct outcome o = CALL("{\n\"type\":\"strin\"}", "canonical");

    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "");
    CHECK(starts(o.err, "stdin:2:"));
    CHECK(strstr(o.err, "strin") != NULL);

    o = CALL("{\n\"type\":}", "canonical");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "");
    CHECK(starts(o.err, "stdin:2:8: JSON: "));

    o = CALL("", "canonical");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "");
    CHECK(starts(o.err, "stdin:1:1: "));
}

static void more_text_than_a_schema_may_have_is_refused(void)
{
    char *text = malloc(1024 * 1024 + 3);

    memset(text, ' ', 1024 * 1024 + 2);
    text[1024 * 1024 + 2] = '\0';
    struct outcome o = CALL(text, "canonical");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "");
    CHECK_STR(o.err, "stdin: more than 1048576 bytes\n");
    free(text);
}

static void print_writes_the_registrys_text(void)
{
    const char *schema =
        "{\"name\":\"F\",\"type\":\"fixed\",\"size\":2,\"z\":1,\"a\":2,"
        "\"doc\":\"\"}";

    CHECK_STR(CALL(schema, "print").out, "{\"type\":\"fixed\",\"name\":\"F\",\"doc\":"
                                         "\"\",\"size\":2,\"z\":1,\"a\":2}\n");
    CHECK_STR(CALL(schema, "print", "--normalize").out,
              "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2,\"a\":2,\"z\":1}\n");
}

static void check_says_of_each_file_what_it_is(void)
{
    static const struct {
        const char *text, *line;
    } t[] = {
        {RECORD(A), "f.avsc: ok, record com.x.Y, 1 field\n"},
        {RECORD(A "," B), "f.avsc: ok, record com.x.Y, 2 fields\n"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\",\"Q\"]}",
         "f.avsc: ok, enum E, 2 symbols\n"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}",
         "f.avsc: ok, fixed F, 1 byte\n"},
        {"[\"null\",\"int\"]", "f.avsc: ok, union, 2 branches\n"},
        {"{\"type\":\"array\",\"items\":\"long\"}", "f.avsc: ok, array of long\n"},
        {"{\"type\":\"int\",\"logicalType\":\"date\"}", "f.avsc: ok, int (date)\n"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        write_file("f.avsc", t[i].text);
        struct outcome o = CALL("", "check", "f.avsc");
        CHECK_INT(o.code, 0);
        CHECK_STR(o.out, t[i].line);
    }
}

static void check_goes_on_after_a_bad_file_and_fails_in_the_end(void)
{
    write_file("bad.avsc", "{\"type\":\"record\",\n\"name\":\"R\"}");
    write_file("good.avsc", RECORD(A));
    struct outcome o = CALL("", "check", "bad.avsc", "good.avsc", "none.avsc");

    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "good.avsc: ok, record com.x.Y, 1 field\n");
    CHECK(starts(o.err, "bad.avsc:1:"));
    CHECK(strstr(o.err, "none.avsc: No such file or directory\n") != NULL);
}

static void references_may_use_those_before_them(void)
{
    write_file("e.avsc", "{\"type\":\"enum\",\"name\":\"x.E\",\"symbols\":[\"P\"]}");
    write_file("r.avsc", "{\"type\":\"record\",\"name\":\"x.R\",\"fields\":["
                         "{\"name\":\"e\",\"type\":\"E\"}]}");
    write_file("u.avsc", "{\"type\":\"array\",\"items\":\"x.R\"}");

    CHECK_INT(CALL("", "check", "u.avsc").code, 1);
    struct outcome o =
        CALL("", "check", "--references", "e.avsc", "--references=r.avsc", "u.avsc");
    CHECK_INT(o.code, 0);
    CHECK_STR(o.out, "u.avsc: ok, array of x.R\n");
    o = CALL("", "print", "--references", "e.avsc", "--references", "r.avsc", "u.avsc");
    CHECK_STR(o.out, "{\"type\":\"array\",\"items\":\"x.R\"}\n");
    o = CALL("", "check", "--references", "r.avsc", "u.avsc");
    CHECK_INT(o.code, 1);
    CHECK(starts(o.err, "r.avsc:"));
}

static void compat_says_compatible_or_every_reason_with_both_places(void)
{
    write_file("v1.avsc", RECORD(A));
    write_file("v2.avsc", RECORD("{\"name\":\"a\",\"type\":\"string\"}," B));
    write_file("v3.avsc", RECORD(A "," B0));

    struct outcome o = CALL("", "compat", "v3.avsc", "v1.avsc");
    CHECK_INT(o.code, 0);
    CHECK_STR(o.out, "compatible\n");
    o = CALL("", "compat", "--level", "backward", "v2.avsc", "v1.avsc");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.out, "");
    CHECK(starts(o.err, "v2.avsc cannot read what was written with v1.avsc:\n"
                        "  TYPE_MISMATCH: "));
    CHECK(strstr(o.err, "    new: /fields/0/type\n    old: /fields/0/type\n") != NULL);
    CHECK(strstr(o.err, "  READER_FIELD_MISSING_DEFAULT_VALUE: field \"b\" ") != NULL);
    CHECK(strstr(o.err, "    new: /fields/1\n    old: (the whole)\n") != NULL);
    CHECK(strstr(o.err, "    change: give the field \"b\" a \"default\"\n") != NULL);
}

static void compat_takes_the_old_ones_oldest_first(void)
{
    write_file("v1.avsc", RECORD(A));
    write_file("v2.avsc", RECORD(A "," B));

    CHECK_INT(CALL("", "compat", "v2.avsc", "v1.avsc", "v2.avsc").code, 0);
    struct outcome o = CALL("", "compat", "--level=BACKWARD_TRANSITIVE", "v2.avsc",
                            "v1.avsc", "v2.avsc");
    CHECK_INT(o.code, 1);
    CHECK(starts(o.err, "v2.avsc cannot read what was written with v1.avsc:\n"));
}

static void compat_speaks_JSON_when_asked(void)
{
    write_file("v1.avsc", RECORD(A));
    write_file("v2.avsc", RECORD(A "," B));

    struct outcome o = CALL("", "compat", "--json", "v1.avsc", "v2.avsc");
    CHECK_INT(o.code, 0);
    CHECK_STR(o.out, "{\"compatible\":true,\"level\":\"BACKWARD\",\"verdicts\":[]}\n");
    o = CALL(RECORD(A), "compat", "--json", "--level", "FORWARD", "-", "v2.avsc");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err, "");
    CHECK(starts(
        o.out,
        "{\"compatible\":false,\"level\":\"FORWARD\",\"verdicts\":[{\"old\":"
        "\"v2.avsc\",\"version\":1,\"direction\":\"FORWARD\",\"reasons\":[{"
        "\"kind\":\"READER_FIELD_MISSING_DEFAULT_VALUE\",\"new\":\"\",\"old\":"
        "\"/fields/1\",\"location\":\"/fields/1\",\"detail\":\"b\",\"message\":"));
}

static void help_is_on_stdout_with_examples(void)
{
    static const char *const names[] = {"canonical", "check", "compat", "print"};

    CHECK_INT(CALL("", "--help").code, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct outcome o = CALL("", (char *)names[i], "--help");
        CHECK_INT(o.code, 0);
        CHECK(starts(o.out, "usage: avrogate schema "));
        CHECK(strstr(o.out, "\nexamples:\n") != NULL);
        CHECK_STR(o.err, "");
    }
}

static void a_wrong_call_is_2_and_says_how_to_do_better(void)
{
    const struct {
        struct outcome o;
        const char *says;
    } t[] = {
        {CALL("", "frobnicate"), "avrogate schema: there is no \"frobnicate\"\n"},
        {CALL("", "check"), "avrogate schema check: no file given\n"},
        {CALL("", "compat", "a"),
         "avrogate schema compat: no schema to compare with\n"},
        {CALL("", "compat", "--level", "UP", "a", "b"),
         "avrogate schema compat: level \"UP\": wanted NONE, "},
        {CALL("", "compat", "--level"),
         "avrogate schema compat: a value is missing after --level\n"},
        {CALL("", "print", "--json"),
         "avrogate schema print: not an option of this command: json\n"},
        {CALL("", "print", "--bogus"),
         "avrogate schema print: no such option: --bogus\n"},
        {CALL("", "canonical", "a", "b"),
         "avrogate schema canonical: too many files: b\n"},
        {CALL("", "compat", "-", "-"),
         "avrogate schema compat: stdin can be read once\n"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        CHECK_INT(t[i].o.code, 2);
        CHECK(starts(t[i].o.err, t[i].says));
        CHECK(strstr(t[i].o.err, "usage: ") != NULL);
        CHECK_STR(t[i].o.out, "");
    }
    CHECK_INT(run("", 1, (char *[]){"schema", NULL}).code, 2);
}

static void remove_files(void)
{
    static const char *const names[] = {"f.avsc",  "bad.avsc", "good.avsc",
                                        "e.avsc",  "r.avsc",   "u.avsc",
                                        "v1.avsc", "v2.avsc",  "v3.avsc"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    CHECK_INT(chdir("/"), 0);
    CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
    CHECK(mkdtemp(dir) != NULL);
    CHECK_INT(chdir(dir), 0);
    RUN(canonical_prints_the_form_and_three_fingerprints);
    RUN(canonical_refuses_with_the_reason_on_stderr_and_nothing_on_stdout);
    RUN(more_text_than_a_schema_may_have_is_refused);
    RUN(print_writes_the_registrys_text);
    RUN(check_says_of_each_file_what_it_is);
    RUN(check_goes_on_after_a_bad_file_and_fails_in_the_end);
    RUN(references_may_use_those_before_them);
    RUN(compat_says_compatible_or_every_reason_with_both_places);
    RUN(compat_takes_the_old_ones_oldest_first);
    RUN(compat_speaks_JSON_when_asked);
    RUN(help_is_on_stdout_with_examples);
    RUN(a_wrong_call_is_2_and_says_how_to_do_better);
    remove_files();
    return REPORT();
}

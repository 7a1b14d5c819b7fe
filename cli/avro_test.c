#include "cli/avro.h"

#include "base/buf.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a call left behind. */
struct outcome {
    int code;
    struct span out;
    char err[4096];
    uint8_t room[65536];
};

static struct outcome o;

static size_t read_back(void *to, size_t room, FILE *f)
{
    rewind(f);
    size_t n = fread(to, 1, room, f);
    fclose(f);
    return n;
}

/* Runs `avrogate avro ...` with `in` on standard input. */
static void run(struct span in, int argc, char **argv)
{
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    int saved[3];

    if (in.n > 0)
        CHECK_INT(fwrite(in.p, 1, in.n, files[0]), in.n);
    rewind(files[0]);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = dup(fd);
        dup2(fileno(files[fd]), fd);
    }
    o.code = cmd_avro(argc, argv);
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++) {
        dup2(saved[fd], fd);
        close(saved[fd]);
    }
    fclose(files[0]);
    o.out = span_of(o.room, read_back(o.room, sizeof o.room, files[1]));
    o.err[read_back(o.err, sizeof o.err - 1, files[2])] = '\0';
}

#define CALL(in, ...)                                                        \
    run(in, (int)(sizeof((char *[]){"avro", __VA_ARGS__}) / sizeof(char *)), \
        (char *[]){"avro", __VA_ARGS__, NULL})
#define BYTES(b) span_of(b, sizeof(b) - 1)

static char dir[] = "/tmp/cli-avro-XXXXXX";

/* The tests' schemas, in files of the directory they run in. */
static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
}

static const char v1[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\","
    "\"type\":\"int\"},{\"name\":\"b\",\"type\":[\"null\",\"string\"],"
    "\"default\":null}]}";
static const char v2[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\","
    "\"type\":\"long\",\"aliases\":[\"a\"]},{\"name\":\"c\",\"type\":"
    "\"int\",\"default\":7}]}";

static void data_back_to_back_are_a_line_each(void)
{
    CALL(BYTES("\2\0\4\2\2y"), "decode", "--schema", "v1", "-");
    CHECK_INT(o.code, 0);
    CHECK_SPAN(o.out, "{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":\"y\"}\n");
    CHECK_STR(o.err, "");
    CALL(BYTES("\2\0\4\2\2y"), "decode", "--schema", "v1", "--avro-json", "--kind",
         "datum", "-");
    CHECK_SPAN(o.out, "{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":{\"string\":\"y\"}}\n");
    CALL(BYTES("\2\0\4\2\2y"), "decode", "--schema", "v1", "--reader-schema", "v2",
         "-");
    CHECK_SPAN(o.out, "{\"x\":1,\"c\":7}\n{\"x\":2,\"c\":7}\n");
}

static void a_container_is_of_the_schema_it_is_taken_for(void)
{
    CALL(BYTES("{\"a\":1}"), "encode", "--schema", "v1", "--kind", "ocf");
    CHECK_INT(o.code, 0);
    static uint8_t room[2000];
    struct span file = span_of(room, o.out.n);
    memcpy(room, o.out.p, o.out.n);

    CALL(file, "decode", "--schema", "v1", "--kind", "ocf", "-");
    CHECK_SPAN(o.out, "{\"a\":1,\"b\":null}\n");
    CALL(file, "decode", "--schema", "v2", "--kind", "ocf", "-");
    CHECK_INT(o.code, 1);
    CHECK_SPAN(o.out, "");
    CHECK_STR(o.err,
              "avrogate avro decode: byte 4: the file was written with another schema "
              "than v2; --reader-schema reads it as that\n");
    CALL(file, "decode", "--reader-schema", "v2", "--kind", "ocf", "-");
    CHECK_SPAN(o.out, "{\"x\":1,\"c\":7}\n");
    CALL(file, "decode", "--schema", "nowhere", "--kind", "ocf", "-");
    CHECK_INT(o.code, 1);
}

static void a_refused_file_leaves_nothing_but_the_reason(void)
{
    static const struct {
        struct span in;
        char *kind;
        const char *why;
    } rows[] = {
        {{(const uint8_t *)"\2\0\4\2\6y", 6},
         "datum",
         "record 2: byte 4 (/b): string of 3 bytes, 1 are left\n"},
        {{(const uint8_t *)"\2\0\4", 3},
         "datum",
         "record 2: byte 3 (/b): a number ends after 0 bytes, in its middle\n"},
        {{(const uint8_t *)"", 0},
         "datum",
         "record 1: byte 0 (/a): a number ends after 0 bytes, in its middle\n"},
        {{(const uint8_t *)"\0\0\0\0\1\2\0x", 8},
         "confluent",
         "byte 7: the datum ends here, 1 bytes follow\n"},
        {{(const uint8_t *)"\0\0\0\0\1\2\4", 7},
         "confluent",
         "byte 6 (/b): branch 2, there are 2\n"},
        {{(const uint8_t *)"\1\0\0\0\1\2\0", 7},
         "confluent",
         "byte 0: frame starts with 0x01, not 0x00\n"},
        {{(const uint8_t *)"Obj", 3},
         "ocf",
         "byte 0: no object container file: it does not begin with Obj 0x01\n"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[300];

        CALL(rows[i].in, "decode", "--schema", "v1", "--kind", rows[i].kind, "-");
        CHECK_INT(o.code, 1);
        CHECK_INT(o.out.n, 0);
        snprintf(want, sizeof want, "avrogate avro decode: %s", rows[i].why);
        CHECK_STR(o.err, want);
    }
    CALL(BYTES("x"), "decode", "--schema", "null", "-");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err,
              "avrogate avro decode: byte 0: a datum of this schema takes no bytes, 1 "
              "are left\n");
    CALL(BYTES(""), "decode", "--schema", "null", "-");
    CHECK_SPAN(o.out, "null\n");
}

static void what_encode_writes_decode_reads(void)
{
    static char *const kinds[][2] = {
        {"datum", "null"},    {"ocf", "null"},  {"ocf", "deflate"}, {"ocf", "snappy"},
        {"ocf", "zstandard"}, {"ocf", "bzip2"}, {"ocf", "xz"}};
    static const char lines[] = "{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":\"y\"}\n";

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint8_t file[1000];

        CALL(BYTES(lines), "encode", "--schema", "v1", "--kind", kinds[i][0], "--codec",
             kinds[i][1]);
        CHECK_INT(o.code, 0);
        CHECK_STR(o.err, "");
        struct span avro = span_of(memcpy(file, o.out.p, o.out.n), o.out.n);
        CALL(avro, "decode", "--schema", "v1", "-"); // the kind is seen
        CHECK_INT(o.code, 0);
        CHECK_SPAN(o.out, lines);
    }
    CALL(BYTES("{\"a\":1}"), "encode", "--schema", "v1", "--kind", "confluent", "--id",
         "258");
    CHECK(span_eq(o.out, BYTES("\0\0\0\1\2\2\0")));
    CALL(BYTES("{\"a\":1,\"z\":[{}]}"), "encode", "--schema", "v1", "--unknown-fields",
         "ignore");
    CHECK(span_eq(o.out, BYTES("\2\0")));
    CALL(BYTES("{\"a\":1,\"b\":{\"string\":\"y\"}}"), "encode", "--avro-json",
         "--schema", "v1", "-");
    CHECK(span_eq(o.out, BYTES("\2\2\2y")));
    CALL(BYTES(" \n"), "encode", "--schema", "v1");
    CHECK_INT(o.code, 0);
    CHECK_INT(o.out.n, 0);
}

static void every_bad_line_is_told_and_nothing_written(void)
{
    CALL(BYTES("{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":2,,}\n  {\"a\":3,\"b\":4}\n"),
         "encode", "--schema", "v1");
    CHECK_INT(o.code, 1);
    CHECK_INT(o.out.n, 0);
    CHECK(strstr(o.err, "line 2, column 6: /a: string \"x\", wanted int (type)\n") !=
          NULL);
    CHECK(strstr(o.err, "line 3, column 8: ") != NULL);
    CHECK(strstr(o.err, "line 4, column 14: /b: number 4") != NULL);
    CHECK(strstr(o.err, "3 of 4 records refused, nothing was written\n") != NULL);

    CALL(BYTES("{\"a\":1}\n{\"a\":2}"), "encode", "--schema", "v1", "--kind",
         "confluent", "--id", "1");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err,
              "avrogate avro encode: line 2: a second record, a confluent file is one "
              "message\n");
    CALL(BYTES(""), "encode", "--schema", "v1", "--kind", "confluent", "--id", "1");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err,
              "avrogate avro encode: no record, a confluent file is one message\n");
    CALL(BYTES("1"), "encode", "--schema", "v1", "--kind", "ocf", "--codec", "lzma");
    CHECK_STR(o.err,
              "avrogate avro encode: codec \"lzma\" is none of null, deflate, snappy, "
              "zstandard, bzip2, xz\n");
}

static void schemas_and_files_that_cannot_be_read_are_named(void)
{
    CALL(BYTES(""), "decode", "--schema", "v1", "nothing");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err, "avrogate avro decode: nothing: No such file or directory\n");
    CALL(BYTES(""), "decode", "--schema", "nothing", "-");
    CHECK_STR(o.err, "avrogate avro decode: nothing: No such file or directory\n");
    CALL(BYTES(""), "decode", "--schema", "bad", "-");
    CHECK_INT(o.code, 1);
    CHECK(strncmp(o.err, "avrogate avro decode: bad: ", 27) == 0);
    CALL(BYTES("x"), "decode", "-");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err,
              "avrogate avro decode: no --schema, and no object container file\n");
    CALL(BYTES(""), "decode", "--schema", "v1", "--reader-schema", "null", "-");
    CHECK_STR(o.err, "avrogate avro decode: the writer's R cannot be read as null\n");
    CALL(BYTES(""), "decode", "--schema", "v1", "/");
    CHECK_STR(o.err, "avrogate avro decode: /: Is a directory\n");
}

static void wrong_calls_say_what_was_wanted(void)
{
    static char *const rows[][6] = {
        {"avro", "decode", NULL},
        {"avro", "decode", "--kind", "x", "f", NULL},
        {"avro", "decode", "--kind", "datum", "f", NULL},
        {"avro", "decode", "--nonsense", "f", NULL},
        {"avro", "decode", "f", "g", NULL},
        {"avro", "encode", NULL},
        {"avro", "encode", "--schema", "v1", "--id=0", NULL},
        {"avro", "encode", "--schema", "v1", "--kind=confluent", NULL},
        {"avro", "encode", "--schema", "v1", "--unknown-fields=x", NULL},
        {"avro", "explode", NULL},
        {"avro", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int argc = 0;

        while (argc < 6 && rows[i][argc] != NULL)
            argc++;
        char *argv[7] = {0};
        memcpy(argv, rows[i], (size_t)argc * sizeof *argv);
        run(BYTES(""), argc, argv);
        CHECK_INT(o.code, 2);
        CHECK_INT(o.out.n, 0);
        CHECK(o.err[0] != '\0');
    }
    CALL(BYTES(""), "--help");
    CHECK_INT(o.code, 0);
    CHECK(o.out.n > 1000 && memmem(o.out.p, o.out.n, "examples:", 9) != NULL);
    CALL(BYTES(""), "decode", "--help");
    CHECK_INT(o.code, 0);
    CHECK(o.out.n > 1000);
}

static void a_file_becomes_one_of_another_format_when_it_is_whole(void)
{
    put_file("in.jsonl", "{\"a\":1,\"b\":\"\"}\n{\"a\":2,\"b\":null}\n");
    CALL(BYTES(""), "convert", "--schema", "v1", "in.jsonl", "o.avro");
    CHECK_INT(o.code, 0);
    CHECK(strncmp(o.err, "o.avro: 2 records, ", 19) == 0);
    CALL(BYTES(""), "convert", "-q", "--schema", "v2", "o.avro", "--to", "csv", "-");
    CHECK_SPAN(o.out, "x,c\n1,7\n2,7\n");
    CALL(BYTES("a;b\n3;\"\"\n4;\n"), "cat", "--schema", "v1", "--from", "csv",
         "--delimiter", ";", "-");
    CHECK_SPAN(o.out, "{\"a\":3,\"b\":\"\"}\n{\"a\":4,\"b\":null}\n");
    unlink("o.avro");

    put_file("in.jsonl", "{\"a\":1}\n{\"a\":\"x\",\"b\":null}\n{\"a\":2,\"b\":null}\n");
    CALL(BYTES(""), "convert", "--schema", "v1", "in.jsonl", "o.avro");
    CHECK_INT(o.code, 1);
    CHECK_STR(o.err, "avrogate avro convert: in.jsonl: line 2, byte 13: /a: string "
                     "\"x\", wanted int (type)\n");
    CHECK_INT(access("o.avro", F_OK), -1);
    CHECK_INT(access("o.avro.part", F_OK), -1);
    CALL(BYTES(""), "cat", "--skip-bad", "--schema", "v1", "in.jsonl");
    CHECK_INT(o.code, 1);
    CHECK_SPAN(o.out, "{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":null}\n");
    CALL(BYTES(""), "convert", "in.jsonl", "o.xml");
    CHECK_INT(o.code, 1);
    CHECK(strstr(o.err, "--to") != NULL);
    unlink("in.jsonl");
}

int main(void)
{
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        return 1;
    put_file("v1", v1);
    put_file("v2", v2);
    put_file("null", "\"null\"");
    put_file("bad", "{");
    RUN(data_back_to_back_are_a_line_each);
    RUN(a_container_is_of_the_schema_it_is_taken_for);
    RUN(a_refused_file_leaves_nothing_but_the_reason);
    RUN(what_encode_writes_decode_reads);
    RUN(every_bad_line_is_told_and_nothing_written);
    RUN(schemas_and_files_that_cannot_be_read_are_named);
    RUN(wrong_calls_say_what_was_wanted);
    RUN(a_file_becomes_one_of_another_format_when_it_is_whole);
    for (const char *const *f = (const char *const[]){"v1", "v2", "null", "bad", NULL};
         *f; f++)
        unlink(*f);
    rmdir(dir);
    return REPORT();
}

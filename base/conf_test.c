#include "base/conf.h"
#include "base/yaml.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct my {
    const char *listen, *token;
    bool unsafe;
    int64_t body, wait, workers;
    int unknown;
    struct conf_list urls, edits;
    struct conf_pairs kafka;
    struct conf_tree rules;
};

static const struct conf_row rows[] = {
    {"listen", CONF_TEXT, offsetof(struct my, listen), .fallback = "127.0.0.1:8082",
     .letter = 'l', .help = "address to listen on", .argument = "HOST:PORT"},
    {"allow_unsafe", CONF_BOOL, offsetof(struct my, unsafe),
     .help = "take a weak topic"},
    {"limits.body", CONF_BYTES, offsetof(struct my, body), .fallback = "16MiB",
     .min = 1024, .max = 1 << 30, .help = "largest body"},
    {"limits.wait", CONF_DURATION, offsetof(struct my, wait), .fallback = "10s",
     .help = "longest wait"},
    {"workers", CONF_INT, offsetof(struct my, workers), .fallback = "2", .min = 1,
     .max = 64, .help = "threads"},
    {"unknown_fields", CONF_CHOICE, offsetof(struct my, unknown),
     .choices = "reject|ignore", .fallback = "reject", .help = "what to do with them"},
    {"registry", CONF_LIST, offsetof(struct my, urls), .required = true,
     .help = "its URLs"},
    {"edit", CONF_TEXTS, offsetof(struct my, edits), .help = "what to change"},
    {"token", CONF_TEXT, offsetof(struct my, token), .secret = true,
     .help = "bearer token"},
    {"kafka", CONF_PAIRS, offsetof(struct my, kafka),
     .help = "any librdkafka property"},
    {"rules", CONF_TREE, offsetof(struct my, rules), .help = "rules"},
    {0}};

static const struct conf_program program = {.name = "avrogate test",
                                            .about = "Tries settings.",
                                            .examples = "  avrogate test\n",
                                            .rows = rows};

static enum err_kind from_text(struct conf *c, struct my *m, const char *yaml,
                               struct err *e)
{
    *m = (struct my){0};
    return conf_read_text(c, rows, "t.yaml", span_str(yaml), m, e);
}

static void a_tree_is_given_as_it_stands(void)
{
    struct conf c;
    struct my m;
    struct err e = {0};

    setenv("CONF_TEST_CITY", "Bern", 1);
    CHECK_INT(from_text(&c, &m,
                        "registry: x\nrules:\n  - name: a\n    of: [id, "
                        "\"${CONF_TEST_CITY}\"]\n  - {name: b}\n",
                        &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_STR(m.rules.file, "t.yaml");
    CHECK_INT(m.rules.root->kind, YAML_LIST);
    CHECK_INT(m.rules.root->n, 2);
    const struct yaml *of = m.rules.root->first->first->next;
    CHECK_STR(of->key, "of");
    CHECK_INT(of->line, 4);
    CHECK_STR(of->first->text, "id");
    CHECK_STR(of->first->next->text, "Bern");
    CHECK_STR(m.rules.root->first->next->first->text, "b");
    CHECK(m.rules.root->first->next->next == NULL);
    conf_free(&c);
    e = (struct err){0};
    CHECK_INT(from_text(&c, &m, "registry: x\nrules: [\"${CONF_TEST_NOBODY}\"]\n", &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "t.yaml:2:9: the environment has no CONF_TEST_NOBODY");
    conf_free(&c);
    e = (struct err){0};
    CHECK_INT(from_text(&c, &m, "registry: x\n", &e), ERR_OK);
    CHECK(m.rules.root == NULL);
    conf_free(&c);
}

static void a_file_fills_the_struct(void)
{
    struct conf c;
    struct my m;
    struct err e = {0};

    setenv("CONF_TEST_TOKEN", "s3cret", 1);
    CHECK_INT(from_text(&c, &m,
                        "listen: \"[::1]:1\"\n"
                        "limits: {body: 64KiB, wait: 250ms}\n"
                        "allow_unsafe: yes\n"
                        "unknown_fields: ignore\n"
                        "registry: [http://a, \"${CONF_TEST_NONE:-http://b}\"]\n"
                        "token: \"Bearer ${CONF_TEST_TOKEN}!\"\n"
                        "workers:\n"
                        "kafka:\n  security.protocol: ssl\n  ssl: {ca.location: /x}\n",
                        &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_STR(m.listen, "[::1]:1");
    CHECK(m.unsafe);
    CHECK_INT(m.body, 65536);
    CHECK_INT(m.wait, 250);
    CHECK_INT(m.workers, 2);
    CHECK_INT(m.unknown, 1);
    CHECK_INT(m.urls.n, 2);
    CHECK_STR(m.urls.items[1], "http://b");
    CHECK_STR(m.token, "Bearer s3cret!");
    CHECK_INT(m.kafka.n, 2);
    CHECK_STR(m.kafka.items[0].name, "security.protocol");
    CHECK_STR(m.kafka.items[1].name, "ssl.ca.location");
    CHECK_STR(m.kafka.items[1].value, "/x");
    conf_free(&c);
}

static void says_where_and_what_was_wanted(void)
{
    static const struct {
        const char *yaml, *msg;
    } t[] = {
        {"registry: a\nlimits:\n  body: lots\n",
         "t.yaml:3:9: limits.body is \"lots\", wanted bytes from 1KiB to 1GiB"},
        {"registry: a\nlimits:\n  body: 1023\n",
         "t.yaml:3:9: limits.body is \"1023\", wanted bytes from 1KiB to 1GiB"},
        {"registry: a\nworkers: 65\n",
         "t.yaml:2:10: workers is \"65\", wanted a whole number from 1 to 64"},
        {"registry: a\nlimits: {wait: 10}\n",
         "t.yaml:2:16: limits.wait is \"10\", wanted a duration"},
        {"registry: a\nallow_unsafe: maybe\n",
         "t.yaml:2:15: allow_unsafe is \"maybe\", wanted true or false"},
        {"registry: a\nunknown_fields: drop\n",
         "t.yaml:2:17: unknown_fields is \"drop\", wanted one of reject|ignore"},
        {"registry: a\nlimits: {bodie: 1}\n",
         "t.yaml:2:17: unknown key \"limits.bodie\", known here: body, wait"},
        {"lisen: a\n",
         "t.yaml:1:8: unknown key \"lisen\", known here: listen, allow_unsafe, "
         "limits, workers, unknown_fields, registry, edit, token, kafka, rules"},
        {"listen: a\nlisten: b\n", "t.yaml:2:1: \"listen\" stands here again"},
        {"listen: [a]\n", "t.yaml:1:9: listen is a list, wanted one value"},
        {"listen: {a: b}\n",
         "t.yaml:1:9: listen has keys of its own, wanted one value"},
        {"registry: {a: b}\n",
         "t.yaml:1:11: registry has keys of its own, wanted a list"},
        {"limits: 5\n", "t.yaml:1:9: limits is one value, wanted keys and values"},
        {"limits: [5]\n", "t.yaml:1:9: limits is a list, wanted keys and values"},
        {"kafka: on\n",
         "t.yaml:1:8: kafka is one value, wanted keys and values, or a list of such"},
        {"listen: *a\n", "t.yaml:1:9: aliases are not taken here"},
        {"- a\n", "t.yaml:1:1: wanted keys and values"},
        {"listen: \"${CONF_TEST_NONE}\"\n",
         "t.yaml:1:9: the environment has no CONF_TEST_NONE"},
        {"listen: file:/nowhere/at/all\n",
         "t.yaml:1:9: /nowhere/at/all: cannot be opened: No such file or directory"},
        {"listen: a\n",
         "t.yaml: registry is missing (--registry or AVROGATE_REGISTRY): its URLs"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct conf c;
        struct my m;
        struct err e = {0};

        CHECK_INT(from_text(&c, &m, t[i].yaml, &e), ERR_INVALID);
        CHECK_STR(e.msg, t[i].msg);
        conf_free(&c);
    }
}

static void a_secret_is_never_in_a_message(void)
{
    static const struct conf_row secret_rows[] = {
        {"pin", CONF_INT, 0, .secret = true, .help = "a number"}, {0}};
    struct conf c;
    int64_t pin;
    struct err e = {0};

    CHECK_INT(conf_read_text(&c, secret_rows, "t", span_str("pin: hunter2"), &pin, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "t:1:6: pin is \"(secret)\", wanted a whole number");
    conf_free(&c);
}

static void a_flag_wins_over_the_environment_and_that_over_the_file(void)
{
    char path[] = "/tmp/conf_test_XXXXXX";
    int fd = mkstemp(path);
    struct conf c;
    struct my m = {0};
    enum conf_outcome outcome;
    struct err e = {0};
    char *argv[] = {"test",
                    "-c",
                    path,
                    "--listen=flag",
                    "--kafka",
                    "linger.ms=1",
                    "--registry",
                    "a",
                    "--registry",
                    "b,c",
                    "--allow-unsafe",
                    "--edit",
                    "password=size(a, b)",
                    "--edit",
                    "b",
                    NULL};

    CHECK(dprintf(fd, "listen: file\nworkers: 3\nlimits: {body: 2KiB}\nregistry: z\n") >
          0);
    setenv("AVROGATE_LISTEN", "environment", 1);
    setenv("AVROGATE_WORKERS", "4", 1);
    setenv("AVROGATE_KAFKA_SECURITY_PROTOCOL", "ssl", 1);
    CHECK_INT(conf_read(&c, &program, 15, argv, &m, &outcome, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_INT(m.edits.n, 2); // texts are not cut at commas, nor taken for secrets
    CHECK_STR(m.edits.items[0], "password=size(a, b)");
    CHECK_STR(m.edits.items[1], "b");
    CHECK_INT(outcome, CONF_RUN);
    CHECK_STR(m.listen, "flag");
    CHECK_INT(m.workers, 4);
    CHECK_INT(m.body, 2048);
    CHECK(m.unsafe);
    CHECK_INT(m.urls.n, 3);
    CHECK_STR(m.urls.items[2], "c");
    CHECK_INT(m.kafka.n, 2);
    CHECK_STR(m.kafka.items[0].name, "security.protocol");
    conf_free(&c);
    unsetenv("AVROGATE_LISTEN");
    unsetenv("AVROGATE_WORKERS");
    unsetenv("AVROGATE_KAFKA_SECURITY_PROTOCOL");
    close(fd);
    unlink(path);
}

static void refuses_flags_that_make_no_sense(void)
{
    static const struct {
        const char *flag, *value, *msg;
    } t[] = {
        {"--no-such", "x", "unknown flag --no-such (see --help)"},
        {"--token", "x", "unknown flag --token (see --help)"}, // secrets have no flag
        {"--workers", NULL, "--workers wants a value"},
        {"--workers", "0",
         "--workers: workers is \"0\", wanted a whole number from 1 to 64"},
        {"--kafka", "x", "--kafka \"x\": wanted name=value"},
        {"--kafka", "sasl.password=x",
         "--kafka sasl.password: a secret does not belong on the command line, where "
         "everybody "
         "can read it; use the settings file or the environment"},
        {"file.csv", NULL, "\"file.csv\" is not expected (see --help)"},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char *argv[] = {"test", "--registry=a", (char *)(uintptr_t)t[i].flag,
                        (char *)(uintptr_t)t[i].value, NULL};
        struct conf c;
        struct my m = {0};
        enum conf_outcome outcome;
        struct err e = {0};

        CHECK_INT(
            conf_read(&c, &program, t[i].value != NULL ? 4 : 3, argv, &m, &outcome, &e),
            ERR_INVALID);
        CHECK_STR(e.msg, t[i].msg);
        conf_free(&c);
    }
}

static void help_shows_every_row_but_no_flag_for_secrets(void)
{
    struct buf out = BUF_INIT(100000);

    conf_help(&out, &program);
    buf_put_u8(&out, 0);
    const char *text = (const char *)out.p;
    CHECK(strstr(text,
                 "  -l, --listen HOST:PORT          address to listen on (default "
                 "127.0.0.1:8082)\n") != NULL);
    CHECK(strstr(text, "--limits-body BYTES") != NULL);
    CHECK(strstr(text, "--token") == NULL);
    CHECK(strstr(text, "AVROGATE_TOKEN") != NULL);
    buf_reset(&out);
    conf_markdown(&out, &program);
    buf_put_u8(&out, 0);
    CHECK(
        strstr((const char *)out.p,
               "| `limits.body` | `AVROGATE_LIMITS_BODY` | `--limits-body` | `16MiB` | "
               "bytes from 1KiB to 1GiB | largest body |\n") != NULL);
    buf_free(&out);
}

static void a_list_of_maps_is_numbered_pairs(void)
{
    struct conf c;
    struct my m;
    struct err e = {0};

    (void)!from_text(&c, &m, "kafka: [{field: date, as: day}, {as: hour}]\n", &e);
    CHECK_INT(m.kafka.n, 3);
    if (m.kafka.n == 3) {
        CHECK_STR(m.kafka.items[0].name, "0.field");
        CHECK_STR(m.kafka.items[0].value, "date");
        CHECK_STR(m.kafka.items[2].name, "1.as");
    }
    conf_free(&c);
    CHECK_INT(from_text(&c, &m, "kafka: [field]\n", &e), ERR_INVALID);
    conf_free(&c);
}

static void a_name_that_was_not_given_is_made(void)
{
    char *names[] = {conf_or("given", "job", "-changelog"), conf_or(NULL, "job", ""),
                     conf_or("", "job", "-changelog")};

    CHECK_STR(names[0], "given");
    CHECK_STR(names[1], "job");
    CHECK_STR(names[2], "job-changelog");
    for (int i = 0; i < 3; i++)
        free(names[i]);
}

int main(void)
{
    RUN(a_file_fills_the_struct);
    RUN(a_tree_is_given_as_it_stands);
    RUN(says_where_and_what_was_wanted);
    RUN(a_secret_is_never_in_a_message);
    RUN(a_flag_wins_over_the_environment_and_that_over_the_file);
    RUN(refuses_flags_that_make_no_sense);
    RUN(help_shows_every_row_but_no_flag_for_secrets);
    RUN(a_list_of_maps_is_numbered_pairs);
    RUN(a_name_that_was_not_given_is_made);
    return REPORT();
}

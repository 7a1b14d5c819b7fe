/*
 * conf.h - a program's settings: one table gives the YAML keys, the environment names,
 * the flags, the defaults, the ranges, --help and docs/settings.md.
 *
 *      static const struct conf_row rows[] = {
 *          {"listen", CONF_TEXT, offsetof(struct my, listen),
 *           .fallback = "127.0.0.1:8082", .help = "address and port to listen on"},
 *          {"limits.body", CONF_BYTES, offsetof(struct my, body), .fallback = "16MiB",
 *           .min = 1024, .max = 1 << 30, .help = "largest request body"},
 *          {"kafka", CONF_PAIRS, offsetof(struct my, kafka),
 *           .help = "any librdkafka property"},
 *          {0}};
 *
 * A key `limits.body` is the YAML path, the flag --limits-body (with `flag` another
 * name), the environment name AVROGATE_LIMITS_BODY.  A flag wins over the environment,
 * that over the file, that over the fallback.  CONF_PAIRS takes everything below its
 * key: `kafka.security.protocol` in the file, flag
 * --kafka security.protocol=ssl, environment AVROGATE_KAFKA_SECURITY_PROTOCOL.
 *
 * Any value in the file may be `${NAME}` (environment, an error when unset;
 * `${NAME:-text}`) or `file:PATH` (its content, one trailing newline dropped).  A
 * `secret` row has no flag, is never printed or logged.  Unknown keys and wrong values
 * end with ERR_INVALID: "gateway.yaml:12:3: limits.body is \"lots\", wanted bytes from
 * 1KiB to 1GiB".
 *
 * The struct's texts live in the conf; free it with conf_free() at the end.  One
 * thread.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

enum conf_kind {
    CONF_TEXT,  // const char *
    CONF_BOOL,  // bool: true, false (yes/no, on/off, 1/0)
    CONF_INT,   // int64_t
    CONF_BYTES, // int64_t: 65536, 64KiB, 16MiB, 1GiB (also KB, MB, GB = powers of 1000)
    CONF_DURATION, // int64_t milliseconds: 250ms, 10s, 5m, 2h, 1d
    CONF_REAL,     // double
    CONF_CHOICE,   // int: index into `choices`
    CONF_LIST,     // struct conf_list: YAML list, or text with commas
    CONF_TEXTS,    // struct conf_list: YAML list; one item a flag, commas and all
    CONF_PAIRS, // struct conf_pairs: everything below this key, flattened with dots; of
                // a list of maps "0.name", "1.name"
    CONF_TREE,  // struct conf_tree: what stands below this key, of any shape, for a
                // reader of its own (yaml.h); in the file only
};

struct conf_list {
    const char **items;
    size_t n;
};

struct conf_pair {
    const char *name, *value;
    bool secret; // its name says so: password, secret, key; never printed
};

struct conf_pairs {
    struct conf_pair *items;
    size_t n;
};

struct yaml;

struct conf_tree {
    const char *file;        // for messages; NULL when the key is not there
    const struct yaml *root; // values expanded
};

struct conf_row {
    const char *key;
    enum conf_kind kind;
    size_t at;            // offsetof in the program's struct
    const char *fallback; // as text; NULL = zero / NULL / empty
    int64_t min,
        max; // INT, BYTES, DURATION (both 0 = any not negative); LIST: how many
    const char *choices; // CHOICE: "reject|ignore"
    const char *flag;    // another name for the flag, NULL = made from the key
    char letter;         // a short flag, 0 = none
    bool secret, required;
    const char *help;     // one line, lower case, no full stop
    const char *argument; // in --help: "HOST:PORT"; NULL = from the kind
};

struct conf {
    struct arena arena;          // owns all texts
    const char *file;            // the file read, NULL for none
    const char *const *operands; // what follows the flags
    size_t n_operands;
};

struct conf_program {
    const char *name;     // "avrogate gateway"
    const char *operands; // in --help: "FILE...", NULL when there may be none
    const char *about;    // a paragraph
    const char *examples; // lines
    const struct conf_row *rows;
};

enum conf_outcome {
    CONF_RUN,  // settings are filled in
    CONF_DONE, // --help, --version or --settings was asked for and printed
};

/*
 * Reads flags, environment and the file named by -c/--config into `settings`.
 * ERR_INVALID says what was found and what was wanted.
 */
enum err_kind conf_read(struct conf *c, const struct conf_program *p, int argc,
                        char *const *argv, void *settings, enum conf_outcome *outcome,
                        struct err *e) MUST_USE;
/* The same from a file's text alone (pipeline files, tests); `name` is for messages. */
enum err_kind conf_read_text(struct conf *c, const struct conf_row *rows,
                             const char *name, struct span yaml, void *settings,
                             struct err *e) MUST_USE;
void conf_free(struct conf *c);
/* What was given, or else `base` and `suffix` together; free() it.  NULL and "" are
 * nothing. */
char *conf_or(const char *given, const char *base, const char *suffix);

void conf_help(struct buf *out, const struct conf_program *p);     // --help
void conf_markdown(struct buf *out, const struct conf_program *p); // docs/settings.md

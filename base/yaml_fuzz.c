/*
 * Whatever text arrives as a settings file, it is read or refused.
 */
#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct settings {
        const char *listen;
        struct conf_list list;
        int64_t bytes;
        struct conf_pairs pairs;
    } s = {0};
    static const struct conf_row rows[] = {
        {"a", CONF_TEXT, offsetof(struct settings, listen), .help = ""},
        {"b", CONF_LIST, offsetof(struct settings, list), .help = ""},
        {"c.d", CONF_BYTES, offsetof(struct settings, bytes), .help = ""},
        {"e", CONF_PAIRS, offsetof(struct settings, pairs), .help = ""},
        {0}};
    struct conf c;
    struct err e = {0};

    if (n > 0 && memmem(p, n, "file:", 5) != NULL)
        return 0; // the fuzzer shall not read this machine's files
    (void)!conf_read_text(&c, rows, "fuzz", span_of(p, n), &s, &e);
    conf_free(&c);
    return 0;
}

/*
 * Patterns and texts on stdin, verdicts on stdout: our side of regex_against_re2.py.
 *
 * In: a pattern, the number of texts, the texts; numbers and the length before each
 * piece as 4 bytes, big-endian.  Out: a line a pattern: "E place kind message", or one
 * digit a text.
 */
#include "cel/regex.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static bool number(uint32_t *n)
{
    uint8_t b[4];

    if (fread(b, 1, 4, stdin) != 4)
        return false;
    *n = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return true;
}

static bool piece(struct span *s, uint8_t **memory)
{
    uint32_t n;

    if (!number(&n))
        return false;
    *memory = mem_grow(*memory, n, 1);
    *s = span_of(*memory, n);
    return n == 0 || fread(*memory, 1, n, stdin) == n;
}

int main(void)
{
    struct cel_regex_scratch *scratch = cel_regex_scratch_open();
    uint8_t *memory = NULL, *text_memory = NULL;
    struct span pattern, text;
    uint32_t texts;

    while (piece(&pattern, &memory) && number(&texts)) {
        struct cel_regex *re = NULL;
        struct err e = {0};
        size_t at;
        enum err_kind k = cel_regex_compile(&re, pattern, &at, &e);
        if (k != ERR_OK)
            printf("E %zu %s %s", at, k == ERR_LIMIT ? "limit" : "invalid", e.msg);
        for (uint32_t i = 0; i < texts && piece(&text, &text_memory); i++)
            if (re != NULL)
                putchar('0' + cel_regex_matches(re, text, scratch));
        putchar('\n');
        cel_regex_free(re);
    }
    cel_regex_scratch_close(scratch);
    free(memory);
    free(text_memory);
    return 0;
}

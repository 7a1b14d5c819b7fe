/*
 * A pattern up to the first zero byte, a text behind it.  Whatever they are there is an
 * answer, the same with states remembered and without; a refusal has a place and a
 * reason.
 */
#include "cel/regex.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_text(const struct cel_regex *re, struct span text)
{
    struct cel_regex_scratch *s = cel_regex_scratch_open();
    bool cold = cel_regex_matches(re, text, s);

    for (size_t i = 0; i < text.n && i < 8; i++) // other ways through the same states
        (void)cel_regex_matches(re, span_of(text.p + i, text.n - i), s);
    if (cel_regex_matches(re, text, s) != cold)
        abort();
    cel_regex_scratch_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(p, 0, n) : NULL;
    size_t pattern_n = zero != NULL ? (size_t)(zero - p) : n, at = SIZE_MAX;
    struct cel_regex *re;
    struct err e = {0};

    if (cel_regex_compile(&re, span_of(p, pattern_n), &at, &e) != ERR_OK) {
        if (at > pattern_n || e.msg[0] == '\0')
            abort();
        return 0;
    }
    if (zero != NULL)
        check_text(re, span_of(zero + 1, n - pattern_n - 1));
    cel_regex_free(re);
    return 0;
}

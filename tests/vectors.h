/*
 * vectors.h - facts other programs printed, one JSON object a line.
 *
 *      vectors_each("tests/vectors/schema/printed.ndjson", check_one);
 *
 * Tests run in the root of the source tree.  A file that is missing, or a line that is
 * no JSON, is a failed check: a test without its vectors has not run.
 */
#pragma once

#include "base/json.h"
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>

static inline size_t vectors_each(const char *path,
                                  void (*check)(const struct json *line))
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, count = 0;
    ssize_t n;

    CHECK(f != NULL);
    while (f != NULL && (n = getline(&line, &cap, f)) > 0) {
        struct arena a = {0};
        const struct json *j = NULL;
        struct err e = {0};

        CHECK_INT(json_read(&j, span_of(line, (size_t)n), NULL, &a, &e), ERR_OK);
        if (j != NULL)
            check(j);
        arena_free(&a);
        count++;
    }
    if (f != NULL)
        fclose(f);
    free(line);
    return count;
}

/* The text of member `name`, "" when there is none. */
static inline struct span vectors_text(const struct json *j, const char *name)
{
    const struct json *m = json_member(j, name);

    return m != NULL ? m->text : span_str("");
}

/* CHECK_SPAN against a span, showing more than its 80 bytes. */
static inline void vectors_same(const char *what, struct span got, struct span want)
{
    check_count(span_eq(got, want));
    if (!span_eq(got, want))
        printf("    %s is\n        %.*s\n    not\n        %.*s\n", what, (int)got.n,
               (const char *)got.p, (int)want.n, (const char *)want.p);
}

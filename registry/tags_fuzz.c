/*
 * Whatever is called a schema and whatever a list of tags, changing one by the other
 * ends; what comes out is JSON with no tag more or less when done again.  The first
 * line is the list, the rest the schema.
 */
#include "registry/tags.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *line = n > 0 ? memchr(p, '\n', n) : NULL;
    size_t k = line != NULL ? (size_t)(line - p) : n;
    struct span schema = line != NULL ? span_of(line + 1, n - k - 1) : (struct span){0};
    struct span once = {0}, twice = {0};
    const struct json *j = NULL;
    struct reg_tags tags = {0};
    struct arena a = {0};
    struct err e;

    if (json_read(&j, span_of(p, k), NULL, &a, &e) != ERR_OK ||
        reg_tags_read(&tags, j, &a, &e) != ERR_OK)
        tags = (struct reg_tags){0};
    if (reg_tags_change(&once, schema, NULL, NULL, &tags, &a, &e) == ERR_OK) {
        if (reg_tags_change(&twice, once, NULL, NULL, &tags, &a, &e) != ERR_OK ||
            !span_eq(once, twice))
            abort();
        (void)reg_tags_of(once, &a);
    }
    arena_free(&a);
    return 0;
}

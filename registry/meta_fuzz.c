/*
 * Metadata and rules from strangers: what is taken is tidy, and tidying or merging it
 * again changes nothing.
 */
#include "registry/meta.h"

#include "base/buf.h"

#include <stdlib.h>

static void check(bool so)
{
    if (!so)
        abort();
}

static void try_one(enum err_kind (*tidy)(struct span *, struct span, struct arena *,
                                          struct err *),
                    struct span (*merge)(struct span, struct span, struct arena *),
                    struct span text)
{
    struct span once = {0}, twice = {0};
    struct arena a = {0};
    struct err e = {0};

    if (tidy(&once, text, &a, &e) == ERR_OK) {
        check(tidy(&twice, once, &a, &e) == ERR_OK && span_eq(once, twice));
        check(span_eq(merge(once, once, &a), once));
        check(span_eq(merge((struct span){0}, once, &a), once));
    }
    (void)merge(text, text, &a); // settings of somebody else's registry
    struct span value = {0};
    (void)reg_metadata_property(text, span_str("a"), &a, &value);
    (void)reg_rules_use(text, span_str("CEL"), &a);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    try_one(reg_metadata_tidy, reg_metadata_merge, span_of(data, n));
    try_one(reg_rules_tidy, reg_rules_merge, span_of(data, n));
    return 0;
}

#include "guard/acl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct acl *a = NULL;
    struct err e = {0};

    if (acl_read(&a, span_of(p, n), &e) != ERR_OK)
        return 0;
    struct span who = span_of(p, n / 3), name = span_of(p + n / 3, n - n / 3);
    if (acl_may_all(a, who, ACL_READ, ACL_SUBJECT) &&
        !acl_may(a, who, ACL_READ, ACL_SUBJECT, name))
        __builtin_trap(); // who may read all may read each
    acl_free(a);
    return 0;
}

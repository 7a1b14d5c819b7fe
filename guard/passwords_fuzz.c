#include "guard/passwords.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct passwords *read = NULL;
    struct err e = {0};
    char hash[PASSWORDS_HASH];

    if (passwords_read(&read, span_of(p, n), &e) != ERR_OK)
        return 0;
    if (passwords_hash(read, span_of(p, n / 2), hash) && hash[0] != '$')
        __builtin_trap();
    passwords_free(read);
    return 0;
}

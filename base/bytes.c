#include "base/bytes.h"

void bytes_hex(char *to, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.n; i++) {
        *to++ = digits[bytes.p[i] >> 4];
        *to++ = digits[bytes.p[i] & 15];
    }
    *to = '\0';
}

#include "avro-core/uuid.h"

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool uuid_read(uint8_t out[16], struct span text)
{
    uint8_t bytes[16];
    size_t n = 0;

    if (text.n != 36)
        return false;
    for (size_t i = 0; i < text.n;) {
        if (is_dash_at(i)) {
            if (text.p[i++] != '-')
                return false;
            continue;
        }
        int high = hex(text.p[i]), low = hex(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[n++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    memcpy(out, bytes, sizeof bytes);
    return true;
}

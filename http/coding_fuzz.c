/* Whatever it is called, what comes out stays within its limit and the reader ends. */
#include "http/coding.h"

#include <stdlib.h>

#define MOST (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct http_coding_limits usual;

    for (enum http_coding c = HTTP_GZIP; c <= HTTP_ZSTD; c++) {
        struct buf out = BUF_INIT(MOST);
        struct err e = {0};
        if (http_decode(&out, c, span_of(data, n), &usual, &e) != ERR_OK &&
            e.msg[0] == '\0')
            abort();
        if (out.n > MOST || out.over)
            abort();
        buf_free(&out);
    }
    return 0;
}

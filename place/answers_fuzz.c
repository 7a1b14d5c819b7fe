/* Whatever a server says: read to its end, and no further. */
#include "place/answers.h"
#include "place/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span text = span_of(p, n), rest = text, one;
    struct buf out = BUF_INIT(4096);
    struct err e = {0};

    (void)!answer_of_s3(n % 2 ? 200 : 403, text, "fuzz", &e);
    (void)!answer_of_webhdfs(403, text, "fuzz", &e);
    (void)answer_time(text);
    while (xml_next(&rest, "Contents", &one)) {
        (void)xml_text(one, "Key", &out);
        (void)xml_number(one, "Size");
    }
    buf_free(&out);
    return 0;
}

/*
 * Two schemas, one zero byte between them: comparing them ends, in bounded time, and
 * every reason has its places and its words.
 */
#include "avro-core/compat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct av_schema *parsed(struct span text)
{
    struct av_schema *s = NULL;
    struct err e;

    return av_schema_parse(&s, text, NULL, 0, NULL, &e) == ERR_OK ? s : NULL;
}

/* The pointers are pointers, the words are there. */
static void inspect(const struct av_incompat *r)
{
    for (; r != NULL; r = r->next)
        if ((r->reader_path.n > 0 && r->reader_path.p[0] != '/') ||
            (r->writer_path.n > 0 && r->writer_path.p[0] != '/') ||
            r->location.n == 0 || r->message.n == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(p, 0, n) : NULL;
    size_t half = zero != NULL ? (size_t)(zero - p) : n;
    struct av_schema *reader = parsed(span_of(p, half));
    struct av_schema *writer = parsed(span_skip(span_of(p, n), half + 1));
    struct arena a = {0};

    if (reader != NULL && writer != NULL) {
        inspect(av_compat(reader, writer, 0, &a));
        inspect(av_compat(writer, reader, 0, &a));
    }
    arena_free(&a);
    av_schema_release(reader);
    av_schema_release(writer);
    return 0;
}

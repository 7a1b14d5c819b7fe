#include "http/coding.h"

#include "base/mem.h"
#include "tests/check.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static const struct http_coding_limits usual;

static struct span pack_gzip(struct arena *a, struct span text)
{
    size_t room = compressBound(text.n) + 64;
    uint8_t *p = arena_alloc(a, room);
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)text.p,
                  .avail_in = (uInt)text.n,
                  .next_out = p,
                  .avail_out = (uInt)room};

    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return span_of(p, room - z.avail_out);
}

static struct span pack_zstd(struct arena *a, struct span text)
{
    size_t room = ZSTD_compressBound(text.n);
    uint8_t *p = arena_alloc(a, room);

    return span_of(p, ZSTD_compress(p, room, text.p, text.n, 3));
}

static struct span twice(struct arena *a, struct span s)
{
    uint8_t *p = arena_alloc(a, 2 * s.n);

    memcpy(p, s.p, s.n);
    memcpy(p + s.n, s.p, s.n);
    return span_of(p, 2 * s.n);
}

static const struct {
    enum http_coding coding;
    struct span (*pack)(struct arena *a, struct span text);
} packers[] = {{HTTP_GZIP, pack_gzip}, {HTTP_ZSTD, pack_zstd}};

static enum err_kind unpack(struct buf *out, enum http_coding c, struct span in)
{
    struct err e = {0};

    return http_decode(out, c, in, &usual, &e);
}

static void what_was_packed_comes_out(void)
{
    struct arena a = {0};

    for (size_t i = 0; i < 2; i++) {
        struct span packed = packers[i].pack(&a, span_str("{\"id\":7}"));
        struct buf out = BUF_INIT(100);
        CHECK_INT(unpack(&out, packers[i].coding, packed), ERR_OK);
        CHECK_SPAN(buf_span(&out), "{\"id\":7}");
        buf_reset(&out);
        CHECK_INT(unpack(&out, packers[i].coding, twice(&a, packed)), ERR_OK);
        CHECK_SPAN(buf_span(&out), "{\"id\":7}{\"id\":7}");
        buf_free(&out);
    }
    arena_free(&a);
}

static void every_part_of_it_and_all_with_more_is_refused(void)
{
    struct arena a = {0};

    for (size_t i = 0; i < 2; i++) {
        struct span packed = packers[i].pack(&a, span_str("{\"id\":7}"));
        for (size_t n = 0; n < packed.n; n++) {
            struct buf out = BUF_INIT(100);
            CHECK_INT(unpack(&out, packers[i].coding, span_of(packed.p, n)),
                      ERR_INVALID);
            buf_free(&out);
        }
        uint8_t *more = arena_alloc(&a, packed.n + 1);
        memcpy(more, packed.p, packed.n);
        struct buf out = BUF_INIT(100);
        CHECK_INT(unpack(&out, packers[i].coding, span_of(more, packed.n + 1)),
                  ERR_INVALID);
        buf_free(&out);
    }
    arena_free(&a);
}

static void a_bomb_stops_at_the_limit(void)
{
    size_t n = 64 << 20;
    uint8_t *zeros = calloc(1, n);
    struct arena a = {0};

    for (size_t i = 0; i < 2; i++) {
        struct span packed = packers[i].pack(&a, span_of(zeros, n));
        struct buf out = BUF_INIT(10 << 20);
        CHECK(packed.n < n / 200);
        CHECK_INT(unpack(&out, packers[i].coding, packed), ERR_LIMIT);
        CHECK(out.n <= packed.n * 200 + (2 << 20)); // by its ratio, long before
        buf_free(&out);
        const struct http_coding_limits loose = {.ratio = 1000000};
        struct err e = {0};
        CHECK_INT(http_decode(&out, packers[i].coding, packed, &loose, &e), ERR_LIMIT);
        CHECK_INT(out.n, 10 << 20);
        buf_free(&out);
    }
    arena_free(&a);
    free(zeros);
}

static bool never(void *who, size_t n)
{
    (void)n;
    return (*(int *)who)-- > 0;
}

static void it_asks_before_it_grows(void)
{
    struct arena a = {0};
    int times = 0;
    const struct http_coding_limits lim = {.may_grow = never, .who = &times};
    struct buf out = BUF_INIT(100);
    struct err e = {0};

    struct span packed = pack_gzip(&a, span_str("x"));
    CHECK_INT(http_decode(&out, HTTP_GZIP, packed, &lim, &e), ERR_UNAVAILABLE);
    times = 1;
    CHECK_INT(http_decode(&out, HTTP_GZIP, packed, &lim, &e), ERR_OK);
    buf_free(&out);
    arena_free(&a);
}

static void names_are_known_or_not(void)
{
    CHECK_INT(http_coding_of(span_str("GZIP")), HTTP_GZIP);
    CHECK_INT(http_coding_of(span_str("zstd")), HTTP_ZSTD);
    CHECK_INT(http_coding_of(span_str("")), HTTP_IDENTITY);
    CHECK_INT(http_coding_of(span_str("gzip, gzip")), HTTP_CODING_UNKNOWN);
    CHECK_INT(http_coding_of(span_str("br")), HTTP_CODING_UNKNOWN);
}

int main(void)
{
    RUN(what_was_packed_comes_out);
    RUN(every_part_of_it_and_all_with_more_is_refused);
    RUN(a_bomb_stops_at_the_limit);
    RUN(it_asks_before_it_grows);
    RUN(names_are_known_or_not);
    return REPORT();
}

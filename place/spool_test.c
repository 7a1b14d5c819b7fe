#include "place/spool.h"

#include "tests/check.h"

static void gives_back_what_was_put_wherever_it_lies(void)
{
    static const size_t memories[] = {0, 10, 1000, 1 << 20};

    for (size_t m = 0; m < sizeof memories / sizeof memories[0]; m++) {
        struct spool *s = spool_open("/tmp", memories[m]);
        uint8_t want[5000], got[5000];
        struct err e = {0};
        for (size_t i = 0; i < sizeof want; i++)
            want[i] = (uint8_t)(i * 7 + i / 256);
        for (size_t i = 0; i < sizeof want; i += 100)
            CHECK_INT(spool_put(s, span_of(want + i, 100), &e), ERR_OK);
        struct place_bytes b = spool_bytes(s);
        CHECK_INT(b.n, 5000);
        for (int64_t at = 0; at < 5000; at += 777) {
            size_t n = 5000 - at < 777 ? (size_t)(5000 - at) : 777;
            CHECK_INT(b.read(b.arg, at, got, n, &e), ERR_OK);
            CHECK(memcmp(got, want + at, n) == 0);
        }
        CHECK_INT(b.read(b.arg, 4999, got, 2, &e), ERR_INTERNAL);
        spool_close(s);
    }
}

static void counts_the_hash_on_the_way(void)
{
    struct spool *s = spool_open("/tmp", 2);
    char sha[SPOOL_SHA];
    struct err e = {0};

    CHECK_INT(spool_put(s, span_str("a"), &e), ERR_OK);
    CHECK_INT(spool_put(s, span_str("bc"), &e), ERR_OK);
    spool_sha256(s, sha);
    CHECK_STR(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    spool_close(s);
}

static void a_directory_that_is_not_there_may_come(void)
{
    struct spool *s = spool_open("/nowhere/at/all", 0);
    struct err e = {0};

    CHECK_INT(spool_put(s, span_str("a"), &e), ERR_UNAVAILABLE);
    spool_close(s);
}

int main(void)
{
    RUN(gives_back_what_was_put_wherever_it_lies);
    RUN(counts_the_hash_on_the_way);
    RUN(a_directory_that_is_not_there_may_come);
    return REPORT();
}

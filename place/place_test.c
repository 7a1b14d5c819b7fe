/* What place_open() says to settings; the verbs are asked in tests/promises/place.c. */
#include "place/place.h"

#include "tests/check.h"

static void a_place_is_known_by_its_url(void)
{
    static const struct {
        const char *url, *kind;
    } rows[] = {
        {"file:///var/stage", "local"},
        {"file:///var/stage/", "local"},
        {"webhdfs://nn1:9870/stage/weather", "hdfs"},
        {"webhdfs://nn1:9870,nn2:9870/stage", "hdfs"},
        {"webhdfs://nn1:9870,webhdfs://nn2:9870/stage", "hdfs"},
        {"swebhdfs://nn1:9871", "hdfs"},
        {"s3://bucket/prefix/below", "s3"},
        {"s3://bucket", "s3"},
        {"file://relative", NULL},
        {"file:///", NULL},
        {"/var/stage", NULL},
        {"webhdfs:///stage", NULL},
        {"webhdfs://nn1/stage", NULL},
        {"webhdfs://me@nn1:9870/stage", NULL},
        {"webhdfs://nn1:9870/a/../b", NULL},
        {"s3://UPPER/prefix", NULL},
        {"s3:///prefix", NULL},
        {"ftp://host/dir", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place_settings s = {.url = rows[i].url,
                                   .s3 = {.access_key = "a", .secret_key = "b"}};
        struct place *p = NULL;
        struct err e = {0};
        enum err_kind rc = place_open(&p, &s, &e);
        if ((rc == ERR_OK) != (rows[i].kind != NULL))
            printf("    %s: %s\n", rows[i].url, e.msg);
        CHECK_INT(rc, rows[i].kind != NULL ? ERR_OK : ERR_INVALID);
        if (rc == ERR_OK)
            CHECK_STR(place_kind(p), rows[i].kind);
        place_close(p);
    }
}

static void s3_without_keys_is_refused_at_once(void)
{
    struct place_settings s = {.url = "s3://bucket/x"};
    struct place *p = NULL;
    struct err e = {0};

    CHECK_INT(place_open(&p, &s, &e), ERR_INVALID);
    CHECK_STR(
        e.msg,
        "S3 needs an access key and a secret key: s3.access_key and s3.secret_key");
}

int main(void)
{
    RUN(a_place_is_known_by_its_url);
    RUN(s3_without_keys_is_refused_at_once);
    return REPORT();
}

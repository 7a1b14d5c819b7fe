#include "place/answers.h"

#include "tests/check.h"

static void an_exception_of_hdfs_goes_by_its_name(void)
{
    static const struct {
        int status;
        const char *body;
        enum err_kind kind;
    } rows[] = {
        {200, "{}", ERR_OK},
        {201, "", ERR_OK},
        {403, "{\"RemoteException\":{\"exception\":\"FileAlreadyExistsException\"}}",
         ERR_CONFLICT},
        {404, "{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}",
         ERR_NOT_FOUND},
        {403, "{\"RemoteException\":{\"exception\":\"AccessControlException\"}}",
         ERR_INVALID},
        {403, "{\"RemoteException\":{\"exception\":\"StandbyException\"}}",
         ERR_UNAVAILABLE},
        {403, "{\"RemoteException\":{\"exception\":\"EOFException\"}}",
         ERR_UNAVAILABLE},
        {403, "{\"RemoteException\":{\"exception\":\"NobodyKnowsException\"}}",
         ERR_UNAVAILABLE},
        {403, "<html>a proxy's", ERR_INVALID},
        {401, "", ERR_INVALID},
        {500, "", ERR_UNAVAILABLE},
        {503, "{\"RemoteException\":", ERR_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        CHECK_INT(answer_of_webhdfs(rows[i].status, span_str(rows[i].body), "x", &e),
                  rows[i].kind);
    }
}

static void only_the_first_line_of_a_java_message_is_shown(void)
{
    struct err e = {0};

    CHECK_INT(answer_of_webhdfs(
                  403,
                  span_str("{\"RemoteException\":{\"exception\":\"IOException\","
                           "\"message\":\"why\\n\\tat java.lang\"}}"),
                  "op=CREATE a", &e),
              ERR_UNAVAILABLE);
    CHECK_STR(e.msg, "op=CREATE a: 403 IOException: why");
}

static void an_error_of_s3_goes_by_its_code_even_under_200(void)
{
    static const struct {
        int status;
        const char *body;
        enum err_kind kind;
    } rows[] = {
        {200, "", ERR_OK},
        {204, "", ERR_OK},
        {200, "<CompleteMultipartUploadResult/>", ERR_OK},
        {200, "<?xml version=\"1.0\"?> <Error><Code>InternalError</Code></Error>",
         ERR_UNAVAILABLE},
        {200, "<Error><Code>Whatever</Code></Error>", ERR_UNAVAILABLE},
        {412, "<Error><Code>PreconditionFailed</Code></Error>", ERR_CONFLICT},
        {412, "", ERR_CONFLICT},
        {409, "<Error><Code>ConditionalRequestConflict</Code></Error>",
         ERR_UNAVAILABLE},
        {404, "<Error><Code>NoSuchUpload</Code></Error>", ERR_NOT_FOUND},
        {404, "<Error><Code>NoSuchBucket</Code></Error>", ERR_INVALID},
        {404, "", ERR_NOT_FOUND}, // HEAD
        {403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", ERR_INVALID},
        {400, "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>", ERR_UNAVAILABLE},
        {400, "<Error><Code>IncompleteBody</Code></Error>", ERR_UNAVAILABLE},
        {503, "<Error><Code>SlowDown</Code></Error>", ERR_UNAVAILABLE},
        {500, "<html>", ERR_UNAVAILABLE},
        {501, "<Error><Code>NotImplemented</Code></Error>", ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        CHECK_INT(answer_of_s3(rows[i].status, span_str(rows[i].body), "x", &e),
                  rows[i].kind);
    }
}

static void a_message_is_shown_to_the_part_that_says_what_was_wanted(void)
{
    struct err e = {0};

    CHECK_INT(answer_of_s3(
                  400,
                  span_str("<Error><Code>AuthorizationHeaderMalformed</Code><Message>"
                           "The authorization header is malformed; the region "
                           "'eu-west-1' is wrong; expecting 'us-east-1'"
                           "</Message></Error>"),
                  "S3 PUT a", &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "S3 PUT a: 400 AuthorizationHeaderMalformed: The authorization "
                     "header is malformed; the region 'eu-west-1' is wrong; expecting "
                     "'us-east-1'");
}

static void both_ways_to_write_a_time_are_read(void)
{
    CHECK_INT(answer_time(span_str("2026-11-20T09:00:01.500Z")), 1795165201000);
    CHECK_INT(answer_time(span_str("Fri, 20 Nov 2026 09:00:01 GMT")), 1795165201000);
    CHECK_INT(answer_time(span_str("yesterday")), -1);
    CHECK_INT(answer_time((struct span){0}), -1);
}

int main(void)
{
    RUN(an_exception_of_hdfs_goes_by_its_name);
    RUN(only_the_first_line_of_a_java_message_is_shown);
    RUN(an_error_of_s3_goes_by_its_code_even_under_200);
    RUN(a_message_is_shown_to_the_part_that_says_what_was_wanted);
    RUN(both_ways_to_write_a_time_are_read);
    return REPORT();
}

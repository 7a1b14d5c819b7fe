#include "place/answers.h"

#include "base/json.h"
#include "place/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct word {
    const char *name;
    enum err_kind kind;
};

/* https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html;
 * the rest was met on Hadoop 3.4.3. */
static const struct word exceptions[] = {
    {"FileAlreadyExistsException", ERR_CONFLICT},
    {"FileNotFoundException", ERR_NOT_FOUND},
    {"AccessControlException", ERR_INVALID},
    {"SecurityException", ERR_INVALID},
    {"InvalidToken", ERR_INVALID},
    {"AuthorizationException", ERR_INVALID},
    {"AuthenticationException", ERR_INVALID},
    {"IllegalArgumentException", ERR_INVALID},
    {"InvalidPathException", ERR_INVALID},
    {"ParentNotDirectoryException", ERR_INVALID},
    {"PathIsNotDirectoryException", ERR_INVALID},
    {"UnsupportedOperationException", ERR_INVALID},
    {"PathComponentTooLongException", ERR_INVALID},
    {"MaxDirectoryItemsExceededException", ERR_INVALID},
    {"SafeModeException", ERR_UNAVAILABLE},
    {"RetriableException", ERR_UNAVAILABLE},
    {"StandbyException", ERR_UNAVAILABLE},
    {"DSQuotaExceededException", ERR_UNAVAILABLE},
    {"NSQuotaExceededException", ERR_UNAVAILABLE},
    {"AlreadyBeingCreatedException", ERR_UNAVAILABLE},
    {"RecoveryInProgressException", ERR_UNAVAILABLE},
    {"LeaseExpiredException", ERR_UNAVAILABLE},
    {"EOFException", ERR_UNAVAILABLE},
    {"IOException", ERR_UNAVAILABLE},
};

/* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
static const struct word codes[] = {
    {"PreconditionFailed", ERR_CONFLICT},
    {"ConditionalRequestConflict", ERR_UNAVAILABLE}, // 409: two at once; ask again
    {"OperationAborted", ERR_UNAVAILABLE},
    {"NoSuchKey", ERR_NOT_FOUND},
    {"NoSuchUpload", ERR_NOT_FOUND},
    {"NoSuchVersion", ERR_NOT_FOUND},
    {"NoSuchBucket", ERR_INVALID},
    {"AccessDenied", ERR_INVALID},
    {"InvalidAccessKeyId", ERR_INVALID},
    {"SignatureDoesNotMatch", ERR_INVALID},
    {"AuthorizationHeaderMalformed", ERR_INVALID},
    {"ExpiredToken", ERR_INVALID},
    {"KeyTooLongError", ERR_INVALID},
    {"NotImplemented", ERR_INVALID},
    {"PermanentRedirect", ERR_INVALID},
    {"EntityTooLarge", ERR_INVALID},
    {"InvalidRange", ERR_NOT_FOUND}, // behind the end
    {"BadDigest", ERR_UNAVAILABLE},  // hurt on the way
    {"XAmzContentSHA256Mismatch", ERR_UNAVAILABLE},
    {"IncompleteBody", ERR_UNAVAILABLE},
    {"RequestTimeout", ERR_UNAVAILABLE},
    {"RequestTimeTooSkewed", ERR_UNAVAILABLE},
    {"SlowDown", ERR_UNAVAILABLE},
    {"ServiceUnavailable", ERR_UNAVAILABLE},
    {"InternalError", ERR_UNAVAILABLE},
};

static enum err_kind by_status(int status)
{
    static const struct {
        int status;
        enum err_kind kind;
    } known[] = {
        {404, ERR_NOT_FOUND},   {412, ERR_CONFLICT},    {409, ERR_UNAVAILABLE},
        {408, ERR_UNAVAILABLE}, {429, ERR_UNAVAILABLE}, {501, ERR_INVALID},
        {505, ERR_INVALID},     {416, ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].kind;
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_UNAVAILABLE;
}

static enum err_kind kind_of(const struct word *words, size_t n, struct span name,
                             enum err_kind otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(name, span_str(words[i].name)))
            return words[i].kind;
    return otherwise;
}

/* The first line: a RemoteException's message can be a page of stack. */
static struct span first_line(struct span s)
{
    const uint8_t *nl = s.n == 0 ? NULL : memchr(s.p, '\n', s.n);

    return nl == NULL ? s : span_of(s.p, (size_t)(nl - s.p));
}

/* What was wanted stands last: "the region 'a' is wrong; expecting 'b'". */
#define MESSAGE_MOST 160

static enum err_kind say(enum err_kind kind, int status, const char *what,
                         struct span name, struct span message, struct err *e)
{
    int n = (int)(message.n < MESSAGE_MOST ? message.n : MESSAGE_MOST);

    return err_set(e, kind, "%.90s: %d " SPAN_FMT "%s%.*s", what, status,
                   SPAN_ARG(name), n > 0 ? ": " : "", n,
                   n > 0 ? (const char *)message.p : "");
}

enum err_kind answer_of_webhdfs(int status, struct span body, const char *what,
                                struct err *e)
{
    struct arena a = {0};
    const struct json *root = NULL;
    struct err ignored = {0};
    struct span name = {0}, message = {0};

    if (status >= 200 && status < 300)
        return ERR_OK;
    if (body.n > 0 && json_read(&root, body, NULL, &a, &ignored) == ERR_OK) {
        const struct json *re = json_member(root, "RemoteException");
        const struct json *x = json_member(re, "exception");
        const struct json *m = json_member(re, "message");
        name = json_is(x, JSON_STRING) ? x->text : (struct span){0};
        message = json_is(m, JSON_STRING) ? first_line(m->text) : (struct span){0};
    }
    // 403 without a name we know: an I/O error of theirs, which may pass
    enum err_kind kind =
        kind_of(exceptions, sizeof exceptions / sizeof exceptions[0], name,
                status == 403 && name.n > 0 ? ERR_UNAVAILABLE : by_status(status));
    say(kind, status, what, name, message, e);
    arena_free(&a);
    return kind;
}

enum err_kind answer_of_s3(int status, struct span body, const char *what,
                           struct err *e)
{
    struct span error, rest = body;
    struct buf code = BUF_INIT(200), message = BUF_INIT(1000);

    bool said = xml_next(&rest, "Error", &error);
    if (status >= 200 && status < 300 && !said)
        return ERR_OK;
    if (said) {
        (void)xml_text(error, "Code", &code);
        (void)xml_text(error, "Message", &message);
    }
    // an error under 200 is one that came too late for a status: retry
    enum err_kind kind = kind_of(codes, sizeof codes / sizeof codes[0], buf_span(&code),
                                 status < 300 ? ERR_UNAVAILABLE : by_status(status));
    say(kind, status, what, buf_span(&code), buf_span(&message), e);
    buf_free(&code);
    buf_free(&message);
    return kind;
}

int64_t answer_time(struct span text)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S",
                                        "%a, %d %b %Y %H:%M:%S GMT"};
    char s[64];

    snprintf(s, sizeof s, "%.*s", (int)(text.n < 63 ? text.n : 63),
             text.n > 0 ? (const char *)text.p : "");
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        if (strptime(s, forms[i], &tm) != NULL)
            return (int64_t)timegm(&tm) * 1000;
    }
    return -1;
}

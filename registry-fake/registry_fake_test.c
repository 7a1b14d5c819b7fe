/*
 * The fake itself, through a socket: does it do to its clients what it says?
 */
#include "registry-fake/registry_fake.h"

#include "base/clock.h"
#include "tests/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char got[200000];

static int dial(const struct registry_fake *f)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)atoi(strrchr(registry_fake_url(f), ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* Asks and reads to the end into `got`; the error of the last read, 0 = an end. */
static int ask(const struct registry_fake *f, const char *method, const char *path,
               const char *body)
{
    char request[1000];
    size_t n = 0;
    ssize_t more;
    int fd = dial(f);

    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: x\r\nX-Word: hello\r\nConnection: "
             "close\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
    while ((more = recv(fd, got + n, sizeof got - 1 - n, 0)) > 0)
        n += (size_t)more;
    int failed = more < 0 ? errno : 0;
    got[n] = '\0';
    close(fd);
    return failed;
}

static void it_answers_from_its_table(void)
{
    struct registry_fake *f = registry_fake_start();

    CHECK_INT(registry_fake_add(f, "a", "\"long\"", NULL), 1);
    CHECK_INT(registry_fake_add(f, "a", "\"int\"", NULL), 2);
    CHECK_INT(registry_fake_add(f, "b/c", "\"long\"", NULL), 1);
    static const struct {
        const char *method, *path, *body, *status, *says;
    } t[] = {
        {"GET", "/schemas/ids/1", "", "200", "\"schema\":\"\\\"long\\\"\""},
        {"GET", "/schemas/ids/3", "", "404", "40403"},
        {"GET", "/subjects", "", "200", "[\"a\",\"b/c\"]"},
        {"GET", "/subjects/a/versions", "", "200", "[1,2]"},
        {"GET", "/subjects/a/versions/latest", "", "200", "\"version\":2,\"id\":2"},
        {"GET", "/subjects/b%2Fc/versions/1", "", "200", "\"subject\":\"b/c\""},
        {"GET", "/subjects/a/versions/3", "", "404", "40402"},
        {"GET", "/subjects/none/versions/1", "", "404", "40401"},
        {"GET", "/nonsense", "", "404", "HTTP 404 Not Found"},
        {"POST", "/subjects/a/versions", "{\"schema\":\"\\\"null\\\"\"}", "200",
         "\"version\":3,\"id\":3"},
        {"POST", "/subjects/a", "{\"schema\":\"\\\"null\\\"\"}", "200", "\"id\":3"},
        {"POST", "/subjects/a", "{\"schema\":\"\\\"string\\\"\"}", "404", "40403"},
        {"POST", "/subjects/a/versions", "{", "422", "42201"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        CHECK_INT(ask(f, t[i].method, t[i].path, t[i].body), 0);
        CHECK(strncmp(got + 9, t[i].status, 3) == 0 && strstr(got, t[i].says) != NULL);
    }
    registry_fake_refuse(f, "a");
    ask(f, "POST", "/subjects/a/versions", "{\"schema\":\"\\\"bytes\\\"\"}");
    CHECK(strstr(got, " 409 ") != NULL);
    char word[20];
    registry_fake_last(f, word, sizeof word);
    CHECK_STR(word, "POST /subjects/a/ve"); // cut
    registry_fake_last_header(f, "x-word", word, sizeof word);
    CHECK_STR(word, "hello");
    CHECK_INT(registry_fake_asked(f), sizeof t / sizeof *t + 1);
    registry_fake_stop(f);
}

static void it_misbehaves_as_it_is_told(void)
{
    struct registry_fake *f = registry_fake_start();
    static const struct {
        struct registry_fake_mood mood;
        const char *status, *says;
        int failed;
    } t[] = {
        {{.how = REGISTRY_FAKE_STOPS}, "200", "\r\n\r\n{", 0},
        {{.how = REGISTRY_FAKE_RESETS}, "", "", ECONNRESET},
        {{.how = REGISTRY_FAKE_STATUS}, "500", "50001", 0},
        {{.how = REGISTRY_FAKE_STATUS, .status = 429}, "429", "Retry-After: 1", 0},
        {{.how = REGISTRY_FAKE_STRANGER}, "404", "<html>", 0},
        {{.how = REGISTRY_FAKE_GARBAGE}, "200", "{\"schema\":", 0},
        {{.how = REGISTRY_FAKE_WRONG}, "200", "\"id\":2", 0},
        {{.how = REGISTRY_FAKE_HUGE, .bytes = 150000}, "200", "xxx", 0},
        {{.how = REGISTRY_FAKE_REDIRECTS}, "302", "Location: /schemas/ids/1", 0},
        {{.how = REGISTRY_FAKE_CHANGES}, "200", "Changed", 0},
        {{.how = REGISTRY_FAKE_KIND}, "200", "long", 0},
    };

    registry_fake_add(f, "a", "\"long\"", NULL);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        registry_fake_be(f, t[i].mood, 1);
        CHECK_INT(ask(f, "GET", "/schemas/ids/1", ""), t[i].failed);
        if (t[i].status[0] != '\0')
            CHECK(strncmp(got + 9, t[i].status, 3) == 0);
        CHECK(strstr(got, t[i].says) != NULL);
        bool whole = strstr(got, "\"}") != NULL || strstr(got, "html>") != NULL;
        if (t[i].mood.how == REGISTRY_FAKE_STOPS)
            CHECK(!whole);
        CHECK_INT(ask(f, "GET", "/schemas/ids/1", ""), 0); // and then is itself again
        CHECK(strstr(got, "long") != NULL);
    }
    registry_fake_stop(f);
}

static void slow_is_late_and_never_is_ended_by_stopping(void)
{
    struct registry_fake *f = registry_fake_start();

    registry_fake_add(f, "a", "\"long\"", NULL);
    registry_fake_be(
        f, (struct registry_fake_mood){.how = REGISTRY_FAKE_SLOW, .ms = 80}, 0);
    int64_t began = clock_ms();
    CHECK_INT(ask(f, "GET", "/schemas/ids/1", ""), 0);
    CHECK(clock_ms() - began >= 80);
    registry_fake_be(f, (struct registry_fake_mood){.how = REGISTRY_FAKE_NEVER}, 0);
    int fd = dial(f);
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    CHECK(send(fd, request, sizeof request - 1, 0) == sizeof request - 1);
    while (registry_fake_asked(f) < 2)
        usleep(1000);
    registry_fake_stop(f); // returns, though somebody waits
    CHECK(recv(fd, got, 1, 0) <= 0);
    close(fd);
}

static void a_connection_takes_many_requests(void)
{
    struct registry_fake *f = registry_fake_start();
    static const char two[] = "GET /subjects HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /subjects HTTP/1.1\r\nHost: x\r\n"
                              "Connection: close\r\n\r\n";
    size_t n = 0;
    ssize_t more;
    int fd = dial(f);

    CHECK(send(fd, two, sizeof two - 1, 0) == sizeof two - 1);
    while ((more = recv(fd, got + n, sizeof got - 1 - n, 0)) > 0)
        n += (size_t)more;
    got[n] = '\0';
    char *second = strstr(got, "[]");
    CHECK(second != NULL && strstr(second + 2, "[]") != NULL);
    close(fd);
    registry_fake_stop(f);
}

int main(void)
{
    RUN(it_answers_from_its_table);
    RUN(it_misbehaves_as_it_is_told);
    RUN(slow_is_late_and_never_is_ended_by_stopping);
    RUN(a_connection_takes_many_requests);
    return REPORT();
}

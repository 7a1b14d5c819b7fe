/*
 * at_once.h - tests that mostly wait, all at the same time, each in a process of its
 * own.
 */
#pragma once

#include "tests/check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct at_once {
    const char *name;
    void (*test)(void);
};

#define AT_ONCE(test) \
    {                 \
#test, test   \
    }

/* In the child: what it says goes to `out`, whole, whoever else is talking. */
static inline void at_once_child(const struct at_once *t, FILE *out)
{
    fflush(stdout);
    dup2(fileno(out), STDOUT_FILENO);
    t->test();
    printf("%s - %s\n", check_failed == 0 ? "ok" : "not ok", t->name);
    exit(REPORT());
}

/* For main(), before there are threads; its exit status.  Who dies has failed. */
static inline int at_once(const struct at_once *tests, size_t n)
{
    FILE **out = calloc(n, sizeof *out);
    pid_t *pid = calloc(n, sizeof *pid);
    int failed = 0, c;

    for (size_t i = 0; i < n; i++) {
        out[i] = tmpfile();
        pid[i] = fork();
        if (out[i] == NULL || pid[i] < 0)
            abort();
        if (pid[i] == 0)
            at_once_child(&tests[i], out[i]);
    }
    for (size_t i = 0; i < n; i++) {
        int status = -1;
        waitpid(pid[i], &status, 0);
        rewind(out[i]);
        while ((c = getc(out[i])) != EOF)
            putchar(c);
        if (status != 0)
            printf("not ok - %s: wait status %d\n", tests[i].name, status);
        failed += status != 0;
        fclose(out[i]);
    }
    free(out);
    free(pid);
    return failed != 0;
}

#define RUN_AT_ONCE(tests) at_once((tests), sizeof(tests) / sizeof *(tests))

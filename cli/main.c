/*
 * avrogate: one program, its subcommands in one table.
 */
#include "aggregator/run.h"
#include "cli/audit.h"
#include "cli/avro.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/dev.h"
#include "cli/dlq.h"
#include "cli/produce.h"
#include "cli/schema.h"
#include "cli/stage.h"
#include "gateway/run.h"
#include "loaders/run.h"
#include "registry/run.h"

#include <stdio.h>
#include <string.h>

static int help(int argc, char **argv);
static int complete(int argc, char **argv);

static const struct command commands[] = {
    {"registry", "the schema registry", cmd_registry},
    {"gateway", "the validation gateway: HTTP in, Kafka out", cmd_gateway},
    {"load", "a loader: Kafka to Postgres, files, ODBC; exactly once", cmd_load},
    {"aggregate", "running aggregates of a topic by key: printed, served, written",
     cmd_aggregate},
    {"produce", "a CSV or NDJSON file into a topic, each row checked", cmd_produce},
    {"stage", "staged files: small ones into large ones, old ones away", cmd_stage},
    {"schema", "canonical form, check, compatibility of schema files", cmd_schema},
    {"avro", "decode and encode Avro, convert files of records: Parquet, CSV",
     cmd_avro},
    {"audit", "questions to ETL_Log: runs, phases, failures, rejects, verify", cmd_audit},
    {"dlq", "dead letters: ls, show, export, replay", cmd_dlq},
    {"dev", "all of it in one process with an embedded Kafka, to try things out",
     cmd_dev},
    {"completion", "a completion script for bash, zsh or fish", complete},
    {"help", "this text, or a command's", help},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void usage(FILE *out)
{
    fprintf(out, "usage: avrogate COMMAND [flags]\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n`avrogate COMMAND --help` says more, with examples.\n"
                 "exit codes: 0 done; 1 refused or failed, the reason is on stderr; "
                 "2 called wrongly\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int complete(int argc, char **argv)
{
    return completion_print(argc, argv, commands, N_COMMANDS);
}

static int unknown(const char *name)
{
    fprintf(stderr, "avrogate: there is no command \"%s\"\n", name);
    usage(stderr);
    return 2;
}

static int help(int argc, char **argv)
{
    char ask[] = "--help";

    if (argc < 2) {
        usage(stdout);
        return 0;
    }
    const struct command *c = find(argv[1]);
    return c == NULL ? unknown(argv[1]) : c->run(2, (char *[]){argv[1], ask, NULL});
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("avrogate %s\n", AVROGATE_VERSION);
        return 0;
    }
    const struct command *c = find(argv[1]);
    return c != NULL ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}

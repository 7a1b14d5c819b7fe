/*
 * command.h - a subcommand of the one program.
 *
 * run() gets argv with its own name first and returns the process's exit code: 0 done,
 * 1 refused or failed (the reason is on stderr), 2 called wrongly (usage is on stderr).
 */
#pragma once

struct command {
    const char *name;
    const char *about; // one line, for `avrogate --help`
    int (*run)(int argc, char **argv);
};

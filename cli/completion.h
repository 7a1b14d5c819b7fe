/*
 * completion.h - completion scripts, made from the table of commands and each one's
 * --help.
 */
#pragma once

#include "cli/command.h"

#include <stddef.h>

/* `avrogate completion bash|zsh|fish` */
int completion_print(int argc, char **argv, const struct command *commands, size_t n);

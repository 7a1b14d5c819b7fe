#include "cli/completion.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Flags are read from the command's own --help when they are asked for: nothing to keep
 * in step. */
static const char bash_script[] =
    "_avrogate() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
    "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "    COMPREPLY=($(compgen -W \"$_avrogate_commands\" -- \"$word\"))\n"
    "  elif [ \"${word#-}\" != \"$word\" ]; then\n"
    "    COMPREPLY=($(compgen -W \"$(avrogate \"$command\" --help 2>/dev/null |"
    " grep -oE -- '--[a-z][a-z0-9-]*' | sort -u)\" -- \"$word\"))\n"
    "  else\n"
    "    COMPREPLY=($(compgen -f -- \"$word\")"
    " $(compgen -W \"$(avrogate \"$command\" --help 2>/dev/null |"
    " sed -nE '1s/.* \\[?([a-z-]+(\\|[a-z-]+)+)\\]?( .*)?$/\\1/p' | tr '|' ' ')\" -- "
    "\"$word\"))\n"
    "  fi\n"
    "}\n"
    "complete -o filenames -F _avrogate avrogate\n";

static const char zsh_head[] = "autoload -U +X bashcompinit && bashcompinit\n";

static void print_names(const struct command *commands, size_t n)
{
    printf("_avrogate_commands=\"");
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i > 0 ? " " : "", commands[i].name);
    printf("\"\n");
}

static void print_fish(const struct command *commands, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("complete -c avrogate -n __fish_use_subcommand -f -a %s -d '%s'\n",
               commands[i].name, commands[i].about);
    printf("complete -c avrogate -n 'not __fish_use_subcommand' -a "
           "'(avrogate (commandline -opc)[2] --help 2>/dev/null | "
           "string match -ra -- \"--[a-z][a-z0-9-]*\" | sort -u)'\n");
}

int completion_print(int argc, char **argv, const struct command *commands, size_t n)
{
    const char *shell = argc == 2 ? argv[1] : "";

    if (strcmp(shell, "--help") == 0 || strcmp(shell, "-h") == 0) {
        printf(
            "usage: avrogate completion bash|zsh|fish\n\nexamples:\n"
            "  source <(avrogate completion bash)\n"
            "  avrogate completion fish > ~/.config/fish/completions/avrogate.fish\n");
        return 0;
    }
    if (strcmp(shell, "fish") == 0) {
        print_fish(commands, n);
        return 0;
    }
    bool zsh = strcmp(shell, "zsh") == 0;
    if (!zsh && strcmp(shell, "bash") != 0) {
        fprintf(stderr, "avrogate completion: \"%s\", wanted bash, zsh or fish\n",
                shell);
        return 2;
    }
    if (zsh)
        fputs(zsh_head, stdout);
    print_names(commands, n);
    fputs(bash_script, stdout);
    return 0;
}

#include "base/conf_inside.h"

#include <stdio.h>

#define FLAG_COLUMN 34

static const char *argument_of(const struct conf_row *row)
{
    static const char *const by_kind[] = {
        [CONF_TEXT] = "TEXT",
        [CONF_BOOL] = "",
        [CONF_INT] = "N",
        [CONF_BYTES] = "BYTES",
        [CONF_DURATION] = "DURATION",
        [CONF_REAL] = "NUMBER",
        [CONF_CHOICE] = NULL,
        [CONF_LIST] = "A,B,...",
        [CONF_TEXTS] = "TEXT",
        [CONF_PAIRS] = "NAME=VALUE",
    };

    if (row->argument != NULL)
        return row->argument;
    return row->kind == CONF_CHOICE ? row->choices : by_kind[row->kind];
}

static void put_row(struct buf *out, const struct conf_row *row)
{
    char flag[CONF_NAME], left[2 * CONF_NAME + 40];
    const char *argument = argument_of(row);

    conf_flag_name(flag, row);
    if (row->letter != 0)
        snprintf(left, sizeof left, "  -%c, --%s %s", row->letter, flag, argument);
    else
        snprintf(left, sizeof left, "      --%s %s", flag, argument);
    buf_printf(out, "%-*s", FLAG_COLUMN, left);
    if (strlen(left) >= FLAG_COLUMN)
        buf_printf(out, "\n%*s", FLAG_COLUMN, "");
    buf_printf(out, "%s", row->help);
    if (row->fallback != NULL && row->fallback[0] != '\0')
        buf_printf(out, " (default %s)", row->fallback);
    if (row->required)
        buf_put_str(out, " (required)");
    buf_put_u8(out, '\n');
}

static void put_secrets(struct buf *out, const struct conf_row *rows)
{
    char env[CONF_NAME];
    bool some = false;

    for (const struct conf_row *row = rows; row->key != NULL; row++) {
        if (!row->secret)
            continue;
        if (!some)
            buf_put_str(out, "\nsecrets (settings file or environment only):\n");
        some = true;
        conf_env_name(env, row);
        buf_printf(out, "      %-27s %s (key %s)\n", env, row->help, row->key);
    }
}

void conf_help(struct buf *out, const struct conf_program *p)
{
    buf_printf(out, "usage: %s [flags]%s%s\n\n%s\n\nflags:\n", p->name,
               p->operands != NULL ? " " : "", p->operands != NULL ? p->operands : "",
               p->about);
    for (const struct conf_row *row = p->rows; row->key != NULL; row++)
        if (!row->secret && row->kind != CONF_TREE)
            put_row(out, row);
    buf_printf(
        out, "  -c, --config FILE               settings as YAML; a flag wins over the "
             "environment, that over the file\n"
             "  -h, --help                      this text\n"
             "      --settings                  every setting as Markdown: key, "
             "environment name, flag, default, range\n"
             "      --version                   the version\n");
    put_secrets(out, p->rows);
    buf_printf(out, "\nexamples:\n%s", p->examples);
}

static void put_markdown_row(struct buf *out, const struct conf_row *row)
{
    char flag[CONF_NAME], env[CONF_NAME];

    conf_flag_name(flag, row);
    conf_env_name(env, row);
    if (row->kind == CONF_TREE)
        buf_printf(out, "| `%s` | - | ", row->key);
    else
        buf_printf(out, "| `%s` | `%s%s` | ", row->key, env,
                   row->kind == CONF_PAIRS ? "_…" : "");
    if (row->kind == CONF_TREE)
        buf_put_str(out, "- (file)");
    else if (row->secret)
        buf_put_str(out, "- (secret)");
    else
        buf_printf(out, "`--%s`", flag);
    buf_printf(out, " | %s%s%s | ", row->fallback != NULL ? "`" : "",
               row->fallback != NULL ? row->fallback
               : row->required       ? "required"
                                     : "",
               row->fallback != NULL ? "`" : "");
    struct buf wanted = BUF_INIT(1000);
    conf_put_wanted(&wanted, row);
    for (size_t i = 0; i < wanted.n; i++)
        if (wanted.p[i] == '|')
            buf_put_str(out, ", ");
        else
            buf_put_u8(out, wanted.p[i]);
    buf_free(&wanted);
    buf_printf(out, " | %s |\n", row->help);
}

void conf_markdown(struct buf *out, const struct conf_program *p)
{
    buf_printf(out,
               "## %s\n\n| key | environment | flag | default | wanted | what it is |\n"
               "| --- | --- | --- | --- | --- | --- |\n",
               p->name);
    for (const struct conf_row *row = p->rows; row->key != NULL; row++)
        put_markdown_row(out, row);
}

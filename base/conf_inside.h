/*
 * conf_inside.h - what conf.c, conf_value.c and conf_help.c share of a row's names and
 * texts.
 */
#pragma once

#include "base/conf.h"

#define CONF_NAME 96

/* "limits.body" -> "limits-body" / "AVROGATE_LIMITS_BODY" */
void conf_flag_name(char out[CONF_NAME], const struct conf_row *row);
void conf_env_name(char out[CONF_NAME], const struct conf_row *row);

/* "bytes from 1KiB to 1GiB": what a value of this row looks like. */
void conf_put_wanted(struct buf *out, const struct conf_row *row);

/*
 * Stores `text` as the row's value.  `from` says where it was found, for the message.
 * A LIST takes what stands between commas, TEXTS the whole, appended.  Not for PAIRS.
 */
enum err_kind conf_store(struct conf *c, const struct conf_row *row, void *settings,
                         const char *text, const char *from, struct err *e) MUST_USE;
bool conf_is_list(const struct conf_row *row); // LIST, TEXTS
/* Empties a list before a source of higher rank fills it. */
void conf_clear(const struct conf_row *row, void *settings);
void conf_add_item(struct conf *c, const struct conf_row *row, void *settings,
                   const char *item);
/* Sets name=value among the row's PAIRS, replacing one of that name. */
void conf_set_pair(struct conf *c, const struct conf_row *row, void *settings,
                   const char *name, const char *value);
bool conf_sounds_secret(const char *name);

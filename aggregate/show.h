/*
 * show.h - a row for people and programs: JSON, and a table on a terminal.
 *
 *      {"customer":"a","window_start":"2026-11-20T09:00:00Z","orders":3,"revenue":"7.50"}
 *
 * As docs/json.md has values: decimals are text, exact; dates and times ISO 8601; bytes
 * base64; what is no number in JSON is text.  Pure.
 */
#pragma once

#include "aggregate/view.h"

void agg_show_json(struct buf *out, const struct agg_merged *m);

/* A value of that type as text, without quotes; nothing for null. */
void agg_show_value(struct buf *out, const struct agg_type *t,
                    const struct agg_value *v);

/*
 *      +--------+------+
 *      |customer|orders|
 *      +--------+------+
 *      |a       |     3|
 *      +--------+------+
 *
 * At most `most` rows (0 = all), and a line about those that are left out.  What a
 * terminal would obey is shown as '?'; a text is cut at AGG_SHOW_WIDTH characters.
 */
#define AGG_SHOW_WIDTH 60
void agg_show_table(struct buf *out, struct agg_view *v, size_t most);

/*
 * batch_inside.h - how batch.c's readers share one record: what each kind of body has
 * of its own is a function that reads one, take_record() does the rest.
 */
#pragma once

#include "gateway/batch.h"

/* What reads one record out of a body, after the frame's head was written. */
struct reading {
    struct gw_batch *b;
    const struct ask *a;
    const struct gw_batch_schema *s;
    struct span body;
    size_t at;              // where in it we stand
    struct csv_reader *csv; // and what it gave last, for BODY_CSV
    const struct av_row *row;
    const struct av_cell *cells;
    size_t n_cells;
    const struct err *broken;    // why there are no cells
    const struct event *event;   // BODY_EVENT and its kin: what was read, or `broken`
    struct span datum;           // BODY_OCF: the writer's, borrowed
    const struct av_plan *reads; // BODY_OCF: writer to ours, NULL = the same
};

typedef enum err_kind (*read_one)(struct reading *r, struct item *it);

/* One record through `read`: framed, or cut back with its problems. */
enum err_kind take_record(struct reading *r, read_one read, struct err *e) MUST_USE;

/* batch_avro.c, batch_event.c: whole bodies, as readers of gw_batch_read(). */
enum err_kind read_ocf(struct reading *r, struct err *e) MUST_USE;
enum err_kind read_framed(struct reading *r, struct err *e) MUST_USE;
enum err_kind read_event_body(struct reading *r, struct err *e) MUST_USE;
enum err_kind read_events_body(struct reading *r, struct err *e) MUST_USE;
enum err_kind read_event_data(struct reading *r, struct err *e) MUST_USE;

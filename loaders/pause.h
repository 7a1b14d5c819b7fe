/*
 * pause.h - a job that a person stopped for a while.
 *
 * It is a row of etl_pause in the warehouse, or _control/TOPIC.paused where files are
 * staged: beside the positions, so that every instance sees it and a restart does not
 * end it.  A loader looks every PAUSE_LOOK_MS; what is being written then is finished,
 * the membership in the group goes on.
 *
 * One thread at a time for each connection and place.
 */
#pragma once

#include "loaders/pg.h"
#include "place/place.h"

#define PAUSE_LOOK_MS 2000

struct pause {
    bool on;
    int64_t since_ms; // wall clock
    char who[80], reason[200];
};

/* "paused since 2026-11-21T21:50:03Z by root@etl-1: the table is being mended" */
void pause_put(struct buf *out, const struct pause *p);

enum err_kind pause_ask_pg(struct pg *pg, const char *job, struct pause *out,
                           struct err *e) MUST_USE;
/* Paused already: the newer word counts. */
enum err_kind pause_set_pg(struct pg *pg, const char *job, const struct pause *p,
                           struct err *e) MUST_USE;
enum err_kind pause_end_pg(struct pg *pg, const char *job, struct err *e) MUST_USE;

enum err_kind pause_ask_place(struct place *place, const char *topic, struct pause *out,
                              struct err *e) MUST_USE;
enum err_kind pause_set_place(struct place *place, const char *topic,
                              const struct pause *p, struct err *e) MUST_USE;
enum err_kind pause_end_place(struct place *place, const char *topic,
                              struct err *e) MUST_USE;

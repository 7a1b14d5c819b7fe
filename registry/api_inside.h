/*
 * api_inside.h - what the files of the HTTP interface share: api.c answers, reads*.c
 * read, writes.c writes, health.c tells how we are.
 */
#pragma once

#include "registry/accept.h"
#include "registry/api.h"
#include "wire/status.h"

#include <stdatomic.h>

struct reg_api {
    struct http_app app; // first: handlers cast back
    struct http_route *routes;
    size_t nroutes;
    struct span openapi;
    struct arena arena; // of the routes' patterns and the document
    struct reg_api_options o;
    struct reg_tail *tail;
    struct reg_writer *writer;
    struct reg_fresh *fresh;
    atomic_bool has_read; // the topic to its end, once
    _Atomic(const struct http_server *) server;
};

/* One read in hand: what is asked, the state it is asked of, the answer so far. */
struct reading {
    struct reg_waiting waiting; // first: fresh.h gives it back
    struct reg_api *api;
    struct http_req *r;
    void (*read)(struct reading *rd);
    const char *type; // of the answer
    // during read(), under the state's lock
    const struct reg_state *s;
    struct arena *a;
    struct buf out;
    struct reg_refusal no;
};

#define REG_LAG "X-Registry-Lag" // ms since Kafka was heard, where it is away
#define ANSWER_MOST (256 << 20)
#define NOT_FOUND_PLAIN 404 // no registry code: the path names nothing

/* The reads, each fills out or no. */
void read_schema_types(struct reading *rd);
void read_schemas(struct reading *rd);
void read_by_id(struct reading *rd);
void read_text_by_id(struct reading *rd);
void read_subjects_of_id(struct reading *rd);
void read_versions_of_id(struct reading *rd);
void read_by_guid(struct reading *rd);
void read_ids_of_guid(struct reading *rd);
void read_subjects(struct reading *rd);
void read_versions(struct reading *rd);
void read_version(struct reading *rd);
void read_text_of_version(struct reading *rd);
void read_referencedby(struct reading *rd);
void read_history(struct reading *rd);
void read_lookup(struct reading *rd);
void read_compat_one(struct reading *rd);
void read_compat_all(struct reading *rd);
void read_config(struct reading *rd);
void read_mode(struct reading *rd);
void read_contexts(struct reading *rd);
void read_metadata(struct reading *rd);
void read_deployment(struct reading *rd);
void read_cluster(struct reading *rd);
void read_release(struct reading *rd);
void read_nothing(struct reading *rd); // {}

/* Query parameters.  A boolean is true or false in any case; absent is false. */
bool param_true(const struct http_req *r, const char *name);
/* Does the client take members it does not know (guid, ts, ...)? */
bool takes_more(const struct http_req *r);
/* {subject}, empty where the path has none, in the context that /contexts/{context}
 * says. */
struct span subject_part(const struct http_req *r, struct arena *a);
/* Whose versions are asked for: the alias of {subject}, if it has one. */
struct span subject_meant(struct reading *rd);
/* That subject.  One that says no context and that the default context has not is
 * looked for in the others. */
const struct reg_subject *subject_found(struct reading *rd, struct span name,
                                        bool deleted);
void refuse_subject(struct reading *rd, struct span name);
/* Answers `schema`, of which `answer` is told. */
void put_schema(struct reading *rd, const struct reg_schema *schema,
                struct api_schema answer);
/* The window of a list of *n that offset= and limit= ask for. */
void page(const struct http_req *r, size_t most, size_t *first, size_t *n);
int by_place(const void *x, const void *y); // of struct api_place, for qsort()
/* {version}: 1.., or 0 for latest.  False: 42202 in *no. */
bool version_part(const struct http_req *r, struct arena *a, int32_t *version,
                  struct reg_refusal *no);
/* The body as a schema; false: 42201 in *no. */
bool schema_body(const struct http_req *r, struct arena *a, struct api_schema *out,
                 struct reg_refusal *no);
/* How a registered schema is answered: the classic members, or all of them. */
struct api_schema answer_of(const struct reg_version *v, bool more, struct arena *a);

/* The schema as format=, referenceFormat= and findTags= want it told; false: refused.
 */
bool format_answer(const struct reg_api *api, const struct http_req *r,
                   const struct reg_state *s, const struct reg_schema *schema,
                   struct api_schema *answer, struct arena *a, struct reg_refusal *no);

/* The type to answer in; NULL: the request has been refused. */
const char *agreed_type(struct http_req *r);
void answer_refusal(struct http_req *r, const char *type, const struct reg_refusal *no);

/* health.c */
void get_health(struct http_app *app, struct http_req *r);
void get_ready(struct http_app *app, struct http_req *r);
void get_metrics(struct http_app *app, struct http_req *r);
void count_request(struct http_app *app, const struct http_done *d);
void count_write(const char *verb, int code);

/* writes.c */
void write_command(struct http_app *app, struct http_req *r, const char *type,
                   const struct reg_command *c);
/* Refuses a write before anybody decides on it, with the line that each refusal has. */
void refuse_write(struct http_req *r, const char *type, const struct reg_command *c,
                  const struct reg_refusal *no);
/* writes_tags.c: what a body of registering says of tags; false: 42201 in *no. */
bool tagging_asked(struct reg_command *c, const struct http_req *r, struct arena *a,
                   struct reg_refusal *no);
void post_tags(struct http_app *app, struct http_req *r);
void post_version(struct http_app *app, struct http_req *r);
void put_config(struct http_app *app, struct http_req *r);
void delete_config(struct http_app *app, struct http_req *r);
void put_mode(struct http_app *app, struct http_req *r);
void delete_mode(struct http_app *app, struct http_req *r);
void delete_version(struct http_app *app, struct http_req *r);
void delete_subject(struct http_app *app, struct http_req *r);
void delete_context(struct http_app *app, struct http_req *r);

#define REFUSE_READ(rd, code, ...) reg_refuse(&(rd)->no, (rd)->a, (code), __VA_ARGS__)

/*
 * Bodies that are Avro already: container files, and frames one behind the other.  They
 * are checked like any other: what reaches Kafka was read with the subject's schema.
 */
#include "gateway/batch_inside.h"

#include "avro-core/canon.h"
#include "avro-core/ocf.h"
#include "avro-core/to_json.h"
#include "wire/frame.h"

#define CANONICAL_MOST (4 << 20)

static const struct av_visitor_ops blind;

static void blame(struct reading *r, size_t at, const char *wanted, const char *found)
{
    av_problem_add(&r->b->problems, "avro", (struct span){0}, at, span_str(wanted),
                   "%s", found);
}

/* ---- container files ---- */

/* Do both write the same bytes for the same value? */
static bool means_the_same(const struct av_schema *a, const struct av_schema *b)
{
    struct buf x = BUF_INIT(CANONICAL_MOST), y = BUF_INIT(CANONICAL_MOST);

    av_print_canonical(&x, a);
    av_print_canonical(&y, b);
    bool same = !x.over && !y.over && span_eq(buf_span(&x), buf_span(&y));
    buf_free(&x);
    buf_free(&y);
    return same;
}

/* Read with our schema, as JSON, and that encoded: one way in for every record, and
 * whatever a default or a promotion makes of it is checked too. */
static enum err_kind put_resolved(struct reading *r, struct err *e)
{
    struct buf text = BUF_INIT(64 << 20);
    struct av_to_json w;
    size_t at = 0;

    av_to_json_init(&w, &text, false);
    enum err_kind rc = av_decode_all(r->reads, r->datum, NULL, &w.visitor, e);
    if (rc == ERR_OK)
        rc = buf_status(&text, e);
    if (rc == ERR_OK && av_encode_next(r->s->encoder, buf_span(&text), &at,
                                       &r->b->frames, &r->b->problems) != ERR_OK)
        rc = err_set(e, ERR_CONFLICT, "told"); // its problems are there
    buf_free(&text);
    return rc;
}

static enum err_kind put_same(struct reading *r, struct err *e)
{
    struct av_visitor nobody = {&blind};

    TRY(av_decode_all(r->s->plan, r->datum, NULL, &nobody, e));
    buf_put(&r->b->frames, r->datum);
    return ERR_OK;
}

static enum err_kind read_datum(struct reading *r, struct item *it)
{
    struct err e = {0};

    enum err_kind rc = r->reads != NULL ? put_resolved(r, &e) : put_same(r, &e);
    it->text = span_of(r->body.p + r->at, 0); // where its block begins
    if (rc == ERR_OK)
        return ERR_OK;
    if (rc != ERR_CONFLICT)
        blame(r, r->at, "a datum of the schema", e.msg);
    it->text = arena_copy(&r->b->problems.arena, r->datum); // a dead letter's value
    return rc;
}

static enum err_kind read_records(struct reading *r, struct av_ocf_reader *file,
                                  const struct av_plan *own, struct err *e)
{
    struct av_visitor nobody = {&blind};

    for (;;) {
        bool more = false;
        enum err_kind rc = av_ocf_next(file, own, &nobody, &r->datum, &more, e);
        if (rc != ERR_OK || !more)
            return rc;
        r->at = av_ocf_at(file) < r->body.n ? av_ocf_at(file) : r->body.n;
        TRY(take_record(r, read_datum, e));
    }
}

/* How the file's records are read: `own` says where each ends. */
static enum err_kind plan_file(struct reading *r, struct av_schema *writer,
                               struct av_plan **own, struct av_plan **ours,
                               struct err *e)
{
    struct av_schema *reader =
        (struct av_schema *)(uintptr_t)av_plan_reader(r->s->plan);

    TRY(av_plan_new(own, writer, writer, e));
    if (means_the_same(writer, reader))
        return ERR_OK;
    if (av_plan_new(ours, writer, reader, e) == ERR_OK)
        return ERR_OK;
    err_prefix(e, "the file's schema cannot be read as schema %d", r->s->id);
    return e->kind = ERR_CONFLICT;
}

enum err_kind read_ocf(struct reading *r, struct err *e)
{
    const struct av_ocf_limits lim = {.block_bytes = r->b->limits.frames};
    struct av_plan *own = NULL, *ours = NULL;
    struct av_ocf_reader *file = NULL;

    if (av_ocf_open(&file, r->body, &lim, e) != ERR_OK)
        return err_prefix(e, "no Avro container file");
    enum err_kind rc = plan_file(r, av_ocf_schema(file), &own, &ours, e);
    r->reads = ours;
    if (rc == ERR_OK)
        rc = read_records(r, file, own, e);
    av_plan_free(own);
    av_plan_free(ours);
    av_ocf_close(file);
    return rc;
}

/* ---- frames ---- */

static enum err_kind read_frame(struct reading *r, struct item *it)
{
    struct av_visitor nobody = {&blind};
    struct span rest = span_skip(r->body, r->at + FRAME_HEAD);
    const struct av_decode_limits lim = {.first = r->at + FRAME_HEAD};
    struct err e = {0};
    size_t used = 0;

    it->text = span_skip(r->body, r->at);
    if (av_decode(r->s->plan, rest, &lim, &nobody, &used, &e) != ERR_OK) {
        blame(r, r->at, "a datum of the schema", e.msg);
        r->at = r->body.n; // where the next one begins nobody knows
        return ERR_INVALID;
    }
    buf_put(&r->b->frames, span_of(rest.p, used));
    it->text.n = FRAME_HEAD + used;
    r->at += FRAME_HEAD + used;
    return ERR_OK;
}

static enum err_kind read_no_frame(struct reading *r, struct item *it)
{
    it->text = span_skip(r->body, r->at);
    blame(r, r->at, "byte 0x00, a schema id of the subject in four bytes, and Avro",
          r->broken->msg);
    r->at = r->body.n;
    return ERR_INVALID;
}

enum err_kind read_framed(struct reading *r, struct err *e)
{
    const struct gw_batch_schema *given = r->s;

    while (r->at < r->body.n) {
        struct gw_batch_schema other = *given;
        struct err why = {0};
        struct frame f;

        enum err_kind rc = frame_read(&f, span_skip(r->body, r->at), &why);
        if (rc == ERR_OK && f.schema_id != given->id)
            rc = given->others != NULL
                     ? given->others->find(given->others, f.schema_id, &other, &why)
                     : err_set(&why, ERR_INVALID, "schema id %d, wanted %d",
                               f.schema_id, given->id);
        if (rc == ERR_UNAVAILABLE || rc == ERR_CONFLICT) {
            *e = why;
            return rc;
        }
        r->s = &other;
        r->broken = &why;
        rc = take_record(r, rc == ERR_OK ? read_frame : read_no_frame, e);
        r->s = given;
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

#include "gateway/ids.h"

#include "gateway/gateway_inside.h"

static enum err_kind use(const struct ids *ids, size_t i, struct gw_batch_schema *out)
{
    const struct codec *c = ids->known[i].codec;

    out->encoder = c->encoder;
    out->plan = c->plan;
    out->id = ids->known[i].id;
    out->contract = ids->known[i].contract;
    return ERR_OK;
}

static enum err_kind keep(struct ids *ids, const struct rc_schema *s,
                          struct gw_batch_schema *out, struct err *e)
{
    const struct av_encode_options o = {.unknown_fields =
                                            ids->publish->ask.unknown_fields,
                                        .bytes_as = ids->publish->ask.bytes_as};

    struct gw_contract *contract = NULL;

    if (contracts_get(&ids->gateway->contracts, s, s->subject, &contract, e) != ERR_OK)
        return e->kind = ERR_CONFLICT; // not even a dead letter may be made of it
    enum err_kind rc = codec_get(&ids->gateway->codecs, s->id, s->schema, &o,
                                 &ids->known[ids->n].codec, e);
    if (rc != ERR_OK) {
        gw_contract_release(contract);
        return rc;
    }
    ids->known[ids->n].contract = contract;
    ids->known[ids->n].id = s->id;
    return use(ids, ids->n++, out);
}

static enum err_kind search(struct ids *ids, int32_t id, struct gw_batch_schema *out,
                            struct err *e)
{
    const struct rc_schema *newest = &ids->publish->schema;

    for (int32_t v = newest->version - 1; v > 0 && v >= newest->version - IDS_VERSIONS;
         v--) {
        struct rc_schema s = {0};

        enum err_kind rc = rc_by_version(ids->gateway->rc, newest->subject, v,
                                         ids->deadline_ms, &s, e);
        if (rc == ERR_NOT_FOUND)
            continue; // deleted
        if (rc != ERR_OK)
            return rc;
        rc = s.id == id ? keep(ids, &s, out, e) : ERR_NOT_FOUND;
        rc_schema_free(&s);
        if (rc != ERR_NOT_FOUND)
            return rc;
    }
    return err_set(e, ERR_INVALID,
                   "schema id %d, wanted %d or one of an earlier version of " SPAN_FMT,
                   id, newest->id, SPAN_ARG(newest->subject));
}

static enum err_kind find(struct gw_batch_ids *batch, int32_t id,
                          struct gw_batch_schema *out, struct err *e)
{
    struct ids *ids = (struct ids *)batch;
    const struct ask *a = &ids->publish->ask;

    for (size_t i = 0; i < ids->n; i++)
        if (ids->known[i].id == id)
            return use(ids, i, out);
    if (a->schema_id != 0 || a->version != 0 || ids->n == IDS_VERSIONS)
        return err_set(e, ERR_INVALID, "schema id %d, wanted %d", id,
                       ids->publish->schema.id);
    return search(ids, id, out, e);
}

void ids_init(struct ids *ids, struct gateway *g, const struct publish *p,
              int64_t deadline_ms)
{
    ids->batch.find = find;
    ids->gateway = g;
    ids->publish = p;
    ids->deadline_ms = deadline_ms;
    ids->n = 0;
}

void ids_free(struct ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        codec_release(ids->known[i].codec);
        gw_contract_release(ids->known[i].contract);
    }
}

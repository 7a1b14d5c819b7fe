#include "registry-fake/table.h"

#include "wire/guid.h"

#include <stdlib.h>

void table_free(struct fake_table *t)
{
    for (size_t i = 0; i < t->n_subjects; i++)
        free(t->subjects[i].ids);
    free(t->subjects);
    free(t->schemas);
    arena_free(&t->arena);
    *t = (struct fake_table){0};
}

struct fake_subject *table_subject(struct fake_table *t, struct span name, bool make)
{
    for (size_t i = 0; i < t->n_subjects; i++)
        if (span_eq(t->subjects[i].name, name))
            return &t->subjects[i];
    if (!make)
        return NULL;
    t->subjects = mem_grow(t->subjects, t->n_subjects + 1, sizeof *t->subjects);
    t->subjects[t->n_subjects] =
        (struct fake_subject){.name = arena_copy(&t->arena, name)};
    return &t->subjects[t->n_subjects++];
}

int32_t table_find(const struct fake_table *t, struct span text, struct span references)
{
    for (size_t i = 0; i < t->n_schemas; i++)
        if (span_eq(t->schemas[i].text, text) &&
            span_eq(t->schemas[i].references, references))
            return (int32_t)i + 1;
    return 0;
}

int32_t table_version(const struct fake_subject *s, int32_t id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] == id)
            return (int32_t)i + 1;
    return 0;
}

int32_t table_add(struct fake_table *t, struct fake_subject *s, struct span text,
                  struct span references)
{
    int32_t id = table_find(t, text, references);

    if (id == 0) {
        t->schemas = mem_grow(t->schemas, t->n_schemas + 1, sizeof *t->schemas);
        t->schemas[t->n_schemas++] = (struct fake_schema){
            arena_copy(&t->arena, text),
            references.n > 0 ? arena_copy(&t->arena, references) : (struct span){0}};
        id = (int32_t)t->n_schemas;
    }
    if (table_version(s, id) == 0) {
        s->ids = mem_grow(s->ids, s->n + 1, sizeof *s->ids);
        s->ids[s->n++] = id;
    }
    return id;
}

bool table_guid(const struct fake_table *t, int32_t id, uint8_t guid[16])
{
    struct api_schema s = {0};
    struct arena a = {0};
    struct buf body = BUF_INIT(64 << 20);
    struct err e = {0};

    if (id < 1 || (size_t)id > t->n_schemas)
        return false;
    buf_put_str(&body, "{\"schema\":\"\",\"references\":");
    if (t->schemas[id - 1].references.n > 0)
        buf_put(&body, t->schemas[id - 1].references);
    else
        buf_put_str(&body, "[]");
    buf_put_str(&body, "}");
    bool good = api_schema_read(&s, buf_span(&body), &a, &e) == ERR_OK;
    s.schema = t->schemas[id - 1].text;
    if (good)
        guid_md5(guid, &s);
    buf_free(&body);
    arena_free(&a);
    return good;
}

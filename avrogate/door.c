/* What stands between the caller's world and ours: errors, time limits, options,
 * buffers. */
#include "avrogate/inside.h"

#include "base/clock.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The kinds are ours under their public names. */
static_assert((int)AVROGATE_OK == ERR_OK && (int)AVROGATE_INVALID == ERR_INVALID &&
                  (int)AVROGATE_NOT_FOUND == ERR_NOT_FOUND &&
                  (int)AVROGATE_CONFLICT == ERR_CONFLICT &&
                  (int)AVROGATE_LIMIT == ERR_LIMIT &&
                  (int)AVROGATE_UNAVAILABLE == ERR_UNAVAILABLE &&
                  (int)AVROGATE_INTERNAL == ERR_INTERNAL,
              "avrogate/registry.h and base/err.h say the same");

#define TEXT_OF(n) #n
#define TEXT(n) TEXT_OF(n)

const char *avrogate_registry_version(void)
{
    return TEXT(AVROGATE_REGISTRY_MAJOR) "." TEXT(AVROGATE_REGISTRY_MINOR) "." TEXT(
        AVROGATE_REGISTRY_PATCH);
}

void avrogate_on_exhausted(void (*goodbye)(size_t wanted))
{
    mem_on_exhausted(goodbye);
}

enum avrogate_kind give_error(struct avrogate_error *out, enum err_kind kind,
                              const struct err *e)
{
    if (kind == ERR_OK)
        return AVROGATE_OK;
    out->kind = (enum avrogate_kind)kind;
    out->code = e->code;
    snprintf(out->message, sizeof out->message, "%s", e->msg);
    return out->kind;
}

enum avrogate_kind avrogate_error_set(struct avrogate_error *e, enum avrogate_kind kind,
                                      const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    e->kind = kind;
    e->code = 0;
    vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    return kind;
}

int64_t deadline_of(const struct avrogate_registry *r, int32_t timeout_ms)
{
    if (timeout_ms == 0)
        return 0;
    return clock_ms() + (timeout_ms < 0 ? r->timeout_ms : timeout_ms);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

enum err_kind take_options(void *ours, size_t n, const void *theirs, struct err *e)
{
    size_t size;

    memcpy(&size, theirs, sizeof size);
    if (size < sizeof size)
        return err_set(e, ERR_INVALID, "options whose size is %zu", size);
    if (size > n && !all_zero((const uint8_t *)theirs + n, size - n))
        return err_set(e, ERR_INVALID, "options of a newer library than %s",
                       avrogate_registry_version());
    memset(ours, 0, n);
    memcpy(ours, theirs, size < n ? size : n);
    return ERR_OK;
}

enum err_kind draft_init(struct draft *out, const char *text,
                         const struct avrogate_reference *references, size_t n,
                         bool normalize, struct err *e)
{
    if (text == NULL)
        return err_set(e, ERR_INVALID, "no schema is given");
    for (size_t i = 0; i < n; i++)
        if (references[i].name == NULL || references[i].subject == NULL ||
            references[i].version < 1)
            return err_set(e, ERR_INVALID,
                           "reference %zu lacks its name, subject or version", i);
    *out = (struct draft){0};
    struct api_reference *copies = arena_array(&out->a, n + 1, sizeof *copies);
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct api_reference){
            .name = arena_copy(&out->a, span_str(references[i].name)),
            .subject = arena_copy(&out->a, span_str(references[i].subject)),
            .version = references[i].version};
    out->d = (struct rc_draft){.text = arena_copy(&out->a, span_str(text)),
                               .references = copies,
                               .n_references = n,
                               .normalize = normalize};
    return ERR_OK;
}

enum err_kind take_draft(struct draft *out, const struct avrogate_draft *theirs,
                         struct err *e)
{
    struct avrogate_draft d;

    TRY(take_options(&d, sizeof d, theirs, e));
    return draft_init(out, d.text, d.references, d.n_references, d.normalize, e);
}

void draft_free(struct draft *d)
{
    arena_free(&d->a);
    *d = (struct draft){0};
}

struct buf buffer_take(struct avrogate_buffer *out, size_t limit)
{
    return (struct buf){.p = out->p, .cap = out->room, .limit = limit};
}

void buffer_give(struct avrogate_buffer *out, struct buf *b, bool good)
{
    out->p = b->p;
    out->n = good ? b->n : 0;
    out->room = b->cap;
}

void avrogate_buffer_free(struct avrogate_buffer *b)
{
    free(b->p);
    *b = (struct avrogate_buffer){0};
}

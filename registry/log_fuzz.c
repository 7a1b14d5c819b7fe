/*
 * Whatever stands in the topic, reading it ends; what is understood is written in a
 * form that is read as the same event.  The first line is the key, the rest the value.
 */
#include "registry/log.h"
#include "registry/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct span written(const struct reg_event *ev, struct buf *key,
                           struct buf *value)
{
    reg_event_put_key(key, ev);
    bool there = reg_event_put_value(value, ev);

    if (there && value->n == 0)
        abort();
    return there ? buf_span(value) : (struct span){0};
}

static void read_again(const struct reg_event *ev, struct arena *a)
{
    struct buf key = BUF_INIT(1 << 24), value = BUF_INIT(1 << 24);
    struct buf key2 = BUF_INIT(1 << 24), value2 = BUF_INIT(1 << 24);
    struct reg_event again;
    struct err e;

    struct span v = written(ev, &key, &value);
    if (reg_event_read(&again, buf_span(&key), v, a, &e) != ERR_OK ||
        again.kind != ev->kind)
        abort();
    again.odd_key = ev->odd_key;
    struct span v2 = written(&again, &key2, &value2);
    if (!span_eq(v, v2) || !span_eq(buf_span(&key), buf_span(&key2)))
        abort();
    buf_free(&key);
    buf_free(&value);
    buf_free(&key2);
    buf_free(&value2);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *line = n > 0 ? memchr(p, '\n', n) : NULL;
    size_t k = line != NULL ? (size_t)(line - p) : n;
    struct span value = line != NULL ? span_of(line + 1, n - k - 1) : (struct span){0};
    struct arena a = {0};
    struct reg_state s;
    struct reg_event ev;
    struct err e;

    reg_state_init(&s);
    if (reg_event_read(&ev, span_of(p, k), value, &a, &e) == ERR_OK) {
        if (ev.kind != REG_FOREIGN)
            read_again(&ev, &a);
        reg_state_apply(&s, &ev);
        reg_state_apply(&s, &ev);
        if (s.clashes != 0)
            abort();
    }
    reg_state_free(&s);
    arena_free(&a);
    return 0;
}

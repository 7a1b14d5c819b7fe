/* The changelog's records: whatever stands there, no more than an error comes of it,
 * and what is taken is written back as it was read. */
#include "aggregate/show.h"

#include <stdlib.h>

static const char shape_text[] =
    "window 60000\nkey customer string\nkey id long\ncolumn n count long\ncolumn s sum "
    "decimal(2)\ncolumn r avg double\ncolumn a avg decimal(6)\ncolumn t max string\n"
    "column l last timestamp-millis\n";

static void try_shape(struct span in)
{
    struct agg_shape s;
    struct arena mem = {0};
    struct err e = {0};

    (void)!agg_shape_read(&s, in, &mem, &e);
    arena_free(&mem);
}

static void show_all(struct agg_view *v)
{
    struct buf out = BUF_INIT(1 << 20);
    struct agg_merged m = {0};
    size_t n;
    const struct span *keys = agg_view_keys(v, &n);

    for (size_t i = 0; i < n; i++)
        if (agg_view_merge(v, keys[i], &m))
            agg_show_json(&out, &m);
    agg_show_table(&out, v, 0);
    agg_merged_free(&m);
    buf_free(&out);
}

/* key length, key, value length (255 = none), value, ... */
static void try_view(struct span in)
{
    struct buf shape = BUF_INIT(1 << 16);
    struct agg_shape s;
    struct agg_view v;
    struct err e = {0};
    struct arena mem = {0};

    agg_view_init(&v, 2);
    if (agg_shape_read(&s, span_str(shape_text), &mem, &e) != ERR_OK)
        abort();
    agg_state_put_shape(&shape, &s);
    for (size_t i = 0; i < 2; i++)
        if (agg_view_apply(&v, i, 0, agg_state_shape_key, buf_span(&shape), &e) !=
            ERR_OK)
            abort();
    while (in.n > 2) {
        size_t part = in.p[0] & 1, n = in.p[1];
        in = span_skip(in, 2);
        struct span key = span_of(in.p, n < in.n ? n : in.n);
        in = span_skip(in, n);
        if (in.n == 0)
            break;
        bool none = in.p[0] == 255;
        n = in.p[0];
        in = span_skip(in, 1);
        struct span value = span_of(in.p, n < in.n ? n : in.n);
        in = span_skip(in, n);
        (void)!agg_view_apply(&v, part, 0, key, none ? (struct span){0} : value, &e);
    }
    show_all(&v);
    agg_view_free(&v);
    buf_free(&shape);
    arena_free(&mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    try_shape(span_of(p, n));
    try_view(span_of(p, n));
    return 0;
}

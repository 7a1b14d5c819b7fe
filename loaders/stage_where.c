#include "loaders/stage_where.h"

#include "base/tab.h"
#include "loaders/stage_swap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HOPS_MOST 100000 // merges of what was merged

struct output {
    const char *name, *sha256, *schema;
    int64_t bytes, rows;
};

struct input { // what became of a name
    const struct output *into;
    int64_t first;
};

struct stage_where {
    struct place *place;
    int64_t newest; // merge known, -1 = none
    struct tab inputs;
    struct arena a;
};

struct stage_where *stage_where_open(struct place *p)
{
    struct stage_where *w = mem_alloc(sizeof *w);

    w->place = p;
    w->newest = -1;
    return w;
}

void stage_where_close(struct stage_where *w)
{
    if (w == NULL)
        return;
    tab_free(&w->inputs);
    arena_free(&w->a);
    free(w);
}

static const char *keep(struct stage_where *w, const char *text)
{
    return arena_str(&w->a, span_str(text));
}

/* A merge that was called off is there too; a later one names its inputs again. */
static void learn(struct stage_where *w, const struct swap *s)
{
    struct output *o = arena_alloc(&w->a, sizeof *o);
    int64_t first = 0;

    *o = (struct output){.name = keep(w, s->into.final),
                         .sha256 = keep(w, s->into.sha256),
                         .schema = keep(w, s->schema),
                         .bytes = s->into.bytes,
                         .rows = s->into.rows};
    for (size_t i = 0; i < s->n; i++) {
        struct input *in = arena_alloc(&w->a, sizeof *in);
        *in = (struct input){o, first};
        first += s->inputs[i].rows;
        (void)tab_put(&w->inputs, span_str(s->inputs[i].name), in);
    }
}

static enum err_kind read_merge(struct stage_where *w, int64_t seq, struct err *e)
{
    char name[STAGE_NAME];
    struct buf body = BUF_INIT(PLACE_CLAIM);
    struct arena a = {0};
    struct swap s;

    swap_name(name, seq);
    enum err_kind rc = place_read(w->place, name, 0, PLACE_CLAIM, &body, e);
    if (rc == ERR_OK && swap_read(&s, buf_span(&body), &a, e) != ERR_OK)
        rc = err_prefix(e, "%.80s", name);
    if (rc == ERR_OK)
        learn(w, &s);
    arena_free(&a);
    buf_free(&body);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc; // forgotten meanwhile
}

static enum err_kind refresh(struct stage_where *w, struct err *e)
{
    struct arena a = {0};
    struct place_entry *all = NULL;
    char after[24];
    size_t n = 0;

    snprintf(after, sizeof after, "%020" PRId64, w->newest);
    enum err_kind rc =
        place_list(w->place, SWAP_DIR, w->newest < 0 ? NULL : after, &a, &all, &n, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        int64_t seq = stage_claim_first(all[i].name);
        if (seq <= w->newest)
            continue;
        rc = read_merge(w, seq, e);
        if (rc == ERR_OK)
            w->newest = seq;
    }
    arena_free(&a);
    return rc;
}

static enum err_kind find_input(struct stage_where *w, const char *name,
                                const struct input **out, struct err *e)
{
    *out = tab_get(&w->inputs, span_str(name));
    if (*out == NULL)
        TRY(refresh(w, e));
    *out = tab_get(&w->inputs, span_str(name));
    return *out != NULL ? ERR_OK : err_set(e, ERR_NOT_FOUND, "%.150s is gone", name);
}

enum err_kind stage_where_find(struct stage_where *w, const char *name,
                               struct stage_lies *out, struct err *e)
{
    const struct input *in = NULL;
    struct stage_lies l = {.name = name};

    for (int hops = 0; hops < HOPS_MOST; hops++) {
        struct place_entry there;
        enum err_kind rc = place_stat(w->place, l.name, &there, e);
        if (rc == ERR_OK) {
            l.bytes = there.bytes;
            *out = l;
            return ERR_OK;
        }
        if (rc != ERR_NOT_FOUND)
            return rc;
        TRY(find_input(w, l.name, &in, e));
        l = (struct stage_lies){.name = in->into->name,
                                .first = l.first + in->first,
                                .merged = true,
                                .rows = in->into->rows,
                                .sha256 = in->into->sha256,
                                .schema = in->into->schema};
    }
    return err_set(e, ERR_INTERNAL, "%.150s goes round in circles", name);
}

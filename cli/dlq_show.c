#include "cli/dlq_inside.h"
#include "cli/dlq_print.h"

#include <stdio.h>
#include <stdlib.h>

#define LETTER_MOST ((size_t)256 << 20)

struct shown { // a letter as it will be printed
    int64_t timestamp_ms;
    uint8_t *text;
    size_t n;
};

struct show {
    struct dlq_reader reader; // first
    struct dlq *d;
    FILE *out; // export's
    bool failed;
    struct shown *kept; // show's: the newest `last` and some more
    size_t n, most;
};

static void drop_oldest(struct show *w, size_t keep)
{
    size_t extra = w->n > keep ? w->n - keep : 0;

    for (size_t i = 0; i < extra; i++)
        free(w->kept[i].text);
    memmove(w->kept, w->kept + extra, (w->n - extra) * sizeof *w->kept);
    w->n -= extra;
}

static int by_time(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;

    return x->timestamp_ms < y->timestamp_ms ? -1 : x->timestamp_ms > y->timestamp_ms;
}

static bool keep(struct dlq_reader *r, const struct letter *l)
{
    struct show *w = (struct show *)r;
    struct buf out = BUF_INIT(LETTER_MOST);
    struct shown *s;

    (w->d->s.json ? dlq_print_json : dlq_print_text)(&out, l);
    if (out.over) {
        w->failed = true;
        buf_free(&out);
        return false;
    }
    if (w->n == 2 * w->most) {
        qsort(w->kept, w->n, sizeof *w->kept, by_time);
        drop_oldest(w, w->most);
    }
    s = &w->kept[w->n++];
    s->timestamp_ms = l->m->timestamp_ms;
    s->text = buf_take(&out, &s->n);
    return true;
}

static enum err_kind print_kept(struct show *w, struct err *e)
{
    qsort(w->kept, w->n, sizeof *w->kept, by_time);
    drop_oldest(w, w->most);
    for (size_t i = 0; i < w->n; i++) {
        if (i > 0 && !w->d->s.json)
            putchar('\n');
        fwrite(w->kept[i].text, 1, w->kept[i].n, stdout);
    }
    if (w->failed)
        return err_set(e, ERR_LIMIT, "a letter is too long to be printed");
    return ERR_OK;
}

enum err_kind dlq_show(struct dlq *d, int *code, struct err *e)
{
    struct show w = {.reader = {keep}, .d = d, .most = (size_t)d->s.last};

    // Without a filter what lies further back cannot be among the newest.
    d->source.last = d->s.where.n == 0 ? d->s.last : 0;
    w.kept = mem_array(2 * w.most, sizeof *w.kept);
    enum err_kind rc = dlq_read(&d->source, d->kafka, d->topic, &w.reader, e);
    if (rc == ERR_OK)
        rc = print_kept(&w, e);
    if (rc == ERR_OK && w.n == 0)
        rc = err_set(e, ERR_NOT_FOUND, "no such letter in %s", d->topic);
    drop_oldest(&w, 0);
    free(w.kept);
    *code = 0;
    return rc;
}

static bool write_out(struct dlq_reader *r, const struct letter *l)
{
    struct show *w = (struct show *)r;
    struct buf out = BUF_INIT(LETTER_MOST);

    dlq_print_json(&out, l);
    w->failed = out.over || fwrite(out.p, 1, out.n, w->out) != out.n;
    buf_free(&out);
    w->n++;
    return !w->failed;
}

enum err_kind dlq_export(struct dlq *d, int *code, struct err *e)
{
    const char *path = d->s.output;
    struct show w = {.reader = {write_out}, .d = d, .out = stdout};

    *code = 0;
    if (path != NULL && (w.out = fopen(path, "wb")) == NULL)
        return err_set(e, ERR_INVALID, "%s: %m", path);
    enum err_kind rc = dlq_read(&d->source, d->kafka, d->topic, &w.reader, e);
    w.failed |= (path == NULL ? fflush(w.out) : fclose(w.out)) != 0;
    if (rc == ERR_OK && w.failed)
        return err_set(e, ERR_INVALID, "%s: cannot be written",
                       path == NULL ? "standard output" : path);
    if (rc == ERR_OK && path != NULL && !d->s.quiet)
        fprintf(stderr, "avrogate dlq: %zu letters in %s\n", w.n, path);
    return rc;
}

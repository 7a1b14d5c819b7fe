/*
 * abi.h - what libavrogate-parquet.so offers: Parquet files from and to Arrow columns.
 *
 * The one piece of C++ (Arrow's), behind plain C, in a library of its own, so that the
 * program neither links nor needs it before somebody asks for Parquet (decision 125).
 * It is opened with dlopen() and has one symbol, avrogate_parquet(); no exception
 * leaves it.  A writer or reader belongs to one thread at a time.
 *
 * Calls return 0, or -1 and a message in `why`; PQ_IO when it was the caller's own
 * write or read_at that failed: he knows more about that than Arrow does.
 */
#pragma once

#include "parquet/arrow.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PQ_ABI 1
#define PQ_SYMBOL "avrogate_parquet"
#define PQ_WHY 400
#define PQ_IO (-2)

struct pq_sort {
    const char *column; // path with dots
    int descending, nulls_first;
};

struct pq_options {
    const char *codec; // none snappy gzip brotli zstd lz4
    int level;         // 0 = the codec's own
    int64_t row_group_rows;
    const char *const *bloom; // paths with dots
    size_t n_bloom;
    const struct pq_sort *sort;
    size_t n_sort;
    int no_dictionary, no_statistics, no_page_index;
    const char *created_by;
};

/* Both: 0 when all bytes went over. */
typedef int pq_write_call(void *ctx, const void *bytes, size_t n);
typedef int pq_read_call(void *ctx, uint64_t at, void *to, size_t n);

struct pq_writer;
struct pq_reader;

struct pq_abi {
    int abi;             // PQ_ABI
    const char *backend; // "Arrow C++ 26.0.1"

    /* `schema` (a struct of the columns) is taken over, whatever the outcome. */
    int (*open)(struct pq_writer **out, struct ArrowSchema *schema,
                const struct pq_options *o, pq_write_call *write, void *ctx,
                char why[PQ_WHY]);
    /* `batch` is taken over.  Its buffers are read during the call, those of its
     * dictionaries until the writer is closed.  `new_group`: it begins a row group. */
    int (*write)(struct pq_writer *w, struct ArrowArray *batch, int new_group,
                 char why[PQ_WHY]);
    int (*note)(struct pq_writer *w, const char *key, const char *value,
                char why[PQ_WHY]);
    int (*finish)(struct pq_writer *w, char why[PQ_WHY]); // the footer
    void (*close)(struct pq_writer *w);

    int (*read)(struct pq_reader **out, pq_read_call *read_at, void *ctx, uint64_t size,
                int64_t batch_rows, char why[PQ_WHY]);
    int (*schema)(struct pq_reader *r, struct ArrowSchema *out, char why[PQ_WHY]);
    int64_t (*rows)(struct pq_reader *r); // of the whole file
    /* NULL when the file has no such key; lives as long as the reader. */
    const char *(*value)(struct pq_reader *r, const char *key, size_t *n);
    /* out->release is NULL at the end of the file. */
    int (*next)(struct pq_reader *r, struct ArrowArray *out, char why[PQ_WHY]);
    void (*reader_close)(struct pq_reader *r);
};

/* The table, or NULL when `abi` is another one than it was built for. */
const struct pq_abi *avrogate_parquet(int abi);

#ifdef __cplusplus
}
#endif

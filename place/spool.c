#include "place/spool.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct spool {
    const char *dir;
    size_t memory;
    struct buf head; // the first bytes, or the last not yet in the file
    int fd;          // -1 = all of it is in memory
    int64_t on_disk; // bytes in the file
    EVP_MD_CTX *sha;
};

struct spool *spool_open(const char *dir, size_t memory)
{
    struct spool *s = mem_alloc(sizeof *s);

    *s = (struct spool){
        .dir = dir, .memory = memory, .head = BUF_INIT(SIZE_MAX), .fd = -1};
    s->sha = EVP_MD_CTX_new();
    if (s->sha == NULL || EVP_DigestInit_ex(s->sha, EVP_sha256(), NULL) != 1)
        abort(); // out of memory, or a libcrypto without SHA-256
    return s;
}

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    EVP_MD_CTX_free(s->sha);
    buf_free(&s->head);
    free(s);
}

static enum err_kind open_file(struct spool *s, struct err *e)
{
    char path[4096];

    s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return ERR_OK;
    snprintf(path, sizeof path, "%s/avrogate-spool-XXXXXX", s->dir);
    s->fd = mkostemp(path, O_CLOEXEC); // a file system without nameless files
    if (s->fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "spool in %.120s: %s", s->dir,
                       strerror(errno));
    (void)unlink(path);
    return ERR_OK;
}

static enum err_kind move_to_disk(struct spool *s, struct err *e)
{
    struct span left = buf_span(&s->head);

    if (s->fd < 0)
        TRY(open_file(s, e));
    while (left.n > 0) {
        ssize_t got = pwrite(s->fd, left.p, left.n, (off_t)s->on_disk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(e, ERR_UNAVAILABLE, "spool in %.120s: %s", s->dir,
                           strerror(errno));
        s->on_disk += got;
        left = span_skip(left, (size_t)got);
    }
    buf_reset(&s->head);
    return ERR_OK;
}

enum err_kind spool_put(struct spool *s, struct span bytes, struct err *e)
{
    if (EVP_DigestUpdate(s->sha, bytes.p, bytes.n) != 1)
        return err_set(e, ERR_INTERNAL, "SHA-256");
    buf_put(&s->head, bytes);
    return s->head.n > s->memory ? move_to_disk(s, e) : ERR_OK;
}

int64_t spool_size(const struct spool *s)
{
    return s->on_disk + (int64_t)s->head.n;
}

static enum err_kind read_disk(const struct spool *s, int64_t at, uint8_t *p, size_t n,
                               struct err *e)
{
    while (n > 0) {
        ssize_t got = pread(s->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(e, ERR_UNAVAILABLE, "spool: %s",
                           got < 0 ? strerror(errno) : "shorter than it was");
        p += got;
        at += got;
        n -= (size_t)got;
    }
    return ERR_OK;
}

static enum err_kind read_(void *arg, int64_t at, uint8_t *p, size_t n, struct err *e)
{
    struct spool *s = arg;

    if (at < 0 || at > spool_size(s) || (int64_t)n > spool_size(s) - at)
        return err_set(e, ERR_INTERNAL, "spool: bytes [%" PRId64 ", +%zu) of %" PRId64,
                       at, n, spool_size(s));
    if (at < s->on_disk) {
        int64_t there = s->on_disk - at;
        size_t here = there < (int64_t)n ? (size_t)there : n;
        TRY(read_disk(s, at, p, here, e));
        at += (int64_t)here;
        p += here;
        n -= here;
    }
    if (n > 0)
        memcpy(p, s->head.p + (at - s->on_disk), n);
    return ERR_OK;
}

struct place_bytes spool_bytes(struct spool *s)
{
    return (struct place_bytes){read_, s, spool_size(s)};
}

void spool_sha256(const struct spool *s, char out[SPOOL_SHA])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    uint8_t md[32];
    unsigned n = sizeof md;

    if (copy == NULL || EVP_MD_CTX_copy_ex(copy, s->sha) != 1 ||
        EVP_DigestFinal_ex(copy, md, &n) != 1)
        abort();
    EVP_MD_CTX_free(copy);
    bytes_hex(out, span_of(md, sizeof md));
}

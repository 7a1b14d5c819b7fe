#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define STEP ((size_t)64 * 1024)

static enum err_kind read_some(int fd, struct buf *out, bool *more, struct err *e)
{
    size_t n = out->limit - out->n < STEP ? out->limit - out->n : STEP;
    uint8_t extra, *room = n > 0 ? buf_room(out, n) : &extra;
    ssize_t got = read(fd, room, n > 0 ? n : 1);

    if (got < 0 && errno == EINTR)
        return ERR_OK;
    if (got < 0)
        return err_set(e, ERR_UNAVAILABLE, "%s", strerror(errno));
    *more = got > 0;
    if (n == 0 && got > 0)
        return err_set(e, ERR_LIMIT, "more than %zu bytes", out->limit);
    if (n > 0)
        buf_added(out, (size_t)got);
    return ERR_OK;
}

static enum err_kind read_all(int fd, struct buf *out, struct err *e)
{
    bool more = true;

    while (more)
        TRY(read_some(fd, out, &more, e));
    return ERR_OK;
}

enum err_kind input_read(struct buf *out, const char *path, struct err *e)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "%s: %s",
                       path, strerror(errno));
    enum err_kind k = read_all(fd, out, e);
    if (!is_stdin)
        close(fd);
    return k == ERR_OK ? ERR_OK
                       : err_prefix(e, "%s", is_stdin ? "standard input" : path);
}

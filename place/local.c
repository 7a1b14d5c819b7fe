/*
 * A directory of this machine, or one mounted from elsewhere that knows link(2).
 *
 *      write    _tmp/x: created, written, fsync, length; its ticket is its name
 *      claim    _tmp/y written and fsync'ed, link(y, claim), unlink(y),
 * fsync(directory) finish   rename without replacing, fsync(directory)
 *
 * The fsync of the directory comes last: a name that a crash takes back was not yet
 * answered for.
 */
#include "place/place_inside.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct local {
    struct place place;
    char *root; // without a '/' at the end
    char path[2][4200];
};

static struct local *local_of(struct place *p)
{
    return (struct local *)p;
}

static const struct {
    int no;
    enum err_kind kind;
} kinds[] = {
    {EEXIST, ERR_CONFLICT}, {ENOENT, ERR_NOT_FOUND},     {EACCES, ERR_INVALID},
    {EPERM, ERR_INVALID},   {EROFS, ERR_INVALID},        {ENOTDIR, ERR_INVALID},
    {EISDIR, ERR_INVALID},  {ENAMETOOLONG, ERR_INVALID}, {EXDEV, ERR_INVALID},
    {ELOOP, ERR_INVALID},
};

/* What is not in the table (ENOSPC, EDQUOT, EIO, EMFILE, ESTALE) may pass. */
static enum err_kind failed(const char *what, const char *path, struct err *e)
{
    int no = errno;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].no == no)
            return err_set(e, kinds[i].kind, "%s %.120s: %s", what, path, strerror(no));
    return err_set(e, ERR_UNAVAILABLE, "%s %.120s: %s", what, path, strerror(no));
}

/* One of two, so that a call can have both its paths. */
static const char *path_of(struct local *l, int which, const char *name)
{
    snprintf(l->path[which], sizeof l->path[which], "%s%s%s", l->root,
             name[0] == '\0' ? "" : "/", name);
    return l->path[which];
}

static enum err_kind sync_dir(const char *dir, struct err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return failed("open", dir, e);
    int rc = fsync(fd);
    enum err_kind kind = rc == 0 ? ERR_OK : failed("fsync", dir, e);
    close(fd);
    return kind;
}

/* The directory of `path`, which must not be the root's. */
static void dir_of(char out[4200], const char *path)
{
    snprintf(out, 4200, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash != NULL && slash != out)
        *slash = '\0';
}

static enum err_kind sync_parent(const char *path, struct err *e)
{
    char dir[4200];

    dir_of(dir, path);
    return sync_dir(dir, e);
}

/* mkdir -p, each new name made durable before what lies in it. */
static enum err_kind make_dirs(const char *dir, struct err *e)
{
    char parent[4200];

    if (mkdir(dir, 0777) == 0)
        return sync_parent(dir, e);
    if (errno == EEXIST)
        return ERR_OK;
    if (errno != ENOENT)
        return failed("mkdir", dir, e);
    dir_of(parent, dir);
    if (strcmp(parent, dir) == 0)
        return failed("mkdir", dir, e);
    TRY(make_dirs(parent, e));
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return failed("mkdir", dir, e);
    return sync_parent(dir, e);
}

static enum err_kind make_parent(const char *path, struct err *e)
{
    char dir[4200];

    dir_of(dir, path);
    return make_dirs(dir, e);
}

static enum err_kind write_all(int fd, const char *path, const uint8_t *p, size_t n,
                               struct err *e)
{
    while (n > 0) {
        ssize_t got = write(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("write", path, e);
        p += got;
        n -= (size_t)got;
    }
    return ERR_OK;
}

static enum err_kind copy_in(struct local *l, int fd, const char *path,
                             const struct place_bytes *bytes, struct err *e)
{
    uint8_t *chunk = mem_array(CHUNK, 1);
    enum err_kind rc = ERR_OK;

    for (int64_t at = 0; at < bytes->n && rc == ERR_OK;) {
        size_t n = bytes->n - at < CHUNK ? (size_t)(bytes->n - at) : CHUNK;
        if (atomic_load(&l->place.cancelled))
            rc = err_set(e, ERR_UNAVAILABLE, "cancelled");
        if (rc == ERR_OK)
            rc = bytes->read(bytes->arg, at, chunk, n, e);
        if (rc == ERR_OK)
            rc = write_all(fd, path, chunk, n, e);
        at += (int64_t)n;
    }
    free(chunk);
    return rc;
}

static enum err_kind seal(int fd, const char *path, int64_t n, struct err *e)
{
    struct stat st;

    if (fsync(fd) != 0)
        return failed("fsync", path, e);
    if (fstat(fd, &st) != 0)
        return failed("stat", path, e);
    if (st.st_size != n)
        return err_set(e, ERR_UNAVAILABLE,
                       "%.100s has %lld bytes, written were %" PRId64, path,
                       (long long)st.st_size, n);
    return ERR_OK;
}

/* Opened anew each time: what an earlier try left is another file. */
static enum err_kind write_file(struct local *l, const char *path,
                                const struct place_bytes *bytes, struct err *e)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == ENOENT) {
        TRY(make_parent(path, e));
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (fd < 0)
        return failed("create", path, e);
    enum err_kind rc = copy_in(l, fd, path, bytes, e);
    if (rc == ERR_OK)
        rc = seal(fd, path, bytes->n, e);
    close(fd);
    if (rc == ERR_OK)
        rc = sync_parent(path, e);
    if (rc != ERR_OK)
        (void)unlink(path);
    return rc;
}

static enum err_kind write_(struct place *p, const char *tmp, const char *final,
                            const struct place_bytes *bytes, struct buf *ticket,
                            struct err *e)
{
    struct local *l = local_of(p);

    (void) final;
    TRY(write_file(l, path_of(l, 0, tmp), bytes, e));
    buf_put_str(ticket, tmp);
    return ERR_OK;
}

static enum err_kind link_new(const char *from, const char *to, struct err *e)
{
    if (link(from, to) == 0)
        return ERR_OK;
    if (errno == ENOENT && access(from, F_OK) == 0) {
        TRY(make_parent(to, e));
        if (link(from, to) == 0)
            return ERR_OK;
    }
    return failed("link", to, e);
}

static enum err_kind claim(struct place *p, const char *name, const char *tmp,
                           struct span body, struct err *e)
{
    struct local *l = local_of(p);
    struct place_bytes bytes = place_bytes_of(&body);
    const char *from = path_of(l, 0, tmp), *to = path_of(l, 1, name);

    TRY(write_file(l, from, &bytes, e));
    enum err_kind rc = link_new(from, to, e);
    (void)unlink(from);
    if (rc == ERR_CONFLICT) {
        // whoever made it may not have come to its fsync: what we build on must stand
        struct err why = {0};
        if (sync_parent(to, &why) != ERR_OK) {
            *e = why;
            return e->kind;
        }
    }
    return rc == ERR_OK ? sync_parent(to, e) : rc;
}

static enum err_kind check_final(const char *to, const char *final, int64_t n,
                                 struct err *e)
{
    struct stat st;

    if (stat(to, &st) != 0)
        return failed("stat", to, e);
    TRY(place_same_length(final, S_ISREG(st.st_mode) ? st.st_size : -1, n, e));
    return sync_parent(to, e);
}

static enum err_kind move(const char *from, const char *to, struct err *e)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return ERR_OK;
    if (errno == EINVAL || errno == ENOSYS) { // a file system without it
        TRY(link_new(from, to, e));
        (void)unlink(from);
        return ERR_OK;
    }
    return failed("rename to", to, e);
}

static enum err_kind finish(struct place *p, struct span ticket, const char *final,
                            int64_t n, struct err *e)
{
    struct local *l = local_of(p);
    char tmp[PLACE_NAME + 1];

    TRY(place_ticket_name(tmp, ticket, e));
    const char *from = path_of(l, 0, tmp), *to = path_of(l, 1, final);
    enum err_kind rc = move(from, to, e);
    if (rc == ERR_NOT_FOUND && access(from, F_OK) == 0) {
        TRY(make_parent(to, e));
        rc = move(from, to, e);
    }
    if (rc != ERR_OK && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
        return rc;
    TRY(check_final(to, final, n, e));
    (void)unlink(from); // where rename was link and unlink, and somebody died between
    return ERR_OK;
}

static enum err_kind discard(struct place *p, struct span ticket, const char *final,
                             struct err *e)
{
    struct local *l = local_of(p);
    char tmp[PLACE_NAME + 1];

    (void) final;
    TRY(place_ticket_name(tmp, ticket, e));
    const char *path = path_of(l, 0, tmp);
    return unlink(path) == 0 ? ERR_OK : failed("unlink", path, e);
}

static enum err_kind pending(struct place *p, struct span ticket, const char *final,
                             int64_t *n, struct err *e)
{
    char tmp[PLACE_NAME + 1];
    struct stat st;

    (void) final;
    TRY(place_ticket_name(tmp, ticket, e));
    const char *path = path_of(local_of(p), 0, tmp);
    if (stat(path, &st) != 0)
        return failed("stat", path, e);
    *n = st.st_size;
    return ERR_OK;
}

static void read_stat(struct place_entry *out, const struct stat *st)
{
    out->bytes = S_ISREG(st->st_mode) ? st->st_size : 0;
    out->modified_ms =
        (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    out->dir = S_ISDIR(st->st_mode);
}

static enum err_kind list_all(DIR *d, const char *path, struct place_list *l,
                              struct err *e)
{
    struct dirent *de;

    for (errno = 0; (de = readdir(d)) != NULL; errno = 0) {
        struct place_entry one = {0};
        struct stat st;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(d), de->d_name, &st, 0) != 0) {
            if (errno == ENOENT)
                continue; // gone meanwhile
            return failed("stat", de->d_name, e);
        }
        read_stat(&one, &st);
        TRY(place_list_add(l, span_str(de->d_name), &one, e));
    }
    return errno == 0 ? ERR_OK : failed("readdir", path, e);
}

static enum err_kind list(struct place *p, const char *dir, struct place_list *out,
                          struct err *e)
{
    const char *path = path_of(local_of(p), 0, dir);
    DIR *d = opendir(path);

    if (d == NULL)
        return failed("opendir", path, e);
    enum err_kind rc = list_all(d, path, out, e);
    closedir(d);
    return rc;
}

static enum err_kind read_some(int fd, const char *path, int64_t at, size_t n,
                               struct buf *out, struct err *e)
{
    while (n > 0) {
        size_t want = n < CHUNK ? n : CHUNK;
        uint8_t *room = buf_room(out, want);
        if (room == NULL)
            return ERR_OK; // over: the caller asks buf_status()
        ssize_t got = pread(fd, room, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read", path, e);
        if (got == 0)
            return ERR_OK;
        buf_added(out, (size_t)got);
        at += got;
        n -= (size_t)got;
    }
    return ERR_OK;
}

static enum err_kind read_(struct place *p, const char *name, int64_t at, size_t n,
                           struct buf *out, struct err *e)
{
    const char *path = path_of(local_of(p), 0, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return failed("open", path, e);
    enum err_kind rc = read_some(fd, path, at, n, out, e);
    close(fd);
    return rc;
}

static enum err_kind stat_(struct place *p, const char *name, struct place_entry *out,
                           struct err *e)
{
    const char *path = path_of(local_of(p), 0, name);
    struct stat st;

    if (stat(path, &st) != 0)
        return failed("stat", path, e);
    read_stat(out, &st);
    return ERR_OK;
}

static enum err_kind remove_(struct place *p, const char *name, struct err *e)
{
    const char *path = path_of(local_of(p), 0, name);

    if (unlink(path) != 0)
        return failed("unlink", path, e);
    return sync_parent(path, e);
}

static enum err_kind sweep_one(struct place *p, const char *name, int64_t before_ms,
                               bool (*keep)(void *arg, struct span id), void *arg,
                               const struct place_entry *one, size_t *swept,
                               struct err *e)
{
    char id[PLACE_NAME];

    snprintf(id, sizeof id, "_tmp/%s", name);
    if (one->dir || one->modified_ms > before_ms || keep(arg, span_str(id)))
        return ERR_OK;
    enum err_kind rc = remove_(p, id, e);
    *swept += rc == ERR_OK;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* The time by the file system, which may be another machine's. */
static enum err_kind ask_time(struct place *p, int64_t *ms, struct err *e)
{
    char name[PLACE_NAME];
    struct stat st;

    snprintf(name, sizeof name, "_tmp/%d-%" PRId64 ".now", (int)getpid(), clock_us());
    const char *path = path_of(local_of(p), 0, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return failed("create", path, e);
    enum err_kind rc = fstat(fd, &st) == 0 ? ERR_OK : failed("stat", path, e);
    close(fd);
    (void)unlink(path);
    if (rc == ERR_OK)
        *ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
    return rc;
}

static enum err_kind sweep(struct place *p, int64_t age_ms,
                           bool (*keep)(void *arg, struct span id), void *arg,
                           size_t *swept, struct err *e)
{
    struct arena a = {0};
    struct place_entry *all = NULL;
    int64_t now_ms = 0;
    size_t n = 0;

    enum err_kind rc = place_list(p, "_tmp", NULL, &a, &all, &n, e);
    if (rc == ERR_OK && n > 0)
        rc = ask_time(p, &now_ms, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++)
        rc = sweep_one(p, all[i].name, now_ms - age_ms, keep, arg, &all[i], swept, e);
    arena_free(&a);
    return rc;
}

static void close_(struct place *p)
{
    struct local *l = local_of(p);

    free(l->root);
    free(l);
}

static const struct place_ops ops = {
    .kind = "local",
    .write = write_,
    .claim = claim,
    .finish = finish,
    .discard = discard,
    .pending = pending,
    .list = list,
    .read = read_,
    .stat = stat_,
    .remove = remove_,
    .sweep = sweep,
    .close = close_,
};

enum err_kind place_local_open(struct place **out, const struct place_settings *s,
                               struct span rest, struct err *e)
{
    while (rest.n > 1 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (rest.n < 2 || rest.p[0] != '/' || rest.n > 3000)
        return err_set(e, ERR_INVALID, "place \"%.80s\", wanted file:///DIRECTORY",
                       s->url);
    struct local *l = mem_alloc(sizeof *l);
    l->place.ops = &ops;
    l->root = mem_str(rest);
    *out = &l->place;
    return ERR_OK;
}

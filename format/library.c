#include "format/library.h"

#include "base/span.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME "libavrogate-parquet.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct pq_abi *opened; // under lock

/* The program's folder with its last slash; "" when nobody knows. */
static void own_folder(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        out[0] = '\0';
    else
        slash[1] = '\0';
}

static void *open_at(const char *folder, const char *below)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof path, "%s%s" NAME, folder, below);
    if (access(path, F_OK) != 0)
        return NULL; // or the message of the last place would hide this one's
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *open_somewhere(char why[200])
{
    const char *named = getenv("AVROGATE_PARQUET");
    char folder[PATH_MAX];
    void *lib = NULL;

    own_folder(folder);
    dlerror();
    if (named != NULL && *named != '\0') {
        lib = dlopen(named, RTLD_NOW | RTLD_LOCAL);
    } else {
        if (*folder != '\0')
            lib = open_at(folder, "");
        if (lib == NULL && *folder != '\0')
            lib = open_at(folder, "../lib/avrogate/");
        const char *found_broken = lib == NULL ? dlerror() : NULL;
        if (found_broken != NULL) {
            snprintf(why, 200, "%s", found_broken);
            return NULL;
        }
        if (lib == NULL)
            lib = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
    }
    if (lib == NULL) {
        const char *said = dlerror();
        snprintf(why, 200, "%s", said != NULL ? said : "it cannot be opened");
    }
    return lib;
}

static enum err_kind open_library(struct err *e)
{
    const struct pq_abi *(*ask)(int);
    char why[200];
    void *lib = open_somewhere(why);

    if (lib == NULL)
        return err_set(e, ERR_UNAVAILABLE,
                       "Parquet needs " NAME
                       " beside the program: ./deps parquet, then "
                       "build again (%.120s)",
                       why);
    *(void **)&ask = dlsym(lib, PQ_SYMBOL);
    opened = ask == NULL ? NULL : ask(PQ_ABI);
    if (opened == NULL) {
        dlclose(lib);
        return err_set(e, ERR_UNAVAILABLE,
                       NAME " is of another version than this program: wanted "
                            "interface %d",
                       PQ_ABI);
    }
    return ERR_OK;
}

enum err_kind library_open(const struct pq_abi **out, struct err *e)
{
    enum err_kind k = ERR_OK;

    pthread_mutex_lock(&lock);
    if (opened == NULL)
        k = open_library(e);
    *out = opened;
    pthread_mutex_unlock(&lock);
    return k;
}

#include "odbc/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct odbc_api api; // under lock until `loaded`
static bool loaded;

static const struct {
    const char *name;
    size_t at;
} calls[] = {
#define ODBC_ROW(name) {#name, offsetof(struct odbc_api, name)},
    ODBC_CALLS(ODBC_ROW)
#undef ODBC_ROW
};

static enum err_kind find_calls(void *lib, const char *path, struct err *e)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        void *call = dlsym(lib, calls[i].name);
        if (call == NULL)
            return err_set(e, ERR_UNAVAILABLE, "%s has no %s: no driver manager?", path,
                           calls[i].name);
        memcpy((char *)&api + calls[i].at, &call, sizeof call);
    }
    return ERR_OK;
}

static enum err_kind load(struct err *e)
{
    const char *path = getenv("AVROGATE_ODBC");

    if (path == NULL || *path == '\0')
        path = "libodbc.so.2";
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL) {
        const char *why = dlerror();
        return err_set(e, ERR_UNAVAILABLE,
                       "ODBC needs unixODBC (Debian: unixodbc): %.160s",
                       why == NULL ? path : why);
    }
    enum err_kind rc = find_calls(lib, path, e);
    if (rc != ERR_OK)
        dlclose(lib);
    return rc;
}

enum err_kind odbc_library(const struct odbc_api **out, struct err *e)
{
    enum err_kind rc = ERR_OK;

    pthread_mutex_lock(&lock);
    if (!loaded)
        rc = load(e);
    loaded = rc == ERR_OK;
    pthread_mutex_unlock(&lock);
    if (rc == ERR_OK)
        *out = &api;
    return rc;
}

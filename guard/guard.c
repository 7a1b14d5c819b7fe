#include "guard/guard.h"

#include "base/log.h"

#include <stdlib.h>

struct guard {
    const struct guard_settings *s;
    struct http_tls *tls;
};

/* Half of a pair is a wish for security that would come to nothing in silence. */
static enum err_kind check_settings(const struct guard_settings *s, struct err *e)
{
    if ((s->tls_cert == NULL) != (s->tls_key == NULL))
        return err_set(e, ERR_INVALID,
                       "tls.cert and tls.key: one is given, wanted both");
    if (s->tls_client_ca != NULL && s->tls_cert == NULL)
        return err_set(e, ERR_INVALID,
                       "tls.client_ca is given, but without tls.cert there is no TLS");
    return ERR_OK;
}

static enum err_kind open_tls(struct guard *g, struct err *e)
{
    const struct http_tls_files files = {.cert = g->s->tls_cert,
                                         .key = g->s->tls_key,
                                         .client_ca = g->s->tls_client_ca,
                                         .client_may_lack = g->s->tls_client_cert == 1};

    return files.cert != NULL ? http_tls_open(&g->tls, &files, e) : ERR_OK;
}

enum err_kind guard_open(struct guard **out, const struct guard_settings *s,
                         struct err *e)
{
    TRY(check_settings(s, e));
    struct guard *g = mem_alloc(sizeof *g);
    g->s = s;
    enum err_kind rc = open_tls(g, e);
    if (rc != ERR_OK) {
        guard_close(g);
        return rc;
    }
    *out = g;
    return ERR_OK;
}

void guard_close(struct guard *g)
{
    if (g == NULL)
        return;
    http_tls_close(g->tls);
    free(g);
}

struct http_tls *guard_tls(const struct guard *g)
{
    return g->tls;
}

static void tell(const char *what, enum err_kind rc, const struct err *e)
{
    if (rc == ERR_OK)
        log_event(LOG_INFO, "read again", LOG_S("what", what), LOG_END);
    else
        log_err(LOG_ERROR, "not read again, the old one stays", e);
}

void guard_reload(struct guard *g)
{
    struct err e = {0};

    if (g->tls != NULL)
        tell("tls", http_tls_reload(g->tls, &e), &e);
}

#include "registry/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char epoch_name[] = "avrogate.epoch";
static const char instance_name[] = "avrogate.instance";
static const char url_name[] = "avrogate.url";

static struct span header(const struct kf_header *headers, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(headers[i].name, name) == 0)
            return headers[i].value;
    return (struct span){0};
}

/* False when it does not fit, or holds what no text of ours does. */
static bool copy(char *to, size_t most, struct span from)
{
    if (from.n > most)
        return false;
    for (size_t i = 0; i < from.n; i++)
        if (from.p[i] <= ' ' || from.p[i] > '~')
            return false;
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

bool reg_fence_read(struct reg_fence *out, const struct kf_header *headers, size_t n,
                    int64_t offset)
{
    struct reg_fence f = {.offset = offset};
    struct err e = {0};
    char epoch[24];

    if (!copy(f.instance, REG_INSTANCE, header(headers, n, instance_name)) ||
        f.instance[0] == '\0')
        return false;
    if (!copy(epoch, sizeof epoch - 1, header(headers, n, epoch_name)))
        return false;
    f.epoch = strtoull(epoch, NULL, 10);
    // A holder whose address is none is still the holder; it is not sent to.
    if (!copy(f.url, REG_URL_MOST, header(headers, n, url_name)) ||
        reg_url_check(f.url, &e) != ERR_OK)
        f.url[0] = '\0';
    *out = f;
    return true;
}

void reg_fence_put(const struct reg_fence *f, struct kf_header out[REG_FENCE_HEADERS],
                   struct arena *a)
{
    struct span epoch = arena_printf(a, "%" PRIu64, f->epoch);

    out[0] = (struct kf_header){epoch_name, epoch};
    out[1] = (struct kf_header){instance_name, span_str(f->instance)};
    out[2] = (struct kf_header){url_name, span_str(f->url)};
}

static const char *after_scheme(const char *url)
{
    if (strncasecmp(url, "http://", 7) == 0)
        return url + 7;
    return strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

enum err_kind reg_url_check(const char *url, struct err *e)
{
    const char *host = after_scheme(url);
    size_t n = strlen(url);

    if (host == NULL || *host == '\0' || *host == ':')
        return err_set(e, ERR_INVALID, "\"%.100s\" is no URL, wanted http://HOST:PORT",
                       url);
    if (n > REG_URL_MOST)
        return err_set(e, ERR_INVALID, "a URL of %zu bytes, wanted %d at most", n,
                       REG_URL_MOST);
    size_t authority = strcspn(host, "/?#@\\ ");
    if (host[authority] != '\0')
        return err_set(e, ERR_INVALID,
                       "\"%.100s\": wanted http://HOST:PORT and nothing behind it",
                       url);
    return ERR_OK;
}

enum reg_way reg_way_of(const struct reg_standing *s)
{
    bool ours = s->url[0] != '\0' && strcasecmp(s->url, s->newest) == 0;

    if (s->holds || ours) // ours, not held: we were started anew, or lost it unheard
        return REG_WRITE;
    if (s->from_instance)
        return REG_NOT_MINE;
    if (s->newest[0] == '\0' || s->newest_is_dead)
        return REG_WRITE;
    return REG_FORWARD;
}

#include "base/plain.h"

#include <pthread.h>

static locale_t plain;

static void make_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t plain_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_plain);
    return uselocale(plain); // (locale_t)0 would only ask, and change nothing
}

void plain_end(locale_t was)
{
    uselocale(was);
}

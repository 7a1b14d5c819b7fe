#include "avro-core/canon.h"

#include <assert.h>
#include <openssl/evp.h>

/* "Schema Fingerprints" of the specification: the fingerprint of no bytes, and at the
 * same time the polynomial, reflected. */
#define EMPTY UINT64_C(0xc15d213aa4d7a795)

/* What one byte does to the fingerprint; the specification keeps these in a table,
 * which pays for more bytes than a schema has. */
static uint64_t fold(uint64_t fp)
{
    for (int bit = 0; bit < 8; bit++)
        fp = (fp >> 1) ^ (EMPTY & -(fp & 1));
    return fp;
}

uint64_t av_crc64(struct span bytes)
{
    uint64_t fp = EMPTY;

    for (size_t i = 0; i < bytes.n; i++)
        fp = (fp >> 8) ^ fold((fp ^ bytes.p[i]) & 0xff);
    return fp;
}

static void digest(uint8_t *out, struct span bytes, const EVP_MD *kind)
{
    int done = EVP_Digest(bytes.p, bytes.n, out, NULL, kind, NULL);

    assert(done == 1);
    (void)done;
}

void av_md5(uint8_t out[16], struct span bytes)
{
    digest(out, bytes, EVP_md5());
}

void av_sha256(uint8_t out[32], struct span bytes)
{
    digest(out, bytes, EVP_sha256());
}

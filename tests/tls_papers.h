/*
 * tls_papers.h - certificates for tests, made on the spot: an authority, and names it
 * vouches for.  All of it in a directory that papers_burn() removes.
 */
#pragma once

#include "tests/check.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

struct papers {
    char dir[32];
    EVP_PKEY *key; // the authority's
    X509 *ca;
    long serial;
};

struct paper {
    char cert[64], key[64];
};

static inline void paper_write(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");

    if (cert != NULL)
        PEM_write_X509(f, cert);
    else
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static inline X509 *paper_sign(struct papers *p, EVP_PKEY *subject, const char *cn)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++p->serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Shop", -1,
                               -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1,
                               0);
    X509_set_issuer_name(x, p->ca != NULL ? X509_get_subject_name(p->ca) : name);
    X509_set_pubkey(x, subject);
    X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                             p->ca == NULL ? "CA:TRUE" : "CA:FALSE");
    X509_add_ext(x, ca, -1);
    X509_EXTENSION_free(ca);
    X509_sign(x, p->key, EVP_sha256());
    return x;
}

static inline void papers_make(struct papers *p)
{
    char path[64];

    *p = (struct papers){.dir = "/tmp/avrogate-tls-XXXXXX"};
    CHECK(mkdtemp(p->dir) != NULL);
    p->key = EVP_EC_gen("P-256");
    p->ca = paper_sign(p, p->key, "authority");
    snprintf(path, sizeof path, "%s/ca.pem", p->dir);
    paper_write(path, p->ca, NULL);
}

/* `file`.pem and `file`.key for `cn`. */
static inline struct paper papers_for(struct papers *p, const char *file,
                                      const char *cn)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = paper_sign(p, key, cn);
    struct paper out;

    snprintf(out.cert, sizeof out.cert, "%s/%s.pem", p->dir, file);
    snprintf(out.key, sizeof out.key, "%s/%s.key", p->dir, file);
    paper_write(out.cert, cert, NULL);
    paper_write(out.key, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return out;
}

/* `file`.crl: certificates `from` to `to` are withdrawn; it is good for `seconds` more.
 */
static inline void papers_withdraw(struct papers *p, const char *file, long from,
                                   long to, long seconds)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_new();
    char path[64];

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(p->ca));
    X509_gmtime_adj(at, -3600);
    X509_CRL_set1_lastUpdate(crl, at);
    for (long serial = from; serial <= to; serial++) {
        X509_REVOKED *one = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();

        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(one, number);
        X509_REVOKED_set_revocationDate(one, at);
        X509_CRL_add0_revoked(crl, one);
        ASN1_INTEGER_free(number);
    }
    X509_gmtime_adj(at, seconds);
    X509_CRL_set1_nextUpdate(crl, at);
    X509_CRL_sort(crl);
    X509_CRL_sign(crl, p->key, EVP_sha256());
    snprintf(path, sizeof path, "%s/%s.crl", p->dir, file);
    FILE *f = fopen(path, "w");
    PEM_write_X509_CRL(f, crl);
    fclose(f);
    ASN1_TIME_free(at);
    X509_CRL_free(crl);
}

static inline void papers_burn(struct papers *p)
{
    char command[64];

    X509_free(p->ca);
    EVP_PKEY_free(p->key);
    snprintf(command, sizeof command, "rm -r %s", p->dir);
    CHECK_INT(system(command), 0);
}

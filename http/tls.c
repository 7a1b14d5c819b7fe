#include "http/tls_inside.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

#define NAME_MOST \
    1024 // bytes of a client's name; longer ones are cut, and match nobody

struct http_tls {
    struct http_tls_files files;
    pthread_mutex_t lock;
    SSL_CTX *now; // under lock; sessions hold their own reference
};

struct tls_session {
    SSL *ssl;
    bool waits_to_send;
    bool broken; // OpenSSL wants no more calls but SSL_free()
    bool named;  // `client` has been looked up
    char *client;
};

/* What OpenSSL says of its oldest complaint, and the queue is empty after it. */
static enum err_kind fail(struct err *e, const char *what, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *why = ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(e, ERR_INVALID, "%s %s: %s", what, file,
                   why != NULL ? why : "OpenSSL does not say why");
}

/* There is nobody to ask: the default would read from the terminal. */
static int no_passphrase(char *p, int room, int writing, void *of)
{
    (void)p, (void)room, (void)writing, (void)of;
    return 0;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
                           const unsigned char *offered, unsigned int noffered,
                           void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found = NULL;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&found, n, ours, sizeof ours - 1, offered, noffered) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301, 3.2
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *c)
{
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20"); // of 1.2; 1.3's are good
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    // a retry may come from the arena instead of the loop's buffer; idle ones hold none
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
}

/* A list that is missing or out of date turns everybody away: who can keep it from us
 * must not be able to come in by that (RFC 5280, 6.3). */
static enum err_kind look_up_withdrawn(SSL_CTX *c, const char *file, struct err *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (lookup == NULL || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
        return fail(e, "revocation lists", file);
    if (X509_STORE_set_flags(store,
                             X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) != 1)
        return fail(e, "revocation lists", file);
    return ERR_OK;
}

static enum err_kind ask_for_clients(SSL_CTX *c, const struct http_tls_files *f,
                                     struct err *e)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(f->client_ca);

    if (names == NULL)
        return fail(e, "certificate authority", f->client_ca);
    SSL_CTX_set_client_CA_list(c, names); // takes it
    if (SSL_CTX_load_verify_locations(c, f->client_ca, NULL) != 1)
        return fail(e, "certificate authority", f->client_ca);
    TRY(f->client_crl != NULL ? look_up_withdrawn(c, f->client_crl, e) : ERR_OK);
    SSL_CTX_set_verify(
        c, SSL_VERIFY_PEER | (f->client_may_lack ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
        NULL);
    return ERR_OK;
}

static enum err_kind read_files(SSL_CTX *c, const struct http_tls_files *f,
                                struct err *e)
{
    if (SSL_CTX_use_certificate_chain_file(c, f->cert) != 1)
        return fail(e, "certificate", f->cert);
    if (SSL_CTX_use_PrivateKey_file(c, f->key, SSL_FILETYPE_PEM) != 1)
        return fail(e, "key", f->key);
    if (SSL_CTX_check_private_key(c) != 1)
        return fail(e, "key", f->key);
    return f->client_ca != NULL ? ask_for_clients(c, f, e) : ERR_OK;
}

static enum err_kind make(SSL_CTX **out, const struct http_tls_files *f, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c == NULL)
        return fail(e, "TLS", "cannot start");
    set_rules(c);
    enum err_kind rc = read_files(c, f, e);
    if (rc != ERR_OK) {
        SSL_CTX_free(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

enum err_kind http_tls_open(struct http_tls **out, const struct http_tls_files *files,
                            struct err *e)
{
    SSL_CTX *first;

    TRY(make(&first, files, e));
    struct http_tls *t = mem_alloc(sizeof *t);
    t->files = *files;
    t->now = first;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return ERR_OK;
}

enum err_kind http_tls_reload(struct http_tls *t, struct err *e)
{
    SSL_CTX *fresh, *old;

    TRY(make(&fresh, &t->files, e));
    pthread_mutex_lock(&t->lock);
    old = t->now;
    t->now = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return ERR_OK;
}

void http_tls_close(struct http_tls *t)
{
    if (t == NULL)
        return;
    SSL_CTX_free(t->now);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* One session. */

struct tls_session *tls_begin(struct http_tls *t, int fd)
{
    pthread_mutex_lock(&t->lock);
    SSL *ssl = SSL_new(t->now);
    pthread_mutex_unlock(&t->lock);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    struct tls_session *s = mem_alloc(sizeof *s);
    s->ssl = ssl;
    return s;
}

/* Why a call went nowhere. */
static enum socket_result outcome(struct tls_session *s, int result)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ: return SOCKET_WAIT;
    case SSL_ERROR_WANT_WRITE: s->waits_to_send = true; return SOCKET_WAIT;
    case SSL_ERROR_ZERO_RETURN: return SOCKET_ENDED;
    default:
        s->broken = true;
        ERR_clear_error();
        return SOCKET_BROKEN;
    }
}

enum socket_result tls_recv(struct tls_session *s, uint8_t *p, size_t room, size_t *n)
{
    *n = 0;
    s->waits_to_send = false;
    ERR_clear_error(); // SSL_get_error() looks at this thread's queue
    int got = SSL_read_ex(s->ssl, p, room, n);
    return got == 1 ? SOCKET_DONE : outcome(s, got);
}

enum socket_result tls_send(struct tls_session *s, const struct span pieces[2],
                            size_t *n)
{
    const struct span *first = pieces[0].n > 0 ? &pieces[0] : &pieces[1];

    *n = 0;
    ERR_clear_error();
    int sent = SSL_write_ex(s->ssl, first->p, first->n, n);
    if (sent == 1)
        return SOCKET_DONE;
    enum socket_result r = outcome(s, sent);
    s->waits_to_send = false; // whoever sends is told of room anyway
    return r == SOCKET_ENDED ? SOCKET_BROKEN : r;
}

bool tls_waits_to_send(const struct tls_session *s)
{
    return s->waits_to_send;
}

bool tls_is_agreed(const struct tls_session *s)
{
    return SSL_is_init_finished(s->ssl);
}

/* RFC 2253 as OpenSSL prints it, but letters beyond ASCII as the UTF-8 they are. */
static char *print_name(const X509_NAME *name)
{
    char text[NAME_MOST] = "";
    BIO *out = BIO_new(BIO_s_mem());

    if (out == NULL)
        return mem_str(span_str(""));
    X509_NAME_print_ex(out, name, 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    int n = BIO_read(out, text, sizeof text - 1);
    BIO_free(out);
    return mem_str(span_of(text, n > 0 ? (size_t)n : 0));
}

struct span tls_client(struct tls_session *s)
{
    if (!s->named && tls_is_agreed(s)) {
        X509 *cert = SSL_get0_peer_certificate(s->ssl); // verified, or there is none
        s->named = true;
        if (cert != NULL && SSL_get_verify_result(s->ssl) == X509_V_OK)
            s->client = print_name(X509_get_subject_name(cert));
    }
    return s->client != NULL ? span_str(s->client) : (struct span){0};
}

void tls_finish(struct tls_session *s)
{
    if (s->broken || !SSL_is_init_finished(s->ssl))
        return;
    ERR_clear_error();
    if (SSL_shutdown(s->ssl) < 0)
        ERR_clear_error(); // the client is gone or does not read: it will see the end
}

void tls_end(struct tls_session *s)
{
    SSL_free(s->ssl);
    free(s->client);
    free(s);
}

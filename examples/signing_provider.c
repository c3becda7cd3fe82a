/* A provider of OpenSSL 3, built into the program: keys that have a public half only, and signatures that come from
 * the signing worker.
 *
 * OpenSSL has two ways to sign elsewhere. The older one, EC_KEY_METHOD_set_sign(), is a few lines, but it is
 * deprecated, and a key of that kind goes through code of OpenSSL 1.1 that is kept for such keys alone. A provider
 * is the supported way: two tables of functions. One is of keys named "EC", which hand all questions on to an
 * ordinary public key. The other is of one kind of signature under a name that no other provider has, so that
 * OpenSSL cannot take these keys elsewhere; they also cannot be exported.
 *
 * The provider is alone in a library context of its own. In the default one OpenSSL 3.0 may take its "EC" for the
 * default provider's when it makes the keys of a connection, whatever properties are asked for: what it found in one
 * provider it remembers for all. */
#include "signing_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define NAME "signing-worker"

static struct signing_worker *worker;

typedef void (*function)(void); /* what a table holds, whatever its type is */

/* ---- keys: a public key of the default provider each ---- */

struct key {
        EVP_PKEY *public;
};

static void *key_new(void *provider)
{
        (void)provider;
        return OPENSSL_zalloc(sizeof(struct key));
}

static void key_free(void *key)
{
        struct key *k = key;

        if (k != NULL)
                EVP_PKEY_free(k->public);
        OPENSSL_free(k);
}

/* OpenSSL asks so whether the key can sign; it can. */
static int key_has(const void *key, int selection)
{
        (void)selection;
        return ((const struct key *)key)->public != NULL;
}

static int key_match(const void *one, const void *other, int selection)
{
        (void)selection;
        return EVP_PKEY_eq(((const struct key *)one)->public, ((const struct key *)other)->public) == 1;
}

static int key_import(void *key, int selection, const OSSL_PARAM params[])
{
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        OSSL_PARAM *copy = OSSL_PARAM_dup(params);
        struct key *k = key;
        int is_done = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 && k->public == NULL && context != NULL && copy != NULL &&
                      EVP_PKEY_fromdata_init(context) == 1 && EVP_PKEY_fromdata(context, &k->public, EVP_PKEY_PUBLIC_KEY, copy) == 1;

        OSSL_PARAM_free(copy);
        EVP_PKEY_CTX_free(context);
        return is_done;
}

static const OSSL_PARAM *key_import_types(int selection)
{
        static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                           OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END};

        (void)selection;
        return types;
}

static int key_get_params(void *key, OSSL_PARAM params[])
{
        return EVP_PKEY_get_params(((struct key *)key)->public, params);
}

static const OSSL_PARAM *key_gettable_params(void *provider)
{
        static const OSSL_PARAM answered[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                              OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                              OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL), OSSL_PARAM_END};

        (void)provider;
        return answered;
}

static const char *key_operation_name(int operation)
{
        return operation == OSSL_OP_SIGNATURE ? NAME : NULL;
}

static const OSSL_DISPATCH key_functions[] = {
        {OSSL_FUNC_KEYMGMT_NEW, (function)key_new},
        {OSSL_FUNC_KEYMGMT_FREE, (function)key_free},
        {OSSL_FUNC_KEYMGMT_HAS, (function)key_has},
        {OSSL_FUNC_KEYMGMT_MATCH, (function)key_match},
        {OSSL_FUNC_KEYMGMT_IMPORT, (function)key_import},
        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (function)key_import_types},
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (function)key_get_params},
        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (function)key_gettable_params},
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (function)key_operation_name},
        {0, NULL},
};

/* ---- signatures: ECDSA with SHA-256, of the worker's making. There is nothing to remember between the two calls. ---- */

static void *signature_new(void *provider, const char *properties)
{
        (void)provider, (void)properties;
        return OPENSSL_zalloc(1);
}

static void signature_free(void *context)
{
        OPENSSL_free(context);
}

static int signature_begin(void *context, const char *digest_name, void *key, const OSSL_PARAM params[])
{
        EVP_MD *digest = EVP_MD_fetch(NULL, digest_name != NULL ? digest_name : "SHA256", NULL);
        int is_ours = digest != NULL && EVP_MD_is_a(digest, "SHA256");

        (void)context, (void)key, (void)params;
        EVP_MD_free(digest);
        return is_ours;
}

/* signature NULL: how long will it be at most? */
static int signature_make(void *context, unsigned char *signature, size_t *n_bytes, size_t max_bytes, const unsigned char *message,
                          size_t n_message)
{
        (void)context;
        *n_bytes = SIGNING_SIGNATURE_BYTES;
        if (signature == NULL)
                return 1;
        if (max_bytes < SIGNING_SIGNATURE_BYTES)
                return 0;
        *n_bytes = signing_worker_sign(worker, signature, message, n_message);
        return *n_bytes > 0;
}

static const OSSL_DISPATCH signature_functions[] = {
        {OSSL_FUNC_SIGNATURE_NEWCTX, (function)signature_new},
        {OSSL_FUNC_SIGNATURE_FREECTX, (function)signature_free},
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (function)signature_begin},
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (function)signature_make},
        {0, NULL},
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *list_algorithms(void *provider, int operation, int *may_not_be_kept)
{
        static const OSSL_ALGORITHM keys[] = {{"EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=" NAME, key_functions, NULL},
                                              {NULL, NULL, NULL, NULL}};
        static const OSSL_ALGORITHM signatures[] = {{NAME, "provider=" NAME, signature_functions, NULL}, {NULL, NULL, NULL, NULL}};

        (void)provider;
        *may_not_be_kept = 0;
        return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int begin(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *from_core, const OSSL_DISPATCH **functions, void **provider)
{
        static const OSSL_DISPATCH own[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (function)list_algorithms}, {0, NULL}};

        (void)core, (void)from_core;
        *functions = own;
        *provider = &worker; /* anything but NULL */
        return 1;
}

EVP_PKEY *signing_provider_key(X509 *certificate, struct signing_worker *w)
{
        OSSL_LIB_CTX *own = OSSL_LIB_CTX_new(); /* stays for as long as the process: the key needs it */
        EVP_PKEY_CTX *context = NULL;
        OSSL_PARAM *public = NULL;
        EVP_PKEY *key = NULL;

        worker = w;
        if (own != NULL && OSSL_PROVIDER_add_builtin(own, NAME, begin) == 1 && OSSL_PROVIDER_load(own, NAME) != NULL)
                context = EVP_PKEY_CTX_new_from_name(own, "EC", NULL);
        if (context == NULL || EVP_PKEY_todata(X509_get0_pubkey(certificate), EVP_PKEY_PUBLIC_KEY, &public) != 1 ||
            EVP_PKEY_fromdata_init(context) != 1 || EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, public) != 1)
                key = NULL;
        EVP_PKEY_CTX_free(context);
        OSSL_PARAM_free(public);
        return key;
}

/* A correct program on libsodium that crashes: its keys stand in sodium_malloc()'s memory, open only while they are
 * used. Linked as libsodium's pkg-config file says. */
#include "crashing.h"

#include <string.h>

static unsigned char mark[CRASHING_BYTES];
static unsigned char message[CRASHING_MESSAGE_BYTES], nonce[crypto_secretbox_NONCEBYTES];
static unsigned char box[CRASHING_MESSAGE_BYTES + crypto_secretbox_MACBYTES];
static unsigned char *key;

static void take_in(void)
{
        unsigned char incoming[CRASHING_BYTES];

        crashing_receive(incoming);
        sodium_mprotect_readwrite(key);
        memcpy(key, incoming, sizeof incoming);
        sodium_memzero(incoming, sizeof incoming);
        sodium_mprotect_noaccess(key);
}

static void encrypt(void)
{
        sodium_mprotect_readonly(key);
        crypto_secretbox_easy(box, message, sizeof message, nonce, key);
        sodium_mprotect_noaccess(key);
}

int main(void)
{
        if (sodium_init() < 0 || (key = sodium_malloc(CRASHING_BYTES)) == NULL)
                return 2;
        crashing_receive(mark);
        take_in();
        encrypt();
        take_in();
        abort();
}

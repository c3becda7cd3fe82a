/* The same program on keepmum. Linked as keepmum's pkg-config file says. */
#include "crashing.h"

#include <keepmum.h>

static unsigned char mark[CRASHING_BYTES];
static unsigned char message[CRASHING_MESSAGE_BYTES], nonce[crypto_secretbox_NONCEBYTES];
static unsigned char box[CRASHING_MESSAGE_BYTES + crypto_secretbox_MACBYTES];
static keepmum_secret key;

static void take_in(void)
{
        unsigned char incoming[CRASHING_BYTES];

        crashing_receive(incoming);
        keepmum_destroy(&key);
        if (keepmum_take(&key, incoming, sizeof incoming, 0) != 0) /* wipes it */
                exit(2);
}

static int encrypt_with(void *bytes)
{
        return crypto_secretbox_easy(box, message, sizeof message, nonce, bytes);
}

static void encrypt(void)
{
        const void *bytes;

        if (keepmum_open_read(key, &bytes, NULL) != 0 ||
            keepmum_call_clean(NULL, encrypt_with, (void *)(uintptr_t)bytes, 0) != 0)
                exit(2);
        keepmum_close(key);
}

int main(void)
{
        if (sodium_init() < 0 || keepmum_harden_process(KEEPMUM_WIPE_ON_CRASH) != 0)
                return 2;
        crashing_receive(mark);
        take_in();
        encrypt();
        take_in();
        abort();
}

/* What the figures were made with. bench_machine [COMMIT] */
#include "need.h"

#include <gcrypt.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void print_cpu(void)
{
        FILE *f = fopen("/proc/cpuinfo", "re");
        char line[256];
        const char *name = "unknown";

        while (f != NULL && fgets(line, sizeof line, f) != NULL) {
                char *colon = strchr(line, ':');

                if (strncmp(line, "model name", 10) != 0 || colon == NULL)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                name = colon + 2;
                break;
        }
        printf("| CPU | %s, %ld running |\n", name, sysconf(_SC_NPROCESSORS_ONLN));
        if (f != NULL)
                fclose(f);
}

int main(int argc, char *argv[])
{
        struct utsname kernel;

        need(sodium_init() >= 0 && uname(&kernel) == 0, "libsodium or uname does not work");
        printf("\n## This run\n\n| | |\n|---|---|\n");
        printf("| commit | %s |\n", argc > 1 ? argv[1] : "unknown");
        printf("| kernel | %s %s %s |\n", kernel.sysname, kernel.release, kernel.machine);
        print_cpu();
        printf("| user | %s |\n", geteuid() == 0 ? "root" : "not root");
        printf("| compiler | %s |\n", __VERSION__);
        printf("| libsodium | %s |\n", sodium_version_string());
        printf("| OpenSSL | %s |\n", OpenSSL_version(OPENSSL_VERSION));
        printf("| libgcrypt | %s |\n", gcry_check_version(NULL));
        return 0;
}

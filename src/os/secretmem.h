/* Secret memory files: pages that the kernel itself takes out of its own view (memfd_secret(2)). */
#ifndef OS_SECRETMEM_H
#define OS_SECRETMEM_H

#include <stdbool.h>
#include <stddef.h>

/* A new secret memory file of n_bytes; to be mapped, then closed at once, but for a courier. 0; KEEPMUM_ENOHIDDEN; KEEPMUM_ESYSTEM where descriptors or
 * memory are short at the moment. errno is the cause. */
int secretmem_create(int *fd, size_t n_bytes);
/* Closes any descriptor of ours; EINTR and the like do not matter, it is gone. */
void secretmem_close(int fd);
/* Whether using it costs the machine nothing: one open secret memory file forbids hibernation to all. */
bool secretmem_is_free_of_charge(void);

#endif

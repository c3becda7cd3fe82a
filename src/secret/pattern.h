/* The keyed pattern over the unused part of a slot: catches writes beside a secret that no guard page meets. */
#ifndef SECRET_PATTERN_H
#define SECRET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pattern_start(void);

/* All of slot[0 .. slot_bytes) but payload[0 .. payload_bytes). */
void pattern_lay(unsigned char *slot, size_t slot_bytes, const unsigned char *payload, size_t payload_bytes, uint32_t slot_number);
bool pattern_is_whole(const unsigned char *slot, size_t slot_bytes, const unsigned char *payload, size_t payload_bytes,
                      uint32_t slot_number);

#endif

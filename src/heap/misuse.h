/* The heap's sentences: what ends the process, in these very words (docs/misuse.md). */
#ifndef HEAP_MISUSE_H
#define HEAP_MISUSE_H

#define HEAP_FREE_TWICE "free of a heap block that is free already"
#define HEAP_FREE_NO_BLOCK "free of an address that is no heap block"
#define HEAP_REALLOC_FREED "realloc of a heap block that is free already"
#define HEAP_REALLOC_NO_BLOCK "realloc of an address that is no heap block"
#define HEAP_SIZE_FREED "size asked of a heap block that is free already"
#define HEAP_SIZE_NO_BLOCK "size asked of an address that is no heap block"
#define HEAP_FREE_WRONG_SIZE "free of a heap block with a size or alignment it does not have"
#define HEAP_OVERRUN "write past the end of a heap block"
#define HEAP_UNDERRUN "write before the start of a heap block"
#define HEAP_WRITE_AFTER_FREE "write to a heap block after its free"
#define HEAP_DAMAGED "heap book-keeping is damaged"

/* What the caller was about to do, for the two ways in which an address can be wrong. */
enum heap_act { HEAP_ACT_FREE, HEAP_ACT_REALLOC, HEAP_ACT_SIZE };

_Noreturn void heap_die_freed(enum heap_act act);
_Noreturn void heap_die_no_block(enum heap_act act);

#endif

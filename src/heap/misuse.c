/* The heap's ends. */
#include "heap/misuse.h"

#include "base/fatal.h"

void heap_die_freed(enum heap_act act)
{
        static const char *const sentences[] = {HEAP_FREE_TWICE, HEAP_REALLOC_FREED, HEAP_SIZE_FREED};

        fatal(sentences[act]);
}

void heap_die_no_block(enum heap_act act)
{
        static const char *const sentences[] = {HEAP_FREE_NO_BLOCK, HEAP_REALLOC_NO_BLOCK, HEAP_SIZE_NO_BLOCK};

        fatal(sentences[act]);
}

/* The hash table: open addressing, the next free place after the one an address hashes to; at most three quarters full.
 *
 * Always true: no gap between an entry and the place its address hashes to. Hence a removal moves later entries up. */
#include "heap/large_table.h"

#include "base/size.h"
#include "os/page.h"

struct heap_lock large_table_lock = HEAP_LOCK_INITIAL;

static struct large *table;
static size_t table_places, table_used; /* places: a power of two */

enum { FIRST_PLACES = 256 };

static size_t bytes_for(size_t places)
{
        return size_round_up(places * sizeof *table, page_bytes());
}

static size_t home_of(uintptr_t at)
{
        uint64_t mixed = (uint64_t)(at / page_bytes()) * 0x9e3779b97f4a7c15u;

        return (size_t)(mixed >> 32) & (table_places - 1);
}

static size_t after(size_t place)
{
        return (place + 1) & (table_places - 1);
}

/* The place of this address, or the free one where it belongs. */
static size_t place_of(uintptr_t at)
{
        size_t place = home_of(at);

        while (table[place].at != 0 && table[place].at != at)
                place = after(place);
        return place;
}

static bool grow(void)
{
        struct large *old = table;
        size_t old_places = table_places, places = old == NULL ? FIRST_PLACES : 2 * old_places;
        void *bigger;

        if (page_map_table(&bigger, bytes_for(places)) != 0)
                return false;
        table = bigger;
        table_places = places;
        for (size_t i = 0; i < old_places; i++)
                if (old[i].at != 0)
                        table[place_of(old[i].at)] = old[i];
        if (old != NULL)
                page_release((char *)old - page_bytes(), bytes_for(old_places) + 2 * page_bytes());
        return true;
}

struct large *large_table_find(uintptr_t at)
{
        struct large *d;

        if (table == NULL || at == 0)
                return NULL;
        d = &table[place_of(at)];
        return d->at == at ? d : NULL;
}

struct large *large_table_put(const struct large *d)
{
        struct large *entry = large_table_find(d->at);

        if (entry == NULL) {
                if (table_used >= table_places - table_places / 4 && !grow())
                        return NULL;
                entry = &table[place_of(d->at)];
                table_used++;
        }
        *entry = *d;
        return entry;
}

void large_table_remove(uintptr_t at)
{
        size_t gap = place_of(at);

        for (size_t i = after(gap); table[i].at != 0; i = after(i)) {
                size_t home = home_of(table[i].at), mask = table_places - 1;

                if (((i - home) & mask) >= ((i - gap) & mask)) { /* its home is not behind the gap */
                        table[gap] = table[i];
                        gap = i;
                }
        }
        table[gap] = (struct large){0};
        table_used--;
}

bool large_table_covers(uintptr_t address)
{
        for (size_t i = 0; i < table_places; i++)
                if (table[i].at != 0 && address - table[i].base < table[i].total_bytes)
                        return true;
        return false;
}

void large_table_each(void (*visit)(const struct large *d))
{
        for (size_t i = 0; i < table_places; i++)
                if (table[i].at != 0)
                        visit(&table[i]);
}

size_t large_table_bytes(void)
{
        return table == NULL ? 0 : bytes_for(table_places);
}

/* What can be done wrong to a block of the heap: each is given a live block, spoils something, and returns the address that the next
 * call is to be given. */
#ifndef TESTS_OUTSIDE_HEAP_MISUSES_H
#define TESTS_OUTSIDE_HEAP_MISUSES_H

#include <stddef.h>

char *misuse_nothing(char *p, size_t n_bytes);
char *misuse_free_it(char *p, size_t n_bytes);
char *misuse_free_and_allocate_another_size(char *p, size_t n_bytes);
char *misuse_free_and_allocate_the_same_size(char *p, size_t n_bytes);
char *misuse_free_twice_around_an_allocation(char *p, size_t n_bytes);
char *misuse_free_in_another_thread(char *p, size_t n_bytes);
char *misuse_move_away(char *p, size_t n_bytes);
char *misuse_step_1(char *p, size_t n_bytes);
char *misuse_step_16(char *p, size_t n_bytes);
char *misuse_step_back_16(char *p, size_t n_bytes);
char *misuse_step_to_a_page_within(char *p, size_t n_bytes);
char *misuse_stack_address(char *p, size_t n_bytes);
char *misuse_global_address(char *p, size_t n_bytes);
char *misuse_code_address(char *p, size_t n_bytes);
char *misuse_foreign_mapping(char *p, size_t n_bytes);
char *misuse_block_of_libc(char *p, size_t n_bytes);
char *misuse_wild_low(char *p, size_t n_bytes);
char *misuse_wild_high(char *p, size_t n_bytes);
char *misuse_wild_letters(char *p, size_t n_bytes);
char *misuse_far_above(char *p, size_t n_bytes);
char *misuse_neighbour_never_given(char *p, size_t n_bytes);
char *misuse_overrun_by_1(char *p, size_t n_bytes);
char *misuse_overrun_by_8(char *p, size_t n_bytes);
char *misuse_overrun_by_64(char *p, size_t n_bytes);
char *misuse_copy_a_string_one_too_long(char *p, size_t n_bytes);
char *misuse_overrun_to_the_page_after_the_last(char *p, size_t n_bytes);
char *misuse_overrun_after_a_resize(char *p, size_t n_bytes);
char *misuse_underrun_by_1(char *p, size_t n_bytes);
char *misuse_underrun_by_8(char *p, size_t n_bytes);
char *misuse_underrun_above_a_freed_one(char *p, size_t n_bytes);
char *misuse_underrun_itself_by_1(char *p, size_t n_bytes);
char *misuse_write_the_head_after_free(char *p, size_t n_bytes);
char *misuse_write_the_middle_after_free(char *p, size_t n_bytes);
char *misuse_write_the_last_byte_after_free(char *p, size_t n_bytes);
char *misuse_write_behind_the_end_after_free(char *p, size_t n_bytes);
char *misuse_write_two_pointers_after_free(char *p, size_t n_bytes);
char *misuse_write_after_free_where_nothing_was(char *p, size_t n_bytes);
char *misuse_write_after_a_free_in_another_thread(char *p, size_t n_bytes);
char *misuse_write_at_once_after_free(char *p, size_t n_bytes);
char *misuse_read_at_once_after_free(char *p, size_t n_bytes);
char *misuse_forge_a_chunk_of_glibc(char *p, size_t n_bytes);
char *misuse_forge_a_freed_chunk_behind(char *p, size_t n_bytes);
char *misuse_forge_a_descriptor(char *p, size_t n_bytes);

#endif

/* Workers: the same program, several times over, at the same point of main(). */
#ifndef BENCH_WORKERS_H
#define BENCH_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

enum { WORKERS = 12 };

/* First thing in main() of a program that wants them; argv as main() got it. Starts them, or finds out that this is one. */
void workers_start(char *const argv[]);
bool workers_exist(void);  /* in the program that started them */
bool workers_am_one(void); /* in one of them */

/* The program's side. All workers have come to the point; then one after the other works and gives n_bytes; then all go on. */
void workers_gather(void);
void workers_ask(unsigned worker, void *answer, size_t n_bytes);
void workers_release(void);

/* The worker's side, to be called in this order. */
void workers_wait_for_turn(void);
void workers_answer(const void *answer, size_t n_bytes); /* returns when all may go on */

#endif

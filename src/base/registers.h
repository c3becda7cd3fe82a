/* Clearing registers. */
#ifndef BASE_REGISTERS_H
#define BASE_REGISTERS_H

/* After work on secret bytes: clears every register that a function may leave changed. What stands there stays until something else is
 * computed in it, and goes with every signal to the stack and with a core to a file. Nothing on a CPU that is neither x86-64 nor
 * aarch64. */
void registers_wipe(void);

#endif

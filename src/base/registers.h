/* Clearing vector registers. */
#ifndef BASE_REGISTERS_H
#define BASE_REGISTERS_H

/* After work on secret bytes: what stands in vector registers stays there until something else is computed in them,
 * and goes with every signal to the stack and with a core to a file. */
void registers_wipe(void);

#endif

/* The prompt's own state, put back in a child of fork. */
#ifndef SECRET_PROMPT_H
#define SECRET_PROMPT_H

void prompt_start_anew(void);

#endif

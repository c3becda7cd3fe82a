/* The exit code that secretctl gives for an error, from the one table in keepmum.h. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

int error_exit_code(int error); /* 0 for 0, 1 for what is not in the table */

#endif

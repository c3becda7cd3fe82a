/* A call whose frame stands on another stack. */
#ifndef BASE_MOVED_CALL_H
#define BASE_MOVED_CALL_H

#if defined __x86_64__ || defined __aarch64__
#define MOVED_CALL_IS_THERE 1
#else
#define MOVED_CALL_IS_THERE 0
#endif

/* Calls fn(arg) with its stack ending below top, a multiple of 16. For the caller, the debugger and the unwinder it is an ordinary call.
 * Not where MOVED_CALL_IS_THERE is 0. */
int moved_call(int (*fn)(void *arg), void *arg, void *top);

#endif

/* The end of the process: for what only a bug or an attack can do, never for what the world did. */
#ifndef BASE_FATAL_H
#define BASE_FATAL_H

/* Runs the application's hook, writes "keepmum: SENTENCE" to standard error in one call, aborts. */
_Noreturn void fatal(const char *sentence);
void fatal_set_hook(void (*hook)(const char *sentence));
/* Runs before the hook: makes sure that nothing works any more if the hook leaves by longjmp. */
void fatal_set_stop(void (*stop)(void));
/* Runs last, when SIGABRT has its default action: may give it another one that cannot resume. */
void fatal_set_end(void (*end)(void));

/* A fact that keeps a secret safe; in every build. Nothing with a side effect goes inside. */
#define must(cond, sentence)                                \
        do {                                                \
                if (__builtin_expect(!(cond), 0))           \
                        fatal(sentence);                    \
        } while (0)

/* A fact that is costly to look at; only with --enable-checks. */
#ifdef KEEPMUM_CHECKS
#define check(cond, sentence) must(cond, sentence)
#else
#define check(cond, sentence) ((void)0)
#endif

#endif

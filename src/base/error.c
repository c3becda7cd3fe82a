/* What an error value says: its sentence and its exit code, both from KEEPMUM_ERRORS. */
#include "base/error.h"

#include <keepmum.h>

const char *keepmum_error_text(int error)
{
        switch (error) {
        case 0:
                return "no error";
#define SENTENCE(name, value, exit_code, sentence) \
        case name:                                 \
                return sentence;
                KEEPMUM_ERRORS(SENTENCE)
#undef SENTENCE
        default:
                return "unknown error";
        }
}

int error_exit_code(int error)
{
        switch (error) {
        case 0:
                return 0;
#define EXIT_CODE(name, value, exit_code, sentence) \
        case name:                                  \
                return exit_code;
                KEEPMUM_ERRORS(EXIT_CODE)
#undef EXIT_CODE
        default:
                return 1;
        }
}

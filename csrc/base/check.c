#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void pr_check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "pyray: internal check failed at %s:%d: %s\n", file, line, what);
    abort();
}

/* Assertions. PR_ASSERT is always on: it guards the tables of every process of the session, so to
 * stop is better than to go on wrong. A failed one writes a line to stderr and aborts: in a worker
 * that is an ordinary death, which the supervisor repairs. */
#ifndef PYRAY_BASE_CHECK_H
#define PYRAY_BASE_CHECK_H

#include "base/types.h"

_Noreturn void pr_check_failed(const char *file, int line, const char *what);

#define PR_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (PR_UNLIKELY(!(condition))) pr_check_failed(__FILE__, __LINE__, #condition);            \
    } while (0)

#endif

/* A small test harness: named cases, checks with messages, seeds.
 *
 *     static void holds_one(void) { CHECK(1 + 1 == 2); }
 *     int main(int argc, char **argv)
 *     {
 *         harness_start(argc, argv);
 *         RUN(holds_one);
 *         return harness_end();
 *     }
 *
 * A failed CHECK reports, fails its case and goes on; a failed REQUIRE ends the program, for what
 * follows would make no sense. Randomness comes from harness_seed(): an argument --seed=N, else the
 * environment's PYRAY_TEST_SEED, else the clock; failures print it. Further arguments are names of
 * cases to run. */
#ifndef PYRAY_TESTS_HARNESS_H
#define PYRAY_TESTS_HARNESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

enum { EXIT_SKIP = 77 };

struct harness {
    uint64_t seed;
    int argc;
    char **argv;
    const char *name;
    uint32_t passed, failed;
    uint32_t failures; /* of the current case */
};

__attribute__((weak)) struct harness harness; /* one for all files of a program */

#define HARNESS_UNUSED __attribute__((unused))

HARNESS_UNUSED static uint64_t harness_seed(void) { return harness.seed; }

/* The value of an argument --name=value, or of the environment variable, or `otherwise`. */
HARNESS_UNUSED static uint64_t harness_number(const char *name, const char *variable,
                                              uint64_t otherwise)
{
    size_t length = strlen(name);
    for (int i = 1; i < harness.argc; i++)
        if (strncmp(harness.argv[i], "--", 2) == 0 &&
            strncmp(harness.argv[i] + 2, name, length) == 0 && harness.argv[i][2 + length] == '=')
            return strtoull(harness.argv[i] + 3 + length, NULL, 0);
    const char *text = variable != NULL ? getenv(variable) : NULL;
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

HARNESS_UNUSED static void harness_start(int argc, char **argv)
{
    harness.argc = argc;
    harness.argv = argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    harness.seed =
        harness_number("seed", "PYRAY_TEST_SEED", pr_os_monotonic_ns() / 1000 % 1000000000u);
}

__attribute__((format(printf, 3, 4))) HARNESS_UNUSED static void
harness_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    printf("  %s:%d: in %s (seed %llu): ", file, line, harness.name != NULL ? harness.name : "main",
           (unsigned long long)harness.seed);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    harness.failures++;
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) harness_fail(__FILE__, __LINE__, "%s", #condition);                      \
    } while (0)

/* CHECK with an explanation: CHECK_THAT(a == b, "a is %d", a). */
#define CHECK_THAT(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) harness_fail(__FILE__, __LINE__, #condition ": " __VA_ARGS__);           \
    } while (0)

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            harness_fail(__FILE__, __LINE__, "%s", #condition);                                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The call answers PR_OK. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        enum pr_status ok_ = (call);                                                               \
        if (ok_ != PR_OK) {                                                                        \
            harness_fail(__FILE__, __LINE__, "%s: %s", #call, pr_status_text(ok_));                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static bool harness_wanted(const char *name)
{
    bool any = false;
    for (int i = 1; i < harness.argc; i++) {
        if (strncmp(harness.argv[i], "--", 2) == 0) continue;
        if (strcmp(harness.argv[i], name) == 0) return true;
        any = true;
    }
    return !any;
}

HARNESS_UNUSED static void harness_run(const char *name, void (*test)(void))
{
    if (!harness_wanted(name)) return;
    harness.name = name;
    harness.failures = 0;
    test();
    if (harness.failures == 0)
        harness.passed++;
    else
        harness.failed++;
    printf("%s %s\n", harness.failures == 0 ? "ok  " : "FAIL", name);
    harness.name = NULL;
}

#define RUN(test) harness_run(#test, test)

HARNESS_UNUSED static int harness_end(void)
{
    if (harness.failed > 0) printf("seed %llu\n", (unsigned long long)harness.seed);
    printf("%u passed, %u failed\n", harness.passed, harness.failed);
    return harness.failed == 0 && harness.passed > 0 ? 0 : 1; /* a name of no test is a mistake */
}

#endif

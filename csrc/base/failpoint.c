#include "base/failpoint.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[PR_FP_COUNT] = {
#define PR_FAILPOINT_NAME(name, text) text,
    PR_FAILPOINT_LIST(PR_FAILPOINT_NAME)
#undef PR_FAILPOINT_NAME
};

const char *pr_failpoint_name(enum pr_failpoint point)
{
    return point < PR_FP_COUNT ? names[point] : NULL;
}

static int find(const char *text, size_t length)
{
    for (int i = 0; i < PR_FP_COUNT; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) return i;
    return -1;
}

/* Reads a number at `text`; returns the first character behind it, or NULL if there is none. */
static const char *parse_number(const char *text, uint64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9') return NULL;
    *number = strtoull(text, &end, 10);
    return end;
}

/* Parses one action at `text`; returns the first character behind it, or NULL. */
static const char *parse_action(struct pr_failpoints *points, int which, const char *text)
{
    const char *end;
    uint32_t action;
    uint64_t argument = 0;
    if (strncmp(text, "kill@", 5) == 0) {
        action = PR_FP_KILL;
        end = parse_number(text + 5, &argument);
        if (argument == 0) return NULL;
    } else if (strncmp(text, "delay:", 6) == 0) {
        action = PR_FP_DELAY;
        end = parse_number(text + 6, &argument);
        argument *= 1000000u;
    } else if (strncmp(text, "fail:", 5) == 0) {
        action = PR_FP_FAIL;
        end = parse_number(text + 5, &argument);
        if (argument == 0) return NULL;
    } else if (strncmp(text, "count", 5) == 0) {
        action = PR_FP_TALLY;
        end = text + 5;
    } else {
        return NULL;
    }
    points->point[which].action = action;
    points->point[which].argument = argument;
    return end;
}

uint32_t pr_failpoints_parse(struct pr_failpoints *points, const char *specification)
{
    memset(points, 0, sizeof *points);
    const char *at = specification;
    while (*at != '\0') {
        const char *equals = strchr(at, '=');
        int which = equals != NULL ? find(at, (size_t)(equals - at)) : -1;
        const char *end = which >= 0 ? parse_action(points, which, equals + 1) : NULL;
        if (end == NULL || (*end != '\0' && *end != ',')) return (uint32_t)(at - specification) + 1;
        at = *end == ',' ? end + 1 : end;
    }
    return 0;
}

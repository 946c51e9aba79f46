/* The first part of an audit: every index in the tables names an entry that its table has. The
 * walks of engine/audit.c can then follow them wherever other bytes of the tables are wrong. */
#ifndef PYRAY_ENGINE_AUDIT_INDICES_H
#define PYRAY_ENGINE_AUDIT_INDICES_H

#include "engine/engine.h"

/* Inside a transaction. PR_CORRUPT, with *what naming what is wrong. */
PR_MUST_CHECK enum pr_status pr_audit_indices(const struct pr_context *ctx, const char **what);

#endif

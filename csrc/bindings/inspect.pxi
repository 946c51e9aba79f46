# Statistics and the audit.

def store_stats() -> dict[str, int]:
    """Sizes in bytes and counts of the object store."""
    cdef pr_store_stats_t stats
    check_usable()
    status = pr_store_stats(&context, &stats)
    if status != PR_OK:
        raise_status(status, "statistics")
    return dict(stats)


def engine_stats() -> dict[str, int]:
    """Workers, queues and counters.

    Read without the lock: each number is right, together they may be a moment apart.
    """
    check_usable()
    cdef const pr_engine_root_t *root = pr_engine_root(&context)
    cdef uint32_t starting = root.crew.starting
    cdef pr_index environment = root.environments
    while environment != PR_NONE:
        starting += pr_environment_at(&context, environment).crew.starting
        environment = pr_environment_at(&context, environment).link
    return {
        "workers": root.worker_count,
        "idle": count_idle(),
        "starting": starting + root.spawn_requests,
        "pending": context.header.pools[PR_POOL_TASK].used,
        "ready": root.ready_count,
        "submitted": root.submitted,
        "finished": root.finished,
        "failed": root.failed,
        "retried": root.retried,
        "deaths": root.deaths,
        "recoveries": context.header.recoveries,
    }


def count_idle() -> int:
    """How many workers have nothing to do."""
    check_usable()
    cdef const pr_engine_root_t *root = pr_engine_root(&context)
    cdef uint32_t idle = root.crew.idle_count
    cdef pr_index environment = root.environments
    while environment != PR_NONE:
        idle += pr_environment_at(&context, environment).crew.idle_count
        environment = pr_environment_at(&context, environment).link
    return idle


def resources() -> dict[str, tuple[int, int]]:
    """name -> (total, free), in 1/10000."""
    check_usable()
    cdef const pr_engine_root_t *root = pr_engine_root(&context)
    cdef uint32_t i
    return {
        root.resources[i].name[:strlen(root.resources[i].name)].decode(): (
            root.resources[i].total, root.resources[i].free)
        for i in range(root.resource_count)
    }


def waiting_demands() -> list[tuple[dict[str, int], int]]:
    """What ready tasks ask for (name -> 1/10000), and how many ask for that.

    Read without the lock, as `engine_stats`.
    """
    check_usable()
    cdef const pr_engine_root_t *root = pr_engine_root(&context)
    cdef const pr_class *c
    cdef uint32_t i, kind, shape
    found = []
    for shape in range(1, root.class_count + 1):
        c = pr_class_at(&context, shape)
        if c.count > 0:
            demand = {}
            for i in range(c.demand_count):
                kind = c.demand[i].resource
                name = root.resources[kind].name[:strlen(root.resources[kind].name)].decode()
                demand[name] = c.demand[i].amount
            found.append((demand, c.count))
    return found


def audit() -> dict[str, int]:
    """Check every invariant (SessionCorruptedError if one fails); the number of entries in use."""
    cdef pr_accounts accounts
    cdef const char *what = NULL
    check_usable()
    status = pr_audit(&context, &accounts, &what)
    if status == PR_CORRUPT:
        raise exceptions.SessionCorruptedError(f"audit: {what.decode()}")
    if status != PR_OK:
        raise_status(status, "audit")
    return dict(accounts)


def resource_class(
    demand: dict[int, int], environment: int = 0, placement: int = 0, bundle: int = 0
) -> tuple[int, bool]:
    """(number, feasible) of the class of tasks that need these (resource index -> 1/10000)."""
    cdef pr_demand entries[PR_DEMAND_MAX]
    cdef pr_class_key key
    cdef pr_index shape = 0
    cdef uint32_t i = 0
    check_usable()
    if len(demand) > PR_DEMAND_MAX:
        raise ValueError(
            f"resources: a task can ask for at most {PR_DEMAND_MAX} kinds, got {len(demand)}"
        )
    memset(entries, 0, sizeof(entries))
    for index, amount in sorted(demand.items()):
        entries[i].resource, entries[i].amount = index, amount
        i += 1
    key.demand, key.demand_count, key.environment = entries, len(demand), environment
    key.placement, key.bundle = placement, bundle
    status = pr_session_class(&context, &key, &shape)
    if status != PR_OK:
        raise_status(status, "too many different combinations of resources")
    return shape, pr_class_feasible(&context, shape)

# Placement groups.

PLACEMENT_STATES = ("FREE", "PENDING", "CREATED", "REMOVED", "INFEASIBLE")
MOST_BUNDLES = PR_BUNDLE_MAX
PLACEMENT_NAME_BYTES = PR_PLACEMENT_NAME - 1


def placement_new(
    strategy: int, name: str, bundles: list[dict[int, int]], *, bint detached=False
) -> tuple[int, int]:
    """Make a group of bundles (resource index -> 1/10000); its index and generation."""
    cdef pr_placement_plan plan
    cdef pr_ref group
    cdef uint32_t i, j
    cdef pr_bundle_plan *bundle
    check_usable()
    encoded = name.encode()
    memset(&plan, 0, sizeof(plan))
    plan.strategy, plan.bundle_count = strategy, len(bundles)
    plan.is_detached = detached
    memcpy(plan.name, PyBytes_AS_STRING(encoded), len(encoded))
    cdef pr_bundle_plan *plans = <pr_bundle_plan *>PyMem_Malloc(len(bundles) * sizeof(bundle[0]))
    if plans == NULL:
        raise MemoryError()
    try:
        memset(plans, 0, len(bundles) * sizeof(bundle[0]))
        for i, demand in enumerate(bundles):
            plans[i].demand_count = len(demand)
            for j, (index, amount) in enumerate(sorted(demand.items())):
                plans[i].demand[j].resource, plans[i].demand[j].amount = index, amount
        plan.bundles = plans
        status = pr_placement_new(&context, &plan, &group)
    finally:
        PyMem_Free(plans)
    if status == PR_STATE:
        raise ValueError(f"The name {name} is taken by another placement group.")
    if status != PR_OK:
        raise_status(status, "placement group")
    return group.index, group.generation


def placement_remove(index: int, generation: int) -> None:
    """Remove a group; nothing happens if it is gone."""
    check_usable()
    status = pr_placement_remove(&context, pr_ref(index, generation))
    if status != PR_OK and status != PR_STALE:
        raise_status(status, "placement group")


def placement_read(index: int):
    """(generation, state, strategy, job, name, bundles) of a group; None if there is none."""
    cdef pr_placement copy
    cdef uint32_t i, j
    check_usable()
    cdef pr_bundle *bundles = <pr_bundle *>PyMem_Malloc(PR_BUNDLE_MAX * sizeof(pr_bundle))
    if bundles == NULL:
        raise MemoryError()
    try:
        status = pr_placement_read(&context, index, &copy, bundles, PR_BUNDLE_MAX)
        if status == PR_STALE:
            return None
        if status != PR_OK:
            raise_status(status, "placement group")
        specs = [{bundles[i].share[j].resource: bundles[i].share[j].amount
                  for j in range(bundles[i].share_count)} for i in range(copy.bundle_count)]
    finally:
        PyMem_Free(bundles)
    name = copy.name[:strlen(copy.name)].decode()
    state = PLACEMENT_STATES[copy.state]
    return copy.generation, state, copy.strategy, copy.job, name, specs


def placement_indices() -> range:
    """Where groups may be."""
    check_usable()
    return range(1, pr_placement_end(&context))


def current_placement() -> tuple[int, int, bool] | None:
    """Index and generation of the group that the current task or actor is in; does it capture?"""
    cdef uint32_t shape = current_shape or actor_shape
    if shape == 0:
        return None
    cdef pr_index group = pr_class_at(&context, shape).placement
    if group == PR_NONE:
        return None
    return group, pr_placement_at(&context, group).generation, captured.index == group

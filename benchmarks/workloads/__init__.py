"""The workloads, in groups that share one fresh process per system and round."""

from workloads import actors, floats, large, numeric, objects, pools, queues, startup, tasking
from workloads.metric import Metric, Workload

GROUPS: dict[str, tuple[Workload, ...]] = {
    "start": startup.WORKLOADS,
    "tasks": tasking.WORKLOADS,
    "objects": objects.WORKLOADS,
    "large": large.WORKLOADS,
    "actors": actors.WORKLOADS,
    "floats": floats.WORKLOADS,
    "pools": pools.WORKLOADS,
    "numeric": numeric.WORKLOADS,
    "queues": queues.WORKLOADS,
}
WORKLOADS: dict[str, Workload] = {w.name: w for group in GROUPS.values() for w in group}
METRICS: dict[str, Metric] = {m.name: m for w in WORKLOADS.values() for m in w.metrics}

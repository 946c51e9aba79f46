"""One system, some workloads, in a process of its own; compare.py starts it and reads its events.

    python child.py SYSTEM WORKLOAD,WORKLOAD,... --fd N [--quick] [--limits PROGRAM]

Each event is a line of JSON written to file descriptor N.
"""

import argparse
import json
import os
import platform
import traceback
from typing import Any

import numpy as np
import processes
import systems
from systems.adapter import Adapter, NotOfferedError
from systems.limit import Limit
from workloads import WORKLOADS
from workloads.metric import Plan, Workload


class Events:
    """The way to the parent."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # noqa: FBT003 (its only way)
        self.stream = os.fdopen(fd, "w", buffering=1)

    def send(self, event: str, **fields: Any) -> None:
        """Write one event."""
        print(json.dumps({"event": event, **fields}), file=self.stream)


def measure(system: Adapter, workload: Workload, plan: Plan, events: Events) -> None:
    """Run one workload and send its samples, or what became of it."""
    events.send("begin", workload=workload.name)
    try:
        for metric, samples in workload.run(system, plan):
            events.send("samples", metric=metric, samples=samples)
    except NotOfferedError as refusal:
        events.send("refused", workload=workload.name, reason=str(refusal))
    except Exception as error:  # noqa: BLE001 (reported; on to the next)
        traceback.print_exc()
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        events.send("failed", workload=workload.name, reason=reason)


def measure_limits(limit: Limit, workload: Workload, plan: Plan, events: Events) -> None:
    """Send the limits of the metrics of one workload."""
    events.send("begin", workload=workload.name)
    if workload.name == "start":
        for name, samples in workload.run(limit, plan):
            events.send("samples", metric=name, samples=samples)
    for name in (metric.name for metric in workload.metrics):
        if name in limit.derivations():
            events.send("samples", metric=name, samples=limit.measure(name))


def main() -> None:
    """Start the system, run the workloads, end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.SYSTEMS)
    parser.add_argument("workloads")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limits", default="")
    options = parser.parse_args()

    processes.adopt_orphans()
    plan = Plan(options.quick)
    events = Events(options.fd)
    chosen = [WORKLOADS[name] for name in options.workloads.split(",")]
    system = systems.load(options.system)
    events.send(
        "version",
        text=f"{system.version()}, Python {platform.python_version()}, numpy {np.__version__}",
    )
    if isinstance(system, Limit):
        system.use(options.limits, plan)
        for workload in chosen:
            measure_limits(system, workload, plan, events)
    else:
        is_started = any(workload.needs_start for workload in chosen)
        if is_started:
            system.start()
        for workload in chosen:
            measure(system, workload, plan, events)
        if is_started:
            events.send("begin", workload="stop")
            system.stop()
    events.send("end")


if __name__ == "__main__":
    main()

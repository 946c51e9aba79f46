"""From a new Python to the first result, and what a system costs at rest."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import processes
from systems.adapter import PROGRAMS, Adapter, refuse

from workloads.metric import Metric, Plan, Samples, Workload, expect

Yield = Iterator[tuple[str, Samples]]
REST_S = 2.0


def program(system: Adapter, *options: str) -> list[str]:
    """The command that runs a system's start program."""
    if not system.start_program:
        refuse("nothing to start")
    name, *arguments = system.start_program
    return [sys.executable, str(PROGRAMS / name), *arguments, *options]


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """Run a start program up to its first result; yield it and the seconds that took; end it."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        wait_for_line(child, "first")
        yield child, time.perf_counter() - begin
        child.communicate()  # closes its standard input, which ends it
    expect(child.returncode == 0, f"the start program ended with {child.returncode}")


def wait_for_line(child: subprocess.Popen[str], wanted: str) -> None:
    """Read until the program says so; other output (of Ray's start) is passed over."""
    assert child.stdout
    for line in child.stdout:
        if line.strip() == wanted:
            return
    raise RuntimeError(f"the start program ended before it said {wanted!r}")


def start(system: Adapter, _plan: Plan) -> Yield:
    """From the exec of a new Python to the first result in its hands."""
    with started(program(system)) as (_, seconds):
        yield "start.first_result", [seconds]


def start_numpy(system: Adapter, plan: Plan) -> Yield:
    """The same in a program that imports numpy; then two workers at rest, seen from outside."""
    rest_s = REST_S / 2 if plan.quick else REST_S
    with started(program(system, "--numpy")) as (child, seconds):
        yield "start.first_result_numpy", [seconds]
        wait_for_line(child, "rest")
        time.sleep(0.5)
        members = processes.tree()[1:]  # all below this process, wherever they hang in the tree
        cpu_before = processes.cpu_seconds(members)
        time.sleep(rest_s)
        cpu = processes.cpu_seconds(members) - cpu_before
        pss = processes.pss_bytes(members)
    yield "idle.processes", [float(len(members))]
    yield "idle.pss", [pss / 1e6]
    yield "idle.cpu", [100 * cpu / rest_s]


WORKLOADS = (
    Workload(
        "start",
        (Metric("start.first_result", "new Python to first task result", "s"),),
        start,
        needs_start=False,
    ),
    Workload(
        "start_numpy",
        (
            Metric("start.first_result_numpy", "the same, importing numpy", "s", 0.4, 0.25),
            Metric("idle.processes", "idle, 2 workers: processes", "n", 5),
            Metric("idle.pss", "idle, 2 workers: memory (PSS)", "MB", 80, 50),
            Metric("idle.cpu", "idle, 2 workers: CPU", "%", 0),
        ),
        start_numpy,
        needs_start=False,
    ),
)

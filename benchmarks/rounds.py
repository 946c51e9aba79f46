"""Rounds of children: each system in its own fresh process, in turn, under a time limit."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import processes
from workloads import GROUPS, WORKLOADS
from workloads.metric import Workload

HERE = Path(__file__).resolve().parent
START_LIMIT_S = 90.0
STOP_LIMIT_S = 30.0
ORPHANS_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Setup:
    """What to run, and with which interpreters."""

    systems: Sequence[str]
    workloads: Sequence[str]
    rounds: int
    quick: bool
    pythons: dict[str, str]
    limits: str = ""
    timeout_s: float | None = None
    """For every workload, in place of its own."""


@dataclass
class Findings:
    """What was measured, as it is kept in the results file."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    noise: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


class Child:
    """One child process and its events."""

    def __init__(self, setup: Setup, system: str, names: Sequence[str]) -> None:
        self.setup = setup
        reader, writer = os.pipe()
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the child)
        command = [
            setup.pythons[system],
            str(HERE / "child.py"),
            system,
            ",".join(names),
            "--fd",
            str(writer),
        ]
        command += ["--quick"] if setup.quick else []
        command += ["--limits", setup.limits] if setup.limits else []
        path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command,
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        os.close(writer)
        self.stream: IO[bytes] = os.fdopen(reader, "rb", buffering=0)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events; raise TimeoutError when the workload at hand takes too long."""
        selector = selectors.DefaultSelector()
        selector.register(self.stream, selectors.EVENT_READ)
        deadline = time.monotonic() + START_LIMIT_S
        rest = b""
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            data = os.read(self.stream.fileno(), 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["event"] == "begin":
                    deadline = time.monotonic() + self.time_for(event["workload"])
                yield event

    def time_for(self, name: str) -> float:
        """Seconds that a workload, or the end of the system, may take."""
        own = WORKLOADS[name].timeout_s if name in WORKLOADS else STOP_LIMIT_S
        return self.setup.timeout_s or own

    def end(self, *, is_patient: bool) -> int:
        """Wait for it to end if it may; kill it and whatever is left below; return how many."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ORPHANS_PATIENCE_S if is_patient else 0)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.stream.close()
        return processes.end_descendants(ORPHANS_PATIENCE_S if is_patient else 0)

    def last_words(self) -> str:
        """The end of what the child printed."""
        self.log.seek(0)
        lines = [line.strip() for line in self.log.read().splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-400:]


class Rounds:
    """All rounds of one comparison."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.findings = Findings()

    def run(self) -> Findings:
        """Go round by round, group by group, and through the systems in an order that turns."""
        processes.adopt_orphans()
        for number in range(1, self.setup.rounds + 1):
            for group, workloads in GROUPS.items():
                chosen = [w for w in workloads if w.name in self.setup.workloads]
                chosen = [w for w in chosen if number == 1 or not w.is_heavy]
                for system in turned(self.setup.systems, number - 1) if chosen else ():
                    self.measure(number, group, system, chosen)
        return self.findings

    def measure(self, number: int, group: str, system: str, workloads: Sequence[Workload]) -> None:
        """Run one system's share of a round: children, until all workloads are done or given up."""
        begin, others = (
            time.monotonic(),
            processes.machine_cpu_seconds() - processes.own_cpu_seconds(),
        )
        print(
            f"round {number}/{self.setup.rounds}  {group:8} {system:8}",
            end=" ",
            file=sys.stderr,
            flush=True,
        )
        failures = len(self.findings.failures)
        names = [workload.name for workload in workloads]
        while names:
            names = self.run_child(number, system, names)
        elapsed = time.monotonic() - begin
        others = processes.machine_cpu_seconds() - processes.own_cpu_seconds() - others
        self.findings.noise.append(
            {
                "round": number,
                "system": system,
                "group": group,
                "others_cpu": round(max(0.0, others / elapsed), 2),
            }
        )
        problems = [f for f in self.findings.failures[failures:] if f["kind"] != "not offered"]
        notes = "; ".join(f"{f['workload']}: {f['kind']}" for f in problems)
        print(f"{elapsed:6.1f} s  {notes}", file=sys.stderr)

    def run_child(self, number: int, system: str, names: list[str]) -> list[str]:
        """Run one child; return the workloads left for another after a crash or a time-out."""
        child = Child(self.setup, system, names)
        current, problem = "start-up", "crashed"
        try:
            for event in child.events():
                if event["event"] == "begin":
                    current = event["workload"]
                elif event["event"] == "end":
                    problem = ""
                else:
                    self.keep(number, system, event)
        except TimeoutError:
            problem = "timed out"
        finally:
            left = child.end(is_patient=problem != "timed out")
        if problem:
            words = child.last_words() or f"exit code {child.process.returncode}"
            self.add_failure(number, system, current, problem, words)
            return names[names.index(current) + 1 :] if current in names else []
        if left:
            self.add_failure(number, system, "stop", "failed", f"{left} processes left behind")
        return []

    def keep(self, number: int, system: str, event: dict[str, Any]) -> None:
        """Keep what an event tells."""
        match event["event"]:
            case "version":
                self.findings.versions[system] = event["text"]
            case "samples":
                self.add_samples(number, system, event)
            case "refused":
                self.add_failure(number, system, event["workload"], "not offered", event["reason"])
            case "failed":
                self.add_failure(number, system, event["workload"], "failed", event["reason"])

    def add_samples(self, number: int, system: str, event: dict[str, Any]) -> None:
        """Keep the samples of one metric."""
        self.findings.samples.append(
            {
                "round": number,
                "system": system,
                "metric": event["metric"],
                "samples": event["samples"],
            }
        )

    def add_failure(self, number: int, system: str, workload: str, kind: str, reason: str) -> None:
        """Keep what did not work, and why."""
        failure = {
            "round": number,
            "system": system,
            "workload": workload,
            "kind": kind,
            "reason": reason,
        }
        self.findings.failures.append(failure)


def turned(names: Sequence[str], by: int) -> list[str]:
    """Another order for each round: turned by some places, and backwards every other time."""
    by %= len(names)
    order = [*names[by:], *names[:by]]
    return order if by % 2 == 0 else order[::-1]

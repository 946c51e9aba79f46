"""What happened in a storm, one JSON object a line, and what must be true of it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HUNG_S = 30.0


@dataclasses.dataclass
class Operation:
    """One operation of the load: what was asked for, what must come and what came.

    Args:
        thread: Who did it.
        number: Counts the thread's operations from 0.
        kind: What it was.
        begin_s: When it began, on the monotonic clock.
        end_s: When its last result had come.
        expected: Digests of the right results, in order.
        got: Digests of those that came; a string names the exception instead of a result.
        may_fail: Names of exceptions that are right as well.
    """

    thread: int
    number: int
    kind: str
    begin_s: float
    end_s: float
    expected: list[Any]
    got: list[Any]
    may_fail: list[str] = dataclasses.field(default_factory=list)


class Recorder:
    """Appends operations to a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii")
        self._lock = threading.Lock()

    def add(self, operation: Operation) -> None:
        """Write one line."""
        line = json.dumps(dataclasses.asdict(operation))
        with self._lock:
            self._file.write(line + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def read(path: Path) -> Iterator[Operation]:
    """Yield the operations of a file."""
    with path.open(encoding="ascii") as file:
        for line in file:
            yield Operation(**json.loads(line))


def wrong_with(operation: Operation) -> str | None:
    """Say what is wrong with one operation; None: nothing."""
    o = operation
    if len(o.got) != len(o.expected):
        return f"lost: {len(o.expected)} results expected, {len(o.got)} came"
    for index, (expected, got) in enumerate(zip(o.expected, o.got, strict=True)):
        if isinstance(got, str) and got == "GetTimeoutError":
            return f"hung: result {index}"
        if got != expected and not (isinstance(got, str) and got in o.may_fail):
            return f"wrong: result {index} is {got!r}, not {expected!r}"
    if o.end_s - o.begin_s > HUNG_S:
        return f"hung: it took {o.end_s - o.begin_s:.1f} s"
    return None


def check(operations: Iterable[Operation]) -> tuple[list[str], Counter[str]]:
    """Return everything that is wrong, and how many results of each kind came."""
    findings: list[str] = []
    results: Counter[str] = Counter()
    next_number: Counter[int] = Counter()
    for o in operations:
        if o.number != next_number[o.thread]:
            findings.append(f"thread {o.thread}: operation {next_number[o.thread]} has no record")
        next_number[o.thread] = o.number + 1
        results[o.kind] += len(o.got)
        results["failed calls of dead actors"] += sum(isinstance(got, str) for got in o.got)
        if (finding := wrong_with(o)) is not None:
            findings.append(f"thread {o.thread}, operation {o.number} ({o.kind}): {finding}")
    return findings, results

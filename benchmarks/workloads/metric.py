"""What a workload is, and how its repetitions are taken."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from systems.adapter import Adapter

Samples = list[float]
SCALE = {"us": 1e6, "ms": 1e3, "s": 1.0}


@dataclass(frozen=True)
class Plan:
    """How much to measure in one round."""

    quick: bool

    @property
    def repeats(self) -> int:
        """Repetitions of each measurement within a round."""
        return 3 if self.quick else 5

    def count(self, full: int) -> int:
        """Fewer operations for a quick look, where their number does not change the time of one."""
        return max(1, full // 5) if self.quick else full


@dataclass(frozen=True)
class Metric:
    """One row of the table: a number per system, lower is better."""

    name: str
    title: str
    unit: str
    goal: float | None = None
    """What pyray set out to reach."""
    beyond: float | None = None
    """What it would be proud of."""


@dataclass(frozen=True)
class Workload:
    """Something to do under each system, which yields samples for one metric or more."""

    name: str
    metrics: tuple[Metric, ...]
    run: Callable[[Adapter, Plan], Iterator[tuple[str, Samples]]]
    timeout_s: float = 60.0
    needs_start: bool = True
    """Whether the system is started before it, and shared with the other workloads of its group."""
    is_heavy: bool = False
    """Taken in the first round only."""


class WrongResultError(AssertionError):
    """A system gave an answer that is not the right one."""


def expect(is_right: bool, what: str) -> None:  # noqa: FBT001 (reads like assert)
    """Check an answer (not an assert statement: those can be switched off)."""
    if not is_right:
        raise WrongResultError(what)


def timed(work: Callable[[], Any], unit: str, per: int = 1) -> tuple[float, Any]:
    """Run once; return the time per operation in a unit, and the answer."""
    start = time.perf_counter()
    answer = work()
    return (time.perf_counter() - start) / per * SCALE[unit], answer


def repeat(
    work: Callable[[], Any], is_right: Callable[[Any], bool], repeats: int, unit: str, per: int = 1
) -> Samples:
    """Take samples; check each answer outside the clock."""
    samples = []
    for _ in range(repeats):
        sample, answer = timed(work, unit, per)
        expect(is_right(answer), f"wrong result: {str(answer)[:200]}")
        samples.append(sample)
        del answer
    return samples

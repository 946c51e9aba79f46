"""What a system must offer to be compared: one method per workload, each refused by default.

The methods are timed by the workloads from outside, so they do the work and nothing else. They
loop inside where one operation takes a microsecond, so that the call of the method costs nothing.
"""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tasks import FloatArray, Reading

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
Handle = Any
"""Whatever a system's `put` returns: a reference, a name, a path."""


class NotOfferedError(Exception):
    """This system has nothing for this workload; the text says why."""


def refuse(reason: str = "no such thing") -> NoReturn:
    """Say that a workload is not offered."""
    raise NotOfferedError(reason)


class Adapter:
    """One system under measurement."""

    workers = 2
    start_program: tuple[str, ...] = ()
    """Program below `programs/` and its arguments: measures start and rest."""
    queue_sizes: tuple[int, ...] = (10_000, 100_000)
    """How many tasks it queues at once without taking minutes over them."""

    # --- life ---------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the system with two workers."""

    def stop(self) -> None:
        """End it, and all its processes."""

    def version(self) -> str:
        """Name what was measured."""
        return ""

    # --- tasks --------------------------------------------------------------------------------
    def sync_noop(self, count: int) -> list[None]:
        """Run a no-op and wait for its result, `count` times."""
        refuse()

    def sync_small(self, count: int) -> list[tuple[int, str, float]]:
        """As `sync_noop`, with small arguments: `tasks.small(i, "text", factor=0.5)`."""
        refuse()

    def batch(self, count: int) -> list[None]:
        """Submit `count` no-ops, then gather all results."""
        refuse()

    def chain(self, count: int) -> int:
        """Run `count` increments, each on the result of the one before, starting from 0."""
        refuse()

    def nested(self, count: int) -> int:
        """Run one task that runs `count` increments as tasks; return the sum of their results."""
        refuse()

    def wait_each(self, count: int) -> int:
        """Submit `count` no-ops and take the results one by one as they come; return how many."""
        refuse()

    def stream(self, count: int) -> int:
        """Get the items of one task that yields the numbers below `count`; return their sum."""
        refuse()

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        """Sum `count` slices of one large array, a task for each (sharing the array included)."""
        refuse()

    def multiply(self, values: list[float], array: FloatArray) -> Sequence[float] | FloatArray:
        """Apply `tasks.times_ten` to each value, given both as a list and as an array."""
        refuse()

    # --- pools --------------------------------------------------------------------------------
    def pool_map(self, values: list[float]) -> list[float]:
        """Apply `tasks.times_ten` to each value with `Pool.map`: a list in, a list out."""
        refuse("no pool")

    def pool_apply(self, count: int) -> list[float]:
        """Send `count` calls of `tasks.times_ten` with `Pool.apply_async`, then gather."""
        refuse("no pool")

    def pipeline(self, blocks: list[FloatArray], stages: int) -> list[float]:
        """Send each block through stages (`tasks.stage`); return its last element at the end."""
        refuse("no pipeline")

    # --- numerical programs ------------------------------------------------------------------
    def grid_search(self, values: FloatArray, labels: Any) -> float:
        """Run `tasks.grid_search` with two jobs; return the best score."""
        refuse("no backend of joblib")

    def set_tensors(self, elements: int) -> None:
        """Give each of two members a tensor of so many float32 ones."""
        refuse("no collective operations")

    def allreduce(self, count: int) -> list[float]:
        """Sum up the tensors so many times; return the first and last element of each."""
        refuse("no collective operations")

    # --- objects ------------------------------------------------------------------------------
    def put(self, value: Any) -> Handle:
        """Store a value where other processes reach it."""
        refuse("no object store")

    def put_each(self, values: Sequence[Any]) -> list[Handle]:
        """Store values one by one."""
        return [self.put(value) for value in values]

    def get(self, handle: Handle) -> Any:
        """Load a stored value here."""
        refuse("no object store")

    def get_each(self, handles: Sequence[Handle]) -> list[Any]:
        """Load stored values one by one."""
        return [self.get(handle) for handle in handles]

    def get_all(self, handles: Sequence[Handle]) -> list[Any]:
        """Load many stored values in one call."""
        refuse("no object store")

    def drop(self, handle: Handle) -> None:
        """Forget a stored value; the caller drops its handle too."""

    def read_elsewhere(self, handle: Handle) -> Reading:
        """Load a stored array in a worker; time and memory are taken there."""
        refuse("no object store")

    def put_handles(self, handles: list[Handle]) -> Handle:
        """Store a list of references."""
        refuse("no references inside objects")

    def receive_handles(self, handle: Handle) -> int:
        """Run a task whose argument is a stored list of references; return its length."""
        refuse("no references inside objects")

    def many_arguments(self, handles: list[Handle]) -> int:
        """Run one task that takes each stored number as an argument; return their sum."""
        refuse("no references as arguments")

    def many_returns(self, count: int) -> list[int]:
        """Run one task with `count` results of its own: 0, 1, ..."""
        refuse("one result per task")

    # --- actors -------------------------------------------------------------------------------
    def new_counter(self) -> Any:
        """Start a `tasks.Counter` in a process of its own."""
        refuse("no actors")

    def count_sync(self, counter: Any, count: int) -> list[int]:
        """Increment and wait, `count` times."""
        refuse("no actors")

    def count_pipelined(self, counter: Any, count: int) -> list[int]:
        """Send `count` increments, then gather the results."""
        refuse("no actors")

    def echo_from_tasks(self, callers: int, actors: int, count: int) -> list[int]:
        """Tasks that each make their share of `count` calls, of all actors in turn."""
        refuse("no actors that tasks can call")

    def echo_to_many(self, actors: int, count: int) -> list[int]:
        """Send `count` calls to several actors in turn, then gather the results."""
        refuse("no actors")

    def echo_on_threads(self, threads: int, count: int) -> list[int]:
        """Send `count` calls to an actor that runs them on threads, then gather the results."""
        refuse("no actors with threads")

    def echo_async(self, in_flight: int, count: int) -> list[int]:
        """Calls of an asynchronous actor, so many at a time."""
        refuse("no asynchronous actors")

    def create_and_count(self) -> int:
        """Start a `tasks.Counter` in a process of its own, increment it once, let it go."""
        refuse("no actors")

    # --- long queues --------------------------------------------------------------------------
    def hold_workers(self, path: str) -> list[Handle]:
        """Occupy all workers until the file is gone."""
        refuse("no queue of tasks")

    def submit(self, count: int) -> list[Handle]:
        """Queue `count` increments of 0, 1, ...; return their futures."""
        refuse("no queue of tasks")

    def gather(self, pending: list[Handle]) -> list[Any]:
        """Wait for all results of `submit` or `hold_workers`."""
        refuse("no queue of tasks")

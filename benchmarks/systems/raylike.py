"""pyray and Ray: one adapter, since the API is the same; only the module's name differs."""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

import functools
import importlib
import importlib.util
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tasks
from tasks import FloatArray, Reading

from systems.adapter import Adapter, Handle, refuse

CHUNKS = 8
"""Ranges that the million floats are cut into: a few per worker, to even out their pace."""


def nested_task(ray: Any, increment: Any) -> Any:
    """Build the task that runs tasks."""

    def run_nested(count: int) -> int:
        return sum(ray.get([increment.remote(i) for i in range(count)]))

    return ray.remote(run_nested)


def reading_task(ray: Any) -> Any:
    """Build the task that fetches an array by a reference it got inside a list."""

    def read(references: list[Handle]) -> Reading:
        before = tasks.anonymous_bytes()
        start = time.perf_counter()
        values = ray.get(references[0])
        elapsed = time.perf_counter() - start
        grown = tasks.anonymous_bytes() - before
        return elapsed, grown, tasks.checksum(values)

    return ray.remote(read)


def receiving_task(ray: Any) -> Any:
    """Build the task that is handed a list of references."""

    def receive(references: list[Handle]) -> int:
        assert all(isinstance(reference, ray.ObjectRef) for reference in references)
        assert ray.get(references[-1]) == len(references) - 1
        return len(references)

    return ray.remote(receive)


def calling_task(ray: Any) -> Any:
    """Build the task that calls actors in turn."""

    def call_echoes(echoes: list[Any], count: int) -> list[int]:
        methods = [one.echo for one in echoes]
        results: list[int] = ray.get([methods[i % len(methods)].remote(i) for i in range(count)])
        return results

    return ray.remote(num_cpus=0)(call_echoes)


class RayLike(Adapter):
    """`module` is `pyray` or `ray`."""

    def __init__(self, module: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.module = module
        self.start_program = ("start_raylike.py", module)
        if module == "pyray":
            self.queue_sizes = (10_000, 100_000, 1_000_000)

    def start(self) -> None:
        ray = importlib.import_module(self.module)
        ray.init(num_cpus=self.workers)
        self.ray = ray
        self.noop = ray.remote(tasks.noop)
        self.small = ray.remote(tasks.small)
        self.increment = ray.remote(tasks.increment)
        self.total = ray.remote(tasks.total)
        self.count_up = ray.remote(tasks.count_up)
        self.slice_sum = ray.remote(tasks.slice_sum)
        self.times_ten_range = ray.remote(tasks.times_ten_range)
        self.run_nested = nested_task(ray, self.increment)
        self.read = reading_task(ray)
        self.receive = receiving_task(ray)
        self.hold = ray.remote(tasks.hold_while_exists)
        self.call_echoes = calling_task(ray)
        self.echoes: dict[Any, list[Any]] = {}
        overlap = ray.remote(tasks.overlap)
        ray.get([overlap.remote(0.05) for _ in range(self.workers)])

    def stop(self) -> None:
        self.echoes.clear()
        self.__dict__.pop("members", None)
        self.ray.shutdown()

    def version(self) -> str:
        return f"{self.module} {getattr(importlib.import_module(self.module), '__version__', '')}"

    # --- tasks --------------------------------------------------------------------------------
    def sync_noop(self, count: int) -> list[None]:
        get, noop = self.ray.get, self.noop
        return [get(noop.remote()) for _ in range(count)]

    def sync_small(self, count: int) -> list[tuple[int, str, float]]:
        get, small = self.ray.get, self.small
        return [get(small.remote(i, "text", factor=0.5)) for i in range(count)]

    def batch(self, count: int) -> list[None]:
        noop = self.noop
        results: list[None] = self.ray.get([noop.remote() for _ in range(count)])
        return results

    def chain(self, count: int) -> int:
        link: Any = 0
        for _ in range(count):
            link = self.increment.remote(link)
        return int(self.ray.get(link))

    def nested(self, count: int) -> int:
        return int(self.ray.get(self.run_nested.remote(count)))

    def wait_each(self, count: int) -> int:
        pending = [self.noop.remote() for _ in range(count)]
        taken = 0
        while pending:
            ready, pending = self.ray.wait(pending)
            taken += len(self.ray.get(ready))
        return taken

    def stream(self, count: int) -> int:
        get = self.ray.get
        return sum(get(ref) for ref in self.count_up.remote(count))

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        shared = self.ray.put(values)
        sums: list[float] = self.ray.get(
            [self.slice_sum.remote(shared, i, count) for i in range(count)]
        )
        return sums

    def multiply(self, values: list[float], array: FloatArray) -> FloatArray:
        shared = self.ray.put(array)
        parts = [
            self.times_ten_range.remote(shared, a, b) for a, b in tasks.ranges(len(array), CHUNKS)
        ]
        return tasks.flatten(self.ray.get(parts))

    # --- pools --------------------------------------------------------------------------------
    @functools.cached_property
    def pool(self) -> Any:
        """The pool with the standard library's interface."""
        return importlib.import_module(f"{self.ray.__name__}.util.multiprocessing").Pool(2)

    def pool_map(self, values: list[float]) -> list[float]:
        results: list[float] = self.pool.map(tasks.times_ten, values)
        return results

    def pool_apply(self, count: int) -> list[float]:
        results = [self.pool.apply_async(tasks.times_ten, (i,)) for i in range(count)]
        return [result.get() for result in results]

    @functools.cached_property
    def stage(self) -> Any:
        """The task of one stage; pyray's makes its result in the store."""
        if not hasattr(self.ray, "create_array"):
            return self.ray.remote(tasks.stage)
        create_array = self.ray.create_array

        def stage(block: FloatArray) -> FloatArray:
            out: FloatArray = create_array(block.shape, block.dtype)
            return np.multiply(block, np.float32(1.5), out=out)

        return self.ray.remote(stage)

    def pipeline(self, blocks: list[FloatArray], stages: int) -> list[float]:
        refs = [self.ray.put(block) for block in blocks]
        for _ in range(stages):
            refs = [self.stage.remote(ref) for ref in refs]
        return [float(block[-1]) for block in self.ray.get(refs)]

    # --- numerical programs ------------------------------------------------------------------
    def grid_search(self, values: FloatArray, labels: Any) -> float:
        try:
            import joblib

            importlib.import_module("sklearn")
        except ImportError as error:
            refuse(f"not installed: {error.name}")
        importlib.import_module(f"{self.ray.__name__}.util.joblib").register_ray()
        with joblib.parallel_backend("ray"):
            return tasks.grid_search(values, labels, self.workers)

    @functools.cached_property
    def members(self) -> list[Any]:
        """Two actors that have joined a group."""
        if self.module == "ray" and importlib.util.find_spec("torch") is None:
            refuse("its backend gloo needs torch")
        member = self.ray.remote(num_cpus=0)(tasks.Member)
        members = [member.remote() for _ in range(self.workers)]
        self.ray.get([one.join.remote(self.module, 2, rank) for rank, one in enumerate(members)])
        return members

    def set_tensors(self, elements: int) -> None:
        self.ray.get([one.set.remote(elements) for one in self.members])

    def allreduce(self, count: int) -> list[float]:
        ends = self.ray.get([one.allreduce.remote(count) for one in self.members])
        return [element for both in ends for element in both]

    # --- objects ------------------------------------------------------------------------------
    def put(self, value: Any) -> Handle:
        return self.ray.put(value)

    def put_each(self, values: Sequence[Any]) -> list[Handle]:
        put = self.ray.put
        return [put(value) for value in values]

    def get(self, handle: Handle) -> Any:
        return self.ray.get(handle)

    def get_each(self, handles: Sequence[Handle]) -> list[Any]:
        get = self.ray.get
        return [get(handle) for handle in handles]

    def get_all(self, handles: Sequence[Handle]) -> list[Any]:
        values: list[Any] = self.ray.get(list(handles))
        return values

    def read_elsewhere(self, handle: Handle) -> Reading:
        reading: Reading = self.ray.get(self.read.remote([handle]))
        return reading

    def put_handles(self, handles: list[Handle]) -> Handle:
        return self.ray.put(handles)

    def receive_handles(self, handle: Handle) -> int:
        return int(self.ray.get(self.receive.remote(handle)))

    def many_arguments(self, handles: list[Handle]) -> int:
        return int(self.ray.get(self.total.remote(*handles)))

    def many_returns(self, count: int) -> list[int]:
        numbers = self.ray.remote(num_returns=count)(tasks.numbers)
        results: list[int] = self.ray.get(numbers.remote(count))
        return results

    # --- actors -------------------------------------------------------------------------------
    def new_counter(self) -> Any:
        return self.ray.remote(tasks.Counter).remote()

    def count_sync(self, counter: Any, count: int) -> list[int]:
        get, increment = self.ray.get, counter.increment
        return [get(increment.remote()) for _ in range(count)]

    def count_pipelined(self, counter: Any, count: int) -> list[int]:
        increment = counter.increment
        counts: list[int] = self.ray.get([increment.remote() for _ in range(count)])
        return counts

    def new_echoes(self, count: int, kind: Any = tasks.Echo, **options: Any) -> list[Any]:
        key = (kind, count, *options.items())
        if key not in self.echoes:  # made once; the calls are measured
            actor = self.ray.remote(kind)
            made = [(actor.options(**options) if options else actor).remote() for _ in range(count)]
            self.ray.get([one.echo.remote(0) for one in made])
            self.echoes[key] = made
        return self.echoes[key]

    def echo_from_tasks(self, callers: int, actors: int, count: int) -> list[int]:
        echoes = self.new_echoes(actors)
        share = count // callers
        parts = [self.call_echoes.remote(echoes, share) for _ in range(callers)]
        return [value for part in self.ray.get(parts) for value in part]

    def echo_to_many(self, actors: int, count: int) -> list[int]:
        methods = [one.echo for one in self.new_echoes(actors)]
        results: list[int] = self.ray.get([methods[i % actors].remote(i) for i in range(count)])
        return results

    def echo_on_threads(self, threads: int, count: int) -> list[int]:
        echo = self.new_echoes(1, max_concurrency=threads)[0].echo
        results: list[int] = self.ray.get([echo.remote(i) for i in range(count)])
        return results

    def echo_async(self, in_flight: int, count: int) -> list[int]:
        echo = self.new_echoes(1, tasks.AsyncEcho)[0].echo
        results: list[int] = []
        for start in range(0, count, in_flight):
            results += self.ray.get([echo.remote(i) for i in range(start, start + in_flight)])
        return results

    def create_and_count(self) -> int:
        counter = self.ray.remote(tasks.Counter).remote()
        return int(self.ray.get(counter.increment.remote()))

    # --- long queues --------------------------------------------------------------------------
    def hold_workers(self, path: str) -> list[Handle]:
        return [self.hold.remote(path) for _ in range(self.workers)]

    def submit(self, count: int) -> list[Handle]:
        increment = self.increment
        return [increment.remote(i) for i in range(count)]

    def gather(self, pending: list[Handle]) -> list[Any]:
        return self.get_all(pending)

"""Workers and drivers die at named places between transactions; see csrc/base/failpoint.h."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pyray import _core, exceptions, testing
from tests.death.test_processes import expect_nobody
from tests.death.ways import DEADLINE_S
from tests.support import started_script

POINTS = tuple(_core.failpoint_hits())
ONLY_IN_SUPERVISOR = {"sweep.step"}
WHEN_FULL = {point for point in POINTS if point.startswith(("spill.", "restore."))}
"""Those of workers are hit in test_spilling.py: it takes a full store."""
IN_GRAPHS = {point for point in POINTS if point.startswith(("channel.", "graph."))}
"""The driver comes along these when it runs a compiled graph; for its actors see test_graphs.py."""
NOT_IN_WORKER = ONLY_IN_SUPERVISOR | WHEN_FULL | IN_GRAPHS


def busy(specification: str, n: int) -> Any:
    """Come along every failpoint that a worker has."""
    import pyray

    _core.arm_failpoints(specification)

    @pyray.remote(max_retries=9, num_cpus=0)
    def child(*values: Any) -> int:
        return len(values)

    @pyray.remote(max_retries=9, num_cpus=0, num_returns=40)
    def children() -> list[int]:
        return [*range(40)]

    @pyray.remote(max_retries=9, num_cpus=0)
    def items(count: int) -> Iterator[int]:
        yield from range(count)

    for _ in range(2):
        refs = [pyray.put(i) for i in range(150)]
        large = pyray.put(np.zeros(50_000))
        total = pyray.get(child.remote(large, *refs))
        total += sum(pyray.get(children.remote()))
        total += pyray.get(child.remote(refs, [large]))
        nested = pyray.put([refs, large])
        pyray.cancel(child.remote(nested))
        stream = items.remote(40)
        total += pyray.get(next(stream))
        del stream
        del refs, large, nested
    return np.full(20_000, n + total)


EXPECTED = 151 + sum(range(40)) + 2


@pytest.fixture
def disarmed(ray: ModuleType) -> Iterator[None]:
    """Afterwards no armed worker is left that would die in the next test."""
    del ray
    yield
    for pid in testing.worker_pids():
        with suppress(ProcessLookupError):
            testing.kill_worker(pid)


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("hit", [1, 2, 3])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in NOT_IN_WORKER])
def test_worker_dies_at_failpoint(ray: ModuleType, point: str, hit: int) -> None:
    doomed = ray.remote(max_retries=0)(busy)
    others = [ray.remote(max_retries=3)(busy).remote("", n) for n in range(2)]
    ref = doomed.remote(f"{point}=kill@{hit}", 7)
    try:
        assert (ray.get(ref, timeout=20) == 7 + EXPECTED).all()
    except exceptions.WorkerCrashedError as error:
        assert "SIGKILL" in str(error)  # noqa: PT017  (or the result was sealed before)
    for n, other in enumerate(others):
        assert (ray.get(other, timeout=20) == n + EXPECTED).all()
    retried = ray.remote(max_retries=2)(once_armed).remote(f"{point}=kill@{hit}", os.getpid())
    assert (ray.get(retried, timeout=20) == 7 + EXPECTED).all()
    testing.store_accounts()


def once_armed(specification: str, driver: int) -> Any:
    """Die at the failpoint in the first attempt only."""
    import pyray

    attempt = _core.current_task()[2]
    assert driver != os.getpid()
    assert pyray.is_initialized()
    return busy(specification if attempt <= 1 else "", 7)


def yield_some(specification: str, driver: int) -> Iterator[int]:
    """Die at the failpoint in the first attempt only."""
    assert driver != os.getpid()
    if _core.current_task()[2] <= 1:
        _core.arm_failpoints(specification)
    yield from range(5)


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("hit", [1, 3, 5])
def test_generator_whose_worker_dies_goes_on(ray: ModuleType, hit: int) -> None:
    task = ray.remote(max_retries=1)(yield_some)
    generator = task.remote(f"publish.before=kill@{hit}", os.getpid())
    assert ray.get(list(generator), timeout=20) == [0, 1, 2, 3, 4]


def hits_of(specification: str) -> dict[str, int]:
    """What a worker came along, counted across two tasks."""
    busy(specification, 0)
    return _core.failpoint_hits()


@pytest.mark.usefixtures("disarmed")
def test_every_failpoint_is_hit(ray: ModuleType) -> None:
    """Or the tests above would test nothing. The supervisor's are hit by the C test of repairs."""
    count = ",".join(f"{point}=count" for point in POINTS)
    seen: dict[str, int] = dict.fromkeys(POINTS, 0)
    deadline = time.monotonic() + DEADLINE_S
    task = ray.remote(max_retries=0)(hits_of)
    again = ray.remote(max_retries=0)(_core.failpoint_hits)
    while time.monotonic() < deadline:
        ray.get(task.remote(count), timeout=20)
        ray.get(list(ray.remote(yield_some).remote("", os.getpid())), timeout=20)
        for point, hits in ray.get(again.remote(), timeout=20).items():
            seen[point] += hits
        if {point for point in POINTS if not seen[point]} <= NOT_IN_WORKER:
            return
    raise AssertionError(f"never hit: {[point for point in POINTS if not seen[point]]}")


DRIVER = """
    import sys, time
    import numpy as np
    import pyray as ray
    from pyray import _core
    ray.init(num_cpus=2, object_store_memory=16 << 20)

    @ray.remote
    def child(*values):
        return len(values)

    @ray.remote(num_returns=40)
    def children():
        return list(range(40))

    @ray.remote
    def items():
        yield from range(100)

    @ray.remote(num_cpus=0)
    class Stage:
        def same(self, value):
            return value

    assert ray.get(child.remote()) == 0
    _core.arm_failpoints(sys.argv[1])
    if sys.argv[1].startswith(("spill.", "restore.")):
        kept = [ray.put(np.zeros(1 << 17)) for _ in range(60)]
        assert all(ray.get(ref).sum() == 0 for ref in kept)
    if sys.argv[1].startswith(("channel.", "graph.")):
        stage = Stage.remote()
        with ray.dag.InputNode() as given:
            graph = stage.same.bind(given)
        for n in range(3):
            compiled = graph.experimental_compile()
            assert ray.get([compiled.execute(n) for _ in range(3)]) == [n] * 3
            compiled.teardown()
    for _ in range(50):
        refs = [ray.put(i) for i in range(150)]
        large = ray.put(np.zeros(50_000))
        assert ray.get(child.remote(large, *refs)) == 151
        assert ray.get(children.remote()) == list(range(40))
        nested = ray.put([refs, large])
        ray.cancel(child.remote(nested))
        stream = items.remote()
        assert ray.get(next(stream)) == 0
        del stream
        del refs, large, nested
    print("survived")
"""
NOT_IN_DRIVER = ONLY_IN_SUPERVISOR | {
    "take.done",
    "finish.before",
    "finish.after",
    "publish.before",
}


@pytest.mark.parametrize("point", [point for point in POINTS if point not in NOT_IN_DRIVER])
def test_driver_dies_at_failpoint_and_nothing_remains(point: str) -> None:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    hit = 1 + len(point) % 3
    environment = {"PYRAY_TEST_FAMILY": mark}
    with started_script(DRIVER, env=environment, args=[f"{point}=kill@{hit}"]) as script:
        assert script.wait(30).returncode == -9, script.report()
        expect_nobody(mark)


@pytest.mark.parametrize("hit", [1, 2, 3])
def test_supervisor_dies_in_the_middle_of_a_repair(hit: int) -> None:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    source = """
    import os, sys
    import pyray as ray
    from pyray import exceptions
    ray.init(num_cpus=1, runtime_env={"env_vars": {"PYRAY_FAILPOINTS": sys.argv[1]}})

    @ray.remote(max_retries=0)
    def dies(values):
        kept.extend(ray.put(n) for n in range(40))
        os._exit(1)

    kept = []
    try:
        ray.get(dies.remote([ray.put(1)]), timeout=20)
    except (exceptions.RaySystemError, exceptions.WorkerCrashedError) as error:
        print(type(error).__name__)
    try:
        ray.get([dies.remote([]) for _ in range(5)], timeout=20)
    except exceptions.RaySystemError as error:
        print(type(error).__name__)
    ray.shutdown()
    """
    environment = {"PYRAY_TEST_FAMILY": mark}
    with started_script(source, env=environment, args=[f"sweep.step=kill@{hit}"]) as script:
        done = script.wait(30)
        assert done.returncode == 0, script.report()
        assert "RaySystemError" in done.stdout
        expect_nobody(mark)

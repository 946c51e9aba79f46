"""A fork of a process of the session: its calls raise at once, and nobody else notices."""

from __future__ import annotations

import pytest

from tests.support import run_script

CHILD = """
    import gc, os, sys, time, threading
    import pyray as ray
    from pyray import exceptions, testing

    def refuses(call):
        start = time.monotonic()
        try:
            call()
        except exceptions.ForkedProcessError:
            assert time.monotonic() - start < 1
            return True
        raise AssertionError("a forked process used the session")

    def in_child(ref, view, function, actor):
        '''What a forked child tries; 0 when all is refused.'''
        calls = [
            lambda: ray.get(ref), lambda: ray.get([ref]), lambda: ray.put(1),
            lambda: ray.wait([ref]),
            lambda: function.remote(1), lambda: actor.add.remote(1), lambda: ray.kill(actor),
            lambda: ray.available_resources(), lambda: testing.store_accounts(),
            lambda: ref.future(),
        ]
        try:
            assert all(refuses(call) for call in calls)
            assert bytes(view[:3]) == b"xxx"
            assert not ray.is_initialized()
            del ref, view, function, actor
            gc.collect()
            return 0
        except BaseException:
            import traceback
            traceback.print_exc()
            return 1

    def fork(*args, end=os._exit):
        pid = os.fork()
        if pid == 0:
            end(in_child(*args))
        _, status = os.waitpid(pid, 0)
        assert status == 0, status

    @ray.remote
    def double(n):
        return 2 * n

    @ray.remote
    class Sum:
        def __init__(self):
            self.total = 0
        def add(self, n):
            self.total += n
            return self.total
"""


def test_fork_in_driver() -> None:
    done = run_script(
        CHILD
        + """
    ray.init(num_cpus=2)
    actor = Sum.remote()
    assert ray.get(actor.add.remote(0)) == 0
    ref = ray.put(b"x" * 200_000)
    view = ray.get(ref)
    assert ray.get(double.remote(1)) == 2
    before = testing.store_accounts()
    for n in range(10):
        fork(ref, view, double, actor)
        assert ray.get(double.remote(n)) == 2 * n
        assert ray.get(actor.add.remote(1)) == n + 1
    deadline = time.monotonic() + 10
    while testing.store_accounts() != before:
        gc.collect()
        assert time.monotonic() < deadline, (before, testing.store_accounts())
        time.sleep(0.01)
    assert view[-1:] == b"x"
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_forked_child_exits_in_every_way_and_parent_goes_on() -> None:
    done = run_script(
        CHILD
        + """
    ray.init(num_cpus=1)
    kept = [ray.put(b"x" * 100_000) for _ in range(5)]
    kept.append(ray.get(kept[0]))
    for end in (sys.exit, os._exit, lambda code: None, lambda code: os.kill(os.getpid(), 9)):
        pid = os.fork()
        if pid == 0:
            kept.clear()
            end(0)
            sys.exit(0)
        os.waitpid(pid, 0)
        assert ray.get(double.remote(4), timeout=20) == 8
        assert len(ray.get(kept[1])) == 100_000
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_forked_child_may_start_a_session_of_its_own() -> None:
    done = run_script(
        CHILD
        + """
    ray.init(num_cpus=1)
    ref = ray.put(1)
    pid = os.fork()
    if pid == 0:
        ray.shutdown()
        ray.init(num_cpus=1)
        code = 0 if ray.get(double.remote(5), timeout=20) == 10 else 1
        ray.shutdown()
        os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert ray.get(ref) == 1
    assert ray.get(double.remote(5), timeout=20) == 10
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_fork_while_a_future_is_waited_for() -> None:
    done = run_script(
        CHILD
        + """
    from pyray import futures
    ray.init(num_cpus=1)

    @ray.remote
    def wait_for_file():
        while not os.path.exists("go"):
            time.sleep(0.005)
        return "went"

    waiting = wait_for_file.remote().future()
    ref = ray.put(1)
    with futures._dispatcher._lock:
        pid = os.fork()
        if pid == 0:
            ok = refuses(lambda: ref.future())
            ray.init(num_cpus=1)
            ok = ok and ray.put(2).future().result(20) == 2
            ray.shutdown()
            os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    open("go", "w").close()
    assert waiting.result(20) == "went"
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_forked_child_closes_what_it_inherited() -> None:
    done = run_script(
        CHILD
        + """
    before = set(os.listdir("/proc/self/fd"))
    ray.init(num_cpus=1)
    assert ray.get(double.remote(4), timeout=20) == 8
    pid = os.fork()
    if pid == 0:
        ray.shutdown()
        more = set(os.listdir("/proc/self/fd")) - before
        os._exit(len(more))
    assert os.waitpid(pid, 0)[1] == 0
    assert ray.get(double.remote(4), timeout=20) == 8
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_fork_while_threads_use_the_session() -> None:
    done = run_script(
        CHILD
        + """
    ray.init(num_cpus=2)
    stop, wrong = [], []
    def work(seed):
        n = seed
        while not stop:
            n += 4
            if ray.get(double.remote(n), timeout=20) != 2 * n or ray.get(ray.put(n)) != n:
                wrong.append(n)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    actor = Sum.remote()
    ref = ray.put(b"x" * 200_000)
    view = ray.get(ref)
    for _ in range(20):
        fork(ref, view, double, actor)
    stop.append(1)
    for thread in threads:
        thread.join()
    assert not wrong
    testing.store_accounts()
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_fork_in_task() -> None:
    done = run_script(
        CHILD
        + """
    ray.init(num_cpus=2)

    @ray.remote(max_retries=0)
    def forks(refs, function, actor):
        view = ray.get(refs[0])
        fork(refs[0], view, function, actor)
        return ray.get(function.remote(int(view[0])))

    actor = Sum.remote()
    ref = ray.put(b"x" * 200_000)
    assert ray.get([forks.remote([ref], double, actor) for _ in range(4)], timeout=20) == [240] * 4
    testing.store_accounts()
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["return 'child'", "raise KeyError('child')", "sys.exit(0)"])
@pytest.mark.parametrize("kind", ["task", "actor", "threads"])
def test_child_that_comes_out_of_the_code_of_a_task_gives_no_result(kind: str, how: str) -> None:
    done = run_script(
        f"""
    import os, sys
    import pyray as ray

    def forks():
        pid = os.fork()
        if pid == 0:
            {how}
        os.waitpid(pid, 0)
        return "parent"

    class Forks:
        def call(self):
            return forks()

    ray.init(num_cpus=1)
    if {kind!r} == "task":
        call = ray.remote(max_retries=0)(forks)
    else:
        limit = 1 if {kind!r} == "actor" else 2
        actor = ray.remote(Forks).options(max_concurrency=limit).remote()
        call = actor.call
    assert [ray.get(call.remote(), timeout=20) for _ in range(2)] == ["parent"] * 2
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", ["task", "driver"])
def test_multiprocessing_pool_with_fork(place: str) -> None:
    done = run_script(
        CHILD
        + f"""
    ray.init(num_cpus=2)

    import math
    def pool(limit):
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as workers:
            return workers.map(math.factorial, range(limit))

    expected = [math.factorial(n) for n in range(50)]
    if {place!r} == "driver":
        assert pool(50) == expected
    else:
        task = ray.remote(max_retries=0)(pool)
        assert ray.get([task.remote(50) for _ in range(3)], timeout=30) == [expected] * 3
    assert ray.get(double.remote(1), timeout=20) == 2
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr

"""Ctrl-C in the driver: prompt, and harmless."""

from __future__ import annotations

import pytest

from tests.support import run_script

PRELUDE = """
    import os, random, signal, threading, time
    import pyray as ray
    from pyray import testing

    def interrupt_after(seconds):
        main = threading.main_thread().ident
        sent = []
        def send():
            time.sleep(seconds)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=send)
        thread.start()
        return thread, sent

    def interrupted(call, seconds):
        thread, sent = interrupt_after(seconds)
        try:
            while True:
                call()
        except KeyboardInterrupt:
            late = time.monotonic() - sent[0]
        thread.join()
        assert late < 1.0, late
        return late

    @ray.remote
    def double(n):
        return 2 * n

    @ray.remote(num_cpus=0)
    def slow(path):
        while not os.path.exists(path):
            time.sleep(0.01)
        return "slow"

    def check():
        refs = [double.remote(n) for n in range(20)]
        assert ray.get(refs, timeout=20) == [2 * n for n in range(20)]
"""

CALLS = {
    "get": "lambda: ray.get(blocked)",
    "get of many": "lambda: ray.get([blocked, *refs])",
    "get with timeout": "lambda: ray.get(blocked, timeout=50)",
    "wait": "lambda: ray.wait([blocked], timeout=50)",
    "put": "lambda: ray.put(bytes(100))",
    "put of arrays": "lambda: ray.put([bytearray(300_000)])",
    "submit": "lambda: double.remote(1)",
    "submit large": "lambda: double.options(num_returns=1).remote(bytes(5_000))",
    "get of ready": "lambda: ray.get(refs)",
}


@pytest.mark.parametrize("call", CALLS)
def test_interrupt(call: str) -> None:
    done = run_script(
        PRELUDE
        + f"""
    ray.init(num_cpus=2, object_store_memory=64 << 20)
    check()
    assert ray.get(slow.remote(".")) == "slow"
    before = testing.store_accounts()
    blocked = slow.remote("go")
    refs = [double.remote(n) for n in range(100)]
    times = [interrupted({CALLS[call]}, seconds) for seconds in (0.02, 0.101, 0.0333)]
    assert min(times) < 0.1, times
    check()
    open("go", "w").close()
    assert ray.get(blocked, timeout=20) == "slow"
    del blocked, refs
    deadline = time.monotonic() + 20
    while testing.store_accounts() != before:
        assert time.monotonic() < deadline, (before, testing.store_accounts())
        time.sleep(0.01)
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr


def test_interrupt_in_init_and_shutdown() -> None:
    done = run_script(
        PRELUDE
        + """
    rng = random.Random(int(os.environ.get("PYRAY_TEST_SEED", "1")))
    fds = len(os.listdir("/proc/self/fd"))
    for n in range(25):
        thread, sent = interrupt_after(rng.uniform(0, 0.04))
        try:
            ray.init(num_cpus=1, object_store_memory=16 << 20)
            ray.put(1)
            ray.shutdown()
            thread.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            assert time.monotonic() - sent[0] < 1.5
        thread.join()
        try:
            ray.shutdown()
        except KeyboardInterrupt:
            pass
        assert not ray.is_initialized()
    assert len(os.listdir("/proc/self/fd")) == fds
    ray.init(num_cpus=1)
    check()
    ray.shutdown()
    """,
        timeout_s=50,
    )
    assert done.returncode == 0, done.stderr


def test_interrupt_of_the_group_spares_workers() -> None:
    done = run_script(
        PRELUDE
        + """
    ray.init(num_cpus=2)
    ref = slow.remote("go")
    check()
    pids = testing.worker_pids()
    for pid in [*pids, testing.supervisor_pid()]:
        os.kill(pid, signal.SIGINT)
    open("go", "w").close()
    assert ray.get(ref, timeout=20) == "slow"
    assert set(pids) <= set(testing.worker_pids())
    ray.shutdown()
    """
    )
    assert done.returncode == 0, done.stderr

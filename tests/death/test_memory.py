"""Memory runs short: tasks that may run again are stopped and run again, the driver lives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import run_script, started_script

SHORT = """
    import os, time
    import pyray as ray
    from pyray import exceptions, testing

    ROOT = os.environ["PYRAY_memory_monitor_root"]

    def use(share):  # of a machine with 100 MB
        with open(f"{ROOT}/proc/meminfo.new", "w") as file:
            file.write(f"MemTotal: 100000 kB\\nMemAvailable: {100000 * (1 - share):.0f} kB\\n")
        os.replace(f"{ROOT}/proc/meminfo.new", f"{ROOT}/proc/meminfo")

    def wait_for(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    use(0.1)
    ray.init(num_cpus=2)
    note = os.getcwd() + "/attempts"
    attempts = lambda name: sum(line == name + "\\n" for line in open(note))
    open(note, "w").close()

    @ray.remote
    def hoard(name, path):
        import os, time
        kept = bytearray(b"x") * 5_000_000
        with open(path, "a") as file:
            file.write(name + "\\n")
        while not os.path.exists(f"{os.path.dirname(path)}/{name}"):
            time.sleep(0.002)
        return name
"""


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """The environment of a driver on a machine whose memory the test invents."""
    (tmp_path / "proc/self").mkdir(parents=True)
    return {
        "PYRAY_memory_monitor_root": str(tmp_path),
        "PYRAY_memory_monitor_refresh_ms": "100",
        "PYRAY_memory_usage_threshold": "0.8",
    }


def test_youngest_retriable_task_is_stopped_and_runs_again(fake: dict[str, str]) -> None:
    done = run_script(
        SHORT
        + """
    old = hoard.options(max_retries=-1).remote("old", note)
    wait_for(lambda: attempts("old") == 1)
    young = hoard.options(max_retries=2).remote("young", note)
    wait_for(lambda: attempts("young") == 1)
    for n in range(1, 7):  # more often than max_retries: it was not its fault
        before = set(testing.worker_pids())
        use(0.9)
        wait_for(lambda: before - set(testing.worker_pids()))
        use(0.1)
        wait_for(lambda: attempts("young") + attempts("old") == n + 2)
    open("old", "w").close(), open("young", "w").close()
    assert ray.get([old, young], timeout=20) == ["old", "young"]
    assert attempts("young") > 1
    ray.shutdown()
    """,
        env=fake,
        check=True,
    )
    assert done.stderr.count("Memory was short: 92 MB of 102 MB in use, more than 80%.") == 1
    assert "hoard" in done.stderr


def test_task_without_retries_says_who_used_what(fake: dict[str, str]) -> None:
    run_script(
        SHORT
        + """
    ref = hoard.options(max_retries=0, name="miser").remote("only", note)
    wait_for(lambda: attempts("only") == 1)
    use(0.9)
    try:
        ray.get(ref, timeout=20)
        raise AssertionError
    except exceptions.OutOfMemoryError as error:
        text = str(error)
    use(0.1)
    for words in ("low on memory", "task: miser", "Memory was short", "Top memory users",
                  "the driver", "none may be run again", "max_retries"):
        assert words in text, (words, text)
    assert len(text.splitlines()) < 25

    @ray.remote
    class Hoarder:
        def __init__(self):
            self.kept = bytearray(b"x") * 5_000_000
        def ready(self):
            return "ready"

    actor = Hoarder.remote()
    assert ray.get(actor.ready.remote(), timeout=20) == "ready"
    pending = hoard.options(max_retries=0).remote("next", note)
    wait_for(lambda: attempts("next") == 1)
    use(0.9)
    for ref, kind in ((pending, exceptions.OutOfMemoryError), (actor.ready.remote(), str)):
        try:
            ray.get(ref, timeout=20)
        except exceptions.OutOfMemoryError as error:
            assert kind is exceptions.OutOfMemoryError
    again = hoard.options(max_retries=0).remote("again", note)  # keeps the monitor looking
    def dead():
        try:
            ray.get(actor.ready.remote(), timeout=20)
        except exceptions.ActorDiedError as error:
            assert "Memory was short" in str(error), str(error)
            return True
    wait_for(dead)
    use(0.1)
    del ref, pending, again, actor
    ray.shutdown()
    """,
        env=fake,
        check=True,
    )


def test_bad_setting_is_refused_by_init() -> None:
    run_script(
        """
        import pyray as ray
        try:
            ray.init()
        except ValueError as error:
            assert "PYRAY_memory_usage_threshold" in str(error)
        else:
            raise AssertionError
        assert not ray.is_initialized()
        """,
        env={"PYRAY_memory_usage_threshold": "lots"},
        check=True,
    )


GREEDY = """
    import os, sys, time
    while not os.path.exists("go"): time.sleep(0.005)
    import pyray as ray
    ray.init(num_cpus=8, object_store_memory=32 << 20)

    @ray.remote
    def allocate(n):
        kept = []
        for _ in range(20):
            kept.append(bytearray(b"x") * 5_000_000)
            time.sleep(0.02)
        return n

    assert ray.get([allocate.remote(n) for n in range(50)], timeout=100) == [*range(50)]
    ray.shutdown()
    print("done", flush=True)
"""


@pytest.mark.slow  # 5 GB are written, several times
@pytest.mark.timeout(180)
def test_fifty_greedy_tasks_finish_in_a_small_control_group(group: Path) -> None:
    assert shutil.which("true")
    with started_script(GREEDY) as script:
        (group / "cgroup.procs").write_text(str(script.pid))
        (script.folder / "work/go").touch()
        done = script.wait(120)
        assert done.returncode == 0, script.report()
        assert "done" in done.stdout

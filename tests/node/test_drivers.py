"""Several drivers in one session: what they share, and what each has to itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

import pyray as ray
from pyray import _core, testing
from pyray.node import joining, session_folder
from pyray.node.session import session_path
from pyray.util.concurrent.futures import ProcessPoolExecutor
from pyray.util.joblib import register_ray
from pyray.util.multiprocessing import Pool
from tests.support import Script, started_script, wait_until


@pytest.fixture(autouse=True)
def end() -> Iterator[None]:
    """Leave the session of a test that fails in the middle."""
    yield
    ray.shutdown()


class Counter:
    """Counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def is_alive(pid: int) -> bool:
    """Return whether a process exists, and is more than a zombie."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def driver(head: str, source: str) -> Iterator[Script]:
    """Run a program that has joined the head, until it has said "ready"."""
    program = f"""
        import os, sys, time
        import pyray as ray
        ray.init(address={head!r}, namespace="shared")
        {source.strip()}
    """
    with started_script(program) as script:
        script.wait_for_output("ready")
        yield script


def test_driver_joins_works_and_leaves(head: str) -> None:
    with ray.init(address=head) as context:
        assert context.address_info["session_dir"] == head
        assert ray.get([ray.remote(lambda n=n: n * n).remote() for n in range(50)])[-1] == 2401
        assert ray.cluster_resources()["CPU"] == 2
        first = ray.get_runtime_context().get_job_id()
        assert ray.get(ray.remote(lambda: ray.get_runtime_context().get_job_id()).remote()) == first
    assert not ray.is_initialized()
    ray.init(address="auto")
    assert ray.get_runtime_context().get_job_id() == "02000000" != first
    ray.shutdown()
    assert session_folder.find()[0].path == head


def test_functions_and_classes_are_used_again_by_a_driver_that_comes_back(head: str) -> None:
    square = ray.remote(lambda n: n * n)
    kind = ray.remote(Counter)
    for n in range(3):
        ray.init(address=head)
        assert ray.get(square.remote(n)) == n * n
        assert ray.get(ray.remote(lambda n=n: ray.get(square.remote(n))).remote()) == n * n
        assert ray.get(kind.remote().add.remote()) == 1
        ray.shutdown()


def test_reference_of_an_earlier_stay_in_the_same_session_is_inert(head: str) -> None:
    import numpy as np

    ray.init(address=head)
    old = ray.put(np.arange(100_000))
    array = ray.get(old)
    ray.shutdown()
    ray.init(address=head)
    new = [ray.put(np.zeros(100_000)) for _ in range(20)]
    assert array.sum() == 99_999 * 50_000  # nobody else has got its memory meanwhile
    with pytest.raises(ValueError, match="earlier session"):
        ray.get(old)
    del old
    assert all(not one.any() for one in ray.get(new))
    testing.store_accounts()
    used = testing.store_stats()["used_bytes"]
    del array
    wait_until(lambda: testing.store_stats()["used_bytes"] < used, 10, "its memory to be free")


def test_environment_and_head_say_where_to_go(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ray.init() as context:
        assert context.address_info["session_dir"] == head
    with ray.init(address="local", num_cpus=1) as context:
        assert context.address_info["session_dir"] not in {"", head}
    for name in ("RAY_ADDRESS", "PYRAY_ADDRESS"):
        monkeypatch.setenv(name, head)
        with ray.init() as context:
            assert context.address_info["session_dir"] == head
        monkeypatch.setenv(name, "/nonexistent/session")
        with pytest.raises(ConnectionError, match="no session at '/nonexistent"):
            ray.init()
        monkeypatch.delenv(name)
    for address in ("auto", None):  # as in Ray: a head describes its machine itself
        with pytest.raises(ValueError, match="num_cpus must not be provided"):
            ray.init(address=address, num_cpus=1)


def test_pools_join_a_head_whatever_their_size(head: str) -> None:
    joblib = pytest.importorskip("joblib")
    register_ray()

    def by_joblib() -> None:
        with joblib.parallel_backend("ray", n_jobs=2):
            assert joblib.Parallel()([joblib.delayed(abs)(-1)]) == [1]

    def by_pool(address: str | None = None) -> None:
        with Pool(3, ray_address=address) as pool:
            assert pool.map(abs, [-1]) == [1]

    def by_executor() -> None:
        with ProcessPoolExecutor(3) as executor:
            assert list(executor.map(abs, [-1])) == [1]

    for work in (by_joblib, by_pool, lambda: by_pool(head), by_executor):
        work()
        assert session_path() == head
        ray.shutdown()


def test_address_that_names_nothing(place: object) -> None:
    del place
    with pytest.raises(ConnectionError, match="pyray start --head"):
        ray.init(address="auto")
    with pytest.raises(ConnectionError, match="names no session"):
        ray.init(address="ray://elsewhere:10001")
    with pytest.raises(ConnectionError, match="There is no session at"):
        ray.init(address="/tmp")
    with pytest.raises(TypeError, match="address"):
        ray.init(address=5)  # type: ignore[arg-type]
    assert not ray.is_initialized()


def test_jobs_are_listed_with_their_ends(head: str) -> None:
    with driver(head, 'print("ready"); time.sleep(60)') as script:
        pass
    ray.init(address=head, namespace="mine")

    def jobs() -> list[dict[str, object]]:
        answer = joining.ask(head, {"wants": "jobs"})
        answer.close()
        return [*answer.words["jobs"]]

    wait_until(lambda: jobs()[0]["end_time"], 10, "the first job to end")
    first, second = jobs()
    assert (first["job"], first["pid"], first["namespace"]) == (1, script.process.pid, "shared")
    assert "program.py" in str(first["entrypoint"])
    assert (second["job"], second["pid"], second["end_time"]) == (2, os.getpid(), None)


def test_names_are_of_a_namespace(head: str) -> None:
    source = """
        @ray.remote
        class Counter:
            def __init__(self): self.n = 0
            def next(self): self.n += 1; return self.n
        counter = Counter.options(name="counter", num_cpus=0).remote()
        assert ray.get(counter.next.remote()) == 1
        print("ready"); time.sleep(60)
    """
    with driver(head, source):
        ray.init(address=head, namespace="shared")
        assert ray.get(ray.get_actor("counter").next.remote()) == 2
        ray.shutdown()
        ray.init(address=head)
        with pytest.raises(ValueError, match="counter"):
            ray.get_actor("counter")
        assert ray.get(ray.get_actor("counter", namespace="shared").next.remote()) == 3


def test_death_of_a_driver_takes_what_is_its_own(head: str) -> None:
    source = """
        @ray.remote(num_cpus=0)
        class Holder:
            def pid(self): return os.getpid()
        @ray.remote(num_cpus=0)
        def nest():
            inner = ray.remote(num_cpus=0)(lambda: time.sleep(60)).remote()
            ray.get(inner)
        plain = Holder.options(name="plain").remote()
        detached = Holder.options(name="detached", lifetime="detached").remote()
        pids = ray.get([plain.pid.remote(), detached.pid.remote()])
        ref = ray.put(bytes(1_000_000))
        long = [nest.remote() for _ in range(2)]
        queued = [ray.remote(lambda: 1).options(num_cpus=2).remote() for _ in range(500)]
        from pyray.util import placement_group
        group = placement_group([{"CPU": 1}])
        print("ready", *pids); time.sleep(60)
    """
    ray.init(address=head, namespace="shared")
    mine = ray.put(bytes(500_000))
    empty = testing.store_stats()["used_bytes"]
    with driver(head, source) as script:
        plain, detached = map(int, script.stdout().split()[1:3])
        calls = [ray.get_actor(name).pid.remote() for name in ("plain", "detached")]
        assert ray.get(calls) == [plain, detached]
        other = ray.get_actor("plain")
        script.process.kill()
    wait_until(lambda: not is_alive(plain), 10, "its actor to end")
    wait_until(
        lambda: testing.store_stats()["used_bytes"] < empty + 900_000, 10, "its object to go"
    )
    with pytest.raises(ray.exceptions.ActorDiedError, match="has ended"):
        ray.get(other.pid.remote())
    with pytest.raises(ValueError, match="plain"):
        ray.get_actor("plain")
    assert ray.get(ray.get_actor("detached").pid.remote()) == detached
    assert ray.get(ray.remote(lambda: 2).options(num_cpus=2).remote(), timeout=20) == 2
    assert len(ray.get(mine)) == 500_000
    wait_until(lambda: _core.engine_stats()["pending"] == 0, 10, "its tasks to end")
    ray.kill(ray.get_actor("detached"))
    del calls, other
    wait_until(lambda: _core.audit()["actors"] == 0, 10, "the detached actor to go")


@pytest.mark.parametrize("how", ["exit", "shutdown", "kill", "exec", "fork"])
def test_driver_that_ends_in_any_way_leaves_no_process(head: str, how: str) -> None:
    ends = {
        "exit": "sys.exit(3)",
        "shutdown": "ray.shutdown(); print('left', flush=True); time.sleep(60)",
        "kill": "os.kill(os.getpid(), 9)",
        "exec": "os.execvp('sleep', ['sleep', '60'])",
        "fork": "os.fork() and os.kill(os.getpid(), 9); time.sleep(60)",
    }
    source = f"""
        pids = ray.get([ray.remote(os.getpid).remote() for _ in range(4)])
        ref = ray.remote(lambda: time.sleep(60)).remote()
        print("ready", *set(pids), flush=True)
        {ends[how]}
    """
    with driver(head, source) as script:
        pids = [int(word) for word in script.stdout().split()[1:] if word.isdecimal()]
        wait_until(lambda: not any(map(is_alive, pids)), 10, "its workers to end")
    ray.init(address=head)
    wait_until(lambda: _core.audit()["slots"] == 2, 10, "its slot to be given back")


def test_driver_killed_while_it_joins_or_leaves(head: str) -> None:
    source = f"""
        import pyray as ray
        while True:
            ray.init(address={head!r})
            ray.get(ray.remote(lambda: 1).remote())
            print("ready", flush=True)
            ray.shutdown()
    """
    for number in range(12):
        with started_script(source) as script:
            script.wait_for_output("ready\n" * 2)
            time.sleep(number * 0.003)
            script.process.kill()
    ray.init(address=head)
    assert ray.get(ray.remote(lambda: 1).remote(), timeout=20) == 1
    ray.shutdown()
    ray.init(address=head)
    wait_until(lambda: _core.audit()["slots"] == 2, 15, "their slots to be given back")
    testing.store_accounts()


def test_queue_of_one_driver_does_not_starve_another(head: str) -> None:
    source = """
        @ray.remote
        def work(): time.sleep(0.002)
        refs = [work.remote() for _ in range(100_000)]
        print("ready"); time.sleep(60)
    """
    with driver(head, source):
        ray.init(address=head)
        assert (
            ray.get([ray.remote(lambda n=n: n).remote() for n in range(200)], timeout=30)[-1] == 199
        )


def test_output_goes_to_the_driver_whose_task_it_is(head: str) -> None:
    source = """
        @ray.remote
        def say(): print("words of a task"); print("complaint", file=sys.stderr)
        ray.get(say.remote())
        print("ready", flush=True); time.sleep(60)
    """
    with driver(head, source) as one, driver(head, 'print("ready"); time.sleep(60)') as other:
        one.wait_for_output("(say pid=")
        wait_until(lambda: "complaint" in one.stderr(), 10, "the complaint")
        assert ") words of a task" in one.stdout()
        assert "words" not in other.stdout()
        assert "complaint" not in other.stderr()


def test_detached_actor_prints_without_its_driver(head: str) -> None:
    source = """
        @ray.remote(num_cpus=0)
        class Speaker:
            def say(self): print("x" * 10000, flush=True); return os.getpid()
        speaker = Speaker.options(name="speaker", lifetime="detached").remote()
        ray.get(speaker.say.remote())
        print("ready", flush=True)
    """
    with driver(head, source) as script:
        assert script.process.wait(20) == 0
    ray.init(address=head, namespace="shared")
    speaker = ray.get_actor("speaker")
    assert len(set(ray.get([speaker.say.remote() for _ in range(20)]))) == 1
    ray.kill(speaker)


def test_tasks_see_the_drivers_path_folder_and_runtime_env(head: str, tmp_path: object) -> None:
    from pathlib import Path

    module = Path(str(tmp_path)) / "only_here.py"
    module.write_text("VALUE = 17\n")
    source = f"""
        sys.path.insert(0, {str(tmp_path)!r})
        os.chdir({str(tmp_path)!r})
        ray.shutdown()
        ray.init(address={head!r}, runtime_env={{"env_vars": {{"A": "b"}}}})
        @ray.remote
        def look():
            import only_here
            return only_here.VALUE, os.getcwd(), os.environ["A"]
        @ray.remote
        def nested():
            return ray.get(look.options(runtime_env={{"env_vars": {{"B": "c"}}}}).remote())
        assert ray.get(look.remote()) == (17, {str(tmp_path)!r}, "b"), ray.get(look.remote())
        assert ray.get(nested.remote()) == (17, {str(tmp_path)!r}, "b")
        print("ready")
    """
    with driver(head, source) as script:
        assert script.process.wait(20) == 0


def test_founder_ends_its_session_and_guests_are_told(place: object) -> None:
    del place
    founder = """
        import pyray as ray, time
        ray.init(num_cpus=1)
        print("ready", flush=True); time.sleep(60)
    """
    with started_script(founder) as script:
        script.wait_for_output("ready")
        ray.init(address="auto")
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
        waiting = ray.remote(lambda: time.sleep(60)).remote()
        script.process.kill()
        with pytest.raises(ray.exceptions.RaySystemError, match="ended"):
            ray.get(waiting, timeout=20)
    with pytest.raises(ray.exceptions.RaySystemError, match="ended"):
        ray.get(ray.put(1), timeout=20)
    ray.shutdown()
    wait_until(lambda: not session_folder.find(), 10, "the session to be gone")


def test_forked_child_does_not_end_its_parents_stay(head: str) -> None:
    ray.init(address=head)
    ref = ray.put(1)
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            ray.shutdown()
        os._exit(0)
    os.waitpid(pid, 0)
    assert ray.get(ref) == 1
    assert ray.get(ray.remote(lambda: 2).remote(), timeout=20) == 2


def test_stopped_driver_is_not_dead(head: str) -> None:
    source = """
        @ray.remote(num_cpus=0)
        class A:
            def f(self): return 5
        a = A.options(name="a").remote(); ray.get(a.f.remote())
        print("ready", flush=True); time.sleep(60)
    """
    with driver(head, source) as script:
        os.kill(script.process.pid, signal.SIGSTOP)
        ray.init(address=head, namespace="shared")
        assert ray.get(ray.get_actor("a").f.remote(), timeout=20) == 5

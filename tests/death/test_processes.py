"""Deaths of drivers and supervisors, hostile surroundings: nothing is left, nobody hangs."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import support
from tests.support import Script, run_script, started_script, wait_until

GONE_S = 1.0
"""What the promise says; `wait_until` multiplies it on slow machines."""


def family(mark: str) -> list[str]:
    """Return every process that was started under a mark, zombies among the children included."""
    return [
        str(one)
        for one in support.processes().values()
        if support.environment_has(one.pid, f"PYRAY_TEST_FAMILY={mark}")
    ]


@pytest.fixture
def mark() -> str:
    """A word in the environment of a program and everything it starts."""
    return f"{os.getpid()}-{time.monotonic_ns()}"


def expect_nobody(mark: str, deadline_s: float = GONE_S) -> None:
    """Everything that carries the mark must be gone within a second."""
    try:
        wait_until(lambda: not family(mark), deadline_s, "the end of all processes")
    except AssertionError:
        left = family(mark)
        for one in support.processes().values():
            if support.environment_has(one.pid, f"PYRAY_TEST_FAMILY={mark}"):
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
        raise AssertionError("left behind:\n" + "\n".join(left)) from None


BUSY = """
    import os, signal, subprocess, sys, time
    os.environ["RAY_DEDUP_LOGS"] = "0"  # what two of them print shows twice
    import pyray as ray
    from pyray import testing

    ray.init(num_cpus=2, object_store_memory=16 << 20)

    @ray.remote(num_cpus=0)
    def spawn(detached):
        child = subprocess.Popen(["sleep", "60"], start_new_session=detached)
        print("grandchild", child.pid, flush=True)
        time.sleep(60)

    @ray.remote(num_cpus=0)
    def stubborn():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        import ctypes
        print("stubborn", flush=True)
        ctypes.PyDLL(None).sleep(60)

    kept = [ray.put(bytes(200_000)), spawn.remote(False), spawn.remote(True), stubborn.remote()]
    view = ray.get(kept[0])
    testing_pid = testing.supervisor_pid()
"""


def wait_busy(script: Script) -> None:
    """Wait until the tasks of BUSY run."""
    wait_until(
        lambda: script.stdout().count("grandchild") == 2 and "stubborn" in script.stdout(),
        20,
        "the tasks to run",
    )


ENDINGS = {
    "sys.exit": "sys.exit(0)",
    "exception": "raise ValueError('on purpose')",
    "os._exit": "os._exit(7)",
    "end of program": "pass",
    "shutdown": "ray.shutdown()",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "os.kill(os.getpid(), signal.SIGSEGV)",
    "SIGINT": "os.kill(os.getpid(), signal.SIGINT)",
}
CODES = {"sys.exit": 0, "exception": 1, "os._exit": 7, "end of program": 0, "shutdown": 0}


@pytest.mark.parametrize("ending", ENDINGS)
def test_driver_ends_and_nothing_remains(ending: str, mark: str) -> None:
    source = (
        BUSY + "\n    sys.stdin = None\n    while not os.path.exists('go'): time.sleep(0.005)\n    "
    )
    with started_script(source + ENDINGS[ending], env={"PYRAY_TEST_FAMILY": mark}) as script:
        wait_busy(script)
        next(script.folder.glob("*/")).joinpath("go").touch()
        code = script.wait(10).returncode
        expect_nobody(mark)
        assert code == CODES.get(ending, code)
        if ending in {"sys.exit", "end of program", "shutdown"}:
            assert script.stderr() == ""


def test_driver_and_supervisor_killed_at_once(mark: str) -> None:
    source = BUSY + "\n    print('supervisor', testing_pid, flush=True)\n    time.sleep(60)"
    with started_script(source, env={"PYRAY_TEST_FAMILY": mark}) as script:
        script.wait_for_output("supervisor")
        wait_busy(script)
        words = script.stdout().split()
        supervisor = int(words[words.index("supervisor") + 1])
        os.kill(supervisor, signal.SIGKILL)
        os.kill(script.pid, signal.SIGKILL)
        script.wait(5)
        expect_nobody(mark)


def test_supervisor_killed_and_everybody_is_told(mark: str) -> None:
    source = (
        BUSY
        + """
    import threading
    from pyray import exceptions

    told = []

    def blocked(call):
        start = time.monotonic()
        try:
            call()
        except exceptions.RaySystemError as error:
            told.append((time.monotonic() - killed[0], str(error)))

    calls = [
        lambda: ray.get(kept[1]),
        lambda: ray.get(kept[1:]),
        lambda: ray.wait(kept[1:], timeout=30),
    ]
    threads = [threading.Thread(target=blocked, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    while not os.path.exists('go'): time.sleep(0.005)
    killed = [time.monotonic()]
    os.kill(testing_pid, signal.SIGKILL)
    blocked(lambda: ray.get(kept[2]))
    for thread in threads:
        thread.join()
    assert len(told) == 4, told
    assert max(seconds for seconds, _ in told) < 1.0, told
    assert all("supervisor" in text for _, text in told)
    for call in [lambda: ray.put(1), lambda: spawn.remote(True), lambda: ray.get(kept[0])]:
        try:
            call()
        except exceptions.RaySystemError:
            continue
        raise AssertionError("went on without a supervisor")
    assert view == bytes(200_000)
    ray.shutdown()
    print("down", flush=True)
    ray.init(num_cpus=1)

    @ray.remote
    def one():
        return 1

    assert ray.get(one.remote(), timeout=20) == 1
    ray.shutdown()
    print("again", flush=True)
    """
    )
    with started_script(source, env={"PYRAY_TEST_FAMILY": mark}) as script:
        wait_busy(script)
        next(script.folder.glob("*/")).joinpath("go").touch()
        assert script.wait(30).returncode == 0, script.report()
        expect_nobody(mark)


CYCLES = """
    import sys, time
    import pyray as ray

    @ray.remote
    def double(n):
        return 2 * n

    for n in range(100):
        print("init", flush=True)
        ray.init(num_cpus=2, object_store_memory=16 << 20)
        print("run", flush=True)
        refs = [double.remote(n) for n in range(20)]
        kept = ray.put(bytes(300_000))
        view = ray.get(kept)
        assert ray.get(refs) == [2 * n for n in range(20)]
        print("shutdown", flush=True)
        ray.shutdown()
        print("down", flush=True)
"""


def kill_at_random_moments(rng: random.Random, times: int) -> None:
    """Start a driver, kill it somewhere between init and the end of shutdown, and look around."""
    for n in range(times):
        mark = f"{os.getpid()}-{time.monotonic_ns()}"
        phase = rng.choice(["init", "run", "shutdown", "down"])
        delay_s = rng.uniform(0, {"init": 0.15, "run": 0.05, "shutdown": 0.05, "down": 0.01}[phase])
        with started_script(CYCLES, env={"PYRAY_TEST_FAMILY": mark}) as script:
            script.wait_for_output(phase + "\n")
            time.sleep(delay_s)  # where it gets to is the point
            script.process.kill()
            script.wait(5)
            try:
                expect_nobody(mark)
            except AssertionError as error:
                raise AssertionError(f"round {n}, {delay_s:.4f} s after {phase}: {error}") from None


def test_driver_killed_at_random_moments(rng: random.Random) -> None:
    kill_at_random_moments(rng, 10)


@pytest.mark.slow  # 50 interpreters
@pytest.mark.timeout(300)
def test_driver_killed_at_fifty_random_moments(rng: random.Random) -> None:
    kill_at_random_moments(rng, 50)


HELLO = """
    import os, sys
    import pyray as ray
    ray.init(num_cpus=1, object_store_memory=16 << 20)

    @ray.remote
    def hello(n):
        print("from the task", flush=True)
        return n + 1

    assert ray.get(hello.remote(1), timeout=20) == 2
    assert len(ray.get(ray.put(bytes(100_000)))) == 100_000
    ray.shutdown()
    os._exit(42)
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1", "0 1 2"])
def test_driver_with_closed_standard_files(closed: str, mark: str) -> None:
    closing = "\n    import os\n    " + "\n    ".join(f"os.close({n})" for n in closed.split())
    with started_script(closing + HELLO, env={"PYRAY_TEST_FAMILY": mark}) as script:
        assert script.wait(20).returncode == 42, script.report()
        expect_nobody(mark)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_driver_started_with_closed_standard_files(closed: str, mark: str) -> None:
    source = f"""
    import subprocess, sys
    sys.exit(subprocess.call(["sh", "-c", '"$0" child.py {closed}', sys.executable]))
    """
    write = f"\n    open('child.py', 'w').write(__import__('textwrap').dedent({HELLO!r}))"
    with started_script(write + source, env={"PYRAY_TEST_FAMILY": mark}) as script:
        assert script.wait(20).returncode == 42, script.report()
        expect_nobody(mark)


def test_driver_with_few_files() -> None:
    limit = """
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    """
    assert run_script(limit + HELLO).returncode == 42
    many = """
    import pyray as ray, time
    from pyray import testing
    ray.init(num_cpus=2)

    @ray.remote(num_cpus=0)
    def nap(n):
        time.sleep(0.5)
        return n

    assert ray.get([nap.remote(n) for n in range(100)], timeout=40) == list(range(100))
    ray.shutdown()
    """
    run_script(limit + many, check=True, timeout_s=45)


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TMPDIR": "/nonexistent/folder"},
        {"HOME": "/nonexistent"},
        {"HOME": "/proc"},  # nothing can be written there
        {"PYTHONPATH": ":/nonexistent::relative:\u00e4"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONHASHSEED": "0", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
        {"OMP_NUM_THREADS": "3", "http_proxy": "http://127.0.0.1:9"},
        {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"},
    ],
    ids=lambda env: " ".join(env),
)
def test_driver_in_odd_surroundings(env: dict[str, str]) -> None:
    if "PYTHONPATH" in env:
        env = {"PYTHONPATH": os.pathsep.join([str(support.ROOT), env["PYTHONPATH"]])}
    source = HELLO.replace("assert ", "if not ") if "PYTHONOPTIMIZE" in env else HELLO
    if "PYTHONOPTIMIZE" in env:
        source = source.replace(" == 2\n", " == 2: sys.exit(1)\n").replace(
            "100_000\n", "100_000: sys.exit(1)\n"
        )
    done = run_script(source, env=env)
    assert done.returncode == 42, done.stderr
    assert done.stderr == ""
    assert "from the task" in done.stdout


def test_driver_with_a_long_name_for_temporary_files(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    done = run_script(HELLO, env={"TMPDIR": str(folder)})
    assert done.returncode == 42, done.stderr
    assert list(folder.iterdir()) == []


def test_driver_without_network() -> None:
    before = """
    import ctypes, sys
    if ctypes.CDLL(None).unshare(0x40000000) != 0:  # CLONE_NEWNET
        sys.exit(77)
    """
    done = run_script(before + HELLO)
    if done.returncode == 77:
        pytest.skip("no network namespace can be made here")
    assert done.returncode == 42, done.stderr


def test_driver_in_folder_that_is_gone() -> None:
    done = run_script("\n    import os; os.mkdir('x'); os.chdir('x'); os.rmdir('../x')" + HELLO)
    assert done.returncode == 42, done.stderr


def test_driver_ignores_hangup_as_under_nohup() -> None:
    before = """
    import os, signal
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    """
    done = run_script(before + HELLO)
    assert done.returncode == 42, done.stderr


def test_two_sessions_do_not_disturb_each_other(mark: str) -> None:
    with started_script(CYCLES) as steady:
        steady.wait_for_output("run\n")
        for _ in range(3):
            with started_script(
                BUSY + "\n    time.sleep(60)", env={"PYRAY_TEST_FAMILY": mark}
            ) as other:
                wait_busy(other)
                other.process.kill()
                other.wait(5)
                expect_nobody(mark)
        rounds = steady.stdout().count("down")
        wait_until(lambda: steady.stdout().count("down") > rounds + 1, 20, "the other to go on")
        assert steady.stderr() == ""
        steady.process.kill()


GROWTH = """
    import gc, os, threading
    import pyray as ray

    def held():
        gc.collect()
        resident = int(open("/proc/self/statm").read().split()[1]) * 4096
        maps = sum("pyray" in line for line in open("/proc/self/maps"))
        files, tasks = os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")
        threads = threading.active_count(), len(tasks)
        return len(files), *threads, maps, dict(os.environ), resident

    @ray.remote
    def double(n):
        return 2 * n

    def cycle():
        ray.init(num_cpus=2, object_store_memory=16 << 20)
        kept = ray.put(bytes(300_000))
        view = ray.get(kept)
        assert ray.get([double.remote(n) for n in range(10)]) == [2 * n for n in range(10)]
        ray.shutdown()

    for _ in range(10):
        cycle()
    before = held()
    for _ in range(CYCLES):
        cycle()
    after = held()
    assert before[:5] == after[:5], (before, after)
    assert after[5] - before[5] < 1 << 20, (before[5], after[5])
"""


def test_twenty_cycles_leave_nothing_in_the_process() -> None:
    run_script(GROWTH.replace("CYCLES", "20"), check=True, timeout_s=50)


@pytest.mark.slow  # 510 times init and shutdown
@pytest.mark.timeout(600)
def test_five_hundred_cycles_leave_nothing_in_the_process() -> None:
    run_script(GROWTH.replace("CYCLES", "500"), check=True, timeout_s=500)


ORPHANS = """
    import os, subprocess, time
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=2)

    # A chain of three, each out of the group of the one before.
    CHAIN = "; ".join([
        "import os, subprocess, sys, time",
        "command = [sys.executable, '-c', sys.argv[2], str(int(sys.argv[1]) - 1), sys.argv[2]]",
        "int(sys.argv[1]) and subprocess.Popen(command, start_new_session=True)",
        "print('link', os.getpid(), flush=True)",
        "time.sleep(60)",
    ])

    @ray.remote(max_retries=0)
    def chain():
        import sys
        subprocess.Popen([sys.executable, "-c", CHAIN, "2", CHAIN], start_new_session=True)
        time.sleep(60)

    ref = chain.remote()
    while not os.path.exists("go"): time.sleep(0.005)
    (victim,) = [
        pid for pid in testing.worker_pids() if open(f"/proc/{pid}/task/{pid}/children").read()
    ]
    testing.kill_worker(victim)
    print("killed", flush=True)
    time.sleep(60)
"""


def test_worker_killed_takes_all_it_started(mark: str) -> None:
    with started_script(ORPHANS, env={"PYRAY_TEST_FAMILY": mark}) as script:
        wait_until(lambda: script.stdout().count("link") == 3, 20, "three links")
        links = [int(line.split()[-1]) for line in script.stdout().splitlines() if "link" in line]
        next(script.folder.glob("*/")).joinpath("go").touch()
        script.wait_for_output("killed")
        wait_until(
            lambda: not [pid for pid in links if support.process(pid)], GONE_S, "the chain's end"
        )
        script.process.kill()
        script.wait(5)
        expect_nobody(mark)


def test_background_process_of_a_live_worker_outlives_another_worker(mark: str) -> None:
    source = """
    import os, subprocess, time
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=2)

    @ray.remote
    class Starter:
        def start(self):
            command = ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"]
            return int(subprocess.run(command, capture_output=True, check=True).stdout)
        def pid(self):
            return os.getpid()

    def wait_for_end(pid):
        deadline = time.monotonic() + 5
        while os.path.exists(f"/proc/{pid}"):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    first, second = Starter.remote(), Starter.remote()
    mine, other = ray.get([first.start.remote(), second.start.remote()])
    pids = ray.get([first.pid.remote(), second.pid.remote()])
    testing.kill_worker(pids[1])
    wait_for_end(other)
    assert os.path.exists(f"/proc/{mine}")
    testing.kill_worker(pids[0])
    wait_for_end(mine)
    ray.shutdown()
    """
    run_script(source, check=True, env={"PYRAY_TEST_FAMILY": mark})
    expect_nobody(mark)


def test_daemon_of_a_live_worker_outlives_another_worker(mark: str) -> None:
    source = """
    import os, subprocess, sys, time
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=2)

    @ray.remote
    class Starter:
        def start_program(self):
            command = ["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"]
            return int(subprocess.run(command, capture_output=True, check=True).stdout)

        def start_fork(self):
            read, write = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.write(write, str(os.getpid()).encode())
                    time.sleep(60)
                os._exit(0)
            os.wait()
            return int(os.read(read, 20))

        def pid(self):
            return os.getpid()

    def wait_for(condition):
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def is_orphan(pid):
        parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
        return int(parent) == testing.supervisor_pid()

    first, second = Starter.remote(), Starter.remote()
    mine = ray.get([first.start_program.remote(), first.start_fork.remote()])
    others = ray.get([second.start_program.remote(), second.start_fork.remote()])
    pids = ray.get([first.pid.remote(), second.pid.remote()])
    wait_for(lambda: all(is_orphan(pid) and os.getsid(pid) not in pids for pid in mine + others))
    testing.kill_worker(pids[1])
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in others))
    assert all(os.path.exists(f"/proc/{pid}") for pid in mine)
    testing.kill_worker(pids[0])
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in mine))
    ray.shutdown()
    """
    run_script(source, check=True, env={"PYRAY_TEST_FAMILY": mark})
    expect_nobody(mark)


STUBBORN = {
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); note(); time.sleep(60)",
    "holds the GIL in C": "note(); ctypes.PyDLL(None).sleep(60)",
    "loops": "note()\n        while True: pass",
    "is stopped": "note(); os.kill(os.getpid(), signal.SIGSTOP)",
    "ends slowly": "atexit.register(time.sleep, 60); note(); time.sleep(60)",
}


@pytest.mark.parametrize("task", STUBBORN)
def test_shutdown_takes_less_than_a_second_whatever_tasks_do(task: str, mark: str) -> None:
    source = f"""
    import atexit, ctypes, os, signal, time
    import pyray as ray
    ray.init(num_cpus=2)

    @ray.remote(num_cpus=0)
    def stubborn(path):
        def note():
            with open(path, "a") as file:
                file.write("x")
        {STUBBORN[task]}

    @ray.remote(num_cpus=0)
    class Stubborn:
        def work(self, path):
            def note():
                with open(path, "a") as file:
                    file.write("x")
            {STUBBORN[task].replace("        while", "            while")}

    path = os.getcwd() + "/note"
    actor = Stubborn.remote()
    refs = [stubborn.remote(path), stubborn.remote(path), actor.work.remote(path)]
    while not os.path.exists(path) or len(open(path).read()) < 3: time.sleep(0.005)
    start = time.monotonic()
    ray.shutdown()
    print(time.monotonic() - start)
    """
    done = run_script(source, check=True, env={"PYRAY_TEST_FAMILY": mark})
    assert float(done.stdout) < 1.5 * support.SLOWNESS  # half a second for a loaded machine
    expect_nobody(mark)


def test_supervisor_has_one_thread_and_workers_the_user_s_settings(mark: str) -> None:
    source = """
    import os
    import numpy
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=1)

    @ray.remote
    def setting():
        return os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]

    assert ray.get(setting.remote()) == ("2", "1")
    assert len(os.listdir(f"/proc/{testing.supervisor_pid()}/task")) == 1
    ray.shutdown()
    """
    env = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "1", "PYRAY_TEST_FAMILY": mark}
    assert run_script(source, check=True, env=env).stderr == ""
    expect_nobody(mark)


def test_daemon_of_a_task_is_not_left_a_zombie(mark: str) -> None:
    source = """
    import os, subprocess, time
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=1)

    @ray.remote
    def daemonise():
        subprocess.run(["sh", "-c", "sh -c 'sleep 0.05' &"], check=True)

    ray.get(daemonise.remote())
    pid = testing.supervisor_pid()
    deadline = time.monotonic() + 5
    def states():
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
        return [open(f"/proc/{c}/stat").read().rpartition(")")[2].split()[0] for c in children]
    time.sleep(0.2)
    while "Z" in states():
        assert time.monotonic() < deadline, states()
        time.sleep(0.01)
    """
    run_script(source, check=True, env={"PYRAY_TEST_FAMILY": mark})
    expect_nobody(mark)


def test_thread_blocked_in_get_is_told_of_shutdown() -> None:
    run_script(
        """
        import threading, time
        import pyray as ray
        from pyray import exceptions

        for _ in range(5):
            ray.init(num_cpus=1, object_store_memory=16 << 20)

            @ray.remote
            def slow():
                time.sleep(60)

            told = []
            def blocked(call):
                try:
                    call()
                except exceptions.RaySystemError as error:
                    told.append(error)

            refs = [slow.remote(), slow.remote()]
            calls = [
                lambda: ray.get(refs[0]), lambda: ray.get(refs),
                lambda: ray.wait(refs), lambda: refs[1].future().result(),
            ]
            threads = [threading.Thread(target=blocked, args=(call,)) for call in calls]
            for thread in threads:
                thread.start()
            time.sleep(0.1)
            ray.shutdown()
            for thread in threads:
                thread.join(5)
                assert not thread.is_alive()
            assert len(told) == 4, told
        """,
        check=True,
    )

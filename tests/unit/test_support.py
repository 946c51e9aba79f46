"""The tools of the tests are tested: a check that cannot fail is worth nothing."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import fix_leaks, support

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@contextmanager
def leak(kind: str) -> Iterator[str]:
    """Leak something of this kind inside the block; yield a text that the check must say."""
    if kind == "process":
        with subprocess.Popen(SLEEP) as child:
            yield f"process {child.pid}"
            child.kill()
    elif kind == "zombie":
        child_pid = os.posix_spawn("/bin/true", ["true"], {})
        os.waitid(os.P_PID, child_pid, os.WEXITED | os.WNOWAIT)
        yield "zombie"
        os.waitpid(child_pid, 0)
    elif kind == "orphan":
        script = "import sys, subprocess as s; print(s.Popen(sys.argv[1:], stdout=s.DEVNULL).pid)"
        done = subprocess.run(
            [sys.executable, "-c", script, *SLEEP], stdout=subprocess.PIPE, check=True
        )
        yield f"process {int(done.stdout)} (parent "
        os.kill(int(done.stdout), signal.SIGKILL)
    elif kind == "thread":
        event = threading.Event()
        thread = threading.Thread(target=event.wait, name="left-behind")
        thread.start()
        yield "thread: left-behind"
        event.set()
        thread.join()
    elif kind == "open file":
        with socket.socket() as opened:
            yield f"open file: {os.readlink(f'/proc/self/fd/{opened.fileno()}')}"
    elif kind == "mapping":
        import mmap

        fd = os.memfd_create("pyray-heap")
        os.truncate(fd, 4096)
        with mmap.mmap(fd, 4096):
            os.close(fd)
            yield "mapping: pyray-heap"
    elif kind == "name":
        path = "/dev/shm/pyray-test-name"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR))
        yield path
        os.unlink(path)


KINDS = ["process", "zombie", "orphan", "thread", "open file", "mapping", "name"]


@pytest.mark.parametrize("kind", KINDS)
def test_leak_check_names_what_remains_and_forgets_what_is_gone(kind: str) -> None:
    before = fix_leaks.Snapshot.take()
    with leak(kind) as expected:
        lines = fix_leaks.remains(before, patience_s=0.05)
        assert any(expected in line for line in lines), (expected, lines)
    assert fix_leaks.remains(before) == []


def test_leak_check_in_a_session_allows_its_processes_but_not_changed_accounts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = {"objects": 1, "heap_bytes": 64}
    monkeypatch.setattr(fix_leaks, "_session_runs", lambda: True)
    monkeypatch.setattr(fix_leaks, "store_accounts", accounts.copy)
    supervisor = """
        import os, subprocess, sys, time
        while not os.path.exists("go"):
            time.sleep(0.005)
        print(subprocess.Popen(sys.argv[1:]).pid, "started")
        time.sleep(50)
        """
    with support.started_script(supervisor, args=SLEEP) as script:
        before = fix_leaks.Snapshot.take()
        (script.folder / "work" / "go").touch()
        script.wait_for_output("started")
        assert support.descendants(script.pid)
        assert fix_leaks.remains(before, patience_s=0) == []
        with leak("process") as expected:
            lines = fix_leaks.remains(before, patience_s=0)
            assert len(lines) == 1
            assert expected in lines[0]
        accounts["objects"] = 3
        lines = fix_leaks.remains(before, patience_s=0)
        assert lines == ["account objects: 1 before, 3 after"]


def test_run_script_returns_code_and_output() -> None:
    done = support.run_script(
        """
        import os, sys
        print(sys.argv[1:], os.environ["COLOUR"], os.listdir("."), os.getsid(0) == os.getpid())
        print("careful", file=sys.stderr)
        sys.exit(3)
        """,
        args=["a", "b"],
        env={"COLOUR": "green"},
    )
    assert (done.returncode, done.stdout) == (3, "['a', 'b'] green [] True\n")
    assert done.stderr == "careful\n"


def test_run_script_with_check_shows_the_traceback() -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        support.run_script("1 / 0", check=True)


def test_run_script_out_of_time_kills_the_group_and_says_where_it_hung() -> None:
    source = f"import subprocess, time; subprocess.Popen({SLEEP!r}); print('here'); time.sleep(50)"
    with pytest.raises(AssertionError, match=r"did not end within 0.5 s[\s\S]*here[\s\S]*process"):
        support.run_script(source, timeout_s=0.5)


def test_wait_until_says_what_it_waited_for() -> None:
    with pytest.raises(AssertionError, match="in vain for the end of days; last seen: 0"):
        support.wait_until(lambda: 0, 0.01, "the end of days")
    assert support.wait_until(lambda: "now", 0.01, "it") == "now"


def test_session_processes_are_found_by_mark_and_by_memory() -> None:
    source = """
        import mmap, os, time
        fd = os.memfd_create("pyray-control")
        os.truncate(fd, 4096)
        memory = mmap.mmap(fd, 4096)
        if os.fork() == 0:
            time.sleep(50)
        print("ready")
        time.sleep(50)
        """
    with support.started_script(source, env={"PYRAY_SESSION_ID": "77"}) as script:
        script.wait_for_output("ready")
        family = [script.pid, *support.descendants(script.pid)]
        assert len(family) == 2
        assert support.session_processes("77") == sorted(family)
        assert set(family) <= set(support.session_processes())
        assert support.session_processes("no such session") == []
        assert str(script.pid) in support.stacks(family)


def test_private_bytes_grow_with_what_is_written() -> None:
    # A mapping of its own: what malloc gives may be memory that was written to before.
    with mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        before = support.private_bytes()
        block.write(b"1" * len(block))
        assert 15 << 20 < support.private_bytes() - before < 24 << 20


RUN = """
    import os, subprocess, sys
    folder = os.path.join(sys.argv[1], "tests_of_a_test")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "test_it.py"), "w") as file:
        file.write(sys.argv[2])
    os.chdir(folder)
    flags = ["-p", "tests.fix_hangs", "-p", "tests.fix_leaks", "-p", "tests.fix_order"]
    code = subprocess.call([sys.executable, "-m", "pytest", "--rootdir=.", *flags, *sys.argv[3:]])
    sys.exit(100 if code < 0 else code)
    """


def run_pytest(folder: os.PathLike[str], tests: str, *flags: str) -> tuple[int, str]:
    """Run pytest with the plugins of this suite on one test file; return exit code and output."""
    env = {"PYRAY_TEST_SEED": "5"}
    done = support.run_script(RUN, args=[str(folder), tests, *flags], env=env, timeout_s=40)
    return done.returncode, done.stdout + done.stderr


def test_a_leaking_test_fails_and_the_next_one_does_not(tmp_path: os.PathLike[str]) -> None:
    tests = f"""
import subprocess, threading
def test_leaks():
    subprocess.Popen({SLEEP!r})
def test_is_clean():
    pass
"""
    code, output = run_pytest(tmp_path, tests)
    assert code == 1, output
    assert "2 passed, 1 error" in output
    assert "this test left behind, 2 s after its end:" in output
    assert "import time; time.sleep(60)" in output
    assert "PYRAY_TEST_SEED=5" in output


def test_a_hanging_test_fails_with_the_stacks_of_its_children(
    tmp_path: os.PathLike[str],
) -> None:
    tests = """
import subprocess, sys
def test_hangs():
    program = "import time\\ndef dream(): time.sleep(3)\\ndream()"
    with subprocess.Popen([sys.executable, "-c", program]):
        pass
"""
    code, output = run_pytest(tmp_path, tests, "--timeout=1", "--timeout-method=signal")
    assert code == 1, output
    assert "Timeout (>1.0s)" in output
    assert "child processes at the time limit" in output
    assert "hrtimer" in output or "dream (<string>:2)" in output, output


def test_a_test_that_hangs_with_the_gil_ends_the_run_with_its_stack(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYRAY_TEST_HARD_LIMIT_S", "0.5")
    tests = """
import ctypes
def test_hangs():
    libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
"""
    code, output = run_pytest(tmp_path, tests, "--timeout=1", "--timeout-method=signal")
    assert code == 1, output
    assert "Timeout (0:00:01.500000)!" in output
    assert "line 6 in test_hangs" in output


def test_a_crash_is_remembered_by_the_next_run(tmp_path: os.PathLike[str]) -> None:
    code, output = run_pytest(tmp_path, "def test_dies():\n    __import__('os').abort()\n")
    assert code == 100, output
    assert "Fatal Python error: Aborted" in output

    healthy = "def test_lives():\n    pass\n"
    code, output = run_pytest(tmp_path, healthy, "--last-failed")
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "the previous run crashed in test_it.py::test_dies" in output
    code, output = run_pytest(tmp_path, healthy, "--last-failed")
    assert code == 0, output

    assert run_pytest(tmp_path, "def test_dies():\n    __import__('os').abort()\n")[0] == 100
    code, output = run_pytest(tmp_path, healthy)
    assert code == 0, output
    assert "WARNING: the previous run crashed, or was killed, in test_it.py::test_dies" in output

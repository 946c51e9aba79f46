"""The leak check: after every test and module nothing may remain that was not there before.

Compared are child processes (and theirs, also orphaned ones), threads, open files, mappings of
pyray's memory, names in /dev/shm and folders of sessions; on a machine of our own (CI) also the
machine's shared memory. What ends a moment after the test gets two seconds of patience. Inside a
session that lives longer than the test (`ray_session`) its processes may come and go, but the
store's accounts must return.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fix_folders, support

PATIENCE_S = 2.0
SHMEM_SLACK_BYTES = 8 << 20
OWN_MACHINE = os.environ.get("CI", "") not in {"", "0", "false"}
"""Whether nobody else uses the machine, so that what is machine-wide may be compared too."""

NATIVE_POOLS = ("numpy", "pandas", "pyarrow", "scipy", "torch")
"""Packages that start threads of their own when they are imported or used for the first time."""

MARK = f"PYRAY_TEST_RUN={uuid.uuid4().hex}"
"""In the environment of every process that this run starts: orphans are found by it."""

_SELF = support.process(os.getpid())
_STARTED_TICKS = _SELF.start_ticks if _SELF is not None else 0
_FAILED = pytest.StashKey[bool]()


def store_accounts() -> dict[str, int] | None:
    """Return the counts of the running session that every test must leave as it found them.

    Objects, references, pins, tasks, edges, bytes of the heap in use ...: whatever pyray's own
    ``pyray.testing.store_accounts()`` says. None when no session runs.
    """
    if not _session_runs():
        return None
    from pyray import testing

    return dict(testing.store_accounts())


def _session_runs() -> bool:
    pyray = sys.modules.get("pyray")
    return bool(pyray is not None and hasattr(pyray, "is_initialized") and pyray.is_initialized())


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What this process and its family hold at one moment."""

    processes: dict[tuple[int, int], support.Process]
    parents: dict[int, int]
    python_threads: Counter[str]
    native_threads: Counter[str]
    pools: frozenset[str]
    files: Counter[str]
    maps: Counter[str]
    names: frozenset[str]
    folders: frozenset[str]
    shmem_bytes: int
    session: bool
    accounts: dict[str, int] | None

    @staticmethod
    def take() -> Snapshot:
        """Look around now."""
        everyone = support.processes()
        mine = set(support.descendants(os.getpid(), everyone))
        mine |= {
            one.pid
            for one in everyone.values()
            if one.start_ticks >= _STARTED_TICKS and support.environment_has(one.pid, MARK)
        }
        mine.discard(os.getpid())
        return Snapshot(
            processes={(pid, everyone[pid].start_ticks): everyone[pid] for pid in mine},
            parents={pid: one.parent for pid, one in everyone.items()},
            python_threads=Counter(thread.name for thread in threading.enumerate()),
            native_threads=_native_threads(),
            pools=frozenset(name for name in NATIVE_POOLS if name in sys.modules),
            files=_open_files(),
            maps=Counter({" ".join(key): count for key, count in support.pyray_maps().items()}),
            names=_shared_names(),
            folders=fix_folders.session_folders(),
            shmem_bytes=_shmem_bytes(),
            session=_session_runs(),
            accounts=store_accounts(),
        )

    def grew(self, after: Snapshot) -> list[str]:
        """Return what `after` has and this snapshot had not, a line each."""
        inside = self.session and after.session
        new = [one for key, one in after.processes.items() if key not in self.processes]
        lines = [str(one) for one in new if not (inside and self._is_of_session(one, after))]
        lines += _more("thread", self.python_threads, after.python_threads)
        if self.pools == after.pools:
            native = after.native_threads
            if self.pools & {"pyarrow", "torch"}:  # start threads at any time
                native = Counter({n: c for n, c in native.items() if n.startswith("pyray")})
            lines += _more("native thread", self.native_threads, native)
        lines += _more("open file", self.files, after.files)
        if not inside:
            lines += _more("mapping", self.maps, after.maps)
        lines += [f"/dev/shm/{name}" for name in sorted(after.names - self.names)]
        lines += [f"session folder {name}" for name in sorted(after.folders - self.folders)]
        if OWN_MACHINE and not inside and after.shmem_bytes > self.shmem_bytes + SHMEM_SLACK_BYTES:
            grown = (after.shmem_bytes - self.shmem_bytes) >> 20
            lines.append(f"shared memory of the machine: {grown} MiB more")
        if inside and self.accounts is not None and after.accounts is not None:
            lines += [
                f"account {name}: {self.accounts.get(name, 0)} before, {value} after"
                for name, value in sorted(after.accounts.items())
                if value > self.accounts.get(name, 0)
            ]
        return lines

    def _is_of_session(self, one: support.Process, after: Snapshot) -> bool:
        """Return whether a process descends from one that the session had before."""
        known = {pid for pid, _ in self.processes}
        pid = one.parent
        while pid > 1:
            if pid in known:
                return True
            pid = after.parents.get(pid, 0)
        return False


def _more(kind: str, before: Counter[str], after: Counter[str]) -> list[str]:
    return [
        f"{kind}: {name}" + (f" ({count} more)" if count > 1 else "")
        for name, count in sorted((after - before).items())
    ]


def _native_threads() -> Counter[str]:
    names: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        try:
            names[(task / "comm").read_text().strip()] += 1
        except OSError:  # it ended meanwhile
            continue
    return names


def _open_files() -> Counter[str]:
    targets: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            targets[str(descriptor.readlink())] += 1
        except OSError:  # the descriptor that listed the folder
            continue
    return targets


def _shared_names() -> frozenset[str]:
    try:
        names = frozenset(path.name for path in Path("/dev/shm").iterdir())
    except OSError:
        return frozenset()
    return names if OWN_MACHINE else frozenset(name for name in names if "pyray" in name)


def _shmem_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) << 10
    return 0


def remains(before: Snapshot, patience_s: float = PATIENCE_S) -> list[str]:
    """Return what has grown since `before` and does not go away within `patience_s`."""
    deadline = time.monotonic() + patience_s * support.SLOWNESS
    pause_s = 0.001
    while lines := before.grew(Snapshot.take()):
        if time.monotonic() > deadline:
            return lines
        gc.collect()
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)
    return []


def _end(before: Snapshot) -> None:
    """Kill the processes that a test left behind, so that they do not disturb the next one."""
    after = Snapshot.take()
    for key, one in after.processes.items():
        if key not in before.processes and not (
            before.session and after.session and before._is_of_session(one, after)
        ):
            try:
                os.kill(one.pid, signal.SIGKILL)
                os.waitpid(one.pid, 0)
            except (ProcessLookupError, ChildProcessError):  # gone, or not a child of ours
                continue


def _check(before: Snapshot, what: str) -> None:
    lines = remains(before)
    if lines:
        _end(before)
        text = "\n  ".join(lines)
        pytest.fail(f"{what} left behind, {PATIENCE_S:g} s after its end:\n  {text}", pytrace=False)


def pytest_configure() -> None:
    """Mark this process, so that everything it starts is known to be of this run."""
    name, _, value = MARK.partition("=")
    os.environ[name] = value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    """Remember which tests fail."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="module", autouse=True)
def no_leaks_from_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail when the fixtures of a module leave anything behind."""
    before = Snapshot.take()
    yield
    _check(before, f"module {request.node.name}")


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest, no_leaks_from_module: None) -> Iterator[None]:
    """Fail when a test leaves anything behind."""
    before = Snapshot.take()
    yield
    if request.node.stash.get(_FAILED, False):
        # Its traceback keeps its values alive; what leaks with it is not news, but must not go on.
        sys.last_value = sys.last_traceback = None
        _end(before)
        return
    _check(before, "this test")

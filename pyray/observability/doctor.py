"""What `pyray doctor` looks at: whether this machine has what pyray needs, and what to do if not.

Each check returns findings. A finding of level "fine" needs nothing; "note" costs speed or comfort;
"problem" keeps something from working.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import resource
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pyray import machine, settings
from pyray.node import spill
from pyray.observability import stacks

Level = Literal["fine", "note", "problem"]
LEAST_MEMORY = 512 << 20
LEAST_ROOM = 1 << 30
LEAST_FILES = 4096
LEAST_PROCESSES = 1024
GETS_ROBUST_LIST: Final = {"x86_64": 274, "aarch64": 100}
"""Numbers of the system call get_robust_list."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What.
        level: Whether it is fine.
        found: What is the case.
        advice: What that means and what to do; "" if it is fine.
    """

    name: str
    level: Level
    found: str
    advice: str = ""


def examine(root: Path | None = None) -> list[Finding]:
    """Return the findings of all checks.

    Args:
        root: The directory that stands for ``/`` where /proc and /sys are read; for tests.
    """
    return [finding for check in CHECKS for finding in check(root)]


def _judge(name: str, found: str, level: Level, advice: str) -> Finding:
    return Finding(name, level, found, "" if level == "fine" else advice)


def size(size_bytes: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _memory(root: Path | None) -> Iterator[Finding]:
    total, available = machine.memory_total(root=root), machine.memory_available(root=root)
    store = machine.default_object_store_bytes(root=root)
    yield _judge(
        "memory",
        f"{size(available)} of {size(total)} available; default object store {size(store)}",
        "fine" if available >= LEAST_MEMORY else "problem",
        "Tasks will be stopped for lack of memory. End other programs, or raise the limit.",
    )


def _control_groups(root: Path | None) -> Iterator[Finding]:
    groups = machine.memory_groups(root=root)
    limits = [limit for _, limit in machine.memory_usage(groups, root=root)[1:]]
    words = f"memory limit {size(min(limits))}" if limits else "no memory limit"
    cpus = machine.cpu_count(root=root)
    there = os.cpu_count() or cpus
    yield Finding("control groups", "fine", f"{words}; {cpus} of {there} CPUs usable")


def _limits(_root: Path | None) -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield _judge(
        "open files (ulimit -n)",
        _count(files),
        "fine" if _enough(files, LEAST_FILES) else "note",
        f"Each worker takes one in the supervisor: at most about {files} workers. "
        f"Raise it: ulimit -n {LEAST_FILES}",
    )
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    yield _judge(
        "processes (ulimit -u)",
        _count(processes),
        "fine" if _enough(processes, LEAST_PROCESSES) else "note",
        f"It counts all processes of the user, threads included. Raise it: ulimit -u "
        f"{LEAST_PROCESSES}",
    )
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    yield Finding("locked memory (ulimit -l)", "fine", f"{_count(locked)}; pyray locks none")
    address = resource.getrlimit(resource.RLIMIT_AS)[0]
    yield _judge(
        "address space (ulimit -v)",
        _count(address),
        "fine" if address == resource.RLIM_INFINITY else "problem",
        "The store's tables and heap are reserved as a whole: allow it (ulimit -v unlimited).",
    )


def _enough(limit: int, least: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= least


def _count(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)


def _kernel(_root: Path | None) -> Iterator[Finding]:
    for name, works, use in (
        ("memfd and sealing", _has_sealing, "sessions live in such files"),
        ("pidfd", _has_pidfd, "processes watch each other through it (Linux 5.3)"),
        ("robust futexes", _has_robust_futexes, "deaths inside of a transaction are noticed by it"),
    ):
        try:
            problem = works()
        except OSError as error:
            problem = os.strerror(error.errno or 0)
        yield _judge(
            name,
            problem or f"works (Linux {platform.release()})",
            "problem" if problem else "fine",
            f"pyray cannot run: {use}. A newer kernel, or a container's seccomp profile that "
            "allows it, is needed.",
        )


def _has_sealing() -> str:
    descriptor = os.memfd_create("pyray-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, 4096)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        try:
            os.ftruncate(descriptor, 0)
        except PermissionError:
            return ""
        return "a sealed file could be made smaller"
    finally:
        os.close(descriptor)


def _has_pidfd() -> str:
    os.close(os.pidfd_open(os.getpid()))
    return ""


def _has_robust_futexes() -> str:
    number = GETS_ROBUST_LIST.get(platform.machine())
    if number is None:
        return f"{platform.machine()} is not supported"
    libc = ctypes.CDLL(None, use_errno=True)
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    if libc.syscall(number, 0, ctypes.byref(head), ctypes.byref(length)) == 0:
        return ""
    raise OSError(ctypes.get_errno() or errno.ENOSYS, "get_robust_list")


def _shared_memory(root: Path | None) -> Iterator[Finding]:
    try:
        about = os.statvfs("/dev/shm" if root is None else root / "dev/shm")  # noqa: S108
        words = f"{size(about.f_blocks * about.f_frsize)}"
    except OSError:
        words = "not there"
    words += "; pyray does not use it: its size does not matter"
    yield Finding("/dev/shm", "fine", words)  # noqa: S108
    enabled = _chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", root)
    yield _judge(
        "huge pages for shared memory",
        enabled or "unknown",
        "note" if enabled in {"always", "force"} else "fine",
        "Small objects may take 2 MiB of memory each time the heap grows. Better: "
        "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled",
    )
    general = _chosen("/sys/kernel/mm/transparent_hugepage/enabled", root)
    yield Finding("transparent huge pages", "fine", general or "unknown")
    overcommit = _read("/proc/sys/vm/overcommit_memory", root)
    yield _judge(
        "overcommit",
        overcommit or "unknown",
        "note" if overcommit == "2" else "fine",
        "With 2, the kernel counts reserved memory as used: name a small object_store_memory, or "
        "set vm.overcommit_memory to 0.",
    )


def _chosen(path: str, root: Path | None) -> str:
    """Return the word in brackets of a file such as "always [never]"."""
    return _read(path, root).partition("[")[2].partition("]")[0]


def _read(path: str, root: Path | None) -> str:
    place = Path(path) if root is None else root / path.lstrip("/")
    try:
        return place.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _folders(_root: Path | None) -> Iterator[Finding]:
    named = settings.SPILLING_DIRECTORY.text()
    place = Path(named) if named else spill.largest_on_disk()
    if place is None or not place.is_dir():
        why = f"{place} is not there" if place else "no directory for temporary files is on a disk"
        yield Finding(
            "spilling",
            "note",
            why,
            "A full object store is an error. Name a directory on a disk: "
            f"{settings.SPILLING_DIRECTORY.variable}",
        )
    else:
        yield _room("spilling", place, "objects go there when the store is full")
    yield _room("temporary files", Path(tempfile.gettempdir()), "sessions have their folders there")
    cache = settings.CACHE_DIR.text() or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    yield _room("cache", Path(cache).expanduser(), "packages of a runtime_env are kept there")


def _room(name: str, place: Path, use: str) -> Finding:
    while not place.exists() and place != place.parent:
        place = place.parent
    about = os.statvfs(place)
    free, kind = about.f_bavail * about.f_frsize, spill.file_system(place)
    found = f"{place}: {size(free)} free on {kind or 'an unknown file system'}"
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(name, "problem", f"{found}, not writable", f"Make it writable: {use}.")
    level: Level = "fine" if free >= LEAST_ROOM else "note"
    return _judge(name, found, level, f"Little room is left: {use}.")


def _builds(_root: Path | None) -> Iterator[Finding]:
    try:
        from pyray import _core
    except ImportError as error:
        yield Finding(
            "compiled core", "problem", str(error), "Build it for this Python: pip install ."
        )
        return
    compiler = platform.python_compiler()
    built = Path(_core.__file__).name
    yield Finding("Python", "fine", f"{platform.python_version()} ({compiler}), {sys.executable}")
    tag = sysconfig.get_config_var("EXT_SUFFIX")
    yield Finding("compiled core", "fine", f"{built} (this Python loads *{tag})")


def _variables(_root: Path | None) -> Iterator[Finding]:
    found = settings.problems()
    set_ones = [one.variable for one in settings.table() if one.reader and one.text()]
    yield _judge(
        "settings",
        "; ".join(found) or (", ".join(set_ones) or "all are the defaults"),
        "problem" if found else "fine",
        "ray.init() refuses such a value: correct or unset the variable.",
    )


def _sessions(_root: Path | None) -> Iterator[Finding]:
    running = stacks.sessions()
    words = ", ".join(f"{one.id} (supervisor {one.supervisor})" for one in running)
    yield Finding("running sessions", "fine", words or "none of this user")
    left = left_behind()
    yield _judge(
        "leftovers",
        ", ".join(left) or "none",
        "note" if left else "fine",
        "Folders of sessions that were killed as a whole. The next session removes them.",
    )


def left_behind() -> list[str]:
    """Return directories of spilled objects whose sessions are gone."""
    named = settings.SPILLING_DIRECTORY.text()
    bases = {Path(named)} if named else {Path(tempfile.gettempdir()), *map(Path, spill.PUBLIC)}
    found: list[str] = []
    for base in sorted(bases):
        with contextlib.suppress(OSError):
            found += [str(path) for path in base.glob(f"{spill.PREFIX}*") if _is_orphan(path)]
    return found


def _is_orphan(path: Path) -> bool:
    """Whether no process of its session lives: they hold its lock together."""
    if path.lstat().st_uid != os.geteuid():
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


CHECKS: Final[tuple[Callable[[Path | None], Iterator[Finding]], ...]] = (
    _builds,
    _kernel,
    _memory,
    _control_groups,
    _limits,
    _shared_memory,
    _folders,
    _variables,
    _sessions,
)

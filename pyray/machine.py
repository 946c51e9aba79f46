"""What this machine allows the process: processors and memory.

The kernel reports the whole machine in /proc/meminfo and in ``os.cpu_count()``, also inside a
container that may use a fraction of it. The real limits are spread over the affinity mask, the
cpuset, and the CPU quota and memory limit of every control group (version 1 or 2) from the
process's own up to the root: the smallest one counts. All of that is read here, from files, with
the standard library alone.

Limits that are absent, say "max" or cannot be understood do not limit; these functions never raise
because of what a file holds. Every function takes ``root``: the directory that stands for ``/``,
so that tests can describe other machines.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

STORE_SHARE = 0.3
"""The share of available memory that the object store takes by default, as in Ray."""

STORE_BYTES_MIN = 64 << 20
"""The default store is never smaller, in bytes: pages that nobody writes cost nothing."""

STORE_BYTES_MAX = 200 * 10**9
"""The default store is never larger, in bytes, as in Ray; who wants more says so to ``init``."""

_STORE_STEP_BYTES = 1 << 20
_OOM_COUNTERS = ("memory.events", "memory.oom_control")


def cpu_count(*, root: Path | None = None) -> int:
    """Return how many processors this process may keep busy, at least 1.

    Args:
        root: The directory that stands for ``/``.

    Returns:
        The smallest of the affinity mask's and the cpuset's number of processors and the CPU quota
        of every control group above the process, rounded up to whole processors.
    """
    limits = [_affinity(root)]
    for group in _groups("cpuset", root):
        cpus = _cpu_list(
            _read(group / "cpuset.cpus.effective")
            or _read(group / "cpuset.effective_cpus")
            or _read(group / "cpuset.cpus")
        )
        if cpus:
            limits.append(cpus)
    limits.extend(_quota(group) for group in _groups("cpu", root))
    return max(1, min(limit for limit in limits if limit > 0))


def memory_total(*, root: Path | None = None) -> int:
    """Return how much memory this process and its children may use together, in bytes.

    Args:
        root: The directory that stands for ``/``.

    Returns:
        The smaller of the machine's memory and the memory limit of every control group above the
        process.
    """
    limits = [_meminfo("MemTotal", root)]
    limits.extend(limit for limit, _ in _memory_groups(root))
    return min(limits)


def memory_available(*, root: Path | None = None) -> int:
    """Return how much more memory could be used now without swapping, in bytes.

    Args:
        root: The directory that stands for ``/``.

    Returns:
        The smaller of the kernel's own estimate (``MemAvailable``) and what remains under the limit
        of every control group above the process. File pages that a group has not touched lately
        count as free, since the kernel drops them first.
    """
    free = [_meminfo("MemAvailable", root)]
    free.extend(max(0, limit - used) for limit, used in _memory_groups(root))
    return min(free)


def memory_groups(*, root: Path | None = None) -> list[Path]:
    """Return the process's memory control groups with a limit below the machine's memory.

    Args:
        root: The directory that stands for ``/``.
    """
    total = _meminfo("MemTotal", root)
    return [
        group
        for group in _groups("memory", root)
        if any(limit < total for limit, _ in _memory_limit(group))
    ]


def memory_usage(groups: Iterable[Path], *, root: Path | None = None) -> list[tuple[int, int]]:
    """Return (used, limit), in bytes, of the machine and of control groups.

    Args:
        groups: What `memory_groups` returned.
        root: The directory that stands for ``/``.
    """
    meminfo = _read(_under(root, "/proc/meminfo"))
    total = _meminfo("MemTotal", root, meminfo)
    pairs = [(max(0, total - _meminfo("MemAvailable", root, meminfo)), total)]
    for group in groups:
        pairs.extend((used, limit) for limit, used in _memory_limit(group))
    return [(used, limit) for used, limit in pairs if limit > 0]


def oom_kills(*, root: Path | None = None) -> int:
    """Return how many processes the kernel has killed for lack of memory so far.

    In the process's own control group if the kernel counts there, else on the whole machine.

    Args:
        root: The directory that stands for ``/``.
    """
    counters = [group / name for group in _groups("memory", root) for name in _OOM_COUNTERS]
    for path in (*counters, _under(root, "/proc/vmstat")):
        for line in _read(path).splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return _number(value) or 0
    return 0


def default_object_store_bytes(*, root: Path | None = None) -> int:
    """Return the size of the object store when the user names none, in bytes.

    Args:
        root: The directory that stands for ``/``.

    Returns:
        30% of the available memory, as in Ray, in whole mebibytes, at least 64 MiB and at most
        200 GB. It does not depend on /dev/shm, which the store does not use.
    """
    wanted = int(memory_available(root=root) * STORE_SHARE) // _STORE_STEP_BYTES * _STORE_STEP_BYTES
    return min(max(wanted, STORE_BYTES_MIN), STORE_BYTES_MAX)


def _under(root: Path | None, path: str | PurePosixPath) -> Path:
    """Return the absolute `path`, seen from `root`."""
    return Path(path) if root is None else root / PurePosixPath(path).relative_to("/")


def _read(path: Path) -> str:
    """Return the text of a file of /proc or /sys, "" when it is not there or not for us."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """Return `text` as a number; None when it is "max", empty or garbage."""
    try:
        return int(text)
    except ValueError:
        return None


def _cpu_list(text: str) -> int:
    """Return the number of processors in a list such as ``0-3,8``; 0 when it makes no sense."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            return 0
        low, high = int(first), int(last or first)
        if high - low >= 1 << 16:  # no machine; a set of that size would only cost memory
            return 0
        cpus.update(range(low, high + 1))
    return len(cpus)


def _affinity(root: Path | None) -> int:
    if root is None:
        return len(os.sched_getaffinity(0))
    for line in _read(_under(root, "/proc/self/status")).splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return _cpu_list(value) or _online(root)
    return _online(root)


def _online(root: Path) -> int:
    cpus = _cpu_list(_read(_under(root, "/sys/devices/system/cpu/online")))
    return cpus or os.cpu_count() or 1


def _meminfo(field: str, root: Path | None, text: str | None = None) -> int:
    """Return one field of /proc/meminfo in bytes, or the closest thing that is known."""
    kib: dict[str, int] = {}
    if text is None:
        text = _read(_under(root, "/proc/meminfo"))
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number = _number(value.removesuffix("kB"))
        if number is not None and number >= 0:
            kib[name] = number
    fallbacks = ("MemFree", "MemTotal") if field == "MemAvailable" else ()  # kernels before 3.14
    for name in (field, *fallbacks):
        if name in kib:
            return kib[name] << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory_groups(root: Path | None) -> Iterator[tuple[int, int]]:
    """Yield (limit, used), in bytes, for every control group above the process that has a limit."""
    for group in _groups("memory", root):
        yield from _memory_limit(group)


def _memory_limit(group: Path) -> Iterator[tuple[int, int]]:
    """Yield (limit, used), in bytes, of one control group if it has a limit."""
    statistics = dict(
        line.split(maxsplit=1)
        for line in _read(group / "memory.stat").splitlines()
        if len(line.split()) == 2
    )
    v1 = _number(_read(group / "memory.limit_in_bytes"))
    if v1 is not None:
        limits = [v1, _number(statistics.get("hierarchical_memory_limit", ""))]
        used = _number(_read(group / "memory.usage_in_bytes")) or 0
        idle = _number(statistics.get("total_inactive_file", "")) or 0
    else:
        limits = [_number(_read(group / name)) for name in ("memory.max", "memory.high")]
        used = _number(_read(group / "memory.current")) or 0
        idle = _number(statistics.get("inactive_file", "")) or 0
    known = [limit for limit in limits if limit is not None and limit >= 0]
    if known:
        yield min(known), max(0, used - max(0, idle))


def _quota(group: Path) -> int:
    """Return the CPU quota of one control group in processors, rounded up; 0 for none."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota = _read(group / "cpu.cfs_quota_us")
        period = _read(group / "cpu.cfs_period_us")
    runtime_us, period_us = _number(quota), _number(period or "100000")
    if runtime_us is None or period_us is None or runtime_us <= 0 or period_us <= 0:
        return 0
    return -(-runtime_us // period_us)


def _groups(controller: str, root: Path | None) -> Iterator[Path]:
    """Yield the directories of the process's control groups, own group first, root group last.

    The groups of version 1 that `controller` has, and those of version 2 (a machine may use both).
    """
    mounts = list(_mounts(controller, root))
    for line in _read(_under(root, "/proc/self/cgroup")).splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 2 if hierarchy == "0" and not controllers else 1
        if version == 1 and controller not in controllers.split(","):
            continue
        for mount_version, mount_root, mount_point in mounts:
            if mount_version == version:
                yield from _upwards(path, mount_root, mount_point, root)


def _mounts(controller: str, root: Path | None) -> Iterator[tuple[int, str, str]]:
    """Yield (version, root, mount point) of the mounted control group trees with `controller`."""
    mountinfo = _read(_under(root, "/proc/self/mountinfo"))
    if not mountinfo:
        yield 2, "/", "/sys/fs/cgroup"
        yield 1, "/", f"/sys/fs/cgroup/{controller}"
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        columns, kind = fields.split(), tail.split()
        if len(columns) < 5 or not kind or not columns[4].startswith("/"):
            continue
        if kind[0] == "cgroup2":
            yield 2, columns[3], columns[4]
        elif kind[0] == "cgroup" and controller in kind[-1].split(","):
            yield 1, columns[3], columns[4]


def _upwards(path: str, mount_root: str, mount_point: str, root: Path | None) -> Iterator[Path]:
    """Yield the directory of the group `path` and those above it, up to the mount point.

    A container sees its own group mounted as the root of the tree: then `path`, as the kernel gives
    it, begins with the mount's root, or (seen from another namespace) with ``/..``. What cannot be
    found is taken to be the mount point, which is always a group of ours.
    """
    relative = PurePosixPath(path.strip() or "/")
    try:
        relative = relative.relative_to(mount_root)
    except ValueError:
        relative = PurePosixPath()
    if ".." in relative.parts or relative.is_absolute():
        relative = PurePosixPath()
    top = _under(root, mount_point)
    for step in (relative, *relative.parents):
        directory = top / step
        if directory.is_dir():
            yield directory

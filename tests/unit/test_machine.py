"""pyray.machine on fake /proc and /sys trees, and on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyray import machine

GIB = 1 << 30
MIB = 1 << 20
V1_UNLIMITED = "9223372036854771712"

V2_MOUNT = "30 20 0:25 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"""

BASE = {
    "proc/meminfo": "MemTotal: 16777216 kB\nMemFree: 1048576 kB\nMemAvailable: 8388608 kB\nBad\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-7\n",
}
V2 = BASE | {
    "proc/self/cgroup": "0::/pods/one\n",
    "proc/self/mountinfo": V2_MOUNT,
    "sys/fs/cgroup/pods/one/cgroup.procs": "",
}
V1 = BASE | {
    "proc/self/cgroup": "9:cpuset:/job\n4:memory:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/\n",
    "proc/self/mountinfo": V1_MOUNTS,
}

Tree = Callable[[dict[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A function that writes {path below the root: text} and returns the root."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


CPU_CASES = {
    "no control groups": (BASE, 8),
    "affinity list": (BASE | {"proc/self/status": "Cpus_allowed_list: 0,2-3,9\n"}, 4),
    "v2 without limits": (V2, 8),
    "v2 max": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "max 100000\n"}, 8),
    "v2 two and a half": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "250000 100000\n"}, 3),
    "v2 a twentieth": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "5000 100000\n"}, 1),
    "v2 no period": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "200000\n"}, 2),
    "v2 garbage": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "many 100000\n"}, 8),
    "v2 period of zero": (V2 | {"sys/fs/cgroup/pods/one/cpu.max": "100000 0\n"}, 8),
    "v2 quota above the process": (
        V2
        | {
            "sys/fs/cgroup/pods/one/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/pods/cpu.max": "200000 100000\n",
        },
        2,
    ),
    "v2 larger quota above": (
        V2
        | {
            "sys/fs/cgroup/pods/one/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/pods/cpu.max": "600000 100000\n",
        },
        3,
    ),
    "v2 cpuset": (V2 | {"sys/fs/cgroup/pods/one/cpuset.cpus.effective": "0-1\n"}, 2),
    "v2 empty cpuset": (V2 | {"sys/fs/cgroup/pods/one/cpuset.cpus": "\n"}, 8),
    "v2 endless cpuset": (V2 | {"sys/fs/cgroup/pods/one/cpuset.cpus": "0-99999999999\n"}, 8),
    "v1 without limits": (V1 | {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n"}, 8),
    "v1 quota": (
        V1
        | {
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "50000\n",
        },
        3,
    ),
    "v1 quota at the root": (
        V1
        | {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "90000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "v1 cpuset": (V1 | {"sys/fs/cgroup/cpuset/job/cpuset.cpus": "2,4,6\n"}, 3),
    "garbage in status": (
        BASE
        | {
            "proc/self/status": "Cpus_allowed_list: all\n",
            "sys/devices/system/cpu/online": "0-4\n",
        },
        5,
    ),
}


@pytest.mark.parametrize("case", CPU_CASES)
def test_cpu_count_on_fake_trees_is_the_smallest_limit(tree: Tree, case: str) -> None:
    files, expected = CPU_CASES[case]
    assert machine.cpu_count(root=tree(files)) == expected


def memory_v2(group: str, **files: str) -> dict[str, str]:
    """Return memory files of a version 2 group; underscores stand for dots."""
    return {f"sys/fs/cgroup/{group}/{name.replace('_', '.')}": text for name, text in files.items()}


# Each case: its files, the memory in total and what is available, in bytes.
MEMORY_CASES = {
    "no control groups": (BASE, 16 * GIB, 8 * GIB),
    "no MemAvailable": (
        {"proc/meminfo": "MemTotal: 4194304 kB\nMemFree: 1048576 kB\n"},
        4 * GIB,
        GIB,
    ),
    "v2 max": (
        V2 | memory_v2("pods/one", memory_max="max\n", memory_current="99\n"),
        16 * GIB,
        8 * GIB,
    ),
    "v2 limit": (
        V2 | memory_v2("pods/one", memory_max=f"{GIB}\n", memory_current=f"{300 * MIB}\n"),
        GIB,
        724 * MIB,
    ),
    "v2 page cache is free": (
        V2
        | memory_v2(
            "pods/one",
            memory_max=f"{GIB}",
            memory_current=f"{GIB}",
            memory_stat=f"anon 5\ninactive_file {100 * MIB}\nbroken line here\n",
        ),
        GIB,
        100 * MIB,
    ),
    "v2 over the limit": (
        V2 | memory_v2("pods/one", memory_max=f"{GIB}", memory_current=f"{2 * GIB}"),
        GIB,
        0,
    ),
    "v2 throttled from memory.high on": (
        V2 | memory_v2("pods/one", memory_max=f"{4 * GIB}", memory_high=f"{GIB}"),
        GIB,
        GIB,
    ),
    "v2 smaller limit above": (
        V2
        | memory_v2("pods/one", memory_max=f"{4 * GIB}", memory_current=f"{GIB}")
        | memory_v2("pods", memory_max=f"{2 * GIB}", memory_current=f"{GIB + 512 * MIB}"),
        2 * GIB,
        512 * MIB,
    ),
    "v2 no usage file": (V2 | memory_v2("pods/one", memory_max=f"{GIB}"), GIB, GIB),
    "v2 garbage": (
        V2 | memory_v2("pods/one", memory_max="lots", memory_current="-"),
        16 * GIB,
        8 * GIB,
    ),
    "v2 negative": (V2 | memory_v2("pods/one", memory_max="-5"), 16 * GIB, 8 * GIB),
    "v1 unlimited": (
        V1
        | {
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": V1_UNLIMITED,
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "12345",
        },
        16 * GIB,
        8 * GIB,
    ),
    "v1 limit": (
        V1
        | {
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/job/memory.stat": f"total_inactive_file {512 * MIB}\n",
        },
        3 * GIB,
        GIB + 512 * MIB,
    ),
    "v1 limit of a parent that is out of sight": (
        V1
        | {
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": V1_UNLIMITED,
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "0",
            "sys/fs/cgroup/memory/job/memory.stat": f"hierarchical_memory_limit {GIB}\n",
        },
        GIB,
        GIB,
    ),
    "container whose own group is the mounted root": (
        BASE
        | {
            "proc/self/cgroup": "4:memory:/docker/abc\n",
            "proc/self/mountinfo": "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw"
            " - cgroup cgroup rw,memory",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}",
        },
        GIB,
        GIB,
    ),
    "container that shows another path than it mounts": (
        BASE
        | {
            "proc/self/cgroup": "0::/docker/abc\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/memory.max": f"{GIB}",
        },
        GIB,
        GIB,
    ),
    "path outside the namespace": (
        BASE
        | {
            "proc/self/cgroup": "0::/../../other\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/memory.max": f"{2 * GIB}",
        },
        2 * GIB,
        2 * GIB,
    ),
    "hybrid: v1 memory beside an empty v2 tree": (
        BASE
        | {
            "proc/self/cgroup": "4:memory:/job\n0::/job\n",
            "proc/self/mountinfo": V1_MOUNTS
            + "\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "sys/fs/cgroup/unified/job/cgroup.procs": "",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{GIB}",
        },
        GIB,
        GIB,
    ),
    "no mountinfo, v2": (
        BASE | {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": f"{GIB}"},
        GIB,
        GIB,
    ),
    "no mountinfo, v1": (
        BASE
        | {
            "proc/self/cgroup": "4:memory:/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{GIB}",
        },
        GIB,
        GIB,
    ),
    "garbage everywhere": (
        BASE
        | {
            "proc/self/cgroup": "::\n\nnonsense\n0::\n:::::\n4:memory\n",
            "proc/self/mountinfo": "1 2 3\n - \n- cgroup2\na b c d e - cgroup2 x\n" + V2_MOUNT,
        },
        16 * GIB,
        8 * GIB,
    ),
}


@pytest.mark.parametrize("case", MEMORY_CASES)
def test_memory_on_fake_trees_is_the_smallest_limit(tree: Tree, case: str) -> None:
    files, total, available = MEMORY_CASES[case]
    root = tree(files)
    assert machine.memory_total(root=root) == total
    assert machine.memory_available(root=root) == available


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (10 * GIB, 3 * GIB),
        (100 * MIB, 64 * MIB),
        (0, 64 * MIB),
        (1001 * MIB, 300 * MIB),
        (10**12, 200 * 10**9),
    ],
)
def test_default_store_is_a_share_within_bounds(tree: Tree, available: int, expected: int) -> None:
    meminfo = f"MemTotal: {10**10} kB\nMemAvailable: {available >> 10} kB\n"
    assert machine.default_object_store_bytes(root=tree({"proc/meminfo": meminfo})) == expected


def test_limits_on_an_empty_tree_are_those_of_this_machine(tmp_path: Path) -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.cpu_count(root=tmp_path) == os.cpu_count()
    assert machine.memory_total(root=tmp_path) == pages
    assert machine.memory_available(root=tmp_path) == pages


def test_unreadable_files_do_not_limit(tree: Tree) -> None:
    root = tree(V2)
    (root / "sys/fs/cgroup/pods/one/memory.max").mkdir()
    (root / "sys/fs/cgroup/pods/one/cpu.max").write_bytes(b"\xff\xfe\x00")
    assert machine.memory_total(root=root) == 16 * GIB
    assert machine.cpu_count(root=root) == 8


def test_limits_of_this_machine_are_plausible() -> None:
    assert 1 <= machine.cpu_count() <= (os.cpu_count() or 1)
    assert 16 * MIB < machine.memory_available() <= machine.memory_total()
    store = machine.default_object_store_bytes()
    assert machine.STORE_BYTES_MIN <= store <= machine.STORE_BYTES_MAX
    root = Path("/")
    assert machine.cpu_count(root=root) == machine.cpu_count()
    assert machine.memory_total(root=root) == machine.memory_total()


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs util-linux's taskset")
def test_cpu_count_under_taskset_is_that_of_the_mask() -> None:
    cpu = min(os.sched_getaffinity(0))
    program = "from pyray import machine; print(machine.cpu_count())"
    done = subprocess.run(
        ["taskset", "-c", str(cpu), sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "1\n"

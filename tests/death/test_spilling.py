"""Deaths and failing disks while objects go to files and come back: nothing lost, nothing left."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyray as ray
from pyray import _core, exceptions, testing
from pyray.node import spill
from tests import support
from tests.support import wait_until

pytestmark = pytest.mark.timeout(120)

MIB = 1 << 20
DEADLINE_S = 30


def block(number: int, size: int = MIB) -> Any:
    """An array whose every element depends on its number."""
    return np.arange(number, number + size // 8, dtype=np.int64)


def is_block(value: Any, number: int) -> bool:
    """Is it that array?"""
    return bool(np.array_equal(value, block(number)))


def start(base: Path, **kwargs: Any) -> None:
    """Begin a session with a store of 16 MiB that spills to this directory."""
    ray.init(num_cpus=2, object_store_memory=16 * MIB, object_spilling_directory=base, **kwargs)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A directory to spill to; in the end no session may have left anything there."""
    path = tmp_path / "disk"
    yield path
    ray.shutdown()
    assert list(path.iterdir()) == []


def session_files(base: Path) -> list[Path]:
    """The spill files of the one session there."""
    (own,) = base.iterdir()
    return sorted(own.iterdir())


make = ray.remote(max_retries=-1)(block)
check = ray.remote(max_retries=-1)(is_block)


# ---- disks that fail


@pytest.mark.parametrize("number", [28, 5], ids=["ENOSPC", "EIO"])
def test_disk_that_takes_nothing(base: Path, number: int) -> None:
    start(base)
    _core.arm_failpoints(f"spill.write=fail:{number}")
    kept = [ray.put(block(n)) for n in range(14)]
    words = rf"of 8,388,\d+ bytes.*16,777,216.*could go to files 14,.*{os.strerror(number)}"
    with pytest.raises(exceptions.OutOfDiskError, match=words):
        ray.put(block(0, 8 * MIB))
    wait_until(lambda: session_files(base) == [], 5, "the unfinished files to be deleted")
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))
    _core.arm_failpoints("spill.write=count")  # there is room again
    assert ray.get(ray.put(block(0, 8 * MIB))).nbytes == 8 * MIB
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))
    testing.store_accounts()


def test_task_on_a_full_disk_fails_and_the_session_goes_on(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYRAY_FAILPOINTS", "spill.write=fail:28")
    start(base)
    kept = [ray.put(block(n)) for n in range(14)]
    with pytest.raises(exceptions.OutOfDiskError):
        ray.get(ray.remote(block).remote(0, 8 * MIB), timeout=DEADLINE_S)
    del kept
    assert ray.get(make.remote(5), timeout=DEADLINE_S)[0] == 5


def test_files_that_may_not_grow(base: Path) -> None:
    """A limit of the system in place of a full disk."""
    start(base)
    kept = [ray.put(block(n)) for n in range(14)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(exceptions.OutOfDiskError, match="File too large"):
            ray.put(block(0, 8 * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))
    assert ray.get(ray.put(block(0, 8 * MIB))).nbytes == 8 * MIB


def test_directory_that_is_removed(base: Path) -> None:
    start(base)
    kept = [ray.put(block(n)) for n in range(14)]
    (own,) = base.iterdir()
    own.rmdir()
    with pytest.raises(exceptions.OutOfDiskError, match="No such file or directory"):
        ray.put(block(0, 8 * MIB))
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))


def test_files_that_are_removed_are_lost_and_nothing_else(base: Path) -> None:
    start(base)
    kept = [ray.put(block(n)) for n in range(40)]
    for file in session_files(base)[:2]:
        file.unlink()
    lost = [n for n, ref in enumerate(kept) if not _is_there(ref, n)]
    assert 0 < len(lost) < 40
    with pytest.raises(exceptions.ObjectLostError, match="No such file or directory"):
        ray.get(kept[lost[0]])
    with pytest.raises(exceptions.ObjectLostError):
        ray.get(check.options(max_retries=0).remote(kept[lost[0]], lost[0]), timeout=DEADLINE_S)
    testing.store_accounts()


def test_pipe_in_the_place_of_a_file_is_not_waited_for(base: Path) -> None:
    start(base)
    kept = [ray.put(block(n)) for n in range(40)]
    for file in session_files(base):
        file.rename(file.with_suffix(".away"))
        os.mkfifo(file)
    with pytest.raises(exceptions.ObjectLostError, match="is damaged"):
        ray.get(kept[0])
    for file in session_files(base):
        if file.suffix == ".away":
            file.rename(file.with_suffix(".spill"))
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))


def _is_there(ref: Any, number: int) -> bool:
    try:
        value = ray.get(ref)
    except exceptions.ObjectLostError:
        return False
    assert is_block(value, number)
    return True


def test_reading_that_fails_once(base: Path) -> None:
    start(base)
    kept = [ray.put(block(n)) for n in range(40)]
    _core.arm_failpoints("restore.read=fail:5")
    with pytest.raises(exceptions.ObjectLostError, match="Input/output error"):
        ray.get(kept[0])
    _core.arm_failpoints("restore.read=count")
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))  # the file stayed


def test_too_few_files_to_read_is_no_loss(base: Path) -> None:
    start(base)
    kept = [ray.put(block(n)) for n in range(40)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unused = os.open(os.devnull, os.O_RDONLY)
    os.close(unused)
    resource.setrlimit(resource.RLIMIT_NOFILE, (unused, hard))
    try:
        with pytest.raises(OSError, match="not lost.*ulimit -n") as caught:
            ray.get(kept)
        assert caught.value.errno == errno.EMFILE
        assert any(ref.hex() in str(caught.value) for ref in kept)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))
    del kept


def test_damaged_files_are_never_believed(base: Path) -> None:
    """Bytes changed, cut off and added at random: the right value or an error."""
    start(base)
    seed = int(os.environ.get("PYRAY_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)
    kept = [ray.put(block(n)) for n in range(60)]
    small = [ray.put(bytes([n]) * 5_000) for n in range(200)]
    fillers = [ray.put(block(n)) for n in range(30)]
    for file in session_files(base):
        content = bytearray(file.read_bytes())
        for _ in range(chance.randrange(3)):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        if chance.random() < 0.3:
            content += os.urandom(1_000)
        file.write_bytes(content)
    there = [_is_there(ref, n) for n, ref in enumerate(kept)]
    assert 0 < sum(there) < len(there), f"seed {seed}"
    for n, ref in enumerate(small):
        try:
            assert ray.get(ref) == bytes([n]) * 5_000
        except exceptions.ObjectLostError as error:
            assert "damaged" in str(error) or "other bytes" in str(error)  # noqa: PT017
    testing.store_accounts()
    del fillers


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_disk_that_fills_up(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=24m none {small} 2>/dev/null") != 0:
        pytest.skip("this container may not mount")
    try:
        start(small)
        kept: list[Any] = []
        with pytest.raises(exceptions.OutOfDiskError, match="No space left on device"):
            kept.extend(ray.put(block(n)) for n in range(100))
        assert len(kept) > 16 + 12
        assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept))
        del kept[::2]
        wait_until(lambda: _core.store_stats()["spilled_bytes"] < 16 * MIB, 5, "files to go")
        assert is_block(ray.get(ray.put(block(7))), 7)
        ray.shutdown()
        assert list(small.iterdir()) == []
    finally:
        ray.shutdown()
        os.system(f"umount {small}")


def test_slow_disk_can_be_interrupted(base: Path) -> None:
    start(base)
    _core.arm_failpoints("spill.write=delay:200")
    kept = [ray.put(block(n)) for n in range(14)]
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            kept.extend(ray.put(block(n)) for n in range(100))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    _core.arm_failpoints("spill.write=count")
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate(kept[:14]))
    testing.store_accounts()


# ---- deaths

POINTS = (
    "spill.claimed",
    "spill.write",
    "spill.written",
    "spill.done",
    "restore.claimed",
    "restore.read",
    "restore.done",
)


@pytest.mark.parametrize("point", POINTS)
def test_worker_dies_between_two_steps(
    base: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker dies when it comes there the fifth time; the work is done nevertheless."""
    monkeypatch.setenv("PYRAY_FAILPOINTS", f"{point}=kill@5")
    start(base)
    _core.arm_failpoints("spill.write=count")  # the driver lives
    kept = [ray.put(block(n)) for n in range(30)]
    made = [make.remote(n) for n in range(30, 60)]
    checked = [check.remote(ref, n) for n, ref in enumerate([*kept, *made])]
    assert all(ray.get(checked, timeout=DEADLINE_S))
    assert all(is_block(ray.get(ref), n) for n, ref in enumerate([*kept, *made]))
    assert _core.engine_stats()["deaths"] > 0
    testing.store_accounts()


DRIVER = """
    import os, sys
    import numpy as np
    import pyray as ray
    from pyray import testing

    ray.init(num_cpus=2, object_store_memory=16 << 20, object_spilling_directory={base!r})
    print(os.getpid(), testing.supervisor_pid(), flush=True)
    make = ray.remote(max_retries=-1)(lambda n: np.full(1 << 17, float(n)))
    kept = [ray.put(np.full(1 << 17, float(n))) for n in range(20)]
    kept += [make.remote(n) for n in range(20, 40)]
    ray.wait(kept, num_returns=40)
    while True:
        for n, ref in enumerate(kept):
            assert ray.get(ref)[-1] == n
"""


@pytest.mark.parametrize("who", ["driver", "supervisor", "both"])
def test_session_killed_while_it_spills(tmp_path: Path, who: str) -> None:
    """The supervisor removes what the driver has left; without it, the next session does."""
    base = tmp_path / "disk"
    for after_s in (0.0, 0.1, 0.3, 1.0):
        with support.started_script(DRIVER.format(base=str(base))) as script:
            script.wait_for_output("\n")
            driver, supervisor = map(int, script.stdout().split())
            time.sleep(after_s)
            if who != "driver":
                os.kill(supervisor, signal.SIGKILL)
            if who != "supervisor":
                os.kill(driver, signal.SIGKILL)
            if who == "driver":
                script.wait(5)  # its supervisor may not have begun, and then does not find it
                wait_until(lambda: not list(base.iterdir()), 15, "the directory to be removed")
        if who != "driver":  # by the next that starts here, once the last worker is gone
            wait_until(lambda: spill.sweep(base), 15, "the directory to be free")
        assert list(base.iterdir()) == []


def test_sweeping_spares_the_living_and_the_foreign(tmp_path: Path) -> None:
    living = spill.make(str(tmp_path))
    dead = spill.make(str(tmp_path))
    (Path(dead.path) / "1.spill").write_bytes(b"left")
    dead.close()
    for name in ("mine", spill.PREFIX + "file"):
        (tmp_path / name).touch()
    (tmp_path / f"{spill.PREFIX}link").symlink_to(tmp_path, target_is_directory=True)
    third = spill.make(str(tmp_path))
    assert not Path(dead.path).exists()
    assert Path(living.path).is_dir()
    third.remove()
    third.close()
    assert spill.sweep(tmp_path) == []
    assert (tmp_path / "mine").exists()
    living.remove()
    living.close()


def test_directory_is_not_in_memory() -> None:
    mounts = "none / overlay rw 0 0\nnone /tmp tmpfs rw 0 0\nnone /tmp/a\\040b ext4 rw 0 0\n"
    assert spill.file_system(Path("/tmp/x"), mounts) == "tmpfs"
    assert spill.file_system(Path("/tmp/a b/c"), mounts) == "ext4"
    assert spill.file_system(Path("/var/tmp"), mounts) == "overlay"
    found = spill.largest_on_disk()
    assert found is None or spill.file_system(found) not in spill.IN_MEMORY


STORM_S = 4.0


def test_storm_of_deaths_while_the_store_is_full(base: Path) -> None:
    """Workers are killed at random moments while everything goes to files and comes back."""
    start(base)
    chance = random.Random(int(os.environ.get("PYRAY_TEST_SEED", time.time_ns() % 1_000_000)))
    kept = {n: ray.put(block(n)) for n in range(40)}
    until = time.monotonic() + STORM_S
    deaths = 0
    number = len(kept)
    while time.monotonic() < until:
        kept |= {number + n: make.remote(number + n) for n in range(4)}
        number += 4
        asked = chance.sample(sorted(kept), 8)
        checked = [check.remote(kept[n], n) for n in asked]
        time.sleep(chance.uniform(0, 0.05))
        for pid in testing.worker_pids()[:1]:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)
                deaths += 1
        assert all(ray.get(checked, timeout=DEADLINE_S))
        for n in chance.sample(sorted(kept), len(kept) - 60) if len(kept) > 60 else ():
            assert is_block(ray.get(kept.pop(n), timeout=DEADLINE_S), n)
    assert deaths > 10
    assert all(is_block(ray.get(ref, timeout=DEADLINE_S), n) for n, ref in kept.items())
    testing.store_accounts()
    kept.clear()
    wait_until(lambda: len(session_files(base)) <= 2, 10, "the files to be deleted")


CROWDED = """
    import os, random, time
    while not os.path.exists("go"): time.sleep(0.005)
    import numpy as np
    import pyray as ray
    from pyray import testing

    ray.init(num_cpus=2, object_store_memory=64 << 20)
    make = ray.remote(lambda n: np.full(1 << 17, float(n)))
    check = ray.remote(lambda a, n: bool((a == n).all()))
    refs = [ray.put(np.full(1 << 17, float(n))) for n in range(512)]
    refs += [make.remote(n) for n in range(512, 1024)]
    order = random.sample(range(1024), 1024)
    assert all(ray.get([check.remote(refs[n], n) for n in order]))
    assert all((ray.get(refs[n]) == n).all() for n in order[:500])
    assert testing.store_stats()["spilled_bytes"] > 900 << 20
    print("done")
"""


@pytest.mark.slow  # 3 GB are written, and as much is read
@pytest.mark.timeout(180)
def test_a_gigabyte_in_a_control_group_of_256_mib(group: Path) -> None:
    """Store, page cache and all processes together: the files take no memory that counts."""
    for name in ("memory.limit_in_bytes", "memory.max"):
        if (group / name).exists():
            (group / name).write_text(str(256 * MIB))
    with support.started_script(CROWDED) as script:
        (group / "cgroup.procs").write_text(str(script.pid))
        (script.folder / "work/go").touch()
        done = script.wait(120)
        assert done.returncode == 0, script.report()
        assert "done" in done.stdout

"""What strangers could see or touch: nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import support
from tests.support import run_script, started_script


def test_no_socket_but_the_door_and_no_file() -> None:
    folders = [Path("/tmp"), Path("/dev/shm")]
    with started_script(
        """
        import time
        import pyray as ray
        from pyray import testing
        ray.init(num_cpus=2)

        @ray.remote
        def one():
            return bytes(100_000)

        kept = ray.get([one.remote() for _ in range(10)])
        print("family", testing.supervisor_pid(), *testing.worker_pids(), flush=True)
        time.sleep(60)
        """
    ) as script:
        script.wait_for_output("family")
        family = [script.pid, *map(int, script.stdout().split()[1:])]
        files = {
            pid: [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
            for pid in family
        }
        targets = [target for some in files.values() for target in some]
        assert len(family) >= 3
        sockets = [target for target in targets if target.startswith("socket:")]
        assert sockets == [one for one in files[family[1]] if one in sockets]  # the supervisor's
        assert len(sockets) == 1  # its door, in a private folder
        seals = {target for target in targets if "memfd:" in target}
        names = {target.split(":")[1].split()[0] for target in seals}
        assert names == {
            "pyray-control", "pyray-heap", "pyray-journal", "pyray-journal-own", "pyray-lines",
            "pyray-obituaries",
        }  # fmt: skip
        names = [str(path) for folder in folders for path in folder.iterdir()]
        assert not [
            name
            for name in names
            if "pyray" in name
            and "pyray-test" not in name
            and "pyray-spill" not in name
            and not name.endswith(f"pyray-{os.getuid()}")
        ]
        assert all((Path(f"/proc/{pid}").stat().st_uid == os.getuid()) for pid in family)


def test_memory_is_sealed_against_shrinking() -> None:
    run_script(
        """
        import fcntl, os
        import pyray as ray
        ray.init(num_cpus=1)
        found = 0
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            if "memfd:pyray" in target:
                found += 1
                wanted = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
                if "journal" not in target:  # that one grows
                    wanted |= fcntl.F_SEAL_GROW
                assert fcntl.fcntl(int(name), fcntl.F_GET_SEALS) & wanted == wanted
                for size in (0, 1 << 40)[: 1 if "journal" in target else 2]:
                    try:
                        os.ftruncate(int(name), size)
                    except OSError:
                        continue
                    raise AssertionError("the size could be changed")
        assert found == 3, found
        ray.shutdown()
        """,
        check=True,
    )


def test_write_through_a_view_kills_only_the_writer() -> None:
    run_script(
        """
        import numpy as np
        import pyray as ray
        from pyray import exceptions
        ray.init(num_cpus=2)

        @ray.remote(max_retries=0)
        def vandal(array):
            import ctypes, faulthandler, resource
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.memset(array.ctypes.data, 255, 8)

        ref = ray.put(np.arange(100_000))
        try:
            ray.get(vandal.remote(ref), timeout=20)
        except exceptions.WorkerCrashedError as error:
            assert "SIGSEGV" in str(error)
        else:
            raise AssertionError("it could write")
        assert (ray.get(ref) == np.arange(100_000)).all()
        ray.shutdown()
        """,
        check=True,
    )


@pytest.mark.parametrize(
    "words",
    [b"", b"\n", b"[]\n", b"[]\n{}", b"\xff\xfe\x00\n{", b"[1]\n[1,2]", b"{" * 100_000,
     b"null\nnull",
     b'[]\n{"control_fd": 0, "heap_fd": 1, "doorbell_fd": 2, "driver_pid": 1}',
     b'[]\n{"control_fd": 0, "heap_fd": 1, "doorbell_fd": 2, "driver_pid": DRIVER}',
     b'[]\n{"control_fd": 99, "heap_fd": 99, "doorbell_fd": 99, "driver_pid": DRIVER}',
     b'[]\n{"control_fd": "x", "heap_fd": [], "driver_pid": DRIVER}',
     b'[]\n{"driver_pid": DRIVER}', b'[1, {}]\n{"driver_pid": DRIVER}', b"[]\n{}\n{}"],
    ids=range(15),
)  # fmt: skip
def test_bad_words_to_the_supervisor(words: bytes) -> None:
    run_script(
        f"""
        import os, subprocess, sys
        from pyray.node.local_engine import START
        command = [sys.executable, "-c", START]
        words = {words!r}.replace(b"DRIVER", str(os.getpid()).encode())
        done = subprocess.run(command, input=words, capture_output=True, timeout=20)
        assert done.returncode == 1, done
        """,
        check=True,
    )


def test_attach_refuses_what_is_no_session() -> None:
    run_script(
        """
        import os, random
        from pyray import _core, exceptions

        def refused(control, heap):
            try:
                _core.attach_session(control, heap, -1)
            except exceptions.RaySystemError:
                return True
            raise AssertionError("attached to nonsense")

        rng = random.Random(1)
        control, heap = os.memfd_create("control"), os.memfd_create("heap")
        refused(control, heap)
        refused(-1, -1)
        refused(999, heap)
        for size in (0, 1, 100, 4096, 1 << 20):
            os.ftruncate(control, size)
            os.ftruncate(heap, size)
            for _ in range(20):
                os.pwrite(control, rng.randbytes(min(size, 8192)), 0)
                refused(control, heap)
        a, b = os.pipe()
        refused(a, b)
        assert not _core.is_session_open()
        """,
        check=True,
    )
    assert support.session_processes() is not None

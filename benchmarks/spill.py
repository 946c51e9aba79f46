"""How fast objects go to files and come back, next to dd on the same file system.

    python benchmarks/spill.py [--mib 512] [--object-mib 8] [--rounds 5] [--directory DIR]

A store of `--mib` is filled with objects of `--object-mib`; then one value as large as the store is
put: all the others go to files. The time of putting such a value into an empty store is subtracted.
Then the large value is dropped, and each object is fetched again, once with the files in the page
cache ("warm") and once after they were pushed out of it ("cold").

dd writes and reads as much in pyray's block size (4 MiB): from memory to a file, from the cache
into memory that exists already (a file in /dev/shm), and from the disk to nowhere. Rounds are
interleaved; the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import pyray as ray
from pyray import testing

MIB = 1 << 20
BLOCK = 4 * MIB


def seconds(function: Callable[[], object]) -> float:
    """Run it once."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def touch_all(refs: list[ray.ObjectRef]) -> None:
    """Fetch each object, and look at its first byte."""
    for ref in refs:
        assert ray.get(ref)[0] >= 0


def drop_from_cache(paths: list[Path]) -> None:
    """Write the files to the disk and have the kernel forget their pages."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def dd(*arguments: str) -> float:
    """Seconds of one dd."""
    return seconds(lambda: subprocess.run(["dd", *arguments], check=True, capture_output=True))


def measure_dd(directory: Path, mib: int) -> dict[str, float]:
    """MiB per second of writing from memory, and of reading warm and cold."""
    source, target = Path("/dev/shm/pyray-dd-source"), directory / "dd"
    blocks = f"count={mib * MIB // BLOCK}"
    try:
        dd("if=/dev/zero", f"of={source}", f"bs={BLOCK}", blocks, "iflag=fullblock")
        found = {"write": mib / dd(f"if={source}", f"of={target}", f"bs={BLOCK}", blocks)}
        found["read warm"] = mib / dd(f"if={target}", f"of={source}", f"bs={BLOCK}", "conv=notrunc")
        drop_from_cache([target])
        found["read cold"] = mib / dd(f"if={target}", "of=/dev/null", f"bs={BLOCK}")
        return found
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def measure_pyray(directory: Path, mib: int, object_mib: int) -> dict[str, float]:
    """The same of a store of `mib`."""
    part = np.random.default_rng(1).integers(0, 255, object_mib * MIB - 4096, np.uint8)
    whole = np.ones(mib * MIB - 64 * 1024, np.uint8)
    found = {}
    with ray.init(num_cpus=1, object_store_memory=mib * MIB, object_spilling_directory=directory):
        ray.put(whole)  # memory is fresh only once
        alone = min(seconds(lambda: ray.put(whole)) for _ in range(2))
        for kind in ("warm", "cold"):
            refs = [ray.put(part) for _ in range(mib // object_mib)]
            before = testing.store_stats()["total_spilled_bytes"]
            start = time.perf_counter()
            large = ray.put(whole)
            duration = time.perf_counter() - start - alone
            spilled = testing.store_stats()["total_spilled_bytes"] - before
            found["write"] = max(found.get("write", 0), spilled / MIB / duration)
            del large
            if kind == "cold":
                drop_from_cache(list(directory.glob("*/*.spill")))
            refs = refs[: int(spilled / object_mib / MIB)]
            duration = seconds(functools.partial(touch_all, refs))
            found[f"read {kind}"] = len(refs) * object_mib / duration
            del refs
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--object-mib", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pyray-bench-", dir=options.directory or "/var/tmp"))
    rounds = []
    try:
        for _ in range(options.rounds):
            theirs = measure_dd(folder, options.mib)
            ours = measure_pyray(folder / "spill", options.mib, options.object_mib)
            rounds.append((ours, theirs))
    finally:
        shutil.rmtree(folder)
    print(f"{'MiB/s':10} {'pyray':>8} {'dd':>8} {'ratio':>6}")
    for what in rounds[0][0]:
        ours = statistics.median(our[what] for our, _ in rounds)
        theirs = statistics.median(their[what] for _, their in rounds)
        ratio = statistics.median(our[what] / their[what] for our, their in rounds)
        print(f"{what:10} {ours:8.0f} {theirs:8.0f} {ratio:6.2f}")


if __name__ == "__main__":
    main()

"""A head session: how long `pyray start --head` takes, and what it is while nobody uses it.

    python benchmarks/sessions.py [--rounds 10]

Each round starts a head with its server, waits until it is at rest, counts its processes and their
memory (PSS: shared pages count once), and stops it. Then: how long a program takes from starting
its interpreter to its first result, with a session of its own. Lower is better.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import pss_bytes, tree

FIRST_RESULT = "import pyray as ray; ray.init(num_cpus=2); ray.get(ray.remote(lambda: 1).remote())"


def run_ms(*arguments: str) -> float:
    """Run Python to its end; return how long that took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1e3


def one_head(root: Path) -> tuple[float, float, int, float]:
    """Return milliseconds to start and to stop, number of processes, and their memory in MiB."""
    started_ms = run_ms("-m", "pyray", "start", "--head", "--num-cpus=2")
    while not (places := list(root.glob("*/*/dashboard.json"))):
        time.sleep(0.01)
    time.sleep(0.5)  # at rest
    server = json.loads(places[0].read_text())["pid"]
    supervisor = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
    pids = tree(supervisor)
    memory_mib = pss_bytes(pids) / 2**20
    return started_ms, run_ms("-m", "pyray", "stop"), len(pids), memory_mib


def main() -> None:
    """Measure, and print medians and lowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as root:
        os.environ["PYRAY_TMPDIR"] = root
        heads = [one_head(Path(root)) for _ in range(rounds)]
        firsts = [run_ms("-c", FIRST_RESULT) for _ in range(rounds)]
    names = ("start of a head, ms", "its stop, ms", "processes at rest", "their PSS, MiB")
    for name, figures in (
        *zip(names, zip(*heads, strict=True), strict=True),
        ("new Python to first result, ms", firsts),
    ):
        print(f"{name:<32} median {statistics.median(figures):8.1f}  lowest {min(figures):8.1f}")


if __name__ == "__main__":
    main()
